//! What the schema says, and how rules judge with it.

use super::*;
use windlass_plan::{Live, SqlText, lint_sql};
use windlass_sql::{Dialect, ObjectName};

fn judged(statements: &[&str], live: Option<&Live>) -> Vec<&'static str> {
    let texts: Vec<_> =
        statements.iter().map(|text| SqlText { text, dialect: Dialect::Sqlite, batch: false }).collect();
    lint_sql(&texts, live).into_iter().map(|found| found.rule).collect()
}

#[tokio::test]
async fn the_schema_is_read_and_decides() {
    let statements = [
        "ALTER TABLE booking ADD COLUMN paid INTEGER NOT NULL",
        "ALTER TABLE empty ADD COLUMN paid INTEGER NOT NULL",
        "DROP INDEX booking_who",
        "ALTER TABLE fresh ADD COLUMN paid INTEGER NOT NULL",
    ];
    let units: Vec<Unit> =
        statements.iter().enumerate().map(|(at, text)| sql(&format!("s/{}", at + 1), text)).collect();
    let world = World::new("wal", &units);
    Connection::open(world.folder.join("app.db"))
        .unwrap()
        .execute_batch(
            "CREATE TABLE empty (id INTEGER PRIMARY KEY, of INTEGER REFERENCES booking (id), both TEXT UNIQUE);
             CREATE TRIGGER looks AFTER INSERT ON booking BEGIN SELECT 1; END;",
        )
        .unwrap();
    let all: Vec<&Unit> = units.iter().collect();
    let live = world.driver.catalog(&world.cx(&units[0]), &all).await.unwrap().unwrap();
    let name = |text: &str| ObjectName { parts: vec![text.to_owned()] };
    let booking = live.table(&name("BOOKING")).unwrap();
    assert_eq!((booking.rows, booking.triggers.as_slice()), (Some(3), ["looks".to_owned()].as_slice()));
    assert_eq!(booking.referenced_by, [name("empty")]);
    assert!(booking.bytes >= Some(4096) && booking.has_key() && booking.has_index_on(&["who".into()]));
    assert!(booking.column("who").unwrap().not_null && booking.column("id").unwrap().numbered);
    let empty = live.table(&name("empty")).unwrap();
    assert_eq!((empty.rows, empty.foreign_keys[0].columns[0].as_str()), (Some(0), "of"));
    assert!(empty.indexes.iter().any(|index| index.unique && index.columns == ["both"]));
    assert!(live.table(&name("note")).is_none(), "nobody named it");
    assert_eq!(live.settings["journal_mode"], "wal");
    assert!(live.free_bytes > Some(0) && live.unknown.is_empty());
    let rule = "not-null-without-default";
    assert_eq!(judged(&statements, None), [rule, rule, rule]);
    assert_eq!(judged(&statements, Some(&live)), [rule, rule], "an empty table takes it");
}
