//! A service of this machine as configured, and what follows from it: ports, addresses, probes.

use super::{
    front::Front,
    health::Probe,
    port,
    spec::{Limits, Spec},
};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};
use windlass_driver::{Failure, Fault};
use windlass_plan::{Plan, Runner, Service, Target};

/// A service of this machine.
#[derive(Clone)]
pub struct Site {
    /// Folder of `windlass.toml`.
    pub base: PathBuf,
    /// Name of the service.
    pub name: String,
    /// Its configuration.
    pub service: Service,
    /// Its program and arguments.
    pub argv: Vec<String>,
    /// Working folder of its target.
    pub cwd: PathBuf,
    /// Command that runs a supervisor; the path of the specification is added.
    pub supervisor: Vec<OsString>,
    /// Bounds of supervisors.
    pub limits: Limits,
    /// The proxy, when it has one.
    pub front: Option<Arc<dyn Front>>,
}

/// Why a service cannot be run by this version.
fn not_yet(name: &str, what: &str) -> Failure {
    Failure::clean(Fault::Document, format!("service {name}: {what} are not in this version"))
        .hint("only `run = [\"./program\", …]` on this machine is".to_owned())
}

/// The program of a service and its working folder.
///
/// # Errors
/// It is not one that this version runs.
pub fn program(
    base: &Path,
    name: &str,
    service: &Service,
    target: Option<&Target>,
) -> Result<(Vec<String>, PathBuf), Failure> {
    let argv = match &service.runner {
        Runner::Run(argv) if argv.is_empty() => {
            return Err(Failure::clean(Fault::Document, format!("service {name}: `run` names no program")));
        }
        Runner::Run(argv) => argv.clone(),
        Runner::Compose(_) => return Err(not_yet(name, "compose services")),
        Runner::Systemd(_) => return Err(not_yet(name, "systemd services")),
    };
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
        return Err(Failure::clean(Fault::Document, format!("{name:?} cannot be the name of a folder")));
    }
    match target {
        Some(Target::Hosts { hosts, dir, .. }) if hosts.is_empty() => {
            Ok((argv, dir.as_ref().map_or_else(|| base.to_owned(), |dir| base.join(dir))))
        }
        Some(Target::Hosts { .. }) => Err(not_yet(name, "services on other hosts")),
        Some(Target::Url { .. } | Target::Store(_)) => Err(Failure::clean(
            Fault::Document,
            format!("service {name} runs on {}, which is no host", service.on),
        )),
        None => Err(Failure::clean(
            Fault::Document,
            format!("service {name} runs on {}, which the plan does not have", service.on),
        )),
    }
}

/// The service of a plan.
///
/// # Errors
/// The plan does not have it, or it is not one that this version runs.
pub fn find<'a>(
    plan: &'a Plan,
    base: &Path,
    name: &str,
) -> Result<(&'a Service, Vec<String>, PathBuf), Failure> {
    let service = plan
        .services
        .get(name)
        .ok_or_else(|| Failure::clean(Fault::Document, format!("the plan has no service {name}")))?;
    let (argv, cwd) = program(base, name, service, plan.targets.get(&service.on))?;
    Ok((service, argv, cwd))
}

/// Host and path of a health URL.
pub(crate) fn address(url: &reqwest::Url) -> (String, String) {
    // One address, not whichever family a resolver puts first.
    let host = url.host_str().filter(|host| *host != "localhost").unwrap_or("127.0.0.1").to_owned();
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    (host, path)
}

impl Site {
    /// Whether an instance gets a port of its own choice: not when a fixed one stands in the health URL.
    #[must_use]
    pub fn free_port(&self) -> bool {
        let has = |text: &String| text.contains("{port}");
        self.argv.iter().any(has) || self.service.health.as_ref().is_none_or(has)
    }

    /// A port for a new instance.
    ///
    /// # Errors
    /// There is none, or the health URL is not one.
    pub fn port(&self) -> Result<u16, Failure> {
        if !self.free_port() {
            return self.url(0).map(|url| url.and_then(|url| url.port_or_known_default()).unwrap_or(0));
        }
        port::free().map_err(|error| {
            Failure::clean(Fault::Transport, format!("no free port for {}: {error}", self.name))
        })
    }

    /// Whether two instances can run at the same time.
    ///
    /// # Errors
    /// They would need the same port.
    pub fn beside(&self) -> Result<(), Failure> {
        if self.free_port() && self.service.health.as_ref().is_none_or(|url| url.contains("{port}")) {
            return Ok(());
        }
        Err(Failure::clean(
            Fault::Document,
            format!(
                "service {}: its strategy runs two instances at a time, but its port is fixed in the health URL",
                self.name
            ),
        )
        .hint(format!("in [service.{}]: write {{port}} for the port, or strategy = \"recreate\"", self.name)))
    }

    fn url(&self, port: u16) -> Result<Option<reqwest::Url>, Failure> {
        let Some(health) = &self.service.health else { return Ok(None) };
        let health = health.replace("{port}", &port.to_string());
        reqwest::Url::parse(&health).map(Some).map_err(|error| {
            Failure::clean(Fault::Document, format!("service {}: health URL {health}: {error}", self.name))
        })
    }

    /// Address of an instance for the proxy, and the path of its health check.
    ///
    /// # Errors
    /// The health URL is not one.
    pub fn upstream(&self, spec: &Spec) -> Result<(String, Option<String>), Failure> {
        let Some(url) = self.url(spec.port)? else { return Ok((format!("127.0.0.1:{}", spec.port), None)) };
        let (host, path) = address(&url);
        Ok((format!("{host}:{}", spec.port), Some(path)))
    }

    /// How an instance is probed.
    ///
    /// # Errors
    /// The health URL is not one.
    pub fn probe(&self, spec: &Spec) -> Result<Probe, Failure> {
        match self.url(spec.port)? {
            Some(url) => Probe::get(url.into()),
            None => Ok(Probe::Connect(self.upstream(spec)?.0)),
        }
    }
}
