//! People who edit the plan of a run between two tries, mostly where nothing has begun.

use crate::{hub::State, plans};
use windlass_journal::RunState;
use windlass_plan::{Action, Class, Plan, Step, Unit, UnitId};

/// Tries to make a tail that does not begin with a check of the step before it, which would be asked between its batches.
const TAILS_MAX: usize = 20;

/// What a person made of the plan of a run; `number` tells its new steps from all others.
pub fn make(state: &mut State, run: &RunState, number: u32) -> Plan {
    let mut plan = run.plan.as_ref().clone();
    let last = plan.steps.iter().rposition(|step| step.units.iter().any(|unit| run.has_begun(&unit.id)));
    if let Some(last) = last.filter(|_| state.rng.chance(150)) {
        state.count("edit of what has begun");
        let begun = plan.steps[last].units.iter_mut().find(|unit| run.has_begun(&unit.id));
        begun.expect("the step was chosen for it").action = other(number);
        return plan;
    }
    let kept = last.map_or(0, |last| last + 1);
    let cut = kept + usize::try_from(state.rng.below((plan.steps.len() - kept) as u64 + 1)).unwrap_or(0);
    plan.steps.truncate(cut);
    for unit in plan.steps.iter_mut().skip(kept).flat_map(|step| &mut step.units) {
        if matches!(unit.action, Action::Shell { .. }) && state.rng.chance(300) {
            unit.action = other(number);
        }
    }
    if let Some(step) = plan.steps.last_mut().filter(|_| cut == kept && state.rng.chance(300)) {
        trim(step, run);
    }
    if plan.steps.is_empty() || state.rng.chance(600) {
        plan.steps.extend(tail(state, number));
    }
    plan.class = plan.steps.iter().map(|step| step.class).max().unwrap_or_default();
    plan
}

fn other(number: u32) -> Action {
    Action::Shell { script: format!("true {number}"), dir: None, readonly: false, database: None }
}

fn tail(state: &mut State, number: u32) -> Vec<Step> {
    for at in 0..TAILS_MAX {
        let steps = plans::make(state, &format!("e{number}n{at}x"), 3).steps;
        if steps.first().is_some_and(|step| step.class != Class::Readonly) {
            return steps;
        }
    }
    Vec::new()
}

/// Takes lines off the end of a step that has begun, as far as they have not begun on any host.
fn trim(step: &mut Step, run: &RunState) {
    let begun = step.units.iter().filter(|unit| run.has_begun(&unit.id)).map(line).max().unwrap_or(0);
    if step.undo.is_none() && begun > 1 {
        step.units.retain(|unit| line(unit) <= begun);
    }
}

/// Number of a unit's line in its step.
fn line(unit: &Unit) -> usize {
    let rest = unit.id.0.split_once('/').map_or("", |(_, rest)| rest);
    rest.split('@').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Units of a plan with those of its hand-written undos, each with the number of its step.
fn units(plan: &Plan) -> impl Iterator<Item = (usize, &UnitId)> {
    plan.steps.iter().enumerate().flat_map(|(at, step)| {
        let script = step.undo.iter().flat_map(|script| &script.units);
        step.units.iter().chain(script).map(move |unit| (at, &unit.id))
    })
}

impl State {
    /// The edit is durable: its new units are of the run's plan from now on, and those that are gone are of none.
    pub fn edited(&mut self, run: &RunState, new: &Plan) {
        for (_, unit) in run.plan.units().filter(|(_, unit)| !run.has_begun(&unit.id)) {
            let effect = self.world.effect(&unit.id);
            if effect != crate::world::Effect::None {
                self.fail("only what has no effect is edited", || format!("{}: {effect:?}", unit.id));
            }
        }
        let is_in = |plan: &Plan, id: &UnitId| plan.unit(id).is_some();
        let stays = units(new).find(|(_, id)| is_in(&run.plan, id));
        let of = stays.and_then(|(_, id)| self.world.specs.get(id)).map(|spec| spec.plan);
        for (at, id) in units(new).filter(|(_, id)| !is_in(&run.plan, id)) {
            let Some(spec) = self.world.specs.get_mut(id) else { continue };
            // What was numbered from 0 stands behind what stays.
            let by = at - spec.step;
            (spec.plan, spec.step, spec.leg.0) = (of.unwrap_or(spec.plan), at, spec.leg.0 + by);
        }
        let gone: Vec<UnitId> =
            units(&run.plan).filter(|(_, id)| !is_in(new, id)).map(|(_, id)| id.clone()).collect();
        for id in gone {
            self.count("unit edited away");
            let none = usize::MAX - self.world.specs.len();
            if let Some(spec) = self.world.specs.get_mut(&id) {
                spec.plan = none;
            }
        }
    }
}
