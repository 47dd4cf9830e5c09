//! Reads and folds a journal of N events in memory: `cargo run --release --example fold -- 100000`. Its time has to grow
//! with N, not faster. Prints what it folded.

use std::{io::Write, time::Instant};
use windlass_journal::{Event, OnFailure, Outcome, Report, RunId, Unlinked, fold, link};
use windlass_plan::{
    Action, Class, DocumentRef, DriverKind, PLAN_FORMAT, Plan, Release, Step, StepId, Undo, UndoBy, Unit,
    UnitId, Way,
};

fn unit(n: usize) -> Unit {
    Unit {
        id: UnitId(format!("step/{n}")),
        host: "local".into(),
        driver: DriverKind::Shell,
        line: n,
        column: 1,
        action: Action::Shell { script: "true".into(), dir: None, readonly: false, database: None },
        effect: "something".into(),
        undo: Undo { class: Class::Exact, how: "by its driver".into(), by: UndoBy::Driver },
        timeout_ms: None,
        within_ms: None,
    }
}

/// A plan of one step: half as many units as there are events.
fn plan(units: usize) -> Plan {
    let step = Step {
        id: StepId("step".into()),
        stage: None,
        gate: None,
        line: 1,
        on: String::new(),
        class: Class::Exact,
        units: (1..=units).map(unit).collect(),
        undo: None,
        serial: None,
        after_ms: None,
        online: false,
        again: None,
    };
    Plan {
        format: PLAN_FORMAT,
        tool: "bench".into(),
        release: Release::default(),
        document: DocumentRef::default(),
        targets: Default::default(),
        claims: Default::default(),
        secrets: Default::default(),
        services: Default::default(),
        budget: Default::default(),
        steps: vec![step],
        class: Class::Exact,
    }
}

fn main() {
    let events: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let plan = plan(events / 2);
    let started = Event::started(plan.clone(), OnFailure::Unwind);
    let mut all = vec![started];
    for unit in &plan.steps[0].units {
        let (unit, way, attempt) = (unit.id.clone(), Way::Forward, 1);
        all.push(Event::Intended {
            unit: unit.clone(),
            way,
            attempt,
            capsule: serde_json::json!({ "n": attempt }),
        });
        let outcome = Outcome::Applied(Report::default());
        all.push(Event::Settled { unit, way, attempt, outcome, took_ms: Some(1) });
    }
    let mut previous = String::new();
    let mut entries = Vec::with_capacity(all.len());
    for (event, seq) in all.into_iter().zip(1..) {
        let unlinked = Unlinked { time_ms: 0, run: RunId("bench".into()), actor: "bench".into(), event };
        let (entry, _) = link(seq, 1, &previous, unlinked);
        previous.clone_from(&entry.hash);
        entries.push(entry);
    }
    let began = Instant::now();
    let state = fold(&entries).expect("the events follow from each other").expect("there is a run");
    let took = began.elapsed();
    let applied = state.applied.len();
    let _ = writeln!(std::io::stdout(), "{} events, {applied} units: folded in {took:?}", entries.len());
}
