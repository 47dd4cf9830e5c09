//! What counts as downtime, and what a look does on the wire.

use super::{tally::Tally, *};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

fn refused() -> Result<(), String> {
    Err("refused".into())
}

/// A tally of a service that answered once, at 0.
fn up() -> Tally {
    let mut tally = Tally::new(None, PERIOD * 2);
    let first = tally.sent(0, 1_000);
    tally.ended(first, 1, Ok(()));
    tally
}

#[test]
fn a_request_that_failed_stands_for_the_time_until_the_next() {
    let mut tally = up();
    for at_ms in [100, 200, 310] {
        let number = tally.sent(at_ms, 1_000 + i64::try_from(at_ms).unwrap());
        tally.ended(number, at_ms + 2, refused());
    }
    assert_eq!(tally.seen(320).down_ms, 210, "how long the last one stands for is not known yet");
    let number = tally.sent(400, 1_400);
    let seen = tally.seen(400);
    assert_eq!((seen.down_ms, seen.now_ms, seen.since_ms), (300, 300, Some(1_100)));
    tally.ended(number, 401, Ok(()));
    let number = tally.sent(500, 1_500);
    tally.ended(number, 501, refused());
    tally.sent(600, 1_600);
    let seen = tally.seen(600);
    assert_eq!((seen.down_ms, seen.longest_ms, seen.now_ms, seen.since_ms), (400, 300, 100, Some(1_500)));
}

#[test]
fn a_request_that_is_answered_late_was_not_lost_and_one_that_fails_late_was_down_all_the_time() {
    for (answer, down_ms) in [(Ok(()), 0), (refused(), 5_000)] {
        let mut tally = up();
        let numbers: Vec<_> = (1..=UNDER_WAY_MAX as u64).map(|n| tally.sent(n * 100, 0)).collect();
        for number in numbers {
            tally.ended(number, 5_000, answer.clone());
        }
        let next = tally.sent(5_100, 0);
        tally.ended(next, 5_101, Ok(()));
        assert_eq!(tally.seen(5_101).down_ms, down_ms);
    }
}

#[test]
fn of_a_pause_of_this_process_nothing_is_known() {
    let mut tally = up();
    let number = tally.sent(100, 0);
    tally.ended(number, 102, refused());
    tally.sent(60_000, 0);
    assert_eq!(tally.seen(60_000).down_ms, 202);
}

#[test]
fn what_was_down_before_is_not_counted_until_it_has_answered() {
    let mut tally = Tally::new(None, PERIOD * 2);
    for at_ms in [0, 100, 200] {
        let number = tally.sent(at_ms, 0);
        tally.ended(number, at_ms + 1, refused());
    }
    let seen = tally.seen(300);
    assert_eq!((seen.before, seen.down_ms, seen.why.as_str()), (true, 0, "refused"));
    let number = tally.sent(300, 0);
    tally.ended(number, 301, Ok(()));
    let number = tally.sent(400, 0);
    tally.ended(number, 401, refused());
    tally.sent(500, 0);
    let seen = tally.seen(500);
    assert_eq!((seen.before, seen.down_ms), (false, 100));
    // Whoever comes later counts from the first request on.
    let mut later = Tally::new(Some(seen), PERIOD * 2);
    let number = later.sent(0, 0);
    later.ended(number, 1, refused());
    later.sent(100, 0);
    assert_eq!((later.seen(100).down_ms, later.seen(100).longest_ms), (200, 100));
}

/// In whatever order requests end: totals never shrink, and the longest piece is a part of them.
#[test]
fn totals_never_shrink() {
    for seed in 1..=500_u64 {
        let mut state = seed;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut events = Vec::new();
        let mut failed = false;
        for number in 1..=1 + random(60) {
            let fine = random(3) > 0;
            failed |= !fine;
            events.push((number * 100, None));
            events.push((number * 100 + random(3_000), Some((number, fine))));
        }
        events.sort_by_key(|(at_ms, ended)| (*at_ms, ended.is_some()));
        let (mut tally, mut before_ms) = (up(), 0);
        for (at_ms, event) in events {
            match event {
                None => drop(tally.sent(at_ms, 0)),
                Some((number, fine)) => tally.ended(number, at_ms, if fine { Ok(()) } else { refused() }),
            }
            let seen = tally.seen(at_ms);
            assert!(seen.down_ms >= before_ms && seen.down_ms <= at_ms, "seed {seed}: {seen:?}");
            assert!(
                seen.longest_ms <= seen.down_ms && seen.now_ms <= seen.longest_ms,
                "seed {seed}: {seen:?}"
            );
            before_ms = seen.down_ms;
        }
        assert_eq!(tally.seen(1_000_000).down_ms > 0, failed, "seed {seed}");
    }
}

/// Answers with `status`, or not at all where it is 0; counts what it is asked.
async fn server(status: &Arc<AtomicU16>, asked: &Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (status, asked) = (status.clone(), asked.clone());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (status, asked) = (status.clone(), asked.clone());
            tokio::spawn(async move {
                let mut request = [0; 1024];
                let read = stream.read(&mut request).await.unwrap_or(0);
                assert!(String::from_utf8_lossy(&request[..read]).contains("user-agent: windlass-probe\r\n"));
                asked.fetch_add(1, Ordering::SeqCst);
                match status.load(Ordering::SeqCst) {
                    0 => std::future::pending().await,
                    status => {
                        let answer =
                            format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nlocation: /\r\n\r\n");
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                }
            });
        }
    });
    format!("http://{address}/health")
}

fn target(url: &str) -> Arc<Target> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Arc::new(Target {
        url: Url::parse(url).unwrap(),
        client: client(ANSWER_WITHIN * 2).unwrap(),
        front: None,
    })
}

async fn until(what: &str, look: &Look, is: impl Fn(&Downtime) -> bool) -> Downtime {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let seen = look.line.tally().seen(look.line.now_ms());
        if is(&seen) {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what}: {seen:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn answers_are_told_from_failures() {
    let (status, asked) = (Arc::new(AtomicU16::new(301)), Arc::default());
    let url = server(&status, &asked).await;
    let look = Look::begin("web", target(&url), None);
    until("a redirect is an answer", &look, |seen| !seen.before).await;
    status.store(404, Ordering::SeqCst);
    let seen = until("404 is none", &look, |seen| seen.down_ms > 0).await;
    assert_eq!(seen.why, "answered 404");
    status.store(503, Ordering::SeqCst);
    until("nor is 503", &look, |seen| seen.why == "answered 503").await;
    status.store(204, Ordering::SeqCst);
    until("204 is one", &look, |seen| seen.now_ms == 0).await;
}

/// A service that hangs is asked by a bounded number of requests, and counts from the first of them.
#[tokio::test]
async fn silence_is_downtime_and_requests_under_way_are_bounded() {
    let (status, asked) = (Arc::new(AtomicU16::new(200)), Arc::<AtomicUsize>::default());
    let url = server(&status, &asked).await;
    let look = Look::begin("web", target(&url), None);
    until("it answers", &look, |seen| !seen.before).await;
    status.store(0, Ordering::SeqCst);
    let seen = until("silence", &look, |seen| seen.down_ms > 0).await;
    assert_eq!(seen.why, "no answer within 2 s");
    let before = asked.load(Ordering::SeqCst);
    assert!(before <= 2 + UNDER_WAY_MAX, "{before} were sent within 2 s");
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_was_down_before() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let look = Look::begin("web", target(&format!("http://{unused}/")), None);
    let seen = until("refused", &look, |seen| !seen.why.is_empty()).await;
    assert!(seen.before && seen.why.contains("refused"), "{seen:?}");
}
