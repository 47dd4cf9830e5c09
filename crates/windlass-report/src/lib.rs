//! Plans, runs and records as text, Markdown and JSON.
//!
//! Pure: made from a plan and journal entries alone, without engine or drivers, so that a copied journal can be
//! reported on anywhere. Text carries semantic marks, never escape sequences: the binary decides about colour.

mod ending;
mod json;
mod outage;
mod plan;
mod record;
mod run;
mod stand;
mod text;
mod time;
mod words;

pub use ending::ending_text;
pub use json::{
    DecisionJson, FORMAT, HeldJson, RecordJson, RunJson, StatusJson, StepJson, SummaryJson, TurnJson,
    UnitJson, record_json, run_json, status_json, step_json, summary_json,
};
pub use plan::{Surveyed, Surveys, plan_short_text, plan_text, steps_text};
pub use record::record_markdown;
pub use run::{rollback_text, run_text, runs_text, status_text};
pub use stand::{Hold, Holder, Stand, Suggestion, holds_text, suggestions};
pub use text::{Mark, Text, pad, shorten, tame, width};
pub use time::{duration, moment};
pub use words::{ending_word, progress, unit_word, why_in_short};
