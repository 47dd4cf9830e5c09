//! The Code Quality report of GitLab (`artifacts:reports:codequality`).

use super::{Found, FoundIn, all, words};
use serde::Serialize;
use windlass_document::{Confidence, Severity};

/// One entry of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CodeQualityIssue {
    /// What is wrong, why, and what to do.
    description: String,
    /// Name of the rule.
    check_name: String,
    /// By which GitLab tells what is new in a merge request.
    fingerprint: String,
    /// `info`, `minor`, `major` or `blocker`.
    severity: &'static str,
    location: Location,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Location {
    path: String,
    lines: Lines,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Lines {
    begin: usize,
    end: usize,
}

/// The report; empty when nothing was found.
#[must_use]
pub fn code_quality(files: &[FoundIn<'_>]) -> Vec<CodeQualityIssue> {
    all(files).into_iter().map(issue).collect()
}

fn issue(found: Found<'_>) -> CodeQualityIssue {
    let severity = match (found.finding.severity, found.finding.confidence) {
        // Nothing can be run from the document.
        (Severity::Error, _) => "blocker",
        (Severity::Warning, Confidence::Low) => "minor",
        (Severity::Warning, _) => "major",
        (Severity::Note, _) => "info",
    };
    CodeQualityIssue {
        description: words(found.finding),
        check_name: found.finding.rule.clone(),
        fingerprint: found.fingerprint,
        severity,
        location: Location {
            path: found.path.to_owned(),
            lines: Lines { begin: found.region.line, end: found.region.end_line },
        },
    }
}
