//! Generated runs through both stores: what is read back, folded and verified is the same in both, over restarts and
//! through several connections.

use crate::{
    model::{same, walk},
    support::*,
};
use windlass_journal::{
    Entry, Event, MemoryStore, RunId, RunState, SqliteStore, Store, Unlinked, fold, verify,
};

/// Random runs, interleaved as several releases one after the other never would be, in batches of random size.
fn batches(seed: u64) -> Vec<Vec<Unlinked>> {
    let mut rng = Rng(seed);
    let mut runs: Vec<(String, Vec<Event>)> = (0..1 + rng.below(4))
        .map(|n| (format!("20260102-03040{n}-beef"), [vec![started()], walk(seed * 10 + n, 30)].concat()))
        .collect();
    let (mut batches, mut time_ms) = (Vec::new(), 1_700_000_000_000);
    while !runs.is_empty() {
        let at = usize::try_from(rng.below(runs.len() as u64)).unwrap();
        let (name, events) = &mut runs[at];
        let size = usize::try_from(rng.below(5)).unwrap().min(events.len());
        let entry = |event| {
            // Clocks jump, back too.
            time_ms += i64::try_from(rng.below(5_000)).unwrap() - 500;
            Unlinked { time_ms, actor: format!("操作员{}@host", rng.below(3)), ..unlinked(name, event) }
        };
        batches.push(events.drain(..size).map(entry).collect());
        runs.retain(|(_, events)| !events.is_empty());
    }
    batches
}

fn take(store: &dyn Store) -> u64 {
    let seen = now(store.lease()).unwrap().map_or(0, |lease| lease.token);
    now(store.take(seen, &owner(u32::try_from(seen).unwrap() + 1), 1000, 0)).unwrap().token
}

/// All that can be asked of a store, as text.
fn answers(store: &dyn Store, rng: &mut Rng) -> String {
    let entries = all(store);
    let runs = now(store.runs()).unwrap();
    let of_runs: Vec<Vec<Entry>> = runs.iter().map(|run| now(store.read_run(run)).unwrap()).collect();
    let windows: Vec<Vec<Entry>> = (0..8)
        .map(|_| {
            let (after, limit) = (rng.below(entries.len() as u64 + 3), rng.below(9));
            now(store.read(after, usize::try_from(limit).unwrap())).unwrap()
        })
        .collect();
    let nobody = now(store.read_run(&RunId("20260102".into()))).unwrap();
    let (head, lease) = (now(store.head()).unwrap(), now(store.lease()).unwrap());
    format!("{head:?}\n{lease:?}\n{runs:?}\n{entries:?}\n{of_runs:?}\n{windows:?}\n{nobody:?}")
}

#[test]
fn generated_runs_are_the_same_in_every_store_over_restarts_and_take_overs() {
    for seed in 0..20 {
        let folder = folder();
        let file = folder.path().join("journal.db");
        let memory = MemoryStore::default();
        let mut sqlite = SqliteStore::open(&file).unwrap();
        let mut rng = Rng(seed);
        let mut tokens = (take(&memory), take(&sqlite));
        for (n, batch) in batches(seed).into_iter().enumerate() {
            if rng.below(4) == 0 {
                sqlite = SqliteStore::open(&file).unwrap();
            }
            if rng.below(6) == 0 {
                tokens = (take(&memory), take(&sqlite));
            }
            let head = now(memory.head()).unwrap().seq;
            let left = now(memory.append(head, tokens.0, batch.clone()));
            let right = now(sqlite.append(head, tokens.1, batch));
            assert_eq!(left, right, "seed {seed}, batch {n}");
        }
        let (mut left, mut right) = (Rng(seed), Rng(seed));
        assert_eq!(answers(&memory, &mut left), answers(&sqlite, &mut right), "seed {seed}");
        let reader = SqliteStore::open_existing(&file).unwrap();
        assert_eq!(
            answers(&memory, &mut Rng(seed)),
            answers(&reader, &mut Rng(seed)),
            "seed {seed}, a reader"
        );
    }
}

#[test]
fn what_was_folded_before_it_was_written_is_what_is_folded_after_it_was_read() {
    for seed in 0..20 {
        let folder = folder();
        let store = SqliteStore::open(&folder.path().join("journal.db")).unwrap();
        let token = take(&store);
        let mut live: std::collections::HashMap<RunId, RunState> = Default::default();
        for batch in batches(seed) {
            let head = now(store.head()).unwrap().seq;
            for entry in now(store.append(head, token, batch)).unwrap() {
                match live.get_mut(&entry.run) {
                    Some(state) => state.apply(&entry).unwrap(),
                    None => drop(live.insert(entry.run.clone(), RunState::begin(&entry).unwrap())),
                }
            }
            for (run, state) in &live {
                let read = fold(&now(store.read_run(run)).unwrap()).unwrap().unwrap();
                assert!(same(&read, state), "seed {seed}, {run}: {read:?}\n{state:?}");
            }
        }
    }
}

#[test]
fn entries_survive_json_and_the_chain_holds_from_every_point() {
    for seed in 0..20 {
        let memory = MemoryStore::default();
        let token = take(&memory);
        for batch in batches(seed) {
            now(memory.append(now(memory.head()).unwrap().seq, token, batch)).unwrap();
        }
        let entries = all(&memory);
        let json = serde_json::to_string(&entries).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Entry>>(&json).unwrap(), entries, "seed {seed}");
        for after in 0..entries.len() {
            let (seq, hash) = match after {
                0 => (0, String::new()),
                _ => (entries[after - 1].seq, entries[after - 1].hash.clone()),
            };
            verify(seq, hash, &entries[after..]).unwrap();
        }
    }
}

#[test]
fn two_connections_see_each_others_entries_and_only_one_writes_at_an_end() {
    for seed in 0..10 {
        let folder = folder();
        let file = folder.path().join("journal.db");
        let stores = [SqliteStore::open(&file).unwrap(), SqliteStore::open(&file).unwrap()];
        let token = take(&stores[0]);
        let mut rng = Rng(seed);
        for batch in batches(seed) {
            let writer = usize::try_from(rng.below(2)).unwrap();
            let head = now(stores[1 - writer].head()).unwrap().seq;
            let written = now(stores[writer].append(head, token, batch.clone())).unwrap();
            assert_eq!(now(stores[1 - writer].read(head, usize::MAX)).unwrap(), written, "seed {seed}");
            if !written.is_empty() {
                let late = now(stores[1 - writer].append(head, token, batch));
                assert!(
                    matches!(late, Err(windlass_journal::StoreError::Stale { .. })),
                    "seed {seed}: {late:?}"
                );
            }
        }
        assert_eq!(all(&stores[0]), all(&stores[1]));
    }
}

#[test]
fn of_many_threads_that_append_at_the_same_end_one_gets_through() {
    let folder = folder();
    let file = folder.path().join("journal.db");
    let token = take(&SqliteStore::open(&file).unwrap());
    let mine = |thread: u64| {
        let store = SqliteStore::open(&file).unwrap();
        let mut written = Vec::new();
        while written.len() < 25 {
            let head = now(store.head()).unwrap().seq;
            let pair = vec![unlinked(&format!("r{thread}"), started()), unlinked("pair", started())];
            match now(store.append(head, token, pair)) {
                Ok(entries) => {
                    assert_eq!(entries[0].seq, head + 1);
                    written.push(entries[0].seq);
                }
                Err(windlass_journal::StoreError::Stale { expected, found }) => assert!(expected < found),
                Err(error) => panic!("{error}"),
            }
        }
        written
    };
    let mut places: Vec<u64> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|thread| scope.spawn(move || mine(thread))).collect();
        all.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    places.sort_unstable();
    assert_eq!(places, (0..100).map(|n| n * 2 + 1).collect::<Vec<u64>>(), "no place twice, none left out");
    verify(0, String::new(), &all(&SqliteStore::open(&file).unwrap())).unwrap();
}

#[test]
fn a_reader_beside_a_writer_always_sees_a_whole_beginning() {
    let folder = folder();
    let file = folder.path().join("journal.db");
    let (store, token) = journal(&file, vec![started()]);
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reads = scope.spawn(|| {
            let (mut reads, mut last) = (0, 0);
            while !over.load(std::sync::atomic::Ordering::SeqCst) {
                let reader = SqliteStore::open_existing(&file).unwrap();
                let entries = all(&reader);
                assert!(entries.len() >= last && entries.len() % 2 == 1, "{} after {last}", entries.len());
                verify(0, String::new(), &entries).unwrap();
                folded(&entries);
                (reads, last) = (reads + 1, entries.len());
            }
            reads
        });
        for attempt in 1..=150 {
            let way = windlass_plan::Way::Forward;
            let pair = [intended("a/1", way, attempt), settled("a/1", way, attempt, busy())];
            let pair = pair.into_iter().map(|event| unlinked("r", event)).collect();
            now(store.append(u64::from(attempt) * 2 - 1, token, pair)).unwrap();
        }
        over.store(true, std::sync::atomic::Ordering::SeqCst);
        assert!(reads.join().unwrap() > 0);
    });
}
