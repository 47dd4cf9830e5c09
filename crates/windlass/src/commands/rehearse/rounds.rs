//! Rounds on the copies: the real engine with a journal of its own, crashes that end a controller and not the process.

use super::watch::{Recorder, Round, Watched};
use crate::{
    commands::copies::{self, Broken, failed},
    exit::Failure,
    wiring,
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::Notify;
use windlass_driver::{Driver, NoProber, Secrets, Stopping};
use windlass_engine::{Crash, Engine, EngineError, Fault, FaultKind, Faults, Notice, Observer, Stop};
use windlass_journal::{Ending, Entry, Event, Forward, OnFailure, RunId, RunState, SqliteStore, Store, Verb};
use windlass_plan::{Class, Plan, UnitId, Way};

/// Why a unit was left as it is.
const LEFT: &str = "left as it is by the rehearsal";
/// Time between two lines of progress without a terminal.
const TELL: Duration = Duration::from_secs(5);

/// What is run.
pub struct Stage {
    pub plan: Plan,
    pub recorder: Arc<Recorder>,
    pub secrets: Arc<dyn Secrets>,
    pub stopping: Stopping,
    pub progress: Arc<Meter>,
    /// Folder for the journal and the workspaces; it goes with the copies.
    pub folder: PathBuf,
    /// Folder of `windlass.toml`.
    pub base: PathBuf,
}

/// How a round ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// It came to its end forwards.
    pub is_done: bool,
    /// The unit that failed, and why.
    pub failed: Option<(UnitId, String)>,
    /// Units whose undo was not possible, and why.
    pub left: BTreeMap<UnitId, String>,
    /// Units about which a person would have been asked after a crash, and why.
    pub asked: BTreeMap<UnitId, String>,
}

/// Which way a part of a round goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Forth,
    Back,
}

/// One run of the plan on the copies.
pub struct Run<'a> {
    stage: &'a Stage,
    id: RunId,
    store: Arc<SqliteStore>,
    faults: Arc<Faults>,
    crash: Arc<Crashes>,
    pub ended: Ended,
}

impl<'a> Run<'a> {
    /// A run for a round.
    pub fn new(stage: &'a Stage, round: Round) -> Result<Self, Broken> {
        let store = copies::journal(&stage.folder)?;
        let faults = if round == Round::Disturbed { faults(&stage.plan) } else { vec![] };
        stage.recorder.begin(round);
        let id = RunId(format!("rehearsal-{}-{round:?}", wiring::now_ms()));
        let crash = Arc::new(Crashes::default());
        Ok(Self { stage, id, store, faults: Arc::new(Faults::new(faults)), crash, ended: Ended::default() })
    }

    fn engine(&self) -> Result<Engine, Broken> {
        let stage = self.stage;
        let watched = |inner: Arc<dyn Driver>| -> Arc<dyn Driver> {
            Arc::new(Watched { inner, recorder: stage.recorder.clone() })
        };
        let places = (stage.folder.as_path(), stage.base.as_path());
        let engine = copies::engine(&self.store, &stage.secrets, &stage.stopping, places)?;
        Ok(Engine {
            drivers: engine.drivers.map(watched),
            observer: stage.progress.clone(),
            faults: self.faults.clone(),
            prober: Arc::new(NoProber),
            crash: self.crash.clone(),
            ..engine
        })
    }

    /// Forwards to the end. What fails is taken back at once.
    pub async fn forth(&mut self) -> Result<(), Broken> {
        let stop = self.until_stop(Part::Forth).await?;
        let state = self.state().await?;
        self.ended.is_done = stop == Stop::Ended(Ending::Done);
        if !self.ended.is_done {
            self.ended.failed =
                failed(&state).map(|(unit, why, hints)| (unit, [vec![why], hints].concat().join("\n")));
        }
        Ok(())
    }

    /// Back to the beginning.
    pub async fn back(&mut self) -> Result<(), Broken> {
        let ending = self.state().await?.ending;
        if ending.is_none_or(|ending| ending == Ending::Done) {
            self.until_stop(Part::Back).await?;
        }
        Ok(())
    }

    /// Drives one way; a controller that crashes is followed by another, and a person who is asked says: leave it.
    async fn until_stop(&mut self, part: Part) -> Result<Stop, Broken> {
        let mut work = if part == Part::Forth { Work::Start } else { Work::Rollback };
        // Each unit crashes twice each way at the most, and each is left once.
        let units = self.stage.plan.units().count();
        for _ in 0..(units * 8 + 16) {
            let engine = self.engine()?;
            let stop = tokio::select! {
                stop = self.act(&engine, &work) => Some(stop?),
                () = self.crash.happened.notified() => None,
            };
            let Some(stop) = stop else {
                work = Work::Resume;
                continue;
            };
            match stop {
                Stop::Interrupted => return Err(Broken::Interrupted),
                Stop::Person { unit: Some(unit), why } => work = self.answer(unit, why).await?,
                Stop::Person { unit: None, why } => return Err(Broken::Failed(Failure::refused(why))),
                stop => return Ok(stop),
            }
        }
        Err(Broken::Failed(Failure::refused("the rehearsal does not come to an end")))
    }

    async fn act(&self, engine: &Engine, work: &Work) -> Result<Stop, EngineError> {
        match work {
            Work::Start => engine.start(self.id.clone(), self.stage.plan.clone(), OnFailure::Unwind).await,
            Work::Resume => engine.resume(&self.id).await,
            Work::Rollback => engine.rollback(&self.id, "the rehearsal goes back").await,
            Work::Decide(verb, unit) => engine.decide(&self.id, *verb, Some(unit), LEFT).await,
        }
    }

    /// What a person would have to decide is decided here, by what is known: which fault it was, and that nobody else is there.
    async fn answer(&mut self, unit: UnitId, why: String) -> Result<Work, Broken> {
        let state = self.state().await?;
        let of = state.unit(&unit);
        if matches!(of.forward, Forward::Unknown(_)) && of.undo == windlass_journal::UndoPhase::None {
            self.ended.asked.insert(unit.clone(), why);
            let verb = if self.crash.was_before() { Verb::Retry } else { Verb::MarkDone };
            return Ok(Work::Decide(verb, unit));
        }
        if matches!(of.undo, windlass_journal::UndoPhase::Unknown(_)) {
            self.ended.asked.insert(unit.clone(), why);
            let verb = if self.crash.was_before() { Verb::Retry } else { Verb::MarkDone };
            return Ok(Work::Decide(verb, unit));
        }
        self.stage.recorder.leave(&unit);
        self.ended.left.insert(unit.clone(), why);
        Ok(Work::Decide(Verb::Skip, unit))
    }

    async fn state(&self) -> Result<RunState, Broken> {
        let store: &dyn Store = self.store.as_ref();
        Ok(crate::journal::load(store, &self.id).await.map_err(Broken::Failed)?.run)
    }
}

enum Work {
    Start,
    Resume,
    Rollback,
    Decide(Verb, UnitId),
}

/// A crash before and one behind each unit, and a repetition, both ways.
fn faults(plan: &Plan) -> Vec<Fault> {
    let changing = plan.units().filter(|(_, unit)| unit.undo.class != Class::Readonly);
    let of = |unit: &UnitId| {
        let fault = |kind, way| Fault { kind, way, unit: unit.clone() };
        [
            fault(FaultKind::CrashBefore, Way::Forward),
            fault(FaultKind::Repeat, Way::Forward),
            fault(FaultKind::CrashAfter, Way::Forward),
            fault(FaultKind::CrashBefore, Way::Undo),
            fault(FaultKind::CrashAfter, Way::Undo),
        ]
    };
    changing.flat_map(|(_, unit)| of(&unit.id)).collect()
}

/// Ends the controller, not the process: whoever drives it drops it.
#[derive(Default)]
struct Crashes {
    happened: Notify,
    count: AtomicUsize,
}

impl Crashes {
    /// Of the two crashes of a unit, the first is before it.
    fn was_before(&self) -> bool {
        self.count.load(Ordering::SeqCst) % 2 == 1
    }
}

#[async_trait]
impl Crash for Crashes {
    async fn crash(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.happened.notify_one();
        std::future::pending::<()>().await;
    }
}

/// Progress of all rounds together.
pub struct Meter {
    began: Instant,
    units: AtomicUsize,
    settled: AtomicUsize,
    told: Mutex<(Instant, &'static str)>,
    live: bool,
}

impl Meter {
    /// Of `units` units that each settle several times.
    pub fn new(live: bool) -> Self {
        let now = Instant::now();
        Self {
            began: now,
            units: AtomicUsize::new(0),
            settled: AtomicUsize::new(0),
            told: Mutex::new((now, "copying")),
            live,
        }
    }

    /// How many settlements there will be.
    pub fn expect(&self, units: usize) {
        self.units.store(units, Ordering::Relaxed);
    }

    /// What is being done now.
    pub fn now(&self, what: &'static str) {
        let mut told = self.told.lock().expect("nothing panics while it is held");
        told.1 = what;
        drop(told);
        self.show(true);
    }

    fn show(&self, at_once: bool) {
        let mut told = self.told.lock().expect("nothing panics while it is held");
        let gap = if self.live { Duration::from_millis(100) } else { TELL };
        let is_long = self.began.elapsed() > Duration::from_secs(1);
        if !is_long || told.0.elapsed() < gap && !(at_once && self.live) {
            return;
        }
        told.0 = Instant::now();
        let elapsed = self.began.elapsed();
        let (done, all) = (self.settled.load(Ordering::Relaxed), self.units.load(Ordering::Relaxed));
        let left = match done {
            0 => String::new(),
            _ => {
                let left = elapsed.as_millis() as usize * all.saturating_sub(done) / done;
                format!(", about {} left", windlass_report::duration(left as u64))
            }
        };
        let elapsed = windlass_report::duration(elapsed.as_millis() as u64);
        let line = format!("rehearsing: {}, {done} of {all} steps, {elapsed}{left}", told.1);
        let line = windlass_report::shorten(&line, 78);
        crate::terminal::raw(&if self.live { format!("\r\x1b[K{line}") } else { format!("{line}\n") });
    }

    /// Takes the live line away.
    pub fn finish(&self) {
        if self.live {
            crate::terminal::raw("\r\x1b[K");
        }
    }
}

impl Observer for Meter {
    fn entry(&self, entry: &Entry, _: &RunState) {
        if matches!(entry.event, Event::Settled { .. }) {
            self.settled.fetch_add(1, Ordering::Relaxed);
        }
        self.show(false);
    }

    fn notice(&self, _: Notice) {
        self.show(false);
    }
}
