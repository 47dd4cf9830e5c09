//! Names of objects, as statements write them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A possibly qualified name, after quote removal, in the case it was written in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parts.join("."))
    }
}

/// `written` without its quotes.
pub(crate) fn unquote(written: &str) -> String {
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
