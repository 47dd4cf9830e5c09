//! Headers that end at the proxy, and those it adds (RFC 9110 sections 7.6 and 7.8, RFC 9112 section 6).

use crate::config::Forwarded;
use http::{
    HeaderMap, HeaderName, HeaderValue, Uri, Version,
    header::{
        CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
        TE, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
    },
    request::Parts,
};
use std::net::IpAddr;

/// `User-Agent` of the look from outside of a release.
pub const PROBE_AGENT: &str = "windlass-probe";

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Where a request came from, made once for each connection.
pub(crate) struct Origin {
    address: HeaderValue,
    proto: HeaderValue,
    /// `X-Forwarded-*` of the request are kept and extended.
    trusted: bool,
}

impl Origin {
    pub(crate) fn new(peer: IpAddr, https: bool, forwarded: Forwarded) -> Self {
        let peer = peer.to_canonical();
        let trusted = match forwarded {
            Forwarded::Keep => true,
            Forwarded::Replace => false,
            Forwarded::PrivatePeers => private(peer),
        };
        Self {
            address: HeaderValue::from_str(&peer.to_string()).expect("an address is ASCII"),
            proto: HeaderValue::from_static(if https { "https" } else { "http" }),
            trusted,
        }
    }
}

fn private(peer: IpAddr) -> bool {
    match peer {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// The protocol that the client wants to change to, if it may: HTTP/1.1 with `Connection: upgrade`.
pub(crate) fn upgrade(version: Version, headers: &HeaderMap) -> Option<HeaderValue> {
    let protocol = headers.get(UPGRADE)?;
    (version == Version::HTTP_11 && names(headers, "upgrade")).then(|| protocol.clone())
}

/// Whether the request waits for `100 Continue` before it sends its body.
pub(crate) fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Whether `Connection` ends the connection after this message.
pub(crate) fn closes(headers: &HeaderMap) -> bool {
    names(headers, "close")
}

/// Whether this is the look from outside of a release, which is answered as all others are and counted nowhere.
pub(crate) fn is_probe(headers: &HeaderMap) -> bool {
    headers.get(USER_AGENT).is_some_and(|value| value.as_bytes() == PROBE_AGENT.as_bytes())
}

/// Whether `Connection` names this option.
fn names(headers: &HeaderMap, option: &str) -> bool {
    let named = |value: &HeaderValue| {
        value
            .to_str()
            .is_ok_and(|text| text.split(',').any(|token| token.trim().eq_ignore_ascii_case(option)))
    };
    headers.get_all(CONNECTION).iter().any(named)
}

/// Makes the head of a request fit for an HTTP/1.1 upstream. `length`: of its body, if known; 0 is no body.
pub(crate) fn to_upstream(
    parts: &mut Parts,
    origin: &Origin,
    upgrade: Option<HeaderValue>,
    length: Option<u64>,
    upstream: &str,
) {
    let trailers = parts.headers.get_all(TE).iter().any(|v| v.to_str().is_ok_and(|t| t.contains("trailers")));
    if parts.version == Version::HTTP_2 {
        join_cookies(&mut parts.headers);
    }
    set_host(parts, upstream);
    hop_by_hop(&mut parts.headers);
    let headers = &mut parts.headers;
    headers.remove(PROXY_AUTHORIZATION);
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    if let Some(protocol) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol);
    }
    if length.is_none() {
        headers.remove(CONTENT_LENGTH);
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    forwarded(headers, origin);
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
}

/// Takes from an upstream's response head what is for its connection only.
pub(crate) fn to_client(headers: &mut HeaderMap) {
    hop_by_hop(headers);
    headers.remove(PROXY_AUTHENTICATE);
}

fn hop_by_hop(headers: &mut HeaderMap) {
    if let Some(first) = headers.get(CONNECTION) {
        // The usual values name nothing to remove.
        let plain = matches!(first.as_bytes(), b"keep-alive" | b"Keep-Alive" | b"close");
        if !plain || headers.get_all(CONNECTION).iter().count() > 1 {
            remove_named(headers);
        }
        headers.remove(CONNECTION);
    }
    for name in [KEEP_ALIVE, PROXY_CONNECTION, TE, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
}

fn remove_named(headers: &mut HeaderMap) {
    let mut named: Vec<HeaderName> = Vec::new();
    for value in headers.get_all(CONNECTION) {
        let tokens = value.as_bytes().split(|byte| *byte == b',');
        named.extend(tokens.filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok()));
    }
    // A client may not make the proxy forget whom the request is for or how long it is.
    for name in named.into_iter().filter(|name| *name != HOST && *name != CONTENT_LENGTH) {
        headers.remove(name);
    }
}

/// HTTP/2 and absolute-form requests carry the host in the target; upstreams get it as `Host` and a path.
fn set_host(parts: &mut Parts, upstream: &str) {
    if let Some(authority) = parts.uri.authority() {
        // RFC 9112 3.2.2: the target wins over a `Host` beside it.
        let host = authority.as_str().rsplit_once('@').map_or(authority.as_str(), |(_, host)| host);
        if let Ok(value) = HeaderValue::from_str(host) {
            parts.headers.insert(HOST, value);
        }
        let path = parts.uri.path_and_query().cloned();
        parts.uri = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    }
    if !parts.headers.contains_key(HOST)
        && let Ok(value) = HeaderValue::from_str(upstream)
    {
        // HTTP/1.0 without one.
        parts.headers.insert(HOST, value);
    }
}

/// HTTP/2 may send each cookie in a line of its own (RFC 9113 8.2.3); HTTP/1.1 knows one line.
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().count() > 1 {
        let lines: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
        if let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
            headers.insert(COOKIE, joined);
        }
    }
}

fn forwarded(headers: &mut HeaderMap, origin: &Origin) {
    let host = headers.get(HOST).cloned();
    if !origin.trusted {
        headers.remove(FORWARDED);
        headers.insert(X_FORWARDED_FOR, origin.address.clone());
        headers.insert(X_FORWARDED_PROTO, origin.proto.clone());
        headers.remove(X_FORWARDED_HOST);
        if let Some(host) = host {
            headers.insert(X_FORWARDED_HOST, host);
        }
        return;
    }
    let before: Vec<&[u8]> = headers.get_all(X_FORWARDED_FOR).iter().map(HeaderValue::as_bytes).collect();
    let chain = if before.is_empty() {
        Ok(origin.address.clone())
    } else {
        HeaderValue::from_bytes(&[&before.join(&b", "[..])[..], origin.address.as_bytes()].join(&b", "[..]))
    };
    if let Ok(chain) = chain {
        headers.insert(X_FORWARDED_FOR, chain);
    }
    headers.entry(X_FORWARDED_PROTO).or_insert_with(|| origin.proto.clone());
    if let Some(host) = host {
        headers.entry(X_FORWARDED_HOST).or_insert(host);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(version: Version, uri: &str, lines: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().version(version).uri(uri);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn origin(peer: &str) -> Origin {
        Origin::new(peer.parse().unwrap(), false, Forwarded::PrivatePeers)
    }

    fn get<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
        parts.headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn what_is_for_one_connection_ends_here() {
        let lines = [
            ("host", "a.example"),
            ("connection", "keep-alive, X-Secret-Hop"),
            ("connection", "close, host, content-length"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("x-secret-hop", "1"),
            ("te", "gzip"),
            ("upgrade", "h2c"),
            ("transfer-encoding", "chunked"),
            ("proxy-authorization", "Basic x"),
            ("content-length", "3"),
            ("accept", "*/*"),
        ];
        let mut parts = head(Version::HTTP_11, "/x?y=1", &lines);
        to_upstream(&mut parts, &origin("10.0.0.9"), None, Some(3), "up:1");
        let mut names: Vec<&str> = parts.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let forwarded = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];
        assert_eq!(names, [&["accept", "content-length", "host"][..], &forwarded].concat());
        assert_eq!((get(&parts, "host"), parts.uri.to_string()), (Some("a.example"), "/x?y=1".to_owned()));
    }

    #[test]
    fn a_client_from_outside_cannot_invent_its_address() {
        let lines = [
            ("host", "a"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-for", "10.0.0.7"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "front"),
            ("forwarded", "for=1.2.3.4"),
        ];
        let mut parts = head(Version::HTTP_11, "/", &lines);
        to_upstream(&mut parts, &origin("8.8.8.8"), None, Some(0), "up:1");
        assert_eq!(get(&parts, "x-forwarded-for"), Some("8.8.8.8"));
        assert_eq!(get(&parts, "x-forwarded-proto"), Some("http"));
        assert_eq!(get(&parts, "x-forwarded-host"), Some("a"));
        assert_eq!(get(&parts, "forwarded"), None);
        // A load balancer in front: kept and extended.
        let mut parts = head(Version::HTTP_11, "/", &lines);
        to_upstream(&mut parts, &origin("::ffff:192.168.1.1"), None, Some(0), "up:1");
        assert_eq!(get(&parts, "x-forwarded-for"), Some("1.2.3.4, 10.0.0.7, 192.168.1.1"));
        assert_eq!(get(&parts, "x-forwarded-proto"), Some("https"));
        assert_eq!(get(&parts, "x-forwarded-host"), Some("front"));
        assert!(Origin::new("8.8.8.8".parse().unwrap(), true, Forwarded::Keep).trusted);
        assert!(!Origin::new("127.0.0.1".parse().unwrap(), true, Forwarded::Replace).trusted);
    }

    #[test]
    fn http2_becomes_http1() {
        let lines = [("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers")];
        let mut parts = head(Version::HTTP_2, "http://user@shop.example:81/p?q", &lines);
        to_upstream(&mut parts, &origin("127.0.0.1"), None, None, "up:1");
        assert_eq!((parts.version, parts.uri.to_string()), (Version::HTTP_11, "/p?q".to_owned()));
        assert_eq!(get(&parts, "host"), Some("shop.example:81"));
        assert_eq!(get(&parts, "cookie"), Some("a=1; b=2"));
        assert_eq!((get(&parts, "te"), get(&parts, "connection")), (Some("trailers"), Some("te")));
        assert_eq!(get(&parts, "transfer-encoding"), Some("chunked"));
    }

    #[test]
    fn upgrades_are_for_http11_only() {
        let lines = [("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")];
        let mut parts = head(Version::HTTP_11, "/", &lines);
        let wanted = upgrade(parts.version, &parts.headers);
        assert_eq!(wanted.as_ref().unwrap(), "websocket");
        to_upstream(&mut parts, &origin("127.0.0.1"), wanted, Some(0), "up:1");
        assert_eq!((get(&parts, "connection"), get(&parts, "upgrade")), (Some("upgrade"), Some("websocket")));
        assert_eq!(get(&parts, "host"), Some("up:1"));
        assert_eq!(upgrade(Version::HTTP_10, &head(Version::HTTP_11, "/", &lines).headers), None);
        assert_eq!(upgrade(Version::HTTP_11, &head(Version::HTTP_11, "/", &lines[1..]).headers), None);
    }
}
