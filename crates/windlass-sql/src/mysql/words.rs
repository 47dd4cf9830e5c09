//! The words of a statement.

use crate::Dialect;
use crate::lexer::{Lexer, Token, TokenKind};
use crate::name::identifier;
use std::collections::BTreeSet;

/// Every word and quoted name of `text`, without quotes: all that may be the name of something.
#[must_use]
pub fn identifiers(text: &str) -> BTreeSet<String> {
    let names =
        tokens(text).into_iter().filter(|token| matches!(token.kind, TokenKind::Word | TokenKind::Name));
    names.map(|token| identifier(token.span.of(text), Dialect::Mysql)).collect()
}

/// Tokens without comments; what stands in executable comments is a part of the statement.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer::new(text, Dialect::Mysql);
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks();
        let Some(token) = lexer.next() else { return tokens };
        let left_out = [TokenKind::Comment, TokenKind::OpenExecutable, TokenKind::CloseExecutable];
        if !left_out.contains(&token.kind) {
            tokens.push(token);
        }
    }
}

/// Where the table's name ends in `ALTER TABLE …`, in bytes.
#[must_use]
pub fn after_table_name(statement: &str) -> Option<usize> {
    let tokens = tokens(statement);
    let word = |at: usize| {
        tokens.get(at).map_or(String::new(), |token| token.span.of(statement).to_ascii_uppercase())
    };
    let table = (1..4).find(|at| word(*at) == "TABLE").filter(|_| word(0) == "ALTER")?;
    let mut at = table + 1;
    if word(at) == "IF" && word(at + 1) == "EXISTS" {
        at += 2;
    }
    while tokens.get(at + 1).is_some_and(|token| token.kind == TokenKind::Symbol(b'.')) {
        at += 2;
    }
    tokens.get(at).map(|token| token.span.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_names_but_no_text() {
        let found = identifiers("INSERT INTO `a b` SELECT 'c' /* d */ FROM e.f /*!50000 JOIN g */");
        let found: Vec<_> = found.iter().map(String::as_str).collect();
        assert_eq!(after_table_name("ALTER TABLE `a`.b ADD c INT"), Some(17));
        assert_eq!(after_table_name("DROP TABLE a"), None);
        assert_eq!(found, ["FROM", "INSERT", "INTO", "JOIN", "SELECT", "a b", "e", "f", "g"]);
    }
}
