//! `ALTER DATABASE … CHARACTER SET … COLLATE …`: what tables get that say none of their own. What it was is read before, what it
//! becomes is asked of the server on a shadow database; so the catalog alone settles a try whose end nobody saw.

use super::catalog::State;
use super::data::no_undo;
use super::definitions::{Act, moved, one, running};
use super::session::Session;
use super::shadow::Shadow;
use super::statement::Job;
use crate::disk::one_line;
use serde::{Deserialize, Serialize};
use serde_json::json;
use windlass_driver::{Capsule, Done, Failure, Fault, Found, OnConflict, Survey};
use windlass_plan::{UndoBy, Way};
use windlass_sql::mysql::{DatabaseDefaults, Step, database_defaults};
use windlass_sql::{Dialect, quote};

/// What a database is given and had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Change {
    name: String,
    before: String,
    after: String,
}

/// Whether the statement is one.
pub(super) fn is(job: &Job<'_>) -> bool {
    database_defaults(job.statement).is_some()
}

/// Reads what it changes.
pub(super) async fn capture(job: &Job<'_>) -> Result<Capsule, Failure> {
    Ok(Capsule(json!({ "database": look(job).await? })))
}

async fn look(job: &Job<'_>) -> Result<Change, Failure> {
    let Some(DatabaseDefaults { name, options }) = database_defaults(job.statement) else {
        return Err(no_undo(job, "it says more than a character set and a collation"));
    };
    let mut session = job.open().await?;
    let trouble = |trouble| job.clean(&trouble, "reading the catalog");
    let name = match name {
        Some(name) => name,
        None => session.value("SELECT DATABASE()").await.map_err(trouble)?.unwrap_or_default(),
    };
    let Some(before) = now(job, &mut session, &name).await? else {
        let text =
            format!("{}: `{}`: there is no database `{name}`; nothing was changed", job.place(), job.short());
        return Err(Failure::clean(Fault::Document, text));
    };
    let shadow = Shadow::new(job, &[], &name);
    let _ = shadow.remove(&mut session).await;
    let made =
        session.run(&format!("CREATE DATABASE {} {options}", quote(shadow.name(), Dialect::Mysql))).await;
    let after = match made {
        Ok(_) => now(job, &mut session, shadow.name()).await,
        Err(trouble) => Err(job.clean(&trouble, "trying it on a shadow database")),
    };
    let _ = shadow.remove(&mut session).await;
    job.close(session).await;
    Ok(Change { name, before, after: after?.unwrap_or_default() })
}

/// The defaults of a database as a statement has them; `None`: there is no such database.
async fn now(job: &Job<'_>, session: &mut Session, name: &str) -> Result<Option<String>, Failure> {
    let sql = format!(
        "SELECT CONCAT('CHARACTER SET ', default_character_set_name, ' COLLATE ', default_collation_name) FROM \
         information_schema.schemata WHERE schema_name = {}",
        super::ledger::text(name)
    );
    session.value(&sql).await.map_err(|trouble| job.clean(&trouble, "reading the catalog"))
}

fn change_of(job: &Job<'_>, capsule: &Capsule) -> Result<Change, Failure> {
    let value = capsule.0.get("database").cloned().unwrap_or_default();
    serde_json::from_value(value).map_err(|error| {
        Failure::clean(Fault::Windlass, format!("{}: its capsule cannot be read: {error}", job.place()))
    })
}

impl Change {
    fn back(&self) -> Step {
        Step::plain(format!("ALTER DATABASE {} {}", quote(&self.name, Dialect::Mysql), self.before))
    }

    fn moved(&self, job: &Job<'_>, wanted: &str, found: Option<String>, what: &str) -> Failure {
        let state = |defaults: Option<String>| State::from([(format!("database {}", self.name), defaults)]);
        moved(job, &state(Some(wanted.to_owned())), &state(found), what)
    }
}

/// Runs the statement.
pub(super) async fn apply(job: &Job<'_>, capsule: &Capsule) -> Result<Done, Failure> {
    let change = change_of(job, capsule)?;
    let mut session = job.open().await?;
    session.stoppable(job.cx);
    let found = now(job, &mut session, &change.name).await?;
    if found.as_ref() == Some(&change.after) && change.before != change.after {
        job.close(session).await;
        let effects = vec!["applied before, by the catalog".to_owned()];
        return Ok(Done { changed: false, effects, ..Done::default() });
    }
    if found.as_ref() != Some(&change.before) {
        let what = "was changed by somebody since its undo was prepared; nothing was changed";
        return Err(change.moved(job, &change.before, found, what));
    }
    let (step, mut effects) = (Step::plain(job.statement.to_owned()), vec![]);
    let session = one(job, session, &Act::User(&step), &mut effects).await?;
    job.close(session).await;
    effects.push(format!("database {}: {}, before {}", change.name, change.after, change.before));
    Ok(Done { changed: change.before != change.after, effects, ..Done::default() })
}

/// Gives it the defaults of before, if it has those of the statement.
pub(super) async fn undo(job: &Job<'_>, capsule: &Capsule) -> Result<Done, Failure> {
    let change = change_of(job, capsule)?;
    let mut session = job.open().await?;
    let found = now(job, &mut session, &change.name).await?;
    if found.as_ref() == Some(&change.before) {
        job.close(session).await;
        return Ok(Done::default());
    }
    let force = job.cx.on_conflict == OnConflict::Force && found.is_some();
    if found.as_ref() != Some(&change.after) && !force {
        let failure = change.moved(job, &change.after, found, "was changed since, and is left as it is");
        return Err(failure.hint(format!("what would undo it: {}", change.back().sql)));
    }
    let (step, mut effects) = (change.back(), vec![]);
    let session = one(job, session, &Act::Ours(&step), &mut effects).await?;
    job.close(session).await;
    effects.push(one_line(&step.sql, 200));
    Ok(Done { changed: true, effects, ..Done::default() })
}

/// What became of a try whose end nobody saw.
pub(super) async fn inspect(job: &Job<'_>, capsule: &Capsule, way: Way) -> Result<Found, Failure> {
    let change = change_of(job, capsule)?;
    let mut session = job.open().await?;
    running(job, &mut session).await?;
    let found = now(job, &mut session, &change.name).await?;
    job.close(session).await;
    let settled = |effect: &str| {
        Found::Applied(Done { changed: true, effects: vec![effect.to_owned()], ..Done::default() })
    };
    let (is_before, is_after) =
        (found.as_ref() == Some(&change.before), found.as_ref() == Some(&change.after));
    Ok(match way {
        Way::Forward if is_before => Found::NotApplied,
        Way::Forward if is_after => settled("applied, by the catalog"),
        Way::Undo if is_before => settled("undone, by the catalog"),
        Way::Undo if is_after => Found::NotApplied,
        _ => {
            let what = "stands neither as before nor as after";
            Found::Unknown(change.moved(job, &change.before, found, what).whole("\n"))
        }
    })
}

/// The way back, and why there would be none.
pub(super) async fn survey(job: &Job<'_>, survey: &mut Survey) {
    match look(job).await {
        Ok(change) if job.unit.undo.by == UndoBy::Driver => {
            survey.effects.push(format!("undo: {}", change.back().sql));
        }
        Ok(_) => {}
        Err(failure) => {
            survey.problems.push(failure.message);
            survey.problems.extend(failure.hints);
        }
    }
}
