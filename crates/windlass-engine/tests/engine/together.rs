//! Units that their driver applies together: their intents are durable before the first of them acts, each has an outcome of
//! its own.

use crate::support::*;
use windlass_engine::Stop;
use windlass_journal::{Ending, Event, Forward, OnFailure, UndoPhase, Verb};
use windlass_plan::{Step, Way};

const DONE: Outcome = Ok(Stop::Ended(Ending::Done));

/// `g1` with two units, `g2` with one.
fn steps() -> Vec<Step> {
    vec![step("g1", vec![unit("g1/1"), unit("g1/2")]), step("g2", vec![unit("g2/1")])]
}

fn acts(rig: &Rig) -> Vec<String> {
    rig.world
        .log()
        .into_iter()
        .filter(|line| !line.starts_with("capture") && !line.starts_with("resolve"))
        .collect()
}

#[test]
fn units_that_go_together_cost_two_appends_and_none_acts_before_all_intents_are_durable() {
    let rig = Rig::new();
    assert_eq!(rig.start(plan([steps(), vec![step("a", vec![unit("a/1")])]].concat())), DONE);
    let expected = [
        "! started + taken",
        "! intend g1/1 + intend g1/2 + intend g2/1",
        "apply g1/1",
        "apply g1/2",
        "apply g2/1",
        "! settle g1/1 applied + settle g1/2 applied + settle g2/1 applied",
        "! intend a/1",
        "apply a/1",
        "! settle a/1 applied",
        "! ended done",
    ];
    assert_eq!(acts(&rig), expected);
    assert_eq!(rig.unit("g2/1").attempt, 1);
}

#[test]
fn what_stands_behind_a_failure_was_not_begun_and_what_stands_before_it_goes_back() {
    let rig = Rig::new();
    rig.world.on("g1/2", Op::Apply, fail(clean("no")));
    assert_eq!(rig.start(plan(steps())), Ok(Stop::Ended(Ending::Undone)));
    assert_eq!(rig.unit("g1/1").undo, UndoPhase::Undone);
    assert!(matches!(rig.unit("g1/2").forward, Forward::Failed(_)));
    let rest = rig.unit("g2/1");
    assert_eq!(
        (rest.forward, rest.undo, rest.tries, rest.capsule),
        (Forward::Waiting, UndoPhase::None, 0, None)
    );
    assert!(rig.world.calls(Op::Apply).iter().all(|call| call.unit != "g2/1"));
}

#[test]
fn what_was_not_begun_begins_anew_with_what_is_tried_again() {
    let rig = Rig::new();
    rig.world.on("g1/2", Op::Apply, fail(clean("no")));
    let stop = rig.start_on(plan(steps()), OnFailure::Stop).unwrap();
    assert!(matches!(stop, Stop::Person { unit: Some(unit), .. } if unit == id("g1/2")));
    assert_eq!(rig.decide(Verb::Retry, Some("g1/2")), DONE);
    assert_eq!((rig.unit("g1/1").attempt, rig.unit("g1/2").attempt, rig.unit("g2/1").attempt), (1, 2, 2));
}

#[test]
fn an_undo_that_cannot_be_prepared_parts_them_and_fails_in_its_own_turn() {
    for (failing, applied) in [("g1/1", 0), ("g1/2", 1), ("g2/1", 2)] {
        let rig = Rig::new();
        for _ in 0..2 {
            rig.world.on(failing, Op::Capture, fail(clean("no room")));
        }
        assert_eq!(rig.start(plan(steps())), Ok(Stop::Ended(Ending::Undone)), "{failing}");
        assert!(matches!(rig.unit(failing).forward, Forward::Failed(_)), "{failing}");
        assert_eq!(rig.world.calls(Op::Apply).len(), applied, "{failing}");
    }
}

#[test]
fn an_outcome_that_is_not_known_is_looked_at_for_each() {
    let rig = Rig::new();
    rig.world.on("g1/2", Op::Apply, fail(unknown("the commit was not answered")));
    rig.world.on("g1/2", Op::Inspect, found(windlass_driver::Found::Applied(changed())));
    assert_eq!(rig.start(plan(steps())), DONE);
    assert!(matches!(rig.unit("g1/2").forward, Forward::Applied));
}

#[test]
fn gates_hosts_times_and_faults_part_them() {
    let hosts = step("g2", spread("g2", &["x", "y"], 1));
    let later = Step { after_ms: Some(1), ..step("g2", vec![unit("g2/1")]) };
    let asked = step("g2", vec![gate("g2/1")]);
    let own_undo = by_hand("g2", vec![unit("g2/1")], &["g9/1"], false);
    for (second, together) in [(hosts, false), (later, false), (asked, false), (own_undo, true)] {
        let rig = Rig::new();
        // Some of them wait for a person: what counts is what was begun with the first.
        let _ = rig.start(plan(vec![step("g1", vec![unit("g1/1")]), second.clone()]));
        let begun = acts(&rig).iter().any(|line| line.contains("intend g1/1 + "));
        assert_eq!(begun, together, "{second:?}");
    }
    let rig = Rig::new();
    let outcome = rig.start_with(plan(steps()), OnFailure::Unwind, &["repeat:g1/2"]);
    assert_eq!(outcome, Some(DONE));
    assert!(acts(&rig).iter().all(|line| !line.contains(" + intend")), "{:?}", acts(&rig));
    let intents = rig
        .entries()
        .into_iter()
        .filter(|entry| matches!(&entry.event, Event::Intended { way: Way::Forward, .. }));
    assert_eq!(intents.count(), 3);
}

/// A driver may come to fewer of them than it was given. The rest goes together again, and no more is intended then than it comes to.
#[test]
fn what_was_not_begun_goes_together_again() {
    let rig = Rig::new();
    rig.world.together_at_most(3);
    let units = (1..=40).map(|n| unit(&format!("g1/{n}"))).collect();
    assert_eq!(rig.start(plan(vec![step("g1", units)])), DONE);
    let events = rig.entries();
    let intended = events.iter().filter(|entry| matches!(entry.event, Event::Intended { .. })).count();
    let appends = acts(&rig).iter().filter(|line| line.starts_with("! intend")).count();
    assert_eq!(appends, 14, "three at a time");
    assert!(intended <= 40 + 37 + 13, "{intended}");
    assert!((1..=40).all(|n| rig.unit(&format!("g1/{n}")).forward == Forward::Applied));
}
