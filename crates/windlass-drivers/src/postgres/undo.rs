//! Taking a unit back: definitions, then rows, then its ledger row, in one transaction.

use super::{
    apply::{Again, at},
    back::{Step, WayBack},
    batch,
    blockers::Watch,
    facts, few,
    job::{Job, Lock, Mode},
    ledger::{self, Entry},
    outside,
    put_back::{put_back, refused},
    race::Care,
    schema,
    session::Trouble,
    survey::sequences,
};
use crate::{
    disk::one_line,
    sql::{
        conflicts::{self, Conflict},
        place,
    },
};
use serde_json::json;
use std::collections::BTreeMap;
use tokio_postgres::error::SqlState;
use windlass_driver::{Done, Failure, Fault, OnConflict, excerpt};
use windlass_sql::postgres::{
    ident, qualified,
    rows::{Image, Op},
    text,
};

/// Tries for locks.
const TRIES: u32 = 5;

/// Takes the unit back.
pub(super) async fn undo(job: &Job) -> Result<Done, Failure> {
    let (mut tries, mut care) = (0, Care::Count);
    loop {
        let watch = (tries > 0).then(|| Watch::begin(job));
        let result = once(job, care).await;
        let blockers = match watch {
            Some(watch) => watch.end().await,
            None => vec![],
        };
        let (trouble, doing) = match result {
            Ok(done) => return Ok(done),
            Err(Again::Failed(failure)) => {
                job.session.rollback().await;
                return Err(*failure);
            }
            Err(Again::Prepared(_)) => unreachable!("a way back is known beforehand"),
            Err(Again::Trouble(trouble, doing)) => (trouble, doing),
        };
        job.session.rollback().await;
        tries += 1;
        let again = [
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
        ];
        let raced = matches!(trouble, Trouble::Raced);
        if raced {
            care = Care::Compare;
        }
        let again = raced || again.iter().any(|code| trouble.is(code));
        if !again || tries >= TRIES || job.cx.stopping.asked() {
            let mut failure = job.failure(trouble, doing);
            failure.hints.extend(blockers);
            return Err(failure);
        }
        super::apply::pause(job, tries).await;
    }
}

async fn once(job: &Job, care: Care) -> Result<Done, Again> {
    let reading = at("reading the ledger");
    let entry = match ledger::exists(&job.session).await.map_err(&reading)? {
        true => ledger::find(&job.session, &job.cx.run, &job.unit.id.0).await.map_err(&reading)?,
        false => None,
    };
    let Some(entry) = entry else {
        let effects = vec!["not in the ledger: nothing to take back".to_owned()];
        return Ok(Done { changed: false, effects, ..Done::default() });
    };
    if entry.way_back.batches.is_some() {
        return Ok(batch::undo(&job.cx, &job.unit, entry).await?);
    }
    if outside::is(job.statement(), &job.summary()) {
        return outside::undo(job, &entry).await;
    }
    job.begin(Mode::Write, &locks(job, &entry.way_back).await?)
        .await
        .map_err(at("waiting for its tables"))?;
    let Some(mut entry) = ledger::find(&job.session, &job.cx.run, &job.unit.id.0).await.map_err(&reading)?
    else {
        return Ok(Done::default());
    };
    job.scope().await.map_err(at("its settings"))?;
    job.session.act("SET LOCAL row_security = off").await.map_err(at("its settings"))?;
    few::spread(job, &mut entry.way_back).await?;
    let (mut lines, mut found) = schema::undo(job, &entry, care).await?;
    let (rows, more) = rows(job, &entry).await?;
    found.extend(more);
    let all = found.len() as u64;
    if all > 0 && job.cx.on_conflict == OnConflict::Ask {
        return Err(asked(job, &found, all).into());
    }
    lines.extend(moved(job, &entry).await?);
    clear(job, &entry).await?;
    job.session.commit().await.map_err(|trouble| committed(job, trouble))?;
    if rows > 0 || lines.is_empty() {
        lines.push(format!("{rows} rows put back"));
    }
    Ok(report(job, lines, rows, &found, all))
}

/// Sequences that rows took their numbers from: others may have taken some since, so they stay where they are.
async fn moved(job: &Job, entry: &Entry) -> Result<Vec<String>, Again> {
    let mut lines = vec![];
    for image in &entry.way_back.images {
        let steps = job.session.ask(&image.steps()).await.map_err(at("reading the before-image"))?;
        if steps.iter().any(|row| row.get(1).cloned().flatten().as_deref() == Some("i")) {
            let found = sequences(job, &qualified(&image.schema, &image.table)).await;
            let found = found.map_err(at("looking for its sequences"))?;
            lines.extend(found.into_iter().map(|name| format!("sequence {name} stays where it is")));
        }
    }
    Ok(lines)
}

/// The tables whose rows are compared with what was written, or counted, before they go back or go: those of them that are there now.
/// What others write to them meanwhile would not be seen.
async fn locks(job: &Job, way_back: &WayBack) -> Result<Vec<Lock>, Again> {
    let few = way_back.few.iter().map(|few| &few.image);
    let images = way_back.images.iter().chain(few);
    let compared = way_back.schema.iter().filter_map(|step| match step {
        Step::DropTable { schema, table, .. } => Some(qualified(schema, table)),
        Step::Forget { image, .. } => Some(qualified(&image.schema, &image.table)),
        Step::Sql { .. } | Step::Fill { .. } | Step::Unless { .. } => None,
    });
    let mut found = vec![];
    for table in images.map(|image| qualified(&image.schema, &image.table)).chain(compared) {
        let sql = format!("SELECT pg_catalog.to_regclass({})::text", text(&table));
        if job.session.value(&sql).await.map_err(at("looking for its tables"))?.is_some() {
            found.push(table);
        }
    }
    Ok(Lock::writers(&found))
}

/// Puts rows back, newest change first. Gives how many, and what was left alone.
async fn rows(job: &Job, entry: &Entry) -> Result<(u64, Vec<Conflict>), Again> {
    let images = &current(job, &entry.way_back.images).await?;
    let mut steps: Vec<Kept<'_>> = vec![];
    for image in images {
        for row in job.session.ask(&image.steps()).await.map_err(at("reading the before-image"))? {
            let [Some(step), Some(letter), _] = row.as_slice() else { continue };
            if let (Ok(step), Some(op)) = (step.parse(), Op::from_letter(letter)) {
                steps.push((step, op, image));
            }
        }
    }
    put_back(job, images, ordered(steps)).await
}

/// The images with the foreign keys that there are now.
pub(super) async fn current(job: &Job, images: &[Image]) -> Result<Vec<Image>, Again> {
    let reading = at("reading the catalog");
    let mut found = vec![];
    for image in images {
        let kept = text(&qualified("windlass", &image.image));
        let kept = job.session.value(&format!("SELECT pg_catalog.to_regclass({kept})::text")).await;
        if kept.map_err(&reading)?.is_none() {
            return Err(pruned(job, &format!("{}.{}", image.schema, image.table)));
        }
        let name = text(&qualified(&image.schema, &image.table));
        let oid = job.session.value(&format!("SELECT pg_catalog.to_regclass({name})::pg_catalog.oid")).await;
        let oid = oid.map_err(&reading)?.and_then(|oid| oid.parse().ok());
        let mut tables =
            facts::tables(&job.session, &oid.into_iter().collect::<Vec<u32>>()).await.map_err(&reading)?;
        let mut image = image.clone();
        if let Some((_, table)) = tables.pop_first() {
            image.children = table.children.into_iter().map(|child| child.reference).collect();
            image.parents = table.parents;
            image.above = table.above;
        }
        found.push(image);
    }
    Ok(found)
}

fn pruned(job: &Job, table: &str) -> Again {
    Failure::clean(
        Fault::Target,
        format!(
            "{}: `{}` cannot be taken back: what it changed in {table} is no longer kept (`windlass prune`?); nothing was changed",
            place(&job.cx, &job.unit, None),
            one_line(job.statement(), 120)
        ),
    )
    .hint("undo it by hand, or from a backup; then mark the unit done with `windlass decide`")
    .into()
}

/// A step of an image.
pub(super) type Kept<'a> = (i64, Op, &'a Image);

/// Changes of one table, and what foreign keys did about them.
type Group<'a> = (Vec<Kept<'a>>, Vec<Kept<'a>>);

/// Newest first; but what foreign keys did about a change comes behind it: PostgreSQL numbers it later, and rows do not come
/// back without those that they refer to.
fn ordered<'a>(mut steps: Vec<Kept<'a>>) -> Vec<Kept<'a>> {
    steps.sort_by_key(|(step, ..)| *step);
    // Changes of one table in a row (one statement may be several), and what followed of them.
    let mut groups: Vec<Group<'a>> = vec![];
    for step in steps {
        let (_, op, image) = step;
        let follows = |(roots, followers): &Group<'a>| {
            let mut all = roots.iter().chain(followers.iter());
            op != Op::Insert
                && all.clone().any(|(_, of, other)| {
                    *of != Op::Insert && image.refers(other, (*of, op) != (Op::Delete, Op::Delete))
                })
                && all.all(|(_, of, other)| (*of, *other) != (op, image) || image.follows(image))
        };
        // Rows that one part of a statement adds come between another part and what follows of that.
        let adds = |(roots, _): &&mut Group<'a>| roots.iter().all(|(_, of, _)| *of == Op::Insert);
        if let Some((_, followers)) =
            groups.iter_mut().rev().find(|group| !adds(group)).filter(|group| follows(group))
        {
            followers.push(step);
            continue;
        }
        match groups.last_mut() {
            Some((roots, followers))
                if followers.is_empty() && roots.iter().all(|(_, _, other)| other.is_one_with(image)) =>
            {
                roots.push(step);
            }
            _ => groups.push((vec![step], vec![])),
        }
    }
    let undone = |(roots, followers): Group<'a>| roots.into_iter().rev().chain(followers).collect::<Vec<_>>();
    groups.into_iter().rev().flat_map(undone).collect()
}

/// A row of [`Image::conflicts`].
pub(super) fn conflict(image: &Image, row: Vec<Option<String>>) -> Conflict {
    let table = format!("{}.{}", image.schema, image.table);
    let mut values = row.into_iter();
    let mut next = || values.next().flatten();
    let (key, column) = (next().unwrap_or_default(), next().unwrap_or_default());
    let (before, wrote, now) = (next(), next(), next());
    Conflict { table, key, column, before, wrote, now }
}

/// Switches off what would answer to rows that come back. Gives the statements that switch it on again.
pub(super) async fn quiet(job: &Job, images: &[Image]) -> Result<String, Again> {
    let mut on = BTreeMap::new();
    for image in images {
        let table = qualified(&image.schema, &image.table);
        let sql = format!(
            "SELECT 'TRIGGER', tgname, tgenabled FROM pg_trigger WHERE tgrelid = {0}::regclass AND NOT tgisinternal AND tgenabled \
             <> 'D' AND tgparentid = 0 UNION ALL SELECT 'RULE', rulename, ev_enabled FROM pg_rewrite WHERE ev_class = \
             {0}::regclass AND ev_enabled <> 'D' AND rulename <> '_RETURN'",
            text(&table)
        );
        for row in job.session.ask(&sql).await.map_err(at("reading triggers"))? {
            let [Some(what), Some(name), Some(enabled)] = row.as_slice() else { continue };
            let how = match enabled.as_str() {
                "A" => "ENABLE ALWAYS",
                "R" => "ENABLE REPLICA",
                _ => "ENABLE",
            };
            let name = ident(name);
            let off = format!("ALTER TABLE {table} DISABLE {what} {name}");
            job.session.act(&off).await.map_err(at("switching triggers off while rows come back"))?;
            on.insert(off, format!("ALTER TABLE {table} {how} {what} {name}"));
        }
    }
    // Tables with checks that wait for the commit cannot be altered.
    let checks = (!on.is_empty()).then(|| "SET CONSTRAINTS ALL IMMEDIATE".to_owned());
    Ok(checks.into_iter().chain(on.into_values()).collect::<Vec<_>>().join("; "))
}

/// Removes what belongs to the unit.
pub(super) async fn clear(job: &Job, entry: &Entry) -> Result<(), Again> {
    let mut sql: Vec<String> = entry.way_back.images.iter().map(Image::drop).collect();
    for schema in &entry.way_back.aside {
        // Empty: all that was in it is back where it was.
        sql.push(format!("DROP SCHEMA IF EXISTS {} RESTRICT", ident(schema)));
    }
    let (run, unit) = (text(&job.cx.run), text(&job.unit.id.0));
    sql.push(format!(
        "DELETE FROM windlass.aside WHERE run = {run} AND unit = {unit} AND what <> 'written since'"
    ));
    job.session
        .act(&format!("SET LOCAL client_min_messages = warning; {}", sql.join("; ")))
        .await
        .map_err(at("clearing up"))?;
    ledger::remove(&job.session, entry.seq).await.map_err(at("writing the ledger"))
}

fn committed(job: &Job, trouble: Trouble) -> Again {
    match trouble {
        Trouble::Lost(why) => Failure::unknown(
            Fault::Transport,
            format!(
                "{}: the connection to {} was lost in the commit of the undo: {why}; whether it took effect is in the ledger",
                place(&job.cx, &job.unit, None),
                job.session.shown
            ),
        )
        .into(),
        trouble => Again::Trouble(trouble, "committing the undo"),
    }
}

fn asked(job: &Job, found: &[Conflict], all: u64) -> Failure {
    let failure = Failure::clean(
        Fault::Target,
        format!(
            "{}: {all} values of `{}` were written to since by others; nothing of it was taken back",
            place(&job.cx, &job.unit, None),
            one_line(job.statement(), 120)
        ),
    )
    .hint("--on-conflict=keep leaves those as they are, --on-conflict=force overwrites them")
    .output(excerpt(&conflicts::table(found, all)));
    listed(job, found, failure)
}

fn listed(job: &Job, found: &[Conflict], failure: Failure) -> Failure {
    match conflicts::write(found, &job.cx.workspace) {
        Ok(path) => failure.hint(format!("all of them: {}", path.display())),
        Err(error) => failure.hint(format!("they could not be written to a file: {error}")),
    }
}

fn report(job: &Job, mut lines: Vec<String>, rows: u64, found: &[Conflict], all: u64) -> Done {
    let mut output = String::new();
    if all > 0 {
        let what = match job.cx.on_conflict {
            OnConflict::Force => "were overwritten",
            _ => "were left as they are",
        };
        let refused = refused(found);
        let values = all.saturating_sub(refused as u64);
        if values > 0 {
            lines.push(format!("{values} values that others wrote since {what}"));
        }
        if refused > 0 {
            lines.push(format!(
                "{refused} rows stay as they are: what others wrote since stands in their way"
            ));
        }
        match conflicts::write(found, &job.cx.workspace) {
            Ok(path) => lines.push(format!("listed in {}", path.display())),
            Err(error) => lines.push(format!("the list could not be written: {error}")),
        }
        output = job.cx.secrets.mask(&conflicts::table(found, all));
        (job.cx.output)(&output);
    }
    let facts = json!({ "rows": rows, "conflicts": all });
    Done { changed: true, effects: lines, output: excerpt(&output), facts }
}
