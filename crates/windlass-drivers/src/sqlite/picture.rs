//! What a scratch copy holds.

use super::fingerprint::{TABLES, quote};
use crate::scratch::{Definitions, Sink, unreadable};
use rusqlite::{Connection, OpenFlags, types::ValueRef};
use std::{collections::BTreeMap, path::Path};
use windlass_driver::{Context, Failure};

/// All definitions, and all rows into `sink`, of one moment.
pub(crate) fn take(cx: &Context, sink: Option<&mut Sink>) -> Result<Definitions, Failure> {
    let url = crate::sql::url(cx, crate::scratch::TARGET, windlass_plan::UrlKind::Sqlite)?;
    let path = Path::new(url.strip_prefix("sqlite:").unwrap_or(&url));
    let said = |error: rusqlite::Error| unreadable(&super::connect::text(&error));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(said)?;
    connection.busy_timeout(super::BUSY_MAX).map_err(said)?;
    connection.execute_batch("BEGIN").map_err(said)?;
    let texts = definitions(&connection).map_err(said)?;
    if let Some(sink) = sink {
        for (name, columns, own) in tables(&connection).map_err(said)? {
            rows(&connection, sink, &name, columns, own)?;
        }
    }
    Ok(Definitions::Texts(texts))
}

fn definitions(connection: &Connection) -> rusqlite::Result<BTreeMap<String, String>> {
    let sql = "SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_schema \
               WHERE tbl_name NOT LIKE 'windlass\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut statement = connection.prepare(sql)?;
    let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut texts: BTreeMap<String, String> = found.collect::<Result<_, _>>()?;
    for pragma in ["user_version", "application_id"] {
        let value: i64 = connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0))?;
        texts.insert(format!("pragma {pragma}"), value.to_string());
    }
    Ok(texts)
}

type Listed = (String, Vec<String>, &'static str);

fn tables(connection: &Connection) -> rusqlite::Result<Vec<Listed>> {
    let mut statement = connection.prepare(TABLES)?;
    let names = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    let mut found = vec![];
    for name in names {
        let mut statement =
            connection.prepare("SELECT name FROM pragma_table_xinfo(?1) ORDER BY name COLLATE BINARY")?;
        let columns =
            statement.query_map([&name], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
        // A name in this one may be that of a table of Windlass.
        let own =
            if name == "sqlite_sequence" { "WHERE name NOT LIKE 'windlass\\_%' ESCAPE '\\'" } else { "" };
        found.push((name, columns, own));
    }
    Ok(found)
}

fn rows(
    connection: &Connection,
    sink: &mut Sink,
    name: &str,
    columns: Vec<String>,
    own: &str,
) -> Result<(), Failure> {
    let said = |error: rusqlite::Error| unreadable(&super::connect::text(&error));
    let list: Vec<String> = columns.iter().map(|column| quote(column)).collect();
    let sql = format!("SELECT {} FROM {} {own}", list.join(", "), quote(name));
    let mut statement = connection.prepare(&sql).map_err(said)?;
    let mut found = statement.query([]).map_err(said)?;
    sink.table(name, columns)?;
    while let Some(row) = found.next().map_err(said)? {
        let values = (0..list.len()).map(|at| row.get_ref(at).map(value));
        sink.row(&values.collect::<rusqlite::Result<Vec<_>>>().map_err(said)?)?;
    }
    sink.end()
}

/// As text; what is not the type that its look suggests says so.
fn value(value: ValueRef<'_>) -> Option<Vec<u8>> {
    Some(match value {
        ValueRef::Null => return None,
        ValueRef::Integer(number) => number.to_string().into_bytes(),
        ValueRef::Real(number) => format!("{number:?} real").into_bytes(),
        ValueRef::Text(text) => [b"'", text, b"'"].concat(),
        ValueRef::Blob(bytes) => [&b"x'"[..], crate::disk::hex(bytes).as_bytes(), b"'"].concat(),
    })
}
