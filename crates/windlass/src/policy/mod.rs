//! What the policy of a team says about a start: the hours, and who has approved it.

pub mod approvals;
mod hours;

use crate::{exit::Failure, project::Place};
use approvals::Approvals;
use std::path::Path;
use windlass_document::Urgency;
use windlass_journal::{Begin, BreakGlass, OnFailure};
use windlass_plan::{Digest, Plan, Policy};
use windlass_report::{Mark, Text};

/// What is to be started.
pub struct Start<'a> {
    pub policy: &'a Policy,
    pub place: &'a Place,
    /// The document and the digest of its plan; `None`: a command by hand, which nobody can have approved.
    pub document: Option<(&'a Path, Digest)>,
    pub severity: Option<Urgency>,
}

impl<'a> Start<'a> {
    /// A release document.
    pub fn document(policy: &'a Policy, place: &'a Place, document: &'a Path, plan: &Plan) -> Self {
        Self { policy, place, document: Some((document, plan.digest())), severity: plan.release.severity }
    }

    /// The approvals that count, and why there are not enough.
    pub fn approvals(&self) -> Result<Approvals, Failure> {
        let Some(approval) = &self.policy.approve else { return Ok(Approvals::default()) };
        match &self.document {
            Some((document, digest)) => approvals::read(approval, self.place, document, digest),
            None => Ok(Approvals {
                good: Vec::new(),
                against: vec![
                    "only a release document can be approved, and [policy] wants approvals".to_owned(),
                ],
            }),
        }
    }

    /// Lets the run start, or refuses it; with the reason of a person it starts against the policy.
    pub fn permit(&self, on_failure: OnFailure, reason: Option<&str>) -> Result<Begin, Failure> {
        if reason.is_some_and(|reason| reason.trim().is_empty()) {
            return Err(Failure::wrong("--break-glass has no reason").hint("say why: the record shows it"));
        }
        let hours = hours::read(self.policy, self.place, self.severity)?;
        let approvals = self.approvals()?;
        let mut against = hours.as_ref().map_or_else(Vec::new, |hours| hours.against.clone());
        against.extend(approvals.against.iter().cloned());
        let break_glass = match reason {
            _ if against.is_empty() => None,
            Some(reason) => Some(BreakGlass { against, reason: reason.to_owned() }),
            None => return Err(self.refused(&against, hours.as_ref(), &approvals)),
        };
        Ok(Begin { origin: None, on_failure, break_glass, approvals: approvals.good })
    }

    fn refused(&self, against: &[String], hours: Option<&hours::Hours>, approvals: &Approvals) -> Failure {
        let mut message = "the policy is against a start now:".to_owned();
        for why in against {
            message.push_str(&format!("\n  {why}"));
        }
        message.push_str("\nnothing was started");
        let mut failure = Failure::refused(message);
        if let Some(next) = hours.and_then(hours::Hours::next) {
            failure = failure.hint(next);
        }
        if let (false, Some((document, _))) = (approvals.against.is_empty(), &self.document) {
            failure = failure.hint(format!("`windlass approve {}` approves this plan", document.display()));
        }
        failure.hint("`--break-glass \"WHY\"` starts it all the same; the record shows who did it and why")
    }

    /// For `plan`: what the policy says; nothing where it says nothing.
    pub fn text(&self) -> Result<Text, Failure> {
        let mut lines = Vec::new();
        if let Some(hours) = hours::read(self.policy, self.place, self.severity)? {
            lines.push(hours.line());
        }
        if self.policy.approve.is_some() {
            let approvals = self.approvals()?;
            let by: Vec<&str> = approvals.good.iter().map(|good| good.by.as_str()).collect();
            lines.push(match approvals.against.is_empty() {
                true => (Mark::Good, format!("approved by {}", by.join(", "))),
                false => (Mark::Warn, approvals.against.join("; ")),
            });
        }
        let mut text = Text::new();
        if !lines.is_empty() {
            text.line();
        }
        for (mark, words) in lines {
            text.wrapped("Policy: ", mark, &words);
        }
        Ok(text)
    }
}
