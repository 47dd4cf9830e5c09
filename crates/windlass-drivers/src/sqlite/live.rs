//! What the schema says of the tables of a release.

use super::connect::Job;
use crate::sql::Wanted;
use rusqlite::{Connection, OptionalExtension as _};
use windlass_driver::Failure;
use windlass_plan::Unit;
use windlass_sql::{
    Dialect, Live, LiveColumn, LiveForeignKey, LiveIndex, LiveTable, ObjectName, Product, Server, column_type,
};

/// Rows that are counted; a table with more is large enough for every rule.
const COUNTED_MAX: u64 = 1_000_001;
/// A database up to here is read whole to find the size of a table, bytes.
const MEASURED_MAX: u64 = 64 << 20;

/// Looks at what `units`, all of the target of `job`, name.
pub(super) fn live(job: &Job, units: &[Unit]) -> Result<Live, Failure> {
    let wanted = Wanted::of(&units.iter().collect::<Vec<_>>(), Dialect::Sqlite);
    let connection = job.read()?;
    read(&connection, wanted).map_err(|error| job.failure(&error, "reading its schema")).map(|mut live| {
        live.free_bytes = job.database.parent().and_then(|folder| crate::disk::free_bytes(folder).ok());
        live
    })
}

fn read(connection: &Connection, wanted: Wanted) -> rusqlite::Result<Live> {
    let number = u32::try_from(rusqlite::version_number()).unwrap_or_default();
    let part = |number: u32| u16::try_from(number % 1_000).unwrap_or_default();
    let version = (part(number / 1_000_000), part(number / 1_000), part(number));
    let mut live = Live {
        server: Some(Server { product: Product::Sqlite, version }),
        unknown: wanted.unknown,
        replicas: Some(0),
        ..Live::default()
    };
    for name in ["journal_mode", "foreign_keys", "auto_vacuum"] {
        let value = connection
            .query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, rusqlite::types::Value>(0))?;
        let value = match value {
            rusqlite::types::Value::Text(text) => text,
            rusqlite::types::Value::Integer(number) => number.to_string(),
            _ => continue,
        };
        live.settings.insert(name.to_owned(), value);
    }
    let own = |name: &String| name.rsplit('.').next().unwrap_or_default().to_lowercase();
    let names: Vec<String> = wanted.tables.iter().chain(&wanted.qualified).map(own).collect();
    let indexes: Vec<String> = wanted.indexes.iter().map(own).collect();
    let mut statement = connection
        .prepare("SELECT type, name, tbl_name FROM sqlite_schema WHERE type IN ('table', 'index')")?;
    let all = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<Vec<(String, String, String)>>>()?;
    let mut chosen: Vec<String> = all
        .iter()
        .filter(|(kind, name, _)| {
            let wanted = if kind == "table" { &names } else { &indexes };
            wanted.contains(&name.to_lowercase())
        })
        .map(|(_, _, table)| table.clone())
        .collect();
    chosen.sort();
    chosen.dedup();
    let keys = all_keys(connection)?;
    for name in &chosen {
        live.tables.push(table(connection, name, &keys)?);
    }
    Ok(live)
}

/// Every foreign key: table, its number in it, the table that it refers to, one of its columns.
type Keys = Vec<(String, i64, String, String)>;

fn all_keys(connection: &Connection) -> rusqlite::Result<Keys> {
    let sql = "SELECT m.name, k.id, k.\"table\", k.\"from\" FROM sqlite_schema m, pragma_foreign_key_list(m.name) k \
               WHERE m.type = 'table' ORDER BY m.name, k.id, k.seq";
    connection
        .prepare(sql)?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect()
}

fn table(connection: &Connection, name: &str, keys: &Keys) -> rusqlite::Result<LiveTable> {
    let quoted = windlass_sql::quote(name, Dialect::Sqlite);
    let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {quoted} LIMIT {COUNTED_MAX})");
    let rows: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
    let own = |table: &str| ObjectName { parts: vec![table.to_owned()] };
    let triggers = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE")?
        .query_map([name], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<String>>>()?;
    let mut referenced_by: Vec<_> = keys
        .iter()
        .filter(|(_, _, to, _)| to.eq_ignore_ascii_case(name))
        .map(|(from, ..)| own(from))
        .collect();
    referenced_by.dedup();
    Ok(LiveTable {
        name: own(name),
        rows: u64::try_from(rows).ok(),
        bytes: bytes(connection, name)?,
        columns: columns(connection, name)?,
        indexes: indexes(connection, name)?,
        foreign_keys: foreign_keys(name, keys),
        referenced_by,
        triggers,
        ..LiveTable::default()
    })
}

fn foreign_keys(name: &str, keys: &Keys) -> Vec<LiveForeignKey> {
    let mut found: Vec<(i64, LiveForeignKey)> = Vec::new();
    for (_, id, to, column) in keys.iter().filter(|(table, ..)| table == name) {
        if found.last().is_none_or(|(last, _)| last != id) {
            let references = ObjectName { parts: vec![to.clone()] };
            found.push((*id, LiveForeignKey { references, ..LiveForeignKey::default() }));
        }
        if let Some((_, key)) = found.last_mut() {
            key.columns.push(column.clone());
        }
    }
    found.into_iter().map(|(_, key)| key).collect()
}

/// Pages of the table and its indexes, where this SQLite can count them in a moment.
fn bytes(connection: &Connection, name: &str) -> rusqlite::Result<Option<u64>> {
    if super::copy::size(connection)? > MEASURED_MAX {
        return Ok(None);
    }
    let sql = "SELECT sum(pgsize) FROM dbstat WHERE aggregate = 1 AND name IN \
               (SELECT name FROM sqlite_schema WHERE tbl_name = ?1 COLLATE NOCASE AND type IN ('table', 'index'))";
    let Ok(mut statement) = connection.prepare(sql) else { return Ok(None) };
    let bytes: Option<i64> = statement.query_row([name], |row| row.get(0)).optional()?.flatten();
    Ok(bytes.and_then(|bytes| u64::try_from(bytes).ok()))
}

fn columns(connection: &Connection, name: &str) -> rusqlite::Result<Vec<LiveColumn>> {
    let sql = "SELECT name, type, \"notnull\", pk, hidden FROM pragma_table_xinfo(?1) ORDER BY cid";
    let column = |row: &rusqlite::Row<'_>| {
        let kind: String = row.get(1)?;
        let key: i64 = row.get(3)?;
        let hidden: i64 = row.get(4)?;
        Ok(LiveColumn {
            name: row.get(0)?,
            numbered: key == 1 && kind.eq_ignore_ascii_case("integer"),
            kind: column_type(&kind, Dialect::Sqlite),
            not_null: row.get(2)?,
            generated: hidden == 2 || hidden == 3,
            charset: None,
            proven_not_null: false,
        })
    };
    connection.prepare(sql)?.query_map([name], column)?.collect()
}

fn indexes(connection: &Connection, name: &str) -> rusqlite::Result<Vec<LiveIndex>> {
    let sql = "SELECT i.name, i.\"unique\" AND NOT i.partial, i.origin = 'pk', c.name FROM pragma_index_list(?1) i, \
               pragma_index_info(i.name) c ORDER BY i.seq, c.seqno";
    let mut found: Vec<LiveIndex> = Vec::new();
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([name])?;
    while let Some(row) = rows.next()? {
        let index: String = row.get(0)?;
        if found.last().is_none_or(|last| last.name != index) {
            found.push(LiveIndex {
                name: index,
                unique: row.get(1)?,
                primary: row.get(2)?,
                usable: true,
                ..LiveIndex::default()
            });
        }
        if let (Some(last), Some(column)) = (found.last_mut(), row.get::<_, Option<String>>(3)?) {
            last.columns.push(column);
        }
    }
    // A key that is the row id has no index.
    let sql = "SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk";
    let key: Vec<String> =
        connection.prepare(sql)?.query_map([name], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    if !key.is_empty() && !found.iter().any(|index| index.primary) {
        found.push(LiveIndex {
            columns: key,
            unique: true,
            primary: true,
            usable: true,
            ..LiveIndex::default()
        });
    }
    Ok(found)
}
