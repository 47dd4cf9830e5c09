//! The catalog of a database, read.

use rusqlite::Connection;
use std::collections::HashMap;
use windlass_sql::sqlite::{Catalog, Object, ObjectKind};

/// All definitions, and the columns of tables if they are asked for.
pub(super) fn read(connection: &Connection, with_columns: bool) -> rusqlite::Result<Catalog> {
    let sql = "SELECT type, name, tbl_name, sql, coalesce(rootpage, 0) FROM sqlite_schema \
               WHERE tbl_name NOT LIKE 'windlass\\_%' ESCAPE '\\' AND tbl_name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut objects = vec![];
    while let Some(row) = rows.next()? {
        let kind = match row.get_ref(0)?.as_str()? {
            "index" => ObjectKind::Index,
            "view" => ObjectKind::View,
            "trigger" => ObjectKind::Trigger,
            _ => ObjectKind::Table,
        };
        let (name, table, sql, root) = (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
        objects.push(Object { kind, name, table, sql, root, columns: vec![] });
    }
    if objects.iter().any(|object: &Object| object.sql.as_deref().is_some_and(is_virtual)) {
        let modules = modules(connection)?;
        for object in objects.iter_mut().filter(|object| object.kind == ObjectKind::Table) {
            object.kind = modules.get(&object.name).copied().unwrap_or(ObjectKind::Table);
        }
    }
    if with_columns {
        for object in objects.iter_mut().filter(|object| object.kind == ObjectKind::Table) {
            object.columns = columns(connection, &object.name)?;
        }
    }
    Ok(Catalog { objects })
}

/// Whether the text is that of a table of a module; SQLite itself writes its beginning.
pub(super) fn is_virtual(sql: &str) -> bool {
    sql.starts_with("CREATE VIRTUAL TABLE")
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
