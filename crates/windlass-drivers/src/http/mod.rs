//! HTTP checks: one request, what is expected of the answer, all unmet expectations at once.
//!
//! A check is read-only by contract: it may be repeated at any time and is never undone. A request that changes
//! something (a POST that logs in, say) is sent as written; what it leaves behind is the document's business.
//! Redirects are not followed, no proxy of the environment is used, nothing is kept between two checks.
//!
//! On a target with hosts it is sent from each of them: names, routes and firewalls count as they are there. The connection
//! goes through the host, the request is made here.

mod judge;
mod number;

use crate::host::{
    Hosts,
    place::{Place, Program},
};
use async_trait::async_trait;
use judge::Answer;
use reqwest::{Client, ClientBuilder, Method, Response, header::HeaderMap};
use std::time::Duration;
use windlass_document::http::{HttpCheck, Query};
use windlass_driver::{Capsule, Context, Done, Driver, Failure, Fault, Found, Survey, excerpt};
use windlass_plan::{Action, Unit, Way};

/// Bound of one check where the document says none, milliseconds.
const CHECK_MS_MAX: u64 = 10_000;

/// Longest body that is read.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Longest part of a body quoted in a failure.
const QUOTE_BYTES_MAX: usize = 2 * 1024;

/// Driver of HTTP checks, sent from this machine or from hosts.
#[derive(Clone, Debug, Default)]
pub struct HttpDriver {
    hosts: Hosts,
}

/// A client for checks; every request ends within `within`.
///
/// # Errors
/// No TLS provider was installed by the program, or the machine has no certificates.
pub fn client(within: Duration) -> Result<Client, Failure> {
    built(builder(within)?)
}

pub(crate) fn built(builder: ClientBuilder) -> Result<Client, Failure> {
    builder
        .build()
        .map_err(|error| Failure::clean(Fault::Transport, format!("no HTTP client: {}", cause(&error))))
}

pub(crate) fn builder(within: Duration) -> Result<ClientBuilder, Failure> {
    // reqwest panics without one.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err(Failure::clean(
            Fault::Windlass,
            "no TLS provider was installed at the start of the program",
        ));
    }
    Ok(Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(within)
        .timeout(within)
        // A kept connection that the server closes at the same moment would fail a check for nothing.
        .pool_max_idle_per_host(0)
        .user_agent(concat!("windlass/", env!("CARGO_PKG_VERSION"))))
}

/// The innermost cause of an error of a request: the outer ones only say that a request failed.
pub fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn check_of(unit: &Unit) -> Result<&HttpCheck, Failure> {
    match &unit.action {
        Action::Http { check } => Ok(check),
        _ => Err(Failure::clean(Fault::Windlass, format!("unit {} is no HTTP check", unit.id))),
    }
}

fn request(client: &Client, check: &HttpCheck) -> Result<reqwest::Request, Failure> {
    let wrong =
        |what: String| Failure::clean(Fault::Document, format!("{} {}: {what}", check.method, check.url));
    let method = Method::from_bytes(check.method.as_bytes()).map_err(|error| wrong(error.to_string()))?;
    let url = reqwest::Url::parse(&check.url).map_err(|error| wrong(error.to_string()))?;
    let mut request = client.request(method, url);
    for (name, value) in &check.headers {
        request = request.header(name, value);
    }
    if let Some(body) = &check.body {
        let typed = check.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        // As in Hurl: a JSON body says so.
        if !typed
            && serde_json::from_str::<serde_json::Value>(body)
                .is_ok_and(|json| json.is_object() || json.is_array())
        {
            request = request.header("content-type", "application/json");
        }
        request = request.body(body.clone());
    }
    request.build().map_err(|error| wrong(cause(&error)))
}

/// Reads the body up to the bound; `Err`: why it could not be read to its end, with what was read.
async fn read(mut response: Response) -> (Vec<u8>, Result<(), String>) {
    let mut body = vec![];
    loop {
        match response.chunk().await {
            Ok(None) => return (body, Ok(())),
            Ok(Some(chunk)) if body.len() + chunk.len() > BODY_BYTES_MAX => {
                return (body, Err(format!("it is longer than {BODY_BYTES_MAX} bytes")));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) => return (body, Err(cause(&error))),
        }
    }
}

fn wants_body(check: &HttpCheck) -> bool {
    check.asserts.iter().any(|assert| matches!(assert.query, Query::Body | Query::JsonPath(_)))
}

async fn answer(response: Response, check: &HttpCheck) -> Answer {
    let status = response.status().as_u16();
    let headers: HeaderMap = response.headers().clone();
    // A stream that never ends is read only where its body is asked for, or to say what came instead.
    let (body, complete) = if wants_body(check) || !judge::status_fits(check, status) {
        read(response).await
    } else {
        (vec![], Ok(()))
    };
    Answer { status, headers, body, complete }
}

impl HttpDriver {
    /// A driver that uses these connections.
    #[must_use]
    pub fn new(hosts: Hosts) -> Self {
        Self { hosts }
    }

    async fn check(&self, cx: &Context, unit: &Unit) -> Result<Done, Failure> {
        let check = check_of(unit)?;
        let within = Duration::from_millis(cx.timeout_ms.unwrap_or(CHECK_MS_MAX));
        let request = request(&client(within)?, check)?;
        let place = Place::of(&self.hosts, cx, unit);
        let mut subject = format!("{} {}", check.method, check.url);
        if !place.is_here() {
            subject += &format!(" from {}", place.name());
        }
        let url = request.url();
        let address = format!(
            "{}:{}",
            url.host_str().unwrap_or_default(),
            url.port_or_known_default().unwrap_or_default()
        );
        let tunnel = place.tunnel(address).await?;
        let client = match &tunnel {
            Some(tunnel) => built(builder(within)?.unix_socket(tunnel.socket()))?,
            None => client(within)?,
        };
        let response = client.execute(request).await.map_err(|error| {
            let complaint = tunnel.as_ref().and_then(crate::host::Tunnel::complaint);
            let why = complaint.unwrap_or_else(|| cause(&error));
            Failure::clean(Fault::Target, format!("{subject}: {why}")).retryable()
        })?;
        let answer = answer(response, check).await;
        let unmet = judge::unmet(check, &answer)
            .map_err(|what| Failure::clean(Fault::Document, format!("{subject}: {what}")))?;
        if unmet.is_empty() {
            let effect = format!("{subject}: {}, {} checks passed", answer.status, check.asserts.len() + 1);
            return Ok(Done { effects: vec![effect], ..Done::default() });
        }
        let text = String::from_utf8_lossy(&answer.body);
        let quoted = &text[..text.floor_char_boundary(QUOTE_BYTES_MAX)];
        Err(Failure::clean(Fault::Target, cx.secrets.mask(&format!("{subject}: {}", unmet.join("; "))))
            .retryable()
            .output(excerpt(&cx.secrets.mask(quoted))))
    }
}

#[async_trait]
impl Driver for HttpDriver {
    async fn survey(&self, cx: &Context, unit: &Unit) -> Result<Survey, Failure> {
        let check = check_of(unit)?;
        // Whether there is a connection.
        Place::of(&self.hosts, cx, unit).run(&Program::new(["true"]).reads()).await?;
        let effects = vec![format!("asks {} {}; changes nothing", check.method, check.url)];
        // What it would answer now says nothing of what it answers after the release.
        Ok(Survey { effects, problems: judge::malformed(check) })
    }

    async fn capture(&self, _: &Context, _: &Unit) -> Result<Capsule, Failure> {
        Ok(Capsule::default())
    }

    async fn apply(&self, cx: &Context, unit: &Unit, _: &Capsule) -> Result<Done, Failure> {
        self.check(cx, unit).await
    }

    async fn undo(&self, _: &Context, _: &Unit, _: &Capsule, _: Option<&Done>) -> Result<Done, Failure> {
        Ok(Done::default())
    }

    /// A check can always be repeated.
    async fn inspect(&self, _: &Context, _: &Unit, _: &Capsule, _: Way) -> Found {
        Found::NotApplied
    }
}

#[cfg(test)]
mod tests;
