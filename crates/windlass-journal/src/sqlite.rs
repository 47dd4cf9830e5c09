//! The default store: one SQLite file, in WAL mode with `synchronous=FULL`, so that one commit is one fsync.
//!
//! Tables: `entry` (the log), `lease` (one row). `application_id` and `user_version` (the format) say what
//! the file is. Times are milliseconds since 1970.

use crate::{
    Entry, Event, Head, JOURNAL_FORMAT, Lease, Owner, RunId, Store, StoreError, Unlinked,
    chain::{hash, link},
};
use async_trait::async_trait;
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params,
};
use std::{
    collections::HashMap,
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// "WLJN": tells the file from other SQLite databases.
const APPLICATION_ID: i32 = 0x574C_4A4E;

/// Writers wait this long for each other; transactions take milliseconds.
const BUSY_MAX: Duration = Duration::from_secs(10);

/// How often the turn to open the journal is asked for.
const TURN_EVERY: Duration = Duration::from_millis(5);

/// Format of a file without entries.
const FORMAT_FIRST: u32 = 1;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS entry (
  seq INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, run TEXT NOT NULL, actor TEXT NOT NULL,
  token INTEGER NOT NULL, event TEXT NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS entry_run ON entry(run, seq);
CREATE TABLE IF NOT EXISTS lease (
  id INTEGER PRIMARY KEY CHECK (id = 1), token INTEGER NOT NULL, owner TEXT NOT NULL, held INTEGER NOT NULL,
  beat INTEGER NOT NULL, ttl_ms INTEGER NOT NULL, since_ms INTEGER NOT NULL) STRICT;";

/// A journal in a SQLite file.
pub struct SqliteStore {
    connection: Mutex<Connection>,
    path: String,
}

impl SqliteStore {
    /// Opens the journal at `path` for writing; makes it when there is none. The whole chain is checked.
    ///
    /// # Errors
    /// When it is damaged, of a newer format, not a journal, or cannot be written.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let store = {
            let _turn = turn(path)?;
            let store =
                Self::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
            store.prepare()?;
            store
        };
        store.verify()?;
        Ok(store)
    }

    /// Opens an existing journal for reading. The whole chain is checked: what a person reads is what was written.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is none, and as for [`SqliteStore::open`].
    pub fn open_existing(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing(path.display().to_string()));
        }
        // A reader of a WAL database may have to make its shared-memory file, so it opens for writing where it may.
        let open = |path: &Path, flags| {
            let store = Self::connect(path, flags)?;
            if !store.check_format()? {
                // An empty file: its maker died before anything was in it.
                return Err(StoreError::Missing(store.path));
            }
            store.verify()?;
            Ok(store)
        };
        let refused = match open(path, OpenFlags::SQLITE_OPEN_READ_WRITE) {
            Err(StoreError::ReadOnly(why)) => StoreError::ReadOnly(why),
            answer => return answer,
        };
        // Where it may not, the file alone is read as it is: whole, unless a log stands beside it.
        let log = PathBuf::from(format!("{}-wal", path.display()));
        if log.metadata().is_ok_and(|log| log.len() > 0) {
            return open(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|_| refused);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let shown = path.display().to_string();
        open(&immutable(path), flags).map(|store| Self { path: shown, ..store }).map_err(|_| refused)
    }

    fn connect(path: &Path, flags: OpenFlags) -> Result<Self, StoreError> {
        let shown = path.display().to_string();
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(|e| explain(&shown, &e))?;
        connection.busy_timeout(BUSY_MAX).map_err(|e| explain(&shown, &e))?;
        Ok(Self { connection: Mutex::new(connection), path: shown })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().expect("no code panics while it holds the journal")
    }

    fn explain(&self, error: &rusqlite::Error) -> StoreError {
        explain(&self.path, error)
    }

    fn check_format(&self) -> Result<bool, StoreError> {
        let connection = self.lock();
        // One statement, so one moment: another process may be making the journal right now.
        let facts = "SELECT (SELECT application_id FROM pragma_application_id), \
                     (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)";
        let (application, version, tables): (i32, i32, i64) = connection
            .query_row(facts, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .map_err(|e| self.explain(&e))?;
        if application == 0 && version == 0 && tables == 0 {
            return Ok(false);
        }
        if application != APPLICATION_ID {
            return Err(StoreError::NotAJournal(self.path.clone()));
        }
        let found = u32::try_from(version).unwrap_or(u32::MAX);
        if found > JOURNAL_FORMAT {
            return Err(StoreError::Newer { found, ours: JOURNAL_FORMAT });
        }
        Ok(true)
    }

    fn prepare(&self) -> Result<(), StoreError> {
        let there = self.check_format()?;
        let connection = self.lock();
        let run = || -> rusqlite::Result<()> {
            connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            if !there {
                connection.execute_batch(&format!(
                    "BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION_ID}; \
                     PRAGMA user_version = {FORMAT_FIRST}; {SCHEMA} COMMIT;"
                ))?;
            }
            Ok(())
        };
        run().map_err(|e| self.explain(&e))
    }

    /// Checks the whole chain over the stored text, and that the index by which runs are read names each entry; does not
    /// parse events, so it runs at the speed of hashing.
    ///
    /// # Errors
    /// [`StoreError::Broken`] with the first entry that does not fit.
    pub fn verify(&self) -> Result<(), StoreError> {
        let connection = self.lock();
        // One moment for both: another process may be appending right now.
        let moment = connection.unchecked_transaction().map_err(|e| self.explain(&e))?;
        let runs = self.verify_chain(&moment)?;
        self.verify_index(&moment, &runs)
    }

    /// The run of each entry, in order: as numbers, with the name of each number.
    fn verify_chain(&self, connection: &Connection) -> Result<Runs, StoreError> {
        let mut query = connection
            .prepare("SELECT seq, time_ms, run, actor, token, event, previous, hash FROM entry ORDER BY seq")
            .map_err(|e| self.explain(&e))?;
        let mut rows = query.query([]).map_err(|e| self.explain(&e))?;
        let mut head = Head::default();
        let mut runs = Runs::default();
        while let Some(row) = rows.next().map_err(|e| self.explain(&e))? {
            let raw = Raw::read(row).map_err(|e| self.explain(&e))?;
            raw.check()?;
            if raw.seq != head.seq + 1 || raw.previous != head.hash {
                let why = format!("entry {} should follow", head.seq);
                return Err(StoreError::Broken { seq: raw.seq, why });
            }
            head = Head { seq: raw.seq, hash: raw.hash };
            runs.add(raw.run.0);
        }
        Ok(runs)
    }

    /// SQLite has no checksums: a damaged index would hide entries of a run, and all that are found would be genuine.
    fn verify_index(&self, connection: &Connection, runs: &Runs) -> Result<(), StoreError> {
        let broken = |seq: usize| StoreError::Broken {
            seq: seq as u64,
            why: format!(
                "the index of runs does not match it; `sqlite3 {} REINDEX` makes the index anew",
                self.path
            ),
        };
        let mut query = connection
            .prepare("SELECT run, seq FROM entry INDEXED BY entry_run ORDER BY run, seq")
            .map_err(|e| self.explain(&e))?;
        let mut rows = query.query([]).map_err(|e| self.explain(&e))?;
        let mut seen = vec![false; runs.entries.len()];
        while let Some(row) = rows.next().map_err(|e| self.explain(&e))? {
            let (run, seq): (String, i64) =
                row.get(0).and_then(|run| Ok((run, row.get(1)?))).map_err(|e| self.explain(&e))?;
            let at = usize::try_from(seq.saturating_sub(1)).unwrap_or(usize::MAX);
            let known = runs.entries.get(at).is_some_and(|number| runs.numbers.get(&run) == Some(number));
            if !known || std::mem::replace(&mut seen[at], true) {
                return Err(broken(at.saturating_add(1)));
            }
        }
        seen.iter().position(|seen| !seen).map_or(Ok(()), |at| Err(broken(at + 1)))
    }

    fn select(&self, condition: &str, values: impl rusqlite::Params) -> Result<Vec<Entry>, StoreError> {
        let connection = self.lock();
        let sql = format!(
            "SELECT seq, time_ms, run, actor, token, event, previous, hash FROM entry WHERE {condition}"
        );
        let mut query = connection.prepare_cached(&sql).map_err(|e| self.explain(&e))?;
        let mut rows = query.query(values).map_err(|e| self.explain(&e))?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next().map_err(|e| self.explain(&e))? {
            entries.push(Raw::read(row).map_err(|e| self.explain(&e))?.parse()?);
        }
        Ok(entries)
    }

    fn transaction<T>(
        &self,
        run: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.lock();
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|e| self.explain(&e))?;
        let result = run(&transaction)?;
        transaction.commit().map_err(|e| self.explain(&e))?;
        Ok(result)
    }
}

/// The file as a URI that promises SQLite that nobody changes it: https://sqlite.org/uri.html
fn immutable(path: &Path) -> PathBuf {
    let path = path.display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    PathBuf::from(format!("file:{path}?immutable=1"))
}

/// Which run each entry belongs to.
#[derive(Default)]
struct Runs {
    numbers: HashMap<String, u32>,
    /// By position, from 1.
    entries: Vec<u32>,
}

impl Runs {
    fn add(&mut self, run: String) {
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        self.entries.push(*self.numbers.entry(run).or_insert(next));
    }
}

/// A row as stored.
struct Raw {
    seq: u64,
    time_ms: i64,
    run: RunId,
    actor: String,
    token: u64,
    event: String,
    previous: String,
    hash: String,
}

impl Raw {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get::<_, i64>(0)?.unsigned_abs(),
            time_ms: row.get(1)?,
            run: RunId(row.get(2)?),
            actor: row.get(3)?,
            token: row.get::<_, i64>(4)?.unsigned_abs(),
            event: row.get(5)?,
            previous: row.get(6)?,
            hash: row.get(7)?,
        })
    }

    fn check(&self) -> Result<(), StoreError> {
        let expected =
            hash(&self.previous, self.seq, self.time_ms, &self.run, &self.actor, self.token, &self.event);
        if expected == self.hash {
            return Ok(());
        }
        Err(StoreError::Broken { seq: self.seq, why: "its content does not match its hash".into() })
    }

    fn parse(self) -> Result<Entry, StoreError> {
        self.check()?;
        let event: Event = serde_json::from_str(&self.event)
            .map_err(|e| StoreError::Broken { seq: self.seq, why: format!("it cannot be read: {e}") })?;
        let Self { seq, time_ms, run, actor, token, previous, hash, .. } = self;
        Ok(Entry { seq, time_ms, run, actor, token, event, previous, hash })
    }
}

/// Waits for the turn to make or open the journal at `path`; it ends when the file is dropped. SQLite itself does not
/// wait when two connections switch a new database to WAL at once.
fn turn(path: &Path) -> Result<File, StoreError> {
    let cannot = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::StorageFull => StoreError::Full(format!("{}: {e}", path.display())),
        _ => StoreError::ReadOnly(format!("{}: {e}", path.display())),
    };
    let lock = path.with_extension("lock");
    let file = File::options().create(true).truncate(false).write(true).open(lock).map_err(cannot)?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if began.elapsed() < BUSY_MAX => std::thread::sleep(TURN_EVERY),
            Err(error) => return Err(StoreError::Io(format!("{}: {error}", path.display()))),
        }
    }
}

/// Makes `format` that of the file, if it is newer: a version that cannot read what is written next says so.
fn raise(transaction: &Connection, format: u32) -> rusqlite::Result<()> {
    if format == FORMAT_FIRST {
        return Ok(());
    }
    let found: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found < format { transaction.pragma_update(None, "user_version", format) } else { Ok(()) }
}

fn head(transaction: &Connection) -> rusqlite::Result<Head> {
    let last = transaction
        .prepare_cached("SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok(Head { seq: row.get::<_, i64>(0)?.unsigned_abs(), hash: row.get(1)? }))
        .optional()?;
    Ok(last.unwrap_or_default())
}

fn read_lease(transaction: &Connection) -> rusqlite::Result<Option<Lease>> {
    transaction
        .prepare_cached("SELECT token, owner, held, beat, ttl_ms, since_ms FROM lease")?
        .query_row([], |row| {
            let owner: String = row.get(1)?;
            let owner: Owner = serde_json::from_str(&owner).map_err(|e| {
                rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, Box::new(e))
            })?;
            Ok(Lease {
                token: row.get::<_, i64>(0)?.unsigned_abs(),
                owner,
                held: row.get(2)?,
                beat: row.get::<_, i64>(3)?.unsigned_abs(),
                ttl_ms: row.get::<_, i64>(4)?.unsigned_abs(),
                since_ms: row.get(5)?,
            })
        })
        .optional()
}

fn write_lease(transaction: &Connection, lease: &Lease) -> rusqlite::Result<()> {
    let owner = serde_json::to_string(&lease.owner).expect("an owner is plain data");
    transaction
        .prepare_cached("INSERT OR REPLACE INTO lease (id, token, owner, held, beat, ttl_ms, since_ms) VALUES (1, ?, ?, ?, ?, ?, ?)")?
        .execute(params![signed(lease.token), owner, lease.held, signed(lease.beat), signed(lease.ttl_ms), lease.since_ms])?;
    Ok(())
}

/// SQLite's integers are signed; counters of this crate never come near the limit.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn check_token(lease: Option<&Lease>, token: u64) -> Result<(), StoreError> {
    match lease {
        Some(lease) if lease.held && lease.token == token => Ok(()),
        lease => Err(StoreError::Fenced { token, found: lease.map_or(0, |l| l.token) }),
    }
}

fn explain(path: &str, error: &rusqlite::Error) -> StoreError {
    let text = format!("{path}: {error}");
    // The shared memory of the log is a file beside it: that it cannot grow means that the disk is full.
    let extended = error.sqlite_error().map(|e| e.extended_code);
    if extended == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE) {
        return StoreError::Full(text);
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full(text),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            StoreError::ReadOnly(text)
        }
        Some(ErrorCode::NotADatabase) => StoreError::NotAJournal(path.to_owned()),
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Broken { seq: 0, why: text },
        _ => StoreError::Io(text),
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn head(&self) -> Result<Head, StoreError> {
        head(&self.lock()).map_err(|e| self.explain(&e))
    }

    async fn read(&self, after: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.select("seq > ?1 ORDER BY seq LIMIT ?2", params![signed(after), limit])
    }

    async fn read_run(&self, run: &RunId) -> Result<Vec<Entry>, StoreError> {
        self.select("run = ?1 ORDER BY seq", params![run.0])
    }

    async fn runs(&self) -> Result<Vec<RunId>, StoreError> {
        let connection = self.lock();
        let list = || -> rusqlite::Result<Vec<RunId>> {
            let mut query =
                connection.prepare_cached("SELECT run FROM entry GROUP BY run ORDER BY min(seq)")?;
            query.query_map([], |row| row.get(0).map(RunId))?.collect()
        };
        list().map_err(|e| self.explain(&e))
    }

    async fn append(
        &self,
        expected: u64,
        token: u64,
        entries: Vec<Unlinked>,
    ) -> Result<Vec<Entry>, StoreError> {
        self.transaction(|transaction| {
            let lease = read_lease(transaction).map_err(|e| self.explain(&e))?;
            check_token(lease.as_ref(), token)?;
            let mut last = head(transaction).map_err(|e| self.explain(&e))?;
            if last.seq != expected {
                return Err(StoreError::Stale { expected, found: last.seq });
            }
            let format = entries.iter().map(|entry| entry.event.format()).max().unwrap_or(FORMAT_FIRST);
            raise(transaction, format).map_err(|e| self.explain(&e))?;
            let mut insert = transaction
                .prepare_cached("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
                .map_err(|e| self.explain(&e))?;
            let mut linked = Vec::with_capacity(entries.len());
            for entry in entries {
                let (entry, json) = link(last.seq + 1, token, &last.hash, entry);
                let Entry { seq, time_ms, run, actor, token, previous, hash, .. } = &entry;
                insert
                    .execute(params![
                        signed(*seq),
                        time_ms,
                        run.0,
                        actor,
                        signed(*token),
                        json,
                        previous,
                        hash
                    ])
                    .map_err(|e| self.explain(&e))?;
                last = Head { seq: entry.seq, hash: entry.hash.clone() };
                linked.push(entry);
            }
            Ok(linked)
        })
    }

    async fn lease(&self) -> Result<Option<Lease>, StoreError> {
        read_lease(&self.lock()).map_err(|e| self.explain(&e))
    }

    async fn take(&self, seen: u64, owner: &Owner, ttl_ms: u64, now_ms: i64) -> Result<Lease, StoreError> {
        self.transaction(|transaction| {
            if let Some(lease) = read_lease(transaction).map_err(|e| self.explain(&e))?
                && lease.token != seen
            {
                return Err(StoreError::Held(Box::new(lease)));
            }
            let lease = Lease {
                token: seen + 1,
                owner: owner.clone(),
                held: true,
                beat: 0,
                ttl_ms,
                since_ms: now_ms,
            };
            write_lease(transaction, &lease).map_err(|e| self.explain(&e))?;
            Ok(lease)
        })
    }

    async fn beat(&self, token: u64) -> Result<(), StoreError> {
        self.transaction(|transaction| {
            let lease = read_lease(transaction).map_err(|e| self.explain(&e))?;
            check_token(lease.as_ref(), token)?;
            transaction.execute("UPDATE lease SET beat = beat + 1", []).map_err(|e| self.explain(&e))?;
            Ok(())
        })
    }

    async fn release(&self, token: u64) -> Result<(), StoreError> {
        self.transaction(|transaction| {
            let update = "UPDATE lease SET held = 0 WHERE token = ?1";
            transaction.execute(update, params![signed(token)]).map_err(|e| self.explain(&e))?;
            Ok(())
        })
    }
}
