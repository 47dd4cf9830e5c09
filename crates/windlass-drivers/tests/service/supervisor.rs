//! The supervisor: restart, crash loop, its own death, logs.

use super::*;
use ServiceOperation::{Start, Stop};
use rustix::process::{Pid, Signal, kill_process};
use windlass_drivers::service::{Hand, Phase};

fn kill(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid as i32).unwrap(), signal).unwrap();
}

fn state(stage: &Stage) -> State {
    stage.states().pop().unwrap()
}

#[tokio::test]
async fn a_process_that_crashes_is_started_again_on_the_same_port() {
    let stage = Stage::serving().await;
    let before = state(&stage);
    kill(before.child.as_ref().unwrap().pid, Signal::KILL);
    eventually("a new process", || async {
        let now = state(&stage);
        now.phase == Phase::Running && now.restarts == 1 && now.child != before.child
    })
    .await;
    let now = state(&stage);
    assert_eq!(now.port, before.port);
    assert_eq!(now.last_exit.as_deref(), Some("killed by signal 9"));
}

#[tokio::test]
async fn a_crash_loop_ends_and_says_how_it_ended() {
    let mut stage = Stage::new();
    stage.scene.limits.crashes_max = 3;
    let needed = stage.scene.base.join("needed");
    fs::write(&needed, "").unwrap();
    stage.scene.release("1", &[&format!("needs={}", needed.display())]);
    stage.act("before/1", Start).applied().await;
    fs::remove_file(&needed).unwrap();
    kill(state(&stage).child.unwrap().pid, Signal::KILL);
    eventually("giving up", || async { state(&stage).phase == Phase::GaveUp }).await;
    let end = state(&stage);
    assert_eq!(end.restarts, 3);
    assert_eq!(end.last_exit.as_deref(), Some("exit status 5"));
    assert!(end.last_lines.iter().any(|line| line.contains("is not there")), "{:?}", end.last_lines);
    eventually("the supervisor is gone", || async { !end.supervisor.as_ref().unwrap().alive() }).await;
    let status = service_status(&stage.scene.base, NAME).await.unwrap();
    assert_eq!(status.instances[0].phase, Phase::GaveUp);
}

#[tokio::test]
async fn a_killed_supervisor_leaves_the_service_running_and_it_can_be_stopped() {
    let stage = Stage::serving().await;
    let before = state(&stage);
    kill(before.supervisor.as_ref().unwrap().pid, Signal::KILL);
    eventually("the supervisor is gone", || async { !before.supervisor.as_ref().unwrap().alive() }).await;
    assert!(before.child.as_ref().unwrap().alive(), "it goes on serving");
    let status = stage.status().await;
    assert!(!status.instances[0].supervised && status.instances[0].pid.is_some(), "{status:?}");
    let stop = stage.act("stop/1", Stop);
    let (capsule, _) = stop.applied().await;
    assert!(!before.child.unwrap().alive());
    assert!(applied(&stop.inspect(&capsule, Way::Forward).await));
}

#[tokio::test]
async fn a_start_gives_a_service_without_supervisor_a_new_one_that_adopts_it() {
    let stage = Stage::serving().await;
    let before = state(&stage);
    kill(before.supervisor.as_ref().unwrap().pid, Signal::KILL);
    eventually("the supervisor is gone", || async { !before.supervisor.as_ref().unwrap().alive() }).await;
    stage.act("start/1", Start).applied().await;
    eventually("adopted", || async {
        let now = state(&stage);
        now.supervisor != before.supervisor && now.supervisor.as_ref().unwrap().alive()
    })
    .await;
    assert_eq!(state(&stage).child, before.child, "the same process");
    kill(before.child.as_ref().unwrap().pid, Signal::KILL);
    eventually("supervised again", || async {
        let now = state(&stage);
        now.phase == Phase::Running && now.child.is_some() && now.child != before.child
    })
    .await;
}

#[tokio::test]
async fn a_stubborn_service_is_killed_after_its_time() {
    let mut stage = Stage::new();
    stage.scene.release("1", &["stubborn"]);
    stage.scene.stop_within_ms = 100;
    stage.act("before/1", Start).applied().await;
    let child = state(&stage).child.unwrap();
    stage.act("stop/1", Stop).applied().await;
    assert!(!child.alive());
    assert_eq!(state(&stage).phase, Phase::Stopped);
}

#[tokio::test]
async fn logs_rotate_while_the_service_writes() {
    let mut stage = Stage::new();
    stage.scene.release("1", &["chatter"]);
    stage.scene.limits.log_bytes_max = 5_000;
    stage.scene.limits.log_keep = 2;
    stage.act("before/1", Start).applied().await;
    let folder = stage.instances().pop().unwrap();
    eventually("two rotations", || async { folder.join("out.log.2").exists() }).await;
    assert!(!folder.join("out.log.3").exists());
    let old = fs::read_to_string(folder.join("out.log.1")).unwrap();
    assert!(old.ends_with('\n') && old.contains("line "), "whole lines");
}

#[tokio::test]
async fn a_process_that_its_supervisor_could_not_note_any_more_is_found_and_ended() {
    let stage = Stage::serving().await;
    let mut noted = state(&stage);
    let child = noted.child.take().unwrap();
    kill(noted.supervisor.as_ref().unwrap().pid, Signal::KILL);
    eventually("the supervisor is gone", || async { !noted.supervisor.as_ref().unwrap().alive() }).await;
    // As if it was killed between starting the process and writing that down.
    noted.phase = Phase::Starting;
    let path = stage.instances().pop().unwrap().join("state.json");
    fs::write(path, serde_json::to_vec(&noted).unwrap()).unwrap();
    assert_eq!(stage.status().await.instances[0].pid, Some(child.pid), "found by its environment");
    stage.act("stop/1", Stop).applied().await;
    assert!(!child.alive());
}

#[tokio::test]
async fn the_supervisor_has_its_own_session_and_the_process_its_own_group() {
    use rustix::process::{getpgid, getsid};
    let stage = Stage::serving().await;
    let now = state(&stage);
    let raw =
        |id: &Option<windlass_drivers::service::ProcessId>| Pid::from_raw(id.as_ref().unwrap().pid as i32);
    assert_eq!(getsid(raw(&now.supervisor)).ok(), raw(&now.supervisor));
    assert_eq!(getpgid(raw(&now.child)).ok(), raw(&now.child));
    assert_eq!(getsid(raw(&now.child)).ok(), raw(&now.supervisor));
}

#[tokio::test]
async fn a_supervisor_that_is_late_starts_nothing() {
    let stage = Stage::serving().await;
    stage.act("stop/1", Stop).applied().await;
    let spec = stage.instances().pop().unwrap().join("spec.json");
    let late = Command::new(&stage.scene.lab).arg("supervise").arg(spec).status().unwrap();
    assert!(late.success());
    assert_eq!(state(&stage).phase, Phase::Stopped);
    assert!(stage.versions().await.is_empty());
}

#[tokio::test]
async fn a_supervisor_that_cannot_start_is_told_with_its_reason() {
    let mut stage = Stage::new();
    stage.scene.argv = vec!["./no-such-program".into(), "{port}".into()];
    let start = stage.act("start/1", Start);
    let failure = start.try_apply(&start.capture().await).await.unwrap_err();
    assert!(failure.message.contains("could not be started"), "{failure:?}");
    assert!(failure.message.contains("no-such-program"), "{failure:?}");
}

#[tokio::test]
async fn a_port_that_is_taken_between_choice_and_start_is_replaced_by_another() {
    let mut stage = Stage::new();
    let squatter = stage.scene.base.join("squatter");
    fs::write(&squatter, "").unwrap();
    stage.scene.release("1", &[&format!("robbed={}", squatter.display())]);
    stage.act("before/1", Start).applied().await;
    assert!(stage.serves("1").await);
    assert_eq!(stage.instances().len(), 2, "one for each port");
    fs::remove_file(squatter.with_extension("lives")).unwrap();
}

pub fn hand(stage: &Stage) -> Hand {
    let scene = &stage.scene;
    Hand::new(&scene.base, NAME, &scene.service(), Some(&Scene::target()), scene.supervisor()).unwrap()
}

/// A service without proxy that is sick while the file is there.
fn sick_while(stage: &mut Stage, start_within_ms: u64) -> PathBuf {
    let file = stage.scene.base.join("sick");
    stage.scene.fronting = Fronting::None;
    stage.scene.start_within_ms = start_within_ms;
    stage.scene.release("1", &[&format!("sick-while={}", file.display())]);
    file
}

#[tokio::test]
async fn a_start_says_of_a_sick_process_how_long_it_is_up_and_what_replaces_it() {
    let mut stage = Stage::new();
    let sick = sick_while(&mut stage, 600_000);
    hand(&stage).start(Some("1")).await.unwrap();
    fs::write(&sick, "").unwrap();
    // Its time to get healthy is over.
    stage.scene.start_within_ms = 100;
    let pid = stage.status().await.instances[0].pid;
    let asked = Instant::now();
    for failure in [
        hand(&stage).start(None).await.unwrap_err(),
        stage
            .act("start/1", Start)
            .try_apply(&stage.act("start/1", Start).capture().await)
            .await
            .unwrap_err(),
    ] {
        assert!(failure.message.contains("answered 500"), "{failure:?}");
        assert!(failure.message.contains("it has been up for"), "{failure:?}");
        assert!(failure.message.contains("a start leaves it as it is, a restart replaces it"), "{failure:?}");
        assert!(failure.hints.contains(&"windlass service restart booking".to_owned()), "{failure:?}");
        assert!(!failure.hints.contains(&"windlass service start booking".to_owned()), "{failure:?}");
    }
    assert!(asked.elapsed() < Duration::from_secs(60), "nobody waits for what had its time");
    assert_eq!(stage.status().await.instances[0].pid, pid, "the same process still runs");
    fs::remove_file(&sick).unwrap();
    hand(&stage).start(None).await.unwrap();
    assert_eq!(stage.status().await.instances[0].pid, pid, "it got well by itself");
    fs::write(&sick, "").unwrap();
    let gone = stage.states().pop().unwrap().child.unwrap();
    hand(&stage).restart(None).await.unwrap_err();
    assert!(!gone.alive(), "a restart replaces it, even by one that is sick too");
}

#[tokio::test]
async fn a_start_replaces_a_process_that_never_served() {
    for (asked, runs) in [(None, "1"), (Some("2"), "2")] {
        let mut stage = Stage::new();
        let sick = sick_while(&mut stage, 300);
        // As after a start that was killed while it waited for health.
        hand(&stage).start(Some("1")).await.unwrap();
        fs::remove_file(stage.instances().pop().unwrap().join("ready.json")).unwrap();
        fs::write(&sick, "").unwrap();
        let first = stage.states().pop().unwrap().child.unwrap();
        let failure = hand(&stage).start(asked).await.unwrap_err();
        assert!(!first.alive(), "{failure:?}");
        assert!(failure.message.contains("instance 0002"), "the new one was tried: {failure:?}");
        fs::remove_file(&sick).unwrap();
        hand(&stage).start(Some(runs)).await.unwrap();
        assert_eq!(stage.versions().await, [runs]);
    }
}

#[tokio::test]
async fn a_start_waits_for_a_process_that_still_has_time_and_keeps_it() {
    let mut stage = Stage::new();
    let sick = sick_while(&mut stage, 600_000);
    hand(&stage).start(Some("1")).await.unwrap();
    fs::remove_file(stage.instances().pop().unwrap().join("ready.json")).unwrap();
    fs::write(&sick, "").unwrap();
    let first = stage.states().pop().unwrap().child.unwrap();
    let again = hand(&stage);
    let start = again.start(None);
    let heal = async {
        fs::remove_file(&sick).unwrap();
        Ok::<_, Failure>(())
    };
    tokio::try_join!(start, heal).unwrap();
    assert_eq!(stage.states().pop().unwrap().child.unwrap(), first);
    assert!(stage.instances().pop().unwrap().join("ready.json").exists());
}

#[tokio::test]
async fn by_hand_it_goes_the_same_way() {
    let mut stage = Stage::new();
    stage.scene.fronting = Fronting::None;
    let failure = hand(&stage).start(None).await.unwrap_err();
    assert!(failure.hints[0].contains("--version"), "{failure:?}");
    assert!(hand(&stage).start(Some("1")).await.unwrap().changed);
    let failure = hand(&stage).start(Some("2")).await.unwrap_err();
    assert!(failure.message.contains("runs already"), "{failure:?}");
    let pid = stage.status().await.instances[0].pid;
    hand(&stage).restart(None).await.unwrap();
    assert_ne!(stage.status().await.instances[0].pid, pid);
    hand(&stage).stop().await.unwrap();
    assert!(stage.versions().await.is_empty());
    hand(&stage).start(None).await.unwrap();
    assert_eq!(stage.versions().await, ["1"]);
    let lines = hand(&stage).status().await.unwrap().lines().join("\n");
    assert!(lines.contains("version 1 up") && lines.contains("healthy"), "{lines}");
}
