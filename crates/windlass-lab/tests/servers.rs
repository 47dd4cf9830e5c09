//! Each server starts, answers its own client tool, keeps what it acknowledged when it is killed, and ends with its test.

#![expect(clippy::unwrap_used, reason = "a test that cannot do what it wants has to fail")]

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use windlass_lab::{Flavor, Server, Setup, server};

fn wait_until(what: &str, mut probe: impl FnMut() -> bool) {
    let began = Instant::now();
    while !probe() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn answers(flavor: Flavor, version: &str) {
    let server = server(flavor);
    assert!(server.version().starts_with(version), "{}", server.version());
    let (one, two) = (server.database(), server.database());
    assert_ne!(one.name(), two.name());
    one.run("CREATE TABLE t (id int PRIMARY KEY, name varchar(20)); INSERT INTO t VALUES (1, '名字');");
    assert_eq!(one.run("SELECT name FROM t"), "名字");
    assert!(two.try_run("SELECT name FROM t").is_err(), "databases are apart");
    assert!(server.data().is_dir());
}

fn survives(flavor: Flavor) {
    // As another server keeps them: one that starts removes all that it finds in its folder of temporary files.
    let others = env::temp_dir().join(format!("#sql-temptable-{}-{flavor:?}.MAI", std::process::id()));
    fs::write(&others, "").unwrap();
    let server = Server::start(flavor);
    assert!(fs::remove_file(&others).is_ok(), "temporary tables of other servers are gone");
    let database = server.database();
    database.run("CREATE TABLE t (id int PRIMARY KEY)");
    let (pid, port) = (server.pid(), server.port());
    for id in 0..3 {
        database.run(&format!("INSERT INTO t VALUES ({id})"));
        server.kill();
        assert!(!is_running(pid));
        assert!(database.try_run("SELECT 1").is_err(), "a killed server answers");
        server.restart();
        assert_eq!(database.run("SELECT count(*) FROM t"), (id + 1).to_string());
    }
    assert_eq!(server.port(), port);
    let (pid, folder) = (server.pid(), server.data().parent().unwrap().to_owned());
    drop(server);
    assert!(!is_running(pid) && !folder.exists(), "a dropped server leaves nothing behind");
}

/// Another process starts a server, and is killed or panics.
fn ends_with_its_process(flavor: Flavor) {
    for ending in ["kill", "panic"] {
        let mut holder = Command::new(env!("CARGO_BIN_EXE_windlass-lab"));
        holder
            .args([flavor.name(), ending])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut holder = holder.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut words = line.split(' ');
        let (pid, folder) = (words.next().unwrap().parse().unwrap(), Path::new(words.next().unwrap()));
        assert!(is_running(pid) && folder.exists());
        let family = children(pid);
        assert_eq!(family.is_empty(), !flavor.is_postgres());
        if ending == "kill" {
            holder.kill().unwrap();
        }
        drop(holder.stdin.take());
        assert!(!holder.wait().unwrap().success());
        wait_until("the server outlives its test", || {
            !is_running(pid) && !family.iter().any(|p| is_running(*p))
        });
        wait_until("the folder outlives its test", || !folder.exists());
    }
}

fn children(of: u32) -> Vec<u32> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|e| e.unwrap().file_name().to_str()?.parse().ok());
    let parent = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse::<u32>().ok()
    };
    pids.filter(|pid| parent(pid) == Some(of)).collect()
}

/// The tests above for one flavor.
macro_rules! flavor {
    ($name:ident, $flavor:expr, $version:literal) => {
        mod $name {
            use super::*;

            #[test]
            fn answers_its_client() {
                answers($flavor, $version);
            }

            #[test]
            fn survives_kill_and_restart() {
                survives($flavor);
            }

            #[test]
            fn ends_with_its_test() {
                ends_with_its_process($flavor);
            }
        }
    };
}

flavor!(postgres15, Flavor::Postgres15, "15.");
flavor!(postgres_newer, Flavor::PostgresNewer, "18.");
flavor!(mariadb, Flavor::Mariadb, "10.11.");
flavor!(mysql, Flavor::Mysql, "9.");

#[test]
fn a_port_that_is_taken_at_the_restart_is_waited_for() {
    let server = Server::start(Flavor::Postgres15);
    let database = server.database();
    server.kill();
    let squatter = TcpListener::bind(("127.0.0.1", server.port())).unwrap();
    thread::scope(|scope| {
        let restart = scope.spawn(|| server.restart());
        wait_until("a first attempt fails", || server.log().contains("could not create any TCP/IP sockets"));
        assert!(!restart.is_finished());
        drop(squatter);
    });
    assert_eq!(database.run("SELECT 1"), "1");
}

/// Only root may mount; `./test` runs as root.
#[test]
fn a_disk_can_be_full() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    for flavor in [Flavor::Postgres15, Flavor::PostgresNewer, Flavor::Mariadb] {
        let server = Setup::new(flavor).disk_bytes_max(80 << 20).start();
        let database = server.database();
        database.run("CREATE TABLE t (x varchar(8000)); INSERT INTO t VALUES ('kept');");
        server.fill_disk();
        let insert = "INSERT INTO t VALUES (repeat('windlass', 900));";
        let error = database.try_run(&insert.repeat(2000)).unwrap_err();
        assert!(
            ["free disk space", "is full", "No space"].iter().any(|m| error.contains(m)),
            "{flavor:?}: {error}\n{}",
            server.log()
        );
        server.free_disk();
        database.run(&insert.repeat(100));
        assert_eq!(database.run("SELECT x FROM t WHERE x = 'kept'"), "kept");
    }
}
