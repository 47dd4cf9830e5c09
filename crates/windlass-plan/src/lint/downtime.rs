//! `downtime-promised`

use super::{Facts, Rule};
use crate::{Action, ServiceOperation, Strategy};
use windlass_document::{Finding, Severity};

pub(super) const RULE: Rule = Rule {
    name: "downtime-promised",
    severity: Severity::Warning,
    summary: "the header promises no downtime, but a service is away with nothing that holds its requests",
    why: "requests fail from the stop until the service is healthy again",
    bad: "---\nrelease: 2.1.0\ndowntime: 0\n---\n\n```sh {#restart on=app}\nwindlass service restart booking\n```\n",
    good: "---\nrelease: 2.1.0\n---\n\n```sh {#restart on=app}\nwindlass service restart booking\n```\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    let Some(promise) = facts.document.front.downtime.filter(|downtime| downtime.value.0.is_zero()) else {
        return Vec::new();
    };
    facts
        .entries()
        .filter_map(|entry| {
            let Action::Service { service: name, operation } = &entry.unit.action else { return None };
            let service = facts.config.services.get(name).filter(|service| !service.is_held())?;
            let away = match operation {
                ServiceOperation::Stop => true,
                ServiceOperation::Restart => service.strategy == Strategy::Recreate,
                ServiceOperation::Start | ServiceOperation::Keep => false,
            };
            away.then(|| {
                rule.at(entry.mark.span, format!("service `{name}` is away from here on, and requests fail"))
                    .also(promise.span, "no downtime is promised here")
                    .help(format!("give `[service.{name}]` a `proxy = {{ listen = \"…\" }}`, which holds requests meanwhile"))
            })
        })
        .collect()
}
