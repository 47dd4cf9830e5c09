//! A service in a temporary folder, as the tests see it and as a controller that is to be killed sees it.

use crate::secrets::OneSecret;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};
use windlass_driver::{Capsule, Context, Stopping};
use windlass_drivers::{
    service::{Front, FrontError, Limits, ServiceDriver},
    traffic::Marked,
};
use windlass_plan::{
    Action, Canary, Class, DocumentRef, DriverKind, FrontKind, FrontServer, PLAN_FORMAT, Plan, ProxyFront,
    Release, Runner, Service, ServiceOperation, Step, Strategy, Target, Undo, UndoBy, Unit, UnitId, Way,
};
use windlass_proxy::control::{Mode, Request, Status, UpstreamStatus};

/// Name of the service in all scenes.
pub const NAME: &str = "booking";

/// What stands in front of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fronting {
    /// Nothing.
    None,
    /// A file that holds the status of a proxy; shared by all processes of a scene.
    File,
    /// A real proxy.
    Real,
    /// A real nginx in the folder `nginx`.
    Nginx,
    /// A real HAProxy in the folder `haproxy`.
    Haproxy,
}

/// A service, and one unit that acts on it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scene {
    pub base: PathBuf,
    pub lab: PathBuf,
    pub strategy: Strategy,
    pub canary: Option<Canary>,
    pub fronting: Fronting,
    pub version: String,
    pub argv: Vec<String>,
    pub health: Option<String>,
    pub start_within_ms: u64,
    pub stable_ms: u64,
    pub stop_within_ms: u64,
    pub limits: Limits,
    pub operation: ServiceOperation,
    /// What is in front of the unit.
    pub before: Vec<Step>,
    pub unit: String,
    pub attempt: u32,
    pub facts: BTreeMap<UnitId, serde_json::Value>,
}

impl Scene {
    pub fn service(&self) -> Service {
        Service {
            on: "app".into(),
            runner: Runner::Run(self.argv.clone()),
            health: self.health.clone(),
            strategy: self.strategy,
            canary: self.canary.clone().map(Box::new),
            proxy: (self.fronting != Fronting::None).then(|| ProxyFront {
                listen: "127.0.0.1:0".into(),
                hold_ms: 30_000,
                drain_ms: 5_000,
                server: self.server(),
            }),
            stable_ms: self.stable_ms,
            start_within_ms: self.start_within_ms,
            stop_within_ms: self.stop_within_ms,
            uses: None,
            probe: None,
        }
    }

    pub fn target() -> Target {
        Target::Hosts { hosts: vec![], dir: None, ssh_config: None }
    }

    pub fn plan_unit(&self) -> Unit {
        Unit {
            id: UnitId(self.unit.clone()),
            host: "local".into(),
            driver: DriverKind::Service,
            line: 1,
            column: 1,
            action: Action::Service { service: NAME.into(), operation: self.operation },
            effect: String::new(),
            undo: Undo { class: Class::Exact, how: String::new(), by: UndoBy::Driver },
            timeout_ms: None,
            within_ms: None,
        }
    }

    pub fn context(&self, ticks: &Arc<Ticks>) -> Context {
        let plan = Plan {
            format: PLAN_FORMAT,
            tool: "test".into(),
            release: Release { version: self.version.clone(), ..Release::default() },
            document: DocumentRef::default(),
            targets: BTreeMap::from([("app".into(), Self::target())]),
            claims: Default::default(),
            secrets: Default::default(),
            services: BTreeMap::from([(NAME.into(), self.service())]),
            budget: Default::default(),
            steps: self.before.clone(),
            class: Class::Exact,
        };
        let ticks = ticks.clone();
        Context {
            plan: Arc::new(plan),
            run: "run-1".into(),
            base: self.base.clone(),
            workspace: self.base.join("work").join(self.unit.replace('/', "-")),
            attempt: self.attempt,
            timeout_ms: None,
            stopping: Stopping::default(),
            on_conflict: windlass_driver::OnConflict::Keep,
            secrets: Arc::new(OneSecret),
            output: Arc::new(move |_| ticks.tick()),
            facts: Arc::new(self.facts.clone()),
        }
    }

    pub fn driver(&self, ticks: &Arc<Ticks>) -> ServiceDriver {
        let driver = ServiceDriver::new(self.supervisor()).with_limits(self.limits);
        let ticks = ticks.clone();
        match self.fronting {
            Fronting::None | Fronting::Real => driver,
            Fronting::File => driver.with_fronts(Arc::new(move |base, _, _| {
                Arc::new(FileFront { path: base.join("front.json"), ticks: ticks.clone() })
            })),
            Fronting::Nginx | Fronting::Haproxy => driver.with_fronts(Arc::new(move |base, name, proxy| {
                let (server, ticks) = (proxy.server.as_ref().expect("a server"), ticks.clone());
                Arc::new(Marked::new(base, name, server).telling(Arc::new(move |_| ticks.tick())))
            })),
        }
    }

    /// As in `windlass.toml`.
    pub fn server(&self) -> Option<Box<FrontServer>> {
        let folder = self.base.join("nginx").display().to_string();
        let (kind, file, command) = match self.fronting {
            Fronting::Nginx => {
                (FrontKind::Nginx, "nginx/conf.d/web.conf", vec!["nginx", "-p", &folder, "-c", "nginx.conf"])
            }
            Fronting::Haproxy => (FrontKind::Haproxy, "haproxy/haproxy.cfg", vec!["haproxy"]),
            Fronting::None | Fronting::File | Fronting::Real => return None,
        };
        let command = command.into_iter().map(str::to_owned).collect();
        Some(Box::new(FrontServer { kind, file: file.into(), command, reload: vec![], page: None }))
    }

    pub fn supervisor(&self) -> Vec<std::ffi::OsString> {
        vec![self.lab.clone().into(), "supervise".into()]
    }
}

/// Counts the moments at which a controller may die, and dies at one of them. Zero: never.
pub struct Ticks(AtomicU32);

impl Ticks {
    pub fn dying_at(number: u32) -> Arc<Self> {
        Arc::new(Self(AtomicU32::new(number)))
    }

    fn tick(&self) {
        let before = self.0.load(Ordering::SeqCst);
        if before == 1 {
            let me = rustix::process::getpid();
            rustix::process::kill_process(me, rustix::process::Signal::KILL).expect("kill -9 of oneself");
        }
        self.0.store(before.saturating_sub(1), Ordering::SeqCst);
    }
}

/// What a controller that kills itself is to do.
#[derive(Serialize, Deserialize)]
pub struct Job {
    pub scene: Scene,
    pub way: Way,
    pub capsule: Capsule,
    pub die_at: u32,
}

/// A proxy that is only its status, in a file.
pub struct FileFront {
    pub path: PathBuf,
    pub ticks: Arc<Ticks>,
}

impl FileFront {
    pub fn write(&self, status: &Status) {
        let temporary = self.path.with_extension("tmp");
        fs::write(&temporary, serde_json::to_vec(status).expect("plain data")).expect("a disk");
        fs::rename(temporary, &self.path).expect("a disk");
    }
}

#[async_trait]
impl Front for FileFront {
    async fn call(&self, request: &Request) -> Result<Status, FrontError> {
        self.ticks.tick();
        let text = fs::read(&self.path).map_err(|error| FrontError::Down(error.to_string()))?;
        if text == b"lost" {
            return Err(FrontError::Lost("as the test wants it".into()));
        }
        let mut status: Status = serde_json::from_slice(&text).expect("written by us");
        match request {
            Request::Status => {}
            Request::Hold { .. } => status.holding_ms = Some(status.holding_ms.unwrap_or(7)),
            Request::Resume => status.holding_ms = None,
            Request::Switch { upstreams, resume, .. } => {
                status.upstreams = upstreams
                    .iter()
                    .map(|upstream| UpstreamStatus {
                        upstream: upstream.clone(),
                        healthy: None,
                        problem: None,
                        healthy_ms: 0,
                        in_flight: 0,
                    })
                    .collect();
                if *resume && status.holding_ms.take().is_some() {
                    status.held += 3;
                }
            }
            Request::Mode { mode: Mode::Maintenance, on, .. } => status.maintenance = *on,
            Request::Mode { mode: Mode::Readonly, on, .. } => status.readonly = *on,
            Request::Stop { .. } | Request::TakeOver => {
                return Err(FrontError::Refused("not in this test".into()));
            }
        }
        self.write(&status);
        self.ticks.tick();
        Ok(status)
    }
}
