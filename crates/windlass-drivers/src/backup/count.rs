//! Counts the rows of a dump while it passes: exactly what is in it, at no cost for the server.

use std::collections::BTreeMap;
use windlass_plan::UrlKind;

/// Longest head of a statement that is kept while it is looked at, bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Reads the plain format of `pg_dump` (rows stand as lines between `COPY … FROM stdin;` and `\.`) and the output of
/// `mysqldump` and `mariadb-dump` (`INSERT INTO … VALUES (…),(…);`).
pub(super) struct Counter {
    kind: UrlKind,
    rows: BTreeMap<String, u64>,
    state: State,
    /// The beginning of the line being read.
    head: Vec<u8>,
    /// Table of the rows being read.
    table: String,
    count: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// At or in a line that is no row.
    Line,
    /// In the lines of a `COPY`.
    Copy,
    /// In the rows of an `INSERT`; how deep in parentheses.
    Rows(u32),
    /// In a text of a row, at a depth; whether the byte before was a backslash.
    Text(u32, u8, bool),
}

impl Counter {
    pub(super) fn new(kind: UrlKind) -> Self {
        Self { kind, rows: BTreeMap::new(), state: State::Line, head: vec![], table: String::new(), count: 0 }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match self.state {
                State::Line | State::Copy if byte == b'\n' => self.line(),
                State::Line | State::Copy => self.keep(byte),
                State::Rows(depth) => self.row(byte, depth),
                State::Text(depth, quote, true) => self.state = State::Text(depth, quote, false),
                State::Text(depth, quote, false) => match byte {
                    b'\\' if quote != b'`' => self.state = State::Text(depth, quote, true),
                    // A doubled quote ends one text and begins the next: the same for counting.
                    _ if byte == quote => self.state = State::Rows(depth),
                    _ => {}
                },
            }
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.head.len() < HEAD_BYTES_MAX {
            self.head.push(byte);
        }
        if self.kind == UrlKind::Mysql && byte == b'(' && self.head.starts_with(b"INSERT ") {
            self.insert();
        }
    }

    /// Behind `INSERT INTO `t` (…) VALUES (` or the first parenthesis of a column list.
    fn insert(&mut self) {
        let head = String::from_utf8_lossy(&self.head).into_owned();
        let Some(before) = head.strip_suffix('(').map(str::trim_end) else { return };
        if !before.ends_with("VALUES") {
            return;
        }
        self.table = head.split('`').nth(1).unwrap_or_default().to_owned();
        self.count = 0;
        self.state = State::Rows(1);
    }

    fn row(&mut self, byte: u8, depth: u32) {
        self.state = match byte {
            b'\'' | b'"' | b'`' => State::Text(depth, byte, false),
            b'(' => State::Rows(depth + 1),
            b')' => {
                self.count += u64::from(depth == 1);
                State::Rows(depth.saturating_sub(1))
            }
            b';' if depth == 0 => {
                *self.rows.entry(std::mem::take(&mut self.table)).or_default() += self.count;
                self.head.clear();
                State::Line
            }
            _ => State::Rows(depth),
        };
    }

    /// A line ended.
    fn line(&mut self) {
        if self.kind == UrlKind::Mysql && self.head.starts_with(b"INSERT ") {
            // Newer programs write each row on a line of its own.
            self.keep(b' ');
            return;
        }
        let head = std::mem::take(&mut self.head);
        if self.state == State::Copy {
            if head == b"\\." {
                *self.rows.entry(std::mem::take(&mut self.table)).or_default() += self.count;
                self.state = State::Line;
            } else {
                self.count += 1;
            }
            return;
        }
        if self.kind == UrlKind::Postgresql && head.starts_with(b"COPY ") && head.ends_with(b" FROM stdin;") {
            let text = String::from_utf8_lossy(&head["COPY ".len()..]).into_owned();
            self.table = text.split(" (").next().unwrap_or_default().replace('"', "");
            self.count = 0;
            self.state = State::Copy;
        }
    }

    pub(super) fn rows(self) -> BTreeMap<String, u64> {
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(kind: UrlKind, text: &str) -> Vec<(String, u64)> {
        // Whole, and byte by byte: where the pieces end does not matter.
        let mut whole = Counter::new(kind);
        whole.feed(text.as_bytes());
        let mut pieces = Counter::new(kind);
        text.bytes().for_each(|byte| pieces.feed(&[byte]));
        let rows = whole.rows();
        assert_eq!(rows, pieces.rows());
        rows.into_iter().collect()
    }

    #[test]
    fn lines_of_copy_are_rows() {
        let text = "CREATE TABLE public.t (a text);\n\nCOPY public.t (a, \"b c\") FROM stdin;\n1\tCOPY x FROM stdin;\n\\N\t\n\
                    \\.\n\nCOPY public.\"Empty\" (a) FROM stdin;\n\\.\n";
        let found = rows(UrlKind::Postgresql, text);
        assert_eq!(found, [("public.Empty".to_owned(), 0), ("public.t".to_owned(), 2)]);
    }

    #[test]
    fn parentheses_outside_texts_are_rows() {
        let text = "-- INSERT INTO `no` VALUES (1);\nINSERT INTO `t` VALUES (1,'a),(\\'b'),(2,'it''s;'),(3,_binary '\\\\');\n\
                    INSERT INTO `t` (`a`, `b`) VALUES\n(4,NULL),\n(5,'(');\nINSERT INTO `u` VALUES (json_object('a',1));\n";
        let found = rows(UrlKind::Mysql, text);
        assert_eq!(found, [("t".to_owned(), 5), ("u".to_owned(), 1)]);
    }
}
