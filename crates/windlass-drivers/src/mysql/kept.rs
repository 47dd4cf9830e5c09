//! Rows that others built upon. An undo takes no row away that rows of others refer to, whatever the foreign key would do to
//! them, and gives none another key; such a row is a conflict, also with `--on-conflict=force`: rows that the release never
//! wrote are not its to take.

use super::cover::Image;
use super::image::{Meet, joined, place, q, same};
use super::put_back::{CONFLICTS_MAX, Tally, untouched};
use super::session::{Session, Trouble};
use super::tables::ForeignKey;
use crate::sql::conflicts::Conflict;

/// Whether a foreign key stands in the way.
pub(super) fn is_tied(trouble: &Trouble) -> bool {
    matches!(trouble.code(), 1216 | 1217 | 1451 | 1452)
}

/// The images, each before those whose rows it refers to.
pub(super) fn children_first<'i>(images: &'i [Image], keys: &[ForeignKey]) -> Vec<&'i Image> {
    let mut open: Vec<&Image> = images.iter().rev().collect();
    let mut ordered = vec![];
    while !open.is_empty() {
        let waits = |image: &Image| {
            keys.iter().any(|key| {
                key.parent == image.table
                    && !key.is_from(&image.table)
                    && open.iter().any(|other| key.is_from(&other.table))
            })
        };
        // Tables that refer to each other have no order.
        let at = open.iter().position(|image| !waits(image)).unwrap_or(0);
        ordered.push(open.remove(at));
    }
    ordered
}

/// What a foreign key to the table of an image has to do with a row that goes (`I`) or gets other values (`U`): a condition
/// on the image's row `i`; `None`: nothing.
pub(super) fn concerned(image: &Image, key: &ForeignKey, op: char) -> Option<String> {
    if op == 'I' {
        return image.op.is_none().then(|| "TRUE".to_owned());
    }
    let differs = |column: &String| {
        let at = place(image, column)?;
        let is_written = image.op.is_none() || (image.op == Some('U') && image.written.contains(&at));
        // A foreign key acts on what is stored, not on what a collation calls equal.
        is_written.then(|| format!("NOT {}", same(image, at, &format!("i.o_{at}"), &format!("i.n_{at}"))))
    };
    let parts: Vec<String> = key.parent_columns.iter().filter_map(differs).collect();
    (!parts.is_empty()).then(|| format!("({})", parts.join(" OR ")))
}

/// Condition: child row `c` refers to row `t`.
pub(super) fn refers(key: &ForeignKey, t: &str) -> String {
    let pairs = key.child_columns.iter().zip(&key.parent_columns);
    pairs
        .map(|(child, parent)| format!("c.{} = {t}.{}", q(child), q(parent)))
        .collect::<Vec<_>>()
        .join(" AND ")
}

/// Changes `op` of image rows that are not to be put back: `K` where others have written to them, `R` where rows that stay
/// refer to them. These are listed here.
pub(super) async fn mark(
    session: &mut Session,
    images: &[&Image],
    keys: &[ForeignKey],
    force: bool,
    tally: &mut Tally,
) -> Result<(), Trouble> {
    let ties: Vec<(&Image, &ForeignKey)> = images
        .iter()
        .flat_map(|image| keys.iter().filter(|key| key.parent == image.table).map(|key| (*image, key)))
        .collect();
    if ties.is_empty() {
        return Ok(());
    }
    for image in images.iter().filter(|image| image.op.is_none() && !force) {
        let rows = joined(image, 'n', Meet::There);
        let sql = format!("UPDATE {rows} SET i.op = 'K' WHERE i.op = 'I' AND NOT ({})", untouched(image));
        session.run(&sql).await?;
    }
    // A row that is kept keeps those that it refers to: until no more are.
    loop {
        let mut marked = 0;
        for (image, key) in &ties {
            for op in ['I', 'U'] {
                let Some(from) = tied(images, image, key, op) else { continue };
                let sql = format!("UPDATE {} SET i.op = 'R' WHERE i.op = '{op}' AND {}", from.0, from.1);
                marked += session.run(&sql).await?.affected;
            }
        }
        if marked == 0 {
            break;
        }
    }
    for image in images {
        list(session, image, &ties, tally).await?;
    }
    Ok(())
}

/// Image rows `i` with a row that refers to theirs and does not go with them: tables, and conditions.
fn tied(images: &[&Image], image: &Image, key: &ForeignKey, op: char) -> Option<(String, String)> {
    let mut condition = concerned(image, key, op)?;
    let side = if image.op.is_some() { 'o' } else { 'n' };
    let mut from = format!(
        "{} JOIN {} AS c ON {}",
        joined(image, side, Meet::There),
        key.child_quoted(),
        refers(key, "t")
    );
    let goes = images.iter().find(|child| key.is_from(&child.table) && child.op.is_none());
    if let Some(child) = goes.filter(|child| !child.key.is_empty()) {
        let same = |column: &String| {
            format!("g.n_{} = c.{}", place(child, column).expect("an image has its key"), q(column))
        };
        let same = child.key.iter().map(same).collect::<Vec<_>>().join(" AND ");
        from += &format!(" LEFT JOIN {} AS g ON g.op = 'I' AND {same}", q(&child.name));
        condition += " AND g.seq IS NULL";
    }
    Some((from, condition))
}

/// Lists the rows that are kept because others refer to them.
async fn list(
    session: &mut Session,
    image: &Image,
    ties: &[(&Image, &ForeignKey)],
    tally: &mut Tally,
) -> Result<(), Trouble> {
    let count = format!("SELECT COUNT(*) FROM {} WHERE op = 'R'", q(&image.name));
    let count: u64 = session.value(&count).await?.and_then(|count| count.parse().ok()).unwrap_or(0);
    if count == 0 {
        return Ok(());
    }
    tally.all += count;
    let side = if image.op.is_some() { 'o' } else { 'n' };
    let shown: Vec<String> =
        image.key.iter().map(|column| format!("i.{side}_{}", place(image, column).unwrap_or(0))).collect();
    for (_, key) in ties.iter().filter(|(of, _)| of.name == image.name) {
        let sql = format!(
            "SELECT DISTINCT {} FROM {} JOIN {} AS c ON {} WHERE i.op = 'R' \
             LIMIT {CONFLICTS_MAX} LOCK IN SHARE MODE",
            shown.join(", "),
            joined(image, side, Meet::There),
            key.child_quoted(),
            refers(key, "t")
        );
        for row in session.run(&sql).await?.rows {
            let named = image.key.iter().zip(&row);
            let named = named.map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or("NULL")));
            tally.conflicts.push(referred(image, &named.collect::<Vec<_>>().join(", "), key));
        }
    }
    Ok(())
}

/// A row that rows of others refer to.
pub(super) fn referred(image: &Image, row: &str, key: &ForeignKey) -> Conflict {
    Conflict {
        table: image.table.clone(),
        key: row.to_owned(),
        column: String::new(),
        before: None,
        wrote: Some("a row".to_owned()),
        now: Some(format!("rows of {} refer to it", key.child_shown())),
    }
}
