//! `MERGE` of PostgreSQL.

use super::change::table;
use super::{Dml, DmlKind};
use crate::reader::{Reader, columns};

/// Behind `MERGE`.
pub(super) fn merge(reader: &mut Reader<'_>) -> Option<Dml> {
    if !reader.accept(&["INTO"]) {
        return None;
    }
    let mut dml = Dml::new(DmlKind::Merge, table(reader)?);
    let using = reader.at;
    if !reader.accept(&["USING"]) {
        return None;
    }
    let returning = reader.returning(using)?;
    let end = returning.unwrap_or(reader.len());
    dml.returning = reader.part(returning, reader.len())?;
    let first = find_when(reader, using, end)?;
    // The source and its ON condition: where one ends cannot be told before the joins in it are.
    dml.from = reader.part(Some(using), first)?;
    dml.source = reader.span(first, end);
    let mut at = first;
    while at < end {
        let next = find_when(reader, at + 1, end).unwrap_or(end);
        let then = find_then(reader, at, next)?;
        if reader.is(then + 1, "UPDATE") {
            if !reader.is(then + 2, "SET") {
                return None;
            }
            columns(&reader.targets(then + 3, next)?, &mut dml.assigned)?;
        } else if !reader.is_any(then + 1, &["INSERT", "DELETE", "DO"]) {
            return None;
        }
        at = next;
    }
    Some(dml)
}

/// `WHEN MATCHED` or `WHEN NOT MATCHED`, not that of a `CASE`.
fn find_when(reader: &Reader<'_>, from: usize, to: usize) -> Option<usize> {
    let mut at = from;
    let mut cases = 0_usize;
    loop {
        at = reader.find(at, to, &["WHEN", "CASE", "END"])?;
        if reader.is(at, "CASE") {
            cases += 1;
        } else if reader.is(at, "END") {
            cases = cases.checked_sub(1)?;
        } else if cases == 0 {
            let not = usize::from(reader.is(at + 1, "NOT"));
            return reader.is(at + 1 + not, "MATCHED").then_some(at);
        }
        at += 1;
    }
}

/// `THEN` of this `WHEN`, not that of a `CASE` in its condition.
fn find_then(reader: &Reader<'_>, from: usize, to: usize) -> Option<usize> {
    let mut at = from;
    let mut cases = 0_usize;
    loop {
        at = reader.find(at, to, &["THEN", "CASE", "END"])?;
        if reader.is(at, "CASE") {
            cases += 1;
        } else if reader.is(at, "END") {
            cases = cases.checked_sub(1)?;
        } else if cases == 0 {
            return Some(at);
        }
        at += 1;
    }
}
