//! The proxy in front of a service, as far as this driver needs it.

use async_trait::async_trait;
use std::{path::Path, sync::Arc};
use windlass_driver::{Failure, Fault};
use windlass_plan::ProxyFront;
use windlass_proxy::{
    Client, ControlError,
    control::{Request, Status},
};

pub use windlass_proxy::control::Mode;

/// Why the proxy did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrontError {
    /// It does not run, and what says so; nothing was changed.
    Down(String),
    /// It refused; nothing was changed.
    Refused(String),
    /// No answer came: whether it was done is not known. What it did instead, as in "did not answer within 5 s".
    Lost(String),
}

/// A way to ask the proxy of one service.
#[async_trait]
pub trait Front: Send + Sync {
    /// Asks, and waits for the answer within a bound that follows from the request.
    async fn call(&self, request: &Request) -> Result<Status, FrontError>;

    /// Finishes a change in whose middle its command was killed.
    async fn settle(&self) -> Result<(), FrontError> {
        Ok(())
    }

    /// Whether a change could be asked of it; changes nothing.
    async fn ready(&self) -> Result<(), FrontError> {
        Ok(())
    }

    /// Whether it could keep requests away from the service; changes nothing.
    async fn can_hold(&self) -> Result<(), FrontError> {
        Ok(())
    }

    /// Turns a mode on or off. Turned on, what was in flight before gets `drain_ms` to end.
    async fn mode(&self, mode: Mode, on: bool, drain_ms: u64) -> Result<Status, FrontError> {
        self.call(&Request::Mode { mode, on, drain_ms }).await
    }

    /// All that Windlass may write of it, as it stands now, for the undo; `None`: there is no more than its status.
    async fn words(&self) -> Result<Option<String>, FrontError> {
        Ok(None)
    }

    /// Puts back what [`Front::words`] said; with `same` only where it means what is in force.
    async fn put_back(&self, _words: &str, _same: bool, _drain_ms: u64) -> Result<(), FrontError> {
        Ok(())
    }

    /// The failure when it did not do what it was asked for the service `name`.
    fn failure(&self, name: &str, error: &FrontError) -> Failure {
        silent(name, error)
    }
}

/// Finds the proxy of a service from the folder of `windlass.toml`, the name of the service and its configuration.
pub type Fronts = Arc<dyn Fn(&Path, &str, &ProxyFront) -> Arc<dyn Front> + Send + Sync>;

/// The built-in proxies, whose state folder is `<base>/.windlass/proxy/<service>/`, and the servers that are there already.
#[must_use]
pub fn fronts() -> Fronts {
    Arc::new(|base, service, proxy| match &proxy.server {
        None => socket(base, service),
        Some(server) => Arc::new(crate::traffic::Marked::new(base, service, server)),
    })
}

/// The built-in proxy of a service.
pub(super) fn socket(base: &Path, service: &str) -> Arc<dyn Front> {
    Arc::new(Socket(Client::new(base.join(".windlass").join("proxy").join(service))))
}

struct Socket(Client);

#[async_trait]
impl Front for Socket {
    async fn call(&self, request: &Request) -> Result<Status, FrontError> {
        self.0.send(request.clone()).await.map_err(|error| match error {
            ControlError::NotRunning { state_dir, source } => {
                FrontError::Down(format!("{}: {source}", state_dir.display()))
            }
            ControlError::Refused(why) => FrontError::Refused(why),
            ControlError::NoAnswer { after, .. } => FrontError::Lost(format!("did not answer {after}")),
            // Nothing is certain of these, and of what a later version adds.
            error => FrontError::Lost(format!("gave no clear answer: {error}")),
        })
    }
}

/// The failure when the proxy of `name` did not do what it was asked.
pub(crate) fn silent(name: &str, error: &FrontError) -> Failure {
    let look = format!("windlass proxy status {name}");
    match error {
        FrontError::Down(why) => {
            Failure::clean(Fault::Target, format!("the proxy of {name} does not run: {why}"))
                .hint(format!("windlass proxy run {name}"))
        }
        FrontError::Refused(why) => {
            Failure::clean(Fault::Target, format!("the proxy of {name} refused: {why}")).hint(look)
        }
        FrontError::Lost(why) => Failure::unknown(
            Fault::Transport,
            format!("the proxy of {name} {why}; whether it did what it was asked is not known"),
        )
        .hint(look),
    }
}
