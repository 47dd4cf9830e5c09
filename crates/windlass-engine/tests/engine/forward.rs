//! The way forward: order, durability, repetition, hosts side by side, Ctrl-C.

use crate::support::*;
use futures_util::future::join;
use serde_json::json;
use windlass_document::Serial;
use windlass_driver::Done;
use windlass_engine::{Notice, Settings, Stop};
use windlass_journal::{Ending, Event, Forward, OnFailure, UndoPhase, verify};
use windlass_plan::{Step, Unit};

const DONE: Outcome = Ok(Stop::Ended(Ending::Done));

#[test]
fn a_unit_costs_two_appends_and_its_intent_is_durable_before_it_acts() {
    let rig = Rig::new();
    assert_eq!(rig.start(plain(&["a", "b"])), DONE);
    let expected = [
        "resolve Env(\"DATABASE_URL\")",
        "! started + taken",
        "capture a/1",
        "! intend a/1",
        "apply a/1",
        "! settle a/1 applied",
        "capture b/1",
        "! intend b/1",
        "apply b/1",
        "! settle b/1 applied",
        "! ended done",
    ];
    assert_eq!(rig.world.log(), expected);
}

#[test]
fn what_is_shown_is_what_is_durable() {
    let rig = Rig::new();
    assert_eq!(rig.start(plain(&["a"])), DONE);
    let entries = rig.entries();
    assert_eq!(rig.world.entries(), entries);
    verify(0, String::new(), &entries).unwrap();
    assert!(entries.iter().all(|e| e.actor == "ann@one" && e.time_ms == WALL_MS && e.token == 1));
    assert!(matches!(&entries[1].event, Event::Taken { owner, from: None } if owner.contains("ann@one")));
}

#[test]
fn an_act_gets_its_capsule_its_facts_its_folder_and_its_time() {
    let rig = Rig::new();
    let second = Unit { timeout_ms: Some(7_000), ..unit("b/1") };
    rig.world.on("a/1", Op::Apply, Reply::Done(Done { facts: json!({ "file": "x" }), ..changed() }));
    rig.world.on("b/1", Op::Capture, Reply::Capsule(json!({ "before": 1 })));
    rig.start(plan(vec![step("a", vec![unit("a/1")]), step("b", vec![second])])).unwrap();
    let call = rig.world.calls(Op::Apply).remove(1);
    assert_eq!(call.capsule, json!({ "before": 1 }));
    assert_eq!(call.facts, [(id("a/1"), json!({ "file": "x" }))].into());
    assert_eq!(call.workspace.to_str(), Some("/runs/run-1/b/1"));
    assert_eq!((call.attempt, call.timeout_ms), (1, Some(7_000)));
    assert_eq!(rig.unit("b/1").capsule, Some(json!({ "before": 1 })));
}

#[test]
fn the_time_that_a_unit_took_is_that_of_its_act() {
    let rig = Rig::new();
    rig.world.on("a/1", Op::Capture, Play::from(Reply::Capsule(json!(1))).after(70));
    rig.world.on("a/1", Op::Apply, done().after(1_200));
    rig.start(plain(&["a"])).unwrap();
    assert_eq!(rig.unit("a/1").took_ms, 1_200);
}

#[test]
fn a_failure_that_passes_is_tried_again_later_and_later() {
    let rig = Rig { settings: Settings { tries_max: 7, ..Settings::default() }, ..Rig::new() };
    for _ in 0..6 {
        rig.world.on("a/1", Op::Apply, fail(clean("locked").retryable()));
    }
    assert_eq!(rig.start(plain(&["a"])), DONE);
    let calls = rig.world.calls(Op::Apply);
    let times: Vec<_> = calls.iter().map(|call| call.at_ms).collect();
    assert_eq!(times, [0, 500, 1_500, 3_500, 7_500, 12_500, 17_500]);
    assert_eq!(calls.iter().map(|call| call.attempt).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    let waits = rig.world.notices();
    let waits: Vec<_> = waits
        .iter()
        .filter_map(|n| if let Notice::Retrying(_, ms, _) = n { Some(*ms) } else { None })
        .collect();
    assert_eq!(waits, [500, 1_000, 2_000, 4_000, 5_000, 5_000], "each is shown");
    let log = rig.world.log();
    assert_eq!(log.iter().filter(|line| line.starts_with("! intend")).count(), 7, "each is journaled");
}

#[test]
fn a_clean_failure_takes_a_new_capsule_with_the_next_try() {
    let rig = Rig::new();
    rig.world.on("a/1", Op::Apply, fail(clean("locked").retryable()));
    rig.start(plain(&["a"])).unwrap();
    let capsules: Vec<_> =
        rig.world.calls(Op::Apply).into_iter().map(|call| call.capsule["take"].clone()).collect();
    assert_eq!(capsules, [1, 2]);
    rig.rollback(&run()).unwrap();
    assert_eq!(rig.world.calls(Op::Undo)[0].capsule["take"], 2);
}

#[test]
fn a_partial_failure_goes_on_with_the_capsule_from_before_it() {
    let rig = Rig::new();
    rig.world.on("a/1", Op::Apply, fail(partial("stopped at row 7").retryable()));
    assert_eq!(rig.start(plain(&["a"])), DONE);
    assert_eq!(rig.world.calls(Op::Capture).len(), 1, "the world is no longer as it was before");
    let takes: Vec<_> = rig.world.calls(Op::Apply).iter().map(|call| call.capsule["take"].clone()).collect();
    assert_eq!(takes, [1, 1]);
    rig.rollback(&run()).unwrap();
    assert_eq!(rig.world.calls(Op::Undo)[0].capsule["take"], 1);
}

#[test]
fn a_second_try_that_finds_nothing_to_do_does_not_hide_what_the_first_left() {
    let rig = Rig::new();
    rig.world.on("a/1", Op::Apply, fail(partial("stopped").retryable()));
    rig.world.on("a/1", Op::Apply, Reply::Done(Done::default()));
    assert_eq!(rig.start(plain(&["a"])), DONE);
    assert_eq!(rig.forward("a/1"), Forward::Applied);
    rig.rollback(&run()).unwrap();
    assert_eq!(rig.undo("a/1"), UndoPhase::Undone);
}

#[test]
fn what_had_nothing_to_do_is_not_undone() {
    let rig = Rig::new();
    rig.world.on("a/1", Op::Apply, Reply::Done(Done::default()));
    assert_eq!(rig.start(plain(&["a"])), DONE);
    assert_eq!(rig.forward("a/1"), Forward::Unchanged);
    assert_eq!(rig.rollback(&run()), Ok(Stop::Ended(Ending::Undone)));
    assert!(rig.world.calls(Op::Undo).is_empty());
}

fn busy_hosts(rig: &Rig, serial: Option<Serial>) -> (usize, u64) {
    let units = spread("a", &["w", "x", "y", "z"], 2);
    for unit in &units {
        rig.world.on(&unit.id.0, Op::Apply, done().after(100));
    }
    rig.start(plan(vec![Step { serial, ..step("a", units) }])).expect("it runs");
    (rig.world.at_work_max(), rig.time.now())
}

#[test]
fn hosts_work_side_by_side_as_many_as_serial_and_the_settings_allow() {
    assert_eq!(busy_hosts(&Rig::new(), None), (4, 200));
    assert_eq!(busy_hosts(&Rig::new(), Some(Serial::Hosts(1))), (1, 800));
    assert_eq!(busy_hosts(&Rig::new(), Some(Serial::Percent(50))), (2, 400));
    let three = Settings { hosts_max: 3, ..Settings::default() };
    assert_eq!(busy_hosts(&Rig { settings: three, ..Rig::new() }, None).0, 3);
}

#[test]
fn one_host_at_a_time_is_finished_before_the_next() {
    let rig = Rig::new();
    let step = Step { serial: Some(Serial::Hosts(1)), ..step("a", spread("a", &["x", "y"], 2)) };
    rig.start(plan(vec![step])).unwrap();
    let order: Vec<_> = rig.world.calls(Op::Apply).into_iter().map(|call| call.unit).collect();
    assert_eq!(order, ["a/1@x", "a/2@x", "a/1@y", "a/2@y"]);
}

#[test]
fn a_failure_on_one_host_lets_the_others_finish_their_unit_and_begins_no_more() {
    let rig = Rig::new();
    rig.world.on("a/1@x", Op::Apply, fail(clean("disk full")).after(50));
    rig.world.on("a/1@y", Op::Apply, done().after(400));
    let outcome = rig.start_on(plan(vec![step("a", spread("a", &["x", "y"], 2))]), OnFailure::Stop);
    assert_eq!(person(outcome, "a/1@x"), "disk full");
    assert_eq!(rig.time.now(), 400);
    assert_eq!(rig.forward("a/1@y"), Forward::Applied);
    assert_eq!((rig.forward("a/2@x"), rig.forward("a/2@y")), (Forward::Waiting, Forward::Waiting));
}

#[test]
fn ctrl_c_finishes_the_unit_and_resume_goes_on_behind_it() {
    let rig = Rig::new();
    let world = rig.world.clone();
    rig.world.on("a/1", Op::Apply, done().after(100).first(move || world.stop()));
    assert_eq!(rig.start(plain(&["a", "b"])), Ok(Stop::Interrupted));
    assert_eq!((rig.forward("a/1"), rig.forward("b/1")), (Forward::Applied, Forward::Waiting));
    assert_eq!(rig.state().ending, None);
    rig.world.log();
    assert_eq!(rig.resume(), DONE);
    assert_eq!(rig.world.acts(), ["resolve Env(\"DATABASE_URL\")", "capture b/1", "apply b/1"]);
}

#[test]
fn ctrl_c_lets_all_hosts_finish_and_leaves_the_way_back_for_resume() {
    let rig = Rig::new();
    let world = rig.world.clone();
    rig.world.on("a/1@x", Op::Apply, fail(clean("no")).first(move || world.stop()));
    rig.world.on("a/1@y", Op::Apply, done().after(300));
    let hosts = plan(vec![step("a", spread("a", &["x", "y"], 1))]);
    assert_eq!(rig.start(hosts), Ok(Stop::Interrupted));
    assert_eq!(rig.forward("a/1@y"), Forward::Applied);
    assert!(rig.world.calls(Op::Undo).is_empty());
    assert_eq!(rig.resume(), Ok(Stop::Ended(Ending::Undone)));
    assert_eq!(rig.undo("a/1@y"), UndoPhase::Undone);
}

#[test]
fn ctrl_c_begins_nothing_on_a_host_that_is_ready_while_another_finishes() {
    let rig = Rig::new();
    let world = rig.world.clone();
    rig.world.on("a/1@x", Op::Apply, done().first(move || world.stop()));
    rig.world.on("a/1@y", Op::Apply, done().after(300));
    let hosts = plan(vec![step("a", spread("a", &["x", "y"], 2))]);
    assert_eq!(rig.start(hosts), Ok(Stop::Interrupted));
    let looked: Vec<_> = rig.world.calls(Op::Capture).into_iter().map(|call| call.unit).collect();
    assert_eq!(looked, ["a/1@x", "a/1@y"]);
    assert_eq!(rig.forward("a/1@y"), Forward::Applied);
}

#[test]
fn ctrl_c_before_an_intent_leaves_the_unit_alone() {
    let rig = Rig::new();
    let world = rig.world.clone();
    let slow = Play::from(Reply::Capsule(json!(1))).after(100).first(move || world.stop());
    rig.world.on("a/1", Op::Capture, slow);
    assert_eq!(rig.start(plain(&["a"])), Ok(Stop::Interrupted));
    assert!(rig.world.calls(Op::Apply).is_empty(), "it was asked to stop before it had begun");
    assert_eq!(rig.unit("a/1").attempt, 0);
    assert_eq!(rig.resume(), DONE);
}

#[test]
fn ctrl_c_in_the_pause_before_another_try_leaves_that_try_to_resume() {
    let rig = Rig::new();
    rig.world.on("a/1", Op::Apply, fail(clean("locked").retryable()));
    let engine = rig.engine("ann@one", &[]);
    let ctrl_c = async {
        rig.time.wait(200).await;
        rig.world.stop();
    };
    let (outcome, ()) =
        rig.time.run(join(engine.start(run(), plain(&["a"]), OnFailure::Unwind), ctrl_c)).unwrap();
    assert_eq!(outcome, Ok(Stop::Interrupted));
    assert_eq!(rig.world.calls(Op::Apply).len(), 1);
    assert_eq!(rig.resume(), DONE);
    assert_eq!(rig.unit("a/1").attempt, 2);
}
