//! Further tables for rows of a partition that were written while its own were away, and that find no place elsewhere. They are in no
//! capsule: their names follow from the unit and the partition, and those that have rows in the end are listed for `windlass prune`.

use super::cover::token;
use super::exchange::{Leaf, has_rows};
use super::image::q;
use super::ledger::{self, Kept};
use super::session::{Session, Trouble};
use super::statement::Job;

/// So many more for a partition: one for each time that somebody wrote the same keys again.
pub(super) const MORE_MAX: usize = 3;

/// Longest name of a table, in characters.
const NAME_MAX: usize = 64;

/// The name of one of them, from 0.
pub(super) fn name(job: &Job<'_>, leaf: &Leaf, number: usize) -> String {
    let token = &token(&job.cx.run, &job.unit.id.0)[..8];
    let bare = leaf.since.strip_prefix("_windlass_aside_").unwrap_or(&leaf.since);
    let bare = bare.strip_prefix(token).unwrap_or(bare);
    format!("_windlass_aside_{token}_kept_{number}{bare}").chars().take(NAME_MAX).collect()
}

/// Makes it, like the one that holds the partition's own rows; it is listed first. Its name.
pub(super) async fn create(
    job: &Job<'_>,
    session: &mut Session,
    (leaf, like): (&Leaf, &str),
    number: usize,
) -> Result<String, Trouble> {
    let stored = name(job, leaf, number);
    if ledger::exists(session, &stored).await? {
        return Ok(stored);
    }
    ledger::create(session).await?;
    let what = format!("rows of partition {}", leaf.partition);
    ledger::note(session, job.key(), &Kept { kind: "table", name: &what, stored: &stored, why: "undone" })
        .await?;
    session.run(&format!("CREATE TABLE {} LIKE {}", q(&stored), q(like))).await?;
    Ok(stored)
}

/// Takes away those that are empty, and says of the others what they hold.
pub(super) async fn settle(
    job: &Job<'_>,
    session: &mut Session,
    leaf: &Leaf,
    effects: &mut Vec<String>,
) -> Result<(), Trouble> {
    for number in 0..=MORE_MAX {
        let stored = name(job, leaf, number);
        if !ledger::exists(session, &stored).await? {
            continue;
        }
        if has_rows(session, &q(&stored)).await? {
            effects.push(format!(
                "rows of partition {} that were written since are kept as `{stored}`, until `windlass prune`",
                leaf.partition
            ));
        } else {
            session.run(&format!("DROP TABLE {}", q(&stored))).await?;
        }
    }
    Ok(())
}
