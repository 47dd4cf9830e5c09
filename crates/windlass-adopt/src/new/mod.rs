//! A new release document: the team's template (what changes, checks before, steps, verification, way back) as this tool's own
//! syntax, filled from what differs between two revisions and from `windlass.toml`.
//!
//! Nothing is invented. What the files say becomes text and steps; what only a person knows becomes a `- [ ]` item, mostly one that
//! begins with `TODO`, at which a run waits. A step that `check` would refuse becomes such an item too, with the reason, so
//! that the document is accepted as it is written.

mod facts;
mod keys;
mod packages;
mod page;
mod steps;
#[cfg(test)]
mod tests;

pub use facts::{Change, How, is_read};

use crate::lexicon::Language;
use facts::Facts;
use page::Piece;
use std::collections::BTreeMap;
use windlass_document::{Severity, Urgency};
use windlass_plan::{Config, DocumentMeta, FileSource, Target, compile};
use windlass_sql::Dialect;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared<'a> {
    /// The revision before, as people know it.
    pub from: &'a str,
    /// Why that one.
    pub why: Why,
    /// The revision that is released.
    pub to: &'a str,
    /// Commits between them.
    pub commits: usize,
}

/// Why a revision is taken for the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was named.
    Said,
    /// The journal has a release of that version as the newest that is done.
    Recorded,
    /// It is the last tag.
    LastTag,
}

/// What a document is wanted for.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// What the release is called.
    pub name: &'a str,
    /// File name of the document.
    pub file: &'a str,
    /// `2026-11-27`
    pub date: &'a str,
    /// Its language.
    pub language: Language,
    /// How urgent it is, if that was said.
    pub severity: Option<Urgency>,
    /// The version that is released, if a tag says it.
    pub release: Option<&'a str>,
    /// The version before.
    pub from: Option<&'a str>,
    /// What is compared; `None`: nothing is, and the document stays a template.
    pub compared: Option<Compared<'a>>,
    /// What differs.
    pub changes: &'a [Change],
    /// `windlass.toml`; empty where there is none.
    pub config: &'a Config,
    /// The files that `check` will find.
    pub files: &'a dyn FileSource,
}

/// A document that was drafted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDocument {
    /// Its text.
    pub text: String,
    /// Steps that run.
    pub steps: usize,
    /// Items that begin with `TODO`.
    pub open: usize,
}

/// Drafts a document.
#[must_use]
pub fn new_document(wanted: &Wanted<'_>) -> NewDocument {
    let facts = Facts::of(wanted.changes, dialect(wanted.config));
    let mut halted = false;
    let mut refused = BTreeMap::new();
    loop {
        let pieces = page::pieces(wanted, &facts, halted);
        let text = page::render(&pieces, &refused);
        let errors = errors(wanted, &text);
        // What the version before cannot live with runs while no version serves.
        if !halted && errors.iter().any(|error| error.rule == "breaking-while-serving") {
            halted = true;
            continue;
        }
        let before = refused.len();
        for error in errors {
            refused.entry(error.step).or_insert(error.message);
        }
        if refused.len() == before {
            let is_live =
                |piece: &&Piece| matches!(piece, Piece::Step(step) if !refused.contains_key(&step.id));
            let steps = pieces.iter().filter(is_live).count();
            return NewDocument {
                steps,
                open: text.lines().filter(|line| line.starts_with(page::OPEN)).count(),
                text,
            };
        }
    }
}

/// Why `check` would refuse a step.
struct Refusal {
    step: String,
    rule: String,
    message: String,
}

fn errors(wanted: &Wanted<'_>, text: &str) -> Vec<Refusal> {
    let parsed = windlass_document::parse_str(text);
    let meta = DocumentMeta { name: wanted.file, text };
    let (_, more) = compile(&parsed.document, meta, wanted.config, wanted.files, env!("CARGO_PKG_VERSION"));
    let errors =
        parsed.findings.into_iter().chain(more).filter(|finding| finding.severity == Severity::Error);
    let of_step = |finding: windlass_document::Finding| {
        let at = finding.span.start;
        let step =
            parsed.document.steps.iter().find(|step| (step.span.start..=step.span.end).contains(&at))?;
        Some(Refusal { step: step.id.value.clone(), rule: finding.rule, message: finding.message })
    };
    errors.filter_map(of_step).collect()
}

/// The databases of the configuration.
fn databases(config: &Config) -> Vec<(&str, Dialect)> {
    config
        .targets
        .iter()
        .filter_map(|(name, target)| match target {
            Target::Url { kind, .. } => Some((name.as_str(), kind.dialect())),
            Target::Hosts { .. } | Target::Store(_) => None,
        })
        .collect()
}

/// Whose SQL the migrations are written in; the splitter of PostgreSQL reads most of the others, too.
fn dialect(config: &Config) -> Dialect {
    databases(config).first().map_or(Dialect::Postgresql, |(_, dialect)| *dialect)
}
