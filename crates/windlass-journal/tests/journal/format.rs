//! The format: journals with every kind of event, checked in as they were written by each format, are read for ever; a newer
//! one is refused and left alone.

use crate::{
    golden::{entries, entries_2},
    support::*,
};
use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};
use windlass_journal::{
    Ending, Entry, Event, JOURNAL_FORMAT, RunState, SqliteStore, Store, StoreError, fold, verify,
};

/// Written by `cargo run -p windlass-journal --example golden N > FILE`; only for a new format, beside the old ones.
fn golden() -> PathBuf {
    golden_of(1)
}

fn golden_of(format: u32) -> PathBuf {
    let name = format!("tests/journal/golden/format-{format}.jsonl");
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn journals_of_each_format_are_read_and_would_be_written_the_same() {
    assert_eq!(
        JOURNAL_FORMAT, 2,
        "a new format needs a golden file of its own; the others stay and are still read"
    );
    for (format, entries) in [(1, entries()), (2, entries_2())] {
        let text = std::fs::read_to_string(golden_of(format)).unwrap();
        let read: Vec<Entry> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        verify(0, String::new(), &read).unwrap();
        for (line, (read, ours)) in text.lines().zip(read.iter().zip(&entries)) {
            assert_eq!(read, ours);
            assert_eq!(line, serde_json::to_string(ours).unwrap(), "a change of shape is a change of format");
        }
        assert_eq!(read.len(), entries.len());
        let newest = entries.iter().map(|entry| entry.event.format()).max();
        assert_eq!(newest, Some(format), "the file shows what came with its format");
    }
}

/// A version that cannot read an edited plan says "newer", not "damaged"; one that has none stays readable for it.
#[test]
fn a_file_has_the_oldest_format_that_has_its_entries() {
    let folder = folder();
    let file = folder.path().join("journal.db");
    let format = || -> u32 {
        let hand = Connection::open(&file).unwrap();
        hand.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    };
    let (store, token) = journal(&file, vec![started()]);
    assert_eq!(format(), 1);
    let refused = now(store.append(0, token, vec![unlinked("r", replanned(true))]));
    assert!(refused.is_err() && format() == 1, "what is not written needs no newer format");
    now(store.append(1, token, vec![unlinked("r", replanned(true))])).unwrap();
    assert_eq!(format(), 2);
    now(store.append(2, token, vec![unlinked("r", intended("a/1", windlass_plan::Way::Forward, 1))]))
        .unwrap();
    drop(store);
    assert_eq!(all(&SqliteStore::open(&file).unwrap()).len(), 3);
    assert_eq!(format(), 2);
}

#[test]
fn an_edited_run_folds_to_the_plan_that_counts() {
    let state: RunState = fold(&entries_2()).unwrap().unwrap();
    assert_eq!(state.plan.steps[1].units[0].timeout_ms, Some(7));
    assert_eq!((&state.digest, &state.replans[0].to), (&state.plan.digest(), &state.plan.digest()));
    assert_eq!(state.replans[0].from, plan().digest());
    assert_eq!((state.person.as_ref(), state.unit(&id("b/1")).attempt), (None, 2));
    assert_eq!(state.applied, [id("a/1"), id("b/1")]);
    assert_eq!(state.approvals[0].by, "alice@example.org");
    assert_eq!(state.break_glass.unwrap().reason, "the shop is down");
}

#[test]
fn the_golden_run_folds_to_the_state_that_it_tells() {
    let state: RunState = fold(&entries()).unwrap().unwrap();
    assert_eq!(state.ending, Some(Ending::Abandoned));
    assert_eq!(state.applied, [id("a/1"), id("b/1"), id("s/1"), id("s-undo/1")]);
    assert_eq!(state.unit(&id("a/1")).attempt, 3);
    assert_eq!(state.facts()[&id("a/1")]["rows"], 3);
    assert_eq!(state.owners.len(), 2);
    assert_eq!(state.turns.len(), 5);
}

/// It came to format 2 when the golden run of that had been written, before the first release.
#[test]
fn the_shape_of_what_was_seen_from_outside() {
    let text = r#"{"event":"probed","seen":{"web":{"down_ms":120,"longest_ms":100,"now_ms":20,"since_ms":7,"before":true,"why":"refused"}},"unit":"a/1"}"#;
    let event: Event = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&event).unwrap(), text, "a change of shape is a change of format");
    let short = r#"{"event":"probed","seen":{"web":{"down_ms":0,"longest_ms":0}},"unit":"a/1"}"#;
    let event: Event = serde_json::from_str(short).unwrap();
    assert_eq!(serde_json::to_string(&event).unwrap(), short);
}

#[test]
fn an_unknown_event_is_refused_not_skipped() {
    assert!(serde_json::from_str::<Event>(r#"{"event":"forgotten"}"#).is_err());
    assert!(serde_json::from_str::<Event>(r#"{"event":"ended","ending":"well"}"#).is_err());
}

/// A journal file with these entries, as the golden file has them, made without our own writer.
fn file_of(lines: &str, file: &Path) -> Connection {
    drop(SqliteStore::open(file).unwrap());
    let hand = Connection::open(file).unwrap();
    for line in lines.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| entry[key].as_str().unwrap().to_owned();
        let number = |key: &str| entry[key].as_i64().unwrap();
        // The event as it stands in the line: its keys in the order in which they were written.
        let event = &line[line.find("\"event\":").unwrap() + 8..line.rfind(",\"previous\"").unwrap()];
        let values = params![
            number("seq"),
            number("time_ms"),
            text("run"),
            text("actor"),
            number("token"),
            event,
            text("previous"),
            text("hash")
        ];
        hand.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values).unwrap();
    }
    hand
}

#[test]
fn a_file_that_an_old_writer_left_is_read_folded_and_gone_on_with() {
    let folder = folder();
    let file = folder.path().join("journal.db");
    let text = std::fs::read_to_string(golden()).unwrap();
    drop(file_of(&text, &file));
    let reader = SqliteStore::open_existing(&file).unwrap();
    assert_eq!(all(&reader), entries());
    assert_eq!(format!("{:?}", folded(&all(&reader)).units), format!("{:?}", folded(&entries()).units));
    let store = SqliteStore::open(&file).unwrap();
    let token = now(store.take(0, &owner(1), 1000, 0)).unwrap().token;
    let head = now(store.head()).unwrap();
    let next = now(store.append(head.seq, token, vec![unlinked("next", started())])).unwrap();
    assert_eq!(next[0].previous, head.hash, "the chain goes on over the change of program");
}

/// A newer format is neither read nor written, whoever asks; the bytes and what lies beside them stay.
#[test]
fn newer_formats_are_refused_by_readers_and_writers_and_left_as_they_are() {
    let ours = JOURNAL_FORMAT;
    for found in [ours + 1, ours + 2, 99, i32::MAX.unsigned_abs()] {
        for mode in ["delete", "wal"] {
            let folder = folder();
            let file = folder.path().join("journal.db");
            let hand = file_of(&std::fs::read_to_string(golden()).unwrap(), &file);
            // A newer writer may have other tables, and rows that we cannot read.
            hand.execute_batch(
                "ALTER TABLE entry ADD COLUMN more TEXT; UPDATE entry SET hash = 'of another kind'",
            )
            .unwrap();
            hand.pragma_update(None, "user_version", found).unwrap();
            hand.pragma_update(None, "journal_mode", mode).unwrap();
            drop(hand);
            let before = std::fs::read(&file).unwrap();
            for opened in [SqliteStore::open(&file).err(), SqliteStore::open_existing(&file).err()] {
                assert_eq!(opened, Some(StoreError::Newer { found, ours }), "{mode}");
                let words = opened.unwrap().to_string();
                assert!(
                    words.contains(&format!("format {found}")) && words.contains("newer windlass"),
                    "{words}"
                );
            }
            assert_eq!(std::fs::read(&file).unwrap(), before, "{mode}: not a byte was written");
        }
    }
    let folder = folder();
    let file = folder.path().join("journal.db");
    let hand = file_of("", &file);
    hand.pragma_update(None, "user_version", -1).unwrap();
    let refused = SqliteStore::open(&file).err();
    assert!(
        matches!(refused, Some(StoreError::Newer { found: u32::MAX, .. })),
        "no format is below the first: {refused:?}"
    );
}

/// An event that this version does not know is no reason to guess, and the entries before it can still be read.
#[test]
fn an_entry_that_cannot_be_read_is_named_although_its_hash_is_right() {
    let folder = folder();
    let file = folder.path().join("journal.db");
    let hand = file_of(&std::fs::read_to_string(golden()).unwrap(), &file);
    let last: String =
        hand.query_row("SELECT hash FROM entry ORDER BY seq DESC LIMIT 1", [], |row| row.get(0)).unwrap();
    let seq = i64::try_from(entries().len()).unwrap() + 1;
    let event = r#"{"event":"dreamt","of":"sheep"}"#;
    let hash = hash_of(&last, seq, event);
    hand.execute(
        "INSERT INTO entry VALUES (?1, 5, 'r', 'a', 1, ?2, ?3, ?4)",
        params![seq, event, last, hash],
    )
    .unwrap();
    drop(hand);
    let store = SqliteStore::open(&file).unwrap();
    let Err(StoreError::Broken { seq: named, why }) = now(store.read(0, usize::MAX)) else {
        panic!("it was read")
    };
    assert_eq!(named, seq.unsigned_abs());
    assert!(why.starts_with("it cannot be read: unknown variant `dreamt`"), "{why}");
    assert_eq!(now(store.read(0, entries().len())).unwrap(), entries());
}

/// The hash of an entry, by the text of `chain.rs`.
fn hash_of(previous: &str, seq: i64, event: &str) -> String {
    use sha2::Digest as _;
    let mut sha = sha2::Sha256::new();
    for field in [previous, &seq.to_string(), "5", "r", "a", "1", event] {
        sha.update((field.len() as u64).to_le_bytes());
        sha.update(field);
    }
    sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What an older writer left out is what it meant: fields with a usual value are not written, and read as it.
#[test]
fn fields_that_are_left_out_have_their_usual_value() {
    use windlass_journal::{Outcome, Report, Trouble};
    let report: Report = serde_json::from_str("{}").unwrap();
    assert_eq!(report, Report::default());
    let trouble: Trouble = serde_json::from_str(r#"{"message":"m"}"#).unwrap();
    assert_eq!(trouble, Trouble { message: "m".into(), ..Trouble::default() });
    assert_eq!(serde_json::to_string(&Outcome::Applied(report)).unwrap(), r#"{"outcome":"applied"}"#);
    assert_eq!(serde_json::to_string(&trouble).unwrap(), r#"{"message":"m"}"#);
    for line in std::fs::read_to_string(golden()).unwrap().lines() {
        let entry: Entry = serde_json::from_str(line).unwrap();
        let event = serde_json::to_string(&entry.event).unwrap();
        assert!(line.contains(&event), "{line}");
        assert_eq!(serde_json::from_str::<Event>(&event).unwrap(), entry.event);
    }
}

#[test]
fn words_of_the_format_are_a_closed_set() {
    let refuse = |json: &str| assert!(serde_json::from_str::<Event>(json).is_err(), "{json}");
    for (key, value) in [
        ("outcome", r#"{"outcome":"maybe"}"#),
        ("outcome", r#"{"outcome":"failed"}"#),
        ("way", r#""sideways""#),
        ("attempt", "-1"),
        ("attempt", "4294967296"),
        ("unit", "7"),
        ("took_ms", "1.5"),
    ] {
        let event = serde_json::to_value(settled("a/1", windlass_plan::Way::Forward, 1, applied())).unwrap();
        let mut wrong = event.clone();
        wrong[key] = serde_json::from_str(value).unwrap();
        refuse(&wrong.to_string());
        wrong.as_object_mut().unwrap().remove(key);
        if key != "took_ms" {
            refuse(&wrong.to_string());
        }
        assert!(serde_json::from_value::<Event>(event).is_ok());
    }
    for json in [
        r#"{"event":"turned","to":"sideways","why":"","unit":null}"#,
        r#"{"event":"decided","verb":"hope","unit":null,"reason":""}"#,
        r#"{"event":"Ended","ending":"done"}"#,
        r#"{"ending":"done"}"#,
        "null",
        "{}",
    ] {
        refuse(json);
    }
}
