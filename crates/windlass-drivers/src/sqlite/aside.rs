//! What is set aside: tables and columns that were dropped, kept in the same database until `windlass prune`.
//!
//! The table `windlass_aside` lists them. Names that begin with `windlass_` are no part of what is compared.

use super::{
    fingerprint::quote,
    image::{Key, Shape, shape_of},
};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

const CREATE: &str = "CREATE TABLE IF NOT EXISTS windlass_aside (
    id INTEGER PRIMARY KEY,      -- number
    run TEXT NOT NULL,           -- name of the run
    unit TEXT NOT NULL,          -- unit of its plan
    at TEXT NOT NULL,            -- UTC, for people
    kind TEXT NOT NULL,          -- 'table' or 'column'
    name TEXT NOT NULL,          -- what it was: table, or table.column
    stored TEXT NOT NULL,        -- the table that holds it now
    why TEXT NOT NULL,           -- 'dropped' by the release; 'undone': made by it, and written to since
    parts TEXT NOT NULL          -- indexes and triggers that it had, as SQL
)";

/// Whose it is.
#[derive(Clone, Copy)]
pub(super) struct Owner<'a> {
    pub(super) run: &'a str,
    pub(super) unit: &'a str,
    pub(super) why: &'static str,
}

/// Something that was set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Aside {
    /// The table, or table.column.
    pub(super) name: String,
    /// The table that holds it.
    pub(super) stored: String,
    /// How the rows of a column are found.
    pub(super) finder: Option<Finder>,
}

/// Tables that were set aside before the statement with this row of the ledger: what their rows refer to is what there was then, and
/// comes back before they do.
pub(super) fn before(live: &Connection, seq: i64) -> rusqlite::Result<Vec<String>> {
    if !live.table_exists(Some("main"), "windlass_aside")? {
        return Ok(vec![]);
    }
    let sql = "SELECT a.stored FROM windlass_aside AS a JOIN windlass_ledger AS l ON l.run = a.run AND l.unit = a.unit \
               WHERE a.why = 'dropped' AND l.seq < ?1";
    live.prepare(sql)?.query_map([seq], |row| row.get(0))?.collect()
}

/// Adds a line to the list; the name of the table that will hold the thing.
fn note(
    connection: &Connection,
    owner: Owner<'_>,
    kind: &str,
    name: &str,
    parts: &str,
) -> rusqlite::Result<String> {
    let number = free_number(connection, None)?;
    let stored = format!("windlass_aside_{number}");
    connection.execute(
        "INSERT INTO windlass_aside (id, run, unit, at, kind, name, stored, why, parts)
         VALUES (?1, ?2, ?3, strftime('%Y-%m-%dT%H:%M:%SZ'), ?4, ?5, ?6, ?7, ?8)",
        params![number, owner.run, owner.unit, kind, name, stored, owner.why, parts],
    )?;
    Ok(stored)
}

/// Makes the list if there is none; the first number from `wanted` on, or else behind all others, that nothing has.
pub(super) fn free_number(connection: &Connection, wanted: Option<i64>) -> rusqlite::Result<i64> {
    connection.execute_batch(CREATE)?;
    let last = "SELECT coalesce(max(id), 0) + 1 FROM windlass_aside";
    let mut number = wanted.map_or_else(|| connection.query_row(last, [], |row| row.get(0)), Ok)?;
    let taken = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'windlass_aside_' || ?1 COLLATE NOCASE) \
                 OR EXISTS (SELECT 1 FROM windlass_aside WHERE id = ?1)";
    while connection.query_row(taken, [number], |row| row.get(0))? {
        number += 1;
    }
    Ok(number)
}

/// Takes a line off the list.
pub(super) fn forget(connection: &Connection, stored: &str) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM windlass_aside WHERE stored = ?1", [stored]).map(|_| ())
}

/// Renames a table away; its indexes and triggers go. What refers to it is not touched, as by `DROP TABLE`.
pub(super) fn table(connection: &Connection, owner: Owner<'_>, name: &str) -> rusqlite::Result<String> {
    let sql = "SELECT type, name, sql FROM sqlite_schema WHERE tbl_name = ?1 COLLATE NOCASE AND type IN ('index', 'trigger') \
               AND sql IS NOT NULL ORDER BY rowid";
    let mut statement = connection.prepare(sql)?;
    let parts = statement.query_map([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let parts: Vec<(String, String, String)> = parts.collect::<Result<_, _>>()?;
    let texts: Vec<_> = parts.iter().map(|(.., sql)| sql.as_str()).collect();
    let stored = note(connection, owner, "table", name, &texts.join(";\n"))?;
    for (kind, part, _) in &parts {
        connection.execute_batch(&format!("DROP {kind} main.{}", quote(part)))?;
    }
    rename(connection, name, &stored)?;
    Ok(stored)
}

/// Renames a table and nothing that refers to it.
pub(super) fn rename(connection: &Connection, from: &str, to: &str) -> rusqlite::Result<()> {
    connection.execute_batch("PRAGMA legacy_alter_table = ON")?;
    let renamed =
        connection.execute_batch(&format!("ALTER TABLE main.{} RENAME TO {}", quote(from), quote(to)));
    connection.execute_batch("PRAGMA legacy_alter_table = OFF")?;
    renamed
}

/// Keeps the values of a column, by what finds their rows; the name of the table that holds them. `None`: they are computed
/// from other columns, or there is no such column.
pub(super) fn column(
    connection: &Connection,
    owner: Owner<'_>,
    table: &str,
    column: &str,
) -> rusqlite::Result<Option<Result<(String, Finder), String>>> {
    let Some(shape) = shape_of(connection, table)? else { return Ok(None) };
    let shape = match shape {
        Ok(shape) => shape,
        Err(why) => return Ok(Some(Err(why))),
    };
    let found = shape.columns.iter().find(|other| other.name.eq_ignore_ascii_case(column));
    if found.is_none_or(|column| column.generated) {
        return Ok(None);
    }
    let stored = note(connection, owner, "column", &format!("{table}.{column}"), "")?;
    let finder = Finder::new(connection, &shape, column)?;
    connection.execute_batch(&finder.keep(&format!("main.{}", quote(table)), &stored, column))?;
    Ok(Some(Ok((stored, finder))))
}

/// How the rows of kept values are found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Finder {
    /// Expression in the table, its collation, its declared type.
    keys: Vec<(String, String, String)>,
    /// Whether the first key is the row id.
    by_row_id: bool,
}

impl Finder {
    /// For the rows of a table, without `column`.
    fn new(connection: &Connection, shape: &Shape, column: &str) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare_cached("SELECT name, type FROM pragma_table_xinfo(?1)")?;
        let types = statement.query_map([&shape.name], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let types: Vec<(String, String)> = types.collect::<Result<_, _>>()?;
        let key = |at: usize, collation: &str| {
            let declared = types.get(at).map(|(_, declared)| declared.clone()).unwrap_or_default();
            (shape.column(at), quote(collation), declared)
        };
        let row_id = shape.row_id.clone().map(|name| (name, "\"BINARY\"".to_owned(), "INTEGER".to_owned()));
        let table = format!("main.{}", quote(&shape.name));
        let others = || shape.saved().filter(|at| !shape.columns[*at].name.eq_ignore_ascii_case(column));
        let (mut keys, by_row_id) = match &shape.key {
            Key::RowId => (vec![], true),
            Key::Columns(columns) => {
                let keys: Vec<_> = columns.iter().map(|(at, collation)| key(*at, collation)).collect();
                let nulls: Vec<_> = keys.iter().map(|(name, ..)| format!("{name} IS NULL")).collect();
                let sql = format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE {})", nulls.join(" OR "));
                let nulls: bool = connection.query_row(&sql, [], |row| row.get(0))?;
                (keys, nulls)
            }
            Key::Whole => (others().map(|at| key(at, "BINARY")).collect(), true),
        };
        if by_row_id && let Some(row_id) = row_id {
            keys.insert(0, row_id);
        }
        Ok(Self { keys, by_row_id })
    }

    fn keep(&self, table: &str, stored: &str, column: &str) -> String {
        let column = quote(column);
        let mut defined = vec![];
        for (at, (_, collation, declared)) in self.keys.iter().enumerate() {
            let key = if at == 0 && self.by_row_id {
                "INTEGER PRIMARY KEY".to_owned()
            } else {
                quote_type(declared)
            };
            let collation = if at == 0 && self.by_row_id { "" } else { &format!(" COLLATE {collation}") };
            defined.push(format!("k{at} {key}{collation}"));
        }
        let names: Vec<_> = (0..self.keys.len()).map(|at| format!("k{at}")).collect();
        let keyed =
            if self.by_row_id { String::new() } else { format!(", PRIMARY KEY ({})", names.join(", ")) };
        let tail = if self.by_row_id { "" } else { " WITHOUT ROWID" };
        let values: Vec<_> = self.keys.iter().map(|(name, ..)| name.as_str()).collect();
        format!(
            "CREATE TABLE main.{stored} ({}, v{keyed}){tail}; INSERT INTO main.{stored} SELECT {}, {column} FROM {table}",
            defined.join(", "),
            values.join(", ")
        )
    }

    /// The condition by which `o`, the table without the column, and `a`, the kept values, belong together.
    pub(super) fn join(&self) -> String {
        let part = |(at, (name, collation, _)): (usize, &(String, String, String))| {
            format!("a.k{at} IS o.{name} COLLATE {collation}")
        };
        self.keys.iter().enumerate().map(part).collect::<Vec<_>>().join(" AND ")
    }
}

/// A declared type may be any text.
fn quote_type(declared: &str) -> String {
    if declared.is_empty() { String::new() } else { quote(declared) }
}
