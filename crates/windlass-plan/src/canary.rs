//! A part of the clients first: how large it is, how long it is watched, and what it must not do.

use serde::{Deserialize, Serialize};

/// How the strategy `canary` goes from the old version to the new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// Share of the clients that the new version gets, percent: rising, each from 1 to 99. All of them follow.
    pub steps: Vec<u8>,
    /// Each share is watched this long, milliseconds.
    pub watch_ms: u64,
    /// So many requests have to have reached the new version at a share before it is called fine.
    pub requests: u64,
    /// Its 95th percentile stays below this, milliseconds; `None`: it is only compared with that of the old version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95_ms: Option<u64>,
    /// Its share of errors stays below this, thousandths of a percent; `None`: as above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<u64>,
}

impl Default for Canary {
    fn default() -> Self {
        Self { steps: vec![10, 50], watch_ms: 300_000, requests: 100, p95_ms: None, errors: None }
    }
}
