//! What is watched behind a release: `policy.watch`, and where.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A measurement, or a watch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watching {
    /// How long, milliseconds; `None`: measured once, before the first change, for the watch to compare with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
    /// What must stay below what.
    pub limits: WatchLimits,
    /// A service has to have answered so many requests for an answer.
    pub requests: u64,
    /// Machines (`local` or as configured), by target.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub places: BTreeMap<String, BTreeSet<String>>,
    /// Services whose proxy counts requests.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub services: BTreeSet<String>,
}

/// What must stay below what; `None`: anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchLimits {
    /// Processor time in use, on average, thousandths of a percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u64>,
    /// Memory in use, thousandths of a percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// The fullest of the file systems of `/` and of the target's folder, thousandths of a percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<u64>,
    /// 95th percentile of the answers, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95_ms: Option<u64>,
    /// Share of failed requests, thousandths of a percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<u64>,
}

impl WatchLimits {
    /// Whether anything of a machine is limited.
    #[must_use]
    pub fn of_machines(&self) -> bool {
        self.cpu.is_some() || self.memory.is_some() || self.disk.is_some()
    }

    /// Whether anything of requests is limited.
    #[must_use]
    pub fn of_requests(&self) -> bool {
        self.p95_ms.is_some() || self.errors.is_some()
    }
}
