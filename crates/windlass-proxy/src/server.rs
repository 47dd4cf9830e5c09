//! The process: starts, accepts, ends.

use crate::{
    commands::{self, Ear},
    config::Config,
    control::Status,
    error::ProxyError,
    handover::{self, Inherited},
    health, listen,
    routing::Gate,
    socket,
    state::{Closed, Folder, State},
    worker::{Accepted, Ending, Worker},
};
use futures_util::FutureExt;
use std::{
    fs::File,
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::{MutexGuard, Semaphore, mpsc, oneshot},
    task::JoinHandle,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// How long connections that were cut have to go.
const CUT_GRACE: Duration = Duration::from_millis(500);

/// Pause of the acceptor when the system has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why the process ends.
pub(crate) enum End {
    /// A command; the reply carries what has to live until the answer is written.
    Stop { drain_ms: u64, reply: oneshot::Sender<(Status, oneshot::Sender<()>)> },
    /// Another process serves now, and gives commands for what is left on this socket.
    Replaced(UnixListener),
}

/// One running proxy.
pub(crate) struct Proxy {
    pub config: Config,
    pub folder: Folder,
    pub gate: Arc<Gate>,
    /// Given up when another process has it too.
    lock: Mutex<Option<File>>,
    /// Ends control connections.
    pub over: CancellationToken,
    /// Clients come here; `None` once no more are accepted.
    listener: Mutex<Option<Arc<TcpListener>>>,
    /// Ends the acceptor.
    full: CancellationToken,
    /// Process before this one, while it finishes its connections.
    pub former: Mutex<Option<u32>>,
    pub ends: mpsc::Sender<End>,
    address: SocketAddr,
    replaced: AtomicBool,
    turn: tokio::sync::Mutex<()>,
    workers: Vec<Worker>,
    ending: Ending,
    connections: Arc<Semaphore>,
}

impl Proxy {
    pub(crate) fn status(&self) -> Status {
        Status { pid: std::process::id(), listen: self.address.to_string(), ..self.gate.status() }
    }

    /// Whether another process serves now; the state file is its own then.
    pub(crate) fn replaced(&self) -> bool {
        self.replaced.load(SeqCst)
    }

    /// The lock, for a successor.
    pub(crate) fn lock(&self) -> io::Result<File> {
        let lock = self.lock.lock().expect("nothing panics while it holds this");
        lock.as_ref().ok_or(io::ErrorKind::NotFound)?.try_clone()
    }

    /// Another process serves now; should it be killed, the folder is free at once.
    pub(crate) fn mark_replaced(&self) {
        self.replaced.store(true, SeqCst);
        *self.lock.lock().expect("nothing panics while it holds this") = None;
    }

    pub(crate) fn listener(&self) -> Option<Arc<TcpListener>> {
        self.listener.lock().expect("nothing panics while it holds this").clone()
    }

    fn put_initially_in_force(&self, state: &State) {
        let targets = health::targets(&state.upstreams, &[], &self.config.health, &self.config.log);
        self.gate.change(targets, state.hold);
        self.gate.close(state.closed);
    }

    fn deal(&self, accepted: Accepted) {
        let idlest = self.workers.iter().min_by_key(|worker| worker.load());
        idlest.expect("there is at least one worker").give(accepted);
    }

    /// Changes happen one after the other.
    pub(crate) async fn turn(&self) -> Result<MutexGuard<'_, ()>, String> {
        let busy = "another command is being done (a take-over?); nothing was changed, try again";
        tokio::time::timeout(handover::PATIENCE, self.turn.lock()).await.map_err(|_| busy.to_owned())
    }
}

/// Serves until `shutdown` resolves, a [`Stop`](crate::control::Request::Stop) comes, or another process takes over.
/// The control socket answers once clients are accepted. Needs a tokio runtime with I/O and time; the data plane has
/// threads of its own.
///
/// # Errors
/// [`ProxyError`]: what kept it from starting. Once it serves, it ends without an error.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), ProxyError> {
    config.check()?;
    let tls = config.tls.as_ref().map(listen::tls).transpose()?;
    let folder = Folder::open(&config.state_dir)?;
    let inherited = if config.take_over { handover::ask(folder.path()).await? } else { None };
    let lock = match &inherited {
        Some(inherited) => inherited.lock.try_clone().map_err(|e| unusable(&folder, "lock", &e))?,
        None => folder.lock()?,
    };
    let state = initial_state(&config, &folder, inherited.is_some())?;
    let listener = match &inherited {
        Some(inherited) => inherited_listener(&config, inherited)?,
        None => listen::bind(&config.listen)?,
    };
    let (ends, mut next_end) = mpsc::channel(4);
    let mut proxy = assemble(config, folder, lock, listener, inherited.as_ref(), ends)?;
    start_workers(&mut proxy, tls.as_ref())?;
    let proxy = Arc::new(proxy);
    let (accepting, commands) = match inherited {
        Some(inherited) => {
            if let Err(error) = inherited.ready(proxy.folder.path()).await {
                proxy.ending.now.cancel();
                return Err(error);
            }
            begin_in_place(&proxy, &state)
        }
        None => begin(&proxy, &state)?,
    };
    let mut former = None;
    tokio::pin!(shutdown);
    let end = tokio::select! {
        end = next_end.recv() => end,
        () = &mut shutdown => None,
    };
    proxy.full.cancel();
    // It panics never and ends at once; what waited in the backlog is with the workers then.
    let _ = accepting.await;
    let end = match end {
        Some(End::Replaced(listener)) => {
            // The control socket answers too until the successor's is in its place.
            former = Some(tokio::spawn(commands::listen(Arc::clone(&proxy), listener, Ear::Former)));
            None
        }
        end => end,
    };
    finish(&proxy, end, &mut next_end, shutdown).await;
    commands.abort();
    if let Some(former) = former {
        former.abort();
    }
    proxy.over.cancel();
    Ok(())
}

/// The acceptor of clients and that of commands.
type Acceptors = (JoinHandle<()>, JoinHandle<()>);

/// Begins to serve where nobody did.
fn begin(proxy: &Arc<Proxy>, state: &State) -> Result<Acceptors, ProxyError> {
    let control = socket::listen(proxy.folder.path(), socket::NAME)
        .map_err(|error| unusable(&proxy.folder, "open the control socket", &error))?;
    proxy.folder.write_pid().map_err(|error| unusable(&proxy.folder, "write the pid file", &error))?;
    proxy.put_initially_in_force(state);
    let accepting = tokio::spawn(accept(Arc::clone(proxy)));
    Ok((accepting, tokio::spawn(commands::listen(Arc::clone(proxy), control, Ear::Front))))
}

/// Begins to serve in the place of a process that has let go: no way back, so clients come first and no failure ends
/// it.
fn begin_in_place(proxy: &Arc<Proxy>, state: &State) -> Acceptors {
    proxy.put_initially_in_force(state);
    let accepting = tokio::spawn(accept(Arc::clone(proxy)));
    let commands = tokio::spawn(commands::listen_at_last(Arc::clone(proxy)));
    if let Err(error) = proxy.folder.write_pid() {
        proxy.config.log.line(&format!("serving, but the pid file names the process before: {error}"));
    }
    (accepting, commands)
}

/// The saved state; where there is none, the configured one, saved. In a take-over nothing is written: the folder is
/// the other process's until it lets go.
fn initial_state(config: &Config, folder: &Folder, takes_over: bool) -> Result<State, ProxyError> {
    if let Some(saved) = folder.read()? {
        return Ok(saved);
    }
    let state = State::new(config.upstreams.clone(), None, Closed::default());
    if !takes_over {
        folder.write(&state).map_err(|error| unusable(folder, "save the state", &error))?;
    }
    Ok(state)
}

fn unusable(folder: &Folder, what: &str, error: &dyn std::fmt::Display) -> ProxyError {
    let path = folder.path().to_path_buf();
    ProxyError::State { path, message: format!("cannot {what}: {error}; nothing was started") }
}

/// The socket of the process before, if it is the one that is configured.
fn inherited_listener(config: &Config, inherited: &Inherited) -> Result<std::net::TcpListener, ProxyError> {
    let failed = |message: String| ProxyError::TakeOver { state_dir: config.state_dir.clone(), message };
    let listener = inherited.listener.try_clone().map_err(|error| failed(error.to_string()))?;
    let has = listener.local_addr().map_err(|error| failed(error.to_string()))?;
    let wanted: Vec<SocketAddr> = config
        .listen
        .to_socket_addrs()
        .map_err(|error| failed(format!("{}: {error}", config.listen)))?
        .collect();
    let same =
        |wanted: &SocketAddr| wanted.ip() == has.ip() && (wanted.port() == has.port() || wanted.port() == 0);
    if wanted.iter().any(same) {
        return Ok(listener);
    }
    Err(failed(format!(
        "it listens on {has}, not on {}; a take-over keeps the address: change it with a stop and a start",
        config.listen
    )))
}

fn assemble(
    config: Config,
    folder: Folder,
    lock: File,
    listener: std::net::TcpListener,
    inherited: Option<&Inherited>,
    ends: mpsc::Sender<End>,
) -> Result<Proxy, ProxyError> {
    let listen_error =
        |source| ProxyError::Listen { address: config.listen.clone(), holder: String::new(), source };
    let address = listener.local_addr().map_err(listen_error)?;
    let listener = Mutex::new(Some(Arc::new(TcpListener::from_std(listener).map_err(listen_error)?)));
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let count = config.workers.unwrap_or_else(cores);
    let gate = Arc::new(Gate::new(count, Duration::from_millis(config.hold_ms), config.queue_max));
    let connections = Arc::new(Semaphore::new(config.connections_max as usize));
    Ok(Proxy {
        folder,
        gate,
        listener,
        over: CancellationToken::new(),
        full: CancellationToken::new(),
        lock: Mutex::new(Some(lock)),
        former: Mutex::new(inherited.map(|inherited| inherited.pid)),
        ends,
        address,
        replaced: AtomicBool::new(false),
        turn: tokio::sync::Mutex::default(),
        workers: Vec::with_capacity(count),
        ending: Ending::default(),
        connections,
        config,
    })
}

fn start_workers(proxy: &mut Proxy, tls: Option<&tokio_rustls::TlsAcceptor>) -> Result<(), ProxyError> {
    for index in 0..proxy.workers.capacity() {
        let worker = Worker::start(index, &proxy.config, &proxy.gate, tls.cloned(), &proxy.ending);
        proxy.workers.push(worker.map_err(ProxyError::Worker)?);
    }
    Ok(())
}

/// Accepts clients and deals them out; beyond the bound they wait in the backlog.
async fn accept(proxy: Arc<Proxy>) {
    let Some(listener) = proxy.listener() else { return };
    loop {
        let accepted = tokio::select! {
            biased;
            () = proxy.full.cancelled() => break,
            accepted = accept_one(&proxy, &listener) => accepted,
        };
        match accepted {
            Ok(accepted) => proxy.deal(accepted),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                proxy.config.log.line(&format!("accept on {}: {error}", proxy.address));
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    *proxy.listener.lock().expect("nothing panics while it holds this") = None;
    // A successor gets the backlog; without one, those who are in it would be reset.
    while !proxy.replaced()
        && let Some(Ok(accepted)) = accept_one(&proxy, &listener).now_or_never()
    {
        proxy.deal(accepted);
    }
}

async fn accept_one(proxy: &Proxy, listener: &TcpListener) -> io::Result<Accepted> {
    let permit = Arc::clone(&proxy.connections).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, from) = listener.accept().await?;
    Ok(Accepted { stream: stream.into_std()?, from, permit })
}

/// Finishes what is in flight, then ends the workers. A second `shutdown` or the end of the time cuts the rest.
async fn finish(
    proxy: &Arc<Proxy>,
    end: Option<End>,
    next_end: &mut mpsc::Receiver<End>,
    shutdown: impl Future<Output = ()>,
) {
    let replaced = proxy.replaced();
    let mut replies = Vec::new();
    let mut wait = Duration::from_millis(proxy.config.drain_ms);
    if let Some(End::Stop { drain_ms, reply }) = end {
        wait = Duration::from_millis(drain_ms);
        replies.push(reply);
    }
    if let (true, (_, Some(hold))) = (replaced, proxy.gate.in_force()) {
        wait += Duration::from_millis(hold.hold_ms);
    }
    proxy.ending.begin();
    if !replaced {
        proxy.gate.stop();
        proxy.ending.idle.cancel();
    }
    let mut deadline = Instant::now() + wait;
    tokio::pin!(shutdown);
    // Resolved already when it is what ended the process; a resolved future is not polled again.
    let mut listens_to_shutdown = replaced || !replies.is_empty();
    loop {
        tokio::select! {
            () = all_gone(proxy) => break,
            () = tokio::time::sleep_until(deadline) => break,
            () = &mut shutdown, if listens_to_shutdown => {
                listens_to_shutdown = false;
                proxy.gate.stop();
                proxy.ending.idle.cancel();
            }
            Some(end) = next_end.recv() => if let End::Stop { drain_ms, reply } = end {
                replies.push(reply);
                proxy.gate.stop();
                proxy.ending.idle.cancel();
                deadline = deadline.min(Instant::now() + Duration::from_millis(drain_ms));
            },
        }
    }
    cut_rest(proxy).await;
    leave(proxy);
    for reply in replies {
        let (keep, written) = oneshot::channel();
        if reply.send((proxy.status(), keep)).is_ok() {
            let _ = tokio::time::timeout(Duration::from_secs(1), written).await;
        }
    }
}

/// Leaves the folder to the next process, or to the one that took over.
fn leave(proxy: &Proxy) {
    // Files that stay behind are harmless: sockets that refuse, a pid that does not run.
    if proxy.replaced() {
        let name = handover::former_name(std::process::id());
        let _ = std::fs::remove_file(proxy.folder.path().join(name));
        return;
    }
    proxy.folder.remove_pid();
    let _ = std::fs::remove_file(proxy.folder.path().join(socket::NAME));
    if let Ok(lock) = proxy.lock() {
        // Only without a successor: the lock is one for all descriptors of the file.
        let _ = rustix::fs::flock(lock, rustix::fs::FlockOperation::Unlock);
    }
}

/// Resolves when no client is connected.
async fn all_gone(proxy: &Proxy) {
    // Returned at once: it is the sign that all permits are back.
    let _ = proxy.connections.acquire_many(proxy.config.connections_max).await;
}

async fn cut_rest(proxy: &Arc<Proxy>) {
    proxy.ending.idle.cancel();
    // Idle ones go by themselves now; only what is in flight is cut.
    let _ = tokio::time::timeout(CUT_GRACE, all_gone(proxy)).await;
    proxy.gate.cut_all();
    let _ = tokio::time::timeout(CUT_GRACE, all_gone(proxy)).await;
    proxy.ending.now.cancel();
    let proxy = Arc::clone(proxy);
    // Joining blocks, for as long as the threads need to drop their connections.
    let _ = tokio::task::spawn_blocking(move || proxy.workers.iter().for_each(Worker::join)).await;
}

#[cfg(test)]
impl Proxy {
    /// One that serves nobody: for what commands do.
    pub(crate) fn idle(config: Config, folder: Folder) -> Self {
        let lock = folder.lock().expect("the folder is the test's own");
        let listener = listen::bind(&config.listen).expect("the system chooses the port");
        assemble(config, folder, lock, listener, None, mpsc::channel(1).0).expect("nothing is missing")
    }
}
