//! Rows go back step by step. A step that the database refuses as a whole goes back in halves, down to single rows: what
//! stands in the way of one row (another one with its unique value, one that it refers to and that is gone) holds up no other.

use super::{
    apply::{Again, at},
    job::Job,
    session::Trouble,
    undo::{Kept, conflict, quiet},
};
use crate::{disk::one_line, sql::conflicts::Conflict};
use std::ops::Range;
use windlass_driver::OnConflict;
use windlass_sql::postgres::rows::{Image, Op, Since};

/// Conflicts that are listed.
pub(super) const CONFLICTS_MAX: u64 = 100_000;
/// Tries of one step; whoever needs more has another problem.
const TRIES_MAX: usize = 200_000;
/// What a refused row has in place of the value that stands there now.
pub(super) const REFUSED: &str = "not put back: ";

/// Puts the rows of `steps` back, in this order, while nothing answers to it. Gives how many, and what was left alone.
pub(super) async fn put_back(
    job: &Job,
    images: &[Image],
    steps: Vec<Kept<'_>>,
) -> Result<(u64, Vec<Conflict>), Again> {
    let quiet = quiet(job, images).await?;
    let since = if job.cx.on_conflict == OnConflict::Force { Since::Force } else { Since::Keep };
    let (mut count, mut found) = (0, vec![]);
    for (step, op, image) in steps {
        let rows = job
            .session
            .ask(&image.conflicts(step, op, CONFLICTS_MAX))
            .await
            .map_err(at("looking for conflicts"))?;
        found.extend(rows.into_iter().map(|row| conflict(image, row)));
        let (back, refused) = Step { job, image, step, op, since }.back().await?;
        count += back;
        found.extend(refused);
    }
    job.session.act(&quiet).await.map_err(at("switching triggers on again"))?;
    Ok((count, found))
}

/// How many of them are rows that the database did not take back.
pub(super) fn refused(found: &[Conflict]) -> usize {
    let is = |conflict: &&Conflict| conflict.now.as_deref().is_some_and(|now| now.starts_with(REFUSED));
    found.iter().filter(is).count()
}

/// One step of one image.
struct Step<'a> {
    job: &'a Job,
    image: &'a Image,
    step: i64,
    op: Op,
    since: Since,
}

/// What a try came to: rows put back, or why a constraint is against it.
type Tried = Result<u64, String>;

impl Step<'_> {
    async fn back(&self) -> Result<(u64, Vec<Conflict>), Again> {
        if let Ok(count) = self.attempt(None).await? {
            return Ok((count, vec![]));
        }
        let places = self.job.session.ask(&self.image.places(self.step, self.op)).await;
        let places: Vec<String> = places
            .map_err(at("reading the before-image"))?
            .into_iter()
            .filter_map(|mut row| row.pop()?)
            .collect();
        let (mut count, mut alone, mut tries) = (0, vec![], 0);
        // A stack: the first half of a piece comes before the second.
        let mut open = halves(0..places.len());
        while let Some(piece) = open.pop() {
            tries += 1;
            match self.attempt(ends(&places, &piece)).await? {
                Ok(back) => count += back,
                Err(_) if tries > TRIES_MAX => return Err(self.given_up()),
                Err(why) if piece.len() == 1 => alone.push((piece, why)),
                Err(_) => open.extend(halves(piece)),
            }
        }
        // What stood in the way of a row may have gone back after it.
        loop {
            let waiting = std::mem::take(&mut alone);
            let before = waiting.len();
            // To and fro: numbers that were moved up free one another from one end only.
            for (piece, _) in waiting.into_iter().rev() {
                tries += 1;
                match self.attempt(ends(&places, &piece)).await? {
                    Ok(back) => count += back,
                    Err(_) if tries > TRIES_MAX => return Err(self.given_up()),
                    Err(why) => alone.push((piece, why)),
                }
            }
            if alone.is_empty() || alone.len() == before {
                break;
            }
        }
        let mut refused = vec![];
        for (piece, why) in alone {
            refused.extend(self.refused(&places[piece.start], &why).await?);
        }
        Ok((count, refused))
    }

    /// Tries a piece, all or nothing of it.
    async fn attempt(&self, only: Option<(&str, &str)>) -> Result<Tried, Again> {
        let putting = at("putting rows back");
        let sql = self.image.put_back(self.step, self.op, self.since, only);
        // What no row of the step's own table can be in the way of is not cut into pieces: rows that were added go together.
        if self.op == Op::Insert {
            return Ok(Ok(self.job.session.act(&sql).await.map_err(putting)?));
        }
        let sql = format!("SAVEPOINT windlass_piece; {sql}; RELEASE SAVEPOINT windlass_piece");
        match self.job.session.act(&sql).await {
            Ok(count) => Ok(Ok(count)),
            // Class 23: an integrity constraint.
            Err(Trouble::Server(error)) if error.code().code().starts_with("23") => {
                let back = "ROLLBACK TO SAVEPOINT windlass_piece; RELEASE SAVEPOINT windlass_piece";
                self.job.session.act(back).await.map_err(putting)?;
                let detail = error.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
                Ok(Err(one_line(&format!("{}{detail}", error.message()), 300)))
            }
            Err(trouble) => Err(putting(trouble)),
        }
    }

    /// A row that cannot come back, as a conflict.
    async fn refused(&self, place: &str, why: &str) -> Result<Vec<Conflict>, Again> {
        let rows = self.job.session.ask(&self.image.row(self.step, self.op, place)).await;
        let rows = rows.map_err(at("reading the before-image"))?;
        let told = |row| Conflict { now: Some(format!("{REFUSED}{why}")), ..conflict(self.image, row) };
        Ok(rows.into_iter().map(told).collect())
    }

    fn given_up(&self) -> Again {
        windlass_driver::Failure::clean(
            windlass_driver::Fault::Target,
            format!(
                "{}: more than {TRIES_MAX} tries to put rows of {}.{} back were refused; nothing of the unit was taken back",
                crate::sql::place(&self.job.cx, &self.job.unit, None),
                self.image.schema,
                self.image.table
            ),
        )
        .hint("see the unique keys and foreign keys that the table has got since, then: windlass rollback")
        .into()
    }
}

/// The second half, then the first.
fn halves(piece: Range<usize>) -> Vec<Range<usize>> {
    let middle = piece.start + piece.len() / 2;
    [middle..piece.end, piece.start..middle].into_iter().filter(|half| !half.is_empty()).collect()
}

fn ends<'a>(places: &'a [String], piece: &Range<usize>) -> Option<(&'a str, &'a str)> {
    Some((places.get(piece.start)?, places.get(piece.end - 1)?))
}
