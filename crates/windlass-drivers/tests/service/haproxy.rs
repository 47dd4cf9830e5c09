//! A real HAProxy in front, of whose configuration only a marked part is written.

use super::{
    fronted::{self, Running as _, ended_before, front},
    proxied::Load,
    *,
};
use ServiceOperation::{Restart, Start};
use windlass_driver::Effect;
use windlass_drivers::{
    service::{Front, FrontError, Mode},
    traffic::Marked,
};
use windlass_proxy::control::Request;

/// An HAProxy of a stage, which ends with it.
struct Running {
    folder: PathBuf,
    url: String,
    master: std::process::Child,
}

const MODE: &str = "    # windlass begin booking mode\n    # windlass end booking mode\n";

/// What says what runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    Stats,
    Master,
}

impl Running {
    async fn start(base: &Path, says: Says) -> Self {
        let folder = base.join("haproxy");
        fs::create_dir_all(&folder).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let socket = folder.join("admin.sock");
        let stats = match says {
            Says::Stats => format!("    stats socket {} level user\n", socket.display()),
            Says::Master => String::new(),
        };
        let text = format!(
            "global\n{stats}defaults\n    mode http\n    timeout connect 2s\n    timeout client 20s\n    timeout server 20s\n    \
             timeout http-keep-alive 1s\nfrontend web\n    bind 127.0.0.1:{port}\n    option idle-close-on-response\n    default_backend \
             nodes\nbackend nodes\n{MODE}    # windlass begin booking\n    server nobody 127.0.0.1:9 check inter 60s # nobody\n    \
             # windlass end booking\n    retries 2\n"
        );
        fs::write(folder.join("haproxy.cfg"), text).unwrap();
        let mut command = Command::new("haproxy");
        command.arg("-W").arg("-f").arg(folder.join("haproxy.cfg"));
        if says == Says::Master {
            command.arg("-S").arg(folder.join("master.sock"));
        }
        let log = fs::File::create(folder.join("log")).unwrap();
        let master = command.stdout(std::process::Stdio::null()).stderr(log).spawn().unwrap();
        let running = Self { folder, url: format!("http://127.0.0.1:{port}/"), master };
        let listens = || async { tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() };
        eventually("HAProxy listens", listens).await;
        let calm =
            || async { fs::read_to_string(running.folder.join("log")).unwrap().contains("Loading success") };
        eventually("its master is ready", calm).await;
        running
    }
}

impl fronted::Running for Running {
    fn url(&self) -> &str {
        &self.url
    }

    fn file(&self) -> PathBuf {
        self.folder.join("haproxy.cfg")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The master ends its workers with it.
        let pid = rustix::process::Pid::from_child(&self.master);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.master.wait();
    }
}

async fn stage_that(says: Says) -> (Stage, Running) {
    let mut stage = Stage::new();
    stage.scene.fronting = Fronting::Haproxy;
    stage.scene.strategy = Strategy::Bluegreen;
    let haproxy = Running::start(&stage.scene.base, says).await;
    (stage, haproxy)
}

async fn serving() -> (Stage, Running) {
    let (stage, haproxy) = stage_that(Says::Stats).await;
    stage.act("before/1", Start).applied().await;
    (stage, haproxy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_and_its_undo_lose_no_request() {
    let (mut stage, haproxy) = serving().await;
    fronted::there_and_back(&mut stage, Load::on(&haproxy.url)).await;
    assert!(!haproxy.folder.join(".haproxy.cfg.windlass-check").exists(), "nothing is left beside the file");
}

#[tokio::test]
async fn only_the_part_is_written_and_the_undo_of_the_first_start_is_the_same_bytes() {
    let (stage, haproxy) = stage_that(Says::Stats).await;
    fronted::only_the_part(&stage, &haproxy, ["retries 2", "retries 3"]).await;
}

#[tokio::test]
async fn what_somebody_changed_between_the_marks_is_a_conflict() {
    let (mut stage, haproxy) = serving().await;
    let sound = haproxy.conf();
    stage.scene.release("2", &[]);
    let restart = stage.act("restart/1", Restart);
    for (from, to, said) in [
        ("weight 100", "weight 99", "haproxy.cfg:16: somebody changed what Windlass wrote"),
        ("    # windlass end booking\n", "", "has no `# windlass end booking`"),
        ("backend nodes", "userlist nodes", "the marks stand in no `backend` or `listen`"),
    ] {
        let edited = sound.replace(from, to);
        assert_ne!(edited, sound);
        fs::write(haproxy.file(), &edited).unwrap();
        let survey = restart.driver.survey(&restart.cx, &restart.unit).await.unwrap();
        let failure = restart.driver.capture(&restart.cx, &restart.unit).await.unwrap_err();
        for told in [&survey.problems[0], &failure.message] {
            assert!(told.contains(said), "{told}");
        }
        assert_eq!((failure.effect, haproxy.conf()), (Effect::None, edited));
    }
    assert_eq!(stage.versions().await, ["1"]);
}

#[tokio::test]
async fn a_mistake_of_the_teams_own_is_told_before_anything_is_started() {
    let (mut stage, haproxy) = serving().await;
    let sound = haproxy.conf();
    let broken = sound.replace("retries 2", "retires 2");
    stage.scene.release("2", &[]);
    let restart = stage.act("restart/1", Restart);
    fs::write(haproxy.file(), &broken).unwrap();
    let failure = restart.driver.capture(&restart.cx, &restart.unit).await.unwrap_err();
    for said in [
        "haproxy.cfg -c` does not take its configuration as it stands",
        "haproxy.cfg:20] : unknown keyword 'retires'",
    ] {
        assert!(failure.message.contains(said), "{failure:?}");
    }
    let by_hand = supervisor::hand(&stage).restart(Some("2")).await.unwrap_err();
    assert_eq!(by_hand.message, failure.message);
    assert_eq!(stage.instances().len(), 1, "nothing was started");
    fs::write(haproxy.file(), &sound).unwrap();
    let capsule = restart.capture().await;
    // Made while the new version started.
    fs::write(haproxy.file(), &broken).unwrap();
    let failure = restart.try_apply(&capsule).await.unwrap_err();
    assert!(failure.message.contains("haproxy.cfg -c` does not take the change"), "{failure:?}");
    assert_eq!((haproxy.conf(), haproxy.answer(false).await), (broken, (200, "1".into())));
    restart.undone(&capsule).await;
    assert_eq!(stage.versions().await, ["1"]);
}

#[tokio::test]
async fn what_runs_and_has_not_read_the_file_is_told() {
    let (mut stage, mut haproxy) = serving().await;
    let sound = haproxy.conf();
    stage.scene.release("2", &[]);
    let restart = stage.act("restart/1", Restart);
    let refusal = async || restart.driver.capture(&restart.cx, &restart.unit).await.unwrap_err();
    // Marks that were put around another backend, and no reload since.
    let other = format!(
        "{sound}backend other\n    # windlass begin booking\n    server a 127.0.0.1:9\n    # windlass end booking\n"
    );
    let (front_part, rest) = other.split_once("    # windlass begin booking\n").unwrap();
    let other = format!("{front_part}{}", rest.replacen("    # windlass end booking\n", "", 1));
    fs::write(haproxy.file(), &other).unwrap();
    let failure = refusal().await;
    assert!(failure.message.contains("what runs has no backend `other`"), "{failure:?}");
    fs::write(haproxy.file(), sound.replace("stats socket", "# stats socket")).unwrap();
    let failure = refusal().await;
    assert!(failure.message.contains("put `stats socket /run/haproxy/admin.sock"), "{failure:?}");
    fs::write(haproxy.file(), &sound).unwrap();
    haproxy.master.kill().unwrap();
    haproxy.master.wait().unwrap();
    eventually("its worker has ended", || async {
        tokio::net::UnixStream::connect(haproxy.folder.join("admin.sock")).await.is_err()
    })
    .await;
    let failure = refusal().await;
    assert!(failure.message.contains("does not run"), "{failure:?}");
    assert!(failure.hints.contains(&"systemctl start haproxy".to_owned()), "{failure:?}");
    assert_eq!(stage.versions().await, ["1"]);
}

#[tokio::test]
async fn a_reload_that_is_not_taken_is_seen_and_the_file_is_as_it_was() {
    let (stage, haproxy) = serving().await;
    fronted::not_taken(&stage, &haproxy).await;
}

#[tokio::test]
async fn maintenance_and_read_only() {
    let (stage, haproxy) = serving().await;
    let before = haproxy.conf();
    let server = *stage.scene.server().unwrap();
    let front = front(&stage);
    assert!(front.mode(Mode::Readonly, true, 5_000).await.unwrap().readonly);
    assert_eq!(haproxy.answer(false).await, (200, "1".into()));
    let (status, text) = haproxy.answer(true).await;
    assert!(status == 503 && text.contains("read-only"), "{text}");
    let page = stage.scene.base.join("page.html");
    fs::write(&page, "<h1>back soon</h1>").unwrap();
    let paged = windlass_plan::FrontServer { page: Some(page.display().to_string()), ..server.clone() };
    let paged = Marked::new(&stage.scene.base, NAME, &paged);
    assert!(paged.mode(Mode::Maintenance, true, 5_000).await.unwrap().holding_ms.is_some());
    assert_eq!(haproxy.answer(false).await, (503, "<h1>back soon</h1>".into()));
    // Writes stay refused.
    let status = front.mode(Mode::Maintenance, false, 5_000).await.unwrap();
    assert_eq!((status.holding_ms, status.readonly), (None, true));
    assert_eq!(haproxy.answer(true).await.0, 503);
    front.mode(Mode::Readonly, false, 5_000).await.unwrap();
    assert_eq!(haproxy.answer(true).await, (200, "1".into()));
    assert_eq!(haproxy.conf(), before);
    // What it only warns of, and would not do.
    fs::write(haproxy.file(), before.replace("mode http", "mode tcp")).unwrap();
    let error = front.mode(Mode::Maintenance, true, 5_000).await.unwrap_err();
    assert!(matches!(&error, FrontError::Refused(why) if why.contains("require HTTP mode")), "{error:?}");
    fs::write(haproxy.file(), before.replace(MODE, "")).unwrap();
    let error = front.mode(Mode::Maintenance, true, 5_000).await.unwrap_err();
    assert!(matches!(&error, FrontError::Refused(why) if why.contains("begin booking mode")), "{error:?}");
}

#[tokio::test]
async fn stopped_it_is_in_maintenance_and_started_it_is_not() {
    let (mut stage, haproxy) = serving().await;
    fronted::stopped_and_started(&mut stage, &haproxy).await;
}

#[tokio::test]
async fn weights_are_in_force_and_its_master_can_be_asked_instead() {
    let (stage, haproxy) = stage_that(Says::Master).await;
    let mut server = *stage.scene.server().unwrap();
    server.command.extend(["-S".to_owned(), haproxy.folder.join("master.sock").display().to_string()]);
    let front = Marked::new(&stage.scene.base, NAME, &server);
    let upstreams: Vec<Upstream> = [("1", "127.0.0.1:9", 90), ("2", "127.0.0.2:9", 10)]
        .map(|(version, address, weight)| Upstream {
            version: version.into(),
            address: address.into(),
            weight,
            health: None,
        })
        .into();
    let request = Request::Switch { upstreams: upstreams.clone(), drain_ms: 1_000, resume: false };
    let status = front.call(&request).await.unwrap();
    let now: Vec<Upstream> = status.upstreams.into_iter().map(|one| one.upstream).collect();
    assert_eq!(now, upstreams);
    assert!(
        haproxy.conf().contains("    server 127.0.0.2:9 127.0.0.2:9 weight 10 # version 2\n"),
        "{}",
        haproxy.conf()
    );
    // Nothing says what runs, and so nothing is touched.
    let error = Marked::new(&stage.scene.base, NAME, &stage.scene.server().unwrap())
        .call(&request)
        .await
        .unwrap_err();
    assert!(matches!(&error, FrontError::Refused(why) if why.contains("stats socket")), "{error:?}");
}

/// Before the file is replaced, before the reload and behind it; all other steps are nginx's too, and are tested there.
#[tokio::test]
async fn a_switch_killed_around_its_reload() {
    let killed = async |moment, back| assert!(!ended_before(serving, Way::Forward, back, moment).await);
    tokio::join!(killed(6, true), killed(7, false), killed(7, true), killed(8, false));
}

#[tokio::test]
async fn an_undo_killed_around_its_reload() {
    let killed = async |moment| assert!(!ended_before(serving, Way::Undo, false, moment).await);
    tokio::join!(killed(6), killed(7));
}
