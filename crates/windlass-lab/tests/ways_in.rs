//! The ways to a server: sockets, passwords, TLS, PgBouncer, a wire that is cut. Asked with the servers' own client tools.

#![expect(clippy::unwrap_used, reason = "a test that cannot do what it wants has to fail")]

use std::process::{Command, Output};

use windlass_lab::{Authority, Database, Direction, Flavor, PASSWORD, Server, Setup, server};

fn psql(url: &str, sql: &str) -> Output {
    let psql = server(Flavor::Postgres15).bin().unwrap().join("psql");
    Command::new(psql).args(["-X", "-A", "-t", "-w", url, "-c", sql]).env_clear().output().unwrap()
}

fn text(out: &Output) -> String {
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

fn fails(out: &Output, message: &str) {
    let error = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success() && error.contains(message), "{error}");
}

const WHO: &str = "SELECT current_user, inet_server_port()";

#[test]
fn postgres_urls() {
    for flavor in [Flavor::Postgres15, Flavor::PostgresNewer] {
        let server = server(flavor);
        let database = server.database();
        let port = server.port();
        assert_eq!(text(&psql(&database.url(), WHO)), format!("postgres|{port}"));
        assert_eq!(text(&psql(&database.socket_url(), WHO)), "postgres|");
        assert_eq!(text(&psql(&database.url_with_password(), WHO)), format!("guarded|{port}"));
        assert_eq!(text(&psql(&database.url(), "SELECT current_database()")), database.name());
        let no_password = database.url().replace("postgres@", "guarded@");
        fails(&psql(&no_password, WHO), "no password supplied");
        fails(&psql(&database.url_tls_only(), WHO), "pg_hba.conf rejects connection");
    }
}

#[test]
fn postgres_tls() {
    for flavor in [Flavor::Postgres15, Flavor::PostgresNewer] {
        let server = Setup::new(flavor).tls().start();
        let database = server.database();
        let trust = |authority: &Authority| {
            let certificate = authority.certificate();
            format!("{}?sslmode=verify-full&sslrootcert={}", database.url_tls_only(), certificate.display())
        };
        let ssl = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        assert_eq!(text(&psql(&trust(server.authority().unwrap()), ssl)), "t");
        let folder = tempfile::tempdir().unwrap();
        let other = Authority::new(folder.path(), "IP:127.0.0.1");
        fails(&psql(&trust(&other), ssl), "certificate verify failed");
        fails(
            &psql(&format!("{}?sslmode=disable", database.url_tls_only()), ssl),
            "pg_hba.conf rejects connection",
        );
        server.kill();
        server.restart();
        assert_eq!(text(&psql(&trust(server.authority().unwrap()), ssl)), "t");
    }
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let server = Setup::new(Flavor::Postgres15).tls_for("DNS:db.example.com").start();
    let certificate = server.authority().unwrap().certificate();
    let url = server.database().url_tls_only();
    let mode = |mode: &str| format!("{url}?sslmode={mode}&sslrootcert={}", certificate.display());
    assert_eq!(text(&psql(&mode("verify-ca"), "SELECT 1")), "1");
    fails(&psql(&mode("verify-full"), "SELECT 1"), "does not match host name");
}

/// `mariadb` or `mysql` over TCP.
fn over_tcp(server: &Server, database: &Database, options: &[&str], sql: &str) -> Output {
    let name = if server.flavor() == Flavor::Mariadb { "mariadb" } else { "mysql" };
    let mut client = Command::new(server.bin().unwrap().join(name));
    client.args(["--no-defaults", "-N", "-B", "-h", "127.0.0.1", "--protocol=tcp"]);
    client.arg(format!("--port={}", server.port())).args(options).arg(database.name());
    client.args(["-e", sql]).env_clear().output().unwrap()
}

#[test]
fn mysql_users() {
    for flavor in [Flavor::Mariadb, Flavor::Mysql] {
        let server = server(flavor);
        let database = server.database();
        let who = "SELECT current_user()";
        let password = format!("--password={PASSWORD}");
        assert!(text(&over_tcp(server, &database, &["-u", "root"], who)).starts_with("root@"));
        assert_eq!(text(&over_tcp(server, &database, &["-u", "guarded", &password], who)), "guarded@%");
        fails(&over_tcp(server, &database, &["-u", "guarded"], who), "Access denied");
        assert!(server.socket().unwrap().exists());
        assert_eq!(database.run("SELECT current_user()"), "root@localhost");
        assert_eq!(database.run("SELECT @@character_set_database"), "utf8mb4");
        let host =
            format!("mysql://guarded:k33p%26it%2Fs%40fe@127.0.0.1:{}/{}", server.port(), database.name());
        assert_eq!(database.url_with_password(), host);
    }
}

#[test]
fn mysql_tls() {
    for flavor in [Flavor::Mariadb, Flavor::Mysql] {
        let server = Setup::new(flavor).tls().start();
        let database = server.database();
        let (on, off) = match flavor {
            Flavor::Mariadb => (["--ssl", "--ssl-verify-server-cert"], "--skip-ssl"),
            _ => (["--ssl-mode=VERIFY_IDENTITY", "--tls-version=TLSv1.3"], "--ssl-mode=DISABLED"),
        };
        let password = format!("--password={PASSWORD}");
        let cipher = "SHOW STATUS LIKE 'Ssl_cipher'";
        let ask = |authority: &Authority| {
            let certificate = format!("--ssl-ca={}", authority.certificate().display());
            over_tcp(&server, &database, &[on[0], on[1], &certificate, "-u", "tls_only", &password], cipher)
        };
        assert!(text(&ask(server.authority().unwrap())).contains("TLS_"));
        let folder = tempfile::tempdir().unwrap();
        assert!(!ask(&Authority::new(folder.path(), "IP:127.0.0.1")).status.success());
        fails(&over_tcp(&server, &database, &[off, "-u", "tls_only", &password], cipher), "Access denied");
    }
}

#[test]
fn pgbouncer_pools_transactions() {
    let server = server(Flavor::Postgres15);
    let bouncer = server.pgbouncer();
    let database = server.database();
    let url = bouncer.url(&database);
    assert_eq!(text(&psql(&url, "SELECT current_database()")), database.name());
    let guarded =
        database.url_with_password().replace(&server.port().to_string(), &bouncer.port().to_string());
    assert_eq!(text(&psql(&guarded, "SELECT current_user")), "guarded");
    fails(&psql(&guarded.replace("k33p", "lost"), "SELECT 1"), "SASL authentication failed");
    // A session of the server is handed on to the next client: what one set, another finds.
    text(&psql(&url, "SET lock_timeout = 4321"));
    assert_eq!(text(&psql(&url, "SHOW lock_timeout")), "4321ms");
    let port = bouncer.port();
    drop(bouncer);
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn a_wire_in_front_of_a_server() {
    let server = server(Flavor::Postgres15);
    let database = server.database();
    let wire = server.wire();
    let url = database.url_at(wire.port());
    assert_eq!(text(&psql(&url, "SELECT 1")), "1");
    let whole = wire.passed(Direction::ToClient);
    for bytes in [0, 1, whole / 2, whole - 1] {
        wire.cut_after(Direction::ToClient, bytes);
        let before = wire.passed(Direction::ToClient);
        let out = psql(&url, "SELECT 1");
        assert!(!out.status.success() || bytes == whole - 1, "cut after {bytes} of {whole} bytes");
        assert_eq!(wire.passed(Direction::ToClient) - before, bytes);
        wire.disarm();
    }
    assert_eq!(text(&psql(&url, "SELECT 2")), "2");
}
