//! Statements on definitions: proven before, applied, undone, stopped in between.

use super::*;
use windlass_driver::Effect;

const SETUP: &str = "CREATE TABLE parent (id INT PRIMARY KEY, code VARCHAR(10) NOT NULL COMMENT 'the code', UNIQUE KEY code (code)) COMMENT='parents';
    CREATE TABLE child (id INT UNSIGNED NOT NULL AUTO_INCREMENT, parent_id INT, name VARCHAR(30) CHARACTER SET latin1 NOT NULL DEFAULT 'it''s', \
      amount DECIMAL(10,2) DEFAULT 0.00, made TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, kind ENUM('a','b') DEFAULT 'a', \
      twice DECIMAL(11,2) AS (amount * 2) VIRTUAL, gone INT NOT NULL, note TEXT, \
      PRIMARY KEY (id), KEY by_name (name), KEY by_amount (amount, gone), CONSTRAINT to_parent FOREIGN KEY (parent_id) REFERENCES parent (id) ON DELETE CASCADE, \
      CONSTRAINT positive CHECK (amount >= 0)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
    CREATE TABLE plain (id INT PRIMARY KEY, v VARCHAR(20)) DEFAULT CHARSET=utf8mb4;
    CREATE VIEW names AS SELECT id, name FROM child; CREATE VIEW codes AS SELECT n.id, p.code FROM names n JOIN parent p ON p.id = n.id;
    CREATE TRIGGER first BEFORE INSERT ON plain FOR EACH ROW SET NEW.v = CONCAT(NEW.v, '1');
    CREATE TRIGGER second BEFORE INSERT ON plain FOR EACH ROW SET NEW.v = CONCAT(NEW.v, '2');
    CREATE FUNCTION double_it (n INT) RETURNS INT DETERMINISTIC RETURN n * 2;
    INSERT INTO parent VALUES (1, 'x'), (2, 'y'); INSERT INTO child (parent_id, name, amount, gone, note) VALUES (1, 'n1', 1.50, 7, 'text'), (2, 'n2', 2.25, 8, NULL);
    INSERT INTO plain VALUES (1, 'p'), (2, 'q');";

/// Every definition and every row, as text.
pub(super) fn world(database: &Database) -> String {
    let mut direct = Direct::to(database);
    world_by(&mut |sql| direct.run(sql))
}

/// The same, asked by `run`.
pub(super) fn world_by(run: &mut dyn FnMut(&str) -> Result<String, String>) -> String {
    let mut text = String::new();
    let tables = run(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name NOT LIKE '%windlass\\_%' ORDER BY 1",
    );
    for table in tables.unwrap().lines() {
        let create = run(&format!("SHOW CREATE TABLE `{table}`")).unwrap();
        let (_, create) = create.split_once('\t').unwrap();
        text += &windlass_sql::mysql::Table::read(create).map_or(create.to_owned(), |table| table.print());
        text += "\n";
        text += &run(&format!("SELECT * FROM `{table}` ORDER BY 1, 2")).unwrap_or_else(|error| error);
        text += "\n";
    }
    for sql in [
        "SELECT trigger_name, action_order, action_statement FROM information_schema.triggers WHERE trigger_schema = DATABASE() ORDER BY 1",
        "SELECT routine_name, routine_definition, routine_comment FROM information_schema.routines WHERE routine_schema = DATABASE() ORDER BY 1",
        "SELECT event_name, event_definition, interval_value, status, event_comment FROM information_schema.events WHERE event_schema = DATABASE() ORDER BY 1",
    ] {
        text += &run(sql).unwrap();
        text += "\n";
    }
    text
}

/// Applied and rolled back, also when it is stopped between any two of its statements.
fn there_and_back(flavor: Flavor, statements: &[&str]) {
    there_and_back_from(flavor, SETUP, statements);
}

pub(super) fn there_and_back_from(flavor: Flavor, setup: &str, statements: &[&str]) {
    let mut release = Release::new(flavor, setup, statements);
    let before = world(&release.database);
    release.apply();
    let after = world(&release.database);
    assert_ne!(after, before, "{flavor:?} {statements:?} changes something");
    for at in (0..statements.len()).filter(|at| release.units[*at].undo.by == UndoBy::Driver) {
        assert!(matches!(release.inspect(at, Way::Forward), Found::Applied(_) | Found::Unknown(_)), "{at}");
    }
    let done = release.roll_back();
    assert_eq!(world(&release.database), before, "{flavor:?} {statements:?} {done:?}");
    assert!(matches!(release.inspect(0, Way::Undo), Found::Applied(_)), "{statements:?}");
}

fn each(statements: &[&str]) {
    for flavor in flavors() {
        for statement in statements {
            there_and_back(flavor, &[statement]);
        }
    }
}

#[test]
fn columns_come_back() {
    each(&[
        "ALTER TABLE child ADD COLUMN s3_key VARCHAR(50) COMMENT 's3的key' AFTER parent_id",
        "ALTER TABLE plain ADD a INT NOT NULL DEFAULT 3 FIRST, ADD (b INT, c INT)",
        "ALTER TABLE child MODIFY COLUMN kind VARCHAR(10) COMMENT '性别'",
        "ALTER TABLE child MODIFY gone BIGINT UNSIGNED NULL FIRST",
        "ALTER TABLE child CHANGE note remark LONGTEXT",
        "ALTER TABLE child RENAME COLUMN amount TO price, DROP CONSTRAINT positive, DROP COLUMN twice",
        "ALTER TABLE child ALTER COLUMN name SET DEFAULT 'other', ALTER parent_id DROP DEFAULT",
        "ALTER TABLE child DROP COLUMN twice",
    ]);
}

#[test]
fn dropped_columns_come_back_with_their_values() {
    each(&[
        "ALTER TABLE child DROP COLUMN gone",
        "ALTER TABLE child DROP COLUMN note, DROP COLUMN gone, ADD COLUMN more INT AFTER id",
        "ALTER TABLE child DROP COLUMN made",
        "ALTER TABLE plain DROP v",
    ]);
}

#[test]
fn keys_and_constraints_come_back() {
    each(&[
        "ALTER TABLE child DROP KEY by_name",
        "DROP INDEX by_amount ON child",
        "CREATE UNIQUE INDEX unique_name ON child (name(5), id DESC)",
        "ALTER TABLE child RENAME INDEX by_name TO with_name",
        "ALTER TABLE child DROP FOREIGN KEY to_parent",
        "ALTER TABLE child ADD KEY x (`note`(10)) USING BTREE, ADD UNIQUE KEY (gone), ADD FULLTEXT KEY words (note)",
        "ALTER TABLE plain ADD CONSTRAINT pp FOREIGN KEY (id) REFERENCES parent (id)",
        "ALTER TABLE plain DROP PRIMARY KEY, ADD PRIMARY KEY (id, v)",
        "ALTER TABLE plain ADD CONSTRAINT c CHECK (id > 0)",
    ]);
}

#[test]
fn tables_come_back() {
    each(&[
        "CREATE TABLE made (id INT PRIMARY KEY)",
        "CREATE TABLE copied AS SELECT * FROM plain",
        "CREATE TABLE alike LIKE child",
        "DROP TABLE child",
        "DROP TABLE IF EXISTS plain, nothing",
        "RENAME TABLE plain TO parked, parent TO plain, parked TO parent",
        "ALTER TABLE child RENAME legacy_child",
        "ALTER TABLE child COMMENT '订阅转让记录表'",
        "ALTER TABLE child CONVERT TO CHARACTER SET utf8mb3 COLLATE utf8mb3_bin",
        "ALTER TABLE child DEFAULT CHARACTER SET latin1",
        "ALTER TABLE plain ROW_FORMAT=COMPRESSED STATS_PERSISTENT=1",
        "ALTER TABLE plain PARTITION BY HASH (id) PARTITIONS 3",
    ]);
}

#[test]
fn other_things_come_back() {
    each(&[
        "CREATE VIEW more AS SELECT * FROM codes",
        "DROP VIEW names",
        "CREATE OR REPLACE VIEW names AS SELECT id, name, note FROM child",
        "DROP TRIGGER first",
        "CREATE TRIGGER third AFTER UPDATE ON parent FOR EACH ROW BEGIN SET @x = 'ü'; END",
        "DROP FUNCTION double_it",
        "CREATE PROCEDURE p (OUT n INT) BEGIN SELECT COUNT(*) INTO n FROM plain; END",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DO DELETE FROM plain",
    ]);
}

/// What exists before it is changed or goes, and what one kind of server has only.
#[test]
fn seldom_things_come_back() {
    let setup = "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20), w INT); INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2);
        CREATE VIEW seen AS SELECT id, v FROM t; CREATE PROCEDURE p (OUT n INT) COMMENT 'counts' SELECT COUNT(*) INTO n FROM t;
        CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DISABLE COMMENT 'tidies' DO DELETE FROM t;";
    let everywhere = [
        "ALTER TABLE t MODIFY v VARCHAR(20) INVISIBLE",
        "ALTER TABLE t ADD COLUMN x INT INVISIBLE DEFAULT 4",
        "ALTER TABLE t ENGINE=MyISAM",
        "ALTER VIEW seen AS SELECT id, w FROM t",
        "DROP PROCEDURE p",
        "ALTER PROCEDURE p COMMENT 'other'",
        "ALTER EVENT e ON SCHEDULE EVERY 2 DAY",
        "ALTER EVENT e ENABLE COMMENT 'tidies more'",
        "ALTER EVENT e RENAME TO f",
        "DROP EVENT e",
    ];
    let mariadb = ["CREATE SEQUENCE s START 5", "ALTER SEQUENCE s2 INCREMENT 3", "DROP SEQUENCE s2"];
    for flavor in flavors() {
        for statement in everywhere {
            there_and_back_from(flavor, setup, &[statement]);
        }
        for statement in mariadb.iter().filter(|_| flavor == Flavor::Mariadb) {
            there_and_back_from(
                flavor,
                &format!("{setup} CREATE SEQUENCE s2 START 7 INCREMENT 2;"),
                &[statement],
            );
        }
    }
}

#[test]
fn rows_of_a_truncated_table_come_back() {
    for flavor in flavors() {
        let mut release = Release::new(
            flavor,
            "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(9)); INSERT INTO t (v) VALUES ('a'), ('b')",
            &["TRUNCATE TABLE t"],
        );
        let before = world(&release.database);
        release.apply();
        assert_eq!(release.rows("SELECT COUNT(*) FROM t"), "0");
        assert_eq!(release.rows("INSERT INTO t (v) VALUES ('new'); SELECT LAST_INSERT_ID()"), "1");
        let done = release.roll_back();
        assert_eq!(world(&release.database), before);
        assert!(done[0].effects[0].contains("has rows that were written since: it is kept as"), "{done:?}");
    }
}

#[test]
fn a_new_table_with_rows_is_kept_aside() {
    for flavor in flavors() {
        let mut release = Release::new(flavor, SETUP, &["CREATE TABLE made (id INT PRIMARY KEY)"]);
        let before = world(&release.database);
        release.apply();
        release.rows("INSERT INTO made VALUES (5)");
        let done = release.roll_back();
        assert_eq!(world(&release.database), before);
        let kept = release.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE '%kept_made'");
        assert_eq!(release.rows(&format!("SELECT * FROM `{kept}`")), "5", "{done:?}");
    }
}

#[test]
fn a_chain_of_statements_comes_back() {
    for flavor in flavors() {
        there_and_back(
            flavor,
            &[
                "SET FOREIGN_KEY_CHECKS = 0",
                "ALTER TABLE child ADD COLUMN s3_key VARCHAR(50) AFTER parent_id",
                "UPDATE child SET s3_key = CONCAT('spec/', id, '.txt')",
                "ALTER TABLE child DROP COLUMN gone",
                "DROP VIEW codes",
                "ALTER TABLE child RENAME TO kid",
                "CREATE TABLE child (id INT PRIMARY KEY)",
                "INSERT INTO child VALUES (1), (2)",
                "ALTER TABLE kid MODIFY s3_key VARCHAR(60) NOT NULL",
                "DROP TABLE plain",
            ],
        );
    }
}

#[test]
fn rows_written_after_a_dropped_column_have_a_value_when_it_comes_back() {
    for flavor in flavors() {
        let mut release = Release::new(flavor, SETUP, &["ALTER TABLE child DROP COLUMN gone"]);
        release.apply();
        assert!(!release.rows("SELECT * FROM child").contains("\t7"), "nobody sees it");
        release.rows("INSERT INTO child (parent_id, name) VALUES (1, 'later')");
        release.roll_back();
        assert_eq!(release.rows("SELECT name, gone FROM child ORDER BY id"), "n1\t7\nn2\t8\nlater\t0");
    }
}

#[test]
fn what_somebody_else_changed_since_is_left_alone() {
    let mut release = Release::new(Flavor::Mariadb, SETUP, &["ALTER TABLE child ADD COLUMN a INT"]);
    release.apply();
    release.rows("ALTER TABLE child ADD COLUMN b INT");
    let failure = release.undo(0).unwrap_err();
    assert!(failure.message.contains("table child was changed since, and is left as it is"), "{failure:?}");
    assert!(failure.hints.iter().any(|hint| hint.contains("DROP COLUMN `a`")), "{failure:?}");
    assert!(
        matches!(release.inspect(0, Way::Forward), Found::Unknown(text) if text.contains("neither as before nor as after"))
    );
}

#[test]
fn what_fails_is_said_before_it_runs() {
    for (statement, part) in [
        ("ALTER TABLE child ADD COLUMN name INT", "Duplicate column name 'name'"),
        ("ALTER TABLE nothing ADD COLUMN name INT", "doesn't exist"),
        ("ALTER TABLE child ADDD COLUMN name INT", "syntax"),
        ("CREATE OR REPLACE TABLE plain (id INT)", "together with its rows"),
        ("TRUNCATE child", "write `DELETE FROM`"),
    ] {
        let mut release = Release::new(Flavor::Mariadb, SETUP, &[statement]);
        let before = world(&release.database);
        let failure = release.step(0).unwrap_err();
        assert!(failure.message.contains(part) && failure.effect == Effect::None, "{failure:?}");
        assert_eq!(world(&release.database), before);
    }
}

#[test]
fn a_user_without_the_right_to_a_shadow_reads_which_grant_to_give() {
    let mut release = Release::new(Flavor::Mariadb, SETUP, &["ALTER TABLE plain ADD COLUMN a INT"]);
    let (name, user) = (release.database.name().to_owned(), format!("u_{}", release.database.name()));
    server(Flavor::Mariadb)
        .run(&format!("CREATE USER {user}@'%'; GRANT ALL PRIVILEGES ON `{name}`.* TO {user}@'%'"));
    release.url = release.url.replace("root@", &format!("{user}@"));
    let failure = release.step(0).unwrap_err();
    assert!(failure.hints[1].contains("GRANT ALL PRIVILEGES ON `windlass\\_shadow\\_%`.*"), "{failure:?}");
    server(Flavor::Mariadb).run(&format!("GRANT ALL PRIVILEGES ON `windlass\\_shadow\\_%`.* TO {user}@'%'"));
    release.step(0).unwrap();
    release.undo(0).unwrap();
}

#[test]
fn a_lock_of_somebody_is_waited_for_and_named() {
    let mut release = Release::new(Flavor::Mariadb, SETUP, &["ALTER TABLE plain ADD COLUMN a INT"]);
    let database = release.database.clone();
    let holder = std::thread::spawn(move || {
        database.run("START TRANSACTION; SELECT COUNT(*) FROM plain; SELECT SLEEP(5); COMMIT");
    });
    testing::wait_until("the transaction is open", || {
        release.rows("SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE 'SELECT SLEEP(5)%'")
            == "1"
    });
    release.step(0).unwrap();
    holder.join().unwrap();
    let seen = release.seen.lock().unwrap().clone();
    assert!(seen.contains("locked by another session") && seen.contains("SELECT SLEEP(…)"), "{seen}");
}

#[test]
fn statements_behind_another_character_set_come_back() {
    let setup = "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20), kind ENUM('a','b') NOT NULL DEFAULT 'a', note TEXT, \
        said VARCHAR(9) CHARACTER SET latin1, KEY (name)) DEFAULT CHARSET=utf8mb4; INSERT INTO t VALUES (1, 'n', 'b', 'x', 'y');";
    for flavor in flavors() {
        for charset in ["latin1", "utf8mb3", "utf8mb4 COLLATE utf8mb4_bin"] {
            let convert = format!("ALTER TABLE t CONVERT TO CHARACTER SET {charset}");
            let mut wrong = vec![];
            for behind in [
                "ALTER TABLE t ADD COLUMN more VARCHAR(10) NOT NULL DEFAULT 'm'",
                "ALTER TABLE t MODIFY name VARCHAR(50) NOT NULL",
                "ALTER TABLE t DROP COLUMN note",
                "ALTER TABLE t CHANGE name title VARCHAR(20) AFTER note",
                "CREATE INDEX k ON t (kind)",
                "ALTER TABLE t RENAME TO u",
                "DROP TABLE t",
                "CREATE TABLE v LIKE t",
                "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4",
                "ALTER TABLE t DEFAULT CHARACTER SET ascii",
            ] {
                let mut release = Release::new(flavor, setup, &[convert.as_str(), behind]);
                let before = world(&release.database);
                if let Err(failure) = release.step(0).and_then(|_| release.step(1)) {
                    wrong.push(format!("{behind}: {} {:?}", failure.message, failure.hints));
                    continue;
                }
                release.roll_back();
                if world(&release.database) != before {
                    wrong.push(format!("{behind}: {} instead of {before}", world(&release.database)));
                }
            }
            assert!(wrong.is_empty(), "{flavor:?} {charset}:\n{}", wrong.join("\n"));
        }
    }
}
