//! What a database holds, as hashes that can be compared.

use crate::disk::{hex, sha256};
use rusqlite::{Connection, OpenFlags, types::ValueRef};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, path::Path};

/// Schema and rows of a database, without the tables of Windlass (`windlass_…`) and SQLite's statistics. Two databases with the same
/// fingerprint hold the same; layout on disk, free pages and journal mode do not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// SHA-256 over the definitions of all tables, indexes, views and triggers, `user_version` and `application_id`.
    pub schema: String,
    /// By table name.
    pub tables: BTreeMap<String, TablePrint>,
}

/// Rows of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TablePrint {
    /// How many.
    pub rows: u64,
    /// SHA-256 over all values with their types, in order of the primary key or row id.
    pub sha256: String,
}

/// Why a fingerprint could not be taken.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the database {path}: {source}")]
pub struct FingerprintError {
    path: String,
    source: rusqlite::Error,
}

/// The fingerprint of the database file at `path`, of one consistent moment; it is only read.
///
/// # Errors
/// The file is missing, cannot be read, is no database, or stays locked for 5 seconds.
pub fn fingerprint(path: &Path) -> Result<Fingerprint, FingerprintError> {
    let take = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(super::BUSY_MAX)?;
        connection.execute_batch("BEGIN")?;
        Fingerprint::of(&connection)
    };
    take().map_err(|source| FingerprintError { path: path.display().to_string(), source })
}

impl Fingerprint {
    /// SHA-256 over everything, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> String {
        sha256(serde_json::to_string(self).expect("names and numbers only").as_bytes())
    }

    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.values().map(|table| table.rows).sum()
    }

    /// How `self` (what should be) differs from `found`, one line per table; empty if it does not.
    #[must_use]
    pub fn differences(&self, found: &Self) -> Vec<String> {
        let mut lines = vec![];
        if self.schema != found.schema {
            lines.push("the schema was changed".to_owned());
        }
        for (name, table) in &self.tables {
            match found.tables.get(name) {
                None => lines.push(format!("table {name} is gone ({} rows)", table.rows)),
                Some(now) if now.rows != table.rows => {
                    let change = now.rows.abs_diff(table.rows);
                    let word = if now.rows > table.rows { "more" } else { "fewer" };
                    lines.push(format!("table {name}: {change} rows {word} ({} → {})", table.rows, now.rows));
                }
                Some(now) if now != table => {
                    lines.push(format!("table {name}: content of some of its {} rows changed", now.rows));
                }
                Some(_) => {}
            }
        }
        let new = found.tables.iter().filter(|(name, _)| !self.tables.contains_key(*name));
        lines.extend(new.map(|(name, table)| format!("table {name} is new ({} rows)", table.rows)));
        lines
    }

    /// Of an open database; inside a transaction it is consistent.
    pub(super) fn of(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self { schema: schema(connection)?, tables: tables(connection)? })
    }
}

fn schema(connection: &Connection) -> rusqlite::Result<String> {
    let mut hasher = Sha256::new();
    let sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema \
               WHERE tbl_name NOT LIKE 'windlass\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\' \
               AND name <> 'sqlite_sequence' ORDER BY type, name";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        (0..4).try_for_each(|column| row.get_ref(column).map(|value| feed(&mut hasher, value)))?;
    }
    for pragma in ["PRAGMA user_version", "PRAGMA application_id"] {
        let value: i64 = connection.query_row(pragma, [], |row| row.get(0))?;
        feed(&mut hasher, ValueRef::Integer(value));
    }
    Ok(hex(&hasher.finalize()))
}

/// Names of the tables of users, and whether each is without row ids.
pub(super) const TABLES: &str = "SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'shadow') \
     AND name NOT IN ('sqlite_schema', 'sqlite_master') AND name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\' \
     AND name NOT LIKE 'windlass\\_%' ESCAPE '\\'";

fn tables(connection: &Connection) -> rusqlite::Result<BTreeMap<String, TablePrint>> {
    let mut statement = connection.prepare(TABLES)?;
    let names = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let names: Vec<(String, bool)> = names.collect::<Result<_, _>>()?;
    let tables = names.into_iter().map(|(name, keyed)| Ok((name.clone(), table(connection, &name, keyed)?)));
    let mut tables: BTreeMap<String, TablePrint> = tables.collect::<rusqlite::Result<_>>()?;
    // SQLite makes this table with the first AUTOINCREMENT and never drops it.
    if tables.get("sqlite_sequence").is_some_and(|table| table.rows == 0) {
        tables.remove("sqlite_sequence");
    }
    Ok(tables)
}

fn table(connection: &Connection, name: &str, keyed: bool) -> rusqlite::Result<TablePrint> {
    let order = order(connection, name, keyed)?;
    // Windlass's own tables have no sequences; a name in this one may be theirs.
    let own = if name == "sqlite_sequence" { "WHERE name NOT LIKE 'windlass\\_%' ESCAPE '\\'" } else { "" };
    let mut statement =
        connection.prepare(&format!("SELECT * FROM {} {own} ORDER BY {order}", quote(name)))?;
    let columns = statement.column_count();
    let mut hasher = Sha256::new();
    for column in statement.column_names() {
        feed(&mut hasher, ValueRef::Text(column.as_bytes()));
    }
    let mut rows = statement.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        (0..columns).try_for_each(|column| row.get_ref(column).map(|value| feed(&mut hasher, value)))?;
        count += 1;
    }
    Ok(TablePrint { rows: count, sha256: hex(&hasher.finalize()) })
}

/// The order that a table is stored in: its primary key without row ids, else the name of the row id that no column
/// hides, else all columns.
fn order(connection: &Connection, name: &str, keyed: bool) -> rusqlite::Result<String> {
    let mut statement = connection.prepare("SELECT name, pk FROM pragma_table_xinfo(?1) ORDER BY pk")?;
    let columns = statement.query_map([name], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let columns: Vec<(String, i64)> = columns.collect::<Result<_, _>>()?;
    let list = |keys: bool| {
        let chosen = columns.iter().filter(|(_, key)| !keys || *key > 0);
        chosen.map(|(column, _)| quote(column)).collect::<Vec<_>>().join(", ")
    };
    if name == "sqlite_sequence" {
        return Ok("name, seq".to_owned());
    }
    if keyed {
        return Ok(list(true));
    }
    let hidden = |id: &&str| !columns.iter().any(|(column, _)| column.eq_ignore_ascii_case(id));
    let row_id = ["rowid", "_rowid_", "oid"].into_iter().find(hidden);
    Ok(row_id.map_or_else(|| list(false), str::to_owned))
}

/// A name as an SQL identifier.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// One value with its type and length, so that no two sequences of values look the same.
fn feed(hasher: &mut Sha256, value: ValueRef<'_>) {
    let (kind, bytes): (u8, &[u8]) = match &value {
        ValueRef::Null => (0, &[]),
        ValueRef::Integer(number) => (1, &number.to_le_bytes()),
        ValueRef::Real(number) => (2, &number.to_bits().to_le_bytes()),
        ValueRef::Text(text) => (3, text),
        ValueRef::Blob(blob) => (4, blob),
    };
    hasher.update([kind]);
    hasher.update((bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}
