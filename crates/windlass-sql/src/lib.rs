//! SQL scripts: text in, statements with spans and summaries and *all* problems out.
//!
//! Pure: no I/O, no panic on any input, linear time. What a statement means is read from its tokens only: a statement
//! that cannot be classified is [`Kind::Other`], never an error, for the server is the judge of syntax.

mod algorithm;
pub mod batch;
mod body;
mod calls;
mod carried;
mod client;
mod compatibility;
mod ddl;
mod dml;
mod hand_over;
mod lexer;
mod live;
mod lock;
pub mod mysql;
mod name;
mod password;
pub mod postgres;
mod qualified;
mod reader;
mod secret;
mod split;
pub mod sqlite;
mod summary;
mod temporary;

pub use algorithm::{Algorithm, AlterLock, Prediction, predict};
pub use calls::unknown_calls;
pub use carried::{Carried, carried, carried_beside};
pub use compatibility::{Compatibility, Judged, compatibility, judge, of as compatibility_of};
pub use ddl::{
    AlterTable, Change, Column, ColumnType, Constraint, ConstraintKind, CreateIndex, CreateTable, Ddl,
    DefaultKind, DefaultValue, Generated, IndexKind, ObjectChange, ObjectDrop, Position, TableIndex,
    column_type, ddl,
};
pub use dml::{Dml, DmlKind, dml};
pub use hand_over::{HandOver, hand_over};
pub use live::{
    Live, LiveColumn, LiveForeignKey, LiveIndex, LiveTable, LiveTransaction, Named, Product, Server, named,
};
pub use lock::{LockMode, TableLock, Work, is_free_change, postgres_locks};
pub use name::{ObjectName, identifier, literal, quote};
pub use password::{Password, password};
pub use qualified::{Place, Qualified, code_words, keywords, qualified_names};
pub use secret::{SecretReference, SecretReferences, secret_literal, secret_references, with_secrets};
pub use split::split;
pub use summary::{AlterAction, Kind, READING_PRAGMAS, Summary};
pub use temporary::{Together, as_ordinary, together};

use serde::{Deserialize, Serialize};

/// Whose SQL it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// SQLite 3, as its shell reads a script.
    Sqlite,
    /// PostgreSQL, as `psql` reads a script.
    Postgresql,
    /// MySQL and MariaDB, as their clients read a script (`DELIMITER` included).
    Mysql,
}

/// A range of bytes of the script, on character boundaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte; never less than `start`.
    pub end: usize,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self { start, end: end.max(start) }
    }

    /// The text at this place of `script`, the text that was split.
    #[must_use]
    pub fn of(self, script: &str) -> &str {
        script.get(self.start..self.end).unwrap_or_default()
    }
}

/// One statement of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// First to last token: without terminator, and without comments before and behind; comments inside are kept,
    /// executable comments of MySQL are statement text.
    pub span: Span,
    /// PostgreSQL `COPY … FROM stdin`: the lines of data behind it, without the final `\.` line.
    pub data: Option<Span>,
    /// What its tokens say.
    pub summary: Summary,
}

/// Something in a script that cannot be run as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Rule name, kebab-case, stable.
    pub rule: &'static str,
    /// Where; the caret stands here.
    pub span: Span,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// Text beside the caret.
    pub label: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// What to do.
    pub help: String,
}
