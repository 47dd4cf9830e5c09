//! `[target.NAME.batch]` and `[policy.batch]`: how gently `batch=` runs.

use super::read::Section;
use crate::Throttle;

pub(super) const KEYS: &[&str] =
    &["time", "share", "lag", "sessions", "lock_waits", "wait_while", "wait_max"];

/// Reads the table `batch` of `section`; what it does not say is as in `base`.
pub(super) fn read(section: &Section<'_, '_, '_>, base: Throttle) -> Option<Throttle> {
    section.item("batch")?;
    let batch = section.section("batch", KEYS)?;
    let time_ms = batch.duration("time").unwrap_or(base.time_ms);
    if time_ms == 0 {
        batch.error("config-value", "time", "a batch cannot take no time", "write `500ms`, or leave it out");
    }
    Some(Throttle {
        time_ms,
        share: share(&batch).unwrap_or(base.share),
        lag_ms: batch.duration("lag").unwrap_or(base.lag_ms),
        sessions: batch.count("sessions").or(base.sessions),
        lock_waits: batch.count("lock_waits").or(base.lock_waits),
        wait_while: batch.text("wait_while").or(base.wait_while),
        wait_ms_max: batch.duration("wait_max").unwrap_or(base.wait_ms_max),
    })
}

fn share(batch: &Section<'_, '_, '_>) -> Option<u32> {
    let text = batch.text("share")?;
    let percent = text.strip_suffix('%').and_then(|number| number.parse().ok());
    let percent = percent.filter(|percent| (1..=100).contains(percent));
    if percent.is_none() {
        let message = format!("`share` cannot be `{text}`");
        batch.error("config-value", "share", message, "write a part of the time, from `1%` to `100%`");
    }
    percent
}
