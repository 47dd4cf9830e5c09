//! A folder with a project in it, and `windlass` with a cleared environment.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use windlass_lab::Machine;

/// Nothing here takes longer than this; waiting for more means that something hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A project of its own.
pub struct Project {
    dir: tempfile::TempDir,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    /// Fails the test unless the exit code is `code`.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}\n{}\n{}", self.stdout, self.stderr))
    }

    /// Fails the test unless standard error has each of these.
    #[track_caller]
    pub fn says(self, all: &[&str]) -> Self {
        for words in all {
            assert!(self.stderr.contains(words), "no {words:?} in:\n{}", self.stderr);
        }
        self
    }
}

pub const CONFIG: &str = r#"
[target.app]
dir = "."

[target.db]
url = "sqlite:app.db"

[policy]
timezone = "Asia/Shanghai"
"#;

/// Backup, schema, data, a shell line with a hand-written undo, a check.
pub const RELEASE: &str = "---
release: 2.1.0
from: 2.0.9
---
# 2.1.0 后端发布文档

## 数据库备份
```sh {#backup on=db}
sqlite3 app.db \".backup before.db\"
```

## 停机发布
```sql {#migrate on=db undo=backup}
ALTER TABLE record ADD COLUMN s3_key TEXT;
UPDATE record SET s3_key = 'spec-v1/' || id || '.txt' WHERE id >= 1;
```
```sh {#mark on=app}
echo 切换完成 > marker.txt
```
```sh {#unmark undoes=mark}
echo 已回退 > marker.txt
```

## 验证
```sql {#verify on=db rows=2}
SELECT * FROM record WHERE s3_key LIKE 'spec-v1/%';
```
";

/// The same with a gate at the end.
pub fn gated() -> String {
    format!("{RELEASE}- [ ] 两台机器服务正常\n")
}

/// The same with a check that fails.
pub fn failing() -> String {
    RELEASE.replace("rows=2", "rows=3")
}

impl Project {
    /// With configuration, database and `release.md`.
    pub fn new(release: &str) -> Self {
        let project = Self::empty();
        project.write("windlass.toml", CONFIG);
        project.write("release.md", release);
        project.sql("CREATE TABLE record (id INTEGER PRIMARY KEY, name TEXT)");
        project.sql("INSERT INTO record VALUES (1, '甲'), (2, '乙')");
        project
    }

    pub fn empty() -> Self {
        Self { dir: tempfile::Builder::new().prefix("windlass-cli-").tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn sql(&self, statement: &str) {
        rusqlite::Connection::open(self.path("app.db")).unwrap().execute(statement, []).unwrap();
    }

    /// Schema and rows of the table, to compare states of the world.
    pub fn world(&self) -> String {
        let db = rusqlite::Connection::open(self.path("app.db")).unwrap();
        let schema: String = db
            .query_row("SELECT sql FROM sqlite_schema WHERE name = 'record'", [], |row| row.get(0))
            .unwrap();
        let mut query = db.prepare("SELECT * FROM record ORDER BY id").unwrap();
        let columns = query.column_count();
        let rows: Vec<String> = query
            .query_map([], |row| {
                let cells: Vec<_> = (0..columns).map(|at| cell(row.get_ref(at).unwrap())).collect();
                Ok(cells.join(","))
            })
            .unwrap()
            .map(Result::unwrap)
            .collect();
        format!("{schema}\n{}", rows.join("\n"))
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
        let (home, path) = (self.path(".home"), "/usr/local/bin:/usr/bin:/bin");
        command.args(args).current_dir(self.dir.path()).env_clear();
        command
            .env("PATH", path)
            .env("HOME", home)
            .env("USER", "alice")
            .env("TZ", "UTC")
            .env("LANG", "C.UTF-8");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, args: &[&str]) -> Said {
        Running::start(self.command(args)).end()
    }

    pub fn start(&self, args: &[&str]) -> Running {
        Running::start(self.command(args))
    }

    /// Every file below `.windlass`.
    pub fn state_files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        walk(&self.path(".windlass"), &mut files);
        files
    }
}

fn cell(value: rusqlite::types::ValueRef<'_>) -> String {
    match value.as_str() {
        Ok(text) => text.to_owned(),
        Err(_) => format!("{value:?}"),
    }
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => walk(&entry.path(), files),
            kind if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
}

/// A command under way. What it says is read beside it, so that no full pipe stops it.
pub struct Running {
    child: Child,
    stdout: Reading,
    stderr: Reading,
}

/// What was said so far, and who reads on.
struct Reading {
    said: Arc<Mutex<Vec<u8>>>,
    reader: std::thread::JoinHandle<()>,
}

impl Reading {
    fn of(mut from: impl std::io::Read + Send + 'static) -> Self {
        let said = Arc::<Mutex<Vec<u8>>>::default();
        let sink = said.clone();
        let reader = std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Some(length) = from.read(&mut piece).ok().filter(|length| *length > 0) {
                sink.lock().unwrap().extend_from_slice(&piece[..length]);
            }
        });
        Self { said, reader }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().unwrap()).into_owned()
    }

    fn whole(self) -> String {
        self.reader.join().unwrap();
        String::from_utf8(std::mem::take(&mut self.said.lock().unwrap())).unwrap()
    }
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, stdout: Reading::of(out), stderr: Reading::of(err) }
    }

    /// Waits until standard error has these words.
    #[track_caller]
    pub fn until_it_says(&self, words: &str) {
        wait_for(words, || self.stderr.text().contains(words));
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub fn end(self) -> Said {
        self.end_within(PATIENCE)
    }

    /// The same, for commands that have much to do.
    pub fn end_within(mut self, patience: Duration) -> Said {
        let end = Instant::now() + patience;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() > end => {
                    self.child.kill().unwrap();
                    panic!("it hangs: {}", self.stderr.text());
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        Said { code: status.code(), stdout: self.stdout.whole(), stderr: self.stderr.whole() }
    }
}

/// Says that a test cannot be made here. The harness would keep what a test that passes prints.
pub fn skipped(why: &str) {
    let words = format!("SKIPPED: {why}\n");
    std::io::Write::write_all(&mut std::io::stderr().lock(), words.as_bytes()).unwrap();
}

/// Waits until `condition` holds.
#[track_caller]
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Two machines, and a project whose target `app` is the folder `/srv/app` of both.
pub fn two_machines() -> ([Machine; 2], Project) {
    let machines = ["web1", "web2"].map(Machine::start);
    let project = Project::empty();
    let include: String =
        machines.iter().map(|machine| format!("Include {}\n", machine.config().display())).collect();
    project.write("ssh_config", include);
    project.write(
        "windlass.toml",
        "[target.app]\nhosts = [\"deploy@web1\", \"deploy@web2\"]\ndir = \"/srv/app\"\nssh_config = \"ssh_config\"\n",
    );
    (machines, project)
}
