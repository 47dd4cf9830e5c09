//! Batches taken back, newest first: each a transaction that puts its rows back and takes its row out of `windlass_batch`.

use super::super::cover::Cover;
use super::super::image::q;
use super::super::ledger;
use super::super::put_back;
use super::super::session::{Session, Trouble};
use super::super::statement::{Job, failed, tx_lost};
use super::{Link, Row, columns, condition, last, remove, store, sums};
use crate::sql::batch::{self, Conflicts, Step, Tally, Turn, Work};
use async_trait::async_trait;
use std::time::Instant;
use windlass_driver::{Capsule, Done, Failure, Fault, OnConflict};
use windlass_plan::{Throttle, Way};

/// Batches that have yet to go back.
struct Back<'a> {
    link: Link<'a>,
    cover: Cover,
}

/// Takes the unit back, or goes on with it.
pub(in super::super) async fn undo(job: &Job<'_>, capsule: &Capsule) -> Result<Done, Failure> {
    let Some(cover) = super::super::data::cover_of(capsule) else {
        return Err(Failure::clean(Fault::Windlass, format!("{}: its capsule holds no rows", job.place())));
    };
    let mut link = Link::new(job);
    let session = link.session().await?;
    let clean = |trouble: Trouble| failed(job, &trouble, "reading the ledger");
    if ledger::find(session, job.key(), false).await.map_err(clean)?.is_none() {
        let effects = vec!["not in the ledger: nothing to take back".to_owned()];
        return Ok(Done { changed: false, effects, ..Done::default() });
    }
    let (tally, _) = sums(session, job.key()).await.map_err(clean)?;
    if job.cx.on_conflict == OnConflict::Ask {
        free_of_conflicts(job, session, &cover).await?;
    }
    let mut work = Back { link, cover };
    let begin = Tally { batches: tally.batches, total: tally.rows, ..Tally::default() };
    let end = batch::run(job.cx, job.unit, Way::Undo, begin, &mut work).await?;
    if let Some(session) = work.link.session.take() {
        job.close(session).await;
    }
    Ok(batch::undone(job.cx, end.rows))
}

/// Tries all batches before the first goes back.
async fn free_of_conflicts(job: &Job<'_>, session: &mut Session, cover: &Cover) -> Result<(), Failure> {
    let clean = |trouble: Trouble| failed(job, &trouble, "looking for conflicts");
    settings(session).await.map_err(clean)?;
    let sql = format!(
        "SELECT number FROM windlass_batch WHERE {} AND number > 0 ORDER BY number DESC",
        condition(job.key())
    );
    let numbers = session.run(&sql).await.map_err(clean)?;
    for row in numbers.rows {
        let Some(number) = row.first().and_then(|value| value.as_deref()?.parse().ok()) else { continue };
        session.renew(job.cx);
        session.run("START TRANSACTION").await.map_err(clean)?;
        let result = batch_back(job, session, cover, number).await;
        session.run("ROLLBACK").await.map_err(clean)?;
        result?;
    }
    Ok(())
}

async fn settings(session: &mut Session) -> Result<(), Trouble> {
    session
        .run("SET sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'")
        .await
        .map(drop)
}

/// Puts the rows of one batch back, in a transaction that is open.
async fn batch_back(
    job: &Job<'_>,
    session: &mut Session,
    cover: &Cover,
    number: u64,
) -> Result<put_back::Tally, Failure> {
    let clean = |trouble: Trouble| failed(job, &trouble, "undoing");
    let (image, columns) = (q(&cover.images[0].name), columns(cover));
    session.run(&format!("DELETE FROM {image}")).await.map_err(clean)?;
    let sql = format!(
        "INSERT INTO {image} ({columns}) SELECT {columns} FROM {} WHERE batch = {number}",
        q(&store(cover))
    );
    session.run(&sql).await.map_err(clean)?;
    put_back::rows(job, session, cover).await
}

impl Back<'_> {
    async fn one(&mut self) -> Result<Turn, Failure> {
        let (job, cover) = (self.link.job, self.cover.clone());
        let session = self.link.session().await?;
        let clean = |trouble: Trouble, doing: &str| failed(job, &trouble, doing);
        settings(session).await.map_err(|t| clean(t, "preparing the undo"))?;
        if last(session, job.key()).await.map_err(|t| clean(t, "reading the cursor"))?.is_none() {
            // Nothing in them is needed any more; dropping tables commits, so it comes before the last transaction.
            remove(session, &cover).await.map_err(|t| clean(t, "clearing up"))?;
        }
        session.run("START TRANSACTION").await.map_err(|t| clean(t, "beginning the undo"))?;
        let begun = Instant::now();
        match inside(job, session, &cover).await {
            Ok(turn) => match session.run("COMMIT").await {
                Ok(_) => Ok(match turn {
                    Turn::Done(step) => Turn::Done(Step { took: begun.elapsed(), ..step }),
                    turn => turn,
                }),
                Err(trouble) => Err(tx_lost(job, &trouble)),
            },
            Err(failure) => {
                let _ = session.run("ROLLBACK").await;
                Err(failure)
            }
        }
    }
}

async fn inside(job: &Job<'_>, session: &mut Session, cover: &Cover) -> Result<Turn, Failure> {
    let clean = |trouble: Trouble| failed(job, &trouble, "undoing");
    if ledger::find(session, job.key(), true).await.map_err(clean)?.is_none() {
        return Ok(Turn::Over);
    }
    let Some(Row { number, .. }) = last(session, job.key()).await.map_err(clean)? else {
        session
            .run(&format!("DELETE FROM windlass_batch WHERE {}", condition(job.key())))
            .await
            .map_err(clean)?;
        ledger::delete(session, job.key()).await.map_err(clean)?;
        return Ok(Turn::Over);
    };
    let tally = batch_back(job, session, cover, number).await?;
    Conflicts::new(job.cx).keep(number, tally.conflicts).map_err(|error| {
        let text = format!(
            "{}: the list of conflicts could not be written: {error}; nothing was changed",
            job.place()
        );
        Failure::clean(Fault::Windlass, text)
    })?;
    let sql = format!("DELETE FROM windlass_batch WHERE {} AND number = {number}", condition(job.key()));
    session.run(&sql).await.map_err(clean)?;
    session.run(&format!("DELETE FROM {}", q(&cover.images[0].name))).await.map_err(clean)?;
    Ok(Turn::Done(Step { rows: tally.back, seen: tally.back, ..Step::default() }))
}

#[async_trait]
impl Work for Back<'_> {
    async fn next(&mut self, _span: u64, _most: u64) -> Result<Turn, Failure> {
        let mut tries = 0;
        loop {
            match self.one().await {
                Ok(turn) => return Ok(turn),
                Err(failure) => {
                    tries += 1;
                    self.link.again(failure, tries).await?;
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
