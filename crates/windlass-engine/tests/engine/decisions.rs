//! What a person decides, and when that is refused.

use crate::support::*;
use windlass_driver::Found;
use windlass_engine::Stop;
use windlass_journal::{Ending, Event, Forward, OnFailure, UndoPhase, Verb};

const UNDONE: Outcome = Ok(Stop::Ended(Ending::Undone));
const DONE: Outcome = Ok(Stop::Ended(Ending::Done));

/// `a` is applied, `b` failed, and the run waits for a person.
fn stopped() -> Rig {
    let rig = Rig::new();
    rig.world.on("b/1", Op::Apply, fail(clean("red")));
    assert_eq!(person(rig.start_on(plain(&["a", "b", "c"]), OnFailure::Stop), "b/1"), "red");
    rig.world.log();
    rig
}

#[test]
fn retry_tries_again_and_goes_on() {
    let rig = stopped();
    assert_eq!(rig.decide(Verb::Retry, Some("b/1")), DONE);
    assert_eq!(rig.world.acts()[1..], ["capture b/1", "apply b/1", "capture c/1", "apply c/1"]);
    assert_eq!(rig.unit("b/1").attempt, 2);
    let decided = rig.entries().into_iter().find(|e| matches!(e.event, Event::Decided { .. })).unwrap();
    assert_eq!(decided.actor, "ann@one");
    let expected = Event::Decided { verb: Verb::Retry, unit: Some(id("b/1")), reason: "looked at it".into() };
    assert_eq!(decided.event, expected);
}

#[test]
fn skip_and_mark_done_go_on_without_it() {
    for (verb, state) in [(Verb::Skip, Forward::Skipped), (Verb::MarkDone, Forward::Applied)] {
        let rig = stopped();
        assert_eq!(rig.decide(verb, Some("b/1")), DONE);
        assert_eq!(rig.world.acts()[1..], ["capture c/1", "apply c/1"]);
        assert_eq!((rig.forward("b/1"), rig.unit("b/1").by_hand), (state, verb == Verb::MarkDone));
    }
}

#[test]
fn what_was_done_by_hand_is_not_undone_by_guessing() {
    let rig = stopped();
    assert_eq!(rig.decide(Verb::MarkDone, Some("b/1")), DONE);
    let why = person(rig.rollback(&run()), "b/1");
    assert_eq!(why, "it was marked done by hand, so what it changed is not known");
    assert_eq!(rig.undo("c/1"), UndoPhase::Undone, "what came after it is back already");
    assert_eq!(rig.decide(Verb::MarkDone, Some("b/1")), UNDONE);
    assert_eq!(rig.undo("a/1"), UndoPhase::Undone);
}

#[test]
fn unwind_goes_back() {
    let rig = stopped();
    assert_eq!(rig.decide(Verb::Unwind, None), UNDONE);
    assert_eq!(rig.world.acts()[1..], ["undo a/1"]);
    assert_eq!(rig.state().turns.last().unwrap().why, "looked at it");
}

#[test]
fn abandon_ends_the_run_as_it_is_in_one_append() {
    let rig = stopped();
    assert_eq!(rig.decide(Verb::Abandon, None), Ok(Stop::Ended(Ending::Abandoned)));
    let log = rig.world.log();
    assert_eq!(log.last().unwrap(), "! taken + decided abandon + ended abandoned");
    assert_eq!(rig.forward("a/1"), Forward::Applied);
}

#[test]
fn on_the_way_back_skip_leaves_it_and_the_run_is_not_called_undone() {
    let rig = Rig::new();
    rig.world.on("b/1", Op::Undo, fail(clean("conflict")));
    rig.start(plain(&["a", "b"])).unwrap();
    assert_eq!(person(rig.rollback(&run()), "b/1"), "its undo failed: conflict");
    assert_eq!(rig.decide(Verb::Skip, Some("b/1")), Ok(Stop::Ended(Ending::Abandoned)));
    assert_eq!((rig.undo("b/1"), rig.undo("a/1")), (UndoPhase::Left, UndoPhase::Undone));
}

#[test]
fn decisions_that_do_not_fit_are_refused_with_words_and_leave_no_trace() {
    let rig = stopped();
    let entries = rig.entries().len();
    let say = |verb, unit| refused(rig.decide(verb, unit));
    assert_eq!(say(Verb::Retry, None), "say about which unit this is decided");
    assert_eq!(say(Verb::Skip, Some("x/9")), "the plan has no such unit");
    assert_eq!(say(Verb::MarkDone, Some("a/1")), "the run waits for a decision about b/1");
    assert_eq!(rig.entries().len(), entries);
    assert!(rig.world.log().is_empty(), "nothing was asked or acted on");
}

#[test]
fn a_run_that_waits_for_nobody_takes_only_unwind_and_abandon() {
    let rig = Rig::new();
    let world = rig.world.clone();
    rig.world.on("a/1", Op::Apply, done().first(move || world.stop()));
    assert_eq!(rig.start(plain(&["a", "b"])), Ok(Stop::Interrupted));
    assert_eq!(refused(rig.decide(Verb::Skip, Some("b/1"))), "the run does not wait for a decision");
    assert_eq!(rig.decide(Verb::Unwind, None), UNDONE);
}

/// `a/1` ended without anybody knowing how.
fn unknown_outcome() -> Rig {
    let rig = Rig::new();
    rig.world.on("a/1", Op::Apply, fail(unknown("the link broke")));
    rig.world.on("a/1", Op::Inspect, found(Found::Unknown("no answer".into())));
    let why = person(rig.start(plain(&["a", "b"])), "a/1");
    assert_eq!(why, "its outcome is not known: the link broke; no answer");
    rig.world.log();
    rig
}

#[test]
fn a_decision_about_an_unknown_outcome_is_believed() {
    let rig = unknown_outcome();
    assert_eq!(rig.decide(Verb::Retry, Some("a/1")), DONE);
    let takes: Vec<_> = rig.world.calls(Op::Apply).iter().map(|call| call.capsule.clone()).collect();
    assert_eq!(takes[0], takes[1], "the first try may have changed something: its capsule stays");
    let rig = unknown_outcome();
    assert_eq!(rig.decide(Verb::MarkDone, Some("a/1")), DONE);
    assert_eq!(rig.world.acts()[1..], ["capture b/1", "apply b/1"]);
    assert_eq!(rig.rollback(&run()), UNDONE, "there is a capsule, so it can be undone");
    assert_eq!(rig.undo("a/1"), UndoPhase::Undone);
}

#[test]
fn unwind_does_not_settle_an_unknown_outcome() {
    let rig = unknown_outcome();
    rig.world.on("a/1", Op::Inspect, found(Found::Unknown("no answer".into())));
    let why = person(rig.decide(Verb::Unwind, None), "a/1");
    assert_eq!(why, "its outcome is not known: the link broke; no answer");
    assert!(rig.world.calls(Op::Undo).is_empty());
    assert_eq!(rig.decide(Verb::MarkDone, Some("a/1")), UNDONE);
    assert_eq!(rig.world.calls(Op::Undo)[0].unit, "a/1");
}

#[test]
fn on_the_way_back_the_verbs_say_what_of_an_unknown_unit_is_there() {
    let back = |verb| {
        let rig = unknown_outcome();
        rig.world.on("a/1", Op::Inspect, found(Found::Unknown("no answer".into())));
        person(rig.decide(Verb::Unwind, None), "a/1");
        (rig.decide(verb, Some("a/1")), rig)
    };
    let (ended, rig) = back(Verb::Retry);
    assert_eq!(ended, UNDONE, "nothing of it is there, so nothing is taken back");
    assert!(rig.world.calls(Op::Undo).is_empty());
    let (ended, rig) = back(Verb::Skip);
    assert_eq!(ended, Ok(Stop::Ended(Ending::Abandoned)));
    assert_eq!(rig.undo("a/1"), UndoPhase::Left);
}

#[test]
fn secrets_in_a_reason_are_masked() {
    let rig = stopped();
    let engine = rig.engine("ann@one", &[]);
    let unit = id("b/1");
    let reason = format!("tried with {SECRET}");
    rig.time.run(engine.decide(&run(), Verb::Skip, Some(&unit), &reason)).unwrap().unwrap();
    let written = format!("{:?}", rig.entries());
    assert!(written.contains("tried with ****") && !written.contains(SECRET));
    let engine = rig.engine("ann@one", &[]);
    rig.time.run(engine.rollback(&run(), &format!("leaked {SECRET}"))).unwrap().unwrap();
    assert_eq!(rig.state().turns.last().unwrap().why, "leaked ****");
}
