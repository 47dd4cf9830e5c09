//! Temporary tables that several statements of one file share: applied, killed in between, taken back and rehearsed.

use crate::sealed::Project;
use std::time::Duration;
use windlass_lab::{Flavor, server};

const BASE: &str = "CREATE TABLE item (id INT PRIMARY KEY, price INT, found INT); INSERT INTO item VALUES (1, 10, 0), (2, 20, 0), (3, 30, 0);";

/// A column has the name of a variable that blocks of PostgreSQL have, and a query stands in between.
const FILE: &str = "CREATE TEMP TABLE raised AS SELECT id, price + 1 AS price, 7 AS found FROM item WHERE id > 1;
DELETE FROM raised WHERE id = 3;
SELECT * FROM raised;
ALTER TABLE item ADD COLUMN old_price INT;
UPDATE item SET old_price = price WHERE id > 0;
UPDATE item SET price = (SELECT price FROM raised WHERE raised.id = item.id), found = 7 WHERE id IN (SELECT id FROM raised);
DROP TABLE raised;
UPDATE item SET found = found + 1 WHERE id > 0;
";

const NUMBERS: &str = "SELECT id * 10000 + price * 100 + found FROM item ORDER BY id";
const BEFORE: [i64; 3] = [11000, 22000, 33000];
const AFTER: [i64; 3] = [11001, 22108, 33001];

/// A project whose document runs the file, on the database of this URL, with `units` units.
fn there_and_back(url: &str, units: usize, numbers: &dyn Fn(&Project) -> Vec<i64>, base: &dyn Fn(&Project)) {
    let project = Project::empty();
    project.write("windlass.toml", format!("[target.db]\nurl = \"{url}\"\n"));
    project.write("m/1.sql", FILE);
    project.write(
        "release.md",
        "---\nrelease: 2.1.0\nfrom: 2.0.9\n---\n# 2.1.0\n\n```sql {#prices on=db files=\"m/*.sql\"}\n```\n",
    );
    base(&project);
    for unit in 1..=units {
        for fault in ["crash-before", "crash-after"] {
            let words = format!("{fault}:prices/{unit}");
            let killed = project.run(&["apply", "release.md", "--yes", "--fault", &words]);
            assert_eq!(killed.code, None, "{words} kills: {}{}", killed.stdout, killed.stderr);
            project.run(&["resume", "--yes"]).code(0);
            assert_eq!(numbers(&project), AFTER, "{words}");
            project.run(&["rollback", "--yes"]).code(0);
            assert_eq!(numbers(&project), BEFORE, "{words}");
        }
    }
}

#[test]
fn statements_that_share_a_temporary_table_go_there_and_back_on_postgresql() {
    let database = server(Flavor::Postgres15).database();
    let numbers = |_: &Project| {
        let text = database.run(NUMBERS);
        text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    };
    let base = |_: &Project| drop(database.run(BASE));
    there_and_back(&database.url(), 2, &numbers, &base);
}

#[test]
fn statements_that_share_a_temporary_table_go_there_and_back_on_sqlite() {
    let numbers = |project: &Project| {
        let connection = rusqlite::Connection::open(project.path("x.db")).unwrap();
        let mut statement = connection.prepare(NUMBERS).unwrap();
        let rows: Result<_, _> = statement.query_map([], |row| row.get(0)).unwrap().collect();
        rows.unwrap()
    };
    let base = |project: &Project| {
        rusqlite::Connection::open(project.path("x.db")).unwrap().execute_batch(BASE).unwrap();
    };
    there_and_back("sqlite:x.db", 8, &numbers, &base);
}

#[test]
fn statements_that_share_a_temporary_table_are_rehearsed() {
    let database = server(Flavor::Postgres15).database();
    database.run(BASE);
    let project = Project::empty();
    project.write("windlass.toml", format!("[target.db]\nurl = \"{}\"\n", database.url()));
    project.write("m/1_x.up.sql", FILE);
    project.write("m/1_x.down.sql", "ALTER TABLE item DROP COLUMN old_price;\n");
    project.write(
        "release.md",
        "---\nrelease: 2.1.0\nfrom: 2.0.9\n---\n# 2.1.0\n\n```sql {#prices on=db files=\"m/*.up.sql\"}\n```\n",
    );
    let tools = server(Flavor::Postgres15).bin().unwrap();
    let words = ["rehearse", "release.md", "--json", "--tools", tools.to_str().unwrap()];
    let found = project.start(&words).end_within(Duration::from_secs(300)).json();
    for statement in found["statements"].as_array().unwrap() {
        assert_eq!(statement["verdict"], "exact", "{statement}");
        assert_eq!(statement["disturbed"].as_array().unwrap().len(), 0, "{statement}");
    }
    project.run(&["migrate", "up", "m", "--tool", "golang-migrate", "--yes"]).code(0);
    assert!(database.run("SELECT old_price FROM item WHERE id = 2").contains("20"));
    project.run(&["migrate", "down", "m", "--tool", "golang-migrate", "--yes"]).code(0);
}
