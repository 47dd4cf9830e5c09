//! One request from a client to an upstream and back.

use crate::{
    body::{Answer, Flight, Outgoing, Progress, Streamed},
    config::Limits,
    headers::{self, Origin},
    lane::Ticket,
    routing::{Asked, Gate, Refused},
    split, tunnel,
    upstream::{self, Sender},
};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER, SET_COOKIE},
};
use http_body::Body;
use hyper::{body::Incoming, upgrade::OnUpgrade};
use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::{sync::OwnedSemaphorePermit, task::AbortHandle};

/// How long a client that expects `100 Continue` is kept waiting when the upstream says nothing.
const CONTINUE_WAIT: Duration = Duration::from_secs(1);

/// One client connection, as its requests see it.
pub(crate) struct Peer {
    pub gate: Arc<Gate>,
    pub worker: usize,
    pub limits: Limits,
    pub origin: Origin,
    /// The process is ending or was replaced: answers close their connection.
    pub closing: Arc<AtomicBool>,
    pub activity: Arc<Activity>,
    /// One of the connections that the process may have; tunnels keep it.
    pub _permit: OwnedSemaphorePermit,
}

/// What goes on on a connection, for its time limit.
#[derive(Default)]
pub(crate) struct Activity {
    requests: AtomicU64,
    /// Of these, those whose answer is not through.
    open: AtomicUsize,
}

impl Activity {
    fn begin(self: &Arc<Self>) -> Busy {
        self.requests.fetch_add(1, Relaxed);
        self.open.fetch_add(1, Relaxed);
        Busy(Arc::clone(self))
    }

    /// Resolves when no request came for half to all of `limit`, with whether any came before. `closes`: answers that
    /// are not through count as activity, because ending the connection would end them.
    pub(crate) async fn pauses(&self, limit: Duration, closes: bool) -> bool {
        let mut before = 0;
        loop {
            tokio::time::sleep(limit / 2).await;
            let now = self.requests.load(Relaxed);
            if now == before && !(closes && self.open.load(Relaxed) > 0) {
                return now > 0;
            }
            before = now;
        }
    }
}

/// A request whose answer is not through.
pub(crate) struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

/// Why there is no answer from the upstream.
enum Failure {
    /// Could not be reached; it has seen nothing of the request.
    Connect,
    /// Reached, but it broke off or was cut at the end of a drain.
    Broken,
    /// Silent for too long.
    Silent,
    /// The client broke off its own body.
    Client,
}

/// Answers one request; every failure has an answer.
pub(crate) async fn serve(
    peer: Arc<Peer>,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Infallible> {
    let busy = peer.activity.begin();
    let version = request.version();
    let mut response = respond(&peer, request, busy).await;
    let closing = version < Version::HTTP_2 && peer.closing.load(Relaxed);
    if closing && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

async fn respond(peer: &Arc<Peer>, mut request: Request<Incoming>, busy: Busy) -> Response<Answer> {
    if *request.method() == Method::CONNECT {
        return text(StatusCode::METHOD_NOT_ALLOWED, "this is not a forward proxy\n");
    }
    let asked = Asked { headers: request.headers(), safe: request.method().is_safe() };
    let ticket = match peer.gate.admit(peer.worker, asked).await {
        Ok(ticket) => ticket,
        Err(why) => return refusal(why),
    };
    let probe = headers::is_probe(request.headers());
    let started = Instant::now();
    let client_side = upgrading(&mut request);
    let mut exchange =
        Exchange::new(peer, ticket, request, client_side.as_ref().map(|(_, name)| name.clone()));
    let result = exchange.run().await;
    let Exchange { mut ticket, close, .. } = exchange;
    ticket.pace = None;
    let failed = match &result {
        Ok((response, _)) => response.status().is_server_error(),
        Err(Failure::Client) => return text(StatusCode::BAD_REQUEST, "the request body ended early\n"),
        Err(_) => true,
    };
    if !probe {
        let stats = &ticket.lane.stats;
        stats.requests.fetch_add(1, Relaxed);
        stats.latency.record(started.elapsed());
        stats.errors.fetch_add(u64::from(failed), Relaxed);
    }
    match result {
        Ok((response, sender)) => {
            let flight = Flight { ticket, sender, close, _busy: busy };
            // What breaks off later is counted unless it was counted, or is never to be.
            answer(peer, response, flight, failed || probe, client_side.map(|(client, _)| client))
        }
        Err(Failure::Silent) => text(StatusCode::GATEWAY_TIMEOUT, "the service did not answer in time\n"),
        Err(_) if ticket.lane.cut.is_cancelled() => unavailable("the service is being replaced\n"),
        Err(_) => text(StatusCode::BAD_GATEWAY, "the service cannot be reached\n"),
    }
}

/// The client's side of a change of protocol, if it asks for one, and the protocol.
fn upgrading(request: &mut Request<Incoming>) -> Option<(OnUpgrade, HeaderValue)> {
    let protocol = headers::upgrade(request.version(), request.headers())?;
    Some((hyper::upgrade::on(request), protocol))
}

/// Turns the upstream's response into the client's.
fn answer(
    peer: &Arc<Peer>,
    response: Response<Incoming>,
    mut flight: Flight,
    failed: bool,
    client: Option<OnUpgrade>,
) -> Response<Answer> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return match client {
            Some(client) => tunnel::open(peer, client, response, flight),
            // Nobody asked for it: there is no sense to be made of the bytes that would follow.
            None => text(StatusCode::BAD_GATEWAY, "the service changed the protocol unasked\n"),
        };
    }
    let (mut parts, body) = response.into_parts();
    if headers::closes(&parts.headers) || parts.version < Version::HTTP_11 {
        flight.sender = None;
    }
    headers::to_client(&mut parts.headers);
    if let Some(id) = flight.ticket.new_client {
        parts.headers.append(SET_COOKIE, split::set_cookie(id));
    }
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    Response::from_parts(parts, Answer::Streamed(Streamed::new(body, failed, flight)))
}

/// A request on its way, with what is needed to try again.
struct Exchange<'a> {
    peer: &'a Peer,
    ticket: Ticket,
    /// The request; `None` while it is out and cannot be had back.
    request: Option<Request<Outgoing>>,
    progress: Arc<Progress>,
    /// Sending it twice does the same as sending it once, and there is nothing of it that is gone.
    repeatable: bool,
    /// A change of protocol or an unread body may leave the connection unfit for another request.
    single: bool,
    close: Option<AbortHandle>,
}

impl<'a> Exchange<'a> {
    fn new(peer: &'a Peer, ticket: Ticket, request: Request<Incoming>, upgrade: Option<HeaderValue>) -> Self {
        let (mut parts, body) = request.into_parts();
        let empty = body.is_end_stream();
        let length = if empty { Some(0) } else { body.size_hint().exact() };
        let expects = !empty && headers::expects_continue(&parts.headers);
        let single = expects || upgrade.is_some();
        headers::to_upstream(&mut parts, &peer.origin, upgrade, length, &ticket.lane.target.upstream.address);
        let repeatable = empty && parts.method.is_idempotent();
        let progress = Arc::default();
        let body = if empty { Outgoing::empty() } else { Outgoing::new(body, Arc::clone(&progress)) };
        let mut request = Request::from_parts(parts, body);
        if expects {
            await_continue(&mut request);
        }
        Self { peer, ticket, request: Some(request), progress, repeatable, single, close: None }
    }

    /// Sends the request, on a kept connection if there is one, else on a fresh one, and waits for the response head.
    async fn run(&mut self) -> Result<(Response<Incoming>, Option<Sender>), Failure> {
        let repeatable = self.repeatable;
        let kept = if self.single { None } else { self.ticket.lane.pool.take(repeatable) };
        if let Some(sender) = kept {
            let copy = if repeatable { self.request.as_ref().map(copy_head) } else { None };
            match self.send(sender).await {
                Ok((response, sender)) => return Ok((response, Some(sender))),
                Err(Failure::Broken) if !self.ticket.lane.cut.is_cancelled() => {
                    // The upstream closed it while it was idle. Either the request came back unsent, or it may be
                    // sent again, or the client has to decide.
                    self.request = self.request.take().or(copy);
                }
                Err(failure) => return Err(failure),
            }
            if self.request.is_none() {
                return Err(Failure::Broken);
            }
        }
        let (sender, connection) = self.connect().await?;
        let (response, sender) = self.send(sender).await?;
        if self.single {
            self.close = Some(connection);
            return Ok((response, None));
        }
        Ok((response, Some(sender)))
    }

    /// A fresh connection; when this upstream refuses, one to another upstream of the version.
    async fn connect(&mut self) -> Result<(Sender, AbortHandle), Failure> {
        let limit = self.peer.limits.connect;
        match upstream::connect(&self.ticket.lane, limit).await {
            Ok(connected) => Ok(connected),
            Err(_) => {
                let other =
                    self.peer.gate.elsewhere(self.peer.worker, &self.ticket).ok_or(Failure::Connect)?;
                self.ticket = other;
                upstream::connect(&self.ticket.lane, limit).await.map_err(|_| Failure::Connect)
            }
        }
    }

    async fn send(&mut self, mut sender: Sender) -> Result<(Response<Incoming>, Sender), Failure> {
        let request = self.request.take().expect("a request that is out for good is not sent again");
        let quiet = self.peer.limits.response;
        let has_body = !request.body().is_empty();
        let mut sent = std::pin::pin!(sender.try_send_request(request));
        let result = loop {
            let before = self.progress.frames.load(Relaxed);
            match tokio::time::timeout(quiet, sent.as_mut()).await {
                Ok(result) => break result,
                Err(_) if has_body && self.progress.frames.load(Relaxed) != before => {}
                Err(_) => return Err(Failure::Silent),
            }
        };
        match result {
            Ok(response) => Ok((response, sender)),
            Err(mut error) => {
                self.request = error.take_message();
                let client = self.progress.broken.load(Relaxed);
                Err(if client { Failure::Client } else { Failure::Broken })
            }
        }
    }
}

/// The same request again; only for those without a body.
fn copy_head(request: &Request<Outgoing>) -> Request<Outgoing> {
    let mut copy = Request::new(Outgoing::empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = HeaderMap::clone(request.headers());
    copy
}

/// Reads the body from the client only when the upstream says 100, or nothing at all for a while. When it answers for
/// good instead, the body stays with the client.
fn await_continue(request: &mut Request<Outgoing>) {
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let go = Mutex::new(Some(go));
    hyper::ext::on_informational(request, move |response| {
        if response.status() == StatusCode::CONTINUE
            && let Ok(mut go) = go.lock()
            && let Some(go) = go.take()
        {
            // The receiver is gone when the client is.
            let _ = go.send(());
        }
    });
    request.body_mut().wait_for(async move {
        if let Ok(Err(_)) = tokio::time::timeout(CONTINUE_WAIT, gone).await {
            std::future::pending().await
        }
    });
}

fn refusal(why: Refused) -> Response<Answer> {
    unavailable(match why {
        Refused::QueueFull => "too many requests are waiting for a release to finish\n",
        Refused::HeldTooLong => "a release takes longer than a request may wait\n",
        Refused::Stopping => "the proxy is stopping\n",
        Refused::Maintenance => "in maintenance, please come again later\n",
        Refused::Readonly => "nothing can be changed for the moment, please try again later\n",
    })
}

/// 503 with the advice to come again at once: what it is about lasts seconds.
fn unavailable(why: &'static str) -> Response<Answer> {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, why);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn text(status: StatusCode, why: &'static str) -> Response<Answer> {
    let mut response = Response::new(Answer::Text(why));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
