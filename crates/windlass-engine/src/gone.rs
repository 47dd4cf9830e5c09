//! What the way back of a run needs and is gone: looked at before anything goes back, for half of a way back is worse than none.

use crate::{
    Engine, EngineError,
    board::{Board, to_undo},
    unit::Job,
};
use windlass_journal::{RunId, RunState};
use windlass_plan::{Action, UndoBy, UndoScript, Unit, UnitId, Way};

impl Engine {
    /// Of each unit that its driver is to take back, last first: what it needs for that and is no longer there, if anything. Nothing is
    /// written.
    ///
    /// # Errors
    /// The run cannot be read, or not driven here.
    pub async fn gone(&self, run: &RunId) -> Result<Vec<(UnitId, Vec<String>)>, EngineError> {
        let state = self.load(run).await?;
        self.can_drive(&state.plan)?;
        self.know_secrets(&state.plan);
        let mut all = Vec::new();
        for id in taken_back(&state) {
            let Some(job) = Job::new(self, &state, &id, Way::Undo, true) else { continue };
            let gone = job.gone().await;
            if !gone.is_empty() {
                all.push((id, gone));
            }
        }
        Ok(all)
    }
}

/// What drivers take back, last first; without what goes back to a backup that the way back may first bring back itself.
fn taken_back(state: &RunState) -> Vec<UnitId> {
    let board = Board::of(state);
    let mut units = Vec::new();
    let mut is_moved = false;
    let mut scripts = Vec::new();
    for (number, step) in state.plan.steps.iter().enumerate().rev() {
        if board.by_script(number, step) {
            scripts.extend(&step.undo);
            continue;
        }
        for unit in step.units.iter().rev().filter(|unit| to_undo(unit, &state.unit(&unit.id))) {
            let is_known = match &unit.undo.by {
                UndoBy::Driver => true,
                UndoBy::Backup(made) => {
                    let backup = state.find(made);
                    !is_moved && !scripts.iter().any(|script| brings_back(script, backup))
                }
                UndoBy::Nothing | UndoBy::Script | UndoBy::Nobody => false,
            };
            units.extend(is_known.then(|| unit.id.clone()));
            is_moved |= unit.undo.by == UndoBy::Driver && moves(&unit.action);
        }
    }
    units
}

/// Whether a file may be elsewhere behind it: its undo brings it back.
fn moves(action: &Action) -> bool {
    matches!(
        action,
        Action::Move { .. } | Action::Remove { .. } | Action::Copy { .. } | Action::Objects { .. }
    )
}

/// Whether a hand-written undo may bring the file of this backup back: a shell line that does has to name it.
fn brings_back(script: &UndoScript, backup: Option<&Unit>) -> bool {
    let Some(Action::Backup { file, .. }) = backup.map(|unit| &unit.action) else { return false };
    let name = file.rsplit('/').next().unwrap_or(file);
    script.units.iter().any(|unit| match &unit.action {
        Action::Shell { script, .. } => script.contains(name),
        action => moves(action),
    })
}
