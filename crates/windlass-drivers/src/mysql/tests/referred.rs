//! Rows that others built upon by foreign keys: an undo neither takes them away nor the rows that refer to them.

use super::*;

/// A parent, a child by `rule`, a grandchild by CASCADE.
fn family(rule: &str) -> String {
    format!(
        "CREATE TABLE parent (id INT PRIMARY KEY, code VARCHAR(100) NOT NULL, UNIQUE (code));
         CREATE TABLE child (id INT PRIMARY KEY AUTO_INCREMENT, parent_id INT, FOREIGN KEY (parent_id) REFERENCES parent (id) {rule});
         CREATE TABLE grandchild (id INT PRIMARY KEY AUTO_INCREMENT, child_id INT, FOREIGN KEY (child_id) REFERENCES child (id) ON DELETE CASCADE);
         INSERT INTO parent VALUES (1, 'one'); INSERT INTO child VALUES (1, 1);"
    )
}

fn listed(release: &Release) -> String {
    std::fs::read_to_string(release.context(0).workspace.join("conflicts.csv")).unwrap()
}

const RULES: [&str; 4] = ["ON DELETE CASCADE", "ON DELETE SET NULL", "ON DELETE RESTRICT", ""];

#[test]
fn an_inserted_row_that_others_refer_to_is_kept_and_listed() {
    for flavor in flavors() {
        for rule in RULES {
            let insert = "INSERT INTO parent VALUES (2, 'two'), (3, 'three')";
            let mut release = Release::new(flavor, &family(rule), &[insert]);
            release.apply();
            release.rows("INSERT INTO child VALUES (20, 2); INSERT INTO grandchild VALUES (200, 20)");
            for on_conflict in [OnConflict::Ask, OnConflict::Keep, OnConflict::Force] {
                release.on_conflict = on_conflict;
                if on_conflict == OnConflict::Ask {
                    let failure = release.undo(0).unwrap_err();
                    assert!(failure.output.contains("rows of child refer to it"), "{failure:?}");
                    assert_eq!(release.rows("SELECT COUNT(*) FROM parent"), "3", "nothing of it was undone");
                    continue;
                }
                let done = release.undo(0).unwrap();
                assert_eq!(release.rows("SELECT id FROM parent ORDER BY id"), "1\n2", "{flavor:?} {rule}");
                assert_eq!(
                    release.rows("SELECT id, parent_id FROM child ORDER BY id"),
                    "1\t1\n20\t2",
                    "{rule}"
                );
                assert_eq!(release.rows("SELECT * FROM grandchild"), "200\t20", "{rule}");
                assert_eq!(done.facts, serde_json::json!({ "rows": 1, "conflicts": 1 }), "{done:?}");
                let listed = listed(&release);
                assert!(listed.contains("parent,id=2,\"\",,a row,rows of child refer to it"), "{listed}");
                // The next way of it, from the start.
                release.rows("DELETE FROM grandchild; DELETE FROM child WHERE id = 20; DELETE FROM parent WHERE id = 2");
                release.apply();
                release.rows("INSERT INTO child VALUES (20, 2); INSERT INTO grandchild VALUES (200, 20)");
            }
        }
    }
}

#[test]
fn a_row_that_is_kept_keeps_what_it_refers_to() {
    for flavor in flavors() {
        let statements =
            ["INSERT INTO parent VALUES (2, 'two')", "INSERT INTO child VALUES (20, 2), (21, 2)"];
        let mut release = Release::new(flavor, &family("ON DELETE CASCADE"), &statements);
        release.apply();
        release.rows("INSERT INTO grandchild VALUES (200, 20)");
        release.roll_back();
        assert_eq!(release.rows("SELECT id FROM parent ORDER BY id"), "1\n2");
        assert_eq!(release.rows("SELECT id FROM child ORDER BY id"), "1\n20", "21 is taken away");
        assert_eq!(release.rows("SELECT * FROM grandchild"), "200\t20");
    }
}

#[test]
fn rows_of_one_table_that_refer_to_each_other() {
    const TREE: &str = "CREATE TABLE node (id INT PRIMARY KEY, up INT, note VARCHAR(20), \
        FOREIGN KEY (up) REFERENCES node (id) ON DELETE CASCADE); INSERT INTO node VALUES (1, NULL, '')";
    let insert = "INSERT INTO node VALUES (10, 1, ''), (11, 10, ''), (12, 11, ''), (13, 13, ''), (20, 1, ''), (21, 20, '')";
    for flavor in flavors() {
        for (others, left) in [
            ("SELECT 1", "1"),
            ("INSERT INTO node VALUES (99, 12, '')", "1\n10\n11\n12\n99"),
            ("UPDATE node SET note = 'theirs' WHERE id = 11", "1\n10\n11"),
            ("INSERT INTO node VALUES (99, 13, '')", "1\n13\n99"),
        ] {
            let mut release = Release::new(flavor, TREE, &[insert]);
            release.apply();
            release.rows(others);
            release.undo(0).unwrap();
            assert_eq!(release.rows("SELECT id FROM node ORDER BY id"), left, "{flavor:?} {others}");
        }
    }
}

#[test]
fn rows_in_another_database_refer_to_it_too() {
    for flavor in flavors() {
        let mut release =
            Release::new(flavor, &family("ON DELETE CASCADE"), &["INSERT INTO parent VALUES (2, 'two')"]);
        release.apply();
        let other = server(flavor).database();
        other.run(&format!(
            "CREATE TABLE abroad (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES {}.parent (id) ON DELETE CASCADE); \
             INSERT INTO abroad VALUES (5, 2)",
            release.database.name()
        ));
        release.undo(0).unwrap();
        assert_eq!(other.run("SELECT * FROM abroad"), "5\t2");
        let shown = format!("rows of {}.abroad refer to it", other.name());
        assert!(listed(&release).contains(&shown), "{}", listed(&release));
    }
}

#[test]
fn rows_that_are_put_back_one_by_one_are_kept_too() {
    for flavor in flavors() {
        for rule in RULES {
            // A key that moves, and a row that is replaced: neither is put back by set.
            let statements = [
                "INSERT INTO parent VALUES (2, 'two'), (3, 'three')",
                "UPDATE parent SET id = id + 100 WHERE id > 1",
                "REPLACE INTO parent VALUES (102, 'zwei'), (103, 'drei')",
            ];
            let mut release = Release::new(flavor, &family(rule), &statements);
            let before = release.rows("SELECT * FROM parent");
            if release.step(0).is_err() || release.step(1).is_err() || release.step(2).is_err() {
                // REPLACE would take children along: refused.
                assert!(rule.contains("CASCADE") || rule.contains("NULL"), "{rule}");
                let applied = release.capsules.len();
                (0..applied).rev().for_each(|at| drop(release.undo(at)));
                assert_eq!(release.rows("SELECT * FROM parent"), before);
                continue;
            }
            release.rows("INSERT INTO child VALUES (20, 102)");
            release.roll_back();
            assert_eq!(release.rows("SELECT * FROM parent ORDER BY id"), "1\tone\n102\tzwei", "{rule}");
            assert_eq!(release.rows("SELECT * FROM child ORDER BY id"), "1\t1\n20\t102");
        }
    }
}

#[test]
fn a_row_that_was_replaced_without_checks_comes_back_under_its_rows() {
    for flavor in flavors() {
        let statements =
            ["SET foreign_key_checks = 0", "REPLACE INTO parent VALUES (1, 'eins'), (2, 'zwei')"];
        let mut release = Release::new(flavor, &family("ON DELETE CASCADE"), &statements);
        release.apply();
        release.rows("INSERT INTO child VALUES (20, 2)");
        release.roll_back();
        assert_eq!(release.rows("SELECT * FROM parent ORDER BY id"), "1\tone\n2\tzwei");
        assert_eq!(release.rows("SELECT * FROM child ORDER BY id"), "1\t1\n20\t2");
    }
}

/// What is referred to keeps its value, and what refers to a row that is gone does not come back: conflicts, not an undo
/// that fails.
#[test]
fn values_that_are_referred_to_and_rows_without_a_parent_are_conflicts() {
    const SETUP: &str = "CREATE TABLE country (id INT PRIMARY KEY, code VARCHAR(100) NOT NULL, note INT, UNIQUE (code)); \
        CREATE TABLE city (id INT PRIMARY KEY, country_id INT, FOREIGN KEY (country_id) REFERENCES country (id)); \
        INSERT INTO country VALUES (1, 'fr', 0), (2, 'de', 0), (3, 'it', 0); INSERT INTO city VALUES (1, 3), (2, 1)";
    for flavor in flavors() {
        let statements = ["UPDATE country SET code = UPPER(code), note = 1 WHERE id < 3", "DELETE FROM city"];
        let mut release = Release::new(flavor, SETUP, &statements);
        release.apply();
        release.rows(
            "CREATE TABLE phone (code VARCHAR(100), n INT, FOREIGN KEY (code) REFERENCES country (code) ON UPDATE SET NULL); \
             INSERT INTO phone VALUES ('FR', 33); DELETE FROM country WHERE id = 3",
        );
        let done = release.roll_back();
        assert_eq!(release.rows("SELECT * FROM country ORDER BY id"), "1\tFR\t1\n2\tde\t0");
        assert_eq!(release.rows("SELECT * FROM phone"), "FR\t33");
        assert_eq!(release.rows("SELECT * FROM city"), "2\t1", "{done:?}");
        assert_eq!(done[0].facts["conflicts"], 1, "{done:?}");
        assert_eq!(done[1].facts["conflicts"], 1, "{done:?}");
    }
}
