//! The journal in memory, with every append in the world's log, and trouble on demand.

use super::world::World;
use async_trait::async_trait;
use std::sync::Mutex;
use windlass_journal::{
    Entry, Event, Head, Lease, MemoryStore, Outcome, Owner, RunId, Store, StoreError, Unlinked,
};
use windlass_plan::Way;

type Hook = Box<dyn FnMut(&str) -> Option<StoreError> + Send>;

pub struct Journal {
    pub inner: MemoryStore,
    world: World,
    beats: Mutex<u32>,
    hook: Mutex<Hook>,
}

impl Journal {
    pub fn new(world: World) -> Self {
        Self {
            inner: MemoryStore::default(),
            world,
            beats: Mutex::default(),
            hook: Mutex::new(Box::new(|_| None)),
        }
    }

    /// Called before each append with its log line, before each heartbeat with `beat N`, N from 1,
    /// and before the lease is taken with `take`; an error stops it.
    pub fn hook(&self, hook: impl FnMut(&str) -> Option<StoreError> + Send + 'static) {
        *self.hook.lock().expect("no hook panics") = Box::new(hook);
    }

    /// Heartbeats of all controllers so far.
    pub fn beats(&self) -> u32 {
        *self.beats.lock().expect("no code panics while it counts")
    }

    fn check(&self, what: &str) -> Result<(), StoreError> {
        match (self.hook.lock().expect("no hook panics"))(what) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Store for Journal {
    async fn head(&self) -> Result<Head, StoreError> {
        self.inner.head().await
    }

    async fn read(&self, after: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.inner.read(after, limit).await
    }

    async fn read_run(&self, run: &RunId) -> Result<Vec<Entry>, StoreError> {
        self.inner.read_run(run).await
    }

    async fn runs(&self) -> Result<Vec<RunId>, StoreError> {
        self.inner.runs().await
    }

    async fn append(&self, expected: u64, token: u64, new: Vec<Unlinked>) -> Result<Vec<Entry>, StoreError> {
        let names: Vec<_> = new.iter().map(|entry| name(&entry.event)).collect();
        let line = format!("! {}", names.join(" + "));
        self.check(&line)?;
        let entries = self.inner.append(expected, token, new).await?;
        self.world.note(line);
        Ok(entries)
    }

    async fn lease(&self) -> Result<Option<Lease>, StoreError> {
        self.inner.lease().await
    }

    async fn take(&self, seen: u64, owner: &Owner, ttl_ms: u64, now_ms: i64) -> Result<Lease, StoreError> {
        self.check("take")?;
        self.inner.take(seen, owner, ttl_ms, now_ms).await
    }

    async fn beat(&self, token: u64) -> Result<(), StoreError> {
        let count = {
            let mut beats = self.beats.lock().expect("no code panics while it counts");
            *beats += 1;
            *beats
        };
        self.check(&format!("beat {count}"))?;
        self.inner.beat(token).await
    }

    async fn release(&self, token: u64) -> Result<(), StoreError> {
        self.inner.release(token).await
    }
}

fn name(event: &Event) -> String {
    let lower = |value: &dyn std::fmt::Debug| format!("{value:?}").to_lowercase();
    let back = |way: &Way| if *way == Way::Undo { "undo " } else { "" };
    match event {
        Event::Started { .. } => "started".into(),
        Event::Replanned { .. } => "replanned".into(),
        Event::Taken { from: None, .. } => "taken".into(),
        Event::Taken { from: Some(from), .. } => format!("taken from {from}"),
        Event::Intended { unit, way, .. } => format!("intend {}{unit}", back(way)),
        Event::Settled { unit, way, outcome, .. } => {
            let outcome = match outcome {
                Outcome::Applied(_) => "applied",
                Outcome::NoEffect(_) => "no effect",
                Outcome::Failed(_) => "failed",
                Outcome::FailedPartly(_) => "failed partly",
                Outcome::Unknown(_) => "unknown",
            };
            format!("settle {}{unit} {outcome}", back(way))
        }
        Event::Confirmed { unit, .. } => format!("confirmed {unit}"),
        Event::Turned { to, .. } => format!("turned {}", lower(to)),
        Event::Decided { verb, unit: Some(unit), .. } => format!("decided {} {unit}", lower(verb)),
        Event::Decided { verb, unit: None, .. } => format!("decided {}", lower(verb)),
        Event::Probed { .. } => "probed".into(),
        Event::Ended { ending } => format!("ended {}", lower(ending)),
    }
}
