//! What has to hold between sessions and at the end.

use crate::{
    controller::same,
    hub::State,
    world::{Effect, Role, changed},
};
use windlass_engine::{EngineError, Stop};
use windlass_journal::{Ending, Entry, Forward, RunState, StoreError, UndoPhase, UnitState, fold, verify};
use windlass_plan::{Step, UndoBy, UnitId};

/// The whole journal: its chain, and that folding it again gives the state that was folded as it grew.
pub fn journal(state: &mut State, entries: &[Entry]) {
    if let Err(error) = verify(0, String::new(), entries) {
        state.fail("the hash chain holds", || error.to_string());
    }
    let runs: Vec<String> = state.mirror.runs.keys().cloned().collect();
    for run in runs {
        let folded = fold(entries.iter().filter(|e| e.run.0 == run));
        let agrees = match (&folded, state.mirror.runs.get(&run)) {
            (Ok(Some(folded)), Some(mirror)) => same(folded, mirror),
            _ => false,
        };
        if !agrees {
            state.fail("the fold of the journal is the live state", || {
                format!("run {run}: {:?}", folded.err())
            });
        }
    }
}

/// How a controller's command ended.
pub fn outcome(state: &mut State, result: &Result<Stop, EngineError>) {
    match result {
        Ok(Stop::Person { unit, why }) => {
            if unit.is_none() || why.is_empty() {
                state.fail("needs a person names a unit and why", || format!("{unit:?} {why:?}"));
            }
        }
        Ok(Stop::Ended(ending)) => {
            if !state.mirror.endings.contains(&format!("{ending:?}")) {
                state.fail("every ending is durable", || format!("{ending:?} is in no run"));
            }
        }
        Ok(_) | Err(EngineError::Held(_) | EngineError::OpenRun(_) | EngineError::Over { .. }) => {}
        Err(EngineError::Store(
            StoreError::Io(_) | StoreError::Full(_) | StoreError::Fenced { .. } | StoreError::Held(_),
        )) => {}
        // Another controller was faster: the question is no longer open.
        Err(
            EngineError::Decision { .. }
            | EngineError::NoRun(_)
            | EngineError::NotNewest { .. }
            | EngineError::Replanned(_),
        ) => {
            state.count("command refused");
        }
        Err(error) => state.fail("a controller never breaks", || error.to_string()),
    }
}

/// Compares what the journal says of each unit with the world. Nothing is under way.
pub fn truth(state: &mut State, run: &RunState) {
    for step in &run.plan.steps {
        let script = step.undo.iter().flat_map(|s| &s.units);
        let reverted = script.clone().any(|u| run.unit(&u.id).attempt > 0);
        for unit in &step.units {
            let (known, spec) = (run.unit(&unit.id), &state.world.specs[&unit.id]);
            if reverted || spec.role != Role::Plain {
                continue;
            }
            let effect = state.world.effect(&unit.id);
            let restored = matches!(spec.undo, UndoBy::Backup(_));
            if !agrees(&known, effect, spec.already, restored) {
                state.fail("the journal tells the truth", || {
                    format!("{}: {:?} {:?}, but the world has {effect:?}", unit.id, known.forward, known.undo)
                });
            }
        }
    }
}

/// `restored`: the undo of a newer unit from the same backup may have taken this one back already.
fn agrees(known: &UnitState, effect: Effect, already: bool, restored: bool) -> bool {
    match (&known.forward, &known.undo) {
        (_, UndoPhase::Undone) => effect == Effect::None,
        (_, UndoPhase::Running | UndoPhase::Unknown(_) | UndoPhase::FailedPartly(_) | UndoPhase::Left) => {
            true
        }
        (Forward::Applied, UndoPhase::None | UndoPhase::Failed(_)) if known.undo_attempt > 0 => true,
        // A person said so on the way back of a part, for its undo to take it away.
        (Forward::Applied, _) if known.by_hand => effect != Effect::None || already || restored,
        (Forward::Applied, _) => effect == Effect::Full || already || restored,
        (Forward::Unchanged | Forward::Failed(_), _) => effect == Effect::None,
        (Forward::Waiting | Forward::Skipped, _) => effect == Effect::None || known.touched,
        (Forward::FailedPartly(_) | Forward::Unknown(_) | Forward::Running, _) => true,
    }
}

/// A run has ended.
pub fn ended(state: &mut State, run: &RunState) {
    truth(state, run);
    match run.ending {
        Some(Ending::Done) => done(state, run),
        Some(Ending::Undone) => undone(state, run),
        Some(Ending::Abandoned) | None => {}
    }
}

fn done(state: &mut State, run: &RunState) {
    for (_, unit) in run.plan.units() {
        let known = run.unit(&unit.id);
        let passed = matches!(known.forward, Forward::Applied | Forward::Unchanged | Forward::Skipped);
        let spec = &state.world.specs[&unit.id];
        let whole = spec.role != Role::Plain || spec.already || state.world.effect(&unit.id) == Effect::Full;
        if !passed || !(whole || known.forward == Forward::Skipped) {
            let effect = state.world.effect(&unit.id);
            state.fail("a run that is done has applied every unit", || {
                format!("{}: {:?}, world: {effect:?}", unit.id, known.forward)
            });
        }
    }
    let order: Vec<UnitId> = run.plan.units().map(|(_, unit)| unit.id.clone()).collect();
    let place = |id: &UnitId| order.iter().position(|other| other == id);
    for (at, resource) in state.world.resources.clone().iter().enumerate() {
        let places: Vec<_> = resource.layers.iter().filter_map(|(id, _)| place(id)).collect();
        let value = resource
            .layers
            .iter()
            .fold(resource.initial, |value, (id, _)| changed(value, id, state.world.effect(id)));
        if !places.is_sorted() || value != resource.value {
            state.fail("resume reaches the state of the uncrashed run", || {
                format!("resource {at}: {places:?}")
            });
        }
    }
}

fn undone(state: &mut State, run: &RunState) {
    let ours = |id: &UnitId| run.plan.unit(id).is_some();
    for (at, resource) in state.world.resources.clone().iter().enumerate() {
        let left: Vec<_> = resource.layers.iter().filter(|(id, _)| ours(id)).collect();
        let value = resource
            .layers
            .iter()
            .fold(resource.initial, |value, (id, _)| changed(value, id, state.world.effect(id)));
        if !left.is_empty() || value != resource.value {
            state.fail("a run that is undone leaves the world as it was", || {
                format!("resource {at}: {left:?}")
            });
        }
    }
}

/// Whether a unit is part of a hand-written undo.
#[must_use]
pub fn is_script(run: &RunState, unit: &UnitId) -> bool {
    let in_script = |step: &Step| step.undo.iter().flat_map(|s| &s.units).any(|u| u.id == *unit);
    run.plan.steps.iter().any(in_script)
}

/// Whether only a person can undo it.
#[must_use]
pub fn nobody(run: &RunState, unit: &UnitId) -> bool {
    run.plan.unit(unit).is_some_and(|(_, u)| u.undo.by == UndoBy::Nobody)
}
