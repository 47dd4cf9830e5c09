//! Plans, runs, tickets and records as text, Markdown, HTML and JSON.
//!
//! Pure: made from a plan and journal entries alone, without engine or drivers, so that a copied journal can be
//! reported on anywhere. Text carries semantic marks, never escape sequences: the binary decides about colour.

mod audit;
mod code;
mod comment;
mod downtime;
mod edit;
mod ending;
mod found;
mod json;
mod log;
mod markdown;
mod messages;
mod notice;
mod outage;
mod page;
mod plan;
mod preflight;
mod record;
mod rehearsal;
mod run;
mod spread;
mod stand;
mod text;
mod ticket;
mod time;
mod words;

pub use audit::{DeedJson, Deeds, deeds_text};
pub use code::IsOpen;
pub use comment::{COMMENT_CHARS_MAX, Comment, unplanned_comment};
pub use downtime::{DowntimeJson, ExceededJson, ServiceDowntimeJson, WayBackJson};
pub use edit::{Mask, begun_text, tail_text};
pub use ending::ending_text;
pub use found::{CodeQualityIssue, FoundIn, code_quality, github_annotations, sarif};
pub use json::{
    DecisionJson, FORMAT, HeldJson, RecordJson, RunJson, StatusJson, StepJson, SummaryJson, TurnJson,
    UnitJson, record_json, run_json, status_json, step_json, summary_json,
};
pub use log::{Logged, logged, with_entry};
pub use notice::{
    News, NoticeFacts, NoticeJson, NoticeWords, SentNoticeJson, notice_test_words, notice_words, notices_text,
};
pub use page::Page;
pub use plan::{Surveyed, Surveys, plan_rest_text, plan_short_text, plan_text, steps_text};
pub use preflight::{preflight_short_text, preflight_text};
pub use record::{log_page, record_page};
pub use rehearsal::{
    CopyJson, LeftOut, LockJson, REHEARSAL_FORMAT, Rehearsal, Rehearsed, RehearsedVerdict, RoundJson,
    rehearsal_text, rehearsed_text, step_digests,
};
pub use run::{rollback_text, run_text, runs_text, status_text};
pub use stand::{Hold, Holder, Stand, Suggestion, UnitProgress, holds_text, progress_text, suggestions};
pub use text::{Mark, Text, pad, shorten, tame, width};
pub use ticket::{Facts, TicketFindingJson, TicketJson, ticket_json, ticket_page};
pub use time::{duration, moment};
pub use words::{Count, count, ending_word, progress, unit_word, why_in_short};
