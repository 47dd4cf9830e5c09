//! HTTP checks against a real socket.
#![expect(clippy::unwrap_used, reason = "helpers of tests stop the test")]

#[path = "../lab/secrets.rs"]
mod secrets;

use secrets::OneSecret;
use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::{Arc, Mutex, Once},
    thread,
};
use windlass_document::http::{HttpAssert, HttpCheck, Literal, Predicate, Query};
use windlass_driver::{Capsule, Context, Done, Driver as _, Effect, Failure, Fault, Found, Stopping};
use windlass_drivers::{gate::GateDriver, http::HttpDriver};
use windlass_plan::{
    Action, Class, DocumentRef, DriverKind, PLAN_FORMAT, Plan, Release, Undo, UndoBy, Unit, UnitId, Way,
};

/// Answers each connection with the same bytes; what was asked is kept.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

fn server(answer: impl Into<Vec<u8>>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(vec![]));
    let (answer, kept) = (answer.into(), asked.clone());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut bytes = vec![0; 64 * 1024];
            let read = stream.read(&mut bytes).unwrap_or(0);
            kept.lock().unwrap().push(String::from_utf8_lossy(&bytes[..read]).into_owned());
            let _ = stream.write_all(&answer);
            if answer.is_empty() {
                // Never answers: waits until the other side gives up.
                let _ = stream.read(&mut bytes);
            }
        }
    });
    Server { url, asked }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn unit(action: Action) -> Unit {
    Unit {
        id: UnitId("check/1".into()),
        host: "local".into(),
        driver: DriverKind::Http,
        line: 1,
        column: 1,
        action,
        effect: String::new(),
        undo: Undo { class: Class::Readonly, how: String::new(), by: UndoBy::Nothing },
        timeout_ms: None,
        within_ms: None,
    }
}

fn context(timeout_ms: Option<u64>) -> Context {
    static TLS: Once = Once::new();
    TLS.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    Context {
        plan: Arc::new(Plan {
            format: PLAN_FORMAT,
            tool: "test".into(),
            release: Release::default(),
            document: DocumentRef::default(),
            targets: BTreeMap::new(),
            claims: Default::default(),
            secrets: Default::default(),
            services: BTreeMap::new(),
            budget: Default::default(),
            steps: vec![],
            class: Class::Readonly,
        }),
        run: "run-1".into(),
        base: "/nowhere".into(),
        workspace: "/nowhere/work".into(),
        attempt: 1,
        timeout_ms,
        stopping: Stopping::default(),
        on_conflict: windlass_driver::OnConflict::Keep,
        secrets: Arc::new(OneSecret),
        output: Arc::new(|_| ()),
        facts: Arc::new(BTreeMap::new()),
    }
}

fn get(url: &str) -> HttpCheck {
    HttpCheck { method: "GET".into(), url: url.into(), ..HttpCheck::default() }
}

fn assert(text: &str, query: Query, predicate: Predicate) -> HttpAssert {
    HttpAssert { query, not: false, predicate, text: text.into() }
}

async fn run(check: HttpCheck, timeout_ms: Option<u64>) -> Result<Done, Failure> {
    HttpDriver::default()
        .apply(&context(timeout_ms), &unit(Action::Http { check }), &Capsule::default())
        .await
}

#[tokio::test]
async fn a_check_that_passes_says_what_it_saw_and_sends_what_was_written() {
    let server = server(ok(r#"{"rows":115}"#));
    let check = HttpCheck {
        method: "POST".into(),
        headers: vec![("X-Who".into(), "windlass".into())],
        body: Some(r#"{"a":1}"#.into()),
        asserts: vec![assert(
            "rows",
            Query::JsonPath("$.rows".into()),
            Predicate::Equal(Literal::Number("115".into())),
        )],
        ..get(&format!("{}/query?a=1", server.url))
    };
    let done = run(check, None).await.unwrap();
    assert!(!done.changed && done.effects[0].contains("200"), "{done:?}");
    let asked = server.asked.lock().unwrap().join("");
    for part in
        ["POST /query?a=1 HTTP/1.1", "x-who: windlass", "content-type: application/json", r#"{"a":1}"#]
    {
        assert!(asked.contains(part), "{part}: {asked}");
    }
}

#[tokio::test]
async fn a_failed_check_lists_everything_masked_and_may_be_repeated() {
    let server = server(ok("token hunter2").replace("200 OK", "503 Busy"));
    let check = HttpCheck {
        asserts: vec![
            assert("body == \"up\"", Query::Body, Predicate::Equal(Literal::String("up".into()))),
            assert("header \"x-a\" exists", Query::Header("x-a".into()), Predicate::Exists),
        ],
        ..get(&server.url)
    };
    let failure = run(check, None).await.unwrap_err();
    assert!(failure.retry && failure.effect == Effect::None && failure.fault == Fault::Target);
    for part in [
        "status 503, expected 2xx",
        "body == \"up\": found \"token ****\"",
        "header \"x-a\" exists: found nothing",
    ] {
        assert!(failure.message.contains(part), "{part}: {}", failure.message);
    }
    assert_eq!(failure.output, "token ****");
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let server = server("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n");
    let check = HttpCheck { status: Some(302), ..get(&server.url) };
    run(check, None).await.unwrap();
    assert!(run(get(&server.url), None).await.unwrap_err().message.contains("302"));
}

#[tokio::test]
async fn nobody_there_and_no_answer_are_told_apart_and_bounded() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let failure = run(get(&format!("http://{gone}/")), None).await.unwrap_err();
    assert!(failure.retry && failure.message.contains("refused"), "{failure:?}");
    let silent = server("");
    let failure = run(get(&silent.url), Some(100)).await.unwrap_err();
    assert!(failure.retry && failure.message.contains("no answer in time"), "{failure:?}");
}

#[tokio::test]
async fn a_body_is_read_only_as_far_as_its_bound_and_only_when_asked_for() {
    let endless = || server(format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", "x".repeat(3 << 20)));
    run(get(&endless().url), None).await.unwrap();
    let check =
        HttpCheck { asserts: vec![assert("body", Query::Body, Predicate::Exists)], ..get(&endless().url) };
    let failure = run(check, None).await.unwrap_err();
    assert!(failure.message.contains("longer than 1048576 bytes"), "{}", failure.message);
    assert!(failure.output.len() <= 4 * 1024);
}

#[tokio::test]
async fn a_malformed_check_is_not_repeated_and_the_survey_says_so() {
    let check = HttpCheck {
        asserts: vec![assert("path", Query::JsonPath("$[".into()), Predicate::Exists)],
        ..get(&server(ok("{}")).url)
    };
    let unit = unit(Action::Http { check: check.clone() });
    let survey = HttpDriver::default().survey(&context(None), &unit).await.unwrap();
    assert_eq!(survey.problems.len(), 1, "{survey:?}");
    let failure = run(check, None).await.unwrap_err();
    assert!(!failure.retry && failure.fault == Fault::Document, "{failure:?}");
    let failure = run(get("not a url"), None).await.unwrap_err();
    assert!(!failure.retry && failure.fault == Fault::Document, "{failure:?}");
    assert_eq!(
        HttpDriver::default().inspect(&context(None), &unit, &Capsule::default(), Way::Forward).await,
        Found::NotApplied
    );
}

#[tokio::test]
async fn a_gate_is_never_opened_by_its_driver() {
    let gate = unit(Action::Gate { text: "两台机器服务正常".into() });
    let cx = context(None);
    let survey = GateDriver.survey(&cx, &gate).await.unwrap();
    assert!(survey.effects[0].contains("两台机器服务正常"));
    let failure = GateDriver.apply(&cx, &gate, &Capsule::default()).await.unwrap_err();
    assert!(
        failure.effect == Effect::None && !failure.retry && failure.hints[0].contains("windlass confirm")
    );
}
