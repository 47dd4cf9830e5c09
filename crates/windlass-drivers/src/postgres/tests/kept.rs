//! A connection that is kept from one statement to the next, and what it must not carry from one to the other.

use super::{schema::catalog, *};
use std::time::Duration;
use windlass_driver::Work;
use windlass_lab::Setup;
use windlass_sql::postgres::catalog::{Verdict, compare};

const BASE: &str = "CREATE TABLE version (version varchar(128) PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)";

/// A function that a default calls.
const SETS: &str =
    "CREATE FUNCTION sets() RETURNS int LANGUAGE sql AS 'SELECT length(set_config(''app.x'', ''1'', false))'";

/// A column that notes on which connection it was made.
fn noting(name: &str) -> String {
    format!("ALTER TABLE t ADD COLUMN {name} int DEFAULT pg_backend_pid()")
}

impl World {
    async fn by(&self, driver: &PostgresDriver, number: usize) -> Result<Done, Failure> {
        let (unit, capsule) = (&self.units[number - 1], Capsule::default());
        let done = driver.apply(&self.cx, unit, &capsule);
        tokio::time::timeout(Duration::from_secs(60), done).await.expect("nothing hangs")
    }
}

#[tokio::test]
async fn definitions_and_rows_behind_each_other_share_a_connection() {
    let server = Setup::new(Flavor::Postgres15).tls().start();
    let database = server.database();
    database.run(BASE);
    database.run("GRANT ALL ON SCHEMA public TO tls_only; ALTER TABLE t OWNER TO tls_only; ALTER TABLE version OWNER TO tls_only");
    database.run(&format!(
        "GRANT ALL ON DATABASE {} TO tls_only",
        database.run("SELECT quote_ident(current_database())")
    ));
    let texts = [
        noting("a"),
        "INSERT INTO version VALUES ('1')".to_owned(),
        noting("b"),
        "CREATE INDEX i ON t (a)".to_owned(),
        "CREATE VIEW v AS SELECT a FROM t".to_owned(),
        noting("c"),
    ];
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for url in [database.url(), format!("{}?sslmode=require", database.url_tls_only())] {
        let world = World::at(&url, &texts);
        let driver = PostgresDriver::new();
        for number in 1..=texts.len() {
            world.by(&driver, number).await.unwrap_or_else(|failure| panic!("{url} {number}: {failure:?}"));
        }
        assert_eq!(database.run("SELECT a = b AND b = c FROM t"), "t", "{url}");
        for number in (1..=texts.len()).rev() {
            let unit = &world.units[number - 1];
            driver.undo(&world.cx, unit, &Capsule::default(), None).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_a_statement_leaves_behind_is_not_there_for_the_next() {
    for (setup, between) in [
        // What is set is not shown anywhere.
        (SETS, "ALTER TABLE t ADD COLUMN b int DEFAULT sets()"),
        ("", "DO $$ BEGIN PERFORM set_config('app.x', '1', false); END $$"),
        ("", "INSERT INTO version SELECT 'l' || count(pg_advisory_lock(7))"),
        ("", "ALTER ROLE CURRENT_USER IN DATABASE $db SET search_path = pg_catalog, public"),
    ] {
        let database = server(Flavor::Postgres15).database();
        database.run(&format!("{BASE}; {setup}"));
        let name = database.run("SELECT quote_ident(current_database())");
        let texts = [noting("a"), between.replace("$db", &name), noting("c")];
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut world = World::on(database, &texts);
        if !between.starts_with("INSERT") {
            world.units[1].undo.by = windlass_plan::UndoBy::Script;
        }
        let driver = PostgresDriver::new();
        for number in 1..=3 {
            world.by(&driver, number).await.unwrap_or_else(|failure| panic!("{between}: {failure:?}"));
        }
        assert_eq!(world.run("SELECT a = c FROM t"), "f", "{between}");
    }
}

/// Nobody is connected when something comes that is no such statement, and settings of one step are not those of the next.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_closed_for_what_is_no_such_statement_and_has_no_settings_of_a_step() {
    let texts = [
        noting("a"),
        "SET search_path = app".to_owned(),
        "CREATE TABLE here (id int)".to_owned(),
        "VACUUM t".to_owned(),
    ];
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let world = World::new(&format!("{BASE}; CREATE SCHEMA app"), &texts);
    let driver = PostgresDriver::new();
    for number in [1, 3] {
        world.by(&driver, number).await.unwrap();
    }
    assert_eq!(world.run("SELECT to_regclass('app.here') IS NOT NULL"), "t");
    let connected = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'windlass%'";
    crate::testing::wait_until("it is closed", || world.run(connected) == "0");
}

#[tokio::test]
async fn one_that_broke_is_made_anew() {
    let texts = [noting("a"), noting("b")];
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let world = World::new(BASE, &texts);
    let driver = PostgresDriver::new();
    world.by(&driver, 1).await.unwrap();
    let ended = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = current_database() AND \
                 application_name LIKE 'windlass%'";
    assert_eq!(world.run(ended), "1");
    world.by(&driver, 2).await.unwrap();
    assert_eq!(world.run("SELECT a = b FROM t"), "f");
}

/// One driver, several statements in a transaction, its connections cut at any byte or behind a pooler: the end is the same.
#[tokio::test]
async fn cut_at_any_byte_or_behind_a_pooler_the_end_is_the_same() {
    let texts = [
        "CREATE TABLE m (id int PRIMARY KEY, n text)",
        "INSERT INTO version VALUES ('1')",
        "ALTER TABLE m ADD COLUMN a int",
        "CREATE INDEX i ON m (n)",
        "ALTER TABLE t ADD COLUMN b int DEFAULT 3",
        "INSERT INTO version VALUES ('2')",
        "ALTER TABLE t DROP COLUMN b",
    ];
    let world = World::new(BASE, &["SELECT 1"]);
    let before = catalog(&world).await;
    let wire = server(Flavor::Postgres15).wire();
    let bouncer = server(Flavor::Postgres15).pgbouncer();
    let mut cuts = 0;
    for seed in 0..16 {
        let url =
            if seed % 4 == 3 { bouncer.url(world.database()) } else { world.database().url_at(wire.port()) };
        let mut cut = World::at(&url, &texts);
        cut.cx.run = format!("run-{seed}");
        let driver = PostgresDriver::new();
        let (mut next, mut tries) = (1, 0);
        while next <= texts.len() {
            tries += 1;
            let work =
                |unit: &Unit| Work { cx: cut.cx.clone(), unit: unit.clone(), capsule: Capsule::default() };
            let rest = &cut.units[next - 1..];
            let more = rest.windows(2).take_while(|pair| driver.goes_with(&pair[0], &pair[1])).count();
            let works: Vec<Work> = rest[..=more].iter().map(work).collect();
            // In the end it has to get through.
            if seed % 4 != 3 && tries < 6 {
                wire.cut_by_seed(seed * 31 + tries, 60_000);
            }
            let answers = if works.len() > 1 {
                driver.apply_together(&works).await
            } else {
                vec![Some(driver.apply(&cut.cx, &works[0].unit, &Capsule::default()).await)]
            };
            wire.disarm();
            cuts += answers.iter().flatten().filter(|answer| answer.is_err()).count();
            while next <= texts.len() {
                match cut.inspect(next, Way::Forward).await {
                    Found::Applied(_) => next += 1,
                    Found::NotApplied => break,
                    other => panic!("seed {seed}: {other:?} after {answers:?}"),
                }
            }
        }
        assert_eq!(world.run("SELECT count(*) FROM version"), "2", "seed {seed}");
        for number in (1..=texts.len()).rev() {
            cut.undo(number).await.unwrap_or_else(|failure| panic!("seed {seed}, {number}: {failure:?}"));
        }
        if let Verdict::Different(what) = compare(&before, &catalog(&world).await) {
            panic!("seed {seed}: {what:?}");
        }
    }
    assert!(cuts > 4, "some were cut: {cuts}");
}
