//! The ledger: one row per statement that took effect, written in the statement's own transaction. It makes each
//! statement happen exactly once and says what the database held before and after it.

use super::fingerprint::Fingerprint;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

/// Name of the table in the database that is released to. It may be dropped when no run is open.
pub(super) const TABLE: &str = "windlass_ledger";

const CREATE: &str = "CREATE TABLE IF NOT EXISTS windlass_ledger (
    seq INTEGER PRIMARY KEY,     -- order
    run TEXT NOT NULL,           -- name of the run
    unit TEXT NOT NULL,          -- unit of its plan
    attempt INTEGER NOT NULL,    -- which try
    way TEXT NOT NULL,           -- always 'forward': an undo takes the row away
    digest TEXT NOT NULL,        -- SHA-256 of the statement
    rows INTEGER NOT NULL,       -- rows changed
    \"before\" TEXT NOT NULL,    -- fingerprint of the database before it, JSON; empty: not taken
    \"after\" TEXT NOT NULL,     -- and after it
    at TEXT NOT NULL,            -- UTC, for people
    undo TEXT,                   -- what its undo needs, JSON; NULL: it is undone by restore, or not at all
    images BLOB,                 -- its rows as they were, where they are few
    UNIQUE (run, unit, way)
)";

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) seq: i64,
    pub(super) run: String,
    pub(super) unit: String,
    pub(super) attempt: u32,
    pub(super) digest: String,
    pub(super) rows: u64,
    pub(super) before: Option<Fingerprint>,
    pub(super) after: Option<Fingerprint>,
    /// What a fine undo needs, JSON.
    pub(super) undo: Option<String>,
}

impl Entry {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let print = |column| {
            let text: String = row.get(column)?;
            Ok::<_, rusqlite::Error>(serde_json::from_str(&text).ok())
        };
        Ok(Self {
            seq: row.get(0)?,
            run: row.get(1)?,
            unit: row.get(2)?,
            attempt: row.get(3)?,
            digest: row.get(4)?,
            rows: row.get::<_, i64>(5)?.unsigned_abs(),
            before: print(6)?,
            after: print(7)?,
            undo: row.get(8)?,
        })
    }
}

/// Creates the table if it is missing; part of the caller's transaction.
pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(CREATE)?;
    if !has_undo(connection)? {
        // From a version of Windlass that undid by restore only.
        connection.execute_batch(
            "ALTER TABLE windlass_ledger ADD COLUMN undo TEXT; ALTER TABLE windlass_ledger ADD COLUMN images BLOB",
        )?;
    }
    Ok(())
}

fn has_undo(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FROM pragma_table_xinfo(?1) WHERE name = 'undo'";
    Ok(connection.query_row(sql, [TABLE], |row| row.get::<_, i64>(0))? > 0)
}

/// All rows in order; none if there is no ledger.
pub(super) fn entries(connection: &Connection) -> rusqlite::Result<Vec<Entry>> {
    select(connection, "true ORDER BY seq", [])
}

/// The row of a unit of a run.
pub(super) fn find(connection: &Connection, run: &str, unit: &str) -> rusqlite::Result<Option<Entry>> {
    // By the index of the table's UNIQUE.
    let condition = "run = ?1 AND unit = ?2 AND way = 'forward'";
    Ok(select(connection, condition, [run, unit])?.pop())
}

fn select(
    connection: &Connection,
    condition: &str,
    values: impl rusqlite::Params,
) -> rusqlite::Result<Vec<Entry>> {
    let exists = connection
        .query_row("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1", [TABLE], |_| Ok(()))
        .optional()?;
    if exists.is_none() {
        return Ok(vec![]);
    }
    let undo = if has_undo(connection)? { "undo" } else { "NULL" };
    let sql = format!(
        "SELECT seq, run, unit, attempt, digest, rows, \"before\", \"after\", {undo} FROM windlass_ledger WHERE {condition}"
    );
    let mut statement = connection.prepare(&sql)?;
    statement.query_map(values, Entry::read)?.collect()
}

/// The rows that are kept in the ledger for the undo of an entry.
pub(super) fn images(connection: &Connection, entry: &Entry) -> rusqlite::Result<Vec<u8>> {
    let sql = "SELECT coalesce(images, x'') FROM windlass_ledger WHERE seq = ?1";
    connection.query_row(sql, [entry.seq], |row| row.get(0))
}

/// Takes the row of a unit that is undone away.
pub(super) fn remove(connection: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM windlass_ledger WHERE seq = ?1", [entry.seq]).map(|_| ())
}

/// Adds a row; `seq` is given by the database.
pub(super) fn insert(connection: &Connection, entry: &Entry, images: &[u8]) -> rusqlite::Result<()> {
    let text = |print: &Option<Fingerprint>| {
        print.as_ref().map_or_else(String::new, |print| {
            serde_json::to_string(print).expect("a fingerprint has names and numbers only")
        })
    };
    connection
        .execute(
            "INSERT INTO windlass_ledger (run, unit, attempt, way, digest, rows, \"before\", \"after\", at, \
             undo, images)
             VALUES (?1, ?2, ?3, 'forward', ?4, ?5, ?6, ?7, strftime('%Y-%m-%dT%H:%M:%SZ'), ?8, ?9)",
            params![
                entry.run,
                entry.unit,
                entry.attempt,
                entry.digest,
                i64::try_from(entry.rows).unwrap_or(i64::MAX),
                text(&entry.before),
                text(&entry.after),
                entry.undo,
                (!images.is_empty()).then_some(images)
            ],
        )
        .map(|_| ())
}
