//! Undo: by what the ledger says, or by restore, and that only while nobody but this run has written.

use super::{
    carry::Source,
    connect::{Job, text},
    copy::{self, StepCopy},
    fine::{self, WayBack},
    fingerprint::Fingerprint,
    ledger,
};
use crate::disk;
use rusqlite::{Connection, OpenFlags, backup::Backup};
use serde_json::json;
use std::path::{Path, PathBuf};
use windlass_driver::{Done, Failure, Fault};
use windlass_plan::{Action, UndoBy, UnitId};

/// Undoes the statement of the job.
pub(super) fn undo(job: &Job) -> Result<Done, Failure> {
    let Action::Sql { target, .. } = &job.unit.action else { unreachable!("the driver chose by the action") };
    if job.unit.undo.by == UndoBy::Nothing {
        return Ok(Done::default());
    }
    let sqlite = |doing: &'static str| move |error: rusqlite::Error| job.failure(&error, doing);
    let mut live = job.write()?;
    live.execute_batch("BEGIN IMMEDIATE").map_err(sqlite("waiting for the write lock"))?;
    let entry = ledger::find(&live, &job.cx.run, &job.unit.id.0).map_err(sqlite("reading the ledger"))?;
    let Some(entry) = entry else {
        let effects = vec!["not applied, or undone before, by the ledger".to_owned()];
        return Ok(Done { effects, ..Done::default() });
    };
    let way_back = entry.undo.as_deref().map(serde_json::from_str::<WayBack>);
    let copy = match way_back {
        Some(Ok(WayBack::Fine(saved))) => {
            return fine::undo(job, &mut live, &entry, &saved);
        }
        Some(Err(error)) => {
            let text = format!(
                "{}: the ledger's row of {} cannot be read ({error}): it is from another version of Windlass",
                job.database.display(),
                entry.unit
            );
            return Err(
                Failure::clean(Fault::Windlass, text).hint("roll back with the version that applied it")
            );
        }
        Some(Ok(WayBack::Copy(_))) => StepCopy::of_unit(job),
        None => StepCopy::of(job, target),
    };
    // The restore takes the lock itself.
    live.execute_batch("ROLLBACK").map_err(sqlite("reading the ledger"))?;
    let source = source(job, copy)?;
    restore(job, &mut live, &source)
}

/// The file that the undo needs, if it is no longer there.
pub(super) fn gone(job: &Job) -> Result<Vec<String>, Failure> {
    let Action::Sql { target, .. } = &job.unit.action else { return Ok(Vec::new()) };
    let live = job.read()?;
    let entry = ledger::find(&live, &job.cx.run, &job.unit.id.0)
        .map_err(|error| job.failure(&error, "reading the ledger"))?;
    let Some(entry) = entry else { return Ok(Vec::new()) };
    let way_back = entry.undo.as_deref().map(serde_json::from_str::<WayBack>);
    let file = match (way_back, &job.unit.undo.by) {
        (Some(Ok(WayBack::Fine(saved))), _) => saved.file(&job.cx.workspace),
        (Some(Ok(WayBack::Copy(_))), UndoBy::Driver) => Some(StepCopy::of_unit(job).file),
        (None, UndoBy::Driver) => Some(StepCopy::of(job, target).file),
        (_, UndoBy::Backup(unit)) => return Ok(backup_gone(job, unit).into_iter().collect()),
        _ => None,
    };
    Ok(file.and_then(|file| disk::gone(&file)).into_iter().collect())
}

/// Why there is no backup to go back to. Whether it is unchanged takes as long as it is big: the undo proves that.
fn backup_gone(job: &Job, unit: &UnitId) -> Option<String> {
    match noted(job, unit) {
        Ok((file, _)) => disk::is_gone(&file).then(|| format!("{} is gone", file.display())),
        Err(why) => Some(why),
    }
}

/// The file to restore from, proved to be unchanged.
fn source(job: &Job, step: StepCopy) -> Result<PathBuf, Failure> {
    let refuse = |text: String| {
        Failure::clean(Fault::Target, format!("cannot restore {}: {text}", job.database.display())).hint(
            "nothing was changed; if there is another backup, restore it by hand and mark the unit done",
        )
    };
    match &job.unit.undo.by {
        UndoBy::Driver => step.made().map(|_| step.file).map_err(refuse),
        UndoBy::Backup(unit) => backup_of(job, unit).map_err(refuse),
        _ => Err(refuse("this unit has no undo by its driver".to_owned())),
    }
}

/// The backup file that a unit of this run reported, if it is unchanged.
pub(super) fn backup_of(job: &Job, unit: &UnitId) -> Result<PathBuf, String> {
    let (file, sha256) = noted(job, unit)?;
    disk::complaint(&file, sha256).map_or(Ok(file), Err)
}

/// The backup file that a unit of this run reported, and the SHA-256 that it had.
fn noted<'a>(job: &'a Job, unit: &UnitId) -> Result<(PathBuf, &'a str), String> {
    let facts =
        job.cx.facts.get(unit).ok_or_else(|| format!("unit {unit} has made no backup in this run"))?;
    let fact = |name: &str| {
        facts
            .get(name)
            .and_then(|value| value.as_str())
            .ok_or_else(|| format!("unit {unit} reported no `{name}`"))
    };
    Ok((job.cx.base.join(fact("file")?), fact("sha256")?))
}

fn restore(job: &Job, live: &mut Connection, file: &Path) -> Result<Done, Failure> {
    let sqlite = |error: rusqlite::Error| job.failure(&error, "restoring it");
    let source = Source::open(job, file, live).map_err(|error| error.failure(job, &job.cx.workspace))?;
    let from = &source.connection;
    let wanted = Fingerprint::of(from).map_err(sqlite)?;
    let bytes = copy::size(from).map_err(sqlite)?;
    let mode: String = live.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(sqlite)?;
    let carried = {
        let backup = Backup::new(from, live).map_err(sqlite)?;
        // Copies nothing yet, but locks out all other writers until the backup ends: what is checked now stays true.
        copy::patiently(job, &backup, 0).map_err(sqlite)?;
        let look = beside(job, &mode).map_err(sqlite)?;
        if let Some(conflicts) = conflicts(job, from, &wanted, &look).map_err(sqlite)? {
            return Err(conflict_failure(job, file, conflicts));
        }
        let carried = source.carry(&look).map_err(sqlite)?;
        let carried = carried.map_err(|conflict| conflict_failure(job, file, vec![conflict]))?;
        // One transaction: a crash anywhere in it leaves the database as it was.
        copy::finish(job, &backup, "restoring the database", bytes).map_err(sqlite)?;
        carried
    };
    let restored = Fingerprint::of(live);
    match restored {
        Ok(found) if found == wanted => Ok(Done {
            changed: true,
            effects: [
                vec![format!("restored: {} tables, {} rows", wanted.tables.len(), wanted.rows())],
                carried,
            ]
            .concat(),
            output: String::new(),
            facts: json!({ "fingerprint": wanted.sha256() }),
        }),
        // Writers may go on as soon as the restore is committed.
        Ok(found) => Ok(Done {
            changed: true,
            effects: [vec!["restored, and written to since".to_owned()], wanted.differences(&found), carried]
                .concat(),
            output: String::new(),
            facts: json!({ "fingerprint": wanted.sha256() }),
        }),
        Err(error) => Err(Failure::unknown(
            Fault::Target,
            format!("{}: restored, but it cannot be read: {}", job.database.display(), text(&error)),
        )),
    }
}

/// A second connection that reads while the first holds the write lock. In a rollback mode that lock shuts out readers,
/// so the file is read without locks; it cannot change.
fn beside(job: &Job, mode: &str) -> rusqlite::Result<Connection> {
    if mode != "wal" {
        return copy::open(&job.database);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(&job.database, flags)
}

/// What others have written since the copy, if anything. Between the copy and now the ledger must account for every
/// change: each statement of this run began with what the one before it left, and the last left what is there now.
fn conflicts(
    job: &Job,
    from: &Connection,
    copied: &Fingerprint,
    look: &Connection,
) -> rusqlite::Result<Option<Vec<String>>> {
    look.execute_batch("BEGIN")?;
    let (old, all) = (ledger::entries(from)?, ledger::entries(look)?);
    if !all.starts_with(&old) {
        return Ok(Some(vec!["the ledger was changed since the copy".to_owned()]));
    }
    let mut lines = vec![];
    let mut expected = copied.clone();
    for entry in &all[old.len()..] {
        if entry.run != job.cx.run {
            lines.push(format!("run {} has applied {} since", entry.run, entry.unit));
        }
        let (Some(before), Some(after)) = (&entry.before, &entry.after) else {
            lines.push(format!("{} was applied without a fingerprint", entry.unit));
            break;
        };
        let written = expected.differences(before);
        lines.extend(written.into_iter().map(|line| format!("before {}: {line}", entry.unit)));
        expected = after.clone();
    }
    lines.extend(expected.differences(&Fingerprint::of(look)?));
    Ok((!lines.is_empty()).then_some(lines))
}

fn conflict_failure(job: &Job, file: &Path, conflicts: Vec<String>) -> Failure {
    let count = conflicts.len();
    let mut failure = Failure::clean(
        Fault::Target,
        format!(
            "{} was written by others since the copy {}; restoring would lose that, so nothing was changed: {}",
            job.database.display(),
            file.display(),
            conflicts[0]
        ),
    );
    let shown = conflicts.into_iter().skip(1).take(20);
    failure.hints.extend(shown.map(|line| format!("also: {line}")));
    if count > 21 {
        failure.hints.push(format!("and {} more differences", count - 21));
    }
    failure
        .hint("undo the statements by hand and mark the unit done, or save what was written, restore the copy, and mark it done")
        .hint(format!("look at the copy: sqlite3 {}", file.display()))
}
