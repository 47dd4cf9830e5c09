//! What is said of a manifest: numbers for people, failures for two in the morning.

use crate::backup::human_bytes;
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use windlass_driver::{Context, Failure, Fault, Stopping};
use windlass_objects::{Preview, Surprise};
use windlass_plan::Unit;
use windlass_s3::{Error, Kind, Totals, Watch};

/// Between two lines of progress.
const LINE: Duration = Duration::from_millis(250);

/// What a line would do, one line each, and what else is to be known of it.
#[must_use]
pub fn previewed(seen: &Preview, surprises: &[Surprise]) -> Vec<String> {
    let notes = surprises.iter().filter(|surprise| !surprise.refuses());
    seen.lines(human_bytes).into_iter().chain(notes.map(|note| format!("note: {}", note.message()))).collect()
}

/// The same of a line with `--dryrun`, which changes nothing and so is not refused.
pub(super) fn dry(seen: &Preview, surprises: &[Surprise]) -> Vec<String> {
    let refused = refusals(surprises).map(|why| format!("note: without `--dryrun` it is refused: {why}"));
    previewed(seen, surprises).into_iter().chain(refused).collect()
}

/// Why a line must not run, one line each.
pub(super) fn refusals(surprises: &[Surprise]) -> impl Iterator<Item = String> {
    surprises.iter().filter(|surprise| surprise.refuses()).map(|surprise| {
        let hint = surprise.hint().map_or_else(String::new, |hint| format!("; {hint}"));
        format!("{}{hint}", surprise.message())
    })
}

/// What was done, one line each.
pub(super) fn effects(totals: &Totals, verb: &str) -> Vec<String> {
    let mut lines = Vec::new();
    if totals.copies > 0 {
        lines.push(format!("{verb} {} objects, {}", totals.copies, human_bytes(totals.copy_bytes)));
    }
    if totals.overwrites > 0 {
        lines.push(format!("overwrite {} of them at the destination", totals.overwrites));
    }
    if totals.deletes > 0 {
        lines.push(format!("delete {} objects, {}", totals.deletes, human_bytes(totals.delete_bytes)));
    }
    if totals.stays > 0 {
        lines.push(format!("{} objects are there already and stay", totals.stays));
    }
    if totals.skips > 0 {
        lines.push(format!("{} objects are passed over (archived)", totals.skips));
    }
    if lines.is_empty() {
        lines.push("no objects: nothing to do".to_owned());
    }
    lines
}

/// Which writes were done without conditions, as the store knows none.
pub(super) fn unconditional(ways: &[&str]) -> Option<String> {
    let told =
        "what others wrote between the last look and the write was overwritten, unless a version keeps it";
    (!ways.is_empty())
        .then(|| format!("note: the store takes no conditions with {}: {told}", ways.join(" and ")))
}

/// A failure of the store as one of the unit, of which nothing was changed.
pub(super) fn clean(unit: &Unit, error: Error) -> Failure {
    failure(unit, error, Failure::clean)
}

/// A failure of the store as one of the unit, of which something may be done; what is in doubt, the next try looks at.
pub(super) fn partly(unit: &Unit, error: Error) -> Failure {
    failure(unit, error, Failure::partial)
}

/// Whose fault a failure of the store is.
pub(crate) fn fault(kind: Kind) -> Fault {
    match kind {
        Kind::Credentials | Kind::Transport | Kind::Busy | Kind::File => Fault::Transport,
        Kind::Windlass => Fault::Windlass,
        _ => Fault::Target,
    }
}

fn failure(unit: &Unit, error: Error, make: fn(Fault, String) -> Failure) -> Failure {
    let fault = fault(error.kind);
    let message = format!("{} (line {}): {}", unit.id, unit.line, error.message);
    error.hints.into_iter().fold(make(fault, message), Failure::hint)
}

/// Shows how far it is, and passes on that a person asks to stop.
pub(super) struct Progress {
    output: Arc<dyn Fn(&str) + Send + Sync>,
    stopping: Stopping,
    total: u64,
    before: u64,
    objects: AtomicU64,
    bytes: AtomicU64,
    begun: Instant,
    shown: Mutex<Option<Instant>>,
}

impl Progress {
    /// `before` of `total` objects are done already.
    pub(super) fn new(cx: &Context, total: u64, before: u64) -> Self {
        Self {
            output: cx.output.clone(),
            stopping: cx.stopping.clone(),
            total,
            before,
            objects: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            begun: Instant::now(),
            shown: Mutex::new(None),
        }
    }
}

impl Watch for Progress {
    fn asked(&self) -> bool {
        self.stopping.asked()
    }

    fn progress(&self, objects: u64, bytes: u64) {
        let objects = self.objects.fetch_add(objects, Ordering::Relaxed) + objects;
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let done = self.before + objects;
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.is_some_and(|shown| shown.elapsed() < LINE) && done < self.total {
            return;
        }
        *shown = Some(Instant::now());
        let seconds = self.begun.elapsed().as_secs_f64().max(0.001);
        let rate = objects as f64 / seconds;
        let left = if rate > 0.0 { self.total.saturating_sub(done) as f64 / rate } else { 0.0 };
        let line = format!(
            "{done} of {} objects, {}, {rate:.0}/s, {left:.0} s left\n",
            self.total,
            human_bytes(bytes)
        );
        (self.output)(&line);
    }
}
