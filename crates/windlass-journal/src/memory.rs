//! A journal in memory: for the simulator, and as the model that the other stores are compared with.

use crate::{Entry, Head, Lease, Owner, RunId, Store, StoreError, Unlinked, link};
use async_trait::async_trait;
use std::sync::{Mutex, MutexGuard};

/// A journal in memory.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    entries: Vec<Entry>,
    lease: Option<Lease>,
}

impl MemoryStore {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no code panics while it holds the journal")
    }
}

impl Inner {
    fn head(&self) -> Head {
        self.entries.last().map_or_else(Head::default, |e| Head { seq: e.seq, hash: e.hash.clone() })
    }

    fn check_token(&self, token: u64) -> Result<(), StoreError> {
        match &self.lease {
            Some(lease) if lease.held && lease.token == token => Ok(()),
            lease => Err(StoreError::Fenced { token, found: lease.as_ref().map_or(0, |l| l.token) }),
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn head(&self) -> Result<Head, StoreError> {
        Ok(self.lock().head())
    }

    async fn read(&self, after: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let after = usize::try_from(after).unwrap_or(usize::MAX);
        Ok(self.lock().entries.iter().skip(after).take(limit).cloned().collect())
    }

    async fn read_run(&self, run: &RunId) -> Result<Vec<Entry>, StoreError> {
        Ok(self.lock().entries.iter().filter(|e| e.run == *run).cloned().collect())
    }

    async fn runs(&self) -> Result<Vec<RunId>, StoreError> {
        let mut runs = Vec::new();
        for entry in &self.lock().entries {
            if !runs.contains(&entry.run) {
                runs.push(entry.run.clone());
            }
        }
        Ok(runs)
    }

    async fn append(
        &self,
        expected: u64,
        token: u64,
        entries: Vec<Unlinked>,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut inner = self.lock();
        inner.check_token(token)?;
        let mut head = inner.head();
        if head.seq != expected {
            return Err(StoreError::Stale { expected, found: head.seq });
        }
        let mut linked = Vec::with_capacity(entries.len());
        for entry in entries {
            let (entry, _) = link(head.seq + 1, token, &head.hash, entry);
            head = Head { seq: entry.seq, hash: entry.hash.clone() };
            linked.push(entry);
        }
        inner.entries.extend(linked.iter().cloned());
        Ok(linked)
    }

    async fn lease(&self) -> Result<Option<Lease>, StoreError> {
        Ok(self.lock().lease.clone())
    }

    async fn take(&self, seen: u64, owner: &Owner, ttl_ms: u64, now_ms: i64) -> Result<Lease, StoreError> {
        let mut inner = self.lock();
        if let Some(lease) = &inner.lease
            && lease.token != seen
        {
            return Err(StoreError::Held(Box::new(lease.clone())));
        }
        let lease =
            Lease { token: seen + 1, owner: owner.clone(), held: true, beat: 0, ttl_ms, since_ms: now_ms };
        inner.lease = Some(lease.clone());
        Ok(lease)
    }

    async fn beat(&self, token: u64) -> Result<(), StoreError> {
        let mut inner = self.lock();
        inner.check_token(token)?;
        if let Some(lease) = &mut inner.lease {
            lease.beat += 1;
        }
        Ok(())
    }

    async fn release(&self, token: u64) -> Result<(), StoreError> {
        if let Some(lease) = &mut self.lock().lease
            && lease.token == token
        {
            lease.held = false;
        }
        Ok(())
    }
}
