//! The manifest: what a line means, frozen before its first write, and how far each object is. One SQLite file.
//!
//! What is written here is durable before what follows from it happens, a thousand objects a transaction.

use crate::error::{Error, Kind};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use windlass_objects::{Entry, Object, ObjectLine, Work};

/// Version of the file. A newer one is refused.
const FORMAT: u32 = 1;

/// What holds for all objects of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The line.
    pub line: ObjectLine,
    /// The source bucket keeps versions.
    pub from_versions: bool,
    /// The destination bucket keeps versions. Of `rm` it is the source.
    pub to_versions: bool,
    /// What stands in front of the keys of what is set aside, in the bucket where it was; none: nothing is set aside.
    pub hold: Option<String>,
    /// Larger objects are copied in parts of this size, bytes.
    pub part_bytes: u64,
    /// Larger objects are copied in parts.
    pub copy_bytes_max: u64,
    /// In front of the names of files of the source.
    pub from_root: String,
    /// What is counted.
    pub totals: Totals,
}

/// What a manifest comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// Objects to copy (or move).
    pub copies: u64,
    /// Their bytes.
    pub copy_bytes: u64,
    /// Of them, those that overwrite something.
    pub overwrites: u64,
    /// Objects to delete.
    pub deletes: u64,
    /// Their bytes.
    pub delete_bytes: u64,
    /// Objects that stay as they are.
    pub stays: u64,
    /// Objects that are passed over.
    pub skips: u64,
}

/// How far an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum State {
    /// Nothing was done with it.
    Planned = 0,
    /// What is to be kept is set aside or copied; what goes is still there.
    Written = 1,
    /// All is done.
    Done = 2,
    /// Somebody else wrote to it: it was left alone.
    Left = 3,
    /// It was taken back.
    Back = 4,
    /// It could not be taken back: somebody wrote to it since.
    Conflict = 5,
}

impl Totals {
    /// Counts what is done with one object.
    pub fn add(&mut self, entry: &Entry) {
        let size = |object: &Option<Object>| object.as_ref().map_or(0, |object| object.size);
        match entry.work {
            Work::Stay => self.stays += 1,
            Work::Skip(_) => self.skips += 1,
            Work::Copy => {
                self.copies += 1;
                self.copy_bytes += size(&entry.from);
                self.overwrites += u64::from(entry.there.is_some());
            }
            Work::Delete => {
                self.deletes += 1;
                self.delete_bytes += size(&entry.there);
            }
        }
    }
}

impl State {
    fn of(number: i64) -> Self {
        match number {
            1 => Self::Written,
            2 => Self::Done,
            3 => Self::Left,
            4 => Self::Back,
            5 => Self::Conflict,
            _ => Self::Planned,
        }
    }
}

/// One object of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// From 1, without gaps.
    pub id: i64,
    /// What is done with it.
    pub entry: Entry,
    /// How far it is.
    pub state: State,
    /// ETag of what was written.
    pub etag: Option<String>,
    /// Version of what was written.
    pub version: Option<String>,
    /// Version of the delete marker that was made.
    pub marker: Option<String>,
    /// Number of the upload in parts that is under way.
    pub upload: Option<String>,
    /// Why it was left alone, or could not be taken back.
    pub note: Option<String>,
}

/// A manifest that is open.
#[derive(Clone, Debug)]
pub struct Manifest {
    db: Arc<Mutex<Connection>>,
    head: Arc<Head>,
    folder: PathBuf,
}

/// Writes a manifest; dropped before [`Writer::freeze`], it is none.
pub struct Writer {
    db: Connection,
    path: PathBuf,
    totals: Totals,
    in_transaction: u32,
}

const TABLES: &str = "
CREATE TABLE head (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE entry (
  id INTEGER PRIMARY KEY, work INTEGER NOT NULL, to_key TEXT NOT NULL,
  from_key TEXT, from_size INTEGER, from_us INTEGER, from_etag TEXT, from_class TEXT,
  there_size INTEGER, there_us INTEGER, there_etag TEXT, there_class TEXT,
  state INTEGER NOT NULL DEFAULT 0, etag TEXT, version TEXT, marker TEXT, upload TEXT, note TEXT
);";

impl Writer {
    /// Begins one at `path`; what an earlier try left there is replaced.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn begin(path: &Path) -> Result<Self, Error> {
        for tail in ["", "-wal", "-shm", "-journal"] {
            let mut name = path.as_os_str().to_owned();
            name.push(tail);
            match std::fs::remove_file(&name) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::new(Kind::File, format!("{}: {error}", path.display())));
                }
                _ => {}
            }
        }
        let db = connect(path)?;
        db.execute_batch(TABLES)?;
        db.execute_batch("BEGIN")?;
        Ok(Self { db, path: path.to_owned(), totals: Totals::default(), in_transaction: 0 })
    }

    /// Adds what is done with one object. Objects that stay are only counted.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&mut self, entry: &Entry) -> Result<(), Error> {
        self.totals.add(entry);
        let work = match entry.work {
            Work::Stay | Work::Skip(_) => return Ok(()),
            Work::Copy => 0,
            Work::Delete => 1,
        };
        let (from, there) = (entry.from.as_ref(), entry.there.as_ref());
        self.db
            .prepare_cached(
                "INSERT INTO entry (work, to_key, from_key, from_size, from_us, from_etag, from_class,
                 there_size, there_us, there_etag, there_class) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            )?
            .execute(params![
                work,
                entry.to,
                from.map(|o| &o.key),
                from.map(|o| o.size.cast_signed()),
                from.map(|o| o.modified_us),
                from.and_then(|o| o.etag.as_ref()),
                from.and_then(|o| o.class.as_ref()),
                there.map(|o| o.size.cast_signed()),
                there.map(|o| o.modified_us),
                there.and_then(|o| o.etag.as_ref()),
                there.and_then(|o| o.class.as_ref()),
            ])?;
        self.in_transaction += 1;
        if self.in_transaction >= 20_000 {
            self.in_transaction = 0;
            self.db.execute_batch("COMMIT; BEGIN")?;
        }
        Ok(())
    }

    /// What is counted so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// From here on it is durable and is what the line means.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn freeze(self, head: Head) -> Result<Manifest, Error> {
        let head = Head { totals: self.totals, ..head };
        let text = serde_json::to_string(&head).map_err(|error| broken(&self.path, &error))?;
        let mut insert = self.db.prepare("INSERT INTO head VALUES (?, ?)")?;
        insert.execute(["format", &FORMAT.to_string()])?;
        insert.execute(["head", &text])?;
        drop(insert);
        self.db.execute_batch("COMMIT")?;
        drop(self.db);
        // The name of a new file is durable only with its folder.
        if let Some(folder) = self.path.parent() {
            let synced = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
            synced.map_err(|error| Error::new(Kind::File, format!("{}: {error}", folder.display())))?;
        }
        Manifest::open(&self.path)
    }
}

fn connect(path: &Path) -> Result<Connection, Error> {
    let db = Connection::open(path)
        .map_err(|error| Error::new(Kind::File, format!("{}: {error}", path.display())))?;
    db.busy_timeout(std::time::Duration::from_secs(10))?;
    db.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")?;
    Ok(db)
}

fn broken(path: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::new(Kind::Windlass, format!("the manifest {} cannot be read: {why}", path.display()))
}

fn object(row: &Row<'_>, key: Option<String>, at: usize) -> rusqlite::Result<Option<Object>> {
    let (Some(key), Some(size)) = (key, row.get::<_, Option<i64>>(at)?) else { return Ok(None) };
    Ok(Some(Object {
        key,
        size: size.cast_unsigned(),
        modified_us: row.get(at + 1)?,
        etag: row.get(at + 2)?,
        version: None,
        class: row.get(at + 3)?,
    }))
}

const COLUMNS: &str =
    "id, work, to_key, from_key, from_size, from_us, from_etag, from_class, there_size, there_us,
    there_etag, there_class, state, etag, version, marker, upload, note";

fn item(row: &Row<'_>) -> rusqlite::Result<Item> {
    let work = if row.get::<_, i64>(1)? == 0 { Work::Copy } else { Work::Delete };
    let to: String = row.get(2)?;
    let entry =
        Entry { work, from: object(row, row.get(3)?, 4)?, there: object(row, Some(to.clone()), 8)?, to };
    Ok(Item {
        id: row.get(0)?,
        entry,
        state: State::of(row.get(12)?),
        etag: row.get(13)?,
        version: row.get(14)?,
        marker: row.get(15)?,
        upload: row.get(16)?,
        note: row.get(17)?,
    })
}

/// How many objects are how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// By [`State`].
    pub by_state: [u64; 6],
    /// Bytes of those that were copied and are [`State::Done`].
    pub bytes: u64,
}

impl Count {
    /// Those in this state.
    #[must_use]
    pub fn of(&self, state: State) -> u64 {
        self.by_state[state as usize]
    }
}

impl Manifest {
    /// Opens a frozen one.
    ///
    /// # Errors
    /// There is none, or it is newer or damaged.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if !path.exists() {
            return Err(broken(path, &"there is no such file"));
        }
        let db = connect(path)?;
        let read = |name: &str| -> Result<String, Error> {
            let found = db.query_row("SELECT value FROM head WHERE name = ?", [name], |row| row.get(0));
            found.map_err(|error| broken(path, &error))
        };
        let format: u32 = read("format")?.parse().map_err(|error| broken(path, &error))?;
        if format > FORMAT {
            return Err(broken(path, &format!("it has format {format}, this version knows {FORMAT}")));
        }
        let head: Head = serde_json::from_str(&read("head")?).map_err(|error| broken(path, &error))?;
        let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
        Ok(Self { db: Arc::new(Mutex::new(db)), head: Arc::new(head), folder })
    }

    /// What holds for all of its objects.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The folder that it is in.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first key that one entry writes over and another reads, and how many there are.
    pub(crate) fn chain(&self) -> Result<Option<(String, i64)>, Error> {
        let db = self.db();
        db.execute_batch("CREATE INDEX IF NOT EXISTS by_source ON entry (from_key)")?;
        let sql = "SELECT min(a.to_key), count(*) FROM entry a JOIN entry b ON b.from_key = a.to_key
            WHERE a.work = 0";
        let found: (Option<String>, i64) = db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        db.execute_batch("DROP INDEX by_source")?;
        Ok(found.0.map(|key| (key, found.1)))
    }

    /// The highest number.
    pub(crate) fn last(&self) -> Result<i64, Error> {
        Ok(self.db().query_row("SELECT coalesce(max(id), 0) FROM entry", [], |row| row.get(0))?)
    }

    /// Objects in one of `states` with numbers from `first` to `last`, in order.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn items(&self, first: i64, last: i64, states: &[State]) -> Result<Vec<Item>, Error> {
        let states: Vec<_> = states.iter().map(|state| (*state as i64).to_string()).collect();
        let sql = format!(
            "SELECT {COLUMNS} FROM entry WHERE id BETWEEN ? AND ? AND state IN ({}) ORDER BY id",
            states.join(",")
        );
        let db = self.db();
        let mut statement = db.prepare_cached(&sql)?;
        let rows = statement.query_map([first, last], item)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The first `most` objects in this state.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn some(&self, state: State, most: usize) -> Result<Vec<Item>, Error> {
        let db = self.db();
        let sql = format!("SELECT {COLUMNS} FROM entry WHERE state = ? ORDER BY id LIMIT ?");
        let mut statement = db.prepare_cached(&sql)?;
        let rows = statement.query_map(params![state as i64, most as i64], item)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many objects are how far.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn count(&self) -> Result<Count, Error> {
        let db = self.db();
        let sql = "SELECT state, count(*), coalesce(sum(from_size), 0) FROM entry GROUP BY state";
        let mut statement = db.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        let mut count = Count::default();
        while let Some(row) = rows.next()? {
            let state = State::of(row.get(0)?);
            count.by_state[state as usize] = row.get::<_, i64>(1)?.cast_unsigned();
            if state == State::Done {
                count.bytes = row.get::<_, i64>(2)?.cast_unsigned();
            }
        }
        Ok(count)
    }

    /// Whether any object was begun.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn is_begun(&self) -> Result<bool, Error> {
        Ok(self.claimed("claimed")?.is_some())
    }

    /// Whether all that was done was taken back, but for conflicts.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn is_back(&self) -> Result<bool, Error> {
        Ok(self.claimed("back")?.is_some())
    }

    /// Up to which number, in the order of that way, work may have begun; durable.
    pub(crate) fn claimed(&self, name: &str) -> Result<Option<i64>, Error> {
        let sql = "SELECT value FROM head WHERE name = ?";
        let text: Option<String> = self.db().query_row(sql, [name], |row| row.get(0)).optional()?;
        Ok(text.and_then(|text| text.parse().ok()))
    }

    /// Raises that mark; it never goes down.
    pub(crate) fn claim(&self, name: &str, number: i64) -> Result<(), Error> {
        // Groups that are under way together claim in any order.
        let sql = "INSERT INTO head VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE
            SET value = max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER))";
        self.db().execute(sql, params![name, number.to_string()])?;
        Ok(())
    }

    /// Makes how far these are durable.
    pub(crate) fn settle(&self, items: &[Item]) -> Result<(), Error> {
        if items.is_empty() {
            return Ok(());
        }
        let mut db = self.db();
        let transaction = db.transaction()?;
        {
            let mut update = transaction.prepare_cached(
                "UPDATE entry SET state = ?, etag = ?, version = ?, marker = ?, upload = ?, note = ? WHERE id = ?",
            )?;
            for item in items {
                update.execute(params![
                    item.state as i64,
                    item.etag,
                    item.version,
                    item.marker,
                    item.upload,
                    item.note,
                    item.id
                ])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_it_may_be_begun_never_goes_down() {
        let folder = tempfile::tempdir().unwrap();
        let line =
            windlass_objects::read(&["s3", "rm", "s3://b/k"]).unwrap_or_else(|error| panic!("{}", error.why));
        let head = Head {
            line,
            from_versions: false,
            to_versions: false,
            hold: None,
            part_bytes: 1,
            copy_bytes_max: 1,
            from_root: String::new(),
            totals: Totals::default(),
        };
        let manifest = Writer::begin(&folder.path().join("m.db")).unwrap().freeze(head).unwrap();
        assert_eq!(manifest.claimed("claimed").unwrap(), None);
        for (claim, claimed) in [(100, 100), (50, 100), (1000, 1000), (200, 1000)] {
            manifest.claim("claimed", claim).unwrap();
            assert_eq!(manifest.claimed("claimed").unwrap(), Some(claimed));
        }
    }
}
