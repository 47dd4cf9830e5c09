//! The proxy as a process: kill -9, restart, take-over.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Backend, Browser, PATIENCE, get, post, tunnel};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command as Process},
};
use windlass_proxy::{
    Client, Config, ControlError, ProxyError,
    control::{Request as Command, Status},
};

/// The example `serve`, built with the tests.
fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join("examples/serve");
    assert!(path.exists(), "{} is missing: run the tests by `cargo test`", path.display());
    path
}

fn spawn(listen: &str, state_dir: &Path, more: &[String]) -> Child {
    let mut process = Process::new(binary());
    process.arg(listen).arg(state_dir).args(more).stdin(Stdio::null()).stderr(Stdio::piped());
    process.kill_on_drop(true).spawn().unwrap()
}

fn initial(backend: &Backend) -> [String; 1] {
    [format!("{}={}=100", backend.version, backend.address)]
}

fn address(status: &Status) -> SocketAddr {
    status.listen.parse().unwrap()
}

async fn wait_for(client: &Client, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        let status = client.wait(PATIENCE).await;
        if let Ok(status) = &status
            && wanted(status)
        {
            return status.clone();
        }
        assert!(tokio::time::Instant::now() < end, "waiting for {what}: {status:#?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn killed_and_started_again_it_is_as_before_and_knows_no_health() {
    let (one, two) = (Backend::start("1").await, Backend::start("2").await);
    let dir = tempfile::tempdir().unwrap();
    let client = Client::new(dir.path());
    let mut proxy = spawn("127.0.0.1:0", dir.path(), &initial(&one));
    let status = client.wait(PATIENCE).await.unwrap();
    let listen = status.listen.clone();
    assert_eq!(Some(status.pid), proxy.id());
    let upstreams = vec![one.upstream(70), two.upstream(30)];
    client.send(Command::Switch { upstreams: upstreams.clone(), drain_ms: 0, resume: false }).await.unwrap();
    client.send(Command::Hold { hold_ms: 60_000, drain_ms: 0 }).await.unwrap();
    // More than once: each start reads what the one before wrote.
    for _ in 0..3 {
        proxy.kill().await.unwrap();
        let error = client.send(Command::Status).await.unwrap_err();
        assert!(matches!(error, ControlError::NotRunning { .. }), "{error}");
        // The port was not free: the same address again, right after the kill.
        proxy = spawn(&listen, dir.path(), &initial(&one));
        let status = client.wait(PATIENCE).await.unwrap();
        assert!(status.holding_ms.is_some());
        let restored: Vec<_> = status.upstreams.iter().map(|u| u.upstream.clone()).collect();
        assert_eq!(restored, upstreams, "the state wins over the arguments");
        assert!(status.upstreams.iter().all(|u| u.healthy != Some(true) || u.healthy_ms < 5_000));
    }
    let mut browser = Browser::http1(address(&status)).await;
    let held = tokio::spawn(async move { browser.get("/").await });
    wait_for(&client, "one to wait", |s| s.waiting == 1).await;
    client.send(Command::Resume).await.unwrap();
    assert!(["1", "2"].contains(&held.await.unwrap().body.as_str()));
}

/// Kills at random moments while switching: what is restored is always one of the two states around the last command.
#[tokio::test]
async fn a_kill_at_any_moment_leaves_the_state_before_or_after() {
    let (one, two) = (Backend::start("1").await, Backend::start("2").await);
    let dir = tempfile::tempdir().unwrap();
    let client = Client::new(dir.path());
    let sets = [vec![one.upstream(100)], vec![two.upstream(100)]];
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..8 {
        let mut proxy = spawn("127.0.0.1:0", dir.path(), &initial(&one));
        let start = client.wait(PATIENCE).await.unwrap().upstreams[0].upstream.version.clone();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let life = Duration::from_micros(random >> 32 & 0x3fff);
        let commands = async {
            let mut acknowledged = start;
            for upstreams in sets.iter().cycle() {
                let next = upstreams[0].version.clone();
                let command = Command::Switch { upstreams: upstreams.clone(), drain_ms: 0, resume: false };
                if client.send(command).await.is_err() {
                    return (acknowledged, next);
                }
                acknowledged = next;
            }
            unreachable!("the sets repeat for ever")
        };
        let kill = async {
            tokio::time::sleep(life).await;
            proxy.kill().await.unwrap();
        };
        let ((acknowledged, asked), ()) = tokio::join!(commands, kill);
        let mut proxy = spawn("127.0.0.1:0", dir.path(), &[]);
        let status = client.wait(PATIENCE).await.unwrap();
        let restored = &status.upstreams[0].upstream.version;
        assert!([&acknowledged, &asked].contains(&restored), "round {round}: {restored}");
        proxy.kill().await.unwrap();
    }
}

#[tokio::test]
async fn two_proxies_never_run_on_one_folder() {
    let one = Backend::start("1").await;
    let dir = tempfile::tempdir().unwrap();
    let client = Client::new(dir.path());
    let _first = spawn("127.0.0.1:0", dir.path(), &initial(&one));
    let pid = client.wait(PATIENCE).await.unwrap().pid;
    let config = Config::new("127.0.0.1:0", dir.path());
    let error = windlass_proxy::run(config, std::future::pending()).await.unwrap_err();
    assert!(matches!(error, ProxyError::AlreadyRunning { .. }), "{error}");
    assert!(error.to_string().contains(&format!("process {pid}")), "{error}");
    assert_eq!(client.send(Command::Status).await.unwrap().pid, pid);
}

#[tokio::test]
async fn what_cannot_be_started_says_why_and_leaves_the_folder_alone() {
    let dir = tempfile::tempdir().unwrap();
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().into_std().unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let fails = async |config: Config| {
        let run = windlass_proxy::run(config, std::future::pending());
        tokio::time::timeout(PATIENCE, run).await.unwrap().unwrap_err().to_string()
    };
    let error = fails(Config::new(address.clone(), dir.path())).await;
    assert!(
        error.contains(&address) && error.contains(&format!("process {}", std::process::id())),
        "{error}"
    );

    std::fs::write(dir.path().join("state.json"), "{ \"format\": 1, \"upstr").unwrap();
    let error = fails(Config::new("127.0.0.1:0", dir.path())).await;
    assert!(error.contains("state.json") && error.contains("damaged"), "{error}");

    let file = dir.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    let error = fails(Config::new("127.0.0.1:0", file.join("state"))).await;
    assert!(error.contains("a-file"), "{error}");

    let mut config = Config::new("127.0.0.1:0", dir.path());
    config.tls = Some(windlass_proxy::Tls { cert: "missing-cert.pem".into(), key: "missing-key.pem".into() });
    assert!(fails(config).await.contains("missing-cert.pem"));
}

/// A state that cannot be written (a full disk, a read-only folder) refuses the command; traffic goes on.
#[tokio::test]
async fn a_state_that_cannot_be_saved_refuses_the_change() {
    let (one, two) = (Backend::start("1").await, Backend::start("2").await);
    let proxy = common::Proxy::start(vec![one.upstream(100)]).await;
    let state = proxy.dir.path().join("state");
    let saved = std::fs::read(state.join("state.json")).unwrap();
    // Root may write anywhere, so modes do not help: a folder stands where the temporary file would.
    std::fs::create_dir(state.join("state.json.new")).unwrap();
    let commands = [
        Command::Hold { hold_ms: 1_000, drain_ms: 0 },
        Command::Switch { upstreams: vec![two.upstream(100)], drain_ms: 0, resume: false },
    ];
    for command in commands {
        let error = proxy.client.send(command).await.unwrap_err();
        assert!(error.certain() && error.to_string().contains("nothing was changed"), "{error}");
    }
    assert_eq!(Browser::http1(proxy.address).await.get("/").await.body, "1");
    assert_eq!(std::fs::read(state.join("state.json")).unwrap(), saved);
    std::fs::remove_dir(state.join("state.json.new")).unwrap();
    assert_eq!(proxy.switch(vec![two.upstream(100)], 0, false).await.upstreams[0].upstream.version, "2");
}

/// Clients that never pause: a request that fails in any way ends the test. Reconnects when told to by
/// `Connection: close` or GOAWAY, as browsers do.
async fn load(address: SocketAddr, http2: bool, over: Arc<AtomicBool>) -> u64 {
    let fresh = async || if http2 { Browser::http2(address).await } else { Browser::http1(address).await };
    let (mut browser, mut sent) = (fresh().await, 0);
    while !over.load(SeqCst) {
        if let Browser::Http2(sender) = &browser
            && sender.is_closed()
        {
            browser = fresh().await;
        }
        let request = if sent % 2 == 0 { get("/") } else { post("/sum", vec![b'x'; 5_000]) };
        let got = match browser.send(request).await {
            Ok(got) => got,
            // Told to go while the request was on its way; HTTP/2 says for sure that it was not handled.
            Err(error) if http2 && (error.is_canceled() || error.is_closed()) => {
                browser = fresh().await;
                continue;
            }
            Err(error) => panic!("request {sent} (http2: {http2}): {error:?}"),
        };
        assert!(got.status == 200, "request {sent}: {got:?}");
        if got.headers.get("connection").is_some_and(|value| value == "close") {
            browser = fresh().await;
        }
        sent += 1;
    }
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_process_takes_over_without_a_dropped_request() {
    let (one, two) = (Backend::start("1").await, Backend::start("2").await);
    let dir = tempfile::tempdir().unwrap();
    let client = Client::new(dir.path());
    let mut proxy = spawn("127.0.0.1:0", dir.path(), &initial(&one));
    let first = client.wait(PATIENCE).await.unwrap();
    let (at, over) = (address(&first), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..8).map(|n| tokio::spawn(load(at, n % 4 == 0, Arc::clone(&over)))).collect();
    let mut socket = tunnel(at).await;
    let mut pid = first.pid;
    for round in 0..4 {
        let next = spawn(&first.listen, dir.path(), &["--take-over".to_owned()]);
        let status = wait_for(&client, "the new process", |s| s.pid != pid).await;
        pid = status.pid;
        assert_eq!(status.listen, first.listen);
        // The old one lives as long as its tunnel; the tunnel still works.
        if round == 0 {
            socket.write_all(b"ping").await.unwrap();
            let mut echo = [0; 4];
            socket.read_exact(&mut echo).await.unwrap();
            assert_eq!(status.upstreams[0].in_flight, 1.max(status.upstreams[0].in_flight));
            let _ = socket.shutdown().await;
        }
        let ended =
            tokio::time::timeout(PATIENCE, proxy.wait()).await.expect("the old process stays").unwrap();
        assert!(ended.success());
        let target = if round % 2 == 0 { &two } else { &one };
        let upstreams = vec![target.upstream(100)];
        client.send(Command::Switch { upstreams, drain_ms: 5_000, resume: false }).await.unwrap();
        proxy = next;
    }
    over.store(true, SeqCst);
    let mut sent = 0;
    for client in clients {
        sent += client.await.unwrap();
    }
    assert!(sent > 100, "only {sent} requests: nothing was tested");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_held_in_the_old_process_follows_the_new_one_s_commands() {
    let (one, two) = (Backend::start("1").await, Backend::start("2").await);
    let dir = tempfile::tempdir().unwrap();
    let client = Client::new(dir.path());
    let mut old = spawn("127.0.0.1:0", dir.path(), &initial(&one));
    let first = client.wait(PATIENCE).await.unwrap();
    client.send(Command::Hold { hold_ms: 60_000, drain_ms: 0 }).await.unwrap();
    let at = address(&first);
    let hold = |mut browser: Browser| tokio::spawn(async move { browser.send(post("/sum", "123")).await });
    let in_old = [hold(Browser::http1(at).await), hold(Browser::http2(at).await)];
    wait_for(&client, "two to wait", |s| s.waiting == 2).await;
    let _new = spawn(&first.listen, dir.path(), &["--take-over".to_owned()]);
    let status = wait_for(&client, "the new process", |s| s.pid != first.pid).await;
    assert!(status.holding_ms.is_some(), "the hold was lost");
    let in_new = hold(Browser::http1(at).await);
    wait_for(&client, "three to wait, in both", |s| s.waiting == 3).await;
    let upstreams = vec![two.upstream(100)];
    client.send(Command::Switch { upstreams, drain_ms: 5_000, resume: true }).await.unwrap();
    for held in in_old.into_iter().chain([in_new]) {
        assert_eq!(held.await.unwrap().unwrap().body, "2 3");
    }
    assert_eq!(one.seen.load(SeqCst), 0);
    let ended = tokio::time::timeout(PATIENCE, old.wait()).await.expect("the old process stays").unwrap();
    assert!(ended.success());
    assert_eq!(client.send(Command::Status).await.unwrap().waiting, 0);
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("former")), "{left:?}");
}

/// The lock is the new process's alone: killed while the old one still finishes, it can be started again.
#[tokio::test]
async fn a_new_process_that_is_killed_can_be_started_again_while_the_old_one_finishes() {
    let one = Backend::start("1").await;
    let dir = tempfile::tempdir().unwrap();
    let client = Client::new(dir.path());
    let mut old = spawn("127.0.0.1:0", dir.path(), &initial(&one));
    let first = client.wait(PATIENCE).await.unwrap();
    let mut socket = tunnel(address(&first)).await;
    let mut new = spawn(&first.listen, dir.path(), &["--take-over".to_owned()]);
    let second = wait_for(&client, "the new process", |s| s.pid != first.pid).await;
    new.kill().await.unwrap();
    let _again = spawn(&first.listen, dir.path(), &[]);
    wait_for(&client, "the newest process", |s| s.pid != second.pid).await;
    assert_eq!(Browser::http1(address(&first)).await.get("/").await.body, "1");
    socket.write_all(b"ping").await.unwrap();
    let mut echo = [0; 4];
    socket.read_exact(&mut echo).await.unwrap();
    drop(socket);
    assert!(
        tokio::time::timeout(PATIENCE, old.wait()).await.expect("the old process stays").unwrap().success()
    );
}

/// The whole old process: its patience ends, it says so, goes on, and a late `ready` does not replace it.
#[tokio::test]
async fn a_ready_that_comes_too_late_is_answered_and_changes_nothing() {
    let one = Backend::start("1").await;
    let dir = tempfile::tempdir().unwrap();
    let client = Client::new(dir.path());
    let _old = spawn("127.0.0.1:0", dir.path(), &initial(&one));
    let first = client.wait(PATIENCE).await.unwrap();
    let stream = tokio::net::UnixStream::connect(dir.path().join("control.sock")).await.unwrap();
    let mut stream = BufReader::new(stream);
    stream.write_all(b"{\"command\":\"take-over\"}\n").await.unwrap();
    let mut told = String::new();
    stream.read_line(&mut told).await.unwrap();
    assert!(told.contains("\"ok\""), "{told}");
    for wanted in ["too late", "not a command"] {
        told.clear();
        tokio::time::timeout(PATIENCE, stream.read_line(&mut told)).await.unwrap().unwrap();
        assert!(told.contains("\"error\"") && told.contains(wanted), "{told}");
        stream.write_all(b"ready\n").await.unwrap();
    }
    let upstreams = vec![one.upstream(100)];
    let status = client.send(Command::Switch { upstreams, drain_ms: 0, resume: false }).await.unwrap();
    assert_eq!(status.pid, first.pid);
    for _ in 0..20 {
        assert_eq!(Browser::http1(address(&first)).await.get("/").await.body, "1");
    }
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("former")), "{left:?}");
}

#[tokio::test]
async fn a_take_over_that_fails_leaves_the_old_one_serving() {
    let one = Backend::start("1").await;
    let dir = tempfile::tempdir().unwrap();
    let client = Client::new(dir.path());
    let _old = spawn("127.0.0.1:0", dir.path(), &initial(&one));
    let first = client.wait(PATIENCE).await.unwrap();
    // Another address.
    let mut config = Config::new("127.0.0.1:1", dir.path());
    config.take_over = true;
    let error = windlass_proxy::run(config, std::future::pending()).await.unwrap_err();
    assert!(matches!(error, ProxyError::TakeOver { .. }) && error.to_string().contains("goes on"), "{error}");
    // Killed in the middle: it has the socket, and never says that it serves.
    let mut stream = tokio::net::UnixStream::connect(dir.path().join("control.sock")).await.unwrap();
    stream.write_all(b"{\"command\":\"take-over\"}\n").await.unwrap();
    assert!(stream.read_u8().await.is_ok());
    drop(stream);
    // Commands and clients are served as before.
    let upstreams = vec![one.upstream(100)];
    let status = client.send(Command::Switch { upstreams, drain_ms: 0, resume: false }).await.unwrap();
    assert_eq!(status.pid, first.pid);
    for _ in 0..20 {
        assert_eq!(Browser::http1(address(&first)).await.get("/").await.body, "1");
    }
    // And nothing to take over is no error.
    let empty = tempfile::tempdir().unwrap();
    let _fresh = spawn("127.0.0.1:0", empty.path(), &["--take-over".to_owned()]);
    Client::new(empty.path()).wait(PATIENCE).await.unwrap();
}
