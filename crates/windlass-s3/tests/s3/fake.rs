//! What no store of the lab can be brought to say: a server that answers as a test writes it.

use crate::common::{line, settings};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};
use windlass_objects::Scene;
use windlass_s3::{Client, Freeze, Kind, Settings, State, freeze, run};

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub method: String,
    /// With the query.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(of, _)| of == name).map_or("", |(_, value)| value)
    }
}

/// Status, headers (each with its line end), body.
pub type Answer = (&'static str, String, String);

/// Answers one request of each connection; gives its endpoint.
pub fn serve(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let answer = Arc::new(answer);
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            std::thread::spawn(move || one(stream, &*answer));
        }
    });
    endpoint
}

fn one(stream: TcpStream, answer: &impl Fn(&Asked) -> Answer) {
    let mut reader = BufReader::new(&stream);
    let mut next = || {
        let mut text = String::new();
        reader.read_line(&mut text).unwrap();
        text.trim_end().to_owned()
    };
    let first = next();
    let Some((method, rest)) = first.split_once(' ') else { return };
    let path = rest.split(' ').next().unwrap_or_default().to_owned();
    let mut asked = Asked { method: method.to_owned(), path, ..Asked::default() };
    while let Some((name, value)) = next().split_once(": ") {
        asked.headers.push((name.to_owned(), value.to_owned()));
    }
    let length = asked.header("content-length").parse().unwrap_or(0);
    reader.take(length).read_to_string(&mut asked.body).unwrap();
    let (status, headers, body) = answer(&asked);
    // Of a HEAD the length is that of what a GET would give.
    let sent = if asked.method == "HEAD" { "" } else { &body };
    let head =
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    let _ = (&stream).write_all(format!("{head}{sent}").as_bytes());
}

pub fn refusal(code: &str) -> String {
    format!("<Error><Code>{code}</Code><Message>No.</Message></Error>")
}

pub fn listing(keys: &[&str]) -> String {
    let item = |key: &&str| {
        format!(
            "<Contents><Key>{key}</Key><Size>1</Size><ETag>e</ETag><LastModified>2026-11-26T08:00:00Z</LastModified></Contents>"
        )
    };
    let items: String = keys.iter().map(item).collect();
    format!("<ListBucketResult><EncodingType>url</EncodingType>{items}</ListBucketResult>")
}

#[tokio::test]
async fn a_key_that_is_not_utf_8_is_named_and_nothing_is_taken_for_it() {
    let endpoint = serve(|asked| match asked {
        _ if asked.path.contains("versioning") => {
            ("200 OK", String::new(), "<VersioningConfiguration/>".into())
        }
        _ if asked.method == "GET" => ("200 OK", String::new(), listing(&["p/a.txt", "p/caf%E9.txt"])),
        _ => ("500 Oops", String::new(), refusal("InternalError")),
    });
    let client = Client::new(&settings(&endpoint)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let how = Freeze::at(&folder.path().join("manifest.db"), ["", ""], "");
    let error =
        freeze(&client, &line("s3 rm s3://b/p/ --recursive"), &Scene::default(), &how).await.unwrap_err();
    assert_eq!(error.kind, Kind::Refused, "{error}");
    assert!(error.message.contains("`p/caf%E9.txt`"), "{error}");
}

#[tokio::test]
async fn keys_that_xml_cannot_hold_are_deleted_one_by_one() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = seen.clone();
    let endpoint = serve(move |asked| {
        keep.lock().unwrap().push(format!("{} {}", asked.method, asked.path));
        match asked.method.as_str() {
            "DELETE" => ("204 No Content", String::new(), String::new()),
            _ if asked.body.chars().any(char::is_control) => {
                ("400 Bad", String::new(), refusal("MalformedXML"))
            }
            _ => (
                "200 OK",
                String::new(),
                "<DeleteResult><Deleted><Key>p/a</Key></Deleted></DeleteResult>".into(),
            ),
        }
    });
    let client = Client::new(&settings(&endpoint)).unwrap();
    let deleted = client.delete_many("b", &["p/\u{1}", "p/a", "p/\u{ffff}"]).await.unwrap();
    assert!(deleted.iter().all(|deleted| deleted.error.is_none()), "{deleted:?}");
    let keys: Vec<_> = deleted.iter().map(|deleted| deleted.key.as_str()).collect();
    assert_eq!(keys, ["p/\u{1}", "p/a", "p/\u{ffff}"]);
    let mut seen = seen.lock().unwrap().clone();
    seen.sort();
    assert_eq!(seen, ["DELETE /b/p/%01", "DELETE /b/p/%EF%BF%BF", "POST /b/?delete="]);
}

/// Credentials in a file, with this session token.
fn write_keys(path: &std::path::Path, token: &str) {
    let text =
        format!("[default]\naws_access_key_id = A\naws_secret_access_key = s\naws_session_token = {token}\n");
    std::fs::write(path, text).unwrap();
}

#[tokio::test]
async fn credentials_that_expire_are_renewed_where_an_answer_has_no_body_too() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("credentials");
    write_keys(&keys, "1");
    let settings = Settings {
        variables: [
            ("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE".to_owned(), keys.display().to_string()),
            ("AWS_CONFIG_FILE".to_owned(), folder.path().join("none").display().to_string()),
        ]
        .into(),
        ..settings("")
    };
    // The token that is good, and whether the GET of the object has met an expired one.
    let state = Arc::new(Mutex::new((2, false)));
    let now = state.clone();
    let endpoint = serve(move |asked| {
        let mut state = now.lock().unwrap();
        let is_first = asked.method == "GET" && asked.path == "/b/k" && state.0 == 2 && !state.1;
        if is_first && asked.header("x-amz-security-token") == "2" {
            *state = (3, true);
        }
        if asked.header("x-amz-security-token") != state.0.to_string() {
            write_keys(&keys, &state.0.to_string());
            return ("400 Bad Request", String::new(), refusal("ExpiredToken"));
        }
        if asked.path.contains("versioning") {
            return ("200 OK", String::new(), "<VersioningConfiguration/>".into());
        }
        let headers =
            "etag: \"0cc175b9c0f1b6a831c399e269772661\"\r\nlast-modified: Thu, 26 Nov 2026 08:00:00 GMT\r\n";
        ("200 OK", headers.into(), "a".into())
    });
    let client = Client::new(&Settings { endpoint: Some(endpoint), ..settings }).unwrap();
    assert_eq!(client.head("b", "k", None).await.unwrap().unwrap().size, 1);
    let how = Freeze::at(&folder.path().join("manifest.db"), ["", ""], "");
    let to = folder.path().join("file");
    let line = line(&format!("s3 cp s3://b/k {}", to.display()));
    let manifest = freeze(&client, &line, &Scene::default(), &how).await.unwrap();
    let count = run(&client, &manifest, &()).await.unwrap();
    assert_eq!(count.of(State::Done), 1);
    assert_eq!(std::fs::read_to_string(to).unwrap(), "a");
    assert_eq!(*state.lock().unwrap(), (3, true), "the download met it too");
}

#[tokio::test]
async fn a_clock_that_differs_is_learned_from_a_head_too() {
    let hour = std::time::Duration::from_secs(3600);
    let endpoint = serve(move |asked| {
        let theirs = jiff::Timestamp::now() + hour;
        let date = format!("date: {}\r\n", theirs.strftime("%a, %d %b %Y %H:%M:%S GMT"));
        let ours = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", asked.header("x-amz-date")).unwrap();
        let ours = ours.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
        if theirs.duration_since(ours).abs() > jiff::SignedDuration::from_mins(15) {
            return ("403 Forbidden", date, refusal("RequestTimeTooSkewed"));
        }
        ("200 OK", date + "etag: \"e\"\r\n", "a".into())
    });
    let client = Client::new(&settings(&endpoint)).unwrap();
    assert_eq!(client.head("b", "k", None).await.unwrap().unwrap().size, 1);
    assert_eq!(client.requests(), 3, "HEAD, the GET that says why, HEAD");
    let endpoint = serve(|_| ("403 Forbidden", String::new(), refusal("AccessDenied")));
    let client = Client::new(&settings(&endpoint)).unwrap();
    let error = client.head("b", "k", None).await.unwrap_err();
    assert_eq!((error.kind, client.requests()), (Kind::Denied, 4), "{error}: with and without checksums");
}
