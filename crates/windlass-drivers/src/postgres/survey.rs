//! A look before anything runs: what the statement touches, who is in the way, and, on an empty copy of the definitions in a
//! scratch database of the same server, what it does and how it is taken back.

use super::{
    job::{Job, Mode},
    scratch::Scratch,
    session::Trouble,
};
use crate::disk::{human_bytes, one_line};
use std::sync::Arc;
use tokio::sync::Mutex;
use windlass_driver::{Failure, Survey};
use windlass_plan::Class;
use windlass_sql::{Dialect, postgres::text};

/// The scratch database of the plan that is looked at.
pub(super) type Shared = Arc<Mutex<Option<Scratch>>>;

pub(super) async fn survey(job: &Job, shared: &Shared) -> Result<Survey, Failure> {
    let mut survey = Survey::default();
    let asking = |trouble: Trouble| job.failure(trouble, "looking at it");
    job.begin(Mode::Read, &[]).await.map_err(asking)?;
    let seen = touched(job).await;
    job.session.rollback().await;
    survey.effects.extend(seen.map_err(asking)?);
    if job.unit.undo.class != Class::Readonly {
        survey.effects.extend(busy(job).await.map_err(asking)?);
    }
    Scratch::survey(job, shared, &mut survey).await;
    Ok(survey)
}

/// The server, and the size of the table.
async fn touched(job: &Job) -> Result<Vec<String>, Trouble> {
    let mut lines = vec![];
    let summary = job.summary();
    let Some(name) = summary.table.or(summary.object) else { return Ok(lines) };
    let scope = job.scope().await?;
    job.theirs(&scope).await?;
    let sql = format!(
        "SELECT c.reltuples::bigint, pg_catalog.pg_total_relation_size(c.oid), c.relname FROM pg_catalog.pg_class c WHERE c.oid = \
         pg_catalog.to_regclass({}) AND c.relkind IN ('r', 'p', 'm')",
        text(&name.quoted(Dialect::Postgresql))
    );
    for row in job.session.ask(&sql).await? {
        let [Some(rows), Some(bytes), Some(name)] = row.as_slice() else { continue };
        let bytes = human_bytes(bytes.parse().unwrap_or_default());
        let rows =
            if rows.starts_with('-') { "not yet counted".to_owned() } else { format!("about {rows} rows") };
        lines.push(format!("{name}: {rows}, {bytes}"));
    }
    Ok(lines)
}

/// Transactions that are open for long, dumps above all: a statement on definitions would wait behind them, and all others
/// behind it.
async fn busy(job: &Job) -> Result<Vec<String>, Trouble> {
    let sql = "SELECT pid, usename, application_name, round(extract(epoch FROM now() - xact_start))::bigint FROM \
               pg_catalog.pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND (xact_start < now() - \
               interval '30 s' OR application_name IN ('pg_dump', 'pg_basebackup')) ORDER BY xact_start LIMIT 5";
    let line = |row: Vec<Option<String>>| {
        let [Some(pid), user, name, age] = row.as_slice() else { return None };
        let show = |value: &Option<String>| one_line(value.as_deref().unwrap_or("?"), 40);
        Some(format!(
            "open for {} s: process {pid} of {} ({}): it may block this",
            show(age),
            show(user),
            show(name)
        ))
    };
    Ok(job.session.ask(sql).await?.into_iter().filter_map(line).collect())
}
