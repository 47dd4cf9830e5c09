//! How far apart the hosts of a step were switched.

use crate::{messages::Messages, time::duration};
use std::collections::BTreeMap;
use windlass_journal::{RunState, UndoPhase};
use windlass_plan::{Step, StepId};

/// Of each step that switched several hosts at once, in order: between the first host and the last, by the clock of the controller.
/// One that was not done everywhere, or is taken back, has none.
pub(crate) fn spreads<'r>(run: &'r RunState, messages: &Messages) -> Vec<(&'r StepId, String)> {
    let words = |step: &'r Step| {
        let (hosts, apart_ms) = spread(run, step)?;
        let values = [("hosts", hosts.into()), ("time", duration(apart_ms).into())];
        Some((&step.id, messages.with("seen-spread", values)))
    };
    run.plan.steps.iter().filter_map(words).collect()
}

fn spread(run: &RunState, step: &Step) -> Option<(usize, u64)> {
    if step.serial.is_some() {
        return None;
    }
    // Of each host the last line that may change what is served.
    let mut ended = BTreeMap::new();
    for unit in step.units.iter().filter(|unit| unit.switches()) {
        let state = run.units.get(&unit.id)?;
        if !state.passed() || state.undo != UndoPhase::None {
            return None;
        }
        ended.insert(unit.host.as_str(), state.ended_ms?);
    }
    let (first, last) = (ended.values().min()?, ended.values().max()?);
    (ended.len() > 1).then(|| (ended.len(), u64::try_from(last - first).unwrap_or(0)))
}
