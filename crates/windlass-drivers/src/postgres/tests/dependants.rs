//! What stands on an enum, and what a partition has beside its parent: it comes back with them.

use super::{schema::comes_back, *};

/// An enum, and all kinds of things that are made of it.
const USERS: &str = r#"
CREATE TYPE state AS ENUM ('new', 'paid', 'sent'); COMMENT ON TYPE state IS 'where it stands'; REVOKE USAGE ON TYPE state FROM PUBLIC;
CREATE TYPE free AS ENUM ('a', 'b'); ALTER TYPE free OWNER TO pg_monitor;
CREATE FUNCTION named(x state) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'x' $$; COMMENT ON FUNCTION named(state) IS 'its name';
ALTER FUNCTION named(state) OWNER TO pg_monitor; REVOKE EXECUTE ON FUNCTION named(state) FROM PUBLIC; GRANT EXECUTE ON FUNCTION named(state) TO pg_read_all_data WITH GRANT OPTION;
CREATE FUNCTION first_of(n int DEFAULT 1, x state DEFAULT 'new') RETURNS state LANGUAGE plpgsql STABLE AS $$ DECLARE y state := 'paid'; BEGIN RETURN y; END $$;
CREATE FUNCTION all_of(x state[]) RETURNS state[] LANGUAGE sql AS 'SELECT x'; CREATE FUNCTION each_of() RETURNS SETOF state LANGUAGE sql AS 'SELECT unnest(enum_range(NULL::public.state))';
CREATE FUNCTION listed(OUT a state, OUT b int) LANGUAGE sql AS $$ SELECT 'new'::public.state, 1 $$; CREATE PROCEDURE done(x state) LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION rows_of() RETURNS TABLE (s state, n int) LANGUAGE sql AS $$ SELECT 'new'::public.state, 1 $$;
CREATE FUNCTION later(a state, b state) RETURNS state LANGUAGE sql IMMUTABLE AS 'SELECT greatest(a, b)'; CREATE AGGREGATE last_of(state) (SFUNC = later, STYPE = state);
CREATE FUNCTION number(x state) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT CASE x WHEN 'new' THEN 1 ELSE 2 END $$;
CREATE CAST (text AS state) WITH INOUT AS ASSIGNMENT; CREATE CAST (state AS int) WITH FUNCTION number(state); COMMENT ON CAST (state AS int) IS 'by number';
CREATE DOMAIN open AS state DEFAULT 'new' NOT NULL CONSTRAINT not_sent CHECK (VALUE <> 'sent'); COMMENT ON DOMAIN open IS 'still to do';
CREATE DOMAIN many AS state[] CHECK (cardinality(VALUE) < 5);
CREATE TYPE step AS (at date, of state, "by whom" text COLLATE "C"); COMMENT ON COLUMN step.of IS 'it''s which';
CREATE TYPE steps AS (list step[], now open); CREATE FUNCTION steps_of(x step, y open) RETURNS many LANGUAGE sql AS 'SELECT NULL::public.many';
CREATE TABLE kinds (state state PRIMARY KEY, title text); INSERT INTO kinds VALUES ('new', 'n'), ('paid', 'p'), ('sent', 's');
CREATE TABLE orders (id int PRIMARY KEY, state state NOT NULL DEFAULT 'new' REFERENCES kinds, all_ state[] DEFAULT '{new}', is_open open, many many, step step, steps steps,
  free free, CHECK (state <> 'paid' OR id > 0), EXCLUDE USING btree (id WITH =), note text DEFAULT named('new'));
CREATE TABLE computed (id int, state state, is_new bool GENERATED ALWAYS AS (state = 'new') STORED, number int GENERATED ALWAYS AS (number(state)) STORED UNIQUE);
COMMENT ON COLUMN computed.number IS 'by number'; GRANT SELECT (number) ON computed TO pg_monitor;
CREATE INDEX orders_state ON orders (state) WHERE state = 'new'; CREATE INDEX orders_named ON orders (named(state));
CREATE VIEW news AS SELECT id, state, number(state) AS n FROM orders WHERE state = 'new'; GRANT SELECT ON news TO pg_monitor; CREATE VIEW numbers AS SELECT number FROM computed;
CREATE MATERIALIZED VIEW counts AS SELECT state, count(*) AS n FROM orders GROUP BY 1; CREATE UNIQUE INDEX ON counts (state);
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER noted BEFORE UPDATE OF state ON orders FOR EACH ROW WHEN (NEW.state = 'sent') EXECUTE FUNCTION noted();
CREATE POLICY own ON orders USING (state <> 'new'); CREATE RULE quiet AS ON DELETE TO orders WHERE OLD.state = 'sent' DO INSTEAD NOTHING;
CREATE STATISTICS st ON state, id FROM orders;
CREATE TABLE parts (id int, state state, PRIMARY KEY (id)) PARTITION BY RANGE (id); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
CREATE TABLE top (state state); CREATE TABLE heir (n int) INHERITS (top);
INSERT INTO orders SELECT g, (ARRAY['new', 'paid', 'sent'])[g % 3 + 1]::state, '{new,sent}', 'paid', '{sent}', '(2026-01-01,sent,"a ""b"", c")', '("{""(2026-01-01,new,)""}",new)', 'b'
  FROM generate_series(1, 20) g;
INSERT INTO computed SELECT 1, 'new'; INSERT INTO parts SELECT g, 'paid' FROM generate_series(1, 9) g; INSERT INTO heir VALUES ('sent', 1); REFRESH MATERIALIZED VIEW counts;
"#;

const ON_USERS: &[&str] = &[
    "ALTER TYPE state ADD VALUE 'lost' BEFORE 'sent'",
    "ALTER TYPE state ADD VALUE IF NOT EXISTS 'lost'",
    "ALTER TYPE free ADD VALUE 'c'",
    "ALTER TYPE state RENAME VALUE 'paid' TO 'settled'",
    "ALTER TYPE state RENAME TO status",
    "COMMENT ON COLUMN step.of IS NULL",
    "CREATE CAST (text AS free) WITH INOUT",
    "DROP CAST (state AS int)",
    "COMMENT ON CAST (text AS state) IS 'by name'",
    "DROP FUNCTION number(state) CASCADE",
    "ALTER TABLE computed DROP COLUMN number CASCADE",
];

/// Tables that are attached and detached.
const PIECES: &str = r#"
CREATE TABLE kinds (id int PRIMARY KEY); INSERT INTO kinds VALUES (1), (2);
CREATE TABLE parts (id int, day date, v text, kind int REFERENCES kinds, CONSTRAINT short CHECK (length(v) < 50), PRIMARY KEY (id, day), UNIQUE (day, v)) PARTITION BY RANGE (day);
CREATE INDEX parts_v ON parts (v) WHERE v <> ''; CREATE INDEX parts_id ON parts (id DESC);
CREATE TABLE logged (part int, day date, FOREIGN KEY (part, day) REFERENCES parts);
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$; CREATE TRIGGER noted BEFORE UPDATE ON parts FOR EACH ROW EXECUTE FUNCTION noted();
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
ALTER INDEX parts_1_pkey RENAME TO of_january; COMMENT ON INDEX of_january IS 'its own'; ALTER TABLE parts_1 CLUSTER ON of_january;
CREATE TABLE bare (id int NOT NULL, day date NOT NULL, v text, kind int, CONSTRAINT short CHECK (length(v) < 50));
CREATE TABLE keyed (LIKE bare, CONSTRAINT short CHECK (length(v) < 50), CONSTRAINT key_of_it PRIMARY KEY (id, day), FOREIGN KEY (kind) REFERENCES kinds, CONSTRAINT by_day UNIQUE (day, v));
CREATE INDEX by_v ON keyed (v) WHERE v <> ''; CREATE INDEX by_v_too ON keyed (v) WHERE v <> ''; CREATE INDEX by_kind ON keyed (kind); COMMENT ON INDEX by_v IS 'mine';
CREATE TABLE plain (LIKE bare, CONSTRAINT short CHECK (length(v) < 50), CONSTRAINT own CHECK (id > 0)); CREATE INDEX plain_by_v ON plain (v) WHERE v <> '';
CREATE UNIQUE INDEX plain_key ON plain (id, day); CREATE TRIGGER own BEFORE INSERT ON plain FOR EACH ROW EXECUTE FUNCTION noted();
CREATE TABLE year (id int, day date, v text, kind int, CONSTRAINT short CHECK (length(v) < 50), PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE year_1 PARTITION OF year FOR VALUES FROM ('2027-01-01') TO ('2027-02-01');
ALTER TABLE parts ATTACH PARTITION keyed FOR VALUES FROM ('2026-02-01') TO ('2026-03-01'); ALTER TABLE parts ATTACH PARTITION plain FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
ALTER TABLE parts ATTACH PARTITION year FOR VALUES FROM ('2027-01-01') TO ('2028-01-01'); CREATE TABLE keyed_2 (LIKE keyed INCLUDING ALL);
ALTER TABLE keyed_2 ADD CONSTRAINT of_kind FOREIGN KEY (kind) REFERENCES kinds; CREATE TABLE plain_2 (LIKE plain INCLUDING ALL); CREATE TABLE sub (LIKE parts INCLUDING ALL) PARTITION BY RANGE (day);
CREATE TABLE sub_1 PARTITION OF sub FOR VALUES FROM ('2028-01-01') TO ('2028-02-01');
INSERT INTO parts SELECT g, '2026-01-01'::date + g, 'v' || g, g % 2 + 1 FROM generate_series(1, 80) g; INSERT INTO bare VALUES (1, '2026-09-03', 'b', 1); INSERT INTO keyed_2 VALUES (1, '2026-09-03', 'b', 1);
"#;

const ON_PIECES: &[&str] = &[
    "ALTER TABLE parts ATTACH PARTITION bare FOR VALUES FROM ('2026-09-01') TO ('2026-10-01')",
    "ALTER TABLE parts ATTACH PARTITION keyed_2 FOR VALUES FROM ('2026-09-01') TO ('2026-10-01')",
    "ALTER TABLE parts ATTACH PARTITION plain_2 FOR VALUES FROM ('2026-09-01') TO ('2026-10-01')",
    "ALTER TABLE parts ATTACH PARTITION sub FOR VALUES FROM ('2028-01-01') TO ('2029-01-01')",
    "ALTER TABLE parts DETACH PARTITION parts_1",
    "ALTER TABLE parts DETACH PARTITION keyed",
    "ALTER TABLE parts DETACH PARTITION plain",
    "ALTER TABLE parts DETACH PARTITION year",
    "ALTER TABLE year DETACH PARTITION year_1",
    "DO $$ BEGIN ALTER TABLE parts DETACH PARTITION year; ALTER TABLE parts ATTACH PARTITION year FOR VALUES FROM ('2027-01-01') TO ('2029-01-01'); END $$",
    "DROP TABLE keyed CASCADE",
];

async fn all_come_back(setup: &str, statements: &[&str], tables: &[&str]) {
    for flavor in flavors() {
        let mut wrong = vec![];
        for statement in statements {
            wrong.extend(comes_back(flavor, setup, statement, tables).await);
        }
        assert!(wrong.is_empty(), "{flavor:?}:\n{}", wrong.join("\n"));
    }
}

/// Functions, casts, domains, composite types, generated columns and foreign keys come back with owners, privileges and comments.
#[tokio::test]
async fn what_is_made_of_an_enum_comes_back_with_it() {
    all_come_back(USERS, ON_USERS, &["orders", "computed", "parts", "heir", "counts", "kinds"]).await;
}

/// Keys and indexes have the names that they had; what the server made is gone.
#[tokio::test]
async fn partitions_come_and_go_with_what_is_theirs() {
    all_come_back(PIECES, ON_PIECES, &["parts", "bare", "keyed_2", "logged"]).await;
}

/// A label that is in use stops the undo, and the label stays.
#[tokio::test]
async fn a_label_that_is_in_use_stays() {
    for flavor in flavors() {
        let world = World::of(flavor, USERS, &["ALTER TYPE state ADD VALUE 'lost'"]);
        world.apply(1).await.unwrap();
        world.run("INSERT INTO kinds VALUES ('lost', 'l')");
        let failure = world.undo(1).await.unwrap_err();
        assert!(failure.message.contains("nothing was changed"), "{failure:?}");
        assert_eq!(world.run("SELECT count(*) FROM kinds WHERE state = 'lost'"), "1");
        world.run("DELETE FROM kinds WHERE state = 'lost'");
        world.undo(1).await.unwrap();
    }
}

/// What cannot be made anew is named, before anything runs.
#[tokio::test]
async fn an_enum_that_something_else_holds_is_refused_beforehand() {
    for (setup, named) in [
        ("CREATE TABLE held (st s, n int) PARTITION BY LIST (st)", "column st of public.held, by which"),
        (
            "CREATE DOMAIN d AS s; CREATE TABLE held (st d) PARTITION BY LIST (st)",
            "column st of public.held, by which",
        ),
        ("CREATE TYPE c AS (a s); CREATE TABLE held OF c", "table public.held"),
        ("CREATE TYPE span AS RANGE (subtype = s)", "span"),
        (
            "CREATE FUNCTION same(s, s) RETURNS bool LANGUAGE sql AS 'SELECT true'; CREATE OPERATOR === (LEFTARG = s, RIGHTARG = s, FUNCTION = same)",
            "===",
        ),
    ] {
        for flavor in flavors() {
            let setup = format!("CREATE TYPE s AS ENUM ('a', 'b'); {setup}");
            let world = World::of(flavor, &setup, &["ALTER TYPE s ADD VALUE 'c'"]);
            let survey = PostgresDriver::new().survey(&world.cx, &world.units[0]).await.unwrap();
            let is_said = |line: &String| line.contains("cannot lose its new label") && line.contains(named);
            // A typed table is no such one in a copy of the definitions: only the statement itself is told.
            assert!(
                survey.problems.iter().any(is_said) || setup.contains("TABLE held OF"),
                "{setup}: {survey:?}"
            );
            let failure = world.apply(1).await.unwrap_err();
            assert!(
                is_said(&failure.message) && failure.message.contains("nothing was changed"),
                "{failure:?}"
            );
            assert!(failure.hints.iter().any(|hint| hint.contains("undoes=")), "{failure:?}");
            assert_eq!(world.run("SELECT array_to_string(enum_range(NULL::s), ',')"), "a,b");
        }
    }
}
