//! `no-step`

use super::{Facts, Rule};
use windlass_document::{Finding, GateState, Severity, Span};

pub(super) const RULE: Rule = Rule {
    name: "no-step",
    severity: Severity::Warning,
    summary: "the document has no step and asks nobody for anything",
    why: "`windlass apply` refuses it: a release that does nothing is a mistake more often than a wish",
    bad: "## Deploy\n\nPull the new image, then restart.\n",
    good: "## Deploy\n\n```http {#check on=app}\nGET http://127.0.0.1:8080/health\nHTTP 200\n```\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    let document = facts.document;
    let asks = !document.steps.is_empty() || document.gates.iter().any(|gate| gate.state == GateState::Open);
    if asks || !facts.complete {
        return Vec::new();
    }
    let place = document.stages.first().map_or(Span::new(0, 0), |stage| stage.span);
    vec![rule.at(place, "the document has no step: there is nothing to run").help(
        "write what has to be done as fences with braces, such as ```` ```sh {#pull on=app} ````, and what people have \
         to do as `- [ ]` items",
    )]
}
