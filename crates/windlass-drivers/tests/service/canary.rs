//! A part of the clients first.

use super::{
    proxied::{Load, Proxy, real},
    *,
};
use ServiceOperation::Restart;
use windlass_driver::Effect;
use windlass_proxy::control::Request;

/// Version 2 is to get 20 % and then 60 % of the clients.
async fn scene(flags: &[&str], requests: u64, watch_ms: u64) -> (Stage, Proxy) {
    let (mut stage, proxy) = real().await;
    stage.scene.release("2", flags);
    stage.scene.strategy = Strategy::Canary;
    stage.scene.canary = Some(Canary { steps: vec![20, 60], watch_ms, requests, ..Canary::default() });
    (stage, proxy)
}

impl Proxy {
    async fn shares(&self) -> Vec<(String, u8)> {
        let status = self.client.send(Request::Status).await.unwrap();
        status.upstreams.into_iter().map(|one| (one.upstream.version, one.upstream.weight)).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_does_as_well_gets_all_clients_and_goes_back_at_once() {
    let (stage, proxy) = scene(&[], 100, 300).await;
    let load = Load::on(&proxy.url);
    let restart = stage.act("restart/1", Restart);
    let survey = restart.driver.survey(&restart.cx, &restart.unit).await.unwrap();
    let told = |line: &String| line.contains("20 %, then 60 % of the clients get it first");
    assert!(survey.effects.iter().any(told), "{survey:?}");
    assert!(!survey.effects.iter().any(|line| line.contains("are held")), "nothing is held: {survey:?}");
    let (capsule, done) = restart.applied().await;
    assert_eq!(done.facts["version"], "2");
    assert_eq!(
        (stage.versions().await, proxy.shares().await),
        (vec!["2".to_owned()], vec![("2".to_owned(), 100)])
    );
    let status = proxy.client.send(Request::Status).await.unwrap();
    assert!(status.versions["2"].requests >= 200, "both shares were watched: {:?}", status.versions["2"]);
    restart.undone(&capsule).await;
    assert_eq!(
        (stage.versions().await, proxy.shares().await),
        (vec!["1".to_owned()], vec![("1".to_owned(), 100)])
    );
    assert_eq!(load.end().await, ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_fails_more_than_the_old_one_loses_its_clients_at_once() {
    // It would be watched for an hour.
    let (stage, proxy) = scene(&["fails=3"], 100, 3_600_000).await;
    let load = Load::on(&proxy.url);
    let restart = stage.act("restart/1", Restart);
    let capsule = restart.capture().await;
    let failure = restart.try_apply(&capsule).await.unwrap_err();
    assert_eq!(failure.effect, Effect::None, "{failure:#?}");
    let told =
        ["booking 2 is worse", "at 20 % of the clients", "requests failed (", "of the old version 0 of"];
    assert!(told.iter().all(|part| failure.message.contains(part)), "{}", failure.message);
    assert_eq!(
        (stage.versions().await, proxy.shares().await),
        (vec!["1".to_owned()], vec![("1".to_owned(), 100)])
    );
    assert_eq!(restart.inspect(&capsule, Way::Forward).await, Found::NotApplied);
    let (good, bad) = load.count().await;
    assert!(bad > 0 && bad < good / 10, "{bad} of {good}: a part of a fifth of the clients");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_crashes_while_it_is_watched_loses_its_clients() {
    let (stage, proxy) = scene(&[], 100, 3_600_000).await;
    let restart = stage.act("restart/1", Restart);
    let capsule = restart.capture().await;
    let kill = async {
        eventually("the new version gets clients", || async { proxy.shares().await.len() == 2 }).await;
        let new =
            stage.status().await.instances.into_iter().find(|instance| instance.version == "2").unwrap();
        let pid = rustix::process::Pid::from_raw(new.pid.unwrap() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    };
    let (result, ()) = tokio::join!(restart.try_apply(&capsule), kill);
    let failure = result.unwrap_err();
    let told = failure.message.contains("signal 9") || failure.message.contains("health check fails");
    assert!(told && failure.effect == Effect::None, "{failure:#?}");
    assert_eq!(
        (stage.versions().await, proxy.shares().await),
        (vec!["1".to_owned()], vec![("1".to_owned(), 100)])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_requests_nobody_says_that_it_is_fine() {
    let (stage, proxy) = scene(&[], 100, 20).await;
    let restart = stage.act("restart/1", Restart);
    let capsule = restart.capture().await;
    let failure = restart.try_apply(&capsule).await.unwrap_err();
    assert!(failure.person && failure.effect == Effect::Partial, "{failure:#?}");
    assert!(
        failure.message.contains("too few requests") && failure.message.contains("wanted 100"),
        "{failure:#?}"
    );
    let both = vec![("1".to_owned(), 80), ("2".to_owned(), 20)];
    assert_eq!(
        (proxy.shares().await, stage.versions().await.len()),
        (both, 2),
        "both serve until somebody decides"
    );
    restart.undone(&capsule).await;
    assert_eq!(
        (stage.versions().await, proxy.shares().await),
        (vec!["1".to_owned()], vec![("1".to_owned(), 100)])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_may_stop_while_it_is_watched_and_it_goes_on_at_the_same_share() {
    let (mut stage, proxy) = scene(&[], 0, 3_600_000).await;
    let restart = stage.act("restart/1", Restart);
    let capsule = restart.capture().await;
    let stop = async {
        eventually("the new version gets clients", || async { proxy.shares().await.len() == 2 }).await;
        // The second share, as if the first had been watched.
        let mut upstreams = proxy.client.send(Request::Status).await.unwrap().upstreams;
        (upstreams[0].upstream.weight, upstreams[1].upstream.weight) = (40, 60);
        let upstreams = upstreams.into_iter().map(|one| one.upstream).collect();
        proxy.client.send(Request::Switch { upstreams, drain_ms: 0, resume: false }).await.unwrap();
        restart.cx.stopping.stop();
    };
    let (result, ()) = tokio::join!(restart.try_apply(&capsule), stop);
    let failure = result.unwrap_err();
    assert!(failure.retry && failure.effect == Effect::Partial, "{failure:#?}");
    assert!(matches!(restart.inspect(&capsule, Way::Forward).await, Found::Failed(failure) if failure.retry));

    stage.scene.canary.as_mut().unwrap().watch_ms = 20;
    stage.scene.attempt = 2;
    let said = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let mut again = stage.act("restart/1", Restart);
    let to = said.clone();
    again.cx.output = std::sync::Arc::new(move |text| to.lock().unwrap().push_str(text));
    again.try_apply(&capsule).await.unwrap();
    assert_eq!(stage.versions().await, ["2"]);
    let said = said.lock().unwrap();
    assert!(said.contains("60 % of the clients") && !said.contains("20 % of the clients"), "{said}");
}

#[tokio::test]
async fn the_same_version_again_is_switched_without_shares() {
    let (mut stage, _proxy) = scene(&[], 100, 3_600_000).await;
    stage.scene.release("1", &[]);
    stage.act("restart/1", Restart).applied().await;
    assert_eq!(stage.versions().await, ["1"]);
}
