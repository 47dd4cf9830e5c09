//! What all tests use: outcomes, numbers by seed, a journal on disk.

pub use crate::scene::*;
use std::{path::Path, sync::LazyLock};
use windlass_journal::{Entry, Event, Outcome, Report, RunState, SqliteStore, Store, Trouble, fold};
use windlass_plan::{Action, Plan};

pub fn applied() -> Outcome {
    Outcome::Applied(Report::default())
}

pub fn trouble(message: &str) -> Trouble {
    Trouble { message: message.into(), ..Trouble::default() }
}

/// The plan with another text of `b/1`, or without; and the event by which it takes the place of the other.
pub fn replanned(edited: bool) -> Event {
    static EVENTS: LazyLock<[Event; 2]> = LazyLock::new(|| {
        let mut edited = plan();
        edited.steps[1].units[0].action =
            Action::Shell { script: "echo edited".into(), dir: None, readonly: false, database: None };
        let event = |from: Plan, plan: Plan| Event::Replanned {
            from: from.digest(),
            digest: plan.digest(),
            plan: Box::new(plan),
            break_glass: None,
            approvals: Vec::new(),
        };
        [event(edited.clone(), plan()), event(plan(), edited)]
    });
    EVENTS[usize::from(edited)].clone()
}

/// A journal on disk with these events of the run `r`, and the token it was written under.
pub fn journal(file: &Path, events: Vec<Event>) -> (SqliteStore, u64) {
    let store = SqliteStore::open(file).unwrap();
    let token = now(store.take(0, &owner(1), 1000, 0)).unwrap().token;
    now(store.append(0, token, events.into_iter().map(|event| unlinked("r", event)).collect())).unwrap();
    (store, token)
}

/// All entries of a store.
pub fn all(store: &dyn Store) -> Vec<Entry> {
    now(store.read(0, usize::MAX)).unwrap()
}

pub fn folded(entries: &[Entry]) -> RunState {
    fold(entries).unwrap().unwrap()
}

/// A folder in memory where there is such a place: durable writes then cost no time.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// SplitMix64.
pub struct Rng(pub u64);

impl Rng {
    /// One of these.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end
    }
}
