//! What is watched behind a release: the machines it ran on and the requests of its services, against the limits of the policy and
//! against what was measured before the first change.
//!
//! It changes nothing: there is nothing to undo, and a try that was cut short is made anew from its beginning. Three answers:
//! *fine*, *bad* (a failure with no effect, so that the run goes back or asks, as it was told to), and *not known* (too few requests, a
//! machine that does not answer), which is for a person to decide.

mod sample;

use crate::{
    host::{Hosts, place::Place},
    service::{Fronts, Seen, Verdict, fronts, judge},
};
use async_trait::async_trait;
use sample::Machine;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;
use windlass_driver::{Capsule, Context, Done, Driver, Failure, Fault, Found, Survey};
use windlass_plan::{Action, Canary, Target, Unit, Watching, Way};
use windlass_proxy::control::{Request, Status, VersionStatus};

/// Longest pause between two looks.
const LOOK: Duration = Duration::from_secs(5);
/// How long the processors are measured before a release.
const BEFORE: Duration = Duration::from_secs(3);
/// Progress is said as often.
const SAY: Duration = Duration::from_secs(15);
/// Memory and disks are over their limit, and a machine or a proxy is silent, only when so many looks in a row say so.
const LOOKS: u32 = 3;
/// What was over its limit before the release is bad only if it is so much more now, thousandths of a percent.
const MORE: u64 = 5_000;

/// Driver of what is watched.
#[derive(Clone)]
pub struct WatchDriver {
    hosts: Hosts,
    fronts: Fronts,
}

impl WatchDriver {
    /// Machines are reached over `hosts`.
    #[must_use]
    pub fn new(hosts: Hosts) -> Self {
        Self { hosts, fronts: fronts() }
    }

    /// Reaches proxies another way.
    #[must_use]
    pub fn with_fronts(mut self, fronts: Fronts) -> Self {
        self.fronts = fronts;
        self
    }
}

/// What was measured before the release; the facts of the unit that measured it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Before {
    /// By the name of the machine.
    machines: BTreeMap<String, Load>,
    /// By service: what its proxy had counted of the version that served.
    services: BTreeMap<String, VersionStatus>,
}

/// How busy a machine was, thousandths of a percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Load {
    cpu: Option<u64>,
    memory: u64,
    disk: u64,
}

/// One machine while it is watched.
struct Watched {
    name: String,
    place: Place,
    dir: Option<String>,
    before: Option<Load>,
    first: Option<Machine>,
    last: Option<Machine>,
    /// Looks in a row that were over a limit, and those that had no answer.
    over: u32,
    silent: u32,
    /// Its ticks went back: it was started again.
    restarted: bool,
}

/// The requests of one service while they are watched.
struct Counted {
    service: String,
    /// At the beginning; of a proxy that was started since, empty.
    start: Option<Status>,
    now: Option<Status>,
    silent: u32,
    /// Why it was silent.
    why: String,
}

/// What a look says.
enum Answer {
    Fine,
    Bad(String),
    NotKnown(String),
    /// Not before another look.
    Again,
}

/// One watch.
struct Watch<'a> {
    driver: &'a WatchDriver,
    cx: &'a Context,
    what: &'a Watching,
    before: Before,
}

impl Watch<'_> {
    /// The machines, each once, whatever targets it is of.
    fn machines(&self) -> Vec<Watched> {
        let mut machines: BTreeMap<String, Watched> = BTreeMap::new();
        for (target, hosts) in &self.what.places {
            let dir = match self.cx.plan.targets.get(target) {
                Some(Target::Hosts { dir, .. }) => dir.clone(),
                _ => None,
            };
            for host in hosts {
                let place = Place::at(&self.driver.hosts, self.cx, target, host);
                let name = place.name().to_owned();
                let dir = match (place.is_here(), &dir) {
                    (true, dir) => {
                        let base = &self.cx.base;
                        Some(
                            dir.as_ref()
                                .map_or_else(|| base.clone(), |dir| base.join(dir))
                                .display()
                                .to_string(),
                        )
                    }
                    (false, dir) => dir.clone(),
                };
                let before = self.before.machines.get(&name).copied();
                machines.entry(name.clone()).or_insert(Watched {
                    name,
                    place,
                    dir,
                    before,
                    first: None,
                    last: None,
                    over: 0,
                    silent: 0,
                    restarted: false,
                });
            }
        }
        machines.into_values().collect()
    }

    async fn status(&self, service: &str) -> Result<Status, Failure> {
        let proxy = self.cx.plan.services.get(service).and_then(|service| service.proxy.as_ref());
        let proxy = proxy.ok_or_else(|| {
            Failure::clean(Fault::Windlass, format!("service {service}, which is watched, has no proxy"))
        })?;
        let front = (self.driver.fronts)(&self.cx.base, service, proxy);
        front.call(&Request::Status).await.map_err(|error| front.failure(service, &error))
    }

    /// Before the first change.
    async fn measure(&self) -> Result<Before, Failure> {
        let mut before = Before::default();
        let mut machines = self.machines();
        look(&mut machines).await;
        tokio::time::sleep(BEFORE).await;
        look(&mut machines).await;
        for machine in machines {
            let Some(last) = &machine.last else {
                let message = format!(
                    "{} does not say how busy it is, so what is watched has no beginning",
                    machine.name
                );
                return Err(Failure::clean(Fault::Target, message).retryable());
            };
            let cpu = machine.first.as_ref().and_then(|first| last.cpu_since(first));
            before.machines.insert(machine.name, Load { cpu, memory: last.memory, disk: last.disk });
        }
        for service in &self.what.services {
            // One that does not run yet has nothing to compare with.
            let Ok(status) = self.status(service).await else { continue };
            let counted = serving(&status).and_then(|version| status.versions.get(version));
            if let Some(counted) = counted {
                // The percentile is enough of a version that may serve no more.
                let counted = VersionStatus { buckets: vec![], ..counted.clone() };
                before.services.insert(service.clone(), counted);
            }
        }
        Ok(before)
    }

    /// Behind the last change.
    async fn watch(&self, length: Duration) -> Result<Done, Failure> {
        let mut machines = self.machines();
        let mut counted: Vec<Counted> =
            self.what.services.iter().map(|service| Counted::of(service)).collect();
        let (begun, mut said) = (Instant::now(), Instant::now());
        loop {
            look(&mut machines).await;
            for one in &mut counted {
                one.look(self).await;
            }
            let over = begun.elapsed() >= length;
            let of_machines = machines.iter_mut().map(|machine| machine.judge(self.what, over));
            let mut answers: Vec<Answer> = of_machines.collect();
            answers.extend(counted.iter().map(|one| one.judge(self, over)));
            let requests = counted.iter().filter_map(Counted::in_words);
            let lines: Vec<String> = machines.iter().filter_map(Watched::in_words).chain(requests).collect();
            if let Some(why) = answers.iter().find_map(Answer::bad) {
                return Err(self.bad(why, &lines, begun.elapsed()));
            }
            if over && !answers.iter().any(|answer| matches!(answer, Answer::Again)) {
                return match answers.iter().find_map(Answer::not_known) {
                    Some(why) => Err(unanswered(why, begun.elapsed())),
                    None => Ok(Done { changed: false, effects: lines, ..Done::default() }),
                };
            }
            if said.elapsed() >= SAY {
                said = Instant::now();
                let left = length.saturating_sub(begun.elapsed()).as_secs();
                (self.cx.output)(&format!("{}; {left} s left\n", lines.join("; ")));
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK.min(length / 10)) => {}
                () = self.cx.stopping.stopped() => return Err(stopped()),
            }
        }
    }

    fn bad(&self, why: &str, lines: &[String], elapsed: Duration) -> Failure {
        Failure::clean(
            Fault::Target,
            format!("watched for {} s, and it is not well: {why}", elapsed.as_secs()),
        )
        .output(windlass_driver::excerpt(&self.cx.secrets.mask(&lines.join("\n"))))
    }
}

impl Answer {
    fn bad(&self) -> Option<&str> {
        if let Self::Bad(why) = self { Some(why) } else { None }
    }

    fn not_known(&self) -> Option<&str> {
        if let Self::NotKnown(why) = self { Some(why) } else { None }
    }
}

impl Counted {
    fn of(service: &str) -> Self {
        Self { service: service.to_owned(), start: None, now: None, silent: 0, why: String::new() }
    }

    async fn look(&mut self, watch: &Watch<'_>) {
        match watch.status(&self.service).await {
            Ok(now) => {
                self.silent = 0;
                let start = self.start.get_or_insert_with(|| now.clone());
                if start.pid != now.pid {
                    // It was started anew, and counts from zero.
                    *start = Status { pid: now.pid, ..Status::default() };
                }
                self.now = Some(now);
            }
            Err(failure) => {
                self.silent += 1;
                self.why = failure.message;
            }
        }
    }

    /// The version that serves, and what was counted of it since the beginning.
    fn seen(&self) -> Option<(&str, Seen)> {
        let (start, now) = (self.start.as_ref()?, self.now.as_ref()?);
        let version = serving(now)?;
        Some((version, Seen::between(start.versions.get(version), now.versions.get(version))))
    }

    fn judge(&self, watch: &Watch<'_>, over: bool) -> Answer {
        if self.silent >= LOOKS {
            return Answer::NotKnown(self.why.clone());
        }
        if self.silent > 0 {
            return if over { Answer::Again } else { Answer::Fine };
        }
        let Some((version, new)) = self.seen() else {
            return Answer::Bad(format!("{}: no version gets its requests", self.service));
        };
        let (limits, requests) = (&watch.what.limits, watch.what.requests);
        let canary = Canary { requests, p95_ms: limits.p95_ms, errors: limits.errors, ..Canary::default() };
        let old = Seen::all(watch.before.services.get(&self.service));
        let counted = || format!("{} {version}: {}", self.service, new.in_words());
        match judge(&canary, &new, &old) {
            Verdict::Fine => Answer::Fine,
            Verdict::Bad(why) => Answer::Bad(format!("{} {version}: {why}", self.service)),
            Verdict::TooFew if new.requests < requests => {
                Answer::NotKnown(format!("{}, wanted {requests}", counted()))
            }
            Verdict::TooFew => Answer::NotKnown(format!(
                "{}; too few were counted before the release to compare with",
                counted()
            )),
        }
    }

    fn in_words(&self) -> Option<String> {
        let (version, seen) = self.seen()?;
        Some(format!("{} {version}: {}", self.service, seen.in_words()))
    }
}

/// The version that most of the clients get.
fn serving(status: &Status) -> Option<&str> {
    let upstreams = status.upstreams.iter().map(|one| &one.upstream);
    upstreams.max_by_key(|upstream| upstream.weight).map(|upstream| upstream.version.as_str())
}

fn unanswered(why: &str, elapsed: Duration) -> Failure {
    let message = format!("watched for {} s, and whether it is well is not known: {why}", elapsed.as_secs());
    Failure::clean(Fault::Target, message)
        .for_a_person()
        .hint("retry watches again; skip takes it for well; unwind takes the release back".to_owned())
}

fn stopped() -> Failure {
    Failure::clean(Fault::Target, "stopped while it was watched".to_owned())
        .retryable()
        .hint("windlass resume watches again; windlass rollback takes the release back".to_owned())
}

/// Asks all machines, side by side; how many there are is bounded by the hosts of a plan, and connections by [`Hosts`].
async fn look(machines: &mut [Watched]) {
    futures_util::future::join_all(machines.iter_mut().map(Watched::look)).await;
}

impl Watched {
    async fn look(&mut self) {
        match Machine::ask(&self.place, self.dir.as_deref()).await {
            Ok(machine) => {
                self.silent = 0;
                let first = self.first.get_or_insert_with(|| machine.clone());
                self.restarted |= machine.is_before(first);
                self.last = Some(machine);
            }
            Err(_) => self.silent += 1,
        }
    }

    fn cpu(&self) -> Option<u64> {
        self.last.as_ref()?.cpu_since(self.first.as_ref()?)
    }

    /// What is over its limit and was not so before; without a measurement nobody can tell.
    fn beyond(&self, what: &Watching, over: bool) -> Option<Answer> {
        let last = self.last.as_ref()?;
        let limits = &what.limits;
        // Processors are judged on average, so at the end.
        let cpu = self.cpu().filter(|_| over);
        let before = |value: fn(Load) -> Option<u64>| self.before.and_then(value);
        let exceeded = |(name, now, limit, before): (&str, Option<u64>, Option<u64>, Option<u64>)| {
            let (now, limit) = (now?, limit?);
            let percent = |value: u64| format!("{:.1} %", value as f64 / 1000.0);
            let told = format!("{name} of {} at {}, limit {}", self.name, percent(now), percent(limit));
            match before {
                _ if now < limit => None,
                None => Some(Answer::NotKnown(format!("{told}; it was not measured before the release"))),
                Some(before) if before < limit || now >= before.saturating_add(MORE) => {
                    Some(Answer::Bad(format!("{told}, before the release {}", percent(before))))
                }
                Some(_) => None,
            }
        };
        let cpu = ("the processors", cpu, limits.cpu, before(|load| load.cpu));
        let memory = ("memory", Some(last.memory), limits.memory, before(|load| Some(load.memory)));
        let disk = ("the fullest disk", Some(last.disk), limits.disk, before(|load| Some(load.disk)));
        [cpu, memory, disk].into_iter().find_map(exceeded)
    }

    fn judge(&mut self, what: &Watching, over: bool) -> Answer {
        if self.silent >= LOOKS {
            return Answer::NotKnown(format!("{} does not answer", self.name));
        }
        if self.restarted {
            return Answer::NotKnown(format!("{} was started again", self.name));
        }
        if self.silent > 0 {
            return if over { Answer::Again } else { Answer::Fine };
        }
        let Some(answer) = self.beyond(what, over) else {
            self.over = 0;
            return Answer::Fine;
        };
        self.over += 1;
        match answer {
            answer if self.over >= LOOKS => answer,
            _ if over => Answer::Again,
            _ => Answer::Fine,
        }
    }

    fn in_words(&self) -> Option<String> {
        let last = self.last.as_ref()?;
        let percent = |value: u64| format!("{:.0} %", value as f64 / 1000.0);
        let cpu = self.cpu().map_or_else(String::new, |cpu| format!("processors {}, ", percent(cpu)));
        Some(format!("{}: {cpu}memory {}, disk {}", self.name, percent(last.memory), percent(last.disk)))
    }
}

fn watching(unit: &Unit) -> Result<&Watching, Failure> {
    match &unit.action {
        Action::Watch(what) => Ok(what),
        _ => Err(Failure::clean(Fault::Windlass, format!("unit {} is nothing to watch", unit.id))),
    }
}

impl WatchDriver {
    fn begin<'a>(&'a self, cx: &'a Context, unit: &'a Unit) -> Result<Watch<'a>, Failure> {
        // What was measured is in the facts of the unit in front.
        let measured = cx.plan.before(&unit.id).filter(|(_, unit)| matches!(unit.action, Action::Watch(_)));
        let facts = measured.filter_map(|(_, unit)| cx.facts.get(&unit.id)).last();
        let before = facts.and_then(|facts| Before::deserialize(facts).ok()).unwrap_or_default();
        Ok(Watch { driver: self, cx, what: watching(unit)?, before })
    }
}

#[async_trait]
impl Driver for WatchDriver {
    async fn survey(&self, cx: &Context, unit: &Unit) -> Result<Survey, Failure> {
        let watch = self.begin(cx, unit)?;
        let mut survey = Survey::default();
        if watch.what.for_ms.is_none() {
            return Ok(survey);
        }
        let mut machines = watch.machines();
        look(&mut machines).await;
        for machine in &machines {
            survey.effects.extend(machine.in_words());
            if machine.last.is_none() {
                survey.problems.push(format!("{} does not say how busy it is", machine.name));
            }
        }
        if watch.what.limits.of_requests() && watch.what.services.is_empty() {
            survey
                .effects
                .push("requests are not watched: no service of this release has a proxy".to_owned());
        }
        Ok(survey)
    }

    async fn capture(&self, _: &Context, _: &Unit) -> Result<Capsule, Failure> {
        Ok(Capsule::default())
    }

    async fn apply(&self, cx: &Context, unit: &Unit, _: &Capsule) -> Result<Done, Failure> {
        let watch = self.begin(cx, unit)?;
        if let Some(ms) = watch.what.for_ms {
            return watch.watch(Duration::from_millis(ms)).await;
        }
        let before = watch.measure().await?;
        let facts = serde_json::to_value(&before).unwrap_or_default();
        Ok(Done { changed: false, facts, ..Done::default() })
    }

    async fn undo(&self, _: &Context, _: &Unit, _: &Capsule, _: Option<&Done>) -> Result<Done, Failure> {
        Ok(Done::default())
    }

    async fn inspect(&self, _: &Context, _: &Unit, _: &Capsule, _: Way) -> Found {
        Found::NotApplied
    }
}

#[cfg(test)]
mod tests;
