//! The new process against an old one that answers as each test wants, and the words between them.

use super::*;
use crate::{Config, control::Upstream, state::Folder, state::State};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    task::JoinHandle,
};

/// Longest wait for anything; only reached when a test fails.
const LONG: Duration = Duration::from_secs(20);

/// The old side, up to the point where the new process has said `ready`.
struct Old {
    dir: tempfile::TempDir,
    folder: Folder,
    clients: tokio::net::TcpListener,
    stream: UnixStream,
    lock: File,
    /// The folder when the new process began.
    before: Vec<(String, Vec<u8>)>,
    new: JoinHandle<Result<(), ProxyError>>,
}

impl Old {
    async fn asked() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let lock = folder.lock().unwrap();
        let upstream =
            Upstream { version: "1".into(), address: "127.0.0.1:1".into(), weight: 100, health: None };
        folder.write(&State::new(vec![upstream], None, crate::state::Closed::default())).unwrap();
        std::fs::write(dir.path().join("proxy.pid"), "1 1\n").unwrap();
        let clients = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let control = socket::listen(dir.path(), socket::NAME).unwrap();
        let before = content(dir.path());
        let mut config = Config::new("127.0.0.1:0", dir.path());
        config.take_over = true;
        config.workers = Some(1);
        let new = tokio::spawn(crate::run(config, std::future::pending()));
        let (stream, _) = tokio::time::timeout(LONG, control.accept()).await.unwrap().unwrap();
        let mut stream = BufReader::new(stream);
        stream.read_line(&mut String::new()).await.unwrap();
        let mut old = Self { dir, folder, clients, stream: stream.into_inner(), lock, before, new };
        let status = Status { listen: old.clients.local_addr().unwrap().to_string(), ..Status::default() };
        give(&mut old.stream, status, old.clients.as_fd(), &old.lock, LONG).await.unwrap();
        old
    }

    /// How the new process ended; it left the folder as it was and accepted nobody.
    async fn refused(self) -> ProxyError {
        let error = tokio::time::timeout(LONG, self.new).await.unwrap().unwrap().unwrap_err();
        assert_eq!(content(self.dir.path()), self.before);
        let client = tokio::net::TcpStream::connect(self.clients.local_addr().unwrap()).await.unwrap();
        let (_, from) = tokio::time::timeout(LONG, self.clients.accept()).await.unwrap().unwrap();
        assert_eq!(from, client.local_addr().unwrap());
        error
    }
}

/// Names and contents of the files in a folder; of a socket, which it is.
fn content(dir: &Path) -> Vec<(String, Vec<u8>)> {
    use std::os::unix::fs::MetadataExt;
    let mut all: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let inode = path.metadata().unwrap().ino().to_le_bytes().to_vec();
            (path.display().to_string(), std::fs::read(&path).unwrap_or(inode))
        })
        .collect();
    all.sort();
    all
}

/// Two processes once served on one socket: the old one had gone on, and nobody had told the new one, whose `ready`
/// came too late.
#[tokio::test]
async fn a_new_process_that_is_too_late_does_not_serve_and_touches_nothing() {
    let mut old = Old::asked().await;
    old.stream.write_all(b"{\"reply\":\"error\",\"message\":\"too late\"}\n").await.unwrap();
    let error = old.refused().await;
    assert!(matches!(error, ProxyError::TakeOver { .. }), "{error}");
    assert!(error.to_string().contains("too late") && error.to_string().contains("goes on"), "{error}");
}

#[tokio::test]
async fn an_old_process_that_dies_before_it_lets_go_leaves_nothing_half_done() {
    let mut old = Old::asked().await;
    // Also in the middle of the word.
    old.stream.write_all(&REPLACED[..REPLACED.len() - 1]).await.unwrap();
    old.stream.shutdown().await.unwrap();
    let error = old.refused().await;
    assert!(matches!(error, ProxyError::TakeOverLost { .. }), "{error}");
}

#[tokio::test]
async fn the_new_process_serves_once_it_is_let_go_and_not_before() {
    let old = Old::asked().await;
    // It is ready; as long as it is not confirmed, every client is the old one's.
    for _ in 0..20 {
        let client = tokio::net::TcpStream::connect(old.clients.local_addr().unwrap()).await.unwrap();
        let (_, from) = tokio::time::timeout(LONG, old.clients.accept()).await.unwrap().unwrap();
        assert_eq!(from, client.local_addr().unwrap());
    }
    assert_eq!(content(old.dir.path()), old.before);
    confirm(&old.stream).unwrap();
    // The old one dies at once: the word is there all the same.
    let (dir, new) = (old.dir, old.new);
    drop((old.stream, old.clients, old.lock, old.folder));
    let client = crate::Client::new(dir.path());
    let status = client.wait(LONG).await.unwrap();
    assert_eq!(status.upstreams[0].upstream.version, "1");
    let mut request = tokio::net::TcpStream::connect(&status.listen).await.unwrap();
    request.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    tokio::time::timeout(LONG, request.read_exact(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 5"), "{answer:?}");
    let pid = std::fs::read_to_string(dir.path().join("proxy.pid")).unwrap();
    assert!(pid.starts_with(&format!("{} ", std::process::id())), "{pid}");
    drop(request);
    client.send(Request::Stop { drain_ms: 0 }).await.unwrap();
    tokio::time::timeout(LONG, new).await.unwrap().unwrap().unwrap();
}

/// A new process that has given up or died cannot be confirmed, so the old one knows that it has to go on.
#[tokio::test]
async fn the_word_cannot_be_written_to_one_that_no_longer_waits() {
    let (old, new) = UnixStream::pair().unwrap();
    rustix::net::shutdown(&new, rustix::net::Shutdown::Read).unwrap();
    assert!(confirm(&old).is_err());
    let (old, new) = UnixStream::pair().unwrap();
    drop(new);
    assert!(confirm(&old).is_err());
    // And what was written before it gave up is still read.
    let (old, mut new) = UnixStream::pair().unwrap();
    confirm(&old).unwrap();
    rustix::net::shutdown(&new, rustix::net::Shutdown::Read).unwrap();
    let mut line = Vec::new();
    read_line(&mut new, &mut line).await;
    assert_eq!(line, REPLACED);
}

#[tokio::test]
async fn a_ready_that_does_not_come_in_time_is_told_as_too_late() {
    let dir = tempfile::tempdir().unwrap();
    let lock = File::create(dir.path().join("lock")).unwrap();
    let clients = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (mut old, _new) = UnixStream::pair().unwrap();
    let patience = Duration::from_millis(20);
    let error = give(&mut old, Status::default(), clients.as_fd(), &lock, patience).await.unwrap_err();
    assert!(error.kind() == io::ErrorKind::TimedOut && error.to_string().contains("too late"), "{error}");
}
