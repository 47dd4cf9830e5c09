//! Putting rows back: each only where it still holds what the release wrote; the others are conflicts.

use super::cover::{Cover, Image, KEYLESS_MAX};
use super::image::{self, on_key, place, q, same};
use super::ledger;
use super::session::{Session, Trouble};
use super::statement::{Job, failed, tx_lost};
use crate::sql::conflicts::{self, Conflict};
use serde_json::json;
use windlass_driver::{Done, Failure, Fault, OnConflict};

/// Conflicts whose values are read; beyond that only their number is.
const CONFLICTS_MAX: u64 = 100_000;

/// How an undo went.
#[derive(Default)]
struct Tally {
    back: u64,
    conflicts: Vec<Conflict>,
    /// Of them, those that are kept as they are.
    all: u64,
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
    let mut tally = Tally::default();
    let mut plan = vec![];
    for image in &cover.images {
        plan.push((image, single(session, image).await.map_err(clean)?));
    }
    let by_row = plan.iter().any(|(_, single)| !single);
    if by_row {
        for image in cover.images.iter().rev() {
            rows_one_by_one(session, image, job.cx.on_conflict, &mut tally).await.map_err(clean)?;
        }
    } else {
        let savepoint = "SAVEPOINT windlass_set";
        session.run(savepoint).await.map_err(clean)?;
        match sets(session, cover, job.cx.on_conflict, &mut tally).await {
            Ok(()) => {}
            // Rows that took each other's unique values are put back in the order they were changed in.
            Err(trouble) if trouble.code() == 1062 => {
                session.run("ROLLBACK TO SAVEPOINT windlass_set").await.map_err(clean)?;
                tally = Tally::default();
                for image in cover.images.iter().rev() {
                    rows_one_by_one(session, image, job.cx.on_conflict, &mut tally).await.map_err(clean)?;
                }
            }
            Err(trouble) => return Err(clean(trouble)),
        }
    }
    if job.cx.on_conflict == OnConflict::Ask && tally.all > 0 {
        return Err(ask(job, &tally));
    }
    ledger::delete(session, job.key()).await.map_err(clean)?;
    Ok(Some(tally))
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
fn compared(image: &Image) -> Vec<usize> {
    if image.op.is_some() { image.written.clone() } else { (0..image.columns.len()).collect() }
}

/// Condition on `t` and `i`: the row holds what was written.
fn untouched(image: &Image) -> String {
    let parts = compared(image)
        .into_iter()
        .map(|at| same(image, at, &format!("t.{}", q(&image.columns[at].name)), &format!("i.n_{at}")));
    let text = parts.collect::<Vec<_>>().join(" AND ");
    if text.is_empty() { "TRUE".to_owned() } else { text }
}

/// All rows of all images, a few statements for each.
async fn sets(
    session: &mut Session,
    cover: &Cover,
    on_conflict: OnConflict,
    tally: &mut Tally,
) -> Result<(), Trouble> {
    let force = on_conflict == OnConflict::Force;
    for image in cover.images.iter().rev() {
        changed_since(session, image, 'I', tally).await?;
        let (name, table) = (q(&image.name), q(&image.table));
        let held = if force { "TRUE".to_owned() } else { untouched(image) };
        if image.op.is_none() {
            let sql = format!(
                "DELETE t FROM {table} AS t JOIN {name} AS i ON {} WHERE i.op = 'I' AND {held}",
                on_key(image, 'n')
            );
            tally.back += session.run(&sql).await?.affected;
        }
    }
    for image in &cover.images {
        changed_since(session, image, 'U', tally).await?;
        let (name, table) = (q(&image.name), q(&image.table));
        let held = if force { "TRUE".to_owned() } else { untouched(image) };
        let side = if image.op.is_some() { 'o' } else { 'n' };
        let set =
            compared(image).into_iter().map(|at| format!("t.{} = i.o_{at}", q(&image.columns[at].name)));
        let set = set.collect::<Vec<_>>().join(", ");
        if !set.is_empty() {
            let sql = format!(
                "UPDATE {table} AS t JOIN {name} AS i ON {} SET {set} WHERE i.op = 'U' AND {held}",
                on_key(image, side)
            );
            tally.back += session.run(&sql).await?.affected;
        }
        if image.op == Some('U') {
            continue;
        }
        taken_since(session, image, tally).await?;
        let columns = image.columns.iter().map(|column| q(&column.name)).collect::<Vec<_>>().join(", ");
        let values = (0..image.columns.len()).map(|at| format!("i.o_{at}")).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "INSERT INTO {table} ({columns}) SELECT {values} FROM {name} AS i LEFT JOIN {table} AS t ON {} \
             WHERE i.op = 'D' AND t.{} IS NULL ORDER BY i.seq",
            on_key(image, 'o'),
            q(&image.key[0])
        );
        tally.back += session.run(&sql).await?.affected;
    }
    Ok(())
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
        "FROM {} AS i LEFT JOIN {} AS t ON {} WHERE i.op = '{op}' AND NOT (t.{} IS NOT NULL AND {})",
        q(&image.name),
        q(&image.table),
        on_key(image, side),
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
        "SELECT {} FROM {} AS i JOIN {} AS t ON {} WHERE i.op = 'D' FOR UPDATE",
        keys.collect::<Vec<_>>().join(", "),
        q(&image.name),
        q(&image.table),
        on_key(image, 'o')
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

/// Row by row, the last change first.
async fn rows_one_by_one(
    session: &mut Session,
    image: &Image,
    on_conflict: OnConflict,
    tally: &mut Tally,
) -> Result<(), Trouble> {
    let name = q(&image.name);
    let found = session.run(&format!("SELECT seq, op FROM {name} ORDER BY seq DESC")).await?;
    if image.key.is_empty() && found.count > KEYLESS_MAX {
        let text = format!("{} rows of a table without a key", found.count);
        return Err(Trouble::Server { code: 0, text });
    }
    for row in &found.rows {
        let (Some(Some(seq)), Some(Some(op))) = (row.first(), row.get(1)) else { continue };
        let wrote = |at: usize, side: char| format!("(SELECT {side}_{at} FROM {name} WHERE seq = {seq})");
        let force = on_conflict == OnConflict::Force && !image.key.is_empty();
        let side = if image.op.is_some() { 'o' } else { 'n' };
        let mut held: Vec<String> = image
            .key
            .iter()
            .filter_map(|column| place(image, column))
            .map(|at| format!("{} = {}", q(&image.columns[at].name), wrote(at, side)))
            .collect();
        if !force {
            let compared = compared(image).into_iter();
            held.extend(compared.map(|at| same(image, at, &q(&image.columns[at].name), &wrote(at, 'n'))));
        }
        let (held, table) = (held.join(" AND "), q(&image.table));
        let sql = match op.as_str() {
            "I" => format!("DELETE FROM {table} WHERE {held} LIMIT 1"),
            "U" => {
                let set = compared(image)
                    .into_iter()
                    .map(|at| format!("{} = {}", q(&image.columns[at].name), wrote(at, 'o')));
                format!("UPDATE {table} SET {} WHERE {held} LIMIT 1", set.collect::<Vec<_>>().join(", "))
            }
            _ => {
                let columns =
                    image.columns.iter().map(|column| q(&column.name)).collect::<Vec<_>>().join(", ");
                let values =
                    (0..image.columns.len()).map(|at| format!("o_{at}")).collect::<Vec<_>>().join(", ");
                format!("INSERT INTO {table} ({columns}) SELECT {values} FROM {name} WHERE seq = {seq}")
            }
        };
        let changed = match session.run(&sql).await {
            Ok(answer) => answer.matched.unwrap_or(answer.affected),
            Err(trouble) if trouble.code() == 1062 => 0,
            Err(trouble) => return Err(trouble),
        };
        if changed > 0 {
            tally.back += changed;
        } else {
            tally.all += 1;
            one_conflict(session, image, (seq, op), tally).await?;
        }
    }
    Ok(())
}

/// What a change of one row was, for the list.
async fn one_conflict(
    session: &mut Session,
    image: &Image,
    (seq, op): (&str, &str),
    tally: &mut Tally,
) -> Result<(), Trouble> {
    let found = session.run(&format!("SELECT * FROM {} WHERE seq = {seq}", q(&image.name))).await?;
    let Some(row) = found.rows.first() else { return Ok(()) };
    let value = |at: usize, new: bool| row.get(2 + at * 2 + usize::from(new)).cloned().flatten();
    let new = op != "D";
    let shown =
        |at: usize| format!("{}={}", image.columns[at].name, value(at, new).as_deref().unwrap_or("NULL"));
    let places: Vec<usize> = match image.key.is_empty() {
        true => (0..image.columns.len()).collect(),
        false => image.key.iter().filter_map(|column| place(image, column)).collect(),
    };
    let key = places.into_iter().map(shown).collect::<Vec<_>>().join(", ");
    let side = |is: bool| is.then(|| "a row".to_owned());
    tally.conflicts.push(Conflict {
        table: image.table.clone(),
        key,
        column: String::new(),
        before: side(op != "I"),
        wrote: side(op != "D"),
        now: Some("another".to_owned()),
    });
    Ok(())
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
