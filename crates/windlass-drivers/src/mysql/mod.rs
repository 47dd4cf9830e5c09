//! MySQL and MariaDB: statements, each exactly once and with a way back.
//!
//! Statements on rows run in a transaction of their own, together with their row in `windlass_ledger` and the rows as they
//! were; see `data`, `cover`, `put_back`. Statements on definitions commit by themselves on these servers; see
//! `definitions`; those on accounts do too, see `accounts`. Design and rejected options: `docs/design/databases.md`.

mod accounts;
mod algorithm;
mod apart;
mod aside;
mod batch;
mod by_row;
mod catalog;
mod convert;
mod cover;
mod data;
mod database;
mod definitions;
mod exchange;
mod generated;
mod image;
mod keep;
mod kept;
mod ledger;
mod live;
mod locks;
mod narrow;
mod orphans;
mod partitions;
mod picture;
mod prepared;
mod prune;
mod put_back;
mod scene;
mod session;
mod shadow;
mod statement;
mod survey;
mod tables;
#[cfg(test)]
mod tests;
mod url;

pub(crate) use picture::{Looker, take as picture};

use crate::{
    backup::{self, Lifted},
    sql::secrets,
};
use async_trait::async_trait;
pub(crate) use prune::asides;
use statement::Job;
use windlass_driver::{Capsule, Context, Done, Driver, Failure, Found, Rows, Survey};
use windlass_plan::{Action, Class, Live, UndoBy, Unit, UrlKind, Way};
use windlass_sql::{Dialect, Kind};

/// Runs statements on MySQL and MariaDB.
///
/// A statement without a timeout of its own may take an hour; a lock is waited for 3 seconds at a time, six times.
#[derive(Clone, Debug, Default)]
pub struct MysqlDriver {
    keeper: keep::Keeper,
}

impl MysqlDriver {
    /// With nothing connected.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// How a statement is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Road {
    /// It only reads, sets something of the session, or rewrites tables as they are.
    Query,
    /// In a transaction with its ledger row.
    Data,
    /// Proven in a shadow, settled by the catalog.
    Definitions,
    /// Users, roles and privileges: settled by the accounts as they were and are.
    Accounts,
    /// The defaults of a database: settled by the catalog.
    Database,
    /// It changes what else belongs to the whole server.
    Server,
}

fn road(job: &Job<'_>) -> Road {
    let session = matches!(&job.unit.action, Action::Sql { session: true, .. });
    // Somebody answers for what its functions write.
    let calls = statement::calls(job) && matches!(job.unit.undo.by, UndoBy::Script | UndoBy::Nobody);
    let reads = job.summary.readonly && !calls || job.unit.undo.class == Class::Readonly;
    match &job.summary.kind {
        _ if session || reads => Road::Query,
        Kind::Explain => Road::Query,
        // What is chosen where nothing is to be done.
        _ if job.computed && windlass_sql::mysql::does_nothing(job.statement) => Road::Query,
        // They commit by themselves; done twice they are what they are once.
        _ if windlass_sql::mysql::maintains(job.statement) => Road::Query,
        _ if accounts::is(job) => Road::Accounts,
        _ if database::is(job) => Road::Database,
        Kind::CreateOther(what) | Kind::AlterOther(what) | Kind::DropOther(what)
            if !definitions::provable(what) =>
        {
            Road::Server
        }
        _ if job.summary.changes_schema || job.summary.kind == Kind::Truncate => Road::Definitions,
        _ => Road::Data,
    }
}

#[async_trait]
impl Driver for MysqlDriver {
    async fn survey(&self, cx: &Context, unit: &Unit) -> Result<Survey, Failure> {
        if matches!(unit.action, Action::Backup { .. }) {
            return backup::lifted(cx, unit, UrlKind::Mysql, |dump| Ok(dump.survey())).await;
        }
        survey::survey(cx, unit).await
    }

    async fn catalog(&self, cx: &Context, units: &[&Unit]) -> Result<Option<Live>, Failure> {
        live::live(cx, units).await
    }

    async fn capture(&self, cx: &Context, unit: &Unit) -> Result<Capsule, Failure> {
        if matches!(unit.action, Action::Backup { .. }) {
            return Ok(Capsule::default());
        }
        let text = prepared::ask(cx, unit, Some(&self.keeper)).await?;
        let job = Job::of(cx, unit, text.as_deref())?.with(&self.keeper);
        let capsule = match road(&job) {
            Road::Query => Ok(Capsule::default()),
            Road::Data if batch::is(&job) => batch::capture(&job).await,
            Road::Data => data::capture(&job).await,
            Road::Definitions => definitions::capture(&job).await,
            Road::Accounts => accounts::capture(&job).await,
            Road::Database => database::capture(&job).await,
            Road::Server => data::no_shadow(&job).map_or_else(|| Ok(Capsule::default()), Err),
        };
        Ok(prepared::keep(capsule?, text.as_deref()))
    }

    async fn apply(&self, cx: &Context, unit: &Unit, capsule: &Capsule) -> Result<Done, Failure> {
        if matches!(unit.action, Action::Backup { .. }) {
            return backup::lifted(cx, unit, UrlKind::Mysql, Lifted::apply).await;
        }
        secrets::may_run(cx, unit, Dialect::Mysql)?;
        let job = Job::of(cx, unit, prepared::kept(unit, capsule)?)?.with(&self.keeper);
        let done = match road(&job) {
            Road::Query => statement::query(&job).await,
            Road::Data if batch::is(&job) => batch::apply(&job, capsule).await,
            Road::Data | Road::Server => data::apply(&job, capsule).await,
            Road::Definitions => definitions::apply(&job, capsule).await,
            Road::Accounts => accounts::apply(&job, capsule).await,
            Road::Database => database::apply(&job, capsule).await,
        };
        self.keeper.done(cx, unit).await;
        done
    }

    async fn undo(
        &self,
        cx: &Context,
        unit: &Unit,
        capsule: &Capsule,
        _done: Option<&Done>,
    ) -> Result<Done, Failure> {
        if matches!(unit.action, Action::Backup { .. }) {
            // Nothing to take back: the file stays.
            return Ok(Done::default());
        }
        self.keeper.close().await;
        let job = Job::of(cx, unit, prepared::kept(unit, capsule)?)?;
        match road(&job) {
            Road::Query => Ok(Done::default()),
            Road::Data if batch::is(&job) => batch::undo(&job, capsule).await,
            Road::Data | Road::Server => data::undo(&job, capsule).await,
            Road::Definitions => definitions::undo(&job, capsule).await,
            Road::Accounts => accounts::undo(&job, capsule).await,
            Road::Database => database::undo(&job, capsule).await,
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
            match &unit.action {
                Action::Backup { .. } if way == Way::Undo => return Ok(Found::Applied(Done::default())),
                Action::Backup { .. } => {
                    return backup::lifted(cx, unit, UrlKind::Mysql, |dump| Ok(dump.inspect())).await;
                }
                _ => {}
            }
            let job = Job::of(cx, unit, prepared::kept(unit, capsule)?)?;
            match (road(&job), way) {
                (Road::Query, Way::Forward) => Ok(Found::NotApplied),
                (Road::Query, Way::Undo) => Ok(Found::Applied(Done::default())),
                (Road::Data | Road::Server, _) => data::inspect(&job, capsule, way).await,
                (Road::Definitions, _) => definitions::inspect(&job, capsule, way).await,
                (Road::Accounts, _) => accounts::inspect(&job, capsule, way).await,
                (Road::Database, _) => database::inspect(&job, capsule, way).await,
            }
        };
        look.await.unwrap_or_else(|failure: Failure| Found::Unknown(failure.whole("\n")))
    }
}
