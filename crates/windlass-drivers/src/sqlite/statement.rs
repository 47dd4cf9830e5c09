//! One statement: in a transaction of its own, together with its ledger row.

use super::{
    connect::{Job, busy, text},
    copy::StepCopy,
    fingerprint::Fingerprint,
    ledger::{self, Entry},
};
use crate::{
    disk::{one_line, sha256},
    sql::{ROWS_SHOWN, VALUE_MAX, aligned, wrong_rows},
};
use rusqlite::{
    Connection, Error, ErrorCode, Statement,
    hooks::{AuthAction, AuthContext, Authorization},
};
use serde_json::json;
use std::sync::{Arc, Mutex};
use windlass_driver::{Done, Failure, Fault};
use windlass_plan::{Action, UndoBy};
use windlass_sql::READING_PRAGMAS;

/// Pragmas that change the database as part of the transaction.
const PRAGMAS_SET: [&str; 2] = ["user_version", "application_id"];
/// What the statement touches, learned from SQLite while it prepares it.
#[derive(Clone, Default)]
pub(super) struct Touched(Arc<Mutex<Notes>>);

#[derive(Default)]
struct Notes {
    tables: Vec<String>,
    refused: Option<String>,
}

impl Touched {
    /// Watches all statements prepared on `connection` from now on and refuses what must not run.
    pub(super) fn watch(connection: &mut Connection) -> rusqlite::Result<Self> {
        let touched = Self::default();
        let notes = Arc::clone(&touched.0);
        connection.authorizer(Some(move |context: AuthContext<'_>| judge(&notes, &context)))?;
        Ok(touched)
    }

    /// Stops watching.
    pub(super) fn end(connection: &mut Connection) -> rusqlite::Result<()> {
        connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)
    }

    /// Tables it changes.
    pub(super) fn tables(&self) -> Vec<String> {
        let notes = self.0.lock().expect("nothing panics while it is held");
        notes.tables.clone()
    }

    /// Why it was refused.
    pub(super) fn refused(&self) -> Option<String> {
        self.0.lock().expect("nothing panics while it is held").refused.clone()
    }
}

fn judge(notes: &Mutex<Notes>, context: &AuthContext<'_>) -> Authorization {
    let mut notes = notes.lock().expect("nothing panics while it is held");
    let refusal = match context.action {
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
            Some("each statement runs in a transaction of its own; take transaction control out".to_owned())
        }
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => {
            Some("other databases cannot be attached: each has its own target".to_owned())
        }
        AuthAction::Pragma { pragma_name, pragma_value: Some(value) } => pragma_refusal(pragma_name, value),
        AuthAction::Insert { table_name }
        | AuthAction::Delete { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::DropTable { table_name }
        | AuthAction::AlterTable { table_name, .. }
        | AuthAction::CreateTable { table_name } => {
            if !table_name.starts_with("sqlite_") && !notes.tables.iter().any(|name| name == table_name) {
                notes.tables.push(table_name.to_owned());
            }
            (table_name == ledger::TABLE).then(|| "the ledger of Windlass is not changed by hand".to_owned())
        }
        _ => None,
    };
    if refusal.is_none() {
        return Authorization::Allow;
    }
    notes.refused = refusal;
    Authorization::Deny
}

fn pragma_refusal(name: &str, value: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let known = |list: &[&str]| list.contains(&name.as_str());
    let off = ["off", "0", "no", "false"].contains(&value.to_ascii_lowercase().as_str());
    if known(&PRAGMAS_SET) || known(&READING_PRAGMAS) || (name == "foreign_keys" && off) {
        return None;
    }
    Some(format!(
        "`PRAGMA {name} = {value}` belongs to one connection or cannot be part of a transaction, so it would have no \
         lasting effect here (foreign keys are not enforced while statements run, as in sqlite3)"
    ))
}

/// Runs the statement of the job.
pub(super) fn apply(job: &Job) -> Result<Done, Failure> {
    let Action::Sql { target, statement, rows, .. } = &job.unit.action else {
        unreachable!("the driver chose by the action")
    };
    let mut connection = job.write()?;
    let touched = Touched::watch(&mut connection).map_err(|error| job.failure(&error, "preparing"))?;
    let readonly = {
        let prepared = connection.prepare(statement);
        let prepared = prepared.map_err(|error| refused(job, statement, &error, &touched))?;
        prepared.readonly() && prepared.column_count() > 0
    };
    let act = if readonly {
        query(job, &connection, statement, *rows)
    } else {
        change(job, &mut connection, &Change { target, statement, rows: *rows })
    };
    if act.is_err() && !connection.is_autocommit() {
        // Closing the connection would roll back too; this is only sooner.
        let _ = connection.execute_batch("ROLLBACK");
    }
    act
}

/// A statement that changes something.
struct Change<'a> {
    target: &'a str,
    statement: &'a str,
    rows: Option<u64>,
}

fn change(job: &Job, connection: &mut Connection, change: &Change<'_>) -> Result<Done, Failure> {
    let sqlite = |doing: &'static str| move |error: Error| job.failure(&error, doing);
    Touched::end(connection).map_err(sqlite("preparing"))?;
    connection.execute_batch("BEGIN IMMEDIATE").map_err(sqlite("waiting for the write lock"))?;
    let (run, unit, digest) = (&job.cx.run, &job.unit.id.0, sha256(change.statement.as_bytes()));
    if let Some(entry) = ledger::find(connection, run, unit).map_err(sqlite("reading the ledger"))? {
        return already(job, &entry, &digest);
    }
    ledger::create(connection).map_err(sqlite("creating the ledger"))?;
    let before = exact_before(job, connection, change.target)?;
    let watched = Touched::watch(connection).map_err(sqlite("preparing"))?;
    let rows = execute(connection, change.statement)
        .map_err(|error| refused(job, change.statement, &error, &watched))?;
    Touched::end(connection).map_err(sqlite("preparing"))?;
    if let Some(expected) = change.rows.filter(|expected| *expected != rows) {
        return Err(wrong_rows(&job.cx, &job.unit, rows, expected));
    }
    let after = before.is_some().then(|| Fingerprint::of(connection));
    let after = after.transpose().map_err(sqlite("taking the fingerprint"))?;
    let attempt = job.cx.attempt;
    let entry = Entry { seq: 0, run: run.clone(), unit: unit.clone(), attempt, digest, rows, before, after };
    ledger::insert(connection, &entry).map_err(sqlite("writing the ledger"))?;
    connection.execute_batch("COMMIT").map_err(|error| commit_failure(job, connection, &error))?;
    Ok(done(rows))
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
    let sqlite = |error: Error| job.failure(&error, "taking the fingerprint");
    let before = Fingerprint::of(connection).map_err(sqlite)?;
    if job.unit.undo.by == UndoBy::Driver && !step_has_begun(job, connection).map_err(sqlite)? {
        let step = StepCopy::of(job, target);
        if !step.made().is_ok_and(|copy| copy.fingerprint == before) {
            let source = job.read()?;
            let copy = step.make(job, &source).map_err(|error| error.failure(job, &step.file))?;
            if copy.fingerprint != before {
                return Err(Failure::clean(
                    Fault::Windlass,
                    format!("the copy {} does not hold what the database holds", step.file.display()),
                ));
            }
        }
    }
    Ok(Some(before))
}

/// Whether some undo restores this database, so that writes of others must be told apart.
fn fingerprints_needed(job: &Job, target: &str) -> bool {
    job.cx.plan.units().any(|(_, unit)| {
        matches!(&unit.action, Action::Sql { target: of, .. } if of == target)
            && matches!(unit.undo.by, UndoBy::Driver | UndoBy::Backup(_))
    })
}

/// Whether a statement of this step is in the ledger.
pub(super) fn step_has_begun(job: &Job, connection: &Connection) -> rusqlite::Result<bool> {
    let plan = &job.cx.plan;
    let units = plan.unit(&job.unit.id).map(|(step, _)| step.units.as_slice()).unwrap_or_default();
    let of_step = |entry: &Entry| entry.run == job.cx.run && units.iter().any(|unit| unit.id.0 == entry.unit);
    Ok(ledger::entries(connection)?.iter().any(of_step))
}

/// Runs one statement to its end; the number of rows it changed.
fn execute(connection: &Connection, statement: &str) -> rusqlite::Result<u64> {
    let before = connection.total_changes();
    let mut prepared: Statement<'_> = connection.prepare(statement)?;
    let mut rows = prepared.raw_query();
    while rows.next()?.is_some() {}
    Ok(if connection.total_changes() == before { 0 } else { connection.changes() })
}

/// A commit that failed: almost always certainly without effect. What is not certain is settled by the ledger.
fn commit_failure(job: &Job, connection: &Connection, error: &Error) -> Failure {
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
fn refused(job: &Job, statement: &str, error: &Error, touched: &Touched) -> Failure {
    let short = one_line(statement, 120);
    if let Some(why) = touched.refused() {
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
    let place = place(job.unit.line, job.unit.column, statement, error);
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
    let (table, count) =
        read().map_err(|error: Error| refused(job, statement, &error, &Touched::default()))?;
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
