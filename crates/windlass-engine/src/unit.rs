//! The life of one unit, as futures that talk to nobody: the dispatcher journals between them.

use crate::{Engine, Fault, FaultKind, Notice, Observer};
use futures_util::future::{BoxFuture, select};
use std::{path::PathBuf, sync::Arc};
use windlass_driver::{Capsule, Context, Done, Driver, Effect, Failure, Found};
use windlass_journal::{Outcome, Report, RunState, Trouble, UnitState};
use windlass_plan::{Class, Unit, UnitId, Way};

/// A piece of a unit's life that is over.
pub(crate) enum Piece {
    /// Ready for their intents, to be acted on together; and those that were left out.
    Captured(Vec<(Box<Job>, Capsule)>, Vec<UnitId>),
    /// Its undo could not be prepared; those behind it were left out.
    NotCaptured(Box<Job>, Failure, Vec<UnitId>),
    /// Ready to be settled.
    Settled(Vec<Ended>),
}

/// A try that is over, how, and how long it took, milliseconds.
pub(crate) type Ended = (Box<Job>, Outcome, Option<u64>);

/// One try of one unit, one way.
pub(crate) struct Job {
    pub(crate) unit: Unit,
    pub(crate) way: Way,
    pub(crate) attempt: u32,
    before: UnitState,
    driver: Arc<dyn Driver>,
    cx: Context,
    tools: Tools,
}

/// What a job needs of the engine, shared.
#[derive(Clone)]
struct Tools {
    clock: Arc<dyn crate::Clock>,
    faults: Arc<crate::Faults>,
    crash: Arc<dyn crate::Crash>,
    observer: Arc<dyn Observer>,
    retry_ms: u64,
}

impl Job {
    /// Prepares the next try (`fresh`), or takes up one whose outcome was lost.
    pub(crate) fn new(
        engine: &Engine,
        state: &RunState,
        id: &UnitId,
        way: Way,
        fresh: bool,
    ) -> Option<Box<Self>> {
        let unit = state.find(id)?;
        let driver = engine.drivers.get(unit.driver)?.clone();
        let before = state.unit(id);
        let last = if way == Way::Forward { before.attempt } else { before.undo_attempt };
        let attempt = if fresh { last + 1 } else { last };
        let tools = Tools {
            clock: engine.clock.clone(),
            faults: engine.faults.clone(),
            crash: engine.crash.clone(),
            observer: engine.observer.clone(),
            retry_ms: engine.settings.retry_ms,
        };
        let (observer, secrets, name) = (engine.observer.clone(), engine.secrets.clone(), id.clone());
        let output = move |text: &str| observer.notice(Notice::Output(name.clone(), secrets.mask(text)));
        let cx = Context {
            plan: state.plan.clone(),
            run: state.id.0.clone(),
            base: engine.base.clone(),
            workspace: workspace(engine, state, id),
            attempt,
            timeout_ms: unit.timeout_ms,
            stopping: engine.stopping.clone(),
            on_conflict: engine.settings.on_conflict,
            secrets: engine.secrets.clone(),
            output: Arc::new(output),
            facts: state.facts(),
        };
        Some(Box::new(Self { unit: unit.clone(), way, attempt, before, driver, cx, tools }))
    }

    /// What taking it back needs and is no longer there.
    pub(crate) async fn gone(&self) -> Vec<String> {
        let Some(capsule) = self.before.capsule.clone() else { return Vec::new() };
        let gone = self.driver.gone(&self.cx, &self.unit, &Capsule(capsule)).await;
        gone.iter().map(|line| self.mask(line)).collect()
    }

    /// First piece: what an undo needs of each of `jobs`, which go together.
    pub(crate) fn capture(jobs: Vec<Self>) -> BoxFuture<'static, Piece> {
        Box::pin(async move {
            let mut ready = Vec::with_capacity(jobs.len());
            let mut jobs = jobs.into_iter();
            for job in jobs.by_ref() {
                match job.captured().await {
                    Ok(capsule) => ready.push((Box::new(job), capsule)),
                    Err(failure) if ready.is_empty() => {
                        let left = jobs.map(|job| job.unit.id.clone()).collect();
                        return Piece::NotCaptured(Box::new(job), failure, left);
                    }
                    // It fails by itself when its turn comes.
                    Err(_) => {
                        let left = std::iter::once(job).chain(jobs).map(|job| job.unit.id.clone());
                        return Piece::Captured(ready, left.collect());
                    }
                }
            }
            Piece::Captured(ready, Vec::new())
        })
    }

    /// An earlier try that may have changed the world keeps its capsule.
    async fn captured(&self) -> Result<Capsule, Failure> {
        self.pause().await;
        if self.cx.stopping.asked() {
            // Whoever reads this drops it: nothing is captured for a try that is not made.
            return Ok(Capsule::default());
        }
        let kept = self.before.capsule.clone().filter(|_| self.before.touched);
        match (self.way, kept) {
            (Way::Undo, _) => Ok(Capsule::default()),
            (Way::Forward, Some(capsule)) => Ok(Capsule(capsule)),
            (Way::Forward, None) => {
                self.tools.observer.notice(Notice::Capturing(self.unit.id.clone()));
                self.driver.capture(&self.cx, &self.unit).await.and_then(|capsule| self.clear(capsule))
            }
        }
    }

    /// A capsule goes into the journal as it is: masked it would put back `****`, so one with a secret is refused.
    fn clear(&self, capsule: Capsule) -> Result<Capsule, Failure> {
        if mask_json(self, capsule.0.clone()) == capsule.0 {
            return Ok(capsule);
        }
        let message = "what its undo needs holds a secret, and secrets are never written to the journal";
        Err(Failure::clean(windlass_driver::Fault::Windlass, message))
    }

    /// Waits before a repeated try.
    async fn pause(&self) {
        if self.before.tries > 0 {
            let ms = backoff(self.tools.retry_ms, self.before.tries);
            self.tools.observer.notice(Notice::Retrying(self.unit.id.clone(), ms, String::new()));
            self.rest(ms).await;
        }
    }

    /// Waits, but no longer than until a person asks to stop.
    async fn rest(&self, ms: u64) {
        select(self.tools.clock.sleep(ms), self.cx.stopping.stopped()).await;
    }

    /// Second piece, after the intent is durable: act, and find out where the act could not tell.
    pub(crate) fn act(self: Box<Self>, capsule: Capsule) -> BoxFuture<'static, Piece> {
        Box::pin(async move {
            let began = self.tools.clock.monotonic_ms();
            self.crash_point(FaultKind::CrashBefore).await;
            let result = self.tried(&capsule).await;
            self.crash_point(FaultKind::CrashAfter).await;
            let outcome = match result {
                Ok(done) => done_outcome(&self, done),
                Err(failure) if failure.effect == Effect::Unknown => {
                    self.find_out(&capsule, Some(failure)).await
                }
                Err(failure) => failed_outcome(&self, failure, false),
            };
            let took = self.tools.clock.monotonic_ms().saturating_sub(began);
            Piece::Settled(vec![(self, outcome, Some(took))])
        })
    }

    /// As [`Job::act`], for several that go together.
    pub(crate) fn act_together(works: Vec<(Box<Self>, Capsule)>) -> BoxFuture<'static, Piece> {
        Box::pin(async move {
            let Some((first, _)) = works.first() else { return Piece::Settled(Vec::new()) };
            let (clock, driver) = (first.tools.clock.clone(), first.driver.clone());
            let began = clock.monotonic_ms();
            let work = |(job, capsule): &(Box<Self>, Capsule)| windlass_driver::Work {
                cx: job.cx.clone(),
                unit: job.unit.clone(),
                capsule: capsule.clone(),
            };
            let mut answers = driver.apply_together(&works.iter().map(work).collect::<Vec<_>>()).await;
            if !answers.iter().any(Option::is_some) {
                let text = "its driver gave no answer";
                answers = vec![Some(Err(Failure::unknown(windlass_driver::Fault::Windlass, text)))];
            }
            let done = answers.iter().flatten().count() as u64;
            let took = clock.monotonic_ms().saturating_sub(began) / done.max(1);
            let mut ended = Vec::with_capacity(works.len());
            let mut answers = answers.into_iter();
            let mut has_failed = false;
            for (job, capsule) in works {
                let (mut outcome, took) = match answers.next().flatten() {
                    Some(Ok(done)) => (done_outcome(&job, done), Some(took)),
                    Some(Err(failure)) if failure.effect == Effect::Unknown => {
                        (job.find_out(&capsule, Some(failure)).await, Some(took))
                    }
                    Some(Err(failure)) => (failed_outcome(&job, failure, false), Some(took)),
                    None => (untried(), None),
                };
                // Behind a failure nothing is left of it: as if it had never been tried, so that one failed commit costs one
                // try, and asks a person about one unit.
                if has_failed && matches!(outcome, Outcome::Failed(_)) {
                    outcome = untried();
                }
                has_failed |= matches!(outcome, Outcome::Failed(_));
                ended.push((job, outcome, took));
            }
            Piece::Settled(ended)
        })
    }

    /// Instead of the above for a try whose controller died: ask the world.
    pub(crate) fn inspect(self: Box<Self>) -> BoxFuture<'static, Piece> {
        Box::pin(async move {
            let capsule = Capsule(self.before.capsule.clone().unwrap_or_default());
            let outcome = self.find_out(&capsule, None).await;
            Piece::Settled(vec![(self, outcome, None)])
        })
    }

    async fn crash_point(&self, kind: FaultKind) {
        if self.tools.faults.strike(kind, self.way, &self.unit.id) {
            self.tools.crash.crash().await;
        }
    }

    /// One try, with the faults of its name. A read-only unit with `within=` repeats inside its try.
    async fn tried(&self, capsule: &Capsule) -> Result<Done, Failure> {
        let kind = if self.way == Way::Forward { FaultKind::Fail } else { FaultKind::FailUndo };
        if self.tools.faults.strike(kind, self.way, &self.unit.id) {
            let fault = Fault { kind, way: self.way, unit: self.unit.id.clone() };
            return Err(Failure::clean(
                windlass_driver::Fault::Windlass,
                format!("failed on demand ({fault})"),
            ));
        }
        let began = self.tools.clock.monotonic_ms();
        let deadline = self.unit.within_ms.map_or(began, |within| began.saturating_add(within));
        let mut tries = 0;
        loop {
            tries += 1;
            let failure = match self.once(capsule).await {
                Ok(done) if self.tools.faults.strike(FaultKind::Repeat, self.way, &self.unit.id) => {
                    let again = self.once(capsule).await;
                    return again
                        .map(|again| Done { changed: done.changed || again.changed, ..again })
                        // The first of the two had its effect, whatever became of the second.
                        .map_err(|f| Failure { effect: f.effect.max(Effect::Partial), ..f });
                }
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            let now = self.tools.clock.monotonic_ms();
            let repeat =
                failure.retry && failure.effect == Effect::None && self.unit.undo.class == Class::Readonly;
            if !repeat || now >= deadline || self.cx.stopping.asked() {
                return Err(failure);
            }
            let ms = backoff(self.tools.retry_ms, tries).min(deadline - now);
            let why = self.mask(&failure.message);
            self.tools.observer.notice(Notice::Retrying(self.unit.id.clone(), ms, why));
            self.rest(ms).await;
            if self.cx.stopping.asked() {
                return Err(failure);
            }
        }
    }

    async fn once(&self, capsule: &Capsule) -> Result<Done, Failure> {
        match self.way {
            Way::Forward => self.driver.apply(&self.cx, &self.unit, capsule).await,
            Way::Undo => {
                let done = self.before.report.as_ref().map(|report| Done {
                    changed: true,
                    effects: report.effects.clone(),
                    output: report.output.clone(),
                    facts: report.facts.clone(),
                });
                self.driver.undo(&self.cx, &self.unit, capsule, done.as_ref()).await
            }
        }
    }

    /// Asks the driver what became of the try. `cause` is what the act itself could say.
    async fn find_out(&self, capsule: &Capsule, cause: Option<Failure>) -> Outcome {
        self.tools.observer.notice(Notice::Inspecting(self.unit.id.clone(), self.way));
        let cause_text =
            cause.as_ref().map_or("its controller died", |failure| failure.message.as_str()).to_owned();
        match self.driver.inspect(&self.cx, &self.unit, capsule, self.way).await {
            Found::Applied(done) => done_outcome(self, done),
            Found::NotApplied => {
                let message = format!("it had no effect ({cause_text})");
                let interrupted = cause.is_none();
                let retry = cause.is_none_or(|failure| failure.retry);
                Outcome::Failed(Trouble {
                    message: self.mask(&message),
                    retry,
                    interrupted,
                    ..Trouble::default()
                })
            }
            Found::Failed(failure) if failure.effect == Effect::Unknown => {
                unknown(self, &failure.message, &cause_text)
            }
            // What goes on where it stopped loses no try by the death of its controller.
            Found::Failed(failure) => failed_outcome(self, failure, cause.is_none()),
            Found::Unknown(seen) => unknown(self, &seen, &cause_text),
        }
    }

    /// A failure as it goes into the journal.
    pub(crate) fn trouble(&self, failure: Failure) -> Trouble {
        Trouble {
            message: self.mask(&failure.message),
            hints: failure.hints.iter().map(|hint| self.mask(hint)).collect(),
            output: windlass_driver::excerpt(&self.mask(&failure.output)),
            retry: failure.retry,
            person: failure.person,
            interrupted: false,
        }
    }

    fn mask(&self, text: &str) -> String {
        self.cx.secrets.mask(text)
    }
}

/// Folder of a unit's files.
fn workspace(engine: &Engine, state: &RunState, id: &UnitId) -> PathBuf {
    // `step/N@host` becomes two folders; ids have no other separators.
    engine.workspaces.join(&state.id.0).join(&id.0)
}

fn backoff(first_ms: u64, tries: u32) -> u64 {
    let factor = 1_u64 << tries.saturating_sub(1).min(4);
    first_ms.saturating_mul(factor.min(10))
}

/// Of a unit that was intended with others and not begun, or of which nothing is left: its try is given back.
fn untried() -> Outcome {
    Outcome::Failed(Trouble { interrupted: true, retry: true, ..Trouble::default() })
}

fn done_outcome(job: &Job, done: Done) -> Outcome {
    let report = Report {
        effects: done.effects.iter().map(|line| job.mask(line)).collect(),
        output: windlass_driver::excerpt(&job.mask(&done.output)),
        facts: mask_json(job, done.facts),
    };
    if done.changed { Outcome::Applied(report) } else { Outcome::NoEffect(report) }
}

/// `died`: the try was ended by the death of its controller.
fn failed_outcome(job: &Job, failure: Failure, died: bool) -> Outcome {
    let clean = failure.effect == Effect::None;
    // A check that Ctrl-C cut short has not failed: `resume` checks again, and takes nothing back.
    let readonly = job.unit.undo.class == Class::Readonly;
    let asked = job.cx.stopping.asked();
    // What can go on where it stopped was paused.
    let paused = !clean && failure.retry && (asked || died);
    let interrupted = clean && readonly && asked || paused;
    let trouble = Trouble { interrupted, ..job.trouble(failure) };
    if clean { Outcome::Failed(trouble) } else { Outcome::FailedPartly(trouble) }
}

fn unknown(job: &Job, seen: &str, cause: &str) -> Outcome {
    Outcome::Unknown(Trouble { message: job.mask(&format!("{cause}; {seen}")), ..Trouble::default() })
}

/// Masks every text in a value, keys too: a fact may repeat what a command printed.
fn mask_json(job: &Job, value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(text) => Value::String(job.mask(&text)),
        Value::Array(items) => items.into_iter().map(|item| mask_json(job, item)).collect(),
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(k, v)| (job.mask(&k), mask_json(job, v))).collect())
        }
        other => other,
    }
}
