//! What the catalog says, and how rules judge with it.

use super::*;
use windlass_driver::Driver as _;
use windlass_plan::{Live, SQL_RULES, SqlText, lint_sql};
use windlass_sql::{Dialect, ObjectName, Product};

async fn live(world: &World) -> Live {
    let units: Vec<&Unit> = world.units.iter().collect();
    PostgresDriver::new().catalog(&world.cx, &units).await.unwrap().unwrap()
}

/// Rules that the statements of a world trigger, with what was found.
fn judged(statements: &[&str], live: Option<&Live>) -> Vec<(&'static str, String)> {
    let texts: Vec<_> =
        statements.iter().map(|text| SqlText { text, dialect: Dialect::Postgresql, batch: false }).collect();
    lint_sql(&texts, live).into_iter().map(|found| (found.rule, found.message)).collect()
}

fn name(text: &str) -> ObjectName {
    ObjectName { parts: text.split('.').map(str::to_owned).collect() }
}

/// What the server believes of the size of a table that nobody could fill in a test.
fn pretend(table: &str, rows: u64) -> String {
    format!(
        "ALTER TABLE {table} SET (autovacuum_enabled = off); \
         UPDATE pg_class SET reltuples = {rows}, relpages = 1 WHERE oid = '{table}'::regclass; "
    )
}

const SHOP: &str = "CREATE SCHEMA other; CREATE TABLE other.orders (x int); \
    CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text); \
    CREATE TABLE orders (id integer, code varchar(10), state text, note text, price int, pieces int, amount int, user_id bigint, \
      owner bigint CONSTRAINT orders_owner REFERENCES users, CONSTRAINT code_set CHECK (code IS NOT NULL)); \
    CREATE TABLE booking (room int, during tsrange); \
    CREATE INDEX orders_state ON orders (state); CREATE INDEX orders_lower ON orders (lower(state), pieces); \
    CREATE UNIQUE INDEX some_codes ON orders (code) WHERE state = 'new'; \
    CREATE TABLE parts (id int, at date) PARTITION BY RANGE (at); \
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2020-01-01') TO ('2021-01-01'); \
    CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('2021-01-01') TO ('2022-01-01'); \
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; \
    CREATE TRIGGER looks BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION f(); \
    INSERT INTO users (email) SELECT 'a' FROM generate_series(1, 30); \
    INSERT INTO orders SELECT n, 'c' FROM generate_series(1, 10) n; INSERT INTO booking VALUES (1, 'empty'); ";

#[tokio::test]
async fn the_catalog_is_read_with_sizes_types_keys_and_sequences() {
    for flavor in flavors() {
        let setup = format!(
            "{SHOP} ANALYZE; INSERT INTO parts SELECT 1, '2020-05-05' FROM generate_series(1, 400); ANALYZE parts_1"
        );
        let world = World::of(
            flavor,
            &setup,
            &[
                "ALTER TABLE orders ADD COLUMN x int",
                "ALTER TABLE users ADD COLUMN y int",
                "UPDATE parts SET id = 2",
            ],
        );
        let live = live(&world).await;
        assert_eq!(live.server.unwrap().product, Product::Postgresql);
        assert!(live.server.unwrap().version.0 >= 15 && live.replicas == Some(0), "{live:?}");
        assert_eq!(live.settings["wal_level"], "replica", "{:?}", live.settings);
        assert_eq!(live.unknown, Vec::<String>::new());
        let orders = live.table(&name("orders")).unwrap();
        assert_eq!(orders.name, name("public.orders"), "the one that the path finds");
        assert_eq!(orders.rows, Some(10));
        assert!(orders.bytes > Some(8_000), "{orders:?}");
        let code = orders.column("code").unwrap();
        assert_eq!((code.kind.name.as_str(), code.kind.arguments[0].as_str()), ("character varying", "10"));
        assert!(code.proven_not_null && !code.not_null);
        assert!(!orders.has_key(), "a unique index of some rows is no key");
        assert!(orders.has_index_on(&["state".into()]) && !orders.has_index_on(&["user_id".into()]));
        assert_eq!(orders.foreign_keys[0].name, "orders_owner");
        assert_eq!(orders.foreign_keys[0].references, name("public.users"));
        let users = live.table(&name("users")).unwrap();
        assert_eq!(users.referenced_by, [name("public.orders")]);
        assert_eq!(
            (users.next_number, users.triggers.as_slice()),
            (Some(30), ["looks".to_owned()].as_slice())
        );
        assert!(users.column("id").unwrap().numbered);
        let parts = live.table(&name("parts")).unwrap();
        assert_eq!((parts.rows, parts.partitions), (Some(400), 2));
        assert!(parts.bytes > Some(16_000));
    }
}

#[tokio::test]
async fn rules_judge_by_size_what_the_text_cannot_tell() {
    // Rules that ask how large the table is; their bad examples are about `orders` and `booking`.
    let sized = [
        "index-blocks-writes",
        "drop-index-locks",
        "foreign-key-validates",
        "check-validates",
        "unique-builds-index",
        "primary-key-builds-index",
        "exclusion-locks",
        "set-not-null-scans",
        "volatile-default",
        "numbered-column-rewrites",
        "type-change-rewrites",
        "several-alters",
        "unbatched-backfill",
        "maintenance-locks",
    ];
    let rules: Vec<_> = SQL_RULES.iter().filter(|rule| sized.contains(&rule.name)).collect();
    assert_eq!(rules.len(), sized.len());
    let all: Vec<&str> = rules.iter().flat_map(|rule| rule.bad.split_inclusive(';')).map(str::trim).collect();
    let small = World::new(&format!("{SHOP} ANALYZE"), &all);
    let large = World::new(
        &(SHOP.to_owned() + &pretend("orders", 50_000_000) + &pretend("booking", 50_000_000)),
        &all,
    );
    let (small, large) = (live(&small).await, live(&large).await);
    assert_eq!(large.table(&name("orders")).unwrap().rows, Some(50_000_000));
    for rule in rules {
        let statements: Vec<&str> =
            rule.bad.split_inclusive(';').map(|text| text.trim().trim_end_matches(';')).collect();
        let fires = |live: Option<&Live>| {
            judged(&statements, live)
                .into_iter()
                .find(|(name, _)| *name == rule.name)
                .map(|(_, message)| message)
        };
        assert!(fires(None).is_some(), "{}: offline it is said", rule.name);
        assert_eq!(fires(Some(&small)), None, "{}: ten rows are no noise", rule.name);
        let said = fires(Some(&large)).unwrap_or_else(|| panic!("{}: many rows are said", rule.name));
        let with_size = rule.name == "several-alters" || said.contains("50000000 rows");
        assert!(with_size, "{}: {said}", rule.name);
    }
}

#[tokio::test]
async fn a_column_on_ten_rows_is_no_noise_and_on_fifty_million_a_finding_with_its_lock() {
    let add = ["ALTER TABLE orders ADD COLUMN extra text"];
    let small = World::new(&format!("{SHOP} ANALYZE"), &add);
    assert_eq!(judged(&add, Some(&live(&small).await)), []);
    assert_eq!(judged(&add, None), []);
    let large = World::new(&(SHOP.to_owned() + &pretend("orders", 50_000_000)), &add);
    let found = judged(&add, Some(&live(&large).await));
    assert_eq!(found[0].0, "lock-on-large-table");
    assert!(found[0].1.starts_with("ACCESS EXCLUSIVE on `orders` (50000000 rows, "), "{found:?}");
}

#[tokio::test]
async fn what_a_statement_before_made_or_changed_is_known() {
    let statements = [
        "CREATE TABLE fresh (id int)",
        "ALTER TABLE fresh ADD COLUMN a int NOT NULL",
        "ALTER TABLE orders ADD COLUMN short varchar(5)",
        "ALTER TABLE orders ALTER COLUMN short TYPE varchar(9)",
        "ALTER TABLE orders RENAME TO kept",
        "ALTER TABLE kept ALTER COLUMN short TYPE varchar(7)",
    ];
    let world = World::new(&(SHOP.to_owned() + &pretend("orders", 5_000_000)), &statements);
    let found = judged(&statements, Some(&live(&world).await));
    let rules: Vec<_> = found.iter().map(|(rule, _)| *rule).collect();
    // The longer one is free, the shorter one is not.
    assert_eq!(rules, ["several-alters", "type-change-rewrites"], "{found:?}");
    assert!(found[1].1.contains("`kept` (5000000 rows"), "{found:?}");
}

#[tokio::test]
async fn a_table_nobody_has_counted_is_judged_by_its_bytes() {
    let statements =
        ["CREATE INDEX i ON t (id)", "CREATE INDEX j ON u (id)", "ALTER TABLE v ADD COLUMN a int NOT NULL"];
    let world = World::new(
        "CREATE TABLE t (id int, x text) WITH (autovacuum_enabled = off); CREATE TABLE u (id int) WITH (autovacuum_enabled = off); \
         CREATE TABLE v (id int); INSERT INTO u VALUES (1); INSERT INTO t SELECT n, repeat('x', 400) FROM generate_series(1, 5000) n",
        &statements,
    );
    let live = live(&world).await;
    assert_eq!(live.table(&name("t")).unwrap().rows, None);
    assert_eq!(live.table(&name("v")).unwrap().rows, Some(0), "a table without a page is empty");
    let rules: Vec<_> = judged(&statements, Some(&live)).into_iter().map(|(rule, _)| rule).collect();
    assert_eq!(rules, ["index-blocks-writes"], "2 MB of unknown rows are said, 8 KB are not");
}

#[tokio::test]
async fn an_invalid_index_a_sequence_near_its_end_and_a_key_that_is_there_are_seen() {
    let statements = [
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS broken ON orders (state)",
        "ALTER TABLE numbers ADD COLUMN note text",
        "CREATE INDEX CONCURRENTLY more ON orders (state, pieces)",
        "UPDATE booking SET room = 2",
    ];
    let setup = format!(
        "{SHOP} CREATE INDEX broken ON orders (pieces); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broken'::regclass; \
         CREATE TABLE numbers (id serial PRIMARY KEY); SELECT setval('numbers_id_seq', 2000000000); ANALYZE"
    );
    let world = World::new(&setup, &statements);
    let found = judged(&statements, Some(&live(&world).await));
    let says = |rule: &str, words: &str| {
        assert!(found.iter().any(|(name, said)| *name == rule && said.contains(words)), "{rule}: {found:#?}");
    };
    says("concurrently-if-not-exists", "is there and INVALID");
    says("numbers-run-out", "is at 2000000000 of 2147483647");
    says("redundant-index", "(state, pieces) and (state)");
    says("no-key", "`booking` has neither");
}

#[tokio::test]
async fn an_open_transaction_is_named_and_what_may_not_be_seen_is_said() {
    let statements = ["ALTER TABLE orders ADD COLUMN extra text"];
    let world = World::new(SHOP, &statements);
    let url = world.database().url() + "?application_name=pg_dump";
    let (holder, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    holder.batch_execute("BEGIN; SELECT count(*) FROM orders").await.unwrap();
    let found = live(&world).await;
    assert!(found.transactions[0].idle && found.transactions[0].user == "postgres", "{found:?}");
    let said = judged(&statements, Some(&found));
    assert_eq!(said[0].0, "long-transaction");
    assert!(
        said[0].1.starts_with("`pg_dump` of `postgres` (process ") && said[0].1.ends_with(", idle"),
        "{said:?}"
    );

    // A server of its own: all databases of a server share its roles, and others compare them.
    let server = windlass_lab::Server::start(Flavor::Postgres15);
    let world = World::on(server.database(), &statements);
    world.run(SHOP);
    let role = "blind";
    let (_other, connection) =
        tokio_postgres::connect(&world.database().url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    world.run(&format!(
        "CREATE ROLE {role} LOGIN; GRANT SELECT ON orders TO {role}; ALTER ROLE {role} CONNECTION LIMIT 5"
    ));
    let url = world.database().url().replace("postgres@", &format!("{role}@"));
    let blind = World::at(&url, &["ALTER TABLE users ADD COLUMN extra text"]);
    let found = live(&blind).await;
    assert_eq!(found.transactions, []);
    let says =
        |words: &str| assert!(found.unknown.iter().any(|line| line.contains(words)), "{:?}", found.unknown);
    says("sessions of other users");
    says("where sequence users_id_seq stands");
    assert!(found.table(&name("users")).unwrap().bytes.is_some(), "sizes may be seen by all");
}
