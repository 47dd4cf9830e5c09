//! `next` by walking all units of a run, as its model: what it finds by the board must be the same.

use std::collections::{BTreeMap, BTreeSet};
use windlass_document::{Serial, Share};
use windlass_engine::{Limits, Next, Why};
use windlass_journal::{Direction, Ending, Forward, RunState, Trouble, UndoPhase, UnitState};
use windlass_plan::{Action, Class, Step, UndoBy, UndoScript, Unit, UnitId, Way};

/// As `next`.
pub fn walked(state: &RunState, busy: &BTreeSet<UnitId>, limits: Limits, now_ms: i64) -> Next {
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
    let is_open = |u: &Unit| !state.units.get(&u.id).is_some_and(UnitState::passed);
    let steps = &state.plan.steps;
    let Some(first) = steps.iter().position(|step| step.units.iter().any(is_open)) else {
        return Next::End(Ending::Done);
    };
    // The checks that are asked behind each batch of one step, and that step: the first batch in which anything is open.
    let head = (0..=first).rev().find(|at| !is_asked_behind(steps, *at)).unwrap_or(first);
    let behind = (head + 1..steps.len()).take_while(|at| is_asked_behind(steps, *at));
    let roll = [head].into_iter().chain(behind);
    let legs = roll.flat_map(|at| {
        let step = &steps[at];
        step.units.iter().filter(|u| is_open(u)).map(move |u| (batch(step, &step.units, u), at))
    });
    let (now, at) = legs.min().expect("a step of it is open");
    let step = &steps[at];
    if let Some(next) = not_yet(state, step, now_ms) {
        return next;
    }
    if let Some((id, trouble)) = failed_for_good(state, step.units.iter(), limits) {
        // What runs beside it is finished first: nothing is left half-way on purpose.
        return match busy.is_empty() {
            true if trouble.person => Next::Person(id, trouble.message),
            true => Next::Failed(id, trouble.message),
            false => Next::Wait,
        };
    }
    if let Some(gate) = step.units.iter().find(|u| is_gate(u) && is_open(u)) {
        return Next::Confirm(gate.id.clone());
    }
    let lanes = lanes(step.units.iter(), |u| is_open(u) && batch(step, &step.units, u) == now);
    begin(lanes, busy, limits, Way::Forward)
}

/// Whether the step is a check of the batches of one before it.
fn is_asked_behind(steps: &[Step], at: usize) -> bool {
    let Some((step, before)) = steps.get(at).zip(at.checked_sub(1).map(|before| &steps[before])) else {
        return false;
    };
    let checks = step.class == Class::Readonly && step.undo.is_none() && step.after_ms.is_none();
    checks
        && step.serial.is_some()
        && step.serial == before.serial
        && step.on == before.on
        && hosts(&step.units) == hosts(&before.units)
}

fn hosts(units: &[Unit]) -> Vec<&str> {
    let mut hosts = Vec::new();
    for unit in units {
        if !hosts.contains(&unit.host.as_str()) {
            hosts.push(unit.host.as_str());
        }
    }
    hosts
}

/// Number of the batch that the unit is in.
fn batch(step: &Step, units: &[Unit], unit: &Unit) -> usize {
    let hosts = hosts(units);
    let at = hosts.iter().position(|host| *host == unit.host).expect("it is one of them");
    let share = |p: u8| (hosts.len() * usize::from(p)).div_ceil(100).max(1);
    match &step.serial {
        None if hosts.len() == 1 => 0,
        // First on all hosts what only looks, then what changes something and all behind that.
        None => {
            let mut own = units.iter().filter(|u| u.host == unit.host);
            let changes = |u: &&Unit| u.undo.class != Class::Readonly || is_gate(u);
            let first = own.clone().position(|u| changes(&u)).unwrap_or(usize::MAX);
            let at = own.position(|u| u.id == unit.id).expect("it is one of them");
            usize::from(at >= first)
        }
        Some(Serial::Hosts(n)) => at / usize::try_from(*n).expect("few"),
        Some(Serial::Percent(p)) => at / share(*p),
        Some(Serial::Growing(sizes)) => {
            let mut last = 0;
            (0..)
                .find(|batch: &usize| {
                    last += match sizes[(*batch).min(sizes.len() - 1)] {
                        Share::Hosts(n) => usize::try_from(n).expect("few"),
                        Share::Percent(p) => share(p),
                    };
                    at < last
                })
                .expect("they grow")
        }
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

/// Begins what fits beside what is at work. A host that has begun goes on before a new one begins.
fn begin(lanes: Vec<&Unit>, busy: &BTreeSet<UnitId>, limits: Limits, way: Way) -> Next {
    let room = limits.hosts_max.max(1).saturating_sub(busy.len());
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
    // Not on hosts of the step on which it changed nothing.
    let due = |on: &Unit| {
        let changing = |u: &&Unit| u.undo.class != Class::Readonly && u.host == on.host;
        let mut units = step.units.iter().filter(changing).peekable();
        let is_elsewhere = units.peek().is_none();
        is_elsewhere || units.any(|u| state.units.get(&u.id).is_some_and(UnitState::has_effect))
    };
    let open = |u: &Unit| !state.units.get(&u.id).is_some_and(UnitState::passed) && due(u);
    let of = |unit: &Unit| batch(step, &script.units, unit);
    let now = script.units.iter().filter(|u| open(u)).map(of).min()?;
    let lanes = lanes(script.units.iter(), |u| open(u) && of(u) == now);
    if let Some((id, trouble)) = failed_for_good(state, script.units.iter(), limits) {
        let why = format!("the hand-written undo #{} failed: {}", script.id, trouble.message);
        return Some(if busy.is_empty() { Next::Person(id, why) } else { Next::Wait });
    }
    Some(begin(lanes, busy, limits, Way::Forward))
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
    let of = |unit: &Unit| batch(step, &step.units, unit);
    let now = open.iter().map(|u| of(u)).max()?;
    let lanes =
        lanes(step.units.iter().rev(), |u| state.units.get(&u.id).is_some_and(to_undo(u)) && of(u) == now);
    Some(begin(lanes, busy, limits, Way::Undo))
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
