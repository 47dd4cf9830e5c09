//! The scenes: a project folder, a proxy, a service, and the windlass command run as a team would run it.

use super::{
    Summary,
    database::{Picture, SCHEMA, picture},
    load::Load,
    problem, say,
};
use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};
use tokio::process::{Child, Command};
use windlass_proxy::{
    Client,
    control::{Request, Status},
};

/// How long the proxy and the service may take to come up.
const START_MAX: Duration = Duration::from_secs(20);

/// How long one windlass command may take; far beyond what any needs, so that a fault does not hang the demo.
const COMMAND_MAX: Duration = Duration::from_secs(60);

/// The load runs this long before, between and after the releases.
const BREATH: Duration = Duration::from_millis(1500);

/// The stage: folder, proxy, service.
pub struct Scene {
    folder: PathBuf,
    exe: PathBuf,
    address: String,
    proxy: tokio::sync::Mutex<Child>,
}

impl Scene {
    /// Makes the folder, starts the proxy and version 1 of the service.
    pub async fn set_up(folder: Option<PathBuf>) -> Result<Self, String> {
        let exe = std::env::current_exe().map_err(problem("the windlass program cannot find itself"))?;
        let folder = make_folder(folder)?;
        let address = free_address()?;
        write_project(&folder, &exe, &address)?;
        let log = std::fs::File::create(folder.join("proxy.log")).map_err(problem("proxy.log"))?;
        let proxy = Command::new(&exe)
            .args(["proxy", "run", "booking"])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(problem("the proxy cannot be started"))?;
        let scene = Self { folder, exe, address, proxy: tokio::sync::Mutex::new(proxy) };
        scene.wait_for_proxy().await?;
        let status = scene.windlass(&["service", "start", "booking", "--version", "1"]).await?;
        if !status.success() {
            return Err(format!("version 1 of the service did not start ({status})"));
        }
        Ok(scene)
    }

    /// The project's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The windlass program.
    pub fn exe(&self) -> &Path {
        &self.exe
    }

    fn database(&self) -> PathBuf {
        self.folder.join("booking.db")
    }

    fn proxy_client(&self) -> Client {
        Client::new(self.folder.join(".windlass/proxy/booking"))
    }

    async fn proxy_status(&self) -> Result<Status, String> {
        self.proxy_client().send(Request::Status).await.map_err(problem("the proxy does not answer"))
    }

    async fn wait_for_proxy(&self) -> Result<(), String> {
        let began = Instant::now();
        loop {
            match self.proxy_status().await {
                Ok(_) => return Ok(()),
                Err(error) if began.elapsed() > START_MAX => {
                    let log = std::fs::read_to_string(self.folder.join("proxy.log")).unwrap_or_default();
                    return Err(format!("{error}\n{log}"));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Runs windlass in the project's folder, its output in `windlass.log`.
    async fn windlass(&self, arguments: &[&str]) -> Result<ExitStatus, String> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("windlass.log"))
            .map_err(problem("windlass.log"))?;
        let errors = log.try_clone().map_err(problem("windlass.log"))?;
        let mut child = Command::new(&self.exe)
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .map_err(problem("windlass cannot be started"))?;
        match tokio::time::timeout(COMMAND_MAX, child.wait()).await {
            Ok(status) => status.map_err(problem("windlass was lost")),
            Err(_) => Err(format!("`windlass {}` did not end; see windlass.log", arguments.join(" "))),
        }
    }

    /// Writes the record of the newest run.
    async fn record(&self, name: &str) -> Result<(), String> {
        let out =
            std::fs::File::create(self.folder.join("records").join(name)).map_err(problem("records"))?;
        let mut child = Command::new(&self.exe)
            .arg("record")
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(Stdio::null())
            .spawn()
            .map_err(problem("windlass cannot be started"))?;
        let status = child.wait().await.map_err(problem("windlass was lost"))?;
        if status.success() { Ok(()) } else { Err(format!("`windlass record` failed ({status})")) }
    }

    /// Ends service and proxy.
    pub async fn strike(&self) -> Result<(), String> {
        let stopped = self.windlass(&["service", "stop", "booking"]).await;
        let asked = self.proxy_client().send(Request::Stop { drain_ms: 1000 }).await;
        let mut proxy = self.proxy.lock().await;
        if tokio::time::timeout(Duration::from_secs(5), proxy.wait()).await.is_err() {
            proxy.kill().await.map_err(problem("the proxy cannot be ended"))?;
        }
        asked.map_err(problem("the proxy did not stop"))?;
        match stopped? {
            status if status.success() => Ok(()),
            status => Err(format!("the service did not stop ({status})")),
        }
    }
}

/// The four scenes, and what they measure.
#[derive(Default)]
pub struct Scenes {
    summary: Summary,
}

impl Scenes {
    /// Plays all scenes under one load.
    pub async fn play(mut self, scene: &Scene) -> Result<Summary, String> {
        let load = Load::start(&format!("http://{}", scene.address))?;
        tokio::time::sleep(BREATH).await;
        self.release_2(scene).await?;
        tokio::time::sleep(BREATH).await;
        self.release_3(scene).await?;
        tokio::time::sleep(BREATH).await;
        self.release_4(scene).await?;
        tokio::time::sleep(BREATH).await;
        self.rollback_4(scene).await?;
        tokio::time::sleep(BREATH).await;
        let (requests, failed) = load.so_far();
        say(&format!("      {requests} requests so far, {failed} failed. Waiting for the last answers …"));
        let mut seen = load.finish().await?;
        let status = scene.proxy_status().await?;
        self.summary.requests = seen.requests;
        self.summary.failed = seen.failed;
        self.summary.lost_writes = picture(&scene.database())?.lost(&seen.written);
        self.summary.latency_p99_ms = seen.latency_ms(0.99);
        self.summary.hold_max_ms = status.hold_ms_max;
        self.summary.downtime_ms = seen.downtime_ms();
        for failure in &seen.failures {
            say(&format!("      failed: {failure}"));
        }
        Ok(self.summary)
    }

    async fn release_2(&mut self, scene: &Scene) -> Result<(), String> {
        say("(1/4) Release 2: backup, config, schema and data, restart, checks");
        let began = Instant::now();
        expect("release 2", &scene.windlass(&["apply", "releases/2.md", "--yes"]).await?, 0)?;
        self.summary.release_ms = millis(began);
        say(&format!("      done in {} ms", self.summary.release_ms));
        scene.record("2.md").await
    }

    async fn release_3(&mut self, scene: &Scene) -> Result<(), String> {
        say("(2/4) Release 3: its health check fails; Windlass goes back by itself");
        let before = picture(&scene.database())?;
        expect("release 3", &scene.windlass(&["apply", "releases/3.md", "--yes"]).await?, 1)?;
        let after: Picture = picture(&scene.database())?;
        self.summary.fingerprint_restored = before.is_kept_in(&after);
        say(&format!(
            "      undone; schema and earlier rows {}",
            if self.summary.fingerprint_restored { "exactly as before" } else { "DIFFER" }
        ));
        scene.record("3.md").await
    }

    async fn release_4(&mut self, scene: &Scene) -> Result<(), String> {
        say("(3/4) Release 4: the controller is killed (SIGKILL) in the middle of the migration");
        let arguments = ["apply", "releases/4.md", "--yes", "--fault", "crash-after:rooms/3"];
        let killed = scene.windlass(&arguments).await?;
        let by_signal = std::os::unix::process::ExitStatusExt::signal(&killed) == Some(9);
        if !by_signal {
            return Err(format!("the controller of release 4 was not killed ({killed}); see windlass.log"));
        }
        say("      killed; requests wait in the proxy. `windlass resume` goes on");
        expect("resume of release 4", &scene.windlass(&["resume"]).await?, 0)?;
        self.summary.resumed = true;
        say("      resumed and done");
        scene.record("4.md").await
    }

    async fn rollback_4(&mut self, scene: &Scene) -> Result<(), String> {
        say("(4/4) Rollback of release 4, bookings go on");
        let began = Instant::now();
        expect("rollback of release 4", &scene.windlass(&["rollback", "--yes"]).await?, 0)?;
        self.summary.rollback_ms = millis(began);
        say(&format!("      back in {} ms", self.summary.rollback_ms));
        scene.record("4-rolled-back.md").await
    }
}

fn expect(what: &str, status: &ExitStatus, code: i32) -> Result<(), String> {
    if status.code() == Some(code) {
        return Ok(());
    }
    Err(format!(
        "{what} ended with {status}, expected exit code {code}; see windlass.log in the demo's folder"
    ))
}

fn millis(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn make_folder(folder: Option<PathBuf>) -> Result<PathBuf, String> {
    let folder = folder.unwrap_or_else(|| {
        let now = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S");
        std::env::temp_dir().join(format!("windlass-demo-{now}-{}", std::process::id()))
    });
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(format!("{} is not empty; the demo wants a folder of its own", folder.display()));
    }
    for part in ["releases", "records", "backups"] {
        std::fs::create_dir_all(folder.join(part)).map_err(problem("the demo's folder cannot be made"))?;
    }
    folder.canonicalize().map_err(problem("the demo's folder"))
}

/// An address that is free now. Another program could take it before the proxy does; then the proxy says so.
fn free_address() -> Result<String, String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(problem("no free port"))?;
    Ok(listener.local_addr().map_err(problem("no free port"))?.to_string())
}

fn write_project(folder: &Path, exe: &Path, address: &str) -> Result<(), String> {
    let config = include_str!("windlass.toml").replace("{{exe}}", &exe.display().to_string());
    let files = [
        ("windlass.toml", config),
        ("booking.conf", "# Which version of the booking service runs here\nversion = 1\n".to_owned()),
        ("releases/2.md", include_str!("releases/2.md").to_owned()),
        ("releases/3.md", include_str!("releases/3.md").to_owned()),
        ("releases/4.md", include_str!("releases/4.md").to_owned()),
    ];
    for (name, text) in files {
        std::fs::write(folder.join(name), text.replace("{{address}}", address))
            .map_err(problem("the demo's files cannot be written"))?;
    }
    let database =
        rusqlite::Connection::open(folder.join("booking.db")).map_err(problem("the demo's database"))?;
    database.execute_batch(SCHEMA).map_err(problem("the demo's database"))
}
