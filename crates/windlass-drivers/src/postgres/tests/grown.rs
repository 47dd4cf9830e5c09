//! Columns and indexes that come with the tables that are made, or behind other statements.

use super::{schema::catalog, stretches::there_and_back, *};
use windlass_sql::postgres::catalog::{Verdict, compare};

const BASE: &str = "CREATE TABLE version (version varchar(128) PRIMARY KEY); CREATE TABLE log (what text); CREATE TABLE old (id serial \
    PRIMARY KEY, n text DEFAULT 'n'); COMMENT ON COLUMN old.n IS 'noted'; INSERT INTO old (n) VALUES ('a'), ('b'); CREATE VIEW seen AS \
    SELECT id, n FROM old; CREATE SCHEMA app; CREATE TYPE mood AS ENUM ('low', 'high')";

/// What the ledger says, but for numbers of images.
const LEDGER: &str = "SELECT unit, state, digest, rows, regexp_replace(way_back, 'image_[0-9]+', 'image') FROM windlass.ledger ORDER BY seq";

/// The same statements, each alone and those together that go: they leave the same definitions and the same ways back, and go back the same. How
/// many went into each transaction.
async fn as_alone(flavor: Flavor, base: &str, texts: &[&str]) -> Vec<String> {
    let alone = World::of(flavor, base, texts);
    for number in 1..=texts.len() {
        alone.apply(number).await.unwrap_or_else(|failure| panic!("{number}: {failure:?}"));
    }
    let world = World::of(flavor, base, texts);
    world.all_together(1).await;
    let of = |catalog: windlass_sql::postgres::catalog::Catalog| {
        let mut catalog = catalog;
        catalog.objects.retain(|id, _| id.class != windlass_sql::postgres::catalog::Class::Database);
        catalog
    };
    let (one, other) = (of(catalog(&alone).await), of(catalog(&world).await));
    assert_eq!(compare(&one, &other), Verdict::Exact, "{flavor:?}");
    assert_eq!(alone.run(LEDGER), world.run(LEDGER), "{flavor:?}");
    let sizes = world.run("SELECT count(*) FROM windlass.ledger GROUP BY xid ORDER BY min(seq)");
    for number in (1..=texts.len()).rev() {
        world.undo(number).await.unwrap_or_else(|failure| panic!("{number}: {failure:?}"));
    }
    there_and_back(&World::of(flavor, base, texts)).await;
    sizes.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_table_its_columns_and_its_indexes_go_in_one_transaction() {
    for flavor in flavors() {
        let texts = [
            "CREATE TABLE t1 (id int PRIMARY KEY, n varchar(50))",
            "INSERT INTO version VALUES ('1')",
            "ALTER TABLE t1 ADD COLUMN a int",
            "INSERT INTO version VALUES ('2')",
            "CREATE INDEX i1 ON t1 (n)",
            "ALTER TABLE t1 ADD b text NOT NULL DEFAULT 'x', ADD COLUMN \"C d\" mood DEFAULT 'low', ADD at timestamptz DEFAULT now()",
            "CREATE UNIQUE INDEX \"I 2\" ON t1 (lower(b), a DESC) WHERE a > 1",
            "CREATE TABLE app.t1 (id int)",
            "ALTER TABLE app.t1 ADD COLUMN long text COLLATE \"C\"",
            "CREATE INDEX i1 ON app.t1 USING hash (long)",
            "INSERT INTO version VALUES ('3')",
        ];
        assert_eq!(as_alone(flavor, BASE, &texts).await, ["11"], "{flavor:?}");
    }
}

/// What others use is locked no longer than if the statement were alone: nothing comes behind it in its transaction.
#[tokio::test]
async fn one_for_a_table_of_others_is_the_last_of_its_transaction() {
    for flavor in flavors() {
        let texts = [
            "INSERT INTO version VALUES ('1')",
            "ALTER TABLE old ADD COLUMN a int DEFAULT 7",
            "INSERT INTO version VALUES ('2')",
            "CREATE TABLE t (id int)",
            "CREATE INDEX i ON old (a, n)",
            "ALTER TABLE old ADD COLUMN big text, ADD COLUMN more text",
            "INSERT INTO old (n) VALUES ('c')",
            "CREATE INDEX j ON old (n)",
        ];
        assert_eq!(as_alone(flavor, BASE, &texts).await, ["2", "3", "1", "2"], "{flavor:?}");
    }
}

/// A table that the release itself made, in a transaction before, is no table of others yet.
#[tokio::test]
async fn one_for_a_table_of_the_release_goes_with_those_behind_it() {
    for flavor in flavors() {
        let texts = [
            "CREATE TABLE made (id int)",
            "ALTER TABLE made ADD COLUMN a int",
            "INSERT INTO version VALUES ('1')",
            "CREATE INDEX i ON made (a)",
            "INSERT INTO version VALUES ('2')",
        ];
        let world = World::of(flavor, BASE, &texts);
        let before = catalog(&world).await;
        world.apply(1).await.unwrap();
        let answers = world.together(2).await;
        assert!(answers.len() == 4 && answers.iter().all(|one| matches!(one, Some(Ok(_)))), "{answers:?}");
        for number in (1..=texts.len()).rev() {
            world.undo(number).await.unwrap();
        }
        assert_eq!(compare(&before, &catalog(&world).await), Verdict::Exact, "{flavor:?}");
    }
}

/// A row for a table that gets a column in front of it is kept with that column.
#[tokio::test]
async fn a_row_behind_a_column_is_kept_with_the_column() {
    let texts = [
        "CREATE TABLE made (id int PRIMARY KEY, n text)",
        "ALTER TABLE made ADD COLUMN done bool DEFAULT false",
        "INSERT INTO made (id, n) VALUES (1, 'x')",
        "INSERT INTO public.made (id, n) VALUES (2, 'y')",
    ];
    let world = World::new(BASE, &texts);
    world.apply(1).await.unwrap();
    world.all_together(2).await;
    world.run("UPDATE made SET done = true WHERE id = 1");
    world.undo(4).await.unwrap();
    let undone = world.undo(3).await.unwrap();
    assert_eq!(undone.facts["conflicts"], 1, "{undone:?}");
    assert_eq!(world.run("SELECT id, done FROM made"), "1|t");
}

/// Each behind a table that is made, and with one behind it.
#[tokio::test]
async fn what_does_more_than_to_add_is_alone_and_goes_back_all_the_same() {
    let base = format!(
        "{BASE}; CREATE TABLE parent (a int); CREATE TABLE child () INHERITS (parent); CREATE TABLE parted (a int) PARTITION BY LIST (a); \
         CREATE TABLE part PARTITION OF parted FOR VALUES IN (1); CREATE TABLE typed OF app.kind; CREATE DOMAIN few AS int CHECK (VALUE < 9)"
    )
    .replace("CREATE TYPE mood", "CREATE TYPE app.kind AS (a int); CREATE TYPE mood");
    for statement in [
        "ALTER TABLE t ADD COLUMN s serial",
        "ALTER TABLE t ADD COLUMN u uuid DEFAULT gen_random_uuid()",
        "ALTER TABLE t ADD COLUMN a int, ADD COLUMN b int UNIQUE",
        "ALTER TABLE t ADD COLUMN f few DEFAULT 3",
        "ALTER TABLE t ADD COLUMN o int REFERENCES old",
        "ALTER TABLE t ADD COLUMN IF NOT EXISTS id int",
        "CREATE INDEX IF NOT EXISTS t_id ON t (id)",
        "CREATE INDEX ON t (id)",
        "ALTER TABLE parent ADD COLUMN b int",
        "ALTER TABLE parted ADD COLUMN b int",
        "CREATE INDEX i ON parted (a)",
        "CREATE INDEX i ON part (a)",
        "CREATE INDEX i ON typed (a)",
        "ALTER TABLE t RENAME id TO number",
    ] {
        let texts = ["CREATE TABLE t (id int)", statement, "INSERT INTO version VALUES ('1')"];
        as_alone(Flavor::Postgres15, &base, &texts).await;
    }
}

#[tokio::test]
async fn what_answers_to_a_column_is_found_and_taken_back() {
    let base = format!(
        "{BASE}; CREATE FUNCTION noted() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF to_regclass('public.t') IS NOT NULL THEN \
         ALTER TABLE public.log SET (fillfactor = 50); END IF; END $$; CREATE EVENT TRIGGER noted ON ddl_command_end WHEN TAG IN ('ALTER \
         TABLE') EXECUTE FUNCTION noted(); ALTER EVENT TRIGGER noted DISABLE"
    );
    let texts = ["CREATE TABLE t (id int)", "ALTER TABLE t ADD COLUMN a int"];
    let world = World::new(&base, &texts);
    world.apply(1).await.unwrap();
    let before = catalog(&world).await;
    world.run("DROP EVENT TRIGGER noted; CREATE EVENT TRIGGER noted ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION noted()");
    let answers = world.together(2).await;
    assert!(matches!(&answers[..], [Some(Ok(_))]), "{answers:?}");
    world.undo(2).await.unwrap();
    assert_eq!(compare(&before, &catalog(&world).await), Verdict::Exact);
}

#[tokio::test]
async fn those_before_one_that_fails_stand() {
    let texts = [
        "CREATE TABLE t (id int)",
        "INSERT INTO version VALUES ('1')",
        "ALTER TABLE t ADD COLUMN a int",
        "ALTER TABLE t ADD COLUMN a int",
    ];
    let world = World::new(BASE, &texts);
    let before = catalog(&world).await;
    let (mut next, mut said) = (1, None);
    while next <= texts.len() && said.is_none() {
        for answer in world.together(next).await.into_iter().flatten() {
            match answer {
                Ok(_) => next += 1,
                Err(failure) => said = Some(failure),
            }
        }
    }
    assert!(said.unwrap().message.contains("already exists"));
    assert_eq!(world.run("SELECT count(*) FROM windlass.ledger"), "3");
    for number in (1..=3).rev() {
        world.undo(number).await.unwrap();
    }
    assert_eq!(compare(&before, &catalog(&world).await), Verdict::Exact);
}
