//! `policy-require`: what the team's own `[policy]` asks of each release. It is none of [`super::RULES`], since without a
//! policy there is nothing to show.

use super::Facts;
use crate::require::{Requirement, unmet};
use windlass_document::{Finding, Span};

const NAME: &str = "policy-require";

/// What the release does not have. `apply` refuses it, so it is no error of the document: a person may break the glass.
pub(super) fn findings(facts: &Facts<'_>) -> Vec<Finding> {
    if !facts.complete {
        return Vec::new();
    }
    let steps = facts.steps.iter().map(|compiled| &compiled.step);
    let unmet = unmet(&facts.config.policy.require, steps, &facts.config.services);
    let finding = |unmet: crate::Unmet| {
        let entry = facts.entries().find(|entry| Some(&entry.unit.id) == unmet.unit.as_ref());
        let span = entry.map_or(Span::default(), |entry| entry.mark.span);
        let message = format!("{}, and [policy] requires `{}`", unmet.why, unmet.requirement);
        Finding::warning(NAME, span, message)
            .why("`apply` refuses a release that does not have what the policy requires")
            .help(help(unmet.requirement))
    };
    unmet.into_iter().map(finding).collect()
}

fn help(requirement: Requirement) -> &'static str {
    match requirement {
        Requirement::BackupFirst => "add a step before that makes a backup of this database",
        Requirement::VerifyLast => {
            "add an `http` fence, a readonly step, a `SELECT` with `rows=`, or a `- [ ]` gate for a person"
        }
        Requirement::Rollback(_) => {
            "give it a better way back (`undo=`, `undoes=`), or have its plan approved"
        }
    }
}
