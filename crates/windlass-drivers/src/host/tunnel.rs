//! A way to an address as a host sees it: a socket here, and for each connection on it one through the host (`ssh -W`).

use super::{Call, Host, Hosts, Session};
use std::{
    future::pending,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncReadExt as _, copy},
    net::{UnixListener, UnixStream},
    task::{JoinHandle, JoinSet},
};
use windlass_driver::{Failure, Fault};

/// Bytes of what `ssh` says that are looked at.
const SAID_BYTES_MAX: u64 = 8 * 1024;

/// An open way. Dropped, it is closed.
pub(crate) struct Tunnel {
    folder: tempfile::TempDir,
    task: JoinHandle<()>,
    said: Arc<Mutex<Option<String>>>,
}

impl Tunnel {
    /// To `address`, a name or number with a port, as `host` understands it.
    pub(super) async fn to(hosts: &Hosts, host: &Host, address: String) -> Result<Self, Failure> {
        let session = Arc::clone(&Call::to(hosts, host, None).await?.session);
        let broken = |error| Failure::clean(Fault::Transport, format!("no socket for a check: {error}"));
        let folder = tempfile::Builder::new().prefix("windlass-way-").tempdir().map_err(broken)?;
        let listener = UnixListener::bind(folder.path().join("socket")).map_err(broken)?;
        let said = Arc::new(Mutex::new(None));
        let task = tokio::spawn(serve(listener, session, address, Arc::clone(&said)));
        Ok(Self { folder, task, said })
    }

    /// The socket: whoever connects to it is connected to the address.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Why the host made no connection, if it said so.
    pub(crate) fn complaint(&self) -> Option<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    listener: UnixListener,
    session: Arc<Session>,
    address: String,
    said: Arc<Mutex<Option<String>>>,
) {
    // What is connected ends with the tunnel.
    let mut open = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        open.spawn(carry(stream, Arc::clone(&session), address.clone(), Arc::clone(&said)));
    }
}

async fn carry(
    mut stream: UnixStream,
    session: Arc<Session>,
    address: String,
    said: Arc<Mutex<Option<String>>>,
) {
    let Ok(mut child) = session.way(&address) else { return };
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return;
    };
    let (mut asked, mut answered) = stream.split();
    let mut text = String::new();
    let mut stderr = stderr.take(SAID_BYTES_MAX);
    let up = async move {
        let mut stdin = stdin;
        drop(copy(&mut asked, &mut stdin).await);
        drop(stdin);
        pending::<()>().await;
    };
    let down = async move {
        let mut stdout = stdout;
        drop(copy(&mut stdout, &mut answered).await);
    };
    // It ends with `ssh`, which ends when one side of the connection has: the other may never close its own. All that came is
    // handed on, and whoever asked sees the end when it is known why.
    let ended = async { tokio::join!(stderr.read_to_string(&mut text), child.wait(), down) };
    tokio::select! {
        () = up => {}
        _ = ended => {}
    }
    // The log of the connection has the reason, but not for which of them.
    if text.contains("Stdio forwarding request failed") {
        *said.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(format!("the host makes no connection to {address}: refused, or not in reach"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_refused_connection_is_said() {
        let sshd = windlass_lab::Sshd::start(1);
        let (hosts, host) = (Hosts::default(), Host { name: sshd.host(1), config: Some(sshd.config()) });
        // Nobody listens at the port of a listener that is gone.
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let tunnel = Tunnel::to(&hosts, &host, gone.to_string()).await.unwrap();
        let mut stream = UnixStream::connect(tunnel.socket()).await.unwrap();
        let mut bytes = [0; 8];
        let read = tokio::time::timeout(std::time::Duration::from_secs(60), stream.read(&mut bytes));
        assert_eq!(read.await.expect("it is closed").unwrap_or(0), 0);
        let said = format!("the host makes no connection to {gone}: refused, or not in reach");
        assert_eq!(tunnel.complaint(), Some(said));
    }
}
