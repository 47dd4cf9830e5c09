//! Statements whose text the session computes.

use super::*;

const SETUP: &str =
    "CREATE TABLE t (id INT PRIMARY KEY, a INT) ENGINE=InnoDB; INSERT INTO t VALUES (1, 1), (2, 2);";

/// The idiom of migrations: `what` if the table has no such column yet.
fn unless(column: &str, what: &str) -> String {
    format!(
        "SET @sql = (SELECT IF(COUNT(*) = 0, '{what}', 'SELECT 1') FROM information_schema.columns WHERE table_schema = DATABASE() \
         AND table_name = 't' AND column_name = '{column}');\nPREPARE s FROM @sql;\nEXECUTE s;\nDEALLOCATE PREPARE s"
    )
}

fn columns(release: &Release) -> String {
    release.rows(
        "SELECT GROUP_CONCAT(column_name ORDER BY ordinal_position) FROM information_schema.columns WHERE table_schema = DATABASE() \
         AND table_name = 't'",
    )
}

#[test]
fn what_a_computed_text_does_is_done_once_and_taken_back() {
    for flavor in flavors() {
        let add = unless("c", "ALTER TABLE t ADD COLUMN c INT NOT NULL DEFAULT 7");
        let fill = "SET @w = CONCAT('a >', ' 1'); SET @sql = CONCAT('UPDATE t SET a = 5 WHERE ', @w); PREPARE s FROM @sql; EXECUTE s";
        let there = unless("a", "ALTER TABLE t ADD COLUMN a INT");
        let mut release = Release::new(
            flavor,
            SETUP,
            &[&add, &there, fill, "PREPARE s FROM 'CREATE TABLE u (x INT)'; EXECUTE s"],
        );
        let done = release.apply();
        assert!(done[0].changed && !done[1].changed && done[2].changed, "{done:?}");
        assert_eq!(columns(&release), "id,a,c");
        assert_eq!(release.rows("SELECT GROUP_CONCAT(a ORDER BY id) FROM t"), "1,5");
        assert_eq!(release.rows("SHOW TABLES LIKE 'u'"), "u");
        release.roll_back();
        assert_eq!(columns(&release), "id,a");
        assert_eq!(release.rows("SELECT GROUP_CONCAT(a ORDER BY id) FROM t"), "1,2");
        assert_eq!(release.left() + &release.rows("SHOW TABLES LIKE 'u'"), "");
    }
}

#[test]
fn after_a_crash_the_text_is_that_of_before_not_one_computed_behind_the_change() {
    for flavor in flavors() {
        // Asked anew, both would answer that nothing is to be done.
        let add = unless("c", "ALTER TABLE t ADD COLUMN c INT");
        let fill = "SET @sql = (SELECT IF(SUM(a) = 3, 'UPDATE t SET a = a + 10', 'DO 0') FROM t); PREPARE s FROM @sql; EXECUTE s";
        let mut release = Release::new(flavor, SETUP, &[&add, fill]);
        for at in 0..2 {
            release.capture(at);
            assert_eq!(release.inspect(at, Way::Forward), Found::NotApplied, "{flavor:?} {at}");
            release.again(at).unwrap();
            // Nobody saw its end: a new process looks.
            release.driver = crate::mysql::MysqlDriver::new();
            assert!(matches!(release.inspect(at, Way::Forward), Found::Applied(_)), "{flavor:?} {at}");
            let done = release.again(at);
            assert!(done.as_ref().map_or(true, |done| !done.changed), "{flavor:?} {at}: {done:?}");
        }
        assert_eq!(release.rows("SELECT GROUP_CONCAT(a ORDER BY id) FROM t"), "11,12");
        release.driver = crate::mysql::MysqlDriver::new();
        release.roll_back();
        assert_eq!(columns(&release), "id,a");
        assert_eq!(release.rows("SELECT GROUP_CONCAT(a ORDER BY id) FROM t"), "1,2");
    }
}

#[test]
fn a_plan_says_what_would_run_as_far_as_it_can_be_known() {
    for flavor in flavors() {
        let add = unless("c", "ALTER TABLE t ADD COLUMN c INT");
        let later = "SET @sql = (SELECT IF(COUNT(c) = 0, 'UPDATE t SET c = 1', 'SELECT 1') FROM t); PREPARE s FROM @sql; EXECUTE s";
        let wrong = "SET @sql = CONCAT('DROP TABLE ', NULL); PREPARE s FROM @sql; EXECUTE s";
        let release = Release::new(flavor, SETUP, &[wrong, &add, "UPDATE t SET c = 2", later]);
        let survey = |at: usize| {
            let cx = release.context(at);
            release.wait(release.driver.survey(&cx, &release.units[at])).unwrap()
        };
        assert!(survey(0).problems[0].contains("`@sql` is NULL"), "{flavor:?}: {:?}", survey(0));
        let found = survey(1);
        assert_eq!(found.problems, [""; 0]);
        assert!(found.effects[0].contains("it runs `ALTER TABLE t ADD COLUMN c INT`"), "{found:?}");
        assert!(
            found.effects.iter().any(|line| line.starts_with("undo: ALTER TABLE `t` DROP COLUMN `c`")),
            "{found:?}"
        );
        assert_eq!(survey(2).problems, [""; 0], "the column is there by then");
        let found = survey(3);
        assert!(
            found.problems.is_empty() && found.effects[0].contains("not known before it runs"),
            "{found:?}"
        );
        assert_eq!(columns(&release), "id,a");
    }
}

#[test]
fn a_text_that_needs_its_session_or_writes_while_it_is_computed_is_not_run() {
    let function = "DELIMITER //\nCREATE FUNCTION f() RETURNS INT DETERMINISTIC BEGIN DELETE FROM t; RETURN 1; END//\nDELIMITER ;";
    for flavor in flavors() {
        for (script, why) in [
            ("SET @n = 1 + 1, @sql = 'UPDATE t SET a = @n'; PREPARE s FROM @sql; EXECUTE s", "`@n` is lost"),
            ("PREPARE s FROM 'SET @x = 1'; EXECUTE s", "ends with its connection"),
            ("PREPARE s FROM 'CREATE TEMPORARY TABLE x AS SELECT 1'; EXECUTE s", "a temporary table"),
            ("PREPARE s FROM 'COMMIT'; EXECUTE s", "opened and closed by windlass"),
            ("SET @sql = CONCAT('DO ', f()); PREPARE s FROM @sql; EXECUTE s", "asking what it would run"),
            ("PREPARE s FROM 'CALL p()'; EXECUTE s", "could not be undone"),
        ] {
            let mut release = Release::new(flavor, &format!("{SETUP}\n{function}"), &[script]);
            // It is no setting, whatever its first word is.
            if let Action::Sql { session, .. } = &mut release.units[0].action {
                *session = false;
            }
            let failure = release.step(0).unwrap_err();
            assert!(failure.message.contains(why), "{script}: {failure:?}");
            assert_eq!(release.rows("SELECT COUNT(*) FROM t"), "2", "{flavor:?}: {script}");
        }
    }
}
