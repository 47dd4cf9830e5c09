//! The dispatcher: one loop that asks `next`, runs units side by side, and journals between the pieces of their
//! lives. Nothing else writes to the journal; units share no state.

use crate::{
    Answer, Choice, EngineError, Next, Stop, next,
    session::Session,
    unit::{Job, Piece},
};
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, Either, select},
    stream::FuturesUnordered,
};
use std::collections::BTreeSet;
use windlass_driver::{Capsule, Failure};
use windlass_journal::{Direction, Event, OnFailure, Outcome, RunState, Trouble};
use windlass_plan::{UnitId, Way};

type Pieces = FuturesUnordered<BoxFuture<'static, Piece>>;

impl Session<'_> {
    /// Drives the run until it ends or has to wait.
    pub(crate) async fn drive(&mut self) -> Result<Stop, EngineError> {
        let plan = self.state().plan.clone();
        self.engine.can_drive(&plan)?;
        let mut work = Work::default();
        self.look_again(&mut work).await?;
        loop {
            if let Some(stop) = self.step(&mut work).await? {
                return Ok(stop);
            }
            assert!(!work.pieces.is_empty(), "`next` says wait only while units are at work");
            if let Some(piece) = self.wait(&mut work).await? {
                self.journal(piece, &mut work).await?;
            }
        }
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
        if let Piece::Settled(job, Outcome::Unknown(_), _) = &piece {
            work.busy.remove(&job.unit.id);
            work.inspecting.remove(&job.unit.id);
            return Ok(());
        }
        self.journal(piece, work).await
    }

    /// Begins what can begin. `Some`: nothing more to do here.
    async fn step(&mut self, work: &mut Work) -> Result<Option<Stop>, EngineError> {
        loop {
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
            match next(self.state(), &work.busy, limits, self.engine.clock.wall_ms()) {
                Next::Wait => return Ok(None),
                Next::Inspect(list) => self.begin(work, list, false),
                Next::Begin(_) if self.engine.stopping.asked() => {
                    if work.pieces.is_empty() {
                        return Ok(Some(Stop::Interrupted));
                    }
                    return Ok(None);
                }
                Next::Begin(list) => {
                    self.begin(work, list, true);
                    return Ok(None);
                }
                Next::NotBefore { unit, at_ms } => return Ok(Some(Stop::NotBefore { unit, at_ms })),
                Next::Confirm(unit) => {
                    if !self.ask(&unit).await? {
                        return Ok(Some(Stop::Gate(unit)));
                    }
                }
                Next::Failed(unit, why) => self.failed(&unit, why).await?,
                Next::Person(unit, why) => self.turn(Direction::Person, why, unit).await?,
                Next::End(ending) if self.state().ending.is_some() => return Ok(Some(Stop::Ended(ending))),
                Next::End(ending) => self.append(vec![Event::Ended { ending }]).await?,
            }
        }
    }

    fn begin(&mut self, work: &mut Work, list: Vec<(UnitId, Way)>, fresh: bool) {
        for (unit, way) in list {
            let job = Job::new(self.engine, self.state(), &unit, way, fresh)
                .expect("units of a started plan have drivers: `start` checked");
            if !fresh {
                work.inspecting.insert(unit.clone());
            }
            work.busy.insert(unit);
            work.pieces.push(if fresh { job.capture() } else { job.inspect() });
        }
    }

    /// Waits for a piece of work; beats meanwhile. `None`: only a heartbeat passed.
    async fn wait(&mut self, work: &mut Work) -> Result<Option<Piece>, EngineError> {
        // Due by time, not by idleness: a run of short units beats as often as one long unit.
        let beat_in = self.beat_in();
        if beat_in == 0 {
            self.beat().await?;
            return Ok(None);
        }
        match select(work.pieces.next(), self.engine.clock.sleep(beat_in)).await {
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

    async fn journal(&mut self, piece: Piece, work: &mut Work) -> Result<(), EngineError> {
        match piece {
            // Nothing is done yet and nothing is written: `resume` begins with it.
            Piece::Captured(job, _) if self.engine.stopping.asked() => {
                work.busy.remove(&job.unit.id);
            }
            Piece::Captured(job, Ok(capsule)) => {
                let (unit, way, attempt) = (job.unit.id.clone(), job.way, job.attempt);
                self.append(vec![Event::Intended { unit, way, attempt, capsule: capsule.0.clone() }]).await?;
                // The undo works from the capsule of the act that it takes back.
                let capsule = match way {
                    Way::Forward => capsule,
                    Way::Undo => Capsule(self.state().unit(&job.unit.id).capsule.unwrap_or_default()),
                };
                work.pieces.push(job.act(capsule));
            }
            Piece::Captured(job, Err(failure)) => {
                let (unit, way, attempt) = (job.unit.id.clone(), job.way, job.attempt);
                work.busy.remove(&unit);
                let outcome = Outcome::Failed(capture_trouble(&job, failure));
                let capsule = serde_json::Value::Null;
                let intended = Event::Intended { unit: unit.clone(), way, attempt, capsule };
                let settled = Event::Settled { unit, way, attempt, outcome, took_ms: Some(0) };
                self.append(vec![intended, settled]).await?;
            }
            Piece::Settled(job, outcome, took_ms) => {
                let (unit, way, attempt) = (job.unit.id.clone(), job.way, job.attempt);
                work.busy.remove(&unit);
                work.inspecting.remove(&unit);
                self.append(vec![Event::Settled { unit, way, attempt, outcome, took_ms }]).await?;
            }
        }
        Ok(())
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
#[derive(Default)]
struct Work {
    /// Everything at work here.
    busy: BTreeSet<UnitId>,
    /// Those of them whose lost outcome is being found out.
    inspecting: BTreeSet<UnitId>,
    pieces: Pieces,
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
