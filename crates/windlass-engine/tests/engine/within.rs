//! `within=`: a check is repeated inside its one try, until its deadline.

use crate::support::*;
use windlass_engine::{Notice, Stop};
use windlass_journal::{Ending, Forward, OnFailure};
use windlass_plan::{Plan, Unit};

fn checked(within_ms: u64) -> Plan {
    plan(vec![step("a", vec![check("a/1", within_ms)])])
}

fn red(rig: &Rig, times: u32) {
    for _ in 0..times {
        rig.world.on("a/1", Op::Apply, fail(clean("503").retryable()));
    }
}

fn times(rig: &Rig) -> Vec<u64> {
    rig.world.calls(Op::Apply).iter().map(|call| call.at_ms).collect()
}

#[test]
fn a_check_that_turns_green_passes_and_costs_two_appends() {
    let rig = Rig::new();
    red(&rig, 2);
    assert_eq!(rig.start(checked(60_000)), Ok(Stop::Ended(Ending::Done)));
    assert_eq!(times(&rig), [0, 500, 1_500]);
    assert_eq!(rig.unit("a/1").attempt, 1);
    let appends: Vec<_> =
        rig.world.log().into_iter().filter(|line| line.contains("a/1") && line.starts_with('!')).collect();
    assert_eq!(appends, ["! intend a/1", "! settle a/1 applied"]);
}

#[test]
fn a_check_that_stays_red_fails_at_its_deadline_and_not_before() {
    let rig = Rig::new();
    red(&rig, 100);
    let why = person(rig.start_on(checked(3_000), OnFailure::Stop), "a/1");
    assert_eq!(why, "503");
    assert_eq!(times(&rig), [0, 500, 1_500, 3_000], "the last try is at the deadline");
    assert_eq!(rig.unit("a/1").took_ms, 3_000);
}

#[test]
fn the_pause_between_tries_grows_to_ten_times_the_first() {
    let rig = Rig::new();
    red(&rig, 7);
    assert_eq!(rig.start(checked(3_600_000)), Ok(Stop::Ended(Ending::Done)));
    assert_eq!(times(&rig), [0, 500, 1_500, 3_500, 7_500, 12_500, 17_500, 22_500]);
}

#[test]
fn without_within_or_without_hope_there_is_one_try() {
    let once = |unit: Unit, failure: windlass_driver::Failure| {
        let rig = Rig::new();
        rig.world.on("a/1", Op::Apply, fail(failure));
        person(rig.start_on(plan(vec![step("a", vec![unit])]), OnFailure::Stop), "a/1");
        assert_eq!(times(&rig), [0]);
    };
    once(readonly("a/1"), clean("503").retryable());
    once(check("a/1", 60_000), clean("the URL is wrong"));
    once(check("a/1", 60_000), partial("half").retryable());
}

#[test]
fn only_units_that_change_nothing_are_repeated_inside_a_try() {
    let rig = Rig::new();
    red(&rig, 1);
    let unit = Unit { within_ms: Some(60_000), ..unit("a/1") };
    assert_eq!(rig.start(plan(vec![step("a", vec![unit])])), Ok(Stop::Ended(Ending::Done)));
    assert_eq!(rig.unit("a/1").attempt, 2, "each try of a change is journaled");
}

#[test]
fn ctrl_c_cuts_the_waiting_short_and_resume_checks_again() {
    let rig = Rig::new();
    let world = rig.world.clone();
    rig.world.on("a/1", Op::Apply, fail(clean("503").retryable()));
    rig.world.on("a/1", Op::Apply, fail(clean("503").retryable()).first(move || world.stop()));
    assert_eq!(rig.start(checked(60_000)), Ok(Stop::Interrupted));
    assert_eq!(times(&rig), [0, 500], "no third try");
    assert_eq!(rig.forward("a/1"), Forward::Waiting, "a check that was cut short has not failed");
    assert_eq!(rig.resume(), Ok(Stop::Ended(Ending::Done)), "and takes nothing back");
}

#[test]
fn a_look_that_its_driver_broke_off_for_ctrl_c_has_not_failed_either() {
    let rig = Rig::new();
    let world = rig.world.clone();
    let broken_off = fail(clean("stopped as asked")).after(100).first(move || world.stop());
    rig.world.on("b/1", Op::Apply, broken_off);
    let steps = vec![step("a", vec![unit("a/1")]), step("b", vec![readonly("b/1")])];
    assert_eq!(rig.start(plan(steps)), Ok(Stop::Interrupted));
    assert_eq!(rig.resume(), Ok(Stop::Ended(Ending::Done)));
    assert!(rig.world.calls(Op::Undo).is_empty());
}

#[test]
fn each_try_is_shown_with_its_reason_and_without_secrets() {
    let rig = Rig::new();
    rig.world.on("a/1", Op::Apply, fail(clean(&format!("401 for {SECRET}")).retryable()));
    rig.start(checked(60_000)).unwrap();
    let shown = rig.world.notices().into_iter().find(|notice| matches!(notice, Notice::Retrying(..)));
    assert_eq!(shown, Some(Notice::Retrying(id("a/1"), 500, "401 for ****".into())));
}
