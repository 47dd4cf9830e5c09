//! Values of columns in tables without a key that stays: kept and put back, row by row.

use super::{schema::catalog, *};
use windlass_sql::postgres::catalog::{Verdict, compare};

const SETUP: &str = r#"
CREATE TYPE s AS ENUM ('new', 'paid'); CREATE TYPE s2 AS ENUM ('new', 'paid', 'sent');
CREATE TABLE g (id int, n int, j json, st s DEFAULT 'new', tx text, at timestamptz, p point, x xml, f float8,
  twice int GENERATED ALWAYS AS (id * 2) STORED);
INSERT INTO g (id, n, j, st, tx, at, p, x, f) SELECT i % 4, i % 3, ('{"a":  ' || i % 5 || ', "a": 1}')::json, (ARRAY['new', 'paid', NULL])[i % 3 + 1]::s,
  (ARRAY['new', NULL, 'paid'])[i % 3 + 1], '2026-01-01 10:20:30.5+00'::timestamptz + i % 2 * '1 h'::interval, point(i % 2, 0.1), '<a> </a>'::xml, 0.1 + i % 2
  FROM generate_series(1, 60) i;
INSERT INTO g (id, n, j) VALUES (NULL, NULL, NULL), (NULL, NULL, NULL), (NULL, 7, '[1 ]'), (NULL, 8, '[1 ]'), (NULL, 8, '[1 ]'), (1, NULL, NULL);
INSERT INTO g (id, st) SELECT NULL, NULL FROM generate_series(1, 3);
CREATE TABLE alone (v text); INSERT INTO alone VALUES ('one'), ('one'), (NULL), ('two'), (''), ('(,)');
CREATE TABLE parted (id int, v text) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10); CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20);
INSERT INTO parted SELECT i % 20, 'value ' || i FROM generate_series(1, 50) i;
CREATE TABLE likes (id int PRIMARY KEY, person_id int NOT NULL, post_id int NOT NULL, note text, CONSTRAINT u UNIQUE (person_id, post_id));
INSERT INTO likes SELECT i, i % 7, i, CASE WHEN i % 2 = 0 THEN 'even' END FROM generate_series(1, 30) i;
CREATE TABLE states (state s PRIMARY KEY, n int); INSERT INTO states VALUES ('new', 1), ('paid', 2);
"#;

/// All values as they are spelt, whatever the order of rows and columns.
fn all(world: &World) -> [String; 5] {
    [
        "to_jsonb(t)::text || ' ' || COALESCE(t.j::text, '-') || COALESCE(t.x::text, '-') FROM g t",
        "to_jsonb(t)::text FROM alone t",
        "to_jsonb(t)::text || tableoid::regclass::text FROM parted t",
        "to_jsonb(t)::text FROM likes t",
        "to_jsonb(t)::text FROM states t",
    ]
    .map(|rows| world.run(&format!("SELECT {rows} ORDER BY 1")))
}

fn images(world: &World) -> String {
    world.run("SELECT count(*) FROM pg_class WHERE relname ~ '^image_'")
}

/// Statements, and whether values have to be kept for them.
const STATEMENTS: &[(&str, bool)] = &[
    ("ALTER TABLE g DROP COLUMN n", true),
    ("ALTER TABLE g ALTER COLUMN j TYPE jsonb", true),
    // An enum is spelt as it is.
    ("ALTER TABLE g ALTER COLUMN st TYPE text", false),
    ("ALTER TABLE g ALTER COLUMN st DROP DEFAULT, ALTER COLUMN st TYPE s2 USING st::text::s2", true),
    ("ALTER TABLE g ALTER COLUMN tx TYPE s USING tx::s", true),
    ("ALTER TABLE g ALTER COLUMN n TYPE int USING COALESCE(n, 0)", true),
    ("ALTER TABLE g ALTER COLUMN n TYPE bigint USING 1", true),
    (
        "ALTER TABLE g DROP COLUMN n, DROP COLUMN x, ALTER COLUMN j TYPE jsonb, ALTER COLUMN at TYPE date, ADD COLUMN m int DEFAULT 3",
        true,
    ),
    ("ALTER TABLE g ALTER COLUMN n TYPE bigint, ALTER COLUMN f TYPE real", true),
    ("DROP TYPE s CASCADE", true),
    ("ALTER TABLE alone DROP COLUMN v", true),
    ("ALTER TABLE alone ALTER COLUMN v TYPE text USING left(v, 1)", true),
    ("ALTER TABLE parted DROP COLUMN v", true),
    ("ALTER TABLE parted ALTER COLUMN v TYPE varchar(7) USING left(v, 7)", true),
    ("ALTER TABLE likes DROP CONSTRAINT u, DROP COLUMN id, ADD PRIMARY KEY (person_id, post_id)", true),
    ("ALTER TABLE likes DROP COLUMN id", true),
    ("ALTER TABLE likes DROP CONSTRAINT u, DROP COLUMN id", true),
    ("ALTER TABLE likes ALTER COLUMN id TYPE text", true),
    // The key becomes text, by which the rows are found.
    ("ALTER TABLE states ALTER COLUMN state TYPE text, ALTER COLUMN n TYPE smallint", true),
];

/// There and back: the same definitions and the same rows, as often as they were there.
#[tokio::test]
async fn values_without_a_key_come_back() {
    for flavor in flavors() {
        for (statement, is_kept) in STATEMENTS {
            let world = World::of(flavor, SETUP, &[statement]);
            let before = (catalog(&world).await, all(&world));
            let done = world.apply(1).await.unwrap_or_else(|failure| panic!("{statement}: {failure:?}"));
            let kept = done.effects.iter().any(|line| line.starts_with("the values of "));
            assert_eq!(kept, *is_kept, "{statement}: {done:?}");
            assert!(!world.apply(1).await.unwrap().changed, "{statement}: happens once");
            assert!(matches!(world.inspect(1, Way::Forward).await, Found::Applied(_)), "{statement}");
            let undone = world.undo(1).await.unwrap_or_else(|failure| panic!("{statement}: {failure:?}"));
            assert_eq!(undone.facts["conflicts"], 0, "{statement}: {undone:?}");
            if let Verdict::Different(what) = compare(&before.0, &catalog(&world).await) {
                panic!("{statement}: {what:?}");
            }
            assert_eq!(all(&world), before.1, "{statement}: {undone:?}");
            assert!(!world.undo(1).await.unwrap().changed, "{statement}: undone once");
            assert_eq!(images(&world), "0", "{statement}");
        }
    }
}

const FEW: &str = "CREATE TABLE k (a text, n int); INSERT INTO k VALUES ('one', 1), ('two', 2), ('two', 22), ('two', 2), ('three', 3), ('four', 4);";
const SINCE: [&str; 4] = [
    "UPDATE k SET a = 'uno' WHERE a = 'one'",
    "DELETE FROM k WHERE a = 'three'",
    "VACUUM FULL k",
    "INSERT INTO k (a) VALUES ('five')",
];

/// Rows that others changed or deleted are conflicts, listed with what was kept of them; rows that were added stay as they are.
#[tokio::test]
async fn rows_that_are_not_found_are_conflicts() {
    for flavor in flavors() {
        for (statement, uno) in [
            ("ALTER TABLE k DROP COLUMN n", ""),
            ("ALTER TABLE k ALTER COLUMN n TYPE bigint USING n * 10", "10"),
        ] {
            for on_conflict in [OnConflict::Keep, OnConflict::Force] {
                let mut world = World::of(flavor, FEW, &[statement]);
                world.apply(1).await.unwrap();
                for sql in SINCE {
                    world.run(sql);
                }
                world.cx.on_conflict = OnConflict::Ask;
                let asked = world.undo(1).await.unwrap_err();
                assert!(asked.message.contains("2 values of"), "{asked:?}");
                world.cx.on_conflict = on_conflict;
                let undone = world.undo(1).await.unwrap_or_else(|failure| panic!("{statement}: {failure:?}"));
                assert_eq!(undone.facts["conflicts"], 2, "{statement}: {undone:?}");
                let said = |what: &str| undone.effects.iter().any(|line| line.contains(what));
                assert!(said("2 rows of public.k were added or changed since"), "{statement}: {undone:?}");
                assert!(said("2 rows stay as they are"), "{statement}: {undone:?}");
                assert_eq!(
                    world.run("SELECT a, COALESCE(n::text, '') FROM k ORDER BY a, n"),
                    format!("five|\nfour|4\ntwo|2\ntwo|2\ntwo|22\nuno|{uno}"),
                    "{statement}"
                );
                assert_eq!(images(&world), "0", "{statement}");
            }
        }
    }
}

/// Rows that move on the disk, and a connection in another time zone, are no changes.
#[tokio::test]
async fn rows_are_found_wherever_they_lie() {
    let set = |what: &str| {
        format!("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I {what}', current_database()); END $$")
    };
    for flavor in flavors() {
        let world = World::of(flavor, SETUP, &["ALTER TABLE g DROP COLUMN n, ALTER COLUMN j TYPE jsonb"]);
        let before = all(&world);
        world.apply(1).await.unwrap();
        for sql in ["CREATE INDEX moved ON g (at, id)", "CLUSTER g USING moved", "DROP INDEX moved"] {
            world.run(sql);
        }
        world.run(&set("SET timezone = \"Asia/Tokyo\""));
        let undone = world.undo(1).await.unwrap();
        assert_eq!(undone.facts["conflicts"], 0, "{undone:?}");
        world.run(&set("RESET timezone"));
        assert_eq!(all(&world), before);
    }
}

/// Where another key stays, or one comes, what others write to other columns is no conflict.
#[tokio::test]
async fn the_key_that_comes_is_used() {
    for flavor in flavors() {
        for statement in [
            "ALTER TABLE likes DROP CONSTRAINT u, DROP COLUMN id, ADD PRIMARY KEY (person_id, post_id)",
            "ALTER TABLE likes DROP COLUMN id",
        ] {
            let world = World::of(flavor, SETUP, &[statement]);
            world.apply(1).await.unwrap();
            world.run("UPDATE likes SET note = 'seen'");
            let undone = world.undo(1).await.unwrap();
            assert_eq!(undone.facts["conflicts"], 0, "{statement}: {undone:?}");
            assert_eq!(
                world.run(
                    "SELECT count(*), count(*) FILTER (WHERE id = post_id AND note = 'seen') FROM likes"
                ),
                "30|30",
                "{statement}"
            );
        }
    }
}

/// All rows are compared while nobody may write: large tables are refused, but for what loses nothing.
#[tokio::test]
async fn large_tables_without_a_key_are_refused() {
    // A row on each page.
    let setup = "CREATE TYPE s AS ENUM ('new', 'paid'); CREATE UNLOGGED TABLE wide (v text, st s, bare int) WITH (fillfactor = 10);
        INSERT INTO wide SELECT repeat(md5(i::text), 24), 'paid' FROM generate_series(1, 33500) i;";
    let statements = [
        "ALTER TABLE wide DROP COLUMN v",
        "ALTER TABLE wide ALTER COLUMN bare TYPE int USING COALESCE(bare, 0)",
        "ALTER TABLE wide DROP COLUMN bare",
        "ALTER TABLE wide ALTER COLUMN st TYPE text",
    ];
    let world = World::new(setup, &statements);
    let rows = "SELECT count(*), count(v), count(bare) FROM wide";
    let before = (catalog(&world).await, world.run(rows));
    for number in [1, 2] {
        let failure = world.apply(number).await.unwrap_err();
        let why = "wide has no key that stays and takes more than 256.0 MiB";
        for what in [why, "nothing was changed", "give it one in a step before"] {
            assert!(failure.message.contains(what), "{failure:?}");
        }
        assert!(failure.hints.iter().any(|hint| hint.contains("undoes=")), "{failure:?}");
    }
    for number in [3, 4] {
        world.apply(number).await.unwrap_or_else(|failure| panic!("{number}: {failure:?}"));
        world.undo(number).await.unwrap_or_else(|failure| panic!("{number}: {failure:?}"));
    }
    if let Verdict::Different(what) = compare(&before.0, &catalog(&world).await) {
        panic!("{what:?}");
    }
    assert_eq!(world.run(rows), before.1);
}
