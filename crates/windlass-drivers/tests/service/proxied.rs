//! A real proxy under load: not one request fails while the service behind it is stopped, started and replaced.

use super::*;
use ServiceOperation::{Restart, Start, Stop};
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
};
use tokio::{
    process::{Child, Command as Program},
    task::JoinSet,
};
use windlass_proxy::Client;

pub struct Proxy {
    process: Child,
    pub client: Client,
    pub url: String,
}

async fn proxy(stage: &Stage) -> Proxy {
    let folder = stage.scene.base.join(".windlass/proxy").join(NAME);
    fs::create_dir_all(&folder).unwrap();
    let process =
        Program::new(&stage.scene.lab).arg("proxy").arg(&folder).kill_on_drop(true).spawn().unwrap();
    let client = Client::new(folder);
    let status = client.wait(Duration::from_secs(10)).await.unwrap();
    Proxy { process, client, url: format!("http://{}/", status.listen) }
}

/// Keep-alive clients that never pause.
pub struct Load {
    over: Arc<AtomicBool>,
    good: Arc<AtomicU64>,
    bad: Arc<Mutex<Vec<String>>>,
    versions: Arc<Mutex<BTreeSet<String>>>,
    clients: JoinSet<()>,
}

impl Load {
    pub fn on(url: &str) -> Self {
        Self::clients(url, false)
    }

    /// Clients that send a request once more on a new connection when a kept one closes without a byte of an answer, as browsers
    /// and curl do: nginx closes kept connections at each reload.
    pub fn again_on(url: &str) -> Self {
        Self::clients(url, true)
    }

    fn clients(url: &str, again: bool) -> Self {
        let mut load = Self {
            over: Arc::default(),
            good: Arc::default(),
            bad: Arc::default(),
            versions: Arc::default(),
            clients: JoinSet::new(),
        };
        for number in 0..6 {
            let (over, good, bad) = (load.over.clone(), load.good.clone(), load.bad.clone());
            let (versions, url) = (load.versions.clone(), format!("{url}{number}"));
            load.clients.spawn(async move {
                let client = reqwest::Client::builder().no_proxy().build().unwrap();
                while !over.load(SeqCst) {
                    let request =
                        if number % 2 == 0 { client.get(&url) } else { client.post(&url).body("write") };
                    let more = request.try_clone().filter(|_| again);
                    let answer = async |request: reqwest::RequestBuilder| {
                        request.send().await?.error_for_status()?.text().await
                    };
                    let mut result = answer(request).await;
                    if let (Err(error), Some(more)) = (&result, more)
                        && unanswered(error)
                    {
                        result = answer(more).await;
                    }
                    match result {
                        Ok(version) => {
                            good.fetch_add(1, SeqCst);
                            versions.lock().unwrap().insert(version);
                        }
                        Err(error) => bad.lock().unwrap().push(format!("{error:?}")),
                    }
                }
            });
        }
        load
    }

    /// Waits until some more requests were answered.
    pub async fn more(&self) {
        let target = self.good.load(SeqCst) + 50;
        eventually("more requests are answered", || async { self.good.load(SeqCst) >= target }).await;
    }

    /// Ends; how many answers were good, and how many were not.
    pub async fn count(mut self) -> (u64, u64) {
        self.over().await;
        (self.good.load(SeqCst), self.bad.lock().unwrap().len() as u64)
    }

    async fn over(&mut self) {
        self.over.store(true, SeqCst);
        while self.clients.join_next().await.is_some() {}
    }

    pub async fn end(mut self) -> Vec<String> {
        self.over().await;
        let bad = self.bad.lock().unwrap();
        assert!(bad.is_empty(), "{} of {} failed: {:?}", bad.len(), self.good.load(SeqCst), &bad[..1]);
        self.versions.lock().unwrap().iter().cloned().collect()
    }
}

/// Whether the connection closed before anything of the answer came.
fn unanswered(error: &reqwest::Error) -> bool {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<std::io::Error>()
            && matches!(error.kind(), std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe)
        {
            return true;
        }
        if error.to_string().contains("before message completed") {
            return true;
        }
        source = error.source();
    }
    false
}

pub async fn real() -> (Stage, Proxy) {
    let mut stage = Stage::new();
    stage.scene.fronting = Fronting::Real;
    let proxy = proxy(&stage).await;
    stage.act("before/1", Start).applied().await;
    (stage, proxy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_and_start_and_back_under_load() {
    let (mut stage, proxy) = real().await;
    let load = Load::on(&proxy.url);
    load.more().await;
    let stop = stage.act("stop/1", Stop);
    let (stopped, done) = stop.applied().await;
    assert!(applied(&stop.inspect(&stopped, Way::Forward).await));
    eventually("requests wait", || async {
        proxy.client.send(windlass_proxy::control::Request::Status).await.unwrap().waiting > 0
    })
    .await;
    stage.scene.facts.insert(stop.unit.id.clone(), done.facts);
    stage.scene.release("2", &[]);
    let start = stage.act("start/1", Start);
    let (started, done) = start.applied().await;
    assert!(done.facts["held"].as_u64().unwrap() > 0, "{done:?}");
    assert!(done.facts["hold_ms"].as_u64().unwrap() > 0, "{done:?}");
    load.more().await;
    start.undone(&started).await;
    stop.undone(&stopped).await;
    assert!(applied(&stop.inspect(&stopped, Way::Undo).await));
    load.more().await;
    assert_eq!(load.end().await, ["1", "2"]);
    assert_eq!(stage.versions().await, ["1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_strategies_there_and_back_under_load() {
    let (mut stage, proxy) = real().await;
    let load = Load::on(&proxy.url);
    stage.scene.release("2", &[]);
    for strategy in [Strategy::Bluegreen, Strategy::Recreate] {
        stage.scene.strategy = strategy;
        load.more().await;
        let restart = stage.act(&format!("{strategy:?}/1"), Restart);
        let (capsule, _) = restart.applied().await;
        load.more().await;
        assert_eq!(stage.versions().await, ["2"]);
        restart.undone(&capsule).await;
        assert_eq!(stage.versions().await, ["1"]);
    }
    load.more().await;
    assert_eq!(load.end().await, ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_never_gets_healthy_goes_back_under_load() {
    let (mut stage, proxy) = real().await;
    let load = Load::on(&proxy.url);
    load.more().await;
    let stop = stage.act("stop/1", Stop);
    let (stopped, _) = stop.applied().await;
    stage.scene.release("2", &["sick"]);
    stage.scene.start_within_ms = 2_000;
    let start = stage.act("start/1", Start);
    let failure = start.try_apply(&start.capture().await).await.unwrap_err();
    assert!(failure.message.contains("are held since"), "{failure:?}");
    stop.undone(&stopped).await;
    load.more().await;
    assert_eq!(load.end().await, ["1"]);
}

#[tokio::test]
async fn a_proxy_that_was_killed_is_told_with_the_command_to_type() {
    let (stage, mut proxy) = real().await;
    proxy.process.kill().await.unwrap();
    let stop = stage.act("stop/1", Stop);
    let failure = stop.driver.capture(&stop.cx, &stop.unit).await.unwrap_err();
    assert!(failure.hints.contains(&"windlass proxy run booking".to_owned()), "{failure:?}");
    let survey = stop.driver.survey(&stop.cx, &stop.unit).await.unwrap();
    assert!(survey.problems[0].contains("windlass proxy run booking"), "{survey:?}");
}
