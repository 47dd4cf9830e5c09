//! `no-verification`

use super::{Facts, Rule};
use crate::{Action, ServiceOperation};
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
    let Some(last) = facts.entries().rev().find(super::Entry::changes).filter(|_| facts.complete) else {
        return Vec::new();
    };
    let checked = facts.entries().rev().take_while(|entry| !entry.changes()).count() > 0;
    if checked || is_watched_start(&last.unit.action, facts) {
        return Vec::new();
    }
    vec![rule.at(last.mark.span, "nothing is checked after this change").label("the last change").help(
        "add an `http` fence, a readonly step, a `SELECT` with `rows=`, or a `- [ ]` gate for a person",
    )]
}

/// A start waits until the service is healthy, which is a check.
fn is_watched_start(action: &Action, facts: &Facts<'_>) -> bool {
    let Action::Service { service, operation } = action else { return false };
    let health = facts.config.services.get(service).is_some_and(|service| service.health.is_some());
    health && *operation != ServiceOperation::Stop
}
