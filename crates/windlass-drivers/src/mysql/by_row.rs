//! Putting rows back one by one, the last change first: where rows changed more than once, took each other's unique values,
//! or have no key.

use super::cover::{Image, KEYLESS_MAX};
use super::image::{place, q, same};
use super::kept::{self, Tie, concerned, is_tied};
use super::put_back::{Tally, compared, untouched_by_server};
use super::session::{Session, Trouble};
use super::tables::ForeignKey;
use crate::sql::conflicts::Conflict;
use windlass_driver::OnConflict;

/// One change of one row.
struct Change<'i> {
    image: &'i Image,
    seq: String,
    op: String,
}

/// What became of it.
enum Put<'k> {
    Back,
    /// Somebody has written to the row.
    Written,
    /// Another row stands in the way, which may go yet.
    InTheWay(Option<&'k ForeignKey>),
}

/// Puts all changes back; what has to wait for others is tried again as long as that helps.
pub(super) async fn put_back(
    session: &mut Session,
    images: &[&Image],
    keys: &[ForeignKey],
    on_conflict: OnConflict,
    tally: &mut Tally,
) -> Result<(), Trouble> {
    let ties = kept::ties(session, images, keys).await?;
    let mut open = vec![];
    for image in images {
        let found = session.run(&format!("SELECT seq, op FROM {} ORDER BY seq DESC", q(&image.name))).await?;
        if image.key.is_empty() && found.count > KEYLESS_MAX {
            let text = format!("{} rows of a table without a key", found.count);
            return Err(Trouble::Server { code: 0, text });
        }
        for row in found.rows {
            let mut values = row.into_iter();
            let (Some(Some(seq)), Some(Some(op))) = (values.next(), values.next()) else { continue };
            open.push(Change { image, seq, op });
        }
    }
    loop {
        let before = open.len();
        let mut waiting = vec![];
        for change in open {
            match one(session, &change, &ties, on_conflict).await? {
                Put::Back => tally.back += 1,
                Put::Written => conflict(session, &change, None, tally).await?,
                Put::InTheWay(key) => waiting.push((change, key)),
            }
        }
        if waiting.is_empty() {
            return Ok(());
        }
        if waiting.len() == before {
            for (change, key) in waiting {
                conflict(session, &change, key, tally).await?;
            }
            return Ok(());
        }
        open = waiting.into_iter().map(|(change, _)| change).collect();
    }
}

async fn one<'k>(
    session: &mut Session,
    change: &Change<'_>,
    ties: &[Tie<'k>],
    on_conflict: OnConflict,
) -> Result<Put<'k>, Trouble> {
    let Change { image, seq, op } = change;
    let (name, table) = (q(&image.name), q(&image.table));
    let column = |at: usize| format!("{table}.{}", q(&image.columns[at].name));
    let wrote = |at: usize, side: char| format!("(SELECT {side}_{at} FROM {name} WHERE seq = {seq})");
    let force = on_conflict == OnConflict::Force && !image.key.is_empty();
    let side = if image.op.is_some() { 'o' } else { 'n' };
    let mut held: Vec<String> = image
        .key
        .iter()
        .filter_map(|key| place(image, key))
        .map(|at| format!("{} = {}", column(at), wrote(at, side)))
        .collect();
    if !force {
        held.extend(compared(image).into_iter().map(|at| same(image, at, &column(at), &wrote(at, 'n'))));
    }
    let held = held.join(" AND ");
    if op != "D"
        && let Some(key) = referred(session, change, ties, &held).await?
    {
        return Ok(Put::InTheWay(Some(key)));
    }
    let sql = match op.as_str() {
        "I" => format!("DELETE FROM {table} WHERE {held} LIMIT 1"),
        "U" => {
            let set = compared(image).into_iter().map(|at| format!("{} = {}", column(at), wrote(at, 'o')));
            let set = set.chain(untouched_by_server(image).map(|at| format!("{0} = {0}", column(at))));
            format!("UPDATE {table} SET {} WHERE {held} LIMIT 1", set.collect::<Vec<_>>().join(", "))
        }
        _ => {
            let columns = image.columns.iter().map(|column| q(&column.name)).collect::<Vec<_>>().join(", ");
            let values = (0..image.columns.len()).map(|at| format!("o_{at}")).collect::<Vec<_>>().join(", ");
            format!("INSERT INTO {table} ({columns}) SELECT {values} FROM {name} WHERE seq = {seq}")
        }
    };
    match session.run(&sql).await {
        Ok(answer) if answer.matched.unwrap_or(answer.affected) > 0 => Ok(Put::Back),
        Ok(_) => Ok(Put::Written),
        Err(trouble) if trouble.code() == 1062 || is_tied(&trouble) => Ok(Put::InTheWay(None)),
        Err(trouble) => Err(trouble),
    }
}

/// A foreign key by which a row refers to the one that goes, or loses what is referred to; the row as `held` finds it.
async fn referred<'k>(
    session: &mut Session,
    change: &Change<'_>,
    ties: &[Tie<'k>],
    held: &str,
) -> Result<Option<&'k ForeignKey>, Trouble> {
    let Change { image, seq, op } = change;
    let table = q(&image.table);
    // Where foreign keys are not checked, rows may always have referred to one that was replaced: it comes back under its key.
    let side =
        |side: char| image.key.iter().map(move |of| format!("{side}_{}", place(image, of).unwrap_or(0)));
    let same_key = side('o').zip(side('n')).map(|(old, new)| format!("d.{old} = i.{new}"));
    let replaced = match op.as_str() {
        "I" if !image.key.is_empty() => format!(
            " AND NOT (@@foreign_key_checks = 0 AND EXISTS (SELECT 1 FROM {} AS d WHERE d.op = 'D' AND d.seq < {seq} AND {}))",
            q(&image.name),
            same_key.collect::<Vec<_>>().join(" AND ")
        ),
        _ => String::new(),
    };
    for tie in ties.iter().filter(|tie| tie.image.name == image.name) {
        let key = tie.key;
        let Some(differs) = concerned(image, key, op.chars().next().unwrap_or('I')) else { continue };
        // A row that refers to itself goes with itself.
        let own = image.key.iter().map(|column| format!("c.{0} = {table}.{0}", q(column)));
        let own = own.collect::<Vec<_>>().join(" AND ");
        let other = if key.is_from(&image.table) && !own.is_empty() {
            format!(" AND NOT ({own})")
        } else {
            String::new()
        };
        let sql = format!(
            "SELECT 1 FROM {table} JOIN {} AS i ON i.seq = {seq}{} WHERE {held} AND {differs}{other}{replaced} LIMIT 1 \
             LOCK IN SHARE MODE",
            q(&image.name),
            tie.referring(&table)
        );
        if session.run(&sql).await?.count > 0 {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// What a change of one row was, for the list.
async fn conflict(
    session: &mut Session,
    change: &Change<'_>,
    key: Option<&ForeignKey>,
    tally: &mut Tally,
) -> Result<(), Trouble> {
    let Change { image, seq, op } = change;
    let found = session.run(&format!("SELECT * FROM {} WHERE seq = {seq}", q(&image.name))).await?;
    let Some(row) = found.rows.first() else { return Ok(()) };
    tally.all += 1;
    let value = |at: usize, new: bool| row.get(2 + at * 2 + usize::from(new)).cloned().flatten();
    let new = op != "D";
    let shown =
        |at: usize| format!("{}={}", image.columns[at].name, value(at, new).as_deref().unwrap_or("NULL"));
    let places: Vec<usize> = match image.key.is_empty() {
        true => (0..image.columns.len()).collect(),
        false => image.key.iter().filter_map(|column| place(image, column)).collect(),
    };
    let row = places.into_iter().map(shown).collect::<Vec<_>>().join(", ");
    if let Some(key) = key {
        tally.conflicts.push(kept::referred(image, &row, key));
        return Ok(());
    }
    let side = |is: bool| is.then(|| "a row".to_owned());
    tally.conflicts.push(Conflict {
        table: image.table.clone(),
        key: row,
        column: String::new(),
        before: side(op != "I"),
        wrote: side(op != "D"),
        now: Some("another".to_owned()),
    });
    Ok(())
}
