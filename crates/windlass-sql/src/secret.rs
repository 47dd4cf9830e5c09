//! References to secrets in statements: `'${secret.NAME}'`, a string literal that is nothing else. So every reader of the statement sees the literal that
//! it is, and the value takes the place of the whole literal, quoted anew; it is never a part of the text.

use crate::lexer::{Lexer, TokenKind};
use crate::{Dialect, Span};
use std::borrow::Cow;

/// What a reference begins with.
const OPEN: &str = "${secret.";

/// A reference that stands where it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretReference<'a> {
    /// Of the secret.
    pub name: &'a str,
    /// The literal, with its quotes.
    pub span: Span,
}

/// All that looks like a reference in a statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretReferences<'a> {
    /// Whole literals, in order.
    pub whole: Vec<SecretReference<'a>>,
    /// Anything else: bare, in a longer literal, in a body or a name.
    pub misplaced: Vec<Span>,
}

impl SecretReferences<'_> {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.misplaced.is_empty()
    }
}

/// The references of a statement. Comments are not looked at.
#[must_use]
pub fn secret_references(statement: &str, dialect: Dialect) -> SecretReferences<'_> {
    let mut found = SecretReferences::default();
    if !statement.contains(OPEN) {
        return found;
    }
    let mut lexer = Lexer::new(statement, dialect);
    // What a reference may not reach into.
    let mut passed = 0;
    loop {
        lexer.skip_blanks();
        let Some(token) = lexer.next() else { break };
        let skipped = match (token.kind, whole(token.span.of(statement))) {
            (TokenKind::Text, Some(name)) => {
                found.whole.push(SecretReference { name, span: token.span });
                true
            }
            (kind, _) => kind == TokenKind::Comment,
        };
        if skipped {
            found.misplaced.extend(misplaced(statement, passed, token.span.start));
            passed = token.span.end;
        }
    }
    found.misplaced.extend(misplaced(statement, passed, statement.len()));
    found
}

fn misplaced(statement: &str, from: usize, to: usize) -> impl Iterator<Item = Span> + '_ {
    let part = statement.get(from..to).unwrap_or_default();
    part.match_indices(OPEN).map(move |(at, _)| {
        let rest = &part[at..];
        let end = rest.find('}').map_or(OPEN.len(), |end| end + 1);
        Span::new(from + at, from + at + end)
    })
}

/// The name, if a literal is a reference and nothing else.
pub(crate) fn whole(written: &str) -> Option<&str> {
    let name = written.strip_prefix('\'')?.strip_suffix("}'")?.strip_prefix(OPEN)?;
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    (!name.is_empty() && name.chars().all(fits)).then_some(name)
}

/// `value` as a plain literal, which also stands where a server takes nothing but one. `escapes`: a backslash means something in it (MySQL without
/// `NO_BACKSLASH_ESCAPES`). `None`: PostgreSQL and SQLite have no literal with the character 0.
#[must_use]
pub fn secret_literal(value: &str, dialect: Dialect, escapes: bool) -> Option<String> {
    let quoted = value.replace('\'', "''");
    match dialect {
        _ if value.contains('\0') => None,
        Dialect::Postgresql if value.contains('\\') => Some(format!("E'{}'", quoted.replace('\\', "\\\\"))),
        Dialect::Mysql if escapes => Some(format!("'{}'", quoted.replace('\\', "\\\\"))),
        Dialect::Postgresql | Dialect::Mysql | Dialect::Sqlite => Some(format!("'{quoted}'")),
    }
}

/// The statement with `literal` of each name in place of its references.
///
/// # Errors
/// Those of `literal`.
pub fn with_secrets<'a, E>(
    statement: &'a str,
    dialect: Dialect,
    mut literal: impl FnMut(&str) -> Result<String, E>,
) -> Result<Cow<'a, str>, E> {
    let references = secret_references(statement, dialect).whole;
    if references.is_empty() {
        return Ok(Cow::Borrowed(statement));
    }
    let (mut text, mut passed) = (String::with_capacity(statement.len()), 0);
    for reference in references {
        text.push_str(&statement[passed..reference.span.start]);
        text.push_str(&literal(reference.name)?);
        passed = reference.span.end;
    }
    text.push_str(&statement[passed..]);
    Ok(Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Dialect::{Mysql as M, Postgresql as P, Sqlite as S};

    #[test]
    fn a_reference_is_a_whole_literal_and_nothing_else() {
        for (statement, dialect, names, misplaced) in [
            ("ALTER ROLE a PASSWORD '${secret.app}'", P, vec!["app"], vec![]),
            (
                "CREATE USER a IDENTIFIED BY '${secret.app}', b IDENTIFIED BY '${secret.b-1}'",
                M,
                vec!["app", "b-1"],
                vec![],
            ),
            ("CREATE USER a /*!80000 IDENTIFIED BY '${secret.app}' */", M, vec!["app"], vec![]),
            ("INSERT INTO t VALUES ('${secret.数据}') -- ${secret.x}", S, vec!["数据"], vec![]),
            ("SELECT '${secret}', '${app}', '$secret.app'", S, vec![], vec![]),
            ("ALTER ROLE a PASSWORD ${secret.app}", P, vec![], vec!["${secret.app}"]),
            ("ALTER ROLE a PASSWORD 'x${secret.app}'", P, vec![], vec!["${secret.app}"]),
            ("ALTER ROLE a PASSWORD '${secret.app}x'", P, vec![], vec!["${secret.app}"]),
            ("ALTER ROLE a PASSWORD E'${secret.app}'", P, vec![], vec!["${secret.app}"]),
            ("ALTER ROLE a PASSWORD '${secret.}'", P, vec![], vec!["${secret.}"]),
            ("ALTER ROLE a PASSWORD '${secret.a'' OR}'", P, vec![], vec!["${secret.a'' OR}"]),
            ("CREATE USER a IDENTIFIED BY \"${secret.app}\"", M, vec![], vec!["${secret.app}"]),
            ("CREATE USER \"${secret.app}\" PASSWORD '${secret.b}'", P, vec!["b"], vec!["${secret.app}"]),
            ("DO $$ BEGIN EXECUTE '${secret.app}'; END $$", P, vec![], vec!["${secret.app}"]),
            ("SELECT '${secret.app", S, vec![], vec!["${secret."]),
        ] {
            let found = secret_references(statement, dialect);
            assert_eq!(found.whole.iter().map(|one| one.name).collect::<Vec<_>>(), names, "{statement}");
            let spans: Vec<_> = found.misplaced.iter().map(|span| span.of(statement)).collect();
            assert_eq!(spans, misplaced, "{statement}");
        }
    }

    #[test]
    fn the_value_is_quoted_and_never_a_part_of_the_text() {
        for (value, dialect, escapes, wanted) in [
            ("x'; DROP ROLE b --", P, false, "ALTER ROLE a PASSWORD 'x''; DROP ROLE b --'"),
            ("x\\'y", P, false, "ALTER ROLE a PASSWORD E'x\\\\''y'"),
            ("x\\'y", M, true, "ALTER ROLE a PASSWORD 'x\\\\''y'"),
            ("x\\'y", M, false, "ALTER ROLE a PASSWORD 'x\\''y'"),
            ("${secret.app}", S, false, "ALTER ROLE a PASSWORD '${secret.app}'"),
        ] {
            let statement = "ALTER ROLE a PASSWORD '${secret.app}'";
            let literal = |_: &str| secret_literal(value, dialect, escapes).ok_or(());
            assert_eq!(with_secrets(statement, dialect, literal).unwrap(), wanted);
        }
        for dialect in [P, M, S] {
            assert_eq!(secret_literal("a\0b", dialect, true), None);
        }
    }
}
