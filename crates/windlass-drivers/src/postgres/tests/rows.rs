//! Statements on rows.

use super::*;

const SHOP: &str = "
CREATE TYPE state AS ENUM ('new', 'paid', 'sent');
CREATE TABLE customer (id int PRIMARY KEY, name varchar(30) NOT NULL, note text);
CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer int REFERENCES customer ON DELETE CASCADE,
  state state NOT NULL DEFAULT 'new', price numeric(8,2), twice numeric GENERATED ALWAYS AS (price * 2) STORED,
  tags text[], at timestamptz DEFAULT '2026-01-02 03:04:05+00', raw json);
CREATE TABLE log (what text, n float8);
INSERT INTO customer SELECT g, 'c' || g, CASE WHEN g % 2 = 0 THEN 'even' END FROM generate_series(1, 25) g;
INSERT INTO orders (customer, price, tags, raw) SELECT g % 20 + 1, g * 1.10, ARRAY['a', g::text], '{\"a\": 1}' FROM \
generate_series(1, 100) g;
INSERT INTO log SELECT 'x', g % 3 FROM generate_series(1, 9) g;
";

/// Each statement alone is taken back to the very same rows.
#[tokio::test]
async fn rows_come_back_as_they_were() {
    for flavor in flavors() {
        for statement in [
            "UPDATE customer SET note = 'x' || id, name = upper(name) WHERE id > 3",
            "UPDATE customer AS c SET note = o.id::text FROM orders o WHERE o.customer = c.id",
            "UPDATE orders SET state = 'paid', price = price + 0.001 WHERE id % 2 = 0 RETURNING id",
            "UPDATE orders SET raw = '{\"b\":2}', tags = NULL, at = now()",
            "WITH w AS (SELECT id FROM customer WHERE note IS NULL) UPDATE orders SET price = NULL FROM w WHERE customer = w.id",
            "UPDATE customer SET id = id + 1000 WHERE id > 20",
            "DELETE FROM orders WHERE price > 50",
            "DELETE FROM customer WHERE id <= 5",
            "DELETE FROM orders o USING customer c WHERE c.id = o.customer AND c.note IS NOT NULL",
            "INSERT INTO customer VALUES (101, 'new', NULL), (102, 'newer', 'n')",
            "INSERT INTO customer SELECT id + 200, name, note FROM customer",
            "INSERT INTO customer VALUES (1, 'one', 'x'), (300, 'y', 'y') ON CONFLICT DO NOTHING",
            "INSERT INTO customer VALUES (1, 'one', 'x'), (300, 'y', 'y') ON CONFLICT (id) DO UPDATE SET note = EXCLUDED.note",
            "INSERT INTO orders (customer, price) SELECT id, id FROM customer",
            "MERGE INTO customer c USING (VALUES (1), (2), (400)) v(id) ON v.id = c.id WHEN MATCHED AND v.id = 1 THEN DELETE WHEN \
             MATCHED THEN UPDATE SET note = 'm' WHEN NOT MATCHED THEN INSERT VALUES (v.id, 'm', 'm')",
            "WITH gone AS (DELETE FROM orders WHERE id < 10 RETURNING *) INSERT INTO log SELECT state::text, price FROM gone",
            "UPDATE log SET n = n + 1 WHERE n < 2",
            "DELETE FROM log WHERE n = 1",
            "INSERT INTO log SELECT * FROM log",
            "COPY customer (id, name) FROM stdin;\n500\tcopied\n501\ttoo\n\\.\n",
        ] {
            let world = World::of(flavor, SHOP, &[statement]);
            let all = |world: &World| ["customer", "orders", "log"].map(|table| world.rows(table));
            let before = all(&world);
            let done = world.apply(1).await.unwrap_or_else(|failure| panic!("{statement}: {failure:?}"));
            assert!(done.changed, "{statement}");
            let after = all(&world);
            assert_ne!(before, after, "{statement}");
            let again = world.apply(1).await.unwrap();
            assert!(!again.changed, "{statement}: happens once");
            assert_eq!(after, all(&world), "{statement}: happens once");
            assert!(matches!(world.inspect(1, Way::Forward).await, Found::Applied(_)), "{statement}");
            assert!(matches!(world.inspect(1, Way::Undo).await, Found::NotApplied), "{statement}");
            let undone = world.undo(1).await.unwrap_or_else(|failure| panic!("{statement}: {failure:?}"));
            assert_eq!(undone.facts["conflicts"], 0, "{statement}: {undone:?}");
            assert_eq!(before, all(&world), "{statement}: {undone:?}");
            assert!(matches!(world.inspect(1, Way::Undo).await, Found::Applied(_)), "{statement}");
            assert!(!world.undo(1).await.unwrap().changed, "{statement}: undone once");
            assert_eq!(
                world.run("SELECT count(*) FROM pg_class WHERE relname ~ '^image_'"),
                "0",
                "{statement}"
            );
            assert_eq!(
                world.run("SELECT count(*) FROM pg_trigger WHERE tgname ~ 'windlass'"),
                "0",
                "{statement}"
            );
        }
    }
}

/// What triggers of the table do in other tables is taken back too, and does not answer to the undo.
#[tokio::test]
async fn triggers_are_covered_and_silent() {
    let setup = [
        SHOP,
        "CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (TG_OP, NEW.id); NEW.note := \
         NEW.note || '!'; RETURN NEW; END $$; CREATE TRIGGER audit BEFORE UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION audit();",
    ]
    .concat();
    let world = World::new(&setup, &["UPDATE customer SET note = 'x' WHERE id > 10"]);
    let before = (world.rows("customer"), world.rows("log"));
    world.apply(1).await.unwrap();
    assert_eq!(world.run("SELECT count(*) FROM log WHERE what = 'UPDATE'"), "15");
    assert_eq!(world.run("SELECT DISTINCT note FROM customer WHERE id > 10"), "x!");
    world.undo(1).await.unwrap();
    assert_eq!(before, (world.rows("customer"), world.rows("log")));
    assert_eq!(world.run("SELECT tgenabled FROM pg_trigger WHERE tgname = 'audit'"), "O");
}

/// Partitions: rows that move between them, statements on one of them.
#[tokio::test]
async fn partitions_are_covered() {
    let setup = "CREATE TABLE m (id int, day int, v text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
        CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (10); CREATE TABLE m2 PARTITION OF m FOR VALUES FROM (10) TO (20);
        INSERT INTO m SELECT g, g % 20, 'v' FROM generate_series(1, 60) g;";
    for statement in [
        "UPDATE m SET v = 'w'",
        "UPDATE m SET day = (day + 5) % 20",
        "DELETE FROM m1 WHERE id < 30",
        "INSERT INTO m \
                       VALUES (100, 3, 'x'), (101, 13, 'y')",
    ] {
        let world = World::new(setup, &[statement]);
        let before = world.rows("m");
        world.apply(1).await.unwrap();
        assert_ne!(before, world.rows("m"));
        world.undo(1).await.unwrap();
        assert_eq!(before, world.rows("m"), "{statement}");
    }
}

/// Rows that others wrote to since stay as they are, and are listed.
#[tokio::test]
async fn conflicts_are_kept_and_listed() {
    let statements = [
        "UPDATE customer SET note = 'x'",
        "INSERT INTO customer VALUES (101, 'a', 'b'), (102, 'c', 'd')",
        "DELETE FROM customer WHERE id > 23 AND id < 100",
    ];
    let world = World::new(SHOP, &statements);
    for number in 1..=3 {
        world.apply(number).await.unwrap();
    }
    world.run("UPDATE customer SET note = 'mine' WHERE id = 1; UPDATE customer SET name = 'other' WHERE id = 2;
               UPDATE customer SET note = 'kept' WHERE id = 101; INSERT INTO customer VALUES (24, 'taken', 't');
               DELETE FROM customer WHERE id = 3");
    let third = world.undo(3).await.unwrap();
    assert_eq!(third.facts["conflicts"], 1, "{third:?}");
    assert_eq!(world.run("SELECT name FROM customer WHERE id IN (24, 25) ORDER BY id"), "taken\nc25");
    let second = world.undo(2).await.unwrap();
    assert_eq!(second.facts["conflicts"], 1, "{second:?}");
    assert_eq!(world.run("SELECT note FROM customer WHERE id > 100"), "kept");
    let first = world.undo(1).await.unwrap();
    assert_eq!(first.facts["conflicts"], 3, "{first:?}");
    assert_eq!(
        world.run("SELECT id, name, note FROM customer WHERE id IN (1, 2, 4, 5) ORDER BY id"),
        "1|c1|mine\n2|other|even\n4|c4|even\n5|c5|"
    );
    assert!(first.output.contains("mine"), "{}", first.output);
    let csv = std::fs::read_to_string(world.cx.workspace.join("conflicts.csv")).unwrap();
    assert!(csv.contains("public.customer,id=1,note,,x,mine\r\n"), "{csv}");
    assert!(csv.contains("id=3,note,,x,(no such row)"), "{csv}");
}

#[tokio::test]
async fn a_person_may_force_or_ask() {
    let mut world = World::new(SHOP, &["UPDATE customer SET note = 'x'"]);
    world.apply(1).await.unwrap();
    world.run("UPDATE customer SET note = 'mine' WHERE id = 1");
    world.cx.on_conflict = OnConflict::Ask;
    let failure = world.undo(1).await.unwrap_err();
    assert!(failure.output.contains("mine"), "{failure:?}");
    assert_eq!(world.run("SELECT count(*) FROM customer WHERE note = 'x'"), "24", "nothing was taken back");
    world.cx.on_conflict = OnConflict::Force;
    let done = world.undo(1).await.unwrap();
    assert_eq!(world.run("SELECT count(*) FROM customer WHERE note IN ('x', 'mine')"), "0", "{done:?}");
}

#[tokio::test]
async fn expected_rows_settings_queries_and_errors() {
    let mut world = World::new(
        "CREATE SCHEMA a; CREATE TABLE a.t (id int PRIMARY KEY, v text); INSERT INTO a.t VALUES (1, 'x'), (2, 'y')",
        &[
            "SET search_path = a",
            "UPDATE t SET v = 'z'",
            "UPDATE t\n  SET 数 = 1",
            "SELECT id, v FROM t ORDER BY id",
        ],
    );
    world.units[3].undo.class = windlass_plan::Class::Readonly;
    world.units[0].undo.class = windlass_plan::Class::Readonly;
    assert!(!world.apply(1).await.unwrap().changed);
    assert_eq!(world.apply(2).await.unwrap().facts["rows"], 2);
    let failure = world.apply(3).await.unwrap_err();
    assert!(failure.message.starts_with(":11:7: `UPDATE t SET 数 = 1`"), "{failure:?}");
    let done = world.apply(4).await.unwrap();
    assert_eq!(done.output, "id  v\n1   z\n2   z\n(2 rows)\n");
    assert!(world.seen.lock().unwrap().contains("(2 rows)"));
    let windlass_plan::Action::Sql { rows, .. } = &mut world.units[2].action else { panic!() };
    *rows = Some(3);
    let windlass_plan::Action::Sql { statement, .. } = &mut world.units[2].action else { panic!() };
    *statement = "DELETE FROM t".to_owned();
    let failure = world.apply(3).await.unwrap_err();
    assert!(failure.message.contains("changed 2 rows where `rows=3`"), "{failure:?}");
    assert_eq!(world.run("SELECT count(*) FROM a.t"), "2");
}

/// What foreign keys do on their own comes back, over several tables and into the same table.
#[tokio::test]
async fn cascades_of_every_kind_come_back() {
    let setup = "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a SELECT generate_series(1, 9);
        CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a ON DELETE SET NULL ON UPDATE CASCADE);
        INSERT INTO b SELECT g, g % 9 + 1 FROM generate_series(1, 30) g;
        CREATE TABLE c (id int PRIMARY KEY, b int REFERENCES b ON DELETE CASCADE); INSERT INTO c SELECT g, g FROM generate_series(1, 30) g;
        CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON DELETE CASCADE);
        INSERT INTO tree SELECT g, NULLIF(g / 2, 0) FROM generate_series(1, 40) g;";
    for statement in [
        "DELETE FROM a WHERE id < 5",
        "UPDATE a SET id = id + 100",
        "DELETE FROM b WHERE a = 3",
        "DELETE FROM tree WHERE id = 2",
    ] {
        let world = World::new(setup, &[statement]);
        let all = |world: &World| ["a", "b", "c", "tree"].map(|table| world.rows(table));
        let before = all(&world);
        world.apply(1).await.unwrap();
        let undone = world.undo(1).await.unwrap_or_else(|failure| panic!("{statement}: {failure:?}"));
        assert_eq!(undone.facts["conflicts"], 0, "{statement}: {undone:?}");
        assert_eq!(before, all(&world), "{statement}");
    }
}

/// A referenced key that is changed, under every rule of its foreign keys: what they did comes back, and what others wrote since
/// stays and is listed.
#[tokio::test]
async fn every_rule_for_a_changed_key_comes_back() {
    let tree = "CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON UPDATE RULE); INSERT INTO tree SELECT g, NULLIF(g / 2, 0) FROM \
                generate_series(1, 15) g";
    for flavor in flavors() {
        for rule in ["CASCADE", "SET NULL", "SET DEFAULT"] {
            let setup = "CREATE TABLE a (id int PRIMARY KEY, code text UNIQUE); INSERT INTO a VALUES (0, 'none'); INSERT INTO a SELECT g, 'c' || g FROM generate_series(1, 9) g;
                CREATE TABLE b (id int PRIMARY KEY, a int DEFAULT 0 REFERENCES a ON UPDATE RULE, code text DEFAULT 'none' REFERENCES a (code) ON UPDATE RULE);
                INSERT INTO b SELECT g, g % 9 + 1, 'c' || (g % 9 + 1) FROM generate_series(1, 30) g;
                CREATE TABLE c (k int DEFAULT 0 REFERENCES a ON UPDATE RULE, PRIMARY KEY (k)); INSERT INTO c VALUES (4);
                CREATE TABLE d (c int REFERENCES c ON UPDATE RULE); INSERT INTO d VALUES (4), (4), (NULL);";
            let setup = [setup, tree].concat().replace("RULE", rule);
            for statement in [
                "UPDATE a SET id = id + 100 WHERE id IN (1, 2, 3)",
                "UPDATE a SET id = id + 100, code = 'new' || code WHERE id IN (5, 6)",
                "UPDATE a SET code = upper(code) WHERE id > 0",
                "UPDATE a SET id = CASE id WHEN 7 THEN 70 ELSE 80 END WHERE id IN (7, 8)",
                "UPDATE tree SET id = id + 100 WHERE id = 2",
                "INSERT INTO a VALUES (1, 'c1'), (2, 'c2') ON CONFLICT (id) DO UPDATE SET id = EXCLUDED.id + 200",
                "WITH x AS (UPDATE a SET id = 300 WHERE id = 9 RETURNING id) INSERT INTO b SELECT 100, NULL, 'none' FROM x",
            ] {
                let world = World::of(flavor, &setup, &[statement]);
                let all = |world: &World| ["a", "b", "c", "d", "tree"].map(|table| world.rows(table));
                let before = all(&world);
                let done =
                    world.apply(1).await.unwrap_or_else(|failure| panic!("{rule}: {statement}: {failure:?}"));
                assert_ne!(before, all(&world), "{rule}: {statement}: {done:?}");
                let undone =
                    world.undo(1).await.unwrap_or_else(|failure| panic!("{rule}: {statement}: {failure:?}"));
                assert_eq!(undone.facts["conflicts"], 0, "{rule}: {statement}: {undone:?}");
                assert_eq!(before, all(&world), "{rule}: {statement}");
            }
            let world = World::of(flavor, &setup, &["UPDATE a SET id = id + 100 WHERE id IN (1, 2)"]);
            world.apply(1).await.unwrap();
            // Row 9 of b referred to 1, row 10 to 2.
            world.run("UPDATE b SET a = 5 WHERE id = 9");
            let done = world.undo(1).await.unwrap();
            assert_eq!(
                world.run("SELECT a FROM b WHERE id IN (9, 10) ORDER BY id"),
                "5\n2",
                "{rule}: {done:?}"
            );
            assert_eq!(done.facts["conflicts"], 1, "{rule}: {done:?}");
            assert_eq!(world.run("SELECT count(*) FROM a WHERE id > 100"), "0", "{rule}: {done:?}");
        }
    }
}

/// A row that others refer to is not taken away, nor what it refers to: by foreign keys of its own table, of other
/// schemas, and by such that are there only since.
#[tokio::test]
async fn rows_that_others_built_upon_are_kept_and_listed() {
    let setup = "CREATE TABLE a (id int PRIMARY KEY); CREATE SCHEMA elsewhere;
        CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE);
        CREATE TABLE elsewhere.c (id int PRIMARY KEY, b int REFERENCES b ON DELETE SET NULL); CREATE TABLE d (id int, a int);
        CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON DELETE CASCADE); INSERT INTO tree VALUES (1, NULL);";
    let (pair, tree) = (
        "WITH x AS (INSERT INTO a VALUES (1), (2), (3) RETURNING id) INSERT INTO b SELECT id, id FROM x",
        "INSERT INTO tree VALUES (10, 1), (11, 10), (12, 11), (13, 13), (20, 1), (21, 20)",
    );
    for (statement, others, left, conflicts) in [
        (pair, "INSERT INTO elsewhere.c VALUES (1, 1)", "1 / 1 / 1:1 /  / 1", 2),
        (
            pair,
            "ALTER TABLE d ADD FOREIGN KEY (a) REFERENCES a ON DELETE CASCADE; INSERT INTO d VALUES (7, 3)",
            "3 /  /  / 7:3 / 1",
            1,
        ),
        (tree, "SELECT 1", " /  /  /  / 1", 0),
        (tree, "INSERT INTO tree VALUES (99, 12)", " /  /  /  / 1 10 11 12 99", 3),
        (tree, "UPDATE tree SET up = NULL WHERE id = 11", " /  /  /  / 1 11", 1),
        (tree, "INSERT INTO tree VALUES (99, 13)", " /  /  /  / 1 13 99", 1),
    ] {
        for force in [false, true] {
            let mut world = World::new(setup, &[statement]);
            world.apply(1).await.unwrap();
            world.run(others);
            if force && others.starts_with("UPDATE") {
                continue;
            }
            world.cx.on_conflict = if force { OnConflict::Force } else { OnConflict::Keep };
            let done = world.undo(1).await.unwrap();
            let list = |what: &str, table: &str| {
                world.run(&format!("SELECT string_agg(({what})::text, ' ' ORDER BY id) FROM {table}"))
            };
            let now = [
                list("id", "a"),
                list("id", "b"),
                list("id || ':' || b", "elsewhere.c"),
                list("id || ':' || a", "d"),
                list("id", "tree"),
            ];
            assert_eq!(now.join(" / "), left, "{others}: {done:?}");
            assert_eq!(done.facts["conflicts"], conflicts, "{others}: {done:?}");
        }
    }
}

/// What became of a dropped index that was cut off is settled by hand of the definition in the ledger.
#[tokio::test]
async fn indexes_are_built_and_dropped_beside_writers() {
    let setup = "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT g, g % 10 FROM generate_series(1, 1000) g; \
                 CREATE INDEX old ON t (v DESC) WHERE v > 3;";
    let world = World::new(
        setup,
        &[
            "CREATE INDEX CONCURRENTLY ON t (v)",
            "DROP INDEX CONCURRENTLY old",
            "CREATE UNIQUE INDEX CONCURRENTLY u ON t (v)",
        ],
    );
    let list = "SELECT indexdef FROM pg_indexes WHERE tablename = 't' ORDER BY 1";
    let before = world.run(list);
    for number in [1, 2] {
        world.apply(number).await.unwrap();
        assert!(matches!(world.inspect(number, Way::Forward).await, Found::Applied(_)));
    }
    assert!(world.run(list).contains("t_v_idx") && !world.run(list).contains("old"));
    let failure = world.apply(3).await.unwrap_err();
    assert!(failure.message.contains("could not create unique index"), "{failure:?}");
    assert!(!world.run(list).contains("INDEX u "), "no INVALID index is left");
    assert!(matches!(world.inspect(3, Way::Forward).await, Found::NotApplied));
    for number in [2, 1] {
        world.undo(number).await.unwrap();
    }
    assert_eq!(before, world.run(list));
    // As a controller that died in the middle of the build leaves it.
    world.run("UPDATE t SET v = id; INSERT INTO windlass.ledger (run, unit, attempt, state, digest, rows, way_back) SELECT \
               '20260102-030405-abcd', 's/3', 1, 'begun', encode(sha256(convert_to('CREATE UNIQUE INDEX CONCURRENTLY u ON t (v)', \
               'UTF8') || '\\x00'), 'hex'), 0, '{\"indexes\":[\"\\\"public\\\".\\\"t_pkey\\\"\", \"\\\"public\\\".\\\"old\\\"\"]}'; CREATE UNIQUE INDEX u ON t (v); UPDATE pg_index SET indisvalid = false WHERE \
               indexrelid = 'u'::regclass");
    assert!(matches!(world.inspect(3, Way::Forward).await, Found::NotApplied));
    let done = world.apply(3).await.unwrap();
    assert!(done.effects[0].contains("INVALID"), "{done:?}");
    assert_eq!(world.run("SELECT indisvalid FROM pg_index WHERE indexrelid = 'u'::regclass"), "t");
}

/// What stands in the way of one row (a unique value that another has taken, a row that it refers to and that is gone, a check
/// that is there since) is a conflict of that row; all others come back.
#[tokio::test]
async fn a_row_that_cannot_come_back_holds_up_no_other() {
    let setup = "CREATE TABLE kind (id int PRIMARY KEY); INSERT INTO kind VALUES (1), (2);
        CREATE TABLE t (id int PRIMARY KEY, code text UNIQUE, kind int REFERENCES kind, n int);
        INSERT INTO t SELECT g, 'c' || g, 1 + g % 2, g FROM generate_series(1, 100) g;
        CREATE TABLE bare (a int UNIQUE, b int); INSERT INTO bare SELECT g, g FROM generate_series(1, 20) g;";
    for (statement, others, back, refused) in [
        (
            "UPDATE t SET code = 'x' || id",
            "INSERT INTO t VALUES (900, 'c40', 1, 0), (901, 'c77', 1, 0)",
            98,
            "t_code_key",
        ),
        (
            "UPDATE t SET kind = 2",
            "DELETE FROM t WHERE id > 100; UPDATE t SET kind = 2; DELETE FROM kind WHERE id = 1",
            50,
            "t_kind_fkey",
        ),
        ("DELETE FROM t WHERE id <= 60", "INSERT INTO t VALUES (900, 'c40', 1, 0)", 59, "t_code_key"),
        ("UPDATE t SET n = -id", "ALTER TABLE t ADD CHECK (n <> 7) NOT VALID", 99, "t_n_check"),
        ("DELETE FROM bare", "INSERT INTO bare VALUES (3, 3), (4, 9)", 18, "bare_a_key"),
    ] {
        for on_conflict in [OnConflict::Keep, OnConflict::Force] {
            let mut world = World::new(setup, &[statement]);
            world.apply(1).await.unwrap();
            world.run(others);
            world.cx.on_conflict = on_conflict;
            let done = world.undo(1).await.unwrap_or_else(|failure| panic!("{statement}: {failure:?}"));
            assert_eq!(done.facts["rows"], back, "{statement}: {done:?}");
            assert!(done.effects.iter().any(|line| line.contains("rows stay as they are")), "{done:?}");
            assert!(matches!(world.inspect(1, Way::Undo).await, Found::Applied(_)));
            let file = std::fs::read_to_string(world.cx.workspace.join("conflicts.csv")).unwrap();
            assert!(file.contains("not put back: ") && file.contains(refused), "{file}");
        }
    }
    // Asked about it, nothing of the unit is taken back.
    let mut world = World::new(setup, &["UPDATE t SET code = 'x' || id"]);
    world.apply(1).await.unwrap();
    world.run("INSERT INTO t VALUES (900, 'c40', 1, 0)");
    world.cx.on_conflict = OnConflict::Ask;
    assert!(world.undo(1).await.unwrap_err().message.contains("nothing of it was taken back"));
    assert_eq!(world.run("SELECT count(*) FROM t WHERE code LIKE 'x%'"), "100");
}

/// Unique numbers that were moved up go down again one after the other, in whatever order they lie.
#[tokio::test]
async fn rows_in_each_others_way_come_back() {
    let setup = "CREATE TABLE t (id int PRIMARY KEY, n int UNIQUE); INSERT INTO t SELECT g, 300 - g FROM generate_series(1, 200) g;";
    let world = World::new(setup, &["UPDATE t SET n = n + 1"]);
    let before = world.rows("t");
    world.apply(1).await.unwrap();
    let done = world.undo(1).await.unwrap();
    assert_eq!((done.facts["conflicts"].as_u64(), world.rows("t")), (Some(0), before), "{done:?}");
}

/// Numbers that were taken are said before and after: nothing turns a sequence back that others use as well.
#[tokio::test]
async fn sequences_that_move_are_said() {
    let setup = "CREATE SEQUENCE extra; CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
                 n bigint DEFAULT nextval('extra'), v text)";
    let world = World::new(setup, &["INSERT INTO t (v) VALUES ('a'), ('b')", "UPDATE t SET v = 'c'"]);
    let survey = PostgresDriver::new().survey(&world.cx, &world.units[0]).await.unwrap();
    for name in ["t_id_seq", "extra"] {
        assert!(
            survey.effects.iter().any(|line| line.contains(&format!("sequence {name} moves on"))
                || line.contains(&format!("sequence public.{name} moves on"))),
            "{survey:?}"
        );
    }
    world.apply(1).await.unwrap();
    world.apply(2).await.unwrap();
    let done = world.undo(2).await.unwrap();
    assert!(!done.effects.iter().any(|line| line.contains("sequence")), "{done:?}");
    let done = world.undo(1).await.unwrap();
    assert_eq!(done.effects.iter().filter(|line| line.contains("stays where it is")).count(), 2, "{done:?}");
    assert_eq!(world.run("SELECT count(*) FROM t; SELECT last_value FROM extra"), "0\n2");
}

/// What refers to a partitioned table refers to the rows of its partitions: they come back first.
#[tokio::test]
async fn rows_of_partitions_come_back_before_those_that_refer_to_them() {
    for flavor in flavors() {
        let setup = "CREATE TABLE a (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE a_low PARTITION OF a FOR VALUES FROM (0) TO (4);
            CREATE TABLE a_rest PARTITION OF a DEFAULT; CREATE TABLE b (id int, a int REFERENCES a, PRIMARY KEY (id, a)) PARTITION BY RANGE (a);
            CREATE TABLE b_all PARTITION OF b DEFAULT; CREATE TABLE c (id int NOT NULL UNIQUE, a int REFERENCES a);
            CREATE TABLE n (id int PRIMARY KEY, up int REFERENCES n) PARTITION BY RANGE (id); CREATE TABLE n_low PARTITION OF n FOR VALUES FROM (0) TO (9);
            INSERT INTO n VALUES (1, NULL), (2, 1), (3, 2);
            INSERT INTO a SELECT generate_series(1, 9); INSERT INTO b SELECT g, g FROM generate_series(1, 9) g; INSERT INTO c SELECT g, g FROM generate_series(1, 9) g";
        for statement in
            ["TRUNCATE a CASCADE", "TRUNCATE c, b, a", "TRUNCATE b, c", "TRUNCATE n", "DELETE FROM n_low"]
        {
            let world = World::of(flavor, setup, &[statement]);
            let all = || ["a", "b", "c", "n"].map(|table| world.rows(table));
            let before = all();
            world.apply(1).await.unwrap();
            let undone = world.undo(1).await.unwrap();
            assert_eq!(all(), before, "{flavor:?} {statement}: {undone:?}");
            assert_eq!(undone.facts["conflicts"], 0, "{flavor:?} {statement}");
        }
    }
}
