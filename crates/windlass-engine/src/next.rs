//! What comes next: a pure function of the folded state. The only place where that is decided.

use std::collections::{BTreeMap, BTreeSet};
use windlass_document::Serial;
use windlass_journal::{Direction, Ending, Forward, RunState, Trouble, UndoPhase, UnitState};
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
    /// Hosts at a time where `serial=` says nothing.
    pub hosts_max: usize,
    /// Tries of a unit whose failure is safe to repeat.
    pub tries_max: u32,
}

/// Decides. `busy` are the units at work in this process; `now_ms` is only for `after=`.
#[must_use]
pub fn next(state: &RunState, busy: &BTreeSet<UnitId>, limits: Limits, now_ms: i64) -> Next {
    if let Some(ending) = state.ending {
        return Next::End(ending);
    }
    let lost = lost(state, busy);
    if !lost.is_empty() {
        return Next::Inspect(lost);
    }
    if let Some((unit, trouble)) = unknown(state) {
        return if busy.is_empty() { Next::Person(unit, unknown_text(&trouble)) } else { Next::Wait };
    }
    match state.direction {
        Direction::Unwind => unwind(state, busy, limits),
        _ => forward(state, busy, limits, now_ms),
    }
}

/// Units with an intent and no settlement that nobody here works on: their controller died.
fn lost(state: &RunState, busy: &BTreeSet<UnitId>) -> Vec<(UnitId, Way)> {
    let open = state.units.iter().filter(|(id, _)| !busy.contains(*id));
    open.filter_map(|(id, unit)| match (&unit.forward, &unit.undo) {
        (_, UndoPhase::Running) => Some((id.clone(), Way::Undo)),
        (Forward::Running, _) => Some((id.clone(), Way::Forward)),
        _ => None,
    })
    .collect()
}

fn unknown(state: &RunState) -> Option<(UnitId, Trouble)> {
    state.units.iter().find_map(|(id, unit)| match (&unit.forward, &unit.undo) {
        (_, UndoPhase::Unknown(trouble)) | (Forward::Unknown(trouble), _) => {
            Some((id.clone(), trouble.clone()))
        }
        _ => None,
    })
}

fn unknown_text(trouble: &Trouble) -> Why {
    format!("its outcome is not known: {}", trouble.message)
}

fn forward(state: &RunState, busy: &BTreeSet<UnitId>, limits: Limits, now_ms: i64) -> Next {
    let open =
        |step: &&Step| step.units.iter().any(|u| !state.units.get(&u.id).is_some_and(UnitState::passed));
    let Some(step) = state.plan.steps.iter().find(open) else {
        return Next::End(Ending::Done);
    };
    if let Some(next) = not_yet(state, step, now_ms) {
        return next;
    }
    if let Some((id, trouble)) = failed_for_good(state, step.units.iter(), limits) {
        // What runs beside it is finished first: nothing is left half-way on purpose.
        return if busy.is_empty() { Next::Failed(id, trouble.message) } else { Next::Wait };
    }
    if let Some(gate) =
        step.units.iter().find(|u| is_gate(u) && !state.units.get(&u.id).is_some_and(UnitState::passed))
    {
        return Next::Confirm(gate.id.clone());
    }
    let lanes = lanes(step.units.iter(), |u| !state.units.get(&u.id).is_some_and(UnitState::passed));
    begin(lanes, busy, hosts_at_a_time(step, limits), Way::Forward)
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

fn is_gate(unit: &Unit) -> bool {
    matches!(unit.action, Action::Gate { .. })
}

/// The first of `units` that failed and is not to be repeated.
fn failed_for_good<'a>(
    state: &RunState,
    units: impl Iterator<Item = &'a Unit>,
    limits: Limits,
) -> Option<(UnitId, Trouble)> {
    units.filter_map(|u| Some((u, state.units.get(&u.id)?))).find_map(|(u, unit)| match &unit.forward {
        Forward::Failed(trouble) | Forward::FailedPartly(trouble)
            if !may_repeat(u, unit, trouble, limits) =>
        {
            Some((u.id.clone(), trouble.clone()))
        }
        _ => None,
    })
}

fn may_repeat(unit: &Unit, state: &UnitState, trouble: &Trouble, limits: Limits) -> bool {
    // A partial failure may say so too: its driver goes on where the try stopped, with the capsule of the first try.
    // Read-only units repeat within one try (`within=`), so that waiting does not fill the journal.
    // A backup has nothing to take back, but writes as others do.
    let reads = unit.undo.class == Class::Readonly && !matches!(unit.action, Action::Backup { .. });
    trouble.retry && !reads && state.tries < limits.tries_max
}

/// The first open unit of each host: units of one host run one after another. Hosts stay in the order of all `units`, so
/// that one which has begun goes on before a new one begins.
fn lanes<'a>(units: impl Iterator<Item = &'a Unit>, open: impl Fn(&Unit) -> bool) -> Vec<&'a Unit> {
    let (mut places, mut lanes) = (BTreeMap::new(), Vec::new());
    for unit in units {
        let place = *places.entry(unit.host.as_str()).or_insert_with(|| {
            lanes.push(None);
            lanes.len() - 1
        });
        if lanes[place].is_none() && open(unit) {
            lanes[place] = Some(unit);
        }
    }
    lanes.into_iter().flatten().collect()
}

fn hosts_at_a_time(step: &Step, limits: Limits) -> usize {
    let hosts = step.units.iter().map(|u| &u.host).collect::<BTreeSet<_>>().len();
    let wanted = match step.serial {
        Some(Serial::Hosts(n)) => usize::try_from(n).unwrap_or(usize::MAX),
        Some(Serial::Percent(p)) => (hosts * usize::from(p)).div_ceil(100),
        None => limits.hosts_max,
    };
    wanted.clamp(1, limits.hosts_max.max(1))
}

/// Begins what fits beside what is at work. A host that has begun goes on before a new one begins.
fn begin(lanes: Vec<&Unit>, busy: &BTreeSet<UnitId>, at_a_time: usize, way: Way) -> Next {
    let room = at_a_time.saturating_sub(busy.len());
    let idle = lanes.into_iter().filter(|unit| !busy.contains(&unit.id));
    let list: Vec<_> = idle.take(room).map(|unit| (unit.id.clone(), way)).collect();
    if list.is_empty() { Next::Wait } else { Next::Begin(list) }
}

fn unwind(state: &RunState, busy: &BTreeSet<UnitId>, limits: Limits) -> Next {
    // What is still being looked at may turn out to be applied: then it has to go back before what came before it.
    let looked_at = |u: &Unit| state.units.get(&u.id).is_some_and(|unit| unit.forward == Forward::Running);
    if state.plan.units().any(|(_, unit)| looked_at(unit)) {
        return Next::Wait;
    }
    for step in state.plan.steps.iter().rev() {
        if let Some(unit) = doubtful(state, step) {
            let why = "a try of it may have changed something, and was not repeated".to_owned();
            return if busy.is_empty() { Next::Person(unit, why) } else { Next::Wait };
        }
        let next = match step.undo.as_ref().filter(|script| script_applies(state, step, script)) {
            Some(script) => unwind_by_script(state, busy, limits, step, script),
            None => unwind_units(state, busy, limits, step),
        };
        if let Some(next) = next {
            return next;
        }
    }
    let skipped = |unit: &Unit| state.unit(&unit.id).forward == Forward::Skipped;
    let scripts = state.plan.steps.iter().filter_map(|step| step.undo.as_ref());
    let left = state.units.values().any(|u| u.undo == UndoPhase::Left)
        || scripts.flat_map(|script| &script.units).any(skipped);
    Next::End(if left { Ending::Abandoned } else { Ending::Undone })
}

/// A unit that a person wanted tried again and that was not: whether anything of it is there, its driver cannot say, and
/// a hand-written undo would have to guess.
fn doubtful(state: &RunState, step: &Step) -> Option<UnitId> {
    let by_hand = |unit: &&Unit| matches!(unit.undo.by, UndoBy::Script | UndoBy::Nobody);
    let open = |s: &UnitState| s.forward == Forward::Waiting && s.touched && s.undo == UndoPhase::None;
    let mut units = step.units.iter().filter(by_hand);
    units.find(|unit| state.units.get(&unit.id).is_some_and(open)).map(|unit| unit.id.clone())
}

/// A hand-written undo takes back the whole step; of a step that was applied in part only if it was written for that.
fn script_applies(state: &RunState, step: &Step, script: &UndoScript) -> bool {
    let changing = || step.units.iter().filter(|u| u.undo.class != Class::Readonly);
    let unit = |id: &UnitId| state.units.get(id);
    let begun = script.units.iter().any(|u| unit(&u.id).is_some_and(|s| s.attempt > 0));
    let any = changing().any(|u| unit(&u.id).is_some_and(UnitState::has_effect));
    let all =
        changing().all(|u| unit(&u.id).is_some_and(|s| s.has_effect() || s.forward == Forward::Unchanged));
    begun || (any && (all || script.partial))
}

fn unwind_by_script(
    state: &RunState,
    busy: &BTreeSet<UnitId>,
    limits: Limits,
    step: &Step,
    script: &UndoScript,
) -> Option<Next> {
    if let Some((id, trouble)) = failed_for_good(state, script.units.iter(), limits) {
        let why = format!("the hand-written undo #{} failed: {}", script.id, trouble.message);
        return Some(if busy.is_empty() { Next::Person(id, why) } else { Next::Wait });
    }
    let lanes = lanes(script.units.iter(), |u| !state.units.get(&u.id).is_some_and(UnitState::passed));
    (!lanes.is_empty()).then(|| begin(lanes, busy, hosts_at_a_time(step, limits), Way::Forward))
}

fn unwind_units(state: &RunState, busy: &BTreeSet<UnitId>, limits: Limits, step: &Step) -> Option<Next> {
    let open: Vec<_> =
        step.units.iter().rev().filter(|u| state.units.get(&u.id).is_some_and(to_undo(u))).collect();
    for unit in &open {
        if busy.contains(&unit.id) {
            continue;
        }
        if let Some(why) = stuck(unit, &state.unit(&unit.id), limits) {
            return Some(if busy.is_empty() { Next::Person(unit.id.clone(), why) } else { Next::Wait });
        }
    }
    let lanes = lanes(step.units.iter().rev(), |u| state.units.get(&u.id).is_some_and(to_undo(u)));
    (!lanes.is_empty()).then(|| begin(lanes, busy, hosts_at_a_time(step, limits), Way::Undo))
}

fn to_undo(unit: &Unit) -> impl Fn(&UnitState) -> bool {
    let changes = !matches!(unit.undo.by, UndoBy::Nothing);
    move |state| changes && state.has_effect() && !matches!(state.undo, UndoPhase::Undone | UndoPhase::Left)
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
