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
    way TEXT NOT NULL,           -- always 'forward': an undo by restore takes the row away
    digest TEXT NOT NULL,        -- SHA-256 of the statement
    rows INTEGER NOT NULL,       -- rows changed
    \"before\" TEXT NOT NULL,    -- fingerprint of the database before it, JSON; empty: nothing is undone by restore
    \"after\" TEXT NOT NULL,     -- and after it
    at TEXT NOT NULL,            -- UTC, for people
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
        })
    }
}

/// Creates the table if it is missing; part of the caller's transaction.
pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(CREATE)
}

/// All rows in order; none if there is no ledger.
pub(super) fn entries(connection: &Connection) -> rusqlite::Result<Vec<Entry>> {
    let exists = connection
        .query_row("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1", [TABLE], |_| Ok(()))
        .optional()?;
    if exists.is_none() {
        return Ok(vec![]);
    }
    let sql = "SELECT seq, run, unit, attempt, digest, rows, \"before\", \"after\" FROM windlass_ledger ORDER BY seq";
    let mut statement = connection.prepare(sql)?;
    statement.query_map([], Entry::read)?.collect()
}

/// The row of a unit of a run.
pub(super) fn find(connection: &Connection, run: &str, unit: &str) -> rusqlite::Result<Option<Entry>> {
    Ok(entries(connection)?.into_iter().find(|entry| entry.run == run && entry.unit == unit))
}

/// Adds a row; `seq` is given by the database.
pub(super) fn insert(connection: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    let text = |print: &Option<Fingerprint>| {
        print.as_ref().map_or_else(String::new, |print| {
            serde_json::to_string(print).expect("a fingerprint has names and numbers only")
        })
    };
    connection
        .execute(
            "INSERT INTO windlass_ledger (run, unit, attempt, way, digest, rows, \"before\", \"after\", at)
             VALUES (?1, ?2, ?3, 'forward', ?4, ?5, ?6, ?7, strftime('%Y-%m-%dT%H:%M:%SZ'))",
            params![
                entry.run,
                entry.unit,
                entry.attempt,
                entry.digest,
                i64::try_from(entry.rows).unwrap_or(i64::MAX),
                text(&entry.before),
                text(&entry.after)
            ],
        )
        .map(|_| ())
}
