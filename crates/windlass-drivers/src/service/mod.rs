//! Services: stopped, started and replaced so that the proxy in front holds or switches the requests.
//!
//! | operation | with a proxy | undo |
//! |---|---|---|
//! | stop | hold (in-flight requests finish), end the process | start what ran before, wait for health, switch and resume |
//! | start | new instance on a free port, wait for health, switch and resume | hold, end what it started |
//! | restart, `recreate` | hold, end, start, wait for health, switch and resume | the same back to what ran before |
//! | restart, `bluegreen`, `rolling` | start beside, wait for health, switch (the old one drains), end the old | the same back |
//! | keep | nothing; in front of all changes, where files are changed before a stop or restart | last of all: start again on the files as they are then |
//! | restart, `canary` | start beside, wait for health, a share of the clients after the other while both are compared, end the old | at once, as `bluegreen` |
//!
//! # What `inspect` answers
//! Each unit has a world before and a world after it (`work::goals`); undo exchanges them. "Made" is an instance whose
//! specification carries the run and the unit; "previous" is the one in the capsule or one that runs the same program
//! of the same version and was not made by the unit. An instance that someone has begun to end is neither.
//!
//! | operation | living instances | requests | answer forward | answer undo |
//! |---|---|---|---|---|
//! | stop | previous | not held | not applied | applied if it gets the requests, else failed in part |
//! | stop | previous | held | failed in part: held, not stopped | failed in part |
//! | stop | being ended | any | failed in part | failed in part |
//! | stop | none | held, or no proxy | applied | not applied |
//! | stop | none | not held | failed in part: stopped, not held | failed in part |
//! | start | none | as before | not applied | applied |
//! | start | none | otherwise | failed in part | failed in part |
//! | start | made | gets them, not held | applied | not applied |
//! | start | made | elsewhere | failed in part: started, not switched | not applied |
//! | start | made | held | failed in part: started, not switched | failed in part |
//! | restart | previous | as before | not applied | applied if it gets the requests, else failed in part |
//! | restart | made | gets them, as before | applied | not applied |
//! | restart | both, or none | any | failed in part | failed in part |
//! | any | another one | any | failed in part | failed in part |
//! | any | any | the proxy does not run | failed in part | failed in part |
//! | any | any | the proxy does not answer | unknown | unknown |
//!
//! "Failed in part" lets the engine repeat or undo: both finish what was begun, whatever point it reached. An instance
//! that has a specification but no supervisor yet is marked stopped before the answer, so that a supervisor that is
//! late ends without starting anything.
//!
//! A person who asks to stop is heard while a canary is watched: both versions serve then, and a resume goes on at the same share. Elsewhere
//! not: every wait is bounded, and ending in the middle would leave requests held.
//!
//! A command that the proxy has received but not yet carried out when its sender is killed is not seen; the proxy
//! carries it out within milliseconds, a new controller starts in more.

mod canary;
mod front;
mod hand;
mod health;
mod instance;
mod job;
mod logs;
mod mode;
mod port;
mod site;
mod spec;
mod supervise;
mod verdict;
mod work;
mod world;

pub use crate::process::ProcessId;
pub use front::{Front, FrontError, Fronts, Mode, fronts};
pub use hand::{Hand, InstanceStatus, ServiceStatus, service_status};
pub(crate) use health::Probe;
pub(crate) use site::address;
pub use spec::{Limits, Origin, Phase, Spec, State};
pub use supervise::{SuperviseError, supervise};
pub(crate) use verdict::{Seen, Verdict, judge};

use async_trait::async_trait;
use job::{Job, Program, broken};
use mode::Turn;
use site::Site;
use spec::{read_json, write_json};
use std::{ffi::OsString, fs};
use windlass_driver::{Capsule, Context, Done, Driver, Failure, Fault, Found, Survey};
use windlass_plan::{Action, ServiceOperation, Strategy, Unit, Way};
use work::{KEPT, Rest, Work};
use world::{Captured, FrontLook, Previous, World};

/// Driver of services that are plain processes of this machine.
#[derive(Clone)]
pub struct ServiceDriver {
    supervisor: Vec<OsString>,
    fronts: Fronts,
    limits: Limits,
}

impl ServiceDriver {
    /// `supervisor` is the command whose process calls [`supervise`]; the path of the specification is added to it.
    #[must_use]
    pub fn new(supervisor: Vec<OsString>) -> Self {
        Self { supervisor, fronts: front::fronts(), limits: Limits::default() }
    }

    /// Reaches proxies another way.
    #[must_use]
    pub fn with_fronts(mut self, fronts: Fronts) -> Self {
        self.fronts = fronts;
        self
    }

    /// Other bounds for the supervisors that it starts.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    fn site(&self, cx: &Context, unit: &Unit) -> Result<(Site, ServiceOperation), Failure> {
        let Action::Service { service: name, operation } = &unit.action else {
            return Err(Failure::clean(
                Fault::Windlass,
                format!("unit {} was given to the service driver but is none of its actions", unit.id),
            ));
        };
        let (service, argv, cwd) = site::find(&cx.plan, &cx.base, name)?;
        let front = service.proxy.as_ref().map(|proxy| (self.fronts)(&cx.base, name, proxy));
        let site = Site {
            base: cx.base.clone(),
            name: name.clone(),
            service: service.clone(),
            argv,
            cwd,
            supervisor: self.supervisor.clone(),
            limits: self.limits,
            front,
        };
        Ok((site, *operation))
    }
}

/// What this unit captured the first time, in its workspace: a later try finds the world half changed.
const CAPTURED: &str = "service.json";

impl ServiceDriver {
    fn work<'a>(
        cx: &Context,
        unit: &Unit,
        way: Way,
        (site, operation): (&'a Site, ServiceOperation),
        captured: Captured,
    ) -> Work<'a> {
        let noted = |facts: &serde_json::Value| {
            (facts.get("service")?.as_str()? == site.name)
                .then(|| facts.get("held_total")?.as_u64())
                .flatten()
        };
        // The stop before a start began the hold, so what it saw is where counting starts.
        let held_total = cx.facts.values().filter_map(noted).min().unwrap_or(captured.held_total);
        let origin = |way| Origin { run: cx.run.clone(), unit: unit.id.0.clone(), way, attempt: cx.attempt };
        let configured = site.service.start_within_ms;
        let secrets = cx.secrets.clone();
        Work {
            job: Job {
                site,
                origin: origin(way),
                say: cx.output.clone(),
                mask: std::sync::Arc::new(move |text| secrets.mask(text)),
                start_within_ms: cx.timeout_ms.map_or(configured, |limit| limit.min(configured)),
                held_total,
                stopping: cx.stopping.clone(),
            },
            operation,
            made: origin(Way::Forward),
            captured,
            program: Program {
                version: cx.plan.release.version.clone(),
                argv: site.argv.clone(),
                cwd: site.cwd.clone(),
            },
            kept: rest(cx, unit, operation, site),
        }
    }

    /// Runs one way of a unit and lets the world say what a failure has left.
    async fn go(&self, cx: &Context, unit: &Unit, capsule: &Capsule, way: Way) -> Result<Done, Failure> {
        if let Some(turn) = Turn::of(&self.fronts, cx, unit)? {
            return turn.go(unit, capsule, way).await;
        }
        let (site, operation) = self.site(cx, unit)?;
        let work = Self::work(cx, unit, way, (&site, operation), capsule.read(unit)?);
        let (before, after) = work.goals();
        let _turn = match work.job.turn().await {
            Err(failure) if cx.attempt == 1 && way == Way::Forward => return Err(failure),
            Err(failure) => return Err(work.job.judge(failure, &after, false).await),
            Ok(turn) => turn,
        };
        let (result, start) = match way {
            Way::Forward => (work.apply().await, before),
            Way::Undo => (work.undo().await, after),
        };
        match result {
            Ok(done) => Ok(done),
            Err(failure) => Err(work.job.judge(failure, &start, cx.attempt == 1).await),
        }
    }
}

/// Of a unit that another before it keeps, as far as that one has noted anything. A server that is there already has words in its files for
/// what runs, and they have to be as they were before those files go back: there the way back is done in its place, and once more at its end.
fn rest(cx: &Context, unit: &Unit, operation: ServiceOperation, site: &Site) -> Option<Rest> {
    if operation == ServiceOperation::Keep
        || site.service.proxy.as_ref().is_some_and(|proxy| proxy.server.is_some())
    {
        return None;
    }
    let keeps = |other: &Unit| {
        let fact = cx.facts.get(&other.id).and_then(|facts| facts.get(KEPT)?.as_str());
        fact == Some(site.name.as_str())
    };
    cx.plan.before(&unit.id).any(|(_, other)| keeps(other)).then(
        || match crate::systemd::a_database_goes_back(cx, unit) {
            true => Rest::StandsStill,
            false => Rest::Serves,
        },
    )
}

/// Why this service cannot be worked on as it stands, one line each.
async fn problems(work: &Work<'_>, world: &World, from: Option<&str>) -> Vec<String> {
    let mut problems = vec![];
    if work.operation == ServiceOperation::Keep {
        // What stands in the way of a stop or restart is said there; before that it may well be mended.
        return problems;
    }
    let (job, service) = (&work.job, &work.job.site.service);
    if let FrontLook::Silent(error) = &world.front {
        let failure = job.silent(error);
        problems.push(format!("{}; type: {}", failure.message, failure.hints.join(" or ")));
    }
    // What a later start finds is this run's own doing, so only what is serving now is compared.
    let serving = world.serving(|instance| !instance.ending()).map(|live| &live.instance.spec.version);
    if let (Some(from), Some(serving)) = (from, serving)
        && matches!(work.operation, ServiceOperation::Stop | ServiceOperation::Restart)
        && from != serving
    {
        let name = &job.site.name;
        problems.push(format!("{name} serves version {serving}, but the document says `from: {from}`"));
    }
    let away = match work.operation {
        ServiceOperation::Stop => true,
        ServiceOperation::Restart => service.strategy == Strategy::Recreate,
        ServiceOperation::Start | ServiceOperation::Keep => false,
    };
    if let (FrontLook::Up(_), Some(front)) = (&world.front, job.front()) {
        let refusals = [front.ready().await.err(), if away { front.can_hold().await.err() } else { None }];
        problems.extend(refusals.into_iter().flatten().map(|error| job.silent(&error).message));
    }
    if work.operation == ServiceOperation::Restart {
        let refusal = match service.strategy {
            Strategy::Recreate => None,
            Strategy::Bluegreen | Strategy::Rolling | Strategy::Canary => job.site.beside().err(),
        };
        problems.extend(refusal.map(|failure| failure.message));
    }
    problems
}

#[async_trait]
impl Driver for ServiceDriver {
    async fn survey(&self, cx: &Context, unit: &Unit) -> Result<Survey, Failure> {
        if let Some(turn) = Turn::of(&self.fronts, cx, unit)? {
            return Ok(turn.survey().await);
        }
        let (site, operation) = self.site(cx, unit)?;
        let work = Self::work(cx, unit, Way::Forward, (&site, operation), Captured::default());
        let world = work.job.look().await?;
        let status =
            hand::status_of(&site.base, &site.name, world.front.status().cloned(), Some(&site)).await?;
        let verb = match operation {
            ServiceOperation::Stop => "is stopped",
            ServiceOperation::Start => "is started",
            ServiceOperation::Restart => "is restarted",
            ServiceOperation::Keep => "is noted for the way back",
        };
        let mut effects = vec![format!("{} {verb}; now: {}", site.name, status.lines().join("; "))];
        let beside = operation == ServiceOperation::Restart && site.service.strategy != Strategy::Recreate;
        let waits = operation != ServiceOperation::Keep && !beside;
        if let Some(proxy) = site.service.proxy.as_ref().filter(|_| waits) {
            effects.push(format!(
                "requests to {} {}, those in flight get {} ms to finish",
                proxy.title(),
                proxy.meanwhile(),
                proxy.drain_ms
            ));
        }
        if let (ServiceOperation::Restart, Some(canary)) = (operation, &site.service.canary) {
            effects.push(canary::in_words(canary));
        }
        Ok(Survey { effects, problems: problems(&work, &world, cx.plan.release.from.as_deref()).await })
    }

    async fn capture(&self, cx: &Context, unit: &Unit) -> Result<Capsule, Failure> {
        if let Some(turn) = Turn::of(&self.fronts, cx, unit)? {
            return turn.capture(unit).await;
        }
        let (site, operation) = self.site(cx, unit)?;
        let work = Self::work(cx, unit, Way::Forward, (&site, operation), Captured::default());
        let world = work.job.look().await?;
        let keeps = operation == ServiceOperation::Keep;
        match &world.front {
            // Nobody is asked for anything yet.
            FrontLook::Silent(_) if keeps => {}
            FrontLook::Silent(error) => {
                return Err(Failure { effect: windlass_driver::Effect::None, ..work.job.silent(error) });
            }
            _ if keeps => {}
            _ => work.job.takes_changes().await?,
        }
        let path = cx.workspace.join(CAPTURED);
        let noted: Option<Captured> = read_json(&path)
            .map_err(|error| broken("what an earlier try captured cannot be read", &error))?;
        let serving =
            world.serving(|instance| !instance.ending() && !instance.spec.origin.same_work(&work.made));
        let pid = serving.and_then(|live| live.life.pid());
        let previous = serving
            .map(|live| Previous { number: live.instance.number, spec: live.instance.spec.clone() })
            .or_else(|| noted.as_ref().and_then(|noted| noted.previous.clone()));
        let captured = Captured {
            previous,
            pid: noted.as_ref().map_or(pid, |noted| noted.pid),
            held: noted.as_ref().map_or(world.front.held() == Some(true), |noted| noted.held),
            held_total: noted
                .as_ref()
                .map_or(world.front.status().map_or(0, |status| status.held), |noted| noted.held_total),
            words: match noted {
                Some(noted) => noted.words,
                None if matches!(world.front, FrontLook::Silent(_)) => None,
                None => work.job.words().await?,
            },
        };
        fs::create_dir_all(&cx.workspace)
            .and_then(|()| write_json(&path, &captured))
            .map_err(|error| broken(&format!("{} cannot be written", path.display()), &error))?;
        Capsule::of(unit, &captured)
    }

    async fn apply(&self, cx: &Context, unit: &Unit, capsule: &Capsule) -> Result<Done, Failure> {
        self.go(cx, unit, capsule, Way::Forward).await
    }

    async fn undo(
        &self,
        cx: &Context,
        unit: &Unit,
        capsule: &Capsule,
        _: Option<&Done>,
    ) -> Result<Done, Failure> {
        self.go(cx, unit, capsule, Way::Undo).await
    }

    async fn inspect(&self, cx: &Context, unit: &Unit, capsule: &Capsule, way: Way) -> Found {
        let found = async {
            if let Some(turn) = Turn::of(&self.fronts, cx, unit)? {
                return turn.inspect(unit, capsule, way).await;
            }
            let (site, operation) = self.site(cx, unit)?;
            let work = Self::work(cx, unit, way, (&site, operation), capsule.read(unit)?);
            work.inspect(way).await
        };
        found.await.unwrap_or_else(|failure| Found::Unknown(failure.message))
    }
}
