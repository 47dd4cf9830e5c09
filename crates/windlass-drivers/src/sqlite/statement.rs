//! One statement: in a transaction of its own, together with its ledger row.

use super::{
    connect::{Job, busy, text},
    copy::{StepCopy, open},
    fine::{self, Not, WayBack},
    fingerprint::Fingerprint,
    ledger::{self, Entry},
    watch::Watch,
};
use crate::{
    disk::{one_line, sha256},
    sql::{ROWS_SHOWN, VALUE_MAX, aligned, secrets, wrong_rows},
};
use rusqlite::{Connection, Error, ErrorCode, Statement};
use serde_json::json;
use std::path::Path;
use windlass_driver::{Done, Failure, Fault};
use windlass_plan::{Action, Class, UndoBy, Unit};
use windlass_sql::Dialect;

/// Runs the statement of the job.
pub(super) fn apply(job: &Job) -> Result<Done, Failure> {
    let Action::Sql { target, statement, rows, .. } = &job.unit.action else {
        unreachable!("the driver chose by the action")
    };
    secrets::may_run(&job.cx, &job.unit, Dialect::Sqlite)?;
    let mut connection = job.write()?;
    let watch = Watch::begin(&mut connection).map_err(|error| job.failure(&error, "preparing"))?;
    let readonly = {
        let prepared = connection.prepare(statement);
        let prepared = prepared.map_err(|error| refused(job, statement, &error, &watch))?;
        prepared.readonly() && prepared.column_count() > 0
    };
    let act = if readonly {
        query(job, &connection, statement, *rows)
    } else {
        change(job, &mut connection, &Change { target, statement, rows: *rows })
    };
    if act.is_ok() && Watch::end(&mut connection).is_ok() {
        job.done_with(connection);
    } else if !connection.is_autocommit() {
        // Closing the connection would roll back too; this is only sooner.
        let _ = connection.execute_batch("ROLLBACK");
    }
    act
}

/// A statement that changes something.
pub(super) struct Change<'a> {
    pub(super) target: &'a str,
    pub(super) statement: &'a str,
    pub(super) rows: Option<u64>,
}

/// Whether what the unit changes is saved piece by piece.
pub(super) fn is_fine(unit: &Unit) -> bool {
    unit.undo.by == UndoBy::Driver && unit.undo.class < Class::Restore
}

fn change(job: &Job, connection: &mut Connection, change: &Change<'_>) -> Result<Done, Failure> {
    let sqlite = |doing: &'static str| move |error: Error| job.failure(&error, doing);
    Watch::end(connection).map_err(sqlite("preparing"))?;
    if let Some(done) = begin(job, connection, change)? {
        return Ok(done);
    }
    let before = exact_before(job, connection, change.target)?;
    let mut act = Act { rows: 0, way_back: None, inline: vec![], before };
    if is_fine(&job.unit) {
        match fine::run(job, connection, change) {
            Ok(ran) => {
                (act.rows, act.inline) = (ran.rows, ran.inline);
                act.way_back = Some(WayBack::Fine(ran.saved));
                return commit(job, connection, change, act);
            }
            Err(Not::Failed(failure)) => return Err(failure),
            Err(Not::Uncovered(why)) => {
                connection.execute_batch("ROLLBACK").map_err(sqlite("rolling back"))?;
                if let Some(done) = begin(job, connection, change)? {
                    return Ok(done);
                }
                act.before = Some(copied_before(job, connection, &StepCopy::of_unit(job))?);
                act.way_back = Some(WayBack::Copy(why));
            }
        }
    }
    let watch = Watch::begin(connection).map_err(sqlite("preparing"))?;
    let text = secrets::resolved(&job.cx, &job.unit, change.statement, Dialect::Sqlite, false)?;
    act.rows = execute(connection, &text).map_err(|error| refused(job, change.statement, &error, &watch))?;
    Watch::end(connection).map_err(sqlite("preparing"))?;
    commit(job, connection, change, act)
}

/// Takes the write lock; `Some`: the statement took effect before.
fn begin(job: &Job, connection: &Connection, change: &Change<'_>) -> Result<Option<Done>, Failure> {
    let sqlite = |doing: &'static str| move |error: Error| job.failure(&error, doing);
    connection.execute_batch("BEGIN IMMEDIATE").map_err(sqlite("waiting for the write lock"))?;
    let entry =
        ledger::find(connection, &job.cx.run, &job.unit.id.0).map_err(sqlite("reading the ledger"))?;
    if let Some(entry) = entry {
        return already(job, &entry, &sha256(change.statement.as_bytes())).map(Some);
    }
    ledger::create(connection).map_err(sqlite("creating the ledger"))?;
    Ok(None)
}

/// A statement that ran, and is not committed.
struct Act {
    rows: u64,
    way_back: Option<WayBack>,
    /// Rows that the ledger keeps.
    inline: Vec<u8>,
    before: Option<Fingerprint>,
}

fn commit(job: &Job, connection: &Connection, change: &Change<'_>, act: Act) -> Result<Done, Failure> {
    let rows = note(job, connection, change, act)?;
    connection.execute_batch("COMMIT").map_err(|error| commit_failure(job, connection, &error))?;
    Ok(done(rows))
}

/// Writes the ledger's row of a statement that ran in the open transaction; rows changed.
fn note(job: &Job, connection: &Connection, change: &Change<'_>, act: Act) -> Result<u64, Failure> {
    let sqlite = |doing: &'static str| move |error: Error| job.failure(&error, doing);
    let rows = act.rows;
    if let Some(expected) = change.rows.filter(|expected| *expected != rows) {
        return Err(wrong_rows(&job.cx, &job.unit, rows, expected));
    }
    let fingerprint = || {
        // Full-text tables keep what was written in memory until a savepoint or the commit.
        connection.execute_batch("SAVEPOINT windlass; RELEASE windlass")?;
        Fingerprint::of(connection)
    };
    let after = act.before.is_some().then(fingerprint);
    let entry = Entry {
        seq: 0,
        run: job.cx.run.clone(),
        unit: job.unit.id.0.clone(),
        attempt: job.cx.attempt,
        digest: sha256(change.statement.as_bytes()),
        rows,
        before: act.before,
        after: after.transpose().map_err(sqlite("taking the fingerprint"))?,
        undo: act.way_back.map(|way| serde_json::to_string(&way).expect("names and numbers only")),
    };
    ledger::insert(connection, &entry, &act.inline).map_err(sqlite("writing the ledger"))?;
    Ok(rows)
}

/// Runs the statement in the open transaction, saves what it changes piece by piece, and writes its ledger row.
pub(super) fn fine(job: &Job, connection: &mut Connection, change: &Change<'_>) -> Result<Done, Not> {
    let ran = fine::run(job, connection, change)?;
    let way_back = Some(WayBack::Fine(ran.saved));
    let act = Act { rows: ran.rows, way_back, inline: ran.inline, before: None };
    Ok(done(note(job, connection, change, act)?))
}

/// The report of a statement that took effect.
pub(super) fn done(rows: u64) -> Done {
    Done {
        changed: true,
        effects: vec![format!("{rows} rows changed")],
        output: String::new(),
        facts: json!({ "rows": rows }),
    }
}

fn already(job: &Job, entry: &Entry, digest: &str) -> Result<Done, Failure> {
    if entry.digest != digest {
        return Err(Failure::clean(
            Fault::Windlass,
            format!(
                "{}: the ledger has another statement for {} of run {} (digest {} instead of {digest})",
                job.database.display(),
                entry.unit,
                entry.run,
                entry.digest
            ),
        ));
    }
    Ok(Done { changed: false, effects: vec!["applied before, by the ledger".to_owned()], ..done(entry.rows) })
}

/// The fingerprint inside the transaction, before the statement, if any undo of the plan will need it. If the database
/// was written between the copy of this step and its first statement, the copy is made again here, where nobody
/// can write: it is exactly the state before the first statement.
fn exact_before(job: &Job, connection: &Connection, target: &str) -> Result<Option<Fingerprint>, Failure> {
    if !fingerprints_needed(job, target) {
        return Ok(None);
    }
    let sqlite = |error: Error| job.failure(&error, "reading the ledger");
    let first = job.unit.undo.by == UndoBy::Driver
        && !is_fine(&job.unit)
        && !step_has_begun(job, connection).map_err(sqlite)?;
    if first {
        return copied_before(job, connection, &StepCopy::of(job, target)).map(Some);
    }
    Fingerprint::of(connection).map(Some).map_err(|error| job.failure(&error, "taking the fingerprint"))
}

/// The fingerprint of what `connection`, which holds the write lock, sees; and a copy that holds just that.
fn copied_before(job: &Job, connection: &Connection, copy: &StepCopy) -> Result<Fingerprint, Failure> {
    let before =
        Fingerprint::of(connection).map_err(|error| job.failure(&error, "taking the fingerprint"))?;
    // One from an earlier try is as good, if it has the same ledger too: by that a restore knows what was done since.
    let same = |file: &Path| Ok::<_, Error>(ledger::entries(&open(file)?)? == ledger::entries(connection)?);
    let made = copy.made().is_ok_and(|made| made.fingerprint == before);
    if !made || !same(&copy.file).map_err(|error| job.failure(&error, "reading the ledger of a copy"))? {
        let source = job.read()?;
        let made = copy.make(job, &source).map_err(|error| error.failure(job, &copy.file))?;
        if made.fingerprint != before {
            return Err(Failure::clean(
                Fault::Windlass,
                format!("the copy {} does not hold what the database holds", copy.file.display()),
            ));
        }
    }
    Ok(before)
}

/// Whether some undo restores this database, so that writes of others must be told apart.
pub(super) fn fingerprints_needed(job: &Job, target: &str) -> bool {
    job.cx.plan.units().any(|(_, unit)| {
        let restored = match unit.undo.by {
            UndoBy::Driver => !is_fine(unit),
            UndoBy::Backup(_) => true,
            _ => false,
        };
        restored && matches!(&unit.action, Action::Sql { target: of, .. } if of == target)
    })
}

/// Whether a statement of this step that the copy takes back is in the ledger. Those on rows need no copy: it is made
/// before the first other one.
pub(super) fn step_has_begun(job: &Job, connection: &Connection) -> rusqlite::Result<bool> {
    let plan = &job.cx.plan;
    let units = plan.unit(&job.unit.id).map(|(step, _)| step.units.as_slice()).unwrap_or_default();
    let by_copy = |unit: &&windlass_plan::Unit| !is_fine(unit);
    let of_step = |entry: &Entry| {
        entry.run == job.cx.run && units.iter().filter(by_copy).any(|unit| unit.id.0 == entry.unit)
    };
    Ok(ledger::entries(connection)?.iter().any(of_step))
}

/// Runs one statement to its end; the number of rows it changed.
pub(super) fn execute(connection: &Connection, statement: &str) -> rusqlite::Result<u64> {
    let before = connection.total_changes();
    let mut prepared: Statement<'_> = connection.prepare(statement)?;
    let mut rows = prepared.raw_query();
    while rows.next()?.is_some() {}
    Ok(if connection.total_changes() == before { 0 } else { connection.changes() })
}

/// A commit that failed: almost always certainly without effect. What is not certain is settled by the ledger.
pub(super) fn commit_failure(job: &Job, connection: &Connection, error: &Error) -> Failure {
    let rolled_back = connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok();
    if rolled_back && (busy(error) || error.sqlite_error_code() == Some(ErrorCode::DiskFull)) {
        return job.failure(error, "committing");
    }
    Failure::unknown(
        Fault::Target,
        format!(
            "{}: the commit failed: {}; whether it took effect is in the ledger",
            job.database.display(),
            text(error)
        ),
    )
}

/// A statement that SQLite refused, with where.
pub(super) fn refused(job: &Job, statement: &str, error: &Error, watch: &Watch) -> Failure {
    let short = one_line(statement, 120);
    if let Some(why) = watch.refused() {
        return Failure::clean(
            Fault::Document,
            format!("line {}: `{short}`: {why}; nothing was changed", job.unit.line),
        );
    }
    if busy(error)
        || matches!(error.sqlite_error_code(), Some(ErrorCode::OperationInterrupted | ErrorCode::DiskFull))
    {
        return job.failure(error, &format!("`{short}`"));
    }
    let place = match &job.unit.action {
        Action::Sql { from: Some(from), .. } => {
            format!("{}: {}", from.file, place(from.line, from.column, statement, error))
        }
        _ => place(job.unit.line, job.unit.column, statement, error),
    };
    Failure::clean(
        Fault::Document,
        format!("{place}: `{short}`: SQLite says: {}; rolled back, nothing was changed", text(error)),
    )
    .hint(format!("try it on a copy: sqlite3 {} '.backup copy.db'", job.database.display()))
}

/// Line and column in the document, and the character in the statement, where SQLite says one.
pub(super) fn place(line: usize, column: usize, statement: &str, error: &Error) -> String {
    let Error::SqlInputError { offset, .. } = error else {
        return format!("line {line}, column {column}");
    };
    let Some(before) = usize::try_from(*offset).ok().and_then(|offset| statement.get(..offset)) else {
        return format!("line {line}, column {column}");
    };
    let character = before.chars().count() + 1;
    match before.rsplit_once('\n') {
        None => format!("line {line}, column {}, character {character}", column + character - 1),
        Some((lines, _)) => {
            format!("line {}, character {character} of the statement", line + lines.matches('\n').count() + 1)
        }
    }
}

/// A statement that only reads.
fn query(
    job: &Job,
    connection: &Connection,
    statement: &str,
    expected: Option<u64>,
) -> Result<Done, Failure> {
    let read = || {
        let mut prepared = connection.prepare(statement)?;
        let names: Vec<String> = prepared.column_names().map(str::to_owned).collect();
        let mut table = vec![names];
        let mut rows = prepared.raw_query();
        let mut count = 0_u64;
        while let Some(row) = rows.next()? {
            count += 1;
            if table.len() <= ROWS_SHOWN {
                let values = (0..table[0].len()).map(|column| row.get_ref(column).map(show));
                table.push(values.collect::<Result<Vec<_>, _>>()?);
            }
        }
        Ok((table, count))
    };
    let (table, count) = read().map_err(|error: Error| refused(job, statement, &error, &Watch::default()))?;
    let output = aligned(&table, count);
    if let Some(expected) = expected.filter(|expected| *expected != count) {
        return Err(Failure::clean(
            Fault::Target,
            format!(
                "`{}` gives {count} rows where `rows={expected}` expects {expected}",
                one_line(statement, 120)
            ),
        )
        .output(windlass_driver::excerpt(&job.cx.secrets.mask(&output))));
    }
    (job.cx.output)(&job.cx.secrets.mask(&output));
    Ok(Done {
        changed: false,
        effects: vec![],
        output: windlass_driver::excerpt(&job.cx.secrets.mask(&output)),
        facts: json!({ "rows": count }),
    })
}

fn show(value: rusqlite::types::ValueRef<'_>) -> String {
    use rusqlite::types::ValueRef;
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => one_line(&String::from_utf8_lossy(text), VALUE_MAX),
        ValueRef::Blob(blob) => format!("<{} bytes>", blob.len()),
    }
}
