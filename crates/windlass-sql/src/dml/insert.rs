//! `INSERT` and `REPLACE`.

use super::{Dml, DmlKind, Table, writes_inside};
use crate::Dialect;
use crate::reader::{Reader, columns};

/// Behind `INSERT` or `REPLACE`.
pub(super) fn insert(reader: &mut Reader<'_>, kind: DmlKind) -> Option<Dml> {
    let (kind, ignore) = options(reader, kind)?;
    let (name, span) = reader.name()?;
    if reader.dialect == Dialect::Mysql && reader.accept(&["PARTITION"]) {
        reader.group()?;
    }
    let alias = if reader.accept(&["AS"]) { Some(reader.identifier()?) } else { None };
    let mut dml = Dml::new(kind, Table { name, span, only: false, alias });
    dml.ignore = ignore;
    if is_column_list(reader) {
        let (from, to) = reader.group()?;
        let parts = if reader.dialect == Dialect::Mysql { 3 } else { 1 };
        dml.columns = Some(reader.names_between(from, to, parts)?);
    }
    if reader.dialect == Dialect::Postgresql && reader.accept(&["OVERRIDING"]) {
        let which = reader.accept(&["SYSTEM"]) || reader.accept(&["USER"]);
        if !which || !reader.accept(&["VALUE"]) {
            return None;
        }
    }
    source(reader, &mut dml)?;
    Some(dml)
}

/// `INTO` and what stands before it: the kind, and whether rows that do not fit are left out.
fn options(reader: &mut Reader<'_>, mut kind: DmlKind) -> Option<(DmlKind, bool)> {
    const CONFLICTS: [&str; 3] = ["ABORT", "FAIL", "ROLLBACK"];
    let mut ignore = false;
    if reader.dialect == Dialect::Mysql {
        while ["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY"].iter().any(|word| reader.accept(&[word])) {}
        ignore = reader.accept(&["IGNORE"]);
    } else if reader.dialect == Dialect::Sqlite && kind == DmlKind::Insert && reader.accept(&["OR"]) {
        ignore = reader.accept(&["IGNORE"]);
        if reader.accept(&["REPLACE"]) {
            kind = DmlKind::Replace;
        } else if !ignore && !CONFLICTS.iter().any(|word| reader.accept(&[word])) {
            return None;
        }
    }
    let into = reader.accept(&["INTO"]);
    (into || reader.dialect == Dialect::Mysql).then_some((kind, ignore))
}

/// Whether the parenthesis that comes next names columns; a query may stand in one as well.
fn is_column_list(reader: &Reader<'_>) -> bool {
    let first = reader.at + 1;
    let query = reader.is_any(first, &["SELECT", "WITH", "VALUES", "TABLE"])
        && !reader.is_symbol(first + 1, b',')
        && !reader.is_symbol(first + 1, b')');
    reader.is_symbol(reader.at, b'(') && !query && !reader.is_symbol(first, b'(')
}

/// The rows, and all behind them.
fn source(reader: &mut Reader<'_>, dml: &mut Dml) -> Option<()> {
    let start = reader.at;
    let mysql = reader.dialect == Dialect::Mysql;
    let set = mysql && dml.columns.is_none() && reader.is(start, "SET");
    let values = reader.is(start, "VALUES") || (mysql && reader.is(start, "VALUE"));
    let defaults = !mysql && reader.accept(&["DEFAULT", "VALUES"]);
    let query = reader.is_any(start, &["SELECT", "WITH", "TABLE"]) || reader.is_symbol(start, b'(');
    if !(set || values || defaults || query) {
        return None;
    }
    let returning = reader.returning(start)?;
    let end = returning.unwrap_or(reader.len());
    dml.returning = reader.part(returning, reader.len())?;
    let conflict = if mysql { duplicate_key(reader, start, end) } else { on_conflict(reader, start, end)? };
    let rows_end = conflict.unwrap_or(end);
    // `VALUES (1) AS new ON DUPLICATE KEY UPDATE …`
    let row_alias = (mysql && !query).then(|| reader.find(start, rows_end, &["AS"])).flatten();
    let rows_end = row_alias.unwrap_or(rows_end);
    dml.source = Some(reader.span(start, rows_end)?);
    dml.on_conflict = reader.span(rows_end, end);
    dml.with_writes =
        reader.dialect == Dialect::Postgresql && query && writes_inside(reader, start, rows_end);
    if defaults && rows_end != start + 2 {
        return None;
    }
    if set {
        let mut named = Vec::new();
        columns(&reader.targets(start + 1, rows_end)?, &mut named)?;
        dml.columns = Some(named);
    }
    match conflict {
        Some(at) if mysql => columns(&reader.targets(at + 4, end)?, &mut dml.assigned)?,
        Some(at) => conflict_clauses(reader, at, end, &mut dml.assigned)?,
        None => {}
    }
    Some(())
}

/// `ON DUPLICATE KEY UPDATE`: its index.
fn duplicate_key(reader: &Reader<'_>, from: usize, to: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at = reader.find(at, to, &["ON"])?;
        if ["DUPLICATE", "KEY", "UPDATE"].iter().enumerate().all(|(i, word)| reader.is(at + 1 + i, word)) {
            return Some(at);
        }
        at += 1;
    }
}

/// `ON CONFLICT`: its index, if there is one; `None`: it does what is not known. In a join, `ON conflict = 1` is a
/// condition.
fn on_conflict(reader: &Reader<'_>, from: usize, to: usize) -> Option<Option<usize>> {
    let mut at = from;
    while let Some(found) = reader.find(at, to, &["ON"]) {
        let next = found + 2;
        if reader.is(found + 1, "CONFLICT")
            && (reader.is_symbol(next, b'(') || reader.is_any(next, &["DO", "ON"]))
        {
            return find_do(reader, next, to).map(|_| Some(found));
        }
        at = found + 1;
    }
    Some(None)
}

fn find_do(reader: &Reader<'_>, from: usize, to: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at = reader.find(at, to, &["DO"])?;
        if reader.is_any(at + 1, &["NOTHING", "UPDATE"]) {
            return Some(at);
        }
        at += 1;
    }
}

/// One `ON CONFLICT` in PostgreSQL, any number in SQLite.
fn conflict_clauses(
    reader: &mut Reader<'_>,
    from: usize,
    to: usize,
    assigned: &mut Vec<String>,
) -> Option<()> {
    reader.at = from;
    while reader.at < to {
        if !reader.accept(&["ON", "CONFLICT"]) {
            return None;
        }
        if reader.accept(&["ON", "CONSTRAINT"]) {
            reader.identifier()?;
        } else if reader.group().is_some() && reader.is(reader.at, "WHERE") {
            reader.at = find_do(reader, reader.at, to)?;
        }
        if !reader.accept(&["DO"]) {
            return None;
        }
        if reader.accept(&["NOTHING"]) {
            continue;
        }
        if !reader.accept(&["UPDATE", "SET"]) {
            return None;
        }
        let start = reader.at;
        let next = on_conflict(reader, start, to)?.unwrap_or(to);
        let filter = reader.find(start, next, &["WHERE"]);
        columns(&reader.targets(start, filter.unwrap_or(next))?, assigned)?;
        reader.part(filter, next)?;
        reader.at = next;
    }
    Some(())
}
