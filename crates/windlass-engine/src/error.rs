//! What can stop the engine itself. A failed unit is not among these: it is part of a run.

use windlass_journal::{Ending, FoldError, Lease, RunId, StoreError};
use windlass_plan::UnitId;

/// Why the engine could not go on. What was journaled stays; `resume` continues from there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The journal refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal's entries contradict each other.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// Another controller lives.
    #[error("another controller holds the lease: {}", .0.owner)]
    Held(Box<Lease>),
    /// There is no such run.
    #[error("there is no run {0} in this journal")]
    NoRun(RunId),
    /// An earlier run is not finished.
    #[error("run {0} is not finished")]
    OpenRun(RunId),
    /// The run is not what it was when its document was compared with it.
    #[error("run {0} was gone on with since its document was looked at")]
    Replanned(RunId),
    /// The run has ended.
    #[error("run {run} has ended ({ending:?})")]
    Over {
        /// Which.
        run: RunId,
        /// How.
        ending: Ending,
    },
    /// A newer release stands on top of the one to roll back.
    #[error("run {newer} came after {run} and is still in place: roll it back first")]
    NotNewest {
        /// To be rolled back.
        run: RunId,
        /// In the way.
        newer: RunId,
    },
    /// A person's decision does not fit the unit's state.
    #[error("{unit}: {why}")]
    Decision {
        /// About which unit.
        unit: UnitId,
        /// Why not.
        why: String,
    },
    /// No driver of that kind was given.
    #[error("{0} needs a driver that this version does not have")]
    NoDriver(UnitId),
}
