//! How the rows of a table are told apart, so that each can be found again when it is put back.

use super::super::fingerprint::quote;
use rusqlite::{Connection, OptionalExtension as _};
use serde::{Deserialize, Serialize};

/// A table as it was when its rows were saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shape {
    pub(crate) name: String,
    /// In the order in which SQLite shows the values of a row.
    pub(crate) columns: Vec<Column>,
    pub(crate) key: Key,
    /// The name of the row id that no column hides; none where there are no row ids.
    pub(crate) row_id: Option<String>,
}

/// A column of a [`Shape`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Its value is computed from others, so it is neither saved nor put back.
    pub(crate) generated: bool,
}

/// What a row is found by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Key {
    /// The row id, which is a column of the table (`INTEGER PRIMARY KEY`), so nothing renumbers it.
    RowId,
    /// These columns, each with its collation; a row with NULL in one of them is found as by [`Key::Whole`].
    Columns(Vec<(usize, String)>),
    /// Row id and all columns: `VACUUM` may renumber rows, and then another row must not be taken for this one.
    Whole,
}

impl Shape {
    /// Positions of the columns that are saved.
    pub(crate) fn saved(&self) -> impl Iterator<Item = usize> + '_ {
        self.columns.iter().enumerate().filter(|(_, column)| !column.generated).map(|(at, _)| at)
    }

    /// The column at a position, as SQL.
    pub(crate) fn column(&self, at: usize) -> String {
        quote(&self.columns[at].name)
    }

    fn hides(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name))
    }
}

/// The table of this name as it is now; `None`: there is none (it is a view). The inner error says why its rows cannot be
/// put back one by one.
pub(crate) fn of(connection: &Connection, name: &str) -> rusqlite::Result<Option<Result<Shape, String>>> {
    let sql = "SELECT type, wr FROM pragma_table_list(?1) WHERE schema = 'main'";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row([name], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((kind, keyed)) = found else { return Ok(None) };
    let kind: String = kind;
    match kind.as_str() {
        "view" => Ok(None),
        "table" => shape(connection, name, keyed).map(Some),
        _ => Ok(Some(Err(format!("{name} is a part of a virtual table, whose rows depend on each other")))),
    }
}

fn shape(connection: &Connection, name: &str, keyed: bool) -> rusqlite::Result<Result<Shape, String>> {
    let mut statement = connection.prepare_cached("SELECT name, pk, hidden FROM pragma_table_xinfo(?1)")?;
    let columns = statement.query_map([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let columns: Vec<(String, i64, i64)> = columns.collect::<Result<_, _>>()?;
    let mut shape = Shape {
        name: name.to_owned(),
        columns: columns
            .iter()
            .map(|(name, _, hidden)| Column { name: name.clone(), generated: *hidden > 1 })
            .collect(),
        key: Key::Whole,
        row_id: None,
    };
    if !keyed {
        let name = ["rowid", "_rowid_", "oid"].into_iter().find(|name| !shape.hides(name));
        shape.row_id = name.map(str::to_owned);
    }
    let keyed_by_row_id = !keyed
        && columns.iter().filter(|(_, key, _)| *key > 0).count() == 1
        && !has_key_index(connection, name)?;
    shape.key = match key_columns(connection, &shape)? {
        _ if keyed_by_row_id => Key::RowId,
        Some(columns) => Key::Columns(columns),
        None => Key::Whole,
    };
    if keyed_by_row_id {
        // The column is always visible.
        let key = columns.iter().find(|(_, key, _)| *key > 0).map(|(name, ..)| quote(name));
        shape.row_id = key;
    }
    if shape.row_id.is_none() && !keyed {
        return Ok(Err(format!("columns of table {name} hide its row id")));
    }
    Ok(Ok(shape))
}

/// A primary key that is not the row id has an index of its own.
fn has_key_index(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let mut statement =
        connection.prepare_cached("SELECT 1 FROM pragma_index_list(?1) WHERE origin = 'pk'")?;
    statement.query_row([name], |_| Ok(())).optional().map(|found| found.is_some())
}

/// The columns of the primary key, else of a unique index over whole columns of all rows.
fn key_columns(connection: &Connection, shape: &Shape) -> rusqlite::Result<Option<Vec<(usize, String)>>> {
    let sql = "SELECT name FROM pragma_index_list(?1) WHERE \"unique\" AND NOT partial ORDER BY origin <> 'pk', seq DESC";
    let mut statement = connection.prepare_cached(sql)?;
    let names = statement.query_map([&shape.name], |row| row.get(0))?;
    for index in names.collect::<Result<Vec<String>, _>>()? {
        let sql = "SELECT cid, coll FROM pragma_index_xinfo(?1) WHERE key";
        let mut statement = connection.prepare_cached(sql)?;
        let parts = statement.query_map([index], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let parts: Vec<(i64, Option<String>)> = parts.collect::<Result<_, _>>()?;
        let column = |(at, collation): (i64, Option<String>)| {
            let at = usize::try_from(at).ok()?;
            let column = shape.columns.get(at).filter(|column| !column.generated)?;
            (!column.name.is_empty()).then(|| (at, collation.unwrap_or_else(|| "BINARY".to_owned())))
        };
        if let Some(columns) = parts.into_iter().map(column).collect::<Option<Vec<_>>>() {
            return Ok(Some(columns));
        }
    }
    Ok(None)
}
