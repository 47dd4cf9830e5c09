//! Gates and `after=`: who is asked, who confirms, and what goes on meanwhile.

use crate::support::*;
use windlass_engine::{Answer, Choice, NoPeople, People, Stop};
use windlass_journal::{Ending, Event, Forward, OnFailure, UndoPhase};
use windlass_plan::{Plan, Step};

const DONE: Outcome = Ok(Stop::Ended(Ending::Done));

/// `a`, then a gate, then `b`.
fn gated() -> Plan {
    plan(vec![step("a", vec![unit("a/1")]), step("g", vec![gate("g/1")]), step("b", vec![unit("b/1")])])
}

#[test]
fn a_gate_that_is_confirmed_lets_the_run_go_on() {
    let rig = Rig::new();
    rig.world.answer(5, Answer::Confirmed(format!("looks good, {SECRET}")));
    assert_eq!(rig.start(gated()), DONE);
    let log = rig.world.log();
    let at = log.iter().position(|line| line == "ask g/1").unwrap();
    assert_eq!(log[at - 1..at + 3], ["! settle a/1 applied", "ask g/1", "! confirmed g/1", "capture b/1"]);
    assert_eq!(rig.unit("g/1").confirmed.as_deref(), Some("ann@one: looks good, ****"));
    assert_eq!(rig.forward("g/1"), Forward::Applied);
}

#[test]
fn a_gate_that_is_refused_fails_and_the_run_goes_back() {
    let rig = Rig::new();
    rig.world.answer(5, Answer::Refused(format!("red, {SECRET}")));
    assert_eq!(rig.start(gated()), Ok(Stop::Ended(Ending::Undone)));
    assert_eq!(rig.undo("a/1"), UndoPhase::Undone);
    assert_eq!(rig.state().turns[0].why, "refused: red, ****");
    assert!(rig.world.calls(Op::Apply).iter().all(|call| call.unit == "a/1"));
}

#[test]
fn a_refused_gate_can_be_asked_again() {
    let rig = Rig::new();
    rig.world.answer(5, Answer::Refused("not yet".into()));
    assert_eq!(person(rig.start_on(gated(), OnFailure::Stop), "g/1"), "refused: not yet");
    assert_eq!(refused(rig.confirm("g/1")), "the run does not wait for it");
    rig.world.answer(5, Answer::Confirmed("now".into()));
    assert_eq!(rig.decide(windlass_journal::Verb::Retry, Some("g/1")), DONE);
}

#[test]
fn with_nobody_there_the_run_waits_and_confirm_goes_on() {
    let rig = Rig::new();
    let waits = Ok(Stop::Gate(id("g/1")));
    assert_eq!(rig.start(gated()), waits);
    assert_eq!(rig.resume(), waits, "resume confirms nothing");
    assert_eq!(rig.forward("b/1"), Forward::Waiting);
    assert_eq!(rig.confirm("g/1"), DONE);
    let confirmed = rig.entries().into_iter().find(|e| matches!(e.event, Event::Confirmed { .. })).unwrap();
    assert_eq!(confirmed.actor, "bob@two", "who said it is journaled");
}

#[test]
fn only_the_gate_that_the_run_waits_for_is_confirmed() {
    let rig = Rig::new();
    let steps = vec![step("g", vec![gate("g/1")]), step("h", vec![gate("h/1")])];
    assert_eq!(rig.start(plan(steps)), Ok(Stop::Gate(id("g/1"))));
    let entries = rig.entries().len();
    assert_eq!(refused(rig.confirm("h/1")), "the run does not wait for it");
    assert_eq!(refused(rig.confirm("x/1")), "the run does not wait for it");
    assert_eq!(rig.entries().len(), entries);
    assert_eq!(rig.confirm("g/1"), Ok(Stop::Gate(id("h/1"))));
    assert_eq!(refused(rig.confirm("g/1")), "the run does not wait for it");
    assert_eq!(rig.confirm("h/1"), DONE);
}

#[test]
fn the_lease_is_kept_while_a_person_thinks() {
    let rig = Rig::new();
    rig.world.answer(61_000, Answer::Confirmed(String::new()));
    assert_eq!(rig.start(gated()), DONE);
    assert_eq!(rig.journal.beats(), 24, "every 2.5 s of 61 s");
    let rig = Rig::new();
    rig.world.on("a/1", Op::Apply, fail(clean("red")));
    rig.world.choice(61_000, Choice::Unwind);
    rig.start_on(gated(), OnFailure::Ask).unwrap();
    assert_eq!(rig.journal.beats(), 24);
}

fn later() -> Plan {
    let step = Step { after_ms: Some(60_000), ..step("b", vec![unit("b/1")]) };
    plan(vec![crate::support::step("a", vec![unit("a/1")]), step])
}

#[test]
fn a_step_with_after_waits_for_its_time_and_then_asks() {
    let rig = Rig::new();
    let early = Ok(Stop::NotBefore { unit: id("b/1"), at_ms: WALL_MS + 60_000 });
    assert_eq!(rig.start(later()), early);
    assert_eq!(refused(rig.confirm("b/1")), "the run does not wait for it", "not before its time");
    assert_eq!(rig.resume(), early);
    rig.time.run(rig.time.wait(60_000));
    assert_eq!(rig.resume(), Ok(Stop::Gate(id("b/1"))));
    assert_eq!(rig.forward("b/1"), Forward::Waiting);
    assert_eq!(rig.confirm("b/1"), DONE);
    let last = rig.world.calls(Op::Apply).pop().unwrap();
    assert_eq!((last.unit.as_str(), rig.forward("b/1")), ("b/1", Forward::Applied));
}

#[test]
fn a_step_with_after_that_is_refused_fails_without_being_acted_on() {
    let rig = Rig::new();
    rig.start(later()).unwrap();
    rig.time.run(rig.time.wait(60_000));
    rig.world.answer(0, Answer::Refused("still needed".into()));
    assert_eq!(rig.resume(), Ok(Stop::Ended(Ending::Undone)));
    let undone: Vec<_> = rig.world.calls(Op::Undo).into_iter().map(|call| call.unit).collect();
    assert_eq!(undone, ["a/1"], "of b nothing is there");
}

#[test]
fn nobody_says_later_and_stop() {
    let rig = Rig::new();
    rig.start(gated()).unwrap();
    let state = rig.state();
    let (step, unit) = state.plan.unit(&id("g/1")).unwrap();
    assert_eq!(rig.time.run(NoPeople.confirm(&state, step, unit)), Some(Answer::Later));
    assert_eq!(rig.time.run(NoPeople.choose(&state, &id("a/1"), "why")), Some(Choice::Stop));
}
