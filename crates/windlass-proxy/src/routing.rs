//! Who gets a request: the routing table, holding, and the way out for old upstreams.
//!
//! Each worker has a [`Shard`] with its own copy of the table behind its own lock. A request claims its upstream and
//! is counted as in flight under that lock; a change takes the locks of all shards, so for every request it happened
//! either before or after, on all workers at once. What a change replaces is retired: its [`Lane`]s get no request
//! any more, keep no idle connection, and are waited for by [`Gate::drain`].

use crate::{
    control::{Status, Upstream, UpstreamStatus, VersionStatus},
    headers,
    health::Target,
    lane::{Counters, Lane, Ticket, sum},
    state::{Closed, Hold},
    table::{Route, Table},
    upstream::Pool,
};
use http::HeaderMap;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

/// Versions whose counters are kept; the oldest that serves no more goes first.
const VERSIONS_MAX: usize = 32;

/// Held requests that go on at once when a hold ends, each until its response head: a service that just started is
/// not run over, and its backlog (128 is common) not overrun.
const RELEASED_MAX: usize = 128;

/// A held request waits no longer than this for the ones before it: the hold is over.
const RELEASE_WAIT: Duration = Duration::from_secs(1);

/// Probes that wait at a time: they take no place of a user's, and are no way around the bound.
const PROBES_MAX: usize = 64;

/// After a cut, how long a drain waits for the requests to let go.
const CUT_GRACE: Duration = Duration::from_secs(1);

/// What one worker touches; a cache line of its own, so that workers do not slow each other.
#[repr(align(128))]
#[derive(Default)]
struct Shard {
    table: Mutex<Table>,
    wake: Notify,
}

/// What is in force, in the form that changes start from.
struct Plan {
    upstreams: Vec<(Arc<Target>, u8)>,
    hold: Option<Hold>,
    closed: Closed,
    stopping: bool,
    /// In use: by upstream (as in `upstreams`), then by worker.
    lanes: Vec<Vec<Arc<Lane>>>,
    /// Out of use, with requests in flight.
    retiring: Vec<Arc<Lane>>,
    /// Counters by version, then by worker; in order of first use.
    versions: Vec<(String, Vec<Arc<Counters>>)>,
}

/// Why a request was not let through; all are answered 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    QueueFull,
    HeldTooLong,
    Stopping,
    Maintenance,
    Readonly,
}

enum Claim {
    Go(Ticket),
    Wait(Duration),
    Refused(Refused),
}

/// A request, as far as it matters who gets it.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub headers: &'a HeaderMap,
    /// It writes nothing, by its method.
    pub safe: bool,
}

/// The routing of all workers.
pub(crate) struct Gate {
    shards: Vec<Shard>,
    plan: Mutex<Plan>,
    empty: Arc<Notify>,
    hold_default: Duration,
    queue_max: usize,
    released: Arc<Semaphore>,
    waiting: AtomicUsize,
    probes: AtomicUsize,
    held: AtomicU64,
    hold_ms_max: AtomicU64,
    refused: AtomicU64,
    cut: AtomicU64,
}

impl Gate {
    /// Without upstreams: requests wait at most `hold_default`.
    pub(crate) fn new(workers: usize, hold_default: Duration, queue_max: usize) -> Self {
        let plan = Plan {
            upstreams: Vec::new(),
            hold: None,
            closed: Closed::default(),
            stopping: false,
            lanes: Vec::new(),
            retiring: Vec::new(),
            versions: Vec::new(),
        };
        let gate = Self {
            shards: (0..workers).map(|_| Shard::default()).collect(),
            plan: Mutex::new(plan),
            empty: Arc::new(Notify::new()),
            hold_default,
            queue_max,
            released: Arc::new(Semaphore::new(RELEASED_MAX)),
            waiting: AtomicUsize::new(0),
            probes: AtomicUsize::new(0),
            held: AtomicU64::new(0),
            hold_ms_max: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            cut: AtomicU64::new(0),
        };
        gate.install(&mut gate.plan());
        gate
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().expect("no code panics while it changes the plan")
    }

    /// Lets a request through, after waiting if requests are held. Dropping the future leaves the queue.
    pub(crate) async fn admit(&self, worker: usize, asked: Asked<'_>) -> Result<Ticket, Refused> {
        match self.claim(worker, asked) {
            Claim::Go(ticket) => Ok(ticket),
            Claim::Refused(why) => Err(self.refuse(why, headers::is_probe(asked.headers))),
            Claim::Wait(limit) => self.wait(worker, asked, limit).await,
        }
    }

    async fn wait(&self, worker: usize, asked: Asked<'_>, limit: Duration) -> Result<Ticket, Refused> {
        let probe = headers::is_probe(asked.headers);
        let (queue, max) = if probe { (&self.probes, PROBES_MAX) } else { (&self.waiting, self.queue_max) };
        let Some(_place) = Place::take(queue, max) else {
            return Err(self.refuse(Refused::QueueFull, probe));
        };
        self.held.fetch_add(u64::from(!probe), Relaxed);
        let since = Instant::now();
        let deadline = tokio::time::Instant::now() + limit;
        let mut pace = None;
        let result = loop {
            // Before the claim, so that a change between the two is not missed.
            let woken = self.shards[worker].wake.notified();
            match self.claim(worker, asked) {
                Claim::Go(mut ticket) => {
                    ticket.pace = pace;
                    break Ok(ticket);
                }
                Claim::Refused(why) => break Err(self.refuse(why, probe)),
                // Held again before its turn came.
                Claim::Wait(_) => drop(pace.take()),
            }
            if tokio::time::timeout_at(deadline, woken).await.is_err() {
                break Err(self.refuse(Refused::HeldTooLong, probe));
            }
            let turn = Arc::clone(&self.released).acquire_owned();
            pace = tokio::time::timeout(RELEASE_WAIT, turn).await.ok().and_then(Result::ok);
        };
        let waited_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.hold_ms_max.fetch_max(if probe { 0 } else { waited_ms }, Relaxed);
        result
    }

    fn refuse(&self, why: Refused, probe: bool) -> Refused {
        self.refused.fetch_add(u64::from(!probe), Relaxed);
        why
    }

    fn claim(&self, worker: usize, asked: Asked<'_>) -> Claim {
        let mut table = self.shards[worker].table.lock().expect("no code panics while it holds the table");
        if table.closed.maintenance {
            return Claim::Refused(Refused::Maintenance);
        }
        if table.closed.readonly && !asked.safe {
            return Claim::Refused(Refused::Readonly);
        }
        if let Some(limit) = table.hold {
            return if table.stopping { Claim::Refused(Refused::Stopping) } else { Claim::Wait(limit) };
        }
        let (index, new_client) = table.choose(asked.headers);
        let lane = Arc::clone(&table.routes[index].lane);
        lane.in_flight.fetch_add(1, SeqCst);
        Claim::Go(Ticket { lane, new_client, pace: None })
    }

    /// Another upstream of the same version, for a request whose own could not be reached.
    pub(crate) fn elsewhere(&self, worker: usize, ticket: &Ticket) -> Option<Ticket> {
        let table = self.shards[worker].table.lock().expect("no code panics while it holds the table");
        if table.hold.is_some() {
            return None;
        }
        let failed = &ticket.lane.target;
        let others = || {
            table.routes.iter().map(|route| &route.lane).filter(|lane| {
                let version = &lane.target.upstream.version;
                !Arc::ptr_eq(&lane.target, failed) && *version == failed.upstream.version
            })
        };
        let lane = others().find(|lane| lane.target.health().0 != Some(false)).or_else(|| others().next())?;
        lane.in_flight.fetch_add(1, SeqCst);
        Some(Ticket { lane: Arc::clone(lane), new_client: ticket.new_client, pace: None })
    }

    /// Replaces upstreams and hold, for every request at once. The caller has saved them and drains afterwards.
    pub(crate) fn change(&self, upstreams: Vec<(Arc<Target>, u8)>, hold: Option<Hold>) {
        let mut plan = self.plan();
        // A hold takes every lane out of use, also when its upstream stays: what is in flight has to end, and no
        // idle connection may survive the restart that the hold is for.
        let clear = hold.is_some() && plan.hold.is_none();
        let old = std::mem::take(&mut plan.upstreams);
        let mut old_lanes: Vec<Option<Vec<Arc<Lane>>>> =
            std::mem::take(&mut plan.lanes).into_iter().map(Some).collect();
        for (target, weight) in &upstreams {
            let same =
                old.iter().position(|(before, w)| Arc::ptr_eq(before, target) && (*w == 0 || *weight > 0));
            let kept = same.filter(|_| !clear).and_then(|index| old_lanes[index].take());
            let lanes = kept.unwrap_or_else(|| self.new_lanes(&mut plan.versions, target));
            plan.lanes.push(lanes);
        }
        plan.upstreams = upstreams;
        plan.hold = hold;
        let replaced: Vec<Arc<Lane>> = old_lanes.into_iter().flatten().flatten().collect();
        self.install(&mut plan);
        for lane in &replaced {
            lane.retired.store(true, SeqCst);
            lane.pool.clear();
        }
        plan.retiring.extend(replaced);
        plan.forget_done();
        drop(plan);
        self.wake();
    }

    /// Puts modes in force. What is in flight goes on: the lanes that it is on, where more is answered 503 than before.
    pub(crate) fn close(&self, closed: Closed) -> Vec<Arc<Lane>> {
        let mut plan = self.plan();
        let more = closed.maintenance && !plan.closed.maintenance || closed.readonly && !plan.closed.readonly;
        plan.closed = closed;
        let mut before = Vec::new();
        if more {
            let targets: Vec<Arc<Target>> =
                plan.upstreams.iter().map(|(target, _)| Arc::clone(target)).collect();
            let fresh = targets.iter().map(|target| self.new_lanes(&mut plan.versions, target)).collect();
            before = std::mem::replace(&mut plan.lanes, fresh).into_iter().flatten().collect();
        }
        self.install(&mut plan);
        for lane in &before {
            lane.retired.store(true, SeqCst);
            lane.pool.clear();
        }
        plan.retiring.extend(before.iter().cloned());
        plan.forget_done();
        drop(plan);
        self.wake();
        before
    }

    /// What is out of use, with requests in flight.
    pub(crate) fn retiring(&self) -> Vec<Arc<Lane>> {
        self.plan().retiring.clone()
    }

    /// Waits until nothing is in flight on these lanes, for `limit` at most; cuts nothing.
    pub(crate) async fn finish(&self, lanes: &[Arc<Lane>], limit: Duration) {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            let empty = self.empty.notified();
            tokio::pin!(empty);
            empty.as_mut().enable();
            let done = lanes.iter().all(|lane| lane.in_flight.load(SeqCst) == 0);
            if done || tokio::time::timeout_at(deadline, empty).await.is_err() {
                return;
            }
        }
    }

    /// Answers 503 to what is held now or later.
    pub(crate) fn stop(&self) {
        let mut plan = self.plan();
        plan.stopping = true;
        self.install(&mut plan);
        drop(plan);
        self.wake();
    }

    fn wake(&self) {
        for shard in &self.shards {
            shard.wake.notify_waiters();
        }
    }

    fn new_lanes(
        &self,
        versions: &mut Vec<(String, Vec<Arc<Counters>>)>,
        target: &Arc<Target>,
    ) -> Vec<Arc<Lane>> {
        let known = versions.iter().position(|(version, _)| *version == target.upstream.version);
        let index = known.unwrap_or_else(|| {
            let fresh = self.shards.iter().map(|_| Arc::default()).collect();
            versions.push((target.upstream.version.clone(), fresh));
            versions.len() - 1
        });
        let lane = |stats: &Arc<Counters>| {
            Arc::new(Lane {
                target: Arc::clone(target),
                pool: Pool::default(),
                stats: Arc::clone(stats),
                cut: CancellationToken::new(),
                in_flight: AtomicUsize::new(0),
                retired: AtomicBool::new(false),
                empty: Arc::clone(&self.empty),
            })
        };
        versions[index].1.iter().map(lane).collect()
    }

    /// Puts the plan in force: all tables are locked before the first is changed.
    fn install(&self, plan: &mut Plan) {
        let used: Vec<(usize, u32, &str)> = plan
            .upstreams
            .iter()
            .enumerate()
            .filter(|(_, (_, weight))| *weight > 0)
            .map(|(index, (target, weight))| (index, u32::from(*weight), target.upstream.version.as_str()))
            .collect();
        let mut used = used;
        used.sort_by_key(|(_, _, version)| *version);
        let split = used.windows(2).any(|pair| pair[0].2 != pair[1].2);
        let hold = match &plan.hold {
            Some(hold) => Some(Duration::from_millis(hold.hold_ms)),
            None => used.is_empty().then_some(self.hold_default),
        };
        let mut tables: Vec<MutexGuard<'_, Table>> = self
            .shards
            .iter()
            .map(|shard| shard.table.lock().expect("no code panics while it holds the table"))
            .collect();
        for (worker, table) in tables.iter_mut().enumerate() {
            table.routes = used
                .iter()
                .map(|(index, weight, _)| Route {
                    lane: Arc::clone(&plan.lanes[*index][worker]),
                    weight: *weight,
                })
                .collect();
            table.split = split;
            table.hold = hold;
            table.stopping = plan.stopping;
            table.closed = plan.closed;
        }
        plan.forget_versions();
    }

    /// Waits until nothing is in flight on what is out of use; after `limit` that is cut and counted. Ends early when
    /// a resume brought everything back into use.
    pub(crate) async fn drain(&self, limit: Duration) {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            let empty = self.empty.notified();
            tokio::pin!(empty);
            // A `Notified` takes part only once it is polled or enabled.
            empty.as_mut().enable();
            let due = self.due();
            if due.iter().all(|lane| lane.in_flight.load(SeqCst) == 0) {
                return;
            }
            if tokio::time::timeout_at(deadline, empty).await.is_err() {
                break;
            }
        }
        let due = self.due();
        self.cut(&due);
        let all_gone = async {
            while due.iter().any(|lane| lane.in_flight.load(SeqCst) > 0) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        // A client that does not read keeps its answer in our memory; the upstream is rid of it all the same.
        let _ = tokio::time::timeout(CUT_GRACE, all_gone).await;
        self.plan().forget_done();
    }

    /// Retired lanes whose upstream is out of use; while requests are held, all are.
    fn due(&self) -> Vec<Arc<Lane>> {
        let plan = self.plan();
        let in_use = |lane: &Arc<Lane>| {
            plan.upstreams.iter().any(|(target, weight)| *weight > 0 && Arc::ptr_eq(target, &lane.target))
        };
        let holding = plan.hold.is_some();
        plan.retiring.iter().filter(|lane| holding || !in_use(lane)).cloned().collect()
    }

    fn cut(&self, lanes: &[Arc<Lane>]) {
        for lane in lanes {
            self.cut.fetch_add(lane.in_flight.load(SeqCst) as u64, Relaxed);
            lane.cut.cancel();
        }
    }

    /// Cuts everything that is in flight, at the end of the process.
    pub(crate) fn cut_all(&self) {
        let lanes: Vec<Arc<Lane>> = {
            let plan = self.plan();
            plan.lanes.iter().flatten().chain(&plan.retiring).cloned().collect()
        };
        self.cut(&lanes);
    }

    /// Closes this worker's connections to upstreams that were idle too long.
    pub(crate) fn sweep(&self, worker: usize) {
        let lanes: Vec<Arc<Lane>> =
            self.plan().lanes.iter().map(|lanes| Arc::clone(&lanes[worker])).collect();
        for lane in lanes {
            lane.pool.sweep();
        }
    }

    /// The targets in force, for a change that keeps some of them.
    pub(crate) fn targets(&self) -> Vec<Arc<Target>> {
        self.plan().upstreams.iter().map(|(target, _)| Arc::clone(target)).collect()
    }

    /// What is in force.
    pub(crate) fn in_force(&self) -> (Vec<Upstream>, Option<Hold>) {
        let plan = self.plan();
        let upstream =
            |(target, weight): &(Arc<Target>, u8)| Upstream { weight: *weight, ..target.upstream.clone() };
        (plan.upstreams.iter().map(upstream).collect(), plan.hold)
    }

    /// The modes in force.
    pub(crate) fn closed(&self) -> Closed {
        self.plan().closed
    }

    /// All of it, except what only the process knows (pid, address).
    pub(crate) fn status(&self) -> Status {
        let plan = self.plan();
        let in_flight = |target: &Arc<Target>| {
            let lanes = plan.lanes.iter().flatten().chain(&plan.retiring);
            lanes.filter(|l| Arc::ptr_eq(&l.target, target)).map(|l| l.in_flight.load(SeqCst) as u64).sum()
        };
        let upstream = |(target, weight): &(Arc<Target>, u8)| {
            let (healthy, healthy_ms, problem) = target.health();
            let upstream = Upstream { weight: *weight, ..target.upstream.clone() };
            UpstreamStatus { upstream, healthy, healthy_ms, in_flight: in_flight(target), problem }
        };
        Status {
            holding_ms: plan.hold.map(|hold| hold.age_ms()),
            readonly: plan.closed.readonly,
            maintenance: plan.closed.maintenance,
            waiting: self.waiting.load(SeqCst) as u64,
            upstreams: plan.upstreams.iter().map(upstream).collect(),
            versions: plan.counted(),
            held: self.held.load(Relaxed),
            hold_ms_max: self.hold_ms_max.load(Relaxed),
            refused: self.refused.load(Relaxed),
            cut: self.cut.load(Relaxed),
            ..Status::default()
        }
    }
}

impl Plan {
    /// Counters of all versions; what they are made of only of those that have an upstream, so that an answer stays small.
    fn counted(&self) -> BTreeMap<String, VersionStatus> {
        let serves = |version: &str| self.upstreams.iter().any(|(t, _)| t.upstream.version == version);
        let counted = self.versions.iter().map(|(name, parts)| {
            let mut counts = sum(parts);
            if !serves(name) {
                counts.buckets = Vec::new();
            }
            (name.clone(), counts)
        });
        counted.collect()
    }

    fn forget_done(&mut self) {
        self.retiring.retain(|lane| lane.in_flight.load(SeqCst) > 0);
    }

    /// Drops the counters of the oldest versions that serve no more.
    fn forget_versions(&mut self) {
        while self.versions.len() > VERSIONS_MAX {
            let serves = |version: &str| self.upstreams.iter().any(|(t, _)| t.upstream.version == version);
            let Some(index) = self.versions.iter().position(|(version, _)| !serves(version)) else { return };
            self.versions.remove(index);
        }
    }
}

/// A place in the queue of held requests; dropping it gives it back.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, max: usize) -> Option<Self> {
        if waiting.fetch_add(1, SeqCst) < max {
            return Some(Self(waiting));
        }
        waiting.fetch_sub(1, SeqCst);
        None
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
#[path = "routing_tests.rs"]
mod tests;
