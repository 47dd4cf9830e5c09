//! What values become in another type, and whether they come back: asked of the server, in a temporary table. Only `ALTER
//! TABLE` converts as `ALTER TABLE` does.

use super::image::{self, q};
use super::scene::Scene;
use super::session::{Session, Trouble};
use super::tables::{Column, Exact};
use serde::{Deserialize, Serialize};

/// Settings of the way back: what does not fit was looked for before.
pub(super) const LAX: &str = "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES";
/// The table of conversions; it is of one session only.
pub(super) const SCRATCH: &str = "_windlass_cut";
/// Values that the statement wrote, found by a digest.
const WROTE: &str = "_windlass_wrote";

/// A column whose values may become others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cut {
    /// Its name while it still holds them.
    pub(super) name: String,
    /// Its type, and that as an image holds it.
    held: String,
    image: String,
    is_text: bool,
    /// The type that it gets, and that as an image holds it.
    exact: String,
    pub(super) becomes: String,
}

impl Cut {
    pub(super) fn new((from, held): (&Column, &Exact), (to, becomes): (&Column, &Exact)) -> Self {
        Self {
            name: from.name.clone(),
            held: held.text.clone(),
            image: from.image.clone(),
            is_text: from.is_text,
            exact: becomes.text.clone(),
            becomes: to.image.clone(),
        }
    }
}

/// What is converted, and under which settings.
pub(super) struct Trial<'t> {
    pub(super) table: &'t str,
    /// What else is wanted of a row: a column, and its type as an image holds it.
    pub(super) carried: &'t [(String, String)],
    pub(super) cuts: &'t [Cut],
    /// `sql_mode` of our own statements, and of the way there.
    pub(super) relaxed: &'t str,
    pub(super) converting: &'t str,
    /// In which it comes back; `None`: the session is in it.
    pub(super) back: Option<&'t Scene>,
}

/// Fills the table of conversions: `k` what else is wanted of a row, `c` a value, `w` what it becomes, `n` that again in the
/// type that it had.
pub(super) async fn convert(session: &mut Session, trial: &Trial<'_>) -> Result<(), Trouble> {
    let Trial { table, carried, cuts, relaxed, converting, back } = *trial;
    drop_scratch(session).await?;
    image::set_mode(session, relaxed).await?;
    let all = |of: &dyn Fn(usize, &Cut) -> String| {
        cuts.iter().enumerate().map(|(at, cut)| of(at, cut)).collect::<Vec<_>>().join(", ")
    };
    let parts = carried.iter().enumerate().map(|(at, (_, kind))| format!(", k_{at} {kind}"));
    session
        .run(&format!(
            "CREATE TEMPORARY TABLE {SCRATCH} (seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY{}, {}) \
             ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4",
            parts.collect::<String>(),
            all(&|at, cut| format!("c_{at} {}, n_{at} {}", cut.image, cut.held))
        ))
        .await?;
    let targets = (0..carried.len()).map(|at| format!("k_{at}, ")).collect::<String>();
    let sources = carried.iter().map(|(name, _)| q(name) + ", ").collect::<String>();
    let sql = format!(
        "INSERT INTO {SCRATCH} ({targets}{}) SELECT {sources}{} FROM {}",
        all(&|at, _| format!("c_{at}, n_{at}")),
        all(&|_, cut| format!("{0}, {0}", q(&cut.name))),
        q(table)
    );
    session.run(&sql).await?;
    image::set_mode(session, converting).await?;
    let there = all(&|at, cut| format!("MODIFY n_{at} {}", cut.exact));
    session.run(&format!("ALTER TABLE {SCRATCH} {there}")).await?;
    image::set_mode(session, relaxed).await?;
    let wrote = all(&|at, cut| format!("ADD COLUMN w_{at} {}", cut.becomes));
    session.run(&format!("ALTER TABLE {SCRATCH} {wrote}")).await?;
    // A first TIMESTAMP column may be one that follows each UPDATE (`explicit_defaults_for_timestamp`): not when it is set.
    let set = all(&|at, _| format!("w_{at} = n_{at}, n_{at} = n_{at}"));
    session.run(&format!("UPDATE {SCRATCH} SET {set}")).await?;
    image::set_mode(session, LAX).await?;
    let again = format!("ALTER TABLE {SCRATCH} {}", all(&|at, cut| format!("MODIFY n_{at} {}", cut.held)));
    match back {
        Some(scene) => {
            let stands = scene.hold(session).await?;
            session.run(&again).await?;
            scene.release(session, stands).await?;
        }
        None => drop(session.run(&again).await?),
    }
    image::set_mode(session, relaxed).await
}

/// Condition on the table of conversions: a value does not come back as it was.
pub(super) fn differs(cuts: &[Cut]) -> String {
    let parts = cuts.iter().enumerate().map(|(at, cut)| {
        format!("NOT ({})", image::equal(cut.is_text, &format!("c_{at}"), &format!("n_{at}")))
    });
    parts.collect::<Vec<_>>().join(" OR ")
}

/// How many rows hold such a value.
pub(super) async fn lost(session: &mut Session, cuts: &[Cut]) -> Result<u64, Trouble> {
    let sql = format!("SELECT COUNT(*) FROM {SCRATCH} WHERE {}", differs(cuts));
    Ok(session.value(&sql).await?.and_then(|count| count.parse().ok()).unwrap_or(0))
}

/// Takes the table of conversions away.
pub(super) async fn drop_scratch(session: &mut Session) -> Result<(), Trouble> {
    session.run(&format!("DROP TEMPORARY TABLE IF EXISTS {SCRATCH}, {WROTE}")).await.map(drop)
}

/// Values of column `at` of the table of conversions that are kept in `image` as written (`w_wrote`) by the same row count as
/// those that come back. `same`: `k` of a row, and where the image has it.
pub(super) async fn pass_over(
    session: &mut Session,
    image: &str,
    (at, cut): (usize, &Cut),
    wrote: usize,
    same: &[(usize, usize)],
) -> Result<(), Trouble> {
    // One look by an index for each row, whatever key the table has: the lock is held all the while.
    let digest = |values: Vec<String>| {
        let parts: Vec<_> =
            values.into_iter().map(|value| format!("COALESCE(SHA2({value}, 256), 'NULL')")).collect();
        format!("UNHEX(SHA2(CONCAT({}), 256))", parts.join(", "))
    };
    let ours = same.iter().map(|(k, _)| format!("k_{k}")).chain([format!("c_{at}")]);
    let ours = digest(ours.map(|name| format!("{SCRATCH}.{name}")).collect());
    let theirs = digest(same.iter().map(|(_, o)| format!("o_{o}")).chain([format!("w_{wrote}")]).collect());
    let kept = q(image);
    session.run(&format!("DROP TEMPORARY TABLE IF EXISTS {WROTE}")).await?;
    session
        .run(&format!(
            "CREATE TEMPORARY TABLE {WROTE} (d BINARY(32) NOT NULL PRIMARY KEY, row_seq BIGINT UNSIGNED NOT NULL) ENGINE = InnoDB"
        ))
        .await?;
    session
        .run(&format!("INSERT INTO {WROTE} SELECT {theirs} AS d, MIN(seq) FROM {kept} GROUP BY d"))
        .await?;
    let mut exact =
        vec![image::equal(cut.is_text, &format!("{SCRATCH}.c_{at}"), &format!("{kept}.w_{wrote}"))];
    exact.extend(same.iter().map(|(k, o)| format!("{SCRATCH}.k_{k} <=> {kept}.o_{o}")));
    session
        .run(&format!(
            "UPDATE {SCRATCH} STRAIGHT_JOIN {WROTE} ON {WROTE}.d = {ours} STRAIGHT_JOIN {kept} ON {kept}.seq = {WROTE}.row_seq \
             SET {SCRATCH}.n_{at} = {SCRATCH}.c_{at} WHERE {}",
            exact.join(" AND ")
        ))
        .await
        .map(drop)
}
