//! Connections to upstreams: opened, kept for reuse, closed.
//!
//! A server may close an idle connection in the very moment a request is sent on it. Against that race: connections
//! are kept for [`IDLE_MAX`] only, far below what servers keep them; a request that must not be sent twice reuses
//! only one that was in use within [`IDLE_MAX_UNSAFE`], and none at all once this upstream was seen closing idle
//! ones; and what can be sent twice is, on a fresh connection (see `forward`).

use crate::{body::Outgoing, lane::Lane, wire::Wire};
use hyper::client::conn::http1;
use std::{
    io,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, task::AbortHandle};

pub(crate) type Sender = http1::SendRequest<Outgoing>;

/// Longest idle time of a kept connection.
const IDLE_MAX: Duration = Duration::from_secs(1);

/// The same for requests that must not be sent twice.
const IDLE_MAX_UNSAFE: Duration = Duration::from_millis(50);

/// Idle connections kept by each worker for each upstream.
const KEPT_MAX: usize = 256;

struct Idle {
    sender: Sender,
    since: Instant,
}

/// Idle connections of one lane, the last used on top.
#[derive(Default)]
pub(crate) struct Pool {
    idle: Mutex<Vec<Idle>>,
    /// The upstream closed a connection that was idle for less than [`IDLE_MAX`].
    impatient: AtomicBool,
}

impl Pool {
    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().expect("no code panics while it holds the pool")
    }

    /// A connection to reuse. `repeatable`: the request may be sent again should this one turn out closed.
    pub(crate) fn take(&self, repeatable: bool) -> Option<Sender> {
        let mut idle = self.idle();
        let mut index = idle.len();
        if index == 0 {
            return None;
        }
        let now = Instant::now();
        while index > 0 {
            index -= 1;
            if idle[index].sender.is_closed() {
                self.impatient.store(true, Relaxed);
                idle.remove(index);
                continue;
            }
            let age = now.duration_since(idle[index].since);
            if age > IDLE_MAX {
                // Those below are older still.
                idle.drain(..=index);
                return None;
            }
            if !repeatable && (age > IDLE_MAX_UNSAFE || self.impatient.load(Relaxed)) {
                return None;
            }
            if idle[index].sender.is_ready() {
                return Some(idle.remove(index).sender);
            }
        }
        None
    }

    /// Keeps a connection whose answer is complete.
    pub(crate) fn put(&self, sender: Sender) {
        if sender.is_closed() {
            return;
        }
        let mut idle = self.idle();
        if idle.len() < KEPT_MAX {
            idle.push(Idle { sender, since: Instant::now() });
        }
    }

    /// Closes what was idle too long.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        self.idle().retain(|kept| {
            let closed = kept.sender.is_closed();
            if closed {
                self.impatient.store(true, Relaxed);
            }
            !closed && now.duration_since(kept.since) <= IDLE_MAX
        });
    }

    pub(crate) fn clear(&self) {
        self.idle().clear();
    }
}

/// Opens a connection; it ends when its sender is dropped, when the lane is cut, or through the handle.
pub(crate) async fn connect(lane: &Lane, limit: Duration) -> io::Result<(Sender, AbortHandle)> {
    let stream = match tokio::time::timeout(limit, TcpStream::connect(&lane.target.upstream.address)).await {
        Ok(stream) => stream?,
        Err(_) => return Err(io::ErrorKind::TimedOut.into()),
    };
    stream.set_nodelay(true)?;
    let (sender, connection) =
        http1::Builder::new().handshake(Wire::new(stream)).await.map_err(io::Error::other)?;
    let cut = lane.cut.clone();
    let task = tokio::spawn(async move {
        tokio::select! {
            biased;
            // How it ended is told to the request that is on it.
            _ = connection.with_upgrades() => {}
            () = cut.cancelled() => {}
        }
    });
    Ok((sender, task.abort_handle()))
}
