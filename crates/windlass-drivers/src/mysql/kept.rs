//! Rows that others built upon. An undo takes no row away that rows of others refer to, whatever the foreign key would do to
//! them, and gives none another key; such a row is a conflict, also with `--on-conflict=force`: rows that the release never
//! wrote are not its to take.

use super::cover::Image;
use super::image::{Meet, by_index, joined, place, q, same};
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

/// Changes `op` of image rows that are not to be put back: `K` where others have written to them, `R` where rows that stay
/// refer to them. These are listed here.
pub(super) async fn mark(
    session: &mut Session,
    images: &[&Image],
    keys: &[ForeignKey],
    force: bool,
    tally: &mut Tally,
) -> Result<(), Trouble> {
    let ties = ties(session, images, keys).await?;
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
        for tie in &ties {
            for op in ['I', 'U'] {
                let Some(from) = tied(images, tie, op) else { continue };
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

/// A foreign key to the table of an image.
pub(super) struct Tie<'t> {
    pub(super) image: &'t Image,
    pub(super) key: &'t ForeignKey,
    /// By which index the server finds rows that refer to one.
    hint: String,
}

/// All foreign keys to the tables of images.
pub(super) async fn ties<'t>(
    session: &mut Session,
    images: &[&'t Image],
    keys: &'t [ForeignKey],
) -> Result<Vec<Tie<'t>>, Trouble> {
    let mut ties = vec![];
    for image in images {
        for key in keys.iter().filter(|key| key.parent == image.table) {
            let hint = by_index(session, &key.child_quoted(), &key.child_columns).await?;
            ties.push(Tie { image, key, hint });
        }
    }
    Ok(ties)
}

impl Tie<'_> {
    /// For FROM or UPDATE: the image's rows `i`, each with its row `t` and every row `c` that refers to it.
    fn rows(&self) -> String {
        let side = if self.image.op.is_some() { 'o' } else { 'n' };
        joined(self.image, side, Meet::There) + &self.referring("t")
    }

    /// For FROM, behind a table: the rows `c` that refer to its row `t`. In this order, whatever the server believes of how
    /// many there are of each.
    pub(super) fn referring(&self, t: &str) -> String {
        let pairs = self.key.child_columns.iter().zip(&self.key.parent_columns);
        let same = pairs.map(|(child, parent)| format!("c.{} = {t}.{}", q(child), q(parent)));
        format!(
            " STRAIGHT_JOIN {} AS c{} ON {}",
            self.key.child_quoted(),
            self.hint,
            same.collect::<Vec<_>>().join(" AND ")
        )
    }
}

/// Image rows `i` with a row that refers to theirs and does not go with them: tables, and conditions.
fn tied(images: &[&Image], tie: &Tie<'_>, op: char) -> Option<(String, String)> {
    let (mut from, mut condition) = (tie.rows(), concerned(tie.image, tie.key, op)?);
    let goes = images.iter().find(|child| tie.key.is_from(&child.table) && child.op.is_none());
    if let Some(child) = goes.filter(|child| !child.key.is_empty()) {
        let places: Vec<(String, &String)> = child
            .key
            .iter()
            .map(|column| (format!("n_{}", place(child, column).expect("an image has its key")), column))
            .collect();
        let columns = places.iter().map(|(at, _)| at.as_str()).collect::<Vec<_>>().join(", ");
        let same = places.iter().map(|(at, column)| format!("g.{at} = c.{}", q(column)));
        // Images have no index over their keys; the server makes one for what it has to gather first.
        from += &format!(
            " LEFT JOIN (SELECT DISTINCT {columns} FROM {} WHERE op = 'I') AS g ON {}",
            q(&child.name),
            same.collect::<Vec<_>>().join(" AND ")
        );
        condition += &format!(" AND g.{} IS NULL", places[0].0);
    }
    Some((from, condition))
}

/// Lists the rows that are kept because others refer to them.
async fn list(
    session: &mut Session,
    image: &Image,
    ties: &[Tie<'_>],
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
    for tie in ties.iter().filter(|tie| tie.image.name == image.name) {
        let sql = format!(
            "SELECT DISTINCT {} FROM {} WHERE i.op = 'R' LIMIT {CONFLICTS_MAX} LOCK IN SHARE MODE",
            shown.join(", "),
            tie.rows()
        );
        for row in session.run(&sql).await?.rows {
            let named = image.key.iter().zip(&row);
            let named = named.map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or("NULL")));
            tally.conflicts.push(referred(image, &named.collect::<Vec<_>>().join(", "), tie.key));
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
