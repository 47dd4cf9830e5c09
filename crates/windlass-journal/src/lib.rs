//! The journal: one append-only, hash-chained log of a small closed set of events; state is one pure fold over it.
//!
//! Live run, resume, status, record and dashboard all read the same [`RunState`], folded from the same entries.
//! A [`Store`] keeps the entries and the lease; every append names the position it expects and the token of its
//! lease, so a controller that was overtaken cannot write and stops.

mod chain;
mod edit;
mod event;
mod lease;
mod memory;
mod probed;
mod sqlite;
mod state;
mod store;
mod unit;

pub use chain::{Unlinked, link, verify};
pub use edit::{Edit, Touched};
pub use event::*;
pub use lease::{Lease, Life, Liveness, Owner, ProcLiveness};
pub use memory::MemoryStore;
pub use probed::{Exceeded, Probed};
pub use sqlite::SqliteStore;
pub use state::{FoldError, Place, Replan, RunState, Turn, fold};
pub use store::{Head, Store, StoreError};
pub use unit::{Forward, UndoPhase, UnitState};
