//! The people around a run: who confirms, who is asked, who watches.

use async_trait::async_trait;
use std::collections::BTreeMap;
use windlass_journal::{Entry, RunState};
use windlass_plan::{Downtime, Step, Unit, UnitId, Way};

/// Answer to a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Confirmed, with what was said.
    Confirmed(String),
    /// Refused: the gate fails, and the run does what it does on a failure.
    Refused(String),
    /// Nobody is there: the run stops and waits for `windlass confirm`.
    Later,
}

/// Answer to a failure under `--on-failure=ask`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Go back.
    Unwind,
    /// Stop and wait for a decision.
    Stop,
    /// Try the unit again.
    Retry,
}

/// Asks people. Waiting for them does not stop the heartbeat.
#[async_trait]
pub trait People: Send + Sync {
    /// Asks for a gate, or for a step with `after=` whose time has come.
    async fn confirm(&self, state: &RunState, step: &Step, unit: &Unit) -> Answer;

    /// Asks what to do about a failed unit.
    async fn choose(&self, state: &RunState, unit: &UnitId, why: &str) -> Choice;
}

/// Nobody is there.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPeople;

#[async_trait]
impl People for NoPeople {
    async fn confirm(&self, _: &RunState, _: &Step, _: &Unit) -> Answer {
        Answer::Later
    }

    async fn choose(&self, _: &RunState, _: &UnitId, _: &str) -> Choice {
        Choice::Stop
    }
}

/// What an observer is told besides entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A unit is being looked at before its intent.
    Capturing(UnitId),
    /// Live output of a unit, already masked.
    Output(UnitId, String),
    /// The outcome of a unit is not recorded; the world is being asked.
    Inspecting(UnitId, Way),
    /// A try failed and will be repeated after this many milliseconds.
    Retrying(UnitId, u64, String),
    /// What was seen of the run's services from outside, when it has changed since it was told last.
    Probed(BTreeMap<String, Downtime>),
    /// The lease's owner is elsewhere; waiting this many milliseconds to see whether it lives.
    WaitingForLease(String, u64),
}

/// Watches a run. Calls must return at once.
pub trait Observer: Send + Sync {
    /// An entry became durable; `state` includes it.
    fn entry(&self, entry: &Entry, state: &RunState);

    /// Something else worth showing.
    fn notice(&self, notice: Notice);
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn entry(&self, _: &Entry, _: &RunState) {}

    fn notice(&self, _: Notice) {}
}
