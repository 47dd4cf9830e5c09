//! A new process replaces a running one without a gap, for example to upgrade the binary.
//!
//! 1. The new process checks everything it can alone (configuration, TLS files), then sends
//!    [`Request::TakeOver`](crate::control::Request::TakeOver) to the control socket.
//! 2. The old one stops doing commands and replies with its listening socket and its lock as ancillary data
//!    (`SCM_RIGHTS`). Both are shared from here on: connections that wait in the backlog are lost by neither's end.
//! 3. The new one reads the saved state (upstreams, weights, hold), starts its threads and says `ready`. It accepts
//!    nobody yet and has written nothing. The old one, if it still waits, answers `replaced`, else an error. Only
//!    after `replaced` the new one accepts clients, puts its control socket in the place of the old one's and writes
//!    the pid file; after anything else it ends.
//! 4. The old one stops accepting and finishes: answers carry `Connection: close`, HTTP/2 clients get GOAWAY,
//!    tunnels and whatever else is in flight have its `drain_ms`. Idle HTTP/1 connections are not closed at once,
//!    since a client may be sending its next request at that moment, but only at the end of that time.
//! 5. Requests that are held in the old one go on waiting there. It listens on a second socket (`former-PID.sock`);
//!    the new one passes every hold, resume, switch and stop on to it and replies when both have done it, so that one
//!    command governs the requests of both. Only the new one writes the state file. When requests are held, the old
//!    one waits for them too, at most `hold_ms` longer.
//!
//! **One point decides.** The take-over has happened when the system has queued `replaced` in the new one's socket, and
//! not before. Writing fails once the new one is gone or has given up waiting (it shuts the socket for reading, then
//! looks whether the word came before that), so both sides see the same outcome, however slow either is:
//!
//! - The new one dies, or is not ready in time: the old one reads the end of the connection, or its patience ends, or
//!   its `replaced` cannot be written. It goes on serving, and what a late one says is answered by an error.
//! - The old one dies before `replaced`: the new one reads the end of the connection. It cannot know what became of
//!   the other and ends too, with the folder as it was; the lock is free then, and the next start serves.
//! - The old one dies after `replaced`: the word is in the new one's socket already; it serves. Lost is only what the
//!   old one still had in flight.
//! - The new one dies after `replaced`: it was the proxy by then, so this is the death of a serving proxy. The old one
//!   finishes its connections; clients that come wait in the backlog until it ends. The lock is free, and a start
//!   (without take-over) serves with the saved state.
//!
//! Between `replaced` and the new control socket, a moment, the old socket still answers: a status, and to changes
//! that nothing was changed.

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

/// What the new process says when it could serve.
const READY: &[u8] = b"ready\n";

/// What lets it serve.
const REPLACED: &[u8] = b"replaced\n";

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
    match tokio::time::timeout(PATIENCE, receive(stream)).await {
        Ok(Ok(inherited)) => Ok(Some(inherited)),
        Ok(Err(error)) => Err(failed(dir, error.to_string())),
        Err(_) => Err(failed(dir, format!("it did not answer within {} s", PATIENCE.as_secs()))),
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
        Reply::Error { message } | Reply::Unconfirmed { message } => return Err(io::Error::other(message)),
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
    /// Says that this process could serve and waits to be let. After an error it must not: the old one serves, or is
    /// gone.
    pub(crate) async fn ready(mut self, dir: &Path) -> Result<(), ProxyError> {
        // When it cannot be written, the answer that may have come before still counts.
        let _ = self.stream.write_all(READY).await;
        let mut line = Vec::new();
        let in_time = tokio::time::timeout(PATIENCE, read_line(&mut self.stream, &mut line)).await.is_ok();
        if !in_time {
            // From here on the old one cannot let go any more; what it said before is still there to be read.
            rustix::net::shutdown(&self.stream, rustix::net::Shutdown::Read)
                .map_err(|error| failed(dir, format!("cannot stop waiting for it: {error}")))?;
            read_line(&mut self.stream, &mut line).await;
        }
        if line == REPLACED {
            return Ok(());
        }
        match serde_json::from_slice(&line) {
            Ok(Reply::Error { message } | Reply::Unconfirmed { message }) => Err(failed(dir, message)),
            _ if !in_time => Err(failed(dir, format!("it did not let go within {} s", PATIENCE.as_secs()))),
            _ => Err(ProxyError::TakeOverLost { state_dir: dir.to_path_buf() }),
        }
    }
}

fn failed(dir: &Path, message: String) -> ProxyError {
    ProxyError::TakeOver { state_dir: dir.to_path_buf(), message }
}

/// Reads up to the end of a line, of the connection, or of what is allowed; an error ends it as the connection's end.
async fn read_line(stream: &mut UnixStream, line: &mut Vec<u8>) {
    while line.last() != Some(&b'\n') && line.len() < REPLY_MAX {
        match stream.read_u8().await {
            Ok(byte) => line.push(byte),
            Err(_) => return,
        }
    }
}

/// The old process's side: hands over and waits until the new one could serve. Nothing has changed by it.
pub(crate) async fn give(
    stream: &mut UnixStream,
    status: Status,
    listener: BorrowedFd<'_>,
    lock: &File,
    patience: Duration,
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
    tokio::time::timeout(patience, give).await.unwrap_or_else(|_| {
        let late = format!("the new process was not ready within {} ms: too late", patience.as_millis());
        Err(io::Error::new(io::ErrorKind::TimedOut, late))
    })
}

/// Lets the new process serve: the point that decides. On an error it does not serve and never will.
pub(crate) fn confirm(stream: &UnixStream) -> io::Result<()> {
    // One call that does not wait: nothing may come between the word and what follows from it. The new process has
    // read all before, so there is room.
    match rustix::net::send(stream, REPLACED, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)? {
        sent if sent == REPLACED.len() => Ok(()),
        // Anything but the whole word is no word.
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

#[cfg(test)]
#[path = "handover_tests.rs"]
mod tests;
