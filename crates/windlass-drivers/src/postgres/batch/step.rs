//! One batch: a transaction.

use super::super::{
    apply::{Again, at, said, setting},
    facts,
    job::{Hold, Lock, Mode},
    ledger,
};
use super::{Batches, Forward, Try, gone, look};
use crate::sql::{
    batch::{Step, Turn, wrong_rows},
    place,
};
use std::{collections::BTreeSet, time::Instant};
use windlass_driver::{Failure, Fault};
use windlass_plan::UndoBy;
use windlass_sql::postgres::{
    qualified,
    rows::{Image, Op},
    text,
};

/// The last batch.
struct Cursor {
    number: u64,
    till: Option<Vec<String>>,
}

impl Forward {
    pub(super) async fn one(&mut self, how: Try, most: u64) -> Result<Turn, Again> {
        let job = &self.link.job;
        let shape = self.shape.as_ref().map(|shape| qualified(&shape.table.schema, &shape.table.name));
        let image = self.entry.way_back.images.first();
        let table = shape.or_else(|| image.map(|image| qualified(&image.schema, &image.table)));
        let hold = if how.alone { Hold::Writers } else { Hold::Rows };
        let locks: Vec<Lock> = table.into_iter().map(|table| Lock { hold, table }).collect();
        job.begin(Mode::Write, &locks).await.map_err(at("waiting for its table"))?;
        let begun = Instant::now();
        let scope = job.scope().await.map_err(at("its settings"))?;
        let cursor = self.cursor().await?;
        if self.known.till.is_empty() || cursor.till.as_ref() == Some(&self.known.till) {
            return self.over().await;
        }
        // What stands in the catalog is looked at in each batch: somebody may have changed it since.
        let shape = look::shape(job, &scope).await?;
        let image = self.entry.way_back.images.first();
        let kept = image.is_none_or(|image| shape.image(self.entry.seq).columns == image.columns);
        if shape.table.key != self.known.key || !kept {
            return Err(changed(&self.known, job).into());
        }
        let shape = self.shape.insert(shape);
        let found = {
            let sql = shape.bound(cursor.till.as_deref(), &self.known.till, how.span);
            job.session
                .act("SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off")
                .await
                .map_err(at("its settings"))?;
            let row = job
                .session
                .ask(&sql)
                .await
                .map_err(at("looking for the end of the batch"))?
                .into_iter()
                .next();
            let reset = "SET LOCAL enable_sort TO DEFAULT; SET LOCAL enable_seqscan TO DEFAULT";
            job.session.act(reset).await.map_err(at("its settings"))?;
            row.map(|row| row.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>())
        };
        let seen = if found.is_some() { how.span } else { 0 };
        let till = found.unwrap_or_else(|| self.known.till.clone());
        let number = cursor.number + 1;
        let rows = self.change(&scope, number, cursor.till.as_deref(), &till).await?;
        // The last piece may be any size up to the span.
        let seen = if seen == 0 { rows } else { seen };
        let job = &self.link.job;
        if rows > most && how.span > most {
            job.session.rollback().await;
            return Ok(Turn::TooMany);
        }
        if let Some(expected) = job.rows().filter(|expected| self.rows + rows > *expected) {
            return Err(wrong_rows(&job.cx, &job.unit, self.rows + rows, expected).into());
        }
        let till = serde_json::to_string(&till).expect("texts are JSON");
        let sql = format!(
            "INSERT INTO windlass.batch (seq, number, rows, seen, till) VALUES ({}, {number}, {rows}, {seen}, {})",
            self.entry.seq,
            text(&till)
        );
        job.session.act(&sql).await.map_err(at("writing the cursor"))?;
        job.session.commit().await.map_err(at("committing"))?;
        Ok(Turn::Done(Step { rows, seen, took: begun.elapsed() }))
    }

    /// Takes the row of the ledger, for which any other controller has to wait, and reads the cursor.
    async fn cursor(&self) -> Result<Cursor, Again> {
        let (job, seq) = (&self.link.job, self.entry.seq);
        let sql = format!("SELECT state FROM windlass.ledger WHERE seq = {seq} FOR UPDATE");
        match job.session.value(&sql).await.map_err(at("taking its row of the ledger"))?.as_deref() {
            Some("batches" | "done") => {}
            _ => return Err(gone(job).into()),
        }
        let sql =
            format!("SELECT number, till FROM windlass.batch WHERE seq = {seq} ORDER BY number DESC LIMIT 1");
        let row = job.session.ask(&sql).await.map_err(at("reading the cursor"))?.into_iter().next();
        let Some([Some(number), Some(till)]) = row.as_deref() else {
            return Ok(Cursor { number: 0, till: None });
        };
        Ok(Cursor {
            number: number.parse().unwrap_or_default(),
            till: Some(serde_json::from_str(till).unwrap_or_default()),
        })
    }

    /// The end: the unit is done.
    async fn over(&self) -> Result<Turn, Again> {
        let job = &self.link.job;
        if let Some(expected) = job.rows().filter(|expected| *expected != self.rows) {
            return Err(wrong_rows(&job.cx, &job.unit, self.rows, expected).into());
        }
        ledger::settle(&job.session, self.entry.seq, self.rows, &self.entry.way_back)
            .await
            .map_err(at("writing the ledger"))?;
        job.session.commit().await.map_err(at("committing"))?;
        Ok(Turn::Over)
    }

    /// Changes the rows of a range, and keeps them. Gives how many.
    async fn change(
        &self,
        scope: &super::super::job::Scope,
        number: u64,
        after: Option<&[String]>,
        till: &[String],
    ) -> Result<u64, Again> {
        let job = &self.link.job;
        let shape = self.shape.as_ref().expect("it was looked up just before");
        let statement =
            shape.batched.within(&shape.range(shape.batched.alias(), after, till), &self.known.now);
        let image = self.entry.way_back.images.first().filter(|_| job.unit.undo.by == UndoBy::Driver);
        let (op, mut shift) = (shape.op(), 0);
        let sql = match image {
            Some(image) => {
                let number = i64::try_from(number).unwrap_or(i64::MAX);
                // What a way back that was turned around left of a batch with this number.
                job.session.act(&image.forget_step(number)).await.map_err(at("clearing up"))?;
                let within = shape.range("b", after, till);
                let sql = image.wrapped(op, &statement, shape.batched.alias(), number, Some(&within));
                shift = sql.find(&statement).map_or(0, |at| sql[..at].chars().count());
                sql
            }
            None => statement,
        };
        let before = facts::counts(&job.session).await.map_err(at("counting"))?;
        job.theirs(scope).await.map_err(|trouble| setting(job, trouble))?;
        let answer = job.session.statement(&sql, 0).await.map_err(|trouble| said(job, trouble, shift))?;
        job.own(scope).await.map_err(at("its settings"))?;
        for notice in job.session.notices() {
            (job.cx.output)(&format!("\n{}", job.cx.secrets.mask(&notice)));
        }
        let after = facts::counts(&job.session).await.map_err(at("counting"))?;
        if let Some(image) = image {
            self.all_kept(image, op, answer.count, &before, &after)?;
        }
        Ok(answer.count)
    }

    /// The server's own counts have to be those of the image.
    fn all_kept(
        &self,
        image: &Image,
        op: Op,
        count: u64,
        before: &facts::Counts,
        after: &facts::Counts,
    ) -> Result<(), Again> {
        let job = &self.link.job;
        let shape = self.shape.as_ref().expect("it was looked up just before");
        let family: BTreeSet<u32> = shape.table.family.iter().copied().chain([shape.table.oid]).collect();
        let mut sum = [0; 3];
        let mut others = !after.catalogs(before).is_empty();
        for (oid, counts) in after.since(before) {
            others |= !family.contains(&oid);
            (0..3).for_each(|at| sum[at] += counts[at]);
        }
        let [inserted, updated, deleted] = sum;
        let right = match op {
            Op::Delete => [inserted, updated, deleted] == [0, 0, count],
            // A row that moves to another partition counts as one that goes and one that comes.
            _ => inserted == deleted && updated + deleted == count,
        };
        if right && !others {
            return Ok(());
        }
        let message = format!(
            "{}: the server counts other changes than those of the rows of {}.{} that are kept: its triggers change more; \
             rolled back, nothing was changed",
            place(&job.cx, &job.unit, None),
            image.schema,
            image.table
        );
        let failure = Failure::clean(Fault::Target, message);
        Err(failure.hint("leave `batch=` out: then whatever triggers change is kept too").into())
    }
}

/// Key or columns are others than at the start.
fn changed(known: &Batches, job: &super::super::job::Job) -> Failure {
    let message = format!(
        "{}: columns, triggers or the key ({}) of its table are others than when its batches began; nothing was changed",
        place(&job.cx, &job.unit, None),
        known.key.join(", ")
    );
    Failure::clean(Fault::Target, message).hint("take that change back and resume, or windlass rollback")
}
