//! The closed set of events. These types are the journal's JSON: a change of their shape is a change of
//! `JOURNAL_FORMAT`.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};
use windlass_plan::{Digest, Downtime, Plan, UnitId, Way};

/// A run that a person started against the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakGlass {
    /// What the policy had against it, one sentence each.
    pub against: Vec<String>,
    /// Why the person did it.
    pub reason: String,
}

/// A signed approval of a run's plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// The approver, by the name in the team's file of allowed signers.
    pub by: String,
    /// When they signed it, by their clock.
    pub at_ms: i64,
}

/// The document that a run's plan was compiled from, to be found again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its path, from the folder of windlass.toml; absolute when it stands elsewhere.
    pub path: String,
    /// `--env`, where it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
}

/// What is said about a run when it begins.
#[derive(Clone, Debug)]
pub struct Begin {
    /// What to do when a unit fails.
    pub on_failure: OnFailure,
    /// Where the document is that a person wrote; none: the plan was made by a command.
    pub origin: Option<Origin>,
    /// The policy was against it, and a person starts it all the same.
    pub break_glass: Option<BreakGlass>,
    /// Who approved its plan.
    pub approvals: Vec<Approved>,
}

impl From<OnFailure> for Begin {
    fn from(on_failure: OnFailure) -> Self {
        Self { on_failure, origin: None, break_glass: None, approvals: Vec::new() }
    }
}

/// Version of the journal's format. A newer one is refused, never guessed at and never written. A file has the oldest one that
/// has all of its entries ([`Event::format`]), so that older versions of Windlass read what they can.
///
/// 2: an entry may give a run another plan (`replanned`).
pub const JOURNAL_FORMAT: u32 = 2;

/// Name of a run: `YYYYMMDD-HHMMSS-xxxx`. It has no order: two of one second differ by chance, and a clock can be set back. Which
/// run came first is said by the order of the journal ([`Store::runs`](crate::Store::runs)).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RunId(pub String);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// An event as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Position in the journal, from 1, without gaps.
    pub seq: u64,
    /// Milliseconds since 1970 by the writer's clock: for people, never for a decision.
    pub time_ms: i64,
    /// The run it belongs to.
    pub run: RunId,
    /// Who caused it: `user@host`.
    pub actor: String,
    /// Fencing token of the lease it was written under.
    pub token: u64,
    /// What happened.
    pub event: Event,
    /// SHA-256 of the entry before, hexadecimal; empty for the first.
    pub previous: String,
    /// SHA-256 over `previous` and this entry without `hash`.
    pub hash: String,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A run began. The plan is stored whole: a resume never depends on the document as it is now.
    Started {
        /// Its digest.
        digest: Digest,
        /// The compiled plan.
        plan: Box<Plan>,
        /// What to do when a unit fails.
        on_failure: OnFailure,
        /// Where the document is that a person wrote; none: the plan was made by a command, or by an older version.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
        /// The policy was against it, and a person started it all the same.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        break_glass: Option<BreakGlass>,
        /// Who approved its plan.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        approvals: Vec<Approved>,
    },
    /// What had not begun was edited, and a person took it over: the run goes on with another plan, in which everything that has begun
    /// stands as it did ([`RunState::edit`](crate::RunState::edit)). What was asked about the plan before was asked anew.
    Replanned {
        /// Digest of the plan that it takes the place of.
        from: Digest,
        /// Its own digest.
        digest: Digest,
        /// The plan, whole.
        plan: Box<Plan>,
        /// The policy was against it, and a person goes on all the same.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        break_glass: Option<BreakGlass>,
        /// Who approved this plan.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        approvals: Vec<Approved>,
    },
    /// A controller took the lease for this run.
    Taken {
        /// The new owner, for people.
        owner: String,
        /// The dead owner it was taken from.
        from: Option<String>,
    },
    /// A unit is about to be acted on. On disk before anything is touched.
    Intended {
        /// The unit.
        unit: UnitId,
        /// Which way.
        way: Way,
        /// Number of this try, from 1, per unit and way.
        attempt: u32,
        /// What is needed to undo it (forward only; null for an undo).
        capsule: serde_json::Value,
    },
    /// What became of it.
    Settled {
        /// The unit.
        unit: UnitId,
        /// Which way.
        way: Way,
        /// The try.
        attempt: u32,
        /// The outcome.
        outcome: Outcome,
        /// Milliseconds from intent to here by a monotonic clock; `None` when settled after a restart.
        took_ms: Option<u64>,
    },
    /// A person confirmed a gate.
    Confirmed {
        /// The gate's unit.
        unit: UnitId,
        /// What they said.
        note: String,
    },
    /// The run changed its direction.
    Turned {
        /// New direction.
        to: Direction,
        /// Why: the failure or the person's reason.
        why: String,
        /// The unit that caused it.
        unit: Option<UnitId>,
    },
    /// A person decided about a unit that could not go on by itself.
    Decided {
        /// What.
        verb: Verb,
        /// About which unit; `None` for `unwind` and `abandon`.
        unit: Option<UnitId>,
        /// Why.
        reason: String,
    },
    /// What a look from outside saw of the run's services so far. Written when it begins, when there is a quarter more
    /// downtime than was written, when a budget is exceeded, and before the controller leaves the run.
    Probed {
        /// By service; totals of the run.
        seen: BTreeMap<String, Downtime>,
        /// The unit that was at work, or was last.
        unit: UnitId,
    },
    /// The run ended. A later rollback turns it again.
    Ended {
        /// How.
        ending: Ending,
    },
}

impl Event {
    /// The first entry of a run of `plan`, with the plan's own digest.
    #[must_use]
    pub fn started(plan: Plan, begin: impl Into<Begin>) -> Self {
        let Begin { on_failure, origin, break_glass, approvals } = begin.into();
        let digest = plan.digest();
        Self::Started { digest, plan: Box::new(plan), on_failure, origin, break_glass, approvals }
    }

    /// The oldest format that has it.
    #[must_use]
    pub fn format(&self) -> u32 {
        match self {
            Self::Replanned { .. } => 2,
            _ => 1,
        }
    }

    /// The unit that it is about.
    #[must_use]
    pub fn unit(&self) -> Option<&UnitId> {
        match self {
            Self::Intended { unit, .. } | Self::Settled { unit, .. } | Self::Confirmed { unit, .. } => {
                Some(unit)
            }
            Self::Turned { unit, .. } | Self::Decided { unit, .. } => unit.as_ref(),
            Self::Started { .. }
            | Self::Replanned { .. }
            | Self::Taken { .. }
            | Self::Probed { .. }
            | Self::Ended { .. } => None,
        }
    }
}

/// Direction of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Applying steps.
    Forward,
    /// Undoing them, newest first.
    Unwind,
    /// Waiting for a person's decision; the direction before is kept by the fold.
    Person,
}

/// What to do when a unit fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// Go back by itself.
    #[default]
    Unwind,
    /// Stop, and wait for a person.
    Stop,
    /// Ask on the terminal; without one like `stop`.
    Ask,
}

/// What a person can decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Try the unit again (the person has looked: it had no effect, or may be repeated).
    Retry,
    /// Go on without it.
    Skip,
    /// It is done (by hand).
    MarkDone,
    /// Go back.
    Unwind,
    /// Leave everything as it is and end the run.
    Abandon,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// Everything was applied.
    Done,
    /// Everything was undone.
    Undone,
    /// A person left it, or a part of it, as it was.
    Abandoned,
}

/// What became of a try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It took effect (for an undo: it was undone).
    Applied(Report),
    /// The world already was as wanted.
    NoEffect(Report),
    /// It failed, and certainly changed nothing.
    Failed(Trouble),
    /// It ended, failed, and may have changed something that the unit's undo covers.
    FailedPartly(Trouble),
    /// Nobody knows; the driver's `inspect` could not tell either, or was not asked yet.
    Unknown(Trouble),
}

/// What a unit reported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What changed, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<String>,
    /// Output excerpt.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// Facts for later units and for the record.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub facts: serde_json::Value,
}

/// What went wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What failed.
    pub message: String,
    /// What to do next, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// Output excerpt.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// Whether the same try may be repeated.
    #[serde(default, skip_serializing_if = "is_false")]
    pub retry: bool,
    /// Whether to go on or back is for a person to say.
    #[serde(default, skip_serializing_if = "is_false")]
    pub person: bool,
    /// It had not begun when its controller died: the unit is as if it had never been tried. Of a try that failed in part:
    /// it was paused, and the try does not count.
    #[serde(default, skip_serializing_if = "is_false")]
    pub interrupted: bool,
}

fn is_false(value: &bool) -> bool {
    !*value
}
