//! The way back: after a failure, and when it is asked for.

use crate::support::*;
use serde_json::json;
use windlass_driver::Done;
use windlass_engine::{Choice, EngineError, Stop};
use windlass_journal::{Direction, Ending, Forward, OnFailure, RunId, UndoPhase, Verb};
use windlass_plan::{DriverKind, Plan, Unit};

const UNDONE: Outcome = Ok(Stop::Ended(Ending::Undone));
const DONE: Outcome = Ok(Stop::Ended(Ending::Done));

/// `a`, then `b`, which fails.
fn failing(rig: &Rig) -> Plan {
    rig.world.on("b/1", Op::Apply, fail(clean("no such column")));
    plain(&["a", "b"])
}

#[test]
fn a_failure_is_unwound_newest_first_by_two_appends_a_unit() {
    let rig = Rig::new();
    rig.world.on("c/1", Op::Apply, fail(clean("red")));
    assert_eq!(rig.start(plain(&["a", "b", "c"])), UNDONE);
    let log = rig.world.log();
    let from = log.iter().position(|line| line == "! settle c/1 failed").unwrap();
    let expected = [
        "! turned unwind",
        "! intend undo b/1",
        "undo b/1",
        "! settle undo b/1 applied",
        "! intend undo a/1",
        "undo a/1",
        "! settle undo a/1 applied",
        "! ended undone",
    ];
    assert_eq!(log[from + 1..], expected);
    let turn = rig.state().turns.remove(0);
    assert_eq!((turn.to, turn.why.as_str(), turn.unit), (Direction::Unwind, "red", Some(id("c/1"))));
}

#[test]
fn an_undo_gets_the_capsule_and_the_report_of_its_act() {
    let rig = Rig::new();
    let report = Done {
        effects: vec!["1 row".into()],
        output: "ok".into(),
        facts: json!({ "rows": 1 }),
        changed: true,
    };
    rig.world.on("a/1", Op::Capture, Reply::Capsule(json!({ "row": "old" })));
    rig.world.on("a/1", Op::Apply, Reply::Done(report.clone()));
    let plan = failing(&rig);
    assert_eq!(rig.start(plan), UNDONE);
    let undo = rig.world.calls(Op::Undo).remove(0);
    assert_eq!((undo.capsule, undo.done), (json!({ "row": "old" }), Some(report)));
    assert_eq!(rig.world.calls(Op::Capture).len(), 2, "an undo captures nothing");
    assert_eq!(
        rig.unit("a/1").capsule,
        Some(json!({ "row": "old" })),
        "its intent does not replace the capsule"
    );
}

#[test]
fn a_unit_that_failed_in_part_is_undone_without_a_report() {
    let rig = Rig::new();
    rig.world.on("a/1", Op::Apply, fail(partial("half")));
    assert_eq!(rig.start(plain(&["a"])), UNDONE);
    let undo = rig.world.calls(Op::Undo).remove(0);
    assert_eq!((undo.capsule["of"].clone(), undo.done), (json!("a/1"), None));
}

#[test]
fn an_undo_that_fails_is_repeated_and_then_needs_a_person() {
    let rig = Rig::new();
    rig.world.on("a/1", Op::Undo, fail(clean("busy").retryable()));
    rig.world.on("a/1", Op::Undo, fail(partial("half of it").retryable()));
    rig.world.on("a/1", Op::Undo, fail(clean("row 7 was changed since")));
    let plan = failing(&rig);
    assert_eq!(person(rig.start(plan), "a/1"), "its undo failed: row 7 was changed since");
    let times: Vec<_> = rig.world.calls(Op::Undo).iter().map(|call| call.at_ms).collect();
    assert_eq!(times, [0, 500, 1_500]);
    assert_eq!(rig.state().ending, None, "a run that needs a person has not ended");
    let why = person(rig.resume(), "a/1");
    assert_eq!(why, "its undo failed: row 7 was changed since", "resume decides nothing");
    assert_eq!(rig.decide(Verb::Retry, Some("a/1")), UNDONE);
}

#[test]
fn a_hand_written_undo_runs_as_acts() {
    let rig = Rig::new();
    rig.world.on("b/1", Op::Apply, fail(clean("red")));
    let steps = vec![by_hand("a", vec![unit("a/1")], &["u/1", "u/2"], false), step("b", vec![unit("b/1")])];
    assert_eq!(rig.start(plan(steps)), UNDONE);
    let acts: Vec<_> = rig.world.calls(Op::Apply).into_iter().map(|call| call.unit).collect();
    assert_eq!(acts, ["a/1", "b/1", "u/1", "u/2"]);
    assert!(rig.world.calls(Op::Undo).is_empty());
}

#[test]
fn on_failure_stop_waits_for_a_person_and_undoes_nothing() {
    let rig = Rig::new();
    let plan = failing(&rig);
    assert_eq!(person(rig.start_on(plan, OnFailure::Stop), "b/1"), "no such column");
    assert!(rig.world.calls(Op::Undo).is_empty());
    assert_eq!(person(rig.resume(), "b/1"), "no such column");
}

#[test]
fn on_failure_ask_does_what_it_is_told() {
    let ask = |choice: Option<Choice>| {
        let rig = Rig::new();
        choice.into_iter().for_each(|choice| rig.world.choice(50, choice));
        let plan = failing(&rig);
        let outcome = rig.start_on(plan, OnFailure::Ask);
        assert!(rig.world.log().contains(&"choose b/1: no such column".to_owned()));
        (outcome, rig)
    };
    let (outcome, rig) = ask(Some(Choice::Unwind));
    assert_eq!((outcome, rig.undo("a/1")), (UNDONE, UndoPhase::Undone));
    let (outcome, rig) = ask(Some(Choice::Stop));
    assert_eq!(person(outcome, "b/1"), "no such column");
    assert!(rig.world.calls(Op::Undo).is_empty());
    let (outcome, rig) = ask(Some(Choice::Retry));
    assert_eq!((outcome, rig.unit("b/1").attempt), (DONE, 2));
    let (outcome, _) = ask(None);
    assert_eq!(person(outcome, "b/1"), "no such column", "nobody there is like stop");
}

#[test]
fn a_done_run_can_be_taken_back_and_only_once() {
    let rig = Rig::new();
    assert_eq!(rig.start(plain(&["a", "b"])), DONE);
    assert_eq!(rig.rollback(&run()), UNDONE);
    let order: Vec<_> = rig.world.calls(Op::Undo).into_iter().map(|call| call.unit).collect();
    assert_eq!(order, ["b/1", "a/1"]);
    assert_eq!(rig.state().turns[0].why, "asked for");
    let entries = rig.entries().len();
    let over = EngineError::Over { run: run(), ending: Ending::Undone };
    assert_eq!(rig.rollback(&run()), Err(over));
    assert_eq!(rig.entries().len(), entries, "a refusal leaves no trace");
}

#[test]
fn an_open_run_can_be_taken_back() {
    let rig = Rig::new();
    let plan = failing(&rig);
    person(rig.start_on(plan, OnFailure::Stop), "b/1");
    assert_eq!(rig.rollback(&run()), UNDONE);
    assert_eq!((rig.undo("a/1"), rig.undo("b/1")), (UndoPhase::Undone, UndoPhase::None));
}

#[test]
fn what_a_dead_controller_left_open_is_found_out_before_it_is_taken_back() {
    let rig = Rig::new();
    rig.crash(plain(&["a"]), "crash-after:a/1");
    rig.world.on("a/1", Op::Inspect, found(windlass_driver::Found::Applied(changed())));
    rig.world.log();
    assert_eq!(rig.rollback(&run()), UNDONE);
    assert_eq!(rig.world.acts()[1..], ["inspect a/1", "undo a/1"]);
}

fn start_as(rig: &Rig, name: &str, plan: Plan) -> Outcome {
    let engine = rig.engine("ann@one", &[]);
    rig.time.run(engine.start(RunId(name.into()), plan, OnFailure::Stop)).expect("no crash was asked for")
}

#[test]
fn only_the_newest_in_place_goes_back() {
    let rig = Rig::new();
    assert_eq!(rig.start(plain(&["a"])), DONE);
    assert_eq!(start_as(&rig, "run-2", plain(&["b"])), DONE);
    let newer = RunId("run-2".into());
    let refused = EngineError::NotNewest { run: run(), newer: newer.clone() };
    assert_eq!(rig.rollback(&run()), Err(refused));
    assert!(rig.world.calls(Op::Undo).is_empty());
    assert_eq!(rig.rollback(&newer), UNDONE);
    assert_eq!(rig.rollback(&run()), UNDONE, "nothing stands on top of it any more");
}

#[test]
fn what_a_person_abandoned_blocks_no_older_rollback() {
    let rig = Rig::new();
    assert_eq!(rig.start(plain(&["c"])), DONE);
    let plan = failing(&rig);
    person(start_as(&rig, "run-2", plan), "b/1");
    let newer = RunId("run-2".into());
    let refused = EngineError::NotNewest { run: run(), newer: newer.clone() };
    assert_eq!(rig.rollback(&run()), Err(refused), "it is still open");
    let engine = rig.engine("ann@one", &[]);
    let abandon = engine.decide(&newer, Verb::Abandon, None, "leave it");
    let left = rig.time.run(abandon).expect("no crash was asked for");
    assert_eq!(left, Ok(Stop::Ended(Ending::Abandoned)));
    assert_eq!(rig.rollback(&run()), UNDONE);
}

#[test]
fn one_run_at_a_time_and_each_name_once() {
    let rig = Rig::new();
    let plan = failing(&rig);
    person(rig.start_on(plan, OnFailure::Stop), "b/1");
    assert_eq!(start_as(&rig, "run-2", plain(&["c"])), Err(EngineError::OpenRun(run())));
    assert_eq!(rig.rollback(&run()), UNDONE);
    let over = EngineError::Over { run: run(), ending: Ending::Undone };
    assert_eq!(start_as(&rig, "run-1", plain(&["c"])), Err(over.clone()));
    assert_eq!(rig.resume(), Err(over.clone()));
    assert_eq!(rig.decide(Verb::Unwind, None), Err(over.clone()));
    assert_eq!(rig.confirm("a/1"), Err(over));
    assert_eq!(start_as(&rig, "run-2", plain(&["c"])), DONE, "refusals give the lease back");
}

#[test]
fn a_run_that_is_not_there() {
    let rig = Rig::new();
    assert_eq!(rig.resume(), Err(EngineError::NoRun(run())));
    assert_eq!(rig.rollback(&run()), Err(EngineError::NoRun(run())));
    assert_eq!(rig.confirm("a/1"), Err(EngineError::NoRun(run())));
    assert_eq!(rig.decide(Verb::Abandon, None), Err(EngineError::NoRun(run())));
}

#[test]
fn a_run_that_could_not_go_back_does_not_begin() {
    let rig = Rig::new();
    let needs = |name: &str| Unit { driver: DriverKind::Sqlite, ..unit(name) };
    let outcome = rig.start(plan(vec![step("a", vec![unit("a/1")]), step("b", vec![needs("b/1")])]));
    assert_eq!(outcome, Err(EngineError::NoDriver(id("b/1"))));
    let mut scripted = by_hand("a", vec![unit("a/1")], &["u/1"], false);
    scripted.undo.as_mut().unwrap().units = vec![needs("u/1")];
    assert_eq!(rig.start(plan(vec![scripted])), Err(EngineError::NoDriver(id("u/1"))));
    assert!(rig.entries().is_empty() && rig.world.log().is_empty());
}

#[test]
fn a_controller_without_the_drivers_does_not_take_up_a_run() {
    let mut rig = Rig::new();
    let plan = failing(&rig);
    person(rig.start_on(plan, OnFailure::Stop), "b/1");
    let entries = rig.entries().len();
    rig.kinds = vec![DriverKind::Gate];
    assert_eq!(rig.resume(), Err(EngineError::NoDriver(id("a/1"))));
    assert_eq!(rig.entries().len(), entries);
}

#[test]
fn a_run_that_was_left_can_still_be_taken_back() {
    let rig = Rig::new();
    let plan = failing(&rig);
    person(rig.start_on(plan, OnFailure::Stop), "b/1");
    assert_eq!(rig.decide(Verb::Abandon, None), Ok(Stop::Ended(Ending::Abandoned)));
    assert_eq!(start_as(&rig, "run-2", plain(&["c"])), DONE, "it is not open");
    let newer = RunId("run-2".into());
    assert_eq!(rig.rollback(&newer), UNDONE);
    assert_eq!(rig.rollback(&run()), UNDONE);
    assert_eq!((rig.forward("a/1"), rig.undo("a/1")), (Forward::Applied, UndoPhase::Undone));
}
