//! Servers of a test's own: with a full disk, too old.

use super::*;
use windlass_driver::Effect;
use windlass_lab::{Server, Setup};

/// A server with a disk of its own; `None` where nobody may mount one.
#[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
fn small_disk(flavor: Flavor, megabytes: u64) -> Option<Server> {
    let setup = Setup::new(flavor).disk_bytes_max(megabytes << 20);
    // MySQL waits, a minute at a time, while its binary log has no room.
    let setup = if flavor == Flavor::Mysql { setup.set("disable-log-bin", "1") } else { setup };
    let server = std::panic::catch_unwind(|| setup.start()).ok();
    if server.is_none() {
        eprintln!("SKIPPED: this machine lets nobody mount a disk");
    }
    server
}

const ROWS: &str = "SELECT COUNT(*), MIN(CHAR_LENGTH(v)), MAX(v) FROM t; SHOW CREATE TABLE t";

/// What is in the table, and how it is defined.
fn world(release: &Release) -> String {
    release.rows(ROWS)
}

/// Wherever the room ends: each statement happened or did not, it says why, and goes on when there is room.
#[test]
fn a_full_disk_changes_nothing_and_goes_on_when_there_is_room() {
    for (flavor, megabytes) in [(Flavor::Mariadb, 320), (Flavor::Mysql, 500)] {
        let Some(server) = small_disk(flavor, megabytes) else { return };
        let database = server.database();
        let fill = "INSERT INTO t SELECT a.n * 100 + b.n, REPEAT('x', 100) FROM ten a JOIN ten b";
        let numbers = (0..100).map(|n| format!("({n})")).collect::<Vec<_>>().join(",");
        database.run(&format!(
            "CREATE TABLE ten (n INT); INSERT INTO ten VALUES {numbers}; \
             CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(400) NOT NULL); {fill}; DROP TABLE ten"
        ));
        let statements = [
            "UPDATE t SET v = REPEAT('y', 300)",
            "ALTER TABLE t ADD COLUMN a INT NOT NULL DEFAULT 7, ADD KEY v (v), ALGORITHM=INPLACE",
        ];
        let mut release = Release::on(database, &statements);
        release.timeout_ms = 15_000;
        let before = world(&release);
        for (at, statement) in statements.iter().enumerate() {
            let start = world(&release);
            let mut refused = 0;
            for free in [0, 1 << 10, 1 << 18, 1 << 20, 1 << 22] {
                server.fill_disk_but(free);
                let result = release.step(at);
                server.free_disk();
                let Err(failure) = result else {
                    release.undo(at).unwrap();
                    assert_eq!(world(&release), start);
                    continue;
                };
                if release.database.try_run("SELECT 1").is_err() {
                    // Where its own log or the undo of InnoDB has no room, the server stops altogether.
                    server.restart();
                } else {
                    refused += 1;
                    assert_eq!(failure.effect, Effect::None, "{failure:?}");
                    assert!(failure.hints.iter().any(|hint| hint.contains("make room")), "{failure:?}");
                }
                assert!(failure.retry && failure.message.starts_with(":10:1: `"), "{failure:?}");
                assert!(!release.seen.lock().unwrap().contains("locked by another"), "{:?}", release.seen);
                if release.capsules.len() > at {
                    assert_eq!(release.inspect(at, Way::Forward), Found::NotApplied, "{failure:?}");
                }
                assert_eq!(world(&release), start);
            }
            assert!(refused > 1, "{flavor:?}: {statement}");
            release.step(at).unwrap_or_else(|failure| panic!("{flavor:?}, with room again: {failure:?}"));
        }
        release.roll_back();
        assert_eq!(world(&release), before);
        assert_eq!(release.rows("SHOW DATABASES LIKE 'windlass%'") + &release.left(), "");
    }
}

/// A server that takes a table of many rows for one of two (it says so of one that was restored, or when it ended before it
/// counted) reads all rows of an image for each row of the table, unless it is told by which index to find them.
#[test]
fn what_the_server_believes_of_a_table_does_not_make_it_slow() {
    let server = Setup::new(Flavor::Mariadb).start();
    let database = server.database();
    database.run(
        "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(400) NOT NULL) STATS_PERSISTENT = 1 STATS_AUTO_RECALC = 0; \
         INSERT INTO t VALUES (-1, 'a'), (-2, 'b'); ANALYZE TABLE t; \
         INSERT INTO t SELECT seq, REPEAT('x', 100) FROM seq_1_to_30000",
    );
    server.restart();
    let statements = ["UPDATE t SET v = REPEAT('y', 300)", "DELETE FROM t WHERE id % 3 > 0", "DELETE FROM t"];
    let mut release = Release::on(database, &statements);
    // Nine hundred million looks at a row take longer.
    release.timeout_ms = 20_000;
    let before = world(&release);
    release.apply();
    release.roll_back();
    assert_eq!(world(&release), before);
}

/// Rows that refer to rows which go are looked for by the index of their foreign key. By one statement for all and, where a
/// table refers to itself, row by row.
#[test]
fn rows_that_refer_to_others_are_found_by_index() {
    const ROWS: u64 = 2_000;
    let server = Setup::new(Flavor::Mariadb).start();
    let database = server.database();
    database.run(&format!(
        "CREATE TABLE parents (id INT PRIMARY KEY) STATS_PERSISTENT = 1 STATS_AUTO_RECALC = 0; \
         CREATE TABLE t (id INT PRIMARY KEY, v INT, p INT, FOREIGN KEY (v) REFERENCES t (id), \
         FOREIGN KEY (p) REFERENCES parents (id)) STATS_PERSISTENT = 1 STATS_AUTO_RECALC = 0; \
         INSERT INTO parents VALUES (-1), (-2); INSERT INTO t VALUES (-1, NULL, -1), (-2, -1, -2); ANALYZE TABLE parents, t; \
         INSERT INTO t SELECT seq, NULL, -1 FROM seq_{}_to_{}",
        ROWS * 2,
        ROWS * 3,
    ));
    let statements = [
        format!("INSERT INTO parents SELECT seq FROM seq_1_to_{ROWS}"),
        format!("INSERT INTO t SELECT seq, IF(seq = 1, NULL, seq - 1), -1 FROM seq_1_to_{ROWS}"),
    ];
    let statements: Vec<_> = statements.iter().map(String::as_str).collect();
    let mut release = Release::on(database, &statements);
    let before = world(&release);
    release.apply();
    server.restart();
    release.roll_back();
    assert_eq!(world(&release), before);
    // Counted since the restart.
    let read = release.rows(
        "SELECT CAST(SUM(variable_value) AS UNSIGNED) FROM information_schema.global_status \
         WHERE variable_name LIKE 'Handler_read%'",
    );
    let read: u64 = read.trim().parse().unwrap();
    assert!(read < 100 * ROWS, "{read} rows were read to take {} away", 2 * ROWS);
}

/// Such servers are no packages any more: one that says it is of that version is told so before anything is done.
#[test]
fn a_server_that_is_too_old_is_refused() {
    for version in ["5.7.44-log", "10.2.44-MariaDB"] {
        let server = Setup::new(Flavor::Mariadb).set("version", version).start();
        let database = server.database();
        database.run("CREATE TABLE t (id INT PRIMARY KEY)");
        let mut release = Release::on(database, &["INSERT INTO t VALUES (1)", "DROP TABLE t"]);
        for at in [0, 1] {
            let failure = release.step(at).unwrap_err();
            assert!(failure.message.contains(version), "{failure:?}");
            assert!(failure.message.contains("older than MySQL 8.0 and MariaDB 10.3"), "{failure:?}");
            assert!(
                failure.message.contains("nothing was changed") && !failure.hints.is_empty(),
                "{failure:?}"
            );
            assert_eq!((failure.effect, failure.retry), (Effect::None, false));
        }
        assert_eq!(release.rows("SHOW TABLES; SELECT COUNT(*) FROM t"), "t\n0");
    }
}
