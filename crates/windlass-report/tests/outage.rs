//! What the record says about downtime.
#![expect(clippy::unwrap_used, reason = "helpers of tests stop the test")]

use jiff::tz::TimeZone;
use serde_json::{Value, json};
use windlass_journal::{
    Direction, Entry, Event, OnFailure, Outcome, Report, RunId, Unlinked, Verb, fold, link,
};
use windlass_plan::{Lang, Plan, UnitId, Way};
use windlass_report::record_page;

const UNITS: [(&str, &str, &str); 6] = [
    ("keep/1", "a", "keep"),
    ("stop/1@a", "a", "stop"),
    ("stop/1@b", "b", "stop"),
    ("start/1@a", "a", "start"),
    ("start/1@b", "b", "start"),
    ("restart/1", "a", "restart"),
];

fn plan(proxy: Value) -> Plan {
    let units: Vec<_> = UNITS
        .iter()
        .map(|(id, host, operation)| {
            json!({
                "id": id, "host": host, "driver": "service", "line": 1, "column": 1, "effect": "",
                "action": {"do": "service", "service": "booking", "operation": operation},
                "undo": {"class": "exact", "how": "", "by": "driver"}, "timeout_ms": null, "within_ms": null,
            })
        })
        .collect();
    serde_json::from_value(json!({
        "format": 1, "tool": "0.1.0", "class": "exact", "targets": {},
        "release": {
            "version": "1", "title": null, "from": null, "env": null, "kind": null, "severity": null,
            "downtime_ms": null, "ticket": null,
        },
        "document": {"name": "r.md", "sha256": ""},
        "services": {"booking": {
            "on": "app", "runner": {"run": ["./server"]}, "health": null, "strategy": "recreate", "proxy": proxy,
            "stable_ms": 0, "start_within_ms": 1, "stop_within_ms": 1,
        }},
        "steps": [{
            "id": "s", "stage": null, "gate": null, "line": 1, "on": "app", "class": "exact", "units": units,
            "undo": null, "serial": null, "after_ms": null, "online": false, "again": null,
        }],
    }))
    .unwrap()
}

/// The row of a run whose units were settled, or done by hand, at these seconds.
fn downtime(plan: Plan, settled: &[(i64, &str, Way)]) -> String {
    let mut events = vec![(0, Event::started(plan, OnFailure::Unwind))];
    for (second, unit, way) in settled {
        if let Some(unit) = unit.strip_prefix("by hand: ") {
            let (unit, reason) = (UnitId(unit.into()), "seen".into());
            events.push((
                *second,
                Event::Turned { to: Direction::Person, why: "x".into(), unit: Some(unit.clone()) },
            ));
            events.push((*second, Event::Decided { verb: Verb::MarkDone, unit: Some(unit), reason }));
            continue;
        }
        let (unit, way, attempt) = (UnitId((*unit).into()), *way, 1);
        let (unit, left) = match unit.0.strip_prefix("left: ") {
            Some(left) => (UnitId(left.to_owned()), json!({ "away": true })),
            None => (unit, Value::Null),
        };
        events.push((second - 1, Event::Intended { unit: unit.clone(), way, attempt, capsule: json!({}) }));
        let outcome = Outcome::Applied(Report { facts: left, ..Report::default() });
        events.push((*second, Event::Settled { unit, way, attempt, outcome, took_ms: Some(1_000) }));
    }
    let mut entries: Vec<Entry> = Vec::new();
    for (second, event) in events {
        let entry = Unlinked { time_ms: second * 1_000, run: RunId("r".into()), actor: "a@b".into(), event };
        let previous = entries.last().map_or(String::new(), |last| last.hash.clone());
        entries.push(link(entries.len() as u64 + 1, 1, &previous, entry).0);
    }
    let run = fold(&entries).unwrap().unwrap();
    let record = record_page(&run, &entries, &[], &TimeZone::UTC, Lang::En).markdown(1);
    let row = record.lines().find(|line| line.starts_with("| Downtime seen |")).unwrap();
    row.trim_start_matches("| Downtime seen |").trim_end_matches('|').trim().to_owned()
}

use Way::{Forward, Undo};

#[test]
fn a_service_without_a_proxy_was_stopped_from_settlement_to_settlement() {
    let stopped = [(10, "stop/1@a", Forward), (15, "start/1@a", Forward)];
    assert_eq!(downtime(plan(Value::Null), &stopped), "booking was stopped for 5.0s");
    let undone = [(10, "stop/1@a", Forward), (13, "stop/1@a", Undo)];
    assert_eq!(downtime(plan(Value::Null), &undone), "booking was stopped for 3.0s");
    let twice = [
        (10, "stop/1@a", Forward),
        (15, "start/1@a", Forward),
        (20, "start/1@a", Undo),
        (22, "stop/1@a", Undo),
    ];
    assert_eq!(downtime(plan(Value::Null), &twice), "booking was stopped for 7.0s");
}

#[test]
fn a_start_by_hand_ends_it_too() {
    let by_hand = [(10, "stop/1@a", Forward), (16, "by hand: start/1@a", Forward)];
    assert_eq!(downtime(plan(Value::Null), &by_hand), "booking was stopped for 6.0s");
}

#[test]
fn hosts_are_told_apart_and_what_still_stands_still_is_said() {
    let settled = [(10, "stop/1@a", Forward), (11, "stop/1@b", Forward), (15, "start/1@a", Forward)];
    assert_eq!(
        downtime(plan(Value::Null), &settled),
        "booking on a was stopped for 5.0s; booking on b was stopped 1970-01-01 00:00:11 +00:00 and not started again"
    );
}

#[test]
fn what_nobody_measured_is_not_called_no_downtime() {
    assert_eq!(downtime(plan(Value::Null), &[]), "not measured");
    let restarted = [(10, "restart/1", Forward)];
    assert_eq!(downtime(plan(Value::Null), &restarted), "booking was restarted, which took 1.0s");
    let proxy = json!({"listen": "127.0.0.1:1", "hold_ms": 1, "drain_ms": 1});
    let stopped = [(10, "stop/1@a", Forward), (15, "start/1@a", Forward)];
    assert_eq!(downtime(plan(proxy), &stopped), "no request was held");
}

/// Where a database goes back between, a kept service stands still from the undo of its restart to that of the unit that keeps it.
#[test]
fn what_stands_still_until_the_end_of_a_way_back_was_stopped_so_long() {
    let there = [(5, "keep/1", Forward), (10, "restart/1", Forward)];
    let back = [(20, "left: restart/1", Undo), (60, "keep/1", Undo)];
    let restarted = "booking was restarted, which took 1.0s";
    assert_eq!(downtime(plan(Value::Null), &there), restarted);
    let all = downtime(plan(Value::Null), &[there, back].concat());
    assert_eq!(all, format!("booking was stopped for 40.0s; {restarted}"));
    // A stop and a start in between: it does not run again when the stop is taken back.
    let cycle = [
        (5, "keep/1", Forward),
        (10, "stop/1@a", Forward),
        (12, "start/1@a", Forward),
        (20, "start/1@a", Undo),
        (30, "left: stop/1@a", Undo),
        (60, "keep/1", Undo),
    ];
    assert_eq!(downtime(plan(Value::Null), &cycle), "booking was stopped for 42.0s");
    // It ran on: its restart is all.
    let ran_on = [there[0], there[1], (60, "keep/1", Undo)];
    assert_eq!(downtime(plan(Value::Null), &ran_on), "booking was restarted, which took 2.0s");
}
