//! Two controllers never both act.

use crate::support::*;
use futures_util::{FutureExt, future::join};
use std::sync::Arc;
use windlass_engine::{EngineError, Notice, Stop};
use windlass_journal::{Ending, Event, Forward, Lease, Life, OnFailure, RunId, Store, StoreError, Unlinked};

const DONE: Outcome = Ok(Stop::Ended(Ending::Done));

fn now<T>(future: impl Future<Output = Result<T, StoreError>>) -> T {
    future.now_or_never().expect("memory does not wait").expect("nothing is broken below the hook")
}

fn lease(rig: &Rig) -> Lease {
    now(rig.journal.inner.lease()).expect("it was taken")
}

/// Somebody else takes the lease, whoever holds it.
fn take(journal: &Journal, actor: &str) -> Lease {
    let seen = now(journal.inner.lease()).map_or(0, |lease| lease.token);
    now(journal.inner.take(seen, &owner(actor), 10_000, WALL_MS))
}

#[test]
fn the_lease_is_given_back_however_a_command_ends() {
    let rig = Rig::new();
    rig.world.on("a/1", Op::Apply, fail(clean("red")));
    person(rig.start_on(plain(&["a"]), OnFailure::Stop), "a/1");
    let after = lease(&rig);
    assert_eq!((after.held, after.token), (false, 1));
    rig.start(plain(&["b"])).unwrap_err();
    assert!(!lease(&rig).held, "a refusal gives it back too");
    assert_eq!(lease(&rig).token, 2);
}

#[test]
fn a_living_owner_is_never_robbed() {
    let rig = Rig::new();
    rig.world.life("eve@three", Life::Alive);
    let held = take(&rig.journal, "eve@three");
    assert_eq!(rig.start(plain(&["a"])), Err(EngineError::Held(Box::new(held.clone()))));
    assert!(rig.entries().is_empty() && rig.world.acts().is_empty());
    assert_eq!(lease(&rig), held);
}

#[test]
fn a_dead_owners_lease_is_taken_over_and_the_journal_says_so() {
    let rig = Rig::new();
    rig.crash(plain(&["a"]), "crash-before:a/1");
    assert!(lease(&rig).held);
    rig.world.on("a/1", Op::Inspect, found(windlass_driver::Found::NotApplied));
    assert_eq!(rig.resume(), DONE);
    let taken = rig.entries().into_iter().rfind(|e| matches!(e.event, Event::Taken { .. })).unwrap();
    assert_eq!(taken.token, 2);
    assert!(matches!(&taken.event, Event::Taken { from: Some(from), .. } if from == "ann@one (process 1)"));
}

#[test]
fn an_owner_elsewhere_is_dead_when_its_heartbeat_stands_still_for_its_whole_time() {
    let rig = Rig::new();
    rig.world.life("eve@three", Life::Elsewhere);
    take(&rig.journal, "eve@three");
    assert_eq!(rig.start(plain(&["a"])), DONE);
    assert_eq!(rig.world.calls(Op::Apply)[0].at_ms, 10_000);
    let told = Notice::WaitingForLease("eve@three (process 1)".into(), 10_000);
    assert_eq!(rig.world.notices()[0], told, "a person knows what is waited for");
}

/// Somebody starts while `eve`, elsewhere, holds the lease; meanwhile `then` happens.
fn meanwhile(then: impl FnOnce(&Journal, &Lease)) -> (Outcome, Rig) {
    let rig = Rig::new();
    rig.world.life("eve@three", Life::Elsewhere);
    let held = take(&rig.journal, "eve@three");
    let engine = rig.engine("ann@one", &[]);
    let (journal, time) = (rig.journal.clone(), rig.time.clone());
    let other = async {
        time.wait(9_000).await;
        then(&journal, &held);
    };
    let (outcome, ()) =
        rig.time.run(join(engine.start(run(), plain(&["a"]), OnFailure::Unwind), other)).expect("no crash");
    (outcome, rig)
}

#[test]
fn an_owner_elsewhere_that_beats_lives() {
    let (outcome, rig) = meanwhile(|journal, held| {
        now(journal.inner.beat(held.token));
    });
    assert!(matches!(outcome, Err(EngineError::Held(lease)) if lease.owner.actor == "eve@three"));
    assert!(rig.entries().is_empty());
    let (outcome, _) = meanwhile(|journal, _| {
        take(journal, "zoe@four");
    });
    assert!(
        matches!(outcome, Err(EngineError::Held(lease)) if lease.owner.actor == "zoe@four"),
        "zoe was faster"
    );
}

#[test]
fn who_takes_the_lease_at_the_same_moment_is_told_as_its_holder() {
    let rig = Rig::new();
    robbed_before(&rig, "take");
    let outcome = rig.start(plain(&["a"]));
    assert!(matches!(outcome, Err(EngineError::Held(lease)) if lease.owner.actor == "eve@three"));
    assert!(rig.entries().is_empty());
}

#[test]
fn what_was_decided_while_we_waited_for_the_lease_is_not_decided_again() {
    let rig = Rig::new();
    let gated = plan(vec![step("g", vec![gate("g/1")]), step("h", vec![gate("h/1")])]);
    assert_eq!(rig.start(gated), Ok(Stop::Gate(id("g/1"))));
    rig.world.life("eve@three", Life::Elsewhere);
    let held = take(&rig.journal, "eve@three");
    let (engine, unit) = (rig.engine("ann@one", &[]), id("g/1"));
    let other = async {
        rig.time.wait(9_000).await;
        let event = Event::Confirmed { unit: unit.clone(), note: String::new() };
        let entry = Unlinked { time_ms: WALL_MS, run: run(), actor: "eve@three".into(), event };
        let head = now(rig.journal.inner.head()).seq;
        now(rig.journal.inner.append(head, held.token, vec![entry]));
        now(rig.journal.inner.release(held.token));
    };
    let reached = run();
    let (outcome, ()) = rig.time.run(join(engine.confirm(&reached, &unit, "me too"), other)).unwrap();
    assert_eq!(refused(outcome), "the run does not wait for it");
    assert!(matches!(rig.entries().last().unwrap().event, Event::Confirmed { .. }), "nothing was added");
}

#[test]
fn a_lease_that_is_given_back_while_we_wait_was_not_taken_from_a_dead_owner() {
    let (outcome, rig) = meanwhile(|journal, held| {
        now(journal.inner.release(held.token));
    });
    assert_eq!(outcome, DONE);
    assert!(matches!(&rig.entries()[1].event, Event::Taken { from: None, .. }));
}

#[test]
fn of_two_that_start_at_the_same_moment_one_runs() {
    let rig = Rig::new();
    rig.world.life("ann@one", Life::Alive);
    rig.world.life("bob@two", Life::Alive);
    rig.world.on("a/1", Op::Apply, done().after(1_000));
    let (one, two) = (rig.engine("ann@one", &[]), rig.engine("bob@two", &[]));
    let starts = join(
        one.start(run(), plain(&["a"]), OnFailure::Unwind),
        two.start(RunId("run-2".into()), plain(&["b"]), OnFailure::Unwind),
    );
    let (first, second) = rig.time.run(starts).unwrap();
    assert_eq!(first, DONE);
    assert!(matches!(second, Err(EngineError::Held(lease)) if lease.owner.actor == "ann@one"));
    assert!(rig.world.calls(Op::Apply).iter().all(|call| call.unit == "a/1"));
}

#[test]
fn the_heart_beats_four_times_in_the_leases_time_through_long_and_short_units() {
    let rig = Rig::new();
    rig.world.on("a/1", Op::Apply, done().after(26_000));
    assert_eq!(rig.start(plain(&["a"])), DONE);
    assert_eq!(rig.journal.beats(), 10);
    let rig = Rig::new();
    let names: Vec<String> = (1..=40).map(|n| format!("s{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for name in &names {
        rig.world.on(&format!("{name}/1"), Op::Apply, done().after(1_000));
    }
    assert_eq!(rig.start(plain(&names)), DONE);
    let beats = rig.journal.beats();
    assert!((12..=16).contains(&beats), "{beats} beats in 40 s of short units");
}

#[test]
fn a_slow_capture_or_inspection_is_no_silence() {
    let rig = Rig::new();
    rig.world.on("a/1", Op::Capture, Play::from(Reply::Capsule(serde_json::json!(1))).after(26_000));
    rig.world.on("a/1", Op::Apply, fail(unknown("?")));
    rig.world.on("a/1", Op::Inspect, found(windlass_driver::Found::Unknown("?".into())).after(26_000));
    person(rig.start(plain(&["a"])), "a/1");
    assert_eq!(rig.journal.beats(), 20);
    rig.world.on("a/1", Op::Inspect, found(windlass_driver::Found::Applied(changed())).after(26_000));
    assert_eq!(rig.resume(), DONE);
    assert_eq!(rig.journal.beats(), 30, "also of one that a person waits for");
}

/// Another controller takes the lease just before `what` is written.
fn robbed_before(rig: &Rig, what: &'static str) {
    let journal = Arc::downgrade(&rig.journal);
    rig.journal.hook(move |line| {
        if line == what {
            take(&journal.upgrade().expect("the test goes on"), "eve@three");
        }
        None
    });
}

fn fenced(outcome: Outcome) {
    let expected = StoreError::Fenced { token: 1, found: 2 };
    assert_eq!(outcome, Err(EngineError::Store(expected)));
}

#[test]
fn a_controller_that_lost_its_lease_does_not_act_on_what_it_cannot_intend() {
    let rig = Rig::new();
    robbed_before(&rig, "! intend b/1");
    fenced(rig.start(plain(&["a", "b"])));
    assert_eq!(rig.world.calls(Op::Apply).len(), 1);
    let after = lease(&rig);
    assert!(after.held && after.owner.actor == "eve@three", "the new owner keeps it");
}

#[test]
fn a_controller_that_lost_its_lease_stops_in_the_middle_of_a_unit() {
    let rig = Rig::new();
    rig.world.on("a/1@x", Op::Apply, done().after(60_000));
    rig.world.on("a/1@y", Op::Apply, done().after(60_000));
    robbed_before(&rig, "beat 2");
    fenced(rig.start(plan(vec![step("a", spread("a", &["x", "y"], 2))])));
    assert_eq!(rig.time.now(), 5_000, "at the heartbeat that finds out");
    assert_eq!(rig.world.calls(Op::Apply).len(), 2);
    assert_eq!(rig.forward("a/1@x"), Forward::Running, "the new owner finds out what became of it");
}

#[test]
fn a_controller_that_cannot_settle_begins_nothing_more() {
    let rig = Rig::new();
    robbed_before(&rig, "! settle a/1 applied");
    fenced(rig.start(plain(&["a", "b"])));
    assert_eq!(rig.forward("a/1"), Forward::Running);
    assert_eq!(rig.world.calls(Op::Capture).len(), 1);
}

fn broken(rig: &Rig, broken: impl Fn(&str) -> bool + Send + 'static) {
    rig.journal.hook(move |line| broken(line).then(|| StoreError::Io("the disk is slow".into())));
}

#[test]
fn a_lost_heartbeat_is_no_reason_to_stop_but_a_lost_lease_time_is() {
    let rig = Rig::new();
    rig.world.on("a/1", Op::Apply, done().after(30_000));
    broken(&rig, |line| ["beat 2", "beat 3", "beat 6"].contains(&line));
    assert_eq!(rig.start(plain(&["a"])), DONE);
    let rig = Rig::new();
    rig.world.on("a/1", Op::Apply, done().after(60_000));
    broken(&rig, |line| line.starts_with("beat") && line != "beat 1");
    assert_eq!(rig.start(plain(&["a"])), Err(EngineError::Store(StoreError::Io("the disk is slow".into()))));
    assert_eq!(rig.time.now(), 12_500, "its time after the last beat that arrived");
}

#[test]
fn a_journal_that_fails_stops_the_run_where_it_can_be_taken_up() {
    let rig = Rig::new();
    broken(&rig, |line| line == "! settle a/1 applied");
    assert!(matches!(rig.start(plain(&["a", "b"])), Err(EngineError::Store(StoreError::Io(_)))));
    assert!(!lease(&rig).held, "the lease is given back");
    rig.journal.hook(|_| None);
    rig.world.on("a/1", Op::Inspect, found(windlass_driver::Found::Applied(changed())));
    assert_eq!(rig.resume(), DONE);
    assert_eq!(rig.world.calls(Op::Apply).iter().filter(|call| call.unit == "a/1").count(), 1);
}
