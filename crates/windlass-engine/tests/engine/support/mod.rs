//! One controller, a scripted world around it, and virtual time.

mod journal;
mod plans;
mod time;
mod world;

pub use journal::Journal;
pub use plans::*;
pub use time::{Time, WALL_MS};
pub use world::*;

use std::sync::Arc;
use windlass_driver::{Drivers, NoProber};
use windlass_engine::{Engine, EngineError, Fault, Faults, Settings, Stop};
use windlass_journal::{
    Entry, Forward, OnFailure, Owner, RunId, RunState, Store, UndoPhase, UnitState, Verb, fold,
};
use windlass_plan::{DriverKind, Plan};

pub type Outcome = Result<Stop, EngineError>;

pub struct Rig {
    pub time: Time,
    pub world: World,
    pub journal: Arc<Journal>,
    pub settings: Settings,
    pub kinds: Vec<DriverKind>,
}

/// The first run of every test.
pub fn run() -> RunId {
    RunId("run-1".into())
}

pub fn owner(actor: &str) -> Owner {
    Owner { actor: actor.into(), boot: "boot".into(), pid: 1, started: 1 }
}

impl Rig {
    pub fn new() -> Self {
        let time = Time::default();
        let world = World::new(time.clone());
        let journal = Arc::new(Journal::new(world.clone()));
        let kinds = vec![DriverKind::Shell, DriverKind::Gate];
        Self { time, world, journal, settings: Settings::default(), kinds }
    }

    /// A controller of `actor`; `faults` as on the command line.
    pub fn engine(&self, actor: &str, faults: &[&str]) -> Engine {
        let faults = faults.iter().map(|text| text.parse::<Fault>().expect("a fault")).collect();
        let driver = |drivers: Drivers, kind: &DriverKind| drivers.with(*kind, Arc::new(self.world.clone()));
        Engine {
            store: self.journal.clone(),
            drivers: self.kinds.iter().fold(Drivers::default(), driver),
            clock: Arc::new(self.time.clone()),
            owner: owner(actor),
            liveness: Arc::new(self.world.clone()),
            secrets: Arc::new(self.world.clone()),
            people: Arc::new(self.world.clone()),
            observer: Arc::new(self.world.clone()),
            faults: Arc::new(Faults::new(faults)),
            prober: Arc::new(NoProber),
            crash: Arc::new(self.time.clone()),
            stopping: self.world.stopping(),
            base: "/srv".into(),
            workspaces: "/runs".into(),
            settings: self.settings,
        }
    }

    pub fn start(&self, plan: Plan) -> Outcome {
        self.start_with(plan, OnFailure::Unwind, &[]).expect("no crash was asked for")
    }

    pub fn start_on(&self, plan: Plan, on_failure: OnFailure) -> Outcome {
        self.start_with(plan, on_failure, &[]).expect("no crash was asked for")
    }

    /// `None`: the controller crashed.
    pub fn start_with(&self, plan: Plan, on_failure: OnFailure, faults: &[&str]) -> Option<Outcome> {
        let engine = self.engine("ann@one", faults);
        self.time.run(engine.start(run(), plan, on_failure))
    }

    /// Starts and dies at the fault.
    pub fn crash(&self, plan: Plan, fault: &str) {
        let outcome = self.start_with(plan, OnFailure::Unwind, &[fault]);
        assert_eq!(outcome, None, "the controller died");
    }

    pub fn resume(&self) -> Outcome {
        self.resume_with(&[]).expect("no crash was asked for")
    }

    pub fn resume_with(&self, faults: &[&str]) -> Option<Outcome> {
        let engine = self.engine("ann@one", faults);
        self.time.run(engine.resume(&run()))
    }

    pub fn rollback(&self, run: &RunId) -> Outcome {
        let engine = self.engine("ann@one", &[]);
        self.time.run(engine.rollback(run, "asked for")).expect("no crash was asked for")
    }

    pub fn decide(&self, verb: Verb, unit: Option<&str>) -> Outcome {
        let engine = self.engine("ann@one", &[]);
        let unit = unit.map(id);
        self.time
            .run(engine.decide(&run(), verb, unit.as_ref(), "looked at it"))
            .expect("no crash was asked for")
    }

    pub fn confirm(&self, unit: &str) -> Outcome {
        let engine = self.engine("bob@two", &[]);
        self.time.run(engine.confirm(&run(), &id(unit), "seen")).expect("no crash was asked for")
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.time.run(self.journal.read(0, usize::MAX)).expect("no crash").expect("readable")
    }

    pub fn state(&self) -> RunState {
        let entries = self.entries();
        fold(entries.iter().filter(|entry| entry.run == run())).expect("entries follow").expect("a run")
    }

    pub fn unit(&self, name: &str) -> UnitState {
        self.state().unit(&id(name))
    }

    pub fn forward(&self, name: &str) -> Forward {
        self.unit(name).forward
    }

    pub fn undo(&self, name: &str) -> UndoPhase {
        self.unit(name).undo
    }
}

/// The stop that waits for a person about `unit`; its reason.
pub fn person(outcome: Outcome, unit: &str) -> String {
    match outcome {
        Ok(Stop::Person { unit: Some(at), why }) if at.0 == unit => why,
        other => panic!("expected to wait for a person about {unit}: {other:?}"),
    }
}

/// Why the decision about a unit was refused.
pub fn refused(outcome: Outcome) -> String {
    match outcome {
        Err(EngineError::Decision { why, .. }) => why,
        other => panic!("expected a refusal: {other:?}"),
    }
}
