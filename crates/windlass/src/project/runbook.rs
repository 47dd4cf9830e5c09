//! A runbook that nobody has made a release document of. It cannot run; what is dangerous in it is said all the same, since
//! whoever is told only of missing braces puts them there and has the dangers run.

use super::Source;
use windlass_adopt::adopt;
use windlass_document::Finding;

/// The rule that says that a document has no front matter.
const NO_FRONT: &str = "front-missing";

/// Adds what `windlass adopt` finds in a text that has commands, and neither front matter nor a step.
pub fn add_dangers(source: &Source, findings: &mut Vec<Finding>) {
    let is_runbook = source.readable
        && source.parsed.document.steps.is_empty()
        && findings.iter().any(|finding| finding.rule == NO_FRONT);
    if !is_runbook {
        return;
    }
    let text = windlass_adopt::Source { name: &source.name, text: &source.text, script: false, ways: &[] };
    let adopted = adopt(text);
    if adopted.commands.is_empty() {
        return;
    }
    for finding in findings.iter_mut().filter(|finding| finding.rule == NO_FRONT) {
        finding.help.push_str("; or let `windlass adopt` draft a release document from this runbook");
    }
    for danger in adopted.findings {
        let is_known = |known: &Finding| known.rule == danger.rule && known.span == danger.span;
        if !findings.iter().any(is_known) {
            findings.push(danger);
        }
    }
}
