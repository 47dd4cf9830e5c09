//! What goes wrong under a store: a write that fails in the middle, another program that has the file, odd places, a
//! damaged lease. All of an append is kept, or nothing, and the words say what to do.

use crate::support::*;
use rusqlite::Connection;
use windlass_journal::{RunId, SqliteStore, Store, StoreError, Unlinked};
use windlass_plan::Way;

fn pairs(from: u32, count: u32) -> Vec<Unlinked> {
    let both = |n| [intended("a/1", Way::Forward, n), settled("a/1", Way::Forward, n, busy())];
    (from..from + count).flat_map(both).map(|event| unlinked("r", event)).collect()
}

#[test]
fn an_append_that_fails_at_any_of_its_entries_keeps_none() {
    for fails_at in 2..=9_u64 {
        let folder = folder();
        let file = folder.path().join("journal.db");
        let (store, token) = journal(&file, vec![started()]);
        let hand = Connection::open(&file).unwrap();
        let trigger = format!(
            "CREATE TRIGGER no BEFORE INSERT ON entry WHEN NEW.seq = {fails_at} BEGIN SELECT RAISE(ABORT, 'the disk burns'); END"
        );
        hand.execute_batch(&trigger).unwrap();
        let refused = now(store.append(1, token, pairs(1, 4))).unwrap_err();
        assert!(matches!(&refused, StoreError::Io(why) if why.contains("the disk burns")), "{refused:?}");
        assert_eq!(now(store.head()).unwrap().seq, 1, "fails at {fails_at}");
        assert_eq!(all(&store).len(), 1);
        hand.execute_batch("DROP TRIGGER no").unwrap();
        let written = now(store.append(1, token, pairs(1, 4))).unwrap();
        assert_eq!(written.last().unwrap().seq, 9, "the same append goes through when its cause is gone");
        store.verify().unwrap();
    }
}

#[test]
fn a_lease_that_cannot_be_written_is_as_it_was() {
    let folder = folder();
    let file = folder.path().join("journal.db");
    let (store, token) = journal(&file, vec![started()]);
    let before = now(store.lease()).unwrap();
    let hand = Connection::open(&file).unwrap();
    let trigger =
        |when: &str| format!("CREATE TRIGGER no BEFORE {when} ON lease BEGIN SELECT RAISE(ABORT, 'no'); END");
    hand.execute_batch(&trigger("UPDATE")).unwrap();
    for answer in [now(store.beat(token)), now(store.release(token))] {
        assert!(matches!(answer, Err(StoreError::Io(_))), "{answer:?}");
    }
    hand.execute_batch(&format!("DROP TRIGGER no; {}", trigger("INSERT"))).unwrap();
    let answer = now(store.take(token, &owner(2), 1000, 0));
    assert!(matches!(answer, Err(StoreError::Io(_))), "{answer:?}");
    assert_eq!(now(store.lease()).unwrap(), before);
    hand.execute_batch("DROP TRIGGER no").unwrap();
    now(store.append(1, token, pairs(1, 1))).unwrap();
}

#[test]
fn a_damaged_lease_is_told_and_nobody_writes_under_it() {
    let folder = folder();
    let file = folder.path().join("journal.db");
    let (store, token) = journal(&file, vec![started()]);
    let hand = Connection::open(&file).unwrap();
    for owner in ["", "{}", "nobody", r#"{"actor":"a","boot":"b","pid":-1,"started":0}"#] {
        hand.execute("UPDATE lease SET owner = ?1", [owner]).unwrap();
        assert!(now(store.lease()).is_err(), "{owner}");
        assert!(now(store.append(1, token, pairs(1, 1))).is_err(), "{owner}");
        assert!(now(store.take(token, &crate::support::owner(2), 1000, 0)).is_err(), "{owner}");
    }
    assert_eq!(all(&store).len(), 1, "entries can still be read");
}

#[test]
fn a_writer_waits_for_another_program_that_has_the_file_for_a_moment() {
    let folder = folder();
    let file = folder.path().join("journal.db");
    let (store, token) = journal(&file, vec![started()]);
    let other = Connection::open(&file).unwrap();
    // Often enough that the append meets the other's transaction in some rounds, however threads are scheduled.
    for round in 0..30 {
        let head = now(store.head()).unwrap().seq;
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let (sender, begun) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let append = scope.spawn(|| {
                sender.send(()).unwrap();
                now(store.append(head, token, pairs(round + 1, 1)))
            });
            begun.recv().unwrap();
            other.execute_batch("UPDATE lease SET ttl_ms = ttl_ms + 1; COMMIT").unwrap();
            assert_eq!(append.join().unwrap().unwrap().last().unwrap().seq, head + 2, "round {round}");
        });
    }
}

#[test]
fn a_reader_is_not_kept_waiting_by_a_writer() {
    let folder = folder();
    let file = folder.path().join("journal.db");
    let (store, _) = journal(&file, vec![started()]);
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE; UPDATE lease SET beat = 99").unwrap();
    let reader = SqliteStore::open_existing(&file).unwrap();
    assert_eq!((all(&reader).len(), all(&store).len()), (1, 1));
    assert_eq!(now(reader.lease()).unwrap().unwrap().beat, 0, "what is not committed is not told");
}

#[test]
fn names_of_runs_and_people_are_text_and_nothing_else() {
    let folder = folder();
    let file = folder.path().join("journal.db");
    let store = SqliteStore::open(&file).unwrap();
    let token = now(store.take(0, &owner(1), 1000, 0)).unwrap().token;
    let names = ["'; DROP TABLE entry; --", "版本 2", "a\nb", "", "\u{0}", "%", "_", "R", "r"];
    for (name, at) in names.iter().zip(0..) {
        let entry = Unlinked { actor: (*name).to_owned(), ..unlinked(name, started()) };
        now(store.append(at, token, vec![entry])).unwrap();
    }
    let store = SqliteStore::open(&file).unwrap();
    assert_eq!(now(store.runs()).unwrap(), names.map(|name| RunId(name.into())));
    for (name, seq) in names.iter().zip(1..) {
        let read = now(store.read_run(&RunId((*name).into()))).unwrap();
        assert_eq!(
            (read.len(), read[0].seq, read[0].actor.as_str()),
            (1, seq, *name),
            "not those of another name"
        );
    }
}

#[test]
fn a_journal_lives_in_any_folder_that_can_be_named() {
    let folder = folder();
    for name in ["with space", "100%25", "what?", "#1", "版本", "a'b", "a\"b", "-rf"] {
        let place = folder.path().join(name);
        std::fs::create_dir(&place).unwrap();
        let file = place.join("journal.db");
        drop(journal(&file, vec![started()]));
        assert_eq!(all(&SqliteStore::open_existing(&file).unwrap()).len(), 1, "{name}");
        let names: Vec<_> =
            std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.iter().all(|name| name.to_str().unwrap().starts_with("journal.")), "{name}: {names:?}");
    }
}

#[test]
fn what_is_there_by_accident_is_not_taken_for_a_journal() {
    let folder = folder();
    let empty = folder.path().join("empty.db");
    std::fs::write(&empty, "").unwrap();
    // Its maker died before anything was in it: for a reader there is none, a writer makes it.
    assert!(matches!(SqliteStore::open_existing(&empty).err(), Some(StoreError::Missing(_))));
    drop(SqliteStore::open(&empty).unwrap());
    SqliteStore::open_existing(&empty).unwrap();

    let directory = folder.path().join("folder.db");
    std::fs::create_dir(&directory).unwrap();
    for refused in [SqliteStore::open(&directory).err(), SqliteStore::open_existing(&directory).err()] {
        assert!(matches!(refused, Some(StoreError::ReadOnly(_))), "{refused:?}");
    }
    let nowhere = folder.path().join("no/such/folder/journal.db");
    assert!(matches!(SqliteStore::open(&nowhere).err(), Some(StoreError::ReadOnly(_))));

    // A database of somebody else with a table of the same name.
    let other = folder.path().join("other.db");
    Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE entry (seq); INSERT INTO entry VALUES (1)")
        .unwrap();
    assert!(matches!(SqliteStore::open(&other).err(), Some(StoreError::NotAJournal(_))));
    let kept: i64 = Connection::open(&other)
        .unwrap()
        .query_row("SELECT count(*) FROM entry", [], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, 1);
}

#[test]
fn odd_questions_have_plain_answers_in_both_stores() {
    let folder = folder();
    let (sqlite, token) = journal(&folder.path().join("journal.db"), vec![started()]);
    let memory = windlass_journal::MemoryStore::default();
    now(memory.take(0, &owner(1), 1000, 0)).unwrap();
    now(memory.append(0, token, vec![unlinked("r", started())])).unwrap();
    for store in [&sqlite as &dyn Store, &memory] {
        assert_eq!(now(store.read(0, 0)).unwrap(), []);
        assert_eq!(now(store.read(u64::MAX, usize::MAX)).unwrap(), []);
        assert_eq!(now(store.read(0, usize::MAX)).unwrap().len(), 1);
        let stale = StoreError::Stale { expected: u64::MAX, found: 1 };
        assert_eq!(now(store.append(u64::MAX, token, vec![])), Err(stale));
        assert_eq!(now(store.beat(u64::MAX)), Err(StoreError::Fenced { token: u64::MAX, found: token }));
        now(store.release(u64::MAX)).unwrap();
        assert!(now(store.lease()).unwrap().unwrap().held);
    }
}

#[test]
fn an_index_that_lost_an_entry_is_told_and_can_be_made_anew() {
    let folder = folder();
    let file = folder.path().join("journal.db");
    let (store, token) = journal(&file, vec![started()]);
    now(store.append(1, token, pairs(1, 3))).unwrap();
    drop(store);
    let hand = Connection::open(&file).unwrap();
    // An index that leaves entries out, as a page that was never written would.
    hand.execute_batch("DROP INDEX entry_run; CREATE INDEX entry_run ON entry(run, seq) WHERE seq <> 4;
                        PRAGMA writable_schema = ON;
                        UPDATE sqlite_schema SET sql = 'CREATE INDEX entry_run ON entry(run, seq)' WHERE name = 'entry_run'").unwrap();
    drop(hand);
    for refused in [SqliteStore::open(&file).err(), SqliteStore::open_existing(&file).err()] {
        let Some(StoreError::Broken { seq: 4, why }) = refused else { panic!("{refused:?}") };
        assert!(why.contains("REINDEX"), "{why}");
    }
    Connection::open(&file).unwrap().execute_batch("REINDEX").unwrap();
    let store = SqliteStore::open(&file).unwrap();
    assert_eq!(now(store.read_run(&RunId("r".into()))).unwrap().len(), 7);
}

#[test]
fn each_refusal_says_what_to_type_or_whom_to_look_at() {
    let lease = windlass_journal::Lease {
        token: 3,
        owner: owner(77),
        held: true,
        beat: 5,
        ttl_ms: 1000,
        since_ms: 0,
    };
    for (error, words) in [
        (StoreError::Stale { expected: 3, found: 5 }, "expected entry 3 to be the last, found 5"),
        (StoreError::Fenced { token: 3, found: 5 }, "token 5, ours is 3"),
        (StoreError::Held(Box::new(lease)), "op@host (process 77)"),
        (
            StoreError::Broken { seq: 9, why: "a gap".into() },
            "damaged at entry 9: a gap. Nothing was written",
        ),
        (StoreError::Newer { found: 2, ours: 1 }, "use the newer windlass"),
        (StoreError::Full("j".into()), "Free some space, then `windlass resume`"),
        (StoreError::NotAJournal("f".into()), "f is not a windlass journal"),
        (StoreError::Missing("f".into()), "there is no journal at f"),
    ] {
        assert!(error.to_string().contains(words), "{error}");
    }
}
