//! PostgreSQL: each statement in a transaction of its own, together with its row in the table `windlass.ledger`, so it
//! happens exactly once and `inspect` can always tell.
//!
//! Rows are kept as they were in before-images ([`rows`]), definitions are taken back by the difference of the catalog after
//! and before ([`schema`]), proven before the commit. See `docs/design/databases.md`.

mod apply;
mod aside;
mod back;
mod batch;
mod blockers;
mod calls;
mod catalogs;
mod facts;
mod few;
mod grown;
mod inspect;
mod job;
mod keeper;
mod ledger;
mod live;
mod made;
mod outside;
mod picture;
mod proof;
mod prune;
mod put_back;
mod questions;
mod race;
mod read;
mod retype;
mod rows;
mod schema;
mod scratch;
mod sequences;
mod session;
mod snapshot;
mod stretch;
mod survey;
#[cfg(test)]
mod tests;
mod tls;
mod together;
mod undo;
mod url;
mod values;

pub(crate) use picture::{Looker, take as picture};
pub(crate) use prune::asides;
pub(crate) use scratch::local;

use crate::{
    backup::{self, Lifted},
    sql::secrets,
};
use async_trait::async_trait;
use job::Job;
use windlass_driver::{Capsule, Context, Done, Driver, Failure, Found, Rows, Survey, Work};
use windlass_plan::{Action, Class, Live, Unit, UrlKind, Way};
use windlass_sql::Dialect;

/// Runs statements on PostgreSQL databases.
///
/// A statement without a timeout of its own may take an hour; a lock is waited for three seconds at a time, five times.
#[derive(Clone, Default)]
pub struct PostgresDriver {
    scratch: survey::Shared,
    keeper: keeper::Keeper,
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
        if matches!(unit.action, Action::Backup { .. }) {
            return backup::lifted(cx, unit, UrlKind::Postgresql, |dump| Ok(dump.survey())).await;
        }
        survey::survey(&Job::open(cx, unit).await?, &self.scratch).await
    }

    async fn catalog(&self, cx: &Context, units: &[&Unit]) -> Result<Option<Live>, Failure> {
        live::live(cx, units).await
    }

    /// What an undo needs is written in the transaction of the statement, where it is exact.
    async fn capture(&self, _cx: &Context, _unit: &Unit) -> Result<Capsule, Failure> {
        Ok(Capsule::default())
    }

    async fn apply(&self, cx: &Context, unit: &Unit, _capsule: &Capsule) -> Result<Done, Failure> {
        if !keeper::uses(unit) {
            self.keeper.close().await;
        }
        if matches!(unit.action, Action::Backup { .. }) {
            return backup::lifted(cx, unit, UrlKind::Postgresql, Lifted::apply).await;
        }
        secrets::may_run(cx, unit, Dialect::Postgresql)?;
        if batch::is(unit) {
            return batch::apply(cx, unit).await;
        }
        let job = self.keeper.job(cx, unit).await?;
        if unit.undo.class == Class::Readonly {
            return read::apply(&job).await;
        }
        let done = apply::apply(&job).await?;
        self.keeper.keep(&job, unit).await;
        Ok(done)
    }

    fn goes_with(&self, unit: &Unit, next: &Unit) -> bool {
        together::go(unit, next)
    }

    async fn apply_together(&self, works: &[Work]) -> Vec<Option<Result<Done, Failure>>> {
        match (together::apply(works, &self.keeper, together::TOGETHER_MAX).await, works.first()) {
            (Some(answers), _) => answers,
            (None, Some(first)) => vec![Some(self.apply(&first.cx, &first.unit, &first.capsule).await)],
            (None, None) => vec![],
        }
    }

    async fn undo(
        &self,
        cx: &Context,
        unit: &Unit,
        _capsule: &Capsule,
        _done: Option<&Done>,
    ) -> Result<Done, Failure> {
        self.keeper.close().await;
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
        let found = async {
            match &unit.action {
                Action::Backup { .. } if way == Way::Undo => Ok(Found::Applied(Done::default())),
                Action::Backup { .. } => {
                    backup::lifted(cx, unit, UrlKind::Postgresql, |dump| Ok(dump.inspect())).await
                }
                _ => inspect::inspect(&Job::open(cx, unit).await?, way).await,
            }
        };
        found.await.unwrap_or_else(|failure: Failure| Found::Unknown(failure.whole("\n")))
    }
}
