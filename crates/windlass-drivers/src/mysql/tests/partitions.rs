//! Partitions that come, go, are emptied and cut anew, with writes of others in between and stops between any two statements.

use super::definitions::{there_and_back_from, world};
use super::generated::settle;
use super::*;
use crate::testing::Random;
use windlass_driver::Effect;

const RANGE: &str = "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, v VARCHAR(20) NOT NULL DEFAULT 'x', twice INT AS (id * 2) VIRTUAL, \
      KEY k (v), CONSTRAINT positive CHECK (id >= 0)) COMMENT='c' PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10) COMMENT='first', \
      PARTITION p1 VALUES LESS THAN (20), PARTITION pm VALUES LESS THAN MAXVALUE);
    INSERT INTO t (id) VALUES (1), (2), (11), (12), (30);";
const OPEN: &str = "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, v INT) PARTITION BY RANGE (id) \
      (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20)); INSERT INTO t VALUES (1, 1), (11, 11)";
const LIST: &str = "CREATE TABLE t (id INT, k INT) PARTITION BY LIST (k) (PARTITION a VALUES IN (1, 2), \
      PARTITION b VALUES IN (3, NULL), PARTITION c VALUES IN (5)); INSERT INTO t VALUES (1, 1), (2, 3), (3, 5), (4, NULL), (1, 1);";
const HASH: &str = "CREATE TABLE t (id INT, k INT) PARTITION BY HASH (id) PARTITIONS 3; \
    INSERT INTO t VALUES (1, 1), (2, 2), (3, 3), (4, 4)";
const SUBS: &str = "CREATE TABLE t (id INT NOT NULL, d DATE) PARTITION BY RANGE (id) SUBPARTITION BY HASH (TO_DAYS(d)) SUBPARTITIONS 2 \
      (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20));
    INSERT INTO t VALUES (1, '2020-01-01'), (11, '2020-01-01'), (12, '2020-01-02')";

fn each(setup: &str, statements: &[&str]) {
    for flavor in flavors() {
        for statement in statements {
            there_and_back_from(flavor, setup, &[statement]);
        }
    }
}

/// The statements of a way, `forward` or `back`.
fn way(release: &Release, which: &str) -> Vec<String> {
    let steps = release.capsules[0].0["definitions"][which].as_array().unwrap();
    steps.iter().map(|step| step["sql"].as_str().unwrap().to_owned()).collect()
}

/// Tables of rows that were written since and are kept.
fn kept(release: &Release) -> Vec<String> {
    let found = release.rows(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE '%\\_kept\\_%' ORDER BY 1",
    );
    found.lines().map(str::to_owned).collect()
}

#[test]
fn rows_of_partitions_come_back() {
    each(
        RANGE,
        &[
            "ALTER TABLE t DROP PARTITION p1",
            "ALTER TABLE t DROP PARTITION p0, P1",
            "ALTER TABLE t DROP PARTITION pm",
            "ALTER TABLE t TRUNCATE PARTITION p1",
            "ALTER TABLE t TRUNCATE PARTITION ALL",
        ],
    );
    each(
        LIST,
        &[
            "ALTER TABLE t DROP PARTITION b",
            "ALTER TABLE t DROP PARTITION c",
            "ALTER TABLE t TRUNCATE PARTITION a, b",
        ],
    );
    each(HASH, &["ALTER TABLE t TRUNCATE PARTITION p1"]);
    each(SUBS, &["ALTER TABLE t DROP PARTITION p1", "ALTER TABLE t TRUNCATE PARTITION p1"]);
    there_and_back_from(Flavor::Mysql, SUBS, &["ALTER TABLE t TRUNCATE PARTITION p1sp1"]);
    let default = "CREATE TABLE t (id INT, k INT) PARTITION BY LIST (k) (PARTITION a VALUES IN (1, 2), PARTITION d DEFAULT); \
        INSERT INTO t VALUES (1, 1), (2, 9)";
    for statement in ["ALTER TABLE t DROP PARTITION a", "ALTER TABLE t DROP PARTITION d"] {
        there_and_back_from(Flavor::Mariadb, default, &[statement]);
    }
}

#[test]
fn partitions_that_are_added_or_cut_anew_come_back() {
    each(
        RANGE,
        &[
            "ALTER TABLE t REORGANIZE PARTITION pm INTO (PARTITION p2 VALUES LESS THAN (40), PARTITION pm VALUES LESS THAN MAXVALUE)",
            "ALTER TABLE t REORGANIZE PARTITION p0, p1 INTO (PARTITION p VALUES LESS THAN (20))",
            "ALTER TABLE t REMOVE PARTITIONING",
            "ALTER TABLE t PARTITION BY HASH (id) PARTITIONS 4",
            "ALTER TABLE t PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (5), PARTITION b VALUES LESS THAN MAXVALUE)",
        ],
    );
    each(
        OPEN,
        &[
            "ALTER TABLE t ADD PARTITION (PARTITION p2 VALUES LESS THAN (30), PARTITION p3 VALUES LESS THAN (40))",
        ],
    );
    each(
        LIST,
        &[
            "ALTER TABLE t ADD PARTITION (PARTITION d VALUES IN (7, 8))",
            "ALTER TABLE t REORGANIZE PARTITION a, b INTO (PARTITION ab VALUES IN (1, 2, 3, NULL))",
        ],
    );
    each(HASH, &["ALTER TABLE t COALESCE PARTITION 1", "ALTER TABLE t ADD PARTITION PARTITIONS 2"]);
}

#[test]
fn what_changes_no_partition_has_nothing_to_undo() {
    for flavor in flavors() {
        for word in ["ANALYZE", "CHECK", "OPTIMIZE", "REBUILD", "REPAIR"] {
            let mut release = Release::new(flavor, RANGE, &[&format!("ALTER TABLE t {word} PARTITION p0")]);
            let before = world(&release.database);
            release.apply();
            assert_eq!(world(&release.database), before, "{flavor:?} {word}");
            release.roll_back();
            assert_eq!(world(&release.database), before, "{flavor:?} {word}");
        }
    }
}

#[test]
fn only_the_partition_is_made_anew() {
    for flavor in flavors() {
        for (setup, statement, undo) in [
            (OPEN, "ALTER TABLE t ADD PARTITION (PARTITION p2 VALUES LESS THAN (30))", "DROP PARTITION `p2`"),
            (
                RANGE,
                "ALTER TABLE t REORGANIZE PARTITION pm INTO (PARTITION p2 VALUES LESS THAN (40), PARTITION pm VALUES LESS THAN MAXVALUE)",
                "REORGANIZE PARTITION `p2`, `pm` INTO (PARTITION ",
            ),
            (RANGE, "ALTER TABLE t DROP PARTITION p1", "REORGANIZE PARTITION `pm` INTO (PARTITION "),
            (
                RANGE,
                "ALTER TABLE t TRUNCATE PARTITION p1",
                "EXCHANGE PARTITION `p1` WITH TABLE `_windlass_aside_",
            ),
        ] {
            let release = Release::new(flavor, setup, &[statement]);
            let cx = release.context(0);
            let seen = release.wait(release.driver.survey(&cx, &release.units[0])).unwrap();
            assert_eq!(seen.problems, Vec::<String>::new(), "{flavor:?} {statement}");
            let undo = format!("undo: ALTER TABLE `t` {undo}");
            assert!(seen.effects.iter().any(|line| line.starts_with(&undo)), "{flavor:?} {seen:?}");
        }
    }
}

#[test]
fn rows_written_since_are_kept() {
    for flavor in flavors() {
        for statement in ["ALTER TABLE t TRUNCATE PARTITION p1", "ALTER TABLE t DROP PARTITION p1"] {
            let mut release = Release::new(flavor, RANGE, &[statement]);
            let before = world(&release.database);
            release.apply();
            release.rows("INSERT INTO t (id, v) VALUES (11, 'new')");
            let done = release.roll_back();
            assert_eq!(world(&release.database), before, "{flavor:?} {statement}");
            let said = done[0].effects.join("\n");
            assert!(said.contains("has rows that were written since: it is kept as"), "{said}");
            let kept = kept(&release);
            assert_eq!(kept.len(), 1, "{flavor:?} {statement}");
            assert_eq!(release.rows(&format!("SELECT id, v FROM `{}`", kept[0])), "11\tnew");
        }
        // Into another partition.
        let mut release = Release::new(flavor, RANGE, &["ALTER TABLE t DROP PARTITION p1"]);
        release.apply();
        release.rows("INSERT INTO t (id) VALUES (31), (3)");
        release.roll_back();
        assert_eq!(
            release.rows("SELECT GROUP_CONCAT(id ORDER BY id) FROM t"),
            "1,2,3,11,12,30,31",
            "{flavor:?}"
        );
        assert_eq!(release.left(), "");
    }
}

#[test]
fn an_added_partition_with_rows_is_not_dropped() {
    for flavor in flavors() {
        let added = "ALTER TABLE t ADD PARTITION (PARTITION p2 VALUES LESS THAN (30))";
        let mut release = Release::new(flavor, OPEN, &[added]);
        let before = world(&release.database);
        release.apply();
        release.rows("INSERT INTO t VALUES (25, 1)");
        let wrote = world(&release.database);
        let failure = release.undo(0).unwrap_err();
        assert_eq!(failure.effect, Effect::None, "{failure:?}");
        assert!(failure.message.contains("1 rows written since are in partition `p2` of `t`"), "{failure:?}");
        assert_eq!(world(&release.database), wrote);
        release.rows("DELETE FROM t WHERE id = 25");
        release.undo(0).unwrap();
        assert_eq!(world(&release.database), before, "{flavor:?}");
        // Where the next one takes them there is no need.
        let cut = "ALTER TABLE t REORGANIZE PARTITION pm INTO (PARTITION p2 VALUES LESS THAN (40), PARTITION pm VALUES LESS THAN MAXVALUE)";
        let mut release = Release::new(flavor, RANGE, &[cut]);
        release.apply();
        release.rows("INSERT INTO t (id) VALUES (35), (45)");
        release.roll_back();
        assert_eq!(release.rows("SELECT GROUP_CONCAT(id ORDER BY id) FROM t PARTITION (pm)"), "30,35,45");
    }
}

const LOSING: [&str; 3] = [
    "ALTER TABLE t DROP PARTITION p0, p1",
    "ALTER TABLE t TRUNCATE PARTITION p1",
    "ALTER TABLE t TRUNCATE PARTITION p0, p1",
];

/// A release that stopped behind this many of its statements.
fn stopped(flavor: Flavor, statement: &str, behind: usize) -> (Release, String, usize) {
    let mut release = Release::new(flavor, RANGE, &[statement]);
    let before = world(&release.database);
    release.capture(0);
    let steps = way(&release, "forward");
    for sql in &steps[..behind] {
        release.rows(sql);
    }
    (release, before, steps.len())
}

#[test]
fn a_statement_that_stopped_anywhere_goes_on_or_back() {
    for flavor in flavors() {
        for statement in LOSING {
            let mut behind = 0;
            loop {
                let (release, before, all) = stopped(flavor, statement, behind);
                let found = release.inspect(0, Way::Forward);
                let fits = match behind {
                    0 => found == Found::NotApplied,
                    _ if behind == all => matches!(found, Found::Applied(_)),
                    _ => matches!(found, Found::Failed(_)),
                };
                assert!(fits, "{flavor:?} {statement} behind {behind}: {found:?}");
                release.again(0).unwrap();
                assert_eq!(release.rows("SELECT COUNT(*) FROM t WHERE id BETWEEN 10 AND 19"), "0");
                release.undo(0).unwrap();
                assert_eq!(
                    world(&release.database),
                    before,
                    "{flavor:?} {statement} behind {behind}, on and back"
                );
                let (release, before, _) = stopped(flavor, statement, behind);
                release.undo(0).unwrap();
                assert_eq!(world(&release.database), before, "{flavor:?} {statement} behind {behind}, back");
                assert_eq!(release.left(), "", "{flavor:?} {statement} behind {behind}");
                if behind == all {
                    break;
                }
                behind += 1;
            }
        }
    }
}

#[test]
fn an_undo_that_stopped_anywhere_goes_on() {
    for flavor in flavors() {
        for statement in LOSING {
            let mut behind = 0;
            loop {
                let mut release = Release::new(flavor, RANGE, &[statement]);
                let before = world(&release.database);
                release.apply();
                let steps = way(&release, "back");
                for sql in &steps[..behind] {
                    release.rows(sql);
                }
                let found = release.inspect(0, Way::Undo);
                let is_done = matches!(found, Found::Applied(_));
                assert_eq!(
                    is_done,
                    behind == steps.len(),
                    "{flavor:?} {statement} behind {behind}: {found:?}"
                );
                release.undo(0).unwrap();
                assert_eq!(world(&release.database), before, "{flavor:?} {statement} behind {behind}");
                assert_eq!(release.left(), "", "{flavor:?} {statement} behind {behind}");
                if behind == steps.len() {
                    break;
                }
                behind += 1;
            }
        }
    }
}

#[test]
fn what_others_write_while_it_stands_still_is_not_lost() {
    for flavor in flavors() {
        // The rows are out, the partition is still there.
        let (release, _, _) = stopped(flavor, "ALTER TABLE t DROP PARTITION p1", 2);
        release.rows("INSERT INTO t (id) VALUES (13)");
        release.again(0).unwrap();
        assert_eq!(release.rows("SELECT GROUP_CONCAT(id ORDER BY id) FROM t"), "1,2,30");
        release.undo(0).unwrap();
        assert_eq!(
            release.rows("SELECT GROUP_CONCAT(id ORDER BY id) FROM t"),
            "1,2,11,12,13,30",
            "{flavor:?}"
        );
        // It was emptied before: what came then is no part of it.
        let (release, before, _) = stopped(flavor, "ALTER TABLE t TRUNCATE PARTITION p1", 2);
        release.rows("INSERT INTO t (id) VALUES (13)");
        release.again(0).unwrap();
        assert_eq!(release.rows("SELECT GROUP_CONCAT(id ORDER BY id) FROM t"), "1,2,13,30");
        release.undo(0).unwrap();
        assert_eq!(world(&release.database), before);
        assert_eq!(release.rows(&format!("SELECT id FROM `{}`", kept(&release)[0])), "13");
        // At the undo, twice.
        let mut release = Release::new(flavor, RANGE, &["ALTER TABLE t TRUNCATE PARTITION p1"]);
        release.apply();
        release.rows("INSERT INTO t (id, v) VALUES (11, 'new')");
        let create = &way(&release, "back")[0];
        let since = create.split('`').nth(1).unwrap().to_owned();
        release.rows(create);
        release.rows(&format!("ALTER TABLE t EXCHANGE PARTITION p1 WITH TABLE `{since}`"));
        release.rows("INSERT INTO t (id, v) VALUES (12, 'newer')");
        release.undo(0).unwrap();
        assert_eq!(world(&release.database), before, "{flavor:?}");
        let kept = kept(&release);
        assert_eq!(
            release.rows(&format!("SELECT id, v FROM `{}` ORDER BY id", kept[0])),
            "11\tnew\n12\tnewer"
        );
    }
}

/// Stops behind its change of places, and somebody writes `sql` then.
fn written_meanwhile(flavor: Flavor, setup: &str, sql: &str) -> (Release, String) {
    let mut release = Release::new(flavor, setup, &["ALTER TABLE t DROP PARTITION p1"]);
    let before = world(&release.database);
    release.capture(0);
    for step in &way(&release, "forward")[..2] {
        release.rows(step);
    }
    release.rows(sql);
    (release, before)
}

const IDS: &str = "SELECT GROUP_CONCAT(id ORDER BY id) FROM t";

#[test]
fn a_key_that_is_written_again_meanwhile_keeps_nothing_from_going_back() {
    for flavor in flavors() {
        let (release, before) =
            written_meanwhile(flavor, RANGE, "INSERT INTO t (id, v) VALUES (11, 'new'), (13, 'new')");
        for _ in 0..2 {
            let failure = release.again(0).unwrap_err();
            assert_eq!(failure.effect, Effect::Partial, "{failure:?}");
            assert!(!failure.message.contains("nothing was changed"), "{failure:?}");
            assert!(failure.hints.iter().any(|hint| hint.contains("`windlass rollback`")), "{failure:?}");
        }
        let done = release.undo(0).unwrap();
        assert_eq!(world(&release.database), before, "{flavor:?}");
        let said = done.effects.join("\n");
        assert!(said.contains("rows of partition p1 that were written since are kept as"), "{said}");
        let kept = kept(&release);
        assert_eq!(kept.len(), 1, "{flavor:?} {kept:?}");
        assert_eq!(release.rows(&format!("SELECT id, v FROM `{}` ORDER BY id", kept[0])), "11\tnew\n13\tnew");
        // Other keys stay where they were written.
        let (release, _) = written_meanwhile(flavor, RANGE, "INSERT INTO t (id) VALUES (13)");
        release.undo(0).unwrap();
        assert_eq!(release.rows(IDS), "1,2,11,12,13,30", "{flavor:?}");
        assert_eq!(release.left(), "");
    }
}

#[test]
fn a_key_that_is_written_twice_at_the_undo_is_kept_twice() {
    for flavor in flavors() {
        let mut release = Release::new(flavor, RANGE, &["ALTER TABLE t TRUNCATE PARTITION p1"]);
        let before = world(&release.database);
        release.apply();
        release.rows("INSERT INTO t (id, v) VALUES (11, 'new')");
        let create = &way(&release, "back")[0];
        let since = create.split('`').nth(1).unwrap().to_owned();
        release.rows(create);
        release.rows(&format!("ALTER TABLE t EXCHANGE PARTITION p1 WITH TABLE `{since}`"));
        release.rows("INSERT INTO t (id, v) VALUES (11, 'newer')");
        release.undo(0).unwrap();
        assert_eq!(world(&release.database), before, "{flavor:?}");
        let rows = |table: &String| release.rows(&format!("SELECT id, v FROM `{table}`"));
        let mut found: Vec<String> = kept(&release).iter().map(rows).collect();
        found.sort();
        assert_eq!(found, ["11\tnew", "11\tnewer"], "{flavor:?}");
    }
}

#[test]
fn a_trigger_on_delete_that_stands_in_the_way_leaves_all_as_it_was() {
    let triggered = format!("{RANGE} CREATE TRIGGER w BEFORE DELETE ON t FOR EACH ROW SET @x = 1;");
    for flavor in flavors() {
        let (release, _) = written_meanwhile(flavor, &triggered, "INSERT INTO t (id) VALUES (13)");
        let failure = release.again(0).unwrap_err();
        assert!(failure.message.contains("its trigger `w` (on DELETE) would run for each"), "{failure:?}");
        assert_eq!(release.rows(IDS), "1,2,11,12,13,30", "{flavor:?}: they are back at once");
        release.undo(0).unwrap();
        assert_eq!(release.rows(IDS), "1,2,11,12,13,30", "{flavor:?}");
        assert_eq!(release.left(), "");
    }
}

#[test]
fn whoever_may_not_lock_tables_reads_which_grant_to_give_before_a_row_is_moved() {
    for flavor in flavors() {
        let mut release = Release::new(flavor, RANGE, &["ALTER TABLE t TRUNCATE PARTITION p0, p1"]);
        let (name, before) = (release.database.name().to_owned(), world(&release.database));
        let user = format!("u_{name}");
        server(flavor).run(&format!(
            "CREATE USER {user}@'%'; GRANT ALL PRIVILEGES ON `windlass\\_shadow\\_%`.* TO {user}@'%'; GRANT SELECT, INSERT, UPDATE, \
             DELETE, CREATE, DROP, ALTER, INDEX, TRIGGER, CREATE VIEW, SHOW VIEW, EVENT, EXECUTE, CREATE ROUTINE, ALTER ROUTINE ON \
             `{name}`.* TO {user}@'%'"
        ));
        let root = release.url.clone();
        release.url = root.replace("root@", &format!("{user}@"));
        let failure = release.step(0).unwrap_err();
        assert!(failure.message.contains("no row was moved"), "{failure:?}");
        assert!(failure.hints.iter().any(|hint| hint.contains("GRANT LOCK TABLES")), "{failure:?}");
        assert_eq!(release.rows(IDS), "1,2,11,12,30", "{flavor:?}");
        release.undo(0).unwrap();
        assert_eq!(world(&release.database), before, "{flavor:?}");
        assert_eq!(release.left(), "");
    }
}

#[test]
fn an_empty_partition_that_was_emptied_before_is_not_emptied_again() {
    for flavor in flavors() {
        let mut release = Release::new(flavor, RANGE, &["ALTER TABLE t TRUNCATE PARTITION p0, p1"]);
        release.rows("DELETE FROM t WHERE id < 10");
        let before = world(&release.database);
        release.capture(0);
        for step in &way(&release, "forward")[..4] {
            release.rows(step);
        }
        release.rows("INSERT INTO t (id) VALUES (3)");
        release.again(0).unwrap();
        assert_eq!(release.rows(IDS), "3,30", "{flavor:?}: what came then is no part of it");
        release.rows("DELETE FROM t WHERE id = 3");
        release.undo(0).unwrap();
        assert_eq!(world(&release.database), before, "{flavor:?}");
    }
}

#[test]
fn connections_that_break_and_controllers_that_die_lose_nothing() {
    for flavor in flavors() {
        let wire = server(flavor).wire();
        for seed in 0..24 {
            let mut random = Random::new(seed);
            let statement = LOSING[random.below(LOSING.len())];
            let mut release = Release::new(flavor, RANGE, &[statement]);
            let before = world(&release.database);
            release.url = release.database.url_at(wire.port()) + "?ssl-mode=DISABLED";
            if settle(&mut release, 0, Way::Forward, &wire, &mut random) {
                settle(&mut release, 0, Way::Undo, &wire, &mut random);
            }
            assert_eq!(world(&release.database), before, "{flavor:?} {seed} {statement}");
        }
    }
}

#[test]
fn behind_an_instant_column_rows_are_carried() {
    let instant = format!("{RANGE} ALTER TABLE t ADD COLUMN more INT DEFAULT 5, ALGORITHM=INSTANT;");
    for statement in LOSING {
        each(&instant, &[statement]);
    }
    let triggered = format!("{instant} CREATE TRIGGER w BEFORE DELETE ON t FOR EACH ROW SET @x = 1;");
    for statement in LOSING {
        let mut release = Release::new(Flavor::Mysql, &triggered, &[statement]);
        let before = world(&release.database);
        let failure = release.step(0).unwrap_err();
        assert!(failure.message.contains("its trigger `w` (on DELETE) would run for each"), "{failure:?}");
        assert!(matches!(release.inspect(0, Way::Forward), Found::Failed(_)));
        release.undo(0).unwrap();
        assert_eq!(world(&release.database), before, "{statement}");
        assert_eq!(release.left(), "");
        // Where they change places no trigger runs.
        there_and_back_from(Flavor::Mariadb, &triggered, &[statement]);
    }
}

#[test]
fn what_somebody_changed_since_does_not_change_places() {
    for flavor in flavors() {
        let mut release = Release::new(flavor, RANGE, &["ALTER TABLE t TRUNCATE PARTITION p1"]);
        release.apply();
        release.rows("ALTER TABLE t ADD COLUMN more INT");
        let wrote = world(&release.database);
        let failure = release.undo(0).unwrap_err();
        assert!(failure.message.contains("table t was changed since, and is left as it is"), "{failure:?}");
        assert_eq!(world(&release.database), wrote);
        release.rows("ALTER TABLE t DROP COLUMN more");
        release.undo(0).unwrap();
    }
}

#[test]
fn what_cannot_be_taken_back_is_refused_with_words() {
    let plain =
        format!("{OPEN}; CREATE TABLE u (id INT NOT NULL PRIMARY KEY, v INT); INSERT INTO u VALUES (15, 15)");
    let old = OPEN.replace(") PARTITION BY", ") ENGINE=MyISAM PARTITION BY");
    for (flavor, setup, statement, part) in [
        (Flavor::Mariadb, &plain, "ALTER TABLE t EXCHANGE PARTITION p1 WITH TABLE u", "have changed places"),
        (Flavor::Mysql, &plain, "ALTER TABLE t EXCHANGE PARTITION p1 WITH TABLE u", "have changed places"),
        (Flavor::Mariadb, &plain, "ALTER TABLE t CONVERT PARTITION p1 TO TABLE w", "together with its rows"),
        (Flavor::Mysql, &plain, "ALTER TABLE t DISCARD PARTITION p1 TABLESPACE", "the files of a partition"),
        (
            Flavor::Mariadb,
            &old,
            "ALTER TABLE t DROP PARTITION p1",
            "`t` is MyISAM, which knows no transactions",
        ),
    ] {
        let mut release = Release::new(flavor, setup, &[statement]);
        let before = world(&release.database);
        let failure = release.step(0).expect_err(statement);
        assert!(failure.message.contains(part) && failure.effect == Effect::None, "{failure:?}");
        assert!(failure.hints[0].contains("undoes=ID"), "{failure:?}");
        assert_eq!(world(&release.database), before, "{flavor:?} {statement}");
    }
}
