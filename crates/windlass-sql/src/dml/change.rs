//! `UPDATE` and `DELETE`.

use super::{Dml, DmlKind, Table, multi};
use crate::Dialect;
use crate::reader::{Reader, columns, repeated};

/// Behind `UPDATE`.
pub(super) fn update(reader: &mut Reader<'_>) -> Option<Dml> {
    let ignore = options(reader, &["LOW_PRIORITY"])?;
    let start = reader.at;
    let set = reader.find(start, reader.len(), &["SET"])?;
    let mut dml = match table(reader) {
        Some(table) if reader.at == set => Dml::new(DmlKind::Update, table),
        _ if reader.dialect == Dialect::Mysql => multi::update(reader, start, set)?,
        _ => return None,
    };
    dml.ignore = ignore;
    let from =
        if dml.multi_table || reader.dialect == Dialect::Mysql { None } else { find_from(reader, set + 1) };
    let behind = from.map_or(set + 1, |from| from + 1);
    let clauses = tail(reader, behind, &mut dml)?;
    if from.is_some() {
        dml.from = reader.part(from, clauses)?;
    }
    let targets = reader.targets(set + 1, from.unwrap_or(clauses))?;
    columns(&targets, &mut dml.assigned)?;
    dml.assigned_twice = repeated(&targets);
    if dml.multi_table {
        multi::changed(reader, start, set, &targets, &mut dml)?;
    }
    Some(dml)
}

/// `FROM` of the statement, not that of `IS DISTINCT FROM`.
fn find_from(reader: &Reader<'_>, from: usize) -> Option<usize> {
    let mut at = from;
    let end = reader.find(from, reader.len(), &["WHERE", "RETURNING"]).unwrap_or(reader.len());
    loop {
        at = reader.find(at, end, &["FROM"])?;
        if !reader.is(at - 1, "DISTINCT") {
            return Some(at);
        }
        at += 1;
    }
}

/// Behind `DELETE`.
pub(super) fn delete(reader: &mut Reader<'_>) -> Option<Dml> {
    let ignore =
        if reader.dialect == Dialect::Mysql { options(reader, &["LOW_PRIORITY", "QUICK"])? } else { false };
    let from = reader.accept(&["FROM"]);
    let mut dml = if reader.dialect == Dialect::Mysql && multi::is_delete(reader, from) {
        multi::delete(reader, from)?
    } else if from {
        Dml::new(DmlKind::Delete, table(reader)?)
    } else {
        return None;
    };
    dml.ignore = ignore;
    if dml.multi_table {
        let refs = reader.at;
        let clauses = tail(reader, refs, &mut dml)?;
        dml.from = Some(reader.span(refs, clauses)?);
        multi::deleted(reader, refs, clauses, &mut dml)?;
        return Some(dml);
    }
    let using = reader.at;
    let has_using = reader.dialect == Dialect::Postgresql && reader.accept(&["USING"]);
    let behind = reader.at;
    let clauses = tail(reader, behind, &mut dml)?;
    if has_using {
        dml.from = reader.part(Some(using), clauses)?;
    } else if clauses != behind {
        // Something stands between the table and its clauses.
        return None;
    }
    Some(dml)
}

/// `OR …` of SQLite, the options of MySQL; whether rows that do not fit are left out.
fn options(reader: &mut Reader<'_>, words: &[&str]) -> Option<bool> {
    const CONFLICTS: [&str; 4] = ["ABORT", "FAIL", "ROLLBACK", "REPLACE"];
    match reader.dialect {
        Dialect::Sqlite => {
            if !reader.accept(&["OR"]) {
                return Some(false);
            }
            let ignore = reader.accept(&["IGNORE"]);
            let known = ignore || CONFLICTS.iter().any(|word| reader.accept(&[word]));
            known.then_some(ignore)
        }
        Dialect::Mysql => {
            while words.iter().any(|word| reader.accept(&[word])) {}
            Some(reader.accept(&["IGNORE"]))
        }
        Dialect::Postgresql => Some(false),
    }
}

/// Words that may stand behind a table and are no alias.
const NO_ALIAS: [&str; 14] = [
    "SET",
    "WHERE",
    "USING",
    "RETURNING",
    "ORDER",
    "LIMIT",
    "FROM",
    "INDEXED",
    "NOT",
    "PARTITION",
    "FOR",
    "ON",
    "WHEN",
    "USE",
];

/// A table that is changed, with its alias.
pub(super) fn table(reader: &mut Reader<'_>) -> Option<Table> {
    let postgresql = reader.dialect == Dialect::Postgresql;
    // `only` may be the name of a table: then no name follows it.
    let only = postgresql && reader.accept(&["ONLY"]);
    let (name, span) = reader.name()?;
    if postgresql {
        reader.symbol(b'*');
    }
    let alias = if reader.accept(&["AS"]) {
        Some(reader.identifier()?)
    } else if reader.is_any(reader.at, &NO_ALIAS) {
        None
    } else {
        reader.identifier()
    };
    if reader.dialect == Dialect::Sqlite {
        if reader.accept(&["INDEXED", "BY"]) {
            reader.identifier()?;
        }
        reader.accept(&["NOT", "INDEXED"]);
    }
    Some(Table { name, span, only, alias })
}

/// The clauses at the end, each at most once and in the order of the dialect; the index of the first, or of the end.
fn tail(reader: &Reader<'_>, from: usize, dml: &mut Dml) -> Option<usize> {
    let end = reader.len();
    let postgresql = reader.dialect == Dialect::Postgresql;
    let filter = reader.find(from, end, &["WHERE"]);
    let returning = reader.returning(filter.map_or(from, |at| at + 1))?;
    let order = if postgresql { None } else { reader.find(from, end, &["ORDER", "LIMIT"]) };
    // SQLite: `RETURNING` stands before `ORDER BY`, in MariaDB behind it.
    let (filter_end, order_end, returning_end) = match (order, returning) {
        (Some(order), Some(returning)) if (reader.dialect == Dialect::Sqlite) == (order < returning) => {
            return None;
        }
        (Some(order), Some(returning)) if order < returning => (order, returning, end),
        (Some(order), Some(returning)) => (returning, end, order),
        (Some(order), None) => (order, end, end),
        (None, Some(returning)) => (returning, end, end),
        (None, None) => (end, end, end),
    };
    if filter.is_some_and(|at| at >= filter_end) {
        return None;
    }
    let repeated = filter.is_some_and(|at| reader.find(at + 1, end, &["WHERE"]).is_some());
    let cursor = filter.is_some_and(|at| reader.is(at + 1, "CURRENT") && reader.is(at + 2, "OF"));
    if repeated || cursor {
        return None;
    }
    dml.filter = reader.part(filter, filter_end)?;
    dml.order_limit = order.and_then(|at| reader.span(at, order_end));
    dml.returning = reader.part(returning, returning_end)?;
    Some(filter.unwrap_or(filter_end))
}
