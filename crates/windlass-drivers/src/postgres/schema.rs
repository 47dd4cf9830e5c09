//! Statements on definitions: tried, compared with the catalog before, taken back on trial, and only then committed. What
//! they would destroy is kept or set aside first, in a second try that knows about it.

use super::{
    apply::{Again, Effects, Prep, at, run},
    back::{Print, Step, WayBack},
    catalogs,
    facts::{self, Counts},
    job::{Job, Scope},
    ledger::Entry,
    proof::{self, BEFOREHAND},
    race::{Care, Look},
    retype::{Said, Weighed, rewritten, spells, widens},
    rows::Cover,
    sequences::{self, Held},
    session::Answer,
    snapshot,
    values::{self, Kept},
};
use crate::{
    disk::{one_line, sha256},
    sql::{conflicts::Conflict, place},
};
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::error::SqlState;
use windlass_driver::{Failure, Fault};
use windlass_sql::postgres::{
    catalog::{Catalog, Class, Id, Object},
    qualified, text, write,
};

/// What a statement takes away, and how that is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Keep {
    /// Tables that go: set aside.
    pub(super) tables: BTreeSet<u32>,
    /// Tables that are emptied: all rows are kept.
    pub(super) rows: BTreeSet<u32>,
    /// Columns that go or get a type that holds less: their values are kept, by table.
    pub(super) columns: BTreeMap<u32, Vec<String>>,
    /// Keys that there are behind it, by the names before it, of tables whose own key goes.
    pub(super) keys: BTreeMap<u32, Vec<String>>,
    /// Tables that it writes anew, where only the values tell what it does to them.
    pub(super) weigh: BTreeSet<u32>,
}

/// A table is read from its beginning, so that what writes it anew leaves its rows in their order.
const SETTINGS: &str = "SET LOCAL jit = off; SET LOCAL synchronize_seqscans = off";

/// Runs the statement.
pub(super) async fn apply(job: &Job, scope: &Scope, prep: &Prep, seq: i64) -> Result<Effects, Again> {
    job.session.act(SETTINGS).await.map_err(at("its settings"))?;
    let reading = at("reading the catalog");
    let early = Look::early(job, prep.care).await.map_err(at("counting"))?;
    let held = Held::take(job, scope).await?;
    let before = snapshot::read(&job.session).await.map_err(&reading)?;
    let mut kept = Kept::make(job, prep, seq).await?;
    let weighed = Weighed::take(job, &prep.keep.weigh).await?;
    if job.is_scratch {
        kept.said.extend(weighed.without_key().map(|table| {
            format!("{BEFOREHAND}refused if it changes values of {table}, which has no key: write `undoes=ID` or `irreversible`")
        }));
    }
    let cover = match prep.cover.is_empty() {
        true => None,
        false => Some(Cover::put(job, prep, &prep.cover, seq).await?),
    };
    let (look, counts) = Look::take(job, prep.care, early).await.map_err(at("counting"))?;
    let rows = catalogs::Rows::read(job, &prep.unseen).await?;
    job.session.act("SAVEPOINT windlass_s").await.map_err(at("beginning"))?;
    let (answer, freed) = tried(job, scope).await?;
    job.own(scope).await.map_err(at("its settings"))?;
    let counted = facts::counts(&job.session).await.map_err(at("counting"))?;
    if let Err(again) = look.alone(job, &counted).await {
        // What this try has moved stays where it is.
        if let Ok(after) = snapshot::read(&job.session).await {
            job.remember(&sequences::moved(&prep.moved, &before, &after));
        }
        return Err(again);
    }
    let after = snapshot::read(&job.session).await.map_err(&reading)?;
    let written = counted.catalogs(&counts);
    catalogs::known(job, &before, &after, &written)?;
    let unseen = catalogs::unseen(job, &before, &after, &written);
    if !unseen.is_empty() && unseen.is_subset(&prep.unseen) && !freed {
        catalogs::Rows::read(job, &prep.unseen).await?.same(job, &rows, (&before, &after)).await?;
    }
    let changed = weighed.changed(job, &before, &after).await?;
    let mut next = lost(job, prep, (&before, &after), &changed, (&counts, &counted)).await?;
    // It only grows, so that the tries come to an end.
    next.unseen = &prep.unseen | &unseen;
    let moved = sequences::moved(&prep.moved, &before, &after);
    job.remember(&moved);
    if next != *prep {
        next.moved = moved;
        return Err(Again::Prepared(Box::new(next)));
    }
    let (mut images, mut lines) = (vec![], vec![]);
    if let Some(cover) = cover {
        (images, lines) = cover.take(job, prep, &counts, &counted).await?;
    }
    let mut way_back = WayBack::default();
    if freed || !prep.keep.tables.is_empty() {
        job.session.act("ROLLBACK TO SAVEPOINT windlass_s").await.map_err(at("setting aside"))?;
        super::aside::put(job, &before, &after, &prep.keep.tables, seq, &mut way_back, &mut lines).await?;
    }
    kept.settle(job, &before, &after, &mut images, &mut way_back, &mut lines).await?;
    lines.extend(said(&before, &after));
    proof::prove(job, &before, &after, &mut way_back, &mut lines).await?;
    held.settle(job, &mut way_back, &mut lines).await?;
    sequences::back(&moved, &before, &held, &mut way_back);
    way_back.images = images;
    way_back.prints = prints(&before, &after);
    Ok(Effects { rows: answer.count, lines, way_back, answer, ..Effects::default() })
}

/// The statement; if only what was set aside earlier stands in its way, that is put out of the way for the trial.
async fn tried(job: &Job, scope: &Scope) -> Result<(Answer, bool), Again> {
    let error = match run(job, scope).await {
        Ok(answer) => return Ok((answer, false)),
        Err(error) => error,
    };
    let Again::Failed(failure) = &error else { return Err(error) };
    if !failure.message.contains("because other objects depend on it") {
        return Err(error);
    }
    job.session.act("ROLLBACK TO SAVEPOINT windlass_s").await.map_err(at("setting aside"))?;
    let sql = "SELECT quote_ident(nspname) FROM pg_catalog.pg_namespace WHERE nspname ~ '^windlass_aside_'";
    let aside: Vec<String> = job
        .session
        .ask(sql)
        .await
        .map_err(at("setting aside"))?
        .into_iter()
        .filter_map(|row| row.into_iter().next()?)
        .collect();
    if aside.is_empty() {
        return Err(error);
    }
    let sql = format!("SET LOCAL client_min_messages = warning; DROP SCHEMA {} CASCADE", aside.join(", "));
    job.session.act(&sql).await.map_err(at("setting aside"))?;
    Ok((run(job, scope).await.map_err(|_| error)?, true))
}

/// A statement whose way back is not found.
pub(super) fn refused(job: &Job, why: &str) -> Again {
    unkept(job, why).into()
}

/// The same, as a failure.
pub(super) fn unkept(job: &Job, why: &str) -> Failure {
    Failure::clean(
        Fault::Target,
        format!(
            "{}: `{}`: {why}; rolled back, nothing was changed",
            place(&job.cx, &job.unit, None),
            one_line(job.statement(), 120)
        ),
    )
    .hint("write its way back as a fence with `undoes=`, or mark it `irreversible`")
}

/// Tables and columns that go, and columns whose values become others. Gives the tables that have other columns then.
fn shapes(
    keep: &mut Keep,
    said: &Said,
    (before, after): (&Catalog, &Catalog),
    changed: &BTreeMap<u32, BTreeSet<String>>,
) -> BTreeSet<u32> {
    let mut changed_shape = BTreeSet::new();
    for (id, object) in &before.objects {
        let now = after.objects.get(id);
        match (id.class, now) {
            (Class::Table, None) => {
                keep.tables.insert(id.oid);
            }
            (Class::Column, now)
                if after.objects.contains_key(&Id { class: Class::Table, oid: id.oid, sub: 0 }) =>
            {
                let other = changed.get(&id.oid).is_some_and(|names| names.contains(&object.name));
                let computed = now.is_some() && (other || said.computes(before, object));
                let retyped = computed || now.is_some_and(|now| object.get("#type") != now.get("#type"));
                if now.is_none() || retyped {
                    changed_shape.insert(id.oid);
                }
                let holds =
                    |now: &Object| widens(object.get("type"), now.get("type")) || spells(before, object, now);
                let narrow = computed || now.is_some_and(|now| !holds(now));
                if (now.is_none() || retyped && narrow)
                    && object.get("generated").is_empty()
                    && (other || object.get("inherited").is_empty())
                {
                    let names = keep.columns.entry(id.oid).or_default();
                    if !names.contains(&object.name) {
                        names.push(object.name.clone());
                    }
                }
            }
            _ => {}
        }
    }
    changed_shape
}

/// What has to be prepared, by what the trial did.
async fn lost(
    job: &Job,
    prep: &Prep,
    (before, after): (&Catalog, &Catalog),
    changed: &BTreeMap<u32, BTreeSet<String>>,
    (counts, counted): (&Counts, &Counts),
) -> Result<Prep, Again> {
    let mut next = prep.clone();
    let said = Said::of(job);
    let changed_shape = shapes(&mut next.keep, &said, (before, after), changed);
    for (id, object) in
        before.objects.iter().filter(|(id, object)| id.class == Class::Table && object.get("kind") == "r")
    {
        let Some(now) = after.objects.get(id).filter(|now| now.get("#file") != object.get("#file")) else {
            continue;
        };
        if changed_shape.contains(&id.oid) || next.keep.rows.contains(&id.oid) {
            continue;
        }
        let sql = format!("SELECT EXISTS (SELECT FROM {})", qualified(&now.schema, &now.name));
        if job.session.value(&sql).await.map_err(at("looking for rows"))?.as_deref() == Some("f") {
            next.keep.rows.insert(id.oid);
        }
    }
    for oid in counted.since(counts).into_keys() {
        let id = Id { class: Class::Table, oid, sub: 0 };
        let Some((table, _)) = before.objects.get(&id).zip(after.objects.get(&id)) else { continue };
        if next.keep.rows.contains(&oid) || prep.cover.contains(&oid) {
            continue;
        }
        if changed_shape.contains(&oid) {
            let table = before.path(table);
            let why = format!(
                "it writes rows of {table} and changes its columns: make statements of their own of that"
            );
            return Err(refused(job, &why));
        }
        next.cover.insert(oid);
    }
    // A scratch database has no rows: there a table that is written anew looks like one that is emptied, unless the text says it.
    let empties = job.summary().kind == windlass_sql::Kind::Truncate;
    let emptied = next.keep.rows.iter().filter(|_| empties || !job.is_scratch);
    let gone: BTreeSet<u32> = emptied.chain(&next.keep.tables).copied().collect();
    next.keep.weigh.extend(rewritten(job, &said, (before, after), &gone).await?);
    next.keep.keys = values::keys(job, &said, (before, after), &next.keep.columns).await?;
    let keep = &next.keep;
    for oid in keep.tables.iter().chain(&keep.rows).chain(keep.columns.keys()).chain(&keep.weigh) {
        if let Some(table) = before.objects.get(&Id { class: Class::Table, oid: *oid, sub: 0 }) {
            next.locks.insert(qualified(&table.schema, &table.name));
        }
    }
    Ok(next)
}

/// What happened, for people.
pub(super) fn said(before: &Catalog, after: &Catalog) -> Vec<String> {
    let (old, new) = (before.by_path(), after.by_path());
    let part = |object: &Object, of: &Catalog, other: &BTreeMap<String, &Object>| {
        of.parent(object).is_some_and(|parent| !other.contains_key(&of.path(parent)))
    };
    let mut lines = vec![];
    for (path, object) in &old {
        if !new.contains_key(path) && !part(object, before, &new) {
            let renamed = after.objects.get(&object.id).map(|now| after.path(now));
            lines.push(
                renamed.map_or_else(|| format!("{path} is gone"), |now| format!("{path} is now {now}")),
            );
        }
    }
    for (path, object) in &new {
        match old.get(path) {
            None if !before.objects.contains_key(&object.id) && !part(object, after, &old) => {
                lines.push(format!("{path} is new"))
            }
            Some(was) if !was.definition().eq(object.definition()) => {
                lines.push(format!("{path} was changed"))
            }
            _ => {}
        }
    }
    lines.truncate(40);
    lines
}

fn digest(object: &Object) -> String {
    let text: String = object.definition().map(|(name, value)| format!("{name}\0{value}\0")).collect();
    sha256(text.as_bytes())[..16].to_owned()
}

pub(super) fn prints(before: &Catalog, after: &Catalog) -> Vec<Print> {
    let (old, new) = (before.by_path(), after.by_path());
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let print = |name: &String| {
        let (before, after) =
            (old.get(name).map(|object| digest(object)), new.get(name).map(|object| digest(object)));
        (before != after).then(|| Print { name: name.clone(), before, after })
    };
    names.into_iter().filter_map(print).collect()
}

/// Does what takes definitions back.
async fn steps(job: &Job, entry: &Entry) -> Result<(Vec<String>, Vec<Conflict>), Again> {
    let (mut lines, mut found) = (vec![], vec![]);
    for step in &entry.way_back.schema {
        match step {
            Step::Sql { text } => {
                job.session.act(text).await.map_err(|trouble| stuck(job, trouble, text))?;
            }
            Step::DropTable { schema, table, rows } => {
                let name = qualified(schema, table);
                let count = job
                    .session
                    .value(&format!("SELECT count(*) FROM {name}"))
                    .await
                    .map_err(at("counting rows"))?;
                let count = count.and_then(|count| count.parse::<u64>().ok()).unwrap_or_default();
                if count == 0 || count == *rows {
                    let sql = format!("DROP TABLE {name}");
                    job.session.act(&sql).await.map_err(|trouble| stuck(job, trouble, &sql))?;
                } else {
                    let to = super::aside::away(job, schema, table, entry.seq).await?;
                    lines.push(format!("{schema}.{table} has {count} rows by now: set aside as {to}"));
                }
            }
            Step::Unless { question, why } => {
                let answer =
                    job.session.value(question).await.map_err(at("looking what was written since"))?;
                if answer.as_deref() == Some("t") && job.cx.on_conflict != windlass_driver::OnConflict::Force
                {
                    return Err(written(job, why));
                }
            }
            Step::Fill { image, columns } => values::fill(job, image, columns).await?,
            Step::Forget { image, columns } => {
                let (line, conflicts) = values::forget(job, image, columns).await?;
                lines.extend(line);
                found.extend(conflicts);
            }
        }
    }
    Ok((lines, found))
}

/// Takes definitions back. Gives what happened in words, and kept values whose rows are not found.
pub(super) async fn undo(
    job: &Job,
    entry: &Entry,
    care: Care,
) -> Result<(Vec<String>, Vec<Conflict>), Again> {
    let way_back = &entry.way_back;
    if way_back.schema.is_empty() && way_back.prints.is_empty() {
        return Ok((vec![], vec![]));
    }
    job.session.act(SETTINGS).await.map_err(at("its settings"))?;
    let now = snapshot::read(&job.session).await.map_err(at("reading the catalog"))?;
    let stands = |catalog: &Catalog, name: &String| catalog.by_path().get(name).map(|object| digest(object));
    let drifted: Vec<&str> = way_back
        .prints
        .iter()
        .filter(|print| stands(&now, &print.name) != print.after)
        .map(|print| print.name.as_str())
        .collect();
    if !drifted.is_empty() {
        return Err(drift(job, &drifted));
    }
    let (look, _) = Look::take(job, care, None).await.map_err(at("counting"))?;
    let (mut lines, found) = steps(job, entry).await?;
    let counted = facts::counts(&job.session).await.map_err(at("counting"))?;
    look.alone(job, &counted).await?;
    let then = snapshot::read(&job.session).await.map_err(at("reading the catalog"))?;
    let wrong: Vec<&str> = way_back
        .prints
        .iter()
        .filter(|print| stands(&then, &print.name) != print.before)
        .map(|print| print.name.as_str())
        .collect();
    if !wrong.is_empty() {
        return Err(refused(
            job,
            &format!("after its undo these are not as they were: {}", wrong.join(", ")),
        ));
    }
    let drops = way_back.fills.iter().map(|(image, _)| image.drop()).collect::<Vec<_>>().join("; ");
    job.session
        .act(&format!("SET LOCAL client_min_messages = warning; {drops}"))
        .await
        .map_err(at("clearing up"))?;
    lines.push(format!("{} definitions are as they were", way_back.prints.len()));
    Ok((lines, found))
}

fn drift(job: &Job, drifted: &[&str]) -> Again {
    Failure::clean(
        Fault::Target,
        format!(
            "{}: `{}` cannot be taken back: changed by others since: {}; nothing was changed",
            place(&job.cx, &job.unit, None),
            one_line(job.statement(), 120),
            drifted.join(", ")
        ),
    )
    .hint("look what changed it; bring it back to how the release left it, then: windlass rollback")
    .into()
}

fn written(job: &Job, why: &str) -> Again {
    Failure::clean(
        Fault::Target,
        format!(
            "{}: `{}` is not taken back: {why}; nothing was changed",
            place(&job.cx, &job.unit, None),
            one_line(job.statement(), 120)
        ),
    )
    .hint("--on-conflict=force takes it back all the same; what was written since is lost then")
    .into()
}

fn stuck(job: &Job, trouble: super::session::Trouble, sql: &str) -> Again {
    let again =
        [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
    match trouble {
        super::session::Trouble::Server(error) if !again.contains(error.code()) => Failure::clean(
            Fault::Target,
            job.cx.secrets.mask(&format!(
                "{}: `{}` cannot be taken back: `{}`: the server says: {}; nothing was changed",
                place(&job.cx, &job.unit, None),
                one_line(job.statement(), 120),
                one_line(sql, 200),
                one_line(error.message(), 300)
            )),
        )
        .hint("look at what was written since; then: windlass rollback")
        .into(),
        trouble => Again::Trouble(trouble, "taking definitions back"),
    }
}

/// `text` as a literal, for statements of other modules.
pub(super) fn quoted(value: &str) -> String {
    text(value)
}

/// The statement that moves an object to another schema.
pub(super) fn moved(catalog: &Catalog, object: &Object, schema: &str) -> String {
    write::move_to(catalog, object, schema)
}
