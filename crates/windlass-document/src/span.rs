//! Places in a source text.

use serde::{Deserialize, Serialize};

/// A range of bytes of the original file, byte-order mark and carriage returns included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte; never less than `start`.
    pub end: usize,
}

impl Span {
    /// The span from `start` up to, not including, `end`; an inverted range becomes empty at `start`.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end: end.max(start) }
    }
}

/// A value and where it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its bytes in the file.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// `value`, written at `span`.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// A place for people and editors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters (Unicode scalar values), from 1. A byte-order mark counts as no column.
    pub column: usize,
    /// Byte offset in the file, from 0.
    pub byte: usize,
}

/// Line starts of one text: byte offset to line and column in O(log lines + line length).
#[derive(Clone, Debug)]
pub struct LineIndex {
    starts: Vec<usize>,
}

impl LineIndex {
    /// Indexes `text`. Lines end at `\n`; a `\r` before it belongs to the line.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut starts = vec![0];
        starts.extend(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1));
        Self { starts }
    }

    /// Line (from 1) of a byte offset; offsets past the end belong to the last line.
    #[must_use]
    pub fn line(&self, byte: usize) -> usize {
        self.starts.partition_point(|start| *start <= byte)
    }

    /// The place of `byte` in `text`, the text this index was made from.
    #[must_use]
    pub fn position(&self, text: &str, byte: usize) -> Position {
        let byte = byte.min(text.len());
        let line = self.line(byte);
        let start = self.starts[line - 1];
        let before = text.as_bytes().get(start..byte).unwrap_or_default();
        // Continuation bytes are not counted, so an offset inside a character is still well defined.
        let mut column = before.iter().filter(|b| (**b & 0xC0) != 0x80).count();
        if line == 1 && text.starts_with('\u{feff}') && byte >= 3 {
            column -= 1;
        }
        Position { line, column: column + 1, byte }
    }

    /// The bytes of a line (from 1) without its line end; empty past the last line.
    #[must_use]
    pub fn line_span(&self, text: &str, line: usize) -> Span {
        let Some(start) = self.starts.get(line.saturating_sub(1)).copied() else {
            return Span::new(text.len(), text.len());
        };
        let end = self.starts.get(line).map_or(text.len(), |next| next - 1);
        let end = if end > start && text.as_bytes()[end - 1] == b'\r' { end - 1 } else { end };
        Span::new(start, end)
    }
}
