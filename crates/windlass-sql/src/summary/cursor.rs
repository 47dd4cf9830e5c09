//! Reading a statement's tokens from left to right.

use crate::Dialect;
use crate::lexer::{Token, TokenKind};
use crate::name::{ObjectName, identifier};

/// A place in the tokens of one statement. Executable comment marks are invisible to it.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    tokens: &'a [Token],
    dialect: Dialect,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str, tokens: &'a [Token], dialect: Dialect) -> Self {
        Self { text, tokens, dialect }
    }

    fn skip_marks(&mut self) {
        while let Some(TokenKind::OpenExecutable | TokenKind::CloseExecutable) =
            self.tokens.first().map(|token| token.kind)
        {
            self.tokens = &self.tokens[1..];
        }
    }

    /// The next token.
    pub(super) fn next(&mut self) -> Option<Token> {
        self.skip_marks();
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(*first)
    }

    /// The next word, upper case; empty if something else comes.
    pub(super) fn word(&self) -> String {
        let mut here = *self;
        match here.next() {
            Some(token) if token.kind == TokenKind::Word => token.span.of(self.text).to_ascii_uppercase(),
            _ => String::new(),
        }
    }

    /// Whether the next word is `word` (upper case).
    pub(super) fn is(&self, word: &str) -> bool {
        let mut here = *self;
        here.next().is_some_and(|token| here.token_is(token, word))
    }

    fn token_is(&self, token: Token, word: &str) -> bool {
        token.kind == TokenKind::Word && token.span.of(self.text).eq_ignore_ascii_case(word)
    }

    /// Takes the next words if they are `words`.
    pub(super) fn accept(&mut self, words: &[&str]) -> bool {
        let mut here = *self;
        for word in words {
            if !here.next().is_some_and(|token| self.token_is(token, word)) {
                return false;
            }
        }
        *self = here;
        true
    }

    /// Takes the next word if it is one of `words`.
    pub(super) fn accept_any(&mut self, words: &[&str]) -> bool {
        words.iter().any(|word| self.accept(&[word]))
    }

    /// Takes `symbol` if it comes next.
    pub(super) fn symbol(&mut self, symbol: u8) -> bool {
        let mut here = *self;
        let found = here.next().is_some_and(|token| token.kind == TokenKind::Symbol(symbol));
        if found {
            *self = here;
        }
        found
    }

    /// One identifier.
    pub(super) fn identifier(&mut self) -> Option<String> {
        let mut here = *self;
        let token = here.next()?;
        if !matches!(token.kind, TokenKind::Word | TokenKind::Name | TokenKind::Text) {
            return None;
        }
        *self = here;
        Some(identifier(token.span.of(self.text), self.dialect))
    }

    /// A qualified name.
    pub(super) fn name(&mut self) -> Option<ObjectName> {
        let mut parts = vec![self.identifier()?];
        while self.symbol(b'.') {
            let Some(part) = self.identifier() else { break };
            parts.push(part);
        }
        Some(ObjectName { parts })
    }

    /// The tokens up to the next comma outside parentheses, which is taken; `None` at the end.
    pub(super) fn item(&mut self) -> Option<Cursor<'a>> {
        if self.tokens.is_empty() {
            return None;
        }
        let mut depth = 0_usize;
        for (index, token) in self.tokens.iter().enumerate() {
            match token.kind {
                TokenKind::Symbol(b'(') => depth += 1,
                TokenKind::Symbol(b')') => depth = depth.saturating_sub(1),
                TokenKind::Symbol(b',') if depth == 0 => {
                    let item = Cursor::new(self.text, &self.tokens[..index], self.dialect);
                    self.tokens = &self.tokens[index + 1..];
                    return Some(item);
                }
                _ => {}
            }
        }
        let item = *self;
        self.tokens = &[];
        Some(item)
    }

    /// Drops tokens up to the first word outside parentheses that is one of `words`, which stays; `false`: none.
    pub(super) fn seek(&mut self, words: &[&str]) -> bool {
        let mut depth = 0_usize;
        let mut here = *self;
        loop {
            let before = here;
            let Some(token) = here.next() else { return false };
            match token.kind {
                TokenKind::Symbol(b'(') => depth += 1,
                TokenKind::Symbol(b')') => depth = depth.saturating_sub(1),
                TokenKind::Word if depth == 0 && words.iter().any(|word| self.token_is(token, word)) => {
                    *self = before;
                    return true;
                }
                _ => {}
            }
        }
    }

    /// Whether one of `words` stands directly behind an opening parenthesis.
    pub(super) fn opens_with(mut self, words: &[&str]) -> bool {
        while let Some(token) = self.next() {
            if token.kind == TokenKind::Symbol(b'(') && words.iter().any(|word| self.is(word)) {
                return true;
            }
        }
        false
    }

    /// Whether `symbol` stands anywhere.
    pub(super) fn has_symbol(mut self, symbol: u8) -> bool {
        std::iter::from_fn(|| self.next()).any(|token| token.kind == TokenKind::Symbol(symbol))
    }
}
