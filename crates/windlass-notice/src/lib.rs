//! Notices about releases: to chat services, to mail, to a webhook of the team's own.
//!
//! One file per service makes its request from a notice ([`request()`]), a pure function; [`Courier`] sends beside a run
//! and never holds it up; [`Record`] keeps what became of each. docs/design/journal-and-engine.md says why that record
//! is no part of the journal.

mod courier;
mod dingtalk;
mod endpoint;
mod feishu;
mod mail;
mod record;
mod request;
mod send;
mod sign;
mod slack;
mod webhook;
mod wecom;
mod words;

pub use courier::{Clock, Courier, FINISH_MAX};
pub use endpoint::Endpoint;
pub use record::{Outcome, Record, Sent};
pub use request::{Answer, Request, answer, request};
pub use send::{TRIES_MAX, TRY_MAX};
pub use sign::hmac_sha256;

use windlass_plan::Lang;

/// What is told, in one language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// In which.
    pub lang: Lang,
    /// The run that it is about, if it is about one.
    pub run: Option<String>,
    /// What happened, in one line.
    pub title: String,
    /// What is said of it: a word for what it is, and what it is.
    pub lines: Vec<(String, String)>,
    /// The same for programs: the body of a webhook.
    pub json: serde_json::Value,
}
