//! Lost and ambiguous outcomes, failed captures, and what may be written about all that.

use crate::support::*;
use serde_json::json;
use windlass_driver::{Done, Failure, Found, OUTPUT_BYTES_MAX};
use windlass_engine::{Notice, Stop};
use windlass_journal::{Ending, Forward, OnFailure, UndoPhase, Verb};
use windlass_plan::Way;

const DONE: Outcome = Ok(Stop::Ended(Ending::Done));
const UNDONE: Outcome = Ok(Stop::Ended(Ending::Undone));

/// The act of `a/1` cannot tell what became of it; the world says `answer`.
fn ambiguous(answer: Found) -> (Rig, Outcome) {
    let rig = Rig::new();
    rig.world.on("a/1", Op::Apply, fail(unknown("the link broke").retryable()));
    rig.world.on("a/1", Op::Inspect, found(answer));
    let outcome = rig.start_on(plain(&["a"]), OnFailure::Stop);
    (rig, outcome)
}

#[test]
fn an_act_that_cannot_tell_is_settled_by_looking_at_the_world() {
    let done = Done { output: "seen".into(), ..changed() };
    let (rig, outcome) = ambiguous(Found::Applied(done));
    assert_eq!((outcome, rig.forward("a/1")), (DONE, Forward::Applied));
    assert_eq!(rig.unit("a/1").report.unwrap().output, "seen");
    let expected = ["capture a/1", "! intend a/1", "apply a/1", "inspect a/1", "! settle a/1 applied"];
    assert_eq!(rig.world.log()[2..7], expected, "once, within the same try");
    let calls = (rig.world.calls(Op::Apply).remove(0), rig.world.calls(Op::Inspect).remove(0));
    assert_eq!(calls.0.capsule, calls.1.capsule);

    let (rig, outcome) = ambiguous(Found::Applied(Done::default()));
    assert_eq!((outcome, rig.forward("a/1")), (DONE, Forward::Unchanged));
}

#[test]
fn what_certainly_had_no_effect_is_tried_again_if_the_act_said_so() {
    let (rig, outcome) = ambiguous(Found::NotApplied);
    assert_eq!((outcome, rig.unit("a/1").attempt), (DONE, 2));
    let rig = Rig::new();
    rig.world.on("a/1", Op::Apply, fail(unknown("the link broke")));
    rig.world.on("a/1", Op::Inspect, found(Found::NotApplied));
    let why = person(rig.start_on(plain(&["a"]), OnFailure::Stop), "a/1");
    assert_eq!(why, "it had no effect (the link broke)");
}

#[test]
fn what_ended_and_failed_is_a_failure() {
    let (rig, outcome) = ambiguous(Found::Failed(clean("exit status 3")));
    assert_eq!(person(outcome, "a/1"), "exit status 3");
    assert!(matches!(rig.forward("a/1"), Forward::Failed(_)));
    let (rig, outcome) = ambiguous(Found::Failed(partial("exit status 4")));
    assert_eq!(person(outcome, "a/1"), "exit status 4");
    assert!(matches!(rig.forward("a/1"), Forward::FailedPartly(_)));
}

#[test]
fn what_the_world_cannot_tell_is_not_guessed() {
    for answer in [Found::Unknown("no trace".into()), Found::Failed(unknown("no trace"))] {
        let (rig, outcome) = ambiguous(answer);
        assert_eq!(person(outcome, "a/1"), "its outcome is not known: the link broke; no trace");
        assert!(matches!(rig.forward("a/1"), Forward::Unknown(_)));
        assert_eq!(rig.world.calls(Op::Apply).len(), 1);
        assert!(rig.world.calls(Op::Undo).is_empty());
    }
}

#[test]
fn resume_asks_the_world_again_about_an_unknown_outcome() {
    let (rig, _) = ambiguous(Found::Unknown("host down".into()));
    rig.world.on("a/1", Op::Inspect, found(Found::Unknown("still down".into())));
    assert_eq!(person(rig.resume(), "a/1"), "its outcome is not known: the link broke; host down");
    let (rig, _) = ambiguous(Found::Unknown("host down".into()));
    rig.world.on("a/1", Op::Inspect, found(Found::Applied(changed())));
    assert_eq!(rig.resume(), DONE);
    assert_eq!(rig.world.calls(Op::Apply).len(), 1);
    assert_eq!(rig.state().turns.last().unwrap().why, "the outcome is known now");
}

#[test]
fn an_undo_that_cannot_tell_is_looked_at_too() {
    let rig = Rig::new();
    rig.start(plain(&["a"])).unwrap();
    rig.world.on("a/1", Op::Undo, fail(unknown("the link broke")));
    rig.world.on("a/1", Op::Inspect, found(Found::Unknown("host down".into())));
    person(rig.rollback(&run()), "a/1");
    assert!(matches!(rig.undo("a/1"), UndoPhase::Unknown(_)));
    rig.world.on("a/1", Op::Inspect, found(Found::Applied(changed())));
    assert_eq!(rig.resume(), UNDONE);
    assert_eq!(rig.world.calls(Op::Undo).len(), 1, "not undone twice");
    let looks = rig.world.notices();
    let looks = looks.iter().filter(|n| **n == Notice::Inspecting(id("a/1"), Way::Undo)).count();
    assert_eq!(looks, 2);
}

#[test]
fn a_decision_to_retry_an_undo_of_unknown_outcome_is_obeyed() {
    let rig = Rig::new();
    rig.start(plain(&["a"])).unwrap();
    rig.world.on("a/1", Op::Undo, fail(unknown("the link broke")));
    rig.world.on("a/1", Op::Inspect, found(Found::Unknown("host down".into())));
    person(rig.rollback(&run()), "a/1");
    assert_eq!(rig.decide(Verb::Retry, Some("a/1")), UNDONE);
    assert_eq!(rig.world.calls(Op::Undo).len(), 2);
}

/// A controller died in the act of `a/1` on one host; the world says `answer` to the next one.
fn died(fault: &str, answer: Found) -> (Rig, Outcome) {
    let rig = Rig::new();
    rig.crash(plain(&["a"]), fault);
    assert_eq!(rig.forward("a/1"), Forward::Running);
    rig.world.on("a/1", Op::Inspect, found(answer));
    rig.world.log();
    let outcome = rig.resume();
    (rig, outcome)
}

#[test]
fn what_a_dead_controller_began_is_found_out_and_never_done_twice() {
    let (rig, outcome) = died("crash-after:a/1", Found::Applied(changed()));
    assert_eq!((outcome, rig.world.calls(Op::Apply).len()), (DONE, 1));
    assert_eq!(rig.world.acts()[1..], ["inspect a/1"]);
    assert_eq!(rig.unit("a/1").took_ms, 0, "nobody measured it");
}

#[test]
fn what_a_dead_controller_only_intended_is_done_as_if_never_tried() {
    let (rig, outcome) = died("crash-before:a/1", Found::NotApplied);
    assert_eq!(outcome, DONE);
    assert_eq!(rig.world.acts()[1..], ["inspect a/1", "capture a/1", "apply a/1"]);
    assert_eq!(rig.unit("a/1").tries, 1);
    let times = rig.world.calls(Op::Apply)[0].at_ms;
    assert_eq!(times, 0, "no pause: it is the first try");
}

#[test]
fn what_a_dead_controller_left_failed_or_unknown_is_told_as_such() {
    let (rig, outcome) = died("crash-after:a/1", Found::Failed(partial("half")));
    assert_eq!((outcome, rig.undo("a/1")), (UNDONE, UndoPhase::Undone));
    let (_, outcome) = died("crash-after:a/1", Found::Unknown("no trace".into()));
    assert_eq!(person(outcome, "a/1"), "its outcome is not known: its controller died; no trace");
}

#[test]
fn all_that_was_lost_is_known_before_anything_begins() {
    let rig = Rig::new();
    rig.world.on("a/1@x", Op::Apply, done().after(1_000));
    rig.world.on("a/1@y", Op::Apply, done().after(10));
    let hosts = plan(vec![step("a", spread("a", &["x", "y"], 2))]);
    rig.crash(hosts, "crash-after:a/1@y");
    rig.world.on("a/1@x", Op::Inspect, found(Found::Applied(changed())).after(100));
    rig.world.on("a/1@y", Op::Inspect, found(Found::Applied(changed())).after(9_000));
    assert_eq!(rig.resume(), DONE);
    let begun: Vec<_> = rig.world.calls(Op::Capture).into_iter().skip(2).map(|call| call.at_ms).collect();
    assert_eq!(begun, [9_010, 9_010], "until then the act of y might still be under way");
}

#[test]
fn a_failed_capture_is_a_clean_failure_and_nothing_is_done() {
    let rig = Rig::new();
    rig.world.on("b/1", Op::Capture, fail(clean("the table is gone").hint("look")));
    assert_eq!(rig.start(plain(&["a", "b"])), UNDONE);
    let why = "nothing was done, since its undo could not be prepared: the table is gone";
    let Forward::Failed(trouble) = rig.forward("b/1") else { panic!("a clean failure") };
    assert_eq!((trouble.message.as_str(), trouble.hints.as_slice()), (why, ["look".to_owned()].as_slice()));
    assert!(rig.world.calls(Op::Apply).iter().all(|call| call.unit == "a/1"));
    assert!(rig.world.log().contains(&"! intend b/1 + settle b/1 failed".to_owned()));
}

#[test]
fn a_failed_capture_that_passes_is_tried_again() {
    let rig = Rig::new();
    rig.world.on("a/1", Op::Capture, fail(clean("busy").retryable()));
    assert_eq!(rig.start(plain(&["a"])), DONE);
    assert_eq!(rig.world.calls(Op::Apply)[0].at_ms, 500);
}

#[test]
fn a_capsule_with_a_secret_is_refused_since_masked_it_would_put_back_stars() {
    let rig = Rig::new();
    rig.world.on(
        "a/1",
        Op::Capture,
        Reply::Capsule(json!({ "lines": [{ "old": format!("KEY={SECRET}") }] })),
    );
    let why = person(rig.start_on(plain(&["a"]), OnFailure::Stop), "a/1");
    assert!(
        why.ends_with("what its undo needs holds a secret, and secrets are never written to the journal")
    );
    assert!(rig.world.calls(Op::Apply).is_empty());
}

#[test]
fn no_secret_reaches_the_journal_or_the_screen() {
    let rig = Rig::new();
    let spoken = |text: &str| format!("{text} {SECRET}");
    let leaky = Done {
        changed: true,
        effects: vec![spoken("effect")],
        output: spoken("output"),
        facts: json!({ spoken("key"): [{ "deep": spoken("fact") }, 7, null] }),
    };
    rig.world.on("a/1", Op::Apply, Reply::Done(leaky));
    let failure: Failure = partial(&spoken("message")).hint(spoken("hint")).output(spoken("trouble"));
    rig.world.on("b/1", Op::Apply, fail(failure));
    rig.world.on("b/1", Op::Undo, fail(unknown(&spoken("cause"))));
    rig.world.on("b/1", Op::Inspect, found(Found::Unknown(spoken("seen"))));
    let why = person(rig.start(plain(&["a", "b"])), "b/1");
    assert_eq!(why, "its outcome is not known: cause ****; seen ****");
    let report = rig.unit("a/1").report.unwrap();
    assert_eq!((report.effects[0].as_str(), report.output.as_str()), ("effect ****", "output ****"));
    assert_eq!(report.facts, json!({ "key ****": [{ "deep": "fact ****" }, 7, null] }));
    let Forward::FailedPartly(trouble) = rig.forward("b/1") else { panic!("it failed in part") };
    assert_eq!(
        [&trouble.message, &trouble.hints[0], &trouble.output],
        ["message ****", "hint ****", "trouble ****"]
    );
    let live = Notice::Output(id("a/1"), "applying with ****".into());
    assert!(rig.world.notices().contains(&live));
    let all = format!("{:?} {:?}", rig.entries(), rig.world.notices());
    assert!(!all.contains(SECRET));
}

#[test]
fn secrets_of_the_plan_are_known_before_the_first_entry() {
    let rig = Rig::new();
    rig.crash(plain(&["a"]), "crash-after:a/1");
    assert_eq!(rig.world.log()[0], "resolve Env(\"DATABASE_URL\")");
    rig.world.on("a/1", Op::Inspect, found(Found::Applied(changed())));
    rig.resume().unwrap();
    assert_eq!(rig.world.log()[0], "resolve Env(\"DATABASE_URL\")", "an inspection may print what it finds");
}

#[test]
fn long_output_is_cut_after_it_is_masked() {
    let rig = Rig::new();
    let output = format!("{}{SECRET}{}", "x".repeat(OUTPUT_BYTES_MAX / 2 - 36), "y".repeat(OUTPUT_BYTES_MAX));
    rig.world.on("a/1", Op::Apply, Reply::Done(Done { output, ..changed() }));
    rig.start(plain(&["a"])).unwrap();
    let kept = rig.unit("a/1").report.unwrap().output;
    assert!(kept.len() <= OUTPUT_BYTES_MAX && kept.contains("bytes left out"));
    assert!(!kept.contains("hunt"), "not even the beginning of a secret");
}
