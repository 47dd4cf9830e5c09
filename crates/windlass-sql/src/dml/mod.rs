//! The anatomy of a statement on rows, read from its tokens: which table, which rows, which columns.
//!
//! What comes out is used to save rows before they are changed, so it is never a guess: a shape that is not surely
//! understood is `None`, and the caller treats the statement as unknown. Server settings that change how text is read
//! (`ANSI_QUOTES`, `NO_BACKSLASH_ESCAPES` of MySQL, `standard_conforming_strings = off` of PostgreSQL) are taken to
//! have their default values.

mod change;
mod insert;
mod merge;
mod multi;

#[cfg(test)]
mod tests;

use crate::reader::Reader;
use crate::{Dialect, ObjectName, Span};

/// Which statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DmlKind {
    /// `INSERT`
    Insert,
    /// `REPLACE`, and `INSERT OR REPLACE` of SQLite
    Replace,
    /// `UPDATE`
    Update,
    /// `DELETE`
    Delete,
    /// `MERGE` of PostgreSQL
    Merge,
}

/// A statement on rows in its parts. Spans are relative to the statement, from the first to the last token of a part.
/// Names are as the server sees them: without quotes, and in PostgreSQL in lower case where they were not quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dml {
    /// What it does.
    pub kind: DmlKind,
    /// The `WITH` in front, without what follows.
    pub with: Option<Span>,
    /// A `WITH` in front, or one that an `INSERT` takes its rows from, writes rows itself (PostgreSQL).
    pub with_writes: bool,
    /// The table that is changed; with several, the first of [`Dml::tables`].
    pub table: ObjectName,
    /// Where its name stands.
    pub table_span: Span,
    /// `ONLY`: no child tables (PostgreSQL).
    pub only: bool,
    /// The name that the rest of the statement knows it by, if it is another one.
    pub alias: Option<String>,
    /// `INSERT`: the columns that are named, also by `SET` of MySQL; `None`: all of the table.
    pub columns: Option<Vec<String>>,
    /// The columns that `UPDATE`, `ON CONFLICT DO UPDATE`, `ON DUPLICATE KEY UPDATE` and `MERGE` assign.
    pub assigned: Vec<String>,
    /// Those of them that are assigned more than once. (In PostgreSQL these are parts of one column.)
    pub assigned_twice: Vec<String>,
    /// What stands behind `FROM` of an `UPDATE`, behind `USING` of a `DELETE` or `MERGE`; with several tables all
    /// table references.
    pub from: Option<Span>,
    /// The condition, without `WHERE`.
    pub filter: Option<Span>,
    /// `ORDER BY … LIMIT …`, or either, of MySQL and SQLite.
    pub order_limit: Option<Span>,
    /// `INSERT`: `VALUES …`, a query, `DEFAULT VALUES`, `SET …`. `MERGE`: from the first `WHEN`.
    pub source: Option<Span>,
    /// `ON CONFLICT …`; `ON DUPLICATE KEY UPDATE …` with the `AS new` in front of it.
    pub on_conflict: Option<Span>,
    /// What is returned, without `RETURNING`.
    pub returning: Option<Span>,
    /// `OR IGNORE` or `IGNORE`: rows that do not fit are left out without an error.
    pub ignore: bool,
    /// MySQL: it names several tables.
    pub multi_table: bool,
    /// The tables that are changed. Where an `UPDATE` of several tables assigns columns without saying whose they are,
    /// every table that may be meant.
    pub tables: Vec<ObjectName>,
}

impl Dml {
    fn new(kind: DmlKind, table: Table) -> Self {
        Self {
            kind,
            with: None,
            with_writes: false,
            tables: vec![table.name.clone()],
            table: table.name,
            table_span: table.span,
            only: table.only,
            alias: table.alias,
            columns: None,
            assigned: Vec::new(),
            assigned_twice: Vec::new(),
            from: None,
            filter: None,
            order_limit: None,
            source: None,
            on_conflict: None,
            returning: None,
            ignore: false,
            multi_table: false,
        }
    }
}

/// A table as a statement names it.
#[derive(Clone, Debug)]
struct Table {
    name: ObjectName,
    span: Span,
    only: bool,
    alias: Option<String>,
}

/// The parts of `statement`, one statement without its terminator. `None`: it is none of [`DmlKind`], or its shape is
/// not surely understood.
#[must_use]
pub fn dml(statement: &str, dialect: Dialect) -> Option<Dml> {
    let mut reader = Reader::new(statement, dialect)?;
    let (with, writes) = with(&mut reader)?;
    let mut dml = if reader.accept(&["INSERT"]) {
        insert::insert(&mut reader, DmlKind::Insert)
    } else if dialect != Dialect::Postgresql && reader.accept(&["REPLACE"]) {
        insert::insert(&mut reader, DmlKind::Replace)
    } else if reader.accept(&["UPDATE"]) {
        change::update(&mut reader)
    } else if reader.accept(&["DELETE"]) {
        change::delete(&mut reader)
    } else if dialect == Dialect::Postgresql && reader.accept(&["MERGE"]) {
        merge::merge(&mut reader)
    } else {
        None
    }?;
    dml.with = with;
    dml.with_writes |= writes;
    Some(dml)
}

/// `WITH` with all its queries, and whether one of them writes; nothing is read if there is none.
fn with(reader: &mut Reader<'_>) -> Option<(Option<Span>, bool)> {
    let start = reader.at;
    if !reader.accept(&["WITH"]) {
        return Some((None, false));
    }
    reader.accept(&["RECURSIVE"]);
    let mut writes = false;
    loop {
        reader.identifier()?;
        reader.group();
        if !reader.accept(&["AS"]) {
            return None;
        }
        reader.accept(&["NOT"]);
        reader.accept(&["MATERIALIZED"]);
        let (from, to) = reader.group()?;
        writes |= reader.dialect == Dialect::Postgresql && writes_inside(reader, from, to);
        if !reader.symbol(b',') {
            return Some((reader.span(start, reader.at), writes));
        }
    }
}

/// Whether a query that writes begins between two tokens: behind a parenthesis that opens a query, or behind one that
/// closes the `WITH` of the query itself. A column of that name may be taken for one; the other mistake is impossible.
fn writes_inside(reader: &Reader<'_>, from: usize, to: usize) -> bool {
    const WRITING: [&str; 4] = ["INSERT", "UPDATE", "DELETE", "MERGE"];
    (from..to).any(|at| {
        WRITING.iter().any(|word| reader.is(at, word))
            && at
                .checked_sub(1)
                .is_some_and(|before| reader.is_symbol(before, b'(') || reader.is_symbol(before, b')'))
    })
}
