//! Faults on demand: how they are written, and what they do.

use crate::support::*;
use windlass_driver::Found;
use windlass_engine::{Crash, Fault, FaultKind, NoCrash, Stop};
use windlass_journal::{Ending, Forward, OnFailure, UndoPhase};
use windlass_plan::Way;

const DONE: Outcome = Ok(Stop::Ended(Ending::Done));
const UNDONE: Outcome = Ok(Stop::Ended(Ending::Undone));

fn parsed(text: &str) -> Fault {
    text.parse().expect("a fault")
}

#[test]
fn faults_are_read_as_they_are_written() {
    let table = [
        ("fail:a/1", FaultKind::Fail, Way::Forward),
        ("fail-undo:a/1", FaultKind::FailUndo, Way::Undo),
        ("repeat:a/1", FaultKind::Repeat, Way::Forward),
        ("repeat:undo:a/1", FaultKind::Repeat, Way::Undo),
        ("crash-before:a/1", FaultKind::CrashBefore, Way::Forward),
        ("crash-before:undo:a/1", FaultKind::CrashBefore, Way::Undo),
        ("crash-after:a/1", FaultKind::CrashAfter, Way::Forward),
        ("crash-after:undo:a/1", FaultKind::CrashAfter, Way::Undo),
    ];
    for (text, kind, way) in table {
        let fault = Fault { kind, way, unit: id("a/1") };
        assert_eq!(parsed(text), fault);
        assert_eq!(fault.to_string(), text);
    }
    assert_eq!(parsed("fail:undo/1").unit, id("undo/1"), "a step may be called undo");
    assert_eq!(parsed("repeat:a/2@deploy@10.0.0.1").unit, id("a/2@deploy@10.0.0.1"));
}

#[test]
fn the_ways_to_write_a_failing_undo_are_the_same_fault() {
    for text in ["fail-undo:a/1", "fail-undo:undo:a/1", "fail:undo:a/1"] {
        assert_eq!(parsed(text).to_string(), "fail-undo:a/1");
    }
}

#[test]
fn what_is_no_fault_is_refused_with_what_would_be_one() {
    for text in ["", "fail", "fail:", "crash-after:undo:", "boom:a/1", "Fail:a/1", ":a/1", "a/1"] {
        let error = text.parse::<Fault>().unwrap_err();
        let expected = format!(
            "`{text}` is not a fault: write KIND:UNIT with KIND one of fail, fail-undo, repeat, crash-before, crash-after"
        );
        assert_eq!(error, expected);
    }
}

#[test]
fn fail_does_not_act_and_is_not_repeated() {
    let rig = Rig::new();
    let outcome = rig.start_with(plain(&["a"]), OnFailure::Stop, &["fail:a/1"]).unwrap();
    assert_eq!(person(outcome, "a/1"), "failed on demand (fail:a/1)");
    assert!(rig.world.calls(Op::Apply).is_empty());
    assert!(matches!(rig.forward("a/1"), Forward::Failed(_)));
}

#[test]
fn a_fault_happens_once_and_only_at_its_unit() {
    let rig = Rig::new();
    let faults = ["fail:b/1", "fail:b/2", "fail-undo:b/1"];
    rig.world.choice(0, windlass_engine::Choice::Retry);
    assert_eq!(rig.start_with(plain(&["a", "b"]), OnFailure::Ask, &faults).unwrap(), DONE);
    assert_eq!(rig.unit("b/1").attempt, 2);
}

#[test]
fn fail_undo_needs_a_person_and_the_undo_was_not_asked_for() {
    let rig = Rig::new();
    let faults = ["fail:b/1", "fail-undo:a/1"];
    let outcome = rig.start_with(plain(&["a", "b"]), OnFailure::Unwind, &faults).unwrap();
    assert_eq!(person(outcome, "a/1"), "its undo failed: failed on demand (fail-undo:a/1)");
    assert!(rig.world.calls(Op::Undo).is_empty());
}

#[test]
fn repeat_acts_twice_within_one_try_both_ways() {
    let rig = Rig::new();
    let faults = ["repeat:a/1", "repeat:undo:a/1", "fail:b/1"];
    assert_eq!(rig.start_with(plain(&["a", "b"]), OnFailure::Unwind, &faults).unwrap(), UNDONE);
    assert_eq!((rig.world.calls(Op::Apply).len(), rig.world.calls(Op::Undo).len()), (2, 2));
    assert_eq!((rig.unit("a/1").attempt, rig.unit("a/1").undo_attempt), (1, 1));
}

#[test]
fn a_repetition_that_changes_nothing_or_fails_does_not_hide_that_the_first_did() {
    let rig = Rig::new();
    rig.world.on("a/1", Op::Apply, done());
    rig.world.on("a/1", Op::Apply, Reply::Done(windlass_driver::Done::default()));
    assert_eq!(rig.start_with(plain(&["a"]), OnFailure::Unwind, &["repeat:a/1"]).unwrap(), DONE);
    assert_eq!(rig.forward("a/1"), Forward::Applied);
    let rig = Rig::new();
    rig.world.on("a/1", Op::Apply, done());
    rig.world.on("a/1", Op::Apply, fail(clean("it is there already")));
    assert_eq!(rig.start_with(plain(&["a"]), OnFailure::Unwind, &["repeat:a/1"]).unwrap(), UNDONE);
    assert_eq!(rig.undo("a/1"), UndoPhase::Undone, "what it left was taken back");
}

#[test]
fn crash_before_dies_between_intent_and_act() {
    let rig = Rig::new();
    rig.crash(plain(&["a"]), "crash-before:a/1");
    assert_eq!(rig.world.log().last().unwrap(), "! intend a/1");
}

#[test]
fn crash_after_dies_between_act_and_settlement() {
    let rig = Rig::new();
    rig.crash(plain(&["a"]), "crash-after:a/1");
    assert_eq!(rig.world.log().last().unwrap(), "apply a/1");
}

#[test]
fn crashes_on_the_way_back_are_taken_up_there() {
    for (fault, last, found_then, undos) in [
        ("crash-before:undo:a/1", "! intend undo a/1", Found::NotApplied, 1),
        ("crash-after:undo:a/1", "undo a/1", Found::Applied(changed()), 1),
    ] {
        let rig = Rig::new();
        let faults = ["fail:b/1", fault];
        assert_eq!(rig.start_with(plain(&["a", "b"]), OnFailure::Unwind, &faults), None);
        assert_eq!(rig.world.log().last().unwrap(), last);
        rig.world.on("a/1", Op::Inspect, found(found_then));
        assert_eq!(rig.resume(), UNDONE);
        assert_eq!(rig.world.calls(Op::Undo).len(), undos, "{fault}");
    }
}

#[test]
fn a_crash_at_every_point_of_a_run_in_turn_still_ends_it() {
    let rig = Rig::new();
    rig.crash(plain(&["a", "b"]), "crash-before:a/1");
    rig.world.on("a/1", Op::Inspect, found(Found::NotApplied));
    assert_eq!(rig.resume_with(&["crash-after:a/1"]), None);
    rig.world.on("a/1", Op::Inspect, found(Found::Applied(changed())));
    assert_eq!(rig.resume_with(&["crash-before:b/1"]), None);
    rig.world.on("b/1", Op::Inspect, found(Found::NotApplied));
    assert_eq!(rig.resume_with(&["crash-after:b/1"]), None);
    rig.world.on("b/1", Op::Inspect, found(Found::Applied(changed())));
    assert_eq!(rig.resume(), DONE);
    let acts: Vec<_> = rig.world.calls(Op::Apply).into_iter().map(|call| call.unit).collect();
    assert_eq!(acts, ["a/1", "b/1"]);
    assert_eq!(rig.state().owners.len(), 5);
}

#[test]
fn a_controller_that_cannot_crash_goes_on() {
    let rig = Rig::new();
    assert_eq!(rig.time.run(NoCrash.crash()), Some(()));
}
