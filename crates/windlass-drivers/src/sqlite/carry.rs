//! What others have written to a thing of the release is set aside when that goes. A copy from before does not have it, so it
//! is put into the copy before that is put back.

use super::{
    aside,
    connect::Job,
    copy::{self, CopyError},
    fingerprint::quote,
    image::{Stored, shape_of},
};
use crate::disk;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};
use std::{fs, io, path::Path};

/// What a database is restored from.
pub(super) struct Source {
    pub(super) connection: Connection,
    /// A file of its own, which can be added to and is removed at the end.
    own: Option<std::path::PathBuf>,
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Some(own) = &self.own {
            let _ = fs::remove_file(own);
        }
    }
}

impl Source {
    /// Opens the copy `file`; a second copy of it, if something has to be put into it.
    pub(super) fn open(job: &Job, file: &Path, live: &Connection) -> Result<Self, CopyError> {
        let connection = copy::open(file)?;
        if newer(&connection, live)?.is_empty() {
            return Ok(Self { connection, own: None });
        }
        let folder = &job.cx.workspace;
        fs::create_dir_all(folder)?;
        disk::room_for(copy::size(&connection)?, folder)?;
        let own = folder.join("restore.db");
        match fs::remove_file(&own) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        fs::copy(file, &own)?;
        let connection = Connection::open(&own)?;
        let own = Some(own);
        connection.execute_batch(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; \
             PRAGMA ignore_check_constraints = ON",
        )?;
        Ok(Self { connection, own })
    }

    /// Puts in what it lacks of `look`; in words what that is. The inner error says what cannot be kept.
    pub(super) fn carry(&self, look: &Connection) -> rusqlite::Result<Result<Vec<String>, String>> {
        let mut carried = vec![];
        for aside in newer(&self.connection, look)? {
            let Aside { kind, name, stored, .. } = &aside;
            let to = if self.own.is_some() { self.one(&aside, look)? } else { None };
            let Some(to) = to else {
                return Ok(Err(format!(
                    "{kind} {name} was written to and then set aside as {stored}: save what it holds and drop it \
                     (`DROP TABLE {stored}`), then roll back again"
                )));
            };
            carried.push(format!("{kind} {name}, written to by others, stays set aside as {to}"));
        }
        Ok(Ok(carried))
    }

    /// Where it is now; `None`: its rows cannot be read one by one.
    fn one(&self, aside: &Aside, look: &Connection) -> rusqlite::Result<Option<String>> {
        const AWAY: &str = "windlass_away";
        let to = &self.connection;
        let Some(Ok(shape)) = shape_of(look, &aside.stored)? else { return Ok(None) };
        to.execute_batch("BEGIN")?;
        let number = aside::free_number(to, Some(aside.id))?;
        let stored = format!("windlass_aside_{number}");
        let taken = to.table_exists(Some("main"), &aside.stored)?;
        if taken {
            aside::rename(to, &aside.stored, AWAY)?;
        }
        to.execute_batch(&aside.sql)?;
        let id = shape.row_id.iter().filter(|name| !name.starts_with('"')).cloned();
        let names: Vec<String> = id.chain(shape.saved().map(|at| shape.column(at))).collect();
        let (list, table) = (names.join(", "), quote(&aside.stored));
        let insert = format!("INSERT INTO main.{table} ({list}) VALUES (?{})", ", ?".repeat(names.len() - 1));
        let (mut insert, mut select) =
            (to.prepare(&insert)?, look.prepare(&format!("SELECT {list} FROM main.{table}"))?);
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let values = (0..names.len()).map(|at| row.get_ref(at).map(Stored::from));
            insert.execute(params_from_iter(values.collect::<rusqlite::Result<Vec<_>>>()?))?;
        }
        drop(insert);
        if number != aside.id {
            aside::rename(to, &aside.stored, &stored)?;
        }
        if taken {
            aside::rename(to, AWAY, &aside.stored)?;
        }
        to.execute(
            "INSERT INTO windlass_aside (id, run, unit, at, kind, name, stored, why, parts)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'undone', ?8)",
            params![number, aside.run, aside.unit, aside.at, aside.kind, aside.name, stored, aside.parts],
        )?;
        to.execute_batch("COMMIT")?;
        Ok(Some(stored))
    }
}

/// A line of the list, and the text of the table that holds it.
#[derive(PartialEq, Eq)]
struct Aside {
    id: i64,
    run: String,
    unit: String,
    at: String,
    kind: String,
    name: String,
    stored: String,
    parts: String,
    sql: String,
}

impl Aside {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            run: row.get(1)?,
            unit: row.get(2)?,
            at: row.get(3)?,
            kind: row.get(4)?,
            name: row.get(5)?,
            stored: row.get(6)?,
            parts: row.get(7)?,
            sql: row.get(8)?,
        })
    }
}

/// What `look` has and `from` has not.
fn newer(from: &Connection, look: &Connection) -> rusqlite::Result<Vec<Aside>> {
    let old = undone(from)?;
    Ok(undone(look)?.into_iter().filter(|aside| !old.contains(aside)).collect())
}

/// What was set aside because it was written to, and is still there.
fn undone(connection: &Connection) -> rusqlite::Result<Vec<Aside>> {
    let list = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'windlass_aside'";
    if connection.query_row(list, [], |_| Ok(())).optional()?.is_none() {
        return Ok(vec![]);
    }
    let sql = "SELECT id, run, unit, at, kind, a.name, stored, parts, s.sql FROM windlass_aside a \
               JOIN sqlite_schema s ON s.type = 'table' AND s.name = a.stored WHERE why = 'undone' ORDER BY id";
    let mut statement = connection.prepare(sql)?;
    statement.query_map([], Aside::read)?.collect()
}
