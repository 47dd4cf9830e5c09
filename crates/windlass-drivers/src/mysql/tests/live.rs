//! What the catalog says, and how rules judge with it.

use super::*;
use windlass_plan::{Live, SQL_RULES, SqlText, lint_sql};
use windlass_sql::{Dialect, ObjectName, Product};

fn live(release: &Release) -> Live {
    let cx = release.context(0);
    let units: Vec<&Unit> = release.units.iter().collect();
    release.wait(crate::mysql::MysqlDriver::new().catalog(&cx, &units)).unwrap().unwrap()
}

fn judged(statements: &[&str], live: Option<&Live>) -> Vec<(&'static str, String)> {
    let texts: Vec<_> =
        statements.iter().map(|text| SqlText { text, dialect: Dialect::Mysql, batch: false }).collect();
    lint_sql(&texts, live).into_iter().map(|found| (found.rule, found.message)).collect()
}

fn name(text: &str) -> ObjectName {
    ObjectName { parts: vec![text.to_owned()] }
}

/// What the server believes of the size of a table that nobody could fill in a test. It reads the statistics anew when
/// it opens the table, for MariaDB only behind a new name.
fn pretend(release: &Release, table: &str, rows: u64) {
    release.rows(&format!(
        "ALTER TABLE {table} STATS_PERSISTENT = 1, STATS_AUTO_RECALC = 0; ANALYZE TABLE {table}; \
         UPDATE mysql.innodb_table_stats SET n_rows = {rows} WHERE database_name = DATABASE() AND table_name = '{table}'; \
         RENAME TABLE {table} TO other; RENAME TABLE other TO {table}; FLUSH TABLE {table}"
    ));
}

const SHOP: &str = "CREATE TABLE users (id BIGINT PRIMARY KEY); \
    CREATE TABLE orders (id INT AUTO_INCREMENT PRIMARY KEY, code VARCHAR(10) CHARACTER SET latin1 NOT NULL, \
      state ENUM('new', 'paid', 'sent'), price INT, pieces INT, total INT, twice INT AS (price * 2) VIRTUAL, user_id BIGINT, \
      KEY by_state (state), KEY hidden (pieces), CONSTRAINT buyer FOREIGN KEY (user_id) REFERENCES users (id)); \
    CREATE TABLE event (a INT); CREATE TABLE bare (id INT PRIMARY KEY); \
    CREATE TABLE parts (id INT) PARTITION BY RANGE (id) (PARTITION p1 VALUES LESS THAN (10), PARTITION p2 VALUES LESS THAN (20)); \
    INSERT INTO users VALUES (1); INSERT INTO event VALUES (1); INSERT INTO orders (code) VALUES ('a'), ('b'), ('c'); \
    CREATE TRIGGER looks BEFORE INSERT ON users FOR EACH ROW SET NEW.id = NEW.id; ";

#[test]
fn the_catalog_is_read_with_sizes_types_keys_and_versions() {
    for flavor in flavors() {
        let hide = if flavor == Flavor::Mysql { "INVISIBLE" } else { "IGNORED" };
        let statements = [
            "ALTER TABLE orders ADD COLUMN x INT",
            "UPDATE parts SET id = 2",
            "DELETE FROM users",
            "UPDATE bare SET id = 1",
        ];
        let release = Release::new(
            flavor,
            &format!("{SHOP} ALTER TABLE orders ALTER INDEX hidden {hide}; ANALYZE TABLE orders"),
            &statements,
        );
        let live = live(&release);
        let mariadb = flavor == Flavor::Mariadb;
        let server = live.server.unwrap();
        assert_eq!(server.product, if mariadb { Product::Mariadb } else { Product::Mysql });
        assert!(server.version >= if mariadb { (10, 11, 0) } else { (9, 0, 0) }, "{server:?}");
        assert!(live.settings["sql_mode"].contains("STRICT_TRANS_TABLES"), "{:?}", live.settings);
        assert_eq!((live.unknown.as_slice(), live.replicas), ([].as_slice(), Some(0)));
        let orders = live.table(&name("orders")).unwrap();
        assert_eq!(
            (orders.rows, orders.engine.as_deref(), orders.next_number),
            (Some(3), Some("innodb"), Some(4))
        );
        assert!(orders.bytes >= Some(16_384));
        let code = orders.column("code").unwrap();
        assert_eq!(
            (code.kind.name.as_str(), code.charset.as_deref(), code.not_null),
            ("varchar", Some("latin1"), true)
        );
        assert_eq!(orders.column("state").unwrap().kind.arguments, ["'new'", "'paid'", "'sent'"]);
        assert!(orders.column("twice").unwrap().generated && orders.column("id").unwrap().numbered);
        let index = |name: &str| orders.indexes.iter().find(|index| index.name == name).unwrap();
        assert!(index("PRIMARY").primary && index("by_state").usable && !index("hidden").usable);
        assert_eq!(orders.foreign_keys[0].references, name("users"));
        assert_eq!(orders.row_versions, (!mariadb).then_some(0));
        let users = live.table(&name("users")).unwrap();
        assert_eq!(
            (users.referenced_by.as_slice(), users.triggers.as_slice()),
            ([name("orders")].as_slice(), ["looks".to_owned()].as_slice())
        );
        assert_eq!(live.table(&name("parts")).unwrap().partitions, 2);
        assert_eq!(
            live.table(&name("bare")).unwrap().rows,
            Some(0),
            "looked into, for the estimate may be old"
        );
    }
}

#[test]
fn rules_judge_by_size_what_the_text_cannot_tell() {
    let sized = [
        "alter-copies",
        "alter-rebuilds",
        "expression-default-copies",
        "index-dropped-untried",
        "several-alters",
        "unbatched-backfill",
    ];
    let rules: Vec<_> = SQL_RULES.iter().filter(|rule| sized.contains(&rule.name)).collect();
    assert_eq!(rules.len(), sized.len());
    let add = "ALTER TABLE orders ADD COLUMN extra TEXT";
    for flavor in flavors() {
        let small = Release::new(flavor, SHOP, &[add]);
        let large = Release::new(flavor, SHOP, &[add]);
        pretend(&large, "orders", 50_000_000);
        let (small, large) = (live(&small), live(&large));
        assert_eq!(large.table(&name("orders")).unwrap().rows, Some(50_000_000), "{flavor:?}");
        for rule in &rules {
            let statements: Vec<&str> =
                rule.bad.split(';').map(str::trim).filter(|text| !text.is_empty()).collect();
            let fires = |live: Option<&Live>| {
                judged(&statements, live).into_iter().find(|(name, _)| *name == rule.name)
            };
            assert!(fires(None).is_some(), "{}: offline it is said", rule.name);
            assert_eq!(fires(Some(&small)), None, "{}: three rows are no noise", rule.name);
            let (_, said) =
                fires(Some(&large)).unwrap_or_else(|| panic!("{flavor:?} {}: many rows are said", rule.name));
            assert!(rule.name == "several-alters" || said.contains("50000000 rows"), "{}: {said}", rule.name);
        }
        assert_eq!(judged(&[add], Some(&small)), []);
        let found = judged(&[add], Some(&large));
        assert_eq!(found[0].0, "lock-on-large-table");
        assert!(
            found[0].1.contains("metadata lock on `orders` (50000000 rows")
                && found[0].1.contains("ALGORITHM=INSTANT"),
            "{found:?}"
        );
    }
}

#[test]
fn definitions_that_are_there_decide() {
    for flavor in flavors() {
        let statements = [
            "ALTER TABLE orders MODIFY state ENUM('new', 'paid', 'sent', 'gone')",
            "ALTER TABLE orders MODIFY state ENUM('paid', 'new')",
            "UPDATE event SET a = 2",
            "ALTER TABLE bare ADD COLUMN n INT NOT NULL",
            "ALTER TABLE users ADD COLUMN n INT NOT NULL",
        ];
        let release = Release::new(flavor, SHOP, &statements);
        pretend(&release, "orders", 5_000_000);
        let found = judged(&statements, Some(&live(&release)));
        let rules: Vec<_> = found.iter().map(|(rule, _)| *rule).collect();
        assert_eq!(
            rules,
            ["several-alters", "alter-copies", "enum-members", "no-key", "not-null-fills-zero"],
            "{found:#?}"
        );
        assert!(found[2].1.contains("'sent'"), "{found:#?}");
    }
}

#[test]
fn a_forgotten_transaction_is_named_and_what_may_not_be_seen_is_said() {
    let statements = ["ALTER TABLE orders ADD COLUMN extra INT"];
    for flavor in flavors() {
        let release = Release::new(flavor, SHOP, &statements);
        let holder = mysql_async::Opts::from_url(&release.url).unwrap();
        let mut holder = release.wait(mysql_async::Conn::new(holder)).unwrap();
        let open = "START TRANSACTION WITH CONSISTENT SNAPSHOT";
        release.wait(mysql_async::prelude::Queryable::query_drop(&mut holder, open)).unwrap();
        release
            .wait(mysql_async::prelude::Queryable::query_drop(&mut holder, "UPDATE users SET id = 2"))
            .unwrap();
        let mut found = live(&release);
        let id = u64::from(holder.id());
        let mine = found.transactions.iter_mut().find(|open| open.pid == id).unwrap();
        assert!(mine.idle && mine.user.starts_with("root@"), "{mine:?}");
        mine.age_s = 3_600;
        let said = judged(&statements, Some(&found));
        assert!(said[0].0 == "long-transaction" && said[0].1.contains("open for 3600 s, idle"), "{said:?}");
        release.wait(holder.disconnect()).unwrap();

        let user = format!("blind_{}", std::process::id());
        let of = release.database.name();
        release.rows(&format!("CREATE USER {user}@'%'; CREATE USER {user}@localhost; GRANT SELECT ON `{of}`.* TO {user}@'%'; GRANT SELECT ON `{of}`.* TO {user}@localhost"));
        let mut blind = Release::on(release.database.clone(), &statements);
        blind.url = blind.url.replace("root@", &format!("{user}@"));
        let found = live(&blind);
        release.rows(&format!("DROP USER {user}@'%', {user}@localhost"));
        assert_eq!((found.transactions.as_slice(), found.replicas), ([].as_slice(), None));
        assert!(
            found
                .unknown
                .iter()
                .any(|line| line.contains("transactions of others, and replicas: GRANT PROCESS")),
            "{:?}",
            found.unknown
        );
        assert_eq!(found.table(&name("orders")).unwrap().rows, Some(3), "the table itself may be seen");
    }
}
