//! Connections, their bounds, and what their errors mean.

use super::keep::Keeper;
use crate::disk::{human_bytes, one_line};
use rusqlite::{Connection, Error, ErrorCode, OpenFlags};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use windlass_driver::{Context, Failure, Fault};
use windlass_plan::{Unit, UrlKind};

/// Longest wait for another writer.
pub(super) const BUSY_MAX: Duration = Duration::from_secs(5);

/// Longest statement without a timeout of its own.
const STATEMENT_MAX: Duration = Duration::from_secs(60 * 60);

/// What one call works on; owned, because it runs on a blocking thread.
#[derive(Clone)]
pub(super) struct Job {
    pub(super) cx: Context,
    pub(super) unit: Unit,
    pub(super) database: PathBuf,
    deadline: Instant,
    keeper: Keeper,
}

impl Job {
    /// The job of `unit` on `target`, whose URL is resolved here.
    pub(super) fn new(cx: &Context, unit: &Unit, target: &str, keeper: &Keeper) -> Result<Self, Failure> {
        let limit = cx.timeout_ms.map_or(STATEMENT_MAX, Duration::from_millis);
        Ok(Self {
            cx: cx.clone(),
            unit: unit.clone(),
            database: database(cx, target)?,
            deadline: Instant::now() + limit,
            keeper: keeper.clone(),
        })
    }

    /// The same for a part of the unit, with a name and a folder of its own.
    pub(super) fn part(&self, unit: Unit, workspace: PathBuf) -> Self {
        Self {
            cx: Context { workspace, ..self.cx.clone() },
            unit,
            database: self.database.clone(),
            deadline: self.deadline,
            keeper: self.keeper.clone(),
        }
    }

    /// Whether the time of this try is over.
    pub(super) fn late(&self) -> bool {
        Instant::now() > self.deadline
    }

    /// The longest wait for a lock: bounded by [`BUSY_MAX`] and the time of this try.
    pub(super) fn patience(&self) -> Duration {
        BUSY_MAX.min(self.deadline.saturating_duration_since(Instant::now()))
    }

    /// Opens the database to write; it must exist. Foreign keys are not enforced, as in SQLite itself.
    pub(super) fn write(&self) -> Result<Connection, Failure> {
        self.open(OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    /// Gives back what [`Job::write`] gave, in the state that it was in.
    pub(super) fn done_with(&self, connection: Connection) {
        self.keeper.keep(connection, &self.database, &self.cx.plan, &self.unit);
    }

    /// Opens the database to read.
    pub(super) fn read(&self) -> Result<Connection, Failure> {
        self.open(OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    fn open(&self, mode: OpenFlags) -> Result<Connection, Failure> {
        if !self.database.exists() {
            let message =
                format!("the database {} does not exist; nothing was done", self.database.display());
            return Err(Failure::clean(Fault::Target, message)
                .hint("see `url` of the target; relative paths start at the folder of windlass.toml"));
        }
        self.connect(mode).map_err(|error| self.failure(&error, "opening it"))
    }

    fn connect(&self, mode: OpenFlags) -> rusqlite::Result<Connection> {
        let kept =
            if mode == OpenFlags::SQLITE_OPEN_READ_WRITE { self.keeper.take(&self.database) } else { None };
        let mut connection = match kept {
            Some(kept) => {
                // Others may have changed definitions, which not every statement notices that is prepared.
                kept.query_row("SELECT count(*) FROM (SELECT 1 FROM sqlite_schema LIMIT 1)", [], |_| Ok(()))?;
                kept
            }
            None => {
                let new =
                    Connection::open_with_flags(&self.database, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
                new.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA synchronous = FULL")?;
                new
            }
        };
        self.bound(&mut connection)?;
        Ok(connection)
    }

    /// Gives the connection the bounds of this job: its time, and a person who stops it.
    pub(super) fn bound(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        connection.busy_timeout(self.patience())?;
        let (deadline, stopping) = (self.deadline, self.cx.stopping.clone());
        connection.progress_handler(1000, Some(move || Instant::now() > deadline || stopping.asked()))
    }

    /// A clean failure for an error after which the transaction was rolled back.
    pub(super) fn failure(&self, error: &Error, doing: &str) -> Failure {
        let path = self.database.display();
        let clean = |text: String| {
            Failure::clean(Fault::Target, format!("{path}: {text} ({doing}); nothing was changed"))
        };
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                clean("another process holds it locked".to_owned()).retryable().hint(holders(&self.database))
            }
            Some(ErrorCode::OperationInterrupted) if !self.late() => clean("stopped, as asked".to_owned())
                .retryable()
                .hint("windlass resume, or windlass rollback"),
            Some(ErrorCode::OperationInterrupted) => {
                clean("it did not finish in the time it was given".to_owned())
                    .hint("raise `timeout=` of the step, or change fewer rows at a time")
            }
            // SQLite says only "disk I/O error" when there is no room for its shared memory file.
            code @ Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure)
                if code == Some(ErrorCode::DiskFull) || !self.has_room() =>
            {
                clean("the disk is full".to_owned()).retryable().hint("see `df`; then resume")
            }
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                clean(text(error))
                    .hint("who runs this may need to write the file and its folder; see `ls -l`")
            }
            _ => clean(text(error)),
        }
    }

    fn has_room(&self) -> bool {
        let folder = self.database.parent().unwrap_or(Path::new("/"));
        crate::disk::room_for(64 * 1024, folder).is_ok()
    }

    /// Shows how far a long copy is.
    pub(super) fn progress(&self, what: &str, done: i32, all: i32, bytes: u64) {
        let percent = i64::from(done) * 100 / i64::from(all.max(1));
        (self.cx.output)(&format!("{what}: {percent} % of {}\n", human_bytes(bytes)));
    }
}

/// The message of SQLite without the statement that rusqlite adds to it.
pub(super) fn text(error: &Error) -> String {
    match error {
        Error::SqlInputError { msg, .. } | Error::SqliteFailure(_, Some(msg)) => one_line(msg, 300),
        other => one_line(&other.to_string(), 300),
    }
}

/// Whether waiting and trying again has a chance.
pub(super) fn busy(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Path of the database of a target.
fn database(cx: &Context, target: &str) -> Result<PathBuf, Failure> {
    let wrong = |text: String| Failure::clean(Fault::Document, format!("target `{target}`: {text}"));
    let url = crate::sql::url(cx, target, UrlKind::Sqlite)?;
    let path =
        url.strip_prefix("sqlite:").ok_or_else(|| wrong("its URL does not begin with `sqlite:`".into()))?;
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.contains('?') || path == ":memory:" {
        return Err(wrong("its URL names no plain file; options after `?` are not supported".to_owned()));
    }
    Ok(cx.base.join(path))
}

/// Which processes have the database open, as a hint.
fn holders(database: &Path) -> String {
    let real = database.canonicalize().unwrap_or_else(|_| database.to_owned());
    let mut found = vec![];
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = process.file_name().to_string_lossy().into_owned();
        if name == std::process::id().to_string() || !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let files = std::fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        if files.filter_map(|file| std::fs::read_link(file.path()).ok()).any(|file| file == real) {
            let command = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            found.push(format!("{} (process {name})", command.trim()));
        }
    }
    if found.is_empty() {
        return format!("no other process is seen to have it open; see `fuser -v {}`", real.display());
    }
    format!("it is open in: {}", found.join(", "))
}
