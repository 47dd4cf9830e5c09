//! A look at a database before statements run on it.

use super::{
    aside::Owner,
    connect::{Job, text},
    copy::{StepCopy, size},
    fingerprint::quote,
    image::{Recording, Trouble as RowTrouble},
    ledger, schema,
    statement::{is_fine, place},
    watch::{Touches, Watch},
};
use crate::{
    disk::{human_bytes, one_line, room_for},
    sql::secrets,
};
use rusqlite::{Connection, OptionalExtension as _};
use windlass_driver::{Failure, Survey};
use windlass_plan::{Action, UndoBy};
use windlass_sql::{Dialect, sqlite::Back};

/// Looks at the database and lets SQLite prepare the statement.
///
/// The statement is prepared against an empty copy of the schema in memory, on which the statements of the plan before it have
/// run: so it is checked also when it needs a table that the release creates.
pub(super) fn survey(job: &Job) -> Result<Survey, Failure> {
    let mut survey = Survey::default();
    survey.problems.extend(secrets::missing(&job.cx, &job.unit, Dialect::Sqlite));
    let live = match job.read() {
        Ok(live) => live,
        Err(failure) => {
            survey.problems.push(failure.message);
            return Ok(survey);
        }
    };
    match super::batch_look::survey(job, &live) {
        Ok(lines) => survey.effects.extend(lines),
        Err(failure) => survey.problems.push(failure.message.replace("; nothing was changed", "")),
    }
    let mut look = || {
        survey.effects.push(describe(job, &live)?);
        check(job, &live, &mut survey)
    };
    let result: rusqlite::Result<()> = look();
    result.map_err(|error| job.failure(&error, "looking at it"))?;
    if job.unit.undo.by == UndoBy::Driver && !is_fine(&job.unit) {
        let bytes = size(&live).map_err(|error| job.failure(&error, "reading its size"))?;
        let Action::Sql { target, .. } = &job.unit.action else {
            unreachable!("the driver chose by the action")
        };
        let file = StepCopy::of(job, target).file;
        let folder = file.ancestors().skip(1).find(|folder| folder.exists());
        if let Some(Err(error)) = folder.map(|folder| room_for(bytes, folder)) {
            survey.problems.push(format!("no room for the copy that undoes it: {error}"));
        }
    }
    Ok(survey)
}

fn describe(job: &Job, live: &Connection) -> rusqlite::Result<String> {
    let mode: String = live.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    let version: i64 = live.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let bytes = human_bytes(size(live)?);
    let sqlite = rusqlite::version();
    Ok(format!(
        "{}: {bytes}, journal mode {mode}, user_version {version}, SQLite {sqlite}",
        job.database.display()
    ))
}

fn check(job: &Job, live: &Connection, survey: &mut Survey) -> rusqlite::Result<()> {
    let Action::Sql { target, statement, .. } = &job.unit.action else {
        unreachable!("the driver chose by the action")
    };
    let mut shadow = shadow(live)?;
    for (_, unit) in job.cx.plan.before(&job.unit.id) {
        let Action::Sql { target: of, statement, .. } = &unit.action else { continue };
        if of == target && applied(job, live, &unit.id.0)?.is_none() && run(&shadow, statement).is_err() {
            survey
                .effects
                .push(format!("not checked: it comes after {}, which cannot be tried without data", unit.id));
            return Ok(());
        }
    }
    let watch = Watch::begin(&mut shadow)?;
    let prepared = shadow.prepare(statement).map(|statement| statement.readonly());
    Watch::end(&mut shadow)?;
    match prepared {
        Ok(false) if is_fine(&job.unit) => {
            survey.effects.extend(way_back(job, &shadow, statement, &watch.touches())?);
        }
        Ok(_) => {}
        Err(_) if watch.refused().is_some() => survey.problems.extend(watch.refused()),
        Err(error) => {
            let place = place(job.unit.line, job.unit.column, statement, &error);
            survey.problems.push(format!(
                "{place}: `{}`: SQLite says: {}",
                one_line(statement, 80),
                text(&error)
            ));
        }
    }
    for table in watch.touches().all() {
        let exists = live
            .query_row("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1", [table], |_| Ok(()))
            .optional()?;
        if exists.is_some() {
            let rows: i64 =
                live.query_row(&format!("SELECT count(*) FROM {}", quote(table)), [], |row| row.get(0))?;
            survey.effects.push(format!("table {table}: {rows} rows now"));
        }
    }
    Ok(())
}

/// How the statement will be undone, tried on the schema in memory.
fn way_back(
    job: &Job,
    shadow: &Connection,
    statement: &str,
    touches: &Touches,
) -> rusqlite::Result<Vec<String>> {
    let copy = |why: String| {
        let text =
            format!("undo: by a copy of the whole database, refused if others have written since; {why}");
        Ok(vec![text])
    };
    if !touches.defines() {
        return match Recording::begin(shadow, touches, statement, &job.cx.workspace) {
            Ok(recording) => {
                recording.abandon(shadow);
                let line = |table| {
                    format!("undo: rows of {table} are put back where they still hold what this wrote")
                };
                Ok(touches.tables().map(line).collect())
            }
            Err(RowTrouble::Uncovered(why)) => copy(why),
            Err(RowTrouble::Sqlite(error)) => Err(error),
            Err(RowTrouble::Disk(_)) => Ok(vec![]),
        };
    }
    let owner = Owner { run: &job.cx.run, unit: &job.unit.id.0, why: "dropped" };
    shadow.execute_batch("BEGIN")?;
    let ran = schema::run(shadow, owner, statement, touches);
    shadow.execute_batch("ROLLBACK")?;
    match ran {
        Ok((_, defined)) => {
            let aside = defined
                .aside
                .iter()
                .map(|aside| format!("{} is set aside until `windlass prune`", aside.name));
            let steps = defined.steps.iter().filter_map(Back::sql);
            Ok(aside.chain(steps.map(|sql| format!("undo: {}", one_line(&sql, 200)))).collect())
        }
        Err(schema::Trouble::Uncovered(why)) => copy(why),
        Err(schema::Trouble::Statement(error)) => {
            Ok(vec![format!("not tried without data: {}", text(&error))])
        }
        Err(schema::Trouble::Sqlite(error)) => Err(error),
    }
}

fn applied(job: &Job, live: &Connection, unit: &str) -> rusqlite::Result<Option<ledger::Entry>> {
    ledger::find(live, &job.cx.run, unit)
}

fn run(shadow: &Connection, statement: &str) -> rusqlite::Result<()> {
    let mut prepared = shadow.prepare(statement)?;
    let mut rows = prepared.raw_query();
    while rows.next()?.is_some() {}
    Ok(())
}

/// The schema in memory, without rows. What cannot be created there (an unknown module) is left out.
pub(super) fn shadow(live: &Connection) -> rusqlite::Result<Connection> {
    let shadow = Connection::open_in_memory()?;
    shadow.execute_batch("PRAGMA foreign_keys = OFF")?;
    let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
               ORDER BY type <> 'table', rowid";
    let mut statement = live.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let _ = shadow.execute_batch(&row.get::<_, String>(0)?);
    }
    Ok(shadow)
}
