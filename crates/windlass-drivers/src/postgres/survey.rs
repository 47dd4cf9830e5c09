//! A look before anything runs: what the statement touches, who is in the way, and, on an empty copy of the definitions in a
//! scratch database of the same server, what it does and how it is taken back.

use super::{
    calls::{self, Calls},
    job::{Job, Mode},
    schema,
    scratch::Scratch,
    session::Trouble,
};
use crate::{
    disk::{human_bytes, one_line},
    sql::secrets,
};
use std::sync::Arc;
use tokio::sync::Mutex;
use windlass_driver::{Failure, Survey};
use windlass_plan::{Class, UndoBy};
use windlass_sql::{Dialect, DmlKind, postgres::text};

/// The scratch database of the plan that is looked at.
pub(super) type Shared = Arc<Mutex<Option<Scratch>>>;

pub(super) async fn survey(job: &Job, shared: &Shared) -> Result<Survey, Failure> {
    let mut survey = Survey::default();
    survey.problems.extend(secrets::missing(&job.cx, &job.unit, Dialect::Postgresql));
    let asking = |trouble: Trouble| job.failure(trouble, "looking at it");
    job.begin(Mode::Read, &[]).await.map_err(asking)?;
    let seen = touched(job).await;
    let strangers = strangers(job).await;
    job.session.rollback().await;
    let (lines, may_not) = seen.map_err(asking)?;
    survey.effects.extend(lines);
    survey.problems.extend(may_not);
    survey.problems.extend(strangers.map_err(asking)?);
    match super::batch::survey(job).await {
        Ok(lines) => survey.effects.extend(lines),
        Err(failure) => survey.problems.push(failure.message.replace("; nothing was changed", "")),
    }
    if job.unit.undo.class != Class::Readonly {
        survey.effects.extend(busy(job).await.map_err(asking)?);
    }
    Scratch::survey(job, shared, &mut survey).await;
    if job.unit.undo.by == UndoBy::Driver
        && let Calls::Unseen(why) = calls::look(job).await.map_err(asking)?
        && !survey.problems.iter().any(|problem| problem.contains(&why))
    {
        survey
            .problems
            .push(schema::unkept(job, &why).message.replace("; rolled back, nothing was changed", ""));
    }
    Ok(survey)
}

/// Why an enum that gets a label could not lose it again: what the copy of the definitions does not have, because it is not read.
async fn strangers(job: &Job) -> Result<Option<String>, Trouble> {
    let words = windlass_sql::keywords(job.statement(), Dialect::Postgresql, 2);
    let adds = job.statement().to_ascii_uppercase().contains("ADD VALUE");
    let name = job.summary().object.filter(|_| words == ["ALTER", "TYPE"] && adds);
    let Some(name) = name.filter(|_| job.unit.undo.by == UndoBy::Driver) else { return Ok(None) };
    let scope = job.scope().await?;
    job.theirs(&scope).await?;
    let quoted = name.quoted(Dialect::Postgresql);
    let of = job.session.value(&super::questions::strangers(&text(&quoted))).await?;
    Ok(of.map(|of| {
        format!(
            "type {quoted} cannot lose its new label again while it is used by what Windlass cannot make anew: {}: write its way back as \
             a fence with `undoes=`, or mark it `irreversible`",
            one_line(&of, 300)
        )
    }))
}

/// Sequences that give `table`, as a statement would name it, its numbers: no rollback of PostgreSQL turns them back.
pub(super) async fn sequences(job: &Job, table: &str) -> Result<Vec<String>, Trouble> {
    let sql = format!(
        "SELECT DISTINCT q.oid::pg_catalog.regclass::text FROM (SELECT pg_catalog.to_regclass({})::pg_catalog.oid) c(oid) JOIN \
         pg_catalog.pg_depend d ON d.refobjid = c.oid AND d.deptype IN ('a', 'i') OR d.objid IN (SELECT a.oid FROM \
         pg_catalog.pg_attrdef a WHERE a.adrelid = c.oid) JOIN pg_catalog.pg_class q ON q.relkind = 'S' AND q.oid IN (d.objid, d.refobjid)",
        text(table)
    );
    Ok(job.session.ask(&sql).await?.into_iter().filter_map(|mut row| row.pop()?).collect())
}

/// Which rights on the table let a user lock it as its rows are kept, from PostgreSQL 16 on and before (`LockTableAclCheck` in
/// lockcmds.c): those on columns do not.
fn rights(kind: DmlKind) -> (&'static str, &'static str) {
    match kind {
        DmlKind::Insert => ("SELECT, INSERT, UPDATE, DELETE, TRUNCATE", "SELECT"),
        _ => ("INSERT, UPDATE, DELETE, TRUNCATE", "INSERT, UPDATE, DELETE, TRUNCATE"),
    }
}

/// The size of the table; and why it may not be locked.
async fn touched(job: &Job) -> Result<(Vec<String>, Option<String>), Trouble> {
    let (mut lines, mut may_not) = (vec![], None);
    let summary = job.summary();
    let dml = windlass_sql::dml(job.statement(), Dialect::Postgresql);
    let adds = dml.as_ref().is_some_and(|dml| matches!(dml.kind, DmlKind::Insert | DmlKind::Merge));
    let kept = dml.filter(|_| job.unit.undo.by == UndoBy::Driver);
    let (now, before) = kept.as_ref().map_or(("SELECT", "SELECT"), |dml| rights(dml.kind));
    let Some(name) = summary.table.or(summary.object) else { return Ok((lines, None)) };
    let scope = job.scope().await?;
    job.theirs(&scope).await?;
    let sql = format!(
        "SELECT c.reltuples::bigint, pg_catalog.pg_total_relation_size(c.oid), c.relname, pg_catalog.has_table_privilege(c.oid, CASE \
         WHEN pg_catalog.current_setting('server_version_num')::int >= 160000 THEN '{now}' ELSE '{before}' END), current_user FROM pg_catalog.pg_class c WHERE c.oid = \
         pg_catalog.to_regclass({}) AND c.relkind IN ('r', 'p', 'm')",
        text(&name.quoted(Dialect::Postgresql))
    );
    for row in job.session.ask(&sql).await? {
        let [Some(rows), Some(bytes), Some(name), Some(may), Some(user)] = row.as_slice() else { continue };
        if may == "f" && kept.is_some() {
            let right = if adds { "SELECT" } else { "UPDATE" };
            may_not = Some(format!(
                "{user} has no right on the whole of {name}, and so may not lock it while its rows are kept: GRANT {right} ON {name} TO {user}"
            ));
        }
        let bytes = human_bytes(bytes.parse().unwrap_or_default());
        let rows =
            if rows.starts_with('-') { "not yet counted".to_owned() } else { format!("about {rows} rows") };
        lines.push(format!("{name}: {rows}, {bytes}"));
    }
    if adds {
        let found = sequences(job, &name.quoted(Dialect::Postgresql)).await?;
        lines.extend(
            found.into_iter().map(|name| format!("sequence {name} moves on, and an undo leaves it there")),
        );
    }
    Ok((lines, may_not))
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
