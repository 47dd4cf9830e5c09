//! Services and what stands in front of them.

use crate::Canary;
use serde::{Deserialize, Serialize};

/// A service as configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Target it runs on.
    pub on: String,
    /// What runs it.
    pub runner: Runner,
    /// Health URL; `{port}` stands for the port of the instance.
    pub health: Option<String>,
    /// How it is replaced.
    pub strategy: Strategy,
    /// The steps of the strategy `canary`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Box<Canary>>,
    /// Proxy in front.
    pub proxy: Option<ProxyFront>,
    /// Health must stay green this long, milliseconds.
    pub stable_ms: u64,
    /// Health must be green within this time, milliseconds.
    pub start_within_ms: u64,
    /// Time between SIGTERM and SIGKILL, milliseconds.
    pub stop_within_ms: u64,
    /// Databases that it works with; `None`: it is not said, so it may be any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<Vec<String>>,
    /// URL that is asked during a run to see whether users reach it; `None`: as the rest of it says (`Plan::probed`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
}

impl Service {
    /// Whether something in front of it holds requests while it is away, and counts them.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.proxy.as_ref().is_some_and(|proxy| proxy.server.is_none())
    }

    /// Whether it may work with the database `target`.
    #[must_use]
    pub fn may_use(&self, target: &str) -> bool {
        self.uses.as_ref().is_none_or(|uses| uses.iter().any(|used| used == target))
    }
}

/// What requests to a service are answered 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceMode {
    /// All.
    Maintenance,
    /// Those that may write.
    Readonly,
}

impl ServiceMode {
    /// As it is typed.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Maintenance => "maintenance",
            Self::Readonly => "readonly",
        }
    }
}

/// What runs a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Runner {
    /// A plain process: program and arguments; `{port}` stands for the port of the instance.
    Run(Vec<String>),
    /// A compose file.
    Compose(String),
    /// A systemd unit.
    Systemd(String),
}

/// How a service is replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Stop, then start.
    #[default]
    Recreate,
    /// Host by host.
    Rolling,
    /// Start beside, switch, drain, stop.
    Bluegreen,
    /// A part of the traffic first.
    Canary,
}

/// The proxy in front of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyFront {
    /// Address and port that clients use; empty where a server of the team's own stands in front.
    pub listen: String,
    /// How long a request may be held, milliseconds.
    pub hold_ms: u64,
    /// How long old connections may finish, milliseconds.
    pub drain_ms: u64,
    /// The server that the team runs already, instead of the built-in proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Box<FrontServer>>,
}

impl ProxyFront {
    /// What people know it by: its address, or the server's name and file.
    #[must_use]
    pub fn title(&self) -> String {
        self.server
            .as_ref()
            .map_or_else(|| self.listen.clone(), |server| format!("{} ({})", server.kind.name(), server.file))
    }

    /// What requests meet while the service is away.
    #[must_use]
    pub fn meanwhile(&self) -> String {
        match &self.server {
            None => format!("are held up to {} ms", self.hold_ms),
            Some(server) => format!("are answered 503 by {}, which cannot hold them", server.kind.name()),
        }
    }
}

/// A web server or load balancer that the team runs, of whose configuration a marked part is Windlass's to write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontServer {
    /// Which.
    pub kind: FrontKind,
    /// The configuration file with the marks.
    pub file: String,
    /// The program with the options that it was started with; it is run with `-t` and `-s reload` (nginx) or `-c` (HAProxy) behind them.
    pub command: Vec<String>,
    /// What has it read its configuration again, if not `command`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reload: Vec<String>,
    /// A file that is shown while the service is in maintenance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
}

/// A kind of server that Windlass can have switch requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FrontKind {
    /// nginx, 1.9 or later.
    Nginx,
    /// HAProxy, 2.2 or later.
    Haproxy,
}

impl FrontKind {
    /// As it calls itself.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
        }
    }
}

/// What to do with a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceOperation {
    /// Hold requests, then stop.
    Stop,
    /// Start, wait for health, let requests through.
    Start,
    /// Replace by the service's strategy.
    Restart,
    /// Nothing on the way there. At the end of the way back what runs is started again on what is then there, if the release
    /// has started it.
    Keep,
}
