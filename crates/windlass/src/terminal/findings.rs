//! Findings as source excerpts with carets.

use super::{colour, raw};
use crate::project::{Compiled, Settings};
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Patch, Renderer, Snippet};
use serde::Serialize;
use std::fmt::Write as _;
use windlass_document::{Confidence, Finding, Fix, LineIndex, Severity, Span};
use windlass_report::tame;

/// Findings printed per file; a person fixes the first ones, `--json` has all.
const PRINTED_MAX: usize = 60;
/// Longest line that is quoted, bytes: a minified file would fill the screen.
const QUOTED_MAX: usize = 400;
/// Lines quoted between the first and the last place of a finding.
const LINES_MAX: usize = 30;

/// Prints the findings of a document and of its configuration. The worst come as they stand in the file.
pub fn findings(compiled: &Compiled) {
    config_findings(&compiled.settings);
    let renderer = renderer();
    let mut out = String::new();
    let text = String::from_utf8_lossy(&compiled.source.bytes);
    let own: Vec<_> = compiled.findings.iter().collect();
    render(&mut out, &renderer, Quoting::Lines, &compiled.source.shown, &text, &own);
    raw(&out);
}

/// Prints the findings of a configuration: places and keys, never its text. A line that has a mistake may hold a
/// password, and what is printed stands in the logs of a CI system ever after.
pub fn config_findings(settings: &Settings) {
    let mut out = String::new();
    for source in &settings.sources {
        let own = settings.findings.iter().filter(|found| found.file == source.name);
        let own: Vec<_> = own.map(|found| &found.finding).collect();
        render(&mut out, &renderer(), Quoting::Nothing, &source.name, &source.text, &own);
    }
    raw(&out);
}

fn renderer() -> Renderer {
    if colour() { Renderer::styled() } else { Renderer::plain() }
}

/// What is shown of the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quoting {
    /// The lines of the finding.
    Lines,
    /// Nothing: it may hold secrets.
    Nothing,
}

fn render(
    out: &mut String,
    renderer: &Renderer,
    quoting: Quoting,
    file: &str,
    text: &str,
    findings: &[&Finding],
) {
    let lines = LineIndex::new(text);
    for finding in findings.iter().take(PRINTED_MAX) {
        one(out, renderer, &Quoted { quoting, file, text, lines: &lines }, finding);
        out.push('\n');
    }
    if let Some(more) = findings.len().checked_sub(PRINTED_MAX).filter(|more| *more > 0) {
        let _ = writeln!(out, "{file}: {more} more findings; `--json` lists all\n");
    }
}

/// The text that is quoted from.
struct Quoted<'a> {
    quoting: Quoting,
    file: &'a str,
    text: &'a str,
    lines: &'a LineIndex,
}

/// A piece of the text: whole lines, so that rendering costs the size of the piece and not of the file.
struct Window<'a> {
    text: &'a str,
    start: usize,
    line: usize,
}

impl<'a> Quoted<'a> {
    /// The lines from `first` to `last`, or nothing when they must not be quoted or are too long for it.
    fn window(&self, first: usize, last: usize) -> Option<Window<'a>> {
        if self.quoting == Quoting::Nothing {
            return None;
        }
        let start = self.lines.line_span(self.text, first).start;
        let end = self.lines.line_span(self.text, last).end;
        let text = self.text.get(start..end)?;
        let fits = last - first < LINES_MAX && text.lines().all(|line| line.len() <= QUOTED_MAX);
        fits.then_some(Window { text, start, line: first })
    }

    fn line_of(&self, byte: usize) -> usize {
        self.lines.line(byte.min(self.text.len()))
    }

    fn place(&self, span: Span) -> String {
        let position = self.lines.position(self.text, span.start);
        format!("{}:{}:{}", self.file, position.line, position.column)
    }

    fn origin(&self, span: Span) -> Origin<'a> {
        let position = self.lines.position(self.text, span.start);
        Origin::path(self.file).line(position.line).char_column(position.column)
    }
}

impl Window<'_> {
    /// A span of the file as a range of this piece, at whole characters.
    fn range(&self, span: Span) -> std::ops::Range<usize> {
        let at =
            |byte: usize| self.text.floor_char_boundary(byte.saturating_sub(self.start).min(self.text.len()));
        at(span.start)..at(span.end).max(at(span.start))
    }
}

fn one(out: &mut String, renderer: &Renderer, quoted: &Quoted<'_>, finding: &Finding) {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let message = tame(&finding.message);
    // The caret of a block stands at its first line; the rest of it says nothing.
    let first = quoted.line_of(finding.span.start);
    let end = finding.span.end.min(quoted.lines.line_span(quoted.text, first).end).max(finding.span.start);
    let primary = Span::new(finding.span.start, end);
    let title = level.primary_title(message).id(&finding.rule);
    let mut groups = Vec::new();
    let label = tame(&finding.label);
    let mut group = match quoted.window(first, first) {
        Some(window) => {
            let annotation = AnnotationKind::Primary.span(window.range(primary)).label(label);
            let snippet = Snippet::source(window.text).path(quoted.file).line_start(window.line);
            title.element(snippet.annotation(annotation))
        }
        None => {
            let group = title.element(quoted.origin(primary));
            if label.is_empty() { group } else { group.element(Level::NOTE.message(label)) }
        }
    };
    for note in &finding.notes {
        group = also(group, quoted, note);
    }
    for (level, text) in [(Level::NOTE, &finding.why), (Level::HELP, &finding.help)] {
        if !text.is_empty() {
            group = group.element(level.message(tame(text)));
        }
    }
    groups.push(group);
    groups.extend(finding.fixes.iter().filter_map(|fix| patch(quoted, fix)));
    out.push_str(&renderer.render(&groups));
    out.push('\n');
}

fn also<'a>(group: Group<'a>, quoted: &Quoted<'a>, note: &windlass_document::Note) -> Group<'a> {
    let line = quoted.line_of(note.span.start);
    let text = tame(&note.text);
    match quoted.window(line, line) {
        Some(window) => {
            let annotation = AnnotationKind::Context.span(window.range(note.span)).label(text);
            group.element(
                Snippet::source(window.text).path(quoted.file).line_start(window.line).annotation(annotation),
            )
        }
        None => group.element(Level::NOTE.message(format!("{text} ({})", quoted.place(note.span)))),
    }
}

fn patch<'a>(quoted: &Quoted<'a>, fix: &'a Fix) -> Option<Group<'a>> {
    let (first, last) = (quoted.line_of(fix.span.start), quoted.line_of(fix.span.end));
    let Some(window) = quoted.window(first, last) else {
        let title = Level::HELP.secondary_title(tame(&fix.text));
        return (quoted.quoting == Quoting::Nothing).then(|| Group::with_title(title));
    };
    let patch = Patch::new(window.range(fix.span), tame(&fix.replacement));
    let snippet = Snippet::source(window.text).path(quoted.file).line_start(window.line).patch(patch);
    Some(Level::HELP.secondary_title(tame(&fix.text)).element(snippet))
}

/// A finding as `check --json` prints it. Lines and columns count from 1 (columns in characters), bytes from 0.
#[derive(Debug, Serialize)]
pub struct FindingJson {
    /// File it is about.
    pub file: String,
    /// Rule name.
    pub rule: String,
    /// `note`, `warning` or `error`.
    pub severity: Severity,
    /// `low`, `medium` or `high`.
    pub confidence: Confidence,
    /// What is wrong.
    pub message: String,
    /// Where.
    #[serde(flatten)]
    pub place: PlaceJson,
    /// Text beside the caret.
    pub label: String,
    /// Why it matters.
    pub why: String,
    /// What to do.
    pub help: String,
    /// Other places.
    pub notes: Vec<NoteJson>,
    /// Ready changes, best first.
    pub fixes: Vec<FixJson>,
}

/// A place.
#[derive(Debug, Serialize)]
pub struct PlaceJson {
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    start_byte: usize,
    end_byte: usize,
}

/// Another place.
#[derive(Debug, Serialize)]
pub struct NoteJson {
    #[serde(flatten)]
    place: PlaceJson,
    text: String,
}

/// A change.
#[derive(Debug, Serialize)]
pub struct FixJson {
    #[serde(flatten)]
    place: PlaceJson,
    text: String,
    replacement: String,
    safe: bool,
}

/// A finding of `file`, whose text is `text`.
pub fn finding_json(file: &str, text: &str, lines: &LineIndex, finding: &Finding) -> FindingJson {
    let place = |span: Span| {
        let (start, end) = (lines.position(text, span.start), lines.position(text, span.end));
        PlaceJson {
            line: start.line,
            column: start.column,
            end_line: end.line,
            end_column: end.column,
            start_byte: span.start,
            end_byte: span.end,
        }
    };
    FindingJson {
        file: file.to_owned(),
        rule: finding.rule.clone(),
        severity: finding.severity,
        confidence: finding.confidence,
        message: finding.message.clone(),
        place: place(finding.span),
        label: finding.label.clone(),
        why: finding.why.clone(),
        help: finding.help.clone(),
        notes: finding
            .notes
            .iter()
            .map(|note| NoteJson { place: place(note.span), text: note.text.clone() })
            .collect(),
        fixes: finding
            .fixes
            .iter()
            .map(|fix| FixJson {
                place: place(fix.span),
                text: fix.text.clone(),
                replacement: fix.replacement.clone(),
                safe: fix.safe,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str, finding: &Finding) -> String {
        let mut out = String::new();
        render(&mut out, &Renderer::plain(), Quoting::Lines, "发布.md", text, &[finding]);
        out
    }

    #[test]
    fn of_a_configuration_places_and_keys_are_shown_and_never_its_text() {
        let text = "[target.db]\npassword = \"hunter2\"\n";
        let start = text.find("password").unwrap();
        let finding = Finding::error("config-unknown-key", Span::new(start, start + 8), "no key `password`")
            .label("did you mean `url`?")
            .also(Span::new(start, start + 20), "it is here, too")
            .fix(Span::new(start, start + 8), "url", "write `url`", false);
        let mut out = String::new();
        render(&mut out, &Renderer::plain(), Quoting::Nothing, "windlass.toml", text, &[&finding]);
        for words in
            ["--> windlass.toml:2:1", "`password`", "did you mean", "windlass.toml:2:1)", "write `url`"]
        {
            assert!(out.contains(words), "no {words:?} in:\n{out}");
        }
        assert!(!out.contains("hunter2"), "{out}");
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
        let before = |line: &str, what: char| windlass_report::width(&line[..line.find(what).unwrap()]);
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
