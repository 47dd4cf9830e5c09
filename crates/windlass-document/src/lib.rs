//! Markdown release documents: text in, a tree and *all* problems out.
//!
//! Pure: no I/O, no async, no panic on any input, linear time. Every piece of the tree knows its bytes in the
//! original file, so that a finding of any later layer points at the exact line and column.

mod finding;
mod model;
mod problems;
mod span;

pub mod diff;
pub mod http;
pub mod shell;

pub use finding::{Confidence, Finding, Fix, Note, Severity};
pub use model::{
    Attributes, Body, Dialect, Document, Downtime, FrontMatter, Gate, GateState, Kind, Language, Parsed,
    Script, Segment, Serial, Stage, Step, Urgency,
};
pub use span::{LineIndex, Position, Span, Spanned};
