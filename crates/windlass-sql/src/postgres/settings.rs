//! `SELECT set_config(…)`, with which dumps of PostgreSQL begin: a setting of the session, as `SET` is one.

use crate::{Dialect, lexer::TokenKind, reader::Reader};

/// A setting of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name, in lower case.
    pub name: String,
    /// What it is set to.
    pub value: String,
    /// It ends with its transaction.
    pub is_local: bool,
}

/// The setting, where the statement sets one and does nothing else; roles are more than a setting.
#[must_use]
pub fn set_config(statement: &str) -> Option<Setting> {
    let mut reader = Reader::new(statement, Dialect::Postgresql)?;
    if !reader.accept(&["SELECT"]) {
        return None;
    }
    let (function, _) = reader.name()?;
    let is_it = matches!(function.parts.as_slice(), [name] if name == "set_config")
        || function.parts == ["pg_catalog", "set_config"];
    if !is_it || !reader.symbol(b'(') {
        return None;
    }
    let name = text(&mut reader)?.to_ascii_lowercase();
    let value = reader.symbol(b',').then(|| text(&mut reader))??;
    let has_third = reader.symbol(b',');
    let is_local = has_third && reader.accept(&["TRUE"]);
    let is_said = is_local || has_third && reader.accept(&["FALSE"]);
    let ends = is_said && reader.symbol(b')') && reader.at == reader.len();
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
        && !["role", "session_authorization"].contains(&name.as_str());
    (ends && is_plain).then_some(Setting { name, value, is_local })
}

/// Takes a literal without escapes.
fn text(reader: &mut Reader<'_>) -> Option<String> {
    let written = reader.written(reader.at);
    let inside = written.strip_prefix('\'')?.strip_suffix('\'')?;
    (reader.kind(reader.at) == Some(TokenKind::Text)).then(|| {
        reader.at += 1;
        inside.replace("''", "'")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_told_from_queries() {
        let setting = |name: &str, value: &str, is_local: bool| {
            Some(Setting { name: name.to_owned(), value: value.to_owned(), is_local })
        };
        for (statement, wanted) in [
            ("SELECT pg_catalog.set_config('search_path', '', false)", setting("search_path", "", false)),
            ("select set_config('App.User', 'it''s', true)", setting("app.user", "it's", true)),
            ("SELECT set_config('role', 'admin', false)", None),
            ("SELECT set_config('a.b', (SELECT max(x) FROM t), false)", None),
            ("SELECT set_config('a.b', 'x', false), f()", None),
            ("SELECT app.set_config('a.b', 'x', false)", None),
        ] {
            assert_eq!(set_config(statement), wanted, "{statement}");
        }
    }
}
