//! Batches taken back, newest first: each a transaction that puts its rows back and takes its row out of `windlass.batch`.

use super::super::{
    apply::{Again, at},
    job::{Job, Lock, Mode},
    ledger::Entry,
    put_back::put_back,
    undo::{clear, current},
};
use super::{Link, Tried, Try, open, tally};
use crate::sql::{
    batch::{self, Conflicts, Step, Tally, Turn, Work},
    place,
};
use async_trait::async_trait;
use std::time::Instant;
use windlass_driver::{Context, Done, Failure, Fault, OnConflict};
use windlass_plan::{Throttle, Unit, Way};
use windlass_sql::postgres::rows::Op;

/// Batches that have yet to go back.
struct Back {
    link: Link,
    entry: Entry,
    op: Op,
}

/// Takes the unit back, or goes on with it.
pub(in super::super) async fn undo(cx: &Context, unit: &Unit, entry: Entry) -> Result<Done, Failure> {
    let job = open(cx, unit).await?;
    let asking = |trouble| job.failure(trouble, "reading the cursor");
    let done = tally(&job, entry.seq).await.map_err(asking)?;
    let statement = windlass_sql::dml(job.statement(), windlass_sql::Dialect::Postgresql);
    let op = match statement.map(|dml| dml.kind) {
        Some(windlass_sql::DmlKind::Delete) => Op::Delete,
        _ => Op::Update,
    };
    if cx.on_conflict == OnConflict::Ask {
        free_of_conflicts(&job, &entry, op).await?;
    }
    let link = Link { cx: cx.clone(), job, lag: super::Lag::default() };
    let mut work = Back { link, entry, op };
    let start = Tally { batches: done.batches, total: done.rows, ..Tally::default() };
    let end = batch::run(cx, unit, Way::Undo, start, &mut work).await?;
    Ok(batch::undone(cx, end.rows))
}

/// Looks at all batches before the first goes back.
async fn free_of_conflicts(job: &Job, entry: &Entry, op: Op) -> Result<(), Failure> {
    let asking = |trouble| job.failure(trouble, "looking for conflicts");
    job.begin(Mode::Read, &[]).await.map_err(asking)?;
    let sql = format!("SELECT number FROM windlass.batch WHERE seq = {}", entry.seq);
    let numbers = job.session.ask(&sql).await.map_err(asking)?;
    let mut found = vec![];
    for number in numbers.into_iter().filter_map(|row| row.into_iter().next().flatten()?.parse().ok()) {
        job.session.renew(job.limit);
        for image in &entry.way_back.images {
            let rows = job.session.ask(&image.conflicts(number, op, 1000)).await.map_err(asking)?;
            found.extend(rows.into_iter().map(|row| super::super::undo::conflict(image, row)));
        }
    }
    job.session.rollback().await;
    if found.is_empty() { Ok(()) } else { Err(batch::asked(&job.cx, &job.unit, &found)) }
}

impl Back {
    async fn one(&mut self, how: Try) -> Result<Turn, Again> {
        let job = &self.link.job;
        let images = &self.entry.way_back.images;
        let table = |image: &windlass_sql::postgres::rows::Image| {
            windlass_sql::postgres::qualified(&image.schema, &image.table)
        };
        let tables: Vec<String> = images.iter().map(table).collect();
        let locks = if how.alone { Lock::writers(&tables) } else { vec![] };
        job.begin(Mode::Write, &locks).await.map_err(at("waiting for its table"))?;
        let begun = Instant::now();
        let sql = format!("SELECT state FROM windlass.ledger WHERE seq = {} FOR UPDATE", self.entry.seq);
        if job.session.value(&sql).await.map_err(at("taking its row of the ledger"))?.is_none() {
            // Whoever came before has taken all back.
            job.session.rollback().await;
            return Ok(Turn::Over);
        }
        let sql = format!(
            "SELECT number, seen FROM windlass.batch WHERE seq = {} ORDER BY number DESC LIMIT 1",
            self.entry.seq
        );
        let row = job.session.ask(&sql).await.map_err(at("reading the cursor"))?.into_iter().next();
        job.scope().await.map_err(at("its settings"))?;
        let quick = "SET LOCAL row_security = off; SET LOCAL random_page_cost = 1";
        job.session.act(quick).await.map_err(at("its settings"))?;
        let Some([Some(number), ..]) = row.as_deref() else { return self.over().await };
        let number: i64 = number.parse().unwrap_or_default();
        let images = current(job, images).await?;
        let steps = images.iter().map(|image| (number, self.op, image)).collect();
        let (rows, found) = put_back(job, &images, steps).await?;
        if !found.is_empty() && job.cx.on_conflict == OnConflict::Ask {
            return Err(batch::asked(&job.cx, &job.unit, &found).into());
        }
        Conflicts::new(&self.link.cx)
            .keep(u64::try_from(number).unwrap_or_default(), found)
            .map_err(|error| unwritten(job, &error))?;
        let sql = format!("DELETE FROM windlass.batch WHERE seq = {} AND number = {number}", self.entry.seq);
        job.session.act(&sql).await.map_err(at("writing the cursor"))?;
        job.session.commit().await.map_err(at("committing"))?;
        Ok(Turn::Done(Step { rows, seen: rows, took: begun.elapsed() }))
    }

    /// All are back: nothing of the unit is left.
    async fn over(&self) -> Result<Turn, Again> {
        let job = &self.link.job;
        clear(job, &self.entry).await?;
        job.session.commit().await.map_err(at("committing"))?;
        Ok(Turn::Over)
    }
}

fn unwritten(job: &Job, error: &std::io::Error) -> Again {
    let message = format!(
        "{}: the list of conflicts could not be written: {error}; nothing was changed",
        place(&job.cx, &job.unit, None)
    );
    Failure::clean(Fault::Transport, message).retryable().into()
}

#[async_trait]
impl Work for Back {
    async fn next(&mut self, _span: u64, _most: u64) -> Result<Turn, Failure> {
        let (mut tries, mut races) = (0, 0);
        loop {
            self.link.job.session.renew(self.link.job.limit);
            let result = self.one(Try { span: 0, alone: races >= super::RACES }).await;
            tries += 1;
            match self.link.judge(result, tries, &[]).await? {
                Tried::Turn(turn) => return Ok(turn),
                Tried::Anew => {}
                Tried::Again { raced } => {
                    races += u32::from(raced);
                    batch::pause(&self.link.cx, tries).await;
                }
            }
        }
    }

    async fn busy(&mut self, throttle: &Throttle) -> Result<Option<String>, Failure> {
        self.link.busy(throttle).await
    }

    async fn forget(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}
