//! What holds of each server of a team's own that stands in front.

use super::proxied::Load;
use super::*;
use ServiceOperation::{Restart, Start, Stop};
use windlass_drivers::{
    service::{Front as _, FrontError, Mode},
    traffic::Marked,
};
use windlass_proxy::control::Request;

/// One that runs for a stage.
pub trait Running {
    /// Where it listens.
    fn url(&self) -> &str;

    /// Its file with the marks.
    fn file(&self) -> PathBuf;

    fn conf(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    /// What a request is answered.
    async fn answer(&self, write: bool) -> (u16, String) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = if write { client.post(self.url()).body("w") } else { client.get(self.url()) };
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

pub fn front(stage: &Stage) -> Marked {
    Marked::new(&stage.scene.base, NAME, &stage.scene.server().unwrap())
}

/// A release and its way back under `load`: each version answers, and no request is lost.
pub async fn there_and_back(stage: &mut Stage, load: Load) {
    load.more().await;
    stage.scene.release("2", &[]);
    let restart = stage.act("restart/1", Restart);
    let (capsule, _) = restart.applied().await;
    assert_eq!(stage.versions().await, ["2"], "the old one has ended");
    assert!(applied(&restart.inspect(&capsule, Way::Forward).await));
    load.more().await;
    restart.undone(&capsule).await;
    assert!(applied(&restart.inspect(&capsule, Way::Undo).await));
    load.more().await;
    assert_eq!(load.end().await, ["1", "2"]);
    assert_eq!(stage.versions().await, ["1"]);
}

/// The first start and its way back, while somebody makes the second of `theirs` of the first outside of the marks.
pub async fn only_the_part(stage: &Stage, server: &impl Running, theirs: [&str; 2]) {
    let before = server.conf();
    let start = stage.act("start/1", Start);
    let (capsule, _) = start.applied().await;
    assert_eq!(server.answer(false).await, (200, "1".into()));
    let outside = |text: &str| {
        let (front, rest) = text.split_once("begin booking\n").unwrap();
        let (_, behind) = rest.split_once("    # windlass end booking\n").unwrap();
        format!("{front}{behind}")
    };
    assert_eq!(outside(&server.conf()), outside(&before));
    fs::write(server.file(), server.conf().replace(theirs[0], theirs[1])).unwrap();
    start.undone(&capsule).await;
    assert_eq!(server.conf(), before.replace(theirs[0], theirs[1]));
    assert!(stage.versions().await.is_empty());
}

/// A reload that says that it was done, and nothing is done.
pub async fn not_taken(stage: &Stage, running: &impl Running) {
    let before = running.conf();
    let server = windlass_plan::FrontServer { reload: vec!["true".into()], ..*stage.scene.server().unwrap() };
    let front = Marked::new(&stage.scene.base, NAME, &server);
    let error = front.mode(Mode::Readonly, true, 5_000).await.unwrap_err();
    assert!(matches!(&error, FrontError::Refused(why) if why.contains("did not take")), "{error:?}");
    assert_eq!(running.conf(), before);
}

/// A stop, a start of version 2, and both taken back.
pub async fn stopped_and_started(stage: &mut Stage, server: &impl Running) {
    let stop = stage.act("stop/1", Stop);
    let (stopped, _) = stop.applied().await;
    assert_eq!(server.answer(false).await.0, 503);
    stage.scene.release("2", &[]);
    let start = stage.act("start/1", Start);
    let (started, _) = start.applied().await;
    assert_eq!(server.answer(false).await, (200, "2".into()));
    start.undone(&started).await;
    assert_eq!(server.answer(false).await.0, 503);
    stop.undone(&stopped).await;
    assert_eq!(server.answer(false).await, (200, "1".into()));
}

/// The controller dies at the step number `moment` of `way`; the next finishes it, or (`back`) goes the other way. Whether it had
/// ended before.
pub async fn ended_before<R: Running>(
    serving: impl AsyncFn() -> (Stage, R),
    way: Way,
    back: bool,
    moment: u32,
) -> bool {
    let label = format!("{way:?}, killed at {moment}, back: {back}");
    let (mut stage, server) = serving().await;
    stage.scene.release("2", &[]);
    stage.scene.stable_ms = 0;
    let mut act = stage.act("unit/1", Restart);
    let capsule = act.capture().await;
    if way == Way::Undo {
        act.try_apply(&capsule).await.unwrap();
    }
    let status = act.killed_at(moment, way, &capsule).await;
    act.cx.attempt = 2;
    let found = act.inspect(&capsule, way).await;
    if status.success() {
        assert!(moment > 5 && applied(&found), "{label}: {found:?}");
        return true;
    }
    let known = applied(&found) || partial(&found) || found == Found::NotApplied;
    assert!(known, "{label}: {found:?}");
    let forward = (way == Way::Forward) != back;
    if back || !applied(&found) {
        let result = if forward { act.try_apply(&capsule).await } else { act.try_undo(&capsule).await };
        result.unwrap_or_else(|failure| panic!("{label}: {failure:#?}"));
    }
    let version = if forward { "2" } else { "1" };
    assert_eq!(stage.versions().await, [version], "{label}");
    assert_eq!(server.answer(false).await, (200, version.into()), "{label}: {}", server.conf());
    let status = front(&stage).call(&Request::Status).await.unwrap();
    assert_eq!(status.upstreams.len(), 1, "{label}: no note of a change is left");
    false
}
