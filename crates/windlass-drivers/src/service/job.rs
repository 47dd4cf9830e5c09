//! The work on one service: hold, stop, start, wait for health, switch. Used by the driver for units and by the
//! command line for a person.

use super::{
    front::{Front, FrontError, silent},
    health::Unhealthy,
    instance::{Instance, Instances, Life, Ready},
    port,
    site::Site,
    spec::{Origin, Spec, write_json},
    world::{FrontLook, Goal, Live, Wanted, World},
};
use std::{fs, io, sync::Arc};
use windlass_driver::{Done, Effect, Failure, Fault, Stopping};
use windlass_plan::Strategy;
use windlass_proxy::control::{Request, Status, Upstream};

/// Longest wait for another command that works on the same service, milliseconds.
const TURN_MS_MAX: u64 = 5_000;

/// Tries with another port when the chosen one was taken meanwhile.
const PORT_TRIES: u32 = 3;

/// How long a process that had its time to get healthy is asked again, milliseconds.
const SICK_MS: u64 = 2_000;

/// What an instance is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Version label.
    pub version: String,
    /// Program and arguments, with `{port}`.
    pub argv: Vec<String>,
    /// Working folder.
    pub cwd: std::path::PathBuf,
}

impl Program {
    /// The one that an instance ran.
    pub fn of(spec: &Spec) -> Self {
        Self { version: spec.version.clone(), argv: spec.argv.clone(), cwd: spec.cwd.clone() }
    }
}

/// One piece of work on a service.
pub struct Job<'a> {
    /// The service.
    pub site: &'a Site,
    /// Who does it.
    pub origin: Origin,
    /// Progress, for the person watching.
    pub say: Arc<dyn Fn(&str) + Send + Sync>,
    /// Replaces secrets in text.
    pub mask: Arc<dyn Fn(&str) -> String + Send + Sync>,
    /// Health must be green within this, milliseconds.
    pub start_within_ms: u64,
    /// Requests ever held before this service was held for the work.
    pub held_total: u64,
    /// Turns true when a person asked to stop: heard while a share of the clients is watched.
    pub stopping: Stopping,
}

/// What an error of the machine is to the person.
pub fn broken(what: &str, error: &io::Error) -> Failure {
    Failure::clean(Fault::Transport, format!("{what}: {error}"))
}

impl Job<'_> {
    pub(super) fn name(&self) -> &str {
        &self.site.name
    }

    fn instances(&self) -> Instances {
        Instances::of(&self.site.base, self.name())
    }

    pub(super) fn front(&self) -> Option<&dyn Front> {
        self.site.front.as_deref()
    }

    /// What is there now.
    pub async fn look(&self) -> Result<World, Failure> {
        World::look(&self.instances(), self.front())
            .await
            .map_err(|error| broken(&format!("the instances of {} cannot be read", self.name()), &error))
    }

    /// Waits until no other command works on this service; ends with the value.
    pub async fn turn(&self) -> Result<fs::File, Failure> {
        let root = self.instances().root().to_owned();
        let lock = async {
            fs::create_dir_all(&root)?;
            super::spec::lock(&root.join("lock"), TURN_MS_MAX).await
        };
        lock.await.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => Failure::clean(
                Fault::Transport,
                format!("another windlass command has been working on {} for {TURN_MS_MAX} ms", self.name()),
            )
            .retryable(),
            _ => broken(&format!("{} cannot be locked", root.display()), &error),
        })
    }

    /// Makes sure that no instance is left that has not begun and still could, and that one that is ending has ended.
    pub async fn calm(&self) -> Result<(), Failure> {
        let calm = async {
            for instance in self.instances().all()? {
                let life = instance.life()?;
                let ending = life.state().is_some_and(|state| state.phase == super::spec::Phase::Stopping);
                if life == Life::Unborn || (life.lives() && ending) {
                    instance.stop().await?;
                }
            }
            Ok(())
        };
        calm.await.map_err(|error| {
            broken(&format!("the instances of {} cannot be settled", self.name()), &error)
        })?;
        match self.front() {
            None => Ok(()),
            Some(front) => front.settle().await.map_err(|error| self.silent(&error)),
        }
    }

    pub(super) async fn ask(&self, front: &dyn Front, request: &Request) -> Result<Status, Failure> {
        front.call(request).await.map_err(|error| self.silent(&error))
    }

    /// The failure when the proxy did not do what it was asked.
    pub fn silent(&self, error: &FrontError) -> Failure {
        self.front().map_or_else(|| silent(self.name(), error), |front| front.failure(self.name(), error))
    }

    /// Refuses before anything is started that could not get requests.
    pub async fn fronted(&self) -> Result<World, Failure> {
        let world = self.look().await?;
        match &world.front {
            FrontLook::Silent(error) => Err(self.silent(error)),
            _ => Ok(world),
        }
    }

    /// Refuses before anything is started when what stands in front would take no change.
    pub async fn takes_changes(&self) -> Result<(), Failure> {
        let Some(front) = self.front() else { return Ok(()) };
        front.ready().await.map_err(|error| self.silent(&error))
    }

    /// Has the proxy hold requests; what it said.
    pub async fn hold(&self) -> Result<Option<Status>, Failure> {
        let (Some(front), Some(proxy)) = (self.front(), &self.site.service.proxy) else { return Ok(None) };
        (self.say)(&format!("{}: requests {}\n", self.name(), proxy.meanwhile()));
        let request = Request::Hold { hold_ms: proxy.hold_ms, drain_ms: proxy.drain_ms };
        self.ask(front, &request).await.map(Some)
    }

    /// What a server that is there already says, for the undo.
    pub async fn words(&self) -> Result<Option<String>, Failure> {
        let Some(front) = self.front() else { return Ok(None) };
        front.words().await.map_err(|error| self.silent(&error))
    }

    /// Puts that back; with `same` only where it means what is in force.
    pub async fn put_back(&self, words: Option<&str>, same: bool) -> Result<(), Failure> {
        let (Some(front), Some(words), Some(proxy)) = (self.front(), words, &self.site.service.proxy) else {
            return Ok(());
        };
        front.put_back(words, same, proxy.drain_ms).await.map_err(|error| self.silent(&error))
    }

    /// Lets held requests go on.
    pub async fn resume(&self) -> Result<(), Failure> {
        let Some(front) = self.front() else { return Ok(()) };
        (self.say)(&format!("{}: letting requests through\n", self.name()));
        self.ask(front, &Request::Resume).await.map(drop)
    }

    /// Ends all living instances that are chosen; one line for each that was.
    pub async fn stop(&self, chosen: impl Fn(&Instance) -> bool) -> Result<Vec<String>, Failure> {
        let mut effects = vec![];
        for Live { instance, life } in self.look().await?.live {
            if !chosen(&instance) {
                continue;
            }
            let pid = life.pid().map_or_else(String::new, |pid| format!(", pid {pid}"));
            let text = format!("instance {} (version {}{pid})", instance.name(), instance.spec.version);
            (self.say)(&format!("{}: stopping {text}\n", self.name()));
            instance.stop().await.map_err(|error| {
                Failure::partial(Fault::Target, format!("{}: {text} cannot be stopped: {error}", self.name()))
                    .retryable()
            })?;
            effects.push(format!("{} stopped: {text}", self.name()));
        }
        Ok(effects)
    }

    /// Brings up an instance of `program`: one that lives already and is `wanted`, else a new one. It is healthy
    /// when this returns; when it fails, the new one was stopped again.
    pub async fn bring_up(&self, program: &Program, wanted: &Wanted) -> Result<Live, Failure> {
        let world = self.look().await?;
        let fits = |instance: &Instance| wanted.is(instance) && !instance.ending();
        if let Some(live) = world.serving(fits) {
            let instance = live.instance.clone();
            if matches!(live.life, Life::Unsupervised { .. }) {
                (self.say)(&format!("{}: instance {} gets a new supervisor\n", self.name(), instance.name()));
                instance.supervise(&self.site.supervisor).map_err(|error| broken("supervisor", &error))?;
            }
            let crashes = live.life.state().map_or(0, |state| state.restarts);
            let age_ms = live.life.age_ms();
            // The time to get healthy begins when it starts, not when somebody asks.
            let within_ms = self.start_within_ms.saturating_sub(age_ms);
            let within_ms = within_ms.max(SICK_MS.min(self.start_within_ms));
            match self.healthy(&instance, crashes, within_ms).await {
                Ok(live) => return Ok(live),
                // One that was made by this work is replaced; anything else is not ours to end.
                Err(_) if instance.spec.origin.same_work(&self.origin) => {
                    self.stop(|other| other.number == instance.number).await?;
                }
                Err(failure) => return Err(self.sick(failure, age_ms)),
            }
        }
        let mut tries = 1;
        loop {
            match self.start_new(program).await {
                Err((failure, port))
                    if tries < PORT_TRIES && self.site.free_port() && port::lost(port, &failure.output) =>
                {
                    tries += 1;
                    (self.say)(&format!(
                        "{}: port {port} was taken meanwhile: {}\n",
                        self.name(),
                        failure.message
                    ));
                }
                result => return result.map_err(|(failure, _)| failure),
            }
        }
    }

    async fn start_new(&self, program: &Program) -> Result<Live, (Failure, u16)> {
        let port = self.site.port().map_err(|failure| (failure, 0))?;
        let spec = Spec {
            service: self.name().to_owned(),
            version: program.version.clone(),
            argv: program.argv.clone(),
            cwd: program.cwd.clone(),
            port,
            origin: self.origin.clone(),
            stop_within_ms: self.site.service.stop_within_ms,
            limits: self.site.limits,
        };
        let instance = self.instances().create(spec).map_err(|error| {
            (broken(&format!("no folder for a new instance of {}", self.name()), &error), port)
        })?;
        (self.say)(&format!(
            "{}: starting instance {} (version {}, port {port})\n",
            self.name(),
            instance.name(),
            program.version
        ));
        let started = match instance.supervise(&self.site.supervisor) {
            Ok(()) => instance.begun().await,
            error => error,
        };
        let result = match started {
            Ok(()) => self.healthy(&instance, 0, self.start_within_ms).await,
            Err(error) => Err(broken(&format!("{} cannot be started", self.name()), &error)),
        };
        match result {
            Ok(live) => Ok(live),
            Err(failure) => Err((self.take_down(&instance, failure).await, port)),
        }
    }

    async fn take_down(&self, instance: &Instance, failure: Failure) -> Failure {
        match instance.stop().await {
            Ok(_) => failure,
            Err(error) => Failure {
                effect: Effect::Partial,
                message: format!("{}; and it cannot be stopped again: {error}", failure.message),
                ..failure
            },
        }
    }

    /// What a start says of a process that was there before it and is not healthy.
    fn sick(&self, failure: Failure, age_ms: u64) -> Failure {
        let message = format!(
            "{}; it has been up for {} s and was not started by this: a start leaves it as it is, a restart replaces it",
            failure.message,
            age_ms / 1000
        );
        Failure { message, ..failure }.hint(format!("windlass service restart {}", self.name()))
    }

    /// Waits for health.
    async fn healthy(&self, instance: &Instance, crashes: u32, within_ms: u64) -> Result<Live, Failure> {
        let probe = self.site.probe(&instance.spec)?;
        let stable_ms = self.site.service.stable_ms;
        let result = probe.stable(instance, crashes, within_ms, stable_ms).await;
        let spec = &instance.spec;
        let subject =
            format!("{} {} (instance {}, port {})", self.name(), spec.version, instance.name(), spec.port);
        let message = match result {
            Ok(()) => {
                (self.say)(&format!("{}: instance {} is healthy\n", self.name(), instance.name()));
                let life = instance.life().map_err(|error| broken(&subject, &error))?;
                return Ok(Live { instance: instance.clone(), life });
            }
            Err(Unhealthy::Crashed(how)) => format!("{subject} ended by itself while it started: {how}"),
            Err(Unhealthy::Late(why)) => {
                format!("{subject} was not healthy within {within_ms} ms: {why}")
            }
            Err(Unhealthy::Io(why)) => format!("{subject} cannot be watched: {why}"),
        };
        // Not to be repeated by itself: requests wait meanwhile, and what crashed or was not healthy for the whole
        // time is the same the next time. A port taken by another is tried again where it is chosen.
        Err(Failure::clean(Fault::Target, (self.mask)(&message))
            .output(windlass_driver::excerpt(&(self.mask)(&instance.tail().join("\n"))))
            .hint(format!("less {}", instance.folder.log().display())))
    }

    /// An instance as the proxy is told of it.
    pub(super) fn upstream(&self, live: &Live, weight: u8) -> Result<Upstream, Failure> {
        let spec = &live.instance.spec;
        let (address, health) = self.site.upstream(spec)?;
        Ok(Upstream { version: spec.version.clone(), address, weight, health })
    }

    /// Gives the requests to an instance and notes that it has them.
    pub async fn serve(&self, live: &Live, resume: bool) -> Result<Done, Failure> {
        let mut ready = Ready::default();
        if let (Some(front), Some(proxy)) = (self.front(), &self.site.service.proxy) {
            let upstream = self.upstream(live, 100)?;
            let before = self.ask(front, &Request::Status).await?;
            (self.say)(&format!("{}: requests go to instance {}\n", self.name(), live.instance.name()));
            let request = Request::Switch { upstreams: vec![upstream], drain_ms: proxy.drain_ms, resume };
            let after = self.ask(front, &request).await?;
            ready.hold_ms = before.holding_ms.unwrap_or(0);
            // A proxy that was restarted meanwhile counts from zero again.
            ready.held = after.held.checked_sub(self.held_total).unwrap_or(after.held);
        }
        write_json(&live.instance.folder.ready(), &ready).map_err(|error| {
            Failure::partial(
                Fault::Transport,
                format!("{} runs, but this cannot be noted: {error}", self.name()),
            )
            .retryable()
        })?;
        Ok(self.done(live, &ready))
    }

    /// What is reported of an instance that has the requests.
    pub fn done(&self, live: &Live, ready: &Ready) -> Done {
        let spec = &live.instance.spec;
        let pid = live.life.pid();
        let held = if ready.held > 0 || ready.hold_ms > 0 {
            format!("; {} requests were held, for {} ms", ready.held, ready.hold_ms)
        } else {
            String::new()
        };
        Done {
            changed: true,
            effects: vec![format!(
                "{} {} runs as instance {}, port {}, pid {}{held}",
                self.name(),
                spec.version,
                live.instance.name(),
                spec.port,
                pid.unwrap_or(0)
            )],
            output: String::new(),
            facts: serde_json::json!({
                "service": self.name(),
                "instance": live.instance.name(),
                "version": spec.version,
                "port": spec.port,
                "pid": pid,
                "hold_ms": ready.hold_ms,
                "held": ready.held,
            }),
        }
    }

    /// Replaces whatever runs by one instance that is `wanted`, by the strategy of the service.
    pub async fn replace(&self, program: &Program, wanted: &Wanted, resume: bool) -> Result<Done, Failure> {
        if let Strategy::Canary = self.site.service.strategy {
            self.site.beside()?;
            let live = self.bring_up(program, wanted).await?;
            self.in_steps(&live).await?;
            return self.take_over(&live, resume).await;
        }
        self.replace_at_once(program, wanted, resume).await
    }

    /// The same without steps: on the way back nobody waits for an answer that was given.
    pub async fn replace_at_once(
        &self,
        program: &Program,
        wanted: &Wanted,
        resume: bool,
    ) -> Result<Done, Failure> {
        match self.site.service.strategy {
            Strategy::Recreate => {
                self.hold().await?;
                let mut effects = self.stop(|instance| !wanted.is(instance) || instance.ending()).await?;
                let live = self.bring_up(program, wanted).await?;
                let mut done = self.serve(&live, resume).await?;
                effects.append(&mut done.effects);
                Ok(Done { effects, ..done })
            }
            // With one instance there is nothing to roll over: it is replaced beside the old one.
            Strategy::Bluegreen | Strategy::Rolling | Strategy::Canary => {
                self.site.beside()?;
                let live = self.bring_up(program, wanted).await?;
                self.take_over(&live, resume).await
            }
        }
    }

    /// Gives all requests to one that runs beside others, and ends those.
    pub async fn take_over(&self, live: &Live, resume: bool) -> Result<Done, Failure> {
        let mut done = self.serve(live, resume).await?;
        let old = self.stop(|instance| instance.number != live.instance.number).await?;
        done.effects.extend(old);
        Ok(done)
    }

    /// Says of a failure what the world says: nothing was changed if it is as in `before`; and that requests wait.
    pub async fn judge(&self, failure: Failure, before: &Goal, first: bool) -> Failure {
        let Ok(world) = self.look().await else { return Failure { effect: Effect::Unknown, ..failure } };
        let mut failure = failure;
        failure.effect = match &world.front {
            // What it did before it went is not known; in a first try that changed no instance it was nothing.
            FrontLook::Silent(FrontError::Down(_)) if first && world.runs(before) => Effect::None,
            FrontLook::Silent(FrontError::Lost(_)) => Effect::Unknown,
            _ if world.is(before) => Effect::None,
            _ => Effect::Partial,
        };
        self.tell_hold(failure, &world)
    }

    /// Adds to a failure that requests wait, for how long they may, and what lets them go.
    pub fn tell_hold(&self, mut failure: Failure, world: &World) -> Failure {
        let since_ms = world.front.status().and_then(|status| status.holding_ms);
        let (Some(since_ms), Some(proxy)) = (since_ms, &self.site.service.proxy) else { return failure };
        let name = self.name();
        failure.message += &match &proxy.server {
            None => format!(
                "; requests to {name} are held since {since_ms} ms, each waits at most {} ms and then gets 503",
                proxy.hold_ms
            ),
            Some(_) => format!("; requests to {name} {}", proxy.meanwhile()),
        };
        let restart = format!("windlass service restart {name}");
        // What runs and is not healthy is not helped by a start.
        let start = (!failure.hints.contains(&restart)).then(|| format!("windlass service start {name}"));
        failure.hints.extend(start);
        failure.hint(match &proxy.server {
            None => format!("windlass proxy resume {name}"),
            Some(_) => format!("windlass service maintenance {name} off"),
        })
    }
}
