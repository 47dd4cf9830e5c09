//! A driver whose answers are scripted, people who say what they are told to say, and one log of all that happens.

use super::time::Time;
use async_trait::async_trait;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};
use windlass_driver::{
    Capsule, Context, Done, Driver, Failure, Fault, Found, Secrets, Stopping, Survey, Work,
};
use windlass_engine::{Answer, Choice, Notice, Observer, People};
use windlass_journal::{Entry, Life, Liveness, Owner, RunState};
use windlass_plan::{Secret, Step, Unit, UnitId, Way};

/// What must never be read anywhere.
pub const SECRET: &str = "hunter2";

/// What a driver is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    Capture,
    Apply,
    Undo,
    Inspect,
}

/// What it answers, after how long.
pub struct Play {
    pub ms: u64,
    pub reply: Reply,
    /// Happens when the call comes.
    pub first: Option<Box<dyn FnOnce() + Send>>,
}

pub enum Reply {
    Capsule(serde_json::Value),
    Done(Done),
    Fail(Failure),
    Found(Found),
}

impl From<Reply> for Play {
    fn from(reply: Reply) -> Self {
        Self { ms: 0, reply, first: None }
    }
}

impl Play {
    pub fn after(self, ms: u64) -> Self {
        Self { ms, ..self }
    }

    pub fn first(self, first: impl FnOnce() + Send + 'static) -> Self {
        Self { first: Some(Box::new(first)), ..self }
    }
}

pub fn done() -> Play {
    Reply::Done(changed()).into()
}

pub fn changed() -> Done {
    Done { changed: true, ..Done::default() }
}

pub fn fail(failure: Failure) -> Play {
    Reply::Fail(failure).into()
}

pub fn found(found: Found) -> Play {
    Reply::Found(found).into()
}

pub fn clean(message: &str) -> Failure {
    Failure::clean(Fault::Target, message)
}

pub fn partial(message: &str) -> Failure {
    Failure::partial(Fault::Target, message)
}

pub fn unknown(message: &str) -> Failure {
    Failure::unknown(Fault::Transport, message)
}

/// What a call of the driver brought with it.
#[derive(Clone, Debug)]
pub struct Call {
    pub op: Op,
    pub unit: String,
    pub at_ms: u64,
    pub attempt: u32,
    pub capsule: serde_json::Value,
    pub done: Option<Done>,
    pub facts: BTreeMap<UnitId, serde_json::Value>,
    pub workspace: std::path::PathBuf,
    pub timeout_ms: Option<u64>,
}

#[derive(Default)]
struct Inner {
    log: Vec<String>,
    calls: Vec<Call>,
    plays: BTreeMap<(String, Op), VecDeque<Play>>,
    at_work: BTreeSet<String>,
    at_work_max: usize,
    takes: u32,
    answers: VecDeque<(u64, Answer)>,
    choices: VecDeque<(u64, Choice)>,
    lives: BTreeMap<String, Life>,
    notices: Vec<Notice>,
    entries: Vec<Entry>,
    stopping: Stopping,
    together_max: Option<usize>,
}

#[derive(Clone)]
pub struct World {
    inner: Arc<Mutex<Inner>>,
    time: Time,
}

impl World {
    pub fn new(time: Time) -> Self {
        Self { inner: Arc::default(), time }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no code panics while it holds the world")
    }

    /// The next answer to this question; after the last one comes the usual answer again.
    pub fn on(&self, unit: &str, op: Op, play: impl Into<Play>) {
        self.lock().plays.entry((unit.to_owned(), op)).or_default().push_back(play.into());
    }

    pub fn answer(&self, after_ms: u64, answer: Answer) {
        self.lock().answers.push_back((after_ms, answer));
    }

    pub fn choice(&self, after_ms: u64, choice: Choice) {
        self.lock().choices.push_back((after_ms, choice));
    }

    pub fn life(&self, actor: &str, life: Life) {
        self.lock().lives.insert(actor.to_owned(), life);
    }

    /// Of those that go together, the driver comes to this many.
    pub fn together_at_most(&self, most: usize) {
        self.lock().together_max = Some(most);
    }

    pub fn note(&self, line: String) {
        self.lock().log.push(line);
    }

    /// A person presses Ctrl-C.
    pub fn stop(&self) {
        self.lock().stopping.stop();
    }

    /// A new controller, which nobody asked to stop yet.
    pub fn stopping(&self) -> Stopping {
        let fresh = Stopping::default();
        self.lock().stopping = fresh.clone();
        fresh
    }

    /// Everything since the last call, in order; appends begin with `!`.
    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().log)
    }

    /// Of [`World::log`] what reached the driver.
    pub fn acts(&self) -> Vec<String> {
        self.log().into_iter().filter(|line| !line.starts_with('!')).collect()
    }

    pub fn calls(&self, op: Op) -> Vec<Call> {
        self.lock().calls.iter().filter(|call| call.op == op).cloned().collect()
    }

    /// Units in the driver's hands at the same moment, at most.
    pub fn at_work_max(&self) -> usize {
        self.lock().at_work_max
    }

    pub fn notices(&self) -> Vec<Notice> {
        self.lock().notices.clone()
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.lock().entries.clone()
    }

    async fn play(
        &self,
        op: Op,
        cx: &Context,
        unit: &Unit,
        capsule: &Capsule,
        done: Option<&Done>,
    ) -> Option<Reply> {
        let name = unit.id.0.clone();
        let play = {
            let mut inner = self.lock();
            inner.log.push(format!("{} {name}", format!("{op:?}").to_lowercase()));
            inner.calls.push(Call {
                op,
                unit: name.clone(),
                at_ms: self.time.now(),
                attempt: cx.attempt,
                capsule: capsule.0.clone(),
                done: done.cloned(),
                facts: cx.facts.as_ref().clone(),
                workspace: cx.workspace.clone(),
                timeout_ms: cx.timeout_ms,
            });
            inner.at_work.insert(name.clone());
            inner.at_work_max = inner.at_work_max.max(inner.at_work.len());
            inner.plays.get_mut(&(name.clone(), op)).and_then(VecDeque::pop_front)
        };
        let Play { ms, reply, first } = match play {
            Some(play) => play,
            None => {
                self.lock().at_work.remove(&name);
                return None;
            }
        };
        if let Some(first) = first {
            first();
        }
        if ms > 0 {
            self.time.wait(ms).await;
        }
        self.lock().at_work.remove(&name);
        Some(reply)
    }
}

fn result(reply: Option<Reply>) -> Result<Done, Failure> {
    match reply {
        None => Ok(changed()),
        Some(Reply::Done(done)) => Ok(done),
        Some(Reply::Fail(failure)) => Err(failure),
        Some(_) => panic!("that is no answer to apply or undo"),
    }
}

#[async_trait]
impl Driver for World {
    async fn survey(&self, _: &Context, unit: &Unit) -> Result<Survey, Failure> {
        panic!("a run surveys nothing, {} neither", unit.id)
    }

    async fn capture(&self, cx: &Context, unit: &Unit) -> Result<Capsule, Failure> {
        match self.play(Op::Capture, cx, unit, &Capsule::default(), None).await {
            None => {
                let mut inner = self.lock();
                inner.takes += 1;
                Ok(Capsule(json!({ "of": unit.id, "take": inner.takes })))
            }
            Some(Reply::Capsule(value)) => Ok(Capsule(value)),
            Some(Reply::Fail(failure)) => Err(failure),
            Some(_) => panic!("that is no answer to capture"),
        }
    }

    async fn apply(&self, cx: &Context, unit: &Unit, capsule: &Capsule) -> Result<Done, Failure> {
        (cx.output)(&format!("applying with {SECRET}"));
        result(self.play(Op::Apply, cx, unit, capsule, None).await)
    }

    /// Those of steps whose names begin with `g`.
    fn goes_with(&self, unit: &Unit, next: &Unit) -> bool {
        unit.id.0.starts_with('g') && next.id.0.starts_with('g')
    }

    async fn apply_together(&self, works: &[Work]) -> Vec<Option<Result<Done, Failure>>> {
        let mut answers = vec![];
        let most = self.lock().together_max.unwrap_or(usize::MAX);
        for work in works.iter().take(most) {
            let answer = self.apply(&work.cx, &work.unit, &work.capsule).await;
            let failed = answer.is_err();
            answers.push(Some(answer));
            if failed {
                break;
            }
        }
        answers
    }

    async fn undo(
        &self,
        cx: &Context,
        unit: &Unit,
        capsule: &Capsule,
        done: Option<&Done>,
    ) -> Result<Done, Failure> {
        result(self.play(Op::Undo, cx, unit, capsule, done).await)
    }

    async fn inspect(&self, cx: &Context, unit: &Unit, capsule: &Capsule, _: Way) -> Found {
        match self.play(Op::Inspect, cx, unit, capsule, None).await {
            Some(Reply::Found(found)) => found,
            _ => panic!("nobody expected {} to be inspected", unit.id),
        }
    }
}

impl Secrets for World {
    fn resolve(&self, secret: &Secret) -> Result<String, String> {
        self.note(format!("resolve {secret:?}"));
        Ok(SECRET.to_owned())
    }

    fn mask(&self, text: &str) -> String {
        text.replace(SECRET, "****")
    }
}

impl Liveness for World {
    fn look(&self, owner: &Owner) -> Life {
        self.lock().lives.get(&owner.actor).copied().unwrap_or(Life::Dead)
    }
}

impl Observer for World {
    fn entry(&self, entry: &Entry, state: &RunState) {
        assert!(state.seq >= entry.seq, "the state that is shown includes the entry or what came with it");
        self.lock().entries.push(entry.clone());
    }

    fn notice(&self, notice: Notice) {
        self.lock().notices.push(notice);
    }
}

#[async_trait]
impl People for World {
    async fn confirm(&self, _: &RunState, _: &Step, unit: &Unit) -> Answer {
        self.note(format!("ask {}", unit.id));
        let next = self.lock().answers.pop_front();
        let Some((ms, answer)) = next else { return Answer::Later };
        self.time.wait(ms).await;
        answer
    }

    async fn choose(&self, _: &RunState, unit: &UnitId, why: &str) -> Choice {
        self.note(format!("choose {unit}: {why}"));
        let next = self.lock().choices.pop_front();
        let Some((ms, choice)) = next else { return Choice::Stop };
        self.time.wait(ms).await;
        choice
    }
}
