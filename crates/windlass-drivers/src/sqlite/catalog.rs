//! The catalog of a database, read.

use rusqlite::Connection;
use std::collections::HashMap;
use windlass_sql::sqlite::{Catalog, Object, ObjectKind};

/// All definitions, and the columns of tables if they are asked for.
pub(super) fn read(connection: &Connection, with_columns: bool) -> rusqlite::Result<Catalog> {
    let modules = modules(connection)?;
    let sql = "SELECT type, name, tbl_name, sql, coalesce(rootpage, 0) FROM sqlite_schema \
               WHERE tbl_name NOT LIKE 'windlass\\_%' ESCAPE '\\' AND tbl_name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut objects = vec![];
    while let Some(row) = rows.next()? {
        let name: String = row.get(1)?;
        let kind = match row.get::<_, String>(0)?.as_str() {
            "index" => ObjectKind::Index,
            "view" => ObjectKind::View,
            "trigger" => ObjectKind::Trigger,
            _ => modules.get(&name).copied().unwrap_or(ObjectKind::Table),
        };
        let columns =
            if kind == ObjectKind::Table && with_columns { columns(connection, &name)? } else { vec![] };
        objects.push(Object { kind, table: row.get(2)?, sql: row.get(3)?, root: row.get(4)?, columns, name });
    }
    Ok(Catalog { objects })
}

/// As [`read`], with the columns of all tables that are not as in `before`.
pub(super) fn read_after(connection: &Connection, before: &Catalog) -> rusqlite::Result<Catalog> {
    let mut after = read(connection, false)?;
    let old: HashMap<_, _> = before.objects.iter().map(|object| (&object.name, &object.sql)).collect();
    for object in &mut after.objects {
        let changed = old.get(&object.name).is_none_or(|sql| **sql != object.sql);
        if object.kind == ObjectKind::Table && changed {
            object.columns = columns(connection, &object.name)?;
        }
    }
    Ok(after)
}

fn modules(connection: &Connection) -> rusqlite::Result<HashMap<String, ObjectKind>> {
    let sql = "SELECT name, type = 'shadow' FROM pragma_table_list \
               WHERE schema = 'main' AND type IN ('virtual', 'shadow')";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_map([], |row| {
        let kind = if row.get(1)? { ObjectKind::Shadow } else { ObjectKind::Virtual };
        Ok((row.get(0)?, kind))
    })?;
    found.collect()
}

/// Names of all columns, generated ones too.
fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached("SELECT name FROM pragma_table_xinfo(?1)")?;
    statement.query_map([table], |row| row.get(0))?.collect()
}
