//! Whether users reach a service while a release runs: where that is asked, what was seen, and what it may cost.

use crate::{Plan, ProxyFront, Service, Target};
use serde::{Deserialize, Serialize};

/// What a release may cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Time in which requests fail, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downtime_ms: Option<u64>,
    /// Time that a rollback may take, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_ms: Option<u64>,
}

impl Budget {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What was seen of one service from outside, in all of a run so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Downtime {
    /// Time in which its requests failed, milliseconds.
    pub down_ms: u64,
    /// The longest of it in one piece, milliseconds.
    pub longest_ms: u64,
    /// How long the piece has lasted that is going on, milliseconds; 0: it answers.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub now_ms: u64,
    /// When the last piece began, milliseconds since 1970 by the clock of who saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<i64>,
    /// It has not answered since it was first asked: what was down before a release is none of its downtime.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub before: bool,
    /// Why the last request that failed did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Plan {
    /// The services that steps use, each with the URL under which a user reaches it, or why nobody can tell which that
    /// is. A port 0 is one that the built-in proxy chose.
    pub fn probed(&self) -> impl Iterator<Item = (&str, Result<String, &'static str>)> {
        self.services
            .iter()
            .map(|(name, service)| (name.as_str(), service.reached(self.targets.get(&service.on))))
    }

    /// How long requests of a service may fail, milliseconds: the smaller of what the policy and the document say.
    #[must_use]
    pub fn downtime_budget_ms(&self) -> Option<u64> {
        self.budget.downtime_ms.into_iter().chain(self.release.downtime_ms).min()
    }
}

impl Service {
    /// The URL under which a user reaches it when it runs on `target`; else why that is not known.
    ///
    /// # Errors
    /// The configuration does not say it.
    pub fn reached(&self, target: Option<&Target>) -> Result<String, &'static str> {
        if let Some(url) = &self.probe {
            return Ok(url.clone());
        }
        let here = matches!(target, Some(Target::Hosts { hosts, .. }) if hosts.is_empty());
        match (&self.proxy, &self.health) {
            _ if !here => Err("it runs on other hosts, and how users reach them is not said"),
            (Some(ProxyFront { server: Some(_), .. }), _) => {
                Err("where the server in front of it listens is not said")
            }
            (Some(front), health) => {
                Ok(format!("http://{}{}", reachable(&front.listen), health.as_deref().map_or("/", path)))
            }
            (None, Some(url)) if !url.contains("{port}") => Ok(url.clone()),
            (None, Some(_)) => Err("each of its instances has a port of its own, and no proxy is in front"),
            (None, None) => Err("it has neither a proxy nor `health`"),
        }
    }
}

/// The address at which a listener is reached from its own machine.
fn reachable(listen: &str) -> String {
    match listen.rsplit_once(':') {
        Some(("0.0.0.0" | "*", port)) => format!("127.0.0.1:{port}"),
        Some(("[::]", port)) => format!("[::1]:{port}"),
        _ => listen.to_owned(),
    }
}

/// Path and query of a URL.
fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("/", |at| &rest[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_on_all_addresses_are_reached_on_this_machine() {
        for (listen, reached) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("10.0.0.4:80", "10.0.0.4:80"),
            ("localhost:0", "localhost:0"),
        ] {
            assert_eq!(reachable(listen), reached);
        }
    }

    #[test]
    fn the_path_of_a_health_check_is_asked_in_front_too() {
        assert_eq!(path("http://127.0.0.1:{port}/health?deep=1"), "/health?deep=1");
        assert_eq!(path("http://127.0.0.1:8080"), "/");
    }
}
