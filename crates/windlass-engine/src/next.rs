//! What comes next: a pure function of the folded state. The only place where that is decided.

use crate::board::Board;
use std::collections::BTreeSet;
use windlass_journal::{Direction, Ending, Exceeded, Forward, RunState, Trouble, UndoPhase, UnitState};
use windlass_plan::{Action, Class, Step, UndoBy, UndoScript, Unit, UnitId, Way};

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Find out what became of these: their outcome was not recorded.
    Inspect(Vec<(UnitId, Way)>),
    /// Begin these.
    Begin(Vec<(UnitId, Way)>),
    /// Ask a person about this unit (a gate, or a step whose `after=` has come).
    Confirm(UnitId),
    /// A unit failed for good: do what the run says for failures.
    Failed(UnitId, Why),
    /// Nobody but a person can decide.
    Person(UnitId, Why),
    /// Too early for this step.
    NotBefore {
        /// First unit of the step.
        unit: UnitId,
        /// When, milliseconds since 1970.
        at_ms: i64,
    },
    /// Units are at work; wait for them.
    Wait,
    /// All is done.
    End(Ending),
}

/// Why a run turns or stops, for people.
pub type Why = String;

/// Limits of the dispatcher.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Hosts at a time, at most.
    pub hosts_max: usize,
    /// Tries of a unit whose failure is safe to repeat.
    pub tries_max: u32,
}

/// Decides. `busy` are the units at work in this process; `now_ms` is only for `after=`.
#[must_use]
pub fn next(state: &RunState, busy: &BTreeSet<UnitId>, limits: Limits, now_ms: i64) -> Next {
    decide(state, &Board::of(state), busy, limits, now_ms)
}

/// As [`next`], with the board of the state.
pub(crate) fn decide(
    state: &RunState,
    board: &Board,
    busy: &BTreeSet<UnitId>,
    limits: Limits,
    now_ms: i64,
) -> Next {
    if let Some(ending) = state.ending {
        return Next::End(ending);
    }
    let asked = Asked { state, board, busy, limits };
    let lost = asked.lost();
    if !lost.is_empty() {
        return Next::Inspect(lost);
    }
    if let Some((unit, trouble)) = asked.unknown() {
        return asked.person(unit, unknown_text(&trouble));
    }
    match state.direction {
        Direction::Unwind => asked.unwind(),
        _ => asked.forward(now_ms),
    }
}

fn budget_text(exceeded: &Exceeded) -> Why {
    let Exceeded { service, down_ms, budget_ms, .. } = exceeded;
    format!("requests of {service} failed for {down_ms} ms, and the downtime budget is {budget_ms} ms")
}

fn unknown_text(trouble: &Trouble) -> Why {
    format!("its outcome is not known: {}", trouble.message)
}

/// The units that come behind `first` if that one and all before them are applied, as far as nothing but their order is
/// in between: no other host, no gate, no time, no earlier try that did anything.
pub(crate) fn followers<'a>(
    state: &'a RunState,
    board: &'a Board,
    first: &UnitId,
) -> impl Iterator<Item = &'a Unit> {
    let place = state.place(first).filter(|place| state.direction == Direction::Forward && !place.script);
    let steps = place.into_iter().flat_map(move |place| {
        let steps = state.plan.steps.iter().enumerate().skip(place.step);
        let own_step = move |number: usize, step: &Step| number == place.step || step.after_ms.is_none();
        steps
            .take_while(move |(number, step)| board.units.hosts(*number) <= 1 && own_step(*number, step))
            .flat_map(move |(number, step)| {
                step.units.iter().skip(if number == place.step { place.at + 1 } else { 0 })
            })
    });
    steps.take_while(|unit| !is_gate(unit) && state.units.get(&unit.id).is_none_or(is_fresh))
}

/// As if it had never been tried: it was not begun with those before it.
fn is_fresh(unit: &UnitState) -> bool {
    let waits = (&unit.forward, &unit.undo) == (&Forward::Waiting, &UndoPhase::None);
    waits && unit.tries == 0 && !unit.touched
}

fn is_gate(unit: &Unit) -> bool {
    matches!(unit.action, Action::Gate { .. })
}

/// What is asked about.
struct Asked<'a> {
    state: &'a RunState,
    board: &'a Board,
    busy: &'a BTreeSet<UnitId>,
    limits: Limits,
}

impl<'a> Asked<'a> {
    /// Units with an intent and no settlement that nobody here works on: their controller died.
    fn lost(&self) -> Vec<(UnitId, Way)> {
        let open = self.board.running.iter().filter(|id| !self.busy.contains(*id));
        open.filter_map(|id| match self.state.units.get(id) {
            Some(unit) if unit.undo == UndoPhase::Running => Some((id.clone(), Way::Undo)),
            Some(unit) if unit.forward == Forward::Running => Some((id.clone(), Way::Forward)),
            _ => None,
        })
        .collect()
    }

    fn unknown(&self) -> Option<(UnitId, Trouble)> {
        self.board.unknown.iter().find_map(|id| {
            let unit = self.state.units.get(id)?;
            match (&unit.forward, &unit.undo) {
                (_, UndoPhase::Unknown(trouble)) | (Forward::Unknown(trouble), _) => {
                    Some((id.clone(), trouble.clone()))
                }
                _ => None,
            }
        })
    }

    /// A person is asked once all that is at work has ended.
    fn person(&self, unit: UnitId, why: Why) -> Next {
        if self.busy.is_empty() { Next::Person(unit, why) } else { Next::Wait }
    }

    fn forward(&self, now_ms: i64) -> Next {
        if let Some(exceeded) = self.state.over_budget() {
            // As with a unit that failed: what is at work is finished first.
            return match self.busy.is_empty() {
                true => Next::Failed(exceeded.unit.clone(), budget_text(exceeded)),
                false => Next::Wait,
            };
        }
        let Some((leg, number)) = self.board.units.first_open() else {
            return Next::End(Ending::Done);
        };
        let step = &self.state.plan.steps[number];
        if let Some(next) = not_yet(self.state, step, now_ms) {
            return next;
        }
        if let Some((id, trouble)) = self.failed_for_good(&step.units, self.board.units.failed(number)) {
            // What runs beside it is finished first: nothing is left half-way on purpose.
            return match self.busy.is_empty() {
                true if trouble.person => Next::Person(id, trouble.message),
                true => Next::Failed(id, trouble.message),
                false => Next::Wait,
            };
        }
        if let Some(gate) = self.board.gate(number) {
            return Next::Confirm(step.units[gate].id.clone());
        }
        self.begin(&step.units, &self.board.units.lanes(leg), Way::Forward)
    }

    /// The first of the `failed` ones of `units` that is not to be repeated.
    fn failed_for_good(
        &self,
        units: &'a [Unit],
        mut failed: impl Iterator<Item = usize>,
    ) -> Option<(UnitId, Trouble)> {
        failed.find_map(|at| {
            let unit = units.get(at)?;
            let state = self.state.units.get(&unit.id)?;
            match &state.forward {
                Forward::Failed(trouble) | Forward::FailedPartly(trouble)
                    if !may_repeat(unit, state, trouble, self.limits) =>
                {
                    Some((unit.id.clone(), trouble.clone()))
                }
                _ => None,
            }
        })
    }

    /// Begins what fits beside what is at work. A host that has begun goes on before a new one begins.
    fn begin(&self, units: &[Unit], lanes: &[usize], way: Way) -> Next {
        let room = self.limits.hosts_max.max(1).saturating_sub(self.busy.len());
        let ids = lanes.iter().filter_map(|at| units.get(*at)).map(|unit| &unit.id);
        let idle = ids.filter(|id| !self.busy.contains(*id));
        let list: Vec<_> = idle.take(room).map(|id| (id.clone(), way)).collect();
        if list.is_empty() { Next::Wait } else { Next::Begin(list) }
    }

    fn unwind(&self) -> Next {
        // What is still being looked at may turn out to be applied: then it has to go back before what came before it.
        let looked_at = |id: &UnitId| {
            let forward = self.state.units.get(id).is_some_and(|unit| unit.forward == Forward::Running);
            forward && self.state.place(id).is_some_and(|place| !place.script)
        };
        if self.board.running.iter().any(looked_at) {
            return Next::Wait;
        }
        let Some(number) = self.board.last_lively() else {
            return Next::End(if self.board.has_left() { Ending::Abandoned } else { Ending::Undone });
        };
        let step = &self.state.plan.steps[number];
        // A unit that a person wanted tried again and that was not: whether anything of it is there, its driver cannot
        // say, and a hand-written undo would have to guess.
        if let Some(unit) = self.board.doubtful(number).and_then(|at| step.units.get(at)) {
            let why = "a try of it may have changed something, and was not repeated".to_owned();
            return self.person(unit.id.clone(), why);
        }
        match &step.undo {
            Some(script) if self.board.by_script(number, step) => self.unwind_by_script(number, script),
            _ => self.unwind_units(number, step),
        }
    }

    fn unwind_by_script(&self, number: usize, script: &'a UndoScript) -> Next {
        let failed = self.board.scripts.failed(number);
        if let Some((id, trouble)) = self.failed_for_good(&script.units, failed) {
            let why = format!("the hand-written undo #{} failed: {}", script.id, trouble.message);
            return self.person(id, why);
        }
        self.begin(&script.units, &self.board.lanes_of_script(number), Way::Forward)
    }

    fn unwind_units(&self, number: usize, step: &Step) -> Next {
        let doubted = self.board.stuck(number).filter_map(|at| step.units.get(at));
        for unit in doubted.filter(|unit| !self.busy.contains(&unit.id)) {
            if let Some(why) = stuck(unit, &self.state.unit(&unit.id), self.limits) {
                return self.person(unit.id.clone(), why);
            }
        }
        self.begin(&step.units, &self.board.lanes_back(number), Way::Undo)
    }
}

/// `after=`: too early, or a person has to say that it may begin now.
fn not_yet(state: &RunState, step: &Step, now_ms: i64) -> Option<Next> {
    let (after, first) = (step.after_ms?, step.units.first()?);
    let unit = state.unit(&first.id);
    if unit.confirmed.is_some() || unit.attempt > 0 {
        return None;
    }
    let at_ms = state.started_ms.saturating_add(i64::try_from(after).unwrap_or(i64::MAX));
    let early = now_ms < at_ms;
    Some(if early {
        Next::NotBefore { unit: first.id.clone(), at_ms }
    } else {
        Next::Confirm(first.id.clone())
    })
}

fn may_repeat(unit: &Unit, state: &UnitState, trouble: &Trouble, limits: Limits) -> bool {
    // A partial failure may say so too: its driver goes on where the try stopped, with the capsule of the first try.
    // Read-only units repeat within one try (`within=`), so that waiting does not fill the journal.
    // A backup has nothing to take back, but writes as others do.
    let reads = unit.undo.class == Class::Readonly && !matches!(unit.action, Action::Backup { .. });
    trouble.retry && !reads && state.tries < limits.tries_max
}

/// Why the unit cannot be undone without a person, if so.
fn stuck(unit: &Unit, state: &UnitState, limits: Limits) -> Option<Why> {
    match (&unit.undo.by, &state.undo) {
        (UndoBy::Nobody, _) => Some("it cannot be undone, as the plan said".to_owned()),
        (UndoBy::Script, _) => {
            Some("it was applied in part, and its hand-written undo is for the whole step".to_owned())
        }
        (_, UndoPhase::Failed(t) | UndoPhase::FailedPartly(t))
            if t.retry && state.tries < limits.tries_max =>
        {
            None
        }
        (_, UndoPhase::Failed(t) | UndoPhase::FailedPartly(t)) => {
            Some(format!("its undo failed: {}", t.message))
        }
        _ if state.capsule.is_none() => {
            Some("it was marked done by hand, so what it changed is not known".to_owned())
        }
        _ => None,
    }
}
