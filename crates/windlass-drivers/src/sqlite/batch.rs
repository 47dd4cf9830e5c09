//! `batch=`: an `UPDATE` or `DELETE` in ranges of a key. Each batch is a transaction with its rows, a ledger row of its own (whose
//! unit is that of the statement with the number of the batch), by which it is taken back as any statement is, and a row of
//! `windlass_batch`, whose last one is the cursor; the row of number 0 says what the batches go by.

use super::{
    SqliteDriver, ask,
    batch_look::{self, Shape},
    connect::Job,
    fine::{self, Not, WayBack},
    ledger::{self, Entry},
    statement::{self, Change, is_fine},
};
use crate::{
    disk::sha256,
    sql::{
        batch::{self, Conflicts, Step, Tally, Turn, Work, says_wait, wrong_rows},
        conflicts,
    },
};
use async_trait::async_trait;
use rusqlite::{Connection, Error, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};
use std::{fs, path::PathBuf, time::Instant};
use windlass_driver::{Context, Done, Effect, Failure, Fault, Found, OnConflict, Stopping};
use windlass_plan::{Action, Throttle, Unit, UnitId, Way};

const CREATE: &str = "CREATE TABLE IF NOT EXISTS windlass_batch (
    run TEXT NOT NULL, unit TEXT NOT NULL, number INTEGER NOT NULL,
    rows INTEGER NOT NULL,       -- rows changed
    seen INTEGER NOT NULL,       -- rows gone over
    till TEXT NOT NULL,          -- last key, as SQL
    PRIMARY KEY (run, unit, number)
) WITHOUT ROWID";

/// Tries of one batch.
const TRIES: u32 = 8;

/// Whether the unit is to be run in batches.
pub(super) fn is(unit: &Unit) -> bool {
    matches!(&unit.action, Action::Sql { batch: Some(_), .. })
}

/// What batches go by, from their start on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Start {
    /// Columns of the key.
    pub(super) key: Vec<String>,
    /// The last key there was, as SQL; empty: there was no row.
    pub(super) till: Vec<String>,
    /// The time that the statement sees.
    pub(super) now: String,
    /// Rows of the table.
    pub(super) total: u64,
    /// SHA-256 of the statement.
    pub(super) digest: String,
    /// It came to its end.
    pub(super) done: bool,
}

/// Batches of a unit, one way.
struct Batches {
    driver: SqliteDriver,
    /// Of the person who watches.
    cx: Context,
    /// What a person asks while a batch is made waits until it is committed.
    patient: Context,
    unit: Unit,
    way: Way,
}

impl Batches {
    fn new(driver: &SqliteDriver, cx: &Context, unit: &Unit, way: Way) -> Self {
        let patient = Context { stopping: Stopping::default(), ..cx.clone() };
        Self { driver: driver.clone(), cx: cx.clone(), patient, unit: unit.clone(), way }
    }
}

/// Runs the unit, or goes on with it.
pub(super) async fn apply(driver: &SqliteDriver, cx: &Context, unit: &Unit) -> Result<Done, Failure> {
    let mut work = Batches::new(driver, cx, unit, Way::Forward);
    let start = driver.run(&work.patient, unit, prepare).await?;
    if start.done {
        let rows = driver.run(cx, unit, |job| sums(job, &job.write()?)).await?.rows;
        let effects = vec!["applied before, by its batches".to_owned()];
        return Ok(Done { changed: false, effects, ..statement::done(rows) });
    }
    let mut tally = driver.run(&work.patient, unit, |job| sums(job, &job.write()?)).await?;
    tally.total = start.total;
    batch::run(cx, unit, Way::Forward, tally, &mut work).await?;
    // By the cursor: a commit without an answer was counted by nobody here.
    let tally = driver.run(&work.patient, unit, |job| sums(job, &job.write()?)).await?;
    let kept = if is_fine(unit) { "how they were is kept" } else { "how they were is not kept" };
    let effects = vec![format!("{} rows changed in {} batches; {kept}", tally.rows, tally.batches)];
    Ok(Done { effects, ..statement::done(tally.rows) })
}

/// Takes the unit back, or goes on with it.
pub(super) async fn undo(driver: &SqliteDriver, cx: &Context, unit: &Unit) -> Result<Done, Failure> {
    let mut work = Batches::new(driver, cx, unit, Way::Undo);
    let begun = driver.run(&work.patient, unit, |job| started(job, &job.write()?)).await?;
    if begun.is_none() {
        let effects = vec!["not applied, or undone before, by its batches".to_owned()];
        return Ok(Done { effects, ..Done::default() });
    }
    let done = driver.run(&work.patient, unit, |job| sums(job, &job.write()?)).await?;
    if cx.on_conflict == OnConflict::Ask {
        driver.run(&work.patient, unit, free_of_conflicts).await?;
    }
    let begin = Tally { batches: done.batches, total: done.rows, ..Tally::default() };
    let end = batch::run(cx, unit, Way::Undo, begin, &mut work).await?;
    gather(cx).map_err(|error| {
        let text = format!("{}: the list of conflicts: {error}; the rows are back", cx.workspace.display());
        Failure::partial(Fault::Transport, text).retryable()
    })?;
    Ok(batch::undone(cx, end.rows))
}

/// What became of a try that was not settled.
pub(super) fn inspect(job: &Job, way: Way) -> Result<Found, Failure> {
    // Opened to write: what a killed controller left half-done is rolled back by SQLite first.
    let live = job.write()?;
    Ok(match (way, started(job, &live)?) {
        (Way::Forward, Some(start)) if start.done => Found::Applied(statement::done(sums(job, &live)?.rows)),
        (Way::Forward, Some(_)) => {
            let text = format!(
                "{}: some batches of {} are committed; it goes on behind the last one",
                job.database.display(),
                job.unit.id
            );
            Found::Failed(Failure::partial(Fault::Target, text).retryable())
        }
        (Way::Undo, None) => Found::Applied(Done { changed: true, ..Done::default() }),
        (Way::Forward, None) | (Way::Undo, Some(_)) => Found::NotApplied,
    })
}

/// Notes the end of the key as it is now, if this is the first try.
fn prepare(job: &Job) -> Result<Start, Failure> {
    let connection = job.write()?;
    let sqlite = |doing: &'static str| move |error: Error| job.failure(&error, doing);
    connection.execute_batch("BEGIN IMMEDIATE").map_err(sqlite("waiting for the write lock"))?;
    let digest = sha256(statement_of(job).as_bytes());
    if let Some(start) = started(job, &connection)? {
        if start.digest == digest {
            return Ok(start);
        }
        let text =
            format!("{}: windlass_batch has another statement for {}", job.database.display(), job.unit.id);
        return Err(Failure::clean(Fault::Windlass, text));
    }
    let shape = batch_look::shape(job, &connection)?;
    let start = shape.start(&connection).map_err(sqlite("looking for the end of the key"))?;
    let start = Start { digest, ..start };
    ledger::create(&connection).map_err(sqlite("creating the ledger"))?;
    connection.execute_batch(CREATE).map_err(sqlite("creating the table for the cursor"))?;
    let json = serde_json::to_string(&start).expect("texts and numbers are JSON");
    note(job, &connection, 0, (0, 0), &json).map_err(sqlite("writing the cursor"))?;
    connection
        .execute_batch("COMMIT")
        .map_err(|error| statement::commit_failure(job, &connection, &error))?;
    Ok(start)
}

fn statement_of(job: &Job) -> &str {
    match &job.unit.action {
        Action::Sql { statement, .. } => statement,
        _ => unreachable!("only statements have batches"),
    }
}

fn note(
    job: &Job,
    connection: &Connection,
    number: u64,
    (rows, seen): (u64, u64),
    till: &str,
) -> rusqlite::Result<()> {
    let number_of = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let values =
        params![job.cx.run, job.unit.id.0, number_of(number), number_of(rows), number_of(seen), till];
    connection.execute("INSERT INTO windlass_batch VALUES (?1, ?2, ?3, ?4, ?5, ?6)", values).map(drop)
}

fn exists(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'windlass_batch'";
    Ok(connection.query_row(sql, [], |_| Ok(())).optional()?.is_some())
}

/// What the batches of the unit go by; `None`: it has not begun.
fn started(job: &Job, connection: &Connection) -> Result<Option<Start>, Failure> {
    let read = || {
        if !exists(connection)? {
            return Ok(None);
        }
        let sql = "SELECT till FROM windlass_batch WHERE run = ?1 AND unit = ?2 AND number = 0";
        connection
            .query_row(sql, params![job.cx.run, job.unit.id.0], |row| row.get::<_, String>(0))
            .optional()
    };
    let found: Option<String> = read().map_err(|error| job.failure(&error, "reading the cursor"))?;
    Ok(found.and_then(|text| serde_json::from_str(&text).ok()))
}

/// The last batch: number and key.
fn last(job: &Job, connection: &Connection) -> rusqlite::Result<Option<(u64, Vec<String>)>> {
    let sql = "SELECT number, till FROM windlass_batch WHERE run = ?1 AND unit = ?2 AND number > 0 ORDER BY number DESC LIMIT 1";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
    let found = connection.query_row(sql, params![job.cx.run, job.unit.id.0], row).optional()?;
    Ok(found.map(|(number, till)| (number.unsigned_abs(), serde_json::from_str(&till).unwrap_or_default())))
}

/// What batches did so far.
fn sums(job: &Job, connection: &Connection) -> Result<Tally, Failure> {
    let sql = "SELECT count(*), coalesce(sum(rows), 0), coalesce(sum(seen), 0) FROM windlass_batch WHERE run = ?1 AND unit = ?2 \
               AND number > 0";
    let row = |row: &rusqlite::Row<'_>| {
        let number = |at: usize| row.get::<_, i64>(at).map(i64::unsigned_abs);
        Ok(Tally { batches: number(0)?, rows: number(1)?, seen: number(2)?, total: 0 })
    };
    let found = connection.query_row(sql, params![job.cx.run, job.unit.id.0], row);
    found.map_err(|error| job.failure(&error, "reading the cursor"))
}

/// The job of one batch: its own unit in the ledger, its own folder for rows.
fn part(job: &Job, number: u64) -> Job {
    let unit = Unit { id: UnitId(format!("{}~{number}", job.unit.id)), ..job.unit.clone() };
    job.part(unit, folder(&job.cx).join(number.to_string()))
}

fn folder(cx: &Context) -> PathBuf {
    cx.workspace.join("batches")
}

/// One batch; whatever fails leaves nothing of it.
fn forward(job: &Job, span: u64, most: u64) -> Result<Turn, Failure> {
    let mut connection = job.write()?;
    let result = made(job, &mut connection, span, most);
    if !connection.is_autocommit() {
        let _ = connection.execute_batch("ROLLBACK");
    }
    result
}

fn made(job: &Job, connection: &mut Connection, span: u64, most: u64) -> Result<Turn, Failure> {
    let sqlite = |doing: &'static str| move |error: Error| job.failure(&error, doing);
    connection.execute_batch("BEGIN IMMEDIATE").map_err(sqlite("waiting for the write lock"))?;
    let begun = Instant::now();
    let Some(start) = started(job, connection)? else {
        let text =
            format!("{}: its rows of windlass_batch are gone; nothing was changed", job.database.display());
        return Err(Failure::clean(Fault::Target, text));
    };
    let cursor = last(job, connection).map_err(sqlite("reading the cursor"))?;
    let after = cursor.as_ref().map(|(_, till)| till.as_slice());
    if start.till.is_empty() || after == Some(start.till.as_slice()) {
        return over(job, connection, start);
    }
    let shape = batch_look::shape(job, connection)?;
    if shape.names() != start.key {
        let text = format!(
            "{}: the key of its table was ({}) when it began, and is another one now; nothing was changed",
            job.database.display(),
            start.key.join(", ")
        );
        return Err(
            Failure::clean(Fault::Target, text).hint("bring the key back and resume, or windlass rollback")
        );
    }
    let bound = shape.bound(connection, after, &start.till, span);
    let bound = bound.map_err(sqlite("looking for the end of the batch"))?;
    let full = bound.is_some();
    let till = bound.unwrap_or_else(|| start.till.clone());
    let number = cursor.as_ref().map_or(0, |(number, _)| *number) + 1;
    let text = shape.batched.within(&shape.range(shape.batched.alias(), after, &till), &start.now);
    let rows = change(job, connection, &shape, &text, number)?;
    if rows > most && span > most {
        return Ok(Turn::TooMany);
    }
    let all = sums(job, connection)?.rows + rows;
    if let Some(expected) = expected(job).filter(|expected| all > *expected) {
        return Err(wrong_rows(&job.cx, &job.unit, all, expected));
    }
    let seen = if full { span } else { rows };
    let json = serde_json::to_string(&till).expect("texts are JSON");
    note(job, connection, number, (rows, seen), &json).map_err(sqlite("writing the cursor"))?;
    connection.execute_batch("COMMIT").map_err(|error| statement::commit_failure(job, connection, &error))?;
    Ok(Turn::Done(Step { rows, seen, took: begun.elapsed() }))
}

fn expected(job: &Job) -> Option<u64> {
    match &job.unit.action {
        Action::Sql { rows, .. } => *rows,
        _ => None,
    }
}

/// Changes the rows of one range, and keeps them.
fn change(
    job: &Job,
    connection: &mut Connection,
    shape: &Shape,
    text: &str,
    number: u64,
) -> Result<u64, Failure> {
    let Action::Sql { target, .. } = &job.unit.action else { unreachable!("only statements have batches") };
    let part = part(job, number);
    if !is_fine(&job.unit) {
        let watch = super::watch::Watch::default();
        return statement::execute(connection, text)
            .map_err(|error| statement::refused(job, text, &error, &watch));
    }
    let ran = match fine::run(&part, connection, &Change { target, statement: text, rows: None }) {
        Ok(ran) => ran,
        Err(Not::Failed(failure)) => return Err(failure),
        Err(Not::Uncovered(why)) => return Err(shape.refused(job, &why)),
    };
    let undo = serde_json::to_string(&WayBack::Fine(ran.saved)).expect("names and numbers only");
    let entry = Entry {
        seq: 0,
        run: job.cx.run.clone(),
        unit: part.unit.id.0.clone(),
        attempt: job.cx.attempt,
        digest: sha256(text.as_bytes()),
        rows: ran.rows,
        before: None,
        after: None,
        undo: Some(undo),
    };
    ledger::insert(connection, &entry, &ran.inline)
        .map_err(|error| job.failure(&error, "writing the ledger"))?;
    Ok(ran.rows)
}

/// The end: the unit is done.
fn over(job: &Job, connection: &Connection, start: Start) -> Result<Turn, Failure> {
    let rows = sums(job, connection)?.rows;
    if let Some(expected) = expected(job).filter(|expected| *expected != rows) {
        return Err(wrong_rows(&job.cx, &job.unit, rows, expected));
    }
    let json = serde_json::to_string(&Start { done: true, ..start }).expect("texts and numbers are JSON");
    let sql = "UPDATE windlass_batch SET till = ?3 WHERE run = ?1 AND unit = ?2 AND number = 0";
    connection
        .execute(sql, params![job.cx.run, job.unit.id.0, json])
        .map_err(|error| job.failure(&error, "writing the cursor"))?;
    connection.execute_batch("COMMIT").map_err(|error| statement::commit_failure(job, connection, &error))?;
    Ok(Turn::Over)
}

/// The newest batch goes back.
fn back(job: &Job) -> Result<Turn, Failure> {
    let mut live = job.write()?;
    let result = taken_back(job, &mut live);
    if !live.is_autocommit() {
        let _ = live.execute_batch("ROLLBACK");
    }
    result
}

fn taken_back(job: &Job, live: &mut Connection) -> Result<Turn, Failure> {
    let sqlite = |doing: &'static str| move |error: Error| job.failure(&error, doing);
    live.execute_batch("BEGIN IMMEDIATE").map_err(sqlite("waiting for the write lock"))?;
    let begun = Instant::now();
    if started(job, live)?.is_none() {
        return Ok(Turn::Over);
    }
    let Some((number, _)) = last(job, live).map_err(sqlite("reading the cursor"))? else {
        let sql = "DELETE FROM windlass_batch WHERE run = ?1 AND unit = ?2";
        live.execute(sql, params![job.cx.run, job.unit.id.0]).map_err(sqlite("clearing up"))?;
        live.execute_batch("COMMIT").map_err(|error| statement::commit_failure(job, live, &error))?;
        return Ok(Turn::Over);
    };
    let (part, entry, saved) = saved(job, live, number)?;
    let sql = "DELETE FROM windlass_batch WHERE run = ?1 AND unit = ?2 AND number = ?3";
    let values = params![job.cx.run, job.unit.id.0, i64::try_from(number).unwrap_or(i64::MAX)];
    live.execute(sql, values).map_err(sqlite("writing the cursor"))?;
    let done = fine::undo(&part, live, &entry, &saved)?;
    let rows = done.facts["rows"].as_u64().unwrap_or_default();
    Ok(Turn::Done(Step { rows, seen: rows, took: begun.elapsed() }))
}

/// What a batch changed.
fn saved(job: &Job, live: &Connection, number: u64) -> Result<(Job, Entry, fine::Saved), Failure> {
    let part = part(job, number);
    let entry = ledger::find(live, &job.cx.run, &part.unit.id.0);
    let entry = entry.map_err(|error| job.failure(&error, "reading the ledger"))?;
    let way = entry.as_ref().and_then(|entry| serde_json::from_str::<WayBack>(entry.undo.as_deref()?).ok());
    match (entry, way) {
        (Some(entry), Some(WayBack::Fine(saved))) => Ok((part, entry, saved)),
        _ => Err(Failure::clean(
            Fault::Windlass,
            format!(
                "{}: the ledger's row of {} cannot be read; nothing was changed",
                job.database.display(),
                part.unit.id
            ),
        )),
    }
}

/// Tries all batches before the first goes back.
fn free_of_conflicts(job: &Job) -> Result<(), Failure> {
    let live = job.read()?;
    let sql =
        "SELECT number FROM windlass_batch WHERE run = ?1 AND unit = ?2 AND number > 0 ORDER BY number DESC";
    let numbers = || {
        let mut statement = live.prepare(sql)?;
        let found = statement.query_map(params![job.cx.run, job.unit.id.0], |row| row.get::<_, i64>(0))?;
        found.collect::<Result<Vec<_>, _>>()
    };
    let numbers = numbers().map_err(|error| job.failure(&error, "reading the cursor"))?;
    let (mut all, mut first) = (0, String::new());
    for number in numbers {
        // What it sets on the connection ends with it.
        let trial = job.write()?;
        let begun = trial.execute_batch("BEGIN IMMEDIATE");
        begun.map_err(|error| job.failure(&error, "waiting for the write lock"))?;
        let (part, entry, saved) = saved(job, &trial, number.unsigned_abs())?;
        let result = fine::conflicts(&part, &trial, &entry, &saved);
        let _ = trial.execute_batch("ROLLBACK");
        let (count, table) = result?;
        all += count;
        if first.is_empty() {
            first = table;
        }
    }
    if all == 0 {
        return Ok(());
    }
    let text = format!(
        "{}: {all} values were written to since by others; nothing was changed",
        job.database.display()
    );
    let failure = Failure::clean(Fault::Target, text)
        .hint("--on-conflict=keep leaves those as they are, --on-conflict=force overwrites them");
    Err(failure.output(windlass_driver::excerpt(&first)))
}

/// The conflicts that batches left in their folders, for the unit.
fn gather(cx: &Context) -> std::io::Result<()> {
    let kept = Conflicts::new(cx);
    let Ok(entries) = fs::read_dir(folder(cx)) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Ok(text) = fs::read_to_string(entry.path().join("conflicts.csv")) {
            kept.keep(number, conflicts::read(&text))?;
        }
    }
    Ok(())
}

#[async_trait]
impl Work for Batches {
    async fn next(&mut self, span: u64, most: u64) -> Result<Turn, Failure> {
        let (mut tries, mut span) = (0, span);
        loop {
            let way = self.way;
            let result = self.driver.run(&self.patient, &self.unit, move |job| match way {
                Way::Forward => forward(job, span, most),
                Way::Undo => back(job),
            });
            match result.await {
                Ok(turn) => return Ok(turn),
                Err(failure) => {
                    tries += 1;
                    // After a commit without an answer the cursor tells.
                    let unknown = failure.effect == Effect::Unknown;
                    if !(unknown || failure.retry) || tries >= TRIES || self.cx.stopping.asked() {
                        let effect = if unknown { Effect::Partial } else { failure.effect };
                        return Err(Failure { effect, ..failure });
                    }
                    span = (span / 2).max(1);
                    batch::pause(&self.cx, tries).await;
                }
            }
        }
    }

    async fn busy(&mut self, throttle: &Throttle) -> Result<Option<String>, Failure> {
        let Some(query) = throttle.wait_while.clone() else { return Ok(None) };
        let asked = self.driver.run(&self.patient, &self.unit, move |job| {
            let connection = job.read()?;
            ask::rows(&connection, &query).map_err(|error| job.failure(&error, "asking `wait_while`"))
        });
        let rows = asked.await.map_err(Failure::for_a_person)?.rows;
        let answer = rows.first().and_then(|row| row.first()?.as_deref());
        says_wait(answer)
            .map(|wait| wait.then(|| "`wait_while` says so".to_owned()))
            .map_err(|why| Failure::clean(Fault::Document, why).for_a_person())
    }

    async fn forget(&mut self) -> Result<(), Failure> {
        let forget = |job: &Job| {
            let live = job.write()?;
            let sql = "DELETE FROM windlass_batch WHERE run = ?1 AND unit = ?2 AND NOT EXISTS (SELECT 1 FROM windlass_batch WHERE \
                       run = ?1 AND unit = ?2 AND number > 0)";
            let gone = live.execute(sql, params![job.cx.run, job.unit.id.0]);
            // A commit without an answer may have made one.
            match gone.map_err(|error| job.failure(&error, "clearing up"))? {
                0 => Err(Failure::clean(Fault::Target, "a batch is committed")),
                _ => Ok(()),
            }
        };
        self.driver.run(&self.patient, &self.unit, forget).await
    }
}
