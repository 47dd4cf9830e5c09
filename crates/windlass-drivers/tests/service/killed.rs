//! The controller is killed with SIGKILL at each moment of its work: at each line that it tells and on both sides of
//! each command to the proxy. Then a new controller looks, and goes on or goes back.

use super::{kept::Kept, *};
use ServiceOperation::{Keep, Restart, Start, Stop};

/// More moments than any of them has: a loop that never ends its work is a failure.
const MOMENTS_MAX: u32 = 60;

/// A unit ready to run, after what has to run before it.
async fn ready(operation: ServiceOperation, strategy: Strategy) -> (Stage, Act, Capsule) {
    let mut stage = Stage::serving().await;
    stage.scene.strategy = strategy;
    // One look at one share.
    let canary = Canary { steps: vec![50], watch_ms: 0, requests: 0, ..Canary::default() };
    stage.scene.canary = Some(canary).filter(|_| strategy == Strategy::Canary);
    if operation == Start {
        stage.act("stop/1", Stop).applied().await;
    }
    stage.scene.release("2", &[]);
    stage.scene.stable_ms = 0;
    let act = stage.act("unit/1", operation);
    let capsule = act.capture().await;
    (stage, act, capsule)
}

/// What must be there after the unit was done (`Forward`) or taken back (`Undo`).
async fn is_as_wanted(stage: &Stage, operation: ServiceOperation, way: Way) -> bool {
    match (operation, way) {
        (Stop, Way::Forward) | (Start, Way::Undo) => {
            stage.versions().await.is_empty() && stage.proxy().holding_ms.is_some()
        }
        (Stop | Restart | Keep, Way::Undo) | (Keep, Way::Forward) => stage.serves("1").await,
        (Start | Restart, Way::Forward) => stage.serves("2").await,
    }
}

async fn go(act: &Act, capsule: &Capsule, way: Way) -> Result<Done, Failure> {
    match way {
        Way::Forward => act.try_apply(capsule).await,
        Way::Undo => act.try_undo(capsule).await,
    }
}

/// Kills at every moment of `way`; afterwards finishes it, or (`back`) goes the other way.
async fn at_every_moment(operation: ServiceOperation, strategy: Strategy, way: Way, back: bool) {
    for moment in 1..MOMENTS_MAX {
        let label = format!("{operation:?} {strategy:?} {way:?}, killed at {moment}, back: {back}");
        let (stage, mut act, capsule) = ready(operation, strategy).await;
        if way == Way::Undo {
            act.try_apply(&capsule).await.unwrap();
        }
        let status = act.killed_at(moment, way, &capsule).await;
        act.cx.attempt = 2;
        let found = act.inspect(&capsule, way).await;
        if status.success() {
            assert!(applied(&found), "{label}: {found:?}");
            assert!(moment > 2, "{label}: it was never killed");
            return;
        }
        assert!(
            matches!(found, Found::Applied(_) | Found::NotApplied) || partial(&found),
            "{label}: {found:?}"
        );
        let other = if way == Way::Forward { Way::Undo } else { Way::Forward };
        let way = if back { other } else { way };
        if back || !applied(&found) {
            go(&act, &capsule, way).await.unwrap_or_else(|failure| panic!("{label}: {failure:#?}"));
        }
        assert!(
            is_as_wanted(&stage, operation, way).await,
            "{label}: {:?} {:?}",
            stage.status().await,
            stage.proxy()
        );
        let found = act.inspect(&capsule, way).await;
        assert!(applied(&found), "{label}: {found:?}");
    }
    panic!("{operation:?} {strategy:?} {way:?} never ended");
}

async fn there_and_back(operation: ServiceOperation, strategy: Strategy) {
    tokio::join!(
        at_every_moment(operation, strategy, Way::Forward, false),
        at_every_moment(operation, strategy, Way::Forward, true),
        at_every_moment(operation, strategy, Way::Undo, false),
    );
}

#[tokio::test]
async fn a_stop_killed_at_every_moment() {
    there_and_back(Stop, Strategy::Recreate).await;
}

#[tokio::test]
async fn a_start_killed_at_every_moment() {
    there_and_back(Start, Strategy::Recreate).await;
}

#[tokio::test]
async fn a_recreate_killed_at_every_moment() {
    there_and_back(Restart, Strategy::Recreate).await;
}

#[tokio::test]
async fn a_bluegreen_killed_at_every_moment() {
    there_and_back(Restart, Strategy::Bluegreen).await;
}

#[tokio::test]
async fn a_canary_killed_at_every_moment() {
    there_and_back(Restart, Strategy::Canary).await;
}

/// What a release has restarted is started again at the end of its way back, once, whenever the controller is killed.
async fn kept(strategy: Strategy) {
    for moment in 1..MOMENTS_MAX {
        let label = format!("{strategy:?}, killed at {moment}");
        let (stage, mut keep, capsule) = ready(Keep, strategy).await;
        keep.try_apply(&capsule).await.unwrap();
        assert!(applied(&keep.inspect(&capsule, Way::Forward).await), "{label}");
        // Nothing was done to it: nothing is to be taken back.
        assert!(!keep.try_undo(&capsule).await.unwrap().changed, "{label}");
        stage.act("unit/1", Restart).applied().await;
        assert!(stage.serves("2").await, "{label}");
        let status = keep.killed_at(moment, Way::Undo, &capsule).await;
        keep.cx.attempt = 2;
        let found = keep.inspect(&capsule, Way::Undo).await;
        if status.success() {
            assert!(applied(&found) && moment > 2, "{label}: {found:?}");
            return;
        }
        if !applied(&found) {
            keep.try_undo(&capsule).await.unwrap_or_else(|failure| panic!("{label}: {failure:#?}"));
        }
        assert!(stage.serves("1").await, "{label}: {:?} {:?}", stage.status().await, stage.proxy());
        assert!(applied(&keep.inspect(&capsule, Way::Undo).await), "{label}");
    }
    panic!("{strategy:?} never ended");
}

#[tokio::test]
async fn a_kept_service_killed_at_every_moment_of_its_way_back() {
    tokio::join!(kept(Strategy::Recreate), kept(Strategy::Bluegreen));
}

/// Where a database goes back beneath what was restarted, it is held and ended; also by the next controller, whichever came first.
#[tokio::test]
async fn a_kept_service_killed_at_every_moment_before_it_stands_still() {
    for moment in 1..MOMENTS_MAX {
        let mut kept = Kept::new().await;
        kept.changes_a_database();
        let (mut restart, capsule) = kept.stage.done("restart/1", Restart).await;
        assert!(kept.stage.serves("2").await);
        let status = restart.killed_at(moment, Way::Undo, &capsule).await;
        restart.cx.attempt = 2;
        if !status.success() {
            let found = restart.inspect(&capsule, Way::Undo).await;
            assert_eq!(found, Found::NotApplied, "{moment}: whatever was begun is brought to its end");
            restart.undone(&capsule).await;
        }
        assert!(
            kept.stage.stands_still().await,
            "{moment}: {:?} {:?}",
            kept.stage.status().await,
            kept.stage.proxy()
        );
        // To end what is ended does no harm.
        assert!(!restart.undone(&capsule).await.changed, "{moment}");
        kept.keep.undone(&kept.capsule).await;
        assert!(kept.stage.serves("1").await, "{moment}");
        if status.success() {
            assert!(moment > 3, "it was never killed between the hold and the stop");
            return;
        }
    }
    panic!("it never ended");
}

/// The same instance in another process: it has read the files anew, which may have been those of the release.
#[tokio::test]
async fn a_kept_service_whose_process_is_another_one_is_started_again() {
    let (stage, keep, capsule) = ready(Keep, Strategy::Recreate).await;
    keep.try_apply(&capsule).await.unwrap();
    assert!(!keep.try_undo(&capsule).await.unwrap().changed, "nothing was done to it");
    let child = stage.states().last().unwrap().child.clone().unwrap().pid;
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(i32::try_from(child).unwrap()).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    eventually("the supervisor has started it again", || async {
        let state = stage.states().last().unwrap().child.clone();
        state.is_some_and(|now| now.pid != child) && stage.serves("1").await
    })
    .await;
    assert_eq!(keep.inspect(&capsule, Way::Undo).await, Found::NotApplied);
    assert!(keep.try_undo(&capsule).await.unwrap().changed);
    assert!(stage.serves("1").await);
    assert!(applied(&keep.inspect(&capsule, Way::Undo).await));
}

/// What notes how a service runs asks nobody for anything: it is done and undone while the proxy does not run.
#[tokio::test]
async fn a_service_is_kept_without_its_proxy() {
    let (stage, _, _) = ready(Keep, Strategy::Recreate).await;
    let front = stage.scene.base.join("front.json");
    let text = fs::read(&front).unwrap();
    fs::remove_file(&front).unwrap();
    let keep = stage.act("keep/1", Keep);
    let capsule = keep.capture().await;
    keep.try_apply(&capsule).await.unwrap();
    assert!(!keep.try_undo(&capsule).await.unwrap().changed);
    assert!(applied(&keep.inspect(&capsule, Way::Undo).await));
    fs::write(&front, text).unwrap();
    assert!(stage.serves("1").await);
}

/// A service that did not run is not started by the way back, and what somebody else started is not ended.
#[tokio::test]
async fn a_kept_service_leaves_what_is_not_of_its_run() {
    let (mut stage, keep, capsule) = ready(Keep, Strategy::Recreate).await;
    keep.try_apply(&capsule).await.unwrap();
    stage.act("unit/1", Restart).applied().await;
    stage.scene.release("3", &[]);
    let mut other = stage.act("other/1", Restart);
    other.cx.run = "run-2".into();
    other.applied().await;
    let failure = keep.try_undo(&capsule).await.unwrap_err();
    assert!(failure.message.contains("was started since (by run run-2"), "{}", failure.message);
    assert!(stage.serves("3").await);
}

/// Dropped, not killed: at an await point, after a number of polls given by a seed.
#[tokio::test]
async fn a_dropped_try_is_finished_by_the_next() {
    for seed in 0_u64..12 {
        let (stage, act, capsule) = ready(Restart, Strategy::Recreate).await;
        let polls = (seed.wrapping_mul(6_364_136_223_846_793_005) >> 33) % 60;
        let mut left = polls;
        {
            let mut work = Box::pin(act.try_apply(&capsule));
            std::future::poll_fn(|cx| {
                left = left.saturating_sub(1);
                if left == 0 { std::task::Poll::Ready(()) } else { work.as_mut().poll(cx).map(drop) }
            })
            .await;
        }
        let found = act.inspect(&capsule, Way::Forward).await;
        assert!(!matches!(found, Found::Unknown(_)), "seed {seed}: {found:?}");
        act.try_apply(&capsule).await.unwrap_or_else(|failure| panic!("seed {seed}: {failure:#?}"));
        assert!(stage.serves("2").await, "seed {seed} ({polls} polls)");
    }
}
