//! One suite for every store, and the same random operations through all, compared.

use crate::support::{Rng, intended, now, owner, started, unlinked};
use windlass_journal::{MemoryStore, SqliteStore, Store, StoreError, verify};
use windlass_plan::Way;

/// Runs a test on each store.
fn each(test: impl Fn(&dyn Store)) {
    test(&MemoryStore::default());
    let folder = tempfile::tempdir().unwrap();
    test(&SqliteStore::open(&folder.path().join("journal.db")).unwrap());
}

fn take(store: &dyn Store, seen: u64, pid: u32) -> u64 {
    now(store.take(seen, &owner(pid), 1000, 5)).unwrap().token
}

#[test]
fn an_empty_journal_has_no_head_no_runs_and_no_lease() {
    each(|store| {
        assert_eq!(now(store.head()).unwrap(), Default::default());
        assert_eq!(now(store.runs()).unwrap(), []);
        assert_eq!(now(store.read(0, 10)).unwrap(), []);
        assert_eq!(now(store.lease()).unwrap(), None);
    });
}

#[test]
fn entries_come_back_as_written_chained_and_by_run() {
    each(|store| {
        let token = take(store, 0, 1);
        let both = vec![unlinked("r1", started()), unlinked("r1", intended("a/1", Way::Forward, 1))];
        let first = now(store.append(0, token, both)).unwrap();
        let second = now(store.append(2, token, vec![unlinked("r2", started())])).unwrap();
        assert_eq!(first.iter().map(|e| e.seq).collect::<Vec<_>>(), [1, 2]);
        let all = now(store.read(0, 100)).unwrap();
        assert_eq!(all, [first.clone(), second.clone()].concat());
        verify(0, String::new(), &all).unwrap();
        assert_eq!(now(store.read(1, 1)).unwrap(), first[1..]);
        assert_eq!(now(store.read(3, 9)).unwrap(), []);
        assert_eq!(now(store.read_run(&second[0].run)).unwrap(), second);
        let runs: Vec<_> = now(store.runs()).unwrap().into_iter().map(|run| run.0).collect();
        assert_eq!(runs, ["r1", "r2"]);
        let head = now(store.head()).unwrap();
        assert_eq!((head.seq, head.hash), (3, second[0].hash.clone()));
    });
}

#[test]
fn an_append_at_the_wrong_end_is_stale_and_writes_nothing() {
    each(|store| {
        let token = take(store, 0, 1);
        now(store.append(0, token, vec![unlinked("r", started())])).unwrap();
        for expected in [0, 2, 99] {
            let refused = now(store.append(expected, token, vec![unlinked("r", started())]));
            assert_eq!(refused, Err(StoreError::Stale { expected, found: 1 }));
        }
        assert_eq!(now(store.head()).unwrap().seq, 1);
    });
}

#[test]
fn only_the_holder_of_the_newest_lease_writes_and_beats() {
    each(|store| {
        let nobody = now(store.append(0, 0, vec![unlinked("r", started())]));
        assert_eq!(nobody, Err(StoreError::Fenced { token: 0, found: 0 }));
        let old = take(store, 0, 1);
        let new = take(store, old, 2);
        assert!(new > old);
        let fenced = StoreError::Fenced { token: old, found: new };
        assert_eq!(now(store.append(0, old, vec![unlinked("r", started())])), Err(fenced.clone()));
        assert_eq!(now(store.beat(old)), Err(fenced));
        now(store.append(0, new, vec![unlinked("r", started())])).unwrap();
        now(store.beat(new)).unwrap();
        now(store.beat(new)).unwrap();
        let lease = now(store.lease()).unwrap().unwrap();
        assert_eq!((lease.token, lease.beat, lease.held, lease.owner.pid), (new, 2, true, 2));
        assert_eq!((lease.ttl_ms, lease.since_ms), (1000, 5));
    });
}

#[test]
fn a_lease_is_taken_once_given_back_once_and_never_by_a_stranger() {
    each(|store| {
        let first = take(store, 0, 1);
        let Err(StoreError::Held(lease)) = now(store.take(0, &owner(2), 1000, 6)) else {
            panic!("the second one who saw no lease came too late")
        };
        assert_eq!(lease.owner.pid, 1);
        let second = take(store, first, 2);
        now(store.release(first)).unwrap();
        assert!(now(store.lease()).unwrap().unwrap().held, "a fenced owner gives back nothing");
        now(store.release(second)).unwrap();
        assert!(!now(store.lease()).unwrap().unwrap().held);
        let refused = now(store.append(0, second, vec![unlinked("r", started())]));
        assert_eq!(refused, Err(StoreError::Fenced { token: second, found: second }));
        assert_eq!(now(store.beat(second)), Err(StoreError::Fenced { token: second, found: second }));
        assert!(take(store, second, 3) > second, "tokens rise over a release too");
    });
}

#[test]
fn an_append_of_nothing_checks_its_right_and_writes_nothing() {
    each(|store| {
        let token = take(store, 0, 1);
        assert_eq!(now(store.append(0, token, Vec::new())), Ok(Vec::new()));
        assert!(now(store.append(1, token, Vec::new())).is_err());
    });
}

/// One random operation; its answer as text.
fn random(store: &dyn Store, rng: &mut Rng) -> String {
    let token = rng.below(6);
    match rng.below(10) {
        0..4 => {
            let head = now(store.head()).unwrap().seq;
            let expected = if rng.below(4) == 0 { rng.below(30) } else { head };
            let lease = now(store.lease()).unwrap().map_or(0, |lease| lease.token);
            let token = if rng.below(4) == 0 { token } else { lease };
            let run = format!("r{}", rng.below(3));
            let list = (0..rng.below(4)).map(|_| unlinked(&run, started())).collect();
            format!("{:?}", now(store.append(expected, token, list)))
        }
        4 => {
            let seen = now(store.lease()).unwrap().map_or(0, |lease| lease.token);
            let seen = if rng.below(3) == 0 { token } else { seen };
            let pid = u32::try_from(rng.below(9)).unwrap();
            format!("{:?}", now(store.take(seen, &owner(pid), rng.below(99), 1)))
        }
        5 => format!("{:?}", now(store.beat(token))),
        6 => format!("{:?}", now(store.release(token))),
        7 => format!("{:?}", now(store.read(rng.below(20), 3))),
        8 => format!("{:?} {:?}", now(store.runs()), now(store.lease())),
        _ => format!("{:?}", now(store.read_run(&windlass_journal::RunId(format!("r{}", rng.below(3)))))),
    }
}

#[test]
fn the_same_random_operations_give_the_same_answers_in_every_store() {
    for seed in 0..12 {
        let folder = tempfile::tempdir().unwrap();
        let (memory, file) = (MemoryStore::default(), folder.path().join("journal.db"));
        let mut sqlite = SqliteStore::open(&file).unwrap();
        let (mut left, mut right) = (Rng(seed), Rng(seed));
        for at in 0..120 {
            let (a, b) = (random(&memory, &mut left), random(&sqlite, &mut right));
            assert_eq!(a, b, "seed {seed}, operation {at}");
            if at % 40 == 39 {
                drop(sqlite);
                sqlite = SqliteStore::open(&file).unwrap();
            }
        }
        let all = now(sqlite.read(0, usize::MAX)).unwrap();
        verify(0, String::new(), &all).unwrap();
    }
}
