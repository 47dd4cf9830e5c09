//! The undo by a copy or a backup: exact, and never over what others wrote.

use super::*;

#[tokio::test]
async fn undo_newest_first_restores_exactly_while_the_service_is_connected() {
    for mode in MODES {
        let world = World::new(mode, &two_steps());
        let service = world.db();
        let count = "SELECT count(*) FROM booking";
        let _: i64 = service.query_row(count, [], |row| row.get(0)).unwrap();
        let start = world.print();
        world.go("one/1").await;
        world.go("one/2").await;
        let middle = world.print();
        for id in ["two/1", "two/2", "two/3"] {
            world.go(id).await;
        }
        assert!(world.undo("two/3").await.unwrap().changed, "{mode}");
        assert_eq!(world.print(), middle, "{mode}");
        for id in ["two/2", "two/1"] {
            assert!(!world.undo(id).await.unwrap().changed, "{mode}: its row is gone with the restore");
            assert!(matches!(world.inspect(id, Way::Undo).await, Found::Applied(_)));
        }
        assert_eq!(world.inspect("one/2", Way::Undo).await, Found::NotApplied);
        assert!(world.undo("one/2").await.unwrap().changed, "{mode}");
        assert_eq!(world.print(), start, "{mode}");
        let seen: i64 = service.query_row(count, [], |row| row.get(0)).unwrap();
        assert_eq!(seen, 3, "{mode}: the open connection goes on");
        service.execute_batch("INSERT INTO booking (who) VALUES ('after')").unwrap();
        let now: String = service.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
        assert_eq!(now == "wal", mode == "wal", "the journal mode stays");
        let check: String = service.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
    }
}

#[tokio::test]
async fn writes_of_others_are_never_lost() {
    let writes = [
        ("INSERT INTO booking (who) VALUES ('new')", "table booking: 1 rows more (3 → 4)"),
        ("DELETE FROM note", "table note: 2 rows fewer (2 → 0)"),
        ("UPDATE note SET v = 'x' WHERE k = 'a'", "table note: content of some of its 2 rows changed"),
        ("CREATE TABLE extra (x)", "the schema was changed"),
        ("PRAGMA user_version = 5", "the schema was changed"),
    ];
    for mode in MODES {
        for (write, words) in writes {
            // Before the last statement, and after it.
            for late in [false, true] {
                let world = World::new(mode, &two_steps());
                world.go("one/1").await;
                if !late {
                    world.exec(write);
                }
                world.go("one/2").await;
                if late {
                    world.exec(write);
                }
                let before = world.print();
                let failure = world.undo("one/2").await.unwrap_err();
                assert_eq!((failure.effect, failure.retry), (Effect::None, false));
                let all = failure.whole("\n");
                assert!(all.contains(words), "{mode} {write}: {all}");
                assert_eq!(world.print(), before, "{mode} {write}");
                assert_eq!(world.inspect("one/2", Way::Undo).await, Found::NotApplied);
                world.exec("INSERT INTO booking (who) VALUES ('the lock was let go')");
            }
        }
    }
}

#[tokio::test]
async fn a_write_between_copy_and_statement_is_in_the_copy() {
    for mode in MODES {
        let world = World::new(mode, &two_steps());
        world.capture("one/1").await.unwrap();
        world.exec("INSERT INTO booking (who, seats) VALUES ('late', 4)");
        let start = world.print();
        world.apply("one/1").await.unwrap();
        world.go("one/2").await;
        world.undo("one/2").await.unwrap();
        assert_eq!(world.print(), start, "{mode}");
    }
}

#[tokio::test]
async fn a_stale_copy_is_replaced_before_the_first_statement_and_never_after() {
    let world = World::new("wal", &two_steps());
    let first = world.capture("one/1").await.unwrap();
    world.exec("DELETE FROM note");
    let second = world.capture("one/1").await.unwrap();
    assert_ne!(first, second, "the controller crashed before the intent: taken anew");
    let start = world.print();
    world.apply("one/1").await.unwrap();
    assert_eq!(world.capture("one/2").await.unwrap(), second);
    assert_eq!(world.capture("one/1").await.unwrap(), second, "not replaced");
    world.undo("one/1").await.unwrap();
    assert_eq!(world.print(), start);
    // Applied again after the undo, on other data.
    world.exec("INSERT INTO booking (who) VALUES ('between')");
    let start = world.print();
    assert_ne!(world.capture("one/1").await.unwrap(), second);
    world.apply("one/1").await.unwrap();
    world.undo("one/1").await.unwrap();
    assert_eq!(world.print(), start);
}

#[tokio::test]
async fn a_lost_or_changed_copy_is_noticed() {
    let world = World::new("wal", &two_steps());
    let capsule = world.capture("one/1").await.unwrap();
    world.apply("one/1").await.unwrap();
    let copy = PathBuf::from(capsule.0["copy"].as_str().unwrap());
    let mut bytes = fs::read(&copy).unwrap();
    bytes[5000] ^= 1;
    fs::write(&copy, bytes).unwrap();
    let before = world.print();
    for failure in [world.undo("one/1").await.unwrap_err(), world.capture("one/2").await.unwrap_err()] {
        assert_eq!(failure.effect, Effect::None);
        assert!(failure.message.contains("was changed: SHA-256"), "{}", failure.message);
    }
    assert_eq!(world.print(), before);
}

#[tokio::test]
async fn restores_from_a_backup_of_the_run() {
    let by = || UndoBy::Backup(UnitId("b/1".into()));
    let units = [
        backup("b/1", "app.bak"),
        undone_by(sql("s/1", "DELETE FROM booking"), by()),
        undone_by(sql("t/1", "DROP TABLE note"), by()),
    ];
    let mut world = World::new("wal", &units);
    assert!(world.capture("s/1").await.unwrap_err().message.contains("no way back"));
    let start = world.print();
    let done = world.go("b/1").await;
    assert_eq!(done.facts["fingerprint"], start.sha256());
    world.facts = Arc::new([(UnitId("b/1".into()), done.facts)].into());
    world.go("s/1").await;
    world.go("t/1").await;
    assert!(world.undo("t/1").await.unwrap().changed);
    assert_eq!(world.print(), start, "the backup is from before both");
    assert!(!world.undo("s/1").await.unwrap().changed);
    // And with a write in between it is refused.
    world.go("s/1").await;
    world.exec("INSERT INTO booking (who) VALUES ('since')");
    assert!(world.undo("s/1").await.unwrap_err().message.contains("1 rows more (0 → 1)"));
}
