//! What a journal store does.

use crate::{Entry, Lease, Owner, RunId, Unlinked};
use async_trait::async_trait;

/// End of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Position of the last entry; 0 when there is none.
    pub seq: u64,
    /// Its hash; empty when there is none.
    pub hash: String,
}

/// Why a store refused or failed. Nothing was written in any of these cases, except where the text says so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Somebody appended in between.
    #[error("the journal moved on: expected entry {expected} to be the last, found {found}")]
    Stale {
        /// What the writer took for the end.
        expected: u64,
        /// The end.
        found: u64,
    },
    /// The lease is no longer the writer's.
    #[error("the lease was taken over (token {found}, ours is {token}); this controller must stop")]
    Fenced {
        /// The writer's token.
        token: u64,
        /// The current token.
        found: u64,
    },
    /// Somebody holds the lease.
    #[error("the lease is held by {}", .0.owner)]
    Held(Box<Lease>),
    /// The hash chain does not hold.
    #[error(
        "the journal is damaged at entry {seq}: {why}. Nothing was written. Restore the journal from a copy, or move it away to begin a new one"
    )]
    Broken {
        /// First entry that does not fit.
        seq: u64,
        /// In which way.
        why: String,
    },
    /// Written by a newer version.
    #[error("the journal has format {found}, this version writes format {ours}: use the newer windlass")]
    Newer {
        /// Its format.
        found: u32,
        /// Ours.
        ours: u32,
    },
    /// The file is not a journal.
    #[error("{0} is not a windlass journal")]
    NotAJournal(String),
    /// The disk is full.
    #[error("no space left on the journal's disk ({0}). Free some space, then `windlass resume`")]
    Full(String),
    /// The journal cannot be written.
    #[error("the journal cannot be written: {0}")]
    ReadOnly(String),
    /// There is no journal yet.
    #[error("there is no journal at {0}")]
    Missing(String),
    /// Anything else; the operation may be tried again.
    #[error("the journal failed: {0}")]
    Io(String),
}

/// A journal store. One test suite runs on every implementation.
#[async_trait]
pub trait Store: Send + Sync {
    /// End of the log.
    async fn head(&self) -> Result<Head, StoreError>;

    /// At most `limit` entries after position `after`, in order.
    async fn read(&self, after: u64, limit: usize) -> Result<Vec<Entry>, StoreError>;

    /// All entries of one run, in order.
    async fn read_run(&self, run: &RunId) -> Result<Vec<Entry>, StoreError>;

    /// Names of all runs, oldest first.
    async fn runs(&self) -> Result<Vec<RunId>, StoreError>;

    /// Appends all of `entries` or none. Durable on return.
    ///
    /// # Errors
    /// [`StoreError::Stale`] when the log does not end at `expected`, [`StoreError::Fenced`] when `token` is not the
    /// token of a lease that is held.
    async fn append(
        &self,
        expected: u64,
        token: u64,
        entries: Vec<Unlinked>,
    ) -> Result<Vec<Entry>, StoreError>;

    /// The lease, held or not; `None` when it was never taken.
    async fn lease(&self) -> Result<Option<Lease>, StoreError>;

    /// Takes the lease if its token still is `seen` (0: never taken). The new token is greater than all before.
    ///
    /// # Errors
    /// [`StoreError::Held`] when somebody was faster.
    async fn take(&self, seen: u64, owner: &Owner, ttl_ms: u64, now_ms: i64) -> Result<Lease, StoreError>;

    /// Shows that the owner lives.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer this token's.
    async fn beat(&self, token: u64) -> Result<(), StoreError>;

    /// Gives the lease back. Giving back a lease that was taken over is no error and does nothing.
    async fn release(&self, token: u64) -> Result<(), StoreError>;
}
