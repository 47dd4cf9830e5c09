//! `irreversible-without-gate`

use super::{Entry, Facts, Rule};
use crate::Class;
use windlass_document::{Finding, Severity};

pub(super) const RULE: Rule = Rule {
    name: "irreversible-without-gate",
    severity: Severity::Warning,
    summary: "a step that cannot be undone follows a change with no gate between them",
    why: "past this step a failed release cannot go back: that is the moment to have somebody look at what was done \
          so far",
    bad: "```diff {#config on=app}\n--- app.env\n-LIMIT=1\n+LIMIT=2\n```\n\n```sh {#purge on=app irreversible}\n\
          ./purge-archive\n```\n\n- [ ] the archive is empty\n",
    good: "```diff {#config on=app}\n--- app.env\n-LIMIT=1\n+LIMIT=2\n```\n\n- [ ] the new limit works\n\n```sh \
           {#purge on=app irreversible}\n./purge-archive\n```\n\n- [ ] the archive is empty\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    // The first change is confirmed by the person who starts the plan; after it, only a gate is.
    let mut changed_since_gate = false;
    let mut last_step = None;
    for entry in facts.entries() {
        let no_way_back = entry.unit.undo.class == Class::None;
        let new_step = last_step != Some(&entry.compiled.step.id);
        if no_way_back && new_step && changed_since_gate {
            findings.push(
                rule.at(span(facts, &entry), format!("step `#{}` has no way back", entry.compiled.step.id))
                    .help("add a `- [ ]` item before it that says what has to be right by then"),
            );
        }
        last_step = Some(&entry.compiled.step.id);
        changed_since_gate = !entry.is_gate() && (changed_since_gate || entry.changes());
    }
    findings
}

fn span(facts: &Facts<'_>, entry: &Entry<'_>) -> windlass_document::Span {
    let word = facts.source(entry.compiled).and_then(|step| step.attributes.irreversible);
    word.unwrap_or(entry.mark.span)
}
