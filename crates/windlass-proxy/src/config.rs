//! What a proxy is started with.

use crate::{control::Upstream, error::ProxyError};
use std::{collections::BTreeSet, fmt, path::PathBuf, sync::Arc, time::Duration};

/// What a proxy is started with. [`Config::new`] fills in the defaults named at the fields.
#[derive(Clone, Debug)]
pub struct Config {
    /// `host:port` that clients use; port 0 takes a free one (see [`Status::listen`](crate::control::Status::listen)).
    pub listen: String,
    /// Folder of control socket, state file, lock and pid file; made (mode 0700) when missing. One proxy per folder.
    pub state_dir: PathBuf,
    /// Upstreams when there is no state file yet; where there is one, it wins. While there is none at all, requests
    /// wait as in a hold.
    pub upstreams: Vec<Upstream>,
    /// Longest wait of a request while there are no upstreams yet (a hold brings its own), milliseconds. 30 000.
    pub hold_ms: u64,
    /// Requests that may wait at once in a hold; more are answered 503. 4096.
    pub queue_max: usize,
    /// Longest wait for requests in flight when the process is told to end or is replaced, milliseconds. 30 000.
    pub drain_ms: u64,
    /// Serve TLS instead of clear text.
    pub tls: Option<Tls>,
    /// Continuing health checks.
    pub health: Health,
    /// Worker threads. As many as the machine has cores.
    pub workers: Option<usize>,
    /// Client connections at once; more wait in the listening socket's backlog. 10 000.
    pub connections_max: u32,
    /// Longest time from the end of an answer (or the start of the connection) to the next complete request head,
    /// which is also the longest idle keep-alive of a client, milliseconds; the connection ends between half of it
    /// and all of it. 60 000.
    pub header_ms: u64,
    /// Longest connect to an upstream, milliseconds. 5 000.
    pub connect_ms: u64,
    /// Longest wait for an upstream's response head without any progress of the request body, milliseconds. 60 000.
    pub response_ms: u64,
    /// What to do with `X-Forwarded-*` that come in.
    pub forwarded: Forwarded,
    /// Take the listening socket over from the process that runs on `state_dir`; starts normally if none runs.
    pub take_over: bool,
    /// Told what nobody asked for, one line each: an upstream that turned unhealthy, a failed accept.
    pub log: Log,
}

impl Config {
    /// Listen on `listen` with the state in `state_dir`, everything else as by default.
    #[must_use]
    pub fn new(listen: impl Into<String>, state_dir: impl Into<PathBuf>) -> Self {
        Self {
            listen: listen.into(),
            state_dir: state_dir.into(),
            upstreams: Vec::new(),
            hold_ms: 30_000,
            queue_max: 4096,
            drain_ms: 30_000,
            tls: None,
            health: Health::default(),
            workers: None,
            connections_max: 10_000,
            header_ms: 60_000,
            connect_ms: 5_000,
            response_ms: 60_000,
            forwarded: Forwarded::default(),
            take_over: false,
            log: Log::default(),
        }
    }
}

/// Certificate chain and private key, PEM files.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The chain, the server's certificate first.
    pub cert: PathBuf,
    /// Its key: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}

/// How upstreams are checked, all the time.
#[derive(Clone, Debug)]
pub struct Health {
    /// From the end of one check to the next, milliseconds. 1 000; a quarter of it while not healthy.
    pub interval_ms: u64,
    /// Longest check, milliseconds. 2 000.
    pub timeout_ms: u64,
    /// Failed checks in a row after which new requests go elsewhere. 2.
    pub unhealthy_after: u32,
}

impl Default for Health {
    fn default() -> Self {
        Self { interval_ms: 1_000, timeout_ms: 2_000, unhealthy_after: 2 }
    }
}

/// What to do with `X-Forwarded-For`, `-Proto` and `-Host` of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forwarded {
    /// Keep and extend them when the peer has a loopback, private or link-local address (a load balancer in front),
    /// else replace them: a client from the internet cannot invent its address.
    #[default]
    PrivatePeers,
    /// Always keep and extend them.
    Keep,
    /// Always replace them.
    Replace,
}

/// Receives lines for the operator's log.
#[derive(Clone)]
pub struct Log(Arc<dyn Fn(&str) + Send + Sync>);

impl Log {
    /// Lines go to `sink`, which must not block for long.
    pub fn new(sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }

    pub(crate) fn line(&self, text: &str) {
        (self.0)(text);
    }
}

impl Default for Log {
    fn default() -> Self {
        Self::new(|_| ())
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Log")
    }
}

/// Limits that the data plane needs on the way of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub connect: Duration,
    pub response: Duration,
    pub header: Duration,
    pub forwarded: Forwarded,
}

impl From<&Config> for Limits {
    fn from(config: &Config) -> Self {
        Self {
            connect: Duration::from_millis(config.connect_ms),
            response: Duration::from_millis(config.response_ms),
            header: Duration::from_millis(config.header_ms),
            forwarded: config.forwarded,
        }
    }
}

impl Config {
    /// Everything about the values that can be wrong without looking at the world.
    pub(crate) fn check(&self) -> Result<(), ProxyError> {
        let bad = |what: String| Err(ProxyError::Config(what));
        if self.workers == Some(0) || self.workers.is_some_and(|n| n > 1024) {
            return bad("workers: 1 to 1024".into());
        }
        if self.connections_max == 0 {
            return bad("connections_max: at least 1".into());
        }
        if self.health.interval_ms == 0 || self.health.timeout_ms == 0 || self.health.unhealthy_after == 0 {
            return bad("health: interval_ms, timeout_ms and unhealthy_after are at least 1".into());
        }
        if !self.upstreams.is_empty() {
            check_upstreams(&self.upstreams).map_err(ProxyError::Config)?;
        }
        Ok(())
    }
}

/// Whether a set of upstreams can be served; the message names the one that cannot.
pub(crate) fn check_upstreams(upstreams: &[Upstream]) -> Result<(), String> {
    if upstreams.is_empty() {
        return Err("no upstreams: at least one is needed; to stop all traffic use hold".into());
    }
    if upstreams.len() > UPSTREAMS_MAX {
        return Err(format!("{} upstreams: at most {UPSTREAMS_MAX}", upstreams.len()));
    }
    let mut seen = BTreeSet::new();
    for upstream in upstreams {
        check_address(&upstream.address)?;
        if upstream.version.is_empty() || upstream.version.len() > 256 {
            return Err(format!("upstream {}: its version has 1 to 256 bytes", upstream.address));
        }
        if !seen.insert(&upstream.address) {
            return Err(format!("upstream {} is there twice", upstream.address));
        }
        if let Some(path) = &upstream.health
            && (!path.starts_with('/') || path.parse::<http::uri::PathAndQuery>().is_err())
        {
            return Err(format!(
                "upstream {}: health path {path:?} is no path such as /health",
                upstream.address
            ));
        }
    }
    let sum: u32 = upstreams.iter().map(|u| u32::from(u.weight)).sum();
    if sum != 100 {
        return Err(format!("the weights add up to {sum}, not to 100"));
    }
    Ok(())
}

/// Upstreams of one service: bounds the routing table, which is copied to each worker.
const UPSTREAMS_MAX: usize = 256;

fn check_address(address: &str) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("upstream address {address:?}: {why}; it must be host:port"));
    let Some((host, port)) = address.rsplit_once(':') else { return wrong("there is no port") };
    match port.parse::<u16>() {
        Ok(0) => return wrong("port 0 is none"),
        Ok(_) => {}
        Err(_) => return wrong("the port is no number up to 65535"),
    }
    if host.starts_with('[') || host.contains(':') {
        return match address.parse::<std::net::SocketAddr>() {
            Ok(_) => Ok(()),
            Err(_) => wrong("this is no IPv6 address in brackets"),
        };
    }
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.is_empty() || host.len() > 253 || !host.chars().all(named) {
        return wrong("this is no host name or address");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(address: &str, weight: u8) -> Upstream {
        Upstream { version: "1".into(), address: address.into(), weight, health: None }
    }

    #[test]
    fn malformed_addresses_are_named() {
        for address in
            ["", "host", "host:", "host:0", "host:65536", "::1:80", "[::1:80", "a b:80", "http://h:80", ":80"]
        {
            let told = check_upstreams(&[upstream(address, 100)]).unwrap_err();
            assert!(told.contains(&format!("{address:?}")), "{told}");
        }
        for address in ["h:1", "127.0.0.1:8080", "[::1]:80", "web_1.internal:65535"] {
            check_upstreams(&[upstream(address, 100)]).unwrap();
        }
    }

    #[test]
    fn sets_that_cannot_be_served_are_refused() {
        assert!(check_upstreams(&[]).unwrap_err().contains("no upstreams"));
        assert!(check_upstreams(&[upstream("h:1", 60), upstream("h:2", 60)]).unwrap_err().contains("120"));
        assert!(check_upstreams(&[upstream("h:1", 50), upstream("h:1", 50)]).unwrap_err().contains("twice"));
        let path = Upstream { health: Some("health".into()), ..upstream("h:1", 100) };
        assert!(check_upstreams(&[path]).unwrap_err().contains("\"health\""));
    }

    #[test]
    fn zero_bounds_are_refused() {
        let mut config = Config::new("127.0.0.1:0", "x");
        config.check().unwrap();
        config.workers = Some(0);
        assert!(config.check().is_err());
    }
}
