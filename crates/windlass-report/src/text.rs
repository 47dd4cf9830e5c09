//! Lines of text with semantic marks, measured in columns of a terminal.

use std::fmt;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that text is laid out for.
pub(crate) const COLUMNS: usize = 80;

/// What a piece of text means; the binary turns it into colour where that is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// Nothing special.
    #[default]
    Plain,
    /// Names and headings.
    Strong,
    /// Less important.
    Dim,
    /// Went well.
    Good,
    /// Deserves a look.
    Warn,
    /// Went wrong.
    Bad,
}

/// Lines of marked pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    lines: Vec<Vec<(Mark, String)>>,
}

impl Text {
    /// No lines.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All lines, each a list of pieces.
    #[must_use]
    pub fn lines(&self) -> &[Vec<(Mark, String)>] {
        &self.lines
    }

    /// Begins a line.
    pub fn line(&mut self) -> &mut Self {
        self.lines.push(Vec::new());
        self
    }

    /// Adds to the last line. Control characters are made harmless here, for all text that is ever shown.
    pub fn add(&mut self, mark: Mark, text: impl AsRef<str>) -> &mut Self {
        if self.lines.is_empty() {
            self.line();
        }
        if let Some(line) = self.lines.last_mut() {
            line.push((mark, tame(text.as_ref())));
        }
        self
    }

    /// Adds to the last line without a mark.
    pub fn plain(&mut self, text: impl AsRef<str>) -> &mut Self {
        self.add(Mark::Plain, text)
    }

    /// A paragraph wrapped at the width of the page: the first line begins with `first`, the others are indented as
    /// far. Line ends in `text` are kept.
    pub fn wrapped(&mut self, first: &str, mark: Mark, text: &str) -> &mut Self {
        let indent = width(first);
        let room = COLUMNS.saturating_sub(indent).max(20);
        let mut lead = first.to_owned();
        for paragraph in text.trim_end().split('\n') {
            for line in wrap(&tame(paragraph), room) {
                self.line().plain(&lead).add(mark, line);
                lead = " ".repeat(indent);
            }
        }
        self
    }

    /// A `label   text` pair with the text wrapped behind a label column of `column` columns.
    pub fn field(&mut self, label: &str, column: usize, mark: Mark, text: &str) -> &mut Self {
        self.wrapped(&pad(label, column), mark, text)
    }

    /// All lines of `other` behind these.
    pub fn append(&mut self, other: Self) -> &mut Self {
        self.lines.extend(other.lines);
        self
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for line in &self.lines {
            text.clear();
            line.iter().for_each(|(_, piece)| text.push_str(piece));
            f.write_str(text.trim_end())?;
            f.write_str("\n")?;
        }
        Ok(())
    }
}

/// Columns that `text` takes.
#[must_use]
pub fn width(text: &str) -> usize {
    if is_plain(text) { text.len() } else { text.width() }
}

/// Printable ASCII alone, which most text is: a column for each byte, and nothing to tame.
fn is_plain(text: &str) -> bool {
    text.bytes().fold(true, |plain, byte| plain & (b' '..=b'~').contains(&byte))
}

/// `text` filled up with spaces to `columns`; longer text stays as it is.
#[must_use]
pub fn pad(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(missing))
}

/// The first line of `text`, cut to `columns` with `…` where something is left out.
#[must_use]
pub fn shorten(text: &str, columns: usize) -> String {
    let tamed = tame(text.trim_end());
    let (first, more) = tamed.split_once('\n').map_or((tamed.as_str(), false), |(first, _)| (first, true));
    if !more && width(first) <= columns {
        return first.to_owned();
    }
    let mut cut = String::new();
    let mut used = 0;
    for c in first.chars() {
        let next = used + c.width().unwrap_or(0);
        if next + 1 > columns {
            break;
        }
        used = next;
        cut.push(c);
    }
    cut.push('…');
    cut
}

/// `text` without what could steer a terminal or hide its order: control characters and bidirectional overrides
/// become `�`, tabs become spaces. Line ends stay.
#[must_use]
pub fn tame(text: &str) -> String {
    let steers = |c: char| {
        (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if is_plain(text) || !text.contains(steers) {
        return text.to_owned();
    }
    let mut tamed = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        match c {
            '\t' => tamed.push_str("    "),
            c if steers(c) => tamed.push('\u{fffd}'),
            c => tamed.push(c),
        }
    }
    tamed
}

/// Breaks `text` into lines of at most `room` columns: at spaces, between wide characters, and anywhere in a word
/// that is longer than a line.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let plain = is_plain(text);
    let mut lines = Vec::new();
    let mut rest = text;
    loop {
        let end = if plain { (rest.len() > room).then_some(room.max(1)) } else { overflow(rest, room) };
        let Some(end) = end else {
            lines.push(rest.to_owned());
            return lines;
        };
        let fits = &rest[..end];
        let at = if plain { fits.rfind(' ').map(|space| space + 1) } else { break_before(fits) };
        let at = at.unwrap_or(end);
        lines.push(rest[..at].trim_end().to_owned());
        rest = rest[at..].trim_start();
    }
}

/// Offset of the first character that does not fit, or `None` if all do.
fn overflow(text: &str, room: usize) -> Option<usize> {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > room && at > 0 {
            return Some(at);
        }
    }
    None
}

/// The last good place to break the text that fits.
fn break_before(text: &str) -> Option<usize> {
    let wide = |c: char| c.width() == Some(2);
    let mut last = None;
    let mut before = None;
    for (at, c) in text.char_indices() {
        if at > 0 && (before == Some(' ') || before.is_some_and(wide) || wide(c)) {
            last = Some(at);
        }
        before = Some(c);
    }
    // The break may also stand right at the end of what fits.
    if before.is_some_and(|c| wide(c) || c == ' ') { Some(text.len()) } else { last }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(width("数据库"), 6);
        assert_eq!(pad("停机", 6), "停机  ");
        assert_eq!(shorten("数据库备份", 6), "数据…");
        assert_eq!(shorten("backup", 6), "backup");
        assert_eq!(shorten("one\ntwo", 20), "one…");
    }

    #[test]
    fn lines_break_at_spaces_and_between_wide_characters() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("数据库备份完成", 6), ["数据库", "备份完", "成"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("ab 数据库", 5), ["ab 数", "据库"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn wrapping_loses_nothing_but_spaces_and_never_overflows() {
        let text = "ALTER TABLE `record` 增加列 s3_key，旧数据回填 VARCHAR(50) 列を追加する。";
        for room in 2..60 {
            let lines = wrap(text, room);
            assert!(lines.iter().all(|line| width(line) <= room), "{room}: {lines:?}");
            let squeeze = |s: &str| s.replace(' ', "");
            assert_eq!(squeeze(&lines.concat()), squeeze(text), "{room}");
        }
    }

    #[test]
    fn nothing_steers_the_terminal() {
        let mut text = Text::new();
        text.plain("a\u{1b}[31mred\u{7}\u{202e}x\tb");
        assert_eq!(text.to_string(), "a\u{fffd}[31mred\u{fffd}\u{fffd}x    b\n");
    }

    #[test]
    fn a_field_is_indented_behind_its_label() {
        let mut text = Text::new();
        text.field("What", 8, Mark::Bad, &"word ".repeat(20));
        let shown = text.to_string();
        assert!(shown.lines().skip(1).all(|line| line.starts_with("        word")), "{shown}");
        assert!(shown.lines().all(|line| width(line) <= COLUMNS));
    }
}
