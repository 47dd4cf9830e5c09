//! One batch: a transaction.

use super::super::cover::Cover;
use super::super::data::Modes;
use super::super::image::{self, q};
use super::super::ledger;
use super::super::session::{Session, Trouble};
use super::super::statement::{Job, failed, tx_lost};
use super::{CREATE, Link, Start, columns, condition, last, look, remove, store, sums};
use crate::sql::batch::{Step, Turn, Work, wrong_rows};
use async_trait::async_trait;
use std::time::Instant;
use windlass_driver::{Failure, Fault};
use windlass_plan::Throttle;
use windlass_sql::Dialect;

/// Batches of a unit that has begun.
pub(super) struct Forward<'a> {
    pub(super) link: Link<'a>,
    pub(super) cover: Option<Cover>,
    pub(super) begun: Start,
}

/// Makes what batches need, and notes the end of the key as it is now. Nothing before the commit is an effect.
pub(super) async fn prepare(
    job: &Job<'_>,
    session: &mut Session,
    cover: Option<&Cover>,
    digest: &str,
) -> Result<Start, Failure> {
    let clean = |trouble: Trouble, doing: &str| failed(job, &trouble, doing);
    let shape = look::shape(job, session).await?;
    ledger::create(session).await.map_err(|t| clean(t, "creating the ledger"))?;
    session.run(CREATE).await.map_err(|t| clean(t, "creating the table for the cursor"))?;
    let mode = Modes::read(session).await.map_err(|t| clean(t, "reading settings"))?;
    if let Some(cover) = cover {
        let made = async {
            image::set_mode(session, &mode.relaxed).await?;
            remove(session, cover).await?;
            image::make(session, cover).await?;
            let store = q(&store(cover));
            session.run(&format!("CREATE TABLE {store} LIKE {}", q(&cover.images[0].name))).await?;
            session
                .run(&format!(
                    "ALTER TABLE {store} MODIFY seq BIGINT UNSIGNED NOT NULL, DROP PRIMARY KEY, ADD COLUMN batch BIGINT UNSIGNED NOT \
                     NULL FIRST, ADD PRIMARY KEY (batch, seq)"
                ))
                .await?;
            image::set_mode(session, &mode.user).await
        };
        made.await.map_err(|t| {
            clean(t, "making the tables for the rows as they are")
                .hint("the user of the target needs CREATE, ALTER and DROP on the database")
        })?;
    }
    let start = shape.start(session).await.map_err(|t| clean(t, "looking for the end of the key"))?;
    let json = serde_json::to_string(&start).expect("texts and numbers are JSON");
    let begin = async {
        session.run("START TRANSACTION").await?;
        ledger::insert(session, job.key(), job.cx.attempt, digest).await?;
        if let Some(cover) = cover {
            let (name, stored) = (cover.images[0].table.as_str(), store(cover));
            let kept = ledger::Kept { kind: "before-image", name, stored: &stored, why: "changed" };
            ledger::note(session, job.key(), &kept).await?;
        }
        note(session, job, 0, [0; 3], &json).await
    };
    if let Err(trouble) = begin.await {
        let _ = session.run("ROLLBACK").await;
        return Err(clean(trouble, "writing the ledger"));
    }
    session.run("COMMIT").await.map_err(|trouble| tx_lost(job, &trouble))?;
    Ok(start)
}

/// Writes a row of `windlass_batch`: changed, found and gone over.
async fn note(
    session: &mut Session,
    job: &Job<'_>,
    number: u64,
    [changed, matched, seen]: [u64; 3],
    till: &str,
) -> Result<(), Trouble> {
    let [run, unit, till] = [&job.cx.run, &job.unit.id.0, till].map(ledger::text);
    let sql = format!(
        "INSERT INTO windlass_batch (run, unit, number, changed, matched, seen, till, at) VALUES ({run}, {unit}, {number}, {changed}, \
         {matched}, {seen}, {till}, UTC_TIMESTAMP())"
    );
    session.run(&sql).await.map(drop)
}

impl Forward<'_> {
    async fn one(&mut self, span: u64, most: u64) -> Result<Turn, Failure> {
        let job = self.link.job;
        let (cover, begun) = (self.cover.clone(), self.begun.clone());
        let session = self.link.session().await?;
        let batch = Batch { job, cover: cover.as_ref(), begun: &begun };
        let result = batch.inside(session, span, most).await;
        match result {
            Ok(Made::Turn(turn)) => match session.run("COMMIT").await {
                Ok(_) => Ok(turn),
                Err(trouble) => Err(tx_lost(job, &trouble)),
            },
            Ok(Made::TooMany) => {
                session.run("ROLLBACK").await.map_err(|t| failed(job, &t, "taking the batch back"))?;
                Ok(Turn::TooMany)
            }
            Err(failure) => {
                // A broken connection is rolled back by the server.
                let _ = session.run("ROLLBACK").await;
                Err(failure)
            }
        }
    }
}

/// What came of a batch before its commit.
enum Made {
    Turn(Turn),
    TooMany,
}

/// What one batch works with.
struct Batch<'b> {
    job: &'b Job<'b>,
    cover: Option<&'b Cover>,
    begun: &'b Start,
}

impl Batch<'_> {
    async fn inside(&self, session: &mut Session, span: u64, most: u64) -> Result<Made, Failure> {
        let (job, key) = (self.job, self.job.key());
        let clean = |trouble: Trouble, doing: &str| failed(job, &trouble, doing);
        let shape = look::shape(job, session).await?;
        let same = shape.key.iter().map(|part| &part.name).eq(&self.begun.key);
        if !same || self.cover.is_some_and(|cover| !shape.fits(cover)) {
            return Err(changed(job, &self.begun.key));
        }
        let mode = Modes::read(session).await.map_err(|t| clean(t, "reading settings"))?;
        let begun = Instant::now();
        session.run("START TRANSACTION").await.map_err(|t| clean(t, "beginning"))?;
        // Any other controller waits here.
        if ledger::find(session, key, true).await.map_err(|t| clean(t, "reading the ledger"))?.is_none() {
            return Err(Failure::clean(
                Fault::Target,
                format!("{}: its row of windlass_ledger is gone; nothing was changed", job.place()),
            ));
        }
        let cursor = last(session, key).await.map_err(|t| clean(t, "reading the cursor"))?;
        let after = cursor.as_ref().map(|row| row.till.as_slice());
        if self.begun.till.is_empty() || after == Some(self.begun.till.as_slice()) {
            return self.over(session).await;
        }
        let (before, found_before) = sums(session, key).await.map_err(|t| clean(t, "reading the cursor"))?;
        let bound = shape.bound(session, after, &self.begun.till, span).await;
        let bound = bound.map_err(|t| clean(t, "looking for the end of the batch"))?;
        let full = bound.is_some();
        let till = bound.unwrap_or_else(|| self.begun.till.clone());
        let statement = shape.batched.within(&shape.range(shape.batched.alias(), after, &till), "");
        let number = cursor.map_or(0, |row| row.number) + 1;
        let (changed, matched) = self.change(session, &statement, number, &mode).await?;
        if matched > most && span > most {
            return Ok(Made::TooMany);
        }
        let (all, found) = (before.rows + changed, found_before + matched);
        if let Some(expected) = job.rows.filter(|expected| all > *expected && found > *expected) {
            return Err(wrong_rows(job.cx, job.unit, all, expected));
        }
        let seen = if full { span } else { matched };
        let json = serde_json::to_string(&till).expect("texts are JSON");
        note(session, job, number, [changed, matched, seen], &json)
            .await
            .map_err(|t| clean(t, "writing the cursor"))?;
        Ok(Made::Turn(Turn::Done(Step { rows: changed, seen, took: begun.elapsed() })))
    }

    /// Changes the rows of one range, and keeps them. Rows changed and rows found.
    async fn change(
        &self,
        session: &mut Session,
        statement: &str,
        number: u64,
        mode: &Modes,
    ) -> Result<(u64, u64), Failure> {
        let job = self.job;
        let clean = |trouble: Trouble| failed(job, &trouble, "saving the rows as they are");
        session.run(&format!("SET timestamp = {}", self.begun.now)).await.map_err(clean)?;
        let mut saved = None;
        if let Some(cover) = self.cover {
            let dml = windlass_sql::dml(statement, Dialect::Mysql)
                .expect("it is what was read, with a condition more");
            let save = async {
                image::set_mode(session, &mode.relaxed).await?;
                session.run(&format!("DELETE FROM {}", q(&cover.images[0].name))).await?;
                let rows = image::fill_old(session, cover, statement, &dml).await?;
                image::set_mode(session, &mode.user).await?;
                Ok(rows)
            };
            saved = Some(save.await.map_err(clean)?);
        }
        let answer = session.run(statement).await;
        session.run("SET timestamp = DEFAULT").await.map_err(clean)?;
        let answer = answer.map_err(|trouble| job.refused(&trouble))?;
        let matched = answer.matched.unwrap_or(answer.affected);
        if let Some(saved) = saved.filter(|saved| *saved != matched) {
            let why = format!("{saved} rows were saved and {matched} changed");
            return Err(super::super::data::no_undo(job, &why));
        }
        if let Some(cover) = self.cover {
            let (store, columns) = (q(&store(cover)), columns(cover));
            let keep = async {
                image::set_mode(session, &mode.relaxed).await?;
                image::fill_new(session, cover).await?;
                // What a way back that was turned around left of a batch with this number.
                session.run(&format!("DELETE FROM {store} WHERE batch = {number}")).await?;
                let sql = format!(
                    "INSERT INTO {store} (batch, {columns}) SELECT {number}, {columns} FROM {}",
                    q(&cover.images[0].name)
                );
                session.run(&sql).await?;
                image::set_mode(session, &mode.user).await
            };
            keep.await.map_err(|t| failed(job, &t, "saving the rows as they became"))?;
        }
        Ok((answer.affected, matched))
    }

    /// The end: the unit is done.
    async fn over(&self, session: &mut Session) -> Result<Made, Failure> {
        let job = self.job;
        let clean = |trouble: Trouble| failed(job, &trouble, "writing the ledger");
        let (tally, found) = sums(session, job.key()).await.map_err(clean)?;
        let changed = tally.rows;
        if let Some(expected) = job.rows.filter(|expected| *expected != changed && *expected != found) {
            return Err(wrong_rows(job.cx, job.unit, changed, expected));
        }
        let done = Start { done: true, ..self.begun.clone() };
        let json = serde_json::to_string(&done).expect("texts and numbers are JSON");
        let sql = format!(
            "UPDATE windlass_batch SET till = {} WHERE {} AND number = 0",
            ledger::text(&json),
            condition(job.key())
        );
        session.run(&sql).await.map_err(clean)?;
        ledger::complete(session, job.key(), changed).await.map_err(clean)?;
        Ok(Made::Turn(Turn::Over))
    }
}

fn changed(job: &Job<'_>, key: &[String]) -> Failure {
    let message = format!(
        "{}: columns or the key ({}) of its table are others than when its batches began; nothing was changed",
        job.place(),
        key.join(", ")
    );
    Failure::clean(Fault::Target, message).hint("take that change back and resume, or windlass rollback")
}

#[async_trait]
impl Work for Forward<'_> {
    async fn next(&mut self, span: u64, most: u64) -> Result<Turn, Failure> {
        let (mut tries, mut span) = (0, span);
        loop {
            match self.one(span, most).await {
                Ok(turn) => return Ok(turn),
                Err(failure) => {
                    tries += 1;
                    self.link.again(failure, tries).await?;
                    span = (span / 2).max(1);
                }
            }
        }
    }

    async fn busy(&mut self, throttle: &Throttle) -> Result<Option<String>, Failure> {
        self.link.busy(throttle).await
    }

    async fn forget(&mut self) -> Result<(), Failure> {
        let (job, cover) = (self.link.job, self.cover.clone());
        let session = self.link.session().await?;
        let forgotten = async {
            session.run("START TRANSACTION").await?;
            ledger::find(session, job.key(), true).await?;
            // A commit without an answer may have made one.
            let none = last(session, job.key()).await?.is_none();
            if none {
                session.run(&format!("DELETE FROM windlass_batch WHERE {}", condition(job.key()))).await?;
                ledger::delete(session, job.key()).await?;
            }
            session.run("COMMIT").await?;
            if let Some(cover) = cover.as_ref().filter(|_| none) {
                remove(session, cover).await?;
            }
            Ok(none)
        };
        match forgotten.await.map_err(|t: Trouble| failed(job, &t, "taking away what it prepared"))? {
            true => Ok(()),
            false => Err(Failure::clean(Fault::Target, "a batch is committed")),
        }
    }
}
