//! Statements that go to the server in one piece, and those that only look as if they could.

use super::{schema::catalog, *};
use crate::testing::wait_until;
use windlass_sql::postgres::catalog::{Verdict, compare};

const BASE: &str = "CREATE TABLE version (version varchar(128) PRIMARY KEY); CREATE TABLE log (what text);
    CREATE FUNCTION noted() RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.log VALUES ('called'); RETURN 'n'; END $$;
    CREATE TABLE noting (id int, n text DEFAULT noted()); CREATE FUNCTION loud() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE \
    'loud'; RETURN 'l'; END $$; CREATE TABLE noisy (id int, n text DEFAULT loud()); CREATE SCHEMA app";

/// `statements` in between of two tables with their lines of version on each side.
fn among(statements: &[&str]) -> Vec<String> {
    let pair = |n: usize| {
        [
            format!("CREATE TABLE t{n} (id serial PRIMARY KEY, n text UNIQUE)"),
            format!("INSERT INTO version VALUES ('{n}') -- done"),
        ]
    };
    let (before, after) = ((1..3).flat_map(pair), (3..5).flat_map(pair));
    before.chain(statements.iter().map(|text| (*text).to_owned())).chain(after).collect()
}

/// Applies all, those together that go, and takes them back; what was said, and in how many savepoints the tables were made.
pub(super) async fn there_and_back(world: &World) -> (Vec<Done>, String) {
    let before = (catalog(world).await, world.rows("version"), world.rows("log"));
    let mut said = vec![];
    while said.len() < world.units.len() {
        let answers = world.together(said.len() + 1).await;
        said.extend(answers.into_iter().flatten().map(|answer| answer.unwrap()));
    }
    let savepoints = world.run("SELECT count(DISTINCT xmin::text) FROM pg_class WHERE relname ~ '^t[0-9]$'");
    assert_eq!(world.run("SELECT count(*) FROM windlass.ledger"), world.units.len().to_string());
    for number in (1..=world.units.len()).rev() {
        let undone = world.undo(number).await.unwrap_or_else(|failure| panic!("{number}: {failure:?}"));
        assert_eq!(undone.facts["conflicts"], 0, "{number}: {undone:?}");
    }
    assert_eq!(compare(&before.0, &catalog(world).await), Verdict::Exact);
    assert_eq!((before.1, before.2), (world.rows("version"), world.rows("log")));
    (said, savepoints)
}

#[tokio::test]
async fn they_stand_and_go_back_as_they_would_alone() {
    for flavor in flavors() {
        let texts = among(&[
            "CREATE TABLE \"T x\" (a int GENERATED ALWAYS AS IDENTITY, m text DEFAULT 'it''s', CHECK (a > 0))",
        ]);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let alone = World::of(flavor, BASE, &texts);
        for number in 1..=texts.len() {
            alone.apply(number).await.unwrap();
        }
        let world = World::of(flavor, BASE, &texts);
        let (said, savepoints) = there_and_back(&world).await;
        assert_eq!(savepoints, "1", "{flavor:?}: all went in one piece");
        assert!(said.iter().all(|done| done.changed), "{said:?}");
        // What the ledger holds is the same but for numbers.
        let again = World::on(world.database().clone(), &texts);
        again.together(1).await;
        let ledger = "SELECT unit, state, digest, rows, regexp_replace(way_back, 'image_[0-9]+', 'image') FROM windlass.ledger ORDER BY seq";
        assert_eq!(alone.run(ledger), again.run(ledger), "{flavor:?}");
    }
}

#[tokio::test]
async fn what_does_more_than_it_says_is_done_by_itself() {
    for statement in [
        "INSERT INTO noting (id) VALUES (1)",
        "CREATE TABLE friend (v varchar(128) REFERENCES version)",
        "CREATE TABLE app.version (version varchar(128))",
        "CREATE TABLE IF NOT EXISTS log (what text)",
        "INSERT INTO noisy (id) VALUES (1), (2)",
    ] {
        let texts = among(&[statement]);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let world = World::new(BASE, &texts);
        let (said, _) = there_and_back(&world).await;
        let loud = said.iter().filter(|done| done.output.contains("NOTICE: loud")).count();
        assert_eq!(loud, usize::from(statement.contains("noisy")), "{statement}: {said:?}");
    }
    // A name that means another table from there on.
    let world = World::new(&format!("{BASE}; CREATE SCHEMA first"), &["SELECT 1"]);
    let url = format!("{}?options=-csearch_path%3Dfirst,public", world.database().url());
    let texts = [
        "INSERT INTO version VALUES ('1')",
        "CREATE TABLE version (version varchar(128))",
        "INSERT INTO version VALUES ('2')",
    ];
    let there = World::at(&url, &texts);
    there.together(1).await;
    for number in 2..=3 {
        there.apply(number).await.unwrap();
    }
    assert_eq!(world.run("SELECT * FROM public.version UNION ALL SELECT * FROM first.version"), "1\n2");
}

#[tokio::test]
async fn those_before_one_that_fails_stand() {
    let texts = among(&["INSERT INTO version VALUES ('1')"]);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let world = World::new(BASE, &texts);
    let answers = world.together(1).await;
    let [first @ .., Some(Err(failure))] = &answers[..] else { panic!("{answers:?}") };
    assert!(first.len() == 4 && first.iter().all(|answer| matches!(answer, Some(Ok(_)))), "{answers:?}");
    assert!(failure.message.contains("duplicate key"), "{failure:?}");
    assert_eq!(world.run("SELECT count(*) FROM windlass.ledger"), "4");
    assert_eq!(world.run("SELECT * FROM version ORDER BY 1"), "1\n2");
}

/// Others do not wait for the tables of those behind a statement that takes long.
#[test]
fn a_long_one_is_alone() {
    let texts = [
        "UPDATE version SET version = version || 'x' WHERE pg_sleep(3) IS NOT NULL",
        "INSERT INTO log VALUES ('behind')",
    ];
    let world = World::new(&format!("{BASE}; INSERT INTO version VALUES ('1')"), &texts);
    std::thread::scope(|scope| {
        let watched = scope.spawn(|| {
            let alone = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(3)%' AND \
                         application_name LIKE 'windlass % s/1'";
            wait_until("it is alone", || world.run(alone) == "1");
            world.run("SELECT count(*) FROM pg_locks WHERE relation = 'log'::regclass")
        });
        let answers = tokio::runtime::Runtime::new().unwrap().block_on(world.together(1));
        assert!(matches!(&answers[..], [Some(Ok(done))] if done.changed), "{answers:?}");
        assert_eq!(watched.join().unwrap(), "0");
    });
    assert_eq!(world.run("SELECT * FROM version"), "1x");
}
