//! Upstreams, clients and a proxy for the tests; everything on real sockets with ports of the system's choice.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(dead_code, reason = "each test binary uses a part of it")]

use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{Method, Request, Response, StatusCode, body::Frame, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, oneshot},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use windlass_proxy::{
    Client, Config, ProxyError,
    control::{Request as Command, Status, Upstream},
};

/// Longest wait for anything in a test; only reached when it fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub type Body = BoxBody<Bytes, Infallible>;

/// A service of one version. `/slow` answers when told by [`Backend::release`].
pub struct Backend {
    pub address: String,
    pub version: String,
    pub seen: Arc<AtomicU64>,
    pub connections: Arc<AtomicU64>,
    in_flight: Arc<AtomicU64>,
    go: Arc<Notify>,
    kill: CancellationToken,
}

struct Shared {
    version: String,
    seen: Arc<AtomicU64>,
    in_flight: Arc<AtomicU64>,
    go: Arc<Notify>,
    kill: CancellationToken,
}

struct InFlight(Arc<AtomicU64>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Backend {
    pub async fn start(version: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let backend = Self {
            address: listener.local_addr().unwrap().to_string(),
            version: version.to_owned(),
            seen: Arc::default(),
            connections: Arc::default(),
            in_flight: Arc::default(),
            go: Arc::default(),
            kill: CancellationToken::new(),
        };
        let shared = Arc::new(Shared {
            version: version.to_owned(),
            seen: Arc::clone(&backend.seen),
            in_flight: Arc::clone(&backend.in_flight),
            go: Arc::clone(&backend.go),
            kill: backend.kill.clone(),
        });
        let connections = Arc::clone(&backend.connections);
        tokio::spawn(async move {
            loop {
                let stream = tokio::select! {
                    () = shared.kill.cancelled() => return,
                    accepted = listener.accept() => accepted.unwrap().0,
                };
                connections.fetch_add(1, SeqCst);
                stream.set_nodelay(true).unwrap();
                tokio::spawn(serve_backend(Arc::clone(&shared), stream));
            }
        });
        backend
    }

    pub fn upstream(&self, weight: u8) -> Upstream {
        Upstream { version: self.version.clone(), address: self.address.clone(), weight, health: None }
    }

    /// Requests at work in it, tunnels included.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(SeqCst)
    }

    /// Answers everything that waits at `/slow` now.
    pub fn release(&self) {
        self.go.notify_waiters();
    }

    /// Lets one event of `/sse` go, now or as soon as it is waited for.
    pub fn next_event(&self) {
        self.go.notify_one();
    }

    /// As a process that is killed: the listener and all connections are gone at once.
    pub fn kill(&self) {
        self.kill.cancel();
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn serve_backend(shared: Arc<Shared>, stream: TcpStream) {
    let kill = shared.kill.clone();
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(backend_answer(shared, request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::select! {
        _ = connection => {}
        () = kill.cancelled() => {}
    }
}

pub fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed()
}

pub fn empty() -> Body {
    full(Bytes::new())
}

async fn backend_answer(shared: Arc<Shared>, mut request: Request<Incoming>) -> Response<Body> {
    shared.seen.fetch_add(1, SeqCst);
    shared.in_flight.fetch_add(1, SeqCst);
    let guard = InFlight(Arc::clone(&shared.in_flight));
    let version = shared.version.clone();
    match request.uri().path() {
        "/echo" => {
            let body = request.into_body().map_err(|error| panic!("request body: {error}"));
            Response::new(BodyExt::boxed(body))
        }
        "/sum" => {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            Response::new(full(format!("{version} {}", body.len())))
        }
        "/slow" => {
            shared.go.notified().await;
            drop(guard);
            Response::new(full(version))
        }
        "/head" => {
            let mut text = format!("{} {} {:?}\n", request.method(), request.uri(), request.version());
            for (name, value) in request.headers() {
                text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
            }
            Response::new(full(text))
        }
        "/sse" => events(shared, guard),
        "/ticks" => ticks(guard),
        "/ws" => echo_tunnel(shared, guard, &mut request),
        "/error" => Response::builder().status(500).body(full("no")).unwrap(),
        "/redirect" => Response::builder().status(302).header("location", "/").body(empty()).unwrap(),
        "/trailers" => {
            let mut trailers = http::HeaderMap::new();
            trailers.insert("x-sum", "42".parse().unwrap());
            let frames = [Ok(Frame::data(Bytes::from_static(b"body"))), Ok(Frame::trailers(trailers))];
            let body = BodyExt::boxed(StreamBody::new(futures_util::stream::iter(frames)));
            Response::builder().header("trailer", "x-sum").body(body).unwrap()
        }
        _ => Response::new(full(version)),
    }
}

/// Server-sent events: the first at once, each further one when told by [`Backend::next_event`].
fn events(shared: Arc<Shared>, guard: InFlight) -> Response<Body> {
    let version = shared.version.clone();
    let (events, stream) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, Infallible>>(1);
    tokio::spawn(async move {
        let _guard = guard;
        for n in 0.. {
            let event = Frame::data(Bytes::from(format!("data: {version} {n}\n\n")));
            tokio::select! {
                sent = events.send(Ok(event)) => if sent.is_err() { return },
                () = shared.kill.cancelled() => return,
            }
            // Not the next before it was asked for.
            shared.go.notified().await;
        }
    });
    let stream = futures_util::stream::unfold(stream, |mut s| async { s.recv().await.map(|f| (f, s)) });
    let body = BodyExt::boxed(StreamBody::new(SyncStream(Box::pin(stream))));
    Response::builder().header("content-type", "text/event-stream").body(body).unwrap()
}

/// Five events, two milliseconds apart.
fn ticks(guard: InFlight) -> Response<Body> {
    let stream = futures_util::stream::unfold((0, guard), |(n, guard)| async move {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let event = Ok(Frame::data(Bytes::from(format!("data: {n}\n\n"))));
        (n < 5).then_some((event, (n + 1, guard)))
    });
    let body = BodyExt::boxed(StreamBody::new(SyncStream(Box::pin(stream))));
    Response::builder().header("content-type", "text/event-stream").body(body).unwrap()
}

fn echo_tunnel(shared: Arc<Shared>, guard: InFlight, request: &mut Request<Incoming>) -> Response<Body> {
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let _guard = guard;
        let Ok(upgraded) = upgrade.await else { return };
        let mut stream = TokioIo::new(upgraded);
        let mut buffer = [0; 1024];
        loop {
            let length = tokio::select! {
                read = stream.read(&mut buffer) => read.unwrap_or(0),
                () = shared.kill.cancelled() => return,
            };
            if length == 0 || stream.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    });
    let answer = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    answer.header("connection", "upgrade").header("upgrade", "echo").body(empty()).unwrap()
}

struct SyncStream<S>(std::pin::Pin<Box<S>>);

impl<S: futures_util::Stream> futures_util::Stream for SyncStream<S> {
    type Item = S::Item;
    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<S::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

/// A proxy in this process.
pub struct Proxy {
    pub address: SocketAddr,
    pub client: Client,
    pub dir: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    pub ended: JoinHandle<Result<(), ProxyError>>,
}

impl Proxy {
    pub async fn start(upstreams: Vec<Upstream>) -> Self {
        Self::with(upstreams, |_| ()).await
    }

    pub async fn with(upstreams: Vec<Upstream>, change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::new("127.0.0.1:0", dir.path().join("state"));
        config.upstreams = upstreams;
        config.workers = Some(2);
        config.health.interval_ms = 40;
        change(&mut config);
        Self::serve(dir, config).await
    }

    /// Ends it, and starts another one on the same folder, at another address.
    pub async fn again(&mut self) {
        self.terminate();
        (&mut self.ended).await.unwrap().unwrap();
        let dir = std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap());
        let mut config = Config::new("127.0.0.1:0", dir.path().join("state"));
        config.workers = Some(2);
        *self = Self::serve(dir, config).await;
    }

    async fn serve(dir: tempfile::TempDir, config: Config) -> Self {
        let client = Client::new(&config.state_dir);
        let (stop, stopped) = oneshot::channel::<()>();
        let ended = tokio::spawn(windlass_proxy::run(config, async {
            // A proxy that is not stopped goes on when its owner is dropped with the test.
            if stopped.await.is_err() {
                std::future::pending().await
            }
        }));
        let status = client.wait(PATIENCE).await.unwrap();
        Self { address: status.listen.parse().unwrap(), client, dir, stop: Some(stop), ended }
    }

    pub async fn send(&self, command: Command) -> Status {
        self.client.send(command).await.unwrap()
    }

    pub async fn status(&self) -> Status {
        self.send(Command::Status).await
    }

    pub async fn hold(&self, hold_ms: u64, drain_ms: u64) -> Status {
        self.send(Command::Hold { hold_ms, drain_ms }).await
    }

    pub async fn switch(&self, upstreams: Vec<Upstream>, drain_ms: u64, resume: bool) -> Status {
        self.send(Command::Switch { upstreams, drain_ms, resume }).await
    }

    /// Waits until the status is as wanted.
    pub async fn until(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        let mut last = self.status().await;
        let end = tokio::time::Instant::now() + PATIENCE;
        while !wanted(&last) {
            assert!(tokio::time::Instant::now() < end, "waiting for {what}: {last:#?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
            last = self.status().await;
        }
        last
    }

    /// As SIGTERM.
    pub fn terminate(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }
}

/// Waits until something outside the proxy is so.
pub async fn until(what: &str, wanted: impl Fn() -> bool) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !wanted() {
        assert!(tokio::time::Instant::now() < end, "waiting for {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Got {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    pub body: String,
    pub trailers: Option<http::HeaderMap>,
}

/// A client connection: HTTP/1.1 with keep-alive, or HTTP/2.
pub enum Browser {
    Http1(hyper::client::conn::http1::SendRequest<Body>),
    Http2(hyper::client::conn::http2::SendRequest<Body>),
}

impl Browser {
    pub async fn http1(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::http1_on(stream).await
    }

    pub async fn http1_on(
        stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        Self::Http1(sender)
    }

    pub async fn http2(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::http2_on(stream).await
    }

    pub async fn http2_on(
        stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        let io = TokioIo::new(stream);
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        Self::Http2(sender)
    }

    /// Sends a request and returns when the head of the answer is there.
    pub async fn open(&mut self, mut request: Request<Body>) -> Result<Response<Incoming>, hyper::Error> {
        match self {
            Self::Http1(sender) => {
                request.headers_mut().entry("host").or_insert("test.example".parse().unwrap());
                sender.ready().await?;
                sender.send_request(request).await
            }
            Self::Http2(sender) => {
                let path = request.uri().path_and_query().unwrap().clone();
                *request.uri_mut() = format!("http://test.example{path}").parse().unwrap();
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    pub async fn send(&mut self, request: Request<Body>) -> Result<Got, hyper::Error> {
        let (head, body) = self.open(request).await?.into_parts();
        let body = body.collect().await?;
        let trailers = body.trailers().cloned();
        let text = String::from_utf8(body.to_bytes().to_vec()).unwrap();
        Ok(Got { status: head.status, headers: head.headers, body: text, trailers })
    }

    pub async fn get(&mut self, path: &str) -> Got {
        self.send(get(path)).await.unwrap()
    }
}

pub fn get(path: &str) -> Request<Body> {
    Request::get(path).body(empty()).unwrap()
}

pub fn post(path: &str, body: impl Into<Bytes>) -> Request<Body> {
    Request::builder().method(Method::POST).uri(path).body(full(body)).unwrap()
}

/// A WebSocket-like connection that echoes.
pub async fn tunnel(address: SocketAddr) -> TokioIo<hyper::upgrade::Upgraded> {
    let mut browser = Browser::http1(address).await;
    let request =
        Request::get("/ws").header("connection", "Upgrade").header("upgrade", "echo").body(empty()).unwrap();
    let response = browser.open(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(response.headers()["upgrade"], "echo");
    TokioIo::new(hyper::upgrade::on(response).await.unwrap())
}
