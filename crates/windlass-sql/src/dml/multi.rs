//! `UPDATE` and `DELETE` of MySQL and MariaDB that name several tables.

use super::{Dml, DmlKind, Table};
use crate::ObjectName;
use crate::reader::{Reader, Target};

/// Behind `UPDATE`: table references from `from` up to `SET`. Which tables are changed comes from [`changed`].
pub(super) fn update(reader: &Reader<'_>, from: usize, set: usize) -> Option<Dml> {
    let several = reader.find_symbol(from, set, b',').is_some()
        || reader.find(from, set, &["JOIN", "STRAIGHT_JOIN"]).is_some();
    if !several {
        return None;
    }
    let none = Table { name: ObjectName::default(), span: reader.span(from, set)?, only: false, alias: None };
    let mut dml = Dml::new(DmlKind::Update, none);
    dml.multi_table = true;
    dml.from = reader.span(from, set);
    dml.tables.clear();
    Some(dml)
}

/// The tables that the assignments change.
pub(super) fn changed(
    reader: &mut Reader<'_>,
    from: usize,
    set: usize,
    targets: &[Target],
    dml: &mut Dml,
) -> Option<()> {
    let tables = references(reader, from, set)?;
    let mut found = Vec::new();
    for target in targets {
        if target.qualifier.is_empty() {
            // Whose column it is, only the catalog knows.
            found.extend(0..tables.len());
        } else {
            found.push(resolve(&tables, &target.qualifier)?);
        }
    }
    set_tables(&tables, &found, dml)
}

/// Whether a `DELETE` names several tables: `DELETE a FROM …`, `DELETE FROM a USING …`, `DELETE FROM a, b …`.
pub(super) fn is_delete(reader: &mut Reader<'_>, from: bool) -> bool {
    let start = reader.at;
    let names = names(reader);
    let multi = !from || (names.is_some() && reader.is(reader.at, "USING"));
    reader.at = start;
    multi
}

/// Reads up to the table references; the names are kept until [`deleted`] knows what they stand for.
pub(super) fn delete(reader: &mut Reader<'_>, from: bool) -> Option<Dml> {
    let start = reader.at;
    let tables = names(reader)?;
    let span = reader.span(start, reader.at)?;
    if !reader.accept(&[if from { "USING" } else { "FROM" }]) {
        return None;
    }
    let none = Table { name: ObjectName::default(), span, only: false, alias: None };
    let mut dml = Dml::new(DmlKind::Delete, none);
    dml.multi_table = true;
    dml.tables = tables;
    Some(dml)
}

/// What the names of [`delete`] stand for in the table references.
pub(super) fn deleted(reader: &mut Reader<'_>, from: usize, to: usize, dml: &mut Dml) -> Option<()> {
    let tables = references(reader, from, to)?;
    let found: Option<Vec<_>> = dml.tables.iter().map(|name| resolve(&tables, &name.parts)).collect();
    set_tables(&tables, &found?, dml)
}

/// `a, b.c, d.*`
fn names(reader: &mut Reader<'_>) -> Option<Vec<ObjectName>> {
    let mut names = Vec::new();
    loop {
        names.push(reader.name()?.0);
        if reader.symbol(b'.') && !reader.symbol(b'*') {
            return None;
        }
        if !reader.symbol(b',') {
            return Some(names);
        }
    }
}

fn set_tables(tables: &[Table], found: &[usize], dml: &mut Dml) -> Option<()> {
    let first = tables.get(*found.first()?)?;
    dml.table = first.name.clone();
    dml.table_span = first.span;
    dml.alias.clone_from(&first.alias);
    dml.tables.clear();
    for table in found.iter().filter_map(|index| tables.get(*index)) {
        if !dml.tables.contains(&table.name) {
            dml.tables.push(table.name.clone());
        }
    }
    Some(())
}

/// The one table that these words mean. Whether names differ by case only is a setting of the server.
fn resolve(tables: &[Table], words: &[String]) -> Option<usize> {
    let (name, schema) = match words {
        [name] => (name, None),
        [schema, name] => (name, Some(schema)),
        _ => return None,
    };
    let fits = |table: &Table| match (&table.alias, schema) {
        (Some(alias), None) => alias.eq_ignore_ascii_case(name),
        (Some(_), Some(_)) => false,
        (None, None) => table.name.base().eq_ignore_ascii_case(name),
        (None, Some(schema)) => {
            table.name.base().eq_ignore_ascii_case(name)
                && (table.name.parts.len() != 2 || table.name.parts[0].eq_ignore_ascii_case(schema))
        }
    };
    let mut fitting = tables.iter().enumerate().filter(|(_, table)| fits(table));
    let (found, _) = fitting.next()?;
    fitting.next().is_none().then_some(found)
}

/// As many as MySQL lets a join have.
const TABLES_MAX: usize = 61;

/// The plain tables among table references; derived tables cannot be changed. `None` for joins in parentheses and
/// partitions.
fn references(reader: &mut Reader<'_>, from: usize, to: usize) -> Option<Vec<Table>> {
    let mut tables = Vec::new();
    let mut start = from;
    loop {
        reader.at = start;
        tables.extend(factor(reader)?);
        if reader.at > to || tables.len() > TABLES_MAX {
            return None;
        }
        let Some(next) = reader.find_table_end(start, to) else { return Some(tables) };
        start = next + 1;
    }
}

/// One table reference: `Some(None)` if it is derived.
fn factor(reader: &mut Reader<'_>) -> Option<Option<Table>> {
    const NO_ALIAS: [&str; 16] = [
        "ON",
        "USING",
        "JOIN",
        "INNER",
        "LEFT",
        "RIGHT",
        "CROSS",
        "NATURAL",
        "STRAIGHT_JOIN",
        "OUTER",
        "USE",
        "FORCE",
        "IGNORE",
        "SET",
        "WHERE",
        "FOR",
    ];
    reader.accept(&["LATERAL"]);
    if let Some((inside, _)) = reader.group() {
        return reader.is_any(inside, &["SELECT", "WITH", "VALUES", "TABLE"]).then_some(None);
    }
    let (name, span) = reader.name()?;
    if reader.is_symbol(reader.at, b'(') {
        return Some(None);
    }
    if reader.is(reader.at, "PARTITION") {
        return None;
    }
    let alias = if reader.accept(&["AS"]) {
        Some(reader.identifier()?)
    } else if reader.is_any(reader.at, &NO_ALIAS) {
        None
    } else {
        reader.identifier()
    };
    Some(Some(Table { name, span, only: false, alias }))
}
