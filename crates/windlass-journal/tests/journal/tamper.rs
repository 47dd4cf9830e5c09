//! Tampering at every byte: of each field of each entry, of the file, and its end cut off anywhere. What is read is what
//! was written, or it is refused.

use crate::{model::walk, support::*};
use rusqlite::{Connection, params};
use std::path::Path;
use windlass_journal::{Entry, RunId, SqliteStore, Store, StoreError, Unlinked, link, verify};
use windlass_plan::Way;

fn some_events() -> Vec<windlass_journal::Event> {
    let (forward, undo) = (Way::Forward, Way::Undo);
    vec![
        started(),
        intended("a/1", forward, 1),
        settled("a/1", forward, 1, applied()),
        intended("b/1", forward, 1),
        settled("b/1", forward, 1, windlass_journal::Outcome::Unknown(trouble("版本 2: nobody knows"))),
        intended("a/1", undo, 1),
    ]
}

#[test]
fn a_change_of_any_byte_of_any_field_names_the_entry() {
    let folder = folder();
    let file = folder.path().join("journal.db");
    let (store, _) = journal(&file, some_events());
    let hand = Connection::open(&file).unwrap();
    hand.pragma_update(None, "synchronous", "OFF").unwrap();
    let mut changed = 0;
    for seq in 1..=6_i64 {
        for column in ["run", "actor", "event", "previous", "hash"] {
            let select = format!("SELECT {column} FROM entry WHERE seq = ?1");
            let was: String = hand.query_row(&select, [seq], |row| row.get(0)).unwrap();
            let update = format!("UPDATE entry SET {column} = ?1 WHERE seq = ?2");
            // The plan is long and looked at everywhere in the same way: every seventh byte of it.
            let stride = if was.len() > 1_000 { 7 } else { 1 };
            for at in (0..was.len()).step_by(stride).filter(|at| was.is_char_boundary(*at)) {
                let old = was[at..].chars().next().unwrap();
                let new = if old == 'x' { 'y' } else { 'x' };
                let is = format!("{}{new}{}", &was[..at], &was[at + old.len_utf8()..]);
                hand.execute(&update, params![is, seq]).unwrap();
                let refused =
                    store.verify().expect_err(&format!("{column} of {seq} at {at} was not noticed"));
                assert!(
                    matches!(refused, StoreError::Broken { seq: named, .. } if named == seq.unsigned_abs()),
                    "{refused}"
                );
                changed += 1;
            }
            hand.execute(&update, params![was, seq]).unwrap();
        }
        for column in ["time_ms", "token"] {
            for bit in 0..40 {
                let flip = format!(
                    "UPDATE entry SET {column} = ({column} | {0}) - ({column} & {0}) WHERE seq = ?1",
                    1_u64 << bit
                );
                hand.execute(&flip, [seq]).unwrap();
                let refused = store.verify().expect_err(&format!("{column} of {seq}, bit {bit}"));
                assert!(
                    matches!(refused, StoreError::Broken { seq: named, .. } if named == seq.unsigned_abs()),
                    "{refused}"
                );
                hand.execute(&flip, [seq]).unwrap();
            }
        }
    }
    store.verify().unwrap();
    assert!(changed > 1_000, "{changed} changes");
}

/// A journal in one file, without its log, and its entries.
fn at_rest(folder: &Path) -> (Vec<u8>, Vec<Entry>) {
    let file = folder.join("whole.db");
    let (store, token) = journal(&file, some_events());
    let other = walk(7, 12).into_iter().map(|event| unlinked("other", event));
    let other: Vec<Unlinked> = std::iter::once(unlinked("other", started())).chain(other).collect();
    now(store.append(6, token, other)).unwrap();
    let entries = all(&store);
    drop(store);
    // The last connection that closes takes the log in.
    Connection::open(&file).unwrap().pragma_update(None, "journal_mode", "delete").unwrap();
    (std::fs::read(&file).unwrap(), entries)
}

/// What a reader of this file is told: all entries, and those of each run. `None`: it is refused.
fn read(file: &Path) -> Option<Vec<Vec<Entry>>> {
    let store = SqliteStore::open_existing(file).ok()?;
    let mut all = vec![now(store.read(0, usize::MAX)).ok()?];
    for run in now(store.runs()).ok()? {
        all.push(now(store.read_run(&run)).ok()?);
    }
    for run in ["r", "other"] {
        all.push(now(store.read_run(&RunId(run.into()))).ok()?);
    }
    Some(all)
}

/// SQLite keeps no checksums: a byte may change what a query finds although every row it returns is genuine.
#[test]
fn a_file_with_any_byte_changed_is_read_as_it_was_or_refused() {
    let folder = folder();
    let (whole, entries) = at_rest(folder.path());
    let file = folder.path().join("journal.db");
    std::fs::write(&file, &whole).unwrap();
    let expected = read(&file).unwrap();
    assert_eq!(expected[0], entries);
    let places: Vec<usize> = (0..whole.len()).collect();
    let (mut same, mut refused) = (0, 0);
    // Everything in the head of the file, then every seventeenth byte.
    for at in places.iter().copied().filter(|at| *at < 110 || at % 17 == 3) {
        for flip in [0x01, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            std::fs::write(&file, &bytes).unwrap();
            match read(&file) {
                None => refused += 1,
                Some(told) => {
                    assert!(told == expected, "byte {at} ^ {flip:#x}: other entries were told as genuine");
                    same += 1;
                }
            }
        }
    }
    assert!(refused > 300 && same > 300, "{refused} refused, {same} without harm");
}

#[test]
fn a_file_that_ends_early_is_read_as_it_was_or_refused() {
    let folder = folder();
    let (whole, _) = at_rest(folder.path());
    let file = folder.path().join("journal.db");
    std::fs::write(&file, &whole).unwrap();
    let expected = read(&file).unwrap();
    for end in (0..whole.len()).step_by(97) {
        std::fs::write(&file, &whole[..end]).unwrap();
        if let Some(told) = read(&file) {
            assert!(told == expected, "cut at {end} of {}", whole.len());
        }
        for aside in ["journal.db-wal", "journal.db-shm", "journal.db-journal"] {
            let _ = std::fs::remove_file(folder.path().join(aside));
        }
    }
}

fn chain(seed: u64) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for (event, seq) in std::iter::once(started()).chain(walk(seed, 12)).zip(1..) {
        let previous = entries.last().map_or_else(String::new, |entry| entry.hash.clone());
        entries.push(link(seq, 1 + seq / 4, &previous, unlinked("r", event)).0);
    }
    entries
}

#[test]
fn no_entry_can_be_changed_dropped_doubled_moved_or_put_in() {
    for seed in 0..10 {
        let whole = chain(seed);
        verify(0, String::new(), &whole).unwrap();
        let refuse = |entries: &[Entry], what: &str, at: usize| {
            let answer = verify(0, String::new(), entries);
            assert!(
                matches!(answer, Err(StoreError::Broken { .. })),
                "seed {seed}: {what} at {at} was not noticed"
            );
        };
        for at in 0..whole.len() {
            let with = |change: &dyn Fn(&mut Entry)| {
                let mut entries = whole.clone();
                change(&mut entries[at]);
                entries
            };
            refuse(&with(&|entry| entry.seq += 1), "another place", at);
            refuse(&with(&|entry| entry.time_ms += 1), "another time", at);
            refuse(&with(&|entry| entry.run = RunId("s".into())), "another run", at);
            refuse(&with(&|entry| entry.actor.push('x')), "another actor", at);
            refuse(&with(&|entry| entry.token += 1), "another token", at);
            refuse(&with(&|entry| entry.event = intended("b/1", Way::Undo, 77)), "another event", at);
            refuse(&with(&|entry| entry.previous.push('0')), "another link", at);
            refuse(&with(&|entry| entry.hash = "0".repeat(64)), "another hash", at);
            // A forger who computes the hash of the entry anew has to compute all that follow.
            let forged = with(&|entry| {
                let (event, previous) = (intended("b/1", Way::Undo, 77), entry.previous.clone());
                *entry = link(entry.seq, entry.token, &previous, unlinked("r", event)).0;
            });
            if at + 1 < whole.len() {
                refuse(&forged, "a forged entry", at);
                refuse(&[&whole[..at], &whole[at + 1..]].concat(), "a gap", at);
                let mut moved = whole.clone();
                moved.swap(at, at + 1);
                refuse(&moved, "two in the other order", at);
            }
            refuse(&[&whole[..=at], &whole[at..]].concat(), "one twice", at);
        }
    }
}

/// No two entries share an encoding: what leaves one field for the next changes the hash.
#[test]
fn fields_cannot_run_into_each_other() {
    let hash = |run: &str, actor: &str, previous: &str| {
        let mut new = unlinked(run, intended("a/1", Way::Forward, 1));
        new.actor = actor.into();
        link(3, 1, previous, new).0.hash
    };
    let mut hashes = std::collections::BTreeSet::new();
    let text = "abcdef";
    for first in 0..=text.len() {
        for second in first..=text.len() {
            hashes.insert(hash(&text[..first], &text[first..second], &text[second..]));
        }
    }
    assert_eq!(hashes.len(), 28, "one for each way to cut the same six letters into three");
}

/// Computed by another program (Python's hashlib) from the text in `chain.rs`: each field with its length before it.
#[test]
fn the_hash_is_what_another_program_computes() {
    let event = windlass_journal::Event::Ended { ending: windlass_journal::Ending::Done };
    let (entry, json) = link(2, 5, &"ab".repeat(32), unlinked("20260102-030405-beef", event));
    assert_eq!(json, r#"{"event":"ended","ending":"done"}"#);
    assert_eq!(entry.hash, "49b87267fda44b788ea66b8d57a27a41cd8b3816fd3dd8e8cbd2641360f14173");
}
