//! One finding with an excerpt of the text: carets under the place, what is wrong, why, and ready changes. Laid out for
//! 80 columns; wide characters take two.

use super::code;
use std::borrow::Cow;
use windlass_document::{Finding, Fix, LineIndex, Severity, Span};
use windlass_report::{Mark, Text, tame, width};

/// Columns that are laid out for.
const COLUMNS: usize = 80;
/// Longest line that is quoted, bytes: a minified file would fill the screen.
const QUOTED_MAX: usize = 400;
/// Lines quoted of one change.
const LINES_MAX: usize = 30;
/// A label stands below its carets when less than this is left beside them.
const LABEL_MIN: usize = 24;

/// What is shown of the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quoting {
    /// The lines of the finding.
    Lines,
    /// Nothing: it may hold secrets.
    Nothing,
}

/// The text that is quoted from.
pub struct Quoted<'a> {
    pub quoting: Quoting,
    pub file: &'a str,
    pub text: &'a str,
    pub lines: &'a LineIndex,
}

/// What is written for a terminal or a file, line after line.
pub struct Ink {
    text: String,
    colour: bool,
}

impl Ink {
    pub fn new(colour: bool) -> Self {
        Self { text: String::new(), colour }
    }

    /// Begins a line.
    pub fn line(&mut self) -> &mut Self {
        if !self.text.is_empty() {
            self.end();
        }
        self
    }

    fn end(&mut self) {
        self.text.truncate(self.text.trim_end_matches(' ').len());
        self.text.push('\n');
    }

    /// Adds to the line. Nothing in it can steer the terminal.
    pub fn add(&mut self, mark: Mark, text: &str) -> &mut Self {
        let code = code(mark).filter(|_| self.colour && !text.is_empty());
        if let Some(code) = code {
            self.text.extend(["\u{1b}[", code, "m"]);
        }
        match is_plain(text) {
            true => self.text.push_str(text),
            false => self.text.push_str(&tame(text)),
        }
        if code.is_some() {
            self.text.push_str("\u{1b}[0m");
        }
        self
    }

    pub fn plain(&mut self, text: &str) -> &mut Self {
        self.add(Mark::Plain, text)
    }

    /// Everything; nothing, if no line was begun.
    pub fn finish(mut self) -> String {
        self.line();
        self.text
    }
}

/// Printable ASCII alone.
fn is_plain(text: &str) -> bool {
    text.bytes().fold(true, |plain, byte| plain & (b' '..=b'~').contains(&byte))
}

/// The margin with the numbers of lines, and its width.
struct Margin {
    digits: usize,
    /// As wide as a number.
    blank: String,
    /// Of a line without a number.
    bar: String,
}

impl Margin {
    fn new(line_max: usize) -> Self {
        let digits = line_max.checked_ilog10().map_or(1, |log| log as usize + 1);
        let blank = " ".repeat(digits);
        Self { digits, bar: format!("{blank} | "), blank }
    }

    /// Columns beside it.
    fn room(&self) -> usize {
        COLUMNS - self.digits - 3
    }

    /// A line without text.
    fn empty(&self, out: &mut Ink) {
        out.line().add(Mark::Dim, &self.bar);
    }

    fn numbered(&self, out: &mut Ink, line: usize, text: &str) {
        out.line().add(Mark::Dim, &format!("{line:>digits$} | ", digits = self.digits)).plain(text);
    }
}

/// A place to point at.
struct Pointer<'a> {
    line: usize,
    span: Span,
    caret: char,
    mark: Mark,
    label: &'a str,
}

impl<'a> Quoted<'a> {
    /// Lines `first` to `last` with their line ends, or nothing when they must not be quoted or are too long for it.
    fn window(&self, first: usize, last: usize) -> Option<(&'a str, usize)> {
        if self.quoting == Quoting::Nothing || last - first >= LINES_MAX {
            return None;
        }
        let start = self.lines.line_span(self.text, first).start;
        let end = self.lines.line_span(self.text, last).end;
        let text = self.text.get(start..end)?;
        text.lines().all(|line| line.len() <= QUOTED_MAX).then_some((text, start))
    }

    fn line_of(&self, byte: usize) -> usize {
        self.lines.line(byte.min(self.text.len()))
    }

    fn place(&self, span: Span) -> String {
        let position = self.lines.position(self.text, span.start);
        format!("{}:{}:{}", self.file, position.line, position.column)
    }

    /// The first line of a span: the rest of a block says nothing.
    fn pointer<'l>(&self, span: Span, caret: char, mark: Mark, label: &'l str) -> Pointer<'l> {
        let line = self.line_of(span.start);
        let end = span.end.min(self.lines.line_span(self.text, line).end).max(span.start);
        Pointer { line, span: Span::new(span.start, end), caret, mark, label }
    }
}

/// Adds a finding to `out`.
pub fn excerpt(out: &mut Ink, quoted: &Quoted<'_>, finding: &Finding) {
    let (word, mark) = match finding.severity {
        Severity::Error => ("error", Mark::Bad),
        Severity::Warning => ("warning", Mark::Warn),
        Severity::Note => ("note", Mark::Strong),
    };
    let mut pointers = vec![quoted.pointer(finding.span, '^', mark, &finding.label)];
    let notes = finding.notes.iter();
    pointers.extend(notes.map(|note| quoted.pointer(note.span, '-', Mark::Dim, &note.text)));
    let fits = |pointer: &Pointer<'_>| quoted.window(pointer.line, pointer.line).is_some();
    let (mut pointers, unquoted): (Vec<_>, Vec<_>) = pointers.into_iter().partition(fits);
    pointers.sort_by_key(|pointer| pointer.line);
    let margin = Margin::new(pointers.iter().map(|pointer| pointer.line).max().unwrap_or(0));

    lead(out, mark, &[word, "[", &finding.rule, "]: "].concat(), Mark::Strong, &finding.message);
    out.line().add(Mark::Dim, &margin.blank).add(Mark::Dim, "--> ").plain(&quoted.place(finding.span));
    source(out, quoted, &pointers, &margin);
    let also =
        unquoted.iter().filter(|pointer| !pointer.label.is_empty()).map(|pointer| match pointer.caret {
            '^' => ("note", Cow::Borrowed(pointer.label)),
            _ => ("note", format!("{} ({})", pointer.label, quoted.place(pointer.span)).into()),
        });
    let words = [("note", &finding.why), ("help", &finding.help)];
    let words = words.into_iter().filter(|(_, text)| !text.is_empty());
    for (n, (kind, text)) in also.chain(words.map(|(kind, text)| (kind, text.into()))).enumerate() {
        if n == 0 && !pointers.is_empty() {
            margin.empty(out);
        }
        lead(out, Mark::Dim, &[&margin.blank, " = ", kind, ": "].concat(), Mark::Plain, &text);
    }
    for fix in &finding.fixes {
        change(out, quoted, fix, &margin);
    }
}

/// Words behind a lead, wrapped.
fn lead(out: &mut Ink, lead_mark: Mark, lead: &str, mark: Mark, words: &str) {
    if width(lead) + width(words) <= COLUMNS && !words.contains('\n') {
        out.line().add(lead_mark, lead).add(mark, words);
        return;
    }
    let mut laid = Text::new();
    laid.wrapped(lead, mark, words);
    for (line, pieces) in laid.lines().iter().enumerate() {
        out.line();
        for (piece, (mark, text)) in pieces.iter().enumerate() {
            out.add(if (line, piece) == (0, 0) { lead_mark } else { *mark }, text);
        }
    }
}

/// The lines that are pointed at, in the order of the file.
fn source(out: &mut Ink, quoted: &Quoted<'_>, pointers: &[Pointer<'_>], margin: &Margin) {
    let mut before: Option<usize> = None;
    for pointer in pointers {
        let Some((text, start)) = quoted.window(pointer.line, pointer.line) else { continue };
        let line = text.trim_end_matches(['\n', '\r']);
        let at = |byte: usize| line.floor_char_boundary(byte.saturating_sub(start));
        let shown = Cut::new(line, at(pointer.span.start), at(pointer.span.end), margin.room());
        match before {
            None => margin.empty(out),
            Some(before) if before + 1 < pointer.line => {
                out.line().add(Mark::Dim, "...");
            }
            Some(_) => {}
        }
        // Of two places on one line the second stands below the first, unless the line had to be cut elsewhere.
        if before != Some(pointer.line) || shown.cut {
            margin.numbered(out, pointer.line, &shown.text);
        }
        before = Some(pointer.line);
        carets(out, pointer, &shown, margin);
    }
}

fn carets(out: &mut Ink, pointer: &Pointer<'_>, shown: &Cut, margin: &Margin) {
    let indent = " ".repeat(shown.indent);
    let carets = pointer.caret.to_string().repeat(shown.columns.max(1));
    out.line().add(Mark::Dim, &margin.bar).plain(&indent).add(pointer.mark, &carets);
    if pointer.label.is_empty() {
        return;
    }
    if shown.indent + carets.len() + 1 + width(pointer.label) <= margin.room() {
        out.plain(" ").add(pointer.mark, pointer.label);
        return;
    }
    let indent = shown.indent.min(margin.room().saturating_sub(LABEL_MIN));
    lead(out, Mark::Dim, &[&margin.bar, " ".repeat(indent).as_str()].concat(), pointer.mark, pointer.label);
}

/// A line of the text as it is shown, and where the place is in it.
struct Cut {
    text: String,
    /// Columns before the place.
    indent: usize,
    /// Columns of the place.
    columns: usize,
    /// Something is left out.
    cut: bool,
}

impl Cut {
    /// At most `room` columns of `line`, those around the bytes `start..end`.
    fn new(line: &str, start: usize, end: usize, room: usize) -> Self {
        let (before, place, after) = (tame(&line[..start]), tame(&line[start..end]), tame(&line[end..]));
        let (indent, columns) = (width(&before), width(&place));
        if indent + columns + width(&after) <= room {
            return Self { text: format!("{before}{place}{after}"), indent, columns, cut: false };
        }
        // The start of the line says most, so it is kept as long as the place can be seen.
        let left = if indent + columns.min(room / 2) < room { 0 } else { indent.saturating_sub(room / 4) };
        let mut text = String::from(if left > 0 { "…" } else { "" });
        let mut skipped = 0;
        let rest = format!("{before}{place}{after}");
        let mut rest = rest.chars().peekable();
        while let Some(c) = rest.next_if(|_| skipped < left) {
            skipped += width(c.encode_utf8(&mut [0; 4]));
        }
        let mut used = width(&text);
        let indent = (indent + used).saturating_sub(skipped);
        while let Some(c) = rest.peek() {
            let next = used + width(c.encode_utf8(&mut [0; 4]));
            if next >= room {
                text.push('…');
                break;
            }
            used = next;
            text.extend(rest.next());
        }
        Self { text, indent, columns: columns.min(room.saturating_sub(indent)), cut: true }
    }
}

/// A ready change: the lines as they would be.
fn change(out: &mut Ink, quoted: &Quoted<'_>, fix: &Fix, margin: &Margin) {
    let (first, last) = (quoted.line_of(fix.span.start), quoted.line_of(fix.span.end));
    let window = quoted.window(first, last);
    if window.is_none() && quoted.quoting == Quoting::Lines {
        return;
    }
    lead(out, Mark::Good, "help: ", Mark::Plain, &fix.text);
    let Some((old, start)) = window else { return };
    let at = |byte: usize| old.floor_char_boundary(byte.saturating_sub(start));
    let (from, to) = (at(fix.span.start), at(fix.span.end));
    let new = format!("{}{}{}", &old[..from], fix.replacement, &old[to..]);
    margin.empty(out);
    if from == to && !fix.replacement.contains('\n') && first == last {
        let line = new.trim_end_matches(['\n', '\r']);
        let end = (from + fix.replacement.len()).min(line.len());
        let shown = Cut::new(line, from.min(end), end, margin.room());
        margin.numbered(out, first, &shown.text);
        let (indent, plus) = (" ".repeat(shown.indent), "+".repeat(shown.columns.max(1)));
        out.line().add(Mark::Dim, &margin.bar).plain(&indent).add(Mark::Good, &plus);
        return;
    }
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tail = old[same..].iter().rev().zip(new[same..].iter().rev()).take_while(|(a, b)| a == b).count();
    for (lines, sign, mark) in [(&old, '-', Mark::Bad), (&new, '+', Mark::Good)] {
        for (n, line) in lines[same..lines.len() - tail].iter().enumerate() {
            let number = first + same + n;
            let text = Cut::new(line, 0, 0, margin.room()).text;
            out.line().add(mark, &format!("{number:>digits$} {sign} {text}", digits = margin.digits));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(quoting: Quoting, file: &str, text: &str, finding: &Finding) -> String {
        let mut out = Ink::new(false);
        excerpt(&mut out, &Quoted { quoting, file, text, lines: &LineIndex::new(text) }, finding);
        out.finish()
    }

    fn rendered(text: &str, finding: &Finding) -> String {
        shown(Quoting::Lines, "发布.md", text, finding)
    }

    #[test]
    fn of_a_configuration_places_and_keys_are_shown_and_never_its_text() {
        let text = "[target.db]\npassword = \"hunter2\"\n";
        let start = text.find("password").unwrap();
        let finding = Finding::error("config-unknown-key", Span::new(start, start + 8), "no key `password`")
            .label("did you mean `url`?")
            .also(Span::new(start, start + 20), "it is here, too")
            .fix(Span::new(start, start + 8), "url", "write `url`", false);
        assert_eq!(
            shown(Quoting::Nothing, "windlass.toml", text, &finding),
            "error[config-unknown-key]: no key `password`\n --> windlass.toml:2:1\n  = note: did you mean `url`?\n  \
             = note: it is here, too (windlass.toml:2:1)\nhelp: write `url`\n"
        );
    }

    #[test]
    fn places_stand_in_the_order_of_the_file_with_words_wrapped_behind_them() {
        let text = "one\n```sh\nthree\nfour\nfive\n";
        let at = |word: &str| Span::new(text.find(word).unwrap(), text.find(word).unwrap() + word.len());
        let finding = Finding::error("a-rule", at("```sh"), "the message")
            .label("here")
            .also(at("five"), "and there")
            .also(at("one"), "before")
            .why("a reason that is longer than the page is wide goes on in the next line, below its first word")
            .help("do that")
            .fix(at("three"), "3\n3b", "write it otherwise", false)
            .fix(Span::new(9, 9), " {}", "add braces", true);
        assert_eq!(
            rendered(text, &finding),
            "\
error[a-rule]: the message
 --> 发布.md:2:1
  |
1 | one
  | --- before
2 | ```sh
  | ^^^^^ here
...
5 | five
  | ---- and there
  |
  = note: a reason that is longer than the page is wide goes on in the next
          line, below its first word
  = help: do that
help: write it otherwise
  |
3 - three
3 + 3
4 + 3b
help: add braces
  |
2 | ```sh {}
  |      +++
"
        );
    }

    #[test]
    fn long_lines_are_cut_around_the_place_and_long_labels_stand_below() {
        let text = format!("{}HERE{}\n", "数据 ".repeat(40), " 备份".repeat(14));
        let start = text.find("HERE").unwrap();
        let label = "words beside the place that do not fit into what is left of the line";
        let finding = Finding::error("r", Span::new(start, start + 4), "m").label(label);
        let out = rendered(&text, &finding);
        let lines: Vec<_> = out.lines().collect();
        let (source, carets) = (lines[3], lines[4]);
        assert!(source.starts_with("1 | …") && source.ends_with('…'), "{out}");
        assert_eq!(
            width(source.split("HERE").next().unwrap()),
            width(carets.split('^').next().unwrap()),
            "{out}"
        );
        assert!(carets.ends_with("^^^^"), "{out}");
        assert!(lines.iter().all(|line| width(line) <= COLUMNS), "{out}");
        assert!(
            out.split_whitespace().collect::<Vec<_>>().join(" ").replace(" | ", " ").contains(label),
            "{out}"
        );
    }

    /// Whatever the line and the place: nothing is wider than the page, and the place can be seen.
    #[test]
    fn every_place_of_a_long_line_can_be_seen() {
        let line = "a数\tb据c é 备".repeat(12);
        for (start, c) in line.char_indices().filter(|(_, c)| *c != '\t') {
            for room in [20, 60, 77] {
                let cut = Cut::new(&line, start, start + c.len_utf8(), room);
                assert!(width(&cut.text) <= room, "{room} {start}: {}", cut.text);
                let mut used = 0;
                let under = cut.text.chars().find(|c| {
                    used += width(c.encode_utf8(&mut [0; 4]));
                    used > cut.indent
                });
                assert_eq!(under, Some(c), "{room} {start}: {}", cut.text);
            }
        }
    }

    #[test]
    fn carets_stand_under_wide_characters() {
        let text = "第一行\n数据库 `record` 备份\n";
        let start = text.find("`record`").unwrap();
        let out = rendered(
            text,
            &Finding::error("some-rule", Span::new(start, start + 8), "表不存在").label("这里"),
        );
        let lines: Vec<_> = out.lines().collect();
        let source = lines.iter().position(|line| line.contains("`record`")).unwrap();
        let before = |line: &str, what: char| width(&line[..line.find(what).unwrap()]);
        assert_eq!(before(lines[source], '`'), before(lines[source + 1], '^'), "{out}");
        assert!(out.contains("error[some-rule]: 表不存在") && out.contains("--> 发布.md:2:5"), "{out}");
    }

    #[test]
    fn fixes_are_shown_as_patches_and_other_places_with_their_words() {
        let text = "```sh\nls\n```\n";
        let finding = Finding::error("no-braces", Span::new(0, 5), "needs braces")
            .also(Span::new(6, 8), "this would run")
            .fix(Span::new(5, 5), " {prose}", "keep it as an example", true);
        let out = rendered(text, &finding);
        assert!(out.contains("this would run") && out.contains("keep it as an example"), "{out}");
        assert!(out.contains("```sh {prose}"), "{out}");
    }

    #[test]
    fn very_long_lines_and_spans_beyond_the_end_are_no_trouble() {
        let text = "x".repeat(100_000);
        let out = rendered(&text, &Finding::error("r", Span::new(50_000, 50_001), "m"));
        assert!(out.contains("发布.md:1:50001") && out.len() < 500, "{out}");
        rendered("", &Finding::error("r", Span::new(10, 20), "m"));
        rendered("表", &Finding::error("r", Span::new(1, 2), "m"));
        rendered("a\r\nb", &Finding::error("r", Span::new(1, 4), "m").fix(Span::new(0, 4), "", "f", false));
    }

    #[test]
    fn text_of_the_document_cannot_steer_the_terminal() {
        let out =
            rendered("a\n", &Finding::error("r", Span::new(0, 1), "x\u{1b}[2Jy").label("\u{1b}]0;t\u{7}"));
        assert!(!out.contains('\u{1b}'), "{out:?}");
    }
}
