//! The body of a step, handed to the parser of its language.

use crate::{Body, Finding, Language, Script};

/// Reads `body`; the findings have the places of the file.
pub(crate) fn read(language: Language, body: &Body) -> (Script, Vec<Finding>) {
    let (script, findings) = read_script(language, &body.text);
    (script, findings.into_iter().map(|finding| in_file(finding, body)).collect())
}

/// Reads the text of a fence; the findings have offsets in `text`.
fn read_script(language: Language, text: &str) -> (Script, Vec<Finding>) {
    match language {
        Language::Shell => {
            let (script, findings) = crate::shell::parse(text);
            (Script::Shell(script), findings)
        }
        Language::Sql => (Script::Sql, Vec::new()),
        Language::Diff => {
            let (patches, findings) = crate::diff::parse(text);
            (Script::Diff(patches), findings)
        }
        Language::Http => {
            let (entries, findings) = crate::http::parse(text);
            (Script::Http(entries), findings)
        }
    }
}

fn in_file(mut finding: Finding, body: &Body) -> Finding {
    finding.span = body.span_to_source(finding.span);
    for note in &mut finding.notes {
        note.span = body.span_to_source(note.span);
    }
    for fix in &mut finding.fixes {
        fix.span = body.span_to_source(fix.span);
    }
    finding
}
