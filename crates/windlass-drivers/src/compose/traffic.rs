//! The proxy in front of a service that compose runs: requests wait while its containers are away.

use crate::service::{Front, Fronts, Probe, address};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::Instant;
use windlass_driver::{Context, Effect, Failure, Fault};
use windlass_plan::{ComposeLine, ProxyFront, Service, Unit};
use windlass_proxy::control::{Request, Status, Upstream};

/// Wait between probes.
const PROBE_EVERY: Duration = Duration::from_millis(20);

/// The proxies of one line.
pub struct Traffic<'a>(Vec<Gate<'a>>);

/// One of them.
struct Gate<'a> {
    name: &'a str,
    service: &'a Service,
    proxy: &'a ProxyFront,
    front: Arc<dyn Front>,
}

/// What the proxies did before a unit: a part of its capsule, by service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Flow(BTreeMap<String, Was>);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Was {
    held: bool,
    /// Requests that it had ever held.
    held_total: u64,
    upstreams: Vec<Upstream>,
}

impl Flow {
    fn of(&self, name: &str) -> Was {
        self.0.get(name).cloned().unwrap_or_default()
    }
}

impl<'a> Traffic<'a> {
    pub fn of(fronts: &Fronts, cx: &'a Context, unit: &'a Unit, line: &'a ComposeLine) -> Self {
        let on = cx.plan.unit(&unit.id).map_or("", |(step, _)| step.on.as_str());
        let services = cx.plan.services_of(line, on);
        let gate = |(name, service): (&'a str, &'a Service)| {
            let proxy = service.proxy.as_ref()?;
            Some(Gate { name, service, proxy, front: (fronts)(&cx.base, name, proxy) })
        };
        Self(services.filter_map(gate).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For `plan`: what requests meet, and what stands in the way.
    pub async fn survey(&self) -> (Vec<String>, Vec<String>) {
        let (mut effects, mut problems) = (vec![], vec![]);
        for gate in &self.0 {
            match gate.ask(&Request::Status).await {
                Ok(_) => effects.push(format!(
                    "requests to {} {}, those in flight get {} ms to finish",
                    gate.proxy.title(),
                    gate.proxy.meanwhile(),
                    gate.proxy.drain_ms
                )),
                Err(failure) => problems.push(failure.whole("; type: ")),
            }
        }
        (effects, problems)
    }

    pub async fn capture(&self) -> Result<Flow, Failure> {
        let mut flow = Flow::default();
        for gate in &self.0 {
            let status = gate.ask(&Request::Status).await;
            let status = status.map_err(|failure| Failure { effect: Effect::None, ..failure })?;
            let was = Was {
                held: status.holding_ms.is_some(),
                held_total: status.held,
                upstreams: status.upstreams.into_iter().map(|one| one.upstream).collect(),
            };
            flow.0.insert(gate.name.to_owned(), was);
        }
        Ok(flow)
    }

    /// From here on requests wait.
    /// Nobody waits when one of them cannot.
    pub async fn hold(&self, cx: &Context, flow: &Flow) -> Result<(), Failure> {
        for (at, gate) in self.0.iter().enumerate() {
            (cx.output)(&format!("{}: requests {}\n", gate.name, gate.proxy.meanwhile()));
            let request = Request::Hold { hold_ms: gate.proxy.hold_ms, drain_ms: gate.proxy.drain_ms };
            if let Err(failure) = gate.ask(&request).await {
                return Err(self.let_go(at, flow, failure).await);
            }
        }
        Ok(())
    }

    /// Lets those in front of `at` through again that did not hold before.
    async fn let_go(&self, at: usize, flow: &Flow, mut failure: Failure) -> Failure {
        for gate in self.0.iter().take(at).filter(|gate| !flow.of(gate.name).held) {
            if gate.ask(&Request::Resume).await.is_err() {
                failure.effect = failure.effect.max(Effect::Partial);
            }
        }
        self.tell(failure).await
    }

    /// What a stop leaves for the start that counts from there.
    pub fn facts(&self, flow: &Flow) -> Value {
        match &self.0[..] {
            [gate] => json!({ "service": gate.name, "held_total": flow.of(gate.name).held_total }),
            _ => json!({}),
        }
    }

    /// Waits for health, then lets requests through to this version; facts of the last one.
    pub async fn open(&self, cx: &Context, flow: &Flow) -> Result<Value, Failure> {
        let mut facts = json!({});
        for gate in &self.0 {
            gate.healthy(cx).await?;
            let (address, health) = gate.address()?;
            let version = cx.plan.release.version.clone();
            let upstream = Upstream { version: version.clone(), address, weight: 100, health };
            let before = gate.ask(&Request::Status).await?;
            (cx.output)(&format!("{}: letting requests through to {version}\n", gate.name));
            let after = gate.switch(vec![upstream], true).await?;
            let noted = |facts: &Value| {
                (facts.get("service")?.as_str()? == gate.name)
                    .then(|| facts.get("held_total")?.as_u64())
                    .flatten()
            };
            // The stop before a start began the hold.
            let total = cx.facts.values().filter_map(noted).min().unwrap_or(flow.of(gate.name).held_total);
            facts = json!({
                "service": gate.name, "version": version, "hold_ms": before.holding_ms.unwrap_or(0),
                "held": after.held.checked_sub(total).unwrap_or(after.held),
            });
        }
        Ok(facts)
    }

    /// As it was before the unit. `up`: whether containers run again.
    pub async fn back(&self, cx: &Context, flow: &Flow, up: bool) -> Result<(), Failure> {
        for gate in &self.0 {
            let was = flow.of(gate.name);
            if was.held {
                continue;
            }
            if up {
                gate.healthy(cx).await?;
            }
            (cx.output)(&format!("{}: letting requests through as before\n", gate.name));
            if was.upstreams.is_empty() {
                gate.ask(&Request::Resume).await?;
            } else {
                gate.switch(was.upstreams, true).await?;
            }
        }
        Ok(())
    }

    /// Whether every proxy holds (or not), or is as before (`None`).
    pub async fn is(&self, held: Option<bool>, flow: &Flow) -> Result<bool, Failure> {
        for gate in &self.0 {
            let now = gate.ask(&Request::Status).await?.holding_ms.is_some();
            if now != held.unwrap_or_else(|| flow.of(gate.name).held) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Adds to a failure that requests wait.
    pub async fn tell(&self, mut failure: Failure) -> Failure {
        for gate in &self.0 {
            let Ok(Status { holding_ms: Some(since), .. }) = gate.ask(&Request::Status).await else {
                continue;
            };
            failure.message = format!(
                "{}; requests to {} are held since {since} ms, each waits at most {} ms and then gets 503",
                failure.message, gate.name, gate.proxy.hold_ms
            );
            failure = failure.hint(format!("windlass proxy resume {}", gate.name));
        }
        failure
    }
}

impl Gate<'_> {
    async fn ask(&self, request: &Request) -> Result<Status, Failure> {
        self.front.call(request).await.map_err(|error| self.front.failure(self.name, &error))
    }

    async fn switch(&self, upstreams: Vec<Upstream>, resume: bool) -> Result<Status, Failure> {
        self.ask(&Request::Switch { upstreams, drain_ms: self.proxy.drain_ms, resume }).await
    }

    fn url(&self) -> Result<reqwest::Url, Failure> {
        let text = self.service.health.as_deref().unwrap_or_default();
        reqwest::Url::parse(text).map_err(|error| {
            Failure::clean(Fault::Document, format!("service {}: health URL {text:?}: {error}", self.name))
        })
    }

    /// Where it answers, and the path of its health check.
    fn address(&self) -> Result<(String, Option<String>), Failure> {
        let url = self.url()?;
        let (host, path) = address(&url);
        Ok((format!("{host}:{}", url.port_or_known_default().unwrap_or(80)), Some(path)))
    }

    /// Waits until it was healthy without a break for as long as the service asks for.
    async fn healthy(&self, cx: &Context) -> Result<(), Failure> {
        let url = self.url()?;
        let probe = Probe::get(url.clone().into())?;
        let limit = self.service.start_within_ms;
        let within = Duration::from_millis(cx.timeout_ms.map_or(limit, |timeout| timeout.min(limit)));
        let (begin, mut green) = (Instant::now(), None::<Instant>);
        loop {
            match probe.once().await {
                Ok(())
                    if green.get_or_insert_with(Instant::now).elapsed()
                        >= Duration::from_millis(self.service.stable_ms) =>
                {
                    return Ok(());
                }
                Ok(()) => {}
                Err(why) if begin.elapsed() > within => {
                    let text =
                        format!("{} was not healthy within {} ms: {why}", self.name, within.as_millis());
                    return Err(Failure::partial(Fault::Target, text).hint("docker ps -a"));
                }
                Err(_) => green = None,
            }
            tokio::time::sleep(PROBE_EVERY).await;
        }
    }
}
