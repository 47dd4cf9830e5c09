//! Worker threads: each has a runtime of its own and serves its connections from the first byte to the last.

use crate::{
    config::{Config, Limits},
    forward::{Peer, serve},
    headers::Origin,
    routing::Gate,
    wire::Wire,
};
use hyper::{
    body::Incoming,
    rt::{Read, Write},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::{
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, mpsc},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Longest request head, and the most that is buffered of one connection in each direction.
const BUFFER_MAX: usize = 64 * 1024;

/// Requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 256;

/// HTTP/2 windows: what one stream and one connection may send before it is read.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// How often idle connections to upstreams are looked at.
const SWEEP: Duration = Duration::from_millis(250);

/// A client connection on its way to a worker.
pub(crate) struct Accepted {
    pub stream: std::net::TcpStream,
    pub from: SocketAddr,
    pub permit: OwnedSemaphorePermit,
}

/// How the end comes, in this order.
#[derive(Clone, Default)]
pub(crate) struct Ending {
    /// Answers close their connection.
    closing: Arc<AtomicBool>,
    /// HTTP/2 clients are told to go; idle HTTP/1 connections wait for one more request, because a client may be
    /// sending it at this moment.
    pub polite: CancellationToken,
    /// Idle connections are closed.
    pub idle: CancellationToken,
    /// Everything is dropped and the threads end.
    pub now: CancellationToken,
}

impl Ending {
    /// Begins the end; idle connections may still send one request.
    pub(crate) fn begin(&self) {
        self.closing.store(true, Relaxed);
        self.polite.cancel();
    }
}

/// What every connection of a worker needs.
#[derive(Clone)]
struct Shared {
    gate: Arc<Gate>,
    worker: usize,
    limits: Limits,
    tls: Option<TlsAcceptor>,
    ending: Ending,
}

/// A worker thread, from outside.
pub(crate) struct Worker {
    inbox: mpsc::UnboundedSender<Accepted>,
    /// Connections that it has; new ones go to the worker with the fewest.
    connections: Arc<AtomicUsize>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Worker {
    /// Starts the thread.
    pub(crate) fn start(
        worker: usize,
        config: &Config,
        gate: &Arc<Gate>,
        tls: Option<TlsAcceptor>,
        ending: &Ending,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Bounded by the permits that its messages carry.
        let (inbox, messages) = mpsc::unbounded_channel();
        let connections = Arc::new(AtomicUsize::new(0));
        // Tokens of its own: workers do not meet at their locks.
        let own = Ending {
            closing: Arc::clone(&ending.closing),
            polite: ending.polite.child_token(),
            idle: ending.idle.child_token(),
            now: ending.now.child_token(),
        };
        let shared = Shared { gate: Arc::clone(gate), worker, limits: config.into(), tls, ending: own };
        let counted = Arc::clone(&connections);
        let thread = std::thread::Builder::new()
            .name(format!("proxy-{worker}"))
            .spawn(move || runtime.block_on(run(shared, messages, counted)))?;
        Ok(Self { inbox, connections, thread: Mutex::new(Some(thread)) })
    }

    /// How many connections it has.
    pub(crate) fn load(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// Hands it a connection.
    pub(crate) fn give(&self, accepted: Accepted) {
        self.connections.fetch_add(1, Relaxed);
        // Refused only when the thread has ended, and the connection with it.
        let _ = self.inbox.send(accepted);
    }

    /// Waits for the end of the thread, after [`Ending::now`].
    pub(crate) fn join(&self) {
        let thread = self.thread.lock().expect("nothing panics while it takes the handle").take();
        if let Some(thread) = thread {
            // A panic of a worker was reported by its thread.
            let _ = thread.join();
        }
    }
}

async fn run(shared: Shared, mut inbox: mpsc::UnboundedReceiver<Accepted>, connections: Arc<AtomicUsize>) {
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            biased;
            () = shared.ending.now.cancelled() => return,
            accepted = inbox.recv() => {
                let Some(accepted) = accepted else { return };
                let (shared, counted) = (shared.clone(), Counted(Arc::clone(&connections)));
                tokio::spawn(async move {
                    let _counted = counted;
                    // A connection that cannot be served concerns only its client.
                    let _ = connection(shared, accepted).await;
                });
            }
            _ = sweep.tick() => shared.gate.sweep(shared.worker),
        }
    }
}

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

async fn connection(shared: Shared, accepted: Accepted) -> io::Result<()> {
    let stream = TcpStream::from_std(accepted.stream)?;
    stream.set_nodelay(true)?;
    let https = shared.tls.is_some();
    let limit = shared.limits.header;
    let peer = Peer {
        gate: Arc::clone(&shared.gate),
        worker: shared.worker,
        limits: shared.limits,
        origin: Origin::new(accepted.from.ip(), https, shared.limits.forwarded),
        closing: Arc::clone(&shared.ending.closing),
        activity: Arc::default(),
        _permit: accepted.permit,
    };
    let peer = Arc::new(peer);
    let first = async {
        match &shared.tls {
            Some(tls) => tls.accept(stream).await.map(|stream| First::Tls(Box::new(stream))),
            None => speaks_http2(&stream).await.map(|http2| First::Clear(stream, http2)),
        }
    };
    let first = tokio::select! {
        first = tokio::time::timeout(limit, first) => first.map_err(io::Error::other)??,
        () = shared.ending.idle.cancelled() => return Ok(()),
    };
    match first {
        First::Clear(stream, http2) => serve_on(Wire::new(stream), http2, &shared, peer).await,
        First::Tls(stream) => {
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            serve_on(Wire::new(stream), http2, &shared, peer).await;
        }
    }
    Ok(())
}

/// A connection of which it is known what it speaks.
enum First {
    Clear(TcpStream, bool),
    Tls(Box<tokio_rustls::server::TlsStream<TcpStream>>),
}

/// Whether a clear-text client begins with the HTTP/2 preface. `PRI` is no method of HTTP/1, so three bytes tell;
/// they stay in the socket.
async fn speaks_http2(stream: &TcpStream) -> io::Result<bool> {
    const PREFACE: &[u8] = b"PRI";
    let mut seen = [0; PREFACE.len()];
    loop {
        let length = stream.peek(&mut seen).await?;
        if length == 0 || seen[..length] != PREFACE[..length] {
            return Ok(false);
        }
        if length == PREFACE.len() {
            return Ok(true);
        }
        // One or two bytes of it: the rest is on its way, and a peek does not wait for more.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn serve_on<I>(io: I, is_http2: bool, shared: &Shared, peer: Arc<Peer>)
where
    I: Read + Write + Unpin + Send + 'static,
{
    let activity = Arc::clone(&peer.activity);
    let service = service_fn(move |request: http::Request<Incoming>| serve(Arc::clone(&peer), request));
    let Ending { polite, idle, .. } = &shared.ending;
    // How a connection ended concerns only its client.
    if is_http2 {
        let builder = http2_builder(&shared.limits);
        let mut connection = pin!(builder.serve_connection(io, service));
        tokio::select! {
            biased;
            _ = connection.as_mut() => return,
            () = polite.cancelled() => {}
            // Streams that are open go on; a client that said nothing yet may not even have finished the preface.
            used = activity.pauses(shared.limits.header, false) => if !used { return },
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
        return;
    }
    let mut builder = http1::Builder::new();
    // Instead of hyper's timer for each head, which costs more than all else here that is not input or output.
    builder.header_read_timeout(None).max_buf_size(BUFFER_MAX).max_header_size(BUFFER_MAX);
    let mut connection = pin!(builder.serve_connection(io, service).with_upgrades());
    tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        () = idle.cancelled() => {}
        _ = activity.pauses(shared.limits.header, true) => return,
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        _ = connection => {}
        _ = activity.pauses(shared.limits.header, true) => {}
    }
}

fn http2_builder(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(BUFFER_MAX as u32)
        .keep_alive_interval(limits.header)
        .keep_alive_timeout(limits.header);
    builder
}
