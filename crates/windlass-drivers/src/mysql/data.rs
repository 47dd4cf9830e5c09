//! Statements on rows: in a transaction of their own, together with their ledger row and the rows as they were.

use super::batch;
use super::cover::{self, Cover, How, Refusal};
use super::image;
use super::ledger::{self, Key};
use super::session::{Session, Trouble};
use super::statement::{Job, Work, done, failed, retrying, tx_lost};
use crate::{disk::sha256, sql::wrong_rows};
use serde_json::json;
use windlass_driver::{Capsule, Done, Failure, Fault, Found};
use windlass_plan::{UndoBy, Way};
use windlass_sql::Dialect;

/// What keeping rows needs.
const NEEDS: &str = "the user of the target needs CREATE, DROP and TRIGGER on the database; with binary logging on, MySQL also wants \
                     `log_bin_trust_function_creators = 1` for triggers";

/// What is saved, decided from the catalog as it is now.
pub(super) async fn capture(job: &Job<'_>) -> Result<Capsule, Failure> {
    if job.unit.undo.by != UndoBy::Driver {
        return Ok(Capsule::default());
    }
    let mut session = job.open().await?;
    let token = cover::token(&job.cx.run, &job.unit.id.0);
    let found = cover::decide(&mut session, job.statement, &token).await;
    job.close(session).await;
    match found {
        Ok(cover) => Ok(Capsule(json!({ "rows": cover }))),
        Err(Refusal::Trouble(trouble)) => Err(job.clean(&trouble, "reading the catalog")),
        Err(Refusal::Why(why)) => Err(no_undo(job, &why)),
    }
}

/// A statement whose changes could not be taken back.
pub(super) fn no_undo(job: &Job<'_>, why: &str) -> Failure {
    Failure::clean(
        Fault::Document,
        format!(
            "{}: `{}` was not run, for it could not be undone: {why}; nothing was changed",
            job.place(),
            job.short()
        ),
    )
    .hint("write how it is undone into a fence with `undoes=ID`, name a backup with `undo=ID`, or say `irreversible`")
}

/// Why a statement on things of the whole server is not run, where the driver would have to undo it.
pub(super) fn no_shadow(job: &Job<'_>) -> Option<Failure> {
    let wanted = job.unit.undo.by == UndoBy::Driver;
    wanted.then(|| no_undo(job, "it changes what belongs to the whole server, which has no shadow"))
}

pub(super) fn cover_of(capsule: &Capsule) -> Option<Cover> {
    serde_json::from_value(capsule.0.get("rows")?.clone()).ok()
}

/// Runs the statement.
pub(super) async fn apply(job: &Job<'_>, capsule: &Capsule) -> Result<Done, Failure> {
    let cover = cover_of(capsule);
    retrying(job, Work::Rows(cover.as_ref())).await
}

/// One try. What is committed before the transaction (ledger, images, triggers) is no effect of the statement.
pub(super) async fn once(
    job: &Job<'_>,
    session: &mut Session,
    cover: Option<&Cover>,
) -> Result<Done, Failure> {
    let digest = sha256(job.statement.as_bytes());
    let key = job.key();
    let clean = |trouble: Trouble, doing: &str| failed(job, &trouble, doing);
    if let Some(entry) =
        ledger::find(session, key, false).await.map_err(|t| clean(t, "reading the ledger"))?
    {
        return already(job, &entry, &digest);
    }
    ledger::create(session).await.map_err(|t| clean(t, "creating the ledger"))?;
    let mode = Modes::read(session).await.map_err(|t| clean(t, "reading settings"))?;
    if let Some(cover) = cover {
        image::set_mode(session, &mode.relaxed).await.map_err(|t| clean(t, "preparing"))?;
        if let Err(trouble) = image::make(session, cover).await {
            let _ = image::remove(session, cover).await;
            let is_full = trouble.is_full();
            let failure = clean(trouble, "making the table for the rows as they are");
            return Err(if is_full { failure } else { failure.hint(NEEDS) });
        }
        image::set_mode(session, &mode.user).await.map_err(|t| clean(t, "preparing"))?;
    }
    let result = transaction(job, session, cover, &digest, &mode).await;
    if let (Some(cover), true) = (cover, result.as_ref().is_ok() || ended(&result)) {
        let _ = image::remove_triggers(session, cover).await;
        if result.is_err() {
            let _ = image::remove(session, cover).await;
        }
    }
    result
}

/// Whether a failed try left the connection usable and certainly no effect.
fn ended(result: &Result<Done, Failure>) -> bool {
    matches!(result, Err(failure) if failure.effect == windlass_driver::Effect::None)
}

/// `sql_mode` of the user and of our own statements.
pub(super) struct Modes {
    pub(super) user: String,
    pub(super) relaxed: String,
}

impl Modes {
    /// Those of the session.
    pub(super) async fn read(session: &mut Session) -> Result<Self, Trouble> {
        let user = session.value("SELECT @@sql_mode").await?.unwrap_or_default();
        Ok(Self { relaxed: image::relaxed(&user), user })
    }
}

async fn transaction(
    job: &Job<'_>,
    session: &mut Session,
    cover: Option<&Cover>,
    digest: &str,
    mode: &Modes,
) -> Result<Done, Failure> {
    let result = inside(job, session, cover, digest, mode).await;
    let (rows, warnings) = match result {
        Ok(found) => found,
        Err(failure) => {
            // A broken connection is rolled back by the server.
            let _ = session.run("ROLLBACK").await;
            return Err(failure);
        }
    };
    if let Err(trouble) = session.run("COMMIT").await {
        return Err(tx_lost(job, &trouble));
    }
    let mut done = done(rows.changed);
    if let Some(found) = rows.matched.filter(|found| *found != rows.changed) {
        done.effects = vec![format!("{} rows changed of {found} found", rows.changed)];
    }
    done.effects.extend(warnings);
    Ok(done)
}

/// Rows of a statement.
struct Rows {
    changed: u64,
    matched: Option<u64>,
}

async fn inside(
    job: &Job<'_>,
    session: &mut Session,
    cover: Option<&Cover>,
    digest: &str,
    mode: &Modes,
) -> Result<(Rows, Vec<String>), Failure> {
    let clean = |trouble: Trouble, doing: &str| failed(job, &trouble, doing);
    session.run("START TRANSACTION").await.map_err(|t| clean(t, "beginning"))?;
    ledger::insert(session, job.key(), job.cx.attempt, digest)
        .await
        .map_err(|t| clean(t, "writing the ledger"))?;
    for image in cover.iter().flat_map(|cover| &cover.images) {
        let (name, stored) = (image.table.as_str(), image.name.as_str());
        let kept = ledger::Kept { kind: "before-image", name, stored, why: "changed" };
        ledger::note(session, job.key(), &kept).await.map_err(|t| clean(t, "writing the ledger"))?;
    }
    let mut saved = None;
    if let Some(cover) = cover.filter(|cover| cover.how == How::Set) {
        let dml = windlass_sql::dml(job.statement, Dialect::Mysql).expect("the cover came from it");
        // `NOW()` of the saving and of the statement are one moment.
        let save = async {
            session.run("SET timestamp = UNIX_TIMESTAMP(NOW(6))").await?;
            image::set_mode(session, &mode.relaxed).await?;
            let rows = image::fill_old(session, cover, job.statement, &dml).await?;
            image::set_mode(session, &mode.user).await?;
            Ok(rows)
        };
        saved = Some(save.await.map_err(|t| clean(t, "saving the rows as they are"))?);
    }
    if let Some(cover) = cover {
        image::switch(session, cover, true).await.map_err(|t| clean(t, "preparing"))?;
    }
    let text = job.resolved(session).await?;
    let answer = session.run(&text).await.map_err(|trouble| job.refused(&trouble))?;
    let warnings = session.warnings(&answer).await;
    let rows = Rows { changed: answer.affected, matched: answer.matched };
    if let Some(saved) = saved.filter(|saved| *saved != rows.matched.unwrap_or(rows.changed)) {
        return Err(no_undo(
            job,
            &format!(
                "{saved} rows were saved and {} changed, so its condition does not choose the same rows twice",
                rows.matched.unwrap_or(rows.changed)
            ),
        ));
    }
    if let Some(expected) =
        job.rows.filter(|expected| *expected != rows.changed && Some(*expected) != rows.matched)
    {
        return Err(wrong_rows(job.cx, job.unit, rows.changed, expected));
    }
    if let Some(cover) = cover {
        let save = async {
            image::switch(session, cover, false).await?;
            image::set_mode(session, &mode.relaxed).await?;
            image::fill_new(session, cover).await
        };
        save.await.map_err(|t| clean(t, "saving the rows as they became"))?;
    }
    ledger::complete(session, job.key(), rows.changed).await.map_err(|t| clean(t, "writing the ledger"))?;
    Ok((rows, warnings))
}

pub(super) fn already(job: &Job<'_>, entry: &ledger::Entry, digest: &str) -> Result<Done, Failure> {
    if entry.digest != digest {
        return Err(Failure::clean(
            Fault::Windlass,
            format!(
                "{}: the ledger has another statement for {} of run {}",
                job.place(),
                job.unit.id,
                job.cx.run
            ),
        ));
    }
    Ok(Done {
        changed: false,
        effects: vec!["applied before, by the ledger".to_owned()],
        ..done(entry.changed)
    })
}

/// Puts the rows back.
pub(super) async fn undo(job: &Job<'_>, capsule: &Capsule) -> Result<Done, Failure> {
    let Some(cover) = cover_of(capsule) else {
        return Err(Failure::clean(Fault::Windlass, format!("{}: its capsule holds no rows", job.place())));
    };
    retrying(job, Work::PutBack(&cover)).await
}

/// What became of a try whose end nobody saw.
pub(super) async fn inspect(job: &Job<'_>, capsule: &Capsule, way: Way) -> Result<Found, Failure> {
    let mut session = job.open().await?;
    let entry = settled(job, &mut session).await?;
    let cover = cover_of(capsule);
    if entry.is_some()
        && way == Way::Forward
        && batch::is(job)
        && let Some(found) = batch::unfinished(job, &mut session).await?
    {
        job.close(session).await;
        return Ok(found);
    }
    let found = match (way, entry) {
        (Way::Forward, Some(entry)) => {
            // A controller that died leaves its triggers behind; they write for nobody any more.
            if let Some(cover) = &cover {
                let _ = image::remove_triggers(&mut session, cover).await;
            }
            Found::Applied(done(entry.changed))
        }
        (Way::Forward, None) => {
            if let Some(cover) = &cover {
                let _ = image::remove(&mut session, cover).await;
            }
            Found::NotApplied
        }
        (Way::Undo, None) => {
            let effects = vec!["undone, by the ledger".to_owned()];
            Found::Applied(Done { changed: true, effects, ..Done::default() })
        }
        (Way::Undo, Some(_)) => Found::NotApplied,
    };
    job.close(session).await;
    Ok(found)
}

/// The ledger row once no transaction holds it any more.
async fn settled(job: &Job<'_>, session: &mut Session) -> Result<Option<ledger::Entry>, Failure> {
    const TRIES: u32 = 100;
    let key: Key<'_> = job.key();
    for _ in 0..TRIES {
        match ledger::find(session, key, true).await {
            Ok(entry) => return Ok(entry),
            // Another session holds it: the try still runs, or the server has not seen yet that its client is gone.
            Err(trouble) if trouble.is_locked() => {
                (job.cx.output)("waiting for the transaction of the earlier try to end\n");
            }
            Err(trouble) => return Err(job.clean(&trouble, "reading the ledger")),
        }
    }
    Err(Failure::unknown(
        Fault::Target,
        format!("{}: its transaction is still open on the server", job.place()),
    )
    .hint("see `SHOW PROCESSLIST`; `KILL` that connection, then `windlass resume`"))
}
