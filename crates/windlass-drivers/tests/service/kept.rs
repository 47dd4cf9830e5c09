//! What a release does to a service that it keeps, on the way back.

use super::*;
use ServiceOperation::{Keep, Restart, Start, Stop};
use windlass_plan::{Action, Class, Step, StepId, UnitId};

/// Version 1 serves and is kept by `keep/1`; version 2 is to come.
pub struct Kept {
    pub stage: Stage,
    pub keep: Act,
    pub capsule: Capsule,
}

impl Kept {
    pub async fn new() -> Self {
        let mut stage = Stage::releasing().await;
        let (keep, capsule) = stage.done("keep/1", Keep).await;
        Self { stage, keep, capsule }
    }

    /// A line that changes a database comes next.
    pub fn changes_a_database(&mut self) {
        let script = "./migrate".to_owned();
        let action = Action::Shell { script, dir: None, readonly: false, database: Some("db".into()) };
        let unit = Unit { id: UnitId("up/1".into()), action, ..self.keep.unit.clone() };
        self.stage.scene.before.push(step(unit));
    }
}

impl Stage {
    /// Version 1 serves, version 2 is to come.
    pub async fn releasing() -> Self {
        let mut stage = Self::serving().await;
        stage.scene.release("2", &[]);
        stage.scene.stable_ms = 0;
        stage
    }

    /// A unit behind what was there so far, done.
    pub async fn done(&mut self, unit: &str, operation: ServiceOperation) -> (Act, Capsule) {
        let act = self.act(unit, operation);
        let (capsule, done) = act.applied().await;
        self.scene.facts.insert(act.unit.id.clone(), done.facts);
        self.scene.before.push(step(act.unit.clone()));
        (act, capsule)
    }

    /// No instance, and requests wait.
    pub async fn stands_still(&self) -> bool {
        self.versions().await.is_empty() && self.proxy().holding_ms.is_some()
    }
}

fn step(unit: Unit) -> Step {
    Step {
        id: StepId(unit.id.0.clone()),
        stage: None,
        gate: None,
        line: 1,
        on: "app".into(),
        class: Class::Exact,
        units: vec![unit],
        undo: None,
        serial: None,
        after_ms: None,
        online: false,
        again: None,
    }
}

/// What is between the stop and the start ran while nothing served: it goes back so, too.
#[tokio::test]
async fn what_is_between_a_stop_and_a_start_goes_back_while_the_service_stands_still() {
    let mut kept = Kept::new().await;
    let (stop, stopped) = kept.stage.done("stop/1", Stop).await;
    let (start, started) = kept.stage.done("start/1", Start).await;
    let (restart, restarted) = kept.stage.done("restart/1", Restart).await;
    assert!(kept.stage.serves("2").await);
    assert!(!restart.undone(&restarted).await.changed, "it runs on");
    assert!(kept.stage.serves("2").await);
    assert!(start.undone(&started).await.changed);
    assert!(kept.stage.stands_still().await, "{:?} {:?}", kept.stage.status().await, kept.stage.proxy());
    assert!(applied(&start.inspect(&started, Way::Undo).await));
    assert_eq!(stop.undone(&stopped).await.facts["away"], true);
    assert!(kept.stage.stands_still().await);
    kept.keep.undone(&kept.capsule).await;
    assert!(kept.stage.serves("1").await);
}

/// What somebody else has put there since is theirs.
#[tokio::test]
async fn what_another_run_has_started_since_is_not_ended_with_a_kept_start() {
    let mut kept = Kept::new().await;
    kept.stage.done("stop/1", Stop).await;
    let (start, started) = kept.stage.done("start/1", Start).await;
    let mut other = kept.stage.act("other/1", Restart);
    other.cx.run = "run-2".into();
    other.applied().await;
    assert!(!start.undone(&started).await.changed);
    assert!(kept.stage.serves("2").await);
}

/// A later run that was taken back has started again what the start had brought.
#[tokio::test]
async fn what_a_later_run_has_brought_back_stands_still_when_its_start_is_undone() {
    let mut stage = Stage::releasing().await;
    stage.done("stop/1", Stop).await;
    let (start, started) = stage.done("start/1", Start).await;
    stage.scene.release("3", &[]);
    let mut later = stage.act("later/1", Restart);
    later.cx.run = "run-2".into();
    let (capsule, _) = later.applied().await;
    assert!(stage.serves("3").await);
    later.undone(&capsule).await;
    assert!(stage.serves("2").await);
    start.undone(&started).await;
    assert!(stage.stands_still().await, "{:?} {:?}", stage.status().await, stage.proxy());
}

/// A start that runs while nothing serves goes back so, also where nothing keeps what a later restart has put in its place.
#[tokio::test]
async fn a_service_that_no_unit_keeps_stands_still_when_its_start_is_undone() {
    let mut stage = Stage::releasing().await;
    let (stop, stopped) = stage.done("stop/1", Stop).await;
    let (start, started) = stage.done("start/1", Start).await;
    let (restart, restarted) = stage.done("restart/1", Restart).await;
    restart.undone(&restarted).await;
    assert!(stage.serves("2").await, "as before the restart");
    start.undone(&started).await;
    assert!(stage.stands_still().await, "{:?} {:?}", stage.status().await, stage.proxy());
    stop.undone(&stopped).await;
    assert!(stage.serves("1").await);
}

/// An edit in the middle of a run puts what keeps behind the start.
#[tokio::test]
async fn a_service_that_is_kept_behind_its_start_stands_still_when_that_is_undone() {
    let mut stage = Stage::releasing().await;
    let (stop, stopped) = stage.done("stop/1", Stop).await;
    let (start, started) = stage.done("start/1", Start).await;
    let (keep, kept) = stage.done("keep/1", Keep).await;
    let (restart, restarted) = stage.done("restart/1", Restart).await;
    restart.undone(&restarted).await;
    keep.undone(&kept).await;
    assert!(stage.serves("2").await, "started on the files as they are then");
    start.undone(&started).await;
    assert!(stage.stands_still().await, "{:?} {:?}", stage.status().await, stage.proxy());
    stop.undone(&stopped).await;
    assert!(stage.serves("1").await);
}
