//! The proxy in front of a service, as far as this driver needs it.

use async_trait::async_trait;
use std::{path::Path, sync::Arc};
use windlass_proxy::control::{Request, Status};

/// Why the proxy did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrontError {
    /// It does not run; nothing was changed.
    Down(String),
    /// It refused; nothing was changed.
    Refused(String),
    /// No answer came: whether it was done is not known.
    Lost(String),
}

/// A way to ask the proxy of one service.
#[async_trait]
pub trait Front: Send + Sync {
    /// Asks, and waits at most `within_ms` for the answer.
    async fn call(&self, request: &Request, within_ms: u64) -> Result<Status, FrontError>;
}

/// Finds the proxy of a service from the folder of `windlass.toml` and the name of the service.
pub type Fronts = Arc<dyn Fn(&Path, &str) -> Arc<dyn Front> + Send + Sync>;

/// The proxies that listen in `<base>/.windlass/proxy/<service>/`.
#[must_use]
pub fn socket() -> Fronts {
    Arc::new(|base, service| {
        Arc::new(Socket(base.join(".windlass").join("proxy").join(service).join("control.sock")))
    })
}

struct Socket(std::path::PathBuf);

#[async_trait]
impl Front for Socket {
    async fn call(&self, request: &Request, within_ms: u64) -> Result<Status, FrontError> {
        use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
        let mut stream = tokio::net::UnixStream::connect(&self.0)
            .await
            .map_err(|error| FrontError::Down(format!("{}: {error}", self.0.display())))?;
        let lost = |why: String| FrontError::Lost(why);
        let exchange = async {
            let mut line = serde_json::to_vec(request)?;
            line.push(b'\n');
            stream.write_all(&line).await?;
            let mut answer = String::new();
            BufReader::new(stream).read_line(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = tokio::time::timeout(std::time::Duration::from_millis(within_ms), exchange)
            .await
            .map_err(|_| lost(format!("not within {within_ms} ms")))?
            .map_err(|error| lost(error.to_string()))?;
        match serde_json::from_str(&answer).map_err(|error| lost(error.to_string()))? {
            windlass_proxy::control::Reply::Ok(status) => Ok(*status),
            windlass_proxy::control::Reply::Error { message } => Err(FrontError::Refused(message)),
        }
    }
}
