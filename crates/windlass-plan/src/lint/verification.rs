//! `no-verification`

use super::{Facts, Rule};
use crate::require::unverified;
use windlass_document::{Finding, Severity};

pub(super) const RULE: Rule = Rule {
    name: "no-verification",
    severity: Severity::Warning,
    summary: "nothing is checked after the last change",
    why: "a release goes back by itself only if something says that it failed",
    bad: "```diff {#config on=app}\n--- app.env\n-LIMIT=1\n+LIMIT=2\n```\n",
    good: "```diff {#config on=app}\n--- app.env\n-LIMIT=1\n+LIMIT=2\n```\n\n```http {#check on=app within=30s}\nGET \
           http://127.0.0.1:8080/health\nHTTP 200\n```\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    let units = facts.entries().map(|entry| entry.unit);
    let last = unverified(units, &facts.config.services).filter(|_| facts.complete);
    let Some(last) = last.and_then(|last| facts.entries().find(|entry| entry.unit.id == last.id)) else {
        return Vec::new();
    };
    vec![rule.at(last.mark.span, "nothing is checked after this change").label("the last change").help(
        "add an `http` fence, a readonly step, a `SELECT` with `rows=`, or a `- [ ]` gate for a person",
    )]
}
