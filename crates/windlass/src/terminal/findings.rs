//! Findings: printed with excerpts of the text, and as JSON.

use super::{
    excerpt::{Ink, Quoted, Quoting, excerpt},
    raw,
};
use crate::{
    project::{Compiled, Settings},
    terminal::colour,
};
use serde::Serialize;
use std::borrow::Cow;
use windlass_document::{Confidence, Finding, LineIndex, Severity, Span};

/// Findings printed per file; a person fixes the first ones, `--json` has all.
const PRINTED_MAX: usize = 60;

/// Prints the findings of a document and of its configuration. The worst come as they stand in the file.
pub fn findings(compiled: &Compiled) {
    config_findings(&compiled.settings);
    let text = without_secrets(&compiled.source.text, &compiled.findings);
    print(Quoting::Lines, &compiled.source.shown, &text, compiled.findings.iter());
}

/// The text with stars where a finding says that a password stands, for whichever finding the line is quoted.
fn without_secrets<'t>(text: &'t str, findings: &[Finding]) -> Cow<'t, str> {
    let mut text = Cow::Borrowed(text);
    for finding in findings.iter().filter(|finding| finding.rule == SECRET_RULE) {
        let (start, end) = (finding.span.start, finding.span.end);
        if let Some(secret) = text.get(start..end) {
            // As many bytes, so that all places stay where they are.
            let stars: String = secret.bytes().map(|byte| if byte == b'\n' { '\n' } else { '*' }).collect();
            text.to_mut().replace_range(start..end, &stars);
        }
    }
    text
}

/// The rule that finds passwords in lines.
const SECRET_RULE: &str = "password-in-command";
/// The rule that finds them in statements; its place is the whole statement.
const SECRET_SQL_RULE: &str = "password-in-sql";

/// The rule that finds credentials in checks.
const SECRET_CHECK_RULE: &str = "secret-in-document";

/// Whether the finding says that a password stands in its step.
pub fn tells_of_a_password(finding: &Finding) -> bool {
    [SECRET_RULE, SECRET_SQL_RULE, SECRET_CHECK_RULE].contains(&finding.rule.as_str())
}

/// Prints the findings of a configuration: places and keys, never its text. A line that has a mistake may hold a
/// password, and what is printed stands in the logs of a CI system ever after.
pub fn config_findings(settings: &Settings) {
    for source in &settings.sources {
        let own = settings.findings.iter().filter(|found| found.file == source.name);
        print(Quoting::Nothing, &source.name, &source.text, own.map(|found| &found.finding));
    }
}

/// Prints the first findings, each with an empty line behind it.
fn print<'f>(quoting: Quoting, file: &str, text: &str, mut findings: impl Iterator<Item = &'f Finding>) {
    let Some(first) = findings.next() else { return };
    let lines = LineIndex::new(text);
    let quoted = Quoted { quoting, file, text, lines: &lines };
    let mut out = Ink::new(colour());
    for finding in std::iter::once(first).chain(findings.by_ref().take(PRINTED_MAX - 1)) {
        excerpt(&mut out, &quoted, finding);
        out.line();
    }
    let more = findings.count();
    if more > 0 {
        out.line().plain(&format!("{file}: {more} more findings; `--json` lists all"));
        out.line();
    }
    raw(&out.finish());
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
