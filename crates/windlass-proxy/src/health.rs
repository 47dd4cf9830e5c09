//! Continuing health checks: every upstream, all the time, also those without weight and after a switch.

use crate::{
    config::{Health, Log},
    control::Upstream,
};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use std::{
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::net::TcpStream;

/// An upstream with what is known of its health. It lives as long as it is in force or has requests in flight.
pub(crate) struct Target {
    /// Its weight is not here but in the plan: it changes.
    pub upstream: Upstream,
    checked: Mutex<Checked>,
    /// Failed often enough that new requests go elsewhere.
    unhealthy: AtomicBool,
}

#[derive(Default)]
struct Checked {
    healthy: Option<bool>,
    green_since: Option<Instant>,
    failed_in_a_row: u32,
    problem: Option<String>,
}

impl Target {
    /// Nothing is known of it yet, and nothing assumed.
    pub(crate) fn new(upstream: Upstream) -> Self {
        let upstream = Upstream { weight: 0, ..upstream };
        Self { upstream, checked: Mutex::default(), unhealthy: AtomicBool::new(false) }
    }

    /// Whether it is the same thing to check and to count.
    pub(crate) fn is(&self, other: &Upstream) -> bool {
        self.upstream == Upstream { weight: 0, ..other.clone() }
    }

    pub(crate) fn unhealthy(&self) -> bool {
        self.unhealthy.load(Relaxed)
    }

    /// Result of the last check, unbroken green time in milliseconds, and what was wrong.
    pub(crate) fn health(&self) -> (Option<bool>, u64, Option<String>) {
        let checked = self.checked.lock().expect("no code panics while it notes a check");
        let green = checked.green_since.map_or(0, |since| since.elapsed().as_millis());
        (checked.healthy, u64::try_from(green).unwrap_or(u64::MAX), checked.problem.clone())
    }

    fn note(&self, result: Result<(), String>, unhealthy_after: u32, log: &Log) {
        let mut checked = self.checked.lock().expect("no code panics while it notes a check");
        let before = self.unhealthy();
        match result {
            Ok(()) => {
                checked.failed_in_a_row = 0;
                checked.green_since.get_or_insert_with(Instant::now);
                self.unhealthy.store(false, Relaxed);
            }
            Err(_) => {
                checked.failed_in_a_row = checked.failed_in_a_row.saturating_add(1);
                checked.green_since = None;
                self.unhealthy.store(checked.failed_in_a_row >= unhealthy_after, Relaxed);
            }
        }
        checked.healthy = Some(result.is_ok());
        checked.problem = result.err();
        let Upstream { version, address, .. } = &self.upstream;
        match (before, self.unhealthy()) {
            (false, true) => {
                let problem = checked.problem.as_deref().unwrap_or_default();
                log.line(&format!("upstream {address} (version {version}) is unhealthy: {problem}"));
            }
            (true, false) => log.line(&format!("upstream {address} (version {version}) is healthy again")),
            _ => {}
        }
    }
}

/// Checks the target until nobody needs it any more.
pub(crate) async fn watch(target: Weak<Target>, health: Health, log: Log) {
    let limit = Duration::from_millis(health.timeout_ms);
    let calm = Duration::from_millis(health.interval_ms);
    loop {
        let Some(target) = target.upgrade() else { return };
        let result = match tokio::time::timeout(limit, check(&target.upstream)).await {
            Ok(result) => result,
            Err(_) => Err(format!("no answer within {} ms", health.timeout_ms)),
        };
        let green = result.is_ok();
        target.note(result, health.unhealthy_after, &log);
        drop(target);
        // Someone may be waiting for it to get green.
        tokio::time::sleep(if green { calm } else { calm / 4 }).await;
    }
}

/// One check on a connection of its own: 2xx to a GET, redirects not followed, or only the connect.
async fn check(upstream: &Upstream) -> Result<(), String> {
    let stream = TcpStream::connect(&upstream.address).await.map_err(|e| format!("cannot connect: {e}"))?;
    let Some(path) = &upstream.health else { return Ok(()) };
    let broken = |error: hyper::Error| format!("GET {path}: {error}");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let request = http::Request::get(path.as_str())
        .header(http::header::HOST, &upstream.address)
        .header(http::header::USER_AGENT, "windlass-health")
        .header(http::header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| format!("GET {path}: {error}"))?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("GET {path}: status {status}, not 2xx")),
        }
    };
    tokio::select! {
        answer = answer => answer,
        // The connection has to be polled; when it ends without an answer, the answer above says so in its turn.
        () = async { let _ = connection.await; std::future::pending().await } => unreachable!("it never ends"),
    }
}

/// A set of upstreams as targets: those in `known` are kept with their health, the others are made and watched.
pub(crate) fn targets(
    upstreams: &[Upstream],
    known: &[Arc<Target>],
    health: &Health,
    log: &Log,
) -> Vec<(Arc<Target>, u8)> {
    let target = |upstream: &Upstream| {
        let kept = known.iter().find(|target| target.is(upstream)).cloned();
        let target = kept.unwrap_or_else(|| {
            let target = Arc::new(Target::new(upstream.clone()));
            tokio::spawn(watch(Arc::downgrade(&target), health.clone(), log.clone()));
            target
        });
        (target, upstream.weight)
    };
    upstreams.iter().map(target).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    async fn answering(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = [0; 1024];
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        address
    }

    fn upstream(address: String, health: Option<&str>) -> Upstream {
        Upstream { version: "1".into(), address, weight: 1, health: health.map(str::to_owned) }
    }

    #[tokio::test]
    async fn only_a_2xx_is_healthy() {
        let cases = [
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", true),
            ("HTTP/1.1 204 No Content\r\n\r\n", true),
            ("HTTP/1.1 301 Moved\r\nlocation: /\r\ncontent-length: 0\r\n\r\n", false),
            ("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", false),
            ("", false),
            ("nonsense\r\n\r\n", false),
        ];
        for (answer, healthy) in cases {
            let result = check(&upstream(answering(answer).await, Some("/health"))).await;
            assert_eq!(result.is_ok(), healthy, "{answer:?}: {result:?}");
        }
        // Without a path the connect is all.
        check(&upstream(answering("").await, None)).await.unwrap();
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
        assert!(check(&upstream(nobody, None)).await.unwrap_err().contains("cannot connect"));
    }

    #[test]
    fn green_time_is_unbroken_and_one_failure_does_not_take_it_out() {
        let target = Target::new(upstream("h:1".into(), None));
        let log = Log::default();
        assert_eq!(target.health(), (None, 0, None));
        target.note(Ok(()), 2, &log);
        let began = std::time::Instant::now();
        while target.health().1 < 3 {
            assert!(began.elapsed() < Duration::from_secs(60), "green time passes");
            std::thread::yield_now();
        }
        assert_eq!(target.health().0, Some(true));
        target.note(Err("no".into()), 2, &log);
        assert_eq!(target.health(), (Some(false), 0, Some("no".into())));
        assert!(!target.unhealthy());
        target.note(Err("no".into()), 2, &log);
        assert!(target.unhealthy());
        target.note(Ok(()), 2, &log);
        assert!(!target.unhealthy() && target.health().2.is_none());
    }
}
