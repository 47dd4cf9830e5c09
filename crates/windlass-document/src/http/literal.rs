//! Values and strings of Hurl.

use super::Literal;
use crate::Span;

/// What is wrong in a value, and where.
#[derive(Debug)]
pub(super) struct Bad {
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) help: &'static str,
    /// Valid Hurl that is not supported here.
    pub(super) unsupported: bool,
}

impl Bad {
    pub(super) fn new(span: Span, message: impl Into<String>, help: &'static str) -> Self {
        Self { span, message: message.into(), help, unsupported: false }
    }

    pub(super) fn unsupported(span: Span, message: impl Into<String>, help: &'static str) -> Self {
        Self { span, message: message.into(), help, unsupported: true }
    }
}

/// A place in a line.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    /// End of the line.
    pub(super) end: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..self.end]
    }

    pub(super) fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t']).len();
    }

    /// The text up to the next blank, and its place.
    pub(super) fn word(&mut self) -> (&'a str, Span) {
        self.blanks();
        let rest = self.rest();
        let length = rest.find([' ', '\t']).unwrap_or(rest.len());
        let span = Span::new(self.at, self.at + length);
        self.at = span.end;
        (&rest[..length], span)
    }

    /// Whether nothing but a comment is left.
    pub(super) fn is_done(&mut self) -> bool {
        self.blanks();
        self.rest().is_empty() || self.rest().starts_with('#')
    }

    fn here(&self) -> Span {
        let width = self.rest().chars().next().map_or(0, char::len_utf8);
        Span::new(self.at, self.at + width)
    }

    /// A `"string"`.
    pub(super) fn string(&mut self) -> Result<String, Bad> {
        self.blanks();
        if !self.rest().starts_with('"') {
            return Err(Bad::new(
                self.here(),
                "a string in double quotes is expected",
                "write it as `\"text\"`",
            ));
        }
        self.quoted('"')
    }

    /// Text between two `quote` characters, with escapes.
    pub(super) fn quoted(&mut self, quote: char) -> Result<String, Bad> {
        let start = self.at;
        self.at += quote.len_utf8();
        let mut value = String::new();
        loop {
            let Some(character) = self.rest().chars().next() else {
                let span = Span::new(start, start + quote.len_utf8());
                return Err(Bad::new(span, "this quote is never closed", "close it on the same line"));
            };
            let here = self.here();
            self.at = here.end;
            if character == quote {
                return Ok(value);
            }
            if character == '\\' {
                value.push(self.escape(here)?);
            } else {
                value.push(character);
            }
        }
    }

    /// What stands behind a backslash.
    pub(super) fn escape(&mut self, backslash: Span) -> Result<char, Bad> {
        let next = self.rest().chars().next();
        self.at += next.map_or(0, char::len_utf8);
        let span = Span::new(backslash.start, self.at);
        Ok(match next {
            Some(character @ ('"' | '\\' | '/' | '`' | '#' | ':')) => character,
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('u') => return self.unicode(span),
            _ => return Err(Bad::new(span, "this escape is not known", "write a backslash as `\\\\`")),
        })
    }

    /// `\u{1F600}`
    fn unicode(&mut self, span: Span) -> Result<char, Bad> {
        let digits =
            self.rest().strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(digits, _)| digits);
        let code =
            digits.filter(|digits| digits.len() <= 6).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match (digits, code.and_then(char::from_u32)) {
            (Some(digits), Some(character)) => {
                self.at += digits.len() + 2;
                Ok(character)
            }
            _ => Err(Bad::new(
                span,
                "this escape is not known",
                "write a character by its number as `\\u{4e2d}`",
            )),
        }
    }

    /// A value to compare with.
    pub(super) fn value(&mut self) -> Result<Literal, Bad> {
        self.blanks();
        match self.rest().chars().next() {
            Some('"') => return self.quoted('"').map(Literal::String),
            Some('`') if !self.rest().starts_with("```") => return self.quoted('`').map(Literal::String),
            None | Some('#') => {
                return Err(Bad::new(
                    self.here(),
                    "a value is missing",
                    "write what is expected, for example `== 200`",
                ));
            }
            _ => {}
        }
        let (word, span) = self.word();
        match word {
            "true" => Ok(Literal::Bool(true)),
            "false" => Ok(Literal::Bool(false)),
            "null" => Ok(Literal::Null),
            _ if is_number(word) => Ok(Literal::Number(word.to_owned())),
            _ if ["hex,", "base64,", "file,", "```"].iter().any(|form| word.starts_with(form)) => {
                let help = "compare with a string in double quotes, or use `contains`";
                Err(Bad::unsupported(span, format!("the value `{word}` is not supported"), help))
            }
            _ => Err(Bad::new(span, format!("`{word}` is not a value"), "put text in double quotes")),
        }
    }
}

/// `-12`, `3.5`, `1e9`: what JSON calls a number.
fn is_number(word: &str) -> bool {
    let word = word.strip_prefix('-').unwrap_or(word);
    let (mantissa, exponent) = match word.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.trim_start_matches(['+', '-']))),
        None => (word, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(digits)
}
