//! The proxy in front of a service, as far as this driver needs it.

use async_trait::async_trait;
use std::{path::Path, sync::Arc};
use windlass_proxy::{
    Client, ControlError,
    control::{Request, Status},
};

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
}

/// Finds the proxy of a service from the folder of `windlass.toml` and the name of the service.
pub type Fronts = Arc<dyn Fn(&Path, &str) -> Arc<dyn Front> + Send + Sync>;

/// The proxies whose state folder is `<base>/.windlass/proxy/<service>/`.
#[must_use]
pub fn socket() -> Fronts {
    Arc::new(|base, service| {
        Arc::new(Socket(Client::new(base.join(".windlass").join("proxy").join(service))))
    })
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
