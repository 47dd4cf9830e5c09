//! Copies of a database by SQLite's online backup API.

use super::{
    connect::{Job, text},
    fingerprint::Fingerprint,
};
use crate::disk;
use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use windlass_driver::{Failure, Fault};

/// Pages copied between two looks at the clock.
const PAGES: i32 = 4096;
/// Copies larger than this say how far they are.
const PROGRESS_BYTES: u64 = 64 * 1024 * 1024;

/// A finished copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Copy {
    /// SHA-256 of the file.
    pub(super) sha256: String,
    /// Its length.
    pub(super) bytes: u64,
    /// Its pages.
    pub(super) pages: u64,
    /// What it holds.
    pub(super) fingerprint: Fingerprint,
}

/// Why a copy was not made.
pub(super) enum CopyError {
    /// Reading the database or writing the copy as one.
    Sqlite(rusqlite::Error),
    /// The file of the copy.
    File(io::Error),
    /// The copy is not whole.
    Damaged(String),
}

impl From<rusqlite::Error> for CopyError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<io::Error> for CopyError {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

impl CopyError {
    /// As a clean failure.
    pub(super) fn failure(&self, job: &Job, to: &Path) -> Failure {
        let doing = format!("copying it to {}", to.display());
        match self {
            Self::Sqlite(error) => job.failure(error, &doing),
            Self::File(error) => Failure::clean(
                Fault::Transport,
                format!("{}: {error} ({doing}); nothing was changed", job.database.display()),
            )
            .retryable()
            .hint(format!("see `df` and `ls -ld` of {}", to.parent().unwrap_or(to).display())),
            Self::Damaged(what) => Failure::clean(
                Fault::Target,
                format!(
                    "{}: the copy is damaged: {what} ({doing}); nothing was changed",
                    job.database.display()
                ),
            )
            .hint(format!(
                "the database itself may be: sqlite3 {} 'PRAGMA integrity_check'",
                job.database.display()
            )),
        }
    }
}

/// Copies what `source` holds at one moment into the file `temporary`, proves that it is whole, and makes it durable.
/// The source can be written meanwhile. Only its owner may read the copy.
pub(super) fn write(job: &Job, source: &Connection, temporary: &Path) -> Result<Copy, CopyError> {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        remove_if_there(&with_suffix(temporary, suffix))?;
    }
    let bytes = size(source)?;
    disk::room_for(bytes, temporary.parent().unwrap_or(Path::new("/")))?;
    // What a copy holds is as secret as its source, whose mode and folder may shut others out.
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
    let mut copy = Connection::open(temporary)?;
    copy.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")?;
    // An open read transaction pins one moment: writers of other processes cannot make the copy start again.
    let pinned = !source.is_autocommit();
    if !pinned {
        source.execute_batch("BEGIN")?;
    }
    let result = source
        .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        .and_then(|()| run(job, source, &mut copy, "copying the database", bytes));
    if !pinned {
        source.execute_batch("ROLLBACK")?;
    }
    result?;
    // One file, whatever the journal mode of the source: nothing is written beside it when it is read.
    copy.execute_batch("PRAGMA journal_mode = DELETE")?;
    let verdict: String = copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(CopyError::Damaged(verdict));
    }
    let fingerprint = Fingerprint::of(&copy)?;
    let pages: i64 = copy.query_row("PRAGMA page_count", [], |row| row.get(0))?;
    copy.close().map_err(|(_, error)| error)?;
    fs::File::open(temporary)?.sync_all()?;
    let (sha256, bytes) = disk::sha256_file(temporary)?;
    Ok(Copy { sha256, bytes, pages: pages.unsigned_abs(), fingerprint })
}

fn run(job: &Job, from: &Connection, to: &mut Connection, what: &str, bytes: u64) -> rusqlite::Result<()> {
    let backup = Backup::new(from, to)?;
    finish(job, &backup, what, bytes)
}

/// Steps until the whole copy is done.
pub(super) fn finish(job: &Job, backup: &Backup<'_, '_>, what: &str, bytes: u64) -> rusqlite::Result<()> {
    while patiently(job, backup, PAGES)? != StepResult::Done {
        let progress = backup.progress();
        if bytes > PROGRESS_BYTES {
            job.progress(what, progress.pagecount - progress.remaining, progress.pagecount, bytes);
        }
        if job.late() {
            return Err(failure_of(rusqlite::ffi::SQLITE_INTERRUPT));
        }
    }
    Ok(())
}

/// One step, repeated while another process holds a lock, for a bounded time.
pub(super) fn patiently(job: &Job, backup: &Backup<'_, '_>, pages: i32) -> rusqlite::Result<StepResult> {
    let end = Instant::now() + job.patience();
    loop {
        match backup.step(pages)? {
            StepResult::Busy | StepResult::Locked if Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(5));
            }
            StepResult::Busy | StepResult::Locked => return Err(failure_of(rusqlite::ffi::SQLITE_BUSY)),
            result => return Ok(result),
        }
    }
}

fn failure_of(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
}

/// Bytes of the database as SQLite sees it.
pub(super) fn size(connection: &Connection) -> rusqlite::Result<u64> {
    let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
    let page: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    Ok(pages.unsigned_abs() * page.unsigned_abs())
}

/// Opens a finished copy: nothing is written beside it, and nobody is waited for.
pub(super) fn open(file: &Path) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(immutable_url(file), flags)
}

/// `file:` URL by which SQLite reads a file without locks.
pub(super) fn immutable_url(file: &Path) -> String {
    use std::fmt::Write as _;
    use std::os::unix::ffi::OsStrExt as _;
    let path = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let mut url = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' => url.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => url.push(char::from(*byte)),
            byte => write!(url, "%{byte:02X}").expect("writing to a string does not fail"),
        }
    }
    url + "?immutable=1"
}

fn remove_if_there(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

pub(super) fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The copy of the database from before the first statement of a step, shared by all units of the step.
pub(super) struct StepCopy {
    /// The copy.
    pub(super) file: PathBuf,
    meta: PathBuf,
}

impl StepCopy {
    /// Where the copy of the step of `job` lies: beside the folders of its units.
    pub(super) fn of(job: &Job, target: &str) -> Self {
        let step =
            job.cx.plan.unit(&job.unit.id).map_or(job.unit.id.0.as_str(), |(step, _)| step.id.0.as_str());
        let name = |suffix: &str| {
            let safe = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '+' };
            format!("{step}.{target}.{suffix}").chars().map(safe).collect::<String>()
        };
        let folder = job.cx.workspace.parent().unwrap_or(&job.cx.workspace);
        Self { file: folder.join(name("before.db")), meta: folder.join(name("before.json")) }
    }

    /// Where the copy of the unit of `job` lies, which could not be undone as its plan says.
    pub(super) fn of_unit(job: &Job) -> Self {
        Self { file: job.cx.workspace.join("before.db"), meta: job.cx.workspace.join("before.json") }
    }

    /// Makes it anew. The description is written last and names the hash, so a crash leaves either a matching pair or
    /// none that is taken for one.
    pub(super) fn make(&self, job: &Job, source: &Connection) -> Result<Copy, CopyError> {
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder)?;
        }
        let temporary = with_suffix(&self.file, ".tmp");
        let copy = write(job, source, &temporary)?;
        remove_if_there(&self.meta)?;
        fs::rename(&temporary, &self.file)?;
        let text = serde_json::to_string(&copy).expect("a copy has names and numbers only");
        disk::write_durable(&self.meta, text.as_bytes())?;
        Ok(copy)
    }

    /// The copy that was made, if it is whole; else why not.
    pub(super) fn made(&self) -> Result<Copy, String> {
        let text =
            fs::read_to_string(&self.meta).map_err(|error| format!("{}: {error}", self.meta.display()))?;
        let copy: Copy =
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", self.meta.display()))?;
        disk::complaint(&self.file, &copy.sha256).map_or(Ok(copy), Err)
    }
}

/// The message of a copy error, for where it is a part of another sentence.
impl std::fmt::Display for CopyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(error) => f.write_str(&text(error)),
            Self::File(error) => error.fmt(f),
            Self::Damaged(what) => f.write_str(what),
        }
    }
}
