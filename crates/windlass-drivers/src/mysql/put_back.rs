//! Putting rows back: each only where it still holds what the release wrote; the others are conflicts.

use super::by_row;
use super::cover::{Cover, Image, Refusal};
use super::image::{self, Meet, joined, place, q, same};
use super::kept::{self, is_tied};
use super::ledger;
use super::session::{Session, Trouble};
use super::statement::{Job, failed, tx_lost};
use super::tables::{self, ForeignKey};
use crate::sql::conflicts::{self, Conflict};
use serde_json::json;
use windlass_driver::{Done, Failure, Fault, OnConflict};

/// Conflicts whose values are read; beyond that only their number is.
pub(super) const CONFLICTS_MAX: u64 = 100_000;

/// How an undo went.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) back: u64,
    pub(super) conflicts: Vec<Conflict>,
    /// Rows that they are about.
    pub(super) all: u64,
}

/// Undoes one statement in one transaction, together with its ledger row.
pub(super) async fn undo(job: &Job<'_>, session: &mut Session, cover: &Cover) -> Result<Done, Failure> {
    let clean = |trouble: Trouble, doing: &str| failed(job, &trouble, doing);
    image::remove_triggers(session, cover).await.map_err(|t| clean(t, "preparing the undo"))?;
    let settings = "SET sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'";
    session.run(settings).await.map_err(|t| clean(t, "preparing the undo"))?;
    session.run("START TRANSACTION").await.map_err(|t| clean(t, "beginning the undo"))?;
    let tally = match inside(job, session, cover).await {
        Ok(Some(tally)) => tally,
        Ok(None) => {
            let _ = session.run("ROLLBACK").await;
            let _ = image::remove(session, cover).await;
            let effects = vec!["undone before, by the ledger".to_owned()];
            return Ok(Done { changed: false, effects, ..Done::default() });
        }
        Err(failure) => {
            let _ = session.run("ROLLBACK").await;
            return Err(failure);
        }
    };
    if let Err(trouble) = session.run("COMMIT").await {
        return Err(tx_lost(job, &trouble));
    }
    // What stays behind when this fails is taken away by `windlass prune`.
    let _ = image::remove(session, cover).await;
    report(job, &tally)
}

async fn inside(job: &Job<'_>, session: &mut Session, cover: &Cover) -> Result<Option<Tally>, Failure> {
    let clean = |trouble: Trouble| failed(job, &trouble, "undoing");
    if ledger::find(session, job.key(), true).await.map_err(clean)?.is_none() {
        return Ok(None);
    }
    let tally = rows(job, session, cover).await?;
    ledger::delete(session, job.key()).await.map_err(clean)?;
    Ok(Some(tally))
}

/// Puts the rows of the images back, in a transaction that is open.
pub(super) async fn rows(job: &Job<'_>, session: &mut Session, cover: &Cover) -> Result<Tally, Failure> {
    let clean = |trouble: Trouble| failed(job, &trouble, "undoing");
    for image in &cover.images {
        if !ledger::exists(session, &image.name).await.map_err(clean)? {
            return Err(pruned(job, &image.table));
        }
    }
    quiet(session, &cover.images).await.map_err(|refusal| match refusal {
        Refusal::Trouble(trouble) => clean(trouble),
        Refusal::Why(why) => refused(job, &why),
    })?;
    let keys = tables::foreign_keys(session).await.map_err(clean)?;
    let mut images = vec![];
    for image in &cover.images {
        images.push(image::indexed(session, image).await.map_err(clean)?);
    }
    let images = kept::children_first(&images, &keys);
    let mut all_single = true;
    for image in &images {
        all_single &= single(session, image).await.map_err(clean)?;
    }
    let mut tally = Tally::default();
    let savepoint = "SAVEPOINT windlass_set";
    session.run(savepoint).await.map_err(clean)?;
    let done = match all_single {
        true => sets(session, &images, &keys, job.cx.on_conflict, &mut tally).await,
        false => Ok(false),
    };
    let done = match done {
        // Rows that took each other's unique values, or refer to each other, are put back in the order they were changed in.
        Err(trouble) if trouble.code() == 1062 || is_tied(&trouble) => {
            session.run("ROLLBACK TO SAVEPOINT windlass_set").await.map_err(clean)?;
            tally = Tally::default();
            false
        }
        other => other.map_err(clean)?,
    };
    if !done {
        by_row::put_back(session, &images, &keys, job.cx.on_conflict, &mut tally).await.map_err(clean)?;
    }
    if job.cx.on_conflict == OnConflict::Ask && tally.all > 0 {
        return Err(ask(job, &tally));
    }
    Ok(tally)
}

/// Refuses where a trigger that was made since would run when rows are put back. In a transaction none is made from here on.
pub(super) async fn quiet(session: &mut Session, images: &[Image]) -> Result<(), Refusal> {
    for image in images {
        session.run(&format!("SELECT 1 FROM {} LIMIT 1", q(&image.table))).await?;
    }
    let triggers = tables::triggers(session).await?;
    for trigger in &triggers {
        let Some(image) = images.iter().find(|image| image.table == trigger.table) else { continue };
        let op = match trigger.event.as_str() {
            "INSERT" => 'D',
            "DELETE" => 'I',
            _ => 'U',
        };
        let fires = match image.op {
            Some(of) => of == op,
            None => {
                let sql = format!("SELECT 1 FROM {} WHERE op = '{op}' LIMIT 1", q(&image.name));
                session.run(&sql).await?.count > 0
            }
        };
        if fires {
            return Err(Refusal::Why(format!(
                "the trigger `{}` of `{}` (on {}), made since, would run when rows are put back: drop it for the time of the undo",
                trigger.name, trigger.table, trigger.event
            )));
        }
    }
    Ok(())
}

/// The undo was not begun.
pub(super) fn refused(job: &Job<'_>, why: &str) -> Failure {
    let text = format!("{}: `{}` was not undone: {why}; nothing was changed", job.place(), job.short());
    Failure::clean(Fault::Target, text).hint("when that is put right: `windlass rollback`")
}

/// Whether each row of the image's table stands in it once, so that all can be put back at a time.
async fn single(session: &mut Session, image: &Image) -> Result<bool, Trouble> {
    if image.op.is_some() {
        return Ok(true);
    }
    if image.key.is_empty() {
        return Ok(false);
    }
    let side = |side: char| {
        image.key.iter().map(move |column| format!("{side}_{}", place(image, column).unwrap_or(0)))
    };
    // A changed key is both the old and the new row.
    let moved = side('o').zip(side('n')).map(|(old, new)| format!("(op = 'U' AND NOT {old} <=> {new})"));
    let moved = moved.collect::<Vec<_>>().join(" OR ");
    let keys = side('o')
        .zip(side('n'))
        .map(|(old, new)| format!("COALESCE({new}, {old})"))
        .collect::<Vec<_>>()
        .join(", ");
    let sql = format!(
        "SELECT COUNT(*) = COUNT(DISTINCT {keys}) AND COALESCE(SUM({moved}), 0) = 0 FROM {}",
        q(&image.name)
    );
    Ok(session.value(&sql).await?.as_deref() == Some("1"))
}

/// Places of the columns whose values tell whether a row is still as the statement left it.
pub(super) fn compared(image: &Image) -> Vec<usize> {
    if image.op.is_some() { image.written.clone() } else { (0..image.columns.len()).collect() }
}

/// Places of columns that the server would write along with a change, and that are to stay as they are.
pub(super) fn untouched_by_server(image: &Image) -> impl Iterator<Item = usize> {
    let places = 0..image.columns.len();
    places.filter(|at| image.op.is_some() && image.columns[*at].on_update && !image.written.contains(at))
}

/// Condition on `t` and `i`: the row holds what was written.
pub(super) fn untouched(image: &Image) -> String {
    let parts = compared(image)
        .into_iter()
        .map(|at| same(image, at, &format!("t.{}", q(&image.columns[at].name)), &format!("i.n_{at}")));
    let text = parts.collect::<Vec<_>>().join(" AND ");
    if text.is_empty() { "TRUE".to_owned() } else { text }
}

/// All rows of all images, a few statements for each; `images` begin with those that refer to the others.
async fn sets(
    session: &mut Session,
    images: &[&Image],
    keys: &[ForeignKey],
    on_conflict: OnConflict,
    tally: &mut Tally,
) -> Result<bool, Trouble> {
    let force = on_conflict == OnConflict::Force;
    for image in images {
        changed_since(session, image, 'I', tally).await?;
    }
    kept::mark(session, images, keys, force, tally).await?;
    for image in images {
        let held = if force { "TRUE".to_owned() } else { untouched(image) };
        if image.op.is_none() {
            let rows = joined(image, 'n', Meet::There);
            let sql = format!("DELETE t FROM {rows} WHERE i.op = 'I' AND {held}");
            tally.back += session.run(&sql).await?.affected;
        }
    }
    for image in images.iter().rev() {
        changed_since(session, image, 'U', tally).await?;
        let held = if force { "TRUE".to_owned() } else { untouched(image) };
        let side = if image.op.is_some() { 'o' } else { 'n' };
        let set =
            compared(image).into_iter().map(|at| format!("t.{} = i.o_{at}", q(&image.columns[at].name)));
        let still = untouched_by_server(image).map(|at| format!("t.{0} = t.{0}", q(&image.columns[at].name)));
        let set = set.chain(still).collect::<Vec<_>>().join(", ");
        if !set.is_empty() {
            let rows = joined(image, side, Meet::There);
            let sql = format!("UPDATE {rows} SET {set} WHERE i.op = 'U' AND {held}");
            tally.back += session.run(&sql).await?.affected;
        }
        if image.op == Some('U') {
            continue;
        }
        taken_since(session, image, tally).await?;
        let columns = image.columns.iter().map(|column| q(&column.name)).collect::<Vec<_>>().join(", ");
        let values = (0..image.columns.len()).map(|at| format!("i.o_{at}")).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "INSERT INTO {} ({columns}) SELECT {values} FROM {} WHERE i.op = 'D' AND t.{} IS NULL ORDER BY i.seq",
            q(&image.table),
            joined(image, 'o', Meet::Also),
            q(&image.key[0])
        );
        tally.back += session.run(&sql).await?.affected;
    }
    Ok(true)
}

/// Lists rows that no longer hold what was written, and locks all that are looked at.
async fn changed_since(
    session: &mut Session,
    image: &Image,
    op: char,
    tally: &mut Tally,
) -> Result<(), Trouble> {
    if image.op.is_some_and(|of| of != op) {
        return Ok(());
    }
    let side = if image.op.is_some() { 'o' } else { 'n' };
    let compared = compared(image);
    let mut wanted: Vec<String> =
        image.key.iter().map(|column| format!("i.{side}_{}", place(image, column).unwrap_or(0))).collect();
    wanted.push(format!("t.{} IS NULL", q(&image.key[0])));
    for at in &compared {
        let now = format!("t.{}", q(&image.columns[*at].name));
        let wrote = format!("i.n_{at}");
        wanted.push(same(image, *at, &now, &wrote));
        wanted.extend([format!("i.o_{at}"), wrote, now]);
    }
    let from = format!(
        "FROM {} WHERE i.op = '{op}' AND NOT (t.{} IS NOT NULL AND {})",
        joined(image, side, Meet::Also),
        q(&image.key[0]),
        untouched(image)
    );
    let limit = usize::try_from(CONFLICTS_MAX).unwrap_or(usize::MAX);
    let found = session.read(&format!("SELECT {} {from} FOR UPDATE", wanted.join(", ")), limit).await?;
    // A row that the statement made and that is gone is not a conflict: there is nothing to take back.
    let is_gone = |row: &[Option<String>]| row[image.key.len()].as_deref() == Some("1");
    for row in &found.rows {
        if op == 'I' && is_gone(row) {
            continue;
        }
        tally.all += 1;
        note(image, row, &compared, is_gone(row), tally);
    }
    Ok(())
}

fn note(image: &Image, row: &[Option<String>], compared: &[usize], gone: bool, tally: &mut Tally) {
    let key = image
        .key
        .iter()
        .zip(row)
        .map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or("NULL")));
    let key = key.collect::<Vec<_>>().join(", ");
    let conflict = |column: &str, values: [Option<String>; 3]| {
        let [before, wrote, now] = values;
        Conflict {
            table: image.table.clone(),
            key: key.clone(),
            column: column.to_owned(),
            before,
            wrote,
            now,
        }
    };
    if gone {
        return tally.conflicts.push(conflict("", [None, Some("a row".to_owned()), None]));
    }
    let mut rest = &row[image.key.len() + 1..];
    for at in compared {
        let (these, others) = rest.split_at(4);
        rest = others;
        if these[0].as_deref() != Some("1") {
            let values = [these[1].clone(), these[2].clone(), these[3].clone()];
            tally.conflicts.push(conflict(&image.columns[*at].name, values));
        }
    }
}

/// Lists deleted rows whose key is in use again.
async fn taken_since(session: &mut Session, image: &Image, tally: &mut Tally) -> Result<(), Trouble> {
    let keys = image.key.iter().map(|column| format!("i.o_{}", place(image, column).unwrap_or(0)));
    let sql = format!(
        "SELECT {} FROM {} WHERE i.op = 'D' FOR UPDATE",
        keys.collect::<Vec<_>>().join(", "),
        joined(image, 'o', Meet::There)
    );
    let found = session.run(&sql).await?;
    for row in &found.rows {
        let key = image
            .key
            .iter()
            .zip(row)
            .map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or("NULL")));
        let (before, now) = (Some("a row".to_owned()), Some("another row".to_owned()));
        let key = key.collect::<Vec<_>>().join(", ");
        let conflict =
            Conflict { table: image.table.clone(), key, column: String::new(), before, wrote: None, now };
        tally.conflicts.push(conflict);
        tally.all += 1;
    }
    Ok(())
}

pub(super) fn pruned(job: &Job<'_>, table: &str) -> Failure {
    let text = format!(
        "{}: `{}` cannot be taken back: what it changed in {table} is no longer kept (`windlass prune`?); nothing was changed",
        job.place(),
        job.short()
    );
    Failure::clean(Fault::Target, text)
        .hint("undo it by hand, or from a backup; then mark the unit done with `windlass decide`")
}

fn ask(job: &Job<'_>, tally: &Tally) -> Failure {
    let table = conflicts::table(&tally.conflicts, tally.conflicts.len() as u64);
    let text = format!(
        "{}: {} rows of `{}` were written to since; nothing of it was undone",
        job.place(),
        tally.all,
        job.short()
    );
    Failure::clean(Fault::Target, text)
        .output(windlass_driver::excerpt(&job.cx.secrets.mask(&table)))
        .hint("`--on-conflict=keep` leaves those rows as they are, `--on-conflict=force` puts them back too")
}

fn report(job: &Job<'_>, tally: &Tally) -> Result<Done, Failure> {
    let mut done = Done {
        changed: true,
        effects: vec![format!("{} rows put back", tally.back)],
        output: String::new(),
        facts: json!({ "rows": tally.back, "conflicts": tally.all }),
    };
    if tally.all > 0 {
        let table = conflicts::table(&tally.conflicts, tally.conflicts.len() as u64);
        done.output = windlass_driver::excerpt(&job.cx.secrets.mask(&table));
        let word = if job.cx.on_conflict == OnConflict::Force { "put back too, as forced" } else { "kept" };
        let file = match conflicts::write(&tally.conflicts, &job.cx.workspace) {
            Ok(path) => path.display().to_string(),
            Err(error) => format!("no file, for {error}"),
        };
        done.effects.push(format!("{} rows were written to since and {word}: {file}", tally.all));
    }
    Ok(done)
}
