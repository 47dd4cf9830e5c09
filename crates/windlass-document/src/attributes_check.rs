//! Attributes that are right alone but not together, or not for the language of the step.

use crate::{Language, Span, attributes_value::Attribute, rules::Findings, rules_list as rules};

/// Pairs that contradict each other, and why.
const CONTRADICTIONS: [(Attribute, Attribute, &str); 10] = [
    (
        Attribute::Readonly,
        Attribute::Irreversible,
        "a step that changes nothing has nothing that could not be undone",
    ),
    (Attribute::Readonly, Attribute::Undo, "a step that changes nothing needs no undo"),
    (Attribute::Readonly, Attribute::Undoes, "an undo that changes nothing undoes nothing"),
    (Attribute::Readonly, Attribute::Batch, "a step that changes nothing writes no batches of rows"),
    (
        Attribute::Irreversible,
        Attribute::Undo,
        "one says that there is a way back, the other that there is none",
    ),
    (Attribute::Undoes, Attribute::Undo, "an undo is not undone itself"),
    (Attribute::Undoes, Attribute::Irreversible, "an undo is not undone itself"),
    (
        Attribute::Undoes,
        Attribute::Online,
        "an undo runs when the release has failed, not beside version `from`",
    ),
    (Attribute::Undoes, Attribute::Again, "an undo runs once, for the step that it names"),
    (Attribute::Undoes, Attribute::After, "an undo runs when it is needed, not later"),
];

/// Checks the attributes of one step, in the order of writing with their bytes.
pub(crate) fn check(written: &[(Attribute, Span)], language: Language, word: &str, findings: &mut Findings) {
    for (attribute, span) in written {
        if let Some(reason) = attribute.misplaced(language) {
            findings.push(
                rules::ATTRIBUTE_LANGUAGE
                    .at(*span, format!("`{}` makes no sense on a `{word}` step", attribute.name()))
                    .label(reason)
                    .fix(*span, "", "remove it", false),
            );
        }
    }
    let find =
        |wanted: Attribute| written.iter().find(|(attribute, _)| *attribute == wanted).map(|(_, span)| *span);
    for (one, other, reason) in CONTRADICTIONS {
        if let (Some(first), Some(second)) = (find(one), find(other)) {
            let (first, second) = if first < second { (first, second) } else { (second, first) };
            findings.push(
                rules::CONTRADICTION
                    .at(second, format!("`{}` and `{}` contradict each other", one.name(), other.name()))
                    .label(reason)
                    .also(first, "the other one")
                    .help("keep the one that is true"),
            );
        }
    }
}

/// Checks braces with `prose`, which leaves no room for anything else.
pub(crate) fn check_prose(written: &[(Attribute, Span)], id: Option<Span>, findings: &mut Findings) {
    let Some((_, prose)) = written.iter().find(|(attribute, _)| *attribute == Attribute::Prose) else {
        return;
    };
    let other = written.iter().find(|(attribute, _)| *attribute != Attribute::Prose).map(|(_, span)| *span);
    if let Some(other) = id.or(other) {
        findings.push(
            rules::CONTRADICTION
                .at(*prose, "`prose` stands with other attributes")
                .label("an example is never run, so nothing else applies to it")
                .also(other, "this is for a step that runs")
                .help("write `{prose}` alone, or remove `prose` to run the step"),
        );
    }
}
