//! On a machine with a real systemd, over a real sshd.

use super::SystemdDriver;
use crate::{host::Hosts, testing};
use std::sync::Arc;
use windlass_driver::{Capsule, Context, Done, Driver as _, Effect, Failure, Found, Survey};
use windlass_lab::Machine;
use windlass_plan::{Action, SystemdVerb as Verb, Target, Unit, Way};

/// A machine with a unit `app`, whose process writes what it was started with to `/run/started`.
struct World {
    machine: Machine,
    folder: tempfile::TempDir,
    user: &'static str,
}

impl World {
    fn new() -> Self {
        let machine = Machine::start("web");
        let world = Self { machine, folder: testing::folder(), user: "deploy" };
        world.write("app", "ExecStart=/bin/sh -c 'cat /srv/version >>/run/started; exec sleep 10000'\nExecReload=/bin/sh -c 'cp /srv/version /run/read'");
        world.machine.run("echo 1 >/srv/version");
        world
    }

    /// A unit of systemd with these lines about its service.
    fn write(&self, name: &str, service: &str) {
        let text = format!("[Service]\n{service}\n[Install]\nWantedBy=multi-user.target\n");
        let script =
            format!("cat >/etc/systemd/system/{name}.service <<'END'\n{text}END\nsystemctl daemon-reload");
        self.machine.run(&script);
    }

    fn unit(&self, verb: Verb, name: &str) -> Unit {
        let name = if name.is_empty() { String::new() } else { format!("{name}.service") };
        let action = Action::Systemd { verb, name, sudo: self.user != "root", user: false };
        let host = format!("{}@web", self.user);
        Unit { host, ..testing::unit(&format!("{}/1", verb.word()), action) }
    }

    fn context(&self, units: &[Unit]) -> Context {
        let (mut cx, _) = testing::context(self.folder.path(), &units[0]);
        let ssh_config = Some(self.machine.config().to_str().unwrap().to_owned());
        let target = Target::Hosts { hosts: vec![units[0].host.clone()], dir: None, ssh_config };
        let mut plan = testing::plan(units, &[("app", target)]);
        plan.steps.iter_mut().for_each(|step| step.on = "app".to_owned());
        cx.plan = Arc::new(plan);
        cx
    }

    async fn capture(&self, unit: &Unit) -> Capsule {
        SystemdDriver::default().capture(&self.context(std::slice::from_ref(unit)), unit).await.unwrap()
    }

    async fn apply(&self, unit: &Unit, capsule: &Capsule) -> Result<Done, Failure> {
        SystemdDriver::default().apply(&self.context(std::slice::from_ref(unit)), unit, capsule).await
    }

    async fn undo(&self, unit: &Unit, capsule: &Capsule) -> Result<Done, Failure> {
        SystemdDriver::default().undo(&self.context(std::slice::from_ref(unit)), unit, capsule, None).await
    }

    async fn inspect(&self, unit: &Unit, capsule: &Capsule, way: Way) -> Found {
        SystemdDriver::default().inspect(&self.context(std::slice::from_ref(unit)), unit, capsule, way).await
    }

    async fn survey(&self, unit: &Unit) -> Survey {
        SystemdDriver::new(Hosts::default())
            .survey(&self.context(std::slice::from_ref(unit)), unit)
            .await
            .unwrap()
    }

    /// Does it, and takes it back if it is wanted.
    async fn both(&self, verb: Verb, name: &str) -> (Done, Done) {
        let unit = self.unit(verb, name);
        let capsule = self.capture(&unit).await;
        let done = self.apply(&unit, &capsule).await.unwrap();
        let found = self.inspect(&unit, &capsule, Way::Forward).await;
        // What shows in nothing is given again.
        let shows = !matches!(verb, Verb::Reload | Verb::DaemonReload);
        assert_eq!(matches!(found, Found::Applied(_)), shows, "{verb:?}: {found:?}");
        let undone = self.undo(&unit, &capsule).await.unwrap();
        let back = self.inspect(&unit, &capsule, Way::Undo).await;
        assert!(matches!(back, Found::Applied(_)) || !shows || verb == Verb::Keep, "{verb:?}: {back:?}");
        (done, undone)
    }

    fn state(&self, name: &str) -> String {
        self.machine.run(&format!("systemctl is-active {name} || true; systemctl is-enabled {name} || true"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_carried_out_and_taken_back() {
    let world = World::new();
    assert_eq!(world.state("app"), "inactive\ndisabled");
    let (done, undone) = world.both(Verb::Start, "app").await;
    assert!(
        done.effects[0].starts_with("app.service on deploy@web started: active (running), process "),
        "{done:?}"
    );
    assert!(undone.effects[0].contains("stopped: inactive (dead)"), "{undone:?}");
    world.both(Verb::Enable, "app").await;
    assert_eq!(world.state("app"), "inactive\ndisabled");
    let start = world.unit(Verb::Start, "app");
    world.apply(&start, &world.capture(&start).await).await.unwrap();
    let (done, undone) = world.both(Verb::Start, "app").await;
    assert!(!done.changed && !undone.changed && world.state("app").starts_with("active"));
    world.both(Verb::Stop, "app").await;
    assert!(world.state("app").starts_with("active"), "started again");
    let enable = world.unit(Verb::Enable, "app");
    world.apply(&enable, &world.capture(&enable).await).await.unwrap();
    world.both(Verb::Disable, "app").await;
    assert_eq!(world.state("app"), "active\nenabled");
    world.machine.run("echo 2 >/srv/version");
    world.both(Verb::Reload, "app").await;
    assert_eq!(world.machine.run("cat /run/read"), "2");
    world.both(Verb::DaemonReload, "").await;
    let running = world.machine.run("cat /run/started");
    world.both(Verb::Keep, "app").await;
    assert_eq!(world.machine.run("cat /run/started"), running, "it was not started anew, so it runs on");
}

/// What was restarted runs from the files as they are when all is back, and stands still meanwhile only where a database is
/// taken back.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_back_last_of_all() {
    let world = World::new();
    world.machine.run("systemctl start app");
    for sql in [false, true] {
        world.machine.run("systemctl reset-failed app; echo 1 >/srv/version; systemctl restart app; until grep -q 1 /run/started; do sleep 0.01; done; : >/run/started");
        let (keep, restart) = (world.unit(Verb::Keep, "app"), world.unit(Verb::Restart, "app"));
        let mut units = vec![keep.clone(), restart.clone()];
        if sql {
            units.insert(1, testing::unit("sql/1", testing::sql("DELETE FROM t", None)));
        }
        let (cx, driver) = (world.context(&units), SystemdDriver::default());
        let kept = driver.capture(&cx, &keep).await.unwrap();
        driver.apply(&cx, &keep, &kept).await.unwrap();
        world.machine.run("echo 2 >/srv/version");
        let capsule = driver.capture(&cx, &restart).await.unwrap();
        driver.apply(&cx, &restart, &capsule).await.unwrap();
        // So many starts that systemd would refuse the next.
        world.machine.run("for n in 1 2 3 4 5; do systemctl restart app || true; done; : >/run/started");
        driver.undo(&cx, &restart, &capsule, None).await.unwrap();
        assert!(!sql || !world.state("app").starts_with("active"), "{sql}");
        world.machine.run("echo 1 >/srv/version");
        assert_eq!(driver.inspect(&cx, &keep, &kept, Way::Undo).await, Found::NotApplied);
        driver.undo(&cx, &keep, &kept, None).await.unwrap();
        assert_eq!(world.machine.run("cat /run/started"), "1");
        assert!(world.state("app").starts_with("active"));
    }
}

/// Where files were changed before a stop, it is not started from them on the way back; and what stopped with it runs again.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_behind_new_files_goes_back_last_of_all() {
    let world = World::new();
    world.write("beside", "ExecStart=/bin/sleep 1000");
    world.machine.run("sed -i '1i [Unit]\\nBindsTo=app.service' /etc/systemd/system/beside.service; systemctl daemon-reload; systemctl start app beside");
    let units = [Verb::Keep, Verb::Stop].map(|verb| world.unit(verb, "app"));
    let (cx, driver) = (world.context(&units), SystemdDriver::default());
    let mut capsules = vec![];
    for unit in &units {
        let capsule = driver.capture(&cx, unit).await.unwrap();
        driver.apply(&cx, unit, &capsule).await.unwrap();
        capsules.push(capsule);
    }
    assert_eq!(world.machine.run("systemctl is-active app beside || true"), "inactive\ninactive");
    driver.undo(&cx, &units[1], &capsules[1], None).await.unwrap();
    assert!(matches!(driver.inspect(&cx, &units[1], &capsules[1], Way::Undo).await, Found::Applied(_)));
    assert!(world.state("app").starts_with("inactive"), "not from what is there now");
    let done = driver.undo(&cx, &units[0], &capsules[0], None).await.unwrap();
    assert!(done.effects[1].contains("beside.service, which was stopped with it"), "{done:?}");
    assert_eq!(world.machine.run("systemctl is-active app beside"), "active\nactive");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_run_or_stay_is_a_failure_with_its_log() {
    let world = World::new();
    world.write("flaps", "ExecStart=/bin/sh -c 'echo no hunter2 today >&2; exit 3'\nRestart=always\nRestartSec=30ms\n[Unit]\nStartLimitIntervalSec=0");
    world.write("ends", "ExecStart=/bin/sh -c 'echo bad port >&2; sleep 0.3; exit 7'");
    world.write("once", "Type=oneshot\nExecStart=/bin/true");
    world.write("missing", "ExecStart=/nowhere/app");
    for (name, said, log) in [
        ("flaps", "is started again and again", "no **** today"),
        ("ends", "failed (failed) (exit-code)", "bad port"),
        ("missing", "failed (failed) (exit-code)", "status=203/EXEC"),
    ] {
        let unit = world.unit(Verb::Start, name);
        let capsule = world.capture(&unit).await;
        let failure = world.apply(&unit, &capsule).await.unwrap_err();
        assert_eq!(failure.effect, Effect::Partial, "{failure:?}");
        assert!(failure.message.contains(said) && failure.output.contains(log), "{failure:?}");
        assert!(
            failure.hints[0].contains("ssh -F ")
                && failure.hints[0].contains(&format!("systemctl status {name}.service")),
            "{failure:?}"
        );
        world.undo(&unit, &capsule).await.unwrap();
        assert!(!world.state(name).starts_with("act"), "{name} is stopped for good");
    }
    let unit = world.unit(Verb::Restart, "once");
    let done = world.apply(&unit, &world.capture(&unit).await).await.unwrap();
    assert!(done.effects[0].contains("once.service on deploy@web started: inactive (dead)"), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_fail_is_said_before_it_runs() {
    let mut world = World::new();
    world.machine.run(
        "systemctl mask -q masked.service; systemctl start app; echo '#' >>/etc/systemd/system/app.service",
    );
    world.write("plain", "ExecStart=/bin/sleep 1000");
    world.machine.run("echo '#' >>/etc/systemd/system/app.service");
    for (verb, name, problem) in [
        (Verb::Start, "nowhere", "nowhere.service on deploy@web is not there"),
        (Verb::Start, "masked", "is masked"),
        (Verb::Reload, "plain", "has no ExecReload"),
    ] {
        let survey = world.survey(&world.unit(verb, name)).await;
        assert!(survey.problems[0].contains(problem), "{survey:?}");
    }
    let survey = world.survey(&world.unit(Verb::Restart, "app")).await;
    assert!(survey.effects[0].contains("active (running), process "), "{survey:?}");
    assert!(survey.effects[1].contains("was changed since systemd read it"), "{survey:?}");
    world.user = "clerk";
    let unit = world.unit(Verb::Stop, "app");
    let (cx, driver) = (world.context(std::slice::from_ref(&unit)), SystemdDriver::default());
    let failure = driver.capture(&cx, &unit).await.unwrap_err();
    assert_eq!(failure.effect, Effect::None);
    assert!(
        failure.message.contains("password is required") && failure.hints[0].contains("NOPASSWD"),
        "{failure:?}"
    );
    assert!(world.state("app").starts_with("active"));
}

/// The order is with systemd: a link that is cut or a machine that reboots shows in nothing but the state that is found.
#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_was_gone_is_found_as_it_is() {
    let world = World::new();
    world.machine.run("systemctl enable -q --now app");
    let unit = world.unit(Verb::Restart, "app");
    let capsule = world.capture(&unit).await;
    assert_eq!(world.inspect(&unit, &capsule, Way::Forward).await, Found::NotApplied);
    world.machine.run("systemctl restart app");
    assert!(matches!(world.inspect(&unit, &capsule, Way::Forward).await, Found::Applied(_)));
    world.machine.run("systemctl stop app");
    let Found::Failed(failure) = world.inspect(&unit, &capsule, Way::Forward).await else {
        panic!("a guess")
    };
    assert!(failure.message.contains("was started and does not run"), "{failure:?}");
    world.machine.switch_off();
    world.machine.boot();
    assert!(
        matches!(world.inspect(&unit, &capsule, Way::Forward).await, Found::Applied(_)),
        "started anew with it"
    );
}
