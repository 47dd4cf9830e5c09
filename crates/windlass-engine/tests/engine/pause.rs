//! Ctrl-C is heard in a pause before a repeated try, both kinds: between journaled tries, and inside a check.

use crate::support::*;
use futures_util::future::join;
use windlass_engine::{Settings, Stop};
use windlass_journal::{Ending, Forward, UndoPhase};
use windlass_plan::Plan;

const DONE: Outcome = Ok(Stop::Ended(Ending::Done));

/// Starts `plan`; a person presses Ctrl-C after `at_ms`. How it stopped, and when.
fn interrupted_at(rig: &Rig, plan: Plan, at_ms: u64) -> (Outcome, u64) {
    let engine = rig.engine("ann@one", &[]);
    let ctrl_c = async {
        rig.time.wait(at_ms).await;
        rig.world.stop();
    };
    let start = async {
        let outcome = engine.start(run(), plan, windlass_journal::OnFailure::Unwind).await;
        (outcome, rig.time.now())
    };
    rig.time.run(join(start, ctrl_c)).expect("no crash was asked for").0
}

fn busy(rig: &Rig, unit: &str, op: Op, times: u32) {
    for _ in 0..times {
        rig.world.on(unit, op, fail(clean("busy").retryable()));
    }
}

#[test]
fn a_pause_between_tries_of_a_change_ends_at_once_and_nothing_is_begun() {
    let rig = Rig::new();
    busy(&rig, "a/1", Op::Apply, 2);
    // Tries at 0 and 500; the next would come at 1500.
    assert_eq!(interrupted_at(&rig, plain(&["a"]), 700), (Ok(Stop::Interrupted), 700));
    assert_eq!(rig.world.calls(Op::Capture).len(), 2, "nothing is captured for a try that is not made");
    assert!(matches!(rig.forward("a/1"), Forward::Failed(_)));
    assert_eq!(rig.unit("a/1").attempt, 2);
    assert_eq!(rig.resume(), DONE);
    assert_eq!(rig.unit("a/1").attempt, 3, "the number goes on");
}

#[test]
fn a_pause_inside_a_check_ends_at_once_and_the_check_has_not_failed() {
    let rig = Rig::new();
    busy(&rig, "a/1", Op::Apply, 20);
    let checked = plan(vec![step("a", vec![check("a/1", 600_000)])]);
    // Tries at 0, 500, 1500, 3500, 7500; the pauses are 5 s long from then on.
    assert_eq!(interrupted_at(&rig, checked, 8_000), (Ok(Stop::Interrupted), 8_000));
    assert_eq!(rig.world.calls(Op::Apply).len(), 5);
    assert_eq!(rig.forward("a/1"), Forward::Waiting);
    assert!(rig.world.calls(Op::Undo).is_empty());
}

#[test]
fn a_pause_before_an_undo_is_tried_again_ends_too_and_resume_goes_on_back() {
    let rig = Rig::new();
    rig.world.on("b/1", Op::Apply, fail(clean("red")));
    busy(&rig, "a/1", Op::Undo, 2);
    assert_eq!(interrupted_at(&rig, plain(&["a", "b"]), 600), (Ok(Stop::Interrupted), 600));
    assert!(matches!(rig.undo("a/1"), UndoPhase::Failed(_)));
    assert_eq!(rig.resume(), Ok(Stop::Ended(Ending::Undone)));
}

#[test]
fn what_is_at_work_on_another_host_is_finished_first() {
    let rig = Rig::new();
    busy(&rig, "a/1@x", Op::Apply, 1);
    rig.world.on("a/1@y", Op::Apply, done().after(3_000));
    let hosts = plan(vec![step("a", spread("a", &["x", "y"], 1))]);
    assert_eq!(interrupted_at(&rig, hosts, 100), (Ok(Stop::Interrupted), 3_000));
    assert_eq!(rig.forward("a/1@y"), Forward::Applied);
    assert_eq!(rig.world.calls(Op::Apply).len(), 2, "x was not tried again");
}

#[test]
fn at_every_moment_of_a_run_with_pauses_ctrl_c_leaves_what_resume_finishes() {
    for at_ms in (0..4_000).step_by(50) {
        let mut rig = Rig::new();
        rig.settings = Settings { tries_max: 4, ..rig.settings };
        busy(&rig, "a/1", Op::Apply, 2);
        busy(&rig, "b/1", Op::Capture, 1);
        rig.world.on("c/1", Op::Apply, done().after(300));
        let (outcome, ended) = interrupted_at(&rig, plain(&["a", "b", "c"]), at_ms);
        if outcome == DONE {
            assert!(at_ms >= 2_300, "{at_ms}: it was asked in time");
        } else {
            assert_eq!(outcome, Ok(Stop::Interrupted), "{at_ms}");
            assert!(ended - at_ms <= 300, "{at_ms}: it took {} ms to stop", ended - at_ms);
            assert_eq!(rig.resume(), DONE, "{at_ms}");
        }
        let applied = |unit: &str| rig.world.calls(Op::Apply).iter().filter(|call| call.unit == unit).count();
        assert_eq!([applied("a/1"), applied("b/1"), applied("c/1")], [3, 1, 1], "{at_ms}");
    }
}

/// More pauses than a unit has tries.
#[test]
fn what_goes_on_where_it_stopped_is_paused_and_loses_no_try() {
    let rig = Rig::new();
    let pause = || rig.world.on("a/1", Op::Apply, fail(partial("paused").retryable()).after(100));
    pause();
    assert_eq!(interrupted_at(&rig, plain(&["a"]), 50).0, Ok(Stop::Interrupted));
    for _ in 0..4 {
        pause();
        let engine = rig.engine("ann@one", &[]);
        let ctrl_c = async {
            rig.time.wait(50).await;
            rig.world.stop();
        };
        let run = run();
        let stop = rig.time.run(join(engine.resume(&run), ctrl_c)).expect("no crash was asked for").0;
        assert_eq!(stop, Ok(Stop::Interrupted));
        assert!(matches!(rig.forward("a/1"), Forward::FailedPartly(trouble) if trouble.interrupted));
        assert_eq!(rig.unit("a/1").tries, 0);
    }
    assert_eq!(rig.resume(), DONE);
    rig.rollback(&run()).unwrap();
    assert_eq!(rig.undo("a/1"), UndoPhase::Undone);
}

#[test]
fn a_failure_for_a_person_turns_nothing_back_by_itself() {
    let rig = Rig::new();
    rig.world.on("a/1", Op::Apply, fail(partial("waited long enough").for_a_person()));
    let stop = rig.start_on(plain(&["a"]), windlass_journal::OnFailure::Unwind);
    assert!(person(stop, "a/1").contains("waited long enough"));
    assert!(rig.world.calls(Op::Undo).is_empty());
    assert_eq!(rig.decide(windlass_journal::Verb::Retry, Some("a/1")), DONE);
}
