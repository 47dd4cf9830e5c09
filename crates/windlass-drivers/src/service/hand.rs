//! Services by hand: what the command line shows and does, over the same code as units.

use super::{
    front::{FrontError, Fronts},
    instance::{Instances, Life},
    job::{Job, Program, broken},
    site::{Site, program},
    spec::{Limits, Origin, Phase, unix_ms},
    world::{FrontLook, Live, Wanted},
};
use serde::{Deserialize, Serialize};
use std::{ffi::OsString, path::Path, sync::Arc};
use windlass_driver::{Done, Failure, Fault};
use windlass_plan::{Service, Target, Way};
use windlass_proxy::control::{Request, Status, Upstream};

/// One instance, for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Name of its folder.
    pub instance: String,
    /// Version.
    pub version: String,
    /// Port.
    pub port: u16,
    /// Process id of the service, when it runs.
    pub pid: Option<u32>,
    /// Where it is in its life.
    pub phase: Phase,
    /// False when its supervisor was killed: it is not started again when it ends.
    pub supervised: bool,
    /// How long it has been in this phase, milliseconds.
    pub since_ms: u64,
    /// How often it ended by itself.
    pub restarts: u32,
    /// How it ended the last time by itself.
    pub last_exit: Option<String>,
    /// What one health check said: `None`: not asked.
    pub health: Option<Result<(), String>>,
    /// Its log.
    pub log: std::path::PathBuf,
}

/// A service, for a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Name.
    pub service: String,
    /// Instances that live, and the newest one when none does.
    pub instances: Vec<InstanceStatus>,
    /// The proxy, when it answers.
    pub proxy: Option<Status>,
}

impl ServiceStatus {
    /// A line for each instance and one for the proxy.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.instances.iter().map(InstanceStatus::line).collect();
        if lines.is_empty() {
            lines.push("never started".to_owned());
        }
        if let Some(proxy) = &self.proxy {
            let held =
                proxy.holding_ms.map_or_else(String::new, |ms| format!(", holding requests for {ms} ms"));
            let to: Vec<String> = proxy
                .upstreams
                .iter()
                .map(|one| {
                    let Upstream { address, version, weight, .. } = &one.upstream;
                    let share = if *weight == 100 { String::new() } else { format!(", {weight} %") };
                    format!("{address} ({version}{share})")
                })
                .collect();
            let closed = match (proxy.maintenance, proxy.readonly) {
                (true, _) => ", maintenance: all is answered 503",
                (false, true) => ", writes are answered 503",
                (false, false) => "",
            };
            lines.push(format!("proxy {} → {}{held}{closed}", proxy.listen, to.join(", ")));
        }
        lines
    }
}

impl InstanceStatus {
    fn line(&self) -> String {
        let phase = match self.phase {
            Phase::Starting => "starting",
            Phase::Running => "up",
            Phase::Backoff => "crashed, waiting to be started again",
            Phase::Stopping => "stopping",
            Phase::Stopped => "stopped",
            Phase::GaveUp => "crashed too often, given up",
        };
        let pid = self.pid.map_or_else(String::new, |pid| format!(", pid {pid}"));
        let alone = if self.supervised || self.pid.is_none() { "" } else { ", without its supervisor" };
        let exit = self.last_exit.as_ref().map_or_else(String::new, |how| format!(", last exit: {how}"));
        let health = match &self.health {
            None => String::new(),
            Some(Ok(())) => ", healthy".to_owned(),
            Some(Err(why)) => format!(", not healthy: {why}"),
        };
        format!(
            "instance {} version {} {phase} for {} s{pid}, port {}, restarts {}{exit}{alone}{health}",
            self.instance,
            self.version,
            self.since_ms / 1000,
            self.port,
            self.restarts
        )
    }
}

/// What is known of a service from its files and its proxy (`proxy`: ask it there), without its configuration, so
/// without a health check.
///
/// # Errors
/// Its files cannot be read.
pub async fn service_status(base: &Path, name: &str) -> Result<ServiceStatus, Failure> {
    let proxy = super::front::socket(base, name).call(&Request::Status).await.ok();
    status_of(base, name, proxy, None).await
}

/// The same with a proxy status that is known, and with one health check when the configuration is.
pub(super) async fn status_of(
    base: &Path,
    name: &str,
    proxy: Option<Status>,
    site: Option<&Site>,
) -> Result<ServiceStatus, Failure> {
    let unreadable = |error| broken(&format!("the instances of {name} cannot be read"), &error);
    let all = Instances::of(base, name).all().map_err(unreadable)?;
    let newest = all.last().map(|instance| instance.number);
    let mut instances = vec![];
    for instance in &all {
        let life = instance.life().map_err(unreadable)?;
        let Some(state) = life.state() else { continue };
        if life.lives() || Some(instance.number) == newest {
            let probe = site.filter(|_| life.pid().is_some()).map(|site| site.probe(&instance.spec));
            let health = match probe {
                None => None,
                Some(Err(failure)) => Some(Err(failure.message)),
                Some(Ok(probe)) => Some(probe.once().await),
            };
            instances.push(InstanceStatus {
                instance: instance.name(),
                version: instance.spec.version.clone(),
                port: instance.spec.port,
                pid: life.pid(),
                phase: if life.lives() || state.phase == Phase::GaveUp {
                    state.phase
                } else {
                    Phase::Stopped
                },
                supervised: matches!(life, Life::Supervised { .. }),
                since_ms: unix_ms().saturating_sub(state.since_unix_ms),
                restarts: state.restarts,
                last_exit: state.last_exit.clone(),
                health,
                log: instance.folder.log(),
            });
        }
    }
    if instances.iter().any(|instance| instance.pid.is_some()) {
        instances.retain(|instance| instance.pid.is_some() || instance.phase == Phase::Backoff);
    }
    Ok(ServiceStatus { service: name.to_owned(), instances, proxy })
}

/// A person working on one service.
#[derive(Clone)]
pub struct Hand {
    site: Site,
    say: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Hand {
    /// A service as configured, its target, and the command that runs a supervisor.
    ///
    /// # Errors
    /// It is not a service that this version runs.
    pub fn new(
        base: &Path,
        name: &str,
        service: &Service,
        target: Option<&Target>,
        supervisor: Vec<OsString>,
    ) -> Result<Self, Failure> {
        Self::with_fronts(base, name, service, target, supervisor, &super::front::fronts())
    }

    pub(super) fn with_fronts(
        base: &Path,
        name: &str,
        service: &Service,
        target: Option<&Target>,
        supervisor: Vec<OsString>,
        fronts: &Fronts,
    ) -> Result<Self, Failure> {
        let (argv, cwd) = program(base, name, service, target)?;
        let site = Site {
            base: base.to_owned(),
            name: name.to_owned(),
            service: service.clone(),
            argv,
            cwd,
            supervisor,
            limits: Limits::default(),
            front: service.proxy.as_ref().map(|proxy| fronts(base, name, proxy)),
        };
        Ok(Self { site, say: Arc::new(|_| ()) })
    }

    /// Progress goes here, one line each.
    #[must_use]
    pub fn telling(mut self, say: Arc<dyn Fn(&str) + Send + Sync>) -> Self {
        self.say = say;
        self
    }

    fn job(&self) -> Job<'_> {
        // Its own for each command, so that a restart does not take what an earlier start made for its own work.
        let unit = format!("by hand {} {}", unix_ms(), std::process::id());
        Job {
            site: &self.site,
            origin: Origin { run: String::new(), unit, way: Way::Forward, attempt: 1 },
            say: self.say.clone(),
            mask: Arc::new(str::to_owned),
            start_within_ms: self.site.service.start_within_ms,
            held_total: 0,
            stopping: Default::default(),
        }
    }

    /// The version to start when none is given: that of the newest instance that ever got requests.
    fn version(&self) -> Result<String, Failure> {
        let all = Instances::of(&self.site.base, &self.site.name).all().map_err(|error| {
            broken(&format!("the instances of {} cannot be read", self.site.name), &error)
        })?;
        let ready = all.iter().rev().find(|instance| matches!(instance.ready(), Ok(Some(_))));
        ready.map(|instance| instance.spec.version.clone()).ok_or_else(|| {
            Failure::clean(
                Fault::Document,
                format!("{} was never started, so its version is not known", self.site.name),
            )
            .hint(format!("windlass service start {} --version VERSION", self.site.name))
        })
    }

    fn program(&self, version: Option<&str>) -> Result<Program, Failure> {
        let version = version.map_or_else(|| self.version(), |version| Ok(version.to_owned()))?;
        Ok(Program { version, argv: self.site.argv.clone(), cwd: self.site.cwd.clone() })
    }

    /// What is there, with one health check.
    ///
    /// # Errors
    /// The files of the service cannot be read.
    pub async fn status(&self) -> Result<ServiceStatus, Failure> {
        let world = self.job().look().await?;
        status_of(&self.site.base, &self.site.name, world.front.status().cloned(), Some(&self.site)).await
    }

    /// Holds requests and ends all instances. A proxy that does not run lets no request through, so that none is held
    /// and it is no reason to leave the service running.
    ///
    /// # Errors
    /// The proxy runs and does not hold, or an instance cannot be ended; requests may then be held.
    pub async fn stop(&self) -> Result<Done, Failure> {
        let job = self.job();
        let work = async {
            match job.look().await?.front {
                FrontLook::Silent(FrontError::Down(why)) => (self.say)(&format!(
                    "{}: its proxy does not run ({why}): no request comes through it, none is held\n",
                    self.site.name
                )),
                _ => drop(job.hold().await?),
            }
            let effects = job.stop(|_| true).await?;
            Ok(Done { changed: !effects.is_empty(), effects, ..Done::default() })
        };
        self.alone(&job, work).await
    }

    /// Starts it unless it runs (`version` absent: the one that ran last), waits for health, lets requests through.
    /// A process that never got requests and is not healthy is replaced; one that served is left as it is.
    ///
    /// # Errors
    /// The proxy does not answer; then nothing was started. What it started does not get healthy; then it was stopped
    /// again and requests stay held. Or what ran before is not healthy.
    pub async fn start(&self, version: Option<&str>) -> Result<Done, Failure> {
        let job = self.job();
        self.alone(&job, self.start_or_keep(&job, version)).await
    }

    async fn start_or_keep(&self, job: &Job<'_>, version: Option<&str>) -> Result<Done, Failure> {
        let world = job.fronted().await?;
        let Some(live) = world.serving(|instance| !instance.ending()) else {
            job.takes_changes().await?;
            let live = job.bring_up(&self.program(version)?, &Wanted::Nothing).await?;
            return job.serve(&live, true).await;
        };
        let running = Program::of(&live.instance.spec);
        let served = live.instance.ready().map_err(|error| broken("ready.json", &error))?.is_some();
        let same = version.is_none_or(|version| version == running.version);
        if !served {
            return self.start_or_replace(job, live, version.unwrap_or(&running.version), same).await;
        }
        if version.is_some_and(|version| version != running.version) {
            let runs = format!("{} runs already, as version {}", self.site.name, running.version);
            return Err(Failure::clean(Fault::Document, runs)
                .hint(format!("windlass service restart {}", self.site.name)));
        }
        let live = job.bring_up(&running, &Wanted::Numbered(live.instance.number)).await?;
        job.serve(&live, true).await
    }

    /// With a process that never got requests, because the command that started it was killed: it is waited for while
    /// it has time to get healthy, and then replaced. Nobody loses anything by that.
    async fn start_or_replace(
        &self,
        job: &Job<'_>,
        live: &Live,
        version: &str,
        same: bool,
    ) -> Result<Done, Failure> {
        let number = live.instance.number;
        let wanted = Wanted::Numbered(number);
        let found = match same {
            true => job.bring_up(&Program::of(&live.instance.spec), &wanted).await.ok(),
            false => None,
        };
        if let Some(live) = found {
            return job.serve(&live, true).await;
        }
        (self.say)(&format!(
            "{}: instance {} never served and is not what was asked for: it is replaced\n",
            self.site.name,
            live.instance.name()
        ));
        let mut effects = job.stop(|instance| instance.number == number).await?;
        let live = job.bring_up(&self.program(Some(version))?, &Wanted::Nothing).await?;
        let done = job.serve(&live, true).await?;
        effects.extend(done.effects);
        Ok(Done { effects, ..done })
    }

    /// Replaces it by its strategy.
    ///
    /// # Errors
    /// As `start`; by `bluegreen` the old instance then still serves.
    pub async fn restart(&self, version: Option<&str>) -> Result<Done, Failure> {
        let job = self.job();
        let program = self.program(version)?;
        let own = Wanted::Made(job.origin.clone());
        let work = async {
            job.fronted().await?;
            job.takes_changes().await?;
            job.replace(&program, &own, true).await
        };
        self.alone(&job, work).await
    }

    /// Does the work while no other command works on the service; a failure says whether requests wait.
    async fn alone(
        &self,
        job: &Job<'_>,
        work: impl Future<Output = Result<Done, Failure>>,
    ) -> Result<Done, Failure> {
        let _turn = job.turn().await?;
        job.calm().await?;
        match work.await {
            Ok(done) => Ok(done),
            Err(failure) => match job.look().await {
                Ok(world) => Err(job.tell_hold(failure, &world)),
                Err(_) => Err(failure),
            },
        }
    }
}
