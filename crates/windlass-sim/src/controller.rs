//! One simulated controller process: an engine with simulated surroundings, and the one command that it runs.

use crate::{
    driver::SimDriver,
    exec::TaskFuture,
    hub::{Hub, Proc},
    mirror::TRIES_MAX,
    prober::SimProber,
    store::SimStore,
    world::Told,
};
use async_trait::async_trait;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};
use windlass_driver::{Drivers, Secrets};
use windlass_engine::{
    Answer, Choice, Clock, Crash, Engine, EngineError, Faults, Notice, Observer, People, Settings, Stop,
};
use windlass_journal::{Entry, Life, Liveness, MemoryStore, OnFailure, Owner, RunId, RunState, Verb};
use windlass_plan::{Digest, DriverKind, Plan, Secret, Step, Unit, UnitId, Way};

/// Time to live of simulated leases, milliseconds.
pub const TTL_MS: u64 = 2_000;

/// What a controller is told to do.
#[derive(Clone, Debug)]
pub enum Command {
    /// `windlass apply`.
    Start(Box<Plan>, RunId, OnFailure),
    /// `windlass resume`.
    Resume(RunId),
    /// `windlass resume` of an edited document: what was lost is found out, then this plan takes the place of the other.
    Edit(RunId, Digest, Box<Plan>),
    /// `windlass rollback`.
    Rollback(RunId),
    /// A person's verb.
    Decide(RunId, Verb, Option<UnitId>),
    /// `windlass confirm`.
    Confirm(RunId, UnitId),
}

/// What came of it.
pub type Outcome = Arc<Mutex<Option<Result<Stop, EngineError>>>>;

/// The true time of day at a virtual time, milliseconds since 1970.
#[must_use]
pub fn wall_ms(now: u64) -> i64 {
    1_700_000_000_000 + i64::try_from(now).unwrap_or(0)
}

struct SimClock(Arc<Hub>, Arc<Proc>);

#[async_trait]
impl Clock for SimClock {
    fn wall_ms(&self) -> i64 {
        let offset = self.1.with(|p| p.wall_offset);
        wall_ms(self.0.now()) + offset
    }

    fn monotonic_ms(&self) -> u64 {
        self.0.now()
    }

    async fn sleep(&self, ms: u64) {
        self.0.sleep(ms).await;
    }
}

struct SimSecrets {
    hub: Arc<Hub>,
    known: AtomicBool,
}

impl Secrets for SimSecrets {
    fn resolve(&self, _: &Secret) -> Result<String, String> {
        self.known.store(true, Ordering::SeqCst);
        Ok(self.hub.with(|s| s.secret.clone()))
    }

    fn mask(&self, text: &str) -> String {
        match self.known.load(Ordering::SeqCst) {
            true => text.replace(&self.hub.with(|s| s.secret.clone()), "****"),
            false => text.to_owned(),
        }
    }
}

/// A person at the terminal of a controller.
struct SimPeople(Arc<Hub>, Arc<Proc>);

#[async_trait]
impl People for SimPeople {
    async fn confirm(&self, state: &RunState, _: &Step, unit: &Unit) -> Answer {
        self.0.latency(3 * TTL_MS).await;
        let attempt = state.unit(&unit.id).attempt + 1;
        self.0.with(|s| {
            let (moody, secret) = (s.setup.moody, s.secret.clone());
            match s.rng.below(10) {
                0 if moody => {
                    s.count("gate refused");
                    s.tell(&self.1, &(unit.id.clone(), Way::Forward, attempt), Told::Clean);
                    Answer::Refused(format!("not with {secret}"))
                }
                1..=3 => Answer::Later,
                _ => {
                    s.world.words.insert(format!("confirm {}", unit.id));
                    Answer::Confirmed(format!("seen, {secret}"))
                }
            }
        })
    }

    async fn choose(&self, _: &RunState, unit: &UnitId, _: &str) -> Choice {
        self.0.latency(3 * TTL_MS).await;
        self.0.with(|s| {
            s.count("person asked about a failure");
            match s.rng.below(3) {
                0 => Choice::Unwind,
                1 => Choice::Stop,
                _ => {
                    s.world.words.insert(format!("Retry {unit}"));
                    Choice::Retry
                }
            }
        })
    }
}

/// Compares what the engine believes with what is durable.
struct SimObserver(Arc<Hub>, Arc<Proc>);

impl Observer for SimObserver {
    fn entry(&self, entry: &Entry, state: &RunState) {
        self.0.with(|s| {
            let Some(durable) = s.mirror.run(&entry.run) else { return };
            if durable.seq == state.seq && !same(durable, state) {
                s.fail("the fold of the journal is the live state", || format!("entry {}", entry.seq));
            }
        });
    }

    fn notice(&self, notice: Notice) {
        self.0.with(|s| {
            if let Notice::Output(_, text) = &notice
                && text.contains(&s.secret)
            {
                s.fail("no secret reaches the journal", || format!("live output: {text}"));
            }
            match &notice {
                Notice::Inspecting(..) => s.count("inspection"),
                Notice::Retrying(..) => s.count("repeated try"),
                Notice::WaitingForLease(..) => s.count("waited for a silent owner"),
                _ => {}
            }
            s.note(|| format!("{}: {notice:?}", self.1.name));
        });
    }
}

/// Whether two states agree.
#[must_use]
pub fn same(a: &RunState, b: &RunState) -> bool {
    (&a.digest, &a.plan, &a.replans) == (&b.digest, &b.plan, &b.replans)
        && (&a.units, &a.applied, &a.turns, &a.person, &a.owners, &a.probed)
            == (&b.units, &b.applied, &b.turns, &b.person, &b.owners, &b.probed)
        && (a.direction, a.ending, a.seq, a.last_ms) == (b.direction, b.ending, b.seq, b.last_ms)
}

struct SimLiveness(Arc<Hub>, Arc<Proc>);

impl Liveness for SimLiveness {
    fn look(&self, owner: &Owner) -> Life {
        if owner.boot != self.1.owner.boot {
            return Life::Elsewhere;
        }
        let alive = self.0.with(|s| s.procs.iter().any(|p| p.owner == *owner && p.with(|p| p.alive)));
        if alive { Life::Alive } else { Life::Dead }
    }
}

struct SimCrash(Arc<Proc>);

#[async_trait]
impl Crash for SimCrash {
    async fn crash(&self) {
        self.0.die().await;
    }
}

fn engine(hub: &Arc<Hub>, proc: &Arc<Proc>, journal: &Arc<MemoryStore>, faults: Faults) -> Engine {
    let driver = Arc::new(SimDriver { hub: hub.clone(), proc: proc.clone() });
    let kinds =
        [DriverKind::Shell, DriverKind::Files, DriverKind::Sqlite, DriverKind::Service, DriverKind::Gate];
    let drivers = kinds.into_iter().fold(Drivers::default(), |all, kind| all.with(kind, driver.clone()));
    Engine {
        store: Arc::new(SimStore { hub: hub.clone(), proc: proc.clone(), inner: journal.clone() }),
        drivers,
        clock: Arc::new(SimClock(hub.clone(), proc.clone())),
        owner: proc.owner.clone(),
        liveness: Arc::new(SimLiveness(hub.clone(), proc.clone())),
        secrets: Arc::new(SimSecrets { hub: hub.clone(), known: AtomicBool::new(false) }),
        people: Arc::new(SimPeople(hub.clone(), proc.clone())),
        observer: Arc::new(SimObserver(hub.clone(), proc.clone())),
        faults: Arc::new(faults),
        prober: Arc::new(SimProber(hub.clone())),
        crash: Arc::new(SimCrash(proc.clone())),
        stopping: proc.stopping.clone(),
        base: "/".into(),
        workspaces: "/runs".into(),
        settings: Settings {
            lease_ttl_ms: TTL_MS,
            hosts_max: 4,
            tries_max: TRIES_MAX,
            retry_ms: 100,
            ..Settings::default()
        },
    }
}

/// The task of a controller; it leaves its result in `outcome`.
#[must_use]
pub fn task(
    hub: &Arc<Hub>,
    proc: &Arc<Proc>,
    journal: &Arc<MemoryStore>,
    (command, faults): (Command, Faults),
    outcome: Outcome,
) -> TaskFuture {
    let engine = engine(hub, proc, journal, faults);
    let (hub, name) = (hub.clone(), proc.name.clone());
    Box::pin(async move {
        let result = match command {
            Command::Start(plan, run, on_failure) => engine.start(run, *plan, on_failure).await,
            Command::Resume(run) => engine.resume(&run).await,
            Command::Edit(run, from, plan) => match engine.settle(&run).await {
                Ok(()) => engine.replan(&run, &from, *plan, OnFailure::Unwind.into()).await,
                Err(error) => Err(error),
            },
            Command::Rollback(run) => engine.rollback(&run, "a person wants it").await,
            Command::Decide(run, verb, unit) => {
                engine.decide(&run, verb, unit.as_ref(), "looked at it").await
            }
            Command::Confirm(run, unit) => engine.confirm(&run, &unit, "looked at it").await,
        };
        hub.trace(|| format!("{name}: {result:?}"));
        *outcome.lock().expect("nobody panics with an outcome") = Some(result);
    })
}
