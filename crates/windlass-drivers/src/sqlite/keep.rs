//! A connection that is kept from one statement to the next of the same database.
//!
//! Opening reads all definitions, and closing the last connection of a database in WAL mode copies the log back and takes
//! it away, with several syncs: for each of a thousand statements. It is kept only on the way forwards, while the
//! next unit of the plan is a statement on the same database too, and only if the driver itself takes this one back, which
//! closes it: a shell line and a hand-written undo must find the file whole, with nothing in a log beside it. On the way back
//! none is kept: what runs next there is not what the plan has beside it.

use rusqlite::Connection;
use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use windlass_plan::{Action, Plan, UndoBy, Unit, UnitId};

/// Shared by all calls of a driver, which come one after another.
#[derive(Clone, Default)]
pub(super) struct Keeper(Arc<Mutex<Kept>>);

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keeper")
    }
}

#[derive(Default)]
struct Kept {
    connection: Option<(File, Connection)>,
    /// Where the last unit stood in its plan, which is beside the next one.
    last: (usize, usize),
}

/// A file, which may have been replaced by another of its name.
#[derive(PartialEq, Eq)]
struct File {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl File {
    fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        Some(Self { path: path.to_owned(), device: found.dev(), inode: found.ino() })
    }
}

impl Keeper {
    /// The kept connection, if it is one to this file.
    pub(super) fn take(&self, path: &Path) -> Option<Connection> {
        let (file, connection) = self.lock().connection.take()?;
        (File::of(path).as_ref() == Some(&file)).then_some(connection)
    }

    /// Keeps a connection on which nothing is under way if the unit that comes next has a use for it; closes it if not.
    pub(super) fn keep(&self, connection: Connection, path: &Path, plan: &Plan, unit: &Unit) {
        let mut kept = self.lock();
        let Some(at) = locate(plan, &unit.id, kept.last) else { return };
        kept.last = at;
        let by_driver = unit.undo.by == UndoBy::Driver && plan.steps[at.0].undo.is_none();
        let wanted = by_driver && next(plan, at).is_some_and(|next| same_target(unit, next));
        if wanted && is_clean(&connection).unwrap_or(false) {
            kept.connection = File::of(path).map(|file| (file, connection));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether another statement on it finds what it would on a new connection.
fn is_clean(connection: &Connection) -> rusqlite::Result<bool> {
    let none = "SELECT NOT EXISTS (SELECT 1 FROM sqlite_temp_schema)";
    Ok(connection.is_autocommit() && connection.query_row(none, [], |row| row.get(0))?)
}

/// Whether both are statements on one target.
pub(super) fn same_target(unit: &Unit, next: &Unit) -> bool {
    match (&unit.action, &next.action) {
        (Action::Sql { target, .. }, Action::Sql { target: other, .. }) => target == other,
        _ => false,
    }
}

/// Step and position of a unit; looked for beside `last` first.
fn locate(plan: &Plan, id: &UnitId, last: (usize, usize)) -> Option<(usize, usize)> {
    let is = |(step, at): (usize, usize)| {
        plan.steps.get(step).and_then(|step| step.units.get(at)).is_some_and(|unit| unit.id == *id)
    };
    let near = [Some(last), after(plan, last)];
    let all = || {
        let steps = plan.steps.iter().enumerate();
        steps.flat_map(|(step, known)| (0..known.units.len()).map(move |at| (step, at))).find(|at| is(*at))
    };
    near.into_iter().flatten().find(|at| is(*at)).or_else(all)
}

fn next(plan: &Plan, at: (usize, usize)) -> Option<&Unit> {
    let (step, at) = after(plan, at)?;
    plan.steps.get(step)?.units.get(at)
}

fn after(plan: &Plan, (step, at): (usize, usize)) -> Option<(usize, usize)> {
    if at + 1 < plan.steps.get(step)?.units.len() {
        return Some((step, at + 1));
    }
    let rest = plan.steps.iter().enumerate().skip(step + 1);
    rest.filter(|(_, step)| !step.units.is_empty()).map(|(step, _)| (step, 0)).next()
}
