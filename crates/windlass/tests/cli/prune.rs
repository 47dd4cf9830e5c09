//! `windlass prune`.

use crate::sealed::Project;
use rusqlite::Connection;

const DROP: &str = "---\nrelease: 2\nfrom: 1\n---\n# 2\n\n```sql {#tidy on=db}\nDROP TABLE record;\n```\n";

#[test]
fn what_was_set_aside_is_kept_for_its_time_and_dropped_after_it_was_asked() {
    let project = Project::new(DROP);
    assert!(project.run(&["prune"]).code(0).stderr.contains("Nothing is old enough"));
    project.run(&["apply", "release.md", "--yes"]).code(0);
    let said = project.run(&["prune", "--yes"]).code(0);
    assert!(said.stdout.contains("db: table record, 2 rows, dropped at "), "{}", said.stdout);
    assert!(said.stdout.contains("kept for another"), "{}", said.stdout);
    let db = Connection::open(project.path("app.db")).unwrap();
    db.execute_batch("UPDATE windlass_aside SET at = '2020-01-01T00:00:00Z'").unwrap();
    let said = project.run(&["prune"]).code(0);
    assert!(said.stdout.contains("will be dropped for good"), "{}", said.stdout);
    assert!(said.stderr.contains("Nothing was dropped; `windlass prune --yes`"), "{}", said.stderr);
    let held = |db: &Connection| {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'windlass_aside_1'";
        db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() == 1
    };
    assert!(held(&db));
    let said = project.run(&["prune", "--yes"]).code(0);
    assert!(said.stderr.contains("db: table record is gone"), "{}", said.stderr);
    assert!(!held(&db));
}
