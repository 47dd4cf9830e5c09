use super::{
    State, Thing,
    harmless::{fills, may_begin_with_room, may_make_room},
    script::read,
};
use crate::Action;

/// The things of a script that starts in `/srv`, as a test reads them: `name`, `sudo:name`, `/path`, `file:/path`; with `?` behind
/// what a line of it may make and `!` behind what ends it.
fn needs(script: &str) -> Vec<String> {
    let found = read(script, Some("/srv"));
    found
        .into_iter()
        .map(|found| {
            let thing = match found.thing {
                Thing::Program { name, by_sudo } => format!("{}{name}", if by_sudo { "sudo:" } else { "" }),
                Thing::Path { path, runs, .. } => format!("{}{path}", if runs { "" } else { "file:" }),
            };
            let maker = if found.maker.is_some() { "?" } else { "" };
            format!("{thing}{maker}{}", if found.stops { "!" } else { "" })
        })
        .collect()
}

#[test]
fn the_first_word_of_each_line() {
    assert_eq!(needs("foo --bar baz"), ["foo!"]);
    assert_eq!(needs("A=1 B='x y' foo >out 2>&1"), ["foo!"]);
    assert_eq!(needs("echo a\necho b"), ["echo", "echo!"], "only the last one says how the script ended");
    assert_eq!(needs("set -e\nfoo\necho b"), ["set", "foo!", "echo?!"]);
    assert_eq!(needs("foo $X | bar"), ["foo", "bar!"], "of a pipe only the end says how it ended");
    assert_eq!(needs("foo && bar"), ["foo!", "bar?!"], "`foo` may make `bar`");
    assert_eq!(needs("set -e\nid u && bar\ntrue"), ["set", "id", "bar", "true?!"], "it may not be reached");
    assert_eq!(needs("foo &"), ["foo"]);
    assert!(needs("for f in a b; do foo \"$f\"; done").is_empty(), "it may have no round");
    assert_eq!(needs("(id; bar)"), ["id", "bar!"]);
    assert!(needs("foo() { bar; }\nfoo").is_empty());
    assert!(needs("A=1").is_empty());
    assert!(needs("$FOO bar").is_empty());
    assert!(needs("\"$HOME/bin/x\" bar").is_empty());
    assert_eq!(needs("cat <<EOF\nfoo bar\nEOF"), ["cat!"]);
}

#[test]
fn programs_that_run_another() {
    assert_eq!(needs("sudo -n -u app foo"), ["sudo!", "sudo:foo!"]);
    assert_eq!(
        needs("sudo A=1 env -u B C=2 nice -n 5 foo -n 3"),
        ["sudo!", "sudo:env!", "sudo:nice!", "sudo:foo!"]
    );
    assert_eq!(needs("timeout -k 5 30s nohup foo"), ["timeout!", "nohup!", "foo!"]);
    assert_eq!(needs("exec foo"), ["exec!", "foo!"]);
    // An option that is not known may have a value in the next word.
    assert_eq!(needs("sudo --chdir /x foo"), ["sudo!"]);
    assert_eq!(needs("sudo -i foo"), ["sudo!"]);
    assert_eq!(needs("nice -5 foo"), ["nice!"]);
}

#[test]
fn what_depends_on_the_moment_says_nothing() {
    for script in [
        "if foo; then bar; fi",
        "while foo; do bar; done",
        "case $x in a) foo;; esac",
        "foo || bar",
        "! foo",
        "[[ -x foo ]] && bar",
        "x=(foo bar)",
        "trap 'foo' EXIT; true | trap foo INT",
    ] {
        assert!(
            !needs(script).iter().any(|need| need.starts_with("foo") || need.starts_with("bar")),
            "{script}"
        );
    }
    assert_eq!(needs("[ -x /opt/foo ] && foo"), ["[!"]);
    assert_eq!(needs("command -v foo >/dev/null\nfoo"), ["command"], "the script asks for itself");
    assert_eq!(needs("which foo bar; bar"), ["which"]);
}

#[test]
fn names_that_the_text_does_not_show() {
    for script in [
        ". ./lib.sh\nfoo",
        "PATH=/opt/bin:$PATH\nfoo",
        "export PATH=/opt/bin:$PATH\nfoo",
        "alias foo=bar\nfoo",
        "eval \"$x\"\nfoo",
        "PATH=/opt/bin foo",
        "cd app && . venv/bin/activate && foo",
        "export PATH=/opt/bin:$PATH && foo",
        "env PATH=/opt/bin:$PATH foo",
    ] {
        assert!(!needs(script).iter().any(|need| need.starts_with("foo")), "{script}");
    }
    assert!(
        needs("export TAG=$(git describe)\nfoo").contains(&"foo?!".to_owned()),
        "but a variable hides nothing"
    );
}

#[test]
fn paths_begin_where_the_line_is() {
    assert_eq!(needs("./deploy.sh"), ["/srv/deploy.sh!"]);
    assert_eq!(needs("cd app\n./deploy.sh"), ["cd", "/srv/app/deploy.sh!"]);
    assert_eq!(needs("cd /opt && ./deploy.sh && bin/x"), ["cd!", "/opt/deploy.sh!", "/opt/bin/x?!"]);
    assert_eq!(
        needs("(cd /opt; true); ./deploy.sh").last().map(String::as_str),
        Some("true"),
        "where is it?"
    );
    assert_eq!(needs("cd $X\n./deploy.sh"), ["cd"]);
    assert_eq!(needs("cd ../x\n./deploy.sh"), ["cd"], "behind a link `..` is somewhere else");
    assert_eq!(needs("bash deploy.sh -x"), ["bash!", "file:/srv/deploy.sh!"]);
    assert_eq!(needs("python3 -m venv x"), ["python3!"]);
    assert_eq!(needs("/usr/bin/python3 /opt/m.py"), ["/usr/bin/python3!", "file:/opt/m.py!"]);
    assert_eq!(needs("bash x"), ["bash!"], "it may be one of the PATH");
}

#[test]
fn what_a_line_before_may_make() {
    assert_eq!(needs("apt-get install -y foo\nfoo")[1], "foo?!");
    assert_eq!(needs("mkdir x\nfoo"), ["mkdir", "foo!"], "that installs nothing");
    assert_eq!(needs("mkdir x\nx/foo"), ["mkdir", "/srv/x/foo?!"]);
    assert_eq!(needs("echo x >y\n./y")[1], "/srv/y?!");
    assert_eq!(needs("cat y >/usr/bin/foo\nfoo")[1], "foo?!");
    assert_eq!(needs("cat y\n./y"), ["cat", "/srv/y!"]);
}

#[test]
fn states_are_ordered_by_how_bad_they_are() {
    assert!(State::Ok < State::Unknown && State::Unknown < State::Warning && State::Warning < State::Error);
}

#[test]
fn nothing_panics() {
    for text in
        ["", "(", "a; (", "cd", "sudo", "sudo -u", "timeout", "。。 é", "function", "for x in", "x=$(", "<<E"]
    {
        for cut in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            let _ = read(&text[..cut], None);
        }
    }
}

#[test]
fn within_a_line_one_part_may_make_what_the_next_one_needs() {
    for script in [
        "apt-get install -y jq && jq .",
        "git clone x app && app/deploy.sh",
        "make && ./out",
        "curl -o i.sh x && sh i.sh",
    ] {
        let needed = needs(script);
        assert!(needed.last().is_some_and(|last| last.ends_with("?!")), "{script}: {needed:?}");
    }
    assert_eq!(needs("sudo -S foo"), ["sudo!", "sudo:foo!"]);
    assert!(!read("echo x | sudo -S foo", None).iter().any(|found| found.sudo), "it is told the password");
    assert!(read("sudo foo", None).iter().any(|found| found.sudo));
}

/// Whether a line may make room for those behind it, and for itself, and whether it fills.
fn room(script: &str, readonly: bool) -> (bool, bool, bool) {
    let action = Action::Shell { script: script.to_owned(), dir: None, readonly, database: None };
    (may_make_room(&action), may_begin_with_room(&action), fills(&action))
}

#[test]
fn who_makes_room_and_who_needs_it() {
    assert_eq!(room("truncate -s 0 big.log", false), (true, true, true));
    assert_eq!(room("docker system prune -f && docker pull x", false), (true, true, true));
    assert_eq!(room("cat x >y", false), (true, false, true), "y may have been large");
    assert_eq!(room("pg_dump biz | gzip >before.sql.gz", false), (true, false, true));
    assert_eq!(room("pg_dump biz >before.sql", true), (false, false, true), "it reads the database only");
    assert_eq!(room("psql -c 'SELECT 1' >/dev/null 2>&1", true), (false, false, false));
    assert_eq!(room("cp a b\nmkdir c", false), (false, false, true));
}
