//! The driver of one simulated controller, over the shared world.

use crate::{
    hub::{Hub, Proc},
    world::{ActKey, Effect, Phase, Reply, Role, Told},
};
use async_trait::async_trait;
use serde_json::json;
use std::sync::Arc;
use windlass_driver::{Capsule, Context, Done, Driver, Failure, Fault, Found, Survey, Work};
use windlass_plan::{Secret, UndoBy, Unit, Way};

/// An inspection waits this long for an act that still runs.
const INSPECT_MS_MAX: u64 = 20_000;

/// The one secret of a simulated plan.
#[must_use]
pub fn the_secret() -> Secret {
    Secret::Env("DB_URL".into())
}

/// A controller's way to act.
pub struct SimDriver {
    /// What is shared.
    pub hub: Arc<Hub>,
    /// Whose it is.
    pub proc: Arc<Proc>,
}

/// Tells the world when the future that acts is dropped.
struct Guard<'a> {
    hub: &'a Hub,
    op: Option<usize>,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if let Some(op) = self.op {
            self.hub.with(|s| s.abandon_act(op));
        }
    }
}

impl SimDriver {
    fn text(&self, what: &str) -> String {
        self.hub.with(|s| format!("{what} at {}", s.secret))
    }

    fn done(&self, unit: &Unit, changed: bool) -> Done {
        let text = self.text("output");
        Done {
            changed,
            effects: vec![format!("{} by {text}", unit.id)],
            output: text.clone(),
            facts: json!({ "file": unit.id.0, "where": text, text.clone(): 1 }),
        }
    }

    fn failure(&self, reply: Reply) -> Failure {
        let text = self.text("failed");
        match reply {
            Reply::Clean(retry) => Failure { retry, ..Failure::clean(Fault::Target, text) },
            Reply::Partial(retry) => Failure { retry, ..Failure::partial(Fault::Target, text) },
            _ => Failure::unknown(Fault::Transport, text),
        }
        .hint(self.text("look"))
        .output(self.text("said"))
    }

    async fn act(&self, cx: &Context, unit: &Unit, way: Way, capsule: &Capsule) -> Result<Done, Failure> {
        let _ = cx.secrets.resolve(&the_secret());
        (cx.output)(&self.text("begins"));
        self.hub.latency(2).await;
        let key = (unit.id.clone(), way, cx.attempt);
        let op = match self.hub.with(|s| s.begin_act(&self.proc, &key, capsule)) {
            Ok(op) => op,
            Err(failure) => {
                self.hub.with(|s| s.tell(&self.proc, &key, Told::Clean));
                return Err(failure);
            }
        };
        let mut guard = Guard { hub: &self.hub, op: Some(op) };
        let replies_at = self.hub.with(|s| s.world.ops[op].replies_at);
        self.hub.sleep(replies_at.saturating_sub(self.hub.now())).await;
        guard.op = None;
        let reply = self.hub.with(|s| {
            s.advance_world();
            s.world.ops[op].reply
        });
        self.answer(&key, unit, reply)
    }

    fn answer(&self, key: &ActKey, unit: &Unit, reply: Reply) -> Result<Done, Failure> {
        let told = told(reply);
        self.hub.with(|s| s.tell(&self.proc, key, told));
        match reply {
            Reply::Done => Ok(self.done(unit, true)),
            Reply::NoChange => Ok(self.done(unit, false)),
            other => Err(self.failure(other)),
        }
    }

    /// What the world shows of a try, at once; `None`: it still runs.
    fn look(&self, key: &ActKey, last: bool) -> Option<(Told, Option<Reply>)> {
        self.hub.with(|s| {
            s.advance_world();
            let spec = s.world.specs[&key.0].clone();
            let away = s.setup.driver_faults > 0 && s.rng.chance(s.setup.driver_rate);
            if away {
                s.setup.driver_faults -= 1;
                s.count("inspection could not reach the host");
                return Some((Told::Unknown, None));
            }
            let op = s.world.op(key).map(|op| s.world.ops[op].clone());
            match op {
                Some(op) if op.phase == Phase::Flying && !last => None,
                Some(op) if op.phase == Phase::Flying => Some((Told::Unknown, None)),
                _ if spec.opaque => {
                    s.count("inspection of an opaque unit");
                    Some((Told::Unknown, None))
                }
                Some(op) if op.phase == Phase::Landed => {
                    let seen = match op.reply {
                        Reply::Unknown if op.effect == Effect::Full => Reply::Done,
                        Reply::Unknown if op.effect == Effect::Partial => Reply::Partial(false),
                        Reply::Unknown if op.idle => Reply::NoChange,
                        Reply::Unknown => Reply::Clean(true),
                        other => other,
                    };
                    Some((told(seen), Some(seen)))
                }
                _ => {
                    s.world.closed.insert(key.clone());
                    Some((Told::Clean, None))
                }
            }
        })
    }
}

fn told(reply: Reply) -> Told {
    match reply {
        Reply::Done => Told::Applied,
        Reply::NoChange => Told::NoChange,
        Reply::Clean(_) => Told::Clean,
        Reply::Partial(_) => Told::Partial,
        Reply::Unknown => Told::ActUnknown,
    }
}

#[async_trait]
impl Driver for SimDriver {
    async fn survey(&self, _: &Context, _: &Unit) -> Result<Survey, Failure> {
        Ok(Survey::default())
    }

    async fn capture(&self, cx: &Context, unit: &Unit) -> Result<Capsule, Failure> {
        self.hub.latency(5).await;
        let _ = cx.secrets.resolve(&the_secret());
        let key = (unit.id.clone(), Way::Forward, cx.attempt);
        let (fails, leaks) = self.hub.with(|s| {
            s.advance_world();
            let spoilt = s.setup.driver_faults > 0 && s.rng.chance(s.setup.driver_rate / 3);
            if spoilt {
                s.setup.driver_faults -= 1;
                s.count("capture failed");
                s.tell(&self.proc, &key, Told::Clean);
            }
            (spoilt, spoilt && s.rng.chance(200))
        });
        if fails && !leaks {
            let retry = self.hub.with(|s| s.rng.chance(500));
            return Err(self.failure(Reply::Clean(retry)));
        }
        let note = if leaks { self.text("secret") } else { String::new() };
        let before = self.hub.with(|s| {
            let spec = &s.world.specs[&unit.id];
            match spec.role {
                Role::Plain => s.world.resources[spec.resource].value,
                _ => 0,
            }
        });
        Ok(Capsule(json!({ "before": before, "note": note })))
    }

    async fn apply(&self, cx: &Context, unit: &Unit, capsule: &Capsule) -> Result<Done, Failure> {
        self.act(cx, unit, Way::Forward, capsule).await
    }

    fn goes_with(&self, unit: &Unit, next: &Unit) -> bool {
        self.hub.with(|s| s.setup.groups && s.world.is_by_itself(&unit.id) && s.world.is_by_itself(&next.id))
    }

    /// One after the other, until one fails, or it is enough for now.
    async fn apply_together(&self, works: &[Work]) -> Vec<Option<Result<Done, Failure>>> {
        let mut answers: Vec<Option<Result<Done, Failure>>> = vec![];
        for work in works {
            let enough = self.hub.with(|s| !answers.is_empty() && s.rng.chance(150));
            if enough || answers.last().is_some_and(|answer| matches!(answer, Some(Err(_)))) {
                break;
            }
            answers.push(Some(self.act(&work.cx, &work.unit, Way::Forward, &work.capsule).await));
        }
        self.hub.with(|s| {
            if answers.len() > 1 {
                s.count("applied together");
            }
            // Those that were not begun.
            for work in &works[answers.len()..] {
                s.tell(&self.proc, &(work.unit.id.clone(), Way::Forward, work.cx.attempt), Told::Clean);
            }
        });
        answers
    }

    async fn undo(
        &self,
        cx: &Context,
        unit: &Unit,
        capsule: &Capsule,
        _: Option<&Done>,
    ) -> Result<Done, Failure> {
        if let UndoBy::Backup(backup) = &unit.undo.by
            && cx.facts.get(backup).is_none_or(|facts| facts["file"] != json!(backup.0))
        {
            let key = (unit.id.clone(), Way::Undo, cx.attempt);
            self.hub.with(|s| s.tell(&self.proc, &key, Told::Clean));
            return Err(Failure::clean(Fault::Target, format!("the backup of {backup} is not known")));
        }
        self.act(cx, unit, Way::Undo, capsule).await
    }

    async fn inspect(&self, cx: &Context, unit: &Unit, _: &Capsule, way: Way) -> Found {
        let key = (unit.id.clone(), way, cx.attempt);
        self.hub.latency(10).await;
        let began = self.hub.now();
        let (told, reply) = loop {
            let last = self.hub.now() - began >= INSPECT_MS_MAX;
            if let Some(found) = self.look(&key, last) {
                break found;
            }
            self.hub.sleep(500).await;
        };
        self.hub.with(|s| s.tell(&self.proc, &key, told));
        match (told, reply) {
            (Told::Applied, _) => Found::Applied(self.done(unit, true)),
            (Told::NoChange, _) => Found::Applied(self.done(unit, false)),
            (Told::Clean, None) => Found::NotApplied,
            (_, Some(reply)) => Found::Failed(self.failure(reply)),
            _ => Found::Unknown(self.text("cannot tell")),
        }
    }
}
