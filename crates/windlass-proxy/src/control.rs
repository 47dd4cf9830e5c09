//! The control protocol: one JSON object a line, request and reply, over a Unix socket in the proxy's state folder.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One instance of a service behind the proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// Version it serves; metrics are counted by it.
    pub version: String,
    /// `host:port`.
    pub address: String,
    /// Share of new clients, 0 to 100; a client keeps its version by cookie.
    pub weight: u8,
    /// Path asked for the continuing health check; `None`: TCP connect.
    pub health: Option<String>,
}

/// What requests are answered 503, until somebody takes it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// All.
    Maintenance,
    /// Those that may write: all but GET, HEAD, OPTIONS and TRACE, which RFC 9110, 9.2.1 calls safe.
    Readonly,
}

impl Mode {
    /// As it is typed.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Maintenance => "maintenance",
            Self::Readonly => "readonly",
        }
    }
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Request {
    /// Report; changes nothing.
    Status,
    /// From the reply on, no request reaches an upstream: new ones wait. Replies when requests in flight are
    /// finished or `drain_ms` has passed (then they are cut and counted). Holding twice is no error.
    Hold {
        /// Longest wait of one request; beyond it: 503 with Retry-After.
        hold_ms: u64,
        /// Longest wait for requests in flight.
        drain_ms: u64,
    },
    /// Lets held requests go on. Resuming what is not held is no error.
    Resume,
    /// Makes these the upstreams, atomically for every request; with `resume` also ends a hold. Replies when the
    /// old ones are drained or `drain_ms` has passed.
    Switch {
        /// The new set; weights add up to 100.
        upstreams: Vec<Upstream>,
        /// Longest wait for requests in flight on the old ones.
        drain_ms: u64,
        /// Lets held requests go on in the same instant.
        resume: bool,
    },
    /// Answers 503 to requests until it is turned off again. Turned on, replies when the requests from before have their answer or
    /// `drain_ms` has passed; none of them is cut. What is so already is no error.
    Mode {
        /// To which.
        mode: Mode,
        /// Whether from now on, or no more.
        on: bool,
        /// Longest wait for requests in flight.
        drain_ms: u64,
    },
    /// Stops accepting, finishes what is in flight within `drain_ms`, ends the process. Requests that are held at
    /// that moment are answered 503. Replies when all is finished or cut.
    Stop {
        /// Longest wait.
        drain_ms: u64,
    },
    /// Sent by a new proxy process that wants the listening socket; its protocol stands in `handover.rs`. Not for controllers.
    TakeOver,
}

impl Request {
    /// How long the proxy itself may wait before it replies, milliseconds.
    #[must_use]
    pub fn drain_ms(&self) -> u64 {
        match self {
            Self::Hold { drain_ms, .. }
            | Self::Switch { drain_ms, .. }
            | Self::Mode { drain_ms, .. }
            | Self::Stop { drain_ms } => *drain_ms,
            Self::Status | Self::Resume | Self::TakeOver => 0,
        }
    }
}

/// Answer to a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// Done; the state after it.
    Ok(Box<Status>),
    /// Refused or failed; nothing was changed.
    Error {
        /// Why.
        message: String,
    },
    /// In force, but something that belongs to it failed.
    Unconfirmed {
        /// What.
        message: String,
    },
}

/// State of the proxy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Process id of the proxy.
    pub pid: u32,
    /// Address that clients use, with the real port.
    pub listen: String,
    /// Whether requests are held, and since when (milliseconds ago).
    pub holding_ms: Option<u64>,
    /// Whether requests that may write are answered 503.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub readonly: bool,
    /// Whether all requests are answered 503, because somebody said so. Servers that are not the built-in proxy hold so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub maintenance: bool,
    /// Requests waiting now.
    pub waiting: u64,
    /// Current upstreams with their health.
    pub upstreams: Vec<UpstreamStatus>,
    /// Counters by version since the proxy started.
    pub versions: BTreeMap<String, VersionStatus>,
    /// Requests that were ever held, since the proxy started.
    pub held: u64,
    /// Longest wait of a held request, milliseconds.
    pub hold_ms_max: u64,
    /// Answered 503 because the queue or the hold time was exceeded.
    pub refused: u64,
    /// Requests cut at the end of a drain.
    pub cut: u64,
}

/// One upstream with what is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpstreamStatus {
    /// The upstream.
    pub upstream: Upstream,
    /// Result of the last check; `None`: not checked yet.
    pub healthy: Option<bool>,
    /// Unbroken time it has been healthy, milliseconds.
    pub healthy_ms: u64,
    /// Requests in flight, those from before a hold or a switch included.
    pub in_flight: u64,
    /// Why the last check failed; `None`: it did not fail.
    #[serde(default)]
    pub problem: Option<String>,
}

/// Counters of one version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VersionStatus {
    /// Requests answered.
    pub requests: u64,
    /// Of these, 5xx or broken.
    pub errors: u64,
    /// Median time from the choice of the upstream to its response head (a hold before that is not in it),
    /// milliseconds. This and the next two are upper bounds of a bucket, at most 6.25 % above the true value.
    pub p50_ms: f64,
    /// 95th percentile, milliseconds.
    pub p95_ms: f64,
    /// 99th percentile, milliseconds.
    pub p99_ms: f64,
    /// The counts behind them: the end of a bucket, microseconds, and how many answers lie in it; empty ones are left out. The
    /// difference of two looks is what happened between them. Only of versions that have an upstream.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buckets: Vec<(u64, u64)>,
}
