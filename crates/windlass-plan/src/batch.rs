//! How the rows of a statement are changed in batches.

use serde::{Deserialize, Serialize};

/// `batch=` of a step, with what the configuration says of the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// Most rows of the table that a batch changes.
    pub rows: u64,
    /// When batches wait.
    pub throttle: Throttle,
}

/// `[target.NAME.batch]` or `[policy.batch]`: how gently batches run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    /// A batch should take this long, milliseconds: one that takes longer is followed by smaller ones.
    pub time_ms: u64,
    /// Percent of the time that batches may run in; the rest is pauses.
    pub share: u32,
    /// Batches wait while a replica is this far behind, milliseconds; where it can be seen.
    pub lag_ms: u64,
    /// Batches wait while more sessions of others are at work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u32>,
    /// Batches wait while more sessions wait for locks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock_waits: Option<u32>,
    /// Batches wait while this query answers true, or a number that is not 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_while: Option<String>,
    /// Longest wait at a time, milliseconds; then the run stops and asks a person.
    pub wait_ms_max: u64,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            time_ms: 500,
            share: 50,
            lag_ms: 30_000,
            sessions: None,
            lock_waits: None,
            wait_while: None,
            wait_ms_max: 30 * 60_000,
        }
    }
}
