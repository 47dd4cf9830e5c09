//! Saves the rows that a statement changes: temporary triggers, which only this connection sees, hand each row to a
//! function of the driver.
//!
//! They change nothing themselves, and SQLite fires temporary triggers before those of the schema, so rows come in the
//! order in which they change. A row that the conflict clause `REPLACE` takes away fires delete triggers only with
//! `PRAGMA recursive_triggers`; that is switched on where no trigger of the schema could see it.

use super::{
    super::{fingerprint::quote, watch::Touches},
    codec::{self, put_number, put_signed, put_value, same},
    file::{Place, Writer},
    shape::{self, Key, Shape},
};
use rusqlite::{
    Connection, Error,
    functions::{Context, FunctionFlags},
    types::ValueRef,
};
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::Path,
    sync::{Arc, Mutex},
};

/// SQLite takes no more arguments of a function (`SQLITE_MAX_FUNCTION_ARG` is 1000), with some to spare.
const ARGUMENTS_MAX: usize = 990;

/// The rows that a statement changed, as the ledger knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Images {
    pub(crate) tables: Vec<Rows>,
    pub(crate) place: Place,
}

/// A table and how many of its rows were changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rows {
    pub(crate) shape: Shape,
    pub(crate) inserted: u64,
    pub(crate) updated: u64,
    pub(crate) deleted: u64,
}

/// Why rows are not saved.
pub(crate) enum Trouble {
    /// Of SQLite.
    Sqlite(Error),
    /// No room, or another fault of the disk.
    Disk(io::Error),
    /// Rows of this statement cannot be put back one by one; why not.
    Uncovered(String),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Takes rows until it is finished.
pub(crate) struct Recording(Arc<Mutex<Recorder>>);

struct Recorder {
    tables: Vec<Rows>,
    /// For each table the positions of the columns that an update may change.
    updated: Vec<Vec<usize>>,
    writer: Writer,
    entry: Vec<u8>,
    failed: Option<io::Error>,
}

impl Recording {
    /// Begins: every row that a statement with these touches changes on `connection` is saved.
    pub(crate) fn begin(
        connection: &Connection,
        touches: &Touches,
        statement: &str,
        workspace: &Path,
    ) -> Result<Self, Trouble> {
        let mut recorder = Recorder {
            tables: vec![],
            updated: vec![],
            writer: Writer::new(workspace),
            entry: vec![],
            failed: None,
        };
        for table in touches.tables() {
            let Some(shape) = shape::of(connection, table)? else { continue };
            let shape = shape.map_err(Trouble::Uncovered)?;
            let columns = touches.columns(table);
            let changes =
                |at: &usize| columns.iter().any(|name| name.eq_ignore_ascii_case(&shape.columns[*at].name));
            let number = recorder.tables.len();
            let updated = shape.saved().filter(changes).collect::<Vec<_>>();
            connection.execute_batch(&triggers(number, &shape, &updated)?)?;
            recorder.updated.push(updated);
            recorder.tables.push(Rows { shape, inserted: 0, updated: 0, deleted: 0 });
        }
        replacing(connection, &recorder.tables, statement)?;
        let recorder = Arc::new(Mutex::new(recorder));
        let taker = Arc::clone(&recorder);
        connection.create_scalar_function("windlass_row", -1, FunctionFlags::SQLITE_UTF8, move |row| {
            taker.lock().map_err(|_| Error::UnwindingPanic)?.row(row)
        })?;
        Ok(Self(recorder))
    }

    /// Ends it; what was saved is durable. The second part belongs into the ledger.
    pub(crate) fn finish(self, connection: &Connection) -> Result<(Images, Vec<u8>), Trouble> {
        let mut recorder = self.end(connection)?;
        if let Some(error) = recorder.failed {
            recorder.writer.abandon();
            return Err(Trouble::Disk(error));
        }
        let (place, inline) = recorder.writer.finish().map_err(Trouble::Disk)?;
        recorder.tables.retain(|rows| rows.inserted + rows.updated + rows.deleted > 0 || place.bytes > 0);
        Ok((Images { tables: recorder.tables, place }, inline))
    }

    /// Ends it after a failure; that of saving rows, if it was the reason.
    pub(crate) fn abandon(self, connection: &Connection) -> Option<io::Error> {
        let recorder = self.end(connection).ok()?;
        recorder.writer.abandon();
        recorder.failed
    }

    fn end(self, connection: &Connection) -> rusqlite::Result<Recorder> {
        let recorder = self.0.lock().map_err(|_| Error::UnwindingPanic)?.tables.len();
        for number in 0..recorder {
            for event in ["insert", "update", "delete"] {
                connection
                    .execute_batch(&format!("DROP TRIGGER IF EXISTS temp.windlass_{event}_{number}"))?;
            }
        }
        connection.remove_function("windlass_row", -1)?;
        connection.execute_batch("PRAGMA recursive_triggers = OFF")?;
        let lock = Arc::into_inner(self.0).ok_or(Error::UnwindingPanic)?;
        lock.into_inner().map_err(|_| Error::UnwindingPanic)
    }
}

/// Switches on that rows taken away by `REPLACE` are seen, where that can be needed.
fn replacing(connection: &Connection, tables: &[Rows], statement: &str) -> Result<(), Trouble> {
    let mut texts = vec![statement.to_owned()];
    let mut triggers = false;
    for rows in tables {
        let sql = "SELECT type, coalesce(sql, '') FROM sqlite_schema WHERE tbl_name = ?1 COLLATE NOCASE";
        let mut query = connection.prepare_cached(sql)?;
        let mut found = query.query([&rows.shape.name])?;
        while let Some(row) = found.next()? {
            triggers |= row.get::<_, String>(0)? == "trigger";
            texts.push(row.get(1)?);
        }
    }
    if !texts.iter().any(|text| text.to_ascii_uppercase().contains("REPLACE")) {
        return Ok(());
    }
    if triggers {
        let text =
            "rows may be replaced, and there are triggers that would see it if rows were saved one by one";
        return Err(Trouble::Uncovered(text.to_owned()));
    }
    Ok(connection.execute_batch("PRAGMA recursive_triggers = ON")?)
}

/// The triggers on one table.
fn triggers(number: usize, shape: &Shape, updated: &[usize]) -> Result<String, Trouble> {
    let all: Vec<usize> = shape.saved().collect();
    let row_id = |row: &str| shape.row_id.as_ref().map_or("0".to_owned(), |name| format!("{row}.{name}"));
    let values = |row: &str, columns: &[usize]| -> String {
        columns.iter().map(|at| format!(", {row}.{}", shape.column(*at))).collect()
    };
    let by = match &shape.key {
        Key::RowId => String::new(),
        Key::Columns(_) | Key::Whole => values("NEW", &all),
    };
    if all.len() + 2 * updated.len() + 4 > ARGUMENTS_MAX {
        return Err(Trouble::Uncovered(format!("table {} has too many columns", shape.name)));
    }
    let trigger = |event: &str, code: u8, values: String| {
        format!(
            "CREATE TEMP TRIGGER windlass_{event}_{number} AFTER {event} ON main.{} BEGIN SELECT windlass_row({code}, \
             {number}{values}); END;\n",
            quote(&shape.name)
        )
    };
    let changes = format!(
        ", {}, {}{}{}{by}",
        row_id("OLD"),
        row_id("NEW"),
        values("OLD", updated),
        values("NEW", updated)
    );
    Ok([
        trigger("insert", codec::INSERT, format!(", {}{}", row_id("NEW"), values("NEW", &all))),
        trigger("delete", codec::DELETE, format!(", {}{}", row_id("OLD"), values("OLD", &all))),
        trigger("update", codec::UPDATE, changes),
    ]
    .concat())
}

impl Recorder {
    fn row(&mut self, row: &Context<'_>) -> rusqlite::Result<Option<i64>> {
        let code = u8::try_from(row.get::<i64>(0)?).unwrap_or(0);
        let number = usize::try_from(row.get::<i64>(1)?).unwrap_or(usize::MAX);
        let Some(rows) = self.tables.get_mut(number) else { return Err(Error::InvalidQuery) };
        self.entry.clear();
        self.entry.push(code);
        put_number(&mut self.entry, number as u64);
        match code {
            codec::INSERT => rows.inserted += 1,
            codec::DELETE => rows.deleted += 1,
            _ if !update(&mut self.entry, &rows.shape, &self.updated[number], row)? => return Ok(None),
            _ => rows.updated += 1,
        }
        if code != codec::UPDATE {
            put_signed(&mut self.entry, row.get(2)?);
            whole(&mut self.entry, row, 3);
        }
        self.writer.entry(&self.entry).map_err(|error| {
            let text = error.to_string();
            self.failed = Some(error);
            Error::UserFunctionError(text.into())
        })?;
        Ok(None)
    }
}

/// All saved columns, which stand in the arguments from `first` on.
fn whole(entry: &mut Vec<u8>, row: &Context<'_>, first: usize) {
    put_number(entry, (row.len() - first) as u64);
    (first..row.len()).for_each(|at| put_value(entry, row.get_raw(at)));
}

/// The columns that change, and what finds the row afterwards. False if nothing changes.
fn update(
    entry: &mut Vec<u8>,
    shape: &Shape,
    columns: &[usize],
    row: &Context<'_>,
) -> rusqlite::Result<bool> {
    let (old_row_id, row_id): (i64, i64) = (row.get(2)?, row.get(3)?);
    let (old, new, all) = (4, 4 + columns.len(), 4 + 2 * columns.len());
    let changed = |at: &usize| !same(row.get_raw(old + at), row.get_raw(new + at));
    let count = (0..columns.len()).filter(changed).count();
    if count == 0 && old_row_id == row_id {
        return Ok(false);
    }
    put_signed(entry, old_row_id);
    put_signed(entry, row_id);
    let saved: Vec<usize> = if shape.key == Key::RowId { vec![] } else { shape.saved().collect() };
    let place = |column: usize| all + saved.partition_point(|at| *at < column);
    match &shape.key {
        Key::RowId => put_number(entry, codec::BY_ROW_ID),
        Key::Columns(key) if key.iter().all(|(at, _)| row.get_raw(place(*at)) != ValueRef::Null) => {
            put_number(entry, codec::BY_COLUMNS);
            put_number(entry, key.len() as u64);
            key.iter().for_each(|(at, _)| put_value(entry, row.get_raw(place(*at))));
        }
        Key::Columns(_) | Key::Whole => {
            put_number(entry, codec::BY_WHOLE);
            whole(entry, row, all);
        }
    }
    put_number(entry, count as u64);
    for at in (0..columns.len()).filter(changed) {
        put_number(entry, columns[at] as u64);
        put_value(entry, row.get_raw(old + at));
        put_value(entry, row.get_raw(new + at));
    }
    Ok(true)
}
