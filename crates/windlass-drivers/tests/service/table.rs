//! Every row of the table in `service/mod.rs`: a world is made, both answers of `inspect` are compared.

use super::*;
use ServiceOperation::{Restart, Start, Stop};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Applied,
    NotApplied,
    Partial,
    Unknown,
}
use Answer::{Applied, NotApplied, Partial, Unknown};

fn answer(found: &Found) -> Answer {
    match found {
        Found::Applied(_) => Applied,
        Found::NotApplied => NotApplied,
        Found::Failed(failure) => {
            assert_eq!(failure.effect, windlass_driver::Effect::Partial, "{failure:?}");
            assert!(failure.retry, "{failure:?}");
            Partial
        }
        Found::Unknown(_) => Unknown,
    }
}

async fn expect(row: &str, act: &Act, capsule: &Capsule, forward: Answer, undo: Answer) {
    let (there, back) = (act.inspect(capsule, Way::Forward).await, act.inspect(capsule, Way::Undo).await);
    assert_eq!((answer(&there), answer(&back)), (forward, undo), "{row}\n{there:?}\n{back:?}");
}

/// Sends the requests elsewhere than to the service.
fn divert(stage: &Stage) {
    let mut status = stage.proxy();
    for one in &mut status.upstreams {
        one.upstream.address = "127.0.0.1:1".into();
    }
    stage.front().write(&status);
}

#[tokio::test]
async fn rows_of_stop() {
    let stage = Stage::serving().await;
    let stop = stage.act("stop/1", Stop);
    let capsule = stop.capture().await;
    expect("previous, not held", &stop, &capsule, NotApplied, Applied).await;
    divert(&stage);
    expect("previous, without the requests", &stop, &capsule, NotApplied, Partial).await;
    stage.set_held(true);
    expect("previous, held", &stop, &capsule, Partial, Partial).await;
    stage.set_held(false);
    fs::write(stage.instances()[0].join("stop"), "").unwrap();
    expect("being ended", &stop, &capsule, Partial, Partial).await;
    stop.try_apply(&capsule).await.unwrap();
    expect("none, held", &stop, &capsule, Applied, NotApplied).await;
    stage.set_held(false);
    expect("none, not held", &stop, &capsule, Partial, Partial).await;
    stop.try_apply(&capsule).await.unwrap();
    expect("none, held again", &stop, &capsule, Applied, NotApplied).await;
}

#[tokio::test]
async fn rows_of_start() {
    let mut stage = Stage::serving().await;
    stage.act("stop/1", Stop).applied().await;
    stage.scene.release("2", &[]);
    let start = stage.act("start/1", Start);
    let capsule = start.capture().await;
    expect("none, as before", &start, &capsule, NotApplied, Applied).await;
    stage.set_held(false);
    expect("none, otherwise", &start, &capsule, Partial, Partial).await;
    start.try_apply(&capsule).await.unwrap();
    expect("made, gets the requests", &start, &capsule, Applied, NotApplied).await;
    let served = stage.proxy();
    divert(&stage);
    expect("made, elsewhere", &start, &capsule, Partial, NotApplied).await;
    stage.front().write(&served);
    stage.set_held(true);
    expect("made, held", &start, &capsule, Partial, Partial).await;
    start.try_apply(&capsule).await.unwrap();
    assert_eq!(stage.versions().await, ["2"], "the one that was made is used");
    assert_eq!(stage.instances().len(), 2);
    expect("finished", &start, &capsule, Applied, NotApplied).await;
}

#[tokio::test]
async fn rows_of_restart() {
    let mut stage = Stage::serving().await;
    stage.scene.strategy = Strategy::Bluegreen;
    stage.scene.release("2", &[]);
    let restart = stage.act("restart/1", Restart);
    let capsule = restart.capture().await;
    expect("previous, as before", &restart, &capsule, NotApplied, Applied).await;
    // Dies after the new one was started beside the old one.
    let status = restart.killed_at(6, Way::Forward, &capsule).await;
    assert!(!status.success());
    assert_eq!(stage.versions().await, ["1", "2"]);
    expect("both", &restart, &capsule, Partial, Partial).await;
    restart.try_apply(&capsule).await.unwrap();
    expect("made, gets the requests", &restart, &capsule, Applied, NotApplied).await;
    stage.act("stop/9", Stop).applied().await;
    expect("none", &restart, &capsule, Partial, Partial).await;
    stage.scene.release("9", &[]);
    stage.act("elsewhere/1", Start).applied().await;
    expect("another one", &restart, &capsule, Partial, Partial).await;
}

#[tokio::test]
async fn rows_of_a_proxy_that_does_not_answer() {
    let stage = Stage::serving().await;
    for operation in [Stop, Start, Restart] {
        let act = stage.act("any/1", operation);
        let capsule = act.capture().await;
        let status = stage.proxy();
        fs::write(stage.front().path, "lost").unwrap();
        expect("no answer", &act, &capsule, Unknown, Unknown).await;
        fs::remove_file(stage.front().path).unwrap();
        expect("does not run", &act, &capsule, Partial, Partial).await;
        stage.front().write(&status);
    }
}

#[tokio::test]
async fn an_instance_that_never_began_is_sealed_before_the_answer() {
    let mut stage = Stage::serving().await;
    stage.act("stop/1", Stop).applied().await;
    stage.scene.release("2", &[]);
    let start = stage.act("start/1", Start);
    let capsule = start.capture().await;
    start.try_apply(&capsule).await.unwrap();
    start.undone(&capsule).await;
    // As if the controller had died between the specification and the supervisor.
    let folder = stage.instances().pop().unwrap();
    for file in ["state.json", "ready.json", "stop"] {
        fs::remove_file(folder.join(file)).unwrap();
    }
    expect("unborn", &start, &capsule, NotApplied, Applied).await;
    let late =
        Command::new(&stage.scene.lab).arg("supervise").arg(folder.join("spec.json")).status().unwrap();
    assert!(late.success());
    assert!(stage.versions().await.is_empty(), "a late supervisor starts nothing");
}

#[tokio::test]
async fn while_another_command_works_the_answer_is_not_known() {
    let stage = Stage::serving().await;
    let stop = stage.act("stop/1", Stop);
    let capsule = stop.capture().await;
    let lock = fs::File::open(stage.scene.base.join(".windlass/services").join(NAME).join("lock")).unwrap();
    lock.lock().unwrap();
    let (found, failure) = tokio::join!(stop.inspect(&capsule, Way::Forward), stop.try_apply(&capsule));
    assert!(matches!(found, Found::Unknown(_)));
    let failure = failure.unwrap_err();
    assert!(failure.retry && failure.message.contains("another windlass command"), "{failure:?}");
}
