//! A release on MariaDB and MySQL, killed at each unit, resumed and rolled back.

use crate::sealed::Project;
use windlass_lab::{Database, Flavor, server};

const RELEASE: &str = "---
release: 2.1.0
from: 2.0.9
---
# 2.1.0

```sql {#rows on=db rows=2}
UPDATE record AS R SET note = CONCAT('spec-v1/', R.record_id, '.txt') WHERE R.record_id >= '100000';
```
```sql {#more on=db}
SET NAMES utf8mb4;
DELETE FROM record WHERE record_id = 1;
INSERT INTO record VALUES (7, '数据');
```
";

const WORLD: &str = "SELECT record_id, HEX(note) FROM record ORDER BY 1";

fn release(flavor: Flavor) -> (Project, Database) {
    let database = server(flavor).database();
    database.run(
        "CREATE TABLE record (record_id INT PRIMARY KEY, note VARCHAR(50)) DEFAULT CHARSET=utf8mb4; \
         INSERT INTO record VALUES (1, 'a'), (100000, NULL), (100001, 'c')",
    );
    let project = Project::empty();
    project.write("windlass.toml", format!("[target.db]\nurl = \"{}\"\n", database.url()));
    project.write("release.md", RELEASE);
    (project, database)
}

#[test]
fn killed_at_every_unit_it_resumes_or_goes_back() {
    for unit in ["rows/1", "more/2", "more/3"] {
        for fault in ["crash-before", "crash-after"] {
            let (project, database) = release(Flavor::Mariadb);
            let before = database.run(WORLD);
            let word = format!("{fault}:{unit}");
            let killed = project.run(&["apply", "release.md", "--yes", "--fault", &word]);
            assert_eq!(killed.code, None, "{word}: {}{}", killed.stdout, killed.stderr);
            project.run(&["resume"]).code(0);
            let (text, data) = ("spec-v1/100000.txt", "数据");
            let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02X}")).collect::<String>();
            let after = database.run(WORLD);
            assert!(after.contains(&hex(text)) && after.contains(&hex(data)), "{word}: {after}");
            assert!(!after.starts_with("1\t"), "{word}: {after}");
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
    project.run(&["rollback", "--yes", "--fault", "crash-after:undo:more/2"]);
    project.run(&["resume"]);
    assert_eq!(database.run(WORLD), before);
}
