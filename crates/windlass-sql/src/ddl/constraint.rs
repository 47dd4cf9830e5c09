//! Constraints and the indexes that MySQL lists with them.

use crate::reader::Reader;
use crate::{Dialect, ObjectName};

/// Which constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConstraintKind {
    /// `PRIMARY KEY`
    PrimaryKey,
    /// `UNIQUE`
    Unique,
    /// `FOREIGN KEY`
    ForeignKey,
    /// `CHECK`
    Check,
    /// `EXCLUDE` of PostgreSQL
    Exclude,
    /// `NOT NULL` as a constraint (PostgreSQL 18)
    NotNull,
}

/// A constraint of a table, column or domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// Its name, if it is given one.
    pub name: Option<String>,
    /// Which.
    pub kind: ConstraintKind,
    /// The columns that it is on, as far as they are named; expressions are left out.
    pub columns: Vec<String>,
    /// The other table of a foreign key.
    pub references: Option<ObjectName>,
    /// `NOT VALID`: rows that are there are not looked at.
    pub not_valid: bool,
    /// `USING INDEX name`
    pub using_index: Option<String>,
}

impl Constraint {
    pub(super) fn new(kind: ConstraintKind, name: Option<String>) -> Self {
        Self { name, kind, columns: Vec::new(), references: None, not_valid: false, using_index: None }
    }
}

/// What an index is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexKind {
    /// A plain one.
    Plain,
    /// `UNIQUE`
    Unique,
    /// `FULLTEXT`
    Fulltext,
    /// `SPATIAL`
    Spatial,
}

/// An index in `CREATE TABLE` or `ALTER TABLE … ADD` of MySQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableIndex {
    /// Its name, if it is given one.
    pub name: Option<String>,
    /// What it is for.
    pub kind: IndexKind,
    /// Its columns in order; expressions are left out.
    pub columns: Vec<String>,
}

/// A constraint of a table from `CONSTRAINT` or its kind up to token `end`; nothing is read if there is none.
pub(super) fn constraint(reader: &mut Reader<'_>, end: usize) -> Option<Constraint> {
    let start = reader.at;
    let mut name = None;
    if reader.accept(&["CONSTRAINT"]) && !reader.is_any(reader.at, &KINDS) {
        name = reader.identifier();
    }
    let Some(kind) = kind(reader) else {
        reader.at = start;
        return None;
    };
    let mut constraint = Constraint::new(kind, name);
    match kind {
        ConstraintKind::Unique if reader.dialect == Dialect::Mysql => {
            let _ = reader.accept(&["INDEX"]) || reader.accept(&["KEY"]);
            skip_index_name(reader, &mut constraint);
        }
        ConstraintKind::ForeignKey => skip_index_name(reader, &mut constraint),
        ConstraintKind::Unique => {
            reader.accept(&["NULLS", "NOT", "DISTINCT"]);
        }
        ConstraintKind::NotNull => constraint.columns.extend(reader.identifier()),
        _ => {}
    }
    if reader.accept(&["USING", "INDEX"]) {
        constraint.using_index = reader.identifier();
    } else if reader.accept(&["USING"]) {
        reader.at += 1;
    }
    if let Some((from, to)) = reader.group()
        && kind != ConstraintKind::Check
        && kind != ConstraintKind::Exclude
    {
        constraint.columns = columns(reader, from, to);
    }
    if reader.accept(&["REFERENCES"]) {
        foreign_key_tail(reader, &mut constraint);
    }
    constraint.not_valid = (reader.at..end).any(|at| reader.is(at, "NOT") && reader.is(at + 1, "VALID"));
    Some(constraint)
}

const KINDS: [&str; 6] = ["PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "EXCLUDE", "NOT"];

fn kind(reader: &mut Reader<'_>) -> Option<ConstraintKind> {
    let found = [
        (&["PRIMARY", "KEY"][..], ConstraintKind::PrimaryKey),
        (&["UNIQUE"], ConstraintKind::Unique),
        (&["FOREIGN", "KEY"], ConstraintKind::ForeignKey),
        (&["CHECK"], ConstraintKind::Check),
        (&["EXCLUDE"], ConstraintKind::Exclude),
        (&["NOT", "NULL"], ConstraintKind::NotNull),
    ];
    found.into_iter().find_map(|(words, kind)| reader.accept(words).then_some(kind))
}

/// The optional name of the index in front of its columns.
fn skip_index_name(reader: &mut Reader<'_>, constraint: &mut Constraint) {
    reader.accept(&["IF", "NOT", "EXISTS"]);
    if !reader.is_symbol(reader.at, b'(')
        && !reader.is(reader.at, "USING")
        && let Some(name) = reader.identifier()
    {
        constraint.name.get_or_insert(name);
    }
}

/// Behind `REFERENCES`.
pub(super) fn foreign_key_tail(reader: &mut Reader<'_>, constraint: &mut Constraint) {
    constraint.references = reader.name().map(|(name, _)| name);
    reader.group();
    while reader.accept(&["ON"]) {
        // `DELETE` or `UPDATE`, then the action.
        reader.at += 1;
        let two = reader.accept(&["SET"]) || reader.accept(&["NO"]);
        reader.at += 1;
        if two {
            reader.group();
        }
    }
}

/// The plain columns of a list of an index or key: `(a, b(10) DESC, (lower(c)))` has `a`, `b`.
pub(super) fn columns(reader: &mut Reader<'_>, from: usize, to: usize) -> Vec<String> {
    reader.inside(from, |reader| {
        let mut columns = Vec::new();
        for (start, end) in reader.items(from, to) {
            reader.at = start;
            let Some(name) = reader.identifier() else { continue };
            // `lower(c)` is an expression, `c(10)` a prefix.
            let call = reader.is_symbol(reader.at, b'(');
            let prefix = call && reader.written(reader.at + 1).bytes().all(|byte| byte.is_ascii_digit());
            if !call || (prefix && end > reader.at) {
                columns.push(name);
            }
        }
        columns
    })
}

/// An index of a table of MySQL; nothing is read if there is none. `UNIQUE` is a constraint.
pub(super) fn table_index(reader: &mut Reader<'_>) -> Option<TableIndex> {
    let start = reader.at;
    let kind = if reader.accept(&["FULLTEXT"]) {
        IndexKind::Fulltext
    } else if reader.accept(&["SPATIAL"]) {
        IndexKind::Spatial
    } else {
        IndexKind::Plain
    };
    let word = reader.accept(&["INDEX"]) || reader.accept(&["KEY"]);
    if !word && kind == IndexKind::Plain {
        reader.at = start;
        return None;
    }
    reader.accept(&["IF", "NOT", "EXISTS"]);
    let mut name = None;
    if !reader.is_symbol(reader.at, b'(') && !reader.is(reader.at, "USING") {
        name = reader.identifier();
    }
    if reader.accept(&["USING"]) {
        reader.at += 1;
    }
    let Some((from, to)) = reader.group() else {
        reader.at = start;
        return None;
    };
    Some(TableIndex { name, kind, columns: columns(reader, from, to) })
}
