//! Hold, switch, drain, status: what a controller sees and what clients feel of it.

mod common;

use common::{Backend, Browser, PATIENCE, Proxy, get, post, tunnel, until};
use http_body_util::BodyExt;
use std::{sync::atomic::Ordering::SeqCst, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use windlass_proxy::{
    ControlError,
    control::{Request as Command, Upstream},
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
