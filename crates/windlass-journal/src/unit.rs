//! The state of one unit of a run, and what an outcome or a person's word makes of it.

use crate::{Outcome, Report, Trouble, Verb};

/// Forward life of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Forward {
    /// Not begun, or to be tried again.
    #[default]
    Waiting,
    /// Intended and not settled.
    Running,
    /// It took effect.
    Applied,
    /// The world already was as wanted.
    Unchanged,
    /// Failed, nothing changed.
    Failed(Trouble),
    /// Failed, and may have changed something that its undo covers.
    FailedPartly(Trouble),
    /// Nobody knows.
    Unknown(Trouble),
    /// A person left it out.
    Skipped,
}

/// Undo life of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UndoPhase {
    /// Not begun, or to be tried again.
    #[default]
    None,
    /// Intended and not settled.
    Running,
    /// Taken back.
    Undone,
    /// Failed, nothing changed.
    Failed(Trouble),
    /// Failed half-way.
    FailedPartly(Trouble),
    /// Nobody knows.
    Unknown(Trouble),
    /// A person left it as it is.
    Left,
}

/// One unit of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitState {
    /// Forward.
    pub forward: Forward,
    /// Undo.
    pub undo: UndoPhase,
    /// Forward tries so far: the number of the last.
    pub attempt: u32,
    /// Undo tries so far.
    pub undo_attempt: u32,
    /// Tries (of the way it is going) since a person last said retry: what limits repetition.
    pub tries: u32,
    /// What an undo needs; from the last intent that could have had an effect.
    pub capsule: Option<serde_json::Value>,
    /// An earlier try may have changed the world, so its capsule must be kept and not be taken anew.
    pub touched: bool,
    /// A person did it, or said that it is done.
    pub by_hand: bool,
    /// A person confirmed it (gates, `after=`).
    pub confirmed: Option<String>,
    /// What applying it reported.
    pub report: Option<Report>,
    /// What undoing it reported.
    pub undo_report: Option<Report>,
    /// First forward intent, by the writer's clock.
    pub began_ms: Option<i64>,
    /// Last settlement.
    pub ended_ms: Option<i64>,
    /// Time of all settled tries, both ways, milliseconds.
    pub took_ms: u64,
}

impl UnitState {
    /// Whether the run need not come back to the unit on its way forward.
    #[must_use]
    pub fn passed(&self) -> bool {
        matches!(self.forward, Forward::Applied | Forward::Unchanged | Forward::Skipped)
    }

    /// Whether the world may hold something of it that an unwind has to take back.
    #[must_use]
    pub fn has_effect(&self) -> bool {
        match self.forward {
            Forward::Applied | Forward::FailedPartly(_) => true,
            Forward::Skipped | Forward::Waiting => self.touched,
            _ => false,
        }
    }

    /// Whether it may have changed the world, as far as is known so far.
    #[must_use]
    pub fn may_have_changed(&self) -> bool {
        self.has_effect() || matches!(self.forward, Forward::Running | Forward::Unknown(_))
    }

    pub(crate) fn settle_forward(&mut self, outcome: &Outcome) {
        // What was not known may have been the effect that is found now.
        let doubted = self.touched || matches!(self.forward, Forward::Unknown(_));
        self.forward = match outcome {
            Outcome::Applied(report) | Outcome::NoEffect(report) => {
                self.report = Some(report.clone());
                if matches!(outcome, Outcome::NoEffect(_)) && !doubted {
                    Forward::Unchanged
                } else {
                    Forward::Applied
                }
            }
            Outcome::Failed(trouble) if trouble.interrupted => {
                self.tries = self.tries.saturating_sub(1);
                self.forget_capsule();
                Forward::Waiting
            }
            // A clean failure after a try that was not clean: what that one left is still there.
            Outcome::Failed(trouble) if self.touched => Forward::FailedPartly(trouble.clone()),
            Outcome::Failed(trouble) => {
                self.forget_capsule();
                Forward::Failed(trouble.clone())
            }
            Outcome::FailedPartly(trouble) => {
                self.tries = self.tries.saturating_sub(u32::from(trouble.interrupted));
                self.touched = true;
                Forward::FailedPartly(trouble.clone())
            }
            // It counts as touched only once a person decides about it: the world may still say that nothing happened.
            Outcome::Unknown(trouble) => Forward::Unknown(trouble.clone()),
        };
    }

    /// A try without effect needs no undo; the next one takes its own capsule.
    fn forget_capsule(&mut self) {
        if !self.touched {
            self.capsule = None;
        }
    }

    pub(crate) fn settle_undo(&mut self, outcome: &Outcome) {
        self.undo = match outcome {
            Outcome::Applied(report) | Outcome::NoEffect(report) => {
                self.undo_report = Some(report.clone());
                UndoPhase::Undone
            }
            Outcome::Failed(trouble) if trouble.interrupted => {
                self.tries = self.tries.saturating_sub(1);
                UndoPhase::None
            }
            Outcome::Failed(trouble) => UndoPhase::Failed(trouble.clone()),
            Outcome::FailedPartly(trouble) => {
                self.tries = self.tries.saturating_sub(u32::from(trouble.interrupted));
                UndoPhase::FailedPartly(trouble.clone())
            }
            Outcome::Unknown(trouble) => UndoPhase::Unknown(trouble.clone()),
        };
    }

    /// Applies a person's word; `forward`: the unit is on its way forward.
    pub(crate) fn decide(&mut self, verb: Verb, forward: bool) {
        self.tries = 0;
        self.by_hand = verb == Verb::MarkDone;
        self.touched |= matches!(self.forward, Forward::Unknown(_));
        let open = match self.forward {
            Forward::Unknown(_) | Forward::Running => true,
            Forward::Waiting => self.touched && self.undo == UndoPhase::None,
            _ => false,
        };
        if !forward && !open {
            self.undo = match verb {
                Verb::Retry => UndoPhase::None,
                Verb::Skip => UndoPhase::Left,
                _ => UndoPhase::Undone,
            };
            return;
        }
        self.forward = match verb {
            Verb::Retry => Forward::Waiting,
            Verb::Skip => Forward::Skipped,
            _ => Forward::Applied,
        };
        match verb {
            // On the way back it is not tried again: the person has looked, and nothing of it is there.
            Verb::Retry if !forward => {
                self.touched = false;
                self.capsule = None;
            }
            Verb::Skip if !forward => self.undo = UndoPhase::Left,
            _ => {}
        }
    }
}
