//! `mode-left-on`

use super::{Facts, Rule};
use crate::Action;
use std::collections::BTreeMap;
use windlass_document::{Finding, Severity};

pub(super) const RULE: Rule = Rule {
    name: "mode-left-on",
    severity: Severity::Warning,
    summary: "requests are answered 503 from a step on, and to the end",
    why: "the release would end well while users are turned away",
    bad: "```sh {#quiet on=app}\nwindlass service readonly desk on\n```\n\n- [ ] it is quiet\n",
    good: "```sh {#quiet on=app}\nwindlass service readonly desk on\n```\n\n- [ ] it is quiet\n\n```sh {#open on=app}\nwindlass \
           service readonly desk off\n```\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    let mut turned = BTreeMap::new();
    for entry in facts.entries() {
        let Action::Mode { service, mode, on } = &entry.unit.action else { continue };
        if *on {
            turned.insert((service, *mode), entry.mark.span);
        } else {
            turned.remove(&(service, *mode));
        }
    }
    if !facts.complete {
        return Vec::new();
    }
    let left = turned.into_iter().map(|((service, mode), span)| {
        let help = format!("add a step at the end: `windlass service {} {service} off`", mode.word());
        rule.at(span, format!("`{}` of service `{service}` is turned on here and stays on", mode.word()))
            .help(help)
    });
    left.collect()
}
