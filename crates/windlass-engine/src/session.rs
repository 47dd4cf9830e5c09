//! Starting, resuming, rolling back and deciding: everything that happens under one lease.

use crate::{
    Clock, Crash, EngineError, Faults, Observer, People, board::Board, lease::acquire, next::Limits,
};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use windlass_driver::{Drivers, OnConflict, Probe, Prober, Secrets, Stopping};
use windlass_journal::{
    Begin, Direction, Ending, Entry, Event, Lease, Liveness, Owner, RunId, RunState, Store, StoreError,
    Unlinked, Verb, fold,
};
use windlass_plan::{Plan, Target, UnitId, Value};

/// Of so many entries one has its board compared with one made anew, in builds with assertions. At each, as this crate's own tests do, it was
/// a third of the simulator's time; what goes apart and heals in between is not seen there.
const CHECKED: u64 = if cfg!(test) { 1 } else { 8 };

/// Limits and times of an engine.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Time to live of the lease, milliseconds; the heartbeat comes four times in it.
    pub lease_ttl_ms: u64,
    /// Hosts worked on at a time.
    pub hosts_max: usize,
    /// Tries of a unit whose failure is safe to repeat.
    pub tries_max: u32,
    /// Wait before the second try, milliseconds; doubles with each, up to ten times this.
    pub retry_ms: u64,
    /// What an undo does with rows that somebody has written to since.
    pub on_conflict: OnConflict,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lease_ttl_ms: 10_000,
            hosts_max: 32,
            tries_max: 3,
            retry_ms: 500,
            on_conflict: OnConflict::Keep,
        }
    }
}

impl Settings {
    pub(crate) fn limits(self) -> Limits {
        Limits { hosts_max: self.hosts_max, tries_max: self.tries_max }
    }
}

/// A controller: what it works with. All of it comes from outside.
pub struct Engine {
    /// The journal.
    pub store: Arc<dyn Store>,
    /// Ways to act.
    pub drivers: Drivers,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who this controller is.
    pub owner: Owner,
    /// Whether other owners live.
    pub liveness: Arc<dyn Liveness>,
    /// Secret values, for drivers and for masking.
    pub secrets: Arc<dyn Secrets>,
    /// Who is asked.
    pub people: Arc<dyn People>,
    /// Who watches.
    pub observer: Arc<dyn Observer>,
    /// Faults on demand.
    pub faults: Arc<Faults>,
    /// Who looks from outside whether services answer.
    pub prober: Arc<dyn Prober>,
    /// What a crash fault does.
    pub crash: Arc<dyn Crash>,
    /// Turns true when a person asks to stop.
    pub stopping: Stopping,
    /// Folder of `windlass.toml`.
    pub base: PathBuf,
    /// Folder for the files of runs (`.windlass/runs`).
    pub workspaces: PathBuf,
    /// Limits and times.
    pub settings: Settings,
}

/// Where a controller left a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The run ended.
    Ended(Ending),
    /// A person has to decide about this unit.
    Person {
        /// Which.
        unit: Option<UnitId>,
        /// Why.
        why: String,
    },
    /// A gate waits for `windlass confirm`.
    Gate(UnitId),
    /// A step with `after=` waits for its time.
    NotBefore {
        /// First unit of the step.
        unit: UnitId,
        /// When, milliseconds since 1970.
        at_ms: i64,
    },
    /// A person asked to stop; `resume` goes on.
    Interrupted,
}

/// A run under our lease.
pub(crate) struct Session<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) lease: Lease,
    pub(crate) run: RunId,
    pub(crate) head: u64,
    pub(crate) state: Option<RunState>,
    /// Follows from the state.
    pub(crate) board: Board,
    /// The look from outside, while it goes on.
    pub(crate) probe: Option<Box<dyn Probe>>,
    /// When the last heartbeat arrived and when the next is due, by our monotonic clock, milliseconds.
    beat_ok_ms: AtomicU64,
    beat_due_ms: AtomicU64,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        engine: &'a Engine,
        lease: Lease,
        run: RunId,
        head: u64,
        state: Option<RunState>,
    ) -> Self {
        let now = engine.clock.monotonic_ms();
        let beat_due_ms = AtomicU64::new(now + engine.settings.lease_ttl_ms / 4);
        let board = state.as_ref().map(Board::of).unwrap_or_default();
        let beat_ok_ms = AtomicU64::new(now);
        Self { engine, lease, run, head, state, board, probe: None, beat_ok_ms, beat_due_ms }
    }

    /// Milliseconds until the next heartbeat is due.
    pub(crate) fn beat_in(&self) -> u64 {
        self.beat_due_ms.load(Ordering::Relaxed).saturating_sub(self.engine.clock.monotonic_ms())
    }

    /// Shows that we live. A failing journal is given the lease's whole time to recover: no run breaks off because
    /// one heartbeat was lost.
    pub(crate) async fn beat(&self) -> Result<(), EngineError> {
        let (clock, ttl_ms) = (&self.engine.clock, self.engine.settings.lease_ttl_ms);
        let began = clock.monotonic_ms();
        match self.engine.store.beat(self.lease.token).await {
            Ok(()) => self.beat_ok_ms.store(began, Ordering::Relaxed),
            Err(StoreError::Io(_) | StoreError::Full(_))
                if clock.monotonic_ms().saturating_sub(self.beat_ok_ms.load(Ordering::Relaxed)) < ttl_ms => {}
            Err(error) => return Err(error.into()),
        }
        self.beat_due_ms.store(clock.monotonic_ms() + (ttl_ms / 4).max(1), Ordering::Relaxed);
        Ok(())
    }

    /// Folds events in, makes them durable, shows them. Folding comes first, so that nothing is ever written that
    /// cannot be read again. After an error the session must not be used any more.
    pub(crate) async fn append(&mut self, events: Vec<Event>) -> Result<(), EngineError> {
        let new: Vec<_> = events
            .into_iter()
            .map(|event| Unlinked {
                time_ms: self.engine.clock.wall_ms(),
                run: self.run.clone(),
                actor: self.engine.owner.actor.clone(),
                event: self.masked(event),
            })
            .collect();
        for (entry, seq) in new.iter().zip(self.head + 1..) {
            self.fold(seq, entry.clone())?;
        }
        let entries = self.engine.store.append(self.head, self.lease.token, new).await?;
        for entry in &entries {
            self.head = entry.seq;
            self.engine.observer.entry(entry, self.state());
        }
        Ok(())
    }

    /// What a person said may hold a secret too.
    fn masked(&self, event: Event) -> Event {
        let mask = |text: String| self.engine.secrets.mask(&text);
        match event {
            Event::Confirmed { unit, note } => Event::Confirmed { unit, note: mask(note) },
            Event::Turned { to, why, unit } => Event::Turned { to, why: mask(why), unit },
            Event::Decided { verb, unit, reason } => Event::Decided { verb, unit, reason: mask(reason) },
            other => other,
        }
    }

    fn fold(&mut self, seq: u64, entry: Unlinked) -> Result<(), EngineError> {
        let Unlinked { time_ms, run, actor, event } = entry;
        let (previous, hash) = (String::new(), String::new());
        let entry = Entry { seq, time_ms, run, actor, token: self.lease.token, event, previous, hash };
        match &mut self.state {
            None => {
                let state = self.state.insert(RunState::begin(&entry)?);
                self.board = Board::of(state);
            }
            Some(state) => {
                state.apply(&entry)?;
                match &entry.event {
                    Event::Replanned { .. } => self.board = Board::of(state),
                    event => event.unit().into_iter().for_each(|unit| self.board.changed(state, unit)),
                }
                debug_assert!(
                    !seq.is_multiple_of(CHECKED) || self.board == Board::of(state),
                    "the board follows from the state"
                );
            }
        }
        Ok(())
    }

    pub(crate) fn state(&self) -> &RunState {
        self.state.as_ref().expect("a session begins with an entry or a folded run")
    }
}

impl Engine {
    /// Starts a run of `plan` and drives it until it ends or has to wait.
    ///
    /// # Errors
    /// [`EngineError::OpenRun`] while an earlier run is not finished; [`EngineError::Held`] while another controller
    /// lives; and whatever the journal says.
    pub async fn start(&self, run: RunId, plan: Plan, begin: impl Into<Begin>) -> Result<Stop, EngineError> {
        self.can_drive(&plan)?;
        let (lease, from) = self.lease().await?;
        let result = self.start_under(lease.clone(), from, run, plan, begin.into()).await;
        self.give_back(&lease, result).await
    }

    async fn start_under(
        &self,
        lease: Lease,
        from: Option<Owner>,
        run: RunId,
        plan: Plan,
        begin: Begin,
    ) -> Result<Stop, EngineError> {
        if let Some(open) = self.open_run().await? {
            return Err(EngineError::OpenRun(open));
        }
        if let Some(ending) = self.ending_of(&run).await? {
            return Err(EngineError::Over { run, ending });
        }
        self.know_secrets(&plan);
        let head = self.store.head().await?.seq;
        let mut session = Session::new(self, lease, run, head, None);
        let started = Event::started(plan, begin);
        session.append(vec![started, self.taken(from)]).await?;
        session.drive().await
    }

    /// Goes on with a run whose controller stopped or died.
    ///
    /// # Errors
    /// [`EngineError::Over`] when it has ended; see [`Engine::start`].
    pub async fn resume(&self, run: &RunId) -> Result<Stop, EngineError> {
        self.under_lease(run, Vec::new(), false, over).await
    }

    /// Takes a run back: one that is under way, or one that was done and is the newest in place.
    ///
    /// # Errors
    /// [`EngineError::NotNewest`] when a later run is still in place; [`EngineError::Over`] when it was undone before.
    pub async fn rollback(&self, run: &RunId, why: &str) -> Result<Stop, EngineError> {
        let turn = Event::Turned { to: Direction::Unwind, why: why.to_owned(), unit: None };
        let may = |state: &RunState| match state.ending {
            Some(ending @ Ending::Undone) => Err(EngineError::Over { run: state.id.clone(), ending }),
            _ => Ok(()),
        };
        self.under_lease(run, vec![turn], true, may).await
    }

    /// Records a person's decision and goes on.
    ///
    /// # Errors
    /// [`EngineError::Decision`] when it does not fit the unit's state.
    pub async fn decide(
        &self,
        run: &RunId,
        verb: Verb,
        unit: Option<&UnitId>,
        reason: &str,
    ) -> Result<Stop, EngineError> {
        let mut events = vec![Event::Decided { verb, unit: unit.cloned(), reason: reason.to_owned() }];
        if verb == Verb::Abandon {
            events.push(Event::Ended { ending: Ending::Abandoned });
        }
        self.under_lease(run, events, false, |state| over(state).and_then(|()| fits(state, verb, unit))).await
    }

    /// Records that a person confirmed a gate (or a step with `after=`), and goes on.
    ///
    /// # Errors
    /// [`EngineError::Decision`] when the run does not wait for it.
    pub async fn confirm(&self, run: &RunId, unit: &UnitId, note: &str) -> Result<Stop, EngineError> {
        let event = Event::Confirmed { unit: unit.clone(), note: note.to_owned() };
        let limits = self.settings.limits();
        let now = self.clock.wall_ms();
        let may = |state: &RunState| {
            over(state)?;
            match crate::next(state, &Default::default(), limits, now) {
                crate::Next::Confirm(waiting) if waiting == *unit => Ok(()),
                _ => Err(EngineError::Decision {
                    unit: unit.clone(),
                    why: "the run does not wait for it".into(),
                }),
            }
        };
        self.under_lease(run, vec![event], false, may).await
    }

    pub(crate) async fn under_lease(
        &self,
        run: &RunId,
        events: Vec<Event>,
        newest: bool,
        may: impl Fn(&RunState) -> Result<(), EngineError>,
    ) -> Result<Stop, EngineError> {
        // Looked at before the lease is taken, so that a mistake leaves no trace, and again under it.
        let state = self.load(run).await?;
        may(&state)?;
        self.can_drive(&state.plan)?;
        let (lease, from) = self.lease().await?;
        let result = async {
            let state = self.load(run).await?;
            may(&state)?;
            if newest && let Some(newer) = self.newer_in_place(run).await? {
                return Err(EngineError::NotNewest { run: run.clone(), newer });
            }
            let head = self.store.head().await?.seq;
            let (lease, run) = (lease.clone(), run.clone());
            self.know_secrets(&state.plan);
            let mut session = Session::new(self, lease, run, head, Some(state));
            let mut all = vec![self.taken(from)];
            all.extend(events);
            session.append(all).await?;
            session.drive().await
        };
        let result = result.await;
        self.give_back(&lease, result).await
    }

    /// The folded state of a run.
    ///
    /// # Errors
    /// [`EngineError::NoRun`] when there is none.
    pub async fn load(&self, run: &RunId) -> Result<RunState, EngineError> {
        let entries = self.store.read_run(run).await?;
        fold(&entries)?.ok_or_else(|| EngineError::NoRun(run.clone()))
    }

    pub(crate) async fn lease(&self) -> Result<(Lease, Option<Owner>), EngineError> {
        let (store, clock) = (self.store.as_ref(), self.clock.as_ref());
        let (liveness, observer) = (self.liveness.as_ref(), self.observer.as_ref());
        acquire(store, clock, liveness, observer, &self.owner, self.settings.lease_ttl_ms).await
    }

    /// Gives the lease back whatever happened; an error of that never hides the result.
    pub(crate) async fn give_back<T>(
        &self,
        lease: &Lease,
        result: Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let released = self.store.release(lease.token).await;
        let value = result?;
        released?;
        Ok(value)
    }

    pub(crate) fn taken(&self, from: Option<Owner>) -> Event {
        Event::Taken { owner: self.owner.to_string(), from: from.map(|o| o.to_string()) }
    }

    /// Whether there is a driver for every unit, those of hand-written undos included: a run that cannot go back must
    /// not begin.
    pub(crate) fn can_drive(&self, plan: &Plan) -> Result<(), EngineError> {
        let units = plan
            .steps
            .iter()
            .flat_map(|step| step.units.iter().chain(step.undo.iter().flat_map(|script| &script.units)));
        match units.into_iter().find(|unit| self.drivers.get(unit.driver).is_none()) {
            Some(unit) => Err(EngineError::NoDriver(unit.id.clone())),
            None => Ok(()),
        }
    }

    /// Resolves the plan's secrets, so that they are masked from the first entry on: an inspection may print what a
    /// process before this one resolved. One that cannot be resolved is the trouble of the unit that needs it.
    pub(crate) fn know_secrets(&self, plan: &Plan) {
        for target in plan.targets.values() {
            if let Target::Url { url: Value::Secret(secret), .. } = target {
                let _ = self.secrets.resolve(secret);
            }
        }
    }

    /// How a run of this name ended, when there is one.
    async fn ending_of(&self, run: &RunId) -> Result<Option<Ending>, EngineError> {
        Ok(fold(&self.store.read_run(run).await?)?.and_then(|state| state.ending))
    }

    /// A run that has not ended.
    async fn open_run(&self) -> Result<Option<RunId>, EngineError> {
        for run in self.store.runs().await?.into_iter().rev() {
            if self.load(&run).await?.ending.is_none() {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    /// A later run whose effects are still in place, as far as Windlass answers for them: what a person left in place
    /// by abandoning a run is theirs, and an undo never overwrites it.
    async fn newer_in_place(&self, run: &RunId) -> Result<Option<RunId>, EngineError> {
        for newer in self.store.runs().await?.into_iter().rev() {
            if newer == *run {
                break;
            }
            if matches!(self.load(&newer).await?.ending, None | Some(Ending::Done)) {
                return Ok(Some(newer));
            }
        }
        Ok(None)
    }
}

pub(crate) fn over(state: &RunState) -> Result<(), EngineError> {
    match state.ending {
        Some(ending) => Err(EngineError::Over { run: state.id.clone(), ending }),
        None => Ok(()),
    }
}

/// Whether a person may decide `verb` now.
fn fits(state: &RunState, verb: Verb, unit: Option<&UnitId>) -> Result<(), EngineError> {
    if matches!(verb, Verb::Unwind | Verb::Abandon) {
        return Ok(());
    }
    let waiting = state.person.as_ref().and_then(|turn| turn.unit.as_ref());
    let Some(unit) = unit else {
        let unit = waiting.cloned().unwrap_or_else(|| UnitId("(no unit)".into()));
        return Err(EngineError::Decision { unit, why: "say about which unit this is decided".into() });
    };
    let no = |why: &str| Err(EngineError::Decision { unit: unit.clone(), why: why.to_owned() });
    if state.find(unit).is_none() {
        return no("the plan has no such unit");
    }
    // What was done is not in doubt: it can stay, or the run goes back.
    let over = state.over_budget().filter(|over| over.unit == *unit && state.unit(unit).passed());
    match &state.person {
        None => no("the run does not wait for a decision"),
        Some(_) if over.is_some() && verb != Verb::Skip => no(
            "it is done, and the downtime budget is exceeded: `skip` goes on all the same, `unwind` goes back",
        ),
        Some(turn) if turn.unit.as_ref() == Some(unit) => Ok(()),
        Some(turn) => match &turn.unit {
            Some(other) => no(&format!("the run waits for a decision about {other}")),
            None => no("the run does not wait for a decision about a unit"),
        },
    }
}
