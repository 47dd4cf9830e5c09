//! What the way back of a run needs and is gone: looked at before anything goes back, for half of a way back is worse than none.

use crate::{
    Engine, EngineError,
    board::{Board, to_undo},
    unit::Job,
};
use windlass_journal::{RunId, RunState};
use windlass_plan::{Step, UndoBy, UnitId, Way};

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

/// What drivers take back, last first.
fn taken_back(state: &RunState) -> Vec<UnitId> {
    let board = Board::of(state);
    let by_driver = |step: &(usize, &Step)| !board.by_script(step.0, step.1);
    let steps = state.plan.steps.iter().enumerate().filter(by_driver);
    let units = steps.flat_map(|(_, step)| &step.units).filter(|unit| {
        let own = matches!(unit.undo.by, UndoBy::Driver | UndoBy::Backup(_));
        own && to_undo(unit, &state.unit(&unit.id))
    });
    let mut units: Vec<_> = units.map(|unit| unit.id.clone()).collect();
    units.reverse();
    units
}
