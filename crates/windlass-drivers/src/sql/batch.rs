//! Batches: one unit as many transactions. What is common to the databases is here: how large a batch is, when it waits, how far
//! it is, how it stops. Each driver makes one batch a transaction with the rows, their before-images and the cursor.

use super::{
    conflicts::{self, Conflict},
    listing::Listing,
    place,
};
use crate::disk::{self, one_line};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use windlass_driver::{Context, Effect, Failure, Fault};
use windlass_plan::{Action, Batch, Throttle, Unit, Way};

/// The first batch is no larger: how long one takes is not known yet.
const FIRST: u64 = 500;
/// A batch spans at most this many times the rows that it may change, where few of them match.
const SPAN_MAX: u64 = 64;
/// Between two looks at what a batch waits for.
const LOOK: Duration = Duration::from_millis(500);
/// Between two lines of progress.
const LINE: Duration = Duration::from_millis(250);

/// One batch that is committed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Step {
    /// Rows that it changed or put back.
    pub(crate) rows: u64,
    /// Rows of the table that it went over.
    pub(crate) seen: u64,
    /// How long its transaction took, without waiting for a lock and for tries that failed.
    pub(crate) took: Duration,
}

/// What became of the question for a batch.
#[derive(Debug)]
pub(crate) enum Turn {
    /// It is committed.
    Done(Step),
    /// It would have changed more rows than it may: a smaller one is to be tried.
    TooMany,
    /// There is nothing left to do.
    Over,
}

/// The work of a driver.
#[async_trait]
pub(crate) trait Work: Send {
    /// Makes the next batch, over at most `span` rows of the table, and changes at most `most`; a driver that goes back takes
    /// batches as they were. A failure leaves the batch without effect.
    async fn next(&mut self, span: u64, most: u64) -> Result<Turn, Failure>;

    /// Why the next batch should wait, if it should.
    async fn busy(&mut self, throttle: &Throttle) -> Result<Option<String>, Failure>;

    /// Takes away what was prepared, when no batch was made.
    async fn forget(&mut self) -> Result<(), Failure>;
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Batches that are committed; on the way back, those that are left.
    pub(crate) batches: u64,
    /// Rows that they changed.
    pub(crate) rows: u64,
    /// Rows of the table that they went over.
    pub(crate) seen: u64,
    /// Rows of the table, by the server's estimate; 0: not known. On the way back, rows to put back.
    pub(crate) total: u64,
}

/// Runs batches until there is nothing left. `tally` is what earlier tries did; gives what is done in all.
pub(crate) async fn run(
    cx: &Context,
    unit: &Unit,
    way: Way,
    tally: Tally,
    work: &mut dyn Work,
) -> Result<Tally, Failure> {
    let Action::Sql { batch: Some(batch), .. } = &unit.action else {
        unreachable!("only statements with `batch=` are run in batches")
    };
    let mut runner =
        Runner { cx, unit, way, batch, tally, pace: Pace::new(batch), view: View::new(cx, way, tally) };
    match runner.all(work).await {
        Ok(()) => Ok(runner.tally),
        Err(failure) => Err(runner.stopped(failure, work).await),
    }
}

struct Runner<'a> {
    cx: &'a Context,
    unit: &'a Unit,
    way: Way,
    batch: &'a Batch,
    tally: Tally,
    pace: Pace,
    view: View,
}

impl Runner<'_> {
    async fn all(&mut self, work: &mut dyn Work) -> Result<(), Failure> {
        loop {
            self.wait(work).await?;
            match work.next(self.pace.span, self.batch.rows).await? {
                Turn::Over => {
                    self.view.show(self.tally, "done", true);
                    return Ok(());
                }
                Turn::TooMany => self.pace.too_many(self.batch.rows),
                Turn::Done(step) => {
                    self.count(step);
                    self.pace.learn(self.batch, step);
                    self.view.show(self.tally, "", false);
                    self.rest(step).await;
                }
            }
        }
    }

    fn count(&mut self, step: Step) {
        self.tally.rows += step.rows;
        self.tally.seen += step.seen;
        match self.way {
            Way::Forward => self.tally.batches += 1,
            Way::Undo => self.tally.batches = self.tally.batches.saturating_sub(1),
        }
    }

    /// The pause that leaves the others their part of the time.
    async fn rest(&self, step: Step) {
        let share = self.batch.throttle.share.clamp(1, 100);
        let pause = step.took * (100 - share) / share;
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.cx.stopping.stopped() => {}
        }
    }

    /// Waits while the server is busy, and stops when a person asks.
    async fn wait(&mut self, work: &mut dyn Work) -> Result<(), Failure> {
        let begun = Instant::now();
        let most = Duration::from_millis(self.batch.throttle.wait_ms_max);
        loop {
            if self.cx.stopping.asked() {
                return Err(self.paused());
            }
            let Some(why) = work.busy(&self.batch.throttle).await? else { return Ok(()) };
            self.view.show(self.tally, &format!("waiting: {why}"), true);
            if begun.elapsed() >= most {
                return Err(self.waited(&why));
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK.min(most)) => {}
                () = self.cx.stopping.stopped() => {}
            }
        }
    }

    fn paused(&self) -> Failure {
        let message = format!("{}: paused between two batches", place(self.cx, self.unit, None));
        Failure::partial(Fault::Target, message)
            .retryable()
            .hint("windlass resume goes on behind the last batch; windlass rollback takes all back")
    }

    fn waited(&self, why: &str) -> Failure {
        let seconds = self.batch.throttle.wait_ms_max / 1000;
        let message = format!(
            "{}: its batches waited for {seconds} s (`wait_max`), and the reason is still there: {why}",
            place(self.cx, self.unit, None)
        );
        Failure::partial(Fault::Target, message)
            .for_a_person()
            .hint(format!(
                "when it is quieter: windlass decide retry {}; it goes on behind the last batch",
                self.unit.id
            ))
            .hint("windlass rollback takes back what is done")
    }

    /// A failure of one batch as one of the unit: the others are committed.
    async fn stopped(&mut self, failure: Failure, work: &mut dyn Work) -> Failure {
        let none = self.tally.batches == 0 && self.way == Way::Forward;
        if none && failure.effect == Effect::None && work.forget().await.is_ok() {
            return failure;
        }
        let done = match self.way {
            Way::Forward => {
                format!("{} batches with {} rows are committed", self.tally.batches, self.tally.rows)
            }
            Way::Undo => format!("{} batches have yet to go back", self.tally.batches),
        };
        let message = failure.message.replace("nothing was changed", "this batch changed nothing");
        let message = format!("{}; {done}", message.trim_end_matches('.'));
        self.view.show(self.tally, &one_line(&failure.message, 120), true);
        let failure = Failure { message, effect: failure.effect.max(Effect::Partial), ..failure };
        match failure.hints.is_empty() && self.way == Way::Forward {
            true => failure.hint("windlass rollback takes them back, newest first"),
            false => failure,
        }
    }
}

/// How many rows of the table the next batch goes over.
#[derive(Debug)]
struct Pace {
    span: u64,
}

impl Pace {
    fn new(batch: &Batch) -> Self {
        Self { span: batch.rows.clamp(1, FIRST) }
    }

    /// Towards the time that a batch should take and the rows that it may change, by no more than twice at once.
    fn learn(&mut self, batch: &Batch, step: Step) {
        let took_ms = u64::try_from(step.took.as_millis()).unwrap_or(u64::MAX).max(1);
        let by_time = self.span.saturating_mul(batch.throttle.time_ms) / took_ms;
        let by_rows = self.span.saturating_mul(batch.rows) / step.rows.max(1);
        let (least, most) = ((self.span / 2).max(1), self.span.saturating_mul(2));
        self.span = by_time.min(by_rows).clamp(least, most).min(batch.rows.saturating_mul(SPAN_MAX)).max(1);
    }

    /// As many rows as may be changed are never too many.
    fn too_many(&mut self, rows: u64) {
        self.span = (self.span / 2).max(rows).max(1);
    }
}

/// How far it is, for the person who watches, and for `windlass status`.
struct View {
    output: std::sync::Arc<dyn Fn(&str) + Send + Sync>,
    file: PathBuf,
    way: Way,
    begun: Instant,
    before: Tally,
    shown: Option<Instant>,
}

/// Name of the file in the workspace that says how far it is.
pub(crate) const PROGRESS: &str = "progress.txt";

impl View {
    fn new(cx: &Context, way: Way, before: Tally) -> Self {
        let (output, file) = (std::sync::Arc::clone(&cx.output), cx.workspace.join(PROGRESS));
        Self { output, file, way, begun: Instant::now(), before, shown: None }
    }

    fn show(&mut self, tally: Tally, doing: &str, always: bool) {
        if !always && self.shown.is_some_and(|shown| shown.elapsed() < LINE) {
            return;
        }
        self.shown = Some(Instant::now());
        let mut line = words(self.way, tally, self.before, self.begun.elapsed());
        if !doing.is_empty() {
            line.push_str(&format!("; {doing}"));
        }
        (self.output)(&format!("\n{line}"));
        // Only for people: what counts is in the database.
        let _ = self.write(&line);
    }

    fn write(&self, line: &str) -> io::Result<()> {
        fs::create_dir_all(self.file.parent().unwrap_or(Path::new("/")))?;
        let temporary = self.file.with_extension("tmp");
        fs::write(&temporary, line)?;
        fs::rename(temporary, &self.file)
    }
}

/// One line: batches, rows, part of the whole, rate, time that is left.
fn words(way: Way, tally: Tally, before: Tally, elapsed: Duration) -> String {
    let what = if way == Way::Forward { "" } else { " left" };
    let mut line = format!("{} batches{what}, {} rows", tally.batches, tally.rows);
    if let Some(percent) = tally.seen.saturating_mul(100).checked_div(tally.total) {
        let percent = percent.min(99);
        line.push_str(&format!(", {percent} % of about {} rows", tally.total));
    }
    let ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    let seen = tally.seen.saturating_sub(before.seen);
    if seen > 0 && ms > 1000 {
        line.push_str(&format!(
            ", {} rows/s",
            tally.rows.saturating_sub(before.rows).saturating_mul(1000) / ms
        ));
        if tally.total > tally.seen {
            let left_s = (tally.total - tally.seen).saturating_mul(ms) / seen / 1000;
            line.push_str(&format!(", about {} left", time(left_s)));
        }
    }
    line
}

fn time(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// Conflicts of an undo that goes batch by batch, and may be interrupted between any two.
pub(crate) struct Conflicts {
    folder: PathBuf,
    workspace: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    conflicts: Vec<Conflict>,
}

impl Conflicts {
    pub(crate) fn new(cx: &Context) -> Self {
        Self { folder: cx.workspace.join("conflicts"), workspace: cx.workspace.clone() }
    }

    /// Writes those of batch `number`, durably, before it is committed; a try of the same batch before this one is overwritten.
    pub(crate) fn keep(&self, number: u64, conflicts: Vec<Conflict>) -> io::Result<()> {
        let path = self.folder.join(format!("{number}.json"));
        if conflicts.is_empty() {
            return match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        fs::create_dir_all(&self.folder)?;
        let text = serde_json::to_vec(&Kept { conflicts })?;
        // Values may be personal data.
        disk::write_private(&path, &text)
    }

    /// All of them as `conflicts.csv`: how many, the first as a table, the file.
    pub(crate) fn finish(&self) -> io::Result<(u64, String, Option<PathBuf>)> {
        let mut listing = Listing::new(&self.workspace);
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries.collect::<Result<Vec<_>, _>>()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => vec![],
            Err(error) => return Err(error),
        };
        let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        paths.sort();
        for path in paths {
            let kept: Kept = serde_json::from_slice(&fs::read(path)?)?;
            for conflict in kept.conflicts {
                listing.add(conflict)?;
            }
        }
        let file = listing.finish()?;
        let table = if listing.count() == 0 { String::new() } else { listing.table() };
        Ok((listing.count(), table, file))
    }
}

/// What is said of an undo by batches when it is done.
pub(crate) fn undone(cx: &Context, rows: u64) -> windlass_driver::Done {
    use windlass_driver::{Done, OnConflict, excerpt};
    let mut lines = vec![format!("{rows} rows put back, batch by batch")];
    let (count, table, file) = match Conflicts::new(cx).finish() {
        Ok(all) => all,
        Err(error) => {
            lines.push(format!("the list of conflicts could not be written: {error}"));
            (0, String::new(), None)
        }
    };
    if count > 0 {
        let what = match cx.on_conflict {
            OnConflict::Force => "were overwritten",
            _ => "were left as they are",
        };
        lines.push(format!("{count} values that others wrote since {what}"));
        lines.extend(file.map(|path| format!("listed in {}", path.display())));
    }
    let output = cx.secrets.mask(&table);
    if !output.is_empty() {
        (cx.output)(&output);
    }
    let facts = serde_json::json!({ "rows": rows, "conflicts": count });
    Done { changed: true, effects: lines, output: excerpt(&output), facts }
}

/// Nothing of it goes back while others have written since, and a person asked to be asked.
pub(crate) fn asked(cx: &Context, unit: &Unit, found: &[Conflict]) -> Failure {
    let message = format!(
        "{}: {} values were written to since by others; nothing more of it was taken back",
        place(cx, unit, None),
        found.len()
    );
    Failure::clean(Fault::Target, message)
        .hint("--on-conflict=keep leaves those as they are, --on-conflict=force overwrites them")
        .output(windlass_driver::excerpt(&cx.secrets.mask(&conflicts::table(found, found.len() as u64))))
}

/// More rows than `rows=` says, or fewer at the end.
pub(crate) fn wrong_rows(cx: &Context, unit: &Unit, found: u64, expected: u64) -> Failure {
    let message = format!(
        "{}: its batches changed {found} rows where `rows={expected}` expects {expected}",
        place(cx, unit, None)
    );
    Failure::partial(Fault::Target, message)
        .hint("look at the rows it selects, then correct the statement or `rows=`")
}

/// What an answer of `wait_while` means.
pub(crate) fn says_wait(answer: Option<&str>) -> Result<bool, String> {
    match answer.map(|text| text.trim().to_ascii_lowercase()).as_deref() {
        None | Some("" | "f" | "false" | "n" | "no" | "off") => Ok(false),
        Some("t" | "true" | "y" | "yes" | "on") => Ok(true),
        Some(text) => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number != 0.0),
            _ => Err(format!(
                "`wait_while` answers `{}`, which is neither true or false nor a number",
                one_line(text, 40)
            )),
        },
    }
}

/// What `plan` says of batches; `rows` is the server's estimate for the table.
pub(crate) fn announced(batch: &Batch, key: &[String], table: &str, rows: u64) -> Vec<String> {
    let throttle = &batch.throttle;
    let count = rows.div_ceil(batch.rows.max(1)).max(1);
    let mut gently = format!("{} ms each, {} % of the time", throttle.time_ms, throttle.share);
    for (what, limit) in [("sessions", throttle.sessions), ("lock waits", throttle.lock_waits)] {
        gently.extend(limit.map(|limit| format!(", at most {limit} {what}")));
    }
    if let Some(query) = &throttle.wait_while {
        gently.push_str(&format!(", not while `{}`", one_line(query, 60)));
    }
    vec![
        format!(
            "in batches of up to {} rows by the key ({}) of {table}: about {rows} rows, so about {count} batches",
            batch.rows,
            key.join(", ")
        ),
        format!("each batch is a transaction with its before-images and the cursor; {gently}"),
        "rows that others add behind the last key of now, or behind the cursor, are not changed".to_owned(),
    ]
}

/// A pause before a try of a batch is repeated: it grows, and differs between those who wait for each other.
pub(crate) async fn pause(cx: &Context, tries: u32) {
    let jitter = u64::from(std::process::id()).wrapping_mul(u64::from(tries) * 7919) % 50;
    let wait = Duration::from_millis(20 * u64::from(tries) * u64::from(tries) + jitter);
    tokio::select! {
        () = tokio::time::sleep(wait) => {}
        () = cx.stopping.stopped() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(rows: u64) -> Batch {
        Batch { rows, throttle: Throttle::default() }
    }

    fn step(rows: u64, ms: u64) -> Step {
        Step { rows, seen: rows, took: Duration::from_millis(ms) }
    }

    #[test]
    fn a_batch_grows_and_shrinks_towards_its_time_and_never_beyond_its_rows() {
        let batch = batch(5_000);
        let mut pace = Pace::new(&batch);
        let mut spans = vec![pace.span];
        for (rows, ms) in
            [(500, 10), (1000, 20), (2000, 40), (4000, 80), (5000, 100), (5000, 2000), (2500, 1000)]
        {
            pace.learn(&batch, step(rows, ms));
            spans.push(pace.span);
        }
        assert_eq!(spans, [500, 1000, 2000, 4000, 5000, 5000, 2500, 1250]);
        // Few rows match: it goes over more of the table, until too many do.
        (0..30).for_each(|_| pace.learn(&batch, step(1, 1)));
        assert_eq!(pace.span, 320_000);
        (0..30).for_each(|_| pace.too_many(5_000));
        assert_eq!(pace.span, 5_000);
    }

    #[test]
    fn progress_is_said_with_rate_and_time_left() {
        let tally = Tally { batches: 12, rows: 60_000, seen: 60_000, total: 2_000_000 };
        let before = Tally { rows: 10_000, seen: 10_000, ..Tally::default() };
        assert_eq!(
            words(Way::Forward, tally, before, Duration::from_secs(10)),
            "12 batches, 60000 rows, 3 % of about 2000000 rows, 5000 rows/s, about 6 min left"
        );
    }

    #[test]
    fn the_users_query_says_true_false_or_a_number() {
        for (answer, expected) in
            [(None, false), (Some("f"), false), (Some("t"), true), (Some("0"), false), (Some("0.5"), true)]
        {
            assert_eq!(says_wait(answer), Ok(expected), "{answer:?}");
        }
        assert!(says_wait(Some("busy")).is_err());
    }

    #[test]
    fn conflicts_of_batches_survive_and_a_try_is_overwritten() {
        let folder = crate::testing::folder();
        let unit = crate::testing::unit("a/1", crate::testing::sql("UPDATE t SET a = 1", None));
        let (cx, _) = crate::testing::context(folder.path(), &unit);
        let one = |number: u32| Conflict {
            table: "t".into(),
            key: format!("id={number}"),
            column: "a".into(),
            before: None,
            wrote: None,
            now: None,
        };
        let kept = Conflicts::new(&cx);
        kept.keep(2, vec![one(1), one(2)]).unwrap();
        kept.keep(2, vec![one(3)]).unwrap();
        kept.keep(1, vec![one(4)]).unwrap();
        kept.keep(1, vec![]).unwrap();
        let (count, table, file) = Conflicts::new(&cx).finish().unwrap();
        assert!(count == 1 && table.contains("id=3") && file.is_some(), "{table}");
    }
}
