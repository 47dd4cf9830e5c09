//! The look from outside: a GET of each service every 100 ms while a release runs, as a user would send it.
//!
//! 2xx and 3xx are an answer; anything else, a refused or broken connection and silence are downtime, from the moment the
//! request was sent until the next one. A request that the built-in proxy holds is waited for: what is answered late was not lost.
//! The proxy counts none of these requests (it knows them by their name), so that no share of users is measured with them.

mod tally;

use crate::{
    http::{cause, client},
    service::{Front, Fronts, fronts},
};
use async_trait::async_trait;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use reqwest::{Client, Url, header::USER_AGENT};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tally::Tally;
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior},
};
use windlass_driver::{Probe, Prober};
use windlass_plan::{Downtime, Plan};
use windlass_proxy::{PROBE_AGENT, control::Request};

/// A request is sent this often.
const PERIOD: Duration = Duration::from_millis(100);
/// A request that is not held is answered within this, or it has failed.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Requests of one service under way at a time; while there are as many, none is sent.
const UNDER_WAY_MAX: usize = 24;
/// How long the beginning of a release waits for the first answers.
const FIRST_WITHIN: Duration = Duration::from_secs(1);
/// A proxy that does not say within this whether it holds requests holds none.
const STATUS_WITHIN: Duration = Duration::from_millis(500);
/// How long the end of a release waits for what is down to be seen again.
const AGAIN_WITHIN: Duration = Duration::from_millis(500);

/// Looks by HTTP.
#[derive(Clone)]
pub struct HttpProber {
    base: PathBuf,
    fronts: Fronts,
}

impl HttpProber {
    /// `base`: the folder of `windlass.toml`.
    #[must_use]
    pub fn new(base: PathBuf) -> Self {
        Self { base, fronts: fronts() }
    }
}

#[async_trait]
impl Prober for HttpProber {
    async fn begin(&self, plan: &Plan, seen: &BTreeMap<String, Downtime>) -> Option<Box<dyn Probe>> {
        let mut looks = Vec::new();
        for (name, url) in plan.probed() {
            let Ok(url) = url.map(|url| Url::parse(&url)) else { continue };
            let held = plan.services.get(name).filter(|service| service.is_held());
            let proxy = held.and_then(|service| service.proxy.as_ref());
            let longest = ANSWER_WITHIN * 2 + Duration::from_millis(proxy.map_or(0, |proxy| proxy.hold_ms));
            // Without a client nothing can be seen, and that is no reason not to release.
            let (Ok(url), Ok(client)) = (url, client(longest)) else { continue };
            let front = proxy.map(|proxy| (self.fronts)(&self.base, name, proxy));
            let target = Arc::new(Target { url, client, front });
            looks.push(Look::begin(name, target, seen.get(name).cloned()));
        }
        if looks.is_empty() {
            return None;
        }
        let first = futures_util::future::join_all(looks.iter().map(|look| look.line.first.notified()));
        // Whoever is not done by then is judged by how its request ends.
        let _ = tokio::time::timeout(FIRST_WITHIN, first).await;
        Some(Box::new(Looks(looks)))
    }
}

struct Looks(Vec<Look>);

#[async_trait]
impl Probe for Looks {
    async fn again(&self) {
        let all = self.0.iter().map(|look| look.line.is_up());
        let _ = tokio::time::timeout(AGAIN_WITHIN, futures_util::future::join_all(all)).await;
    }

    fn seen(&self) -> BTreeMap<String, Downtime> {
        self.0.iter().map(|look| (look.name.clone(), look.line.tally().seen(look.line.now_ms()))).collect()
    }
}

/// One service that is looked at, until this is dropped.
struct Look {
    name: String,
    line: Arc<Line>,
    task: JoinHandle<()>,
}

impl Drop for Look {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Look {
    fn begin(name: &str, target: Arc<Target>, seen: Option<Downtime>) -> Self {
        let line = Arc::new(Line {
            begun: Instant::now(),
            tally: Mutex::new(Tally::new(seen, PERIOD * 2)),
            first: Notify::new(),
            ended: Notify::new(),
        });
        let task = tokio::spawn(look(line.clone(), target));
        Self { name: name.to_owned(), line, task }
    }
}

/// What is shared between who looks and who asks what was seen.
struct Line {
    begun: Instant,
    tally: Mutex<Tally>,
    /// Told once, when the first request has ended.
    first: Notify,
    /// Told when a request has ended.
    ended: Notify,
}

impl Line {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        millis(self.begun.elapsed())
    }

    /// Waits until it answers.
    async fn is_up(&self) {
        let is_down = || {
            let seen = self.tally().seen(self.now_ms());
            seen.before || seen.now_ms > 0
        };
        while is_down() {
            self.ended.notified().await;
        }
    }
}

async fn look(line: Arc<Line>, target: Arc<Target>) {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            _ = ticks.tick(), if under_way.len() < UNDER_WAY_MAX => {
                let number = line.tally().sent(line.now_ms(), wall_ms());
                let target = target.clone();
                under_way.push(async move { (number, target.ask().await) });
            }
            Some((number, answer)) = under_way.next(), if !under_way.is_empty() => {
                line.tally().ended(number, line.now_ms(), answer);
                line.first.notify_one();
                line.ended.notify_one();
            }
        }
    }
}

/// What is asked.
struct Target {
    url: Url,
    client: Client,
    /// The built-in proxy in front of it.
    front: Option<Arc<dyn Front>>,
}

impl Target {
    /// One request; `Err`: why it counts as downtime.
    async fn ask(&self) -> Result<(), String> {
        let url = self.url().await?;
        let answer = self.client.get(url).header(USER_AGENT, PROBE_AGENT).send();
        let mut answer = std::pin::pin!(answer);
        loop {
            match tokio::time::timeout(ANSWER_WITHIN, &mut answer).await {
                Ok(Ok(response)) if response.status().is_success() || response.status().is_redirection() => {
                    return Ok(());
                }
                Ok(Ok(response)) => return Err(format!("answered {}", response.status().as_u16())),
                Ok(Err(error)) => return Err(cause(&error)),
                // The client bounds this by the longest hold.
                Err(_) if self.is_held().await => {}
                Err(_) => return Err(format!("no answer within {} s", ANSWER_WITHIN.as_secs())),
            }
        }
    }

    /// Where it is asked: a port that the proxy was to choose, only the proxy knows.
    async fn url(&self) -> Result<Url, String> {
        let mut url = self.url.clone();
        if let (Some(0), Some(front)) = (url.port(), &self.front) {
            let status = tokio::time::timeout(STATUS_WITHIN, front.call(&Request::Status)).await;
            let listen = status.ok().and_then(Result::ok).map(|status| status.listen);
            let port = listen.as_deref().and_then(|listen| listen.rsplit_once(':')?.1.parse().ok());
            let known = port.is_some_and(|port| url.set_port(Some(port)).is_ok());
            return if known { Ok(url) } else { Err("its proxy does not run".to_owned()) };
        }
        Ok(url)
    }

    async fn is_held(&self) -> bool {
        let Some(front) = &self.front else { return false };
        let status = tokio::time::timeout(STATUS_WITHIN, front.call(&Request::Status)).await;
        matches!(status, Ok(Ok(status)) if status.holding_ms.is_some())
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn wall_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
