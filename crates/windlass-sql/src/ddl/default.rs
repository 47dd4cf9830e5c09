//! What the default of a column is: whether rows that exist can share one value.

use crate::lexer::TokenKind;
use crate::reader::Reader;
use crate::{Dialect, Span};

/// What a default is, from its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DefaultKind {
    /// `NULL`
    Null,
    /// A literal.
    Constant,
    /// Known functions whose value is the same for all rows of a statement: `now()`.
    Stable,
    /// It calls functions that are not known here.
    Unknown,
    /// It calls a function that gives each row another value: `random()`, `gen_random_uuid()`.
    Volatile,
}

/// The default of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultValue {
    /// Where it stands in the statement.
    pub span: Span,
    /// What it is.
    pub kind: DefaultKind,
    /// MySQL: an expression, not a literal or the current time.
    pub expression: bool,
}

/// Functions of PostgreSQL that are volatile (`provolatile = 'v'` in pg_proc, contrib uuid-ossp and pgcrypto included),
/// and those of MySQL that are not deterministic.
const VOLATILE: [&str; 24] = [
    "RANDOM",
    "RANDOM_NORMAL",
    "SETSEED",
    "GEN_RANDOM_UUID",
    "GEN_RANDOM_BYTES",
    "GEN_SALT",
    "UUID_GENERATE_V1",
    "UUID_GENERATE_V1MC",
    "UUID_GENERATE_V4",
    "UUIDV4",
    "UUIDV7",
    "CLOCK_TIMESTAMP",
    "TIMEOFDAY",
    "NEXTVAL",
    "CURRVAL",
    "LASTVAL",
    "SETVAL",
    "PG_SLEEP",
    "UUID",
    "UUID_SHORT",
    "RAND",
    "RANDOM_BYTES",
    "SYSDATE",
    "RANDOMBLOB",
];

/// Functions that give all rows of one statement the same value (`provolatile` is `s` or `i`).
const STABLE: [&str; 44] = [
    "NOW",
    "TRANSACTION_TIMESTAMP",
    "STATEMENT_TIMESTAMP",
    "CURRENT_TIMESTAMP",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "CURRENT_USER",
    "SESSION_USER",
    "USER",
    "CURRENT_ROLE",
    "CURRENT_SCHEMA",
    "CURRENT_DATABASE",
    "CURRENT_SETTING",
    "TIMEZONE",
    "UTC_TIMESTAMP",
    "UTC_DATE",
    "UTC_TIME",
    "UNIX_TIMESTAMP",
    "DATE",
    "DATETIME",
    "STRFTIME",
    "DATE_TRUNC",
    "TO_CHAR",
    "TO_TIMESTAMP",
    "EXTRACT",
    "COALESCE",
    "NULLIF",
    "UPPER",
    "LOWER",
    "CONCAT",
    "MD5",
    "ABS",
    "ARRAY",
    "JSON_OBJECT",
    "JSON_ARRAY",
    "JSONB_BUILD_OBJECT",
    "JSONB_BUILD_ARRAY",
    "JSON_BUILD_OBJECT",
    "MAKE_INTERVAL",
    "MAKE_DATE",
    "CAST",
    "ROW",
];

/// Words of a default that are no function.
const PLAIN: [&str; 11] =
    ["TRUE", "FALSE", "INTERVAL", "AT", "TIME", "ZONE", "TIMESTAMP", "DATE", "AS", "B", "X"];

/// Reads the default between two tokens.
pub(super) fn value(reader: &Reader<'_>, from: usize, to: usize) -> Option<DefaultValue> {
    let span = reader.span(from, to)?;
    let kind = kind(reader, from, to);
    let now = ["CURRENT_TIMESTAMP", "NOW", "LOCALTIME", "LOCALTIMESTAMP"];
    let expression = reader.dialect == Dialect::Mysql
        && !reader.is_any(from, &now)
        && (reader.is_symbol(from, b'(') || kind > DefaultKind::Constant);
    Some(DefaultValue { span, kind, expression })
}

fn kind(reader: &Reader<'_>, from: usize, to: usize) -> DefaultKind {
    let mut kind = if reader.is(from, "NULL") { DefaultKind::Null } else { DefaultKind::Constant };
    let mut at = from;
    while at < to {
        // `::type`: what follows is the name of a type.
        if reader.is_symbol(at, b':') && reader.is_symbol(at + 1, b':') {
            at += 3;
            continue;
        }
        if reader.kind(at) == Some(TokenKind::Word) {
            kind = kind.max(word(reader, at));
        } else if reader.kind(at) == Some(TokenKind::Name) && reader.is_symbol(at + 1, b'(') {
            kind = kind.max(DefaultKind::Unknown);
        }
        at += 1;
    }
    kind
}

fn word(reader: &Reader<'_>, at: usize) -> DefaultKind {
    let written = reader.written(at).to_ascii_uppercase();
    let call = reader.is_symbol(at + 1, b'(');
    if written == "NULL" {
        DefaultKind::Null
    } else if VOLATILE.contains(&written.as_str()) {
        DefaultKind::Volatile
    } else if STABLE.contains(&written.as_str()) {
        DefaultKind::Stable
    } else if call && !PLAIN.contains(&written.as_str()) {
        DefaultKind::Unknown
    } else {
        DefaultKind::Constant
    }
}
