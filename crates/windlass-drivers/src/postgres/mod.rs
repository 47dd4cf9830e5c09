//! PostgreSQL: each statement in a transaction of its own, together with its row in the table `windlass.ledger`, so it
//! happens exactly once and `inspect` can always tell.
//!
//! Rows are kept as they were in before-images ([`rows`]), definitions are taken back by the difference of the catalog after
//! and before ([`schema`]), proven before the commit. See `docs/design/databases.md`.

mod apply;
mod aside;
mod back;
mod blockers;
mod facts;
mod inspect;
mod job;
mod ledger;
mod outside;
mod proof;
mod read;
mod rows;
mod schema;
mod scratch;
mod session;
mod snapshot;
mod survey;
#[cfg(test)]
mod tests;
mod tls;
mod undo;
mod url;

use async_trait::async_trait;
use job::Job;
use windlass_driver::{Capsule, Context, Done, Driver, Failure, Fault, Found, Rows, Survey};
use windlass_plan::{Action, Class, Unit, Way};

/// Runs statements on PostgreSQL databases.
///
/// A statement without a timeout of its own may take an hour; a lock is waited for three seconds at a time, five times.
#[derive(Clone, Default)]
pub struct PostgresDriver {
    scratch: survey::Shared,
}

impl PostgresDriver {
    /// A driver.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Driver for PostgresDriver {
    async fn survey(&self, cx: &Context, unit: &Unit) -> Result<Survey, Failure> {
        survey::survey(&Job::open(cx, unit).await?, &self.scratch).await
    }

    async fn capture(&self, _cx: &Context, unit: &Unit) -> Result<Capsule, Failure> {
        match &unit.action {
            // What an undo needs is written in the transaction of the statement, where it is exact.
            Action::Sql { .. } => Ok(Capsule::default()),
            _ => Err(Failure::clean(
                Fault::Document,
                format!(
                    "line {}: backups of PostgreSQL are not made by this version; use pg_dump in a shell line",
                    unit.line
                ),
            )),
        }
    }

    async fn apply(&self, cx: &Context, unit: &Unit, _capsule: &Capsule) -> Result<Done, Failure> {
        let job = Job::open(cx, unit).await?;
        if unit.undo.class == Class::Readonly {
            return read::apply(&job).await;
        }
        apply::apply(&job).await
    }

    async fn undo(
        &self,
        cx: &Context,
        unit: &Unit,
        _capsule: &Capsule,
        _done: Option<&Done>,
    ) -> Result<Done, Failure> {
        if unit.undo.class == Class::Readonly {
            return Ok(Done::default());
        }
        undo::undo(&Job::open(cx, unit).await?).await
    }

    async fn query(&self, cx: &Context, unit: &Unit) -> Result<Rows, Failure> {
        let job = Job::open(cx, unit).await?;
        let asked = job.session.statement(job.statement(), usize::MAX).await;
        let answer = asked.map_err(|trouble| job.failure(trouble, "asking it"))?;
        Ok(Rows { columns: answer.names, rows: answer.rows })
    }

    async fn inspect(&self, cx: &Context, unit: &Unit, _capsule: &Capsule, way: Way) -> Found {
        let found = async { inspect::inspect(&Job::open(cx, unit).await?, way).await };
        found.await.unwrap_or_else(|failure: Failure| {
            Found::Unknown([vec![failure.message], failure.hints].concat().join("\n"))
        })
    }
}
