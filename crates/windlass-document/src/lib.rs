//! Markdown release documents: text in, a tree and *all* problems out.
//!
//! Pure: no I/O, no async, no panic on any input, linear time. Every piece of the tree knows its bytes in the
//! original file, so that a finding of any later layer points at the exact line and column.

mod about;
mod attributes;
mod attributes_check;
mod attributes_value;
mod duration;
mod encoding;
mod finding;
mod front;
mod front_schema;
mod front_value;
mod markdown;
mod markdown_fence;
mod markdown_lines;
mod model;
mod name;
mod parse;
mod references;
mod rules;
mod rules_list;
mod script;
mod span;
mod suggest;

pub mod diff;
pub mod http;
pub mod shell;

pub use about::about;
pub use encoding::DOCUMENT_BYTES_MAX;
pub use finding::{Confidence, Finding, Fix, Note, Severity};
pub use front_schema::front_matter_schema;
pub use model::{
    Attributes, Body, Dialect, Document, Downtime, FrontMatter, Gate, GateState, Kind, Language, Parsed,
    Script, Segment, Serial, Share, Stage, Step, Urgency,
};
pub use name::is_name;
pub use parse::{parse, parse_str};
pub use rules::{Example, FINDINGS_MAX, Rule, rules_markdown};
pub use rules_list::RULES;
pub use span::{LineIndex, Position, Span, Spanned};
