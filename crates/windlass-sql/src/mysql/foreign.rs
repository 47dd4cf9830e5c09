//! Foreign keys, as the server writes them.

use super::words::tokens;
use crate::Dialect;
use crate::lexer::{Token, TokenKind};
use crate::name::identifier;

/// A foreign key of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForeignKey {
    /// Its columns.
    pub columns: Vec<String>,
    /// The table that they refer to, with its database if it is another one.
    pub parent: Vec<String>,
    /// The columns there.
    pub parent_columns: Vec<String>,
}

/// All that stand in a text: a definition, or a statement that adds them.
#[must_use]
pub fn foreign_keys(text: &str) -> Vec<ForeignKey> {
    let tokens = tokens(text);
    let is = |at: usize, word: &str| {
        tokens.get(at).is_some_and(|token| {
            token.kind == TokenKind::Word && token.span.of(text).eq_ignore_ascii_case(word)
        })
    };
    let (mut found, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if !(is(at, "FOREIGN") && is(at + 1, "KEY")) {
            at += 1;
            continue;
        }
        let mut key = ForeignKey::default();
        (key.columns, at) = names(text, &tokens, at + 2);
        if !is(at, "REFERENCES") {
            continue;
        }
        at += 1;
        while let Some(token) = tokens.get(at).filter(|token| token.kind != TokenKind::Symbol(b'(')) {
            if matches!(token.kind, TokenKind::Name | TokenKind::Word) {
                key.parent.push(identifier(token.span.of(text), Dialect::Mysql));
            }
            at += 1;
        }
        (key.parent_columns, at) = names(text, &tokens, at);
        found.push(key);
    }
    found
}

/// The names in brackets, and the place behind them.
fn names(text: &str, tokens: &[Token], mut at: usize) -> (Vec<String>, usize) {
    let mut names = Vec::new();
    if tokens.get(at).is_none_or(|token| token.kind != TokenKind::Symbol(b'(')) {
        return (names, at);
    }
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token.kind {
            TokenKind::Name | TokenKind::Word => {
                names.push(identifier(token.span.of(text), Dialect::Mysql));
            }
            TokenKind::Symbol(b')') => break,
            _ => {}
        }
    }
    (names, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_keys_of_a_text() {
        let text = "ALTER TABLE `t` ADD CONSTRAINT `f` FOREIGN KEY (`a`, `b``c`) REFERENCES `d`.`p` (`x`, `y`) ON DELETE CASCADE, \
            ADD CONSTRAINT `g` FOREIGN KEY (`a`) REFERENCES `q` (`id`)";
        let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let key = |columns: &[&str], parent: &[&str], theirs: &[&str]| ForeignKey {
            columns: strings(columns),
            parent: strings(parent),
            parent_columns: strings(theirs),
        };
        assert_eq!(
            foreign_keys(text),
            [key(&["a", "b`c"], &["d", "p"], &["x", "y"]), key(&["a"], &["q"], &["id"])]
        );
        assert_eq!(foreign_keys("COMMENT 'FOREIGN KEY (a) REFERENCES b (c)'"), []);
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            let _ = foreign_keys(&text[..end]);
        }
    }
}
