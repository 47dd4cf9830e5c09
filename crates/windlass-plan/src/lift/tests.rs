use super::*;
use crate::{EXAMPLE_CONFIG, GitLine, GitRev, GitVerb, Installer, parse_config};

fn config() -> Config {
    let source = crate::ConfigSource { name: "windlass.toml".into(), text: EXAMPLE_CONFIG.into() };
    let (config, findings) = parse_config(&[source]);
    assert_eq!(findings, []);
    config
}

fn fence(text: &str) -> Fence {
    let (script, findings) = windlass_document::shell::parse(text);
    assert_eq!(findings, [], "{text}");
    lift(text, &script, ("app", Some("/srv")), &config())
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
        ("sqlite3 -readonly app.db '.backup b'", "-readonly"),
        ("sqlite3 app.db 'SELECT 1'", "app.db"),
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
    for line in ["./migrate", "docker build .", "windlass status", "true"] {
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
    let backup = |dir: &str| Action::Backup {
        target: "db".into(),
        file: "b.db".into(),
        dir: Some(dir.into()),
        dump: None,
    };
    let with = |dir: &str, text: &str| {
        let (script, _) = windlass_document::shell::parse(text);
        match lift(text, &script, ("app", Some(dir)), &config()) {
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
            let Fence::Lines(lines) = lift(&line, &script, ("app", None), &config()) else { return Ok(()) };
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

#[test]
fn systemctl() {
    let action = |verb, name: &str, sudo, user| Action::Systemd { verb, name: name.into(), sudo, user };
    use crate::SystemdVerb as Verb;
    assert_eq!(actions("systemctl stop app.slice"), [action(Verb::Stop, "app.slice", false, false)]);
    assert_eq!(actions("systemctl restart app"), [action(Verb::Restart, "app.service", false, false)]);
    for line in ["sudo systemctl stop a.b@1.service", "sudo -n systemctl -q stop a.b@1"] {
        assert_eq!(actions(line), [action(Verb::Stop, "a.b@1.service", true, false)], "{line}");
    }
    assert_eq!(
        actions("systemctl --user enable --now app.timer web"),
        [
            action(Verb::Enable, "app.timer", false, true),
            action(Verb::Start, "app.timer", false, true),
            action(Verb::Enable, "web.service", false, true),
            action(Verb::Start, "web.service", false, true),
        ]
    );
    assert_eq!(actions("sudo systemctl daemon-reload"), [action(Verb::DaemonReload, "", true, false)]);
    let asked = |script: &str| Action::Shell {
        script: script.into(),
        dir: Some("/srv".into()),
        readonly: true,
        database: None,
    };
    assert_eq!(actions("systemctl status app --no-pager"), [asked("systemctl status app --no-pager")]);
    assert_eq!(actions("sudo systemctl is-active 'app'"), [asked("sudo -n systemctl is-active 'app'")]);
    for (line, word) in [
        ("systemctl restart", "restart"),
        ("systemctl", "systemctl"),
        ("systemctl kill app", "kill"),
        ("systemctl restart --now app", "restart"),
        ("systemctl restart --no-block app", "--no-block"),
        ("systemctl daemon-reload app", "daemon-reload"),
        ("systemctl stop 'app*'", "'app*'"),
        ("systemctl stop /etc/app.service", "/etc/app.service"),
        ("sudo -u web systemctl --user stop app", "sudo"),
        ("sudo systemctl stop app >log", "sudo"),
        ("sudo systemctl --user stop app", "systemctl"),
    ] {
        assert_eq!(refused(line), word, "{line}");
    }
}

fn compose(
    program: &[&str],
    operation: crate::ComposeOperation,
    options: &[&str],
    services: &[&str],
) -> Action {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Action::Compose(crate::ComposeLine {
        program: owned(program),
        operation,
        options: owned(options),
        services: owned(services),
        dir: Some("/srv".into()),
    })
}

#[test]
fn docker_compose() {
    use crate::ComposeOperation::{Build, Down, Pull, Restart, Start, Stop, Up};
    for (line, program, operation, options, services) in [
        ("sudo docker-compose down", &["sudo", "docker-compose"][..], Down, &[][..], &[][..]),
        ("docker compose pull", &["docker", "compose"], Pull, &[], &[]),
        (
            "docker compose build --no-cache --pull api",
            &["docker", "compose"],
            Build,
            &["--no-cache", "--pull"],
            &["api"],
        ),
        ("docker-compose up -d --build", &["docker-compose"], Up, &["-d", "--build"], &[]),
        ("docker compose up -d api db", &["docker", "compose"], Up, &["-d"], &["api", "db"]),
        (
            "docker-compose -f a.yml --file=b.yml -p shop up --no-deps -dt 5 web --remove-orphans",
            &["docker-compose", "-f", "a.yml", "--file=b.yml", "-p", "shop"],
            Up,
            &["--no-deps", "-dt", "5", "--remove-orphans"],
            &["web"],
        ),
        (
            "docker compose --profile web --env-file x.env stop -t 3 web",
            &["docker", "compose", "--profile", "web", "--env-file", "x.env"],
            Stop,
            &["-t", "3"],
            &["web"],
        ),
        ("docker compose start", &["docker", "compose"], Start, &[], &[]),
        ("sudo -n docker compose restart web", &["sudo", "-n", "docker", "compose"], Restart, &[], &["web"]),
        (
            "docker compose down -v --remove-orphans",
            &["docker", "compose"],
            Down,
            &["-v", "--remove-orphans"],
            &[],
        ),
    ] {
        let wanted = compose(program, operation, options, services);
        assert_eq!(actions(line), std::slice::from_ref(&wanted), "{line}");
        let Action::Compose(read) = wanted else { unreachable!() };
        let mut words: Vec<_> = line.split(' ').collect();
        let mut again = read.words();
        // Options come before the names of services.
        words.sort_unstable();
        again.sort_unstable();
        assert_eq!(words, again, "no word is lost");
    }
}

#[test]
fn what_of_docker_is_not_understood_and_what_only_looks() {
    for (line, word) in [
        ("docker compose up", "compose"),
        ("docker compose down --rmi all", "--rmi"),
        ("docker compose exec api ./migrate", "exec"),
        ("docker compose run api ./migrate", "run"),
        ("docker exec -it api sh", "-it"),
        ("docker compose build --push", "--push"),
        ("docker image prune -af", "-af"),
        ("docker image prune", "prune"),
        ("docker compose --context x down", "--context"),
        ("docker compose down > log", "log"),
        ("X=1 docker compose down", "X=1"),
        ("sudo -u app docker compose down", "sudo"),
    ] {
        assert_eq!(refused(line), word, "{line}");
    }
    for line in [
        "docker ps -a",
        "sudo docker ps --all",
        "docker compose -f a.yml ps",
        "docker compose logs --tail 5 web",
        "docker image prune -f",
        "docker builder prune -f",
    ] {
        let script = line.to_owned();
        let looks = Action::Shell { script, dir: Some("/srv".into()), readonly: true, database: None };
        assert_eq!(actions(line), [looks], "{line}");
    }
    assert_eq!(refused("docker compose logs -f"), "-f");
}

fn git(line: &str) -> GitLine {
    match &actions(line)[..] {
        [Action::Git(git)] => git.clone(),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn lines_of_git() {
    let remote = |remote: Option<&str>, branch: Option<&str>| {
        let own = |text: Option<&str>| text.map(str::to_owned);
        Some(GitRev::Remote { remote: own(remote), branch: own(branch), current: None })
    };
    let named = |name: &str| Some(GitRev::Named { name: name.into(), fetched: false });
    for (line, verb, rev) in [
        ("git fetch", GitVerb::Fetch, None),
        ("git fetch --tags -p origin main", GitVerb::Fetch, None),
        ("git pull", GitVerb::Pull, remote(None, None)),
        ("git pull --ff-only origin main", GitVerb::Pull, remote(Some("origin"), Some("main"))),
        ("git pull origin", GitVerb::Pull, remote(Some("origin"), None)),
        ("git checkout v0.4.2", GitVerb::Checkout, named("v0.4.2")),
        ("git -C docs --no-pager checkout -q main", GitVerb::Checkout, named("main")),
        ("git reset --hard origin/main", GitVerb::Reset, named("origin/main")),
        ("git submodule update --init --recursive", GitVerb::Submodules, None),
    ] {
        let read = git(line);
        assert_eq!((read.verb, read.rev), (verb, rev), "{line}");
        let dir = if line.contains("-C") { "/srv/docs" } else { "/srv" };
        assert_eq!(read.dir.as_deref(), Some(dir), "{line}");
    }
    assert_eq!(git("git fetch --tags origin").words, ["--tags", "origin"]);
    assert_eq!(git("git checkout --detach main").words, ["--detach"]);
    for line in
        ["git status", "git -C x log --oneline -10", "git diff HEAD~1", "git branch -vv", "git remote -v"]
    {
        let read = actions(line);
        assert!(
            matches!(&read[..], [Action::Shell { readonly: true, script, .. }] if script == line),
            "{line}"
        );
    }
    for (line, word) in [
        ("git pull --rebase", "--rebase"),
        ("git checkout -- a.txt", "--"),
        ("git checkout .", "."),
        ("git checkout -b new", "-b"),
        ("git checkout -f main", "-f"),
        ("git reset --hard", "reset"),
        ("git reset --hard HEAD~1", "HEAD~1"),
        ("git reset --soft v1", "--soft"),
        ("git fetch origin +main:main", "+main:main"),
        ("git push origin main", "push"),
        ("git stash", "stash"),
        ("git branch new", "branch"),
        ("git diff --output=x", "diff"),
        ("git submodule update sub", "sub"),
        ("git submodule add x", "submodule"),
        ("git fetch >log", "log"),
        ("GIT_DIR=x git fetch", "git"),
    ] {
        assert_eq!(refused(line), word, "{line}");
    }
}

#[test]
fn what_is_installed_is_read_with_where() {
    let install = |text: &str| match fence(text) {
        Fence::Lines(lines) => match lines.into_iter().next_back().map(|line| line.kind) {
            Some(LineKind::Lifted(actions)) => match &actions[..] {
                [Action::Install(line)] => line.clone(),
                other => panic!("{text}: {other:?}"),
            },
            other => panic!("{text}: {other:?}"),
        },
        other => panic!("{text}: {other:?}"),
    };
    for (text, into) in [
        ("venv/bin/pip install -r requirements.txt", "venv"),
        ("/opt/v/bin/pip3 install --requirement=requirements.txt --no-cache-dir", "/opt/v"),
        ("./venv/bin/python -m pip install -q -r requirements.txt", "./venv"),
        ("source venv/bin/activate\npip install -r requirements.txt", "venv"),
        (". venv/bin/activate\npython -m pip install -r requirements.txt", "venv"),
        ("source venv/bin/activate\ncd backend\npip install -r requirements.txt", "/srv/venv"),
    ] {
        let line = install(text);
        assert_eq!((line.tool, line.into.as_str()), (Installer::Pip, into), "{text}");
        assert_eq!(line.files, ["requirements.txt"], "{text}");
        assert_eq!(line.words[0], "install", "{text}");
    }
    let line = install("npm ci --omit=dev");
    assert_eq!((line.tool, line.into.as_str()), (Installer::Npm, "node_modules"));
    assert_eq!(line.words, ["ci", "--omit=dev"]);
    for (line, word) in [
        ("pip install -r requirements.txt", "pip"),
        ("venv/bin/pip install --upgrade -r requirements.txt", "--upgrade"),
        ("venv/bin/pip install flask", "flask"),
        ("venv/bin/pip install -r https://x/r.txt", "https://x/r.txt"),
        ("venv/bin/pip uninstall flask", "uninstall"),
        ("venv/bin/pip install -r requirements.txt >log", "venv/bin/pip"),
        ("npm ci --prefix x", "--prefix"),
    ] {
        assert_eq!(refused(line), word, "{line}");
    }
}

/// Lines behind it that are not understood run in the environment, too.
#[test]
fn an_environment_that_is_entered_stays() {
    let Fence::Lines(lines) =
        fence("source venv/bin/activate\npython migrations/x.py\ndeactivate\npython y.py")
    else {
        panic!("not line by line")
    };
    let preludes: Vec<_> = lines.iter().map(|line| line.prelude.as_str()).collect();
    assert_eq!(preludes, [". 'venv/bin/activate' || exit\n", ""]);
}

#[test]
fn modes_of_a_service() {
    let mode = |mode, on| Action::Mode { service: "booking".into(), mode, on };
    assert_eq!(actions("windlass service readonly booking on"), [mode(crate::ServiceMode::Readonly, true)]);
    assert_eq!(
        actions("windlass service maintenance booking off"),
        [mode(crate::ServiceMode::Maintenance, false)]
    );
    for line in [
        "windlass service readonly booking",
        "windlass service restart booking on",
        "windlass service readonly booking yes",
    ] {
        let Fence::Lines(lines) = fence(line) else { panic!("{line}") };
        assert!(
            matches!(&lines[0].kind, LineKind::Wrong(wrong) if wrong.rule == "service-command"),
            "{line}"
        );
    }
}

#[test]
fn commands_joined_by_and_are_lines_where_each_does_something() {
    let lines = |text: &str| match fence(text) {
        Fence::Lines(lines) => lines,
        other => panic!("{text}: {other:?}"),
    };
    let text = "cd /srv/app && git pull --ff-only && docker compose up -d --build\n./after.sh";
    let read = lines(text);
    let spans: Vec<_> = read.iter().map(|line| &text[line.span.start..line.span.end]).collect();
    assert_eq!(spans, ["git pull --ff-only", "docker compose up -d --build", "./after.sh"]);
    assert!(
        read.iter().all(|line| line.dir.as_deref() == Some("/srv/app")),
        "the folder stays, as in a shell"
    );
    assert!(matches!(&read[0].kind, LineKind::Lifted(actions) if matches!(actions[..], [Action::Git(_)])));
    assert!(
        matches!(&read[1].kind, LineKind::Lifted(actions) if matches!(actions[..], [Action::Compose(_)]))
    );
    let text = "sudo nginx -t && sudo systemctl reload nginx";
    assert!(
        matches!(&lines(text)[1].kind, LineKind::Lifted(actions) if matches!(actions[..], [Action::Systemd { .. }]))
    );
    let text = "source venv/bin/activate && pip install -r r.txt && X=1 python manage.py migrate 2>&1";
    let read = lines(text);
    assert_eq!(&text[read[1].span.start..read[1].span.end], "X=1 python manage.py migrate 2>&1");
    assert!(read[1].prelude.contains("activate"), "{:?}", read[1].prelude);

    for whole in [
        // A question may be answered with no.
        "[ -f x ] && rm x",
        "docker ps -q && docker compose down",
        "./is-needed && systemctl restart api",
        "git diff --quiet && systemctl restart api",
        // What comes last acts on the lines behind it.
        "git pull && export A=b",
        "git pull && >log ./x",
        "git pull && ./x || true",
    ] {
        assert!(matches!(fence(whole), Fence::Whole { .. }), "{whole}");
    }
}
