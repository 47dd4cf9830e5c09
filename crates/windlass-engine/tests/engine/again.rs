//! An outcome that is not known is looked at again before a person is asked, whatever command comes: the world may
//! answer now.

use crate::support::*;
use futures_util::future::join;
use windlass_driver::Found;
use windlass_engine::{Notice, Stop};
use windlass_journal::{Direction, Ending, Event, Forward, OnFailure, UndoPhase, Verb};
use windlass_plan::Way;

const DONE: Outcome = Ok(Stop::Ended(Ending::Done));
const UNDONE: Outcome = Ok(Stop::Ended(Ending::Undone));
const UNKNOWN: &str = "its outcome is not known: the link broke; no answer";

/// `a/1` is applied, and of `b/1` nobody knows.
fn unknown_outcome() -> Rig {
    let rig = Rig::new();
    rig.world.on("b/1", Op::Apply, fail(unknown("the link broke")));
    rig.world.on("b/1", Op::Inspect, found(Found::Unknown("no answer".into())));
    assert_eq!(person(rig.start(plain(&["a", "b", "c"])), "b/1"), UNKNOWN);
    rig.world.log();
    rig
}

type Command = fn(&Rig) -> Outcome;

/// The two commands that go back.
fn ways_back() -> [(&'static str, Command); 2] {
    [("rollback", |rig| rig.rollback(&run())), ("decide unwind", |rig| rig.decide(Verb::Unwind, None))]
}

#[test]
fn what_turns_out_to_be_applied_is_undone_without_asking_anybody() {
    for (name, go_back) in ways_back() {
        let rig = unknown_outcome();
        rig.world.on("b/1", Op::Inspect, found(Found::Applied(changed())));
        assert_eq!(go_back(&rig), UNDONE, "{name}");
        assert_eq!(rig.world.acts()[1..], ["inspect b/1", "undo b/1", "undo a/1"], "{name}");
        assert_eq!(rig.unit("b/1").undo, UndoPhase::Undone);
    }
}

#[test]
fn what_turns_out_to_have_had_no_effect_is_not_undone() {
    for (name, go_back) in ways_back() {
        for answer in [Found::NotApplied, Found::Failed(clean("refused"))] {
            let rig = unknown_outcome();
            rig.world.on("b/1", Op::Inspect, found(answer.clone()));
            assert_eq!(go_back(&rig), UNDONE, "{name}, {answer:?}");
            assert_eq!(rig.world.acts()[1..], ["inspect b/1", "undo a/1"], "{name}, {answer:?}");
            assert!(!rig.unit("b/1").has_effect());
        }
    }
}

#[test]
fn what_turns_out_to_be_there_in_part_is_undone_with_the_capsule_of_its_try() {
    for (name, go_back) in ways_back() {
        let rig = unknown_outcome();
        rig.world.on("b/1", Op::Inspect, found(Found::Failed(partial("half"))));
        assert_eq!(go_back(&rig), UNDONE, "{name}");
        let (act, undo) = (rig.world.calls(Op::Apply).remove(1), rig.world.calls(Op::Undo).remove(0));
        assert_eq!((undo.unit.as_str(), undo.capsule), ("b/1", act.capsule), "{name}");
    }
}

#[test]
fn what_stays_unknown_is_for_a_person_in_the_words_that_were_said_first() {
    for (name, go_back) in ways_back() {
        let rig = unknown_outcome();
        rig.world.on("b/1", Op::Inspect, found(Found::Unknown("still no answer".into())));
        let before = rig.unit("b/1").forward;
        assert_eq!(person(go_back(&rig), "b/1"), UNKNOWN, "{name}");
        assert_eq!(rig.unit("b/1").forward, before, "the cause is not lost");
        assert!(rig.world.calls(Op::Undo).is_empty(), "and nothing is guessed");
        let settled = |event: &Event| matches!(event, Event::Settled { unit, .. } if *unit == id("b/1"));
        let written = rig.entries().iter().filter(|entry| settled(&entry.event)).count();
        assert_eq!(written, 1, "an answer that tells nothing new is not written");
        // The person's word still counts as before.
        assert_eq!(rig.decide(Verb::Retry, Some("b/1")), UNDONE);
        assert_eq!(rig.world.calls(Op::Undo).len(), 1, "of b nothing is there, as the person said");
    }
}

#[test]
fn an_undo_of_unknown_outcome_is_looked_at_by_a_second_rollback() {
    for (answer, undos) in [(Found::Applied(changed()), 1), (Found::NotApplied, 2)] {
        let rig = Rig::new();
        rig.start(plain(&["a"])).unwrap();
        rig.world.on("a/1", Op::Undo, fail(unknown("the link broke")));
        rig.world.on("a/1", Op::Inspect, found(Found::Unknown("no answer".into())));
        person(rig.rollback(&run()), "a/1");
        rig.world.on("a/1", Op::Inspect, found(answer.clone()));
        assert_eq!(rig.rollback(&run()), UNDONE, "{answer:?}");
        assert_eq!(rig.world.calls(Op::Undo).len(), undos, "{answer:?}");
    }
}

#[test]
fn a_hand_written_undo_does_not_run_for_what_was_never_there() {
    let steps = || vec![step("a", vec![unit("a/1")]), by_hand("b", vec![unit("b/1")], &["b-undo/1"], false)];
    let go_back = |answer: Found| {
        let rig = Rig::new();
        rig.world.on("b/1", Op::Apply, fail(unknown("the link broke")));
        rig.world.on("b/1", Op::Inspect, found(Found::Unknown("no answer".into())));
        person(rig.start(plan(steps())), "b/1");
        rig.world.on("b/1", Op::Inspect, found(answer));
        assert_eq!(rig.rollback(&run()), UNDONE);
        rig.world.calls(Op::Apply).iter().filter(|call| call.unit == "b-undo/1").count()
    };
    assert_eq!(
        go_back(Found::NotApplied),
        0,
        "the world is certain, so no person is asked about a doubtful try"
    );
    assert_eq!(go_back(Found::Applied(changed())), 1);
}

/// Two hosts, of both of which nobody knows what became of `a/1`.
fn two_unknown() -> Rig {
    let rig = Rig::new();
    for unit in ["a/1@x", "a/1@y"] {
        rig.world.on(unit, Op::Apply, fail(unknown("the link broke")).after(10));
        rig.world.on(unit, Op::Inspect, found(Found::Unknown("no answer".into())));
    }
    let hosts = plan(vec![step("a", spread("a", &["x", "y"], 1))]);
    assert_eq!(person(rig.start(hosts), "a/1@x"), UNKNOWN);
    rig.world.log();
    rig
}

#[test]
fn all_that_is_unknown_is_asked_side_by_side_while_the_heart_beats() {
    let rig = two_unknown();
    for unit in ["a/1@x", "a/1@y"] {
        rig.world.on(unit, Op::Inspect, found(Found::Applied(changed())).after(60_000));
    }
    let (began, beats) = (rig.time.now(), rig.journal.beats());
    assert_eq!(rig.resume(), DONE);
    assert_eq!(rig.time.now() - began, 60_000, "not one after the other");
    assert!(rig.journal.beats() - beats >= 20, "{} beats in a minute", rig.journal.beats() - beats);
    let state = rig.state();
    let last = state.turns.last().unwrap();
    assert_eq!((last.to, last.why.as_str()), (Direction::Forward, "the outcome is known now"));
}

#[test]
fn a_decision_about_one_unit_asks_the_world_about_the_other() {
    let rig = two_unknown();
    rig.world.on("a/1@y", Op::Inspect, found(Found::Applied(changed())));
    assert_eq!(rig.decide(Verb::MarkDone, Some("a/1@x")), DONE);
    assert_eq!(rig.world.acts()[1..], ["inspect a/1@y"], "what a person said is not asked again");
    let rig = two_unknown();
    rig.world.on("a/1@y", Op::Inspect, found(Found::Unknown("no answer".into())));
    assert_eq!(person(rig.decide(Verb::MarkDone, Some("a/1@x")), "a/1@y"), UNKNOWN);
}

#[test]
fn a_run_goes_on_waiting_about_the_unit_that_is_still_unknown() {
    let rig = two_unknown();
    rig.world.on("a/1@x", Op::Inspect, found(Found::Unknown("no answer".into())));
    rig.world.on("a/1@y", Op::Inspect, found(Found::Applied(changed())));
    assert_eq!(person(rig.resume(), "a/1@x"), UNKNOWN);
    assert_eq!(rig.forward("a/1@y"), Forward::Applied, "what is known of the other is kept");
    rig.world.on("a/1@x", Op::Inspect, found(Found::Applied(changed())));
    assert_eq!(rig.resume(), DONE);
}

#[test]
fn abandon_asks_nobody_and_touches_nothing() {
    let rig = unknown_outcome();
    assert_eq!(rig.decide(Verb::Abandon, None), Ok(Stop::Ended(Ending::Abandoned)));
    assert!(rig.world.calls(Op::Inspect).len() == 1 && rig.world.calls(Op::Undo).is_empty());
}

#[test]
fn a_controller_that_dies_while_it_looks_leaves_it_to_the_next() {
    let rig = unknown_outcome();
    let time = rig.time.clone();
    rig.world.on("b/1", Op::Inspect, found(Found::Applied(changed())).after(5_000));
    let engine = rig.engine("ann@one", &[]);
    let dies = async {
        time.wait(1_000).await;
        windlass_engine::Crash::crash(&time).await;
    };
    assert_eq!(rig.time.run(join(engine.rollback(&run(), "asked for"), dies)), None);
    assert!(matches!(rig.forward("b/1"), Forward::Unknown(_)));
    assert_eq!(rig.state().direction, Direction::Unwind, "that it goes back was written first");
    rig.world.on("b/1", Op::Inspect, found(Found::Applied(changed())));
    assert_eq!(rig.resume(), UNDONE);
    assert_eq!(rig.world.calls(Op::Undo).len(), 2);
}

#[test]
fn a_person_who_watches_is_told_that_the_world_is_asked() {
    let rig = unknown_outcome();
    rig.world.on("b/1", Op::Inspect, found(Found::NotApplied));
    rig.rollback(&run()).unwrap();
    let asked = Notice::Inspecting(id("b/1"), Way::Forward);
    assert_eq!(rig.world.notices().iter().filter(|notice| **notice == asked).count(), 2);
}

#[test]
fn what_had_no_effect_after_all_is_tried_again_with_a_capsule_of_its_own() {
    let rig = unknown_outcome();
    rig.world.on("b/1", Op::Inspect, found(Found::NotApplied));
    assert_eq!(rig.resume(), DONE);
    let calls = rig.world.calls(Op::Apply);
    let of_b: Vec<_> = calls.iter().filter(|call| call.unit == "b/1").collect();
    assert_eq!(of_b.len(), 2);
    assert_ne!(of_b[0].capsule, of_b[1].capsule, "the world may have moved on since the first was taken");
    assert_eq!(rig.unit("b/1").attempt, 2);
}

#[test]
fn nothing_changed_after_all_still_counts_as_applied_when_nobody_knew() {
    let rig = unknown_outcome();
    rig.world.on("b/1", Op::Inspect, found(Found::Applied(windlass_driver::Done::default())));
    assert_eq!(rig.resume(), DONE);
    assert_eq!(rig.forward("b/1"), Forward::Applied, "what is there may be its own doing");
}

#[test]
fn on_failure_stop_looks_again_too() {
    let rig = Rig::new();
    rig.world.on("a/1", Op::Apply, fail(unknown("the link broke")));
    rig.world.on("a/1", Op::Inspect, found(Found::Unknown("no answer".into())));
    person(rig.start_on(plain(&["a"]), OnFailure::Stop), "a/1");
    rig.world.on("a/1", Op::Inspect, found(Found::Failed(clean("refused"))));
    assert_eq!(
        person(rig.resume(), "a/1"),
        "refused",
        "it is a failure now, and the run does what it does on one"
    );
    assert!(matches!(rig.forward("a/1"), Forward::Failed(_)));
}
