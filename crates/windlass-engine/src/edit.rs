//! Runs whose document was edited: what is known before they are compared, and going on with what it says now.

use crate::{
    Engine, EngineError, Stop,
    session::{Session, over},
};
use windlass_journal::{Begin, Edit, Event, Forward, RunId, RunState, UndoPhase};
use windlass_plan::{Digest, Plan};

impl Engine {
    /// Goes on with a run by another plan, in which all that has begun stands as it did. `from` is the digest of the plan whose place
    /// it takes; of `begin` counts what the policy and the approvers say of it.
    ///
    /// # Errors
    /// [`EngineError::Replanned`] when the run was gone on with since; see [`Engine::resume`].
    pub async fn replan(
        &self,
        run: &RunId,
        from: &Digest,
        plan: Plan,
        begin: Begin,
    ) -> Result<Stop, EngineError> {
        self.can_drive(&plan)?;
        self.know_secrets(&plan);
        let Begin { break_glass, approvals, .. } = begin;
        let (from, digest) = (from.clone(), plan.digest());
        let may = |state: &RunState| {
            over(state)?;
            match state.edit(&plan) {
                Edit::Same | Edit::Tail if state.digest == from => Ok(()),
                _ => Err(EngineError::Replanned(run.clone())),
            }
        };
        let (from, plan) = (from.clone(), Box::new(plan.clone()));
        let event = Event::Replanned { from, digest, plan, break_glass, approvals };
        self.under_lease(run, vec![event], false, may).await
    }

    /// Finds out what became of what a dead controller had begun, and begins nothing. Without any such unit nothing is written.
    ///
    /// # Errors
    /// As [`Engine::resume`].
    pub async fn settle(&self, run: &RunId) -> Result<(), EngineError> {
        let state = self.load(run).await?;
        over(&state)?;
        self.can_drive(&state.plan)?;
        if !is_doubtful(&state) {
            return Ok(());
        }
        let (lease, from) = self.lease().await?;
        let result = async {
            let (state, head) = (self.load(run).await?, self.store.head().await?.seq);
            over(&state)?;
            self.know_secrets(&state.plan);
            let mut session = Session::new(self, lease.clone(), run.clone(), head, Some(state));
            session.append(vec![self.taken(from)]).await?;
            session.settle().await
        };
        let result = result.await;
        self.give_back(&lease, result).await
    }
}

/// Whether the outcome of anything is not in the journal, or not known.
fn is_doubtful(state: &RunState) -> bool {
    state.units.values().any(|unit| {
        matches!(unit.forward, Forward::Running | Forward::Unknown(_))
            || matches!(unit.undo, UndoPhase::Running | UndoPhase::Unknown(_))
    })
}
