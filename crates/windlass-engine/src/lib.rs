//! The engine: runs a plan unit by unit under a lease, and back.
//!
//! - [`next`] is the only place that decides what comes next: a pure function of the folded state.
//! - The dispatcher (`dispatch`) owns the journal and what the person sees; each unit owns itself and talks to nobody.
//! - A unit's life: capture → intent (durable) → act → settle (durable). Two appends, one fsync each, for a unit or
//!   for several that their driver applies together.
//! - The engine prints nothing, exits never, reads no environment; time, people and faults come in through traits.

mod board;
mod clock;
mod dispatch;
mod edit;
mod error;
mod faults;
mod gone;
mod lease;
mod next;
mod people;
mod probe;
mod session;
mod unit;

pub use clock::Clock;
pub use error::EngineError;
pub use faults::{Crash, Fault, FaultKind, Faults, NoCrash};
pub use next::{Limits, Next, Why, next};
pub use people::{Answer, Choice, NoPeople, Notice, Observer, People, Silent};
pub use session::{Engine, Settings, Stop};
