//! The journal store of one simulated controller: a memory store behind latencies, failures and deaths.

use crate::hub::{Hub, Proc};
use async_trait::async_trait;
use std::sync::Arc;
use windlass_journal::{Entry, Event, Head, Lease, MemoryStore, Owner, RunId, Store, StoreError, Unlinked};

/// Slowest store operation, milliseconds, before and after its effect.
const LATENCY_MS: u64 = 3;

/// A controller's way to the journal.
pub struct SimStore {
    /// What is shared.
    pub hub: Arc<Hub>,
    /// Whose it is.
    pub proc: Arc<Proc>,
    /// The journal itself.
    pub inner: Arc<MemoryStore>,
}

/// How an operation fails.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spoilt {
    No,
    IoBefore,
    IoAfter,
    Full,
}

impl SimStore {
    async fn before(&self) -> Result<Spoilt, StoreError> {
        self.hub.latency(LATENCY_MS).await;
        let spoilt = self.hub.with(|s| {
            if s.setup.store_faults == 0 || !s.rng.chance(s.setup.store_rate) {
                return Spoilt::No;
            }
            s.setup.store_faults -= 1;
            let kind = *s.rng.pick(&[Spoilt::IoBefore, Spoilt::IoAfter, Spoilt::Full]);
            s.count(match kind {
                Spoilt::IoBefore => "journal failed before it wrote",
                Spoilt::IoAfter => "journal failed after it wrote",
                _ => "journal's disk full",
            });
            kind
        });
        if spoilt != Spoilt::No {
            // A controller that misses a heartbeat may lose its lease without anybody's fault.
            self.proc.with(|p| p.paused_ever = true);
            self.hub.trace(|| format!("the journal fails for {}", self.proc.name));
        }
        match spoilt {
            Spoilt::IoBefore => Err(StoreError::Io("simulated".into())),
            Spoilt::Full => Err(StoreError::Full("simulated".into())),
            other => Ok(other),
        }
    }

    async fn after<T>(&self, spoilt: Spoilt, result: Result<T, StoreError>) -> Result<T, StoreError> {
        self.hub.latency(LATENCY_MS).await;
        if let Err(StoreError::Fenced { .. } | StoreError::Stale { .. }) = &result {
            self.hub.count("controller fenced");
            self.proc.with(|p| p.fenced = true);
        }
        match spoilt {
            Spoilt::IoAfter => Err(StoreError::Io("simulated".into())),
            _ => result,
        }
    }

    /// Nobody who lives and beats is robbed.
    fn check_robbery(&self, lease: Option<&Lease>) {
        let Some(lease) = lease.filter(|l| l.held) else { return };
        let holder = self.hub.with(|s| s.procs.iter().find(|p| p.owner == lease.owner).cloned());
        let Some(holder) = holder.filter(|p| p.with(|p| p.alive)) else { return };
        let here = holder.owner.boot == self.proc.owner.boot;
        if here || !holder.with(|p| p.paused_ever) {
            self.hub.fail("a living owner keeps its lease", || {
                format!("{} took the lease from {}", self.proc.name, holder.name)
            });
        }
        self.hub.count("lease taken from a paused controller");
    }

    fn check_secrets(&self, entries: &[Unlinked]) {
        self.hub.with(|s| {
            for entry in entries {
                let json = serde_json::to_string(&entry.event).unwrap_or_default();
                if !matches!(entry.event, Event::Started { .. }) && json.contains(&s.secret) {
                    s.fail("no secret reaches the journal", || json.clone());
                }
            }
        });
    }
}

#[async_trait]
impl Store for SimStore {
    async fn head(&self) -> Result<Head, StoreError> {
        let spoilt = self.before().await?;
        self.after(spoilt, self.inner.head().await).await
    }

    async fn read(&self, after: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let spoilt = self.before().await?;
        self.after(spoilt, self.inner.read(after, limit).await).await
    }

    async fn read_run(&self, run: &RunId) -> Result<Vec<Entry>, StoreError> {
        let spoilt = self.before().await?;
        self.after(spoilt, self.inner.read_run(run).await).await
    }

    async fn runs(&self) -> Result<Vec<RunId>, StoreError> {
        let spoilt = self.before().await?;
        self.after(spoilt, self.inner.runs().await).await
    }

    async fn append(
        &self,
        expected: u64,
        token: u64,
        entries: Vec<Unlinked>,
    ) -> Result<Vec<Entry>, StoreError> {
        let spoilt = self.before().await?;
        let (count, crash, stop) = self.proc.with(|p| {
            p.appends += 1;
            (p.appends, p.crash_append, p.stop_append)
        });
        if crash == Some((count, true)) {
            self.hub.count("crash before an append");
            self.proc.die().await;
        }
        self.check_secrets(&entries);
        let result = self.inner.append(expected, token, entries).await;
        if let Ok(entries) = &result {
            self.hub.with(|s| {
                s.advance_world();
                entries.iter().for_each(|entry| s.durable(self.proc.id, entry));
            });
        }
        if stop == Some(count) {
            self.hub.count("person pressed Ctrl-C");
            self.proc.stopping.stop();
        }
        if crash == Some((count, false)) {
            self.hub.count("crash after an append");
            self.proc.die().await;
        }
        self.after(spoilt, result).await
    }

    async fn lease(&self) -> Result<Option<Lease>, StoreError> {
        let spoilt = self.before().await?;
        self.after(spoilt, self.inner.lease().await).await
    }

    async fn take(&self, seen: u64, owner: &Owner, ttl_ms: u64, now_ms: i64) -> Result<Lease, StoreError> {
        let spoilt = self.before().await?;
        let old = self.inner.lease().await?;
        let result = self.inner.take(seen, owner, ttl_ms, now_ms).await;
        if let Ok(lease) = &result {
            self.check_robbery(old.as_ref());
            self.hub.with(|s| {
                s.mirror.token = lease.token;
                s.note(|| format!("{} takes the lease, token {}", self.proc.name, lease.token));
            });
        }
        self.after(spoilt, result).await
    }

    async fn beat(&self, token: u64) -> Result<(), StoreError> {
        let spoilt = self.before().await?;
        self.hub.count("heartbeat");
        self.after(spoilt, self.inner.beat(token).await).await
    }

    async fn release(&self, token: u64) -> Result<(), StoreError> {
        let spoilt = self.before().await?;
        self.after(spoilt, self.inner.release(token).await).await
    }
}
