//! The JSON that `--json` prints: types of its own, so that the journal can change without breaking scripts.
//!
//! Field names are stable; new fields may be added, so readers ignore what they do not know. Times are milliseconds
//! since 1970 (`*_at_ms`) or durations in milliseconds (`*_ms`). `format` rises when a field changes its meaning.

use crate::{
    DowntimeJson, Hold, SentNoticeJson, Stand, UnitProgress, downtime::downtime_json, run::shown_units,
    suggestions, words,
};
use serde::Serialize;
use windlass_journal::{Direction, Entry, Event, RunState, UndoPhase, UnitState};
use windlass_plan::{Class, Step, Unit};

/// Version of these types.
pub const FORMAT: u32 = 1;

/// One line of `windlass runs --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SummaryJson {
    /// [`FORMAT`].
    pub format: u32,
    /// Name of the run.
    pub run: String,
    /// Version that it releases.
    pub release: String,
    /// Version before.
    pub from: Option<String>,
    /// Environment.
    pub env: Option<String>,
    /// Title of the document.
    pub title: Option<String>,
    /// `done`, `undone`, `abandoned`, `needs a person` or `not finished`.
    pub state: String,
    /// Whether it has ended.
    pub ended: bool,
    /// Digest of its plan.
    pub digest: String,
    /// File name of the document.
    pub document: String,
    /// SHA-256 of the document.
    pub document_sha256: String,
    /// Undo class of the release.
    pub class: Class,
    /// Who started it.
    pub actor: String,
    /// When it started.
    pub started_at_ms: i64,
    /// When its last event was written.
    pub last_at_ms: i64,
}

/// `windlass show RUN --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunJson {
    /// The run in short; its fields stand at the same level.
    #[serde(flatten)]
    pub summary: SummaryJson,
    /// `forward` or `unwind`.
    pub direction: Direction,
    /// Units in plan order; those of hand-written undos once used.
    pub units: Vec<UnitJson>,
    /// Each change of direction, in order.
    pub turns: Vec<TurnJson>,
    /// The policy was against the start, and a person gave a reason for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<windlass_journal::BreakGlass>,
    /// Who approved its plan.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<windlass_journal::Approved>,
    /// Time in which requests were held.
    pub held: HeldJson,
    /// Time in which requests failed, as seen from outside.
    pub downtime: DowntimeJson,
    /// What became of the notices about it; whoever read their record fills it in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<SentNoticeJson>,
}

/// `windlass status --json`, and what `apply`, `resume`, `rollback`, `confirm` and `decide` print.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatusJson {
    /// The run; its fields stand at the same level.
    #[serde(flatten)]
    pub run: RunJson,
    /// `working`, `stopped`, `gate`, `not-before`, `person` or `ended`.
    pub stand: String,
    /// The unit it waits for, if it waits.
    pub waits_for: Option<String>,
    /// Why it waits for a person.
    pub why: Option<String>,
    /// The controller that works on it.
    pub owner: Option<String>,
    /// Since when it does, or until when a step waits.
    pub at_ms: Option<i64>,
    /// Commands that make sense now, best first.
    pub next: Vec<String>,
    /// Requests that wait now; whoever asked the proxies fills it in.
    pub holding: Vec<Hold>,
    /// How far units are that are begun; whoever looked into their workspaces fills it in.
    pub progress: Vec<UnitProgress>,
}

/// One unit of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnitJson {
    /// Its id.
    pub unit: String,
    /// Its step.
    pub step: String,
    /// Heading it stands under.
    pub stage: Option<String>,
    /// Host.
    pub host: String,
    /// Driver.
    pub driver: String,
    /// Line of the document.
    pub line: usize,
    /// Column of the document.
    pub column: usize,
    /// What the plan said it would do.
    pub planned: String,
    /// Undo class.
    pub class: Class,
    /// How it is undone.
    pub undo: String,
    /// One word, as in the text.
    pub state: String,
    /// Whether the world holds something of it now.
    pub in_place: bool,
    /// Tries forward.
    pub attempts: u32,
    /// Tries back.
    pub undo_attempts: u32,
    /// First intent.
    pub began_at_ms: Option<i64>,
    /// Last settlement.
    pub ended_at_ms: Option<i64>,
    /// Time of all tries, both ways.
    pub took_ms: u64,
    /// What applying it changed.
    pub effects: Vec<String>,
    /// What undoing it changed.
    pub undo_effects: Vec<String>,
    /// Output excerpt.
    pub output: String,
    /// What went wrong last.
    pub error: Option<String>,
    /// Hints that came with it.
    pub hints: Vec<String>,
    /// Who confirmed it, with the note.
    pub confirmed: Option<String>,
}

/// A change of direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TurnJson {
    /// Where to: `forward`, `unwind` or `person`.
    pub to: Direction,
    /// Why.
    pub why: String,
    /// The unit that caused it; none when a person asked.
    pub unit: Option<String>,
}

/// Requests held by the proxy while the run worked: what users noticed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HeldJson {
    /// How many requests waited.
    pub requests: u64,
    /// Longest hold of one unit.
    pub max_ms: u64,
    /// All holds together.
    pub total_ms: u64,
}

/// `windlass record RUN --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordJson {
    /// The run; its fields stand at the same level.
    #[serde(flatten)]
    pub run: RunJson,
    /// Confirmations and decisions of people, and edits of what had not begun, in order.
    pub decisions: Vec<DecisionJson>,
    /// Controllers that worked on it, in order.
    pub owners: Vec<String>,
}

/// What a person said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecisionJson {
    /// When.
    pub at_ms: i64,
    /// Who: `user@host`.
    pub actor: String,
    /// `confirm`, `retry`, `skip`, `mark-done`, `unwind`, `abandon`; `edit`: what had not begun was edited.
    pub what: String,
    /// About which unit.
    pub unit: Option<String>,
    /// What they said.
    pub reason: String,
}

/// One step, as `windlass check --json` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepJson {
    /// Its id.
    pub id: String,
    /// Line of the document.
    pub line: usize,
    /// Heading it stands under.
    pub stage: Option<String>,
    /// Drivers of its units, each once.
    pub driver: String,
    /// Target; empty when it names none.
    pub target: String,
    /// Undo class; null where there is no configuration to compile it with.
    pub class: Option<Class>,
    /// Number of units; null likewise.
    pub units: Option<usize>,
}

/// One step.
#[must_use]
pub fn step_json(step: &Step) -> StepJson {
    StepJson {
        id: step.id.0.clone(),
        line: step.line,
        stage: step.stage.clone(),
        driver: words::drivers_of(step),
        target: step.on.clone(),
        class: Some(step.class),
        units: Some(step.units.len()),
    }
}

/// A run in short.
#[must_use]
pub fn summary_json(run: &RunState) -> SummaryJson {
    let (release, document) = (&run.plan.release, &run.plan.document);
    SummaryJson {
        format: FORMAT,
        run: run.id.0.clone(),
        release: release.version.clone(),
        from: release.from.clone(),
        env: release.env.clone(),
        title: release.title.clone(),
        state: words::run_word(run).1.to_owned(),
        ended: run.ending.is_some(),
        digest: run.digest.0.clone(),
        document: document.name.clone(),
        document_sha256: document.sha256.clone(),
        class: run.plan.class,
        actor: run.actor.clone(),
        started_at_ms: run.started_ms,
        last_at_ms: run.last_ms,
    }
}

/// A run in full.
#[must_use]
pub fn run_json(run: &RunState) -> RunJson {
    let units = shown_units(run).into_iter().map(|(step, unit)| unit_json(run, step, unit)).collect();
    let turns = run.turns.iter().map(|turn| TurnJson {
        to: turn.to,
        why: turn.why.clone(),
        unit: turn.unit.as_ref().map(|unit| unit.0.clone()),
    });
    RunJson {
        summary: summary_json(run),
        direction: run.direction,
        units,
        turns: turns.collect(),
        break_glass: run.break_glass.clone(),
        approvals: run.approvals.clone(),
        held: held(run),
        downtime: downtime_json(run),
        notices: Vec::new(),
    }
}

/// A run and where it stands.
#[must_use]
pub fn status_json(run: &RunState, stand: &Stand) -> StatusJson {
    let mut status = StatusJson {
        run: run_json(run),
        stand: String::new(),
        waits_for: None,
        why: None,
        owner: None,
        at_ms: None,
        next: suggestions(run, stand).into_iter().map(|next| next.command).collect(),
        holding: Vec::new(),
        progress: Vec::new(),
    };
    let name = match stand {
        Stand::Working(holder) => {
            status.owner = Some(holder.owner.clone());
            status.at_ms = Some(holder.since_ms);
            "working"
        }
        Stand::Stopped => "stopped",
        Stand::Gate(unit) => {
            status.waits_for = Some(unit.0.clone());
            "gate"
        }
        Stand::NotBefore { unit, at_ms } => {
            status.waits_for = Some(unit.0.clone());
            status.at_ms = Some(*at_ms);
            "not-before"
        }
        Stand::Person { unit, why } => {
            status.waits_for = unit.as_ref().map(|unit| unit.0.clone());
            status.why = Some(why.clone());
            "person"
        }
        Stand::Ended(_) => "ended",
    };
    name.clone_into(&mut status.stand);
    status
}

/// A run with everything that people said. `entries` are the entries of this run.
#[must_use]
pub fn record_json(run: &RunState, entries: &[Entry]) -> RecordJson {
    RecordJson { run: run_json(run), decisions: decisions(entries), owners: run.owners.clone() }
}

/// Confirmations and decisions, in order.
pub(crate) fn decisions(entries: &[Entry]) -> Vec<DecisionJson> {
    entries
        .iter()
        .filter_map(|entry| {
            let (what, unit, reason) = match &entry.event {
                Event::Confirmed { unit, note } => ("confirm".to_owned(), Some(unit), note.clone()),
                Event::Decided { verb, unit, reason } => {
                    (crate::stand::name(*verb).to_owned(), unit.as_ref(), reason.clone())
                }
                Event::Replanned { from, digest, .. } => {
                    ("edit".to_owned(), None, format!("plan {digest} instead of {from}"))
                }
                _ => return None,
            };
            Some(DecisionJson {
                at_ms: entry.time_ms,
                actor: entry.actor.clone(),
                what,
                unit: unit.map(|unit| unit.0.clone()),
                reason,
            })
        })
        .collect()
}

/// Sums the well-known facts `held` and `hold_ms` of all units, both ways.
pub(crate) fn held(run: &RunState) -> HeldJson {
    let reports = run.units.values().flat_map(|unit| unit.report.iter().chain(&unit.undo_report));
    reports.fold(HeldJson::default(), |sum, report| {
        let number = |key: &str| report.facts.get(key).and_then(serde_json::Value::as_u64).unwrap_or(0);
        HeldJson {
            requests: sum.requests + number("held"),
            max_ms: sum.max_ms.max(number("hold_ms")),
            total_ms: sum.total_ms + number("hold_ms"),
        }
    })
}

fn unit_json(run: &RunState, step: &Step, unit: &Unit) -> UnitJson {
    let state = &run.unit(&unit.id);
    let word = words::state_word(run, step, unit).1;
    let trouble = crate::ending::trouble(state).map(|(_, trouble)| trouble);
    let report = state.report.clone().unwrap_or_default();
    let output =
        if report.output.is_empty() { trouble.map_or("", |t| t.output.as_str()) } else { &report.output };
    UnitJson {
        unit: unit.id.0.clone(),
        step: step.id.0.clone(),
        stage: step.stage.clone(),
        host: unit.host.clone(),
        driver: words::driver_word(unit.driver).to_owned(),
        line: unit.line,
        column: unit.column,
        planned: unit.effect.clone(),
        class: unit.undo.class,
        undo: unit.undo.how.clone(),
        state: word.to_owned(),
        in_place: in_place(state) && word != "undone",
        attempts: state.attempt,
        undo_attempts: state.undo_attempt,
        began_at_ms: state.began_ms,
        ended_at_ms: state.ended_ms,
        took_ms: state.took_ms,
        output: output.to_owned(),
        effects: report.effects,
        undo_effects: state.undo_report.clone().unwrap_or_default().effects,
        error: trouble.map(|t| t.message.clone()),
        hints: trouble.map(|t| t.hints.clone()).unwrap_or_default(),
        confirmed: state.confirmed.clone(),
    }
}

fn in_place(state: &UnitState) -> bool {
    state.may_have_changed() && state.undo != UndoPhase::Undone
}
