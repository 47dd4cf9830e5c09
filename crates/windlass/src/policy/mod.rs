//! What the policy of a team says about a start: the hours, who has approved it, who starts it, what it has to have, where
//! it has to be done before, and how soon it is due.

pub mod approvals;
mod before;
pub mod due;
mod hours;
mod job;

use crate::{exit::Failure, project::Place};
use approvals::Approvals;
use jiff::tz::TimeZone;
use std::path::Path;
use windlass_document::Urgency;
use windlass_journal::{Begin, BreakGlass, OnFailure};
use windlass_plan::{Plan, Policy, Requirement};
use windlass_report::{Mark, Text};

/// The clock that the policy names; none where it names none.
fn timezone(policy: &Policy) -> Option<TimeZone> {
    policy.timezone.as_deref().and_then(|name| TimeZone::get(name).ok())
}

/// The clock of the policy, else that of this machine.
pub fn zone(policy: &Policy) -> TimeZone {
    timezone(policy).unwrap_or_else(TimeZone::system)
}

/// What is to be started.
pub struct Start<'a> {
    pub policy: &'a Policy,
    pub place: &'a Place,
    /// The environment it is for, if that was said.
    pub env: Option<&'a str>,
    /// The document and its plan; `None`: a command by hand, which nobody can have approved.
    pub document: Option<(&'a Path, &'a Plan)>,
}

/// What the policy has against a start, and what to do about it.
#[derive(Default)]
struct Objections {
    against: Vec<String>,
    hints: Vec<String>,
}

impl Objections {
    fn add(&mut self, against: Option<String>, hint: impl Into<String>) {
        if let Some(against) = against {
            self.against.push(against);
            self.hints.push(hint.into());
        }
    }
}

impl<'a> Start<'a> {
    /// A release document; `env` is an environment named on the command line.
    pub fn document(
        policy: &'a Policy,
        place: &'a Place,
        document: &'a Path,
        env: Option<&'a str>,
        plan: &'a Plan,
    ) -> Self {
        let env = env.or(plan.release.env.as_deref());
        Self { policy, place, env, document: Some((document, plan)) }
    }

    fn severity(&self) -> Option<Urgency> {
        self.document.and_then(|(_, plan)| plan.release.severity)
    }

    /// The approvals that count, and why there are not enough.
    pub fn approvals(&self) -> Result<Approvals, Failure> {
        let Some(approval) = &self.policy.approve else { return Ok(Approvals::default()) };
        match self.document {
            Some((document, plan)) => approvals::read(approval, self.place, document, &plan.digest()),
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
        let approvals = self.approvals()?;
        let objections = self.objections(&approvals)?;
        let break_glass = match reason {
            _ if objections.against.is_empty() => None,
            Some(reason) => Some(BreakGlass { against: objections.against, reason: reason.to_owned() }),
            None => return Err(refused(&objections)),
        };
        Ok(Begin { origin: None, on_failure, break_glass, approvals: approvals.good })
    }

    fn objections(&self, approvals: &Approvals) -> Result<Objections, Failure> {
        let mut objections = Objections::default();
        if let Some(hours) = hours::read(self.policy, self.place, self.severity())? {
            objections.hints.extend(hours.next());
            objections.against.extend(hours.against);
        }
        objections.against.extend(approvals.against.iter().cloned());
        if let (false, Some((document, _))) = (approvals.against.is_empty(), self.document) {
            objections.hints.push(format!("`windlass approve {}` approves this plan", document.display()));
        }
        objections.add(job::against(self.policy, self.env), job::hint(self.place, self.env));
        let lacking = self.lacking(approvals);
        if !lacking.is_empty() {
            objections.against.extend(lacking);
            objections.hints.push("`windlass plan` shows the place of what is required".to_owned());
        }
        if let Err(why) = before::read(self)? {
            objections.add(Some(why), before::hint(self));
        }
        Ok(objections)
    }

    /// What `require` asks for and the release does not have.
    fn lacking(&self, approvals: &Approvals) -> Vec<String> {
        let required = &self.policy.require;
        let Some((_, plan)) = self.document else {
            let words = "only a release document can have what [policy] requires";
            return if required.is_empty() { Vec::new() } else { vec![words.to_owned()] };
        };
        let approved = self.policy.approve.is_some() && approvals.against.is_empty();
        let unmet = plan.unmet(required).into_iter();
        let unmet =
            unmet.filter(|unmet| !(approved && matches!(unmet.requirement, Requirement::Rollback(_))));
        unmet
            .map(|unmet| format!("`{}` is required: {} (line {})", unmet.requirement, unmet.why, unmet.line))
            .collect()
    }

    /// For `plan`: what the policy says; nothing where it says nothing.
    pub fn text(&self) -> Result<Text, Failure> {
        let mut lines = Vec::new();
        if let Some(hours) = hours::read(self.policy, self.place, self.severity())? {
            lines.push(hours.line());
        }
        let approvals = self.approvals()?;
        if self.policy.approve.is_some() {
            let by: Vec<&str> = approvals.good.iter().map(|good| good.by.as_str()).collect();
            lines.push(match approvals.against.is_empty() {
                true => (Mark::Good, format!("approved by {}", by.join(", "))),
                false => (Mark::Warn, approvals.against.join("; ")),
            });
        }
        lines.extend(job::against(self.policy, self.env).map(|why| (Mark::Warn, why)));
        lines.extend(self.lacking(&approvals).into_iter().map(|why| (Mark::Warn, why)));
        lines.extend(due::read(self).map(|due| due.line(&zone(self.policy))));
        match before::read(self)? {
            Ok(done) => lines.extend(done.map(|done| (Mark::Good, done))),
            Err(why) => lines.push((Mark::Warn, why)),
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

fn refused(objections: &Objections) -> Failure {
    let mut message = "the policy is against a start now:".to_owned();
    for why in &objections.against {
        message.push_str(&format!("\n  {why}"));
    }
    message.push_str("\nnothing was started");
    let mut failure = Failure::refused(message);
    for hint in &objections.hints {
        failure = failure.hint(hint);
    }
    failure.hint("`--break-glass \"WHY\"` starts it all the same; the record shows who did it and why")
}
