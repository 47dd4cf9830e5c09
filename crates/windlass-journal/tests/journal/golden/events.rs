//! The run of the golden file: it meets every event and every outcome. Shared by its test and by what writes the file.

use crate::scene::{id, plan, started, unlinked};
use serde_json::json;
use windlass_journal::{
    Approved, BreakGlass, Direction, Ending, Entry, Event, Outcome, Report, Trouble, Verb, link,
};
use windlass_plan::Way;

fn trouble(message: &str) -> Trouble {
    Trouble { message: message.into(), ..Trouble::default() }
}

fn settle(unit: &str, way: Way, attempt: u32, outcome: Outcome) -> Event {
    Event::Settled { unit: id(unit), way, attempt, outcome, took_ms: Some(12) }
}

fn intend(unit: &str, way: Way, attempt: u32, capsule: serde_json::Value) -> Event {
    Event::Intended { unit: id(unit), way, attempt, capsule }
}

/// A run that meets every event and every outcome, and ends.
fn events() -> Vec<Event> {
    let report = Report {
        effects: vec!["1 file changed".into()],
        output: "ok\n版本 2".into(),
        facts: json!({ "file": "copy.db", "rows": 3 }),
    };
    let failed = Trouble {
        message: "the host does not answer".into(),
        hints: vec!["ssh app-1".into()],
        output: "timeout".into(),
        retry: true,
        person: false,
        interrupted: false,
    };
    let interrupted = Trouble { interrupted: true, ..trouble("its controller died") };
    let (forward, undo) = (Way::Forward, Way::Undo);
    vec![
        started(),
        Event::Taken { owner: "op@host (process 7)".into(), from: None },
        intend("a/1", forward, 1, json!({ "before": "x" })),
        settle("a/1", forward, 1, Outcome::Failed(failed)),
        intend("a/1", forward, 2, json!({ "before": "x" })),
        Event::Taken { owner: "op@host (process 8)".into(), from: Some("op@host (process 7)".into()) },
        settle("a/1", forward, 2, Outcome::Failed(interrupted)),
        intend("a/1", forward, 3, json!({ "before": "x" })),
        settle("a/1", forward, 3, Outcome::Applied(report.clone())),
        intend("b/1", forward, 1, json!(null)),
        settle("b/1", forward, 1, Outcome::Unknown(trouble("nobody knows"))),
        Event::Turned {
            to: Direction::Person,
            why: "its outcome is not known".into(),
            unit: Some(id("b/1")),
        },
        Event::Decided { verb: Verb::Retry, unit: Some(id("b/1")), reason: "looked: nothing there".into() },
        intend("b/1", forward, 2, json!(null)),
        settle("b/1", forward, 2, Outcome::NoEffect(report)),
        Event::Confirmed { unit: id("g/1"), note: "seen".into() },
        intend("s/1", forward, 1, json!({})),
        settle("s/1", forward, 1, Outcome::FailedPartly(trouble("half of it"))),
        Event::Turned { to: Direction::Unwind, why: "half of it".into(), unit: Some(id("s/1")) },
        intend("s-undo/1", forward, 1, json!(null)),
        settle("s-undo/1", forward, 1, Outcome::Applied(Report::default())),
        intend("b/1", undo, 1, json!(null)),
        settle("b/1", undo, 1, Outcome::FailedPartly(trouble("half of the way back"))),
        Event::Turned { to: Direction::Person, why: "its undo failed".into(), unit: Some(id("b/1")) },
        Event::Decided { verb: Verb::MarkDone, unit: Some(id("b/1")), reason: "done by hand".into() },
        intend("a/1", undo, 1, json!(null)),
        settle("a/1", undo, 1, Outcome::Unknown(trouble("lost"))),
        Event::Turned {
            to: Direction::Person,
            why: "its outcome is not known".into(),
            unit: Some(id("a/1")),
        },
        Event::Decided { verb: Verb::Skip, unit: Some(id("a/1")), reason: "it may stay".into() },
        Event::Decided { verb: Verb::Unwind, unit: None, reason: "go on".into() },
        Event::Decided { verb: Verb::Abandon, unit: None, reason: "enough".into() },
        Event::Ended { ending: Ending::Abandoned },
    ]
}

/// Its entries.
pub fn entries() -> Vec<Entry> {
    linked(events())
}

/// A run with what came with format 2: its tail was edited after the first unit.
pub fn entries_2() -> Vec<Entry> {
    let mut plan = plan();
    plan.steps[1].units[0].effect = "something else".into();
    plan.steps[1].units[0].timeout_ms = Some(7);
    let (from, digest, plan) = (crate::scene::plan().digest(), plan.digest(), Box::new(plan));
    let approvals = vec![Approved { by: "alice@example.org".into(), at_ms: 1_700_000_000_000 }];
    let against = vec!["it is Friday".into()];
    let break_glass = Some(BreakGlass { against, reason: "the shop is down".into() });
    linked(vec![
        started(),
        intend("a/1", Way::Forward, 1, json!({})),
        settle("a/1", Way::Forward, 1, Outcome::Applied(Report::default())),
        intend("b/1", Way::Forward, 1, json!({})),
        settle("b/1", Way::Forward, 1, Outcome::Failed(trouble("no such table"))),
        Event::Turned { to: Direction::Person, why: "no such table".into(), unit: Some(id("b/1")) },
        Event::Replanned { from, digest, plan, break_glass, approvals },
        intend("b/1", Way::Forward, 2, json!({})),
        settle("b/1", Way::Forward, 2, Outcome::Applied(Report::default())),
    ])
}

fn linked(events: Vec<Event>) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    for (event, seq) in events.into_iter().zip(1..) {
        let previous = all.last().map_or_else(String::new, |entry| entry.hash.clone());
        all.push(link(seq, 1 + seq / 6, &previous, unlinked("20260102-030405-beef", event)).0);
    }
    all
}
