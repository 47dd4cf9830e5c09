//! `examples/protocol`: a feature and a fix, each from a draft to its entry in the log.

use crate::{
    proxy::serve_service,
    sealed::{Project, Running, Said},
};
use rustix::process::Signal;
use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

const FEATURE: &str = "DEPLOY_会议标签_20251109.md";
const FIX: &str = "DEPLOY_修复登录_20251112.md";

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("examples/protocol")
}

/// The repository of the team, where releases are started, and the server's clone of it in `server`.
struct World {
    project: Project,
    port: u16,
}

impl World {
    /// Version 1.0.0 is on the server.
    fn new() -> Self {
        let project = Project::empty();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let world = Self { project, port };
        world.git("", &["init", "-q", "--bare", "-b", "main", "origin.git"]);
        world.git("", &["init", "-q", "-b", "main"]);
        world.git("", &["remote", "add", "origin", &world.project.path("origin.git").display().to_string()]);
        let config = fs::read_to_string(example().join("windlass.toml")).unwrap();
        let server = world.project.path("server/backend").display().to_string();
        let config = config
            .replace("/srv/cshine/backend", &server)
            .replace("0.0.0.0:8000", &format!("127.0.0.1:{port}"));
        world.project.write("windlass.toml", config);
        world.project.write(".gitignore", "origin.git/\nserver/\n.windlass/\nwindlass.toml\nUPDATE_LOG.md\n");
        world.take("backend/.gitignore");
        world.project.write("backend/.env.example", "LOG_LEVEL=info\n");
        world.push("1.0.0", &[("/api/v1/tags", "/api/v1/none"), ("user.lower()", "user")]);
        world.git("", &["tag", "v1.0.0"]);
        world.git("", &["clone", "-q", "origin.git", "server"]);
        world.project.write("server/backend/.env", "LOG_LEVEL=info\n");
        let database = rusqlite::Connection::open(world.project.path("server/backend/cshine.db")).unwrap();
        database
            .execute_batch(
                "CREATE TABLE meeting (id INTEGER PRIMARY KEY, title TEXT NOT NULL); INSERT INTO meeting VALUES (1, '例会');
                 CREATE TABLE user (name TEXT PRIMARY KEY); INSERT INTO user VALUES ('wangfang')",
            )
            .unwrap();
        world
    }

    fn git(&self, folder: &str, words: &[&str]) {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=t", "-c", "user.email=t@t"])
            .args(words)
            .current_dir(self.project.path(folder));
        assert!(git.status().unwrap().success(), "{words:?}");
    }

    /// A file of the example as it stands there, but for the port.
    fn take(&self, name: &str) {
        let text = fs::read_to_string(example().join(name)).unwrap();
        self.project.write(name, text.replace("127.0.0.1:8000", &format!("127.0.0.1:{}", self.port)));
    }

    /// The team pushes the example's code as this version, with something else in it.
    fn push(&self, version: &str, other: &[(&str, &str)]) {
        let mut code =
            fs::read_to_string(example().join("backend/main.py")).unwrap().replace("1.1.1", version);
        for (ours, theirs) in other {
            assert!(code.contains(ours), "{ours}");
            code = code.replace(ours, theirs);
        }
        self.project.write("backend/main.py", code);
        self.git("", &["add", "-A"]);
        self.git("", &["commit", "-q", "-m", version]);
        self.git("", &["push", "-q", "origin", "main"]);
    }

    fn get(&self, path: &str) -> String {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let said = Command::new("curl").args(["-s", &url]).output().unwrap();
        String::from_utf8(said.stdout).unwrap()
    }

    /// What the service says, the code on disk, its settings, the tables.
    fn state(&self) -> Vec<String> {
        let read = |name: &str| fs::read_to_string(self.project.path(name)).unwrap();
        let database = rusqlite::Connection::open(self.project.path("server/backend/cshine.db")).unwrap();
        let tables = "SELECT group_concat(sql, ';') FROM sqlite_schema WHERE name NOT LIKE 'windlass%'";
        let tables = database.query_row(tables, [], |row| row.get(0)).unwrap();
        vec![self.get("/health"), read("server/backend/main.py"), read("server/backend/.env"), tables]
    }

    /// The hours of the example are those of its runbook; the test runs at any hour.
    fn apply(&self, document: &str) -> Said {
        let any_hour = ["--yes", "--confirm", "all", "--break-glass", "a test, at any hour"];
        self.project.run(&[&["apply", document][..], &any_hour].concat())
    }

    fn record(&self) {
        self.project.run(&["record", "--append", "UPDATE_LOG.md"]).code(0);
    }
}

/// What is running is stopped, whatever became of the test.
struct Serving<'a>(&'a World, Option<Running>);

impl<'a> Serving<'a> {
    fn start(world: &'a World) -> Self {
        let (proxy, _) = serve_service(&world.project, "api");
        world.project.run(&["service", "start", "api", "--version", "1.0.0"]).code(0);
        Self(world, Some(proxy))
    }
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        self.0.project.run(&["service", "stop", "api"]);
        if let Some(proxy) = self.1.take() {
            proxy.signal(Signal::TERM);
            proxy.end();
        }
    }
}

fn headings(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("## ")).collect()
}

#[test]
fn a_feature_and_a_fix_go_from_the_template_to_the_log() {
    let world = World::new();
    let _serving = Serving::start(&world);
    let old = world.state();
    assert_eq!(old[0], "{\"version\": \"1.0.0\", \"meetings\": 1}");

    // The feature: its draft has the parts of the document that the team makes of it.
    for name in ["backend/migrations/002_tag.sql", "backend/.env.example"] {
        fs::create_dir_all(world.project.path("backend/migrations")).unwrap();
        world.take(name);
    }
    world.push("1.1.0", &[("user.lower()", "user")]);
    world.project.run(&["new", "会议标签", "--date", "2025-11-09"]).code(0).says(&[FEATURE]);
    let draft = world.project.read(FEATURE);
    for part in
        ["files=\"backend/migrations/002_tag.sql\"", "`TAG_LIMIT`", ".backup before-会议标签-20251109.db"]
    {
        assert!(draft.contains(part), "no {part} in\n{draft}");
    }
    world.take(FEATURE);
    let document = world.project.read(FEATURE);
    assert_eq!(headings(&document), headings(&draft));
    world.git("", &["add", FEATURE]);
    world.git("", &["commit", "-q", "-m", "文档"]);
    let ticket = world.project.run(&["ticket", FEATURE]).code(0).stdout;
    for part in ["会议可以加标签", "CREATE TABLE tag", "TAG_LIMIT=20", "1 commit"] {
        assert!(ticket.contains(part), "no {part} in\n{ticket}");
    }
    world.apply(FEATURE).code(0);
    assert_eq!(world.get("/health"), "{\"version\": \"1.1.0\", \"meetings\": 1}");
    assert_eq!(world.get("/api/v1/login?user=WangFang"), "{\"known\": false}");
    world.record();

    // The fix, which at first does not mend it: nobody has to take it back.
    let feature = world.state();
    world.take(FIX);
    world.push("1.1.1", &[("user.lower()", "user.upper()")]);
    world.apply(FIX).code(1).says(&["login", "failed and undone"]);
    assert_eq!(world.state(), feature);
    world.record();
    world.push("1.1.1", &[]);
    world.apply(FIX).code(0);
    assert_eq!(world.get("/api/v1/login?user=WangFang"), "{\"known\": true}");
    world.record();

    let log = world.project.read("UPDATE_LOG.md");
    assert!(log.starts_with("# 更新记录\n"), "{log}");
    let results: Vec<_> = log.lines().filter(|line| line.starts_with("| 更新结果 | ")).collect();
    assert_eq!(results, ["| 更新结果 | 成功 |", "| 更新结果 | 已回滚 |", "| 更新结果 | 成功 |"], "{log}");

    // Both can still be taken back, the newest first, to where it all began.
    world.project.run(&["rollback", "--yes"]).code(0);
    assert_eq!(world.state(), feature);
    world.project.run(&["rollback", "--yes"]).code(0);
    assert_eq!(world.state(), old);
}

/// As it stands, with its own configuration.
#[test]
fn the_documents_are_right() {
    let project = Project::empty();
    for name in ["windlass.toml", FEATURE, FIX, "backend/migrations/002_tag.sql"] {
        fs::create_dir_all(project.path(name).parent().unwrap()).unwrap();
        fs::copy(example().join(name), project.path(name)).unwrap();
    }
    for document in [FEATURE, FIX] {
        let said = project.run(&["check", document]).code(0);
        assert!(!said.stderr.contains("warning"), "{}", said.stderr);
    }
}
