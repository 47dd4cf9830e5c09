//! Documents that the parser has found errors in: what else is wrong with them, without what only follows from those.

use super::{Compiler, DocumentMeta, FileSource};
use crate::{
    Config,
    lint::{Catalogs, Facts, lint},
};
use windlass_document::{Document, FINDINGS_MAX, Finding, Severity, Span, Step};

/// Findings that depend on the attributes of a step: they say nothing where an attribute could not be read.
const OF_ATTRIBUTES: &[&str] = &[
    "again-differs",
    "again-not-idempotent",
    "dialect-mismatch",
    "opaque-without-undo",
    "readonly-but-changes",
    "rows-ambiguous",
    "service-elsewhere",
    "sql-without-undo",
    "target-missing",
    "undo-is-a-check",
    "undo-without-backup",
];
/// Findings that depend on all of a step's text.
const OF_TEXT: &[&str] = &[
    "again-differs",
    "again-not-idempotent",
    "readonly-but-changes",
    "rows-ambiguous",
    "undo-without-backup",
];
/// Errors of the parser that stand at the first line of a fence, but concern where its text ends.
const ABOUT_TEXT: &[&str] = &["nested-fence", "unclosed-fence"];
/// A change that nobody knows how to undo.
const NO_WAY_BACK: &[&str] = &["opaque-without-undo", "sql-without-undo"];

/// What compiling finds in a document that has errors already (`read`, the findings of the parser), or against a
/// configuration that has errors ([`Config::unread`]): everything that is not a mere consequence of those.
#[must_use]
pub fn compile_broken(
    document: &Document,
    read: &[Finding],
    meta: DocumentMeta<'_>,
    config: &Config,
    files: &dyn FileSource,
) -> Vec<Finding> {
    if read.len() > FINDINGS_MAX {
        // Not all of them are here, so what follows from them is not known.
        return Vec::new();
    }
    let mut compiler = Compiler::new(document, meta, config, files);
    let compiled = compiler.steps();
    let mut findings = std::mem::take(&mut compiler.findings);
    let catalogs = Catalogs::new();
    findings.extend(lint(&Facts {
        document,
        config,
        catalogs: &catalogs,
        steps: &compiled,
        complete: false,
    }));
    let broken = Broken::new(&compiler, document, read);
    findings.retain(|finding| !broken.explains(finding));
    findings.sort_by_key(|finding| (finding.span, finding.rule.clone()));
    findings
}

/// The errors of the parser, by step.
struct Broken<'a> {
    steps: &'a [Step],
    /// Of each step: errors of its first line, and of its text.
    errors: Vec<(bool, bool)>,
    /// Where they stand, by start.
    places: Vec<Span>,
    /// A fence that was to be the way back from another step may not have been understood as one.
    way_back_lost: bool,
}

impl<'a> Broken<'a> {
    fn new(compiler: &Compiler<'_>, document: &'a Document, read: &[Finding]) -> Self {
        let steps = document.steps.as_slice();
        let mut errors = vec![(false, false); steps.len()];
        let mut places = Vec::new();
        for finding in read.iter().filter(|finding| finding.severity == Severity::Error) {
            places.push(finding.span);
            let Some(at) = step_at(steps, finding.span) else { continue };
            let in_head = finding.span.start < compiler.head(&steps[at]).end;
            let of_text = !in_head || ABOUT_TEXT.contains(&finding.rule.as_str());
            errors[at] = (errors[at].0 | !of_text, errors[at].1 | of_text);
        }
        let undone: std::collections::HashSet<_> = compiler.undone_by.values().copied().collect();
        let lost = |(at, step): (usize, &Step)| match &step.attributes.undoes {
            Some(_) => !undone.contains(&at),
            None => errors[at].0,
        };
        let way_back_lost = steps.iter().enumerate().any(lost);
        Self { steps, errors, places, way_back_lost }
    }

    /// Whether a finding may be there only because of an error of the parser.
    fn explains(&self, finding: &Finding) -> bool {
        let rule = finding.rule.as_str();
        if self.way_back_lost && NO_WAY_BACK.contains(&rule) {
            return true;
        }
        let touches = |place: &Span| place.start < finding.span.end && finding.span.start < place.end;
        if self.places.iter().any(touches) {
            return true;
        }
        let Some(at) = step_at(self.steps, finding.span) else { return false };
        let (head, text) = self.errors[at];
        let in_text = finding.span.start >= self.steps[at].body.to_source(0);
        head && OF_ATTRIBUTES.contains(&rule) || text && (in_text || OF_TEXT.contains(&rule))
    }
}

/// The step that a place belongs to. Steps stand in the order of the file and do not overlap.
fn step_at(steps: &[Step], span: Span) -> Option<usize> {
    let at = steps.partition_point(|step| step.span.start <= span.start).checked_sub(1)?;
    (span.start < steps[at].span.end).then_some(at)
}
