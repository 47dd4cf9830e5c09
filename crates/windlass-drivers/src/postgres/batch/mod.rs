//! `batch=`: an `UPDATE` or `DELETE` in ranges of a key. Each batch is a transaction with its rows, their before-images and a row
//! of `windlass.batch`, whose last one is the cursor. So whatever cuts it off, a batch is there whole or not at all, and the next
//! try goes on behind it.

mod back;
mod busy;
mod look;
mod step;

pub(super) use back::undo;
pub(super) use look::survey;

use super::{
    apply::{self, Again, at},
    back::{Batches, WayBack},
    blockers::Watch,
    job::{Job, Mode},
    ledger::{self, Entry},
    session::Trouble,
};
use crate::sql::{
    batch::{self, Tally, Turn, Work},
    place,
};
use async_trait::async_trait;
use busy::Lag;
use look::Shape;
use serde_json::json;
use tokio_postgres::error::SqlState;
use windlass_driver::{Context, Done, Failure, Fault, Stopping};
use windlass_plan::{Action, Throttle, UndoBy, Unit, Way};
use windlass_sql::postgres::text;

/// The cursor, and what of the unit there is to take back. Made when it is first needed.
const CREATE: &str = "CREATE TABLE IF NOT EXISTS windlass.batch (
    seq bigint NOT NULL, number bigint NOT NULL, rows bigint NOT NULL, seen bigint NOT NULL, till text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (seq, number));
COMMENT ON TABLE windlass.batch IS 'batches of statements of the ledger: the last one of each is its cursor'";

/// Tries of one batch: locks, and others who change the same rows.
const TRIES: u32 = 8;
/// Behind so many tries that others spoiled, their writers have to wait for one small batch.
const RACES: u32 = 4;
/// New connections for one batch.
const CONNECTS: u32 = 5;

/// Whether the unit is to be run in batches.
pub(super) fn is(unit: &Unit) -> bool {
    matches!(&unit.action, Action::Sql { batch: Some(_), .. })
}

/// A connection for batches: what a person asks while one is made waits until it is committed.
async fn open(cx: &Context, unit: &Unit) -> Result<Job, Failure> {
    let patient = Context { stopping: Stopping::default(), ..cx.clone() };
    Job::open(&patient, unit).await
}

/// What batches of both ways share: the connection, which may have to be made anew, and tries.
struct Link {
    cx: Context,
    job: Job,
    lag: Lag,
}

/// Begun batches of a unit.
struct Forward {
    link: Link,
    entry: Entry,
    known: Batches,
    shape: Option<Shape>,
    /// Rows changed so far.
    rows: u64,
}

/// Runs the unit, or goes on with it.
pub(super) async fn apply(cx: &Context, unit: &Unit) -> Result<Done, Failure> {
    let job = open(cx, unit).await?;
    ledger::create(&job.session).await.map_err(|trouble| {
        let failure = job.failure(trouble, "making the schema `windlass` for the ledger");
        failure.hint("who runs this needs CREATE on the database once, or an administrator makes the schema `windlass`")
    })?;
    let begun = match prepared(&job).await {
        Ok(begun) => begun,
        Err(again) => {
            job.session.rollback().await;
            return Err(failed(&job, again));
        }
    };
    let entry = match begun {
        Begun::Already(done) => return Ok(done),
        Begun::At(entry) => *entry,
    };
    let asking = |trouble| job.failure(trouble, "reading the cursor");
    let mut tally = tally(&job, entry.seq).await.map_err(asking)?;
    let known = entry.way_back.batches.clone().unwrap_or_default();
    tally.total = known.total;
    let link = Link { cx: cx.clone(), job, lag: Lag::default() };
    let mut work = Forward { link, entry, known, shape: None, rows: tally.rows };
    let tally = batch::run(cx, unit, Way::Forward, tally, &mut work).await?;
    // By the cursor, since a commit without an answer was counted by nobody here.
    let tally = match self::tally(&work.link.job, work.entry.seq).await {
        Ok(tally) => tally,
        Err(_) => tally,
    };
    let lines = vec![format!("{} rows changed in {} batches; {}", tally.rows, tally.batches, kept(unit))];
    Ok(Done { changed: true, effects: lines, output: String::new(), facts: json!({ "rows": tally.rows }) })
}

fn kept(unit: &Unit) -> &'static str {
    if unit.undo.by == UndoBy::Driver { "how they were is kept" } else { "how they were is not kept" }
}

enum Begun {
    /// It was done before.
    Already(Done),
    /// Its row of the ledger.
    At(Box<Entry>),
}

/// The row of the ledger, which is made now if this is the first try: with the end of the key as it is now.
async fn prepared(job: &Job) -> Result<Begun, Again> {
    let sql = format!(
        "BEGIN; SET LOCAL client_min_messages = warning; SELECT pg_catalog.pg_advisory_xact_lock(7742031850); {CREATE}"
    );
    job.session.act(&sql).await.map_err(at("making the table for the cursor"))?;
    job.session.commit().await.map_err(at("making the table for the cursor"))?;
    job.begin(Mode::Write, &[]).await.map_err(at("beginning"))?;
    let (run, unit) = (&job.cx.run, &job.unit.id.0);
    let digest = apply::digest(job);
    if let Some(entry) = ledger::find(&job.session, run, unit).await.map_err(at("reading the ledger"))? {
        job.session.rollback().await;
        return if entry.batches && entry.digest == digest {
            Ok(Begun::At(Box::new(entry)))
        } else {
            Ok(Begun::Already(apply::already(job, &entry, &digest)?))
        };
    }
    let seq = ledger::begin(&job.session, run, unit, job.cx.attempt, &digest)
        .await
        .map_err(at("taking its place"))?;
    let scope = job.scope().await.map_err(at("its settings"))?;
    let shape = look::shape(job, &scope).await?;
    let known = shape.known(job).await?;
    let image = (job.unit.undo.by == UndoBy::Driver).then(|| shape.image(seq));
    let mut sql = vec![];
    if let Some(image) = &image {
        sql.extend([image.create(), image.index_steps()]);
        let values =
            [text(&format!("windlass.{}", image.image)), text("before-image"), text(run), text(unit)];
        sql.push(format!(
            "INSERT INTO windlass.aside (name, what, run, unit) VALUES ({})",
            values.join(", ")
        ));
    }
    let way_back =
        WayBack { images: image.into_iter().collect(), batches: Some(known), ..WayBack::default() };
    job.session.act(&sql.join("; ")).await.map_err(at("making the before-image"))?;
    ledger::batches(&job.session, seq, &way_back).await.map_err(at("writing the ledger"))?;
    job.session.commit().await.map_err(at("committing what batches need"))?;
    let entry = ledger::find(&job.session, run, unit).await.map_err(at("reading the ledger"))?;
    entry.map(|entry| Begun::At(Box::new(entry))).ok_or_else(|| gone(job).into())
}

/// The row of the ledger is not there any more.
fn gone(job: &Job) -> Failure {
    Failure::clean(
        Fault::Target,
        format!(
            "{}: its row of windlass.ledger is gone; nothing was changed",
            place(&job.cx, &job.unit, None)
        ),
    )
}

/// What batches did so far.
async fn tally(job: &Job, seq: i64) -> Result<Tally, Trouble> {
    let sql = format!(
        "SELECT count(*), COALESCE(sum(rows), 0), COALESCE(sum(seen), 0) FROM windlass.batch WHERE seq = {seq}"
    );
    let row = job.session.ask(&sql).await?.into_iter().next().unwrap_or_default();
    let mut numbers =
        row.into_iter().map(|value| value.and_then(|value| value.parse().ok()).unwrap_or_default());
    let mut next = || numbers.next().unwrap_or_default();
    Ok(Tally { batches: next(), rows: next(), seen: next(), total: 0 })
}

fn failed(job: &Job, again: Again) -> Failure {
    match again {
        Again::Failed(failure) => *failure,
        Again::Trouble(trouble, doing) => job.failure(trouble, doing),
        Again::Prepared(_) => unreachable!("batches prepare nothing"),
    }
}

/// What one batch came to.
enum Tried {
    Turn(Turn),
    /// Others are in the way.
    Again {
        raced: bool,
    },
    /// A new connection was made: look at the cursor again.
    Anew,
}

/// How a batch is to be tried.
#[derive(Clone, Copy, Debug)]
struct Try {
    /// Rows of the table that it may go over.
    span: u64,
    /// Writers wait from its beginning.
    alone: bool,
}

impl Link {
    /// Judges the end of a try. A failure is clean: the transaction is void.
    async fn judge(
        &mut self,
        result: Result<Turn, Again>,
        tries: u32,
        blockers: &[String],
    ) -> Result<Tried, Failure> {
        let (trouble, doing) = match result {
            Ok(turn) => return Ok(Tried::Turn(turn)),
            Err(Again::Trouble(trouble, doing)) => (trouble, doing),
            Err(other) => {
                self.job.session.rollback().await;
                return Err(failed(&self.job, other));
            }
        };
        if let Trouble::Lost(why) = &trouble {
            let why = why.clone();
            self.anew(&why, tries).await?;
            return Ok(Tried::Anew);
        }
        self.job.session.rollback().await;
        let raced = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        let raced = matches!(trouble, Trouble::Raced) || raced.iter().any(|code| trouble.is(code));
        if (raced || trouble.is(&SqlState::LOCK_NOT_AVAILABLE)) && tries < TRIES && !self.cx.stopping.asked()
        {
            return Ok(Tried::Again { raced });
        }
        let mut failure = self.job.failure(trouble, doing);
        failure.hints.extend(blockers.iter().cloned());
        Err(failure)
    }

    /// Another connection, behind `before` tries of a batch. Whether the last batch was committed is not known then: the cursor tells.
    async fn anew(&mut self, why: &str, before: u32) -> Result<(), Failure> {
        let mut last = None;
        // A batch that ends the server's connection each time is not for ever tried.
        let most = if before < TRIES { CONNECTS } else { 0 };
        for tries in 1..=most {
            batch::pause(&self.cx, tries).await;
            if self.cx.stopping.asked() {
                break;
            }
            match open(&self.cx, &self.job.unit).await {
                Ok(job) => {
                    self.job = job;
                    return Ok(());
                }
                Err(failure) if failure.retry => last = Some(failure),
                Err(failure) => return Err(failure),
            }
        }
        let text = format!(
            "{}: the connection to {} was lost in a batch: {why}; whether that batch is committed is in windlass.batch",
            place(&self.cx, &self.job.unit, None),
            self.job.session.shown
        );
        let failure = Failure { retry: true, ..Failure::partial(Fault::Transport, text) };
        let failure = failure.hint("is the server up? then: windlass resume; it looks there first");
        Err(match last {
            Some(last) => failure.hint(last.message),
            None => failure,
        })
    }
}

#[async_trait]
impl Work for Forward {
    async fn next(&mut self, span: u64, most: u64) -> Result<Turn, Failure> {
        let (mut tries, mut races, mut span, mut blockers) = (0, 0, span, vec![]);
        loop {
            self.link.job.session.renew(self.link.job.limit);
            let watch = (tries > 0).then(|| Watch::begin(&self.link.job));
            let result = self.one(Try { span, alone: races >= RACES }, most).await;
            if let Some(watch) = watch {
                let seen = watch.end().await;
                blockers = if seen.is_empty() { blockers } else { seen };
            }
            tries += 1;
            match self.link.judge(result, tries, &blockers).await? {
                Tried::Turn(turn) => {
                    if let Turn::Done(step) = &turn {
                        self.rows += step.rows;
                    }
                    return Ok(turn);
                }
                Tried::Anew => {
                    self.shape = None;
                    // A commit without an answer may have counted.
                    let job = &self.link.job;
                    let so_far = tally(job, self.entry.seq).await;
                    self.rows = so_far.map_err(|t| job.failure(t, "reading the cursor").retryable())?.rows;
                }
                Tried::Again { raced } => {
                    races += u32::from(raced);
                    // Fewer rows meet fewer others.
                    span = (span / 2).max(1);
                    batch::pause(&self.link.cx, tries).await;
                }
            }
        }
    }

    async fn busy(&mut self, throttle: &Throttle) -> Result<Option<String>, Failure> {
        self.link.busy(throttle).await
    }

    async fn forget(&mut self) -> Result<(), Failure> {
        let job = &self.link.job;
        let forgotten = async {
            job.begin(Mode::Write, &[]).await?;
            let seq = self.entry.seq;
            job.session
                .ask(&format!("SELECT state FROM windlass.ledger WHERE seq = {seq} FOR UPDATE"))
                .await?;
            // A commit without an answer may have made one.
            if tally(job, seq).await?.batches > 0 {
                return Ok(false);
            }
            let mut sql: Vec<String> = self.entry.way_back.images.iter().map(|image| image.drop()).collect();
            let (run, unit) = (text(&job.cx.run), text(&job.unit.id.0));
            sql.push(format!("DELETE FROM windlass.aside WHERE run = {run} AND unit = {unit}"));
            job.session.act(&sql.join("; ")).await?;
            ledger::remove(&job.session, seq).await?;
            job.session.commit().await.map(|()| true)
        };
        match forgotten
            .await
            .map_err(|trouble: Trouble| job.failure(trouble, "taking away what it prepared"))?
        {
            true => Ok(()),
            false => {
                job.session.rollback().await;
                Err(Failure::clean(Fault::Target, "a batch is committed"))
            }
        }
    }
}
