//! The rules of this crate. A finding can only be made from a [`Rule`], so every rule is listed, explained and
//! tested; docs/rules.md is rendered from the same list.

use crate::{Finding, Severity, Span};
use std::fmt::Write as _;

/// A rule that documents are checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Name, kebab-case, stable.
    pub name: &'static str,
    /// Severity of its findings.
    pub severity: Severity,
    /// What is found, one line.
    pub summary: &'static str,
    /// Why it matters, without a full stop; goes into the findings of the rule.
    pub why: &'static str,
    /// What triggers it.
    pub bad: Example,
    /// The same, written well.
    pub good: &'static str,
}

/// What a rule is triggered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Example {
    /// A whole document.
    Document(&'static str),
    /// Bytes that cannot be shown as text, described in words.
    Words(&'static str),
}

impl Rule {
    /// A finding of this rule.
    pub(crate) fn at(&self, span: Span, message: impl Into<String>) -> Finding {
        Finding::new(self.name, self.severity, span, message).why(self.why)
    }
}

/// Findings kept for one file. A file with more than this is not a release document, and each finding costs
/// more memory than the text that caused it.
pub const FINDINGS_MAX: usize = 1000;

/// Collects the findings of one file, at most [`FINDINGS_MAX`].
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
    dropped: usize,
}

impl Findings {
    /// Keeps a finding, or counts it when there are too many.
    pub(crate) fn push(&mut self, finding: Finding) {
        if self.list.len() < FINDINGS_MAX {
            self.list.push(finding);
        } else {
            self.dropped += 1;
        }
    }

    /// All findings in order of place; at the end, how many were dropped.
    pub(crate) fn finish(mut self, end: usize) -> Vec<Finding> {
        self.list.sort_by_key(|finding| (finding.span.start, finding.span.end));
        if self.dropped > 0 {
            let message = format!("{} more problems are not shown", self.dropped);
            let span = Span::new(end, end);
            self.list.push(crate::rules_list::MORE_FINDINGS.at(span, message).help(
                "cure the ones above and check again; if this is not a release document, check another file",
            ));
        }
        self.list
    }
}

/// The reference page of these rules, as it stands in docs/rules.md (with those of later layers).
#[must_use]
pub fn rules_markdown(rules: &[Rule]) -> String {
    let mut page = String::from(
        "<!-- Generated from the rules themselves: cargo run -p windlass-plan --example rules > docs/rules.md -->\n\
         # Rules for release documents\n\n\
         What `windlass check` looks for in a release document. Every finding names its rule. An *error* means \
         that the document cannot be used as it is; warnings and notes refuse nothing.\n\n\
         | rule | severity | what is found |\n|---|---|---|\n",
    );
    for rule in rules {
        let (name, severity, summary) = (rule.name, severity_word(rule.severity), rule.summary);
        let _ = writeln!(page, "| [`{name}`](#{name}) | {severity} | {summary} |");
    }
    for rule in rules {
        let (name, severity) = (rule.name, severity_word(rule.severity));
        let why = sentence(rule.why);
        let _ = write!(page, "\n## {name}\n\n*{severity}* · {}\n\n{why}\n\n", rule.summary);
        match rule.bad {
            Example::Document(text) => {
                let _ = write!(page, "Bad:\n\n{}", fenced(text));
            }
            Example::Words(words) => {
                let _ = writeln!(page, "Bad: {words}.");
            }
        }
        if !rule.good.is_empty() {
            let _ = write!(page, "\nGood:\n\n{}", fenced(rule.good));
        }
    }
    page
}

fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// A clause as a sentence.
fn sentence(clause: &str) -> String {
    let mut chars = clause.chars();
    let first: String = chars.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}

/// `text` in a fence that is longer than every fence inside it.
fn fenced(text: &str) -> String {
    let mut width = 3;
    for line in text.lines() {
        width = width.max(line.trim_start().bytes().take_while(|b| *b == b'`').count() + 1);
    }
    let fence = "`".repeat(width);
    // A fence cannot show what the file does not end with, so the closing line always gets its own.
    format!("{fence}markdown\n{}\n{fence}\n", text.strip_suffix('\n').unwrap_or(text))
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
