//! `online-breaks`

use super::{Facts, Rule, breaking::breaking_while_serving};
use windlass_document::{Finding, Severity};

pub(super) const RULE: Rule = Rule {
    name: "online-breaks",
    severity: Severity::Warning,
    summary: "a step says `online`, but takes away what the version before uses",
    why: "`online` promises that the version before keeps working; what is renamed or dropped is gone for it",
    bad: "```sh {#backup on=app}\nsqlite3 app.db \".backup app.bak\"\n```\n\n```sql {#rename on=db online}\nALTER TABLE \
          booking RENAME COLUMN seat TO seat_number;\n```\n\n```sh {#restart on=app}\nwindlass service restart \
          booking\n```\n",
    good: "```sh {#backup on=app}\nsqlite3 app.db \".backup app.bak\"\n```\n\n```sql {#add on=db online}\nALTER TABLE \
           booking ADD COLUMN seat_number INTEGER;\n```\n\n```sh {#restart on=app}\nwindlass service restart \
           booking\n```\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    breaking_while_serving(facts)
        .into_iter()
        .filter(|(entry, _)| entry.compiled.step.online)
        .map(|(entry, service)| {
            let promise = facts.source(entry.compiled).and_then(|step| step.attributes.online);
            let finding = rule
                .at(entry.mark.span, format!("`{service}` cannot keep working across this statement"))
                .help("add first, use the new name, and take the old one away in a later release");
            match promise {
                Some(span) => finding.also(span, "promised here"),
                None => finding,
            }
        })
        .collect()
}
