//! Requests to a store, each signed, bounded, and repeated where that is safe: all of them are, they name what they make.

mod deletes;
mod only;
mod operations;
mod rules;
mod tags;
mod uploads;

pub use only::Over;

use crate::{
    credentials::Finder,
    encode::{header_us, hex, percent},
    error::{self, Error, Kind},
    http::{self as wire, Lost, Wire},
    pace::Pace,
    settings::{Resolved, Settings},
    sign,
    xml::Node,
};
use bytes::Bytes;
use http::Response;
use hyper::body::Incoming;
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use windlass_objects::Object;

/// A request is tried this often; with the pauses that is about 25 s.
const TRIES: u32 = 10;
/// After this time a request that failed is not tried again: a store that hangs answers none of them.
const TIME_MAX: Duration = Duration::from_secs(300);
/// Bodies of at most 8 MiB that are in memory at a time.
const BODIES_MAX: usize = 32;
/// Of the body of an answer that refuses, where the answer to a good request may have any length.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;
/// Longest wait for it: the words of a refusal are not worth more.
const REFUSAL_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest pause before another try.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Most keys that one request deletes.
pub(crate) const DELETES_MAX: usize = 1000;

/// A store, with connections, credentials and pace that all its clones share.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    wire: Wire,
    finder: Finder,
    resolved: Resolved,
    pace: Pace,
    /// The store's clock minus ours, seconds: a request is refused when they differ by more than 15 minutes.
    skew_s: AtomicI64,
    /// Key of the day, by what it was made from.
    day_keys: Mutex<HashMap<(String, String, String), [u8; 32]>>,
    requests: AtomicU64,
    /// Bodies that may be in memory.
    bodies: tokio::sync::Semaphore,
    unconditional: only::Unconditional,
    /// The store refuses a HEAD that asks for checksums.
    refuses_sums: AtomicBool,
}

/// One page of a listing.
#[derive(Debug, Default)]
pub struct Page {
    /// Sorted.
    pub objects: Vec<Object>,
    /// Where to go on; none: it was the last.
    pub next: Option<String>,
}

/// What a store says of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Bytes.
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    /// Its version, where the bucket has versions.
    pub version: Option<String>,
    /// Microseconds since 1970, whole seconds.
    pub modified_us: i64,
    /// Storage class; none: `STANDARD`.
    pub class: Option<String>,
    /// It is encrypted under a key of KMS or of the client: its ETag is no hash of its content.
    pub is_hidden: bool,
    /// Headers that a copy in parts has to be given: content type, `x-amz-meta-…` and the like.
    pub attributes: Vec<(String, String)>,
    /// It has tags, so far as the store says: to who may not read them it may say nothing.
    pub has_tags: bool,
    /// Checksums of the whole object that the store keeps: kind (`crc64nvme`, `sha256`) and value.
    pub sums: Vec<(String, String)>,
}

/// What a store answers to a write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Without quotes.
    pub etag: String,
    /// Its version, where the bucket has versions.
    pub version: Option<String>,
}

/// A part of a large object that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 1.
    pub number: u32,
    /// As the store gave it.
    pub etag: String,
    /// Bytes.
    pub size: u64,
}

/// An object that was begun in parts, and not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Its key.
    pub key: String,
    /// Its number.
    pub upload: String,
    /// When it was begun, microseconds since 1970 by the store's clock; none: the store does not say (SeaweedFS).
    pub begun_us: Option<i64>,
}

/// One version of a key, or one delete marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its version.
    pub version: String,
    /// It only hides what is below it.
    pub is_marker: bool,
    /// Without quotes; empty for a marker.
    pub etag: String,
    /// Bytes.
    pub size: u64,
}

impl Head {
    /// As a listing has it.
    pub(crate) fn object(self, key: &str) -> Object {
        let Self { size, modified_us, etag, version, class, .. } = self;
        Object { key: key.to_owned(), size, modified_us, etag: Some(etag), version, class }
    }
}

impl Layer {
    /// Whether it is this object.
    pub(crate) fn is(&self, object: &Object) -> bool {
        !self.is_marker && self.size == object.size && object.etag.as_ref() == Some(&self.etag)
    }
}

/// A copy inside the store.
#[derive(Clone, Debug, Default)]
pub struct Copy<'a> {
    /// Bucket and key to copy from.
    pub from: (&'a str, &'a str),
    /// Version to copy from.
    pub version: Option<&'a str>,
    /// The source has to be this one.
    pub etag: Option<&'a str>,
    /// Bucket and key to copy to.
    pub to: (&'a str, &'a str),
    /// What it may replace there.
    pub over: Over<'a>,
    /// Further headers: storage class, ACL, metadata.
    pub headers: Vec<(&'static str, String)>,
    /// Headers with names that follow from names of metadata.
    pub metadata: Vec<(String, String)>,
}

/// What became of one key of a request that deletes many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// The key.
    pub key: String,
    /// Version of the delete marker that was made.
    pub marker: Option<String>,
    /// Why it was not deleted.
    pub error: Option<Error>,
}

/// Whether a bucket keeps versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versioning {
    /// Every write and delete leaves the former version.
    Enabled,
    /// It never had versions, or they are suspended: what is overwritten is gone.
    Off,
}

/// A request before it is signed.
#[derive(Clone, Default)]
pub(crate) struct Call<'a> {
    method: &'static str,
    bucket: &'a str,
    key: &'a str,
    query: Vec<(&'static str, String)>,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl<'a> Call<'a> {
    pub(crate) fn new(method: &'static str, bucket: &'a str, key: &'a str) -> Self {
        Self { method, bucket, key, ..Self::default() }
    }

    fn ask(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    fn ask_some(self, name: &'static str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.ask(name, value),
            None => self,
        }
    }

    fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    fn what(&self) -> String {
        match (self.bucket, self.key) {
            ("", _) => format!("{} of the list of buckets", self.method),
            (bucket, "") => format!("{} s3://{bucket}", self.method),
            (bucket, key) => format!("{} s3://{bucket}/{key}", self.method),
        }
    }
}

impl Client {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// The certificates that TLS needs cannot be read.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let bundle = settings.variable("AWS_CA_BUNDLE");
        let wire = Wire::new(bundle.as_deref().map(Path::new))?;
        let finder = Finder::new(settings, &wire);
        Ok(Self(Arc::new(Inner {
            wire,
            finder,
            resolved: settings.resolve(),
            pace: Pace::default(),
            skew_s: AtomicI64::new(0),
            day_keys: Mutex::default(),
            requests: AtomicU64::new(0),
            bodies: tokio::sync::Semaphore::new(BODIES_MAX),
            unconditional: only::Unconditional::default(),
            refuses_sums: AtomicBool::new(false),
        })))
    }

    /// Requests that were sent, with those that were repeated.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.0.requests.load(Ordering::Relaxed)
    }

    /// Waits until one more body may be in memory.
    pub(crate) async fn body(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Error> {
        let permit = self.0.bodies.acquire().await;
        permit.map_err(|error| Error::new(Kind::Windlass, error.to_string()))
    }

    /// Scheme, host, and the path in front of the key.
    fn place(&self, bucket: &str) -> (String, String, String) {
        let Resolved { region, endpoint, path_style } = &self.0.resolved;
        let tail = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let base = endpoint.clone().unwrap_or_else(|| format!("https://s3.{region}.{tail}"));
        let (scheme, host) = base.split_once("://").unwrap_or(("https", &base));
        // A certificate for `*.host` is none for a name with two more dots.
        let in_path = *path_style || bucket.is_empty() || (bucket.contains('.') && scheme == "https");
        if in_path {
            let path = if bucket.is_empty() { String::new() } else { format!("/{}", percent(bucket, false)) };
            (scheme.to_owned(), host.to_owned(), path)
        } else {
            (scheme.to_owned(), format!("{bucket}.{host}"), String::new())
        }
    }

    async fn signed(&self, call: &Call<'_>) -> Result<http::Request<Bytes>, Error> {
        let keys = self.0.finder.keys().await?;
        let (scheme, host, base) = self.place(call.bucket);
        let path = format!("{base}/{}", percent(call.key, true));
        let payload = hex(&Sha256::digest(&call.body));
        let time = self.time();
        let mut headers: Vec<_> =
            call.headers.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        headers.push(("host", host.clone()));
        let region = &self.0.resolved.region;
        let request = sign::Request {
            method: call.method,
            path: &path,
            query: &call.query,
            headers: &headers,
            payload: &payload,
            region,
            service: "s3",
            time: &time,
        };
        let day = time.get(..8).unwrap_or_default().to_owned();
        let day_key = {
            let mut kept = self.0.day_keys.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() > 16 {
                kept.clear();
            }
            let made_from = (keys.access.clone(), keys.secret.clone(), day);
            *kept.entry(made_from).or_insert_with_key(|(_, _, day)| sign::day_key(&keys, day, region, "s3"))
        };
        let authorization = sign::authorization(&request, &keys, &day_key);
        let query = sign::query(&call.query);
        let mark = if query.is_empty() { "" } else { "?" };
        let mut built = http::Request::builder()
            .method(call.method)
            .uri(format!("{scheme}://{host}{path}{mark}{query}"))
            .header("x-amz-content-sha256", payload)
            .header("x-amz-date", &time)
            .header("authorization", authorization);
        if let Some(token) = &keys.token {
            built = built.header("x-amz-security-token", token);
        }
        for (name, value) in &call.headers {
            // Bytes of a value that are not ASCII are sent as they are: stores read them as UTF-8.
            let value = http::HeaderValue::from_bytes(value.as_bytes());
            built = built.header(name, value.map_err(|_| self.unfit(call, name))?);
        }
        built.body(call.body.clone()).map_err(|error| {
            Error::new(Kind::Windlass, format!("{}: no request can be made of it: {error}", call.what()))
        })
    }

    fn unfit(&self, call: &Call<'_>, name: &str) -> Error {
        Error::new(Kind::Refused, format!("{}: the value of {name} has control characters", call.what()))
    }

    /// Now, by the store's clock as far as it is known, seconds since 1970.
    pub(crate) fn now_s(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        now.saturating_add(self.0.skew_s.load(Ordering::Relaxed))
    }

    /// As it is signed.
    fn time(&self) -> String {
        let time = jiff::Timestamp::from_second(self.now_s()).unwrap_or_default();
        time.strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    /// Sends until it is answered, and gives the answer where it is a good one.
    async fn send(&self, call: &Call<'_>) -> Result<Response<Bytes>, Error> {
        let mut pauses = Pauses::default();
        loop {
            let turn = self.0.pace.turn().await;
            let request = self.signed(call).await?;
            self.0.requests.fetch_add(1, Ordering::Relaxed);
            let sent = self.0.wire.whole(request).await;
            drop(turn);
            let failure = match sent {
                Ok(answer) => match self.judge(call, &answer) {
                    None => {
                        self.0.pace.well();
                        return Ok(answer);
                    }
                    Some(error) => self.reason(call, error).await,
                },
                Err(Lost { why }) => Error::new(Kind::Transport, format!("{}: {why}", call.what())),
            };
            self.again(&mut pauses, failure).await?;
        }
    }

    /// The answer to a HEAD has no body, so it does not say whether credentials expired, a clock differs, or the account may not: a GET
    /// of the same is refused with a code.
    async fn reason(&self, call: &Call<'_>, error: Error) -> Error {
        if call.method != "HEAD" || !matches!(error.kind, Kind::Denied | Kind::Refused) {
            return error;
        }
        let probe = Call { method: "GET", ..call.clone() };
        let Ok(request) = self.signed(&probe).await else { return error };
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        let turn = self.0.pace.turn().await;
        let answer = self.0.wire.begin(request).await;
        let answer = match answer {
            Ok(answer) if !answer.status().is_success() => refusal(answer).await,
            _ => return error,
        };
        drop(turn);
        let known = |told: &Error| {
            matches!(told.kind, Kind::Credentials | Kind::Denied | Kind::Refused | Kind::Region)
        };
        self.judge(&probe, &answer).filter(known).unwrap_or(error)
    }

    /// As [`Client::send`], for a body that is too large for memory.
    pub(crate) async fn open(&self, call: &Call<'_>) -> Result<Response<Incoming>, Error> {
        let mut pauses = Pauses::default();
        loop {
            let request = self.signed(call).await?;
            self.0.requests.fetch_add(1, Ordering::Relaxed);
            let turn = self.0.pace.turn().await;
            let begun = self.0.wire.begin(request).await;
            drop(turn);
            let failure = match begun {
                Ok(answer) if answer.status().is_success() => return Ok(answer),
                Ok(answer) => {
                    let answer = refusal(answer).await;
                    let unclear = || Error::new(Kind::Answer, call.what());
                    self.judge(call, &answer).unwrap_or_else(unclear)
                }
                Err(Lost { why }) => Error::new(Kind::Transport, format!("{}: {why}", call.what())),
            };
            self.again(&mut pauses, failure).await?;
        }
    }

    /// Waits where another try has a chance, and gives the failure back where it has none.
    async fn again(&self, pauses: &mut Pauses, failure: Error) -> Result<(), Error> {
        match failure.kind {
            Kind::Busy | Kind::Transport => self.0.pace.slower(),
            // What was good may have expired or been replaced: once.
            Kind::Credentials if !pauses.is_renewed => {
                pauses.is_renewed = true;
                self.0.finder.forget().await;
                return Ok(());
            }
            Kind::Refused if pauses.is_skewed_now(self) => return Ok(()),
            _ => return Err(Error { is_repeated: pauses.tries > 0, ..failure }),
        }
        let Some(pause) = pauses.next() else { return Err(failure) };
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// What is wrong with an answer.
    fn judge(&self, call: &Call<'_>, answer: &Response<Bytes>) -> Option<Error> {
        let status = answer.status();
        // Copies and completions begin their answer before they know how it ends.
        let is_late = status.is_success() && call.method != "GET" && answer.body().starts_with(b"<");
        let node = (is_late || !status.is_success()).then(|| Node::read(answer.body()).ok()).flatten();
        let is_error = node.as_ref().is_some_and(|node| node.name == "Error");
        if status.is_success() && !is_error {
            return None;
        }
        let node = node.unwrap_or_default();
        let (code, words) = (node.get("Code"), node.get("Message"));
        let mut kind = error::kind(if status.is_success() { 500 } else { status.as_u16() }, code);
        if kind == Kind::NotFound && call.key.is_empty() {
            kind = Kind::NoBucket;
        }
        if code == "RequestTimeTooSkewed" {
            self.learn_clock(answer);
            kind = Kind::Refused;
        }
        let said = match (code, words) {
            ("", _) => status.to_string(),
            (code, "") => code.to_owned(),
            (code, words) => format!("{code}: {words}"),
        };
        let mut error = Error::new(kind, format!("{}: {said}", call.what()));
        let region = answer.headers().get("x-amz-bucket-region").and_then(|value| value.to_str().ok());
        let region = region.unwrap_or_else(|| node.get("Region"));
        if kind == Kind::Region && !region.is_empty() {
            error = error.hint(format!("the bucket is in region `{region}`: set `region = \"{region}\"`"));
        }
        Some(error)
    }

    fn learn_clock(&self, answer: &Response<Bytes>) {
        let date = answer.headers().get("date").and_then(|value| value.to_str().ok()).and_then(header_us);
        let ours = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if let Some(theirs) = date {
            let ours = i64::try_from(ours.as_secs()).unwrap_or(i64::MAX);
            self.0.skew_s.store(theirs / 1_000_000 - ours, Ordering::Relaxed);
        }
    }
}

/// An answer that refuses, with what came of its body.
async fn refusal(answer: Response<Incoming>) -> Response<Bytes> {
    let (parts, mut body) = answer.into_parts();
    let bytes = tokio::time::timeout(REFUSAL_TIME_MAX, wire::beginning(&mut body, REFUSAL_BYTES_MAX)).await;
    Response::from_parts(parts, bytes.unwrap_or_default())
}

/// The tries of one request.
struct Pauses {
    since: Instant,
    tries: u32,
    is_renewed: bool,
    is_skewed: bool,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { since: Instant::now(), tries: 0, is_renewed: false, is_skewed: false }
    }
}

impl Pauses {
    fn next(&mut self) -> Option<Duration> {
        self.tries += 1;
        if self.tries >= TRIES || self.since.elapsed() >= TIME_MAX {
            return None;
        }
        let most = Duration::from_millis(50 << self.tries.min(10)).min(PAUSE_MAX);
        // Those that failed together do not come back together.
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
        Some(most / 2 + most.mul_f64(f64::from(nanos % 1000) / 2000.0))
    }

    /// The store's clock was learned from this very refusal: once more, with it.
    fn is_skewed_now(&mut self, client: &Client) -> bool {
        let is_new = !self.is_skewed && client.0.skew_s.load(Ordering::Relaxed) != 0;
        self.is_skewed |= is_new;
        is_new
    }
}
