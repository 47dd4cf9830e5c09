//! A journal that somebody changed is refused, and the entry is named.

use crate::support::{applied, intended, now, owner, settled, started, unlinked};
use rusqlite::Connection;
use std::path::Path;
use windlass_journal::{JOURNAL_FORMAT, SqliteStore, Store, StoreError, verify};
use windlass_plan::Way;

/// A journal of six entries.
fn journal(file: &Path) {
    let store = SqliteStore::open(file).unwrap();
    let token = now(store.take(0, &owner(1), 1000, 0)).unwrap().token;
    let events = [
        started(),
        intended("a/1", Way::Forward, 1),
        settled("a/1", Way::Forward, 1, applied()),
        intended("b/1", Way::Forward, 1),
        settled("b/1", Way::Forward, 1, applied()),
        intended("a/1", Way::Undo, 1),
    ];
    now(store.append(0, token, events.into_iter().map(|e| unlinked("r", e)).collect())).unwrap();
}

/// Opens a journal that `sql` changed.
fn tampered(sql: &str) -> StoreError {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    journal(&file);
    Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    SqliteStore::open(&file).err().unwrap_or_else(|| panic!("`{sql}` was not noticed"))
}

#[test]
fn every_kind_of_tampering_names_the_first_entry_that_does_not_fit() {
    for (sql, entry) in [
        ("UPDATE entry SET event = replace(event, 'b/1', 'a/1') WHERE seq = 4", 4),
        ("UPDATE entry SET actor = 'somebody else' WHERE seq = 1", 1),
        ("UPDATE entry SET time_ms = time_ms + 1 WHERE seq = 6", 6),
        ("UPDATE entry SET token = 9 WHERE seq = 2", 2),
        ("UPDATE entry SET run = 'other' WHERE seq = 3", 3),
        ("UPDATE entry SET hash = previous WHERE seq = 5", 5),
        ("DELETE FROM entry WHERE seq = 3", 4),
        ("DELETE FROM entry WHERE seq = 1", 2),
        (
            "UPDATE entry SET seq = 99 WHERE seq = 2; UPDATE entry SET seq = 2 WHERE seq = 3; UPDATE entry SET seq = 3 WHERE seq = 99",
            2,
        ),
        (
            "INSERT INTO entry SELECT seq + 1, time_ms, run, actor, token, event, previous, hash FROM entry WHERE seq = 6",
            7,
        ),
        // A forger who computes the hash of one entry has to compute all that follow.
        ("UPDATE entry SET previous = hash WHERE seq = 2", 2),
    ] {
        let error = tampered(sql);
        let StoreError::Broken { seq, why } = &error else { panic!("{sql}: {error}") };
        assert_eq!(*seq, entry, "{sql}: {why}");
        assert!(error.to_string().contains("Restore the journal from a copy"), "{error}");
    }
}

#[test]
fn a_reader_is_refused_as_a_writer_is_when_an_entry_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    journal(&file);
    let writer = Connection::open(&file).unwrap();
    let reader = SqliteStore::open_existing(&file).unwrap();
    writer.execute_batch("UPDATE entry SET event = replace(event, 'b/1', 'a/1') WHERE seq = 4").unwrap();
    assert_eq!(now(reader.read(0, 3)).unwrap().len(), 3);
    assert!(
        matches!(now(reader.read(0, 9)), Err(StoreError::Broken { seq: 4, .. })),
        "checked as it is read"
    );
    writer.execute_batch("DELETE FROM entry WHERE seq = 2").unwrap();
    assert!(matches!(SqliteStore::open_existing(&file).err(), Some(StoreError::Broken { seq: 3, .. })));
}

#[test]
fn verify_refuses_gaps_other_order_and_other_beginnings() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    journal(&file);
    let all = now(SqliteStore::open(&file).unwrap().read(0, 99)).unwrap();
    verify(0, String::new(), &all).unwrap();
    verify(2, all[1].hash.clone(), &all[2..]).unwrap();
    for wrong in [
        vec![all[0].clone(), all[2].clone()],
        vec![all[1].clone()],
        vec![all[0].clone(), all[0].clone()],
        vec![all[0].clone(), windlass_journal::Entry { actor: "x".into(), ..all[1].clone() }],
    ] {
        assert!(matches!(verify(0, String::new(), &wrong), Err(StoreError::Broken { .. })));
    }
}

#[test]
fn a_newer_format_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    journal(&file);
    let found = JOURNAL_FORMAT + 1;
    Connection::open(&file).unwrap().pragma_update(None, "user_version", found).unwrap();
    let before = std::fs::read(&file).unwrap();
    for opened in [SqliteStore::open(&file).err(), SqliteStore::open_existing(&file).err()] {
        assert_eq!(opened, Some(StoreError::Newer { found, ours: JOURNAL_FORMAT }));
    }
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn what_is_not_a_journal_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.db");
    std::fs::write(&text, "this is a text, and a long one, so that it cannot be taken for an empty database")
        .unwrap();
    let other = folder.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").unwrap();
    for file in [&text, &other] {
        let before = std::fs::read(file).unwrap();
        assert!(
            matches!(SqliteStore::open(file).err(), Some(StoreError::NotAJournal(_))),
            "{}",
            file.display()
        );
        assert!(SqliteStore::open_existing(file).is_err());
        assert_eq!(std::fs::read(file).unwrap(), before);
    }
    let none = folder.path().join("none.db");
    assert!(matches!(SqliteStore::open_existing(&none).err(), Some(StoreError::Missing(_))));
    assert!(!none.exists(), "looking makes no journal");
}
