//! `service-left-stopped`

use super::{Facts, Rule};
use crate::{Action, ServiceOperation};
use std::collections::BTreeMap;
use windlass_document::{Finding, Severity};

pub(super) const RULE: Rule = Rule {
    name: "service-left-stopped",
    severity: Severity::Error,
    summary: "a service is stopped and not started again",
    why: "the release would end with the service away, and requests held for it would fail when the hold ends",
    bad: "```sh {#stop on=app}\nwindlass service stop booking\n```\n\n- [ ] it is quiet\n",
    good: "```sh {#stop on=app}\nwindlass service stop booking\n```\n\n```sh {#start on=app}\nwindlass service start \
           booking\n```\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    let mut stopped = BTreeMap::new();
    for entry in facts.entries() {
        let Action::Service { service, operation } = &entry.unit.action else { continue };
        match operation {
            ServiceOperation::Stop => stopped.insert(service, entry.mark.span),
            ServiceOperation::Start | ServiceOperation::Restart => stopped.remove(service),
            ServiceOperation::Keep => None,
        };
    }
    if !facts.complete {
        return Vec::new();
    }
    stopped
        .into_iter()
        .map(|(service, span)| {
            let help = format!("add a step at the end: `windlass service start {service}`");
            rule.at(span, format!("service `{service}` is stopped here and stays stopped")).help(help)
        })
        .collect()
}
