use super::*;
use crate::{service::FrontError, testing};
use std::sync::{Arc, Mutex};
use windlass_driver::Effect;
use windlass_plan::WatchLimits;
use windlass_proxy::control::{Upstream, UpstreamStatus};

/// A proxy that has counted more at each look.
struct Counting {
    looks: Mutex<u64>,
    version: &'static str,
    /// At each look: requests more, and errors more.
    more: (u64, u64),
}

#[async_trait]
impl crate::service::Front for Counting {
    async fn call(&self, _: &Request) -> Result<Status, FrontError> {
        let mut looks = self.looks.lock().unwrap();
        *looks += 1;
        let (requests, errors) = (self.more.0 * *looks, self.more.1 * *looks);
        let counted =
            VersionStatus { requests, errors, buckets: vec![(900, requests)], ..VersionStatus::default() };
        let upstream = Upstream {
            version: self.version.to_owned(),
            address: "127.0.0.1:1".to_owned(),
            weight: 100,
            health: None,
        };
        let upstream =
            UpstreamStatus { upstream, healthy: Some(true), healthy_ms: 1, in_flight: 0, problem: None };
        let versions = BTreeMap::from([(self.version.to_owned(), counted)]);
        Ok(Status { upstreams: vec![upstream], versions, ..Status::default() })
    }
}

fn driver(version: &'static str, more: (u64, u64)) -> WatchDriver {
    let front = Arc::new(Counting { looks: Mutex::new(0), version, more });
    WatchDriver::new(Hosts::default()).with_fronts(Arc::new(move |_, _, _| front.clone()))
}

fn what(for_ms: Option<u64>, limits: WatchLimits) -> Watching {
    let services = if limits.of_requests() { ["api".to_owned()].into() } else { Default::default() };
    let places = if limits.of_machines() {
        BTreeMap::from([("app".to_owned(), ["local".to_owned()].into())])
    } else {
        BTreeMap::new()
    };
    Watching { for_ms, limits, requests: 100, places, services }
}

/// The plan has the service that is watched.
fn behind_a_proxy(cx: &mut Context) {
    let service = serde_json::json!({
        "on": "app", "runner": { "run": ["./api"] }, "health": null, "strategy": "recreate", "stable_ms": 0,
        "start_within_ms": 1, "stop_within_ms": 1, "proxy": { "listen": "127.0.0.1:0", "hold_ms": 1, "drain_ms": 1 },
    });
    let service = serde_json::from_value(service).unwrap();
    Arc::make_mut(&mut cx.plan).services.insert("api".to_owned(), service);
}

/// Measures with one driver and watches with the other.
async fn released(
    old: &WatchDriver,
    new: &WatchDriver,
    limits: WatchLimits,
    for_ms: u64,
) -> Result<Done, Failure> {
    let folder = crate::testing::folder();
    let units = [
        testing::unit("measure/1", Action::Watch(Box::new(what(None, limits.clone())))),
        testing::unit("watch/1", Action::Watch(Box::new(what(Some(for_ms), limits)))),
    ];
    let (mut cx, _) = testing::context(folder.path(), &units[0]);
    cx.plan = Arc::new(testing::plan(&units, &[]));
    behind_a_proxy(&mut cx);
    let measured = old.apply(&cx, &units[0], &Capsule::default()).await.unwrap();
    assert!(!measured.changed);
    cx.facts = Arc::new(BTreeMap::from([(units[0].id.clone(), measured.facts)]));
    new.apply(&cx, &units[1], &Capsule::default()).await
}

fn requests() -> WatchLimits {
    WatchLimits { errors: Some(1_000), p95_ms: Some(500), ..WatchLimits::default() }
}

#[tokio::test]
async fn a_release_that_does_well_is_fine_and_says_how() {
    let done = released(&driver("1", (50, 0)), &driver("2", (50, 0)), requests(), 100).await.unwrap();
    assert!(!done.changed && done.effects[0].starts_with("api 2: "), "{done:?}");
    assert!(done.effects[0].contains(" requests, 0 failed, 95 % within 0.9 ms"), "{done:?}");
}

#[tokio::test]
async fn more_failures_than_the_limit_or_than_before_are_a_failure_at_once() {
    for limits in [requests(), WatchLimits { p95_ms: Some(500), ..WatchLimits::default() }] {
        // It would be watched for an hour.
        let result = released(&driver("1", (500, 0)), &driver("2", (50, 25)), limits, 3_600_000).await;
        let failure = result.unwrap_err();
        assert_eq!(
            (failure.effect, failure.person, failure.retry),
            (Effect::None, false, false),
            "{failure:?}"
        );
        assert!(
            failure.message.contains("api 2: ") && failure.message.contains("failed (50.0 %)"),
            "{failure:?}"
        );
    }
}

/// A proxy that is silent for some looks, as one that is being replaced.
struct Moody(Mutex<u32>, Counting);

#[async_trait]
impl crate::service::Front for Moody {
    async fn call(&self, request: &Request) -> Result<Status, FrontError> {
        {
            let mut left = self.0.lock().unwrap();
            if *left > 0 {
                *left -= 1;
                return Err(FrontError::Lost("did not answer".into()));
            }
        }
        self.1.call(request).await
    }
}

#[tokio::test]
async fn a_proxy_that_is_silent_for_a_moment_is_asked_again_and_one_that_stays_silent_is_no_answer() {
    let moody = |silent| {
        let counting = Counting { looks: Mutex::new(0), version: "2", more: (50, 0) };
        let front = Arc::new(Moody(Mutex::new(silent), counting));
        WatchDriver::new(Hosts::default()).with_fronts(Arc::new(move |_, _, _| front.clone()))
    };
    released(&driver("1", (500, 0)), &moody(LOOKS - 1), requests(), 100).await.unwrap();
    let failure = released(&driver("1", (500, 0)), &moody(u32::MAX), requests(), 100).await.unwrap_err();
    assert!(failure.person && failure.effect == Effect::None, "{failure:?}");
    assert!(failure.message.contains("did not answer"), "{failure:?}");
}

#[tokio::test]
async fn too_few_requests_are_no_answer() {
    let failure = released(&driver("1", (50, 0)), &driver("2", (1, 0)), requests(), 50).await.unwrap_err();
    assert!(failure.person && failure.effect == Effect::None, "{failure:?}");
    assert!(
        failure.message.contains("is not known: api 2: ") && failure.message.contains("wanted 100"),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_machine_over_its_limit_is_bad_unless_it_was_so_before() {
    let driver = driver("2", (50, 0));
    let full = WatchLimits { disk: Some(1), ..WatchLimits::default() };
    // It was as full before the release.
    released(&driver, &driver, full.clone(), 50).await.unwrap();

    let folder = crate::testing::folder();
    let unit = testing::unit("watch/1", Action::Watch(Box::new(what(Some(50), full))));
    let (mut cx, _) = testing::context(folder.path(), &unit);
    let failure = driver.apply(&cx, &unit, &Capsule::default()).await.unwrap_err();
    assert!(
        failure.person && failure.message.contains("it was not measured before the release"),
        "{failure:?}"
    );

    // It was less full.
    let measure = testing::unit("measure/1", Action::Watch(Box::new(what(None, WatchLimits::default()))));
    cx.plan = Arc::new(testing::plan(&[measure.clone(), unit.clone()], &[]));
    let load = serde_json::json!({ "cpu": 0, "memory": 0, "disk": 0 });
    let before = serde_json::json!({ "machines": { "this machine": load }, "services": {} });
    cx.facts = Arc::new(BTreeMap::from([(measure.id, before)]));
    let failure = driver.apply(&cx, &unit, &Capsule::default()).await.unwrap_err();
    assert!(!failure.person && failure.effect == Effect::None, "{failure:?}");
    assert!(failure.message.contains("the fullest disk of this machine at "), "{failure:?}");
    assert!(failure.message.contains("limit 0.0 %, before the release 0.0 %"), "{failure:?}");
    let survey = driver.survey(&cx, &unit).await.unwrap();
    assert!(survey.effects[0].starts_with("this machine: memory "), "{survey:?}");
    assert_eq!(driver.inspect(&cx, &unit, &Capsule::default(), Way::Forward).await, Found::NotApplied);
}

#[tokio::test]
async fn hosts_are_measured_and_one_that_is_silent_is_no_answer() {
    let sshd = windlass_lab::Sshd::start(1);
    let folder = crate::testing::folder();
    let limits = WatchLimits { memory: Some(100_000), ..WatchLimits::default() };
    let place = [sshd.host(1)].into();
    let what = Watching { places: BTreeMap::from([("app".to_owned(), place)]), ..what(Some(50), limits) };
    let unit = testing::unit("watch/1", Action::Watch(Box::new(what)));
    let (cx, _) = testing::context_on(&sshd, folder.path(), &unit);
    let driver = driver("2", (50, 0));
    let done = driver.apply(&cx, &unit, &Capsule::default()).await.unwrap();
    assert!(done.effects[0].starts_with(&format!("{}: ", sshd.host(1))), "{done:?}");
    sshd.kill();
    let failure = driver.apply(&cx, &unit, &Capsule::default()).await.unwrap_err();
    assert!(failure.person && failure.message.contains("does not answer"), "{failure:?}");
}

#[tokio::test]
async fn a_person_may_stop_it() {
    let folder = crate::testing::folder();
    let unit = testing::unit("watch/1", Action::Watch(Box::new(what(Some(3_600_000), requests()))));
    let (mut cx, _) = testing::context(folder.path(), &unit);
    behind_a_proxy(&mut cx);
    cx.stopping.stop();
    let failure = driver("2", (50, 0)).apply(&cx, &unit, &Capsule::default()).await.unwrap_err();
    assert!(
        failure.retry && failure.effect == Effect::None && failure.message.contains("stopped"),
        "{failure:?}"
    );
}
