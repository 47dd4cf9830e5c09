//! A release on MariaDB and MySQL, killed at each unit, resumed and rolled back.

use crate::sealed::{Project, skipped, wait_for};
use windlass_lab::{Database, Flavor, Setup, server};

const RELEASE: &str = "---
release: 2.1.0
from: 2.0.9
---
# 2.1.0

```sql {#rows on=db rows=2}
ALTER TABLE `record` ADD COLUMN `s3_key` VARCHAR(50) COMMENT 's3的key' AFTER `record_id`;
UPDATE record AS R SET s3_key = CONCAT('spec-v1/', R.record_id, '.txt') WHERE R.record_id >= '100000';
```
```sql {#drop on=db}
ALTER TABLE `record` DROP COLUMN `old`;
DROP TABLE legacy;
```
```sql {#more on=db}
SET NAMES utf8mb4;
DELETE FROM record WHERE record_id = 1;
INSERT INTO record (record_id, note) VALUES (7, '数据');
```
";

const WORLD: &str =
    "SHOW CREATE TABLE record; SHOW TABLES LIKE 'legacy'; SELECT *, HEX(note) FROM record ORDER BY record_id";

fn release(flavor: Flavor) -> (Project, Database) {
    let database = server(flavor).database();
    database.run(
        "CREATE TABLE record (record_id INT PRIMARY KEY, note VARCHAR(50), old INT NOT NULL) DEFAULT CHARSET=utf8mb4; \
         INSERT INTO record VALUES (1, 'a', 1), (100000, NULL, 2), (100001, 'c', 3); \
         CREATE TABLE legacy (id INT PRIMARY KEY)",
    );
    let project = Project::empty();
    project.write("windlass.toml", format!("[target.db]\nurl = \"{}\"\n", database.url()));
    project.write("release.md", RELEASE);
    (project, database)
}

#[test]
fn killed_at_every_unit_it_resumes_or_goes_back() {
    for unit in ["rows/1", "rows/2", "drop/1", "drop/2", "more/3"] {
        for fault in ["crash-before", "crash-after"] {
            let (project, database) = release(Flavor::Mariadb);
            let before = database.run(WORLD);
            let word = format!("{fault}:{unit}");
            let killed = project.run(&["apply", "release.md", "--yes", "--fault", &word]);
            assert_eq!(killed.code, None, "{word}: {}{}", killed.stdout, killed.stderr);
            project.run(&["resume"]).code(0);
            let after = database.run(WORLD);
            assert!(after.contains("spec-v1/100000.txt") && after.contains("数据"), "{word}: {after}");
            assert!(!after.contains("legacy") && !after.contains("`old`"), "{word}: {after}");
            project.run(&["rollback", "--yes"]).code(0);
            assert_eq!(database.run(WORLD), before, "{word}");
        }
    }
}

#[test]
fn killed_on_the_way_back_it_goes_on() {
    let (project, database) = release(Flavor::Mariadb);
    let before = database.run(WORLD);
    project.run(&["apply", "release.md", "--yes"]).code(0);
    for unit in ["more/2", "drop/2", "rows/1"] {
        let word = format!("crash-after:undo:{unit}");
        project.run(&["rollback", "--yes", "--fault", &word]);
    }
    project.run(&["resume"]);
    assert_eq!(database.run(WORLD), before);
}

/// What was done before stays, the failure has place and reason, and what it says to type next brings the release to its end.
#[test]
fn a_full_disk_of_the_server_is_named_and_the_run_goes_on_when_there_is_room() {
    let setup = || Setup::new(Flavor::Mariadb).disk_bytes_max(160 << 20).start();
    let Ok(server) = std::panic::catch_unwind(setup) else {
        return skipped("a full disk of a server: no right to mount; run as root");
    };
    let database = server.database();
    database.run(
        "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(400)); INSERT INTO t SELECT seq, REPEAT('x', 300) FROM seq_1_to_5000",
    );
    let world = "SELECT COUNT(*), MD5(GROUP_CONCAT(v ORDER BY id)) FROM t; SHOW CREATE TABLE t";
    let before = database.run(world);
    let project = Project::empty();
    project.write(
        "windlass.toml",
        format!("[target.app]\ndir = \".\"\n[target.db]\nurl = \"{}\"\n", database.url()),
    );
    let head = "---\nrelease: 2.1.0\nfrom: 2.0.9\n---\n# 2.1.0\n\n";
    project.write(
        "release.md",
        format!(
            "{head}```sql {{#few on=db}}\nUPDATE t SET v = 'few' WHERE id < 10;\n```\n```sh {{#wait on=app readonly}}\n: > waiting\nuntil [ -e go ]; do \
             sleep 0.05; done\n```\n```sql {{#all on=db}}\nUPDATE t SET v = CONCAT('all', v);\n```\n"
        ),
    );
    let run = project.start(&["apply", "release.md", "--yes", "--on-failure", "stop"]);
    wait_for("the step", || project.path("waiting").exists());
    server.fill_disk();
    project.write("go", "");
    let said = run.end();
    assert_eq!(said.code, Some(3), "{}", said.stderr);
    let words = said.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    for wanted in [
        "release.md:15:1: `UPDATE t SET v = CONCAT",
        "nothing was changed",
        "of the server is full: make room there",
        "windlass decide retry",
    ] {
        assert!(words.contains(wanted), "no {wanted:?} in {}", said.stderr);
    }
    server.free_disk();
    assert_eq!(database.run("SELECT COUNT(*) FROM t WHERE v = 'few'"), "9");
    assert_eq!(database.run("SELECT COUNT(*) FROM t WHERE v LIKE 'all%'"), "0");
    project.run(&["decide", "retry", "--reason", "there is room again"]).code(0);
    assert_eq!(database.run("SELECT COUNT(*) FROM t WHERE v LIKE 'all%'"), "5000");
    project.run(&["rollback", "--yes"]).code(0);
    assert_eq!(database.run(world), before);
}
