//! Finds the end of nested shell text: `$(…)`, `$((…))`, `${…}`, back quotes, here-documents.
//!
//! Only the extent matters, because a command with any of these is opaque. An explicit stack keeps deep nesting off
//! the call stack; each byte is looked at a bounded number of times.

use crate::Span;

/// A here-document whose body has not been met yet.
#[derive(Clone, Debug)]
pub(super) struct HereDocument {
    /// Delimiter after quote removal.
    pub(super) delimiter: String,
    /// `<<-`: leading tabs of the delimiter line do not count.
    pub(super) strip_tabs: bool,
    /// The delimiter was quoted: nothing in the body is expanded.
    pub(super) quoted: bool,
    /// Where the delimiter was written.
    pub(super) at: usize,
}

impl HereDocument {
    /// The offset just past the delimiter line's text, reading from `from`, the start of a line; `None` without one.
    pub(super) fn end(&self, text: &str, from: usize) -> Option<usize> {
        let mut start = from;
        while start < text.len() {
            let end = text[start..].find('\n').map_or(text.len(), |length| start + length);
            let line = &text[start..end];
            let line = if self.strip_tabs { line.trim_start_matches('\t') } else { line };
            if line == self.delimiter {
                return Some(end);
            }
            start = end + 1;
        }
        None
    }

    /// The body between `from`, the start of a line, and `end`, the end of the delimiter's line, if what the command reads
    /// is exactly what is written.
    pub(super) fn literal(&self, text: &str, from: usize, end: usize) -> Option<Span> {
        let last = text[from..end].rfind('\n').map_or(from, |at| from + at + 1);
        let body = &text[from..last];
        let as_written = !self.strip_tabs && (self.quoted || !body.contains(['$', '`', '\\']));
        as_written.then_some(Span::new(from, last))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Shell code up to `)`.
    Code,
    /// `case … esac` inside code: its patterns end with `)`.
    Case,
    /// Arithmetic up to `)`.
    Arithmetic,
    /// `${…}`; the flag says whether it stands in double quotes, where `'` is an ordinary character.
    Parameter {
        quoted: bool,
    },
    Double,
    Back,
}

struct Frame {
    mode: Mode,
    at: usize,
    /// The next word stands where a command name would.
    command: bool,
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Frame>,
    here: Vec<HereDocument>,
}

/// The end of the expansion, back-quoted text or `((…))` that starts at `start`; `Err` holds the innermost opening
/// that is never closed.
pub(super) fn end_of(text: &str, start: usize) -> Result<usize, usize> {
    let mut scanner =
        Scanner { text, bytes: text.as_bytes(), at: start, stack: Vec::new(), here: Vec::new() };
    scanner.open_nested();
    if scanner.stack.is_empty() && text[start..].starts_with("((") {
        scanner.push(Mode::Arithmetic, 1);
    }
    while let Some(frame) = scanner.stack.last() {
        if scanner.at >= text.len() {
            return Err(frame.at);
        }
        let mode = frame.mode;
        scanner.step(mode);
    }
    Ok(scanner.at.min(text.len()))
}

impl Scanner<'_> {
    fn push(&mut self, mode: Mode, width: usize) {
        self.stack.push(Frame { mode, at: self.at, command: true });
        self.at += width;
    }

    fn pop(&mut self) {
        self.stack.pop();
        self.at += 1;
        self.set_command(false);
    }

    fn set_command(&mut self, value: bool) {
        if let Some(frame) = self.stack.last_mut() {
            frame.command = value;
        }
    }

    /// Opens `$(`, `$((`, `${`, or a back quote if one stands here.
    fn open_nested(&mut self) -> bool {
        let rest = &self.bytes[self.at..];
        let quoted = self.stack.last().is_some_and(|frame| frame.mode == Mode::Double);
        if rest.starts_with(b"$((") {
            self.push(Mode::Arithmetic, 2);
            self.push(Mode::Arithmetic, 1);
        } else if rest.starts_with(b"$(") {
            self.push(Mode::Code, 2);
        } else if rest.starts_with(b"${") {
            self.push(Mode::Parameter { quoted }, 2);
        } else if rest.starts_with(b"`") {
            self.push(Mode::Back, 1);
        } else {
            return false;
        }
        true
    }

    /// Reads one byte or one construct.
    fn step(&mut self, mode: Mode) {
        let byte = self.bytes[self.at];
        if byte == b'\\' {
            self.at += 2;
            return;
        }
        match (mode, byte) {
            (Mode::Back, b'`')
            | (Mode::Double, b'"')
            | (Mode::Parameter { .. }, b'}')
            | (Mode::Arithmetic | Mode::Code, b')') => self.pop(),
            (Mode::Back, _) => self.at += 1,
            (Mode::Arithmetic, b'(') => self.push(Mode::Arithmetic, 1),
            (Mode::Parameter { quoted: false } | Mode::Arithmetic | Mode::Code | Mode::Case, b'\'') => {
                self.single_quotes();
            }
            (Mode::Parameter { .. } | Mode::Arithmetic | Mode::Code | Mode::Case, b'"') => {
                self.push(Mode::Double, 1);
            }
            _ if self.open_nested() => {}
            (Mode::Code | Mode::Case, _) => self.code(mode, byte),
            _ => self.at += 1,
        }
    }

    fn single_quotes(&mut self) {
        let close = self.bytes[self.at + 1..].iter().position(|byte| *byte == b'\'');
        match close {
            Some(length) => self.at += length + 2,
            // The frame of the quote stays open: the caller reports it.
            None => {
                self.push(Mode::Back, 0);
                self.at = self.bytes.len();
            }
        }
        self.set_command(false);
    }

    fn code(&mut self, mode: Mode, byte: u8) {
        let before = if self.at == 0 { b' ' } else { self.bytes[self.at - 1] };
        let word_start = b" \t\n;|&()`".contains(&before);
        match byte {
            b'\n' => self.new_line(),
            b';' | b'|' | b'&' => {
                self.at += 1;
                self.set_command(true);
            }
            b')' => {
                debug_assert!(mode == Mode::Case, "in code it closes");
                self.at += 1;
                self.set_command(true);
            }
            b'(' => self.push(Mode::Code, 1),
            b'#' if word_start => self.at = self.line_end(),
            b'<' if self.bytes[self.at..].starts_with(b"<<") => self.here_document(),
            b' ' | b'\t' => self.at += 1,
            _ => self.word(mode, word_start),
        }
    }

    fn line_end(&self) -> usize {
        self.bytes[self.at..].iter().position(|b| *b == b'\n').map_or(self.bytes.len(), |n| self.at + n)
    }

    fn new_line(&mut self) {
        self.at += 1;
        self.set_command(true);
        for here in std::mem::take(&mut self.here) {
            // Without its end the body is the rest of the text, and the substitution stays open.
            self.at = here.end(self.text, self.at.min(self.text.len())).unwrap_or(self.text.len());
        }
    }

    fn here_document(&mut self) {
        let start = self.at;
        self.at += 2;
        if self.bytes.get(self.at) == Some(&b'<') {
            self.at += 1;
            return;
        }
        let strip_tabs = self.bytes.get(self.at) == Some(&b'-');
        self.at += usize::from(strip_tabs);
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        let from = self.at;
        while self.bytes.get(self.at).is_some_and(|byte| !b" \t\n;|&()<>".contains(byte)) {
            self.at += 1;
        }
        let delimiter: String =
            self.text[from..self.at].chars().filter(|c| !matches!(c, '\'' | '"' | '\\')).collect();
        if !delimiter.is_empty() {
            self.here.push(HereDocument { delimiter, strip_tabs, quoted: false, at: start });
        }
    }

    fn word(&mut self, mode: Mode, word_start: bool) {
        let from = self.at;
        self.at += 1;
        while self.bytes.get(self.at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
            self.at += 1;
        }
        let command = self.stack.last().is_some_and(|frame| frame.command);
        let word = &self.bytes[from..self.at];
        let next = self.bytes.get(self.at).copied().unwrap_or(b'\n');
        let whole = word_start && b" \t\n;|&()".contains(&next);
        if !whole {
            self.set_command(false);
            return;
        }
        match word {
            b"case" if command => {
                self.set_command(false);
                self.stack.push(Frame { mode: Mode::Case, at: from, command: false });
            }
            b"esac" if command && mode == Mode::Case => {
                self.stack.pop();
                self.set_command(false);
            }
            b"in" if mode == Mode::Case => self.set_command(true),
            b"if" | b"then" | b"elif" | b"else" | b"while" | b"until" | b"do" | b"{" | b"!" if command => {}
            _ => self.set_command(false),
        }
    }
}
