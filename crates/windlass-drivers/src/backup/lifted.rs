//! A dump that a line of the document asks for: by the program that it names, with its arguments, to its file; run without
//! a shell, so that no failure is hidden behind a pipe.

use super::{
    Described, Named, Source,
    count::Counter,
    create::{self, Reaped},
    draft::not_written,
    failed,
    pump::{Bounded, Ending, Watch, why},
    tool::Tool,
};
use crate::{disk, serial::Serial};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    process::{ChildStdin, Command, Stdio},
    sync::LazyLock,
    time::{Duration, Instant},
};
use windlass_driver::{Context, Done, Failure, Fault, Found, Survey};
use windlass_plan::{Action, Dump, Unit, UrlKind};

/// Longest dump without a timeout of its own.
const DUMP_MAX: Duration = Duration::from_secs(60 * 60);
/// Tables whose rows are reported one by one.
const TABLES_MAX: usize = 100;

/// One call of the driver.
pub(crate) struct Lifted {
    cx: Context,
    source: Source,
    dump: Dump,
    named: Named,
    deadline: Instant,
}

/// Works on the dump of `unit` on a blocking thread, one dump at a time.
pub(crate) async fn lifted<T: Send + 'static>(
    cx: &Context,
    unit: &Unit,
    kind: UrlKind,
    work: impl FnOnce(&Lifted) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    static DUMPS: LazyLock<Serial> = LazyLock::new(Serial::default);
    let (cx, unit) = (cx.clone(), unit.clone());
    DUMPS.run(move || work(&Lifted::new(&cx, &unit, kind)?)).await
}

/// A finished dump.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Made {
    sha256: String,
    bytes: u64,
    database: String,
    tool: String,
    server: String,
    position: Option<String>,
    /// Rows of each table in it; `None`: the format does not tell.
    rows: Option<BTreeMap<String, u64>>,
}

impl Described for Made {
    fn sha256(&self) -> &str {
        &self.sha256
    }

    fn done(&self, file: &Path) -> Done {
        let size = disk::human_bytes(self.bytes);
        let counted = self.rows.as_ref().map(|rows| (rows.len(), rows.values().sum::<u64>()));
        let counted = counted.map_or_else(
            || "rows not counted: its format does not show them".to_owned(),
            |(tables, rows)| format!("{tables} tables, {rows} rows"),
        );
        let few = self.rows.as_ref().filter(|rows| rows.len() <= TABLES_MAX);
        Done {
            changed: true,
            effects: vec![format!("{}: {size}, {counted}, SHA-256 {}", file.display(), self.sha256)],
            output: String::new(),
            facts: json!({
                "file": file.display().to_string(), "sha256": self.sha256, "bytes": self.bytes,
                "database": self.database, "tool": self.tool, "server": self.server,
                "position": self.position, "tables": few,
                "rows": self.rows.as_ref().map(|rows| rows.values().sum::<u64>()),
            }),
        }
    }
}

impl Lifted {
    /// The dump of `unit` on a database of this kind.
    fn new(cx: &Context, unit: &Unit, kind: UrlKind) -> Result<Self, Failure> {
        let Action::Backup { target, dump: Some(dump), .. } = &unit.action else {
            let text = format!("unit {} is no dump by a program", unit.id);
            return Err(Failure::clean(Fault::Windlass, text));
        };
        let source = Source::new(&crate::sql::url(cx, target, kind)?, &cx.base)?;
        let deadline = Instant::now() + cx.timeout_ms.map_or(DUMP_MAX, Duration::from_millis);
        Ok(Self { cx: cx.clone(), source, dump: dump.clone(), named: Named::of(cx, unit), deadline })
    }

    fn tool(&self) -> Result<Tool, Failure> {
        Tool::with(&self.source, None, Some(&self.dump.program))
    }

    /// What it will take.
    pub(crate) fn survey(&self) -> Survey {
        let mut survey = Survey::default();
        survey.problems.extend(self.named.problem());
        let about = self.tool().and_then(|tool| {
            self.events(&tool)?;
            Ok((create::about(&self.source, &tool)?, tool.version.clone()))
        });
        match about {
            Ok(((bytes, server, _), tool)) => {
                self.named.survey(bytes, &mut survey);
                survey.effects.push(format!("server {server}, by {tool}"));
            }
            Err(failure) => {
                survey.problems.push(failure.message);
                survey.problems.extend(failure.hints);
            }
        }
        survey
    }

    /// Writes the dump. An existing file is never overwritten, except that of this very unit, which is kept.
    pub(crate) fn apply(&self) -> Result<Done, Failure> {
        if let Some(made) = self.named.made::<Made>() {
            return Ok(Done { changed: false, ..made.done(&self.named.file) });
        }
        if self.named.problem().is_some() {
            return Err(self.named.taken());
        }
        let shown = self.named.file.display();
        let disk = |error: io::Error| failed(format!("{shown}: {error}; nothing was kept"));
        let result = self.write().and_then(|made| Ok((self.named.publish(&made).map_err(disk)?, made)));
        if !matches!(result, Ok((true, _))) {
            self.named.forget();
        }
        match result? {
            (true, made) => Ok(made.done(&self.named.file)),
            (false, _) => Err(self.named.taken()),
        }
    }

    pub(crate) fn inspect(&self) -> Found {
        self.named.inspect::<Made>()
    }

    fn write(&self) -> Result<Made, Failure> {
        let shown = self.named.temporary.display();
        let disk = |error: io::Error| failed(format!("{shown}: {error}; nothing was kept"));
        let tool = self.tool()?;
        let (size, server, position) = create::about(&self.source, &tool)?;
        self.events(&tool)?;
        // A dump has no indexes and no free pages; what fills the disk all the same ends it cleanly.
        let no_room = |error: io::Error| failed(format!("no room for the dump at {shown}: {error}"));
        self.named.room(size / 4).map_err(no_room)?;
        let file = private(&self.named.temporary).map_err(disk)?;
        let mut counter = Counter::new(self.source.kind);
        let ending = self.run(&tool, file, size, &mut counter)?;
        let is_counted = !self.is_binary() && !self.has("--inserts") && !self.has("--column-inserts");
        if !self.is_complete(&ending) || is_counted && !counter.is_between() {
            return Err(failed(format!(
                "the dump of `{}` ended without its last line: it is cut off; nothing was kept",
                self.source.database()
            )));
        }
        File::open(&self.named.temporary).and_then(|file| file.sync_all()).map_err(disk)?;
        let (sha256, bytes) = disk::sha256_file(&self.named.temporary).map_err(disk)?;
        let rows = counter.rows();
        Ok(Made {
            sha256,
            bytes,
            database: self.source.database().to_owned(),
            tool: tool.version.clone(),
            server,
            position,
            rows: is_counted.then_some(rows),
        })
    }

    /// Runs the programs; the end of what the dump wrote. Whatever is returned, both have ended.
    fn run(&self, tool: &Tool, file: File, size: u64, counter: &mut Counter) -> Result<Ending, Failure> {
        let lost = |error: io::Error| failed(format!("the dump was lost: {error}; nothing was kept"));
        let watch = Watch {
            go_on: &|_| self.go_on(),
            moved: &|bytes| {
                let (bytes, size) = (disk::human_bytes(bytes), disk::human_bytes(size));
                (self.cx.output)(&format!("{bytes} of about {size}\n"));
            },
            rate_bytes: None,
        };
        let errors = tempfile::tempfile().map_err(lost)?;
        let mut command = tool.dump_with(&self.dump.arguments);
        command.stdout(Stdio::piped()).stderr(errors.try_clone().map_err(lost)?);
        let mut dump = Reaped(command.spawn().map_err(lost)?);
        let output = dump.0.stdout.take().expect("the pipe was asked for");
        let mut output = Bounded::new(output, &watch).map_err(lost)?;
        let (mut packer, mut sink): (_, Box<dyn Write>) = match self.packer(&file, &errors)? {
            None => (None, Box::new(file)),
            Some((packer, input)) => (Some(packer), Box::new(Bounded::new(input, &watch).map_err(lost)?)),
        };
        let pumped = watch.pump(&mut output, &mut sink, counter);
        drop((output, sink));
        // Who reads no more has an error of its own, and what comes before it only ends by that.
        let no_reader = pumped.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
        let pumped = if no_reader { Ok(Ending::default()) } else { pumped };
        let ending =
            pumped.map_err(|error| why(error, |error| not_written(&self.named.file.display(), &error)))?;
        let mut ended = |child: &mut Reaped| watch.ended(&mut child.0).map_err(|error| why(error, lost));
        let packed = packer.as_mut().map(&mut ended).transpose()?;
        if no_reader || packed.is_some_and(|status| !status.success()) {
            let (packer, said) = (self.dump.through.join(" "), create::text(errors));
            return Err(failed(format!("`{packer}` failed: {said}; nothing was kept")));
        }
        if !ended(&mut dump)?.success() {
            return Err(tool.said(&create::text(errors)));
        }
        Ok(ending)
    }

    /// No longer than the dump may take, or until a person asks to stop.
    fn go_on(&self) -> Result<(), Failure> {
        let database = self.source.database();
        if self.cx.stopping.asked() {
            return Err(failed(format!("the dump of `{database}` was stopped, as asked; nothing was kept")));
        }
        if Instant::now() < self.deadline {
            return Ok(());
        }
        let limit = self.cx.timeout_ms.map_or(DUMP_MAX, Duration::from_millis);
        let text = format!("the dump of `{database}` did not finish in {limit:?}; nothing was kept");
        let failure = failed(text)
            .hint("give it more with `timeout=`; if it waits for the lock of a table, see who holds that");
        Err(match &self.dump.through[..] {
            [] => failure,
            packer => failure.hint(format!("or it was `{}` that did not go on", packer.join(" "))),
        })
    }

    /// The program that packs the dump into `file`, if there is one, and what it reads.
    fn packer(&self, file: &File, errors: &File) -> Result<Option<(Reaped, ChildStdin)>, Failure> {
        let Some((program, arguments)) = self.dump.through.split_first() else { return Ok(None) };
        let cannot =
            |error: io::Error| failed(format!("`{program}` cannot be started: {error}; nothing was kept"));
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped());
        command.stdout(file.try_clone().map_err(cannot)?).stderr(errors.try_clone().map_err(cannot)?);
        let mut packer = Reaped(command.spawn().map_err(cannot)?);
        let input = packer.0.stdin.take().expect("the pipe was asked for");
        Ok(Some((packer, input)))
    }

    fn has(&self, argument: &str) -> bool {
        self.dump.arguments.iter().any(|given| given == argument)
    }

    /// What would keep it busy for ever is looked for where it is in the dump.
    fn events(&self, tool: &Tool) -> Result<(), Failure> {
        if self.has("--events") { tool.no_endless_events() } else { Ok(()) }
    }

    /// `-Fc`, `-Ft`: only `pg_restore` reads them, and they have no last line.
    fn is_binary(&self) -> bool {
        let format = self.dump.arguments.iter().find_map(|given| given.strip_prefix("--format="));
        format.is_some_and(|format| !matches!(format, "p" | "plain"))
            || self.dump.arguments.iter().any(|given| given.starts_with("--compress="))
    }

    /// Its last line is there, where the program writes one.
    fn is_complete(&self, ending: &Ending) -> bool {
        let has_none = self.is_binary() || self.has("--skip-comments") || self.has("--compact");
        has_none || ending.is_complete(self.source.kind)
    }
}

/// A new file for its owner only: a dump holds everything that the database does.
fn private(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        // What an earlier try of this run left.
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use std::{os::unix::fs::PermissionsExt as _, sync::Arc};
    use windlass_lab::{Database, Flavor, server};
    use windlass_plan::{Target, Value};

    /// A dump of `database` to `file` in `folder`.
    fn dump(database: &Database, folder: &Path, file: &str) -> (Context, Unit) {
        let dump = Dump { program: "pg_dump".into(), arguments: vec![], through: vec!["cat".into()] };
        let action = Action::Backup { target: "db".into(), file: file.into(), dir: None, dump: Some(dump) };
        let unit = testing::unit("s/1", action);
        let (mut cx, _) = testing::context(folder, &unit);
        let target = Target::Url { url: Value::Plain(database.url()), kind: UrlKind::Postgresql };
        cx.plan = Arc::new(testing::plan(std::slice::from_ref(&unit), &[("db", target)]));
        (cx, unit)
    }

    fn apply(cx: &Context, unit: &Unit) -> Result<Done, Failure> {
        Lifted::new(cx, unit, UrlKind::Postgresql)?.apply()
    }

    #[test]
    fn a_dump_that_waits_for_a_lock_ends_by_its_time_and_by_a_person() {
        let (database, folder) = (server(Flavor::Postgres15).database(), testing::folder());
        database.run("CREATE TABLE t (id int)");
        let locking = database.clone();
        let blocker =
            std::thread::spawn(move || locking.try_run("BEGIN; LOCK TABLE t; SELECT pg_sleep(300)"));
        let sessions = "FROM pg_stat_activity WHERE datname = current_database()";
        let sleeper = format!("{sessions} AND query ~ 'SELECT pg_sleep'  AND pid <> pg_backend_pid()");
        let waits = format!("SELECT count(*) > 0 {sessions} AND wait_event_type = 'Lock'");
        testing::wait_until("the lock", || database.run(&format!("SELECT count(*) {sleeper}")) == "1");

        let (mut cx, unit) = dump(&database, folder.path(), "dump.sql");
        cx.timeout_ms = Some(1_500);
        let failure = apply(&cx, &unit).unwrap_err();
        assert!(failure.message.contains("did not finish in 1.5s; nothing was kept"), "{failure:?}");
        assert!(failure.hints.iter().any(|hint| hint.contains("`timeout=`")), "{failure:?}");

        let (cx, unit) = dump(&database, folder.path(), "dump.sql");
        let stopping = cx.stopping.clone();
        let dumping = std::thread::spawn(move || apply(&cx, &unit));
        testing::wait_until("the dump waits", || database.run(&waits) == "t");
        stopping.stop();
        let failure = dumping.join().unwrap().unwrap_err();
        assert!(failure.message.contains("was stopped, as asked; nothing was kept"), "{failure:?}");
        assert_eq!(
            fs::read_dir(folder.path())
                .unwrap()
                .filter(|file| file.as_ref().unwrap().path().is_file())
                .count(),
            0
        );
        database.run(&format!("SELECT pg_terminate_backend(pid) {sleeper}"));
        assert!(blocker.join().unwrap().is_err());
    }

    /// A dump of a database through this packer.
    fn through(database: &Database, folder: &Path, packer: &[&str]) -> (Context, Unit) {
        let (mut cx, mut unit) = dump(database, folder, "dump.sql.gz");
        if let Action::Backup { dump: Some(dump), .. } = &mut unit.action {
            dump.through = packer.iter().map(|word| (*word).to_owned()).collect();
        }
        cx.timeout_ms = Some(1_500);
        (cx, unit)
    }

    #[test]
    fn a_packer_that_hangs_or_fails_leaves_nothing() {
        let (database, folder) = (server(Flavor::Postgres15).database(), testing::folder());
        let left = || {
            let files = fs::read_dir(folder.path()).unwrap();
            files.filter(|file| file.as_ref().unwrap().path().is_file()).count()
        };
        let sleepers = || {
            let children = fs::read_dir("/proc").unwrap().flatten();
            children
                .filter(|entry| {
                    let line = fs::read_to_string(entry.path().join("cmdline"));
                    let parent = fs::read_to_string(entry.path().join("status"));
                    line.is_ok_and(|line| line.split('\0').eq(["sleep", "300", ""]))
                        && parent.is_ok_and(|text| text.contains(&format!("PPid:\t{}\n", std::process::id())))
                })
                .count()
        };
        // It takes what a pipe holds, and then does not end.
        let (cx, unit) = through(&database, folder.path(), &["sleep", "300"]);
        let failure = apply(&cx, &unit).unwrap_err();
        assert!(failure.message.contains("did not finish in 1.5s; nothing was kept"), "{failure:?}");
        assert!(
            failure.hints.iter().any(|hint| hint.contains("`sleep 300` that did not go on")),
            "{failure:?}"
        );
        // A pipe does not hold so much.
        database.run("CREATE TABLE t AS SELECT repeat('x', 1000) AS a FROM generate_series(1, 4000)");
        let failure = apply(&cx, &unit).unwrap_err();
        assert!(failure.message.contains("did not finish in 1.5s; nothing was kept"), "{failure:?}");

        let (mut cx, unit) = through(&database, folder.path(), &["sleep", "300"]);
        cx.timeout_ms = None;
        let stopping = cx.stopping.clone();
        let stopped = std::thread::spawn(move || apply(&cx, &unit));
        testing::wait_until("the packer runs", || sleepers() > 0);
        stopping.stop();
        let failure = stopped.join().unwrap().unwrap_err();
        assert!(failure.message.contains("was stopped, as asked; nothing was kept"), "{failure:?}");

        for packer in
            [&["sh", "-c", "cat > /dev/null; echo broken >&2; exit 3"][..], &["sh", "-c", "echo broken >&2"]]
        {
            let (cx, unit) = through(&database, folder.path(), packer);
            let failure = apply(&cx, &unit).unwrap_err();
            assert!(failure.message.contains("failed: broken"), "{failure:?}");
            assert_eq!(left(), 0, "{packer:?}");
        }
        let (cx, unit) = through(&database, folder.path(), &["gzip"]);
        apply(&cx, &unit).unwrap();
        assert_eq!(left(), 1);
    }

    #[test]
    fn a_dump_is_for_its_owner_and_goes_through_no_link() {
        let (database, folder) = (server(Flavor::Postgres15).database(), testing::folder());
        let (cx, unit) = dump(&database, folder.path(), "dump.sql");
        let victim = folder.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, folder.path().join(format!("dump.sql.{}.tmp", cx.run))).unwrap();
        apply(&cx, &unit).unwrap();
        let made = fs::symlink_metadata(folder.path().join("dump.sql")).unwrap();
        assert!(made.is_file() && made.permissions().mode() & 0o777 == 0o600, "{made:?}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");

        fs::create_dir(folder.path().join("backups")).unwrap();
        let (cx, unit) = dump(&database, folder.path(), "backups");
        let survey = Lifted::new(&cx, &unit, UrlKind::Postgresql).unwrap().survey();
        assert!(
            survey.problems.iter().any(|problem| problem.contains("backups is a folder: write")),
            "{survey:?}"
        );
        assert!(apply(&cx, &unit).unwrap_err().message.contains("is a folder, no name for a backup"));
    }
}
