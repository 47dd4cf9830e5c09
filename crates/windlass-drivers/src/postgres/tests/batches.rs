//! Statements in batches: cut off anywhere, gone on with or taken back, compared with the plain statement.
//! `WINDLASS_POSTGRES_BATCH_SEED=n` replays one of the generated ones.

use super::*;
use crate::testing::{self, Random, hasty};
use std::time::Duration;
use windlass_driver::{Effect, Stopping};
use windlass_plan::{Action, Throttle};

/// Generated ones in an ordinary run.
const SEEDS: u64 = 16;

fn batched(world: &mut World, rows: u64, throttle: Throttle) {
    testing::in_batches(&mut world.units[0].action, rows, throttle);
}

/// Keys of many types, some of two columns; each with an expression that makes it of a number `g`.
const KEYS: [(&str, &str, &str); 9] = [
    ("id int PRIMARY KEY", "id", "g * 7 % 1000"),
    ("id text COLLATE \"C\" PRIMARY KEY", "id", "chr(60 + g % 30) || '''' || g"),
    ("id text PRIMARY KEY", "id", "CASE WHEN g % 2 = 0 THEN 'ä' ELSE 'Z' END || g"),
    ("id numeric UNIQUE NOT NULL", "id", "g / 3.0"),
    ("id timestamptz PRIMARY KEY", "id", "'2026-01-02 03:04:05+00'::timestamptz + g * interval '1 us'"),
    ("id uuid PRIMARY KEY", "id", "md5(g::text)::uuid"),
    ("a int, id float8, PRIMARY KEY (a, id)", "a, id", "g % 4, g / 7.0::float8"),
    (
        "a char(3), id mood, z bytea, PRIMARY KEY (a, id, z)",
        "a, id, z",
        "(g % 5)::text, (CASE WHEN g % 2 = 0 THEN 'low' ELSE 'high' \
                                                                      END)::mood, int4send(g)",
    ),
    ("a int DEFAULT 1, id int NOT NULL, CONSTRAINT u UNIQUE (id) INCLUDE (a)", "id", "-g"),
];

const STATEMENTS: [&str; 8] = [
    "UPDATE t SET n = n + 1",
    "UPDATE t SET n = n * 2, v = v || 'x' WHERE n % 3 = 0 OR v IS NULL",
    "UPDATE t AS x SET v = x.v || (SELECT max(o.w) FROM o WHERE o.w <= x.n) WHERE x.n > 5 -- all of them",
    "UPDATE t SET at = now() WHERE at < now()",
    "DELETE FROM t WHERE n % 2 = 0",
    "DELETE FROM t",
    "UPDATE t SET n = DEFAULT WHERE n > 30",
    "UPDATE t SET n = 1 WHERE false",
];

/// Runs the unit to its end, cut off in all ways. Gives how often it was.
async fn through(world: &mut World, random: &mut Random, way: Way) -> Result<u32, String> {
    let mut cuts = 0;
    for _ in 0..200 {
        world.cx.stopping = Stopping::default();
        let wait = Duration::from_micros(random.below(60_000) as u64);
        let stopping = world.cx.stopping.clone();
        let kind = if cuts > 25 { 9 } else { random.below(10) };
        let act = async {
            match way {
                Way::Forward => world.apply(1).await,
                Way::Undo => world.undo(1).await,
            }
        };
        let result = match kind {
            // The controller dies at some await.
            0..3 => match tokio::time::timeout(wait, act).await {
                Ok(result) => result,
                Err(_) => {
                    cuts += 1;
                    match world.inspect(1, way).await {
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
                let database = world.database().clone();
                let kill = tokio::task::spawn_blocking(move || {
                    std::thread::sleep(wait);
                    database.run(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ '^windlass 2'",
                    );
                });
                let result = act.await;
                kill.await.unwrap();
                result
            }
            6..8 => {
                let stop = async {
                    tokio::time::sleep(wait).await;
                    stopping.stop();
                };
                tokio::join!(act, stop).0
            }
            _ => act.await,
        };
        match result {
            Ok(_) => return Ok(cuts),
            Err(failure) if failure.retry => cuts += 1,
            Err(failure) => return Err(format!("{failure:?}")),
        }
    }
    Err("it came to no end".to_owned())
}

async fn generated(seed: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    let (columns, key, values) = KEYS[random.below(KEYS.len())];
    let statement = STATEMENTS[random.below(STATEMENTS.len())];
    let rows = random.below(90);
    let setup = format!(
        "CREATE TYPE mood AS ENUM ('low', 'high'); CREATE TABLE o (w int); INSERT INTO o VALUES (0), (9), (20);
         CREATE TABLE t (n int DEFAULT 3, v text, at timestamptz, {columns});
         INSERT INTO t (n, v, at, {key}) SELECT g * {} % 47, CASE WHEN g % 5 > 0 THEN 'v' || g END, '2026-01-01', {values} FROM \
         generate_series(1, {rows}) g;
         CREATE TABLE plain AS TABLE t; CREATE TABLE first AS TABLE t; ALTER TABLE plain ALTER n SET DEFAULT 3;",
        random.below(40) + 1
    );
    let mut world = World::new(&setup, &[statement]);
    batched(&mut world, random.below(12) as u64 + 1, hasty());
    let cuts = through(&mut world, &mut random, Way::Forward).await?;
    let shown = |world: &World, table: &str| {
        let at = if statement.contains("now()") { "at > '2026-02-01'" } else { "at" };
        world.run(&format!("SELECT {key}, n, v, {at} FROM {table} ORDER BY {key}"))
    };
    world.run(&statement.replacen(" t ", " plain ", 1).replace("FROM t", "FROM plain"));
    if shown(&world, "t") != shown(&world, "plain") {
        return Err(format!(
            "{statement} ({cuts} cuts): {} is not {}",
            shown(&world, "t"),
            shown(&world, "plain")
        ));
    }
    if world.run("SELECT count(DISTINCT at) FROM t WHERE at > '2026-02-01'").parse::<u32>().unwrap() > 1 {
        return Err("the time is not that of one transaction".to_owned());
    }
    // Others write: to rows that were changed, and new ones.
    let others = random.below(2) == 0 && !statement.starts_with("DELETE");
    if others {
        world.run("UPDATE t SET n = n + 1000, v = 'theirs', at = '2027-01-01' WHERE n % 4 = 1");
    }
    through(&mut world, &mut random, Way::Undo).await?;
    let same = world.run(&format!(
        "SELECT count(*) FROM first f FULL JOIN t USING ({key}) WHERE (f.n, f.v, f.at) IS DISTINCT FROM (t.n, t.v, t.at) AND t.v IS \
         DISTINCT FROM 'theirs'"
    ));
    let theirs = world.run("SELECT count(*) FROM t WHERE v = 'theirs' AND (n < 1000 OR at <> '2027-01-01')");
    if (same.as_str(), theirs.as_str()) != ("0", "0") {
        return Err(format!("{statement}: {same} rows are not as before, {theirs} of others are spoiled"));
    }
    let left = "SELECT (SELECT count(*) FROM windlass.ledger), (SELECT count(*) FROM windlass.batch), (SELECT count(*) FROM \
                pg_class WHERE relname ~ '^image_'), (SELECT count(*) FROM windlass.aside)";
    match world.run(left).as_str() {
        "0|0|0|0" => Ok(()),
        left => Err(format!("left behind: {left}")),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generated_batches_are_as_the_plain_statement_wherever_they_are_cut() {
    let chosen = crate::testing::chosen("WINDLASS_POSTGRES_BATCH_SEED").and_then(|seed| seed.parse().ok());
    for seed in chosen.map_or(0..SEEDS, |seed| seed..seed + 1) {
        if let Err(why) = generated(seed).await {
            panic!("WINDLASS_POSTGRES_BATCH_SEED={seed} replays it: {why}");
        }
    }
}

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL, v text); INSERT INTO t SELECT g, 0, 'v' FROM \
                     generate_series(1, 1000) g; CREATE VIEW w AS SELECT * FROM t;";

/// What the text does not tell, the catalog does.
#[tokio::test]
async fn what_the_catalog_knows_is_refused_before_anything_runs() {
    let setup = [
        TABLE,
        "CREATE TABLE child (t int REFERENCES t ON DELETE CASCADE); CREATE TABLE bare (n int); CREATE FUNCTION f(int) RETURNS int \
         LANGUAGE sql AS 'SELECT max(n) FROM t'; CREATE TABLE each (id int PRIMARY KEY, n int); CREATE FUNCTION g() RETURNS trigger \
         LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER once AFTER UPDATE ON each EXECUTE FUNCTION g(); CREATE TABLE \
         other (id text COLLATE \"C\" NOT NULL, n int); CREATE UNIQUE INDEX ON other (id COLLATE \"POSIX\"); CREATE EXTENSION citext; \
         CREATE DOMAIN mail AS citext; CREATE TABLE people (a int, id mail, n int DEFAULT 0, PRIMARY KEY (a, id)); INSERT INTO people \
         SELECT 1, chr(64 + g % 2 * 32 + g), 0 FROM generate_series(1, 26) g;",
    ]
    .concat();
    for (statement, why) in [
        ("UPDATE t SET id = id + 1", "a column of the key"),
        ("UPDATE t SET n = f(n)", "f() is VOLATILE"),
        ("UPDATE t SET n = 1 WHERE random() < 0.5", "random() is VOLATILE"),
        ("UPDATE t SET n = (SELECT max(n) FROM w)", "not surely another table"),
        ("DELETE FROM t", "child would change rows there too"),
        ("UPDATE bare SET n = 1", "no primary key"),
        ("UPDATE w SET n = 1", "no plain table"),
        ("UPDATE each SET n = 1", "trigger once fires once"),
        ("UPDATE other SET n = 1", "is in another order"),
        ("UPDATE people SET n = n + 1", "id, a column of the key, is ordered by citext_ops"),
        ("UPDATE missing SET n = 1", "no table"),
    ] {
        let mut world = World::new(&setup, &[statement]);
        batched(&mut world, 10, hasty());
        let before = world.rows("t");
        let Err(failure) = world.apply(1).await else {
            panic!("{statement} ran: {}", world.run("SELECT n, count(*) FROM people GROUP BY n"));
        };
        assert!(failure.message.contains(why) && failure.effect == Effect::None, "{statement}: {failure:?}");
        assert_eq!(before, world.rows("t"));
        assert_eq!(world.run("SELECT count(*) FROM windlass.ledger"), "0", "{statement}");
        let survey = PostgresDriver::new().survey(&world.cx, &world.units[0]).await.unwrap();
        assert!(survey.problems.iter().any(|problem| problem.contains(why)), "{statement}: {survey:?}");
    }
}

/// An error in the middle: what is before it is committed, counted, and goes back.
#[tokio::test]
async fn an_error_in_the_middle_is_partial_and_goes_back() {
    let mut world = World::new(TABLE, &["UPDATE t SET n = 1 / (id - 700)"]);
    batched(&mut world, 100, hasty());
    let failure = world.apply(1).await.unwrap_err();
    assert_eq!(failure.effect, Effect::Partial);
    assert!(
        failure.message.contains("division by zero")
            && failure.message.contains("this batch changed nothing; 6 batches with 600 rows are committed"),
        "{failure:?}"
    );
    assert_eq!(world.run("SELECT count(*) FROM windlass.batch"), "6");
    let undone = world.undo(1).await.unwrap();
    assert_eq!((undone.facts["rows"].as_u64(), undone.facts["conflicts"].as_u64()), (Some(600), Some(0)));
    assert_eq!(world.run("SELECT count(*) FROM t WHERE n = 0"), "1000");
}

/// `rows=` counts the sum; an error of the first batch leaves nothing.
#[tokio::test]
async fn rows_are_counted_over_all_batches() {
    for (expected, fits) in [(500, true), (499, false), (501, false)] {
        let mut world = World::new(TABLE, &["UPDATE t SET n = 7 WHERE id % 2 = 0"]);
        batched(&mut world, 100, hasty());
        if let Action::Sql { rows, .. } = &mut world.units[0].action {
            *rows = Some(expected);
        }
        match world.apply(1).await {
            Ok(done) => assert!(fits && done.facts["rows"] == 500, "{done:?}"),
            Err(failure) => {
                assert!(
                    !fits && failure.message.contains(&format!("`rows={expected}` expects")),
                    "{failure:?}"
                );
                world.undo(1).await.unwrap();
                assert_eq!(world.run("SELECT count(*) FROM t WHERE n = 0"), "1000");
            }
        }
    }
    let mut world = World::new(TABLE, &["UPDATE t SET n = 1 / (id - 3)"]);
    batched(&mut world, 100, hasty());
    assert_eq!(world.apply(1).await.unwrap_err().effect, Effect::None);
    assert_eq!(
        world.run("SELECT (SELECT count(*) FROM windlass.ledger) + (SELECT count(*) FROM windlass.aside)"),
        "0"
    );
}

/// Rows that triggers change before they are written are kept as the triggers left them; what triggers do elsewhere is refused.
#[tokio::test]
async fn row_triggers_are_kept_or_refused() {
    let touch = "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.v := 'touched'; RETURN NEW; END $$; CREATE \
                 TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch();";
    let mut world = World::new(&[TABLE, touch].concat(), &["UPDATE t SET n = n + 1"]);
    batched(&mut world, 300, hasty());
    let before = world.rows("t");
    world.apply(1).await.unwrap();
    assert_eq!(world.run("SELECT DISTINCT n, v FROM t"), "1|touched");
    world.undo(1).await.unwrap();
    assert_eq!(before, world.rows("t"));
    let log = "CREATE TABLE log (n int); CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (1); \
               RETURN NEW; END $$; CREATE TRIGGER log AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION log();";
    let mut world = World::new(&[TABLE, log].concat(), &["UPDATE t SET n = n + 1"]);
    batched(&mut world, 300, hasty());
    let failure = world.apply(1).await.unwrap_err();
    assert!(
        failure.message.contains("triggers change more") && failure.effect == Effect::None,
        "{failure:?}"
    );
    assert_eq!(world.run("SELECT (SELECT count(*) FROM log) + (SELECT sum(n) FROM t)"), "0");
}

/// A column that comes between two batches would not be kept of rows that are deleted.
#[tokio::test]
async fn a_table_that_changes_in_between_stops_it() {
    let setup = [TABLE, "CREATE TABLE busy (n int);"].concat();
    let query = Some("SELECT count(*) FROM t HAVING count(*) < 600".to_owned());
    let throttle = Throttle { wait_while: query, wait_ms_max: 1, ..hasty() };
    let mut world = World::new(&setup, &["DELETE FROM t WHERE id > 100"]);
    batched(&mut world, 100, throttle);
    assert!(world.apply(1).await.unwrap_err().person);
    world.run("ALTER TABLE t ADD COLUMN late text DEFAULT 'x'");
    batched(&mut world, 100, hasty());
    let failure = world.apply(1).await.unwrap_err();
    assert!(failure.message.contains("are others than when its batches began"), "{failure:?}");
    world.run("ALTER TABLE t DROP COLUMN late");
    world.apply(1).await.unwrap();
    assert_eq!(world.run("SELECT count(*) FROM t"), "100");
    world.undo(1).await.unwrap();
    assert_eq!(world.run("SELECT count(*), sum(n) FROM t"), "1000|0");
}

/// Batches wait while the server is busy, no longer than they may, and then a person decides.
#[tokio::test]
async fn batches_wait_and_then_ask_a_person() {
    let setup = [TABLE, "CREATE TABLE busy (n int); INSERT INTO busy VALUES (1);"].concat();
    let query = Some("SELECT count(*) FROM busy".to_owned());
    let throttle = Throttle { wait_while: query, wait_ms_max: 700, ..hasty() };
    let mut world = World::new(&setup, &["UPDATE t SET n = n + 1"]);
    batched(&mut world, 100, throttle);
    let failure = world.apply(1).await.unwrap_err();
    assert!(failure.person && failure.message.contains("`wait_while` says so"), "{failure:?}");
    assert!(world.seen.lock().unwrap().contains("waiting: `wait_while` says so"));
    world.run("DELETE FROM busy");
    let done = world.apply(1).await.unwrap();
    assert_eq!(
        (done.facts["rows"].as_u64(), world.run("SELECT sum(n) FROM t").as_str()),
        (Some(1000), "1000")
    );

    // Sessions at work.
    let mut world = World::new(TABLE, &["UPDATE t SET n = n + 1"]);
    batched(&mut world, 100, Throttle { sessions: Some(1), wait_ms_max: 200, ..hasty() });
    for _ in 0..2 {
        let database = world.database().clone();
        std::thread::spawn(move || database.try_run("SELECT pg_sleep(60)"));
    }
    let sleepers = "FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep' AND datname = current_database()";
    crate::testing::wait_until("sessions at work", || {
        world.run(&format!("SELECT count(*) {sleepers}")) == "2"
    });
    let failure = world.apply(1).await.unwrap_err();
    assert!(failure.person && failure.message.contains(" sessions are at work"), "{failure:?}");
    world.run(&format!("SELECT pg_terminate_backend(pid) {sleepers}"));
    batched(&mut world, 100, hasty());
    world.apply(1).await.unwrap();
}

/// A standby that replays nothing is behind, whatever it has received: batches wait, no longer than they may, and go on when it has
/// caught up.
#[tokio::test]
async fn batches_wait_for_a_standby_that_is_behind() {
    let server = windlass_lab::Server::start(Flavor::Postgres15);
    let standby = server.standby();
    let database = server.database();
    database.run(TABLE);
    let position = server.run("SELECT pg_current_wal_lsn()");
    crate::testing::wait_until("the table is there", || {
        standby.run(&format!("SELECT pg_last_wal_replay_lsn() >= '{position}'")) == "t"
    });
    let changed = "SELECT count(*) FROM t WHERE n = 1";
    let there = || standby.run_at(database.name(), changed);
    let mut world = World::on(database.clone(), &["UPDATE t SET n = n + 1"]);
    let throttle = Throttle { share: 5, lag_ms: 100, wait_ms_max: 700, ..hasty() };
    batched(&mut world, 50, throttle.clone());
    standby.run("SELECT pg_wal_replay_pause()");
    let failure = world.apply(1).await.unwrap_err();
    assert!(failure.person && failure.message.contains("a replica is "), "{failure:?}");
    let done: u32 = database.run(changed).parse().unwrap();
    assert!((1..1000).contains(&done), "{done} rows are changed");
    assert_eq!(there(), "0");
    // The replica is as far behind as before.
    batched(&mut world, 50, Throttle { lag_ms: 0, wait_ms_max: 60_000, ..throttle });
    world.seen.lock().unwrap().clear();
    let go_on = async {
        while !world.seen.lock().unwrap().contains("waiting: a replica is ") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let count: u32 = database.run(changed).parse().unwrap();
        standby.run("SELECT pg_wal_replay_resume()");
        count
    };
    let (result, met) = tokio::join!(world.apply(1), go_on);
    assert!(met < 1000, "it was met in the middle");
    assert_eq!(result.unwrap().facts["rows"], 1000);
    crate::testing::wait_until("the standby has it all", || there() == "1000");
}

/// A row that somebody has locked: the batch is tried again with fewer rows, and the blocker is named.
#[tokio::test]
async fn a_locked_row_is_waited_for_and_its_owner_named() {
    let mut world = World::new(TABLE, &["UPDATE t SET n = n + 1"]);
    batched(&mut world, 100, hasty());
    world.cx.timeout_ms = Some(4_000);
    let other = World::at(&world.database().url(), &["SELECT 1"]);
    let blocker = super::super::job::Job::open(&other.cx, &other.units[0]).await.unwrap();
    blocker.session.act("BEGIN; UPDATE t SET v = 'theirs' WHERE id = 550").await.unwrap();
    let failure = world.apply(1).await.unwrap_err();
    assert!(failure.retry && failure.effect == Effect::Partial, "{failure:?}");
    assert!(failure.hints.iter().any(|hint| hint.contains("blocked by process")), "{failure:?}");
    blocker.session.act("COMMIT").await.unwrap();
    world.apply(1).await.unwrap();
    assert_eq!(world.run("SELECT count(*), min(n), max(n) FROM t"), "1000|1|1");
    assert_eq!(world.run("SELECT v FROM t WHERE id = 550"), "theirs");
}

/// The plan of a partitioned table names the key that it merges by, and sorts nothing.
#[tokio::test]
async fn partitions_by_hash_are_gone_over_in_the_order_of_the_key() {
    let setup = "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL, v text) PARTITION BY HASH (id); CREATE TABLE t0 PARTITION OF t FOR \
                 VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE t1 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 1); INSERT \
                 INTO t SELECT g, 0, 'v' FROM generate_series(1, 1000) g;";
    let mut world = World::new(setup, &["UPDATE t SET n = n + 1 WHERE id > 7"]);
    batched(&mut world, 100, hasty());
    world.apply(1).await.unwrap();
    assert_eq!(world.run("SELECT n, count(*) FROM t GROUP BY n ORDER BY n"), "0|7\n1|993");
    world.undo(1).await.unwrap();
    assert_eq!(world.run("SELECT n, count(*) FROM t GROUP BY n"), "0|1000");
}
