//! Statements on rows: applied, undone, with writes in between, killed, cut.

use super::*;
use windlass_driver::Effect;

const PEOPLE: &str = "CREATE TABLE person (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(40) NOT NULL, score DECIMAL(10,4), \
    note TEXT, born DATETIME(6), raw VARBINARY(20), seen TIMESTAMP NOT NULL DEFAULT '2001-01-01 00:00:00' ON UPDATE CURRENT_TIMESTAMP, \
    shout VARCHAR(50) AS (UPPER(name)) VIRTUAL, UNIQUE (name)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
    INSERT INTO person (id, name, score, note, born, raw) VALUES (1, '李', 1.5, 'a', '2020-01-02 03:04:05.678901', 0x00ff27), \
    (2, 'it''s', NULL, NULL, NULL, NULL), (3, 'c\\\\d', -3.25, '', '1000-01-01', ''), (100, 'z', 0, 'z', NOW(6), 0x27);";

const ALL: &str = "SELECT id, HEX(name), score, HEX(note), note IS NULL, born, HEX(raw), seen, shout FROM person ORDER BY id";

/// Applied, rolled back: every value is as before.
fn there_and_back(setup: &str, select: &str, statements: &[&str]) {
    for flavor in flavors() {
        let mut release = Release::new(flavor, setup, statements);
        let before = release.rows(select);
        release.apply();
        assert_ne!(release.rows(select), before, "{statements:?} changes something");
        release.roll_back();
        assert_eq!(release.rows(select), before, "{statements:?}");
        assert_eq!(release.left(), "", "{statements:?}");
    }
}

#[test]
fn each_kind_of_statement_comes_back() {
    let one = |statement: &str| there_and_back(PEOPLE, ALL, &[statement]);
    one(
        "UPDATE `person` AS P SET P.note = CONCAT('x', P.id), score = score + 1 WHERE P.id >= '2' -- the rest",
    );
    one("UPDATE person SET name = CONCAT(name, '!')");
    one("UPDATE person SET note = 'A' WHERE note = 'a' COLLATE utf8mb4_bin");
    one("DELETE FROM person WHERE id < 3");
    one("DELETE FROM person ORDER BY id DESC LIMIT 2");
    one("UPDATE person SET id = id + 1000 WHERE id = 1");
    one("INSERT INTO person (name) VALUES ('new'), ('newer')");
    one("INSERT INTO person SET id = 7, name = 'seven'");
    one("INSERT INTO person (name, note) SELECT CONCAT('copy of ', name), note FROM person");
    one("INSERT IGNORE INTO person (id, name) VALUES (1, 'taken'), (9, 'free')");
    one(
        "INSERT INTO person (id, name) VALUES (1, 'x'), (8, 'y') ON DUPLICATE KEY UPDATE name = 'changed', score = 9",
    );
    one("REPLACE INTO person (id, name) VALUES (1, 'replaced'), (50, 'it''s')");
    one("UPDATE person a JOIN person b ON a.id = b.id - 1 SET a.score = 77, b.note = 'joined'");
    one("DELETE a FROM person a JOIN person b ON a.id > b.id");
    one("UPDATE IGNORE person SET name = 'same'");
    one("UPDATE person SET score = RAND() WHERE id < 50");
}

#[test]
fn several_statements_come_back_in_order() {
    there_and_back(
        PEOPLE,
        ALL,
        &[
            "SET NAMES utf8mb4",
            "SET FOREIGN_KEY_CHECKS = 0",
            "UPDATE person SET score = 1",
            "DELETE FROM person WHERE id = 3",
            "INSERT INTO person (id, name) VALUES (3, 'again')",
            "UPDATE person SET score = score * 2 WHERE id < 10",
        ],
    );
}

#[test]
fn rows_written_since_are_kept_and_listed() {
    for flavor in flavors() {
        let mut release =
            Release::new(flavor, PEOPLE, &["UPDATE person SET note = 'release', score = 5 WHERE id <= 3"]);
        release.apply();
        release.rows(
            "UPDATE person SET note = 'RELEASE', seen = seen WHERE id = 2; DELETE FROM person WHERE id = 3",
        );
        let done = release.undo(0).unwrap();
        assert_eq!(
            release.rows("SELECT id, note, score FROM person WHERE id < 4"),
            "1\ta\t1.5000\n2\tRELEASE\t5.0000"
        );
        assert!(done.effects[0].starts_with("1 rows put back"), "{done:?}");
        assert!(done.effects[1].starts_with("2 rows were written to since and kept"), "{done:?}");
        assert!(done.output.contains("RELEASE"), "case is a difference: {}", done.output);
        let file = release.context(0).workspace.join("conflicts.csv");
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.contains("person,id=2,note,,release,RELEASE"), "{text}");
    }
}

#[test]
fn force_puts_them_back_and_ask_puts_back_nothing() {
    let mut release =
        Release::new(Flavor::Mariadb, PEOPLE, &["UPDATE person SET note = 'release' WHERE id < 3"]);
    release.apply();
    release.rows("UPDATE person SET note = 'theirs' WHERE id = 1");
    release.on_conflict = OnConflict::Ask;
    let failure = release.undo(0).unwrap_err();
    assert_eq!(failure.effect, Effect::None);
    assert!(failure.output.contains("theirs"), "{failure:?}");
    assert_eq!(release.rows("SELECT note FROM person WHERE id = 2"), "release");
    release.on_conflict = OnConflict::Force;
    release.undo(0).unwrap();
    assert_eq!(release.rows("SELECT id, note FROM person WHERE id < 3"), "1\ta\n2\tNULL");
}

#[test]
fn inserted_rows_that_were_changed_and_deleted_rows_that_came_again_stay() {
    for flavor in flavors() {
        let statements = [
            "INSERT INTO person (id, name) VALUES (10, 'ten'), (11, 'eleven')",
            "DELETE FROM person WHERE id < 3",
        ];
        let mut release = Release::new(flavor, PEOPLE, &statements);
        release.apply();
        release.rows("UPDATE person SET note = 'used' WHERE id = 10; INSERT INTO person (id, name) VALUES (1, 'other')");
        let done = release.roll_back();
        assert_eq!(
            release.rows("SELECT id, name, note FROM person WHERE id < 20"),
            "1\tother\tNULL\n2\tit's\tNULL\n3\tc\\\\d\t\n10\tten\tused"
        );
        assert!(done.iter().all(|done| done.effects.len() == 2), "{done:?}");
    }
}

#[test]
fn a_table_without_a_key_comes_back() {
    let setup = "CREATE TABLE log (at INT, text VARCHAR(300)); INSERT INTO log VALUES (1, 'a'), (1, 'a'), (2, NULL), (NULL, 'b')";
    let select = "SELECT at, text, COUNT(*) FROM log GROUP BY at, text ORDER BY 1, 2";
    for statement in [
        "UPDATE log SET text = 'c' WHERE at = 1",
        "DELETE FROM log",
        "INSERT INTO log SELECT * FROM log",
        "UPDATE log SET at = at + 1",
    ] {
        there_and_back(setup, select, &[statement]);
    }
}

#[test]
fn what_foreign_keys_do_comes_back_or_is_refused() {
    let setup = "CREATE TABLE parent (id INT PRIMARY KEY, n INT); CREATE TABLE child (id INT PRIMARY KEY, parent INT, \
        FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE); CREATE TABLE grandchild (id INT PRIMARY KEY, child INT, \
        FOREIGN KEY (child) REFERENCES child (id) ON DELETE SET NULL); CREATE TABLE audit (id INT AUTO_INCREMENT PRIMARY KEY, what TEXT);
        INSERT INTO parent VALUES (1, 1), (2, 2), (3, 3); INSERT INTO child VALUES (1, 1), (2, 1), (3, 2); INSERT INTO grandchild VALUES (1, 1), (2, 2), (3, 3);
        INSERT INTO audit VALUES (1, 'old');";
    let select = "SELECT * FROM parent ORDER BY 1; SELECT * FROM child ORDER BY 1; SELECT * FROM grandchild ORDER BY 1; SELECT * FROM audit";
    there_and_back(setup, select, &["DELETE FROM parent WHERE id = 1"]);
    let trigger = "CREATE TRIGGER tell AFTER UPDATE ON parent FOR EACH ROW INSERT INTO audit (what) VALUES (CONCAT(OLD.n, ' to ', NEW.n));";
    let release =
        &mut Release::new(Flavor::Mariadb, &(setup.to_owned() + trigger), &["UPDATE parent SET n = n * 10"]);
    let failure = release.step(0).unwrap_err();
    assert!(
        failure.message.contains("the trigger `tell` of `parent` (on UPDATE) would run again"),
        "{failure:?}"
    );
    let release = &mut Release::new(Flavor::Mariadb, setup, &["REPLACE INTO parent VALUES (1, 9)"]);
    let failure = release.step(0).unwrap_err();
    assert!(failure.message.contains("a foreign key changes rows of `child` along"), "{failure:?}");
    assert_eq!(release.rows("SELECT COUNT(*) FROM child"), "3");
}

#[test]
fn values_that_move_along_a_unique_key_come_back() {
    let setup = "CREATE TABLE seat (id INT PRIMARY KEY, place INT UNIQUE); INSERT INTO seat VALUES (1, 1), (2, 2), (3, 3)";
    there_and_back(
        setup,
        "SELECT * FROM seat ORDER BY id",
        &["UPDATE seat SET place = place + 1 ORDER BY place DESC"],
    );
}

#[test]
fn a_wrong_number_of_rows_changes_nothing() {
    let mut release = Release::new(Flavor::Mariadb, PEOPLE, &["UPDATE person SET note = 'x'"]);
    release.expect_rows(0, 3);
    let failure = release.step(0).unwrap_err();
    assert!(failure.message.contains("changed 4 rows where `rows=3`"), "{failure:?}");
    assert_eq!(release.rows("SELECT COUNT(*) FROM person WHERE note = 'x'"), "0");
    assert_eq!(release.left(), "");
    release.expect_rows(0, 4);
    release.step(0).unwrap();
}

#[test]
fn each_statement_happens_once() {
    for flavor in flavors() {
        let mut release = Release::new(flavor, PEOPLE, &["UPDATE person SET score = COALESCE(score, 0) + 1"]);
        let cx = release.context(0);
        let capsule = release.wait(crate::mysql::MysqlDriver::new().capture(&cx, &release.units[0])).unwrap();
        release.capsules.push(capsule);
        assert_eq!(release.inspect(0, Way::Forward), Found::NotApplied);
        assert!(release.again(0).unwrap().changed);
        assert!(!release.again(0).unwrap().changed);
        assert!(matches!(release.inspect(0, Way::Forward), Found::Applied(_)));
        assert_eq!(release.inspect(0, Way::Undo), Found::NotApplied);
        assert_eq!(release.rows("SELECT score FROM person WHERE id = 100"), "1.0000");
        assert!(release.undo(0).unwrap().changed);
        assert!(!release.undo(0).unwrap().changed);
        assert!(matches!(release.inspect(0, Way::Undo), Found::Applied(_)));
        assert_eq!(release.rows("SELECT score FROM person WHERE id = 100"), "0.0000");
    }
}

/// Another schema of the same server may be read; what a statement would change there is not changed.
#[test]
fn other_schemas_are_read_and_never_changed() {
    for flavor in flavors() {
        let other = server(flavor).database();
        other.run("CREATE TABLE u (id INT PRIMARY KEY, a INT); INSERT INTO u VALUES (1, 10), (2, 20)");
        let name = other.name();
        let setup = "CREATE TABLE t (id INT PRIMARY KEY, a INT); INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)";
        let everything = || other.run("SELECT * FROM u ORDER BY id; SHOW TABLES; SHOW CREATE TABLE u");
        let before = everything();
        for statement in [
            format!("UPDATE t JOIN {name}.u ON t.id = u.id SET t.a = u.a"),
            format!("UPDATE t SET a = (SELECT max(a) FROM `{name}`.u)"),
            format!("INSERT INTO t SELECT id + 10, a FROM {name}.u"),
            format!("DELETE FROM t WHERE id IN (SELECT id FROM {name}.u)"),
        ] {
            let mut release = Release::new(flavor, setup, &[&statement]);
            let was = release.rows("SELECT * FROM t ORDER BY id");
            release.apply();
            assert_ne!(release.rows("SELECT * FROM t ORDER BY id"), was, "{flavor:?} {statement}");
            release.undo(0).unwrap();
            assert_eq!(release.rows("SELECT * FROM t ORDER BY id"), was, "{flavor:?} {statement}");
            assert_eq!(everything(), before, "{flavor:?} {statement}");
        }
        for statement in [
            format!("UPDATE {name}.u SET a = 0"),
            format!("UPDATE t JOIN {name}.u ON t.id = u.id SET u.a = t.a"),
            format!("DELETE u FROM {name}.u JOIN t ON t.id = u.id"),
            format!("INSERT INTO {name}.u VALUES (3, 30)"),
            format!("ALTER TABLE {name}.u ADD COLUMN b INT"),
            format!("DROP TABLE {name}.u"),
            format!("TRUNCATE TABLE `{name}`.`u`"),
            format!("CREATE TABLE {name}.made (id INT)"),
            format!("RENAME TABLE t TO {name}.t"),
            format!("CREATE INDEX i ON {name}.u (a)"),
            format!("DROP TABLE t, {name}.u"),
            format!("ALTER TABLE t RENAME TO {name}.t"),
            format!("ALTER TABLE t EXCHANGE PARTITION p WITH TABLE {name}.u"),
        ] {
            let mut release = Release::new(flavor, setup, &[&statement]);
            let was = release.rows("SELECT * FROM t ORDER BY id");
            let failure = release.step(0).expect_err(&statement);
            assert!(failure.effect == Effect::None, "{flavor:?} {statement}: {failure:?}");
            let is_said = failure.message.contains(name) || statement.contains("PARTITION");
            assert!(is_said, "{flavor:?} {statement}: {failure:?}");
            assert_eq!(everything(), before, "{flavor:?} {statement}");
            assert_eq!(release.rows("SELECT * FROM t ORDER BY id"), was, "{flavor:?} {statement}");
        }
    }
}

#[test]
fn what_cannot_be_covered_is_refused_with_words() {
    let setup = "CREATE TABLE old (id INT PRIMARY KEY) ENGINE=MyISAM; CREATE TABLE t (id INT PRIMARY KEY); CREATE VIEW v AS SELECT * FROM t";
    for (statement, part) in [
        ("INSERT INTO old VALUES (1)", "MyISAM"),
        ("DELETE FROM v", "is a view"),
        ("DELETE FROM other.t", "of the database `other`"),
        ("CALL p()", "cannot be read"),
        ("DELETE FROM nothing", "no table `nothing`"),
    ] {
        let mut release = Release::new(Flavor::Mariadb, setup, &[statement]);
        let failure = release.step(0).unwrap_err();
        assert!(failure.message.contains(part) && failure.effect == Effect::None, "{failure:?}");
        assert!(failure.hints[0].contains("undoes=ID"), "{failure:?}");
    }
}
