//! The ticket of a release: its plan for people who decide about it or do it.

mod lines;
mod page;

pub use page::ticket_page;

use crate::{IsOpen, Mask, Rehearsal, Surveys, json::FORMAT};
use lines::{Groups, TicketLineJson};
use serde::Serialize;
use windlass_document::{Kind, Severity, Urgency};
use windlass_journal::Approved;
use windlass_plan::{Class, Plan, Policy, Step};

/// What a ticket is made from.
pub struct Facts<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Which units may be shown.
    pub is_open: IsOpen<'a>,
    /// What a look at the world said of it.
    pub surveys: &'a Surveys,
    /// What the document says in front of its first step.
    pub about: Option<&'a str>,
    /// When and by whom the release may be started.
    pub policy: &'a Policy,
    /// Who has approved the plan.
    pub approvals: &'a [Approved],
    /// When the policy wants it done at the latest, milliseconds since 1970.
    pub due_at_ms: Option<i64>,
    /// The last rehearsal of the document.
    pub rehearsal: Option<&'a Rehearsal>,
    /// What the document was found to have, in order of place.
    pub findings: Vec<TicketFindingJson>,
    /// When the ticket is made, milliseconds since 1970.
    pub at_ms: i64,
    /// Who makes it.
    pub actor: &'a str,
    /// Who is to run the release.
    pub executor: Option<&'a str>,
}

/// `windlass ticket FILE --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TicketJson {
    /// [`FORMAT`].
    pub format: u32,
    /// Number of the ticket, as the document has it.
    pub ticket: Option<String>,
    /// Version that it releases.
    pub release: String,
    /// Version before.
    pub from: Option<String>,
    /// Environment.
    pub env: Option<String>,
    /// Title of the document.
    pub title: Option<String>,
    /// Kind of change.
    pub kind: Option<Kind>,
    /// How urgent it is.
    pub severity: Option<Urgency>,
    /// When the policy wants it done at the latest, milliseconds since 1970; null: it does not say, or it is not known.
    pub due_at_ms: Option<i64>,
    /// What the document says in front of its first step: what is released, and why.
    pub about: Option<String>,
    /// File name of the document.
    pub document: String,
    /// SHA-256 of the document.
    pub document_sha256: String,
    /// Digest of the plan: what is approved.
    pub digest: String,
    /// Undo class of the release.
    pub class: Class,
    /// Steps in order.
    pub steps: Vec<TicketStepJson>,
    /// Time in which requests may fail; null: nobody said.
    pub downtime_budget_ms: Option<u64>,
    /// What the policy says about the start.
    pub policy: TicketPolicyJson,
    /// What the last rehearsal found; null: there was none.
    pub rehearsal: Option<TicketRehearsalJson>,
    /// What the document was found to have.
    pub findings: Vec<TicketFindingJson>,
    /// When the ticket was made.
    pub made_at_ms: i64,
    /// Who made it.
    pub made_by: String,
    /// Who is to run the release; null: nobody said.
    pub executor: Option<String>,
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TicketStepJson {
    /// Its id.
    pub id: String,
    /// Line of the document.
    pub line: usize,
    /// Heading it stands under.
    pub stage: Option<String>,
    /// Target; empty when it names none.
    pub target: String,
    /// Undo class.
    pub class: Class,
    /// It runs no sooner than this after the start.
    pub after_ms: Option<u64>,
    /// What it does, line by line or statement by statement.
    pub lines: Vec<TicketLineJson>,
    /// The step that is its hand-written undo.
    pub undo_step: Option<String>,
    /// What that does.
    pub undo_lines: Vec<TicketLineJson>,
}

/// When and by whom the release may be started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TicketPolicyJson {
    /// Time zone of the windows.
    pub timezone: Option<String>,
    /// It may be started only in these; empty: at any time.
    pub windows: Vec<String>,
    /// Days on which it may not.
    pub freezes: Vec<String>,
    /// Approvals that it needs.
    pub approvals_needed: u32,
    /// Whether an approval of who wrote of the document counts.
    pub author_may_approve: bool,
    /// Who has approved this plan.
    pub approvals: Vec<Approved>,
}

/// What the last rehearsal found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TicketRehearsalJson {
    /// `good`, `problems`, or `stale`: steps have changed since.
    pub state: &'static str,
    /// Steps that have changed since.
    pub changed: Vec<String>,
    /// All that it found.
    #[serde(flatten)]
    pub found: Rehearsal,
}

/// A finding of the document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TicketFindingJson {
    /// Rule name.
    pub rule: String,
    /// `note`, `warning` or `error`.
    pub severity: Severity,
    /// Line of the document.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// A ticket, without the secrets that `mask` knows.
#[must_use]
pub fn ticket_json(facts: Facts<'_>, mask: Mask<'_>) -> TicketJson {
    let (plan, release) = (facts.plan, &facts.plan.release);
    let groups = Groups { surveys: facts.surveys, mask, is_open: facts.is_open };
    TicketJson {
        format: FORMAT,
        ticket: release.ticket.clone(),
        release: release.version.clone(),
        from: release.from.clone(),
        env: release.env.clone(),
        title: release.title.clone(),
        kind: release.kind,
        severity: release.severity,
        due_at_ms: facts.due_at_ms,
        about: facts.about.map(mask),
        document: plan.document.name.clone(),
        document_sha256: plan.document.sha256.clone(),
        digest: plan.digest().0,
        class: plan.class,
        steps: plan.steps.iter().map(|step| step_json(step, &groups)).collect(),
        downtime_budget_ms: plan.downtime_budget_ms(),
        policy: policy_json(facts.policy, facts.approvals),
        rehearsal: facts.rehearsal.map(|rehearsal| rehearsal_json(rehearsal, plan)),
        findings: facts.findings,
        made_at_ms: facts.at_ms,
        made_by: facts.actor.to_owned(),
        executor: facts.executor.map(str::to_owned),
    }
}

fn step_json(step: &Step, groups: &Groups<'_>) -> TicketStepJson {
    TicketStepJson {
        id: step.id.0.clone(),
        line: step.line,
        stage: step.stage.clone(),
        target: step.on.clone(),
        class: step.class,
        after_ms: step.after_ms,
        lines: groups.of(&step.units),
        undo_step: step.undo.as_ref().map(|script| script.id.0.clone()),
        undo_lines: step.undo.as_ref().map_or(Vec::new(), |script| groups.of(&script.units)),
    }
}

fn policy_json(policy: &Policy, approvals: &[Approved]) -> TicketPolicyJson {
    let approve = policy.approve.as_ref();
    TicketPolicyJson {
        timezone: policy.timezone.clone(),
        windows: policy.window.iter().map(ToString::to_string).collect(),
        freezes: policy.freeze.iter().map(ToString::to_string).collect(),
        approvals_needed: approve.map_or(0, |approve| approve.count),
        author_may_approve: !approve.is_some_and(|approve| approve.not_author),
        approvals: approvals.to_vec(),
    }
}

fn rehearsal_json(rehearsal: &Rehearsal, plan: &Plan) -> TicketRehearsalJson {
    let changed = rehearsal.changed_steps(plan);
    let state = match () {
        () if rehearsal.digest != plan.digest() && !changed.is_empty() => "stale",
        () if rehearsal.is_good() => "good",
        () => "problems",
    };
    TicketRehearsalJson { state, changed, found: rehearsal.clone() }
}
