//! Statements of which the text does not say what they change: queries that call functions, and maintenance, which changes nothing.

use super::*;

const SETUP: &str = "CREATE TABLE log (id INT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(20)) ENGINE=InnoDB;
    CREATE FUNCTION how_many() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM log);
    DELIMITER //
    CREATE FUNCTION note(w VARCHAR(20)) RETURNS INT DETERMINISTIC BEGIN INSERT INTO log (what) VALUES (w); RETURN 1; END//
    DELIMITER ;";

#[test]
fn a_function_that_writes_is_not_taken_for_one_that_reads() {
    for flavor in flavors() {
        let mut release = Release::new(flavor, SETUP, &["SELECT how_many()", "SELECT note('x')"]);
        release.step(0).unwrap();
        let failure = release.step(1).unwrap_err();
        assert!(failure.hints.iter().any(|hint| hint.contains("undoes=ID")), "{failure:?}");
        assert_eq!(release.rows("SELECT COUNT(*) FROM log"), "0");
        let cx = release.context(1);
        let survey = release.wait(release.driver.survey(&cx, &release.units[1])).unwrap();
        assert!(survey.problems.iter().any(|problem| problem.contains("`note()` writes")), "{survey:?}");
        let cx = release.context(0);
        let survey = release.wait(release.driver.survey(&cx, &release.units[0])).unwrap();
        assert_eq!(survey.problems, [""; 0], "{survey:?}");
        // Somebody answers for it.
        release.units[1].undo.by = UndoBy::Nobody;
        release.step(1).unwrap();
        assert!(!release.again(1).unwrap().changed, "happens once");
        assert_eq!(release.rows("SELECT what FROM log"), "x");
    }
}

#[test]
fn a_function_behind_a_view_or_an_explanation_does_not_write() {
    for flavor in flavors() {
        let setup = format!("{SETUP}\nCREATE VIEW v AS SELECT note('v') AS n;");
        let explained = match flavor {
            Flavor::Mariadb => "ANALYZE SELECT note('x') FROM (SELECT 1 UNION SELECT 2) AS two",
            _ => "EXPLAIN ANALYZE SELECT note('x') FROM (SELECT 1 UNION SELECT 2) AS two",
        };
        let mut release = Release::new(flavor, &setup, &["SELECT * FROM v", explained]);
        let failure = release.step(0).unwrap_err();
        assert!(failure.hints.iter().any(|hint| hint.contains("behind a view")), "{failure:?}");
        let _ = release.step(1);
        assert_eq!(release.rows("SELECT COUNT(*) FROM log"), "0", "{flavor:?}");
    }
}

#[test]
fn a_query_that_moves_a_sequence_is_refused_with_words_also_in_the_plan() {
    let statements =
        ["SELECT NEXTVAL(s)", "SELECT SETVAL(s, 50)", "SELECT NEXT VALUE FOR s", "SELECT LASTVAL(s)"];
    let mut release = Release::new(Flavor::Mariadb, "CREATE SEQUENCE s", &statements);
    for at in 0..3 {
        let cx = release.context(at);
        let survey = release.wait(release.driver.survey(&cx, &release.units[at])).unwrap();
        assert!(survey.problems.iter().any(|problem| problem.contains("it moves a sequence")), "{survey:?}");
        let failure = release.step(at).unwrap_err();
        assert!(failure.message.contains("it moves a sequence"), "{failure:?}");
        release.capsules.push(Capsule::default());
    }
    assert_eq!(release.rows("SELECT next_not_cached_value FROM s"), "1");
    release.step(3).unwrap();
    // Somebody answers for it.
    release.units[0].undo.by = UndoBy::Nobody;
    release.step(0).unwrap();
    assert_ne!(release.rows("SELECT next_not_cached_value FROM s"), "1");
    for at in [1, 2] {
        release.units[at].undo.by = UndoBy::Nobody;
        let cx = release.context(at);
        let survey = release.wait(release.driver.survey(&cx, &release.units[at])).unwrap();
        assert_eq!(survey.problems, [""; 0], "{survey:?}");
        release.capture(at);
        release.again(at).unwrap();
        assert!(matches!(release.inspect(at, Way::Forward), Found::Applied(_)), "by the ledger");
        assert!(!release.again(at).unwrap().changed, "happens once");
    }
    assert_eq!(release.rows("SELECT NEXTVAL(s)"), "52");
}

#[test]
fn maintenance_has_nothing_to_take_back_and_fails_where_the_server_says_so() {
    for flavor in flavors() {
        let statements =
            ["ANALYZE TABLE log", "OPTIMIZE TABLE log", "CHECK TABLE log", "OPTIMIZE TABLE nowhere"];
        let mut release = Release::new(flavor, SETUP, &statements);
        for (at, statement) in statements.iter().enumerate().take(3) {
            release.step(at).unwrap_or_else(|failure| panic!("{statement}: {failure:?}"));
        }
        let failure = release.step(3).unwrap_err();
        assert!(failure.message.contains("doesn't exist"), "{failure:?}");
        release.roll_back();
        assert_eq!(release.left(), "");
    }
}
