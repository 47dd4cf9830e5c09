//! Statements in batches: cut off anywhere, gone on with or taken back, compared with the plain statement.
//! `WINDLASS_MYSQL_BATCH_SEED=n` replays one of the generated ones.

use super::*;
use crate::testing::{self, Random, hasty};
use std::time::Duration;
use windlass_driver::{Effect, Stopping};
use windlass_plan::Throttle;

/// Generated ones for each server in an ordinary run.
const SEEDS: u64 = 12;

fn batched(release: &mut Release, rows: u64, throttle: Throttle) {
    testing::in_batches(&mut release.units[0].action, rows, throttle);
}

/// Keys of many types; each with an expression that makes it of a number `g`.
const KEYS: [(&str, &str, &str); 9] = [
    ("id BIGINT UNSIGNED PRIMARY KEY", "id", "18446744073709551600 - g * 7 % 1000"),
    ("id VARCHAR(20) COLLATE utf8mb4_bin PRIMARY KEY", "id", "CONCAT(CHAR(60 + g % 30), '''\\\\', g)"),
    (
        "id VARCHAR(20) CHARACTER SET latin1 PRIMARY KEY",
        "id",
        "CONCAT(CASE WHEN g % 2 = 0 THEN 'ä' ELSE 'Z' END, g)",
    ),
    ("id DECIMAL(20, 5) UNIQUE NOT NULL", "id", "g / 3"),
    ("id DATETIME(6) PRIMARY KEY", "id", "TIMESTAMPADD(MICROSECOND, g, '2026-01-02 03:04:05')"),
    ("id BINARY(8) PRIMARY KEY", "id", "CONCAT(CHAR(0, 255 - g), 'x')"),
    ("a INT, id FLOAT, PRIMARY KEY (a, id)", "a, id", "g % 4, g / 7"),
    (
        "a CHAR(3), id ENUM('z', 'a'), z DOUBLE, PRIMARY KEY (a, id, z)",
        "a, id, z",
        "g % 5, CASE WHEN g % 2 = 0 THEN 'z' ELSE 'a' END, g / 3e0",
    ),
    ("a INT, id INT NOT NULL, UNIQUE KEY u (id)", "id", "-CAST(g AS SIGNED)"),
];

const STATEMENTS: [&str; 7] = [
    "UPDATE t SET n = n + 1",
    "UPDATE t SET n = n * 2, v = CONCAT(v, 'x') WHERE n % 3 = 0 OR v IS NULL",
    "UPDATE t AS x SET x.v = CONCAT(x.v, (SELECT MAX(o.w) FROM o WHERE o.w <= x.n)) WHERE x.n > 5 -- all of them",
    "UPDATE t SET at = NOW(6) WHERE at < NOW()",
    "DELETE FROM t WHERE n % 2 = 0",
    "DELETE FROM t",
    "UPDATE t SET n = 1 WHERE 1 = 0",
];

/// Runs the unit to its end, cut off in all ways. Gives how often it was.
fn through(release: &mut Release, random: &mut Random, way: Way) -> Result<u32, String> {
    let mut cuts = 0;
    for _ in 0..200 {
        let mut cx = release.context(0);
        cx.stopping = Stopping::default();
        let wait = Duration::from_micros(random.below(80_000) as u64);
        let (unit, capsule) = (release.units[0].clone(), release.capsules[0].clone());
        let act = async {
            match way {
                Way::Forward => super::super::MysqlDriver::new().apply(&cx, &unit, &capsule).await,
                Way::Undo => super::super::MysqlDriver::new().undo(&cx, &unit, &capsule, None).await,
            }
        };
        let kind = if cuts > 20 { 9 } else { random.below(10) };
        let result = match kind {
            // The controller dies at some await.
            0..3 => match release.wait(async { tokio::time::timeout(wait, act).await }) {
                Ok(result) => result,
                Err(_) => {
                    cuts += 1;
                    match release.inspect(0, way) {
                        Found::Applied(_) => return Ok(cuts),
                        Found::NotApplied => continue,
                        Found::Failed(failure) if failure.retry && failure.effect == Effect::Partial => {
                            continue;
                        }
                        found => return Err(format!("inspect says {found:?}")),
                    }
                }
            },
            // The server ends its connections; the driver makes a new one.
            3..6 => {
                let database = release.database.clone();
                let kill = std::thread::spawn(move || {
                    std::thread::sleep(wait);
                    let mine = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()";
                    for id in database.run(mine).lines() {
                        let _ = database.try_run(&format!("KILL {id}"));
                    }
                });
                let result = release.wait(act);
                kill.join().unwrap();
                result
            }
            6..8 => {
                let stopping = cx.stopping.clone();
                let stop = async {
                    tokio::time::sleep(wait).await;
                    stopping.stop();
                };
                release.wait(async { tokio::join!(act, stop).0 })
            }
            _ => release.wait(act),
        };
        match result {
            Ok(_) => return Ok(cuts),
            Err(failure) if failure.retry => cuts += 1,
            Err(failure) => return Err(format!("{failure:?}")),
        }
    }
    Err("it came to no end".to_owned())
}

fn generated(flavor: Flavor, seed: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    let (columns, key, values) = KEYS[random.below(KEYS.len())];
    let statement = STATEMENTS[random.below(STATEMENTS.len())];
    let rows = random.below(90);
    let numbers = format!("WITH RECURSIVE s(g) AS (SELECT 1 UNION ALL SELECT g + 1 FROM s WHERE g < {rows})");
    let setup = format!(
        "SET NAMES utf8mb4; CREATE TABLE o (w INT); INSERT INTO o VALUES (0), (9), (20);
         CREATE TABLE t (n INT DEFAULT 3, v TEXT, at DATETIME(6), {columns});
         INSERT INTO t (n, v, at, {key}) {numbers} SELECT g * {} % 47, CASE WHEN g % 5 > 0 THEN CONCAT('v', g) END, '2026-01-01', {values} \
         FROM s WHERE g <= {rows};
         CREATE TABLE plain LIKE t; INSERT INTO plain SELECT * FROM t; CREATE TABLE first LIKE t; INSERT INTO first SELECT * FROM t;",
        random.below(40) + 1
    );
    let mut release = Release::new(flavor, &setup, &[statement]);
    batched(&mut release, random.below(12) as u64 + 1, hasty());
    let cx = release.context(0);
    let captured = release.wait(super::super::MysqlDriver::new().capture(&cx, &release.units[0]));
    release.capsules = vec![captured.map_err(|failure| failure.message)?];
    let cuts = through(&mut release, &mut random, Way::Forward)?;
    let shown = |release: &Release, table: &str| {
        let at = if statement.contains("NOW") { "at > '2026-02-01'" } else { "at" };
        let key = key.split(", ").map(|column| format!("HEX({column})")).collect::<Vec<_>>().join(", ");
        release.rows(&format!("SELECT {key}, n, v, {at} FROM {table} ORDER BY 1, 2, 3, 4"))
    };
    release.rows(&statement.replacen(" t ", " plain ", 1).replace("FROM t", "FROM plain"));
    if shown(&release, "t") != shown(&release, "plain") {
        return Err(format!(
            "{statement} ({cuts} cuts): {} is not {}",
            shown(&release, "t"),
            shown(&release, "plain")
        ));
    }
    let times = release.rows("SELECT COUNT(DISTINCT at) FROM t WHERE at > '2026-02-01'");
    if times.trim().parse::<u32>().unwrap() > 1 {
        return Err("the time is not that of one statement".to_owned());
    }
    let others = random.below(2) == 0 && !statement.starts_with("DELETE");
    if others {
        release.rows("UPDATE t SET n = n + 1000, v = 'theirs', at = '2027-01-01' WHERE n % 4 = 1");
    }
    through(&mut release, &mut random, Way::Undo)?;
    let on =
        key.split(", ").map(|column| format!("f.{column} = t.{column}")).collect::<Vec<_>>().join(" AND ");
    let same = release.rows(&format!(
        "SELECT COUNT(*) FROM first f LEFT JOIN t ON {on} WHERE NOT (f.n <=> t.n AND f.v <=> t.v AND f.at <=> t.at) AND NOT t.v <=> \
         'theirs'"
    ));
    let theirs =
        release.rows("SELECT COUNT(*) FROM t WHERE v = 'theirs' AND (n < 1000 OR at <> '2027-01-01')");
    let more = release.rows("SELECT (SELECT COUNT(*) FROM t) - (SELECT COUNT(*) FROM first)");
    if [same.trim(), theirs.trim(), more.trim()] != ["0"; 3] {
        return Err(format!(
            "{statement}: {same} rows are not as before, {theirs} of others are spoiled, {more} more"
        ));
    }
    let left =
        release.rows("SELECT (SELECT COUNT(*) FROM windlass_ledger) + (SELECT COUNT(*) FROM windlass_batch)");
    match (left.trim(), release.left().as_str()) {
        ("0", "") => Ok(()),
        left => Err(format!("left behind: {left:?}")),
    }
}

#[test]
fn generated_batches_are_as_the_plain_statement_wherever_they_are_cut() {
    let chosen = testing::chosen("WINDLASS_MYSQL_BATCH_SEED").and_then(|seed| seed.parse().ok());
    for flavor in flavors() {
        for seed in chosen.map_or(0..SEEDS, |seed| seed..seed + 1) {
            if let Err(why) = generated(flavor, seed) {
                panic!("WINDLASS_MYSQL_BATCH_SEED={seed} replays it on {flavor:?}: {why}");
            }
        }
    }
}

const TABLE: &str = "CREATE TABLE t (id INT PRIMARY KEY, n INT NOT NULL, v TEXT); INSERT INTO t WITH RECURSIVE s(g) AS (SELECT 1 UNION ALL \
                     SELECT g + 1 FROM s WHERE g < 900) SELECT g, 0, 'v' FROM s; CREATE VIEW w AS SELECT * FROM t;";

/// What the text does not tell, the catalog does.
#[test]
fn what_the_catalog_knows_is_refused_before_anything_runs() {
    let setup = [
        TABLE,
        "CREATE TABLE p (id INT PRIMARY KEY); CREATE TABLE child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE \
         CASCADE); CREATE TABLE bare (n INT); CREATE TABLE stamped (id TIMESTAMP(6) PRIMARY KEY, n INT); CREATE FUNCTION f() RETURNS INT \
         READS SQL DATA RETURN 1; CREATE TABLE loud (id INT PRIMARY KEY, n INT); CREATE TRIGGER shout BEFORE UPDATE ON loud FOR EACH ROW \
         SET NEW.n = 1;",
    ]
    .concat();
    for (statement, why) in [
        ("UPDATE t SET id = id + 1", "columns of the key"),
        ("UPDATE t SET n = f()", "f() is a function of this database"),
        ("UPDATE t SET n = 1 WHERE RAND() < 0.5", "rand() may answer something else"),
        ("UPDATE t SET n = (SELECT MAX(n) FROM w)", "not surely another table"),
        ("DELETE FROM p", "would change rows of child too"),
        ("UPDATE bare SET n = 1", "no primary key"),
        ("UPDATE w SET n = 1", "no table of InnoDB"),
        ("UPDATE stamped SET n = 1", "no certain order"),
        ("UPDATE loud SET n = 1", "trigger"),
    ] {
        let mut release = Release::new(Flavor::Mariadb, &setup, &[statement]);
        batched(&mut release, 10, hasty());
        let failure = release.step(0).unwrap_err();
        assert!(failure.message.contains(why) && failure.effect == Effect::None, "{statement}: {failure:?}");
        let cx = release.context(0);
        let survey = release.wait(super::super::MysqlDriver::new().survey(&cx, &release.units[0])).unwrap();
        assert!(survey.problems.iter().any(|problem| problem.contains(why)), "{statement}: {survey:?}");
    }
}

/// An error in the middle, too many rows, waits: as on PostgreSQL.
#[test]
fn an_error_in_the_middle_is_partial_and_waits_are_bounded() {
    for flavor in flavors() {
        let mut release = Release::new(flavor, TABLE, &["UPDATE t SET n = IF(id = 700, 'x', 5)"]);
        batched(&mut release, 100, hasty());
        let failure = release.step(0).unwrap_err();
        assert_eq!(failure.effect, Effect::Partial);
        assert!(failure.message.contains("6 batches with 600 rows are committed"), "{failure:?}");
        let undone = release.undo(0).unwrap();
        assert_eq!((undone.facts["rows"].as_u64(), undone.facts["conflicts"].as_u64()), (Some(600), Some(0)));
        assert_eq!(release.rows("SELECT COUNT(*) FROM t WHERE n = 0").trim(), "900");

        let mut release = Release::new(flavor, TABLE, &["UPDATE t SET n = 7 WHERE id % 2 = 0"]);
        batched(&mut release, 100, hasty());
        release.expect_rows(0, 449);
        let failure = release.step(0).unwrap_err();
        assert!(failure.message.contains("`rows=449` expects"), "{failure:?}");
        release.undo(0).unwrap();
        release.expect_rows(0, 450);
        assert_eq!(release.step(0).unwrap().facts["rows"], 450);

        let query = Some("SELECT n = 7 FROM t WHERE id = 2".to_owned());
        let mut release =
            Release::new(flavor, &TABLE.replace("SELECT g, 0,", "SELECT g, 7,"), &["UPDATE t SET n = n + 1"]);
        batched(&mut release, 100, Throttle { wait_while: query, wait_ms_max: 300, ..hasty() });
        let failure = release.step(0).unwrap_err();
        assert!(failure.person && failure.message.contains("`wait_while` says so"), "{failure:?}");
        release.rows("UPDATE t SET n = 6 WHERE id = 2");
        let done = release.again(0);
        // Its own first batch makes the row what the query waits for.
        assert!(done.unwrap_err().message.contains("`wait_while` says so"));
        assert_eq!(release.rows("SELECT n FROM t WHERE id = 2").trim(), "7");
    }
}

/// A try that ends between our settings and the user's leaves none of ours behind.
#[test]
fn a_try_that_a_lock_ends_keeps_the_session_strict() {
    let setup = TABLE.replace("v TEXT", "v VARCHAR(5)");
    assert_ne!(setup, TABLE);
    let statement = "UPDATE t SET v = IF(id > 800, 'too long', 'new')";
    let mut release = Release::new(Flavor::Mariadb, &setup, &[statement]);
    batched(&mut release, 100, hasty());
    let database = release.database.clone();
    let blocker = std::thread::spawn(move || {
        database.run("START TRANSACTION; SELECT * FROM t WHERE id = 550 FOR UPDATE; SELECT SLEEP(5); COMMIT");
    });
    testing::wait_until("the row is locked", || {
        release.rows("SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE 'SELECT SLEEP(5)%'")
            == "1"
    });
    let failure = release.step(0).unwrap_err();
    blocker.join().unwrap();
    assert!(failure.message.contains("Data too long"), "{failure:?}");
    assert_eq!(release.rows("SELECT MAX(CHAR_LENGTH(v)) FROM t"), "3");
}
