//! Lines of `aws s3 sync|cp|mv|rm`: words in, the objects that they mean out, chosen from listings exactly as aws-cli
//! chooses them.
//!
//! Pure: no I/O, no panic on any input, linear time. A listing is an iterator, and nothing keeps it: memory stays flat
//! with millions of keys. The facts about aws-cli are from its source, version 1.46 (`awscli/customizations/s3`), and
//! `tests/aws_cli.rs` compares with it.

#![deny(missing_docs)]

mod filter;
mod glob;
mod hazard;
mod line;
mod object;
mod preview;
mod read;
mod roots;
mod select;

pub use hazard::Hazard;
pub use line::{Filter, ObjectLine, Options, Place, Verb};
pub use object::{Entry, Object, Skip, Work};
pub use preview::{Preview, Surprise, Tally};
pub use read::{NotUnderstood, is_object_line, read};
pub use roots::{Root, Roots, Scene};
pub use select::{Counts, Failed, Seen, Selection, select};
