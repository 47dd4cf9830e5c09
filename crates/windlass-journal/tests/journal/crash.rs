//! Processes that are killed while they write, and processes that want the lease at the same moment. The child is this
//! test program again, told by its working folder what to do.

use crate::support::{applied, intended, now, owner, settled, started, unlinked};
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};
use windlass_journal::{SqliteStore, Store, StoreError, fold};
use windlass_plan::Way;

fn child(name: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture"])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").unwrap();
    out.flush().unwrap();
}

#[test]
#[ignore = "the child of `a_killed_writer_loses_no_entry_that_it_was_told_is_durable`"]
fn appends_for_ever() {
    let store = SqliteStore::open(Path::new("journal.db")).unwrap();
    let seen = now(store.lease()).unwrap().map_or(0, |lease| lease.token);
    let token = now(store.take(seen, &owner(std::process::id()), 1000, 0)).unwrap().token;
    let mut head = now(store.head()).unwrap().seq;
    if head == 0 {
        head = now(store.append(0, token, vec![unlinked("r", started())])).unwrap()[0].seq;
    }
    loop {
        let attempt = u32::try_from(head / 2 + 1).unwrap();
        let trouble = windlass_journal::Trouble { retry: true, ..Default::default() };
        let pair = vec![
            unlinked("r", intended("a/1", Way::Forward, attempt)),
            unlinked("r", settled("a/1", Way::Forward, attempt, windlass_journal::Outcome::Failed(trouble))),
        ];
        head = now(store.append(head, token, pair)).unwrap()[1].seq;
        say(&format!("durable {head}"));
    }
}

#[test]
fn a_killed_writer_loses_no_entry_that_it_was_told_is_durable() {
    let folder = tempfile::tempdir().unwrap();
    let mut last = 0;
    for round in 1..=5_u64 {
        let mut writer = child("crash::appends_for_ever", folder.path());
        let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
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
#[ignore = "the child of `of_processes_that_take_the_lease_at_once_one_gets_it`"]
fn takes_the_lease_once() {
    let store = SqliteStore::open(Path::new("journal.db")).unwrap();
    let seen = now(store.lease()).unwrap().map_or(0, |lease| lease.token);
    say("ready");
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).unwrap();
    let answer = match now(store.take(seen, &owner(std::process::id()), 1000, 0)) {
        Ok(_) => "got it".to_owned(),
        Err(StoreError::Held(_)) => "held".to_owned(),
        Err(error) => format!("error {error}"),
    };
    say(&format!("answer {answer}"));
}

#[test]
fn of_processes_that_take_the_lease_at_once_one_gets_it() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3 {
        // In the first round they also make the journal at once.
        let mut all: Vec<Child> =
            (0..4).map(|_| child("crash::takes_the_lease_once", folder.path())).collect();
        let mut outputs: Vec<_> =
            all.iter_mut().map(|c| BufReader::new(c.stdout.take().unwrap()).lines()).collect();
        for output in &mut outputs {
            assert!(output.by_ref().map_while(Result::ok).any(|line| line.contains("ready")));
        }
        all.iter_mut().for_each(|c| c.stdin.take().unwrap().write_all(b"go\n").unwrap());
        let answers: Vec<String> = outputs
            .iter_mut()
            .map(|out| out.map_while(Result::ok).find(|l| l.contains("answer")).unwrap())
            .collect();
        all.into_iter().for_each(|mut c| assert!(c.wait().unwrap().success()));
        let got = answers.iter().filter(|a| a.contains("got it")).count();
        let held = answers.iter().filter(|a| a.contains("held")).count();
        assert_eq!((got, held), (1, 3), "round {round}: {answers:?}");
    }
}

#[test]
fn a_torn_write_ahead_log_keeps_what_was_committed_before() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    let store = SqliteStore::open(&file).unwrap();
    let token = now(store.take(0, &owner(1), 1000, 0)).unwrap().token;
    now(store.append(0, token, vec![unlinked("r", started())])).unwrap();
    let wal = folder.path().join("journal.db-wal");
    let committed = std::fs::metadata(&wal).unwrap().len();
    now(store.append(1, token, vec![unlinked("r", intended("a/1", Way::Forward, 1))])).unwrap();
    // The disk as it would be, had the power gone in the middle of the second append.
    let copy = tempfile::tempdir().unwrap();
    let torn = std::fs::read(&wal).unwrap();
    let cut = usize::try_from(committed + 3_000).unwrap().min(torn.len() - 1);
    std::fs::copy(&file, copy.path().join("journal.db")).unwrap();
    std::fs::write(copy.path().join("journal.db-wal"), &torn[..cut]).unwrap();
    let after = SqliteStore::open(&copy.path().join("journal.db")).unwrap();
    assert_eq!(now(after.head()).unwrap().seq, 1);
    let again = vec![unlinked("r", settled("a/1", Way::Forward, 1, applied()))];
    now(after.append(1, token, again)).unwrap();
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
