//! A connection that is kept from one transaction to the next of the same run, while statements come for which it is as a new one.

use super::{batch, job::Job, outside, together};
use std::sync::Arc;
use windlass_driver::{Context, Failure};
use windlass_plan::{Action, Class, Unit};
use windlass_sql::{Ddl, Dialect};

/// The kept connection, if there is one.
#[derive(Clone, Default)]
pub(super) struct Keeper(Arc<tokio::sync::Mutex<Option<Kept>>>);

struct Kept {
    run: String,
    target: String,
    session: Arc<super::session::Session>,
}

/// Whether another transaction finds what it would on a new connection.
const CLEAN: &str = "SELECT pg_catalog.pg_my_temp_schema() = 0 AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks WHERE pid = \
     pg_catalog.pg_backend_pid() AND locktype = 'advisory') AND NOT EXISTS (SELECT FROM pg_catalog.pg_listening_channels()) AND NOT \
     EXISTS (SELECT FROM pg_catalog.pg_prepared_statements) AND NOT EXISTS (SELECT FROM pg_catalog.pg_cursors) AND NOT EXISTS \
     (SELECT FROM pg_catalog.pg_settings WHERE source = 'session') AND pg_catalog.current_setting('role') = 'none' AND session_user = current_user AND \
     session_user = (SELECT usename FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid())";

/// Whether functions of users set something: a default, a trigger or a view may call them, and their settings would be
/// those of the next statement.
pub(super) const SETTERS: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_proc WHERE oid >= 16384 AND (prosrc ~* '\\mset_config\\M' OR prosrc ~* \
     '(^|;|begin|then|else|loop)\\s*set\\s' OR prosrc ~* '\\mexecute\\M'))";

/// Objects whose definitions say nothing of what a new connection finds.
const PLAIN: [&str; 5] = ["INDEX", "SEQUENCE", "TYPE", "DOMAIN", "VIEW"];

impl Keeper {
    /// A job on the kept connection, or on a new one.
    pub(super) async fn job(&self, cx: &Context, unit: &Unit) -> Result<Job, Failure> {
        let kept = self.0.lock().await.take();
        let same = |kept: &Kept| kept.run == cx.run && Some(kept.target.as_str()) == target(unit);
        if let Some(kept) = kept.filter(same) {
            let job = Job::on(cx, unit, kept.session);
            // It may have ended since, or what it went through.
            if job.session.value("SELECT 1").await.is_ok() {
                return Ok(job);
            }
        }
        Job::open(cx, unit).await
    }

    /// Keeps the connection if the unit behind `last` in the plan has a use for it: whatever else comes next finds nobody connected.
    pub(super) async fn keep(&self, job: &Job, last: &Unit) {
        let next = job.cx.plan.behind(&last.id).next();
        if next.is_some_and(|(_, next)| target(next) == target(last) && uses(next)) {
            self.put(job).await;
        }
    }

    /// Keeps the connection for the next statement if it is as a new one.
    pub(super) async fn put(&self, job: &Job) {
        let Some(target) = target(&job.unit) else { return };
        let is_safe = job.company.is_some()
            || (together::fits(&job.unit) || leaves_nothing(job.statement()))
                && job.session.value(SETTERS).await.ok().flatten().as_deref() == Some("f");
        if is_safe && job.session.value(CLEAN).await.ok().flatten().as_deref() == Some("t") {
            let (run, target) = (job.cx.run.clone(), target.to_owned());
            *self.0.lock().await = Some(Kept { run, target, session: Arc::clone(&job.session) });
        }
    }

    /// Closes it.
    pub(super) async fn close(&self) {
        self.0.lock().await.take();
    }
}

/// The target of a statement.
pub(super) fn target(unit: &Unit) -> Option<&str> {
    match &unit.action {
        Action::Sql { target, .. } => Some(target),
        _ => None,
    }
}

/// Whether the unit runs on a kept connection: one that goes with others, or on definitions inside of a transaction.
pub(super) fn uses(unit: &Unit) -> bool {
    let Action::Sql { statement, session: false, .. } = &unit.action else { return false };
    let (parts, _) = windlass_sql::split(statement, Dialect::Postgresql);
    let Some(part) = parts.first() else { return false };
    let is_known = together::fits(unit) || windlass_sql::ddl(statement, Dialect::Postgresql).is_some();
    is_known
        && !batch::is(unit)
        && unit.undo.class != Class::Readonly
        && !outside::is(statement, &part.summary)
}

/// Whether a statement that was alone in its transaction leaves the connection as it was, as far as its text tells. Settings of roles and
/// databases are those of new connections, and what a `DO` block or a query sets is not all to be seen afterwards.
fn leaves_nothing(statement: &str) -> bool {
    let is_plain = |what: &str| PLAIN.contains(&what);
    let is_plain = match windlass_sql::ddl(statement, Dialect::Postgresql) {
        Some(Ddl::CreateTable(table)) => !table.derived && !table.temporary,
        Some(Ddl::CreateIndex(_) | Ddl::AlterTable(_)) => true,
        Some(Ddl::CreateOther { what, .. } | Ddl::AlterOther { what, .. }) => is_plain(&what),
        Some(Ddl::Drop(drop)) => drop.what == "TABLE" || is_plain(&drop.what),
        _ => false,
    };
    is_plain && !statement.to_ascii_lowercase().contains("set_config")
}
