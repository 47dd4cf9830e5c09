//! Annotations of GitHub Actions: workflow commands, one a line, on standard output or standard error of a step.

use super::{Found, FoundIn, all, words};
use std::fmt::Write as _;
use windlass_document::Severity;

/// A workflow command for each finding.
#[must_use]
pub fn github_annotations(files: &[FoundIn<'_>]) -> String {
    let mut commands = String::new();
    for found in all(files) {
        command(&mut commands, &found);
    }
    commands
}

fn command(commands: &mut String, found: &Found<'_>) {
    let (finding, region) = (found.finding, found.region);
    let name = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let _ = write!(commands, "::{name} file={},line={}", property(found.path), region.line);
    // GitHub takes a column only where the place is on one line.
    if region.line == region.end_line {
        let _ = write!(commands, ",col={}", region.column);
    }
    let _ = write!(commands, ",endLine={},title={}::", region.end_line, property(&finding.rule));
    let _ = writeln!(commands, "{}", message(&words(finding)));
}

/// Escaped as a message; nothing in it can begin a command of its own.
fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escaped as the value of a property.
fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}
