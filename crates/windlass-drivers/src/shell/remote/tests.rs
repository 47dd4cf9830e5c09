//! On a real sshd, whose connections and whose controller die.

use crate::{
    host::Hosts,
    shell::ShellDriver,
    testing::{self, until},
};
use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};
use windlass_driver::{Capsule, Context, Done, Driver as _, Effect, Failure, Fault, Found};
use windlass_lab::Sshd;
use windlass_plan::{Action, Unit, Way};

/// Lines on the hosts of one sshd.
struct World {
    sshd: Sshd,
    folder: tempfile::TempDir,
    driver: ShellDriver,
}

impl World {
    fn new(hosts: u8) -> Self {
        Self {
            sshd: Sshd::start(hosts),
            folder: testing::folder(),
            driver: ShellDriver::new(Hosts::default()),
        }
    }

    /// A path in a folder of the test's own.
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn unit(&self, host: u8, script: &str, readonly: bool) -> Unit {
        let dir = Some(self.folder.path().to_str().unwrap().to_owned());
        let host = self.sshd.host(host);
        let action = Action::Shell { script: script.to_owned(), dir, readonly, database: None };
        Unit { host: host.clone(), ..testing::unit(&format!("line/1@{host}"), action) }
    }

    fn context(&self, unit: &Unit) -> (Context, Arc<Mutex<String>>) {
        testing::context_on(&self.sshd, self.folder.path(), unit)
    }

    async fn run(&self, unit: &Unit) -> Result<Done, Failure> {
        self.driver.apply(&self.context(unit).0, unit, &Capsule::default()).await
    }

    async fn inspect(&self, unit: &Unit) -> Found {
        self.inspect_with(unit, &Capsule::default()).await
    }

    async fn inspect_with(&self, unit: &Unit, capsule: &Capsule) -> Found {
        // Another controller: none of its connections is open.
        let driver = ShellDriver::new(Hosts::default());
        driver.inspect(&self.context(unit).0, unit, capsule, Way::Forward).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_runs_there_as_it_is_written() {
    let world = World::new(2);
    let script = "pwd; echo \"it's $((6 * 7)) `echo 名字` \\\\ $WINDLASS_RUN $WINDLASS_UNIT $WINDLASS_ATTEMPT ${folder-none}\"\n\
                  if read x; then echo has input; fi; echo hunter2 >&2; printf 'no end of line'";
    for host in [1, 2] {
        let unit = world.unit(host, script, false);
        let (cx, seen) = world.context(&unit);
        let done = world.driver.apply(&cx, &unit, &Capsule::default()).await.unwrap();
        assert!(done.changed);
        let said = format!(
            "{}\nit's 42 名字 \\ 20260102-030405-abcd line/1@127.0.0.{host} 1 none\n****\nno end of line",
            world.folder.path().display()
        );
        assert_eq!(done.output, said);
        assert_eq!(*seen.lock().unwrap(), said);
        let kept = format!("windlass/20260102-030405-abcd/line,1@127.0.0.{host}/attempt-1");
        let kept = world.sshd.state().join(kept);
        assert!(kept.join("status").is_symlink());
        assert!(!kept.join("output").exists(), "a secret does not stay there");
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&kept).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o700);
    }
    let asked = std::process::Command::new("sh").args(["-c", "umask"]).output().unwrap().stdout;
    let unit = world.unit(1, "umask", true);
    assert_eq!(
        world.run(&unit).await.unwrap().output.as_bytes(),
        asked,
        "what a line makes is for all to read"
    );
}

/// Another account or machine has no folder of the line: it cannot say that the line never ran.
#[tokio::test(flavor = "multi_thread")]
async fn who_did_not_start_it_cannot_say_that_it_never_ran() {
    let world = World::new(1);
    let unit = world.unit(1, "echo once >>runs", false);
    let capsule = world.driver.capture(&world.context(&unit).0, &unit).await.unwrap();
    let identity = capsule.0["identity"].as_str().unwrap().to_owned();
    assert!(identity.starts_with("0:") || !rustix::process::geteuid().is_root(), "{identity}");
    world.driver.apply(&world.context(&unit).0, &unit, &capsule).await.unwrap();
    let other = Capsule(serde_json::json!({ "identity": format!("9{identity}") }));
    let Found::Unknown(text) = world.inspect_with(&unit, &other).await else { panic!("a guess") };
    assert!(text.contains("was to start as 9"), "{text}");
    assert!(matches!(world.inspect_with(&unit, &capsule).await, Found::Applied(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn how_it_fails_is_said_with_the_host() {
    let world = World::new(1);
    let failure = world.run(&world.unit(1, "echo first; exit 3", false)).await.unwrap_err();
    assert_eq!((failure.effect, failure.fault), (Effect::Partial, Fault::Target));
    assert_eq!(
        failure.message,
        "`echo first; exit 3` on 127.0.0.1 ended with exit status 3; last output: first"
    );
    assert!(
        failure.hints[0].contains("ssh -F ") && failure.hints[0].ends_with("attempt-1/output"),
        "{failure:?}"
    );

    let mut unit = world.unit(1, "true", false);
    if let Action::Shell { dir, .. } = &mut unit.action {
        *dir = Some("/no/such/folder".to_owned());
    }
    unit.id.0 = "line/2".to_owned();
    let failure = world.run(&unit).await.unwrap_err();
    assert_eq!(failure.effect, Effect::None);
    assert_eq!(
        failure.message,
        "127.0.0.1: the working folder /no/such/folder cannot be entered; the line was not started"
    );
}

/// Never with a question, and nothing was started.
#[tokio::test(flavor = "multi_thread")]
async fn why_there_is_no_connection_is_said() {
    let world = World::new(1);
    let unit = world.unit(1, "touch started", false);
    world.sshd.forget_keys();
    let failure = world.run(&unit).await.unwrap_err();
    assert_eq!((failure.effect, failure.retry), (Effect::None, false), "{failure:?}");
    assert!(
        failure.message.starts_with("no connection to 127.0.0.1: ") && failure.message.contains("Host key"),
        "{failure:?}"
    );
    assert!(failure.hints[0].contains("compare it"), "{failure:?}");
    world.sshd.kill();
    let failure = world.run(&unit).await.unwrap_err();
    assert_eq!((failure.effect, failure.retry), (Effect::None, true), "{failure:?}");
    assert!(failure.message.contains("Connection refused"), "{failure:?}");
    let Found::Unknown(text) = world.inspect(&unit).await else { panic!("nobody could look") };
    assert!(text.contains("no connection to 127.0.0.1"), "{text}");
    assert!(!world.path("started").exists());
}

/// The link is cut while it runs, several times: nothing is lost and nothing comes twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_neither_ends_the_line_nor_loses_its_output() {
    let world = World::new(1);
    let script = "echo a; until [ -e go1 ]; do sleep 0.01; done; echo b; until [ -e go2 ]; do sleep 0.01; done; echo c";
    let unit = world.unit(1, script, false);
    let (cx, seen) = world.context(&unit);
    let cut = async {
        for (said, go) in [("a\n", "go1"), ("a\nb\n", "go2")] {
            until("its output", || *seen.lock().unwrap() == said).await;
            world.sshd.kill();
            fs::write(world.path(go), "").unwrap();
            world.sshd.restart();
        }
    };
    let capsule = Capsule::default();
    let (done, ()) = tokio::join!(world.driver.apply(&cx, &unit, &capsule), cut);
    assert_eq!(done.unwrap().output, "a\nb\nc\n");
    assert_eq!(*seen.lock().unwrap(), "a\nb\nc\n");
}

/// A controller that dies leaves the line; the next one has its result, and never starts it again.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_controller_began_is_found() {
    let world = World::new(1);
    let script = "echo once >>runs; until [ -e go ]; do sleep 0.01; done; echo end; exit 4";
    let unit = world.unit(1, script, false);
    let ((cx, _), capsule) = (world.context(&unit), Capsule::default());
    tokio::select! {
        _ = world.driver.apply(&cx, &unit, &capsule) => panic!("it waits"),
        () = until("its start", || world.path("runs").exists()) => {}
    }
    fs::write(world.path("go"), "").unwrap();
    let Found::Failed(failure) = world.inspect(&unit).await else { panic!("it failed") };
    assert!(failure.message.contains("exit status 4; last output: end"), "{failure:?}");
    let failure = world.run(&unit).await.unwrap_err();
    assert!(failure.message.contains("exit status 4"), "{failure:?}");
    assert_eq!(fs::read_to_string(world.path("runs")).unwrap(), "once\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_started_never_will_be() {
    let world = World::new(1);
    let unit = world.unit(1, "touch started", false);
    assert_eq!(world.inspect(&unit).await, Found::NotApplied);
    let failure = world.run(&unit).await.unwrap_err();
    assert!(failure.message.contains("cannot start any more"), "{failure:?}");
    assert!(!world.path("started").exists(), "a late start finds the claim taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_takes_too_long_is_stopped_with_all_that_it_started() {
    let world = World::new(1);
    let script = "setsid sleep 1000 & echo $! >>children; env -i sh -c 'trap : TERM; while :; do sleep 1; done' & echo $! >>children\n\
                  trap '' TERM; sleep 1000";
    let unit = world.unit(1, script, false);
    let (mut cx, _) = world.context(&unit);
    cx.timeout_ms = Some(300);
    let failure = world.driver.apply(&cx, &unit, &Capsule::default()).await.unwrap_err();
    assert!(failure.message.contains("did not end within 0.3 s"), "{failure:?}");
    for child in fs::read_to_string(world.path("children")).unwrap().lines() {
        let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_only_reads_is_stopped_as_asked_and_may_be_repeated() {
    let world = World::new(1);
    let unit = world.unit(1, "echo look; touch looking; sleep 1000", true);
    let (cx, _) = world.context(&unit);
    let stop = async {
        until("its start", || world.path("looking").exists()).await;
        cx.stopping.stop();
    };
    let capsule = Capsule::default();
    let (result, ()) = tokio::join!(world.driver.apply(&cx, &unit, &capsule), stop);
    let failure = result.unwrap_err();
    assert!(
        failure.message.contains("was stopped as asked") && failure.effect == Effect::None,
        "{failure:?}"
    );
    let again = world.unit(1, "echo again", true);
    assert_eq!(world.run(&again).await.unwrap().output, "again\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_survey_finds_what_would_fail() {
    let world = World::new(1);
    let mut unit = world.unit(1, "if then", true);
    if let Action::Shell { dir, .. } = &mut unit.action {
        *dir = Some("/no/such/folder".to_owned());
    }
    let survey = world.driver.survey(&world.context(&unit).0, &unit).await.unwrap();
    assert_eq!(survey.problems[0], "the working folder /no/such/folder cannot be entered");
    assert!(survey.problems[1].starts_with("/bin/sh cannot read it: "), "{survey:?}");
    assert!(!world.sshd.state().exists(), "a survey leaves nothing behind");
    world.sshd.kill();
    let failure = world.driver.survey(&world.context(&unit).0, &unit).await.unwrap_err();
    assert!(failure.message.starts_with("no connection to 127.0.0.1"), "{failure:?}");
}

/// Far more hosts at a time than a stock sshd takes connections.
#[tokio::test(flavor = "multi_thread")]
async fn many_hosts_at_a_time() {
    let world = World::new(16);
    let lines = (1..=16).map(|host| {
        let world = &world;
        async move {
            let unit = world.unit(host, "echo here", true);
            world.run(&unit).await
        }
    });
    for done in futures_util::future::join_all(lines).await {
        assert_eq!(done.unwrap().output, "here\n");
    }
}
