//! A release document and a configuration, compiled to typed, reversible units.
//!
//! Pure: no I/O, no async. The same document, configuration and tool version give the same plan and the same
//! digest on any machine.

mod digest;
mod model;

pub use digest::{Digest, canonical_json};
pub use model::*;
