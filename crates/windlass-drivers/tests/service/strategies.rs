//! Stop, start and restart, there and back.

use super::*;
use ServiceOperation::{Restart, Start, Stop};
use windlass_driver::{Effect, Fault};

#[tokio::test]
async fn stop_and_start_hold_and_switch_and_come_back() {
    let mut stage = Stage::serving().await;
    let stop = stage.act("stop/1", Stop);
    let (stop_capsule, done) = stop.applied().await;
    assert!(done.changed && done.facts["held"] == true && done.facts["instance"] == "0001", "{done:?}");
    assert!(stage.versions().await.is_empty());
    assert!(stage.proxy().holding_ms.is_some());

    stage.scene.release("2", &[]);
    stage.scene.facts.insert(stop.unit.id.clone(), done.facts);
    let start = stage.act("start/1", Start);
    let (start_capsule, done) = start.applied().await;
    assert!(stage.serves("2").await, "{:?}", stage.proxy());
    assert_eq!((&done.facts["hold_ms"], &done.facts["held"]), (&7.into(), &3.into()), "{done:?}");
    assert_eq!(done.facts["pid"], stage.status().await.instances[0].pid.unwrap());

    start.undone(&start_capsule).await;
    assert!(stage.versions().await.is_empty());
    assert!(stage.proxy().holding_ms.is_some(), "held until the old one serves again");
    stop.undone(&stop_capsule).await;
    assert!(stage.serves("1").await, "{:?}", stage.proxy());
}

#[tokio::test]
async fn without_a_proxy_it_is_stopped_and_started() {
    let mut stage = Stage::new();
    stage.scene.fronting = Fronting::None;
    stage.act("before/1", Start).applied().await;
    let stop = stage.act("stop/1", Stop);
    let (capsule, _) = stop.applied().await;
    assert!(stage.versions().await.is_empty());
    assert!(applied(&stop.inspect(&capsule, Way::Forward).await));
    stop.undone(&capsule).await;
    assert_eq!(stage.versions().await, ["1"]);
    assert!(applied(&stop.inspect(&capsule, Way::Undo).await));
}

#[tokio::test]
async fn every_strategy_replaces_and_comes_back() {
    for strategy in [Strategy::Recreate, Strategy::Bluegreen, Strategy::Rolling] {
        let mut stage = Stage::serving().await;
        stage.scene.strategy = strategy;
        stage.scene.release("2", &[]);
        let restart = stage.act("restart/1", Restart);
        let (capsule, done) = restart.applied().await;
        assert!(stage.serves("2").await, "{strategy:?} {:?}", stage.proxy());
        assert_eq!(done.facts["version"], "2");
        restart.undone(&capsule).await;
        assert!(stage.serves("1").await, "{strategy:?} {:?}", stage.proxy());
        assert!(!restart.undone(&capsule).await.changed, "undone already");
    }
}

#[tokio::test]
async fn a_restart_of_the_same_version_is_a_new_process_and_its_undo_another() {
    let stage = Stage::serving().await;
    let pid = stage.status().await.instances[0].pid;
    let restart = stage.act("restart/1", Restart);
    let (capsule, _) = restart.applied().await;
    assert!(stage.serves("1").await);
    let second = stage.status().await.instances[0].pid;
    assert_ne!(second, pid);
    restart.undone(&capsule).await;
    assert_ne!(stage.status().await.instances[0].pid, second);
}

#[tokio::test]
async fn a_bluegreen_start_that_fails_leaves_the_old_one_serving() {
    let mut stage = Stage::serving().await;
    stage.scene.strategy = Strategy::Bluegreen;
    stage.scene.start_within_ms = 2_000;
    stage.scene.release("2", &["sick"]);
    let restart = stage.act("restart/1", Restart);
    let capsule = restart.capture().await;
    let failure = restart.try_apply(&capsule).await.unwrap_err();
    assert_eq!(failure.effect, Effect::None, "{failure:#?}");
    assert!(failure.message.contains("500"), "{failure:#?}");
    assert!(stage.serves("1").await);
    assert_eq!(restart.inspect(&capsule, Way::Forward).await, Found::NotApplied);
}

#[tokio::test]
async fn a_recreate_that_fails_is_partial_and_its_undo_brings_back_the_old_one() {
    let mut stage = Stage::serving().await;
    stage.scene.release("2", &["crash=0"]);
    let restart = stage.act("restart/1", Restart);
    let capsule = restart.capture().await;
    let failure = restart.try_apply(&capsule).await.unwrap_err();
    assert_eq!(failure.effect, Effect::Partial, "{failure:#?}");
    assert!(stage.proxy().holding_ms.is_some());
    restart.undone(&capsule).await;
    assert!(stage.serves("1").await);
}

#[tokio::test]
async fn a_service_that_is_never_healthy_is_stopped_again_and_the_hold_is_told() {
    let mut stage = Stage::serving().await;
    stage.act("stop/1", Stop).applied().await;
    stage.scene.release("2", &["sick"]);
    stage.scene.start_within_ms = 2_000;
    let start = stage.act("start/1", Start);
    let capsule = start.capture().await;
    let failure = start.try_apply(&capsule).await.unwrap_err();
    assert_eq!((failure.effect, failure.fault), (Effect::None, Fault::Target), "{failure:#?}");
    assert!(stage.versions().await.is_empty(), "stopped again");
    assert!(!failure.retry, "a second try would have requests wait for as long again");
    for part in ["500", "held since 7 ms", "30000 ms"] {
        assert!(failure.message.contains(part), "{part}: {}", failure.message);
    }
    for hint in ["windlass service start booking", "windlass proxy resume booking"] {
        assert!(failure.hints.iter().any(|line| line == hint), "{hint}: {:?}", failure.hints);
    }
    assert_eq!(start.inspect(&capsule, Way::Forward).await, Found::NotApplied);
}

#[tokio::test]
async fn a_crash_at_the_start_is_told_at_once_with_status_and_log() {
    let mut stage = Stage::new();
    stage.scene.start_within_ms = 60_000;
    stage.scene.release("2", &["crash=50", "token=hunter2"]);
    let start = stage.act("start/1", Start);
    let capsule = start.capture().await;
    let begun = Instant::now();
    let failure = start.try_apply(&capsule).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(20), "not the whole time for a start");
    assert!(failure.message.contains("exit status 3"), "{failure:#?}");
    assert!(failure.output.contains("crashing as asked") && failure.output.contains("****"), "{failure:#?}");
    assert!(!format!("{failure:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_fixed_port_that_is_taken_is_a_clean_failure_that_shows_the_log() {
    let mut stage = Stage::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    stage.scene.health = Some(format!("http://127.0.0.1:{port}/health"));
    stage.scene.argv[2] = port.to_string();
    let start = stage.act("start/1", Start);
    let failure = start.try_apply(&start.capture().await).await.unwrap_err();
    assert_eq!(failure.effect, Effect::None);
    assert!(failure.message.contains("exit status 4"), "{failure:#?}");
    assert!(failure.output.contains(&format!("cannot listen on {port}")), "{failure:#?}");

    stage.scene.strategy = Strategy::Bluegreen;
    let restart = stage.act("restart/1", Restart);
    let survey = restart.driver.survey(&restart.cx, &restart.unit).await.unwrap();
    assert!(survey.problems.iter().any(|line| line.contains("its port is fixed")), "{survey:?}");
    assert_eq!(restart.try_apply(&restart.capture().await).await.unwrap_err().effect, Effect::None);
}

#[tokio::test]
async fn without_its_proxy_nothing_is_touched() {
    let stage = Stage::serving().await;
    let stop = stage.act("stop/1", Stop);
    let capsule = stop.capture().await;
    fs::remove_file(stage.front().path).unwrap();
    let survey = stop.driver.survey(&stop.cx, &stop.unit).await.unwrap();
    assert!(survey.problems[0].contains("windlass proxy run booking"), "{survey:?}");
    for failure in [
        stop.driver.capture(&stop.cx, &stop.unit).await.unwrap_err(),
        stop.try_apply(&capsule).await.unwrap_err(),
    ] {
        assert_eq!(failure.effect, Effect::None);
        assert!(failure.hints.contains(&"windlass proxy run booking".to_owned()), "{failure:?}");
    }
    assert_eq!(stage.versions().await, ["1"]);
}

#[tokio::test]
async fn what_was_started_by_hand_since_is_not_replaced_by_an_undo() {
    let mut stage = Stage::serving().await;
    let stop = stage.act("stop/1", Stop);
    let (capsule, _) = stop.applied().await;
    stage.scene.release("9", &[]);
    stage.act("elsewhere/1", Start).applied().await;
    let failure = stop.try_undo(&capsule).await.unwrap_err();
    assert!(failure.message.contains("booking 9 was started since"), "{failure:?}");
    assert!(stage.serves("9").await);
}

#[tokio::test]
async fn a_start_of_what_runs_changes_nothing_and_of_another_version_refuses() {
    let mut stage = Stage::serving().await;
    let again = stage.act("start/1", Start);
    let (capsule, done) = again.applied().await;
    assert!(!done.changed, "{done:?}");
    again.undone(&capsule).await;
    assert!(stage.serves("1").await, "its undo stops nothing");

    stage.scene.release("2", &[]);
    let other = stage.act("start/2", Start);
    let failure = other.try_apply(&other.capture().await).await.unwrap_err();
    assert!(
        failure.effect == Effect::None && failure.message.contains("booking 1 runs already"),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_second_try_of_a_stop_still_knows_what_served() {
    let stage = Stage::serving().await;
    let mut stop = stage.act("stop/1", Stop);
    let (first, _) = stop.applied().await;
    stop.cx.attempt = 2;
    let second = stop.capture().await;
    assert_eq!(first, second, "captured when it was stopped already");
    stop.undone(&second).await;
    assert!(stage.serves("1").await);
}

#[tokio::test]
async fn a_version_that_the_document_does_not_start_from_is_told_before_anything_runs() {
    let stage = Stage::serving().await;
    for (from, operation, told) in
        [("1", Stop, false), ("9", Stop, true), ("9", Restart, true), ("9", Start, false)]
    {
        let mut act = stage.act("drift/1", operation);
        std::sync::Arc::make_mut(&mut act.cx.plan).release.from = Some(from.into());
        let survey = act.driver.survey(&act.cx, &act.unit).await.unwrap();
        let drift = |line: &String| line.contains("serves version 1") && line.contains("`from: 9`");
        assert_eq!(survey.problems.iter().any(drift), told, "{from} {operation:?}: {survey:?}");
    }
}
