//! Script text to tokens. Each byte is looked at a bounded number of times.

use crate::{Dialect, Span};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A comment that the server ignores.
    Comment,
    /// A keyword, an identifier or a number.
    Word,
    /// A string literal of any form.
    Text,
    /// A quoted identifier.
    Name,
    /// One ASCII character.
    Symbol(u8),
    /// `/*!50001` of MySQL: what follows is executed.
    OpenExecutable,
    /// The `*/` that belongs to it.
    CloseExecutable,
}

/// A piece of a script.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) span: Span,
    /// False for a quote or comment that never ends; it reaches to the end of the script.
    pub(crate) closed: bool,
}

/// Reads tokens.
pub(crate) struct Lexer<'a> {
    pub(crate) text: &'a str,
    pub(crate) bytes: &'a [u8],
    pub(crate) at: usize,
    pub(crate) dialect: Dialect,
    /// What ends a statement. Only MySQL's clients can change it, and they see it also inside a word.
    pub(crate) delimiter: String,
    /// Inside `/*! … */`.
    pub(crate) executable: bool,
    /// Only blanks since the last line end.
    pub(crate) line_start: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str, dialect: Dialect) -> Self {
        let at = if text.starts_with('\u{feff}') { 3 } else { 0 };
        let delimiter = ";".to_owned();
        Self { text, bytes: text.as_bytes(), at, dialect, delimiter, executable: false, line_start: true }
    }

    pub(crate) fn skip_blanks(&mut self) {
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'\n' => self.line_start = true,
                b' ' | b'\t' | b'\r' | 0x0B | 0x0C => {}
                _ => return,
            }
            self.at += 1;
        }
    }

    pub(crate) fn starts_with(&self, prefix: &str) -> bool {
        self.bytes[self.at..].starts_with(prefix.as_bytes())
    }

    /// Whether the statement delimiter stands here.
    pub(crate) fn at_delimiter(&self) -> bool {
        !self.executable && self.starts_with(&self.delimiter)
    }

    /// The offset of the end of the current line, without its line feed.
    pub(crate) fn line_end(&self) -> usize {
        self.text[self.at..].find('\n').map_or(self.text.len(), |length| self.at + length)
    }

    /// The next token; call it on a byte that is not blank.
    pub(crate) fn next(&mut self) -> Option<Token> {
        let start = self.at;
        let byte = *self.bytes.get(start)?;
        self.line_start = false;
        let (kind, closed) = self.token(byte);
        Some(Token { kind, span: Span::new(start, self.at), closed })
    }

    fn token(&mut self, byte: u8) -> (TokenKind, bool) {
        use Dialect::{Mysql, Postgresql, Sqlite};
        match (self.dialect, byte) {
            (Mysql, b'#') => self.line_comment(),
            (_, b'-') if self.line_comment_starts() => self.line_comment(),
            (Mysql, b'/') if self.executable_starts() => (TokenKind::OpenExecutable, true),
            (Mysql, b'*') if self.executable && self.starts_with("*/") => {
                self.at += 2;
                self.executable = false;
                (TokenKind::CloseExecutable, true)
            }
            (_, b'/') if self.starts_with("/*") => self.block_comment(),
            (_, b'\'') => (TokenKind::Text, self.quoted(b'\'', self.dialect == Mysql)),
            (Mysql, b'"') => (TokenKind::Text, self.quoted(b'"', true)),
            (_, b'"') | (Mysql | Sqlite, b'`') => (TokenKind::Name, self.quoted(byte, false)),
            (Sqlite, b'[') => (TokenKind::Name, self.bracketed()),
            (Postgresql, b'$') => self.dollar(),
            (Postgresql, b'e' | b'E') if self.bytes.get(self.at + 1) == Some(&b'\'') => {
                self.at += 1;
                (TokenKind::Text, self.escape_string())
            }
            _ if is_word(byte) || (byte == b'$' && self.dialect == Mysql) => {
                self.word(byte);
                (TokenKind::Word, true)
            }
            _ => {
                self.at += 1;
                (TokenKind::Symbol(byte), true)
            }
        }
    }

    /// `--`; MySQL wants a blank behind it, for `5--3` is arithmetic there.
    fn line_comment_starts(&self) -> bool {
        let next = self.bytes.get(self.at + 2).is_none_or(|byte| *byte <= b' ');
        self.starts_with("--") && (self.dialect != Dialect::Mysql || next)
    }

    fn line_comment(&mut self) -> (TokenKind, bool) {
        self.at = self.line_end();
        (TokenKind::Comment, true)
    }

    fn executable_starts(&mut self) -> bool {
        let width = if self.starts_with("/*!") {
            3
        } else if self.starts_with("/*M!") {
            4
        } else {
            return false;
        };
        if self.executable {
            return false;
        }
        self.at += width;
        self.executable = true;
        let digits = self.bytes[self.at..].iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        true
    }

    fn block_comment(&mut self) -> (TokenKind, bool) {
        let nests = self.dialect == Dialect::Postgresql;
        let mut depth = 0_usize;
        while self.at < self.bytes.len() {
            if self.starts_with("/*") && (nests || depth == 0) {
                depth += 1;
                self.at += 2;
            } else if self.starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return (TokenKind::Comment, true);
                }
            } else {
                self.at += 1;
            }
        }
        (TokenKind::Comment, false)
    }

    /// Reads a quoted piece; a doubled quote stands for itself.
    fn quoted(&mut self, quote: u8, backslash: bool) -> bool {
        self.at += 1;
        while let Some(byte) = self.bytes.get(self.at) {
            if *byte == b'\\' && backslash {
                self.at += 2;
            } else if *byte != quote {
                self.at += 1;
            } else if self.bytes.get(self.at + 1) == Some(&quote) {
                self.at += 2;
            } else {
                self.at += 1;
                return true;
            }
        }
        self.at = self.bytes.len();
        false
    }

    /// `E'…'`; a string that goes on behind a line end keeps its escapes.
    fn escape_string(&mut self) -> bool {
        loop {
            if !self.quoted(b'\'', true) {
                return false;
            }
            let blanks = self.bytes[self.at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let between = &self.bytes[self.at..self.at + blanks];
            if !between.contains(&b'\n') || self.bytes.get(self.at + blanks) != Some(&b'\'') {
                return true;
            }
            self.at += blanks;
        }
    }

    fn bracketed(&mut self) -> bool {
        match self.text[self.at..].find(']') {
            Some(length) => {
                self.at += length + 1;
                true
            }
            None => {
                self.at = self.bytes.len();
                false
            }
        }
    }

    /// `$tag$ … $tag$`, or a dollar sign of a parameter.
    fn dollar(&mut self) -> (TokenKind, bool) {
        let start = self.at;
        let tag = self.bytes[start + 1..].iter().take_while(|byte| is_word(**byte)).count();
        let open = start + tag + 2;
        let digit = self.bytes.get(start + 1).is_some_and(u8::is_ascii_digit);
        if digit || self.bytes.get(open - 1) != Some(&b'$') {
            self.at += 1;
            return (TokenKind::Symbol(b'$'), true);
        }
        let delimiter = &self.text[start..open];
        match self.text[open..].find(delimiter) {
            Some(length) => {
                self.at = open + length + delimiter.len();
                (TokenKind::Text, true)
            }
            None => {
                self.at = self.bytes.len();
                (TokenKind::Text, false)
            }
        }
    }

    fn word(&mut self, first: u8) {
        // In PostgreSQL a number ends at a dollar sign, an identifier does not.
        let dollar = !(self.dialect == Dialect::Postgresql && first.is_ascii_digit());
        self.at += 1;
        while let Some(byte) = self.bytes.get(self.at) {
            let inside = is_word(*byte) || (dollar && *byte == b'$');
            // The clients of MySQL look for the delimiter before anything else: `END$$`.
            let ends =
                self.dialect == Dialect::Mysql && self.at_delimiter() && self.text.is_char_boundary(self.at);
            if !inside || ends {
                return;
            }
            self.at += 1;
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}
