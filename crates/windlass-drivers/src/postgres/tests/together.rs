//! Several statements in one transaction: each stands or falls as it would alone. And the short ways that only they take.

use super::{schema::catalog, *};
use crate::postgres::{job::Job, keeper::Keeper, ledger, schema::prints, session::Session, together};
use std::time::Duration;
use windlass_driver::{Effect, Work};
use windlass_sql::postgres::catalog::{Verdict, compare};

impl World {
    /// Applies the units from `first` on that go together, at once.
    pub(super) async fn together(&self, first: usize) -> Vec<Option<Result<Done, Failure>>> {
        let units = &self.units[first - 1..];
        let more = units.windows(2).take_while(|pair| together::go(&pair[0], &pair[1])).count();
        let work =
            |unit: &Unit| Work { cx: self.cx.clone(), unit: unit.clone(), capsule: Capsule::default() };
        let works: Vec<Work> = units[..=more].iter().map(work).collect();
        match together::apply(&works, &Keeper::default(), Duration::MAX).await {
            Some(answers) => answers,
            None => vec![Some(self.apply(first).await)],
        }
    }

    /// Applies all units from `next` on, as many at once as go together: how many each time.
    pub(super) async fn all_together(&self, mut next: usize) -> Vec<usize> {
        let mut sizes = vec![];
        while next <= self.units.len() {
            let answers = self.together(next).await;
            assert!(answers.iter().all(|answer| matches!(answer, Some(Ok(_)))), "{answers:?}");
            sizes.push(answers.len());
            next += answers.len();
        }
        sizes
    }

    async fn entry(&self, number: usize) -> Option<ledger::Entry> {
        let job = Job::open(&self.cx, &self.units[number - 1]).await.unwrap();
        ledger::find(&job.session, &self.cx.run, &job.unit.id.0).await.unwrap()
    }
}

const BASE: &str = "CREATE TABLE version (version varchar(128) PRIMARY KEY, n int DEFAULT 1);
CREATE TABLE child (v text REFERENCES version DEFERRABLE INITIALLY DEFERRED, at timestamptz DEFAULT now());
INSERT INTO version VALUES ('0')";

#[tokio::test]
async fn all_of_them_become_durable_with_one_commit_and_go_back_one_by_one() {
    for flavor in flavors() {
        let world = World::of(
            flavor,
            BASE,
            &[
                "CREATE TABLE t1 (id serial PRIMARY KEY, n varchar(20) NOT NULL DEFAULT 'x' UNIQUE, CHECK (n <> 'y'))",
                "INSERT INTO version (version) VALUES ('1'), ('it''s')",
                "INSERT INTO t1 (n) VALUES ('a'), ('b')",
                "UPDATE version SET n = n + 1",
                "INSERT INTO child VALUES ('1')",
                "DELETE FROM t1 WHERE n = 'a'",
            ],
        );
        let before = (catalog(&world).await, world.rows("version"));
        let answers = world.together(1).await;
        assert!(
            answers.iter().all(|answer| matches!(answer, Some(Ok(done)) if done.changed))
                && answers.len() == 6,
            "{answers:?}"
        );
        assert_eq!(world.run("SELECT count(*), count(DISTINCT xid) FROM windlass.ledger"), "6|1");
        assert_eq!(world.run("SELECT n FROM t1"), "b");
        let images =
            world.run("SELECT count(*) FROM pg_class WHERE relname LIKE 'image_%' AND relkind = 'r'");
        assert_eq!(
            images,
            "3",
            "a few rows that were added are in the ledger: {}",
            world.run("TABLE windlass.aside")
        );
        assert!(matches!(world.inspect(3, Way::Forward).await, Found::Applied(_)));
        for number in (1..=6).rev() {
            let undone = world.undo(number).await.unwrap_or_else(|failure| panic!("{number}: {failure:?}"));
            assert_eq!(undone.facts["conflicts"], 0, "{number}: {undone:?}");
        }
        assert_eq!(compare(&before.0, &catalog(&world).await), Verdict::Exact);
        assert_eq!(before.1, world.rows("version"));
        assert_eq!(world.run("SELECT count(*) FROM child"), "0");
    }
}

#[tokio::test]
async fn those_before_a_failure_stand_and_those_behind_it_are_not_begun() {
    // What does not exist; a key that is there; what else would only speak in the commit.
    for third in [
        "INSERT INTO nosuch VALUES (1)",
        "INSERT INTO version VALUES ('0')",
        "INSERT INTO child VALUES ('nobody')",
    ] {
        let texts =
            ["CREATE TABLE t1 (id int)", "INSERT INTO version VALUES ('1')", third, "DELETE FROM version"];
        let world = World::new(BASE, &texts);
        let answers = world.together(1).await;
        let [Some(Ok(_)), Some(Ok(_)), Some(Err(failure))] = &answers[..] else {
            panic!("{third}: {answers:?}");
        };
        assert_eq!(failure.effect, Effect::None, "{failure:?}");
        assert_eq!(world.run("SELECT count(*) FROM windlass.ledger"), "2", "{third}");
        assert_eq!(world.run("SELECT count(*) FROM version"), "2", "{third}");
        assert!(matches!(world.inspect(3, Way::Forward).await, Found::NotApplied));
    }
}

#[tokio::test]
async fn what_has_to_be_alone_is() {
    let texts = [
        "INSERT INTO version VALUES ('1')",
        "CREATE TABLE friend (v varchar(128) REFERENCES version)",
        "INSERT INTO version VALUES ('2')",
        "ALTER TABLE version ADD COLUMN z int",
        "INSERT INTO version VALUES ('3')",
    ];
    let world = World::new(BASE, &texts);
    let before = catalog(&world).await;
    assert_eq!(
        world.all_together(1).await,
        [1, 1, 2, 1],
        "one that adds to a table of others goes with those before it"
    );
    assert!(matches!(&world.together(1).await[..], [Some(Ok(done))] if !done.changed), "by the ledger");
    for number in (1..=5).rev() {
        world.undo(number).await.unwrap();
    }
    assert_eq!(compare(&before, &catalog(&world).await), Verdict::Exact);
}

/// What is read of a table that was made is what is read of it among all others.
#[tokio::test]
async fn a_table_is_read_by_itself_as_among_all() {
    for flavor in flavors() {
        let base = "CREATE SCHEMA app; CREATE TYPE mood AS ENUM ('a'); CREATE DOMAIN word AS text NOT NULL; \
                    ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO pg_monitor; CREATE TABLE seen (a int)";
        for text in [
            "CREATE TABLE t (id integer PRIMARY KEY, n text)",
            "CREATE TABLE t (a int)",
            "CREATE UNLOGGED TABLE app.t (id bigserial PRIMARY KEY, m mood DEFAULT 'a', w word, x int GENERATED ALWAYS AS IDENTITY (START 5))",
            "CREATE TABLE \"T x\" (a int NOT NULL, b int, c text COLLATE \"C\" DEFAULT 'it''s', PRIMARY KEY (a, b), UNIQUE (b, c), \
             CONSTRAINT k CHECK (a > b), EXCLUDE (c WITH =)) WITH (fillfactor = 70)",
            "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a * 2) STORED, j jsonb, v varchar(9)[] DEFAULT '{}')",
            "CREATE TABLE IF NOT EXISTS t (id serial, s smallserial UNIQUE, at timestamptz DEFAULT now())",
        ] {
            let world = World::of(flavor, base, &[text]);
            let before = catalog(&world).await;
            let done = world.apply(1).await.unwrap_or_else(|failure| panic!("{text}: {failure:?}"));
            let after = catalog(&world).await;
            let way_back = world.entry(1).await.unwrap().way_back;
            assert_eq!(way_back.prints, prints(&before, &after), "{text}");
            assert_eq!(way_back.schema.len(), 1, "{text}: {way_back:?}");
            assert!(done.effects.iter().any(|line| line.ends_with(" is new")), "{done:?}");
            world.undo(1).await.unwrap();
            assert_eq!(compare(&before, &catalog(&world).await), Verdict::Exact, "{text}");
        }
    }
}

#[tokio::test]
async fn what_answers_to_a_new_table_is_taken_back_too() {
    let world = World::new(
        "CREATE TABLE log (what text); CREATE FUNCTION noted() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN ALTER TABLE \
         public.log SET (fillfactor = 50); END $$;
         CREATE EVENT TRIGGER noted ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION noted()",
        &["CREATE TABLE t (a int)", "CREATE TABLE u (a int)"],
    );
    // The ledger is a table too.
    world.apply(2).await.unwrap();
    world.undo(2).await.unwrap();
    world.run("ALTER TABLE log RESET (fillfactor)");
    let before = catalog(&world).await;
    let answers = world.together(1).await;
    assert!(matches!(&answers[..], [Some(Ok(_))]), "it is alone: {answers:?}");
    assert_ne!(world.run("SELECT reloptions FROM pg_class WHERE relname = 'log'"), "");
    world.undo(1).await.unwrap();
    assert_eq!(compare(&before, &catalog(&world).await), Verdict::Exact);
}

#[tokio::test]
async fn a_few_rows_are_kept_in_the_ledger_and_others_writes_to_them_are_conflicts() {
    let many: Vec<String> = (0..101).map(|n| format!("('m{n}')")).collect();
    let many = format!("INSERT INTO version (version) VALUES {}", many.join(", "));
    let long = format!("INSERT INTO note VALUES (repeat('x', {}))", 20 * 1024);
    for (text, few) in [
        ("INSERT INTO version VALUES ('a', NULL), ('b', 2)", true),
        ("INSERT INTO version VALUES ('0', 5), ('n', 6) ON CONFLICT DO NOTHING", true),
        (many.as_str(), false),
        (long.as_str(), false),
        ("INSERT INTO version (version) SELECT 's'", false),
        ("INSERT INTO child VALUES (NULL)", false),
        ("INSERT INTO version VALUES ('0') ON CONFLICT DO NOTHING", false),
    ] {
        let world = World::new(&format!("{BASE}; CREATE TABLE note (t text)"), &[text]);
        let rows = || ["version", "child", "note"].map(|table| world.rows(table));
        let before = rows();
        world.apply(1).await.unwrap_or_else(|failure| panic!("{text}: {failure:?}"));
        assert_eq!(!world.entry(1).await.unwrap().way_back.few.is_empty(), few, "{text}");
        let undone = world.undo(1).await.unwrap();
        assert_eq!((rows(), &undone.facts["conflicts"]), (before, &0.into()), "{text}");
        assert_eq!(world.run("SELECT count(*) FROM pg_class WHERE relname LIKE 'image_%'"), "0");
    }
    let world = World::new(BASE, &["INSERT INTO version VALUES ('a'), ('b'), ('c')"]);
    world.apply(1).await.unwrap();
    world.run("UPDATE version SET n = 9 WHERE version = 'b'; INSERT INTO child VALUES ('c')");
    let undone = world.undo(1).await.unwrap();
    assert_eq!(world.rows("version"), "(0,1)\n(b,9)\n(c,1)", "{undone:?}");
    assert!(undone.facts["conflicts"].as_u64() > Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_kept_while_statements_that_go_together_come_and_only_if_it_is_clean() {
    let leaves = "INSERT INTO version SELECT 'l', count(pg_advisory_lock(7))";
    let texts = [
        "INSERT INTO version VALUES ('1')",
        "INSERT INTO version VALUES ('2')",
        leaves,
        "DELETE FROM child",
        "SELECT 1",
    ];
    let world = World::new(BASE, &texts);
    let keeper = Keeper::default();
    let connections = || {
        world.run("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'windlass%'")
    };
    for (number, kept) in [(1, "1"), (2, "1"), (3, "0"), (4, "0")] {
        let unit = world.units[number - 1].clone();
        let work = Work { cx: world.cx.clone(), unit, capsule: Capsule::default() };
        let answers = together::apply(&[work], &keeper, Duration::MAX).await.unwrap();
        assert!(matches!(&answers[..], [Some(Ok(_))]), "{answers:?}");
        crate::testing::wait_until("what is not kept is closed", || connections() == kept);
    }
}

/// A controller that is gone: its transaction is not committed behind the back of who looks.
#[tokio::test]
async fn whoever_looks_for_one_of_them_ends_all() {
    let world = World::new(BASE, &["INSERT INTO version VALUES ('1')", "INSERT INTO version VALUES ('2')"]);
    let open = || Session::open(&world.cx, "db", "test", Duration::from_secs(60));
    let left = open().await.unwrap();
    let name = crate::postgres::job::company_name(&world.cx);
    left.act(&format!("BEGIN; SET LOCAL application_name = '{name}'; INSERT INTO version VALUES ('1')"))
        .await
        .unwrap();
    assert!(matches!(world.inspect(2, Way::Forward).await, Found::NotApplied));
    assert!(left.act("COMMIT").await.is_err(), "it was ended");
    assert_eq!(world.run("SELECT count(*) FROM version"), "1");
}
