//! Plans by hand.

use windlass_plan::{
    Action, Class, DocumentRef, DriverKind, PLAN_FORMAT, Plan, Release, Secret, Step, StepId, Target, Undo,
    UndoBy, UndoScript, Unit, UnitId, UrlKind, Value,
};

pub fn id(text: &str) -> UnitId {
    UnitId(text.to_owned())
}

/// A plan of these steps, with a database whose URL is secret.
pub fn plan(steps: Vec<Step>) -> Plan {
    let url = Value::Secret(Secret::Env("DATABASE_URL".into()));
    Plan {
        format: PLAN_FORMAT,
        tool: "test".into(),
        release: Release { version: "2.0.0".into(), ..Release::default() },
        document: DocumentRef::default(),
        targets: [("db".to_owned(), Target::Url { url, kind: UrlKind::Sqlite })].into(),
        claims: Default::default(),
        secrets: Default::default(),
        services: [].into(),
        budget: Default::default(),
        class: steps.iter().map(|step| step.class).max().unwrap_or_default(),
        steps,
    }
}

/// A plan of steps with one plain unit each: `a` has `a/1`.
pub fn plain(steps: &[&str]) -> Plan {
    plan(steps.iter().map(|name| step(name, vec![unit(&format!("{name}/1"))])).collect())
}

pub fn step(name: &str, units: Vec<Unit>) -> Step {
    Step {
        id: StepId(name.to_owned()),
        stage: None,
        gate: None,
        line: 1,
        on: "db".into(),
        class: units.iter().map(|unit| unit.undo.class).max().unwrap_or_default(),
        units,
        undo: None,
        serial: None,
        after_ms: None,
        online: false,
        again: None,
    }
}

/// `step/1@host`, `step/2@host` … for each host in turn, as plans have them.
pub fn spread(step: &str, hosts: &[&str], lines: usize) -> Vec<Unit> {
    let lines = |host: &&str| (1..=lines).map(move |n| format!("{step}/{n}@{host}")).collect::<Vec<_>>();
    hosts.iter().flat_map(lines).map(|id| unit(&id)).collect()
}

/// A unit that its driver undoes; the host stands behind `@`.
pub fn unit(name: &str) -> Unit {
    Unit {
        id: id(name),
        host: name.split_once('@').map_or("local", |(_, host)| host).to_owned(),
        driver: DriverKind::Shell,
        line: 1,
        column: 1,
        action: Action::Shell { script: "true".into(), dir: None, readonly: false, database: None },
        effect: "changes".into(),
        undo: Undo { class: Class::Exact, how: "as planned".into(), by: UndoBy::Driver },
        timeout_ms: None,
        within_ms: None,
    }
}

/// The unit, undone in another way.
pub fn by(unit: Unit, class: Class, by: UndoBy) -> Unit {
    Unit { undo: Undo { class, by, ..unit.undo }, ..unit }
}

pub fn readonly(name: &str) -> Unit {
    let action = Action::Shell { script: "true".into(), dir: None, readonly: true, database: None };
    Unit { action, ..by(unit(name), Class::Readonly, UndoBy::Nothing) }
}

/// A check that is repeated until it is green or the time is over.
pub fn check(name: &str, within_ms: u64) -> Unit {
    Unit { within_ms: Some(within_ms), ..readonly(name) }
}

pub fn gate(name: &str) -> Unit {
    let action = Action::Gate { text: "all is well".into() };
    Unit { action, driver: DriverKind::Gate, ..readonly(name) }
}

/// A step whose units only its hand-written undo takes back; that has one unit a name.
pub fn by_hand(name: &str, units: Vec<Unit>, undo: &[&str], partial: bool) -> Step {
    let units = units.into_iter().map(|unit| match unit.undo.class {
        Class::Readonly => unit,
        class => by(unit, class, UndoBy::Script),
    });
    let undo = undo.iter().map(|name| by(unit(name), Class::None, UndoBy::Nothing)).collect();
    let script = UndoScript { id: StepId(format!("{name}-undo")), on: String::new(), units: undo, partial };
    Step { undo: Some(script), ..step(name, units.collect()) }
}
