//! What everything in a simulated run shares: time, randomness, the world, the mirror of the journal, counts.

use crate::{mirror::Mirror, rng::Rng, world::World};
use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};
use windlass_driver::Stopping;
use windlass_journal::Owner;

/// A property that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which property.
    pub property: &'static str,
    /// What was seen.
    pub what: String,
}

/// How hostile a run is. Rates are per mille.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// A trace is kept.
    pub trace: bool,
    /// Failed, partial, unknown and unreachable acts that the world still has in store; 0: drivers never fail.
    pub driver_faults: u32,
    /// Rate at which an act fails while some are in store.
    pub driver_rate: u32,
    /// Failures of the journal in store.
    pub store_faults: u32,
    /// Rate of them.
    pub store_rate: u32,
    /// Sessions that crash, get paused or get rivals before the world calms down.
    pub hostile_sessions: u32,
    /// The person may refuse, leave out, abandon, go back.
    pub moody: bool,
    /// Crashes by session: at which append, and whether before it is durable. Nothing else crashes then, and the
    /// person always answers in the same way.
    pub scripted: Option<Vec<(u64, bool)>>,
    /// Every act takes a good part of a lease's time, none the whole: what keeps the lease are heartbeats between them.
    pub slow: bool,
    /// The n-th unit of the plan that changes something always fails.
    pub doomed: Option<usize>,
    /// The driver applies several units together where it can.
    pub groups: bool,
    /// Services may be looked at from outside, and be down.
    pub probed: bool,
}

/// One simulated process: a controller.
pub struct Proc {
    /// For the trace.
    pub name: String,
    /// Number, unique in a run.
    pub id: u32,
    /// As the journal knows it.
    pub owner: Owner,
    /// Ctrl-C.
    pub stopping: Stopping,
    inner: Mutex<ProcState>,
}

/// What changes in a process.
#[derive(Debug, Default)]
pub struct ProcState {
    /// It runs (or is paused).
    pub alive: bool,
    /// To be dropped after this poll.
    pub dying: bool,
    /// Not polled before this time.
    pub paused_until: u64,
    /// It was paused once, or its heartbeat was lost: it may lose its lease without anybody's fault.
    pub paused_ever: bool,
    /// Polls so far.
    pub polls: u64,
    /// Dropped before this poll.
    pub crash_poll: Option<u64>,
    /// Paused before this poll, for so many milliseconds.
    pub pause: Option<(u64, u64)>,
    /// Appends so far.
    pub appends: u64,
    /// Dies at this append: before (true) or after it is durable.
    pub crash_append: Option<(u64, bool)>,
    /// A person presses Ctrl-C at this append.
    pub stop_append: Option<u64>,
    /// The store told it that its lease is gone.
    pub fenced: bool,
    /// How far its wall clock is off.
    pub wall_offset: i64,
}

impl Proc {
    /// A living process; `id` also chooses the machine (two machines).
    #[must_use]
    pub fn new(name: &str, id: u32) -> Arc<Self> {
        Self::on(name, id, "m0")
    }

    /// A living process on a machine.
    #[must_use]
    pub fn on(name: &str, id: u32, boot: &str) -> Arc<Self> {
        let owner = Owner {
            actor: format!("op{id}@{boot}"),
            boot: boot.to_owned(),
            pid: 100 + id,
            started: u64::from(id),
        };
        let inner = Mutex::new(ProcState { alive: true, ..ProcState::default() });
        Arc::new(Self { name: name.to_owned(), id, owner, stopping: Stopping::default(), inner })
    }

    /// Reads or changes its state.
    pub fn with<T>(&self, f: impl FnOnce(&mut ProcState) -> T) -> T {
        f(&mut self.inner.lock().expect("no code panics while it holds a process"))
    }

    /// Dies here and now: the future that awaits this never goes on.
    pub async fn die(&self) {
        self.with(|p| p.dying = true);
        std::future::pending::<()>().await;
    }
}

/// Everything that a run shares.
pub struct State {
    /// Virtual time, milliseconds.
    pub now: u64,
    /// Sleepers by time and number.
    pub timers: BTreeMap<(u64, u64), Waker>,
    timer_next: u64,
    /// Randomness.
    pub rng: Rng,
    /// Polls so far.
    pub polls: u64,
    /// What is done to the world.
    pub world: World,
    /// What is durable in the journal.
    pub mirror: Mirror,
    /// How hostile it still is.
    pub setup: Setup,
    /// What must never be written down.
    pub secret: String,
    /// Processes by number.
    pub procs: Vec<Arc<Proc>>,
    /// How often things happened.
    pub counts: BTreeMap<&'static str, u64>,
    /// Lines for people.
    pub trace: Vec<String>,
    /// The first property that broke.
    pub violation: Option<Violation>,
}

impl State {
    /// Wakes the sleepers whose time has come.
    pub fn wake_due(&mut self) {
        while let Some(entry) = self.timers.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            entry.remove().wake();
        }
    }

    /// Counts.
    pub fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Notes a line.
    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if self.setup.trace {
            let line = format!("{:>9} {}", self.now, line());
            self.trace.push(line);
        }
    }

    /// A property broke. Only the first counts: what follows follows from it.
    pub fn fail(&mut self, property: &'static str, what: impl FnOnce() -> String) {
        if self.violation.is_none() {
            let what = what();
            self.note(|| format!("VIOLATION {property}: {what}"));
            self.violation = Some(Violation { property, what });
        }
    }
}

/// The shared state behind its lock. Nothing awaits while it holds it.
pub struct Hub(Mutex<State>);

impl Hub {
    /// A run by seed.
    #[must_use]
    pub fn new(seed: u64, setup: Setup) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            now: 0,
            timers: BTreeMap::new(),
            timer_next: 0,
            rng: Rng::new(seed),
            polls: 0,
            world: World::default(),
            mirror: Mirror::default(),
            setup,
            secret: format!("s3cr3t-{seed:016x}"),
            procs: Vec::new(),
            counts: BTreeMap::new(),
            trace: Vec::new(),
            violation: None,
        })))
    }

    /// Reads or changes.
    pub fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.0.lock().expect("no code panics while it holds the hub"))
    }

    /// Virtual time.
    pub fn now(&self) -> u64 {
        self.with(|s| s.now)
    }

    /// See [`State::count`].
    pub fn count(&self, what: &'static str) {
        self.with(|s| s.count(what));
    }

    /// See [`State::note`].
    pub fn trace(&self, line: impl FnOnce() -> String) {
        self.with(|s| s.note(line));
    }

    /// See [`State::fail`].
    pub fn fail(&self, property: &'static str, what: impl FnOnce() -> String) {
        self.with(|s| s.fail(property, what));
    }

    /// Sleeps in virtual time; 0 only lets others run first.
    pub fn sleep(self: &Arc<Self>, ms: u64) -> Sleep {
        Sleep { hub: self.clone(), until: self.now() + ms, key: None }
    }

    /// Sleeps a random time up to `max` milliseconds.
    pub async fn latency(self: &Arc<Self>, max: u64) {
        let ms = self.with(|s| s.rng.between(0, max));
        self.sleep(ms).await;
    }
}

/// A sleeper.
pub struct Sleep {
    hub: Arc<Hub>,
    until: u64,
    key: Option<(u64, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let hub = self.hub.clone();
        let key = self.key;
        let until = self.until;
        let next = hub.with(|s| {
            // Even a sleep of no time yields once: every call of a driver or store is an await point.
            if key.is_some_and(|key| !s.timers.contains_key(&key)) && s.now >= until {
                return None;
            }
            let key = key.unwrap_or_else(|| {
                s.timer_next += 1;
                (until, s.timer_next)
            });
            s.timers.insert(key, cx.waker().clone());
            Some(key)
        });
        self.key = next;
        if next.is_some() { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.hub.with(|s| s.timers.remove(&key));
        }
    }
}
