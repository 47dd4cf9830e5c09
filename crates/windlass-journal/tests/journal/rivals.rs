//! Controllers that want the lease at the same time, as real processes; some are killed while they have it.

use crate::{
    crash::{child, tell},
    support::*,
};
use std::{
    collections::BTreeMap,
    process::{Child, ChildStdout},
    time::{Duration, Instant},
};
use windlass_journal::{Life, Liveness, Owner, ProcLiveness, RunId, SqliteStore, Store, StoreError, verify};

type Output = std::io::Lines<std::io::BufReader<ChildStdout>>;

/// Reads what a rival was told is durable: place and token, until it says that it is over or ends.
fn told(output: Output) -> Vec<(u64, u64)> {
    let lines = output.map_while(Result::ok);
    let parse = |line: String| {
        let mut words = line.strip_prefix("durable ")?.split(' ').map(|word| word.parse().ok());
        Some((words.next()??, words.next()??))
    };
    lines.inspect(|line| assert!(!line.starts_with("error"), "{line}")).filter_map(parse).collect()
}

/// Starts rivals at the same moment.
fn rivals(folder: &std::path::Path, runs: &[&str], rounds: u32) -> Vec<(Child, Output)> {
    let rounds = rounds.to_string();
    let mut all: Vec<_> = runs.iter().map(|run| child(&["rival", run, &rounds], folder)).collect();
    for (_, output) in &mut all {
        assert_eq!(output.next().unwrap().unwrap(), "ready");
    }
    all.iter_mut().for_each(|(child, _)| tell(child));
    all
}

#[test]
fn rivals_take_turns_and_no_two_write_under_one_lease() {
    let folder = folder();
    let runs = ["r1", "r2", "r3"];
    let mut acknowledged = BTreeMap::new();
    for ((mut child, output), run) in rivals(folder.path(), &runs, 8).into_iter().zip(runs) {
        acknowledged.extend(told(output).into_iter().map(|(seq, token)| (seq, (run, token))));
        assert!(child.wait().unwrap().success(), "{run}: nobody was fenced, since nobody died");
    }
    let store = SqliteStore::open(&folder.path().join("journal.db")).unwrap();
    let entries = all(&store);
    assert_eq!((entries.len(), acknowledged.len()), (72, 72), "three entries, eight times, of three rivals");
    let mut owners: BTreeMap<u64, RunId> = BTreeMap::new();
    let mut last = 0;
    for entry in &entries {
        assert_eq!(acknowledged[&entry.seq], (entry.run.0.as_str(), entry.token));
        assert!(entry.token >= last, "entry {} was written under an older lease", entry.seq);
        last = entry.token;
        assert_eq!(
            *owners.entry(entry.token).or_insert_with(|| entry.run.clone()),
            entry.run,
            "two under one lease"
        );
    }
    assert_eq!(owners.len(), 24, "each turn has a token of its own");
}

#[test]
fn killed_rivals_lose_the_lease_to_the_living_and_no_durable_entry_is_lost() {
    for seed in 0..4 {
        let folder = folder();
        let mut rng = Rng(seed);
        let runs = ["r1", "r2", "r3", "r4"];
        // Two of them would go on for ever, and are killed.
        let mut doomed = rivals(folder.path(), &runs[..2], 1_000_000);
        let living = rivals(folder.path(), &runs[2..], 10);
        // Both are read at once: one that nobody reads stops in its full pipe, with the lease in its hand.
        let mut acknowledged = std::thread::scope(|scope| {
            let readers: Vec<_> = doomed
                .iter_mut()
                .map(|(child, output)| {
                    let lines = 3 + usize::try_from(rng.below(9)).unwrap();
                    scope.spawn(move || {
                        let told = told_some(output, lines);
                        child.kill().unwrap();
                        told
                    })
                })
                .collect();
            readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect::<Vec<_>>()
        });
        for (mut child, output) in doomed {
            acknowledged.extend(told(output));
            child.wait().unwrap();
        }
        for (mut child, output) in living {
            acknowledged.extend(told(output));
            assert!(child.wait().unwrap().success(), "seed {seed}: a living owner is not robbed");
        }
        let store = SqliteStore::open(&folder.path().join("journal.db")).unwrap();
        let entries = all(&store);
        verify(0, String::new(), &entries).unwrap();
        for (seq, token) in acknowledged {
            let entry = &entries[usize::try_from(seq).unwrap() - 1];
            assert_eq!((entry.seq, entry.token), (seq, token), "seed {seed}");
        }
        assert!(entries.windows(2).all(|pair| pair[0].token <= pair[1].token), "seed {seed}");
        for run in &runs[2..] {
            assert_eq!(
                now(store.read_run(&RunId((*run).into()))).unwrap().len(),
                30,
                "seed {seed}: {run} had its turns"
            );
        }
    }
}

/// The first lines of a rival that goes on.
fn told_some(output: &mut Output, lines: usize) -> Vec<(u64, u64)> {
    let parse = |line: String| {
        let (seq, token) = line.strip_prefix("durable ")?.split_once(' ')?;
        Some((seq.parse().ok()?, token.parse().ok()?))
    };
    output.by_ref().take(lines).map(Result::unwrap).filter_map(parse).collect()
}

/// A living process of ours, and who it says that it is.
fn somebody() -> (Child, Owner) {
    let folder = folder();
    let (child, mut output) = child(&["live"], folder.path());
    let owner = serde_json::from_str(&output.next().unwrap().unwrap()).unwrap();
    (child, owner)
}

#[test]
fn a_process_is_alive_until_it_ends_also_when_nobody_collects_it() {
    let (mut child, owner) = somebody();
    assert_eq!(owner.pid, child.id());
    assert_eq!(ProcLiveness.look(&owner), Life::Alive);
    child.kill().unwrap();
    let began = Instant::now();
    while ProcLiveness.look(&owner) == Life::Alive {
        assert!(began.elapsed() < Duration::from_secs(60), "it was killed");
        std::thread::yield_now();
    }
    assert_eq!(ProcLiveness.look(&owner), Life::Dead, "a zombie writes nothing any more");
    child.wait().unwrap();
    assert_eq!(ProcLiveness.look(&owner), Life::Dead);
}

#[test]
fn a_stopped_process_is_alive() {
    let (mut child, owner) = somebody();
    let signal = |name: &str| {
        let status = std::process::Command::new("kill").args([name, &child.id().to_string()]).status();
        assert!(status.unwrap().success());
    };
    signal("-STOP");
    // It may go on at any moment: its lease is not for the taking.
    assert_eq!(ProcLiveness.look(&owner), Life::Alive);
    signal("-CONT");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn owners_of_two_processes_differ_and_say_who_they_are() {
    let (mut first, one) = somebody();
    let (mut second, two) = somebody();
    assert_ne!((one.pid, one.started), (two.pid, two.started));
    assert_eq!(one.boot, two.boot, "one machine, one space of processes");
    assert_eq!(one.to_string(), format!("op@host (process {})", first.id()));
    for child in [&mut first, &mut second] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// A paused owner that was taken for dead finds out at its next append, and nothing of it is written.
#[test]
fn a_fenced_owner_writes_nothing_ever_again() {
    for seed in 0..20 {
        let folder = folder();
        let file = folder.path().join("journal.db");
        let stores = [SqliteStore::open(&file).unwrap(), SqliteStore::open(&file).unwrap()];
        let mut rng = Rng(seed);
        let mut tokens: Vec<u64> = Vec::new();
        for turn in 0..30 {
            let store = &stores[usize::try_from(rng.below(2)).unwrap()];
            if tokens.is_empty() || rng.below(3) == 0 {
                let seen = tokens.last().copied().unwrap_or(0);
                tokens.push(now(store.take(seen, &owner(turn), 1000, 0)).unwrap().token);
            }
            let (head, newest) = (now(store.head()).unwrap().seq, *tokens.last().unwrap());
            let token = *rng.one(&tokens);
            let answer = now(store.append(head, token, vec![unlinked("r", started())]));
            if token == newest {
                assert_eq!(answer.unwrap()[0].token, newest, "seed {seed}");
                now(store.beat(token)).unwrap();
            } else {
                let fenced = StoreError::Fenced { token, found: newest };
                assert_eq!(answer, Err(fenced.clone()), "seed {seed}");
                assert_eq!(now(store.beat(token)), Err(fenced), "seed {seed}");
                now(store.release(token)).unwrap();
                assert!(now(store.lease()).unwrap().unwrap().held, "seed {seed}: not its to give back");
                assert_eq!(now(store.head()).unwrap().seq, head, "seed {seed}");
            }
        }
    }
}
