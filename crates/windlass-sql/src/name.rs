//! Names and literals, as statements write them.

use crate::Dialect;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A possibly qualified name as the server sees it: without quotes, and in PostgreSQL in lower case where it was not
/// quoted. Elsewhere it has the case it was written in.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectName {
    /// Parts from the outermost: `["public", "orders"]`.
    pub parts: Vec<String>,
}

impl ObjectName {
    /// The last part: the object's own name.
    #[must_use]
    pub fn base(&self) -> &str {
        self.parts.last().map_or("", String::as_str)
    }

    /// The part before the last: schema or database.
    #[must_use]
    pub fn qualifier(&self) -> Option<&str> {
        self.parts.len().checked_sub(2).and_then(|at| self.parts.get(at)).map(String::as_str)
    }

    /// The name as `dialect` reads it, each part quoted.
    #[must_use]
    pub fn quoted(&self, dialect: Dialect) -> String {
        let parts: Vec<_> = self.parts.iter().map(|part| quote(part, dialect)).collect();
        parts.join(".")
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parts.join("."))
    }
}

/// An identifier of a statement as the server sees it. PostgreSQL folds what is not quoted to lower case; as in its
/// UTF-8 databases, only ASCII letters are folded.
#[must_use]
pub fn identifier(written: &str, dialect: Dialect) -> String {
    let name = unquote(written);
    let folds = dialect == Dialect::Postgresql && !written.starts_with('"');
    if folds { name.to_ascii_lowercase() } else { name }
}

/// `name` as an identifier that means exactly it, whatever words and characters it holds. (No server allows the
/// character 0 in one.)
#[must_use]
pub fn quote(name: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Mysql => format!("`{}`", name.replace('`', "``")),
        Dialect::Postgresql | Dialect::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// `text` as a string literal that means exactly it, whatever the settings for backslashes are. `None`: PostgreSQL has
/// no text with the character 0 in it.
#[must_use]
pub fn literal(text: &str, dialect: Dialect) -> Option<String> {
    let plain = || format!("'{}'", text.replace('\'', "''"));
    let zero = text.contains('\0');
    let backslash = text.contains('\\');
    match dialect {
        Dialect::Postgresql if zero => None,
        // As `quote_literal` writes it.
        Dialect::Postgresql if backslash => {
            Some(format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''")))
        }
        Dialect::Mysql if zero || backslash => Some(format!("_utf8mb4 x'{}'", hex(text))),
        Dialect::Sqlite if zero => Some(format!("CAST(x'{}' AS TEXT)", hex(text))),
        Dialect::Sqlite | Dialect::Postgresql | Dialect::Mysql => Some(plain()),
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// `written` without its quotes.
fn unquote(written: &str) -> String {
    let mut characters = written.chars();
    let (first, last) = (characters.next(), characters.next_back());
    let inside = characters.as_str();
    match (first, last) {
        (Some(quote @ ('"' | '`' | '\'')), Some(end)) if quote == end => {
            inside.replace(&format!("{quote}{quote}"), &quote.to_string())
        }
        (Some('['), Some(']')) => inside.to_owned(),
        _ => written.to_owned(),
    }
}
