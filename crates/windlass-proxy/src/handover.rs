//! A new process replaces a running one without a gap, for example to upgrade the binary.
//!
//! 1. The new process checks everything it can alone (configuration, TLS files), then sends
//!    [`Request::TakeOver`](crate::control::Request::TakeOver) to the control socket.
//! 2. The old one stops doing commands and replies with its listening socket and its lock as ancillary data
//!    (`SCM_RIGHTS`). Both are shared from here on: connections that wait in the backlog are lost by neither's end.
//! 3. The new one reads the saved state (upstreams, weights, hold), accepts clients beside the old one, puts its
//!    control socket in the place of the old one's, and says `ready`. Up to here every failure, also the death of the
//!    new process, leaves the old one serving as before.
//! 4. The old one stops accepting and finishes: answers carry `Connection: close`, HTTP/2 clients get GOAWAY,
//!    tunnels and whatever else is in flight have its `drain_ms`. Idle HTTP/1 connections are not closed at once,
//!    since a client may be sending its next request at that moment, but only at the end of that time.
//! 5. Requests that are held in the old one go on waiting there. It listens on a second socket (`former-PID.sock`);
//!    the new one passes every hold, resume, switch and stop on to it and replies when both have done it, so that one
//!    command governs the requests of both. Only the new one writes the state file. When requests are held, the old
//!    one waits for them too, at most `hold_ms` longer.

use crate::{
    control::{Reply, Request, Status},
    error::ProxyError,
    socket,
};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use std::{
    fs::File,
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::UnixStream,
};

/// Longest wait of each side for the other.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What the new process says when it serves.
const READY: &[u8] = b"ready\n";

/// Longest reply to a take-over: a status without lists.
const REPLY_MAX: usize = 4096;

/// Name of the socket on which a replaced process takes commands from its successor.
pub(crate) fn former_name(pid: u32) -> String {
    format!("former-{pid}.sock")
}

/// What the running process handed over.
pub(crate) struct Inherited {
    pub listener: std::net::TcpListener,
    pub lock: File,
    /// Process that handed over.
    pub pid: u32,
    stream: UnixStream,
}

/// Asks the process that runs on this folder; `None` when none does.
pub(crate) async fn ask(dir: &Path) -> Result<Option<Inherited>, ProxyError> {
    let Ok(stream) = socket::connect(dir, socket::NAME).await else { return Ok(None) };
    let failed = |message: String| ProxyError::TakeOver { state_dir: dir.to_path_buf(), message };
    match tokio::time::timeout(PATIENCE, receive(stream)).await {
        Ok(Ok(inherited)) => Ok(Some(inherited)),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed(format!("it did not answer within {} s", PATIENCE.as_secs()))),
    }
}

async fn receive(mut stream: UnixStream) -> io::Result<Inherited> {
    let mut request = serde_json::to_vec(&Request::TakeOver)?;
    request.push(b'\n');
    stream.write_all(&request).await?;
    let mut line = Vec::new();
    let mut descriptors: Vec<OwnedFd> = Vec::new();
    while line.last() != Some(&b'\n') {
        let before = line.len();
        stream.async_io(Interest::READABLE, || receive_some(&stream, &mut line, &mut descriptors)).await?;
        if line.len() == before || line.len() > REPLY_MAX {
            return Err(io::Error::other("it ended the connection"));
        }
    }
    let pid = match serde_json::from_slice(&line)? {
        Reply::Ok(status) => status.pid,
        Reply::Error { message } => return Err(io::Error::other(message)),
    };
    let mut descriptors = descriptors.into_iter();
    let (Some(listener), Some(lock)) = (descriptors.next(), descriptors.next()) else {
        return Err(io::Error::other("it sent no sockets"));
    };
    let listener = std::net::TcpListener::from(listener);
    listener.set_nonblocking(true)?;
    Ok(Inherited { listener, lock: File::from(lock), pid, stream })
}

fn receive_some(stream: &UnixStream, line: &mut Vec<u8>, descriptors: &mut Vec<OwnedFd>) -> io::Result<()> {
    let mut buffer = [0; REPLY_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::net::recvmsg(
        stream,
        &mut [IoSliceMut::new(&mut buffer)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    line.extend_from_slice(&buffer[..received.bytes]);
    Ok(())
}

impl Inherited {
    /// Tells the old process that it may finish.
    pub(crate) async fn ready(mut self) -> io::Result<()> {
        self.stream.write_all(READY).await
    }
}

/// The old process's side: hands over and waits until the new one serves. On an error nothing has changed.
pub(crate) async fn give(
    stream: &mut UnixStream,
    status: Status,
    listener: BorrowedFd<'_>,
    lock: &File,
) -> io::Result<()> {
    let status = Status { pid: status.pid, listen: status.listen, ..Status::default() };
    let mut line = serde_json::to_vec(&Reply::Ok(Box::new(status)))?;
    line.push(b'\n');
    let give = async {
        let sent = stream.async_io(Interest::WRITABLE, || {
            let descriptors = [listener, lock.as_fd()];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
            Ok(rustix::net::sendmsg(&*stream, &[IoSlice::new(&line)], &mut ancillary, SendFlags::NOSIGNAL)?)
        });
        let sent = sent.await?;
        stream.write_all(&line[sent..]).await?;
        let mut answer = [0; READY.len()];
        stream.read_exact(&mut answer).await?;
        if answer == READY { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    };
    match tokio::time::timeout(PATIENCE, give).await {
        Ok(result) => result,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
