//! Others that hold a lock, commit while ours waits for it, and lose nothing: neither by the statement nor by its undo.

use super::{schema::catalog, *};
use crate::postgres::{keeper::Keeper, session::Session, together};
use std::time::Duration;
use windlass_driver::Work;
use windlass_sql::postgres::catalog::{Catalog, Class, Verdict, compare};

/// Whether one of ours waits for a lock.
const WAITS: &str = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE \
                     'windlass %' AND wait_event_type = 'Lock'";

impl World {
    async fn other(&self, name: &str) -> Session {
        Session::open(&self.cx, "db", name, Duration::from_secs(60)).await.unwrap()
    }

    /// Does `work` while another transaction has done `sql`, and commits when ours waits for it (or has ended without).
    async fn beside<T>(&self, sql: &str, work: impl Future<Output = T>) -> T {
        let (holder, looker) = (self.other("holder").await, self.other("looker").await);
        holder.act(&format!("BEGIN; {sql}")).await.unwrap();
        let waited = async {
            while looker.value(WAITS).await.unwrap().as_deref() != Some("t") {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let mut work = std::pin::pin!(work);
        tokio::select! {
            done = &mut work => {
                holder.act("COMMIT").await.unwrap();
                return done;
            }
            () = waited => holder.act("COMMIT").await.unwrap(),
        };
        work.await
    }

    async fn all(&self) -> (Catalog, String) {
        let rows = "SELECT to_jsonb(x)::text FROM t x ORDER BY 1";
        let mut catalog = catalog(self).await;
        // Each world has one of its own.
        catalog.objects.retain(|id, _| id.class != Class::Database);
        (catalog, self.run(&format!("{rows}; SELECT twice(4), count(*) FROM log")))
    }
}

const SETUP: &str = "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL DEFAULT 1, v text); INSERT INTO t SELECT g, g, 'v' || g FROM \
                     generate_series(1, 9) g; CREATE TABLE log (what text); CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql \
                     AS 'SELECT n * 2'; CREATE FUNCTION mark() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.n := 77; RETURN NEW; \
                     END $$; CREATE VIEW seen AS SELECT id FROM t;";

/// What the other transaction does, what ours does, and how a row of ours stands behind both.
const FORWARD: [(&str, &str, &str); 12] = [
    (
        "ALTER TABLE t ADD COLUMN more text; UPDATE t SET more = 'm' || id",
        "DELETE FROM t WHERE id <= 3",
        "SELECT count(*) FROM t: 6",
    ),
    (
        "ALTER TABLE t ADD COLUMN more text; UPDATE t SET more = 'm' || id",
        "WITH gone AS (DELETE FROM t WHERE id <= 3 RETURNING v) INSERT INTO log SELECT v FROM gone",
        "SELECT count(*) FROM t: 6",
    ),
    (
        "LOCK TABLE t; INSERT INTO t VALUES (100, 1, 'new')",
        "UPDATE t SET v = 'x'",
        "SELECT v FROM t WHERE id = 100: x",
    ),
    (
        "TRUNCATE t; INSERT INTO t VALUES (100, 1, 'new')",
        "UPDATE t SET v = 'x'",
        "SELECT count(*), min(v) FROM t: 1|x",
    ),
    (
        "CREATE TRIGGER mark BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION mark()",
        "UPDATE t SET v = 'x' WHERE id = 4",
        "SELECT n, v FROM t WHERE id = 4: 77|x",
    ),
    (
        "TRUNCATE t; INSERT INTO t VALUES (100, 1, 'new')",
        "INSERT INTO log SELECT v FROM t",
        "SELECT what FROM log: new",
    ),
    (
        "ALTER TABLE t ALTER n SET DEFAULT 5",
        "ALTER TABLE t ALTER n SET DEFAULT 6",
        "SELECT column_default FROM information_schema.columns WHERE column_name = 'n': 6",
    ),
    (
        "ALTER TABLE t ADD COLUMN more text DEFAULT 'm'; COMMENT ON TABLE t IS 'theirs'",
        "ALTER TABLE t ADD COLUMN ours int",
        "SELECT count(ours), count(more) FROM t: 0|9",
    ),
    (
        "CREATE OR REPLACE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT n * 20'",
        "CREATE OR REPLACE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT n * 200'",
        "SELECT twice(1): 200",
    ),
    (
        "CREATE VIEW above AS SELECT id FROM seen",
        "DROP VIEW seen CASCADE",
        "SELECT to_regclass('above') IS NULL: t",
    ),
    (
        "ALTER TABLE t ALTER v SET DEFAULT 'theirs'",
        "DO $$ BEGIN ALTER TABLE t ALTER v SET DEFAULT 'ours'; BEGIN ALTER TABLE t DROP COLUMN n; RAISE 'no'; EXCEPTION WHEN \
         raise_exception THEN END; END $$",
        "SELECT column_default FROM information_schema.columns WHERE column_name = 'v': 'ours'::text",
    ),
    ("ALTER TABLE t RENAME n TO m", "ALTER TABLE t ALTER v SET NOT NULL", "SELECT count(m) FROM t: 9"),
];

#[tokio::test]
async fn a_sequence_that_a_raced_try_moved_is_set_back() {
    for flavor in flavors() {
        let setup = format!("{SETUP} CREATE SEQUENCE s; SELECT setval('s', 5)");
        let ours = "DO $$ BEGIN PERFORM nextval('s'); INSERT INTO log SELECT v FROM t; END $$";
        let world = World::of(flavor, &setup, &[ours]);
        let theirs = "TRUNCATE t; INSERT INTO t VALUES (100, 1, 'new')";
        world.beside(theirs, world.apply(1)).await.unwrap();
        assert_ne!(world.run("SELECT last_value FROM s"), "6", "it was tried again");
        world.undo(1).await.unwrap();
        assert_eq!(world.run("SELECT last_value FROM s"), "5", "{flavor:?}");
    }
}

#[tokio::test]
async fn what_another_commits_while_a_statement_waits_is_seen_and_outlives_its_undo() {
    // Each on one of the servers: they take turns.
    let flavors = flavors();
    for (at, flavor) in flavors.iter().enumerate() {
        for (theirs, ours, expected) in FORWARD.into_iter().skip(at).step_by(flavors.len()) {
            // How it stands after the other alone.
            let alone = World::of(*flavor, SETUP, &[ours]);
            alone.run(&format!("BEGIN; {theirs}; COMMIT"));
            let (definitions, rows) = alone.all().await;
            let world = World::of(*flavor, SETUP, &[ours]);
            let done = world.beside(theirs, world.apply(1)).await;
            done.unwrap_or_else(|failure| panic!("{ours}: {failure:?}"));
            let (question, answer) = expected.rsplit_once(": ").unwrap();
            assert_eq!(world.run(question), answer, "{ours} beside {theirs}");
            let undone = world.undo(1).await.unwrap_or_else(|failure| panic!("{ours}: {failure:?}"));
            let (now, left) = world.all().await;
            assert_eq!(compare(&definitions, &now), Verdict::Exact, "{ours} beside {theirs}: {undone:?}");
            assert_eq!(rows, left, "{ours} beside {theirs}: {undone:?}");
        }
    }
}

/// A statement whose way back is written by hand sees what it would in any client.
#[tokio::test]
async fn a_statement_with_an_undo_by_hand_sees_what_is_committed_when_it_has_its_lock() {
    let mut world = World::new(SETUP, &["UPDATE t SET v = 'x'"]);
    world.units[0].undo.by = windlass_plan::UndoBy::Script;
    let theirs = "LOCK TABLE t; INSERT INTO t VALUES (100, 1, 'new')";
    world.beside(theirs, world.apply(1)).await.unwrap();
    assert_eq!(world.run("SELECT count(*) FROM t WHERE v = 'x'"), "10");
}

#[tokio::test]
async fn statements_that_go_together_see_what_another_commits_while_they_wait() {
    for theirs in [
        "ALTER TABLE t ADD COLUMN more text; UPDATE t SET more = 'm' || id",
        "LOCK TABLE t; INSERT INTO t VALUES (2, 1, 'new') ON CONFLICT (id) DO UPDATE SET v = 'theirs'",
    ] {
        let texts =
            ["CREATE TABLE made (id int)", "INSERT INTO made VALUES (1)", "DELETE FROM t WHERE id <= 3"];
        let alone = World::new(SETUP, &texts);
        alone.run(&format!("BEGIN; {theirs}; COMMIT"));
        let before = alone.all().await.1;
        let world = World::new(SETUP, &texts);
        let work = |at: usize| Work {
            cx: world.cx.clone(),
            unit: world.units[at].clone(),
            capsule: Capsule::default(),
        };
        let works: Vec<Work> = (0..3).map(work).collect();
        let keeper = Keeper::default();
        let answers = world.beside(theirs, together::apply(&works, &keeper, Duration::MAX)).await.unwrap();
        assert_eq!(answers.iter().filter(|answer| matches!(answer, Some(Ok(_)))).count(), 3, "{answers:?}");
        for number in [3, 2, 1] {
            world.undo(number).await.unwrap();
        }
        assert_eq!(world.all().await.1, before, "{theirs}");
    }
}

/// Rows that others write while an undo waits are theirs.
#[tokio::test]
async fn what_another_commits_while_an_undo_waits_is_not_lost() {
    for flavor in flavors() {
        for (ours, theirs, question, left) in [
            (
                "CREATE TABLE made (id int)",
                "INSERT INTO made VALUES (7)",
                "SELECT count(*) FROM windlass_aside_1_u.made",
                "1",
            ),
            (
                "ALTER TABLE t ALTER n TYPE bigint USING n * 2",
                "UPDATE t SET n = 7 WHERE id = 1",
                "SELECT string_agg(n::text, ',' ORDER BY id) FROM t WHERE id <= 3",
                "7,2,3",
            ),
            (
                "UPDATE t SET v = 'x'",
                "UPDATE t SET v = 'y' WHERE id = 1",
                "SELECT v FROM t WHERE id < 3 ORDER BY id",
                "y\nv2",
            ),
        ] {
            let world = World::of(flavor, SETUP, &[ours]);
            world.apply(1).await.unwrap();
            let undone = world.beside(theirs, world.undo(1)).await;
            undone.unwrap_or_else(|failure| panic!("{ours}: {failure:?}"));
            assert_eq!(world.run(question), left, "{ours} beside {theirs}");
        }
        let world = World::of(flavor, SETUP, &["ALTER TABLE t ALTER n SET DEFAULT 6"]);
        world.apply(1).await.unwrap();
        let undone = world.beside("ALTER TABLE t ALTER n SET DEFAULT 8", world.undo(1)).await;
        let failure = undone.unwrap_err();
        assert!(failure.message.contains("changed by others since"), "{failure:?}");
        let default = "SELECT column_default FROM information_schema.columns WHERE column_name = 'n'";
        assert_eq!(world.run(default), "8");
    }
}

/// A part of a statement that failed and was caught by it leaves counts that do not come out: a second connection settles it.
#[tokio::test]
async fn a_part_that_failed_inside_of_a_statement_is_told_from_others_at_work() {
    let ours = "DO $$ BEGIN BEGIN DROP VIEW seen; ALTER TABLE t DROP COLUMN v; RAISE 'no'; EXCEPTION WHEN raise_exception THEN END; \
                ALTER TABLE t ADD COLUMN more int; END $$";
    for flavor in flavors() {
        let world = World::of(flavor, SETUP, &[ours]);
        let before = world.all().await;
        world.apply(1).await.unwrap();
        assert_eq!(world.run("SELECT count(*), count(more) FROM t"), "9|0");
        world.undo(1).await.unwrap();
        let after = world.all().await;
        assert_eq!((compare(&before.0, &after.0), before.1), (Verdict::Exact, after.1));
    }
}
