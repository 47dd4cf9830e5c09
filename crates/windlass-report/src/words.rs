//! One word for each state, the same in text, Markdown and JSON.

use crate::{Mark, messages::Messages};
use std::collections::HashMap;
use windlass_journal::{Direction, Ending, Event, Forward, RunState, UndoPhase, UnitState};
use windlass_plan::{Action, Class, DriverKind, Plan, Step, Unit, UnitId};

/// State of a unit.
#[must_use]
pub fn unit_word(unit: &Unit, state: &UnitState) -> (Mark, &'static str) {
    match (&state.forward, &state.undo) {
        (_, UndoPhase::Running) => (Mark::Warn, "undoing"),
        (_, UndoPhase::Undone) => (Mark::Good, "undone"),
        (_, UndoPhase::Failed(_)) => (Mark::Bad, "undo failed"),
        (_, UndoPhase::FailedPartly(trouble)) if trouble.interrupted => (Mark::Warn, "undo paused"),
        (_, UndoPhase::FailedPartly(_)) => (Mark::Bad, "undo failed partly"),
        (_, UndoPhase::Unknown(_)) => (Mark::Bad, "undo unknown"),
        (_, UndoPhase::Left) => (Mark::Warn, "left in place"),
        (Forward::Waiting, _) => (Mark::Dim, "waiting"),
        (Forward::Running, _) => (Mark::Warn, "running"),
        (Forward::Applied, _) if state.by_hand => (Mark::Good, "done by hand"),
        (Forward::Applied, _) if state.attempt == 0 && state.confirmed.is_some() => (Mark::Good, "confirmed"),
        (Forward::Applied | Forward::Unchanged, _) if is_check(unit) => (Mark::Good, "passed"),
        (Forward::Applied, _) => (Mark::Good, "applied"),
        (Forward::Unchanged, _) => (Mark::Good, "no effect"),
        (Forward::Failed(_), _) => (Mark::Bad, "failed"),
        (Forward::FailedPartly(trouble), _) if trouble.interrupted => (Mark::Warn, "paused"),
        (Forward::FailedPartly(_), _) => (Mark::Bad, "failed partly"),
        (Forward::Unknown(_), _) => (Mark::Bad, "unknown"),
        (Forward::Skipped, _) => (Mark::Warn, "skipped"),
    }
}

/// Whether it only looks, so that it passes or does not.
pub(crate) fn is_check(unit: &Unit) -> bool {
    unit.undo.class == Class::Readonly && !matches!(unit.action, Action::Backup { .. })
}

/// State of a unit in its run: what a hand-written undo took back as a whole is undone.
pub(crate) fn state_word(run: &RunState, step: &Step, unit: &Unit) -> (Mark, &'static str) {
    let state = run.unit(&unit.id);
    let of_script = step.undo.iter().flat_map(|script| &script.units).any(|other| other.id == unit.id);
    if state.has_effect() && !of_script && undone_by_script(run, step) {
        return (Mark::Good, "undone");
    }
    unit_word(unit, &state)
}

/// Whether the step's hand-written undo ran to its end on the way back.
pub(crate) fn undone_by_script(run: &RunState, step: &Step) -> bool {
    let ran = |unit: &Unit| matches!(run.unit(&unit.id).forward, Forward::Applied | Forward::Unchanged);
    let script = step.undo.as_ref().filter(|script| !script.units.is_empty());
    run.direction == Direction::Unwind && script.is_some_and(|script| script.units.iter().all(ran))
}

/// Whether what a unit changed is there no more: its driver took it back, or its step's hand-written undo did.
#[must_use]
pub(crate) fn taken_back(run: &RunState, step: &Step, unit: &Unit) -> bool {
    let state = run.unit(&unit.id);
    state.undo == UndoPhase::Undone || (state.has_effect() && undone_by_script(run, step))
}

/// How far a run is: units of the plan that need not be come back to, and of how many. On the way back only those count
/// that have something to take back; one that a person left in place is over too.
#[must_use]
pub fn progress(run: &RunState) -> (usize, usize) {
    let mut count = Count::default();
    count.all(run);
    (count.over, count.of)
}

/// [`progress`], kept up with each entry of a run.
#[derive(Debug, Default)]
pub struct Count {
    back: bool,
    over: usize,
    of: usize,
    /// Units that count, and whether they are over.
    units: HashMap<UnitId, bool>,
}

impl Count {
    /// How far the run is after `event`, which is folded in.
    pub fn entry(&mut self, run: &RunState, event: &Event) -> (usize, usize) {
        let same_way = self.back == (run.direction == Direction::Unwind);
        match event {
            Event::Intended { unit, .. } | Event::Settled { unit, .. } | Event::Confirmed { unit, .. }
                if same_way =>
            {
                let place = run.place(unit);
                let step = place.and_then(|place| run.plan.steps.get(place.step));
                match (step, place.and_then(|place| run.at(place))) {
                    // A hand-written undo takes back all of its step.
                    (Some(step), Some(_)) if place.is_some_and(|place| place.script) => {
                        step.units.iter().for_each(|unit| self.unit(run, step, unit));
                    }
                    (Some(step), Some(unit)) => self.unit(run, step, unit),
                    _ => {}
                }
            }
            _ => self.all(run),
        }
        (self.over, self.of)
    }

    fn all(&mut self, run: &RunState) {
        *self = Self { back: run.direction == Direction::Unwind, ..Self::default() };
        run.plan.units().for_each(|(step, unit)| self.unit(run, step, unit));
    }

    fn unit(&mut self, run: &RunState, step: &Step, unit: &Unit) {
        let fresh = UnitState::default();
        let state = run.units.get(&unit.id).unwrap_or(&fresh);
        let now = if self.back {
            let counts = unit.undo.class != Class::Readonly && state.has_effect();
            counts.then(|| taken_back(run, step, unit) || state.undo == UndoPhase::Left)
        } else {
            Some(!matches!(state.forward, Forward::Waiting | Forward::Running | Forward::Unknown(_)))
        };
        let before = match now {
            Some(over) => self.units.insert(unit.id.clone(), over),
            None => self.units.remove(&unit.id),
        };
        let ones = |is: Option<bool>| (usize::from(is.is_some()), usize::from(is == Some(true)));
        let ((was, was_over), (is, is_over)) = (ones(before), ones(now));
        self.of = self.of + is - was;
        self.over = self.over + is_over - was_over;
    }
}

/// Why a run turned or waits, for a page that shows the trouble of `unit` too: only what that does not say.
#[must_use]
pub fn why_in_short(run: &RunState, unit: Option<&UnitId>, why: &str) -> String {
    why_in_short_in(&Messages::english(), run, unit, why)
}

/// The same in another language, as far as the words are Windlass's own.
pub(crate) fn why_in_short_in(
    messages: &Messages,
    run: &RunState,
    unit: Option<&UnitId>,
    why: &str,
) -> String {
    let state = unit.map(|unit| run.unit(unit));
    let told = state.iter().flat_map(crate::ending::troubles);
    let mut heads =
        told.filter_map(|(how, trouble)| Some((how, why.strip_suffix(trouble.message.as_str())?)));
    match heads.next() {
        Some((how, "")) => messages.say(how),
        Some((_, head)) => head.trim_end().trim_end_matches(':').to_owned(),
        None => why.to_owned(),
    }
}

/// How a run ended.
#[must_use]
pub fn ending_word(ending: Ending) -> &'static str {
    match ending {
        Ending::Done => "done",
        Ending::Undone => "undone",
        Ending::Abandoned => "abandoned",
    }
}

/// Where a run is.
pub(crate) fn run_word(run: &RunState) -> (Mark, &'static str) {
    match (run.ending, &run.person) {
        (Some(Ending::Done), _) => (Mark::Good, "done"),
        (Some(Ending::Undone), _) => (Mark::Warn, "undone"),
        (Some(Ending::Abandoned), _) => (Mark::Bad, "abandoned"),
        (None, Some(_)) => (Mark::Bad, "needs a person"),
        (None, None) => (Mark::Warn, "not finished"),
    }
}

/// Name of a driver, as the plan's JSON has it.
pub(crate) fn driver_word(kind: DriverKind) -> &'static str {
    match kind {
        DriverKind::Shell => "shell",
        DriverKind::Files => "files",
        DriverKind::Sqlite => "sqlite",
        DriverKind::Postgres => "postgres",
        DriverKind::Mysql => "mysql",
        DriverKind::Service => "service",
        DriverKind::Systemd => "systemd",
        DriverKind::Compose => "compose",
        DriverKind::S3 => "s3",
        DriverKind::Git => "git",
        DriverKind::Install => "install",
        DriverKind::Http => "http",
        DriverKind::Watch => "watch",
        DriverKind::Gate => "gate",
    }
}

/// Drivers of a step, each once: `files+shell`.
pub(crate) fn drivers_of(step: &Step) -> String {
    let mut names: Vec<_> = step.units.iter().map(|unit| driver_word(unit.driver)).collect();
    names.sort_unstable();
    names.dedup();
    names.join("+")
}

/// A step's target, or where it runs when it names none.
pub(crate) fn target_of(step: &Step) -> &str {
    if !step.on.is_empty() {
        return &step.on;
    }
    match step.units.first() {
        Some(unit) if unit.driver == DriverKind::Gate => "a person",
        _ => "this machine",
    }
}

/// Where the text of a unit stands: `file:line:column`.
pub(crate) fn place_of(plan: &Plan, unit: &Unit) -> String {
    match &unit.action {
        Action::Sql { from: Some(from), .. } => from.to_string(),
        _ => format!("{}:{}:{}", plan.document.name, unit.line, unit.column),
    }
}

/// What a unit does, for a sentence that already says who asks: of a gate only its text.
pub(crate) fn purpose(unit: &Unit) -> &str {
    match &unit.action {
        Action::Gate { text } => text,
        _ => &unit.effect,
    }
}

/// `1 unit`, `3 units`.
#[must_use]
pub fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

/// A release as people call it: many titles have the version in them.
pub(crate) fn named_release(version: &str, title: &str) -> String {
    let is_version = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
    if title.split(|c| !is_version(c)).any(|word| word == version || word.strip_prefix('v') == Some(version))
    {
        title.to_owned()
    } else {
        format!("{version} {title}").trim_end().to_owned()
    }
}
