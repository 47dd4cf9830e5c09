//! Connections, and what people read when there is none.

use super::*;
use std::time::{Duration, Instant};
use windlass_driver::Effect;

/// Whatever the query was dropped at, the next unit has a connection of its own and reads its own answer.
#[test]
fn a_query_that_is_dropped_leaves_nothing_behind() {
    let mut release = Release::new(Flavor::Mariadb, "", &["SELECT SLEEP(1) + 100", "SELECT 7"]);
    let cx = release.context(0);
    let unit = release.units[0].clone();
    let capsule = Capsule::default();
    release.wait(async {
        let driver = crate::mysql::MysqlDriver::new();
        let work = driver.apply(&cx, &unit, &capsule);
        assert!(tokio::time::timeout(Duration::from_millis(100), work).await.is_err());
    });
    release.capsules.push(Capsule::default());
    let done = release.step(1).unwrap();
    assert!(done.output.contains("\n7\n"), "{}", done.output);
}

#[test]
fn a_statement_that_takes_too_long_is_killed_on_the_server() {
    let mut release = Release::new(
        Flavor::Mariadb,
        "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)",
        &["UPDATE t SET id = 2 WHERE SLEEP(30) = 0"],
    );
    release.timeout_ms = 300;
    let began = Instant::now();
    let failure = release.step(0).unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(25));
    assert!(failure.message.contains("did not finish in the time it was given"), "{failure:?}");
    assert_eq!(failure.effect, Effect::None);
    assert_eq!(release.rows("SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE '%SLEEP(30)%' AND id <> CONNECTION_ID()"), "0");
    assert_eq!(release.rows("SELECT id FROM t"), "1");
}

#[test]
fn a_person_who_stops_stops_the_statement() {
    let mut release = Release::new(
        Flavor::Mariadb,
        "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)",
        &["DELETE FROM t WHERE SLEEP(30) = 0"],
    );
    let cx = release.context(0);
    let unit = release.units[0].clone();
    let capsule = release.wait(crate::mysql::MysqlDriver::new().capture(&cx, &unit)).unwrap();
    let stopping = cx.stopping.clone();
    let failure = release.wait(async {
        let driver = crate::mysql::MysqlDriver::new();
        let work = driver.apply(&cx, &unit, &capsule);
        let stop = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            stopping.stop();
        };
        tokio::join!(work, stop).0.unwrap_err()
    });
    assert!(failure.message.contains("stopped, as asked"), "{failure:?}");
    release.capsules.push(capsule);
    assert_eq!(release.inspect(0, Way::Forward), Found::NotApplied);
}

#[test]
fn tcp_stays_tcp_and_a_socket_is_a_socket() {
    let mut release = Release::new(
        Flavor::Mariadb,
        "",
        &[
            "SELECT host LIKE '127.%:%' OR host LIKE '%:%' AS tcp FROM information_schema.processlist WHERE id = CONNECTION_ID()",
        ],
    );
    assert!(release.step(0).unwrap().output.contains("\n1\n"));
    release.url = release.database.socket_url();
    assert!(release.step(0).unwrap().output.contains("\n0\n"));
}

#[test]
fn people_read_why_there_is_no_connection() {
    let mut release = Release::new(Flavor::Mariadb, "", &["SELECT 1"]);
    let guarded = release.database.url_with_password();
    release.url = guarded.clone();
    release.step(0).unwrap();
    release.url = guarded.replacen("k33p", "hunter2", 1);
    let failure = release.step(0).unwrap_err();
    assert!(
        failure.message.contains("Access denied") && failure.hints[1].contains("ssl-mode=REQUIRED"),
        "{failure:?}"
    );
    assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
    release.url = release.database.url_at(1);
    let failure = release.step(0).unwrap_err();
    assert!(failure.retry && failure.message.contains("refused"), "{failure:?}");
    release.url = release.database.url().replace(release.database.name(), "nothing_here");
    let failure = release.step(0).unwrap_err();
    assert!(failure.hints[0].contains("create the database first"), "{failure:?}");
}

#[test]
fn text_means_what_the_document_shows_whatever_the_character_set() {
    let setup = "CREATE TABLE t (id INT PRIMARY KEY, s VARCHAR(20) CHARACTER SET gbk)";
    for flavor in flavors() {
        let mut release = Release::new(
            flavor,
            setup,
            &["SET NAMES gbk", "INSERT INTO t VALUES (1, '数据库')", "SELECT s FROM t"],
        );
        let done = release.apply();
        assert_eq!(release.rows("SELECT s FROM t"), "数据库");
        assert!(done[2].output.contains("数据库"), "{}", done[2].output);
    }
}

#[test]
fn warnings_are_recorded() {
    let setup = "CREATE TABLE t (id INT PRIMARY KEY, s VARCHAR(2))";
    let mut release =
        Release::new(Flavor::Mariadb, setup, &["SET sql_mode = ''", "INSERT INTO t VALUES (1, 'long')"]);
    let done = release.apply();
    assert!(done[1].effects.iter().any(|line| line.contains("Data truncated for column 's'")), "{done:?}");
}

#[test]
fn syntax_errors_say_where() {
    let setup = "CREATE TABLE t (id INT PRIMARY KEY, s VARCHAR(2))";
    let mut release = Release::new(Flavor::Mariadb, setup, &["UPDATE t\n  SET s = WRONG WORDS HERE"]);
    let failure = release.step(0).unwrap_err();
    assert!(failure.message.starts_with(":11:"), "{failure:?}");
    assert!(failure.hints.is_empty() || !failure.retry, "{failure:?}");
}

#[test]
fn tls_is_verified_against_an_authority_of_ones_own() {
    let wrong = windlass_lab::Setup::new(Flavor::Mariadb).tls_for("DNS:db.example").start();
    let right = windlass_lab::Setup::new(Flavor::Mariadb).tls().start();
    let cipher = "SHOW SESSION STATUS LIKE 'Ssl_version'";
    let ca = |server: &windlass_lab::Server| server.authority().unwrap().certificate().display().to_string();
    let mut release = Release::on(right.database(), &[cipher]);
    let user = release.database.url_tls_only();
    release.url = format!("{user}?ssl-ca={}", ca(&right));
    assert!(release.step(0).unwrap().output.contains("TLSv1"), "verified");
    release.url = format!("{user}?ssl-ca={}", ca(&wrong));
    let failure = release.step(0).unwrap_err();
    assert!(failure.message.contains("TLS") && failure.hints[0].contains("ssl-ca=FILE"), "{failure:?}");
    release.url = format!("{user}?ssl-mode=DISABLED");
    let failure = release.step(0).unwrap_err();
    assert!(failure.message.contains("1045") && failure.hints[1].contains("REQUIRE SSL"), "{failure:?}");
    let mut other = Release::on(wrong.database(), &[cipher]);
    other.url = format!("{}?ssl-ca={}", other.database.url_tls_only(), ca(&wrong));
    assert!(other.step(0).unwrap_err().message.contains("TLS"), "the certificate is for another host");
    other.url = format!("{}?ssl-mode=REQUIRED", other.database.url_tls_only());
    assert!(other.step(0).unwrap().output.contains("TLSv1"), "encrypted, not verified, as asked");
}

#[test]
fn a_server_that_is_killed_and_restarted_has_each_statement_once() {
    let server = windlass_lab::Server::start(Flavor::Mariadb);
    let database = server.database();
    database.run("CREATE TABLE t (id INT PRIMARY KEY, n INT); INSERT INTO t VALUES (1, 0), (2, 0)");
    let mut release = Release::on(
        database,
        &["UPDATE t SET n = n + 1 WHERE id = 1 AND SLEEP(2) = 0", "ALTER TABLE t ADD COLUMN a INT"],
    );
    let cx = release.context(0);
    let capsule = release.wait(crate::mysql::MysqlDriver::new().capture(&cx, &release.units[0])).unwrap();
    release.capsules.push(capsule);
    std::thread::scope(|scope| {
        let work = scope.spawn(|| release.again(0));
        let runs = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE '%SLEEP(2)%' AND id <> CONNECTION_ID()";
        testing::wait_until("it runs", || release.rows(runs) == "1");
        server.kill();
        assert_ne!(work.join().unwrap().unwrap_err().effect, Effect::Partial);
    });
    assert!(
        matches!(release.inspect(0, Way::Forward), Found::Unknown(text) if text.contains("cannot connect"))
    );
    server.restart();
    assert_eq!(release.inspect(0, Way::Forward), Found::NotApplied);
    release.again(0).unwrap();
    release.step(1).unwrap();
    server.kill();
    server.restart();
    assert!(matches!(release.inspect(0, Way::Forward), Found::Applied(_)));
    assert!(matches!(release.inspect(1, Way::Forward), Found::Applied(_)));
    assert_eq!(release.rows("SELECT n FROM t WHERE id = 1"), "1");
    release.roll_back();
    assert_eq!(release.rows("SELECT * FROM t"), "1\t0\n2\t0");
}
