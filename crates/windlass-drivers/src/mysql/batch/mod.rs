//! `batch=`: an `UPDATE` or `DELETE` in ranges of a key. Each batch is a transaction with its rows, their before-images and a row
//! of `windlass_batch`, whose last one is the cursor; the row of number 0 says what the batches go by. A batch passes through the
//! image table of its statement, where the code for plain statements saves and compares rows, and is kept in a table beside it.

mod back;
mod forward;
mod look;

pub(super) use back::undo;
pub(super) use look::{capture, survey};

use super::cover::Cover;
use super::image::{self, q};
use super::ledger::{self, Key, text};
use super::session::{Session, Trouble};
use super::statement::{Job, failed};
use crate::sql::batch::{self, Tally, says_wait};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use windlass_driver::{Capsule, Done, Effect, Failure, Fault, Found};
use windlass_plan::{Action, Throttle, Way};

/// The cursor, and what of a unit there is to take back.
const CREATE: &str = "CREATE TABLE IF NOT EXISTS windlass_batch (
    run VARCHAR(64) NOT NULL, unit VARCHAR(255) NOT NULL, number BIGINT UNSIGNED NOT NULL,
    changed BIGINT UNSIGNED NOT NULL COMMENT 'rows changed', matched BIGINT UNSIGNED NOT NULL COMMENT 'rows found',
    seen BIGINT UNSIGNED NOT NULL COMMENT 'rows gone over', till LONGTEXT NOT NULL COMMENT 'last key',
    at DATETIME NOT NULL COMMENT 'UTC, for people', PRIMARY KEY (run, unit, number)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin COMMENT = 'batches: the last one of a unit is its cursor'";

/// Tries of one batch.
const TRIES: u32 = 8;
/// New connections for one batch.
const CONNECTS: u32 = 5;
/// Longest answer of the user's query.
const QUERY: Duration = Duration::from_secs(5);

/// Whether the unit is to be run in batches.
pub(super) fn is(job: &Job<'_>) -> bool {
    matches!(&job.unit.action, Action::Sql { batch: Some(_), .. })
}

/// What batches go by, from their start on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Start {
    /// Columns of the key.
    key: Vec<String>,
    /// The last key there was, as SQL; empty: there was no row.
    till: Vec<String>,
    /// The time that the statement sees, seconds since 1970.
    now: String,
    /// Rows of the table, by the server's estimate.
    total: u64,
    /// It came to its end.
    done: bool,
}

/// A row of `windlass_batch`.
struct Row {
    number: u64,
    till: Vec<String>,
}

fn condition(key: Key<'_>) -> String {
    format!("run = {} AND unit = {}", text(key.run), text(key.unit))
}

/// What the batches of the unit go by; `None`: it has not begun.
async fn start(session: &mut Session, key: Key<'_>) -> Result<Option<Start>, Trouble> {
    let sql = format!("SELECT till FROM windlass_batch WHERE {} AND number = 0", condition(key));
    match session.value(&sql).await {
        Err(Trouble::Server { code: 1146, .. }) => Ok(None),
        other => Ok(other?.and_then(|text| serde_json::from_str(&text).ok())),
    }
}

/// The last batch.
async fn last(session: &mut Session, key: Key<'_>) -> Result<Option<Row>, Trouble> {
    let sql = format!(
        "SELECT number, till FROM windlass_batch WHERE {} AND number > 0 ORDER BY number DESC LIMIT 1",
        condition(key)
    );
    let found = session.run(&sql).await?;
    Ok(found.rows.first().and_then(|row| {
        let number = row.first()?.as_deref()?.parse().ok()?;
        Some(Row { number, till: serde_json::from_str(row.get(1)?.as_deref()?).ok()? })
    }))
}

/// Rows changed, found and gone over, and batches.
async fn sums(session: &mut Session, key: Key<'_>) -> Result<(Tally, u64), Trouble> {
    let sql = format!(
        "SELECT COUNT(*), COALESCE(SUM(changed), 0), COALESCE(SUM(seen), 0), COALESCE(SUM(matched), 0) FROM windlass_batch WHERE {} AND number > 0",
        condition(key)
    );
    let found = session.run(&sql).await?;
    let number = |at: usize| {
        let value = found.rows.first().and_then(|row| row.get(at)?.as_deref()?.parse().ok());
        value.unwrap_or_default()
    };
    Ok((Tally { batches: number(0), rows: number(1), seen: number(2), total: 0 }, number(3)))
}

/// The table that keeps the rows of all batches.
fn store(cover: &Cover) -> String {
    let image = cover.images.first().map_or("", |image| image.name.as_str());
    format!("{}_all", image.trim_end_matches("_0"))
}

/// Columns of image and store.
fn columns(cover: &Cover) -> String {
    let count = cover.images.first().map_or(0, |image| image.columns.len());
    let all = (0..count).flat_map(|at| [format!("o_{at}"), format!("n_{at}")]);
    ["seq".to_owned(), "op".to_owned()].into_iter().chain(all).collect::<Vec<_>>().join(", ")
}

/// Takes the tables away that keep rows.
async fn remove(session: &mut Session, cover: &Cover) -> Result<(), Trouble> {
    image::remove(session, cover).await?;
    session.run(&format!("DROP TABLE IF EXISTS {}", q(&store(cover)))).await.map(drop)
}

/// A connection that outlives many batches, and is made anew when one of them fails.
struct Link<'a> {
    job: &'a Job<'a>,
    session: Option<Session>,
    /// Whether this server can say how far it is behind.
    lag: bool,
}

impl<'a> Link<'a> {
    fn new(job: &'a Job<'a>) -> Self {
        Self { job, session: None, lag: true }
    }

    /// The connection, with all of its time before it.
    async fn session(&mut self) -> Result<&mut Session, Failure> {
        let session = match self.session.take() {
            Some(session) => session,
            None => self.connect().await?,
        };
        let session = self.session.insert(session);
        session.renew(self.job.cx);
        Ok(session)
    }

    async fn connect(&self) -> Result<Session, Failure> {
        for tries in 1.. {
            match self.job.open().await {
                Err(failure) if failure.retry && tries < CONNECTS && !self.job.cx.stopping.asked() => {
                    batch::pause(self.job.cx, tries).await;
                }
                other => return other,
            }
        }
        unreachable!("it is tried a bounded number of times")
    }

    /// After a failed try: whether it is to be repeated. What a broken connection leaves is settled by the cursor.
    async fn again(&mut self, failure: Failure, tries: u32) -> Result<(), Failure> {
        let lost = failure.effect == Effect::Unknown || failure.fault == Fault::Transport;
        let locked = failure.retry && failure.effect == Effect::None && failure.fault == Fault::Target;
        let mut blockers = vec![];
        // The try may have ended under our own `sql_mode` and `timestamp`, which no ROLLBACK takes back: the next one would
        // take them for the user's.
        let session = self.session.take().filter(|_| !lost);
        if let Some(mut session) = session {
            if locked {
                blockers = super::locks::blockers(&mut session).await;
            }
            self.job.close(session).await;
        }
        if !(lost || locked) || tries >= TRIES || self.job.cx.stopping.asked() {
            let effect = if lost { Effect::Partial } else { failure.effect };
            return Err(super::statement::with_blockers(Failure { effect, ..failure }, &blockers));
        }
        batch::pause(self.job.cx, tries).await;
        Ok(())
    }

    /// Why the next batch should wait.
    async fn busy(&mut self, throttle: &Throttle) -> Result<Option<String>, Failure> {
        let job = self.job;
        let mut lag = self.lag;
        let session = self.session().await?;
        let asked = look_around(session, throttle, &mut lag).await;
        session.renew(job.cx);
        self.lag = lag;
        match asked {
            Ok(answer) => answer.map_err(|why| {
                let failure =
                    Failure::clean(Fault::Document, format!("{}: {why}", job.place())).for_a_person();
                failure.hint("correct `wait_while` in windlass.toml for later runs")
            }),
            Err(Trouble::Lost(_)) => {
                self.session = None;
                Ok(None)
            }
            Err(trouble) => Err(failed(job, &trouble, "asking whether it should wait").for_a_person()),
        }
    }
}

async fn look_around(
    session: &mut Session,
    throttle: &Throttle,
    lag: &mut bool,
) -> Result<Result<Option<String>, String>, Trouble> {
    for (limit, name, what, of) in [
        (throttle.sessions, "Threads_running", "sessions are at work", "sessions"),
        (throttle.lock_waits, "Innodb_row_lock_current_waits", "sessions wait for locks", "lock_waits"),
    ] {
        let Some(limit) = limit else { continue };
        let found = session.run(&format!("SHOW GLOBAL STATUS LIKE '{name}'")).await?;
        let value =
            found.rows.first().and_then(|row| row.get(1)?.as_deref()?.parse::<u64>().ok()).unwrap_or(0);
        // This connection is at work itself.
        let value = value.saturating_sub(u64::from(of == "sessions"));
        if value > u64::from(limit) {
            return Ok(Ok(Some(format!("{value} {what}, and `{of}` says {limit}"))));
        }
    }
    if *lag {
        match behind(session).await? {
            None => *lag = false,
            Some(seconds) if seconds.saturating_mul(1000) > throttle.lag_ms => {
                return Ok(Ok(Some(format!("this replica is {seconds} s behind"))));
            }
            Some(_) => {}
        }
    }
    let Some(query) = &throttle.wait_while else { return Ok(Ok(None)) };
    session.limit(QUERY);
    session.run("START TRANSACTION READ ONLY").await?;
    let answer = session.value(query).await;
    session.run("ROLLBACK").await?;
    Ok(says_wait(answer?.as_deref()).map(|wait| wait.then(|| "`wait_while` says so".to_owned())))
}

/// Seconds behind its source, of a server that is a replica itself; `None`: it is none, or this may not be seen.
async fn behind(session: &mut Session) -> Result<Option<u64>, Trouble> {
    for sql in ["SHOW REPLICA STATUS", "SHOW SLAVE STATUS"] {
        let found = match session.run(sql).await {
            Ok(found) => found,
            Err(Trouble::Server { .. }) => continue,
            Err(trouble) => return Err(trouble),
        };
        let at = |name: &String| name == "Seconds_Behind_Source" || name == "Seconds_Behind_Master";
        let place = found.names.iter().position(at);
        if let (Some(row), Some(at)) = (found.rows.first(), place) {
            return Ok(row.get(at).and_then(|value| value.as_deref()?.parse().ok()));
        }
    }
    Ok(None)
}

/// Runs the unit, or goes on with it.
pub(super) async fn apply(job: &Job<'_>, capsule: &Capsule) -> Result<Done, Failure> {
    let cover = super::data::cover_of(capsule);
    let mut link = Link::new(job);
    let session = link.session().await?;
    let clean = |trouble: Trouble, doing: &str| failed(job, &trouble, doing);
    let digest = crate::disk::sha256(job.statement.as_bytes());
    let key = job.key();
    let entry = ledger::find(session, key, false).await.map_err(|t| clean(t, "reading the ledger"))?;
    let begun = start(session, key).await.map_err(|t| clean(t, "reading the cursor"))?;
    let begun = match (entry, begun) {
        (Some(entry), Some(begun)) if !begun.done && entry.digest == digest => begun,
        (Some(entry), _) => return super::data::already(job, &entry, &digest),
        (None, _) => forward::prepare(job, session, cover.as_ref(), &digest).await?,
    };
    let (mut tally, _) = sums(session, key).await.map_err(|t| clean(t, "reading the cursor"))?;
    tally.total = begun.total;
    let mut work = forward::Forward { link, cover, begun };
    let mut tally = batch::run(job.cx, job.unit, Way::Forward, tally, &mut work).await?;
    if let Some(mut session) = work.link.session.take() {
        // A commit without an answer was counted by nobody here.
        if let Ok((sums, _)) = sums(&mut session, key).await {
            tally = sums;
        }
        job.close(session).await;
    }
    let kept = if work.cover.is_some() { "how they were is kept" } else { "how they were is not kept" };
    let effects = vec![format!("{} rows changed in {} batches; {kept}", tally.rows, tally.batches)];
    let facts = serde_json::json!({ "rows": tally.rows });
    Ok(Done { changed: true, effects, output: String::new(), facts })
}

/// Of a unit whose row is in the ledger: that it has not come to its end.
pub(super) async fn unfinished(job: &Job<'_>, session: &mut Session) -> Result<Option<Found>, Failure> {
    let begun = start(session, job.key()).await.map_err(|t| failed(job, &t, "reading the cursor"))?;
    Ok(begun.filter(|begun| !begun.done).map(|_| {
        let message =
            format!("{}: some of its batches are committed; it goes on behind the last one", job.place());
        Found::Failed(Failure::partial(Fault::Target, message).retryable())
    }))
}
