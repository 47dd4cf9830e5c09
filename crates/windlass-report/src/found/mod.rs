//! Findings in the forms of CI systems: annotations of GitHub, the Code Quality report of GitLab, SARIF.
//!
//! None of them quotes the text of a file: a line with a mistake may hold a password, and what a CI system is given
//! stands in its logs ever after.

mod github;
mod gitlab;
mod sarif;

pub use github::github_annotations;
pub use gitlab::{CodeQualityIssue, code_quality};
pub use sarif::sarif;

use crate::text::tame;
use std::collections::HashMap;
use windlass_document::{Finding, LineIndex, Span};
use windlass_plan::Digest;

/// The findings of a file.
#[derive(Clone, Debug)]
pub struct FoundIn<'a> {
    /// Its path from the root of the repository, with `/` between folders.
    pub path: String,
    /// Its text; empty if it could not be read.
    pub text: &'a str,
    /// What was found in it, in order of place.
    pub findings: Vec<Finding>,
}

/// One finding with where it is.
struct Found<'a> {
    path: &'a str,
    finding: &'a Finding,
    region: Region,
    /// The same as long as the same is wrong, wherever in the file it stands.
    fingerprint: String,
}

/// Lines and columns from 1; columns are counted in UTF-16 code units, and the end is the first place behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Region {
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

/// All findings of all files, in order.
fn all<'a>(files: &'a [FoundIn<'_>]) -> Vec<Found<'a>> {
    let mut seen = HashMap::new();
    let mut found = Vec::new();
    for file in files {
        let lines = LineIndex::new(file.text);
        for finding in &file.findings {
            let same = same(&file.path, finding);
            let number: &mut usize = seen.entry(same.clone()).or_default();
            *number += 1;
            found.push(Found {
                path: &file.path,
                finding,
                region: region(file.text, &lines, finding.span),
                fingerprint: Digest::of(format!("{same}\0{number}").as_bytes()).0,
            });
        }
    }
    found
}

/// What two findings that are the same have in common. Numbers in the words are left out: they are lines, or counts that
/// change with the database; so is the line itself, which a hash of a password that stands in it would give away.
fn same(path: &str, finding: &Finding) -> String {
    let words: String = finding.message.chars().filter(|c| !c.is_ascii_digit()).collect();
    format!("{path}\0{}\0{words}", finding.rule)
}

fn region(text: &str, lines: &LineIndex, span: Span) -> Region {
    let (line, column) = place(text, lines, span.start);
    let (end_line, end_column) = place(text, lines, span.end);
    Region { line, column, end_line, end_column }
}

fn place(text: &str, lines: &LineIndex, byte: usize) -> (usize, usize) {
    let position = lines.position(text, byte);
    let start = lines.line_span(text, position.line).start;
    let before = text.get(start..).unwrap_or_default().char_indices();
    let before = before.take_while(|(at, _)| start + at < position.byte);
    // As everywhere, a byte-order mark is no column.
    let units =
        before.filter(|(_, c)| *c != '\u{feff}' || start > 0).map(|(_, c)| c.len_utf16()).sum::<usize>();
    (position.line, units + 1)
}

/// Everything that a finding says: what, why, what to do, ready changes.
fn words(finding: &Finding) -> String {
    let mut words = finding.message.clone();
    let mut add = |lead: &str, text: &str| {
        if !text.is_empty() {
            words.push_str(&format!("\n{lead}{text}"));
        }
    };
    add("why: ", &finding.why);
    add("help: ", &finding.help);
    finding.fixes.iter().for_each(|fix| add("fix: ", &fix.text));
    tame(&words)
}

#[cfg(test)]
mod tests;
