//! Releases of the example runbooks, looked at before, killed at every unit, with writes in between; what people get wrong.

use super::*;
use std::time::Duration;

const ACTIVITIES: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS activities (id UUID PRIMARY KEY, title TEXT NOT NULL, description TEXT DEFAULT '', status TEXT NOT \
     NULL, target_languages JSONB NOT NULL, created_at TIMESTAMPTZ NOT NULL)",
    "CREATE INDEX IF NOT EXISTS idx_activities_status ON activities (status)",
    "CREATE TABLE IF NOT EXISTS activity_tokens (id UUID PRIMARY KEY, activity_id UUID NOT NULL REFERENCES activities(id) ON DELETE \
     CASCADE, type TEXT NOT NULL, value TEXT NOT NULL)",
    "update associations set variant = payload->'body'->>'imageUrl' where schema = 'emoji'",
];

const ASSOCIATIONS: &str = "CREATE TABLE associations (id int PRIMARY KEY, schema text, variant text, payload jsonb);
    INSERT INTO associations SELECT g, CASE WHEN g % 3 = 0 THEN 'emoji' ELSE 'like' END, 'v', \
    jsonb_build_object('body', jsonb_build_object('imageUrl', 'https://x/' || g)) FROM generate_series(1, 200000) g;";

fn print(world: &World) -> String {
    world.run("SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM associations t")
}

/// Run by the test below as a process of its own: applies unit after unit until it is killed.
#[test]
fn controller_process() {
    let Some(argument) = crate::testing::argument() else { return };
    let (url, number) = argument.split_once('\n').unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let world = World::at(url, &ACTIVITIES);
        world.apply(number.parse().unwrap()).await.unwrap();
    });
}

/// The SQL of runbooks 003 and 001 over 200,000 rows: a controller killed in each unit, others writing, all taken back.
#[tokio::test]
async fn runbooks_survive_a_kill_at_every_unit() {
    let world = World::new(ASSOCIATIONS, &ACTIVITIES);
    let before = (super::schema::catalog(&world).await, print(&world));
    for number in 1..=ACTIVITIES.len() {
        for wait in [1, 40, 120] {
            let argument = format!("{}\n{number}", world.database().url());
            let mut controller =
                crate::testing::controller("postgres::tests::releases::controller_process", &argument);
            tokio::time::sleep(Duration::from_millis(wait)).await;
            controller.kill().unwrap();
            controller.wait().unwrap();
            if let Found::Applied(_) = world.inspect(number, Way::Forward).await {
                break;
            }
        }
        world.apply(number).await.unwrap();
    }
    assert_eq!(world.run("SELECT count(*) FROM associations WHERE variant LIKE 'https:%'"), "66666");
    assert_eq!(world.run("SELECT count(*) FROM windlass.ledger"), "4");
    world.run("INSERT INTO activities VALUES (gen_random_uuid(), 't', '', 's', '{}', now()); UPDATE associations SET variant = 'mine' \
               WHERE id = 3");
    for number in (1..=ACTIVITIES.len()).rev() {
        let done = world.undo(number).await.unwrap();
        match number {
            4 => assert_eq!(done.facts["conflicts"], 1, "{done:?}"),
            1 => assert!(done.effects.iter().any(|line| line.contains("set aside")), "{done:?}"),
            _ => {}
        }
    }
    assert_eq!(world.run("SELECT variant FROM associations WHERE id = 3"), "mine", "what others wrote stays");
    world.run("UPDATE associations SET variant = 'v' WHERE id = 3");
    let after = (super::schema::catalog(&world).await, print(&world));
    assert_eq!(
        windlass_sql::postgres::catalog::compare(&before.0, &after.0),
        windlass_sql::postgres::catalog::Verdict::Exact
    );
    assert_eq!(before.1, after.1);
}

/// Before anything runs: sizes, the undo as SQL, and the error of a later statement; nothing is left.
#[tokio::test]
async fn a_plan_shows_the_undo_and_later_errors() {
    let setup = "CREATE TABLE t (id int PRIMARY KEY, v text DEFAULT 'x' NOT NULL); INSERT INTO t SELECT generate_series(1, 9);
                 CREATE VIEW w AS SELECT v FROM t; CREATE INDEX i ON t (v);";
    let world = World::new(
        setup,
        &[
            "ALTER TABLE t ADD COLUMN n int",
            "UPDATE t SET n = 1",
            "ALTER TABLE t DROP COLUMN v CASCADE",
            "UPDATE t SET nope = 1",
        ],
    );
    let driver = PostgresDriver::new();
    let mut seen = vec![];
    for unit in &world.units {
        seen.push(driver.survey(&world.cx, unit).await.unwrap());
    }
    let all = |at: usize| seen[at].effects.join("\n");
    assert!(all(0).contains("undo: ALTER TABLE \"public\".\"t\" DROP COLUMN \"n\""), "{:?}", seen[0]);
    assert!(
        all(2).contains("undo: CREATE VIEW \"public\".\"w\"") && all(2).contains("undo: CREATE INDEX i"),
        "{:?}",
        seen[2]
    );
    assert!(seen[..3].iter().all(|survey| survey.problems.is_empty()), "{seen:?}");
    assert!(
        seen[3].problems[0].contains(":10:14: `UPDATE t SET nope = 1`: the server says: column \"nope\""),
        "{:?}",
        seen[3]
    );
    assert_eq!(scratches(&world), "0");
    assert_eq!(
        world.run("SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'n'"),
        "0"
    );
}

/// Scratch databases with the definitions of this one.
fn scratches(world: &World) -> String {
    let of = crate::postgres::scratch::OF;
    world.run(&format!(
        "SELECT count(*) FROM pg_database WHERE shobj_description(oid, 'pg_database') = '{of}' || current_database()"
    ))
}

/// Plans that are made at the same instant by one process do not meet in one scratch database.
#[tokio::test]
async fn plans_at_once_have_a_scratch_database_each() {
    let worlds: Vec<World> = (0..4)
        .map(|_| World::new("CREATE TABLE t (id int PRIMARY KEY)", &["ALTER TABLE t ADD COLUMN n int"]))
        .collect();
    let seen = futures_util::future::join_all(
        worlds
            .iter()
            .map(async |world| PostgresDriver::new().survey(&world.cx, &world.units[0]).await.unwrap()),
    );
    for (survey, world) in seen.await.iter().zip(&worlds) {
        let undo = "undo: ALTER TABLE \"public\".\"t\" DROP COLUMN \"n\"";
        assert!(survey.effects.iter().any(|line| line.contains(undo)), "{survey:?}");
        assert_eq!(scratches(world), "0");
    }
}

/// A lock that is held: named, waited for within bounds, nothing changed.
#[tokio::test]
async fn who_is_in_the_way_is_named() {
    let mut world =
        World::new("CREATE TABLE t (id int PRIMARY KEY, note text)", &["ALTER TABLE t ADD COLUMN n int"]);
    world.cx.timeout_ms = Some(4000);
    let holder = world.database().clone();
    let held = std::thread::spawn(move || {
        holder.run("BEGIN; LOCK TABLE t; SELECT pg_sleep(8), 'secret'; COMMIT");
    });
    crate::testing::wait_until("the lock", || {
        world.run("SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND granted") != "0"
    });
    let failure = world.apply(1).await.unwrap_err();
    assert!(failure.retry && failure.effect == windlass_driver::Effect::None, "{failure:?}");
    let hints = failure.hints.join("\n");
    assert!(hints.contains("blocked by process") && hints.contains("of postgres"), "{failure:?}");
    assert!(!hints.contains("secret"), "{failure:?}");
    held.join().unwrap();
    world.cx.timeout_ms = Some(60_000);
    world.apply(1).await.unwrap();
}

/// Ctrl-C ends the statement on the server, and nothing is changed.
#[tokio::test]
async fn a_person_may_stop_a_statement() {
    let world = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'x')",
        &["UPDATE t SET v = pg_sleep(60)::text"],
    );
    let stopping = world.cx.stopping.clone();
    let (failure, ()) = tokio::join!(world.apply(1), async {
        loop {
            if world.run("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(60)%' AND state = 'active' AND pid <> \
                          pg_backend_pid()") != "0" {
                return stopping.stop();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let failure = failure.unwrap_err();
    assert!(failure.message.contains("cancelled, nothing was changed"), "{failure:?}");
    assert_eq!(world.run("SELECT v FROM t"), "x");
}

/// What people get wrong says what, and never the password.
#[tokio::test]
async fn mistakes_are_told_without_secrets() {
    // A server of its own: it makes a role, which all databases of a server share, and others compare them.
    let server = windlass_lab::Server::start(Flavor::Postgres15);
    let database = server.database();
    database.run("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE other (id int)");
    let world = World::on(database, &["UPDATE t SET v = 'y'"]);
    let try_url = |url: String| {
        let world = World::at(&url, &["UPDATE t SET v = 'y'"]);
        async move { world.apply(1).await.unwrap_err() }
    };
    let wrong = try_url(world.database().url_with_password().replace("guarded:", "guarded:no")).await;
    assert!(
        wrong.message.contains("password authentication failed") && !wrong.message.contains("k33p"),
        "{wrong:?}"
    );
    let gone = try_url("postgres://u:hidden@127.0.0.1:1/d".to_owned()).await;
    assert!(
        gone.message.contains("no connection to 127.0.0.1:1/d")
            && gone.retry
            && !format!("{gone:?}").contains("hidden"),
        "{gone:?}"
    );
    let missing = try_url(world.database().url().replace(world.database().name(), "nowhere")).await;
    assert!(missing.message.contains("\"nowhere\" does not exist"), "{missing:?}");
    world.run("CREATE ROLE clerk LOGIN");
    let clerk = try_url(world.database().url().replace("postgres@", "clerk@")).await;
    assert!(
        clerk.message.contains("permission denied") && clerk.hints.iter().any(|hint| hint.contains("CREATE")),
        "{clerk:?}"
    );
    for (statement, said) in [
        ("ALTER TABLE t ADD COLUMN v int", "column \"v\" of relation \"t\" already exists"),
        ("SELEC 1", "syntax error at or near \"SELEC\""),
        ("CREATE CAST (text AS point) WITHOUT FUNCTION", "cannot"),
        ("VACUUM nope", "\"nope\" does not exist"),
        ("ALTER TABLE parts DETACH PARTITION one CONCURRENTLY", "without CONCURRENTLY it can"),
    ] {
        let other = World::on(world.database().clone(), &[statement]);
        let failure = other.apply(1).await.unwrap_err();
        assert!(failure.message.contains(said) || statement.contains("CAST"), "{failure:?}");
        assert_eq!(failure.effect, windlass_driver::Effect::None, "{failure:?}");
    }
}

/// TLS as the URL asks; the socket.
#[tokio::test]
async fn every_road_leads_there() {
    let world =
        World::new("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)", &["UPDATE t SET id = 2"]);
    for url in [
        world.database().socket_url(),
        world.database().url_with_password(),
        format!("{}?sslmode=disable", world.database().url()),
    ] {
        let there = World::at(&url, &["UPDATE t SET id = id + 1"]);
        there.apply(1).await.unwrap_or_else(|failure| panic!("{failure:?}"));
        there.undo(1).await.unwrap();
    }
    let refused = World::at(&format!("{}?sslmode=require", world.database().url()), &["UPDATE t SET id = 3"])
        .apply(1)
        .await;
    assert!(refused.is_err() || world.run("SHOW ssl") == "on");
}

/// Behind a pooler that gives each transaction another connection: settings do not leak, names are not left behind.
#[tokio::test]
async fn a_pooler_in_transaction_mode_works() {
    let world = World::new(
        "CREATE SCHEMA a; CREATE TABLE a.t (id int PRIMARY KEY, v text); INSERT INTO a.t VALUES (1, 'x')",
        &["SELECT 1"],
    );
    let bouncer = server(Flavor::Postgres15).pgbouncer();
    let statements = [
        "SET search_path = a",
        "UPDATE t SET v = 'y'",
        "ALTER TABLE t ADD COLUMN n int",
        "DROP TABLE t",
        "COPY a.u FROM stdin;\n1\n\\.\n",
    ];
    world.run("CREATE TABLE a.u (id int PRIMARY KEY)");
    let pooled = World::at(&bouncer.url(world.database()), &statements);
    for _ in 0..2 {
        for number in 2..=5 {
            pooled.apply(number).await.unwrap_or_else(|failure| panic!("{number}: {failure:?}"));
        }
        for number in (2..=5).rev() {
            assert!(
                pooled.undo(number).await.unwrap_or_else(|failure| panic!("{number}: {failure:?}")).changed
            );
        }
    }
    assert_eq!(world.run("SELECT v FROM a.t"), "x");
}

/// The connection is cut after any number of bytes: what happened is found out, and the end is the same.
#[tokio::test]
async fn a_cut_connection_is_settled_by_the_ledger() {
    let setup = "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT g, 0 FROM generate_series(1, 50) g;";
    let world = World::new(setup, &["SELECT 1"]);
    let wire = server(Flavor::Postgres15).wire();
    let statements =
        ["UPDATE t SET v = v + 1", "ALTER TABLE t ADD COLUMN n int DEFAULT 3", "DELETE FROM t WHERE id > 40"];
    let before = world.rows("t");
    for seed in 0..12 {
        let mut cut = World::at(&world.database().url_at(wire.port()), &statements);
        cut.cx.run = format!("run-{seed}");
        for way in [Way::Forward, Way::Undo] {
            let order: Vec<usize> = if way == Way::Forward { vec![1, 2, 3] } else { vec![3, 2, 1] };
            for number in order {
                let what = wire.cut_by_seed(seed * 7 + number as u64, 40_000);
                let result =
                    if way == Way::Forward { cut.apply(number).await } else { cut.undo(number).await };
                wire.disarm();
                let Err(failure) = result else { continue };
                let found = cut.inspect(number, way).await;
                match (&found, failure.effect) {
                    (Found::Applied(_), windlass_driver::Effect::Unknown) => continue,
                    (Found::NotApplied, _) => {}
                    _ => panic!("seed {seed}, {what:?}: {failure:?}, then {found:?}"),
                }
                let again =
                    if way == Way::Forward { cut.apply(number).await } else { cut.undo(number).await };
                again.unwrap_or_else(|failure| panic!("seed {seed}, {what:?}: {failure:?}"));
            }
            if way == Way::Forward {
                assert_eq!(world.run("SELECT count(*), sum(v), sum(n) FROM t"), "40|40|120", "seed {seed}");
            }
        }
        assert_eq!(before, world.rows("t"), "seed {seed}");
    }
}
