//! `SELECT set_config(…)`, with which dumps of PostgreSQL begin: a setting of the session, as `SET` is one.

use crate::{Dialect, lexer::TokenKind, reader::Reader};

/// Name and value of the setting, where the statement sets one and does nothing else; roles are more than a setting.
#[must_use]
pub fn set_config(statement: &str) -> Option<(String, String)> {
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
    let last = reader.symbol(b',') && (reader.accept(&["TRUE"]) || reader.accept(&["FALSE"]));
    let ends = last && reader.symbol(b')') && reader.at == reader.len();
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
        && !["role", "session_authorization"].contains(&name.as_str());
    (ends && is_plain).then_some((name, value))
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
        let pair = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        for (statement, wanted) in [
            ("SELECT pg_catalog.set_config('search_path', '', false)", pair("search_path", "")),
            ("select set_config('App.User', 'it''s', true)", pair("app.user", "it's")),
            ("SELECT set_config('role', 'admin', false)", None),
            ("SELECT set_config('a.b', (SELECT max(x) FROM t), false)", None),
            ("SELECT set_config('a.b', 'x', false), f()", None),
            ("SELECT app.set_config('a.b', 'x', false)", None),
        ] {
            assert_eq!(set_config(statement), wanted, "{statement}");
        }
    }
}
