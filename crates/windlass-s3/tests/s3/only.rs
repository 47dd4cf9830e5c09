//! What others write between the look and the write is left as it is: the store looks once more.

use crate::{
    common::{fill, line, settings},
    fake::{listing, refusal, serve},
    lines::Case,
};
use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
};
use windlass_lab::{StoreKind, store};
use windlass_objects::Scene;
use windlass_s3::{Client, Conflicts, Freeze, Kind, Over, State, back, freeze, run};

/// What is done at most once, and what has to pass before, the last first.
type Once = Mutex<(Vec<String>, Option<Box<dyn FnOnce() + Send>>)>;

/// In front of a store: what `then` does comes just before the first request that has `needle` in it; of `A → B` before the first
/// with B behind one with A.
fn before(port: u16, needle: String, then: impl FnOnce() + Send + 'static) -> Client {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let own = listener.local_addr().unwrap().port();
    let needles: Vec<_> = needle.rsplit(" → ").map(str::to_owned).collect();
    let then: Arc<Once> = Arc::new(Mutex::new((needles, Some(Box::new(then)))));
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { return };
            let (mut back, mut answers) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut answers, &mut back);
                let _ = back.shutdown(Shutdown::Both);
            });
            let then = then.clone();
            std::thread::spawn(move || pass(client, server, &then));
        }
    });
    Client::new(&settings(&format!("http://127.0.0.1:{own}"))).unwrap()
}

fn pass(mut client: TcpStream, mut server: TcpStream, then: &Once) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        act(&String::from_utf8_lossy(&buffer[..count]), then);
        if server.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
}

fn act(request: &str, then: &Once) {
    let (needles, then) = &mut *then.lock().unwrap_or_else(PoisonError::into_inner);
    if needles.last().is_some_and(|needle| request.contains(needle)) {
        needles.pop();
        if let Some(then) = then.take_if(|_| needles.is_empty()) {
            then();
        }
    }
}

impl Case {
    /// As what this case has, but somebody writes (or, without a text, deletes) `key` just before the request.
    fn with_somebody(
        &self,
        kind: StoreKind,
        needle: &str,
        key: &'static str,
        text: Option<&'static str>,
    ) -> Client {
        let (client, bucket) = (self.client.clone(), self.bucket.clone());
        let runtime = tokio::runtime::Handle::current();
        before(store(kind).port(), needle.replace("BUCKET", &self.bucket), move || {
            runtime.block_on(async {
                match text {
                    Some(text) => drop(client.put(&bucket, key, text.into(), &[]).await.unwrap()),
                    None => drop(client.delete(&bucket, key, None).await.unwrap()),
                }
            });
        })
    }
}

#[tokio::test]
async fn what_is_written_in_between_is_never_overwritten() {
    let copy = "s3 cp s3://BUCKET/from/ s3://BUCKET/to/ --recursive";
    let upload = "s3 cp FOLDER s3://BUCKET/to/ --recursive";
    let (seaweed, moto) = (StoreKind::Seaweed, StoreKind::Moto);
    for (kind, text, needle, most, there) in [
        (seaweed, copy, "PUT /BUCKET/to/1 ", 5 << 30, None),
        (seaweed, copy, "PUT /BUCKET/to/1 ", 5 << 30, Some("old")),
        (seaweed, copy, "POST /BUCKET/to/1?uploadId", 5 << 20, None),
        (seaweed, copy, "POST /BUCKET/to/1?uploadId", 5 << 20, Some("old")),
        (moto, copy, "POST /BUCKET/to/1?uploadId", 5 << 20, None),
        (seaweed, upload, "PUT /BUCKET/to/1 ", 0, None),
        (moto, upload, "PUT /BUCKET/to/1 ", 0, Some("old")),
    ] {
        for somebody in [Some("of somebody"), None] {
            if there.is_none() && somebody.is_none() {
                continue;
            }
            let what = format!("{} {text} {most} {there:?} {somebody:?}", kind.name());
            let case = Case::new(kind, false).await;
            let body = "x".repeat(6 << 20);
            fill(
                &case.client,
                &case.bucket,
                &[("from/1".into(), body.clone()), ("from/2".into(), "2".into())],
            )
            .await;
            if let Some(there) = there {
                fill(&case.client, &case.bucket, &[("to/1".into(), there.into())]).await;
            }
            let folder = case.folder.path().join("files");
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("1"), &body).unwrap();
            std::fs::write(folder.join("2"), "2").unwrap();
            let text = text.replace("BUCKET", &case.bucket).replace("FOLDER", folder.to_str().unwrap());
            let how = Freeze { copy_bytes_max: most, part_bytes: 5 << 20, ..case.how() };
            let manifest = freeze(&case.client, &line(&text), &Scene::default(), &how).await.unwrap();
            let client = case.with_somebody(kind, needle, "to/1", somebody);
            let count = run(&client, &manifest, &()).await.unwrap();
            let left = manifest.some(State::Left, 9).unwrap();
            assert_eq!((count.of(State::Left), count.of(State::Done)), (1, 1), "{what}");
            let note = left[0].note.clone().unwrap();
            let done = if somebody.is_some() { "written to" } else { "deleted" };
            assert_eq!(note, format!("the destination was {done} after the preview"), "{what}");
            assert_eq!(case.text("to/1").await.as_deref(), somebody, "{what}");
            assert!(case.client.uploads(&case.bucket, "").await.unwrap().is_empty(), "{what}");
            assert_eq!(client.unconditional(), [""; 0], "{what}");
            back(&case.client, &manifest, &(), Conflicts::Keep).await.unwrap();
            assert_eq!(case.text("to/1").await.as_deref(), somebody, "{what}");
        }
    }
}

#[tokio::test]
async fn what_was_surely_left_alone_is_no_conflict_although_the_old_one_was_set_aside() {
    for (text, needle, note) in [
        (
            "s3 cp s3://BUCKET/from/1 s3://BUCKET/to/1",
            "PUT /BUCKET/to/1 ",
            "the destination was written to after the preview",
        ),
        (
            "s3 rm s3://BUCKET/to/1",
            "PUT /BUCKET/.windlass → GET /BUCKET/",
            "it was written to after the preview",
        ),
    ] {
        for conflicts in [Conflicts::Refuse, Conflicts::Force] {
            let case = Case::with(false, &[("from/1", "new"), ("to/1", "old")]).await;
            let manifest = case.freeze(text).await;
            let client = case.with_somebody(StoreKind::Seaweed, needle, "to/1", Some("of somebody"));
            run(&client, &manifest, &()).await.unwrap();
            let left = manifest.some(State::Left, 9).unwrap();
            assert_eq!(left[0].note.as_deref(), Some(note), "{text}");
            assert_eq!(case.kept().await, 1, "{text}");
            let count = back(&case.client, &manifest, &(), conflicts).await.unwrap();
            assert_eq!(count.of(State::Back), 1, "{text} {conflicts:?}");
            assert_eq!(case.text("to/1").await.as_deref(), Some("of somebody"), "{text} {conflicts:?}");
            assert_eq!(case.kept().await, 1, "{text} {conflicts:?}: `windlass prune` takes it");
        }
    }
}

#[tokio::test]
async fn what_is_written_in_between_on_the_way_back_is_a_conflict() {
    let case = Case::with(false, &[("from/1", "new"), ("to/1", "old")]).await;
    let manifest = case.done("s3 mv s3://BUCKET/from/1 s3://BUCKET/to/1").await;
    let client = case.with_somebody(StoreKind::Seaweed, "PUT /BUCKET/to/1 ", "to/1", Some("of somebody"));
    let count = back(&client, &manifest, &(), Conflicts::Keep).await.unwrap();
    assert_eq!(count.of(State::Conflict), 1);
    assert_eq!(case.text("to/1").await.as_deref(), Some("of somebody"));
    let client = case.with_somebody(StoreKind::Seaweed, "PUT /BUCKET/from/1 ", "from/1", Some("again"));
    case.client.delete(&case.bucket, "from/1", None).await.unwrap();
    case.put("to/1", "new").await;
    let count = back(&client, &manifest, &(), Conflicts::Keep).await.unwrap();
    assert_eq!(count.of(State::Conflict), 1);
    assert_eq!(case.text("from/1").await.as_deref(), Some("again"));
}

#[tokio::test]
async fn an_answer_that_was_lost_is_no_conflict() {
    // The answer to the copy is cut off behind its request; the next try finds its own object there.
    let case = Case::with(false, &[("from/1", "new"), ("to/1", "old")]).await;
    let manifest = case.freeze("s3 cp s3://BUCKET/from/1 s3://BUCKET/to/1").await;
    let client = deaf(store(StoreKind::Seaweed).port(), format!("PUT /{}/to/1 ", case.bucket));
    let count = run(&client, &manifest, &()).await.unwrap();
    assert_eq!(count.of(State::Done), 1, "{:?}", manifest.some(State::Left, 1));
    let client = deaf(store(StoreKind::Seaweed).port(), format!("PUT /{}/to/1 ", case.bucket));
    let count = back(&client, &manifest, &(), Conflicts::Keep).await.unwrap();
    assert_eq!(count.of(State::Back), 1, "{:?}", manifest.some(State::Conflict, 1));
    assert_eq!(case.text("to/1").await.as_deref(), Some("old"));
}

/// In front of a store: hands on the first request that has `needle` in it, takes its answer, and ends the connection.
fn deaf(port: u16, needle: String) -> Client {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let own = listener.local_addr().unwrap().port();
    let is_cut = Arc::new(std::sync::atomic::AtomicBool::new(false));
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let (needle, is_cut) = (needle.clone(), is_cut.clone());
            std::thread::spawn(move || {
                let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
                let (mut request, mut answer) = ([0; 16 * 1024], [0; 16 * 1024]);
                // Requests and answers without bodies of any size: one piece each.
                while let Ok(count @ 1..) = client.read(&mut request) {
                    server.write_all(&request[..count]).unwrap();
                    let Ok(got @ 1..) = server.read(&mut answer) else { return };
                    let is_meant = String::from_utf8_lossy(&request[..count]).contains(&needle);
                    if is_meant && !is_cut.swap(true, std::sync::atomic::Ordering::Relaxed) {
                        return;
                    }
                    client.write_all(&answer[..got]).unwrap();
                }
            });
        }
    });
    Client::new(&settings(&format!("http://127.0.0.1:{own}"))).unwrap()
}

#[tokio::test]
async fn who_may_not_look_at_what_is_overwritten_is_told_what_is_missing() {
    let endpoint = serve(|asked| match asked.header("if-match") {
        "" => ("200 OK", "etag: \"e\"\r\n".into(), String::new()),
        _ => ("403 Forbidden", String::new(), refusal("AccessDenied")),
    });
    let client = Client::new(&settings(&endpoint)).unwrap();
    let error = client.put_over("b", "k", "x".into(), &[], Over::Etag("e")).await.unwrap_err();
    assert_eq!(error.kind, Kind::Denied, "{error}");
    assert!(error.hints[0].contains("`s3:GetObject` at its destination"), "{:?}", error.hints);
    client.put_over("b", "k", "x".into(), &[], Over::Any).await.unwrap();
}

#[tokio::test]
async fn a_store_without_conditions_is_written_to_without_and_that_is_told() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = seen.clone();
    let endpoint = serve(move |asked| {
        let ok = |body: &str| ("200 OK", "etag: \"e\"\r\n".to_owned(), body.to_owned());
        match asked.method.as_str() {
            "HEAD" => ok("a"),
            "GET" if asked.path.contains("versioning") => ok("<VersioningConfiguration/>"),
            "GET" if asked.path.contains("from") => ok(&listing(&["from/1", "from/2"])),
            "GET" => ok("<ListBucketResult/>"),
            _ => {
                let condition = asked.header("if-none-match").to_owned();
                keep.lock().unwrap().push(condition.clone());
                match condition.as_str() {
                    "" => ok("<CopyObjectResult><ETag>e</ETag></CopyObjectResult>"),
                    _ => ("501 Not Implemented", String::new(), refusal("NotImplemented")),
                }
            }
        }
    });
    let client = Client::new(&settings(&endpoint)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let how = Freeze::at(&folder.path().join("manifest.db"), ["", ""], "");
    let line = line("s3 cp s3://b/from/ s3://b/to/ --recursive");
    let manifest = freeze(&client, &line, &Scene::default(), &how).await.unwrap();
    assert_eq!(client.unconditional(), [""; 0]);
    assert_eq!(run(&client, &manifest, &()).await.unwrap().of(State::Done), 2);
    assert_eq!(client.unconditional(), ["a copy"]);
    let mut seen = seen.lock().unwrap().clone();
    seen.sort();
    // Both were under way before the first answer, or the second knew already.
    assert_eq!(seen.iter().filter(|condition| condition.is_empty()).count(), 2, "{seen:?}");
}
