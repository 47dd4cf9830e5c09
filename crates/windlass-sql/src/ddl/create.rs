//! `CREATE`.

use super::Ddl;
use super::column::{Column, column};
use super::constraint::{Constraint, IndexKind, TableIndex, columns, constraint, table_index};
use super::table_option::{TableOption, options};
use crate::reader::Reader;
use crate::{Dialect, ObjectName};

/// `CREATE TABLE`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTable {
    /// Its name.
    pub name: ObjectName,
    /// `TEMPORARY`
    pub temporary: bool,
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its constraints, those behind a column left out.
    pub constraints: Vec<Constraint>,
    /// Its indexes (MySQL).
    pub indexes: Vec<TableIndex>,
    /// `ENGINE = …` and the like (MySQL).
    pub options: Vec<TableOption>,
    /// Columns come from elsewhere: `AS SELECT`, `LIKE`, `PARTITION OF`, `INHERITS`.
    pub derived: bool,
}

/// `CREATE INDEX`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateIndex {
    /// Its name; PostgreSQL needs none.
    pub name: Option<ObjectName>,
    /// Its table.
    pub table: ObjectName,
    /// What it is for.
    pub kind: IndexKind,
    /// `CONCURRENTLY`
    pub concurrently: bool,
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// `ON ONLY`: the index of a partitioned table without those of its partitions.
    pub only: bool,
    /// Its columns; expressions are left out.
    pub columns: Vec<String>,
    /// `WHERE`
    pub partial: bool,
    /// `ALGORITHM = …`, `LOCK = …` (MySQL).
    pub options: Vec<TableOption>,
}

/// Words between `CREATE` and the kind of object.
const MODIFIERS: [&str; 11] = [
    "GLOBAL",
    "LOCAL",
    "UNLOGGED",
    "VIRTUAL",
    "FOREIGN",
    "MATERIALIZED",
    "RECURSIVE",
    "CONSTRAINT",
    "AGGREGATE",
    "TRUSTED",
    "PROCEDURAL",
];

/// Behind `CREATE`.
pub(super) fn create(reader: &mut Reader<'_>) -> Option<Ddl> {
    let or_replace = reader.accept(&["OR", "REPLACE"]);
    let mut temporary = false;
    let mut index = IndexKind::Plain;
    let mut materialized = false;
    // Options of MySQL views and routines stand in front of the kind as well; they are skipped token by token.
    for _ in 0..24 {
        if reader.accept(&["TEMP"]) || reader.accept(&["TEMPORARY"]) {
            temporary = true;
        } else if reader.accept(&["UNIQUE"]) {
            index = IndexKind::Unique;
        } else if reader.accept(&["FULLTEXT"]) {
            index = IndexKind::Fulltext;
        } else if reader.accept(&["SPATIAL"]) {
            index = IndexKind::Spatial;
        } else if reader.is_any(reader.at, &MODIFIERS) {
            materialized |= reader.is(reader.at, "MATERIALIZED");
            reader.at += 1;
        } else if reader.dialect == Dialect::Mysql
            && reader.is_any(reader.at, &["ALGORITHM", "DEFINER", "SQL"])
        {
            skip_option(reader);
        } else {
            break;
        }
    }
    let what = reader.word(reader.at);
    reader.at += 1;
    match what.as_str() {
        "TABLE" => table(reader, temporary),
        "INDEX" => create_index(reader, index),
        "" => None,
        _ => {
            let what = if materialized { format!("MATERIALIZED {what}") } else { what };
            Some(other(reader, what, or_replace))
        }
    }
}

/// `SQL SECURITY x`, `ALGORITHM = x`, `DEFINER = x@y`.
fn skip_option(reader: &mut Reader<'_>) {
    reader.at += 1;
    reader.accept(&["SECURITY"]);
    reader.symbol(b'=');
    reader.at += 1;
    reader.group();
    if reader.symbol(b'@') {
        reader.at += 1;
    }
}

/// More than any domain has; each is looked for to the end of the statement.
const DOMAIN_CONSTRAINTS_MAX: usize = 16;

fn other(reader: &mut Reader<'_>, what: String, or_replace: bool) -> Ddl {
    reader.accept(&["IF", "NOT", "EXISTS"]);
    let name = reader.name().map(|(name, _)| name);
    let end = reader.len();
    let on_table = ["TRIGGER", "RULE", "POLICY", "STATISTICS"].contains(&what.as_str());
    let table = on_table.then(|| table_behind_on(reader, &what)).flatten();
    let is_enum = what == "TYPE" && reader.is(reader.at, "AS") && reader.is(reader.at + 1, "ENUM");
    let mut constraints = Vec::new();
    if what == "DOMAIN" {
        while reader.at < end && constraints.len() < DOMAIN_CONSTRAINTS_MAX {
            match constraint(reader, end) {
                Some(found) => constraints.push(found),
                None => reader.at += 1,
            }
        }
    }
    Ddl::CreateOther { what, name, or_replace, table, is_enum, constraints }
}

fn table_behind_on(reader: &mut Reader<'_>, what: &str) -> Option<ObjectName> {
    let word = match what {
        "RULE" => "TO",
        "STATISTICS" => "FROM",
        _ => "ON",
    };
    reader.at = reader.find(reader.at, reader.len(), &[word])? + 1;
    reader.name().map(|(name, _)| name)
}

fn table(reader: &mut Reader<'_>, temporary: bool) -> Option<Ddl> {
    let if_not_exists = reader.accept(&["IF", "NOT", "EXISTS"]);
    let (name, _) = reader.name()?;
    let mut table = CreateTable {
        name,
        temporary,
        if_not_exists,
        columns: Vec::new(),
        constraints: Vec::new(),
        indexes: Vec::new(),
        options: Vec::new(),
        derived: reader.accept(&["PARTITION", "OF"]),
    };
    if table.derived {
        reader.name();
    }
    if let Some((from, to)) = reader.group() {
        reader.inside(from, |reader| {
            for (start, end) in reader.items(from, to) {
                reader.at = start;
                element(reader, end, &mut table);
            }
        });
    }
    let end = reader.len();
    let start = reader.at;
    table.derived |= reader.find(start, end, &["LIKE", "INHERITS", "SELECT", "OF"]).is_some()
        || (reader.is(start, "AS") || reader.find(start, end, &["AS"]).is_some());
    if reader.dialect == Dialect::Mysql {
        table.options = options(reader, end);
    }
    Some(Ddl::CreateTable(table))
}

/// A column, constraint or index.
fn element(reader: &mut Reader<'_>, end: usize, table: &mut CreateTable) {
    if let Some(found) = constraint(reader, end) {
        table.constraints.push(found);
    } else if reader.accept(&["LIKE"]) {
        table.derived = true;
    } else if reader.dialect == Dialect::Mysql
        && let Some(found) = table_index(reader)
    {
        table.indexes.push(found);
    } else if let Some(found) = column(reader, end) {
        table.columns.push(found);
    }
}

fn create_index(reader: &mut Reader<'_>, kind: IndexKind) -> Option<Ddl> {
    let concurrently = reader.accept(&["CONCURRENTLY"]);
    let if_not_exists = reader.accept(&["IF", "NOT", "EXISTS"]);
    let name = if reader.is(reader.at, "ON") { None } else { reader.name().map(|(name, _)| name) };
    let end = reader.len();
    reader.at = reader.find(reader.at, end, &["ON"])? + 1;
    let only = reader.dialect == Dialect::Postgresql && reader.accept(&["ONLY"]);
    let (table, _) = reader.name()?;
    if reader.accept(&["USING"]) {
        reader.at += 1;
    }
    let (from, to) = reader.group()?;
    let columns = columns(reader, from, to);
    let partial = reader.find(reader.at, end, &["WHERE"]).is_some();
    let options = if reader.dialect == Dialect::Mysql { options(reader, end) } else { Vec::new() };
    Some(Ddl::CreateIndex(CreateIndex {
        name,
        table,
        kind,
        concurrently,
        if_not_exists,
        only,
        columns,
        partial,
        options,
    }))
}
