//! Counts the rows of a dump while it passes: exactly what is in it, at no cost for the server.

use memchr::{memchr_iter, memchr2};
use std::collections::BTreeMap;
use windlass_plan::UrlKind;

/// Longest head of a statement that is kept while it is looked at, bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Last line of a `COPY`.
const COPY_END: &[u8] = b"\\.";

/// Reads the plain format of `pg_dump` (rows stand as lines between `COPY … FROM stdin;` and `\.`) and the output of
/// `mysqldump` and `mariadb-dump` (`INSERT INTO … VALUES (…),(…);`).
pub(super) struct Counter {
    kind: UrlKind,
    rows: BTreeMap<String, u64>,
    state: State,
    /// In the bodies of triggers and routines, between `DELIMITER ;;` and `DELIMITER ;`: what is inserted there is no row.
    is_body: bool,
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
        Self {
            kind,
            rows: BTreeMap::new(),
            state: State::Line,
            is_body: false,
            head: vec![],
            table: String::new(),
            count: 0,
        }
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = match self.state {
                State::Line => self.text(bytes),
                State::Copy => self.copied(bytes),
                State::Rows(depth) => {
                    self.row(bytes[0], depth);
                    1
                }
                State::Text(depth, quote, true) => {
                    self.state = State::Text(depth, quote, false);
                    1
                }
                State::Text(depth, quote, false) => self.quoted(bytes, depth, quote),
            };
            bytes = &bytes[taken..];
        }
    }

    /// What is no row, up to where the state may change.
    fn text(&mut self, bytes: &[u8]) -> usize {
        match memchr2(b'\n', b'(', bytes) {
            None => {
                self.keep(bytes);
                bytes.len()
            }
            Some(at) if bytes[at] == b'\n' => {
                self.keep(&bytes[..at]);
                self.line();
                at + 1
            }
            Some(at) => {
                self.keep(&bytes[..=at]);
                if self.is_insert() {
                    self.insert();
                }
                at + 1
            }
        }
    }

    /// Lines of a `COPY`: all that lie whole in `bytes`, one look at each for the last one.
    fn copied(&mut self, bytes: &[u8]) -> usize {
        let mut from = 0;
        for end in memchr_iter(b'\n', bytes) {
            let is_last = match self.head.is_empty() {
                true => &bytes[from..end] == COPY_END,
                false => {
                    self.keep(&bytes[from..end]);
                    std::mem::take(&mut self.head) == COPY_END
                }
            };
            from = end + 1;
            if is_last {
                self.counted();
                return from;
            }
            self.count += 1;
        }
        self.keep(&bytes[from..]);
        bytes.len()
    }

    /// The inside of a text, up to its end or to what is behind a backslash.
    fn quoted(&mut self, bytes: &[u8], depth: u32, quote: u8) -> usize {
        // In names a backslash is a letter.
        let backslash = if quote == b'`' { quote } else { b'\\' };
        let Some(at) = memchr2(quote, backslash, bytes) else { return bytes.len() };
        // A doubled quote ends one text and begins the next: the same for counting.
        let ends = bytes[at] == quote;
        self.state = if ends { State::Rows(depth) } else { State::Text(depth, quote, true) };
        at + 1
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = HEAD_BYTES_MAX - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// The rows of a table are at their end.
    fn counted(&mut self) {
        *self.rows.entry(std::mem::take(&mut self.table)).or_default() += self.count;
        self.state = State::Line;
    }

    fn is_insert(&self) -> bool {
        self.kind == UrlKind::Mysql && !self.is_body && self.head.starts_with(b"INSERT ")
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
                self.head.clear();
                return self.counted();
            }
            _ => State::Rows(depth),
        };
    }

    /// A line ended.
    fn line(&mut self) {
        if self.is_insert() {
            // Newer programs write each row on a line of its own.
            self.keep(b" ");
            return;
        }
        let head = std::mem::take(&mut self.head);
        if self.kind == UrlKind::Mysql && head.starts_with(b"DELIMITER ") {
            self.is_body = head != b"DELIMITER ;";
        }
        if self.kind == UrlKind::Postgresql && head.starts_with(b"COPY ") && head.ends_with(b" FROM stdin;") {
            let text = String::from_utf8_lossy(&head["COPY ".len()..]).into_owned();
            self.table = text.split(" (").next().unwrap_or_default().replace('"', "");
            self.count = 0;
            self.state = State::Copy;
        }
    }

    /// Whether the dump is between two statements, not among the rows of one.
    pub(super) fn is_between(&self) -> bool {
        self.state == State::Line
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
                    INSERT INTO `t` (`a`, `b`) VALUES\n(4,NULL),\n(5,'(');\nINSERT INTO `u` VALUES (json_object('a',1));\n\
                    DELIMITER ;;\nCREATE TRIGGER x AFTER INSERT ON `t` FOR EACH ROW BEGIN\n\
                    INSERT INTO `log` VALUES (1, -- it's one\n2);\nEND ;;\nDELIMITER ;\nINSERT INTO `v` VALUES (1);\n";
        let found = rows(UrlKind::Mysql, text);
        assert_eq!(found, [("t".to_owned(), 5), ("u".to_owned(), 1), ("v".to_owned(), 1)]);
    }
}
