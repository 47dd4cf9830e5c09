//! The dispatcher: one loop that asks `next`, runs units side by side, and journals between the pieces of their
//! lives. Nothing else writes to the journal; units share no state.

use crate::{
    Answer, Choice, EngineError, Next, Stop,
    next::{decide, followers},
    probe::LOOK_MS,
    session::Session,
    unit::{Ended, Job, Piece},
};
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, Either, select},
    stream::FuturesUnordered,
};
use std::collections::{BTreeMap, BTreeSet};
use windlass_driver::{Capsule, Failure};
use windlass_journal::{Direction, Event, OnFailure, Outcome, RunState, Trouble};
use windlass_plan::{Downtime, UnitId, Way};

/// Units that are applied together at most.
const TOGETHER_MAX: usize = 64;
/// And at least.
const TOGETHER_MIN: usize = 4;

type Pieces = FuturesUnordered<BoxFuture<'static, Piece>>;

impl Session<'_> {
    /// Drives the run until it ends or has to wait.
    pub(crate) async fn drive(&mut self) -> Result<Stop, EngineError> {
        let plan = self.state().plan.clone();
        self.engine.can_drive(&plan)?;
        let mut work = Work::default();
        self.probe(&[]).await?;
        self.look_again(&mut work).await?;
        loop {
            if let Some(stop) = self.step(&mut work).await? {
                self.probe_last().await?;
                return Ok(stop);
            }
            assert!(!work.pieces.is_empty(), "`next` says wait only while units are at work");
            if let Some(piece) = self.wait(&mut work).await? {
                self.journal(piece, &mut work).await?;
            }
        }
    }

    /// Asks the world about everything whose outcome the journal does not have, and begins nothing.
    pub(crate) async fn settle(&mut self) -> Result<(), EngineError> {
        let mut work = Work::default();
        self.look_again(&mut work).await?;
        let limits = self.engine.settings.limits();
        let next = decide(self.state(), &self.board, &work.busy, limits, self.engine.clock.wall_ms());
        if let Next::Inspect(lost) = next {
            self.begin(&mut work, lost, false);
        }
        while !work.inspecting.is_empty() {
            if let Some(piece) = self.wait(&mut work).await? {
                self.journal(piece, &mut work).await?;
            }
        }
        Ok(())
    }

    /// Asks the world once more about every outcome that is not known, before a person is asked: it may be reachable
    /// now. A run that waited for a person about one of them goes on by itself when the world has answered.
    async fn look_again(&mut self, work: &mut Work) -> Result<(), EngineError> {
        if self.state().ending.is_some() {
            return Ok(());
        }
        let units = self.state().units.keys();
        let unknown: Vec<_> =
            units.filter_map(|unit| Some((unit.clone(), unknown_way(self.state(), unit)?))).collect();
        self.begin(work, unknown.clone(), false);
        while !work.inspecting.is_empty() {
            if let Some(piece) = self.wait(work).await? {
                self.journal_if_new(piece, work).await?;
            }
        }
        let Some(unit) = self.state().person.as_ref().and_then(|turn| turn.unit.clone()) else {
            return Ok(());
        };
        if unknown.iter().any(|(was, _)| *was == unit) && unknown_way(self.state(), &unit).is_none() {
            let why = "the outcome is known now".to_owned();
            let to = self.state().direction;
            self.append(vec![Event::Turned { to, why, unit: Some(unit) }]).await?;
        }
        Ok(())
    }

    /// An answer that is as unknown as before tells nothing new: what was written first says why.
    async fn journal_if_new(&mut self, piece: Piece, work: &mut Work) -> Result<(), EngineError> {
        if let Piece::Settled(ended) = &piece
            && let [(job, Outcome::Unknown(_), _)] = &ended[..]
        {
            work.over(&job.unit.id);
            return Ok(());
        }
        self.journal(piece, work).await
    }

    /// Begins what can begin. `Some`: nothing more to do here.
    async fn step(&mut self, work: &mut Work) -> Result<Option<Stop>, EngineError> {
        loop {
            self.probed(work).await?;
            // What a dead controller began is known before anything else begins: its act may still be under way.
            if !work.inspecting.is_empty() {
                return Ok(None);
            }
            if work.pieces.is_empty() && self.engine.stopping.asked() && self.state().ending.is_none() {
                return Ok(Some(Stop::Interrupted));
            }
            if let Some(turn) = self.state().person.clone().filter(|_| work.pieces.is_empty()) {
                return Ok(Some(Stop::Person { unit: turn.unit, why: turn.why }));
            }
            let limits = self.engine.settings.limits();
            match decide(self.state(), &self.board, &work.busy, limits, self.engine.clock.wall_ms()) {
                Next::Wait => return Ok(None),
                Next::Inspect(list) => self.begin(work, list, false),
                Next::Begin(_) if self.engine.stopping.asked() => {
                    if work.pieces.is_empty() {
                        return Ok(Some(Stop::Interrupted));
                    }
                    return Ok(None);
                }
                Next::Begin(list) if self.probe(&list).await? => {}
                Next::Begin(list) => {
                    self.begin(work, list, true);
                    return Ok(None);
                }
                Next::NotBefore { unit, at_ms } => return Ok(Some(Stop::NotBefore { unit, at_ms })),
                Next::Confirm(unit) => {
                    self.probe_last().await?;
                    if self.state().over_budget().is_none() && !self.ask(&unit).await? {
                        return Ok(Some(Stop::Gate(unit)));
                    }
                }
                Next::Failed(unit, why) => self.failed(&unit, why).await?,
                Next::Person(unit, why) => self.turn(Direction::Person, why, unit).await?,
                Next::End(ending) if self.state().ending.is_some() => return Ok(Some(Stop::Ended(ending))),
                Next::End(ending) => {
                    self.probe_last().await?;
                    if self.state().over_budget().is_none() {
                        self.append(vec![Event::Ended { ending }]).await?;
                        self.probe = None;
                    }
                }
            }
        }
    }

    fn begin(&mut self, work: &mut Work, list: Vec<(UnitId, Way)>, fresh: bool) {
        let job = |unit: &UnitId, way| {
            Job::new(self.engine, self.state(), unit, way, fresh)
                .expect("units of a started plan have drivers: `start` checked")
        };
        if let [(first, Way::Forward)] = &list[..]
            && fresh
            && work.busy.is_empty()
        {
            let together = self.together(first, work.room);
            work.pieces.push(Job::capture(together.iter().map(|unit| *job(unit, Way::Forward)).collect()));
            work.busy.extend(together);
            return;
        }
        for (unit, way) in list {
            let job = job(&unit, way);
            if !fresh {
                work.inspecting.insert(unit.clone());
            }
            work.busy.insert(unit);
            work.pieces.push(if fresh { Job::capture(vec![*job]) } else { job.inspect() });
        }
    }

    /// The unit, and those behind it that its driver applies together with it: `room` of them at most.
    fn together(&self, first: &UnitId, room: usize) -> Vec<UnitId> {
        let faults = &self.engine.faults;
        let mut list = vec![first.clone()];
        let Some(mut last) = self.state().find(first).filter(|unit| !faults.concern(&unit.id)) else {
            return list;
        };
        let Some(driver) = self.engine.drivers.get(last.driver) else { return list };
        for next in followers(self.state(), &self.board, first).take(room - 1) {
            if next.driver != last.driver || faults.concern(&next.id) || !driver.goes_with(last, next) {
                break;
            }
            list.push(next.id.clone());
            last = next;
        }
        list
    }

    /// Waits for a piece of work; beats meanwhile. `None`: a heartbeat passed, or it is time to look what the probe has seen.
    async fn wait(&mut self, work: &mut Work) -> Result<Option<Piece>, EngineError> {
        // Due by time, not by idleness: a run of short units beats as often as one long unit.
        let beat_in = self.beat_in();
        if beat_in == 0 {
            self.beat().await?;
            return Ok(None);
        }
        let pause = if self.probe.is_some() { beat_in.min(LOOK_MS) } else { beat_in };
        match select(work.pieces.next(), self.engine.clock.sleep(pause)).await {
            Either::Left((piece, _)) => Ok(piece),
            Either::Right(((), _)) => Ok(None),
        }
    }

    /// Runs `future` with the heartbeat going on.
    async fn beating<T>(&self, future: BoxFuture<'_, T>) -> Result<T, EngineError> {
        let mut future = future;
        loop {
            match select(&mut future, self.engine.clock.sleep(self.beat_in())).await {
                Either::Left((value, _)) => return Ok(value),
                Either::Right(((), _)) => self.beat().await?,
            }
        }
    }

    /// Whether no unit is to begin any more.
    fn is_over(&self) -> bool {
        self.engine.stopping.asked() || self.state().over_budget().is_some()
    }

    async fn journal(&mut self, piece: Piece, work: &mut Work) -> Result<(), EngineError> {
        match piece {
            // Nothing is done yet and nothing is written: `resume` begins with it, or the run goes back without it.
            Piece::Captured(ready, left) if self.is_over() => {
                left.iter().chain(ready.iter().map(|(job, _)| &job.unit.id)).for_each(|unit| work.over(unit));
            }
            Piece::NotCaptured(job, _, left) if self.is_over() => {
                left.iter().chain([&job.unit.id]).for_each(|unit| work.over(unit));
            }
            Piece::Captured(ready, left) => {
                left.iter().for_each(|unit| work.over(unit));
                let intended = |(job, capsule): &(Box<Job>, Capsule)| {
                    let (unit, way, attempt) = (job.unit.id.clone(), job.way, job.attempt);
                    Event::Intended { unit, way, attempt, capsule: capsule.0.clone() }
                };
                self.append(ready.iter().map(intended).collect()).await?;
                work.pieces.push(self.act(ready));
            }
            Piece::NotCaptured(job, failure, left) => {
                left.iter().for_each(|unit| work.over(unit));
                let (unit, way, attempt) = (job.unit.id.clone(), job.way, job.attempt);
                work.over(&unit);
                let outcome = Outcome::Failed(capture_trouble(&job, failure));
                let capsule = serde_json::Value::Null;
                let intended = Event::Intended { unit: unit.clone(), way, attempt, capsule };
                let settled = Event::Settled { unit, way, attempt, outcome, took_ms: Some(0) };
                self.append(vec![intended, settled]).await?;
            }
            Piece::Settled(ended) => {
                work.came_to(&ended);
                let mut events = Vec::with_capacity(ended.len());
                for (job, outcome, took_ms) in ended {
                    let (unit, way, attempt) = (job.unit.id.clone(), job.way, job.attempt);
                    work.over(&unit);
                    events.push(Event::Settled { unit, way, attempt, outcome, took_ms });
                    // The job ends here: it shares the facts, which are about to grow.
                }
                self.append(events).await?;
            }
        }
        Ok(())
    }

    /// The second piece of what is ready; its intents are on disk.
    fn act(&self, mut ready: Vec<(Box<Job>, Capsule)>) -> BoxFuture<'static, Piece> {
        if ready.len() > 1 {
            return Job::act_together(ready);
        }
        let (job, capsule) = ready.pop().expect("something was captured, or it was told otherwise");
        // The undo works from the capsule of the act that it takes back.
        let capsule = match job.way {
            Way::Forward => capsule,
            Way::Undo => Capsule(self.state().unit(&job.unit.id).capsule.unwrap_or_default()),
        };
        job.act(capsule)
    }

    async fn failed(&mut self, unit: &UnitId, why: String) -> Result<(), EngineError> {
        let to = match self.state().on_failure {
            OnFailure::Unwind => Direction::Unwind,
            OnFailure::Stop => Direction::Person,
            OnFailure::Ask => {
                let people = self.engine.people.clone();
                let choice = self.beating(people.choose(self.state(), unit, &why).boxed()).await?;
                match choice {
                    Choice::Unwind => Direction::Unwind,
                    Choice::Stop => Direction::Person,
                    Choice::Retry => return self.retry(unit).await,
                }
            }
        };
        self.turn(to, why, unit.clone()).await
    }

    async fn retry(&mut self, unit: &UnitId) -> Result<(), EngineError> {
        let verb = windlass_journal::Verb::Retry;
        let reason = "asked on the terminal".to_owned();
        self.append(vec![Event::Decided { verb, unit: Some(unit.clone()), reason }]).await
    }

    async fn turn(&mut self, to: Direction, why: String, unit: UnitId) -> Result<(), EngineError> {
        self.append(vec![Event::Turned { to, why, unit: Some(unit) }]).await
    }

    /// Asks for a gate. False: nobody is there.
    async fn ask(&mut self, id: &UnitId) -> Result<bool, EngineError> {
        let plan = self.state().plan.clone();
        let (step, unit) = plan.unit(id).expect("`next` names units of the plan");
        let people = self.engine.people.clone();
        let answer = self.beating(people.confirm(self.state(), step, unit).boxed()).await?;
        let attempt = self.state().unit(id).attempt + 1;
        match answer {
            Answer::Later => return Ok(false),
            Answer::Confirmed(note) => self.append(vec![Event::Confirmed { unit: id.clone(), note }]).await?,
            Answer::Refused(why) => {
                let way = Way::Forward;
                let message = self.engine.secrets.mask(&format!("refused: {why}"));
                let trouble = Trouble { message, ..Trouble::default() };
                let intended =
                    Event::Intended { unit: id.clone(), way, attempt, capsule: serde_json::Value::Null };
                let outcome = Outcome::Failed(trouble);
                let settled = Event::Settled { unit: id.clone(), way, attempt, outcome, took_ms: None };
                self.append(vec![intended, settled]).await?;
            }
        }
        Ok(true)
    }
}

/// Work under way.
pub(crate) struct Work {
    /// Everything at work here.
    pub(crate) busy: BTreeSet<UnitId>,
    /// Those of them whose lost outcome is being found out.
    inspecting: BTreeSet<UnitId>,
    pieces: Pieces,
    /// Units that are intended together at most: about as many as their driver came to last time, for an intent of what is not
    /// begun is written for nothing.
    room: usize,
    /// What was told of the look from outside.
    pub(crate) told: BTreeMap<String, Downtime>,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            busy: BTreeSet::new(),
            inspecting: BTreeSet::new(),
            pieces: Pieces::default(),
            room: TOGETHER_MAX,
            told: BTreeMap::new(),
        }
    }
}

impl Work {
    /// How far those came that were intended together.
    fn came_to(&mut self, ended: &[Ended]) {
        let begun = ended.iter().filter(|(_, _, took_ms)| took_ms.is_some()).count();
        if ended.len() < 2 {
            return;
        }
        if begun < ended.len() {
            self.room = (begun + 1).clamp(TOGETHER_MIN, TOGETHER_MAX);
        } else if begun == self.room {
            self.room = (begun * 2).min(TOGETHER_MAX);
        }
    }

    /// Nothing works on the unit any more.
    fn over(&mut self, unit: &UnitId) {
        self.busy.remove(unit);
        self.inspecting.remove(unit);
    }
}

fn unknown_way(state: &RunState, unit: &UnitId) -> Option<Way> {
    use windlass_journal::{Forward, UndoPhase};
    match state.unit(unit) {
        u if matches!(u.undo, UndoPhase::Unknown(_)) => Some(Way::Undo),
        u if matches!(u.forward, Forward::Unknown(_)) => Some(Way::Forward),
        _ => None,
    }
}

fn capture_trouble(job: &Job, failure: Failure) -> Trouble {
    let message = format!("nothing was done, since its undo could not be prepared: {}", failure.message);
    job.trouble(Failure { message, ..failure })
}
