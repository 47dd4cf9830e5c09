//! Servers of a test's own: with certificates, with a full disk, killed, too old, without the right to do it.

use super::*;
use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
};
use windlass_driver::Effect;
use windlass_lab::{Server, Setup};

const SETUP: &str = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'x')";
const UPDATE: &str = "UPDATE t SET v = 'y'";

async fn by(url: &str) -> Result<Done, Failure> {
    let world = World::at(url, &[UPDATE]);
    let done = world.apply(1).await?;
    world.undo(1).await?;
    Ok(done)
}

#[tokio::test]
async fn certificates_are_verified_as_the_url_asks() {
    let good = Setup::new(Flavor::Postgres15).tls().start();
    // The same authority or not, this one is known by another name.
    let other = Setup::new(Flavor::Postgres15).tls_for("DNS:db.example").start();
    let root = |server: &Server| server.authority().unwrap().certificate().display().to_string();
    let (good_root, other_root) = (root(&good), root(&other));
    let url = |server: &Server, more: &str| {
        let database = server.database();
        database.run(SETUP);
        format!("{}?{more}", database.url_tls_only())
    };
    for mode in ["verify-full", "verify-ca"] {
        by(&url(&good, &format!("sslmode={mode}&sslrootcert={good_root}"))).await.unwrap();
        let failure = by(&url(&good, &format!("sslmode={mode}&sslrootcert={other_root}"))).await.unwrap_err();
        assert!(failure.message.contains("certificate") && failure.effect == Effect::None, "{failure:?}");
        assert!(failure.hints[0].contains("sslrootcert") && !failure.retry, "{failure:?}");
        let failure = by(&url(&good, &format!("sslmode={mode}&sslrootcert=/nowhere.pem"))).await.unwrap_err();
        assert!(failure.message.contains("/nowhere.pem"), "{failure:?}");
    }
    by(&url(&good, "sslmode=require")).await.unwrap();
    // The authority is right and the name is not: only verify-full looks at it.
    by(&url(&other, &format!("sslmode=verify-ca&sslrootcert={other_root}"))).await.unwrap();
    let failure =
        by(&url(&other, &format!("sslmode=verify-full&sslrootcert={other_root}"))).await.unwrap_err();
    assert!(failure.message.contains("not valid for name"), "{failure:?}");
    let failure = by(&url(&good, "sslmode=disable")).await.unwrap_err();
    assert!(failure.message.contains("refuses the connection"), "{failure:?}");
    assert!(!format!("{failure:?}").contains("k33p"), "{failure:?}");
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
async fn a_full_disk_changes_nothing_and_goes_on_when_there_is_room() {
    let probe = std::panic::catch_unwind(|| Setup::new(Flavor::Postgres15).disk_bytes_max(160 << 20).start());
    let Ok(server) = probe else {
        eprintln!("SKIPPED: this machine lets nobody mount a disk");
        return;
    };
    let database = server.database();
    database.run("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, repeat('x', 100) FROM generate_series(1, 20000) g");
    let world = World::on(database, &["UPDATE t SET v = repeat('y', 200)"]);
    let before = world.run("SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM t");
    server.fill_disk();
    let failure = world.apply(1).await.unwrap_err();
    assert!(failure.retry, "{failure:?}");
    server.free_disk();
    if world.database().try_run("SELECT 1").is_err() {
        // PostgreSQL stops altogether when its log has no room.
        server.restart();
    }
    assert_eq!(world.inspect(1, Way::Forward).await, Found::NotApplied);
    assert_eq!(world.run("SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM t"), before);
    world.apply(1).await.unwrap();
    world.undo(1).await.unwrap();
    assert_eq!(world.run("SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM t"), before);
}

/// Killed while a statement runs, whichever way it goes, and started again: each statement has happened once or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_has_each_statement_once() {
    let server = Server::start(Flavor::Postgres15);
    let database = server.database();
    database.run("CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL DEFAULT 0); INSERT INTO t SELECT generate_series(1, 100000)");
    let statements =
        ["UPDATE t SET n = n + 1", "ALTER TABLE t ADD COLUMN at timestamptz DEFAULT clock_timestamp()"];
    let world = World::on(database, &statements);
    let before = world.rows("t");
    for way in [Way::Forward, Way::Undo] {
        for step in [1, 2] {
            let number = if way == Way::Forward { step } else { 3 - step };
            for ms in [5, 60, 200] {
                let work = async {
                    if way == Way::Forward { world.apply(number).await } else { world.undo(number).await }
                };
                let kill = async {
                    tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
                    tokio::task::block_in_place(|| server.kill());
                };
                let (result, ()) = tokio::join!(work, kill);
                server.restart();
                match (result, world.inspect(number, way).await) {
                    (Ok(_), Found::Applied(_)) => break,
                    (Err(failure), Found::Applied(_)) => {
                        assert_eq!(failure.effect, Effect::Unknown, "{failure:?}");
                        break;
                    }
                    (Err(_), Found::NotApplied) => {}
                    (result, found) => panic!("{way:?} {number}: {result:?}, then {found:?}"),
                }
            }
            let done = if way == Way::Forward { world.apply(number).await } else { world.undo(number).await };
            done.unwrap_or_else(|failure| panic!("{way:?} {number}: {failure:?}"));
        }
        if way == Way::Forward {
            assert_eq!(world.run("SELECT min(n), max(n), count(at) FROM t"), "1|1|100000");
        }
    }
    assert_eq!(world.rows("t"), before);
}

/// A server that says it is PostgreSQL 12 is told as such before anything is done.
#[tokio::test]
async fn a_server_that_is_too_old_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let old = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut seen = [0; 4096];
        assert!(stream.read(&mut seen).unwrap() > 8);
        // AuthenticationOk, ReadyForQuery.
        stream.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").unwrap();
        let length = stream.read(&mut seen).unwrap();
        assert!(String::from_utf8_lossy(&seen[..length]).contains("server_version_num"));
        // RowDescription of one text column, DataRow, CommandComplete, ReadyForQuery.
        let mut answer = b"T\0\0\0\x1a\0\x01v\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0".to_vec();
        answer.extend(b"D\0\0\0\x10\0\x01\0\0\0\x06120017C\0\0\0\x09SHOW\0Z\0\0\0\x05I");
        stream.write_all(&answer).unwrap();
    });
    let failure = by(&format!("postgres://u@127.0.0.1:{port}/d?sslmode=disable")).await.unwrap_err();
    assert!(failure.message.contains("older than PostgreSQL 13; nothing was done"), "{failure:?}");
    assert_eq!((failure.effect, failure.retry), (Effect::None, false));
    old.join().unwrap();
}
