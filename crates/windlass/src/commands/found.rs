//! Findings for CI systems: collected over the documents of a command, and printed in the form of one of them.

use super::open::Open;
use crate::{
    args::Format,
    exit::Failure,
    project::{self, Compiled, TOOL},
    terminal,
};
use std::path::Path;
use windlass_document::{Finding, Span};
use windlass_plan::{Plan, Unit};
use windlass_report::{
    Comment, FoundIn, Surveys, Text, code_quality, github_annotations, sarif, unplanned_comment,
};

/// Rule of what could not be read at all.
const UNREAD_RULE: &str = "unreadable";

/// Findings by file, in the order in which the files were read.
#[derive(Default)]
pub struct Collected {
    files: Vec<File>,
}

struct File {
    path: String,
    text: String,
    findings: Vec<Finding>,
}

impl Collected {
    /// Those of one document.
    pub fn of(compiled: &Compiled) -> Self {
        let mut found = Self::default();
        found.add(compiled);
        found
    }

    /// Adds those of a document and of its configuration.
    pub fn add(&mut self, compiled: &Compiled) {
        let document = Path::new(&compiled.source.shown);
        if let Some(place) = &compiled.place {
            for source in &compiled.settings.sources {
                let own = compiled.settings.findings.iter().filter(|found| found.file == source.name);
                let own = own.map(|found| found.finding.clone()).collect();
                self.put(&place.config.with_file_name(&source.name), &source.text, own);
            }
        }
        self.put(document, &compiled.source.text, compiled.findings.clone());
        if let Some(failure) = &compiled.unread {
            self.unread(document, failure);
        }
    }

    /// Adds what could not be read.
    pub fn unread(&mut self, file: &Path, failure: &Failure) {
        let finding = Finding::error(UNREAD_RULE, Span::default(), failure.message.clone());
        self.put(file, "", vec![finding.help(failure.hints.join("; "))]);
    }

    /// A configuration is that of several documents, and what is wrong with it is said once.
    fn put(&mut self, file: &Path, text: &str, findings: Vec<Finding>) {
        let path = project::in_repository(file);
        let known = self.files.iter_mut().find(|known| known.path == path);
        match known {
            Some(known) => {
                for finding in findings {
                    if !known.findings.contains(&finding) {
                        known.findings.push(finding);
                    }
                }
            }
            None => self.files.push(File { path, text: text.to_owned(), findings }),
        }
    }

    fn files(&self) -> Vec<FoundIn<'_>> {
        let of = |file: &File| file.findings.clone();
        let files = self.files.iter();
        files.map(|file| FoundIn { path: file.path.clone(), text: &file.text, findings: of(file) }).collect()
    }

    /// What `plan` says of them to a CI system; `unplanned`: a document without a plan.
    fn show(&self, format: Format, unplanned: Option<&str>) -> Result<(), Failure> {
        let files = self.files();
        match format {
            Format::Text | Format::Json => return Ok(()),
            Format::Sarif => return self.print(format),
            Format::Gitlab => {}
            Format::Github => terminal::raw(&github_annotations(&files)),
        }
        unplanned.map_or(Ok(()), |shown| terminal::print(&unplanned_comment(shown, &files)))
    }

    /// On standard output, in the form of a CI system.
    pub fn print(&self, format: Format) -> Result<(), Failure> {
        let files = self.files();
        match format {
            Format::Sarif => terminal::json(&sarif(&files, TOOL)),
            Format::Gitlab => terminal::json(&code_quality(&files)),
            Format::Text | Format::Json | Format::Github => terminal::print(&github_annotations(&files)),
        }
    }
}

/// What `plan` says of findings: those of a document that has no plan stand in the comment instead of it. GitHub reads
/// annotations on standard error, too, so that standard output is the comment alone.
pub fn show(format: Format, compiled: &Compiled) -> Result<(), Failure> {
    match format {
        Format::Text | Format::Json | Format::Gitlab => terminal::findings(compiled),
        Format::Sarif | Format::Github => {}
    }
    let unplanned = compiled.failed().then_some(compiled.source.shown.as_str());
    Collected::of(compiled).show(format, unplanned)
}

/// The same of a document that could not be read at all, or has no configuration.
pub fn show_unread(format: Format, file: &Path, failure: &Failure) -> Result<(), Failure> {
    let mut found = Collected::default();
    found.unread(file, failure);
    found.show(format, Some(&file.display().to_string()))
}

/// The plan as a comment.
pub fn comment(compiled: &Compiled, plan: &Plan, surveys: &Surveys, asides: &Text, open: &Open) -> String {
    let found = Collected::of(compiled);
    let is_open = |unit: &Unit| open.unit(unit);
    let shown = &compiled.source.shown;
    Comment { shown, plan, surveys, found: &found.files(), asides, is_open: &is_open }.markdown()
}
