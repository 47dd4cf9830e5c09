//! Calls of `setval`: which sequence they set, as far as that can be said before they run.

use crate::{Dialect, lexer::TokenKind, reader::Reader};

/// The first argument of each call of `setval` in the statement, as it is written, where its value does not depend on rows. `None`: that of
/// one does.
#[must_use]
pub fn set_by_setval(statement: &str) -> Option<Vec<String>> {
    let Some(mut reader) = Reader::new(statement, Dialect::Postgresql) else { return Some(vec![]) };
    let mut found = Vec::new();
    for open in 1..reader.len() {
        if !reader.is_symbol(open, b'(') || !is_setval(&reader, open - 1) {
            continue;
        }
        reader.at = open;
        let (from, to) = reader.group()?;
        let (_, end) = *reader.inside(from, |reader| reader.items(from, to)).first()?;
        let first = reader.span(from, end).filter(|_| (from..end).all(|at| is_constant(&reader, at)))?;
        found.push(first.of(statement).to_owned());
    }
    Some(found)
}

/// Whether the server's own function is named there.
fn is_setval(reader: &Reader<'_>, at: usize) -> bool {
    let of_schema = at >= 1 && reader.is_symbol(at - 1, b'.');
    reader.written(at).eq_ignore_ascii_case("setval")
        && (!of_schema || at >= 2 && reader.written(at - 2).eq_ignore_ascii_case("pg_catalog"))
}

/// A text, a cast, and the name of the sequence of a column say the same for all rows.
fn is_constant(reader: &Reader<'_>, at: usize) -> bool {
    const WORDS: [&str; 6] = ["PG_CATALOG", "PG_GET_SERIAL_SEQUENCE", "REGCLASS", "TEXT", "CAST", "AS"];
    match reader.kind(at) {
        Some(TokenKind::Text) => true,
        Some(TokenKind::Symbol(symbol)) => matches!(symbol, b'(' | b')' | b',' | b':' | b'.'),
        Some(TokenKind::Word) => WORDS.contains(&reader.word(at).as_str()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_known_where_it_is_written() {
        for (statement, wanted) in [
            ("SELECT setval('s', 5)", Some("'s'")),
            (
                "SELECT pg_catalog.setval('public.s'::regclass, (SELECT max(id) FROM t), true)",
                Some("'public.s'::regclass"),
            ),
            (
                "SELECT setval(pg_get_serial_sequence('t', 'id'), coalesce(max(id), 1)) FROM t",
                Some("pg_get_serial_sequence('t', 'id')"),
            ),
            ("SELECT setval('a', 1), SETVAL('b', 2)", Some("'a' 'b'")),
            ("SELECT app.setval('s', 5), f(setval)", Some("")),
            ("SELECT setval(oid::regclass, 1) FROM pg_class WHERE relkind = 'S'", None),
            ("SELECT setval(name, 1) FROM names", None),
        ] {
            assert_eq!(set_by_setval(statement).map(|all| all.join(" ")).as_deref(), wanted, "{statement}");
        }
    }
}
