//! What a plan shows before anything runs.

use super::*;
use windlass_driver::Survey;

fn survey(release: &Release, at: usize) -> Survey {
    let cx = release.context(at);
    release.wait(crate::mysql::MysqlDriver::new().survey(&cx, &release.units[at])).unwrap()
}

#[test]
fn the_undo_is_shown_as_sql_and_errors_are_found_before_anything_runs() {
    let setup = "CREATE TABLE record (id INT PRIMARY KEY, n INT); INSERT INTO record VALUES (1, 1), (2, 2)";
    let statements = [
        "ALTER TABLE record ADD COLUMN s3_key VARCHAR(50)",
        "UPDATE record SET s3_key = CONCAT('x', id)",
        "ALTER TABLE record RENAME TO kept",
        "ALTER TABLE kept DROP COLUMN n",
        "UPDATE kept SET wrong = 1",
        "ALTER TABLE kept ADD KEY by_nothing (nothing)",
    ];
    for flavor in flavors() {
        let release = Release::new(flavor, setup, &statements);
        let before = release.rows("SHOW CREATE TABLE record");
        let all: Vec<Survey> = (0..statements.len()).map(|at| survey(&release, at)).collect();
        let shows = |at: usize, part: &str| {
            let survey: &Survey = &all[at];
            assert!(
                survey.problems.is_empty() && survey.effects.iter().any(|line| line.contains(part)),
                "{survey:?}"
            );
        };
        shows(0, "undo: ALTER TABLE `record` DROP COLUMN `s3_key`");
        shows(0, "table record: about 2 rows");
        shows(1, "table record: about 2 rows");
        shows(2, "undo: RENAME TABLE `kept` TO `record`");
        shows(3, "column kept.n is set aside as `_windlass_aside_");
        for (at, part) in [(4, "Unknown column 'wrong'"), (5, "nothing")] {
            let survey = &all[at];
            assert!(
                survey.problems[0].contains(part) && survey.problems[0].starts_with(":10:1: "),
                "{survey:?}"
            );
        }
        assert_eq!(release.rows("SHOW CREATE TABLE record"), before);
        assert_eq!(release.left(), "");
    }
}

#[test]
fn a_counter_that_stays_is_said_before_it_runs() {
    for flavor in flavors() {
        let setup = "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY)";
        let mut statements = vec!["ALTER TABLE t AUTO_INCREMENT = 500, COMMENT 'x'"];
        let mut setup = setup.to_owned();
        if flavor == Flavor::Mariadb {
            setup.push_str("; CREATE SEQUENCE s");
            statements.push("ALTER SEQUENCE s INCREMENT 3 RESTART 7");
        }
        let release = Release::new(flavor, &setup, &statements);
        for at in 0..statements.len() {
            let survey = survey(&release, at);
            assert!(survey.effects.iter().any(|line| line.contains("the next number stays")), "{survey:?}");
        }
    }
}

#[test]
fn a_server_that_is_gone_is_a_problem_with_words() {
    let mut release = Release::new(Flavor::Mariadb, "", &["SELECT 1"]);
    release.url = release.database.url_at(1);
    assert!(survey(&release, 0).problems[0].contains("cannot connect to root@127.0.0.1:1/"));
}
