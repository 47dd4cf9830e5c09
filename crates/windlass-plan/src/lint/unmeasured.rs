//! `downtime-not-measured`

use super::{Facts, Rule};
use crate::{Action, ServiceOperation};
use windlass_document::{Finding, Severity};

pub(super) const RULE: Rule = Rule {
    name: "downtime-not-measured",
    severity: Severity::Warning,
    summary: "there is a downtime budget, but nobody can tell how long a service is away",
    why: "a release is held to its budget only where the service can be asked from outside",
    bad: "---\nrelease: 2.1.0\ndowntime: 5s\n---\n\n```sh {#restart on=app}\nwindlass service restart booking\n```\n",
    good: "---\nrelease: 2.1.0\n---\n\n```sh {#restart on=app}\nwindlass service restart booking\n```\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    let said = facts.document.front.downtime;
    let promised = said.is_some_and(|said| said.value.0.is_zero());
    if said.is_none() && facts.config.policy.budget.downtime_ms.is_none() {
        return Vec::new();
    }
    let found = facts.entries().filter_map(|entry| {
        let Action::Service { service: name, operation } = &entry.unit.action else { return None };
        // That no downtime is promised with nothing that holds requests is a finding of its own.
        let service = facts.config.services.get(name).filter(|service| !promised || service.is_held())?;
        let why = service.reached(facts.config.targets.get(&service.on)).err()?;
        matches!(operation, ServiceOperation::Stop | ServiceOperation::Restart).then(|| {
            let message =
                format!("the downtime of service `{name}` is not measured, so no budget counts: {why}");
            let finding = rule.at(entry.mark.span, message);
            let finding = match said {
                Some(said) => finding.also(said.span, "the budget is said here"),
                None => finding,
            };
            finding.help(format!("say where users reach it: `probe = \"https://…\"` of `[service.{name}]`"))
        })
    });
    found.collect()
}
