//! `canary = { … }` of `[service.NAME]`: the steps of the strategy `canary`.

use super::{policy::Policy, read::Section};
use crate::Canary;

pub(super) const KEYS: &[&str] = &["steps", "watch", "requests"];

/// Reads the table `canary` of `section`. Its limits are those of `policy.watch`.
pub(super) fn read(section: &Section<'_, '_, '_>, policy: &Policy) -> Canary {
    let base = Canary::default();
    let canary = section.section("canary", KEYS);
    let canary = canary.as_ref();
    let watch_ms = canary.and_then(|canary| canary.duration("watch")).unwrap_or(base.watch_ms);
    if let Some(canary) = canary.filter(|_| watch_ms == 0) {
        canary.error(
            "config-value",
            "watch",
            "nothing can be watched in no time",
            "write `5m`, or leave it out",
        );
    }
    let requests = canary.and_then(|canary| canary.count("requests")).map_or(base.requests, u64::from);
    let limit = |of: &str| policy.watch.as_ref().and_then(|watch| watch.limit(of));
    Canary {
        steps: canary.and_then(steps).unwrap_or(base.steps),
        watch_ms,
        requests,
        p95_ms: limit("p95"),
        errors: limit("errors"),
    }
}

fn steps(canary: &Section<'_, '_, '_>) -> Option<Vec<u8>> {
    let texts = canary.list("steps")?;
    let read = texts.iter().map(|(text, _)| text.strip_suffix('%')?.parse::<u8>().ok());
    let steps: Option<Vec<u8>> = read.collect();
    let fits = |steps: &Vec<u8>| {
        !steps.is_empty()
            && steps.iter().all(|share| (1..100).contains(share))
            && steps.windows(2).all(|pair| pair[0] < pair[1])
    };
    let steps = steps.filter(fits);
    if steps.is_none() {
        canary.error(
            "config-value",
            "steps",
            "`steps` are no rising shares",
            "write shares from `1%` to `99%`, each larger than the one before: `[\"10%\", \"50%\"]`; all clients follow by themselves",
        );
    }
    steps
}
