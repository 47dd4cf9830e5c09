//! A real nginx in front, of whose configuration only a marked part is written.

use super::{
    fronted::{self, Running as _, ended_before, front},
    proxied::Load,
    *,
};
use ServiceOperation::{Restart, Start, Stop};
use windlass_driver::Effect;
use windlass_drivers::{
    service::{Front, FrontError, Mode},
    traffic::Marked,
};
use windlass_proxy::control::Request;

/// An nginx of a stage, which ends with it.
pub struct Running {
    folder: PathBuf,
    url: String,
}

const MODE: &str = "    # windlass begin booking mode\n    # windlass end booking mode\n";

impl Running {
    fn start(base: &Path, servers: &str) -> Self {
        let folder = base.join("nginx");
        fs::create_dir_all(folder.join("conf.d")).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("    {kind}_temp_path temp_{kind};\n"))
            .concat();
        let main = format!(
            "worker_processes 2;\npid nginx.pid;\nerror_log error.log;\nevents {{ }}\nhttp {{\n    access_log off;\n{temporary}    \
             include conf.d/*.conf;\n}}\n"
        );
        fs::write(folder.join("nginx.conf"), main).unwrap();
        let web = format!(
            "upstream booking {{\n    # windlass begin booking\n{servers}    # windlass end booking\n    keepalive 8;\n}}\nserver {{\n    \
             listen 127.0.0.1:{port};\n    keepalive_requests 1000000;\n{MODE}    location / {{\n        proxy_pass http://booking;\n        proxy_http_version 1.1;\n        \
             proxy_set_header Connection \"\";\n    }}\n}}\n"
        );
        fs::write(folder.join("conf.d/web.conf"), web).unwrap();
        let running = Self { folder, url: format!("http://127.0.0.1:{port}/") };
        running.nginx(&[]);
        let started = Instant::now();
        // It writes its id before it is what it calls itself.
        let is_master = || {
            let pid = fs::read_to_string(running.folder.join("nginx.pid")).ok()?;
            fs::read(format!("/proc/{}/cmdline", pid.trim()))
                .ok()
                .filter(|name| name.starts_with(b"nginx: master"))
        };
        while is_master().is_none() {
            assert!(started.elapsed() < Duration::from_secs(10), "nginx does not start");
            std::thread::sleep(Duration::from_millis(5));
        }
        running
    }

    fn nginx(&self, words: &[&str]) {
        let mut command = Command::new("nginx");
        command.arg("-p").arg(&self.folder).args(["-c", "nginx.conf", "-e", "error.log"]).args(words);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn files(&self) -> usize {
        fs::read_dir(self.folder.join("conf.d")).unwrap().count()
    }
}

impl fronted::Running for Running {
    fn url(&self) -> &str {
        &self.url
    }

    fn file(&self) -> PathBuf {
        self.folder.join("conf.d/web.conf")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Ok(pid) = fs::read_to_string(self.folder.join("nginx.pid")) else { return };
        let pid = pid.trim().parse().ok().and_then(rustix::process::Pid::from_raw);
        let _ = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM));
    }
}

const NOBODY: &str = "    server 127.0.0.1:9; # nobody\n";

fn stage() -> (Stage, Running) {
    let mut stage = Stage::new();
    stage.scene.fronting = Fronting::Nginx;
    stage.scene.strategy = Strategy::Bluegreen;
    let nginx = Running::start(&stage.scene.base, NOBODY);
    (stage, nginx)
}

async fn serving() -> (Stage, Running) {
    let (stage, nginx) = stage();
    stage.act("before/1", Start).applied().await;
    (stage, nginx)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_and_its_undo_lose_no_request() {
    let (mut stage, nginx) = serving().await;
    fronted::there_and_back(&mut stage, Load::again_on(&nginx.url)).await;
    assert_eq!(nginx.files(), 1, "nothing is left beside the file");
}

#[tokio::test]
async fn only_the_part_is_written_and_the_undo_of_the_first_start_is_the_same_bytes() {
    let (stage, nginx) = stage();
    fronted::only_the_part(&stage, &nginx, ["keepalive 8", "keepalive 9"]).await;
}

#[tokio::test]
async fn what_somebody_changed_between_the_marks_is_a_conflict() {
    let (mut stage, nginx) = serving().await;
    let edited = nginx.conf().replace("server 127.0.0.1:", "server 127.0.0.2:");
    fs::write(nginx.file(), &edited).unwrap();
    stage.scene.release("2", &[]);
    let restart = stage.act("restart/1", Restart);
    let survey = restart.driver.survey(&restart.cx, &restart.unit).await.unwrap();
    let failure = restart.driver.capture(&restart.cx, &restart.unit).await.unwrap_err();
    for said in [&survey.problems[0], &failure.message] {
        assert!(said.contains("web.conf:2: somebody changed what Windlass wrote"), "{said}");
    }
    assert_eq!((failure.effect, nginx.conf()), (Effect::None, edited));
    assert_eq!(stage.versions().await, ["1"]);
}

#[tokio::test]
async fn without_marks_nothing_is_touched_and_the_lines_are_said() {
    let (stage, nginx) = stage();
    for (line, said) in [
        ("    # windlass begin booking\n", "line 3, `# windlass end booking`, has no"),
        ("    # windlass end booking\n", "put these two lines around the servers of the upstream"),
    ] {
        fs::write(nginx.file(), nginx.conf().replacen(line, "", 1)).unwrap();
        let start = stage.act("start/1", Start);
        let failure = start.driver.capture(&start.cx, &start.unit).await.unwrap_err();
        assert!(failure.message.contains(said), "{failure:?}");
    }
    assert!(stage.instances().is_empty());
}

#[tokio::test]
async fn a_configuration_that_nginx_refuses_is_never_live() {
    let (mut stage, nginx) = serving().await;
    // Somebody's own mistake, outside of the marks, that no reload has met yet.
    let sound = nginx.conf();
    let broken = sound.replace("keepalive 8;", "keepalive many;");
    fs::write(nginx.file(), &broken).unwrap();
    stage.scene.release("2", &[]);
    let restart = stage.act("restart/1", Restart);
    let failure = restart.driver.capture(&restart.cx, &restart.unit).await.unwrap_err();
    assert!(failure.message.contains("does not take its configuration as it stands"), "{failure:?}");
    assert!(failure.message.contains("many") && failure.message.contains("web.conf:"), "{failure:?}");
    assert_eq!(stage.instances().len(), 1, "nothing was started");
    fs::write(nginx.file(), &sound).unwrap();
    let capsule = restart.capture().await;
    fs::write(nginx.file(), &broken).unwrap();
    let failure = restart.try_apply(&capsule).await.unwrap_err();
    assert!(failure.message.contains("does not take the change"), "{failure:?}");
    assert_eq!((nginx.conf(), nginx.files()), (broken, 1));
    assert_eq!(nginx.answer(false).await, (200, "1".into()), "the old one goes on");
    restart.undone(&capsule).await;
    assert_eq!(stage.versions().await, ["1"]);
}

#[tokio::test]
async fn an_nginx_that_does_not_run_is_told_before_anything_is_started() {
    let (stage, nginx) = stage();
    nginx.nginx(&["-s", "stop"]);
    eventually("nginx has ended", || async { !nginx.folder.join("nginx.pid").exists() }).await;
    let start = stage.act("start/1", Start);
    let failure = start.driver.capture(&start.cx, &start.unit).await.unwrap_err();
    assert!(failure.message.contains("does not run"), "{failure:?}");
    assert!(failure.hints.contains(&"systemctl start nginx".to_owned()), "{failure:?}");
    assert!(stage.instances().is_empty());
}

#[tokio::test]
async fn a_reload_that_is_not_taken_is_seen_and_the_file_is_as_it_was() {
    let (stage, nginx) = serving().await;
    fronted::not_taken(&stage, &nginx).await;
}

#[tokio::test]
async fn maintenance_and_read_only() {
    let (stage, nginx) = serving().await;
    let before = nginx.conf();
    let front = front(&stage);
    assert!(front.mode(Mode::Readonly, true, 5_000).await.unwrap().readonly);
    assert_eq!(nginx.answer(false).await, (200, "1".into()));
    let (status, text) = nginx.answer(true).await;
    assert!(status == 503 && text.contains("read-only"), "{text}");
    assert!(front.mode(Mode::Maintenance, true, 5_000).await.unwrap().holding_ms.is_some());
    assert!(matches!(nginx.answer(false).await, (503, text) if text.contains("maintenance")));
    // Writes stay refused.
    let status = front.mode(Mode::Maintenance, false, 5_000).await.unwrap();
    assert_eq!((status.holding_ms, status.readonly), (None, true));
    front.mode(Mode::Readonly, false, 5_000).await.unwrap();
    assert_eq!(nginx.answer(true).await, (200, "1".into()));
    assert_eq!(nginx.conf(), before);

    let page = stage.scene.base.join("page.html");
    fs::write(&page, "<h1>back soon</h1>").unwrap();
    let server = windlass_plan::FrontServer {
        page: Some(page.display().to_string()),
        ..*stage.scene.server().unwrap()
    };
    let front = Marked::new(&stage.scene.base, NAME, &server);
    front.mode(Mode::Maintenance, true, 5_000).await.unwrap();
    assert_eq!(nginx.answer(false).await, (503, "<h1>back soon</h1>".into()));
    assert!(matches!(nginx.answer(true).await, (503, text) if text.contains("maintenance")));

    fs::write(nginx.file(), before.replace(MODE, "")).unwrap();
    let error = front.mode(Mode::Maintenance, true, 5_000).await.unwrap_err();
    assert!(matches!(&error, FrontError::Refused(why) if why.contains("begin booking mode")), "{error:?}");
    let stop = stage.act("stop/1", Stop);
    let survey = stop.driver.survey(&stop.cx, &stop.unit).await.unwrap();
    assert!(survey.problems[0].contains("begin booking mode"), "{survey:?}");
}

#[tokio::test]
async fn stopped_it_is_in_maintenance_and_started_it_is_not() {
    let (mut stage, nginx) = serving().await;
    fronted::stopped_and_started(&mut stage, &nginx).await;
}

#[tokio::test]
async fn weights_share_the_requests() {
    let (stage, nginx) = serving().await;
    let front = front(&stage);
    let mut upstreams: Vec<Upstream> =
        front.call(&Request::Status).await.unwrap().upstreams.into_iter().map(|one| one.upstream).collect();
    let other = Upstream { version: "2".into(), weight: 10, ..upstreams[0].clone() };
    upstreams[0].weight = 90;
    upstreams.push(other);
    let request = Request::Switch { upstreams: upstreams.clone(), drain_ms: 1_000, resume: false };
    let status = front.call(&request).await.unwrap();
    let now: Vec<Upstream> = status.upstreams.into_iter().map(|one| one.upstream).collect();
    assert_eq!(now, upstreams);
    assert!(nginx.conf().contains(" weight=90; # version 1\n"), "{}", nginx.conf());
}

async fn at_every_step(way: Way, back: bool) {
    for moment in 1..60 {
        if ended_before(serving, way, back, moment).await {
            return;
        }
    }
    panic!("it never ended");
}

#[tokio::test]
async fn a_switch_killed_at_every_step() {
    tokio::join!(at_every_step(Way::Forward, false), at_every_step(Way::Forward, true));
}

#[tokio::test]
async fn an_undo_killed_at_every_step() {
    at_every_step(Way::Undo, false).await;
}
