//! The definition of a column.

use super::constraint::{Constraint, ConstraintKind, foreign_key_tail};
use super::default::{DefaultValue, value};
use crate::lexer::TokenKind;
use crate::reader::Reader;
use crate::{Dialect, Span};

/// A type as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnType {
    /// Lower case, one blank between words, without schema: `character varying`, `timestamp with time zone`.
    pub name: String,
    /// What stands in its parentheses: lengths, precision, members of an `ENUM`, as written.
    pub arguments: Vec<String>,
    /// `UNSIGNED` of MySQL.
    pub unsigned: bool,
    /// An array of it.
    pub array: bool,
}

/// A column that is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generated {
    /// Written into each row.
    Stored,
    /// Computed when it is read.
    Virtual,
}

/// Where MySQL puts a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// `FIRST`
    First,
    /// `AFTER column`
    After(String),
}

/// A column as a statement defines it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// All of its definition.
    pub span: Span,
    /// Its type; SQLite needs none.
    pub kind: Option<ColumnType>,
    /// `NOT NULL`
    pub not_null: bool,
    /// `DEFAULT`
    pub default: Option<DefaultValue>,
    /// `GENERATED ALWAYS AS (…)`
    pub generated: Option<Generated>,
    /// `GENERATED … AS IDENTITY`
    pub identity: bool,
    /// `AUTO_INCREMENT`, `AUTOINCREMENT`
    pub auto_increment: bool,
    /// `PRIMARY KEY`, `UNIQUE`, `REFERENCES`, `CHECK` behind it.
    pub constraints: Vec<Constraint>,
    /// `CHARACTER SET`
    pub charset: Option<String>,
    /// `FIRST`, `AFTER`
    pub position: Option<Position>,
}

impl Column {
    /// Whether a constraint of this kind stands behind it.
    #[must_use]
    pub fn has(&self, kind: ConstraintKind) -> bool {
        self.constraints.iter().any(|constraint| constraint.kind == kind)
    }

    /// Whether rows get their values from a sequence: `serial`, identity, `AUTO_INCREMENT`.
    #[must_use]
    pub fn is_numbered(&self) -> bool {
        const SERIAL: [&str; 6] = ["serial", "bigserial", "smallserial", "serial4", "serial8", "serial2"];
        let serial = self.kind.as_ref().is_some_and(|kind| SERIAL.contains(&kind.name.as_str()));
        serial || self.identity || self.auto_increment
    }
}

/// Words that end a default or a type.
const ATTRIBUTES: [&str; 27] = [
    "CONSTRAINT",
    "NOT",
    "NULL",
    "DEFAULT",
    "PRIMARY",
    "KEY",
    "UNIQUE",
    "REFERENCES",
    "CHECK",
    "GENERATED",
    "AS",
    "COLLATE",
    "CHARACTER",
    "CHARSET",
    "COMMENT",
    "AUTO_INCREMENT",
    "AUTOINCREMENT",
    "ON",
    "VISIBLE",
    "INVISIBLE",
    "FIRST",
    "AFTER",
    "STORAGE",
    "COMPRESSION",
    "USING",
    "DEFERRABLE",
    "COLUMN_FORMAT",
];

/// A column, from its name to token `end`.
pub(super) fn column(reader: &mut Reader<'_>, end: usize) -> Option<Column> {
    let start = reader.at;
    let name = reader.identifier()?;
    let mut column = Column {
        name,
        span: reader.span(start, end)?,
        kind: type_name(reader, end),
        not_null: false,
        default: None,
        generated: None,
        identity: false,
        auto_increment: false,
        constraints: Vec::new(),
        charset: None,
        position: None,
    };
    let mut named = None;
    while reader.at < end {
        if reader.accept(&["CONSTRAINT"]) {
            named = reader.identifier();
        } else {
            attribute(reader, end, &mut column, &mut named);
        }
    }
    Some(column)
}

/// One attribute, or one token of what is not known.
fn attribute(reader: &mut Reader<'_>, end: usize, column: &mut Column, named: &mut Option<String>) {
    let start = reader.at;
    if reader.accept(&["NOT", "NULL"]) {
        column.not_null = true;
    } else if reader.accept(&["DEFAULT"]) {
        // The value is at least one token: `DEFAULT NULL`.
        let value_end = find_attribute(reader, reader.at + 1, end);
        column.default = value(reader, reader.at, value_end);
        reader.at = value_end;
    } else if reader.accept(&["GENERATED"]) || (reader.is(start, "AS") && reader.is_symbol(start + 1, b'(')) {
        generated(reader, column);
    } else if reader.accept(&["AUTO_INCREMENT"]) || reader.accept(&["AUTOINCREMENT"]) {
        column.auto_increment = true;
    } else if reader.accept(&["CHARACTER", "SET"]) || reader.accept(&["CHARSET"]) {
        column.charset = reader.identifier().map(|name| name.to_ascii_lowercase());
    } else if reader.dialect == Dialect::Mysql && reader.accept(&["FIRST"]) {
        column.position = Some(Position::First);
    } else if reader.dialect == Dialect::Mysql && reader.accept(&["AFTER"]) {
        column.position = reader.identifier().map(Position::After);
    } else if reader.accept(&["COLLATE"]) || reader.accept(&["COMMENT"]) || reader.accept(&["ON"]) {
        reader.at += 1;
    } else if let Some(kind) = constraint_kind(reader) {
        let mut constraint = Constraint::new(kind, named.take());
        constraint.columns = vec![column.name.clone()];
        if kind == ConstraintKind::ForeignKey {
            foreign_key_tail(reader, &mut constraint);
        } else if kind == ConstraintKind::Check {
            reader.group();
        }
        column.constraints.push(constraint);
    } else {
        reader.at += 1;
    }
}

fn constraint_kind(reader: &mut Reader<'_>) -> Option<ConstraintKind> {
    let mysql = reader.dialect == Dialect::Mysql;
    if reader.accept(&["PRIMARY"]) || (mysql && reader.accept(&["KEY"])) {
        reader.accept(&["KEY"]);
        Some(ConstraintKind::PrimaryKey)
    } else if reader.accept(&["UNIQUE"]) {
        reader.accept(&["KEY"]);
        Some(ConstraintKind::Unique)
    } else if reader.accept(&["REFERENCES"]) {
        Some(ConstraintKind::ForeignKey)
    } else if reader.accept(&["CHECK"]) {
        Some(ConstraintKind::Check)
    } else {
        None
    }
}

/// Behind `GENERATED`, or at `AS (`.
fn generated(reader: &mut Reader<'_>, column: &mut Column) {
    if reader.accept(&["BY"]) {
        reader.accept(&["DEFAULT"]);
    }
    reader.accept(&["ALWAYS"]);
    reader.accept(&["AS"]);
    if reader.accept(&["IDENTITY"]) {
        column.identity = true;
        reader.group();
        return;
    }
    reader.group();
    let stored = reader.accept(&["STORED"]) || reader.accept(&["PERSISTENT"]);
    column.generated = Some(if stored { Generated::Stored } else { Generated::Virtual });
}

fn find_attribute(reader: &Reader<'_>, from: usize, end: usize) -> usize {
    reader.find(from, end, &ATTRIBUTES).unwrap_or(end)
}

/// A type as a catalog writes it; one that is not understood has no name.
#[must_use]
pub fn column_type(text: &str, dialect: Dialect) -> ColumnType {
    let read = Reader::new(text, dialect).and_then(|mut reader| {
        let end = reader.len();
        type_name(&mut reader, end)
    });
    read.unwrap_or_default()
}

/// The type that comes next; `None` if an attribute or nothing does.
pub(super) fn type_name(reader: &mut Reader<'_>, end: usize) -> Option<ColumnType> {
    if reader.at >= end || reader.is_any(reader.at, &ATTRIBUTES) && !is_character(reader) {
        return None;
    }
    let mut words = Vec::new();
    let mut kind = ColumnType::default();
    while reader.at < end {
        let at = reader.at;
        if let Some((from, to)) = reader.group() {
            kind.arguments.extend(reader.inside(from, |reader| {
                let items = reader.items(from, to);
                let texts: Vec<_> =
                    items.iter().filter_map(|(from, to)| reader.text_between(*from, *to)).collect();
                texts
            }));
        } else if reader.symbol(b'[') || reader.accept(&["ARRAY"]) {
            kind.array = true;
            reader.identifier();
            reader.symbol(b']');
        } else if reader.symbol(b'.') {
            words.clear();
        } else if reader.accept(&["UNSIGNED"]) {
            kind.unsigned = true;
        } else if (reader.is_any(at, &ATTRIBUTES) && !is_character(reader))
            || !matches!(reader.kind(at), Some(TokenKind::Word | TokenKind::Name))
        {
            break;
        } else if at_number(reader) {
            reader.at += 1;
        } else {
            words.extend(reader.identifier().map(|word| word.to_ascii_lowercase()));
        }
    }
    kind.name = words.join(" ");
    (!kind.name.is_empty()).then_some(kind)
}

/// `CHARACTER` as a type, not `CHARACTER SET`.
fn is_character(reader: &Reader<'_>) -> bool {
    reader.is(reader.at, "CHARACTER") && !reader.is(reader.at + 1, "SET")
}

fn at_number(reader: &Reader<'_>) -> bool {
    reader.written(reader.at).starts_with(|first: char| first.is_ascii_digit())
}
