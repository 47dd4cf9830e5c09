//! What became of a try whose outcome was not recorded: the ledger knows, once nothing of the try runs any more.

use super::{
    apply,
    job::{Job, company_name, name},
    ledger, outside,
    session::Trouble,
};
use crate::sql::place;
use serde_json::json;
use std::time::{Duration, Instant};
use windlass_driver::{Done, Failure, Fault, Found};
use windlass_plan::{Class, Way};
use windlass_sql::postgres::text;

/// A statement in a transaction cannot be committed any more when its controller is gone: it is given this long to notice.
const GRACE: Duration = Duration::from_secs(2);
/// Longest wait for a server to end what was cancelled.
const END_MAX: Duration = Duration::from_secs(60);

pub(super) async fn inspect(job: &Job, way: Way) -> Result<Found, Failure> {
    if job.unit.undo.class == Class::Readonly {
        return Ok(if way == Way::Forward { Found::NotApplied } else { Found::Applied(Done::default()) });
    }
    let asking = |trouble| job.failure(trouble, "looking what became of it");
    let is_outside = outside::is(job.statement(), &job.summary());
    if let Some(running) = ended(job, is_outside).await.map_err(asking)? {
        return Ok(Found::Unknown(running));
    }
    let entry = match ledger::exists(&job.session).await.map_err(asking)? {
        true => ledger::find(&job.session, &job.cx.run, &job.unit.id.0).await.map_err(asking)?,
        false => None,
    };
    if is_outside {
        return outside::inspect(job, entry, way).await;
    }
    if let Some(entry) = entry.as_ref().filter(|entry| entry.batches && way == Way::Forward) {
        let message = format!(
            "{}: some of its batches are committed, up to its row {} of windlass.batch; it goes on behind them",
            place(&job.cx, &job.unit, None),
            entry.seq
        );
        return Ok(Found::Failed(Failure::partial(Fault::Target, message).retryable()));
    }
    Ok(match (way, entry) {
        (Way::Forward, Some(entry)) if entry.digest == apply::digest(job) => Found::Applied(Done {
            changed: true,
            effects: vec![format!("{} rows changed, by the ledger", entry.rows)],
            facts: json!({ "rows": entry.rows }),
            ..Done::default()
        }),
        (Way::Undo, None) => Found::Applied(Done { changed: true, ..Done::default() }),
        (Way::Forward, _) | (Way::Undo, Some(_)) => Found::NotApplied,
    })
}

/// Waits until nothing of the unit runs on the server; what runs too long, in words.
async fn ended(job: &Job, is_outside: bool) -> Result<Option<String>, Trouble> {
    let names = [name(&job.cx, &job.unit), company_name(&job.cx)].map(|name| text(&name)).join(", ");
    let of = format!(
        "FROM pg_catalog.pg_stat_activity WHERE application_name IN ({names}) AND pid <> pg_catalog.pg_backend_pid() AND datname = \
         current_database() AND state <> 'idle'"
    );
    let begun = Instant::now();
    loop {
        let Some(pid) = job.session.value(&format!("SELECT pid {of}")).await? else { return Ok(None) };
        if begun.elapsed() > GRACE && !is_outside {
            job.session.ask(&format!("SELECT pg_catalog.pg_terminate_backend(pid) {of}")).await?;
        }
        let most = if is_outside { job.limit } else { END_MAX };
        if begun.elapsed() > most || job.cx.stopping.asked() {
            return Ok(Some(format!(
                "the statement still runs on {} as process {pid}; wait for it, or end it with `SELECT \
                 pg_terminate_backend({pid})`, then: windlass resume",
                job.session.shown
            )));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
