//! The runbook as lines, whatever ends them.

/// A line and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Without its end.
    pub(crate) text: String,
    /// Offset of its first byte in the runbook; none for a line that was put in between.
    pub(crate) at: Option<usize>,
}

impl Line {
    /// A line that is not in the runbook.
    pub(crate) fn own(text: impl Into<String>) -> Self {
        Self { text: text.into(), at: None }
    }

    /// The rest of the line from a byte on.
    pub(crate) fn from(&self, byte: usize) -> Self {
        Self {
            text: self.text.get(byte..).unwrap_or_default().to_owned(),
            at: self.at.map(|at| at + byte.min(self.text.len())),
        }
    }
}

/// Cuts a text into lines: LF, CRLF and lone CR end one, and a byte-order mark belongs to none.
pub(crate) fn lines(text: &str) -> Vec<Line> {
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let bytes = text.as_bytes();
    let (mut at, mut found) = (start, Vec::new());
    for end in start..bytes.len() {
        let second_half = bytes[end] == b'\n' && end > start && bytes[end - 1] == b'\r';
        if second_half {
            at = end + 1;
        } else if matches!(bytes[end], b'\n' | b'\r') {
            found.push(Line { text: clean(&text[at..end]), at: Some(at) });
            at = end + 1;
        }
    }
    if at < text.len() {
        found.push(Line { text: clean(&text[at..]), at: Some(at) });
    }
    found
}

/// A NUL byte ends no text, but no tool shows it either; a no-break space looks like a space and is none to a shell.
fn clean(line: &str) -> String {
    line.replace('\0', " ").replace('\u{a0}', "  ")
}

/// Bytes of spaces and tabs at the start.
pub(crate) fn indent(text: &str) -> usize {
    text.len() - text.trim_start_matches([' ', '\t']).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_end_ends_a_line_and_places_are_those_of_the_file() {
        let text = "\u{feff}a\r\nbb\n\rc\r\r\nd";
        let found: Vec<_> = lines(text).into_iter().map(|line| (line.text, line.at.unwrap())).collect();
        let expected = [("a", 3), ("bb", 6), ("", 9), ("c", 10), ("", 12), ("d", 14)];
        assert_eq!(found, expected.map(|(text, at)| (text.to_owned(), at)));
        for line in lines(text) {
            assert!(text[line.at.unwrap()..].starts_with(&line.text));
        }
    }
}
