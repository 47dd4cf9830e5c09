//! Values that a changed column no longer holds.

use super::definitions::world;
use super::*;
use windlass_driver::Effect;

const LAX: &str = "SET sql_mode = ''";
const SETUP: &str = "CREATE TABLE t (id INT PRIMARY KEY, amount DECIMAL(8,3), made DATETIME(3), name VARCHAR(20) NOT NULL, small INT, \
      kind ENUM('a','b','c'), maybe INT, word VARCHAR(30), code VARCHAR(300), \
      seen TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, KEY (name)) DEFAULT CHARSET=utf8mb4;
    INSERT INTO t VALUES (1, 1.555, '2024-02-29 12:34:56.789', 'long name  ', 70000, 'c', NULL, '日本', 'x7', '2020-01-01 00:00:00'), \
      (2, 2.5, '2024-03-01 00:00:00.000', 'abc', 7, 'a', 5, 'plain', '12', '2020-01-02 00:00:00'), \
      (3, NULL, NULL, '', -300, NULL, NULL, NULL, NULL, '2020-01-03 00:00:00');";

/// What a server does to values without a word, or with a warning; `true`: only without strict mode.
const NARROWING: [(&str, bool); 12] = [
    ("ALTER TABLE t MODIFY amount DECIMAL(8,1)", false),
    ("ALTER TABLE t MODIFY made DATE", false),
    ("ALTER TABLE t MODIFY made DATETIME", false),
    ("ALTER TABLE t CHANGE name short VARCHAR(3) NOT NULL FIRST", true),
    ("ALTER TABLE t MODIFY small TINYINT", true),
    ("ALTER TABLE t MODIFY kind ENUM('a','b') NOT NULL", true),
    ("ALTER TABLE t MODIFY maybe INT NOT NULL", true),
    ("ALTER TABLE t MODIFY word VARCHAR(30) CHARACTER SET latin1", true),
    ("ALTER TABLE t MODIFY code INT UNSIGNED", true),
    (
        "ALTER TABLE t MODIFY amount INT, MODIFY small SMALLINT UNSIGNED, CHANGE word other CHAR(2) NOT NULL, ADD COLUMN more INT",
        true,
    ),
    ("ALTER TABLE t CONVERT TO CHARACTER SET latin1", true),
    ("ALTER TABLE t DROP COLUMN maybe, MODIFY amount DECIMAL(8,1)", false),
];

fn release(flavor: Flavor, setup: &str, statement: &str, lax: bool) -> Release {
    let statements = [LAX, statement];
    Release::new(flavor, setup, &statements[usize::from(!lax)..])
}

#[test]
fn values_that_a_narrower_column_loses_come_back() {
    for flavor in flavors() {
        for (statement, lax) in NARROWING {
            let mut release = release(flavor, SETUP, statement, lax);
            let before = world(&release.database);
            release.apply();
            let seen = release.rows("SELECT * FROM t ORDER BY id");
            assert!(!before.contains(&seen), "{statement} changes no value: {seen}");
            let last = release.units.len() - 1;
            assert!(matches!(release.inspect(last, Way::Forward), Found::Applied(_)), "{statement}");
            release.roll_back();
            assert_eq!(world(&release.database), before, "{flavor:?} {statement}");
            assert_eq!(release.left(), "", "{statement}");
            assert!(matches!(release.inspect(last, Way::Undo), Found::Applied(_)), "{statement}");
        }
    }
}

#[test]
fn a_value_written_since_stays_and_is_listed() {
    for flavor in flavors() {
        let mut release = release(flavor, SETUP, NARROWING[0].0, false);
        let done = release.apply();
        assert!(done[0].effects.iter().any(|line| line.contains("1 rows of t lost something")), "{done:?}");
        release.rows(
            "UPDATE t SET amount = 9.9 WHERE id = 1; INSERT INTO t (id, name, amount) VALUES (4, 'n', 4.4)",
        );
        let done = release.undo(0).unwrap();
        assert!(
            done.effects.iter().any(|line| line.contains("1 rows were written to since and kept")),
            "{done:?}"
        );
        assert!(done.output.contains("id=1") && done.output.contains("1.555"), "{}", done.output);
        assert_eq!(release.rows("SELECT amount FROM t ORDER BY id"), "9.900\n2.500\nNULL\n4.400");
    }
}

#[test]
fn what_was_written_since_and_does_not_fit_on_the_way_back_stops_the_undo() {
    for flavor in flavors() {
        let setup = "CREATE TABLE t (id INT PRIMARY KEY, day DATE); INSERT INTO t VALUES (1, '2024-01-01')";
        let mut release = release(flavor, setup, "ALTER TABLE t MODIFY day DATETIME", false);
        release.apply();
        release.rows("INSERT INTO t VALUES (2, '2024-01-02 10:20:30')");
        let failure = release.undo(0).unwrap_err();
        assert!(failure.message.contains("1 rows of t hold values, written since"), "{failure:?}");
        assert!(failure.message.contains("id=2, day=2024-01-02 10:20:30"), "{failure:?}");
        assert_eq!(failure.effect, Effect::None);
        assert_eq!(release.rows("SELECT day FROM t WHERE id = 2"), "2024-01-02 10:20:30");
        release.on_conflict = OnConflict::Force;
        let done = release.undo(0).unwrap();
        assert!(done.effects.iter().any(|line| line.contains("as forced")), "{done:?}");
        assert_eq!(release.rows("SELECT day FROM t WHERE id = 2"), "2024-01-02");
    }
}

#[test]
fn a_table_without_a_key() {
    for flavor in flavors() {
        let setup = "CREATE TABLE t (a INT, v DECIMAL(8,3)); INSERT INTO t VALUES (1, 1.111), (1, 1.112), (1, 1.5), (1, 1.111)";
        let mut small = release(flavor, setup, "ALTER TABLE t MODIFY v DECIMAL(8,1)", false);
        small.apply();
        assert_eq!(small.rows("SELECT v FROM t ORDER BY v"), "1.1\n1.1\n1.1\n1.5");
        small.roll_back();
        assert_eq!(small.rows("SELECT v FROM t ORDER BY v"), "1.111\n1.111\n1.112\n1.500");
        // A key that is cut itself names no rows.
        let setup = "CREATE TABLE t (k DECIMAL(8,3) PRIMARY KEY); INSERT INTO t VALUES (1.125), (2), (3.75)";
        let mut key = release(flavor, setup, "ALTER TABLE t MODIFY k DECIMAL(8,0) NOT NULL", false);
        key.apply();
        key.roll_back();
        assert_eq!(key.rows("SELECT k FROM t ORDER BY k"), "1.125\n2.000\n3.750");
    }
}

#[test]
fn a_large_table_without_a_key_is_refused_where_a_value_would_be_lost() {
    let setup = "CREATE TABLE n (d INT); INSERT INTO n VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9); \
        CREATE TABLE t (v DECIMAL(8,3)); INSERT INTO t SELECT 1 FROM n a, n b, n c, n d; INSERT INTO t SELECT * FROM t; \
        INSERT INTO t SELECT 1 FROM n";
    for flavor in flavors() {
        let mut release = release(flavor, setup, "ALTER TABLE t MODIFY v DECIMAL(8,1)", false);
        release.step(0).unwrap();
        release.undo(0).unwrap();
        release.rows("INSERT INTO t VALUES (1.25)");
        let before = world(&release.database);
        let failure = release.step(0).unwrap_err();
        assert!(failure.message.contains("1 values of t.v become others"), "{failure:?}");
        assert!(failure.message.contains("has no other key that names its rows"), "{failure:?}");
        // It was written between the plan and the statement.
        release.rows("DELETE FROM t WHERE v <> 1");
        let cx = release.context(0);
        let capsule = release.wait(crate::mysql::MysqlDriver::new().capture(&cx, &release.units[0])).unwrap();
        release.capsules = vec![capsule];
        release.rows("INSERT INTO t VALUES (1.25)");
        let failure = release.again(0).unwrap_err();
        assert_eq!(failure.effect, Effect::None);
        assert!(failure.message.contains("1 values of t.v become others"), "{failure:?}");
        assert_eq!(world(&release.database), before);
    }
}

#[test]
fn the_plan_says_what_is_kept_and_refused() {
    for flavor in flavors() {
        let mut release = release(flavor, SETUP, NARROWING[0].0, false);
        let survey = |release: &Release| {
            let cx = release.context(0);
            release.wait(crate::mysql::MysqlDriver::new().survey(&cx, &release.units[0])).unwrap()
        };
        let found = survey(&release);
        assert!(
            found
                .effects
                .iter()
                .any(|line| line.contains("values of t.amount that it changes are kept by key")),
            "{found:?}"
        );
        release.rows("CREATE TRIGGER w BEFORE UPDATE ON t FOR EACH ROW SET NEW.name = 'w'");
        let found = survey(&release);
        assert!(found.problems.iter().any(|line| line.contains("the trigger `w` would run")), "{found:?}");
        assert!(release.step(0).is_err());
        release.rows("UPDATE t SET amount = 1.5 WHERE id = 1");
        release.apply();
        release.roll_back();
    }
}

#[test]
fn what_is_kept_stays_when_the_undo_stops_between_definition_and_rows() {
    for flavor in flavors() {
        let mut release = release(flavor, SETUP, NARROWING[0].0, false);
        let before = world(&release.database);
        release.apply();
        // As the undo leaves it when its controller dies behind the definition.
        release.rows("ALTER TABLE t MODIFY amount DECIMAL(8,3)");
        assert!(matches!(release.inspect(0, Way::Undo), Found::NotApplied));
        release.undo(0).unwrap();
        assert_eq!(world(&release.database), before);
        assert!(matches!(release.inspect(0, Way::Undo), Found::Applied(_)));
        // And once it is dropped for good, the undo says so before it does anything.
        release.apply();
        let table = release.rows("SELECT holder FROM windlass_aside");
        release.rows(&format!("DROP TABLE {table}"));
        let failure = release.undo(0).unwrap_err();
        assert!(failure.message.contains("is no longer kept"), "{failure:?}");
        assert!(release.rows("SHOW CREATE TABLE t").contains("decimal(8,1)"));
    }
}
