//! `breaking-while-serving`

use super::{Entry, Facts, Rule, sql::dialect};
use crate::{Action, ServiceOperation};
use std::collections::BTreeSet;
use windlass_document::{Finding, Severity};
use windlass_sql::{Compatibility, compatibility};

pub(super) const RULE: Rule = Rule {
    name: "breaking-while-serving",
    severity: Severity::Note,
    summary: "something is renamed, dropped or narrowed while the version before still serves",
    why: "requests of the version before fail from that statement on, until the new version has taken over",
    bad: "```sh {#backup on=app}\nsqlite3 app.db \".backup app.bak\"\n```\n\n```sql {#rename on=db}\nALTER TABLE booking \
          RENAME COLUMN seat TO seat_number;\n```\n\n```sh {#restart on=app}\nwindlass service restart booking\n```\n",
    good: "```sh {#backup on=app}\nsqlite3 app.db \".backup app.bak\"\n```\n\n```sh {#stop on=app}\nwindlass service \
           stop booking\n```\n\n```sql {#rename on=db}\nALTER TABLE booking RENAME COLUMN seat TO seat_number;\n\
           ```\n\n```sh {#start on=app}\nwindlass service start booking\n```\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    breaking_while_serving(facts)
        .into_iter()
        // `online` makes it a broken promise: that is a rule of its own.
        .filter(|(entry, _)| !entry.compiled.step.online)
        .map(|(entry, service)| {
            rule.at(entry.mark.span, format!("`{service}` still serves with its version before this")).help(
                format!(
                    "stop it before: `windlass service stop {service}`; or add the new name now and take the \
                               old one away in a later release"
                ),
            )
        })
        .collect()
}

/// Statements that the version before cannot live with, and a service that still serves with that version.
pub(super) fn breaking_while_serving<'a>(facts: &Facts<'a>) -> Vec<(Entry<'a>, &'a str)> {
    // Only services that this release starts or restarts: whether others use the database is not known.
    let mut old: BTreeSet<&str> = facts
        .entries()
        .filter_map(|entry| match &entry.unit.action {
            Action::Service { service, .. } => Some(service.as_str()),
            _ => None,
        })
        .collect();
    let mut found = Vec::new();
    for entry in facts.entries() {
        match &entry.unit.action {
            Action::Service { service, operation } => match operation {
                ServiceOperation::Stop | ServiceOperation::Restart | ServiceOperation::Start => {
                    old.remove(service.as_str());
                }
            },
            _ if is_breaking(facts, entry) => {
                found.extend(old.first().map(|service| (entry, *service)));
            }
            _ => {}
        }
    }
    found
}

/// Whether the version before cannot live with it: something that it may use is gone, has another name or type, or
/// what it writes may be refused.
fn is_breaking(facts: &Facts<'_>, entry: Entry<'_>) -> bool {
    let Action::Sql { target, statement, .. } = &entry.unit.action else { return false };
    dialect(facts, target).is_some_and(|dialect| compatibility(statement, dialect) >= Compatibility::Contract)
}
