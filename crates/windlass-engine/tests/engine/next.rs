//! `next` on the way forward.

use crate::{
    story::{BEGAN_MS, LIMITS, Story, fails, forward, needs_person, passing, trouble, undo},
    support::{by_hand, gate, id, plain, plan, readonly, spread, step, unit},
};
use windlass_document::{Serial, Share};
use windlass_engine::{Limits, Next};
use windlass_journal::{Direction, Ending, Event, Outcome, Verb};
use windlass_plan::{Action, Plan, Step, Unit, Way};

#[test]
fn a_run_that_ended_says_how_whatever_else_is_open() {
    for ending in [Ending::Done, Ending::Undone, Ending::Abandoned] {
        let story = Story::of(plain(&["a"])).running("a/1").then(Event::Ended { ending });
        assert_eq!(story.next(), Next::End(ending));
    }
}

#[test]
fn a_plan_without_steps_is_done() {
    assert_eq!(Story::of(plan(vec![])).next(), Next::End(Ending::Done));
}

#[test]
fn steps_come_one_after_another_and_then_the_run_is_done() {
    let story = Story::of(plain(&["a", "b"]));
    assert_eq!(story.next(), forward(&["a/1"]));
    let story = story.running("a/1");
    assert_eq!(story.beside(&["a/1"]), Next::Wait, "b waits for all of a");
    let story = Story::of(plain(&["a", "b"])).applied(&["a/1"]);
    assert_eq!(story.next(), forward(&["b/1"]));
    assert_eq!(story.applied(&["b/1"]).next(), Next::End(Ending::Done));
}

#[test]
fn what_had_nothing_to_do_or_was_left_out_counts_as_passed() {
    let story = Story::of(plain(&["a", "b"])).unchanged("a/1");
    assert_eq!(story.next(), forward(&["b/1"]));
    let story = story.failed("b/1", trouble("no"));
    assert_eq!(story.decided(Verb::Skip, "b/1").next(), Next::End(Ending::Done));
}

#[test]
fn what_a_dead_controller_began_is_looked_at_before_anything_else() {
    let plan = plan(vec![step("a", spread("a", &["x", "y"], 1))]);
    let story = Story::of(plan).running("a/1@x");
    assert_eq!(story.next(), Next::Inspect(vec![(id("a/1@x"), Way::Forward)]));
    assert_eq!(story.beside(&["a/1@x"]), forward(&["a/1@y"]), "it is ours, and under way");
    let story = Story::of(plain(&["a", "b"])).applied(&["a/1", "b/1"]).back().undoing("b/1");
    assert_eq!(story.next(), Next::Inspect(vec![(id("b/1"), Way::Undo)]));
    assert_eq!(story.beside(&["b/1"]), Next::Wait);
}

#[test]
fn an_unknown_outcome_is_for_a_person_once_all_else_has_ended() {
    let hosts = plan(vec![step("a", spread("a", &["x", "y"], 1))]);
    let story = Story::of(hosts).ended("a/1@x", Outcome::Unknown(trouble("the link broke"))).running("a/1@y");
    assert_eq!(story.beside(&["a/1@y"]), Next::Wait);
    let story = story.then(Event::Settled {
        unit: id("a/1@y"),
        way: Way::Forward,
        attempt: 1,
        outcome: Outcome::Failed(trouble("worse")),
        took_ms: None,
    });
    assert_eq!(story.next(), needs_person("a/1@x", "its outcome is not known: the link broke"));
    assert_eq!(
        story.back().next(),
        needs_person("a/1@x", "its outcome is not known: the link broke"),
        "going back does not make it known"
    );
    let back = Story::of(plain(&["a"])).applied(&["a/1"]).back();
    let back = back.undo_ended("a/1", Outcome::Unknown(trouble("silence")));
    assert_eq!(back.next(), needs_person("a/1", "its outcome is not known: silence"));
}

#[test]
fn hosts_go_side_by_side_and_the_units_of_one_in_order() {
    let story = Story::of(plan(vec![step("a", spread("a", &["x", "y"], 2))]));
    assert_eq!(story.next(), forward(&["a/1@x", "a/1@y"]));
    let story = story.applied(&["a/1@x"]).running("a/1@y");
    assert_eq!(story.beside(&["a/1@y"]), forward(&["a/2@x"]), "x does not wait for y");
    let story = story.running("a/2@x");
    assert_eq!(story.beside(&["a/1@y", "a/2@x"]), Next::Wait);
}

fn serial(hosts: usize, serial: Option<Serial>) -> Plan {
    let names: Vec<String> = (1..=hosts).map(|n| format!("h{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    plan(vec![Step { serial, ..step("a", spread("a", &names, 2)) }])
}

#[test]
fn serial_says_how_many_hosts_at_a_time() {
    let table = [
        (3, None, 8, 3),
        (9, None, 8, 8),
        (3, Some(Serial::Hosts(1)), 8, 1),
        (3, Some(Serial::Hosts(2)), 8, 2),
        (3, Some(Serial::Hosts(99)), 8, 3),
        (9, Some(Serial::Hosts(5)), 2, 2),
        (4, Some(Serial::Percent(25)), 8, 1),
        (5, Some(Serial::Percent(25)), 8, 2),
        (3, Some(Serial::Percent(50)), 8, 2),
        (3, Some(Serial::Percent(1)), 8, 1),
        (3, Some(Serial::Percent(100)), 8, 3),
        (3, None, 0, 1),
        (3, Some(Serial::Hosts(2)), 0, 1),
    ];
    for (hosts, says, hosts_max, at_a_time) in table {
        let limits = Limits { hosts_max, ..LIMITS };
        let Next::Begin(list) = Story::of(serial(hosts, says.clone())).at(&[], limits, BEGAN_MS) else {
            panic!("{says:?} of {hosts} begins nothing");
        };
        assert_eq!(list.len(), at_a_time, "{says:?} of {hosts} hosts, {hosts_max} at most");
    }
}

#[test]
fn what_only_prepares_is_done_on_all_hosts_before_any_of_them_goes_on() {
    let lines = |host: &str| {
        let [look, change, check] = [1, 2, 3].map(|n| format!("a/{n}@{host}"));
        [readonly(&look), unit(&change), readonly(&check)]
    };
    let story = Story::of(plan(vec![step("a", [lines("x"), lines("y")].concat())]));
    assert_eq!(story.next(), forward(&["a/1@x", "a/1@y"]));
    let story = story.applied(&["a/1@x"]).running("a/1@y");
    assert_eq!(story.beside(&["a/1@y"]), Next::Wait, "y may fail yet, so nothing changes on x");
    let ready =
        || Story::of(plan(vec![step("a", [lines("x"), lines("y")].concat())])).applied(&["a/1@x", "a/1@y"]);
    assert_eq!(ready().next(), forward(&["a/2@x", "a/2@y"]));
    let story = ready().applied(&["a/2@x"]).running("a/2@y");
    assert_eq!(story.beside(&["a/2@y"]), forward(&["a/3@x"]), "each host is checked when it is through");
    let story = ready().applied(&["a/2@x"]).failed("a/2@y", trouble("no")).back();
    assert_eq!(story.next(), undo(&["a/2@x"]));
}

#[test]
fn a_batch_begins_when_the_one_before_is_done() {
    let story = Story::of(serial(3, Some(Serial::Hosts(2))));
    assert_eq!(story.next(), forward(&["a/1@h1", "a/1@h2"]));
    let story = story.applied(&["a/1@h1"]).running("a/1@h2");
    assert_eq!(story.beside(&["a/1@h2"]), forward(&["a/2@h1"]));
    let story = story.applied(&["a/2@h1"]);
    assert_eq!(story.beside(&["a/1@h2"]), Next::Wait, "h3 is of the next batch");
    let first = ["a/1@h1", "a/2@h1", "a/1@h2", "a/2@h2"];
    let story = Story::of(serial(3, Some(Serial::Hosts(2)))).applied(&first);
    assert_eq!(story.next(), forward(&["a/1@h3"]));
}

#[test]
fn batches_may_grow() {
    let growing = Serial::Growing(vec![Share::Hosts(1), Share::Percent(50)]);
    let mut story = Story::of(serial(5, Some(growing)));
    for batch in [&["h1"][..], &["h2", "h3", "h4"], &["h5"]] {
        let units = |n: usize| batch.iter().map(|host| format!("a/{n}@{host}")).collect::<Vec<_>>();
        for n in [1, 2] {
            let units = units(n);
            let units: Vec<&str> = units.iter().map(String::as_str).collect();
            assert_eq!(story.next(), forward(&units));
            story = story.applied(&units);
        }
    }
    assert_eq!(story.next(), Next::End(Ending::Done));
}

#[test]
fn a_check_of_the_same_batches_is_asked_behind_each() {
    let serial = |step: Step| Step { serial: Some(Serial::Hosts(1)), ..step };
    let check = |hosts: &[&str]| {
        serial(step("b", hosts.iter().map(|host| readonly(&format!("b/1@{host}"))).collect()))
    };
    let of = |check: Step| Story::of(plan(vec![serial(step("a", spread("a", &["x", "y"], 1))), check]));
    let story = of(check(&["x", "y"])).applied(&["a/1@x"]);
    assert_eq!(story.next(), forward(&["b/1@x"]));
    let story = story.failed("b/1@x", trouble("not well"));
    assert!(matches!(story.next(), Next::Failed(unit, _) if unit == id("b/1@x")), "y has not begun");
    let story = of(check(&["x", "y"])).applied(&["a/1@x", "b/1@x"]);
    assert_eq!(story.next(), forward(&["a/1@y"]));
    let story = story.applied(&["a/1@y", "b/1@y"]).back();
    assert_eq!(story.next(), undo(&["a/1@y"]));
    // On other hosts, or without saying so, it stands where it stands.
    for other in [check(&["x"]), Step { serial: None, ..check(&["x", "y"]) }] {
        assert_eq!(of(other).applied(&["a/1@x"]).next(), forward(&["a/1@y"]));
    }
}

#[test]
fn a_begun_host_goes_on_first_also_where_the_plan_goes_line_by_line_and_hosts_keep_its_order() {
    let units = ["a/1@h10", "a/1@h2", "a/2@h10", "a/2@h2"].map(unit).to_vec();
    let story = Story::of(plan(vec![Step { serial: Some(Serial::Hosts(1)), ..step("a", units) }]));
    assert_eq!(story.next(), forward(&["a/1@h10"]));
    let story = story.applied(&["a/1@h10"]);
    assert_eq!(story.next(), forward(&["a/2@h10"]));
    assert_eq!(story.applied(&["a/2@h10"]).next(), forward(&["a/1@h2"]));
}

#[test]
fn what_runs_beside_a_failure_is_finished_and_nothing_new_begins() {
    let story = Story::of(plan(vec![step("a", spread("a", &["x", "y", "z"], 2))]));
    let story = story.failed("a/1@x", trouble("disk full")).running("a/1@y").applied(&["a/1@z"]);
    assert_eq!(story.beside(&["a/1@y"]), Next::Wait);
    let story = story.then(Event::Settled {
        unit: id("a/1@y"),
        way: Way::Forward,
        attempt: 1,
        outcome: Outcome::Failed(passing("busy")),
        took_ms: Some(1),
    });
    assert_eq!(story.next(), fails("a/1@x", "disk full"), "what could be repeated is not, either");
}

#[test]
fn a_failure_that_passes_is_repeated_as_often_as_the_limit_says() {
    let story = Story::of(plain(&["a"])).failed("a/1", passing("locked"));
    assert_eq!(story.next(), forward(&["a/1"]));
    let story = story.failed("a/1", passing("locked"));
    assert_eq!(story.next(), forward(&["a/1"]));
    let story = story.failed("a/1", passing("still locked"));
    assert_eq!(story.next(), fails("a/1", "still locked"));
    assert_eq!(story.at(&[], Limits { tries_max: 4, ..LIMITS }, BEGAN_MS), forward(&["a/1"]));
    let story = story.decided(Verb::Retry, "a/1").failed("a/1", passing("locked"));
    assert_eq!(story.next(), forward(&["a/1"]), "a person's retry counts from the beginning");
}

#[test]
fn other_failures_and_those_of_checks_are_not_repeated() {
    let story = Story::of(plain(&["a"])).failed("a/1", trouble("wrong"));
    assert_eq!(story.next(), fails("a/1", "wrong"));
    // A check has had its `within=` inside its one try.
    let story = Story::of(plan(vec![step("a", vec![readonly("a/1")])])).failed("a/1", passing("red"));
    assert_eq!(story.next(), fails("a/1", "red"));
}

/// It has nothing to take back, but has had no `within=`.
#[test]
fn a_backup_that_found_the_database_locked_is_tried_again() {
    let action = Action::Backup { target: "db".into(), file: "b".into(), dir: None, dump: None };
    let backup = Unit { action, ..readonly("a/1") };
    let story = Story::of(plan(vec![step("a", vec![backup])])).failed("a/1", passing("locked"));
    assert_eq!(story.next(), forward(&["a/1"]));
}

#[test]
fn a_partial_failure_is_repeated_only_where_it_says_so() {
    let story = Story::of(plain(&["a"])).partly("a/1", trouble("half"));
    assert_eq!(story.next(), fails("a/1", "half"));
    let story = Story::of(plain(&["a"])).partly("a/1", passing("half"));
    assert_eq!(story.next(), forward(&["a/1"]));
    let story = story.partly("a/1", passing("half")).partly("a/1", passing("half again"));
    assert_eq!(story.next(), fails("a/1", "half again"), "three tries");
    let capsule = story.0.unit(&id("a/1")).capsule;
    assert_eq!(capsule, Some(serde_json::json!({ "of": "a/1" })));
}

#[test]
fn a_try_that_never_began_does_not_count() {
    let lost = windlass_journal::Trouble { interrupted: true, ..passing("its controller died") };
    let story = Story::of(plain(&["a"])).failed("a/1", passing("one")).failed("a/1", passing("two"));
    let story = story.failed("a/1", lost.clone()).failed("a/1", lost);
    assert_eq!(story.next(), forward(&["a/1"]));
    assert_eq!(story.failed("a/1", passing("three")).next(), fails("a/1", "three"));
}

#[test]
fn a_gate_asks_a_person_and_a_refused_one_fails() {
    let story = || Story::of(plan(vec![step("g", vec![gate("g/1")]), step("a", vec![unit("a/1")])]));
    assert_eq!(story().next(), Next::Confirm(id("g/1")));
    assert_eq!(story().confirmed("g/1").next(), forward(&["a/1"]));
    assert_eq!(story().failed("g/1", trouble("refused: no")).next(), fails("g/1", "refused: no"));
}

fn later(after_ms: u64) -> Plan {
    plan(vec![Step { after_ms: Some(after_ms), ..step("a", spread("a", &["x", "y"], 1)) }])
}

#[test]
fn after_waits_for_its_time_and_then_for_a_person() {
    let (story, at_ms) = (Story::of(later(60_000)), BEGAN_MS + 60_000);
    let early = Next::NotBefore { unit: id("a/1@x"), at_ms };
    assert_eq!(story.next(), early);
    assert_eq!(story.at(&[], LIMITS, at_ms - 1), early);
    assert_eq!(story.at(&[], LIMITS, at_ms), Next::Confirm(id("a/1@x")), "it asks again");
    let story = story.confirmed("a/1@x");
    assert_eq!(story.at(&[], LIMITS, at_ms), forward(&["a/1@x", "a/1@y"]), "once for the step");
    assert_eq!(story.next(), forward(&["a/1@x", "a/1@y"]), "a clock that jumps back changes nothing");
}

#[test]
fn after_is_asked_once_and_no_number_is_too_large_for_it() {
    let story = Story::of(later(60_000)).confirmed("a/1@x").failed("a/1@x", passing("busy"));
    assert_eq!(story.next(), forward(&["a/1@x", "a/1@y"]));
    let never = Next::NotBefore { unit: id("a/1@x"), at_ms: i64::MAX };
    assert_eq!(Story::of(later(u64::MAX)).next(), never);
    assert_eq!(Story::of(later(0)).next(), Next::Confirm(id("a/1@x")));
}

#[test]
fn a_run_that_goes_on_after_a_decision_keeps_its_direction() {
    let story = Story::of(plain(&["a"])).failed("a/1", trouble("no")).turned(Direction::Person);
    assert_eq!(story.decided(Verb::Retry, "a/1").next(), forward(&["a/1"]));
    let story = Story::of(plain(&["a", "b"])).applied(&["a/1"]).failed("b/1", trouble("no"));
    assert_eq!(story.decided(Verb::MarkDone, "b/1").next(), Next::End(Ending::Done));
}

#[test]
fn hand_written_undos_are_no_part_of_the_way_forward() {
    let story = Story::of(plan(vec![by_hand("a", vec![unit("a/1")], &["u/1"], false)]));
    assert_eq!(story.next(), forward(&["a/1"]));
    assert_eq!(story.applied(&["a/1"]).next(), Next::End(Ending::Done));
}
