//! A database with the definitions of the target and no rows, in which the statements of a plan are tried in order. Nothing of
//! the server outside of it is changed: what would (roles, databases) is not tried.

use super::{
    apply,
    back::Step,
    catalogs,
    job::Job,
    ledger, outside,
    proof::BEFOREHAND,
    session::{Session, Trouble},
    snapshot,
    survey::Shared,
};
use crate::{disk::one_line, scratch::new_name};
use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use windlass_driver::{Context, Survey};
use windlass_plan::{Action, Class, Unit, UnitId};
use windlass_sql::{
    Kind, Summary,
    postgres::{
        catalog::{self, Catalog, Verdict, compare},
        diff::diff,
        ident, text,
    },
};

/// How their names begin.
const PREFIX: &str = "windlass_scratch_";
/// What the comment of one says, before the name of the database that it has the definitions of.
pub(super) const OF: &str = "Windlass: an empty copy that a plan is tried in, of ";
/// Longest use of a connection that holds a scratch database.
const LIFE: Duration = Duration::from_secs(60 * 60);

/// A scratch database.
pub(super) struct Scratch {
    target: String,
    plan: usize,
    name: Result<String, String>,
    done: BTreeSet<UnitId>,
    /// Names of what statements would have made that were not tried (roles).
    untried: BTreeSet<String>,
    /// Connected as long as it is in use: one that nobody is connected to is left over.
    _hold: Option<Session>,
}

impl Scratch {
    /// Tries the statement behind all before it, and says what it does.
    pub(super) async fn survey(job: &Job, shared: &Shared, survey: &mut Survey) {
        let Action::Sql { target, .. } = &job.unit.action else { return };
        let mut slot = shared.lock().await;
        let plan = std::sync::Arc::as_ptr(&job.cx.plan) as usize;
        if slot.as_ref().is_none_or(|scratch| (&scratch.target, scratch.plan) != (target, plan)) {
            if let Some(old) = slot.take() {
                old.drop(job).await;
            }
            *slot = Some(Self::make(job, target, plan).await);
        }
        let Some(scratch) = slot.as_mut() else { return };
        let units: Vec<Unit> = (job.cx.plan.units().map(|(_, unit)| unit))
            .filter(|unit| matches!(&unit.action, Action::Sql { target: of, .. } if of == target))
            .cloned()
            .collect();
        match scratch.name.clone() {
            Err(why) if job.unit.undo.class != Class::Readonly => {
                survey.effects.push(format!("its undo cannot be shown before it runs: {why}"));
            }
            Err(_) => {}
            Ok(name) => {
                for unit in &units {
                    let tried = scratch.tried(&job.cx, unit, &name).await;
                    if unit.id == job.unit.id {
                        survey.effects.extend(tried.effects);
                        survey.problems.extend(tried.problems);
                        break;
                    }
                }
            }
        }
        if units.last().is_some_and(|last| last.id == job.unit.id)
            && let Some(scratch) = slot.take()
        {
            scratch.drop(job).await;
        }
    }

    async fn make(job: &Job, target: &str, plan: usize) -> Self {
        let (name, hold) = match Self::filled(job, target).await {
            Ok((name, hold)) => (Ok(name), Some(hold)),
            Err(why) => (Err(why), None),
        };
        Self {
            target: target.to_owned(),
            plan,
            name,
            done: BTreeSet::new(),
            untried: BTreeSet::new(),
            _hold: hold,
        }
    }

    async fn filled(job: &Job, target: &str) -> Result<(String, Session), String> {
        let may = "SELECT rolcreatedb OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user";
        if job.session.value(may).await.map_err(said)?.as_deref() != Some("t") {
            return Err("the user may not make a scratch database (CREATEDB)".to_owned());
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        leftovers(job, now).await.map_err(said)?;
        let name = new_name(PREFIX);
        let make = format!("CREATE DATABASE {} TEMPLATE template0", ident(&name));
        job.session.act(&make).await.map_err(said)?;
        let filled = async {
            let of = job.session.value("SELECT current_database()").await.map_err(said)?.unwrap_or_default();
            let whose = text(&format!("{OF}{of}"));
            let comment = format!("COMMENT ON DATABASE {} IS {whose}", ident(&name));
            job.session.act(&comment).await.map_err(said)?;
            let hold = Session::open_in(&job.cx, target, "windlass scratch", LIFE, Some(&name)).await;
            let hold = hold.map_err(|failure| failure.message)?;
            job.session.act("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = pg_catalog; SET LOCAL jit = off").await.map_err(said)?;
            let wanted = local(snapshot::read(&job.session).await.map_err(said)?);
            job.session.rollback().await;
            hold.act("SET search_path = pg_catalog; SET jit = off; SET check_function_bodies = off; SET client_min_messages = error").await.map_err(said)?;
            for _ in 0..8 {
                let now = local(snapshot::read(&hold).await.map_err(said)?);
                let changes = diff(&now, &wanted)?;
                if changes.is_empty() {
                    return match compare(&wanted, &now) {
                        Verdict::Different(what) => Err(format!(
                            "its definitions cannot be copied: {}",
                            one_line(&what.join("; "), 200)
                        )),
                        _ => Ok(hold),
                    };
                }
                for change in changes {
                    hold.act(&change.sql).await.map_err(|trouble| {
                        format!(
                            "its definitions cannot be copied: {}: {}",
                            one_line(&change.sql, 100),
                            said(trouble)
                        )
                    })?;
                }
            }
            Err("its definitions cannot be copied".to_owned())
        };
        match filled.await {
            Ok(hold) => Ok((name, hold)),
            Err(why) => {
                job.session.rollback().await;
                let _ =
                    job.session.act(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", ident(&name))).await;
                Err(why)
            }
        }
    }

    /// Runs a unit once; what it did, and how it is taken back.
    async fn tried(&mut self, cx: &Context, unit: &Unit, name: &str) -> Survey {
        let mut survey = Survey::default();
        if !self.done.insert(unit.id.clone()) || unit.undo.class == Class::Readonly {
            return survey;
        }
        let mut unit = unit.clone();
        if let Action::Sql { rows, batch, .. } = &mut unit.action {
            // There are none here.
            (*rows, *batch) = (None, None);
        }
        let cx = Context { output: std::sync::Arc::new(|_| ()), timeout_ms: Some(60_000), ..cx.clone() };
        let job = match Job::open_in(&cx, &unit, Some(name)).await {
            Ok(job) => job,
            Err(failure) => {
                survey.problems.push(failure.message);
                return survey;
            }
        };
        let summary = job.summary();
        if is_global(&summary)
            || outside::is(job.statement(), &summary)
                && !matches!(summary.kind, Kind::CreateIndex | Kind::DropIndex)
        {
            survey.effects.push(format!("it is not tried beforehand: {}", catalogs::OUTSIDE));
            self.untried.extend(summary.object.as_ref().map(|name| name.base().to_owned()));
            return survey;
        }
        match apply::apply(&job).await {
            Err(failure) => {
                let message = failure.message.replace("; rolled back, nothing was changed", "");
                match self.why_not(&message) {
                    Some(why) => survey.effects.push(format!("it is not tried beforehand: {why}")),
                    None => survey.problems.push(message),
                }
            }
            Ok(done) => {
                let said = done.effects.iter().filter_map(|line| line.strip_prefix(BEFOREHAND));
                survey.effects.extend(said.map(str::to_owned));
                if let Ok(Some(entry)) = ledger::find(&job.session, &job.cx.run, &job.unit.id.0).await {
                    survey.effects.extend(entry.way_back.schema.iter().filter_map(shown));
                }
            }
        }
        survey
    }

    /// Why a statement that fails here need not fail in the release.
    fn why_not(&self, message: &str) -> Option<String> {
        if message.contains(catalogs::OUTSIDE) {
            return Some(catalogs::OUTSIDE.to_owned());
        }
        let named = |name: &&String| message.contains(&format!("\"{name}\""));
        let name = self.untried.iter().find(named)?;
        Some(format!("`{name}` is of a statement that was not tried either"))
    }

    async fn drop(self, job: &Job) {
        let Self { name: Ok(name), _hold, .. } = self else { return };
        drop(_hold);
        let _ = job.session.act(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", ident(&name))).await;
    }
}

fn shown(step: &Step) -> Option<String> {
    Some(match step {
        Step::Sql { text } => format!("undo: {}", one_line(text, 400)),
        Step::DropTable { schema, table, .. } => {
            format!("undo: DROP TABLE {}.{} (set aside if there are rows in it)", ident(schema), ident(table))
        }
        Step::Fill { columns, .. } => format!("undo: the kept values of {} are put back", columns.join(", ")),
        Step::Unless { .. } | Step::Forget { .. } => return None,
    })
}

/// Without what belongs to the server.
pub(crate) fn local(mut catalog: Catalog) -> Catalog {
    catalog.objects.retain(|id, _| !matches!(id.class, catalog::Class::Role | catalog::Class::Database));
    catalog
}

/// Whether it surely acts on more than the database.
fn is_global(summary: &Summary) -> bool {
    match &summary.kind {
        Kind::CreateOther(what) | Kind::AlterOther(what) | Kind::DropOther(what) => {
            ["ROLE", "USER", "GROUP", "DATABASE", "TABLESPACE", "SYSTEM", "SERVER", "SUBSCRIPTION"]
                .contains(&what.as_str())
        }
        Kind::Unload => true,
        _ => false,
    }
}

/// Scratch databases that nobody is connected to any more.
async fn leftovers(job: &Job, now: u64) -> Result<(), Trouble> {
    let sql = format!(
        "SELECT datname FROM pg_catalog.pg_database d WHERE datname ~ '^{PREFIX}' AND NOT EXISTS (SELECT FROM \
         pg_catalog.pg_stat_activity a WHERE a.datid = d.oid)"
    );
    for row in job.session.ask(&sql).await? {
        let Some(name) = row.into_iter().next().flatten() else { continue };
        let made: u64 = name.split('_').nth(2).and_then(|seconds| seconds.parse().ok()).unwrap_or_default();
        if now.saturating_sub(made) > 60 {
            // Somebody else may clear up at the same time.
            let _ = job.session.act(&format!("DROP DATABASE IF EXISTS {}", ident(&name))).await;
        }
    }
    Ok(())
}

pub(super) fn said(trouble: Trouble) -> String {
    match trouble {
        Trouble::Server(error) => one_line(error.message(), 200),
        Trouble::Lost(why) => one_line(&why, 200),
        Trouble::Stopped => "stopped".to_owned(),
        Trouble::Raced => "others changed definitions meanwhile".to_owned(),
        Trouble::Late => "no time left".to_owned(),
    }
}
