use super::*;
use crate::{EXAMPLE_CONFIG, parse_config};

fn config() -> Config {
    let source = crate::ConfigSource { name: "windlass.toml".into(), text: EXAMPLE_CONFIG.into() };
    let (config, findings) = parse_config(&[source]);
    assert_eq!(findings, []);
    config
}

fn fence(text: &str) -> Fence {
    let (script, findings) = windlass_document::shell::parse(text);
    assert_eq!(findings, [], "{text}");
    lift(text, &script, Some("/srv"), &config())
}

/// The actions of a single line.
fn actions(line: &str) -> Vec<Action> {
    match fence(line) {
        Fence::Lines(lines) => match lines.into_iter().map(|line| line.kind).next() {
            Some(LineKind::Lifted(actions)) => actions,
            other => panic!("{line}: {other:?}"),
        },
        other => panic!("{line}: {other:?}"),
    }
}

/// The word that is not understood.
fn refused(line: &str) -> String {
    match fence(line) {
        Fence::Lines(lines) => match &lines[0].kind {
            LineKind::Opaque { not_understood: Some((span, _)) } => line[span.start..span.end].to_owned(),
            other => panic!("{line}: {other:?}"),
        },
        other => panic!("{line}: {other:?}"),
    }
}

fn copy(from: &str, to: &str, recursive: bool, preserve: bool) -> Action {
    Action::Copy { from: from.into(), to: to.into(), dir: Some("/srv".into()), recursive, preserve }
}

#[test]
fn cp() {
    assert_eq!(actions("cp a b"), [copy("a", "b", false, false)]);
    assert_eq!(actions("cp -f 'a b' c"), [copy("a b", "c", false, false)]);
    for line in ["cp -r a b", "cp -R a b", "cp --recursive a b", "cp a -r b"] {
        assert_eq!(actions(line), [copy("a", "b", true, false)], "{line}");
    }
    assert_eq!(actions("cp -p a b"), [copy("a", "b", false, true)]);
    for line in ["cp -a a b", "cp --archive a b", "cp -rp a b", "cp -r -p -f a b"] {
        assert_eq!(actions(line), [copy("a", "b", true, true)], "{line}");
    }
    assert_eq!(actions("cp -- -a b"), [copy("-a", "b", false, false)], "after `--` all are names");
    assert_eq!(
        actions("cp a b dir"),
        [copy("a", "dir/", false, false), copy("b", "dir/", false, false)],
        "several sources: the last has to be a folder"
    );
    assert_eq!(
        actions("cp a dir/"),
        [copy("a", "dir/", false, false)],
        "the slash is a part of what is asked"
    );
}

#[test]
fn mv_rm_mkdir() {
    let dir = || Some("/srv".to_owned());
    let mv = |from: &str, to: &str| Action::Move { from: from.into(), to: to.into(), dir: dir() };
    assert_eq!(actions("mv a b"), [mv("a", "b")]);
    assert_eq!(actions("mv -f a b c/"), [mv("a", "c/"), mv("b", "c/")]);
    let rm =
        |path: &str, recursive, force| Action::Remove { path: path.into(), dir: dir(), recursive, force };
    assert_eq!(actions("rm a"), [rm("a", false, false)]);
    assert_eq!(actions("rm -rf a b"), [rm("a", true, true), rm("b", true, true)]);
    assert_eq!(actions("rm -R --force a"), [rm("a", true, true)]);
    let mkdir = |path: &str, parents| Action::MakeDir { path: path.into(), dir: dir(), parents };
    assert_eq!(actions("mkdir a b"), [mkdir("a", false), mkdir("b", false)]);
    assert_eq!(actions("mkdir -p a/b"), [mkdir("a/b", true)]);
}

#[test]
fn what_is_not_understood_to_the_last_word_stays_opaque() {
    for (line, word) in [
        ("cp -i a b", "-i"),
        ("cp -rL a b", "-rL"),
        ("cp --reflink=auto a b", "--reflink=auto"),
        ("cp a", "cp"),
        ("cp", "cp"),
        ("cp '' b", "''"),
        ("mv -n a b", "-n"),
        ("mv --backup a b", "--backup"),
        ("rm -i a", "-i"),
        ("rm -f", "rm"),
        ("mkdir -m 700 a", "-m"),
        ("cp a b > log", "log"),
        ("LANG=C cp a b", "cp"),
        ("sudo cp a b", "sudo"),
        ("sqlite3 -readonly app.db '.backup b'", "sqlite3"),
        ("sqlite3 app.db 'SELECT 1'", "'SELECT 1'"),
        ("sqlite3 other.db '.backup b'", "other.db"),
        ("curl -L http://h/", "-L"),
        ("curl -o page http://h/", "page"),
        ("curl -X POST http://h/", "-X"),
        ("curl h/health", "h/health"),
        ("curl -f 'http://h/[1-3]'", "'http://h/[1-3]'"),
        ("curl -f http://user:pw@h/", "http://user:pw@h/"),
        ("curl http://h/ http://i/", "http://i/"),
        ("curl", "curl"),
        ("curl -f http://h/ > page", "page"),
    ] {
        assert_eq!(refused(line), word, "{line}");
    }
}

#[test]
fn commands_that_are_not_known_stay_opaque_without_a_note() {
    for line in ["./migrate", "docker-compose pull", "windlass status", "true"] {
        let Fence::Lines(lines) = fence(line) else { panic!("{line}") };
        assert_eq!(lines[0].kind, LineKind::Opaque { not_understood: None }, "{line}");
    }
}

#[test]
fn commands_that_share_a_line_are_one_script() {
    // In a shell `b` runs although `a` failed; as units it would not.
    for text in ["mkdir a; mkdir b", "false; echo after", "mkdir a\nfalse ; echo b\n"] {
        let Fence::Whole { because, at } = fence(text) else { panic!("{text}") };
        assert_eq!(because, "several commands on one line", "{text}");
        assert_eq!(
            text.get(at.start..at.start + 4),
            text.rsplit("; ").next().and_then(|t| t.get(..4)),
            "{text}"
        );
    }
    assert!(
        matches!(fence("mkdir a;\nmkdir b\n"), Fence::Lines(lines) if lines.len() == 2),
        "a `;` at the end joins nothing"
    );
}

#[test]
fn a_backup_of_a_target_is_seen_through_folders() {
    let backup =
        |dir: &str| Action::Backup { target: "db".into(), file: "b.db".into(), dir: Some(dir.into()) };
    let with = |dir: &str, text: &str| {
        let (script, _) = windlass_document::shell::parse(text);
        match lift(text, &script, Some(dir), &config()) {
            Fence::Lines(lines) => lines.into_iter().map(|line| line.kind).collect::<Vec<_>>(),
            Fence::Whole { because, .. } => panic!("{because}"),
        }
    };
    assert_eq!(with(".", "sqlite3 app.db '.backup b.db'"), [LineKind::Lifted(vec![backup(".")])]);
    assert_eq!(with("x", "sqlite3 ../app.db '.backup b.db'"), [LineKind::Lifted(vec![backup("x")])]);
    assert_eq!(
        with(".", "cd data\nsqlite3 ../app.db \".backup 'b.db'\""),
        [LineKind::Lifted(vec![backup("./data")])]
    );
    let elsewhere = with("/srv", "sqlite3 app.db '.backup b.db'");
    assert!(matches!(elsewhere[..], [LineKind::Opaque { .. }]), "another file: {elsewhere:?}");
}

#[test]
fn curl_checks_what_curl_checks() {
    let check = |line: &str| match &actions(line)[..] {
        [Action::Http { check }] => check.clone(),
        other => panic!("{line}: {other:?}"),
    };
    for line in [
        "curl -f http://h:1/health",
        "curl -fsS http://h:1/health",
        "curl --fail --silent --show-error http://h:1/health",
        "curl http://h:1/health -f",
        "curl -fsSo /dev/null http://h:1/health",
        "curl -f -o /dev/null http://h:1/health",
        "curl -f http://h:1/health > /dev/null",
    ] {
        let check = check(line);
        assert_eq!((check.method.as_str(), check.url.as_str()), ("GET", "http://h:1/health"), "{line}");
        assert!(check.any_status, "{line}");
        let asserts: Vec<_> = check.asserts.iter().map(|assert| assert.text.as_str()).collect();
        assert_eq!(asserts, ["status < 400"], "{line}: -f fails from 400 on");
    }
    let without = check("curl -sS http://h:1/health");
    assert!(without.any_status && without.asserts.is_empty(), "without -f any answer will do");
}

#[test]
fn cd_is_followed_only_where_the_text_tells_where_it_leads() {
    for line in ["cd\n./x", "cd -\n./x", "cd -P a\n./x", "cd a b\n./x"] {
        assert!(matches!(fence(line), Fence::Whole { .. }), "{line}");
    }
    let Fence::Lines(lines) = fence("cd a\nmkdir b\ncd ../c\nmkdir d") else { panic!("lines") };
    let dirs: Vec<_> = lines.iter().map(|line| line.dir.as_deref()).collect();
    assert_eq!(dirs, [Some("/srv/a"), Some("/srv/a/../c")]);
}

/// Any words after a known command: lifted or refused, but never lifted with a word left out.
mod generated {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_operand_gets_lost(
            command in prop::sample::select(vec!["cp", "mv", "rm", "mkdir"]),
            words in prop::collection::vec("[a-c./-]{1,4}|-[rRapfi]{1,3}|--", 0..5),
        ) {
            let line = format!("{command} {}", words.join(" "));
            let (script, _) = windlass_document::shell::parse(&line);
            let Fence::Lines(lines) = lift(&line, &script, None, &config()) else { return Ok(()) };
            let LineKind::Lifted(actions) = &lines[0].kind else { return Ok(()) };
            let mut only_names = false;
            let mut names = Vec::new();
            for word in &words {
                match word.as_str() {
                    "--" if !only_names => only_names = true,
                    word if only_names || word == "-" || !word.starts_with('-') => names.push(word.to_owned()),
                    _ => {}
                }
            }
            let mut done = Vec::new();
            for action in actions {
                match action {
                    Action::Copy { from, .. } | Action::Move { from, .. } => done.push(from.clone()),
                    Action::Remove { path, .. } | Action::MakeDir { path, .. } => done.push(path.clone()),
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            if let Some(Action::Copy { to, .. } | Action::Move { to, .. }) = actions.last() {
                let last = names.pop().expect("a destination");
                prop_assert_eq!(to.trim_end_matches('/'), last.trim_end_matches('/'));
            }
            prop_assert_eq!(done, names);
        }
    }
}
