//! What PostgreSQL can be told about rows and definitions, as text: no connection, no catalog but what the caller read.

mod alter;
pub mod catalog;
pub mod diff;
mod numbers;
mod partitions;
pub mod rows;
mod settings;
mod types;
pub mod write;

pub use numbers::set_by_setval;
pub use settings::{Setting, set_config};

use crate::{Dialect, literal};

/// `name` as a quoted identifier.
#[must_use]
pub fn ident(name: &str) -> String {
    crate::quote(name, Dialect::Postgresql)
}

/// `schema.name`, quoted.
#[must_use]
pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", ident(schema), ident(name))
}

/// `text` as a literal. The character 0 cannot be in any text that PostgreSQL gave, and is left out.
#[must_use]
pub fn text(text: &str) -> String {
    literal(&text.replace('\0', ""), Dialect::Postgresql)
        .expect("a text without the character 0 has a literal")
}
