//! The crate against real stores.

#![expect(clippy::unwrap_used, reason = "a test that cannot do what it wants has to fail")]

mod broken;
mod common;
mod fake;
mod findings;
mod late;
mod lines;
mod mend;
mod only;
mod parts;
mod store;
mod sums;
