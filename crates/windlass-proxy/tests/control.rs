//! Hold, switch, drain, status: what a controller sees and what clients feel of it.

mod common;

use common::{Backend, Browser, PATIENCE, Proxy, get, post, tunnel, until};
use http_body_util::BodyExt;
use std::{sync::atomic::Ordering::SeqCst, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use windlass_proxy::{
    ControlError,
    control::{Mode, Request as Command, Upstream},
};

#[tokio::test]
async fn a_switch_moves_new_requests_and_waits_for_old_ones() {
    let (one, two) = (Backend::start("1").await, Backend::start("2").await);
    let proxy = Proxy::start(vec![one.upstream(100)]).await;
    let (mut slow, mut other) = (Browser::http1(proxy.address).await, Browser::http2(proxy.address).await);
    let waiting = tokio::spawn(async move { slow.get("/slow").await });
    until("the slow request to arrive", || one.in_flight() == 1).await;
    let client = proxy.client.clone();
    let upstreams = vec![two.upstream(100)];
    let command = Command::Switch { upstreams, drain_ms: 20_000, resume: false };
    let switching = tokio::spawn(async move { client.send(command).await.unwrap() });
    proxy.until("the switch", |s| s.upstreams[0].upstream.version == "2").await;
    let seen = one.seen.load(SeqCst);
    for _ in 0..20 {
        assert_eq!(other.get("/").await.body, "2");
    }
    assert_eq!(one.seen.load(SeqCst), seen, "a request reached the old upstream");
    assert!(!switching.is_finished(), "the reply came before the drain");
    one.release();
    assert_eq!(waiting.await.unwrap().body, "1");
    let status = switching.await.unwrap();
    assert_eq!((status.cut, status.versions["1"].requests, status.versions["2"].requests), (0, 1, 20));
    assert_eq!(status.versions["2"].errors, 0);
    assert!(status.versions["2"].p99_ms > 0.0);
}

#[tokio::test]
async fn a_hold_keeps_requests_waiting_until_resume() {
    let one = Backend::start("1").await;
    let proxy = Proxy::start(vec![one.upstream(100)]).await;
    let (mut http1, mut http2) = (Browser::http1(proxy.address).await, Browser::http2(proxy.address).await);
    assert_eq!(http1.get("/").await.body, "1");
    let status = proxy.hold(60_000, 1_000).await;
    assert!(status.holding_ms.is_some());
    assert!(proxy.hold(60_000, 1_000).await.holding_ms.is_some(), "holding twice is no error");
    let seen = one.seen.load(SeqCst);
    let waiting = tokio::spawn(async move {
        let first = http1.send(post("/sum", "12345"));
        tokio::join!(first, http2.send(get("/")))
    });
    let status = proxy.until("two to wait", |s| s.waiting == 2).await;
    assert_eq!((status.held, one.seen.load(SeqCst)), (2, seen));
    let status = proxy.send(Command::Resume).await;
    assert_eq!(status.holding_ms, None);
    let (first, second) = waiting.await.unwrap();
    assert_eq!((first.unwrap().body, second.unwrap().body), ("1 5".to_owned(), "1".to_owned()));
    let status = proxy.send(Command::Resume).await;
    assert_eq!((status.waiting, status.refused, status.cut), (0, 0, 0));
}

#[tokio::test]
async fn beyond_time_and_queue_a_request_gets_503_with_retry_after() {
    let one = Backend::start("1").await;
    let proxy = Proxy::with(vec![one.upstream(100)], |config| config.queue_max = 1).await;
    let (mut first, mut second) = (Browser::http1(proxy.address).await, Browser::http2(proxy.address).await);
    proxy.hold(300, 0).await;
    let late = tokio::spawn(async move { first.get("/").await });
    proxy.until("one to wait", |s| s.waiting == 1).await;
    let full = second.get("/").await;
    assert_eq!((full.status.as_u16(), &full.headers["retry-after"]), (503, &"1".parse().unwrap()));
    let late = late.await.unwrap();
    assert_eq!((late.status.as_u16(), &late.headers["retry-after"]), (503, &"1".parse().unwrap()));
    let status = proxy.send(Command::Resume).await;
    assert_eq!((status.refused, status.waiting), (2, 0));
    assert!(status.hold_ms_max >= 300, "{}", status.hold_ms_max);
    assert_eq!(second.get("/").await.body, "1");
}

#[tokio::test]
async fn readonly_lets_reads_pass_and_waits_for_the_writes_from_before() {
    let one = Backend::start("1").await;
    let proxy = Proxy::start(vec![one.upstream(100)]).await;
    let (mut slow, mut other) = (Browser::http1(proxy.address).await, Browser::http2(proxy.address).await);
    let waiting = tokio::spawn(async move { slow.send(post("/slow", "x")).await.unwrap() });
    until("the slow write to arrive", || one.in_flight() == 1).await;
    let turn = |on| Command::Mode { mode: Mode::Readonly, on, drain_ms: 20_000 };
    let client = proxy.client.clone();
    let turning = tokio::spawn(async move { client.send(turn(true)).await.unwrap() });
    proxy.until("the mode", |s| s.readonly).await;
    let seen = one.seen.load(SeqCst);
    let refused = other.send(post("/sum", "1")).await.unwrap();
    assert_eq!((refused.status.as_u16(), &refused.headers["retry-after"]), (503, &"1".parse().unwrap()));
    assert_eq!(other.get("/").await.body, "1");
    assert_eq!(one.seen.load(SeqCst), seen + 1, "the write did not reach the service");
    assert!(!turning.is_finished(), "the reply came before the write from before had its answer");
    // Asked once more, it waits for the same.
    let again = proxy.client.clone();
    let again = tokio::spawn(async move { again.send(turn(true)).await.unwrap() });
    one.release();
    assert_eq!(waiting.await.unwrap().status.as_u16(), 200, "it was not cut");
    assert!(turning.await.unwrap().readonly && again.await.unwrap().readonly);

    // Who waits for the end of a hold may read only.
    proxy.hold(60_000, 0).await;
    assert_eq!(other.send(post("/sum", "1")).await.unwrap().status.as_u16(), 503);
    proxy.switch(vec![one.upstream(100)], 0, true).await;
    assert!(proxy.status().await.readonly, "a switch leaves it as it is");
    let status = proxy.send(turn(false)).await;
    assert_eq!((status.readonly, status.cut), (false, 0));
    assert_eq!(other.send(post("/sum", "123")).await.unwrap().body, "1 3");
}

#[tokio::test]
async fn maintenance_answers_all_and_outlives_the_process() {
    let one = Backend::start("1").await;
    let mut proxy = Proxy::start(vec![one.upstream(100)]).await;
    let turn = |on| Command::Mode { mode: Mode::Maintenance, on, drain_ms: 100 };
    assert!(proxy.send(turn(true)).await.maintenance);
    let mut browser = Browser::http1(proxy.address).await;
    let refused = browser.get("/").await;
    assert_eq!(refused.status.as_u16(), 503);
    assert!(refused.body.contains("maintenance"), "{}", refused.body);
    assert_eq!(one.seen.load(SeqCst), 0);
    proxy.again().await;
    assert!(proxy.status().await.maintenance);
    assert!(!proxy.send(turn(false)).await.maintenance);
    proxy.again().await;
    assert_eq!(Browser::http1(proxy.address).await.get("/").await.body, "1");
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_the_queue() {
    let one = Backend::start("1").await;
    let proxy = Proxy::start(vec![one.upstream(100)]).await;
    proxy.hold(60_000, 0).await;
    let (mut http1, mut http2) = (Browser::http1(proxy.address).await, Browser::http2(proxy.address).await);
    let gone = tokio::spawn(async move {
        let _ = tokio::join!(http1.send(get("/")), http2.send(get("/")));
    });
    proxy.until("two to wait", |s| s.waiting == 2).await;
    gone.abort();
    proxy.until("none to wait", |s| s.waiting == 0).await;
    proxy.send(Command::Resume).await;
    assert_eq!(one.seen.load(SeqCst), 0);
}

#[tokio::test]
async fn what_outlives_the_drain_is_cut_and_counted() {
    let (one, two) = (Backend::start("1").await, Backend::start("2").await);
    let proxy = Proxy::start(vec![one.upstream(100)]).await;
    let mut socket = tunnel(proxy.address).await;
    let (mut slow, mut events) = (Browser::http1(proxy.address).await, Browser::http1(proxy.address).await);
    let mut events = events.open(get("/sse")).await.unwrap().into_body();
    assert!(events.frame().await.unwrap().is_ok());
    let slow = tokio::spawn(async move { slow.get("/slow").await });
    until("three at the upstream", || one.in_flight() == 3).await;
    socket.write_all(b"ping").await.unwrap();
    let mut echo = [0; 4];
    socket.read_exact(&mut echo).await.unwrap();
    assert_eq!(proxy.status().await.upstreams[0].in_flight, 3);
    let status = proxy.switch(vec![two.upstream(100)], 50, false).await;
    assert_eq!(status.cut, 3);
    let answer = slow.await.unwrap();
    assert_eq!((answer.status.as_u16(), &answer.headers["retry-after"]), (503, &"1".parse().unwrap()));
    assert_eq!(socket.read(&mut echo).await.unwrap_or(0), 0, "the tunnel still stands");
    while let Some(frame) = events.frame().await {
        if frame.is_err() {
            break;
        }
    }
    until("the upstream to be rid of them", || {
        one.release();
        one.in_flight() <= 1
    })
    .await;
}

#[tokio::test]
async fn a_resume_during_the_drain_cuts_nothing() {
    let one = Backend::start("1").await;
    let proxy = Proxy::start(vec![one.upstream(100)]).await;
    let mut slow = Browser::http1(proxy.address).await;
    let slow = tokio::spawn(async move { slow.get("/slow").await });
    until("the slow request to arrive", || one.in_flight() == 1).await;
    let client = proxy.client.clone();
    let hold = Command::Hold { hold_ms: 60_000, drain_ms: 300 };
    let holding = tokio::spawn(async move { client.send(hold).await.unwrap() });
    proxy.until("the hold", |s| s.holding_ms.is_some()).await;
    proxy.send(Command::Resume).await;
    let status = holding.await.unwrap();
    assert_eq!((status.cut, status.upstreams[0].in_flight), (0, 1));
    one.release();
    assert_eq!(slow.await.unwrap().body, "1");
    proxy.until("nothing in flight", |s| s.upstreams[0].in_flight == 0).await;
}

#[tokio::test]
async fn a_proxy_without_upstreams_holds_until_the_first_switch() {
    let one = Backend::start("1").await;
    let proxy = Proxy::start(Vec::new()).await;
    let mut browser = Browser::http1(proxy.address).await;
    let waiting = tokio::spawn(async move { browser.get("/").await });
    let status = proxy.until("one to wait", |s| s.waiting == 1).await;
    assert_eq!(status.holding_ms, None);
    proxy.switch(vec![one.upstream(100)], 0, false).await;
    assert_eq!(waiting.await.unwrap().body, "1");
}

#[tokio::test]
async fn what_cannot_be_done_changes_nothing() {
    let one = Backend::start("1").await;
    let proxy = Proxy::start(vec![one.upstream(100)]).await;
    let before = proxy.status().await.upstreams[0].upstream.clone();
    let bad = Upstream { address: "nowhere".into(), ..one.upstream(100) };
    for upstreams in [Vec::new(), vec![bad], vec![one.upstream(99)]] {
        let command = Command::Switch { upstreams, drain_ms: 0, resume: false };
        let error = proxy.client.send(command).await.unwrap_err();
        assert!(matches!(error, ControlError::Refused(_)) && error.certain(), "{error}");
    }
    assert_eq!(proxy.status().await.upstreams[0].upstream, before);
    assert_eq!(Browser::http1(proxy.address).await.get("/").await.body, "1");
}

#[tokio::test]
async fn stop_finishes_what_is_in_flight() {
    let one = Backend::start("1").await;
    let proxy = Proxy::start(vec![one.upstream(100)]).await;
    let (mut slow, mut idle) = (Browser::http1(proxy.address).await, Browser::http2(proxy.address).await);
    assert_eq!(idle.get("/").await.body, "1");
    let slow = tokio::spawn(async move { slow.get("/slow").await });
    until("the slow request to arrive", || one.in_flight() == 1).await;
    let client = proxy.client.clone();
    let stopping = tokio::spawn(async move { client.send(Command::Stop { drain_ms: 20_000 }).await });
    let address = proxy.address;
    let refused = async { while tokio::net::TcpStream::connect(address).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, refused).await.expect("it still accepts");
    one.release();
    let answer = slow.await.unwrap();
    assert_eq!((answer.body.as_str(), &answer.headers["connection"]), ("1", &"close".parse().unwrap()));
    assert_eq!(stopping.await.unwrap().unwrap().cut, 0);
    tokio::time::timeout(PATIENCE, proxy.ended).await.unwrap().unwrap().unwrap();
    let error = proxy.client.send(Command::Status).await.unwrap_err();
    assert!(matches!(error, ControlError::NotRunning { .. }), "{error}");
}

#[tokio::test]
async fn the_end_of_the_process_bounds_what_is_in_flight_and_releases_what_is_held() {
    let one = Backend::start("1").await;
    let mut proxy = Proxy::with(vec![one.upstream(100)], |config| config.drain_ms = 100).await;
    let mut slow = Browser::http1(proxy.address).await;
    let slow = tokio::spawn(async move { slow.send(get("/slow")).await });
    until("the slow request to arrive", || one.in_flight() == 1).await;
    proxy.terminate();
    tokio::time::timeout(PATIENCE, &mut proxy.ended).await.unwrap().unwrap().unwrap();
    let answer = slow.await.unwrap();
    assert!(answer.is_err() || answer.unwrap().status == 503);

    let mut proxy = Proxy::start(vec![one.upstream(100)]).await;
    proxy.hold(60_000, 0).await;
    let mut held = Browser::http1(proxy.address).await;
    let held = tokio::spawn(async move { held.get("/").await });
    proxy.until("one to wait", |s| s.waiting == 1).await;
    proxy.terminate();
    assert_eq!(held.await.unwrap().status, 503);
    tokio::time::timeout(Duration::from_secs(10), proxy.ended).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn held_requests_do_not_run_over_a_service_that_just_started() {
    let one = Backend::start("1").await;
    let proxy = Proxy::start(vec![one.upstream(100)]).await;
    proxy.hold(60_000, 0).await;
    let held: Vec<_> = (0..5)
        .map(|_| {
            let address = proxy.address;
            tokio::spawn(async move {
                let Browser::Http2(sender) = Browser::http2(address).await else {
                    unreachable!("asked for HTTP/2")
                };
                let request = async || Browser::Http2(sender.clone()).get("/slow").await.status;
                futures_util::future::join_all((0..60).map(|_| request())).await
            })
        })
        .collect();
    proxy.until("all to wait", |s| s.waiting == 300).await;
    proxy.send(Command::Resume).await;
    until("the first to arrive", || one.in_flight() == 128).await;
    assert!(proxy.status().await.waiting > 0);
    while held.iter().any(|client| !client.is_finished()) {
        one.release();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for client in held {
        assert!(client.await.unwrap().iter().all(|status| *status == 200));
    }
}

#[tokio::test]
async fn an_unhealthy_upstream_gets_no_requests_unless_all_are() {
    let (good, bad) = (Backend::start("1").await, Backend::start("1").await);
    let checked = |backend: &Backend, weight, path: &str| Upstream {
        health: Some(path.to_owned()),
        ..backend.upstream(weight)
    };
    let upstreams = vec![checked(&good, 50, "/"), checked(&bad, 50, "/error")];
    let proxy = Proxy::with(upstreams, |config| config.health.unhealthy_after = 1).await;
    let status =
        proxy.until("checks", |s| s.upstreams[0].healthy_ms > 50 && s.upstreams[1].healthy.is_some()).await;
    assert_eq!((status.upstreams[0].healthy, status.upstreams[1].healthy), (Some(true), Some(false)));
    assert!(status.upstreams[1].problem.as_ref().unwrap().contains("500"), "{status:#?}");
    // Both answer requests well; only the checks tell them apart. `/sum` is no check.
    let mut browser = Browser::http1(proxy.address).await;
    for _ in 0..20 {
        assert_eq!(browser.send(post("/sum", "1")).await.unwrap().status, 200);
    }
    let counts = async || {
        let status = proxy.status().await;
        status.versions["1"].requests
    };
    assert_eq!(counts().await, 20);
    let checks_only = bad.seen.load(SeqCst);
    good.kill();
    proxy.until("the good one to fail", |s| s.upstreams[0].healthy == Some(false)).await;
    // All unhealthy: the one that still answers is reached all the same.
    for _ in 0..20 {
        assert_eq!(browser.send(post("/sum", "1")).await.unwrap().status, 200);
    }
    assert!(bad.seen.load(SeqCst) >= checks_only + 20);
    let status = proxy.switch(vec![checked(&bad, 100, "/")], 0, false).await;
    assert_eq!(status.upstreams[0].healthy, None, "another check: nothing is known yet");
}

#[tokio::test]
async fn a_client_keeps_its_version_by_cookie() {
    let (one, two) = (Backend::start("1").await, Backend::start("2").await);
    let proxy = Proxy::start(vec![one.upstream(100)]).await;
    for mut browser in [Browser::http1(proxy.address).await, Browser::http2(proxy.address).await] {
        proxy.switch(vec![one.upstream(100), two.upstream(0)], 0, false).await;
        assert!(
            !browser.get("/").await.headers.contains_key("set-cookie"),
            "one version with weight: no cookie"
        );
        proxy.switch(vec![one.upstream(50), two.upstream(50)], 0, false).await;
        let mut versions = std::collections::BTreeSet::new();
        for _ in 0..60 {
            let first = browser.get("/").await;
            let cookie = first.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
            let name = format!("{}=", windlass_proxy::COOKIE);
            assert!(cookie.starts_with(&name), "{cookie}");
            let again = hyper::Request::get("/").header("cookie", &cookie).body(common::empty()).unwrap();
            let again = browser.send(again).await.unwrap();
            assert_eq!((&again.body, again.headers.contains_key("set-cookie")), (&first.body, false));
            versions.insert(first.body);
        }
        assert_eq!(versions.len(), 2, "60 clients, one version");
    }
}

#[tokio::test]
async fn idle_connections_end_and_busy_ones_do_not() {
    let one = Backend::start("1").await;
    let proxy = Proxy::with(vec![one.upstream(100)], |config| config.header_ms = 100).await;
    let mut socket = tunnel(proxy.address).await;
    let mut slow = Browser::http1(proxy.address).await;
    let slow = tokio::spawn(async move { slow.get("/slow").await });
    until("both at the upstream", || one.in_flight() == 2).await;
    let mut idle = tokio::net::TcpStream::connect(proxy.address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, idle.read_to_end(&mut answer))
        .await
        .expect("an idle connection stays")
        .unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    // By now the others were quiet for longer than the idle one.
    socket.write_all(b"ping").await.unwrap();
    let mut echo = [0; 4];
    socket.read_exact(&mut echo).await.unwrap();
    one.release();
    assert_eq!(slow.await.unwrap().body, "1");
}
