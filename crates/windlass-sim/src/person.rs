//! The simulated person who decides. They may be moody, but they look at the world first and never lie.

use crate::{
    check::{is_script, nobody},
    hub::State,
    world::{Effect, Role},
};
use windlass_journal::{Direction, Forward, RunState, UndoPhase, Verb};
use windlass_plan::{UndoBy, UnitId, Way};

/// What the person decides about the unit that the run waits for. Nothing is under way any more.
pub fn decide(state: &mut State, run: &RunState) -> (Verb, Option<UnitId>) {
    let unit = run.person.as_ref().and_then(|turn| turn.unit.clone());
    let Some(unit) = unit else { return (Verb::Unwind, None) };
    let mood = if state.setup.moody { state.rng.below(100) } else { 99 };
    let verb = match mood {
        0..10 => Verb::Unwind,
        10..13 => Verb::Abandon,
        _ => about(state, run, &unit),
    };
    let named = !matches!(verb, Verb::Unwind | Verb::Abandon);
    (verb, named.then_some(unit))
}

fn about(state: &mut State, run: &RunState, unit: &UnitId) -> Verb {
    let known = run.unit(unit);
    if run.over_budget().is_some() && known.passed() {
        state.count("person goes on in spite of the budget");
        return Verb::Skip;
    }
    let back = run.direction == Direction::Unwind;
    if is_script(run, unit) {
        return script(state, unit);
    }
    let open = match known.forward {
        Forward::Unknown(_) => true,
        Forward::Waiting => known.touched && known.undo == UndoPhase::None,
        _ => false,
    };
    if back && !open {
        let retry = !nobody(run, unit) && !matches!(known.undo, UndoPhase::None);
        return undo(state, unit, retry);
    }
    let changes = state.world.specs[unit].role == Role::Plain;
    let dice = dice(state);
    match (state.world.effect(unit), back) {
        (Effect::Full, _) | (Effect::Partial, true) => Verb::MarkDone,
        // On the way back `retry` says: nothing of it is there.
        (Effect::None, true) => Verb::Retry,
        (Effect::None, false) => match dice {
            0 | 1 if changes => {
                by_hand(state, unit);
                Verb::MarkDone
            }
            2 => Verb::Skip,
            _ => Verb::Retry,
        },
        (Effect::Partial, false) => match dice {
            0..4 => {
                by_hand(state, unit);
                Verb::MarkDone
            }
            4 => Verb::Skip,
            _ => Verb::Retry,
        },
    }
}

/// What a person makes of it, from 0 to 9; always the same where crashes are the only difference between two stories.
fn dice(state: &mut State) -> u64 {
    if state.setup.scripted.is_some() { 8 } else { state.rng.below(10) }
}

fn by_hand(state: &mut State, unit: &UnitId) {
    state.count("person finished a unit by hand");
    state.world.by_hand.insert(unit.clone(), Way::Forward);
}

fn script(state: &mut State, unit: &UnitId) -> Verb {
    let Role::Script { reverts, .. } = state.world.specs[unit].role.clone() else { return Verb::Skip };
    if reverts.iter().all(|unit| state.world.effect(unit) == Effect::None) {
        return Verb::MarkDone;
    }
    match dice(state) {
        0..3 if state.world.on_top(&reverts) => {
            by_hand(state, unit);
            Verb::MarkDone
        }
        3 => Verb::Skip,
        4..7 if !state.world.on_top(&reverts) => Verb::Skip,
        _ => Verb::Retry,
    }
}

fn undo(state: &mut State, unit: &UnitId, may_retry: bool) -> Verb {
    if state.world.effect(unit) == Effect::None {
        return Verb::MarkDone;
    }
    let whole = matches!(state.world.specs[unit].undo, UndoBy::Driver | UndoBy::Script | UndoBy::Nobody);
    match dice(state) {
        _ if may_retry && state.setup.scripted.is_some() => Verb::Retry,
        0..5 if may_retry => Verb::Retry,
        5..9 if whole && state.world.on_top(std::slice::from_ref(unit)) => {
            state.count("person undid a unit by hand");
            state.world.by_hand.insert(unit.clone(), Way::Undo);
            Verb::MarkDone
        }
        _ => Verb::Skip,
    }
}
