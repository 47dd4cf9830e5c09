//! SQLite: statements, backups, fingerprints.
//!
//! Each statement runs in a transaction of its own, together with its row in the table `windlass_ledger`, so it happens
//! exactly once and `inspect` can always tell. The way back is a copy by SQLite's backup API, made before the first
//! statement of a step; it is put back only while the ledger accounts for every change since: what others wrote is
//! never lost. See `restore` for the check.
//!
//! The driver never opens a database file but through SQLite: closing any other descriptor of it would drop the
//! locks of this process (POSIX).

mod aside;
mod ask;
mod back;
mod backup;
mod batch;
mod batch_look;
mod carry;
mod catalog;
mod connect;
mod copy;
mod fine;
mod fingerprint;
mod image;
mod keep;
mod ledger;
mod live;
mod picture;
mod prune;
mod restore;
mod schema;
mod statement;
mod survey;
#[cfg(test)]
mod tests;
mod together;
mod watch;

use crate::serial::Serial;
pub(crate) use picture::take as picture;
pub(crate) use prune::asides;

use async_trait::async_trait;
use connect::{BUSY_MAX, Job};
use copy::StepCopy;
pub use fingerprint::{Fingerprint, FingerprintError, TablePrint, fingerprint};
use keep::Keeper;
use serde_json::json;
use windlass_driver::{Capsule, Context, Done, Driver, Failure, Fault, Found, Rows, Survey, Work};
use windlass_plan::{Action, Class, Live, UndoBy, Unit, Way};

/// Runs statements and backups on SQLite databases, one at a time.
///
/// A statement without a timeout of its own may take an hour; a lock is waited for at most five seconds.
#[derive(Clone, Debug, Default)]
pub struct SqliteDriver {
    serial: Serial,
    keeper: Keeper,
}

impl SqliteDriver {
    /// A driver. All units of one process must use the same.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    async fn run<T: Send + 'static>(
        &self,
        cx: &Context,
        unit: &Unit,
        work: impl FnOnce(&Job) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (cx, unit, keeper) = (cx.clone(), unit.clone(), self.keeper.clone());
        // The job begins with the work, so that waiting for earlier work does not use up its time.
        self.serial.run(move || job(&cx, &unit, &keeper).and_then(|job| work(&job))).await
    }
}

fn job(cx: &Context, unit: &Unit, keeper: &Keeper) -> Result<Job, Failure> {
    match &unit.action {
        Action::Sql { target, .. } | Action::Backup { target, .. } => Job::new(cx, unit, target, keeper),
        _ => Err(Failure::clean(
            Fault::Windlass,
            format!(
                "unit {} was given to the SQLite driver, but is neither a statement nor a backup",
                unit.id
            ),
        )),
    }
}

#[async_trait]
impl Driver for SqliteDriver {
    async fn survey(&self, cx: &Context, unit: &Unit) -> Result<Survey, Failure> {
        self.run(cx, unit, |job| match &job.unit.action {
            Action::Backup { .. } => Ok(backup::survey(job)),
            _ => survey::survey(job),
        })
        .await
    }

    async fn catalog(&self, cx: &Context, units: &[&Unit]) -> Result<Option<Live>, Failure> {
        let Some(first) = units.first() else { return Ok(None) };
        let units: Vec<Unit> = units.iter().map(|unit| (*unit).clone()).collect();
        self.run(cx, first, move |job| live::live(job, &units).map(Some)).await
    }

    async fn capture(&self, cx: &Context, unit: &Unit) -> Result<Capsule, Failure> {
        self.run(cx, unit, |job| match &job.unit.action {
            Action::Sql { target, .. } => capture(job, target),
            _ => Ok(Capsule::default()),
        })
        .await
    }

    async fn apply(&self, cx: &Context, unit: &Unit, _capsule: &Capsule) -> Result<Done, Failure> {
        if batch::is(unit) {
            return batch::apply(self, cx, unit).await;
        }
        self.run(cx, unit, |job| match &job.unit.action {
            Action::Backup { .. } => backup::apply(job),
            _ => statement::apply(job),
        })
        .await
    }

    fn goes_with(&self, unit: &Unit, next: &Unit) -> bool {
        // Batches have transactions of their own.
        let one = |unit: &Unit| statement::is_fine(unit) && !batch::is(unit);
        keep::same_target(unit, next) && one(unit) && one(next)
    }

    async fn apply_together(&self, works: &[Work]) -> Vec<Option<Result<Done, Failure>>> {
        let (works, keeper) = (works.to_vec(), self.keeper.clone());
        self.serial.run(move || together::apply(&works, &keeper)).await
    }

    async fn gone(&self, cx: &Context, unit: &Unit, _capsule: &Capsule) -> Vec<String> {
        if batch::is(unit) {
            return Vec::new();
        }
        self.run(cx, unit, restore::gone).await.unwrap_or_default()
    }

    async fn undo(
        &self,
        cx: &Context,
        unit: &Unit,
        _capsule: &Capsule,
        _done: Option<&Done>,
    ) -> Result<Done, Failure> {
        if batch::is(unit) {
            return batch::undo(self, cx, unit).await;
        }
        self.run(cx, unit, |job| match &job.unit.action {
            // Nothing to take back: the file stays.
            Action::Backup { .. } => Ok(Done::default()),
            _ => restore::undo(job),
        })
        .await
    }

    async fn query(&self, cx: &Context, unit: &Unit) -> Result<Rows, Failure> {
        self.run(cx, unit, ask::query).await
    }

    async fn inspect(&self, cx: &Context, unit: &Unit, _capsule: &Capsule, way: Way) -> Found {
        let found = self.run(cx, unit, move |job| match &job.unit.action {
            Action::Backup { .. } if way == Way::Undo => Ok(Found::Applied(Done::default())),
            Action::Backup { .. } => Ok(backup::inspect(job)),
            _ if batch::is(&job.unit) => batch::inspect(job, way),
            _ => inspect(job, way),
        });
        found.await.unwrap_or_else(|failure| Found::Unknown(failure.whole("\n")))
    }
}

/// Makes or finds what the undo of a statement needs.
fn capture(job: &Job, target: &str) -> Result<Capsule, Failure> {
    let sqlite = |error: rusqlite::Error| job.failure(&error, "reading the ledger");
    match &job.unit.undo.by {
        _ if job.unit.undo.class == Class::Readonly => Ok(Capsule::default()),
        // Each batch saves what it changes; that it can is said before the first.
        _ if batch::is(&job.unit) => {
            batch_look::shape(job, &job.read()?)?;
            Ok(Capsule::default())
        }
        // What it changes is saved in its own transaction.
        UndoBy::Driver if statement::is_fine(&job.unit) => Ok(Capsule::default()),
        UndoBy::Driver => {
            let live = job.read()?;
            let step = StepCopy::of(job, target);
            let copy = if statement::step_has_begun(job, &live).map_err(sqlite)? {
                // It must be the one from before: a new one would already hold a part of the step.
                step.made().map_err(|why| {
                    Failure::clean(
                        Fault::Transport,
                        format!("the copy from before the first statement of this step is lost: {why}"),
                    )
                    .hint("unwind by hand from another backup, or give the step an `undoes=` fence")
                })?
            } else {
                step.make(job, &live).map_err(|error| error.failure(job, &step.file))?
            };
            Ok(Capsule(json!({ "copy": step.file.display().to_string(), "sha256": copy.sha256 })))
        }
        UndoBy::Backup(unit) => {
            let file = restore::backup_of(job, unit)
                .map_err(|why| Failure::clean(Fault::Target, format!("there would be no way back: {why}")))?;
            Ok(Capsule(json!({ "copy": file.display().to_string() })))
        }
        UndoBy::Nothing | UndoBy::Script | UndoBy::Nobody => Ok(Capsule::default()),
    }
}

/// The ledger decides.
fn inspect(job: &Job, way: Way) -> Result<Found, Failure> {
    if job.unit.undo.class == Class::Readonly {
        return Ok(if way == Way::Forward { Found::NotApplied } else { Found::Applied(Done::default()) });
    }
    // Opened to write: what a killed controller left half-done is rolled back by SQLite first.
    let live = job.write()?;
    let entry = ledger::find(&live, &job.cx.run, &job.unit.id.0);
    let entry = entry.map_err(|error| job.failure(&error, "reading the ledger"))?;
    Ok(match (way, entry) {
        (Way::Forward, Some(entry)) => Found::Applied(statement::done(entry.rows)),
        (Way::Undo, None) => {
            let list = job.cx.workspace.join("conflicts.csv");
            let text = || {
                format!("values that others have written since were found; they are in {}", list.display())
            };
            let effects = if list.exists() { vec![text()] } else { vec![] };
            Found::Applied(Done { changed: true, effects, ..Done::default() })
        }
        (Way::Forward, None) | (Way::Undo, Some(_)) => Found::NotApplied,
    })
}
