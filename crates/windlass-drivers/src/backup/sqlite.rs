//! SQLite: a copy by its backup API, of one consistent moment, while others go on.

use super::{
    Progress, Source,
    create::{Packer, Written},
    failed,
};
use crate::disk::human_bytes;
use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};
use std::{collections::BTreeMap, fs::File, io::Read as _, path::Path, time::Duration};
use windlass_driver::Failure;

/// Pages copied between two looks at the clock.
const PAGES: i32 = 4096;
/// Longest wait for another writer.
const BUSY_MAX: Duration = Duration::from_secs(5);

fn open(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_MAX)?;
    Ok(connection)
}

fn read(source: &Source) -> Result<Connection, Failure> {
    open(&source.path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|error| failed(format!("{}: {error}", source.path.display())))
}

/// Bytes of the database.
pub(super) fn size(source: &Source) -> Result<u64, Failure> {
    let size = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
    read(source)?
        .query_row(size, [], |row| row.get::<_, i64>(0))
        .map(i64::unsigned_abs)
        .map_err(|error| failed(format!("{}: {error}", source.path.display())))
}

pub(super) fn write(
    source: &Source,
    folder: &Path,
    mut packer: Packer,
    progress: Progress<'_>,
) -> Result<Written, Failure> {
    let failure = |error: &dyn std::fmt::Display| failed(format!("{}: {error}", source.path.display()));
    let copy =
        tempfile::Builder::new().prefix(".copy").tempfile_in(folder).map_err(|error| failure(&error))?;
    let rows = copied(source, copy.path(), progress).map_err(|error| failure(&error))?;
    let mut file = File::open(copy.path()).map_err(|error| failure(&error))?;
    let mut chunk = vec![0; 256 * 1024];
    let mut pack = || loop {
        match file.read(&mut chunk)? {
            0 => return Ok::<_, std::io::Error>(()),
            read => packer.write_all(&chunk[..read])?,
        }
    };
    pack().map_err(|error| failure(&error))?;
    let version = format!("SQLite {}", rusqlite::version());
    let written = packer.finish().map_err(|error| failure(&error))?;
    Ok(Written { rows, tool: version.clone(), server: version, ..written })
}

fn copied(source: &Source, to: &Path, progress: Progress<'_>) -> rusqlite::Result<BTreeMap<String, u64>> {
    let live = open(&source.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut copy = open(to, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    // A writer makes the copy begin anew; a read transaction makes the source stand still.
    live.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema")?;
    let page = live.query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0))?.unsigned_abs();
    {
        let backup = Backup::new(&live, &mut copy)?;
        while backup.step(PAGES)? == StepResult::More {
            let state = backup.progress();
            let bytes = |pages: i32| human_bytes(u64::from(pages.unsigned_abs()) * page);
            progress(&format!("{} of {}", bytes(state.pagecount - state.remaining), bytes(state.pagecount)));
        }
    }
    // The copy is read without the `-wal` file beside it.
    copy.execute_batch("PRAGMA journal_mode = DELETE")?;
    rows(&copy)
}

/// Rows of each table.
pub(super) fn rows(connection: &Connection) -> rusqlite::Result<BTreeMap<String, u64>> {
    let sql =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut statement = connection.prepare(sql)?;
    let names = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    let count = |name: String| {
        let sql = format!("SELECT count(*) FROM \"{}\"", name.replace('"', "\"\""));
        Ok((name, connection.query_row(&sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs()))
    };
    names.into_iter().map(count).collect()
}

/// What is wrong with a database file, by SQLite's own check; empty: nothing.
pub(super) fn complaints(path: &Path) -> rusqlite::Result<(Vec<String>, BTreeMap<String, u64>)> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = connection.prepare("PRAGMA integrity_check(5)")?;
    let said = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    let complaints = said.into_iter().filter(|line| line != "ok").collect();
    Ok((complaints, rows(&connection)?))
}
