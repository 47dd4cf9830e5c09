//! `windlass service maintenance|readonly NAME on|off` as a unit: what stands in front answers 503, and the way back is how it was.

use super::front::{Front, FrontError, Fronts, Mode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use windlass_driver::{Capsule, Context, Done, Failure, Fault, Found, Survey};
use windlass_plan::{Action, ServiceMode, Unit, Way};
use windlass_proxy::control::{Request, Status};

/// How it was before: the capsule.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Before {
    on: bool,
}

/// One unit.
pub(super) struct Turn {
    front: Arc<dyn Front>,
    name: String,
    mode: Mode,
    on: bool,
    drain_ms: u64,
}

impl Turn {
    /// `None`: the unit does something else.
    pub(super) fn of(fronts: &Fronts, cx: &Context, unit: &Unit) -> Result<Option<Self>, Failure> {
        let Action::Mode { service: name, mode, on } = &unit.action else { return Ok(None) };
        let proxy = cx.plan.services.get(name).and_then(|service| service.proxy.as_ref());
        let Some(proxy) = proxy else {
            let text = format!("nothing stands in front of service {name} that could answer for it");
            return Err(Failure::clean(Fault::Document, text).hint("give it a `proxy` in windlass.toml"));
        };
        let mode = match mode {
            ServiceMode::Maintenance => Mode::Maintenance,
            ServiceMode::Readonly => Mode::Readonly,
        };
        let front = fronts(&cx.base, name, proxy);
        Ok(Some(Self { front, name: name.clone(), mode, on: *on, drain_ms: proxy.drain_ms }))
    }

    fn is_on(&self, status: &Status) -> bool {
        match self.mode {
            Mode::Maintenance => status.maintenance,
            Mode::Readonly => status.readonly,
        }
    }

    async fn status(&self) -> Result<Status, FrontError> {
        self.front.settle().await?;
        self.front.call(&Request::Status).await
    }

    fn words(&self, on: bool) -> String {
        let what = match (self.mode, on) {
            (Mode::Maintenance, true) => "all requests are answered 503",
            (Mode::Readonly, true) => "requests that may write are answered 503, reads pass",
            (Mode::Maintenance, false) => "requests pass again",
            (Mode::Readonly, false) => "requests that may write pass again",
        };
        format!("{}: {what}", self.name)
    }

    pub(super) async fn survey(&self) -> Survey {
        let mut survey = Survey::default();
        let refusals = match self.status().await {
            Err(error) => vec![error],
            Ok(status) => {
                let already = if self.is_on(&status) == self.on { " (it is so already)" } else { "" };
                survey.effects.push(format!("{}{already}", self.words(self.on)));
                let holds = match self.mode {
                    Mode::Maintenance => self.front.can_hold().await.err(),
                    Mode::Readonly => None,
                };
                self.front.ready().await.err().into_iter().chain(holds).collect()
            }
        };
        for error in refusals {
            let failure = self.front.failure(&self.name, &error);
            survey.problems.push(format!("{}; type: {}", failure.message, failure.hints.join(" or ")));
        }
        survey
    }

    pub(super) async fn capture(&self, unit: &Unit) -> Result<Capsule, Failure> {
        let status = self.status().await.map_err(|error| {
            let failure = self.front.failure(&self.name, &error);
            Failure { effect: windlass_driver::Effect::None, ..failure }
        })?;
        Capsule::of(unit, &Before { on: self.is_on(&status) })
    }

    /// Turns it; what is so already is no error, and what was in flight before has then ended, or `drain` is over.
    async fn turn(&self, on: bool, was: bool) -> Result<Done, Failure> {
        let done = self.front.mode(self.mode, on, self.drain_ms).await;
        let status = done.map_err(|error| self.front.failure(&self.name, &error))?;
        let facts = json!({ "maintenance": status.maintenance, "readonly": status.readonly });
        let effects = if on == was { Vec::new() } else { vec![self.words(on)] };
        Ok(Done { changed: on != was, effects, facts, ..Done::default() })
    }

    pub(super) async fn go(&self, unit: &Unit, capsule: &Capsule, way: Way) -> Result<Done, Failure> {
        let before: Before = capsule.read(unit)?;
        match way {
            Way::Forward => self.turn(self.on, before.on).await,
            Way::Undo => self.turn(before.on, self.on).await,
        }
    }

    pub(super) async fn inspect(&self, unit: &Unit, capsule: &Capsule, way: Way) -> Result<Found, Failure> {
        let before: Before = capsule.read(unit)?;
        let wanted = if way == Way::Forward { self.on } else { before.on };
        let status = match self.status().await {
            Ok(status) => status,
            Err(error) => return Ok(Found::Unknown(self.front.failure(&self.name, &error).whole("\n"))),
        };
        if self.is_on(&status) != wanted {
            return Ok(Found::NotApplied);
        }
        // Whoever asked for it may have been killed before the requests from then had their answers: they are waited for here.
        Ok(match self.go(unit, capsule, way).await {
            Ok(done) => Found::Applied(done),
            Err(failure) => Found::Unknown(failure.whole("\n")),
        })
    }
}
