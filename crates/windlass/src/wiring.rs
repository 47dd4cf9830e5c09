//! Puts the engine together: the only place that names concrete drivers, store, clock, people and secrets.

use crate::{
    args::{ConflictArg, DrivingArgs},
    env,
    exit::Failure,
    notices::Notices,
    project::Place,
    secrets::SecretStore,
    terminal::{self, Asker, Progress, TerminalPeople},
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    ffi::OsString,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use windlass_driver::{Context, Drivers, OnConflict, Secrets, Stopping};
use windlass_drivers::{
    compose::ComposeDriver, files::FilesDriver, gate::GateDriver, git::GitDriver, host::Hosts,
    http::HttpDriver, install::InstallDriver, mysql::MysqlDriver, postgres::PostgresDriver,
    probe::HttpProber, s3::S3Driver, service::ServiceDriver, shell::ShellDriver, sqlite::SqliteDriver,
    systemd::SystemdDriver, watch::WatchDriver,
};
use windlass_engine::{Clock, Crash, Engine, Faults, Settings};
use windlass_journal::{ProcLiveness, Store};
use windlass_plan::{DriverKind, Plan, Unit};

/// A runtime for drivers and proxy clients.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::refused(format!("cannot start: {error}")))
}

/// Ready for TLS; only commands that may speak it pay for it.
pub fn tls() {
    // Installing twice is no error that matters: the provider is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The command that keeps an instance of a service running: this program.
pub fn supervisor() -> Result<Vec<OsString>, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::refused(format!("cannot find the path of this program: {error}")))?;
    Ok(vec![program.into_os_string(), "supervise".into()])
}

/// What the environment says of AWS: object stores are found with it where a target does not say more.
pub fn aws() -> windlass_s3::Settings {
    let found = |name: &&str| Some(((*name).to_owned(), env::variable(name)?));
    windlass_s3::Settings {
        variables: windlass_s3::Settings::VARIABLES.iter().filter_map(found).collect(),
        home: env::variable("HOME").map(Into::into),
        ..windlass_s3::Settings::default()
    }
}

/// Every driver of this version.
pub fn drivers() -> Result<Drivers, Failure> {
    drivers_over(Hosts::default())
}

/// The same, over these connections to hosts.
pub fn drivers_over(hosts: Hosts) -> Result<Drivers, Failure> {
    tls();
    Ok(Drivers::default()
        .with(DriverKind::Shell, Arc::new(ShellDriver::new(hosts.clone())))
        .with(DriverKind::Files, Arc::new(FilesDriver::new(hosts.clone())))
        .with(DriverKind::Sqlite, Arc::new(SqliteDriver::new()))
        .with(DriverKind::Postgres, Arc::new(PostgresDriver::new()))
        .with(DriverKind::Mysql, Arc::new(MysqlDriver::new()))
        .with(DriverKind::Service, Arc::new(ServiceDriver::new(supervisor()?)))
        .with(DriverKind::Systemd, Arc::new(SystemdDriver::new(hosts.clone())))
        .with(DriverKind::Compose, Arc::new(ComposeDriver::new(hosts.clone())))
        .with(DriverKind::Watch, Arc::new(WatchDriver::new(hosts.clone())))
        .with(DriverKind::S3, Arc::new(S3Driver::new(aws())))
        .with(DriverKind::Git, Arc::new(GitDriver::new(hosts.clone())))
        .with(DriverKind::Install, Arc::new(InstallDriver::new(hosts.clone())))
        .with(DriverKind::Http, Arc::new(HttpDriver::new(hosts)))
        .with(DriverKind::Gate, Arc::new(GateDriver)))
}

/// What a look at the world before a run works with.
pub fn survey_context(place: &Place, plan: &Arc<Plan>, secrets: Arc<dyn Secrets>, unit: &Unit) -> Context {
    let workspace = place.workspaces().join("plan").join(&unit.id.0);
    Context { workspace, timeout_ms: unit.timeout_ms, ..look_context(place, plan, secrets) }
}

/// The same, for a look that is of no unit.
pub fn look_context(place: &Place, plan: &Arc<Plan>, secrets: Arc<dyn Secrets>) -> Context {
    Context {
        plan: plan.clone(),
        run: "plan".into(),
        base: place.base.clone(),
        workspace: place.workspaces().join("plan"),
        attempt: 1,
        timeout_ms: None,
        stopping: Stopping::default(),
        on_conflict: windlass_driver::OnConflict::Keep,
        secrets,
        output: Arc::new(|_| ()),
        facts: Arc::new(BTreeMap::new()),
    }
}

/// A controller of this process.
pub struct Controller {
    pub engine: Engine,
    pub progress: Arc<Progress>,
}

/// Puts a controller together.
pub fn controller(
    place: &Place,
    store: Arc<dyn Store>,
    secrets: Arc<SecretStore>,
    driving: &DrivingArgs,
    notices: Option<Arc<Notices>>,
) -> Result<Controller, Failure> {
    let actor = env::actor();
    let owner = ProcLiveness::current(&actor).map_err(|error| {
        Failure::refused(format!("/proc cannot be read, so no lease can be taken: {error}"))
    })?;
    let progress = Progress::start();
    let stopping = Stopping::default();
    let people = TerminalPeople {
        confirmed: driving.confirm.clone(),
        asker: terminal::can_ask().then(Asker::new),
        progress: progress.clone(),
        stopping: stopping.clone(),
        notices,
    };
    let engine = Engine {
        store,
        drivers: drivers()?,
        clock: Arc::new(SystemClock::new()),
        owner,
        liveness: Arc::new(ProcLiveness),
        secrets,
        people: Arc::new(people),
        observer: progress.clone(),
        faults: Arc::new(Faults::new(driving.fault.clone())),
        prober: Arc::new(HttpProber::new(place.base.clone())),
        crash: Arc::new(KillSelf),
        stopping,
        base: place.base.clone(),
        workspaces: place.workspaces(),
        settings: Settings { on_conflict: on_conflict(driving.on_conflict), ..Settings::default() },
    };
    Ok(Controller { engine, progress })
}

fn on_conflict(said: ConflictArg) -> OnConflict {
    match said {
        ConflictArg::Keep => OnConflict::Keep,
        ConflictArg::Force => OnConflict::Force,
        ConflictArg::Ask => OnConflict::Ask,
    }
}

/// The clock of the machine.
pub struct SystemClock(Instant);

impl SystemClock {
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

/// Milliseconds since 1970; before it, negative.
pub fn now_ms() -> i64 {
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => millis(since),
        Err(before) => -millis(before.duration()),
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn wall_ms(&self) -> i64 {
        now_ms()
    }

    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    async fn sleep(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

/// A crash fault kills this process the hard way, as a power loss would.
struct KillSelf;

#[async_trait]
impl Crash for KillSelf {
    async fn crash(&self) {
        use rustix::process::{Signal, getpid, kill_process};
        if kill_process(getpid(), Signal::KILL).is_err() {
            std::process::abort();
        }
        std::future::pending::<()>().await;
    }
}
