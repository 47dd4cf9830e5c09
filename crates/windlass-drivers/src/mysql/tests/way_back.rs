//! The way back of a change of type: where it converts, what refers to its rows, what others made in between.

use super::definitions::world;
use super::*;
use crate::mysql::narrow::{self, LookBack, Narrow};
use crate::mysql::{session::Session, statement::Job};
use windlass_driver::Effect;

const MOMENTS: &str = "CREATE TABLE t (id INT PRIMARY KEY, at TIMESTAMP NULL, local DATETIME, n INT, \
      since TIMESTAMP NOT NULL DEFAULT '2020-01-01 00:00:00'); \
    INSERT INTO t (id, at, local) VALUES (1, '2024-03-31 01:30:00', '2024-03-31 01:30:00'), (2, '1990-06-01 23:59:59', '1990-06-01 23:59:59'), \
      (3, NULL, NULL);";

#[test]
fn moments_come_back_in_the_zone_of_the_step() {
    for flavor in flavors() {
        for (zone, statement) in [
            ("+08:00", "ALTER TABLE t MODIFY at DATETIME"),
            ("-03:30", "ALTER TABLE t MODIFY local TIMESTAMP NULL"),
            ("+08:00", "ALTER TABLE t MODIFY at VARCHAR(30), MODIFY since DATETIME NOT NULL"),
            ("+08:00", "ALTER TABLE t MODIFY n BIGINT"),
            ("+08:00", "ALTER TABLE t MODIFY since TIMESTAMP NOT NULL DEFAULT '2021-01-01 00:00:00'"),
            ("+08:00", "ALTER TABLE t DROP COLUMN since"),
        ] {
            let set = format!("SET time_zone = '{zone}'");
            let mut release = Release::new(flavor, MOMENTS, &[set.as_str(), statement]);
            let before = world(&release.database);
            release.apply();
            assert_ne!(world(&release.database), before, "{statement}");
            release.roll_back();
            assert_eq!(world(&release.database), before, "{flavor:?} {zone} {statement}");
            assert_eq!(release.left(), "", "{statement}");
        }
    }
}

#[test]
fn an_event_comes_back_with_its_zone() {
    let setup = "SET time_zone = '+05:00'; CREATE TABLE t (id INT); \
        CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2035-01-01 00:00:00' DO DELETE FROM t";
    for flavor in flavors() {
        let mut release = Release::new(flavor, setup, &["DROP EVENT e"]);
        let event = "SELECT time_zone, starts FROM information_schema.events WHERE event_schema = DATABASE()";
        let before = release.rows(event);
        release.apply();
        release.roll_back();
        assert_eq!(release.rows(event), before, "{flavor:?}");
    }
}

#[test]
fn a_time_gets_the_day_of_the_statement() {
    // Both days are the same to a conversion whose session stands in 2023.
    let setup = "CREATE TABLE t (id INT PRIMARY KEY, v DATETIME); \
        INSERT INTO t VALUES (1, '2023-11-14 10:00:00'), (2, '2020-01-01 10:00:00')";
    for flavor in flavors() {
        let statements = ["SET timestamp = 1700000000", "ALTER TABLE t MODIFY v TIME"];
        let mut release = Release::new(flavor, setup, &statements);
        let before = world(&release.database);
        release.apply();
        release.roll_back();
        assert_eq!(world(&release.database), before, "{flavor:?}");
    }
}

#[test]
fn another_zone_of_the_server_stops_the_undo() {
    for flavor in flavors() {
        let mut release = Release::new(flavor, MOMENTS, &["ALTER TABLE t MODIFY at DATETIME"]);
        release.apply();
        let capsule = serde_json::to_string(&release.capsules[0].0).unwrap();
        let was = release.rows("SELECT UNIX_TIMESTAMP('2024-01-15 12:00:00')");
        assert!(capsule.contains(&was), "{capsule}");
        // As if it had been the zone of Shanghai by then.
        let other = capsule.replace(&was, &(was.parse::<u64>().unwrap() - 8 * 3600).to_string());
        release.capsules[0] = Capsule(serde_json::from_str(&other).unwrap());
        let before = world(&release.database);
        let failure = release.undo(0).unwrap_err();
        assert!(failure.message.contains("the time zone of the server"), "{failure:?}");
        assert_eq!(failure.effect, Effect::None);
        assert_eq!(world(&release.database), before);
    }
}

const FAMILY: &str = "CREATE TABLE parent (id INT PRIMARY KEY); INSERT INTO parent VALUES (1), (70000); \
    CREATE TABLE child (id INT PRIMARY KEY, pid INT, CONSTRAINT f FOREIGN KEY (pid) REFERENCES parent (id)); \
    INSERT INTO child VALUES (1, 1), (2, 70000), (3, NULL);";

#[test]
fn a_foreign_key_comes_back_behind_the_rows() {
    for flavor in flavors() {
        let statements =
            ["SET sql_mode = ''", "ALTER TABLE child DROP FOREIGN KEY f, MODIFY pid SMALLINT UNSIGNED"];
        let mut release = Release::new(flavor, FAMILY, &statements);
        let before = world(&release.database);
        release.apply();
        assert_eq!(release.rows("SELECT pid FROM child WHERE id = 2"), "65535", "it has no parent");
        release.roll_back();
        assert_eq!(world(&release.database), before, "{flavor:?}");
    }
}

#[test]
fn rows_without_a_parent_are_named_and_not_let_in() {
    for flavor in flavors() {
        for statement in [
            "ALTER TABLE child DROP FOREIGN KEY f, MODIFY pid VARCHAR(20)",
            "ALTER TABLE child DROP FOREIGN KEY f",
        ] {
            let mut release = Release::new(flavor, FAMILY, &[statement]);
            let before = world(&release.database);
            release.apply();
            release.rows("INSERT INTO child VALUES (9, 77), (10, 1)");
            let failure = release.undo(0).unwrap_err();
            let said = format!("{} {:?}", failure.message, failure.hints);
            assert!(said.contains("1 rows of child refer to none of parent (id): id=9, pid=77"), "{said}");
            assert!(!release.rows("SHOW CREATE TABLE child").contains("FOREIGN KEY"));
            assert!(matches!(release.inspect(0, Way::Undo), Found::NotApplied));
            release.rows("DELETE FROM child WHERE id = 9");
            release.undo(0).unwrap();
            release.rows("DELETE FROM child WHERE id = 10");
            assert_eq!(world(&release.database), before, "{flavor:?} {statement}");
        }
    }
}

#[test]
fn a_trigger_that_was_made_since_stops_what_it_would_change() {
    let setup =
        "CREATE TABLE t (id INT PRIMARY KEY, v DECIMAL(8,3), n INT); INSERT INTO t VALUES (1, 1.125, 1)";
    let trigger = "CREATE TRIGGER w BEFORE UPDATE ON t FOR EACH ROW SET NEW.n = 99";
    for flavor in flavors() {
        for statement in
            ["ALTER TABLE t MODIFY v DECIMAL(8,1)", "ALTER TABLE t MODIFY v INT", "UPDATE t SET v = 7"]
        {
            let mut release = Release::new(flavor, setup, &[statement]);
            let before = world(&release.database);
            release.apply();
            release.rows(trigger);
            let wrote = world(&release.database);
            let failure = release.undo(0).unwrap_err();
            assert!(
                failure.message.contains("the trigger `w` of `t` (on UPDATE), made since"),
                "{failure:?}"
            );
            assert_eq!(failure.effect, Effect::None, "{failure:?}");
            assert_eq!(world(&release.database), wrote, "{flavor:?} {statement}");
            release.rows("DROP TRIGGER w");
            release.undo(0).unwrap();
            assert_eq!(world(&release.database), before, "{flavor:?} {statement}");
        }
        // Made between the proof and the statement.
        let mut release = Release::new(flavor, setup, &["ALTER TABLE t MODIFY v DECIMAL(8,1)"]);
        release.capture(0);
        release.rows(trigger);
        let before = world(&release.database);
        let failure = release.again(0).unwrap_err();
        assert!(
            failure.message.contains("1 values of t.v become others, and the trigger `w`"),
            "{failure:?}"
        );
        assert_eq!(world(&release.database), before);
        assert_eq!(release.left(), "");
    }
}

#[test]
fn a_row_with_number_0_is_not_numbered_anew() {
    let setup = "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, v INT); INSERT INTO t VALUES (5, 5)";
    let statement = "ALTER TABLE t MODIFY id INT NOT NULL AUTO_INCREMENT";
    for flavor in flavors() {
        let mut release = Release::new(flavor, setup, &[statement]);
        release.capture(0);
        release.rows("INSERT INTO t VALUES (0, 7)");
        let before = world(&release.database);
        let late = release.again(0).unwrap_err();
        let early = release.step(0).unwrap_err();
        let cx = release.context(0);
        let seen = release.wait(crate::mysql::MysqlDriver::new().survey(&cx, &release.units[0])).unwrap();
        assert!(seen.problems.iter().any(|line| line.contains("would get new numbers")), "{seen:?}");
        for failure in [late, early] {
            assert!(
                failure.message.contains("1 rows of t hold 0 or NULL in `id` and would get new"),
                "{failure:?}"
            );
            assert_eq!(failure.effect, Effect::None);
        }
        assert_eq!(world(&release.database), before);
        let mode = "SET sql_mode = CONCAT(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO')";
        let mut kept = Release::on(release.database.clone(), &[mode, statement]);
        kept.apply();
        assert_eq!(kept.rows("SELECT id FROM t ORDER BY id"), "0\n5");
        kept.roll_back();
        assert_eq!(world(&kept.database), before, "{flavor:?}");
    }
}

/// Rows that the session has read since it was last asked.
async fn rows_read(session: &mut Session) -> u64 {
    let found = session.run("SHOW SESSION STATUS LIKE 'Handler_read%'").await.unwrap();
    session.run("FLUSH STATUS").await.unwrap();
    found.rows.iter().map(|row| row[1].as_ref().unwrap().parse::<u64>().unwrap()).sum()
}

#[test]
fn what_is_looked_at_under_the_lock_grows_with_the_rows_and_no_faster() {
    const ROWS: u64 = 20_000;
    let numbers = "CREATE TABLE n (d INT); INSERT INTO n VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9);";
    let number = "a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d";
    let from = "n a, n b, n c, n e, n f WHERE f.d < 2";
    for flavor in flavors() {
        for (table, values) in [
            ("id INT PRIMARY KEY, v VARCHAR(20)", format!("{number}, CONCAT('00', {number})")),
            (
                "id VARCHAR(80) PRIMARY KEY, v VARCHAR(20)",
                format!("CONCAT('k', {number}), CONCAT('00', {number})"),
            ),
            ("id INT, v VARCHAR(20)", "1, '007'".to_owned()),
        ] {
            let setup =
                format!("{numbers} CREATE TABLE t ({table}); INSERT INTO t SELECT {values} FROM {from}");
            let mut release = Release::new(flavor, &setup, &["ALTER TABLE t MODIFY v INT"]);
            release.capture(0);
            let found = release.capsules[0].0["definitions"]["narrow"].clone();
            let narrow: Narrow = serde_json::from_value(found).unwrap();
            let cx = release.context(0);
            let (there, back) = release.wait(async {
                let job = Job::new(&cx, &release.units[0]).unwrap();
                let mut session = job.open().await.unwrap();
                rows_read(&mut session).await;
                assert!(narrow::keep(&job, &mut session, &narrow).await.is_ok());
                session.run("ALTER TABLE t MODIFY v INT").await.unwrap();
                let kept = narrow::settle(&job, &mut session, &narrow).await.unwrap();
                assert_eq!(kept, ROWS);
                let there = rows_read(&mut session).await;
                let look = LookBack { converts: true, is_kept: true, force: false };
                let found = narrow::look_back(&mut session, &narrow, look).await;
                assert!(matches!(found, Ok(0)), "all was written by the statement");
                (there, rows_read(&mut session).await)
            });
            for (read, what) in [(there, "there"), (back, "back")] {
                assert!(read < 20 * ROWS, "{flavor:?} {table}: {read} rows are read on the way {what}");
            }
        }
    }
}
