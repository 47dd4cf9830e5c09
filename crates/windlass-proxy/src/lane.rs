//! A worker's way to an upstream, the requests on it, and what is counted of them.

use crate::{
    control::VersionStatus,
    health::Target,
    histogram::{Counts, Histogram},
    upstream::Pool,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst},
};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio_util::sync::CancellationToken;

/// One worker's way to one upstream, between two changes.
pub(crate) struct Lane {
    pub target: Arc<Target>,
    pub pool: Pool,
    pub stats: Arc<Counters>,
    /// Ends connections and tunnels of this lane.
    pub cut: CancellationToken,
    pub in_flight: AtomicUsize,
    pub retired: AtomicBool,
    /// Told when a retired lane has nothing in flight any more.
    pub empty: Arc<Notify>,
}

impl Lane {
    pub(crate) fn retired(&self) -> bool {
        self.retired.load(SeqCst)
    }
}

/// A request in flight; dropping it ends the flight.
pub(crate) struct Ticket {
    pub lane: Arc<Lane>,
    /// Id of a client that has to get our cookie.
    pub new_client: Option<u64>,
    /// Was held: one of those that may go on at once, until the upstream answers.
    pub pace: Option<OwnedSemaphorePermit>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.lane.in_flight.fetch_sub(1, SeqCst) == 1 && self.lane.retired() {
            self.lane.empty.notify_waiters();
        }
    }
}

/// Counters of one version on one worker.
#[derive(Default)]
pub(crate) struct Counters {
    pub requests: AtomicU64,
    pub errors: AtomicU64,
    pub latency: Histogram,
}

/// One version's counters of all workers.
pub(crate) fn sum(parts: &[Arc<Counters>]) -> VersionStatus {
    let mut counts = Counts::default();
    for part in parts {
        part.latency.add_to(&mut counts);
    }
    VersionStatus {
        requests: parts.iter().map(|part| part.requests.load(Relaxed)).sum(),
        errors: parts.iter().map(|part| part.errors.load(Relaxed)).sum(),
        p50_ms: counts.quantile_ms(0.5),
        p95_ms: counts.quantile_ms(0.95),
        p99_ms: counts.quantile_ms(0.99),
        buckets: counts.filled(),
    }
}
