//! The fine undo: what a statement changed is saved in its own transaction and put back piece by piece, so that what
//! others write meanwhile stays.

use super::{
    aside::{self, Owner},
    back::{self, Stuck as Blocked},
    connect::{Job, text},
    image::{self, Images, Recording, Stuck, Trouble},
    ledger::{self, Entry},
    schema::{self, Defined},
    statement::{self, Change, execute},
    watch::{Touches, Watch},
};
use crate::disk::one_line;
use rusqlite::{Connection, OptionalExtension as _, config::DbConfig, params};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use windlass_driver::{Done, Failure, Fault, OnConflict};

/// How a statement is undone, as its ledger row says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum WayBack {
    /// Piece by piece.
    Fine(Saved),
    /// By a copy of the database from before it; why.
    Copy(String),
}

/// What a statement changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Saved {
    /// Rows.
    images: Images,
    /// Counters of `AUTOINCREMENT`: table, before, after.
    sequences: Vec<(String, Option<i64>, Option<i64>)>,
    /// Numbers in the head of the file, `user_version` and `application_id`: name, before, after.
    numbers: Vec<(String, i64, i64)>,
    /// Definitions.
    #[serde(default)]
    schema: Option<Defined>,
}

impl Saved {
    /// The file that keeps rows, if the ledger does not.
    pub(super) fn file(&self, workspace: &Path) -> Option<PathBuf> {
        self.images.place.file.then(|| image::path(workspace))
    }
}

/// A statement that ran, and is not committed.
pub(super) struct Ran {
    pub(super) rows: u64,
    pub(super) saved: Saved,
    /// Rows that the ledger keeps.
    pub(super) inline: Vec<u8>,
}

/// Why it did not.
pub(super) enum Not {
    /// It failed.
    Failed(Failure),
    /// Its undo cannot be fine; why not. Nothing was changed.
    Uncovered(String),
}

impl From<Failure> for Not {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Runs the statement in the open transaction and saves what it changes.
pub(super) fn run(job: &Job, connection: &mut Connection, change: &Change<'_>) -> Result<Ran, Not> {
    let sqlite = |error: rusqlite::Error| Not::Failed(job.failure(&error, "saving what it changes"));
    let touches = touches(job, connection, change)?;
    if touches.defines() {
        return define(job, connection, change, &touches);
    }
    let before = Small::of(connection).map_err(sqlite)?;
    let recording = Recording::begin(connection, &touches, change.statement, &job.cx.workspace)
        .map_err(|t| trouble(job, t))?;
    let watch = Watch::begin(connection).map_err(sqlite)?;
    let rows = execute(connection, change.statement);
    let ended = Watch::end(connection);
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => {
            let disk = recording.abandon(connection);
            let failure = || statement::refused(job, change.statement, &error, &watch);
            return Err(
                disk.map_or_else(|| Not::Failed(failure()), |error| trouble(job, Trouble::Disk(error)))
            );
        }
    };
    ended.map_err(sqlite)?;
    let (images, inline) = recording.finish(connection).map_err(|t| trouble(job, t))?;
    let after = Small::of(connection).map_err(sqlite)?;
    let saved = Saved { images, ..before.changes(&after) };
    Ok(Ran { rows, saved, inline })
}

/// A statement on definitions.
fn define(
    job: &Job,
    connection: &mut Connection,
    change: &Change<'_>,
    touches: &Touches,
) -> Result<Ran, Not> {
    let sqlite = |error: rusqlite::Error| Not::Failed(job.failure(&error, "finding its inverse"));
    let ran = schema::run(connection, owner(job), change.statement, touches);
    let (rows, schema) = ran.map_err(|trouble| match trouble {
        schema::Trouble::Statement(error) => {
            Not::Failed(statement::refused(job, change.statement, &error, &Watch::default()))
        }
        schema::Trouble::Sqlite(error) => sqlite(error),
        schema::Trouble::Uncovered(why) => Not::Uncovered(why),
    })?;
    let saved = Saved { schema: Some(schema), ..Saved::default() };
    Ok(Ran { rows, saved, inline: vec![] })
}

fn owner(job: &Job) -> Owner<'_> {
    Owner { run: &job.cx.run, unit: &job.unit.id.0, why: "dropped" }
}

/// What the statement touches, triggers included.
fn touches(job: &Job, connection: &mut Connection, change: &Change<'_>) -> Result<Touches, Failure> {
    let sqlite = |error: rusqlite::Error| job.failure(&error, "preparing");
    let watch = Watch::begin(connection).map_err(sqlite)?;
    let prepared = connection.prepare(change.statement).map(drop);
    Watch::end(connection).map_err(sqlite)?;
    prepared.map_err(|error| statement::refused(job, change.statement, &error, &watch))?;
    Ok(watch.touches())
}

fn trouble(job: &Job, trouble: Trouble) -> Not {
    match trouble {
        Trouble::Sqlite(error) => Not::Failed(job.failure(&error, "saving the rows that it changes")),
        Trouble::Uncovered(why) => Not::Uncovered(why),
        Trouble::Disk(error) => Not::Failed(
            Failure::clean(
                Fault::Transport,
                format!(
                    "{}: the rows that it changes cannot be saved in {}: {error}; rolled back, nothing was changed",
                    job.database.display(),
                    job.cx.workspace.display()
                ),
            )
            .retryable()
            .hint("see `df` of that folder; then resume"),
        ),
    }
}

/// What no trigger sees, and is small.
struct Small {
    sequences: BTreeMap<String, i64>,
    numbers: Vec<(String, i64)>,
}

impl Small {
    fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let number = |name: &str| {
            let number = connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))?;
            Ok::<_, rusqlite::Error>((name.to_owned(), number))
        };
        let numbers = vec![number("user_version")?, number("application_id")?];
        let sequences = if sequences_exist(connection)? {
            let sql =
                "SELECT name, max(seq) FROM sqlite_sequence WHERE typeof(seq) = 'integer' GROUP BY name";
            let mut statement = connection.prepare_cached(sql)?;
            let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            found.collect::<Result<_, _>>()?
        } else {
            BTreeMap::new()
        };
        Ok(Self { sequences, numbers })
    }

    fn changes(self, after: &Self) -> Saved {
        let names =
            self.sequences.keys().chain(after.sequences.keys()).collect::<std::collections::BTreeSet<_>>();
        let one = |name: &String| {
            (name.clone(), self.sequences.get(name).copied(), after.sequences.get(name).copied())
        };
        let sequences = names.into_iter().map(one).filter(|(_, before, after)| before != after).collect();
        let numbers = self.numbers.into_iter().zip(&after.numbers);
        let numbers = numbers.map(|((name, before), (_, after))| (name, before, *after));
        let numbers = numbers.filter(|(_, before, after)| before != after).collect();
        Saved { sequences, numbers, ..Saved::default() }
    }
}

fn sequences_exist(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'";
    Ok(connection.query_row(sql, [], |_| Ok(())).optional()?.is_some())
}

/// Takes back what the ledger's row says, in the open transaction, and commits.
pub(super) fn undo(job: &Job, live: &mut Connection, entry: &Entry, saved: &Saved) -> Result<Done, Failure> {
    let sqlite = |error: rusqlite::Error| changed(job, &error);
    let inline = ledger::images(live, entry).map_err(sqlite)?;
    let done = match &saved.schema {
        Some(schema) => {
            back::take(live, owner(job), schema).map_err(|blocked| blocked_failure(job, blocked))?
        }
        None => vec![],
    };
    // Rows go back as they were: triggers have done their part, and their work is put back too.
    live.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).map_err(sqlite)?;
    live.execute_batch("PRAGMA ignore_check_constraints = ON").map_err(sqlite)?;
    let now = Small::of(live).map_err(sqlite)?;
    let force = job.cx.on_conflict == OnConflict::Force;
    let away = aside::before(live, entry.seq).map_err(sqlite)?;
    let mut put = image::replay(live, &saved.images, inline, &job.cx.workspace, (force, &away))
        .map_err(|stuck| stuck_failure(job, stuck))?;
    let file = put.listing.finish().map_err(|error| stuck_failure(job, Stuck::File(error)))?;
    let conflicts = put.listing.count();
    let table = if conflicts > 0 { job.cx.secrets.mask(&put.listing.table()) } else { String::new() };
    let shown = file.as_ref().map_or_else(String::new, |file| file.display().to_string());
    if conflicts > 0 && job.cx.on_conflict == OnConflict::Ask {
        return Err(Failure::clean(
            Fault::Target,
            format!(
                "{}: {conflicts} values are no longer what `{}` wrote; nothing was changed; all of them are in {shown}",
                job.database.display(),
                one_line(statement_of(job), 80)
            ),
        )
        .output(windlass_driver::excerpt(&table))
        .hint("roll back again with `--on-conflict=keep` to leave them as they are and put the others back")
        .hint("or with `--on-conflict=force` to put them back too: what was written to them since is then lost"));
    }
    let mut effects = [done, small(live, saved, &now).map_err(sqlite)?].concat();
    if let Some(schema) = &saved.schema {
        effects.extend(
            schema.steps.iter().filter_map(windlass_sql::sqlite::Back::sql).map(|sql| one_line(&sql, 120)),
        );
    }
    if put.rows > 0 {
        effects.insert(0, format!("{} rows put back", put.rows));
    }
    if conflicts > 0 {
        let kept = if force { "were put back where that was possible" } else { "were kept" };
        effects
            .push(format!("{conflicts} values that others have written since {kept}; they are in {shown}"));
        (job.cx.output)(&table);
    }
    ledger::remove(live, entry).map_err(sqlite)?;
    live.execute_batch("COMMIT").map_err(|error| statement::commit_failure(job, live, &error))?;
    Ok(Done {
        changed: true,
        effects,
        output: windlass_driver::excerpt(&table),
        facts: json!({ "rows": put.rows, "conflicts": conflicts }),
    })
}

/// Values that others have written since, in the open transaction, which the caller rolls back: how many, and the first.
pub(super) fn conflicts(
    job: &Job,
    live: &Connection,
    entry: &Entry,
    saved: &Saved,
) -> Result<(u64, String), Failure> {
    let sqlite = |error: rusqlite::Error| changed(job, &error);
    let inline = ledger::images(live, entry).map_err(sqlite)?;
    live.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).map_err(sqlite)?;
    let away = aside::before(live, entry.seq).map_err(sqlite)?;
    let mut put = image::replay(live, &saved.images, inline, &job.cx.workspace, (false, &away))
        .map_err(|stuck| stuck_failure(job, stuck))?;
    put.listing.finish().map_err(|error| stuck_failure(job, Stuck::File(error)))?;
    let count = put.listing.count();
    Ok((count, if count > 0 { job.cx.secrets.mask(&put.listing.table()) } else { String::new() }))
}

/// Puts sequences and numbers back that nobody has moved on since.
fn small(live: &Connection, saved: &Saved, now: &Small) -> rusqlite::Result<Vec<String>> {
    let mut effects = vec![];
    // Rows that are made again move counters on, also those that the statement did not change. The counters of a statement
    // on definitions move with their tables.
    if saved.schema.is_none() && sequences_exist(live)? {
        let mut wanted = now.sequences.clone();
        for (name, before, after) in &saved.sequences {
            match before {
                _ if now.sequences.get(name) != after.as_ref() => {}
                None => drop(wanted.remove(name)),
                Some(before) => drop(wanted.insert(name.clone(), *before)),
            }
        }
        set_sequences(live, &wanted)?;
    }
    for (name, before, after) in &saved.numbers {
        let current = now.numbers.iter().find(|(other, _)| other == name).map(|(_, number)| number);
        if current == Some(after) {
            live.execute_batch(&format!("PRAGMA {name} = {before}"))?;
            effects.push(format!("{name} is {before} again"));
        } else {
            effects.push(format!("{name} was set by others since and stays"));
        }
    }
    Ok(effects)
}

fn set_sequences(live: &Connection, wanted: &BTreeMap<String, i64>) -> rusqlite::Result<()> {
    let found = Small::of(live)?.sequences;
    for name in found.keys().filter(|name| !wanted.contains_key(*name)) {
        live.execute("DELETE FROM sqlite_sequence WHERE name = ?1", [name])?;
    }
    for (name, seq) in wanted.iter().filter(|(name, seq)| found.get(*name) != Some(seq)) {
        let set = "UPDATE sqlite_sequence SET seq = ?2 WHERE name = ?1";
        if live.execute(set, params![name, seq])? == 0 {
            live.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)", params![name, seq])?;
        }
    }
    Ok(())
}

fn statement_of(job: &Job) -> &str {
    match &job.unit.action {
        windlass_plan::Action::Sql { statement, .. } => statement,
        _ => "",
    }
}

fn blocked_failure(job: &Job, blocked: Blocked) -> Failure {
    match blocked {
        Blocked::Sqlite(error) => changed(job, &error),
        Blocked::Conflict(why) => Failure::clean(
            Fault::Target,
            format!(
                "{}: `{}` cannot be taken back: {why}; nothing was changed",
                job.database.display(),
                one_line(statement_of(job), 80)
            ),
        )
        .hint("take back what was changed since, then roll back again; or undo it by hand and mark the unit done"),
    }
}

fn stuck_failure(job: &Job, stuck: Stuck) -> Failure {
    match stuck {
        Stuck::Sqlite(error) => changed(job, &error),
        Stuck::File(error) => Failure::clean(
            Fault::Transport,
            format!("{}: {error}; nothing was changed", job.cx.workspace.display()),
        )
        .hint("the rows from before the statement are in that folder; without them it is undone by hand from a backup"),
    }
}

/// A failure while things are put back. Mostly somebody has changed the schema since.
fn changed(job: &Job, error: &rusqlite::Error) -> Failure {
    let code = error.sqlite_error_code();
    if matches!(error, rusqlite::Error::SqlInputError { .. })
        || matches!(code, Some(rusqlite::ErrorCode::ConstraintViolation | rusqlite::ErrorCode::Unknown))
    {
        return Failure::clean(
            Fault::Target,
            format!(
                "{}: the schema is no longer what `{}` left: {}; nothing was changed",
                job.database.display(),
                one_line(statement_of(job), 80),
                text(error)
            ),
        )
        .hint("take back what was changed since, then roll back again; or undo it by hand and mark the unit done");
    }
    job.failure(error, "putting it back")
}
