//! The journal: one append-only, hash-chained log of a small closed set of events; state is one pure fold over it.

mod event;

pub use event::*;
