//! Objects other than tables; `DROP`, `TRUNCATE`, and statements that rebuild.

use super::Ddl;
use super::constraint::{Constraint, constraint};
use super::table_option::{TableOption, options};
use crate::reader::Reader;
use crate::{Dialect, ObjectName};

/// A change of something that is no table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectChange {
    /// `RENAME TO`
    Rename(ObjectName),
    /// `ALTER TYPE … ADD VALUE`
    AddValue {
        /// `BEFORE` or `AFTER`
        positioned: bool,
    },
    /// `ALTER TYPE … RENAME VALUE`
    RenameValue,
    /// `ALTER DOMAIN … ADD`
    AddConstraint(Constraint),
    /// `ALTER DOMAIN … SET NOT NULL`
    SetNotNull,
    /// `SET SCHEMA`
    SetSchema,
    /// Anything else: its first word, upper case.
    Other(String),
}

/// `DROP`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectDrop {
    /// `TABLE`, `INDEX`, `SCHEMA`, `MATERIALIZED VIEW`, …, upper case.
    pub what: String,
    /// What is dropped.
    pub names: Vec<ObjectName>,
    /// The table of an index, trigger, rule or policy.
    pub table: Option<ObjectName>,
    /// `IF EXISTS`
    pub if_exists: bool,
    /// `CONCURRENTLY`
    pub concurrently: bool,
    /// `CASCADE`
    pub cascade: bool,
    /// `TEMPORARY`
    pub temporary: bool,
    /// `ALGORITHM = …`, `LOCK = …` (MySQL).
    pub options: Vec<TableOption>,
}

/// Behind `ALTER` and the kind of an object.
pub(super) fn alter_other(reader: &mut Reader<'_>, what: String) -> Ddl {
    reader.accept(&["IF", "EXISTS"]);
    let name = reader.name().map(|(name, _)| name);
    let change = object_change(reader).unwrap_or_else(|| ObjectChange::Other(reader.word(reader.at)));
    Ddl::AlterOther { what, name, change }
}

fn object_change(reader: &mut Reader<'_>) -> Option<ObjectChange> {
    let end = reader.len();
    if reader.accept(&["RENAME", "TO"]) {
        return reader.name().map(|(name, _)| ObjectChange::Rename(name));
    }
    if reader.accept(&["RENAME", "VALUE"]) {
        return Some(ObjectChange::RenameValue);
    }
    if reader.accept(&["ADD", "VALUE"]) {
        let positioned = reader.find(reader.at, end, &["BEFORE", "AFTER"]).is_some();
        return Some(ObjectChange::AddValue { positioned });
    }
    if reader.is(reader.at, "ADD") {
        reader.at += 1;
        let found = constraint(reader, end);
        if found.is_none() {
            reader.at -= 1;
        }
        return found.map(ObjectChange::AddConstraint);
    }
    if reader.accept(&["SET", "NOT", "NULL"]) {
        return Some(ObjectChange::SetNotNull);
    }
    reader.accept(&["SET", "SCHEMA"]).then_some(ObjectChange::SetSchema)
}

/// Behind `DROP`.
pub(super) fn drop(reader: &mut Reader<'_>) -> Option<Ddl> {
    let temporary = reader.accept(&["TEMPORARY"]);
    let _ = reader.accept(&["FOREIGN"]);
    let materialized = reader.accept(&["MATERIALIZED"]);
    let word = reader.word(reader.at);
    reader.at += 1;
    let what = match word.as_str() {
        "" => return None,
        "TABLES" => "TABLE".to_owned(),
        "DATABASE" if reader.dialect == Dialect::Mysql => "SCHEMA".to_owned(),
        word if materialized => format!("MATERIALIZED {word}"),
        word => word.to_owned(),
    };
    let concurrently = reader.accept(&["CONCURRENTLY"]);
    let if_exists = reader.accept(&["IF", "EXISTS"]);
    let mut names = Vec::new();
    loop {
        names.extend(reader.name().map(|(name, _)| name));
        reader.group();
        if !reader.symbol(b',') {
            break;
        }
    }
    let table = if reader.accept(&["ON"]) { reader.name().map(|(name, _)| name) } else { None };
    let end = reader.len();
    let cascade = reader.find(reader.at, end, &["CASCADE"]).is_some();
    let options = if reader.dialect == Dialect::Mysql { options(reader, end) } else { Vec::new() };
    Some(Ddl::Drop(ObjectDrop { what, names, table, if_exists, concurrently, cascade, temporary, options }))
}

/// Behind `RENAME` of MySQL.
pub(super) fn rename_table(reader: &mut Reader<'_>) -> Option<Ddl> {
    if !reader.accept(&["TABLE"]) && !reader.accept(&["TABLES"]) {
        return None;
    }
    reader.accept(&["IF", "EXISTS"]);
    let mut pairs = Vec::new();
    loop {
        let (from, _) = reader.name()?;
        if !reader.accept(&["TO"]) {
            return None;
        }
        pairs.push((from, reader.name()?.0));
        if !reader.symbol(b',') {
            return Some(Ddl::RenameTable(pairs));
        }
    }
}

/// Behind `TRUNCATE`.
pub(super) fn truncate(reader: &mut Reader<'_>) -> Ddl {
    reader.accept(&["TABLE"]);
    let mut tables = Vec::new();
    loop {
        reader.accept(&["ONLY"]);
        tables.extend(reader.name().map(|(name, _)| name));
        reader.symbol(b'*');
        if !reader.symbol(b',') {
            break;
        }
    }
    let cascade = reader.find(reader.at, reader.len(), &["CASCADE"]).is_some();
    Ddl::Truncate { tables, cascade }
}

/// Behind `REINDEX`, `CLUSTER`, `VACUUM`, `REFRESH`, `OPTIMIZE`.
pub(super) fn maintenance(reader: &mut Reader<'_>, what: String) -> Ddl {
    const SCOPES: [&str; 5] = ["INDEX", "TABLE", "SCHEMA", "DATABASE", "SYSTEM"];
    let mut full = false;
    let mut concurrently = false;
    let mut scope = String::new();
    if let Some((from, to)) = reader.group() {
        full = (from..to).any(|at| reader.is(at, "FULL"));
        concurrently = (from..to).any(|at| reader.is(at, "CONCURRENTLY"));
    }
    loop {
        if reader.is_any(reader.at, &SCOPES) {
            scope = reader.word(reader.at);
            reader.at += 1;
        } else if reader.accept(&["CONCURRENTLY"]) {
            concurrently = true;
        } else if reader.accept(&["FULL"]) {
            full = true;
        } else if reader.is_any(reader.at, &["MATERIALIZED", "VIEW", "VERBOSE", "ANALYZE", "FREEZE", "LOCAL"])
        {
            reader.at += 1;
        } else {
            break;
        }
    }
    let name = reader.name().map(|(name, _)| name);
    Ddl::Maintenance { what, scope, name, concurrently, full }
}
