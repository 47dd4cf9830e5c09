//! Tells a running proxy what to do.

use crate::{
    control::{Reply, Request, Status},
    error::ControlError,
    socket,
};
use std::{io, path::PathBuf, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
};

/// Sends commands to the proxy of one state folder; each call is a connection of its own, so a proxy that was
/// replaced meanwhile does not matter.
#[derive(Clone, Debug)]
pub struct Client {
    state_dir: PathBuf,
    name: String,
    answer: Duration,
}

impl Client {
    /// For the proxy of this folder.
    #[must_use]
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self { state_dir: state_dir.into(), name: socket::NAME.to_owned(), answer: Duration::from_secs(5) }
    }

    /// The same for another socket in the folder.
    pub(crate) fn named(state_dir: impl Into<PathBuf>, name: String) -> Self {
        Self { name, ..Self::new(state_dir) }
    }

    /// Longest wait for an answer beyond the time that the command itself allows the proxy to wait. 5 s.
    #[must_use]
    pub fn answer_within(mut self, limit: Duration) -> Self {
        self.answer = limit;
        self
    }

    /// Does one command and returns the state after it.
    ///
    /// # Errors
    /// [`ControlError`] tells a proxy that does not run from one that does not answer and one that refuses.
    pub async fn send(&self, request: Request) -> Result<Status, ControlError> {
        let stream = self.connect().await?;
        // One second more: what is cut at the end of a drain gets that long to let go.
        let limit = self.answer + Duration::from_millis(request.drain_ms()) + Duration::from_secs(1);
        let Ok(line) = tokio::time::timeout(limit, exchange(stream, &request)).await else {
            return Err(self.no_answer(&format!("within {} ms", limit.as_millis())));
        };
        match line {
            Ok(line) if line.is_empty() => Err(self.no_answer("and closed the connection")),
            Ok(line) => self.read(&line),
            Err(error) => Err(self.no_answer(&format!("({error})"))),
        }
    }

    fn read(&self, line: &[u8]) -> Result<Status, ControlError> {
        match serde_json::from_slice(line) {
            Ok(Reply::Ok(status)) => Ok(*status),
            Ok(Reply::Error { message }) => Err(ControlError::Refused(message)),
            Ok(Reply::Unconfirmed { message }) => Err(ControlError::Unconfirmed(message)),
            Err(error) => {
                Err(ControlError::Protocol { state_dir: self.state_dir.clone(), message: error.to_string() })
            }
        }
    }

    fn no_answer(&self, after: &str) -> ControlError {
        ControlError::NoAnswer { state_dir: self.state_dir.clone(), after: after.to_owned() }
    }

    /// Waits until the proxy answers, for example after starting it.
    ///
    /// # Errors
    /// As [`Client::send`], from the last attempt before `limit` ran out.
    pub async fn wait(&self, limit: Duration) -> Result<Status, ControlError> {
        let end = tokio::time::Instant::now() + limit;
        loop {
            match self.send(Request::Status).await {
                // A process that is just ending may still accept and not answer; a status may be asked twice.
                Err(ControlError::NotRunning { .. } | ControlError::NoAnswer { .. })
                    if tokio::time::Instant::now() < end =>
                {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                other => return other,
            }
        }
    }

    pub(crate) async fn connect(&self) -> Result<UnixStream, ControlError> {
        let not_running = |source| ControlError::NotRunning { state_dir: self.state_dir.clone(), source };
        match tokio::time::timeout(self.answer, socket::connect(&self.state_dir, &self.name)).await {
            Ok(stream) => stream.map_err(not_running),
            Err(_) => Err(not_running(io::ErrorKind::TimedOut.into())),
        }
    }
}

/// Sends one request and reads the line that answers it; empty when the connection ends without one.
async fn exchange(mut stream: UnixStream, request: &Request) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    line.clear();
    BufReader::new(stream).take(socket::LINE_MAX).read_until(b'\n', &mut line).await?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn not_running_and_no_answer_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let client = Client::new(dir.path()).answer_within(Duration::from_millis(30));
        let error = client.send(Request::Status).await.unwrap_err();
        assert!(matches!(error, ControlError::NotRunning { .. }) && error.certain(), "{error}");

        let listener = socket::listen(dir.path(), socket::NAME).unwrap();
        let error = client.send(Request::Status).await.unwrap_err();
        assert!(matches!(error, ControlError::NoAnswer { .. }) && !error.certain(), "{error}");

        let mute = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(stream)
            }
        });
        let error = client.send(Request::Status).await.unwrap_err();
        assert!(matches!(error, ControlError::NoAnswer { .. }), "{error}");

        // A socket file that nobody listens on any more, as after kill -9.
        mute.abort();
        let _ = mute.await;
        let error = client.send(Request::Status).await.unwrap_err();
        assert!(matches!(error, ControlError::NotRunning { .. }), "{error}");
    }
}
