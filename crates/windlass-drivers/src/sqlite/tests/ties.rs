//! Rows that others refer to, and tables that were set aside with such references.

use super::{fine::exact, *};

const SETUP: &str = "CREATE TABLE k (id INTEGER PRIMARY KEY); CREATE TABLE c (k INT REFERENCES k (id)); INSERT INTO k VALUES (1); \
                     INSERT INTO c VALUES (1)";

#[tokio::test]
async fn what_was_set_aside_before_holds_no_row_that_came_later() {
    let statements = ["DROP TABLE c", "DELETE FROM k WHERE id = 1", "INSERT INTO k VALUES (1)"];
    let units: Vec<_> =
        statements.iter().enumerate().map(|(at, text)| exact(&format!("s/{}", at + 1), text)).collect();
    let world = World::new("wal", &units);
    world.db().execute_batch(SETUP).unwrap();
    let start = world.print();
    for id in ["s/1", "s/2", "s/3"] {
        world.go(id).await;
    }
    let done = world.undo("s/3").await.unwrap();
    assert_eq!(done.facts["conflicts"], 0, "{done:?}");
    assert_eq!(world.int("SELECT count(*) FROM k"), 0);
    world.undo("s/2").await.unwrap();
    world.undo("s/1").await.unwrap();
    assert_eq!(world.print(), start);
}

#[tokio::test]
async fn what_was_set_aside_later_still_holds_the_rows_that_it_refers_to() {
    let world = World::new("wal", &[exact("s/1", "INSERT INTO k VALUES (9)"), exact("s/2", "DROP TABLE c")]);
    world.db().execute_batch(SETUP).unwrap();
    world.go("s/1").await;
    world.db().execute_batch("INSERT INTO c VALUES (9)").unwrap();
    world.go("s/2").await;
    let done = world.undo("s/1").await.unwrap();
    assert_eq!(done.facts["conflicts"], 1, "{done:?}");
    assert_eq!(world.int("SELECT count(*) FROM k WHERE id = 9"), 1);
}
