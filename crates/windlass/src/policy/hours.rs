//! Windows and freezes of `[policy]`, by its clock.

use super::timezone;
use crate::{
    exit::Failure,
    project::{self, Place},
    wiring,
};
use jiff::{Timestamp, Zoned};
use windlass_document::Urgency;
use windlass_plan::{Holidays, Policy};
use windlass_report::Mark;

/// A file of holidays may be so large.
const HOLIDAYS_BYTES_MAX: u64 = 1 << 20;

/// What the hours of the policy say about a start at this moment.
pub struct Hours {
    now: Zoned,
    /// Nothing: it may start.
    pub against: Vec<String>,
    next: Option<Zoned>,
    /// What does not count, because the release is critical.
    passed_over: Vec<String>,
}

/// `None`: the policy says nothing about when a release may start.
pub fn read(policy: &Policy, place: &Place, severity: Option<Urgency>) -> Result<Option<Hours>, Failure> {
    let Some(zone) = timezone(policy).filter(|_| policy.has_hours()) else { return Ok(None) };
    let now = Timestamp::from_millisecond(wiring::now_ms()).unwrap_or_default().to_zoned(zone.clone());
    let holidays = holidays(policy, place)?;
    let mut against = policy.closed(&holidays, now.datetime());
    let passed_over = match severity {
        Some(Urgency::Critical) => std::mem::take(&mut against),
        _ => Vec::new(),
    };
    // A time that the clock skips in spring is the one an hour later; one that comes twice is the first.
    let next = policy.next_opening(&holidays, now.datetime()).and_then(|next| next.to_zoned(zone).ok());
    Ok(Some(Hours { now, against, next, passed_over }))
}

impl Hours {
    /// When it may start, if not now.
    pub fn next(&self) -> Option<String> {
        (!self.against.is_empty()).then(|| match &self.next {
            Some(next) => format!("it is {}; it may start from {} on", clock(&self.now), clock(next)),
            None => {
                format!("it is {}; no time is known within a year at which it may start", clock(&self.now))
            }
        })
    }

    /// For `plan`.
    pub fn line(&self) -> (Mark, String) {
        match self.next() {
            Some(next) => (Mark::Warn, format!("it may not start now: {}; {next}", self.against.join("; "))),
            None if self.passed_over.is_empty() => {
                (Mark::Good, format!("it may start now, {}", clock(&self.now)))
            }
            None => {
                let words =
                    format!("it is critical and may start now, although {}", self.passed_over.join("; "));
                (Mark::Warn, words)
            }
        }
    }
}

fn holidays(policy: &Policy, place: &Place) -> Result<Holidays, Failure> {
    let mut holidays = Holidays::bundled();
    if let Some(name) = &policy.holidays {
        let path = place.base.join(name);
        let bytes = project::read(&path, HOLIDAYS_BYTES_MAX, "file of holidays")?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Failure::wrong(format!("{} is not UTF-8", path.display())))?;
        let more = Holidays::read(&text).map_err(|bad| {
            Failure::wrong(format!("{}:{}: {}", path.display(), bad.line, bad.why))
                .hint("a line is `CN 2027` (all of the year are listed) or `CN 2027-02-06..2027-02-12 NAME`")
        })?;
        holidays.add(more);
    }
    Ok(holidays)
}

fn clock(time: &Zoned) -> String {
    time.strftime("%a %Y-%m-%d %H:%M (%Q)").to_string()
}
