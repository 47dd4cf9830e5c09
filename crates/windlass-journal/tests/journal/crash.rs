//! Processes that are killed while they write, processes that want the lease at the same moment, and what a power failure
//! leaves of the log.

use crate::support::*;
use std::{
    io::{BufRead, BufReader, Lines, Write},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};
use windlass_journal::{SqliteStore, Store, fold};
use windlass_plan::Way;

/// A process of `lab/main.rs` at work in `folder`, and what it says.
pub fn child(arguments: &[&str], folder: &Path) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_windlass-journal-lab"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

pub fn tell(child: &mut Child) {
    child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
}

#[test]
fn a_killed_writer_loses_no_entry_that_it_was_told_is_durable() {
    let folder = tempfile::tempdir().unwrap();
    let mut last = 0;
    for round in 1..=5_u64 {
        let (mut writer, lines) = child(&["append"], folder.path());
        let mut told = lines.map_while(Result::ok).filter_map(|line| {
            line.split_once("durable ").and_then(|(_, seq)| seq.trim().parse::<u64>().ok())
        });
        last = told.by_ref().nth(usize::try_from(round * 7).unwrap()).unwrap();
        writer.kill().unwrap();
        // What the pipe still holds was durable too.
        last = told.last().unwrap_or(last);
        writer.wait().unwrap();
        let store = SqliteStore::open(&folder.path().join("journal.db")).unwrap();
        let head = now(store.head()).unwrap().seq;
        assert!(head >= last, "round {round}: {head} entries, {last} were acknowledged");
        assert_eq!(head % 2, 1, "the two entries of an append are there together or not at all");
        fold(&now(store.read(0, usize::MAX)).unwrap()).unwrap();
    }
    assert!(last > 100);
}

#[test]
fn of_processes_that_take_the_lease_at_once_one_gets_it() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3 {
        // In the first round they also make the journal at once.
        let (mut all, mut outputs): (Vec<_>, Vec<_>) =
            (0..4).map(|_| child(&["take"], folder.path())).unzip();
        for output in &mut outputs {
            assert_eq!(output.next().unwrap().unwrap(), "ready");
        }
        all.iter_mut().for_each(tell);
        let answers: Vec<String> = outputs.iter_mut().map(|out| out.next().unwrap().unwrap()).collect();
        all.into_iter().for_each(|mut c| assert!(c.wait().unwrap().success()));
        let got = answers.iter().filter(|a| a.contains("got it")).count();
        let held = answers.iter().filter(|a| a.contains("held")).count();
        assert_eq!((got, held), (1, 3), "round {round}: {answers:?}");
    }
}

/// The disk as it would be, had the power gone while the log was written: cut off anywhere, or with a piece of what was
/// written last that never reached the disk.
#[test]
fn a_torn_log_keeps_whole_appends_and_all_that_were_durable_before() {
    let folder = folder();
    let file = folder.path().join("journal.db");
    let (store, token) = journal(&file, vec![started()]);
    let wal = folder.path().join("journal.db-wal");
    let size = || usize::try_from(std::fs::metadata(&wal).unwrap().len()).unwrap();
    // Where the log ended after each append of two entries.
    let mut ends = vec![(size(), 1)];
    for attempt in 1..=4 {
        let head = now(store.head()).unwrap().seq;
        let pair = [intended("a/1", Way::Forward, attempt), settled("a/1", Way::Forward, attempt, busy())];
        now(store.append(head, token, pair.into_iter().map(|event| unlinked("r", event)).collect())).unwrap();
        ends.push((size(), head + 2));
    }
    let (database, log) = (std::fs::read(&file).unwrap(), std::fs::read(&wal).unwrap());
    let expected = all(&store);
    let copy = crate::support::folder();
    let broken = copy.path().join("journal.db");
    let opened = |log: &[u8]| {
        for aside in ["journal.db-wal", "journal.db-shm"] {
            let _ = std::fs::remove_file(copy.path().join(aside));
        }
        std::fs::write(&broken, &database).unwrap();
        std::fs::write(copy.path().join("journal.db-wal"), log).unwrap();
        SqliteStore::open(&broken).unwrap()
    };
    let durable = |cut: usize| ends.iter().rev().find(|(end, _)| *end <= cut).map_or(0, |(_, head)| *head);
    for cut in (ends[0].0..=log.len()).step_by(211) {
        let entries = all(&opened(&log[..cut]));
        assert!(entries.len() as u64 >= durable(cut), "cut at {cut}: {} entries", entries.len());
        assert_eq!(entries, expected[..entries.len()], "cut at {cut}");
        assert_eq!(entries.len() % 2, 1, "cut at {cut}: half an append");
    }
    // A sector of the last append that was never written.
    for hole in (ends[3].0..log.len()).step_by(512) {
        let mut log = log.clone();
        let end = (hole + 512).min(log.len());
        log[hole..end].fill(0);
        let after = opened(&log);
        let head = now(after.head()).unwrap().seq;
        assert!(head == 7 || head == 9, "hole at {hole}: {head}");
        assert_eq!(all(&after), expected[..usize::try_from(head).unwrap()], "hole at {hole}");
        let next = vec![unlinked("r", intended("b/1", Way::Forward, 1))];
        now(after.append(head, token, next)).unwrap();
    }
}

#[test]
fn a_journal_that_many_make_at_once_is_made_once_and_opened_by_all() {
    for round in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("journal.db");
        let gate = std::sync::Barrier::new(8);
        let opened: Vec<_> = std::thread::scope(|scope| {
            let open = || {
                gate.wait();
                SqliteStore::open(&file).err()
            };
            let all: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            all.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(opened, vec![None; 8], "round {round}");
    }
}
