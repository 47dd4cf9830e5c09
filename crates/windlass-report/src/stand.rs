//! Where a run stands and what a person can type next.

use crate::{Mark, Text, time::duration, words::count};
use serde::Serialize;
use windlass_journal::{Ending, RunState, Verb};
use windlass_plan::UnitId;

/// The controller that holds the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// `user@host (process N)`.
    pub owner: String,
    /// Since when, milliseconds since 1970.
    pub since_ms: i64,
}

/// Where a run stands, as seen by whoever asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stand {
    /// A controller works on it.
    Working(Holder),
    /// Nobody works on it; `resume` goes on.
    Stopped,
    /// A gate (or a step with `after=`) waits for a confirmation.
    Gate(UnitId),
    /// A step waits for its time.
    NotBefore {
        /// First unit of the step.
        unit: UnitId,
        /// When, milliseconds since 1970.
        at_ms: i64,
    },
    /// A person has to decide.
    Person {
        /// About which unit.
        unit: Option<UnitId>,
        /// Why.
        why: String,
    },
    /// It ended.
    Ended(Ending),
}

/// Requests that wait now, since the proxy of a service holds them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// The service.
    pub service: String,
    /// How long they have been held, milliseconds.
    pub since_ms: u64,
    /// How many wait.
    pub waiting: u64,
    /// How long each of them waits at most before it is answered 503, milliseconds.
    pub hold_ms: u64,
}

/// What is held now, and what lets it go.
#[must_use]
pub fn holds_text(holds: &[Hold]) -> Text {
    let mut text = Text::new();
    for hold in holds {
        let waiting = count(usize::try_from(hold.waiting).unwrap_or(usize::MAX), "request");
        let line = format!(
            "traffic to {} since {}, {waiting} waiting, each at most {} and then 503; `windlass proxy resume {}` lets it go",
            hold.service,
            duration(hold.since_ms),
            duration(hold.hold_ms),
            hold.service
        );
        text.field("Held now", 12, Mark::Bad, &line);
    }
    text
}

/// How far a unit is that has begun.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct UnitProgress {
    /// The unit.
    pub unit: String,
    /// What its driver says, in one line.
    pub line: String,
}

/// How far units are.
#[must_use]
pub fn progress_text(progress: &[UnitProgress]) -> Text {
    let mut text = Text::new();
    for of in progress {
        text.field("Progress", 12, Mark::Plain, &format!("{}: {}", of.unit, of.line));
    }
    text
}

/// A command that makes sense now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// To be typed as it stands, except for words in capitals.
    pub command: String,
    /// What it does.
    pub what: String,
}

impl Suggestion {
    fn new(command: impl Into<String>, what: &str) -> Self {
        Self { command: command.into(), what: what.to_owned() }
    }
}

/// What can be typed next, best first.
#[must_use]
pub fn suggestions(run: &RunState, stand: &Stand) -> Vec<Suggestion> {
    let id = &run.id;
    match stand {
        Stand::Working(_) => vec![Suggestion::new("windlass status", "look again")],
        Stand::Stopped => vec![
            Suggestion::new(format!("windlass resume {id}"), "go on"),
            Suggestion::new(format!("windlass rollback {id}"), "take it back"),
        ],
        Stand::Gate(unit) => vec![
            Suggestion::new(format!("windlass confirm {} --run {id}", gate_name(unit)), "confirm and go on"),
            Suggestion::new(format!("windlass rollback {id}"), "take it back"),
        ],
        Stand::NotBefore { .. } => vec![
            Suggestion::new(format!("windlass resume {id}"), "go on when the time has come"),
            Suggestion::new(format!("windlass rollback {id}"), "take it back"),
        ],
        Stand::Person { unit, .. } => decisions(run, unit.as_ref()),
        Stand::Ended(Ending::Done) => vec![
            Suggestion::new(format!("windlass record {id}"), "the record"),
            Suggestion::new(format!("windlass rollback {id}"), "take it back"),
        ],
        Stand::Ended(_) => vec![
            Suggestion::new(format!("windlass show {id}"), "every step of it"),
            Suggestion::new(format!("windlass record {id}"), "the record"),
        ],
    }
}

fn decisions(run: &RunState, unit: Option<&UnitId>) -> Vec<Suggestion> {
    let id = &run.id;
    let back = run.direction == windlass_journal::Direction::Unwind;
    let about =
        |verb: Verb, unit: &UnitId| format!("windlass decide {} {unit} --run {id} --reason WHY", name(verb));
    let mut all = Vec::new();
    let over = run.over_budget().filter(|over| Some(&over.unit) == unit && run.unit(&over.unit).passed());
    if let Some(over) = over {
        all.push(Suggestion::new(about(Verb::Skip, &over.unit), "go on in spite of the budget"));
    } else if let Some(unit) = unit {
        let (skip, done) = if back {
            ("leave what it changed in place", "you took it back by hand")
        } else {
            ("go on without it", "you did it by hand")
        };
        all.push(Suggestion::new(about(Verb::Retry, unit), "try it again"));
        all.push(Suggestion::new(about(Verb::MarkDone, unit), done));
        all.push(Suggestion::new(about(Verb::Skip, unit), skip));
    }
    // What failed without effect may be edited: most often its text was wrong.
    if !back && run.origin.is_some() && unit.is_some_and(|unit| !run.has_begun(unit)) {
        all.push(Suggestion::new(
            format!("windlass resume {id}"),
            "go on with the document as you have corrected it",
        ));
    }
    if !back {
        all.push(Suggestion::new(
            format!("windlass decide unwind --run {id} --reason WHY"),
            "take everything back",
        ));
    }
    let abandon = format!("windlass decide abandon --run {id} --reason WHY");
    all.push(Suggestion::new(abandon, "leave everything as it is now"));
    all
}

pub(crate) fn name(verb: Verb) -> &'static str {
    match verb {
        Verb::Retry => "retry",
        Verb::Skip => "skip",
        Verb::MarkDone => "mark-done",
        Verb::Unwind => "unwind",
        Verb::Abandon => "abandon",
    }
}

/// The name that a person types for the unit of a gate: the step's id.
fn gate_name(unit: &UnitId) -> &str {
    unit.0.split_once('/').map_or(unit.0.as_str(), |(step, _)| step)
}
