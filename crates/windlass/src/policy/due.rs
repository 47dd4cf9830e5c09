//! `due` of `[policy]`: how soon a release of its severity is to be done, counted from the first commit of its document. It is
//! said and holds up nothing: a release that is late is not better later.

use super::Start;
use crate::{git::Repository, project, wiring};
use jiff::{Timestamp, tz::TimeZone};
use std::path::Path;
use windlass_report::{Mark, duration, moment};

/// When a release is to be done.
pub struct Due {
    /// How long it may take, milliseconds.
    within_ms: u64,
    severity: &'static str,
    /// Milliseconds since 1970; else why it is not known.
    pub at_ms: Result<i64, String>,
}

/// `None`: the policy does not say it of such a release.
pub fn read(start: &Start<'_>) -> Option<Due> {
    let (document, _) = start.document?;
    let severity = start.severity()?;
    let within_ms = start.policy.due.within_ms(severity)?;
    let at_ms = first_commit_ms(document)
        .map(|first_ms| first_ms.saturating_add(i64::try_from(within_ms).unwrap_or(i64::MAX)));
    Some(Due { within_ms, severity: severity.name(), at_ms })
}

impl Due {
    /// For `plan`.
    pub fn line(&self, zone: &TimeZone) -> (Mark, String) {
        let within = format!("{}: within {} from the first commit", self.severity, duration(self.within_ms));
        let at_ms = match &self.at_ms {
            Ok(at_ms) => *at_ms,
            Err(why) => return (Mark::Warn, format!("{within} of this document, which is not known: {why}")),
        };
        let at = moment(at_ms, zone);
        match at_ms < wiring::now_ms() {
            true => (Mark::Warn, format!("it was due by {at} ({within})")),
            false => (Mark::Good, format!("due by {at} ({within})")),
        }
    }
}

/// When the document came into the repository; under its name, or one that it had before.
fn first_commit_ms(document: &Path) -> Result<i64, String> {
    let repository = Repository::at(&project::folder_of(document));
    // Of several additions the oldest is the last one.
    let options = ["--diff-filter=A", "--format=%at"];
    let answer = repository.history(document.file_name().unwrap_or_default(), &options)?;
    let seconds = answer.lines().last().ok_or("it is not committed")?;
    let first = seconds.trim().parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    first.map(|first| first.as_millisecond()).ok_or_else(|| format!("git says `{seconds}`"))
}
