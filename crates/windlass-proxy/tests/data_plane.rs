//! What goes through, and how: bodies, headers, upgrades, protocols, connections.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use bytes::Bytes;
use common::{Backend, Body, Browser, PATIENCE, Proxy, empty, get, post, tunnel, until};
use http_body_util::{BodyExt, StreamBody};
use hyper::{Request, body::Frame};
use std::{convert::Infallible, sync::atomic::Ordering::SeqCst, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use windlass_proxy::{Forwarded, control::Upstream};

async fn both(proxy: &Proxy) -> [Browser; 2] {
    [Browser::http1(proxy.address).await, Browser::http2(proxy.address).await]
}

/// A body that is sent piece by piece.
fn pieces() -> (mpsc::Sender<Frame<Bytes>>, Body) {
    let (sender, receiver) = mpsc::channel::<Frame<Bytes>>(1);
    let receiver = std::sync::Mutex::new(receiver);
    let stream = futures_util::stream::poll_fn(move |cx| {
        let polled = receiver.lock().unwrap().poll_recv(cx);
        polled.map(|frame| frame.map(Ok::<_, Infallible>))
    });
    (sender, BodyExt::boxed(StreamBody::new(stream)))
}

fn upstream(address: String) -> Upstream {
    Upstream { version: "1".into(), address, weight: 100, health: None }
}

/// A server that answers each connection by a function over its raw bytes.
async fn raw_server<F, T>(answer: F) -> String
where
    F: Fn(TcpStream, usize) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut connections = 0;
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, connections));
            connections += 1;
        }
    });
    address
}

/// Reads a head; `None` at the end of the connection.
async fn read_head(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

/// All that the proxy answers to these bytes, up to the end of the connection.
async fn raw(proxy: &Proxy, bytes: &str) -> String {
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn both_protocols_keep_their_connection_and_the_upstream_s_is_reused() {
    let one = Backend::start("1").await;
    let proxy = Proxy::start(vec![one.upstream(100)]).await;
    for mut browser in both(&proxy).await {
        for _ in 0..50 {
            assert_eq!(browser.get("/").await.body, "1");
        }
    }
    assert_eq!(one.seen.load(SeqCst), 100);
    // Health checks connect too, at most each 10 ms; two workers.
    let connections = one.connections.load(SeqCst);
    assert!(connections < 60, "{connections} connections for 100 requests");
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once() {
    let one = Backend::start("1").await;
    let proxy = Proxy::start(vec![one.upstream(100)]).await;
    for mut browser in both(&proxy).await {
        let (sender, body) = pieces();
        let request = Request::post("/echo").body(body).unwrap();
        let first = sender.send(Frame::data(Bytes::from_static(b"0")));
        let (response, sent) = tokio::join!(browser.open(request), first);
        sent.unwrap();
        let mut answer = response.unwrap().into_body();
        for n in 0..20 {
            // The echo of each piece comes before the next is sent.
            let frame = answer.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(frame, n.to_string());
            sender.send(Frame::data(Bytes::from((n + 1).to_string()))).await.unwrap();
        }
    }
}

#[tokio::test]
async fn large_bodies_arrive_whole() {
    let one = Backend::start("1").await;
    let proxy = Proxy::start(vec![one.upstream(100)]).await;
    let large: String = (0..300_000).map(|n| format!("{n} ")).collect();
    for mut browser in both(&proxy).await {
        assert_eq!(
            browser.send(post("/sum", large.clone())).await.unwrap().body,
            format!("1 {}", large.len())
        );
        assert!(browser.send(post("/echo", large.clone())).await.unwrap().body == large);
    }
}

#[tokio::test]
async fn events_are_not_buffered() {
    let proxy = Proxy::start(Vec::new()).await;
    for mut browser in both(&proxy).await {
        // One of its own for each, so that no stream of before takes an event.
        let one = Backend::start("1").await;
        proxy.switch(vec![one.upstream(100)], 0, false).await;
        let mut events = browser.open(get("/sse")).await.unwrap().into_body();
        for n in 0..5 {
            let frame = tokio::time::timeout(PATIENCE, events.frame()).await.unwrap().unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), format!("data: 1 {n}\n\n"));
            // The service makes the next one only now.
            one.next_event();
        }
    }
}

#[tokio::test]
async fn an_upgrade_becomes_a_tunnel() {
    let one = Backend::start("1").await;
    let proxy = Proxy::start(vec![one.upstream(100)]).await;
    let mut socket = tunnel(proxy.address).await;
    for n in 0..20 {
        let text = format!("message {n}");
        socket.write_all(text.as_bytes()).await.unwrap();
        let mut echo = vec![0; text.len()];
        socket.read_exact(&mut echo).await.unwrap();
        assert_eq!(echo, text.as_bytes());
    }
    let status = proxy.status().await;
    assert_eq!((status.upstreams[0].in_flight, status.versions["1"].requests), (1, 1));
    drop(socket);
    proxy.until("the tunnel to end", |s| s.upstreams[0].in_flight == 0).await;
    assert_eq!(one.in_flight(), 0);
}

#[tokio::test]
async fn the_upstream_sees_who_asks_and_nothing_of_the_client_s_connection() {
    let one = Backend::start("1").await;
    let proxy = Proxy::with(vec![one.upstream(100)], |c| c.forwarded = Forwarded::Replace).await;
    for mut browser in both(&proxy).await {
        let mut request =
            Request::get("/head?a=%20b").header("x-forwarded-for", "6.6.6.6").header("x-own", "1");
        if matches!(browser, Browser::Http1(_)) {
            request =
                request.header("connection", "x-hop").header("x-hop", "1").header("keep-alive", "timeout=1");
        }
        let seen = browser.send(request.body(empty()).unwrap()).await.unwrap().body;
        assert!(seen.starts_with("GET /head?a=%20b HTTP/1.1\n"), "{seen}");
        for line in [
            "host: test.example\n",
            "x-forwarded-for: 127.0.0.1\n",
            "x-forwarded-proto: http\n",
            "x-own: 1\n",
        ] {
            assert!(seen.contains(line), "{line} not in {seen}");
        }
        assert!(seen.contains("x-forwarded-host: test.example\n"), "{seen}");
        assert!(
            !seen.contains("hop") && !seen.contains("keep-alive") && !seen.contains("connection"),
            "{seen}"
        );
    }
}

#[tokio::test]
async fn answers_arrive_as_they_are() {
    let one = Backend::start("1").await;
    let proxy = Proxy::start(vec![one.upstream(100)]).await;
    for mut browser in both(&proxy).await {
        let head = browser.send(Request::head("/head").body(empty()).unwrap()).await.unwrap();
        assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""));
        assert!(head.headers.contains_key("content-length"), "{head:?}");
        let redirect = browser.get("/redirect").await;
        assert_eq!((redirect.status.as_u16(), &redirect.headers["location"]), (302, &"/".parse().unwrap()));
        assert!(!redirect.headers.contains_key("set-cookie"));
        assert_eq!(browser.get("/error").await.status, 500);
        let request = Request::get("/trailers").header("te", "trailers").body(empty()).unwrap();
        let with_trailers = browser.send(request).await.unwrap();
        assert_eq!(with_trailers.body, "body");
        assert_eq!(with_trailers.trailers.unwrap()["x-sum"], "42");
    }
    let status = proxy.status().await;
    assert_eq!((status.versions["1"].requests, status.versions["1"].errors), (8, 2));
}

#[tokio::test]
async fn request_trailers_and_chunked_gets_arrive() {
    let one = Backend::start("1").await;
    let proxy = Proxy::start(vec![one.upstream(100)]).await;
    for mut browser in both(&proxy).await {
        let (sender, body) = pieces();
        let request = Request::get("/sum").header("transfer-encoding", "chunked");
        let request = if matches!(browser, Browser::Http2(_)) { Request::get("/sum") } else { request };
        tokio::spawn(async move {
            sender.send(Frame::data(Bytes::from_static(b"123"))).await.unwrap();
        });
        assert_eq!(browser.send(request.body(body).unwrap()).await.unwrap().body, "1 3");
    }
}

#[tokio::test]
async fn old_and_odd_clients_are_understood() {
    let one = Backend::start("1").await;
    let proxy = Proxy::start(vec![one.upstream(100)]).await;
    let answer = raw(&proxy, "GET /head HTTP/1.0\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.0 200") && answer.contains(&format!("host: {}\n", one.address)),
        "{answer}"
    );
    let answer =
        raw(&proxy, "GET http://other.example/head HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.contains("GET /head HTTP/1.1\n") && answer.contains("host: other.example\n"), "{answer}");
    let pipelined = "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_eq!(raw(&proxy, pipelined).await.matches("HTTP/1.1 200").count(), 2);
    let answer = raw(&proxy, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
}

#[tokio::test]
async fn what_could_smuggle_a_request_is_refused_or_unambiguous() {
    let one = Backend::start("1").await;
    let proxy = Proxy::start(vec![one.upstream(100)]).await;
    let bad = [
        "POST /sum HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /sum HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    ];
    for request in bad {
        let answer = raw(&proxy, request).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{request:?}: {answer:?}");
    }
    assert_eq!(one.seen.load(SeqCst), 0);
    // RFC 9112 6.1: chunked wins, and the length does not travel on.
    let both = "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 99\r\n\
                Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let answer = raw(&proxy, both).await;
    assert!(answer.starts_with("HTTP/1.1 400") || answer.contains("abc"), "{answer}");
    assert!(one.seen.load(SeqCst) <= 1);
}

#[tokio::test]
async fn a_body_is_sent_only_when_the_upstream_wants_it() {
    // Refuses every upload by its head alone, and would panic on a body.
    let refusing = raw_server(|stream, _| async move {
        let mut stream = BufReader::new(stream);
        let Some(head) = read_head(&mut stream).await else { return };
        assert!(head.to_ascii_lowercase().contains("expect: 100-continue"), "{head}");
        let answer = b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig";
        stream.get_mut().write_all(answer).await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(rest.is_empty(), "{} bytes of the body came", rest.len());
    })
    .await;
    let proxy = Proxy::start(vec![upstream(refusing)]).await;
    let head = "POST /sum HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let answer = raw(&proxy, head).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.ends_with("big"), "{answer}");

    let one = Backend::start("1").await;
    proxy.switch(vec![one.upstream(100)], 0, false).await;
    let mut stream = BufReader::new(TcpStream::connect(proxy.address).await.unwrap());
    stream.get_mut().write_all(head.as_bytes()).await.unwrap();
    assert_eq!(read_head(&mut stream).await.unwrap(), "HTTP/1.1 100 Continue\r\n\r\n");
    stream.get_mut().write_all(b"12345").await.unwrap();
    assert!(read_head(&mut stream).await.unwrap().starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn tls_speaks_http2_and_http1() {
    let one = Backend::start("1").await;
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let files = windlass_proxy::Tls { cert: data.join("cert.pem"), key: data.join("key.pem") };
    let proxy = Proxy::with(vec![one.upstream(100)], |config| config.tls = Some(files)).await;
    for (alpn, version) in [(&b"h2"[..], 2), (b"http/1.1", 1), (b"", 1)] {
        let stream = tls_connect(&proxy, &data, alpn).await;
        let mut browser =
            if version == 2 { Browser::http2_on(stream).await } else { Browser::http1_on(stream).await };
        let seen = browser.get("/head").await.body;
        assert!(seen.contains("x-forwarded-proto: https\n"), "{seen}");
        let large = "x".repeat(200_000);
        assert_eq!(browser.send(post("/echo", large.clone())).await.unwrap().body, large);
    }
}

async fn tls_connect(
    proxy: &Proxy,
    data: &std::path::Path,
    alpn: &[u8],
) -> tokio_rustls::client::TlsStream<TcpStream> {
    use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(data.join("cert.pem")).unwrap()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = builder.unwrap().with_root_certificates(roots).with_no_client_auth();
    if !alpn.is_empty() {
        config.alpn_protocols = vec![alpn.to_vec()];
    }
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    let agreed = stream.get_ref().1.alpn_protocol().unwrap_or_default();
    assert_eq!(agreed, alpn);
    stream
}

/// The idle race: each connection is closed right after its first answer, without a word in it.
#[tokio::test]
async fn an_upstream_that_closes_idle_connections_costs_no_request() {
    let closing = raw_server(|stream, _| async move {
        let mut stream = BufReader::new(stream);
        if read_head(&mut stream).await.is_some() {
            let _ = stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        }
    })
    .await;
    let proxy = Proxy::start(vec![upstream(closing)]).await;
    for mut browser in both(&proxy).await {
        for n in 0..100 {
            let method = ["GET", "DELETE", "POST"][n % 3];
            let request = Request::builder().method(method).uri("/").body(empty()).unwrap();
            let got = browser.send(request).await.unwrap();
            assert_eq!((got.status.as_u16(), got.body.as_str()), (200, "ok"), "request {n}, {method}");
        }
    }
}

/// Reads a request on a reused connection, then closes: what may be sent twice is, what may not is not.
#[tokio::test]
async fn only_what_may_be_repeated_is_sent_twice() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = std::sync::Arc::clone(&seen);
    let address = raw_server(move |stream, connection| {
        let log = std::sync::Arc::clone(&log);
        async move {
            let mut stream = BufReader::new(stream);
            for _ in 0..2 {
                let Some(head) = read_head(&mut stream).await else { return };
                let first = head.lines().next().unwrap().to_owned();
                let reused = log.lock().unwrap().iter().any(|(c, _)| *c == connection);
                log.lock().unwrap().push((connection, first));
                if reused {
                    return;
                }
                let _ = stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            }
        }
    })
    .await;
    // Without health checks between: a path-less check would only connect.
    let proxy = Proxy::with(vec![upstream(address)], |config| config.workers = Some(1)).await;
    let mut browser = Browser::http1(proxy.address).await;
    assert_eq!(browser.get("/1").await.status, 200);
    assert_eq!(browser.get("/2").await.status, 200, "a GET is repeated on a fresh connection");
    let lines = |path: &str| seen.lock().unwrap().iter().filter(|(_, line)| line.contains(path)).count();
    assert_eq!(lines("/2"), 2);
    // The connection of /2 is kept now; a POST that follows at once reuses it, is read, and must not come again.
    let got = browser.send(post("/3", "")).await.unwrap();
    assert_eq!(lines("/3"), 1, "{got:?}");
    assert!(matches!(got.status.as_u16(), 200 | 502), "{got:?}");
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_is_a_502_and_its_twin_takes_over() {
    let one = Backend::start("1").await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let proxy = Proxy::start(vec![upstream(gone.clone())]).await;
    let mut browser = Browser::http1(proxy.address).await;
    assert_eq!(browser.get("/").await.status, 502);
    let status = proxy.status().await;
    assert_eq!((status.versions["1"].requests, status.versions["1"].errors), (1, 1));
    let half = |upstream: Upstream| Upstream { weight: 50, ..upstream };
    proxy.switch(vec![half(upstream(gone)), half(one.upstream(0))], 0, false).await;
    for _ in 0..20 {
        assert_eq!(browser.send(post("/sum", "123")).await.unwrap().body, "1 3");
    }
}

#[tokio::test]
async fn an_upstream_that_dies_in_an_answer_does_not_look_complete() {
    for answer in ["content-length: 10\r\n\r\nhalf", "transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
        let dying = raw_server(move |stream, _| async move {
            let mut stream = BufReader::new(stream);
            if read_head(&mut stream).await.is_some() {
                let text = format!("HTTP/1.1 200 OK\r\n{answer}");
                let _ = stream.get_mut().write_all(text.as_bytes()).await;
            }
        })
        .await;
        let proxy = Proxy::start(vec![upstream(dying)]).await;
        for mut browser in both(&proxy).await {
            assert!(browser.send(get("/")).await.is_err(), "half an answer passed for a whole one");
        }
        let status = proxy.until("two errors", |s| s.versions["1"].errors == 2).await;
        assert_eq!(status.versions["1"].requests, 2);
    }
}

#[tokio::test]
async fn a_silent_upstream_is_a_504_but_a_slow_upload_is_not() {
    let one = Backend::start("1").await;
    let proxy = Proxy::with(vec![one.upstream(100)], |config| config.response_ms = 150).await;
    for mut browser in both(&proxy).await {
        assert_eq!(browser.get("/slow").await.status, 504);
        let (sender, body) = pieces();
        let upload = tokio::spawn(async move {
            for _ in 0..8 {
                sender.send(Frame::data(Bytes::from_static(b"12345"))).await.unwrap();
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
        });
        let request = Request::post("/sum").body(body).unwrap();
        assert_eq!(browser.send(request).await.unwrap().body, "1 40");
        upload.await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_goes_away_is_told_to_the_upstream() {
    let one = Backend::start("1").await;
    let proxy = Proxy::start(vec![one.upstream(100)]).await;
    for mut browser in both(&proxy).await {
        let leaving = tokio::spawn(async move { browser.send(get("/slow")).await });
        until("the request to arrive", || one.in_flight() == 1).await;
        leaving.abort();
        until("the upstream to notice", || one.in_flight() == 0).await;
    }
    let status = proxy.until("nothing in flight", |s| s.upstreams[0].in_flight == 0).await;
    assert_eq!(status.versions["1"].errors, 0, "the service did nothing wrong");
}

#[tokio::test]
async fn slow_and_fat_heads_are_bounded() {
    let one = Backend::start("1").await;
    let proxy = Proxy::with(vec![one.upstream(100)], |config| config.header_ms = 150).await;
    for start in
        ["", "P", "PRI", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HT", "GET / HTTP/1.1\r\nHost: x\r\n"]
    {
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        stream.write_all(start.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "{start:?} keeps its connection");
    }
    let fat = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Fat: {}\r\n\r\n", "x".repeat(100_000));
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    // It may close before all is written.
    let _ = stream.write_all(fat.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{:?}", String::from_utf8(answer));
    assert_eq!(one.seen.load(SeqCst), 0);
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_their_turn() {
    let one = Backend::start("1").await;
    let proxy = Proxy::with(vec![one.upstream(100)], |config| config.connections_max = 2).await;
    let [mut first, mut second] = [Browser::http1(proxy.address).await, Browser::http1(proxy.address).await];
    assert_eq!((first.get("/").await.body, second.get("/").await.body), ("1".to_owned(), "1".to_owned()));
    let mut third = Browser::http1(proxy.address).await;
    let third = tokio::spawn(async move { third.get("/").await.body });
    for _ in 0..10 {
        assert_eq!(second.get("/").await.body, "1");
    }
    assert!(!third.is_finished(), "a third connection is served");
    drop(first);
    assert_eq!(tokio::time::timeout(PATIENCE, third).await.unwrap().unwrap(), "1");
}
