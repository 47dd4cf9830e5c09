//! Services on real processes.
#![expect(clippy::unwrap_used, reason = "helpers of tests stop the test")]

mod canary;
mod fronted;
mod haproxy;
mod kept;
mod killed;
mod nginx;
mod proxied;
mod strategies;
mod supervisor;
mod table;

#[path = "../../lab/scene.rs"]
mod scene;
#[path = "../../lab/secrets.rs"]
mod secrets;

use scene::{FileFront, Fronting, Job, NAME, Scene, Ticks};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::Once,
    time::{Duration, Instant},
};
use windlass_driver::{Capsule, Context, Done, Driver as _, Failure, Found};
use windlass_drivers::service::{Limits, ServiceDriver, ServiceStatus, State, service_status};
use windlass_plan::{Canary, ServiceOperation, Strategy, Unit, Way};
use windlass_proxy::control::{Status, Upstream};

impl Scene {
    pub fn new(base: &Path, lab: &Path) -> Self {
        let mut scene = Self {
            base: base.to_owned(),
            lab: lab.to_owned(),
            strategy: Strategy::Recreate,
            canary: None,
            fronting: Fronting::File,
            version: String::new(),
            argv: vec![],
            health: Some("http://localhost:{port}/health".into()),
            start_within_ms: 10_000,
            stable_ms: 50,
            stop_within_ms: 2_000,
            limits: Limits { backoff_ms: 20, log_check_ms: 20, ..Limits::default() },
            operation: ServiceOperation::Start,
            before: vec![],
            unit: String::new(),
            attempt: 1,
            facts: BTreeMap::new(),
        };
        scene.release("1", &[]);
        scene
    }

    /// From here on, version `version` that is started with these flags.
    pub fn release(&mut self, version: &str, flags: &[&str]) {
        self.version = version.to_owned();
        let lab = self.lab.display().to_string();
        self.argv = vec![lab, "serve".into(), "{port}".into(), format!("version={version}")];
        self.argv.extend(flags.iter().map(|flag| (*flag).to_owned()));
    }

    /// The same service with one unit.
    pub fn unit(&self, unit: &str, operation: ServiceOperation) -> Self {
        Self { unit: unit.to_owned(), operation, ..self.clone() }
    }
}

/// A scene whose processes end with the test.
struct Stage {
    scene: Scene,
    _folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        static TLS: Once = Once::new();
        TLS.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let folder = tempfile::tempdir().unwrap();
        let scene = Scene::new(folder.path(), Path::new(env!("CARGO_BIN_EXE_windlass-drivers-lab")));
        let stage = Self { scene, _folder: folder };
        stage.front().write(&Status::default());
        stage
    }

    fn front(&self) -> FileFront {
        FileFront { path: self.scene.base.join("front.json"), ticks: Ticks::dying_at(0) }
    }

    fn proxy(&self) -> Status {
        serde_json::from_slice(&fs::read(self.front().path).unwrap()).unwrap()
    }

    fn set_held(&self, held: bool) {
        self.front().write(&Status { holding_ms: held.then_some(9), ..self.proxy() });
    }

    fn act(&self, unit: &str, operation: ServiceOperation) -> Act {
        Act::new(self.scene.unit(unit, operation))
    }

    /// Version 1 runs and serves.
    async fn serving() -> Self {
        let stage = Self::new();
        stage.act("before/1", ServiceOperation::Start).applied().await;
        stage
    }

    async fn status(&self) -> ServiceStatus {
        let mut status = service_status(&self.scene.base, NAME).await.unwrap();
        status.instances.retain(|instance| instance.pid.is_some());
        status
    }

    /// Versions of the living instances.
    async fn versions(&self) -> Vec<String> {
        self.status().await.instances.into_iter().map(|instance| instance.version).collect()
    }

    fn instances(&self) -> Vec<PathBuf> {
        instances(&self.scene.base)
    }

    fn states(&self) -> Vec<State> {
        let read = |path: PathBuf| serde_json::from_slice(&fs::read(path.join("state.json")).ok()?).ok();
        self.instances().into_iter().filter_map(read).collect()
    }

    /// Whether the proxy sends requests to the only living instance and holds none.
    async fn serves(&self, version: &str) -> bool {
        let status = self.status().await;
        let [instance] = status.instances.as_slice() else { return false };
        let proxy = self.proxy();
        let to: Vec<&Upstream> = proxy.upstreams.iter().map(|one| &one.upstream).collect();
        instance.version == version
            && proxy.holding_ms.is_none()
            && matches!(to.as_slice(), [one] if one.version == version
                && one.address == format!("127.0.0.1:{}", instance.port))
    }
}

fn instances(base: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(base.join(".windlass/services").join(NAME)) else { return vec![] };
    let mut paths: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    paths.sort();
    paths
}

impl Drop for Stage {
    fn drop(&mut self) {
        use rustix::process::{Signal, kill_process, kill_process_group};
        for state in self.states() {
            for (id, group) in [(state.supervisor, false), (state.child, true)] {
                let Some(id) = id.filter(windlass_drivers::service::ProcessId::alive) else { continue };
                let Some(pid) = rustix::process::Pid::from_raw(id.pid as i32) else { continue };
                let _ = if group {
                    kill_process_group(pid, Signal::KILL)
                } else {
                    kill_process(pid, Signal::KILL)
                };
            }
        }
    }
}

/// One unit at work.
struct Act {
    scene: Scene,
    driver: ServiceDriver,
    cx: Context,
    unit: Unit,
}

impl Act {
    fn new(scene: Scene) -> Self {
        let ticks = Ticks::dying_at(0);
        Self { driver: scene.driver(&ticks), cx: scene.context(&ticks), unit: scene.plan_unit(), scene }
    }

    async fn capture(&self) -> Capsule {
        self.driver.capture(&self.cx, &self.unit).await.unwrap()
    }

    async fn try_apply(&self, capsule: &Capsule) -> Result<Done, Failure> {
        self.driver.apply(&self.cx, &self.unit, capsule).await
    }

    async fn try_undo(&self, capsule: &Capsule) -> Result<Done, Failure> {
        self.driver.undo(&self.cx, &self.unit, capsule, None).await
    }

    async fn inspect(&self, capsule: &Capsule, way: Way) -> Found {
        self.driver.inspect(&self.cx, &self.unit, capsule, way).await
    }

    /// Captures and applies.
    async fn applied(&self) -> (Capsule, Done) {
        let capsule = self.capture().await;
        let done = self.try_apply(&capsule).await.unwrap_or_else(|failure| panic!("{failure:#?}"));
        (capsule, done)
    }

    async fn undone(&self, capsule: &Capsule) -> Done {
        self.try_undo(capsule).await.unwrap_or_else(|failure| panic!("{failure:#?}"))
    }

    /// Does it in a process that kills itself at its `die_at`-th moment.
    async fn killed_at(&self, die_at: u32, way: Way, capsule: &Capsule) -> ExitStatus {
        let job = Job { scene: self.scene.clone(), way, capsule: capsule.clone(), die_at };
        let path = self.scene.base.join("job.json");
        fs::write(&path, serde_json::to_vec(&job).unwrap()).unwrap();
        let mut command = tokio::process::Command::new(&self.scene.lab);
        command.arg("act").arg(path).status().await.unwrap()
    }
}

/// Waits for a condition, at most ten seconds.
async fn eventually<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < Duration::from_secs(10), "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn applied(found: &Found) -> bool {
    matches!(found, Found::Applied(_))
}

fn partial(found: &Found) -> bool {
    matches!(found, Found::Failed(failure) if failure.effect == windlass_driver::Effect::Partial)
}
