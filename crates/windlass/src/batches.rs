//! How far batches are: what drivers wrote into the workspaces of units that have begun.

use crate::project::Place;
use std::fs;
use windlass_drivers::PROGRESS_FILE;
use windlass_journal::{Forward, RunState, UndoPhase, UnitState};
use windlass_report::UnitProgress;

/// Longest line that is shown, in bytes: the driver's are short.
const LINE_MAX: usize = 500;

/// Of the units of `run` that are begun and not ended.
pub fn now(place: &Place, run: &RunState) -> Vec<UnitProgress> {
    let open = run.plan.units().filter(|(_, unit)| run.units.get(&unit.id).is_some_and(is_open));
    let read = open.filter_map(|(_, unit)| {
        let path = place.workspaces().join(&run.id.0).join(&unit.id.0).join(PROGRESS_FILE);
        let text = fs::read_to_string(path).ok().filter(|text| text.len() < LINE_MAX)?;
        Some(UnitProgress { unit: unit.id.0.clone(), line: text.trim().to_owned() })
    });
    read.collect()
}

fn is_open(unit: &UnitState) -> bool {
    match unit.undo {
        UndoPhase::None => matches!(unit.forward, Forward::Running | Forward::FailedPartly(_)),
        UndoPhase::Running | UndoPhase::Failed(_) | UndoPhase::FailedPartly(_) => true,
        _ => false,
    }
}
