//! MySQL and MariaDB: statements, each exactly once and with a way back.
//!
//! Statements on rows run in a transaction of their own, together with their row in `windlass_ledger` and the rows as they
//! were; see `data`, `cover`, `put_back`. Statements on definitions commit by themselves on these servers; see
//! `definitions`. Design and rejected options: `docs/design/databases.md`.

mod algorithm;
mod aside;
mod catalog;
mod cover;
mod data;
mod definitions;
mod image;
mod ledger;
mod locks;
mod put_back;
mod session;
mod shadow;
mod statement;
mod survey;
mod tables;
#[cfg(test)]
mod tests;
mod url;

use async_trait::async_trait;
use statement::Job;
use windlass_driver::{Capsule, Context, Done, Driver, Failure, Found, Rows, Survey};
use windlass_plan::{Action, Class, UndoBy, Unit, Way};
use windlass_sql::Kind;

/// Runs statements on MySQL and MariaDB.
///
/// A statement without a timeout of its own may take an hour; a lock is waited for 3 seconds at a time, six times.
#[derive(Clone, Copy, Debug, Default)]
pub struct MysqlDriver;

/// How a statement is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Road {
    /// It only reads, or sets something of the session.
    Query,
    /// In a transaction with its ledger row.
    Data,
    /// Proven in a shadow, settled by the catalog.
    Definitions,
    /// It changes what belongs to the whole server.
    Server,
}

fn road(job: &Job<'_>) -> Road {
    let session = matches!(&job.unit.action, Action::Sql { session: true, .. });
    let reads = job.summary.readonly || job.unit.undo.class == Class::Readonly;
    match &job.summary.kind {
        _ if session || reads => Road::Query,
        Kind::Explain => Road::Query,
        Kind::CreateOther(what) | Kind::AlterOther(what) | Kind::DropOther(what)
            if !definitions::provable(what) =>
        {
            Road::Server
        }
        Kind::Privileges => Road::Server,
        _ if job.summary.changes_schema || job.summary.kind == Kind::Truncate => Road::Definitions,
        _ => Road::Data,
    }
}

#[async_trait]
impl Driver for MysqlDriver {
    async fn survey(&self, cx: &Context, unit: &Unit) -> Result<Survey, Failure> {
        let job = Job::new(cx, unit)?;
        survey::survey(&job).await
    }

    async fn capture(&self, cx: &Context, unit: &Unit) -> Result<Capsule, Failure> {
        let job = Job::new(cx, unit)?;
        match road(&job) {
            Road::Query => Ok(Capsule::default()),
            Road::Data => data::capture(&job).await,
            Road::Definitions => definitions::capture(&job).await,
            Road::Server if unit.undo.by == UndoBy::Driver => {
                Err(data::no_undo(&job, "it changes what belongs to the whole server, which has no shadow"))
            }
            Road::Server => Ok(Capsule::default()),
        }
    }

    async fn apply(&self, cx: &Context, unit: &Unit, capsule: &Capsule) -> Result<Done, Failure> {
        let job = Job::new(cx, unit)?;
        match road(&job) {
            Road::Query => statement::query(&job).await,
            Road::Data | Road::Server => data::apply(&job, capsule).await,
            Road::Definitions => definitions::apply(&job, capsule).await,
        }
    }

    async fn undo(
        &self,
        cx: &Context,
        unit: &Unit,
        capsule: &Capsule,
        _done: Option<&Done>,
    ) -> Result<Done, Failure> {
        let job = Job::new(cx, unit)?;
        match road(&job) {
            Road::Query => Ok(Done::default()),
            Road::Data | Road::Server => data::undo(&job, capsule).await,
            Road::Definitions => definitions::undo(&job, capsule).await,
        }
    }

    async fn query(&self, cx: &Context, unit: &Unit) -> Result<Rows, Failure> {
        let job = Job::new(cx, unit)?;
        let mut session = job.open_plain().await?;
        let answer = session.read(job.statement, usize::MAX).await;
        let answer = answer.map_err(|trouble| session.clean(&trouble, "asking it"))?;
        session.close().await;
        Ok(Rows { columns: answer.names, rows: answer.rows })
    }

    async fn inspect(&self, cx: &Context, unit: &Unit, capsule: &Capsule, way: Way) -> Found {
        let look = async {
            let job = Job::new(cx, unit)?;
            match (road(&job), way) {
                (Road::Query, Way::Forward) => Ok(Found::NotApplied),
                (Road::Query, Way::Undo) => Ok(Found::Applied(Done::default())),
                (Road::Data | Road::Server, _) => data::inspect(&job, capsule, way).await,
                (Road::Definitions, _) => definitions::inspect(&job, capsule, way).await,
            }
        };
        look.await.unwrap_or_else(|failure: Failure| {
            Found::Unknown([vec![failure.message], failure.hints].concat().join("\n"))
        })
    }
}
