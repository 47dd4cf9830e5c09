//! A plan, its first events and an owner: what the tests and the processes that they start have in common.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};
use windlass_journal::{Event, OnFailure, Outcome, Owner, RunId, Trouble, Unlinked};
use windlass_plan::{
    Action, Class, DocumentRef, DriverKind, PLAN_FORMAT, Plan, Release, Step, StepId, Undo, UndoBy,
    UndoScript, Unit, UnitId, Way,
};

/// Both stores answer at once.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("stores never wait"),
    }
}

pub fn owner(pid: u32) -> Owner {
    Owner { actor: "op@host".into(), boot: "b".into(), pid, started: 7 }
}

pub fn id(name: &str) -> UnitId {
    UnitId(name.into())
}

pub fn unit(name: &str, by: UndoBy) -> Unit {
    Unit {
        id: id(name),
        host: "local".into(),
        driver: DriverKind::Shell,
        line: 1,
        column: 1,
        action: Action::Shell { script: "true".into(), dir: None, readonly: false, database: None },
        effect: "something".into(),
        undo: Undo { class: Class::Exact, how: "by its driver".into(), by },
        timeout_ms: None,
        within_ms: None,
    }
}

pub fn step(name: &str, units: Vec<Unit>) -> Step {
    Step {
        id: StepId(name.into()),
        stage: None,
        gate: None,
        line: 1,
        on: String::new(),
        class: Class::Exact,
        units,
        undo: None,
        serial: None,
        after_ms: None,
        online: false,
        again: None,
    }
}

/// Units `a/1` and `b/1`, a gate `g/1`, and `s/1` with the hand-written undo `s-undo/1`.
pub fn plan() -> Plan {
    let gate = Unit {
        driver: DriverKind::Gate,
        action: Action::Gate { text: "all is well".into() },
        ..unit("g/1", UndoBy::Nothing)
    };
    let script = UndoScript {
        id: StepId("s-undo".into()),
        on: String::new(),
        units: vec![unit("s-undo/1", UndoBy::Nothing)],
        partial: false,
    };
    let scripted = Step { undo: Some(script), ..step("s", vec![unit("s/1", UndoBy::Script)]) };
    Plan {
        format: PLAN_FORMAT,
        tool: "test".into(),
        release: Release { version: "2".into(), ..Release::default() },
        document: DocumentRef::default(),
        targets: BTreeMap::new(),
        claims: Default::default(),
        secrets: Default::default(),
        services: BTreeMap::new(),
        budget: Default::default(),
        steps: vec![
            step("a", vec![unit("a/1", UndoBy::Driver)]),
            step("b", vec![unit("b/1", UndoBy::Driver)]),
            step("g", vec![gate]),
            scripted,
        ],
        class: Class::Exact,
    }
}

pub fn started() -> Event {
    let plan = plan();
    Event::started(plan, OnFailure::Unwind)
}

pub fn intended(unit: &str, way: Way, attempt: u32) -> Event {
    Event::Intended { unit: id(unit), way, attempt, capsule: serde_json::json!({ "try": attempt }) }
}

pub fn settled(unit: &str, way: Way, attempt: u32, outcome: Outcome) -> Event {
    Event::Settled { unit: id(unit), way, attempt, outcome, took_ms: Some(5) }
}

/// A clean failure that may be tried again.
pub fn busy() -> Outcome {
    Outcome::Failed(Trouble { message: "busy".into(), retry: true, ..Trouble::default() })
}

pub fn unlinked(run: &str, event: Event) -> Unlinked {
    Unlinked { time_ms: 1_700_000_000_000, run: RunId(run.into()), actor: "op@host".into(), event }
}
