//! Putting a backup back, and proving that it can be put back.

use super::{
    Identities, Manifest, Progress, Shelf, Source,
    create::{Reaped, text},
    events::WithoutEvents,
    failed,
    pack::{Data, Poured},
    pump::{Bounded, TELL, Watch, why},
    sqlite,
    tool::Tool,
};
use crate::{
    disk::{human_bytes, room_for, sync_folder},
    scratch::{self, Bench},
};
use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};
use windlass_driver::Failure;
use windlass_plan::UrlKind;

/// Longest time in which a client may take nothing while its server does nothing for it.
pub(crate) const SILENT_MAX: Duration = Duration::from_secs(10 * 60);
/// Longest work of a server at one statement of a dump.
const WORK_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest wait for the end of a database that is not wanted any more.
const DROP_MAX: Duration = Duration::from_secs(60);

/// What a backup is put back with.
#[derive(Clone, Copy, Default)]
pub struct Means<'a> {
    /// Folder with the server's programs, if not those of the search path.
    pub tools: Option<&'a Path>,
    /// What opens it, if it is encrypted.
    pub identities: Option<&'a Identities>,
}

/// What becomes of the events of a backup (MySQL, MariaDB).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Events {
    /// They are made: the server runs them, if it runs any.
    Made,
    /// They are left out: nothing may act by itself there.
    LeftOut,
}

/// A backup that was put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Name of the new database, or path of the new file.
    pub into: String,
    /// Rows of each table in it.
    pub rows: BTreeMap<String, u64>,
}

/// What a proof found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whether it was restored. Without an identity for an encrypted one only its file was looked at: that it is what
    /// was written.
    pub restored: bool,
    /// Rows that were found.
    pub rows: u64,
    /// How the restored database differs from what the manifest says, one line each; empty: it does not.
    pub differences: Vec<String>,
    /// How long it took, milliseconds: what a real restore would take at least.
    pub took_ms: u64,
}

/// Restores into a new database `into` on the server of `source` (SQLite: a new file beside it). Never into one that
/// exists.
///
/// # Errors
/// The backup is damaged or cannot be opened, `into` exists, the account may not create it, a statement failed: then `into` is dropped again.
pub fn restore(
    source: &Source,
    shelf: &Shelf,
    manifest: &Manifest,
    into: &str,
    means: Means<'_>,
    progress: Progress<'_>,
) -> Result<Restored, Failure> {
    let data = Data::new(shelf, manifest, means.identities);
    data.is_of(source)?;
    data.undamaged()?;
    if source.kind == UrlKind::Sqlite {
        return sqlite_file(&data, &source.with_database(into).path, progress);
    }
    if into.is_empty() || !into.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(failed(format!("`{into}` is no name for a new database: use letters, digits and `_`")));
    }
    let server = Tool::new(source, means.tools)?;
    let new = Tool::new(&source.with_database(into), means.tools)?;
    put(&server, &new, &data, SILENT_MAX, progress)
}

/// Makes the database of `new` on `server` and puts the backup into it.
pub(super) fn put(
    server: &Tool,
    new: &Tool,
    data: &Data<'_>,
    silent_max: Duration,
    progress: Progress<'_>,
) -> Result<Restored, Failure> {
    let into = &new.source.database;
    new_database(server, into)?;
    filled(new, data, Events::Made, silent_max, progress).map_err(|failure| taken_back(server, into, failure))
}

/// What is known of the database `into` behind a failure.
fn taken_back(server: &Tool, into: &str, failure: Failure) -> Failure {
    let (live, drop) = (&server.source.database, scratch::drop_database(server.source.kind, into));
    match server.ask_within(DROP_MAX, Some(live), &drop) {
        Ok(_) => failure.hint(format!("the new database {into} is gone again; {live} was not touched")),
        Err(why) => failure
            .hint(format!("{into} was left behind with a part of the backup ({}): {drop}", why.message))
            .hint(format!("{live} was not touched")),
    }
}

/// Fails if there is one.
fn new_database(server: &Tool, name: &str) -> Result<(), Failure> {
    let kind = server.source.kind;
    let extra = if kind == UrlKind::Postgresql { " TEMPLATE template0" } else { "" };
    let sql = format!("CREATE DATABASE {}{extra}", scratch::quoted(kind, name));
    server.ask(Some(&server.source.database), &sql).map(drop)
}

/// Puts the backup into the new database of `new`; its rows.
fn filled(
    new: &Tool,
    data: &Data<'_>,
    events: Events,
    silent_max: Duration,
    progress: Progress<'_>,
) -> Result<Restored, Failure> {
    feed(new, data, events, silent_max, progress)?;
    let rows = rows(new, data.manifest)?;
    Ok(Restored { into: new.source.database.clone(), rows })
}

/// Restores into a scratch database, compares with the manifest, and drops it. What verifications left that were killed with all
/// they had started goes first.
///
/// # Errors
/// As for [`restore`]; and the scratch database could not be dropped.
pub fn verify(
    source: &Source,
    shelf: &Shelf,
    manifest: &Manifest,
    means: Means<'_>,
    progress: Progress<'_>,
) -> Result<Verified, Failure> {
    let began = Instant::now();
    let took_ms = || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let data = Data::new(shelf, manifest, means.identities);
    if manifest.is_encrypted() && means.identities.is_none() {
        data.untouched()?;
        return Ok(Verified { restored: false, rows: 0, differences: vec![], took_ms: took_ms() });
    }
    data.is_of(source)?;
    data.undamaged()?;
    let bench = Bench::new(source, means.tools, progress)?;
    let restored = match source.kind {
        UrlKind::Sqlite => sqlite_file(&data, &bench.place.path, progress)?,
        kind => {
            new_database(&Tool::new(source, means.tools)?, &bench.place.database)?;
            let new = Tool::new(&bench.place, means.tools)?;
            let restored = filled(&new, &data, Events::LeftOut, SILENT_MAX, progress);
            // Whatever came of it: a database with a subscription cannot be dropped.
            let freed = match kind {
                UrlKind::Postgresql => scratch::unsubscribe(&new, &bench.place.database).map(drop),
                _ => Ok(()),
            };
            let restored = restored?;
            freed?;
            restored
        }
    };
    bench.remove()?;
    let mut differences = vec![];
    for (table, expected) in &manifest.rows {
        match restored.rows.get(table) {
            None => differences.push(format!("table {table} is missing ({expected} rows)")),
            Some(found) if found != expected => {
                differences.push(format!("table {table} has {found} rows instead of {expected}"));
            }
            Some(_) => {}
        }
    }
    let rows = restored.rows.values().sum();
    Ok(Verified { restored: true, rows, differences, took_ms: took_ms() })
}

/// Feeds the statements to the client. One that takes nothing for `silent_max` is ended, unless its server is at work for it.
pub(crate) fn feed(
    tool: &Tool,
    data: &Data<'_>,
    events: Events,
    silent_max: Duration,
    progress: Progress<'_>,
) -> Result<(), Failure> {
    let broken = |error: io::Error| failed(format!("{}: {error}", data.shown()));
    let patience = Patience::new(tool, silent_max, progress);
    let go_on = |silent: Duration| patience.go_on(silent);
    let watch = Watch::silent(&go_on);
    let errors = tempfile::tempfile().map_err(broken)?;
    let said = errors.try_clone().map_err(broken)?;
    let database = tool.source.database.as_str();
    let child = tool.client(Some(database)).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(said).spawn();
    let mut child = Reaped(child.map_err(|error| failed(format!("the client cannot be started: {error}")))?);
    let pipe = child.0.stdin.take().expect("the pipe was asked for");
    let pipe = Bounded::new(pipe, &watch).map_err(broken)?;
    let mut sink: Box<dyn io::Write + '_> = match events {
        Events::LeftOut if tool.source.kind == UrlKind::Mysql => Box::new(WithoutEvents::new(pipe)),
        _ => Box::new(pipe),
    };
    let mut told = Instant::now();
    let poured = data.pour(&mut sink, &mut |done| {
        if told.elapsed() > TELL {
            told = Instant::now();
            progress(&format!("{} of {}", human_bytes(done), human_bytes(data.manifest.bytes)));
        }
    });
    let no_reader = match poured {
        Ok(()) => false,
        // Who reads no more has an error of its own.
        Err(Poured::Sink(error)) if error.kind() == io::ErrorKind::BrokenPipe => true,
        Err(poured) => {
            // What it has would look like the end to it.
            let _ = child.0.kill();
            return Err(match poured {
                Poured::Damaged(failure) => failure,
                Poured::Sink(error) => why(error, broken),
            });
        }
    };
    drop(sink);
    let status = watch.ended(&mut child.0).map_err(|error| why(error, broken))?;
    match status.success() {
        false => Err(tool.said(&text(errors))),
        true if no_reader => Err(failed("the client ended before it had read everything")),
        true if events == Events::LeftOut => no_events(tool),
        true => Ok(()),
    }
}

/// Fails if an event is there although they were left out: a dump program that writes them otherwise.
fn no_events(tool: &Tool) -> Result<(), Failure> {
    let database = &tool.source.database;
    if tool.source.kind != UrlKind::Mysql {
        return Ok(());
    }
    let events = "SELECT event_name FROM information_schema.events WHERE event_schema = DATABASE()";
    let events = tool.ask(Some(database), events)?;
    if events.is_empty() {
        return Ok(());
    }
    let drops = events.lines().map(|name| format!("DROP EVENT {};\n", scratch::quoted(UrlKind::Mysql, name)));
    tool.ask(Some(database), &drops.collect::<String>())?;
    Err(failed(format!(
        "events of the backup were made in the scratch database, and are dropped there again: {}; they may have run once",
        events.lines().collect::<Vec<_>>().join(", ")
    ))
    .hint("set event_scheduler = OFF on a server of its own, and prove the backup there"))
}

/// How long a client may take nothing: a server that makes an index of a large table takes its time.
pub(crate) struct Patience<'a> {
    tool: &'a Tool,
    silent_max: Duration,
    /// Silence up to here was found to be work.
    allowed: Cell<Duration>,
    progress: Progress<'a>,
}

impl<'a> Patience<'a> {
    pub(crate) fn new(tool: &'a Tool, silent_max: Duration, progress: Progress<'a>) -> Self {
        Self { tool, silent_max, allowed: Cell::new(silent_max), progress }
    }

    /// Whether to wait on, after so long.
    pub(crate) fn go_on(&self, silent: Duration) -> Result<(), Failure> {
        if silent < self.silent_max {
            self.allowed.set(self.silent_max);
        }
        if silent <= self.allowed.get() {
            return Ok(());
        }
        let database = &self.tool.source.database;
        let why = match self.tool.is_at_work() {
            Ok(true) if silent < WORK_MAX => {
                self.allowed.set(silent + self.silent_max);
                (self.progress)(&format!(
                    "the server is still at one statement of {database}, after {} minutes",
                    silent.as_secs() / 60
                ));
                return Ok(());
            }
            Ok(true) => "although its server is at work for it".to_owned(),
            Ok(false) => "and its server does nothing for it or waits for a lock".to_owned(),
            Err(failure) => format!("and its server cannot be asked: {}", failure.message),
        };
        Err(failed(format!(
            "the client that restores {database} took nothing for {} seconds, {why}; it was ended",
            silent.as_secs()
        )))
    }
}

/// Rows of the tables that the manifest names, counted. One that is missing is a difference, no failure of the proof.
fn rows(tool: &Tool, manifest: &Manifest) -> Result<BTreeMap<String, u64>, Failure> {
    let (kind, database) = (tool.source.kind, Some(tool.source.database.as_str()));
    let there = tool.ask(database, match kind {
        UrlKind::Postgresql => {
            "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'p')"
        }
        _ => "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()",
    })?;
    let there: BTreeSet<&str> = there.lines().collect();
    let tables: Vec<&String> = manifest.rows.keys().filter(|table| there.contains(table.as_str())).collect();
    // One client for all: a process for each would take longer than the counting.
    let count = |table: &&String| match kind {
        UrlKind::Postgresql => {
            let parts: Vec<_> = table.splitn(2, '.').map(|part| format!("\"{part}\"")).collect();
            format!("SELECT count(*) FROM {};\n", parts.join("."))
        }
        _ => format!("SELECT count(*) FROM `{table}`;\n"),
    };
    let counted = tool.ask(database, &tables.iter().map(count).collect::<String>())?;
    let counted = counted.lines().map(|line| line.parse().unwrap_or(0));
    Ok(tables.into_iter().cloned().zip(counted).collect())
}

pub(crate) fn sqlite_file(data: &Data<'_>, path: &Path, progress: Progress<'_>) -> Result<Restored, Failure> {
    let shown = path.display().to_string();
    let broken = |error: &dyn std::fmt::Display| failed(format!("{shown}: {error}"));
    if path.symlink_metadata().is_ok() {
        return Err(
            failed(format!("{shown} exists; nothing was done")).hint("name a file that does not exist")
        );
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    room_for(data.manifest.bytes, folder).map_err(|error| broken(&error))?;
    let mut temporary = tempfile::NamedTempFile::new_in(folder).map_err(|error| broken(&error))?;
    progress(&format!("unpacking {}", human_bytes(data.manifest.bytes)));
    data.pour(&mut temporary, &mut |_| ()).map_err(|poured| match poured {
        Poured::Damaged(failure) => failure.hint("nothing was kept"),
        Poured::Sink(error) => broken(&error),
    })?;
    temporary.as_file().sync_all().map_err(|error| broken(&error))?;
    let (complaints, rows) = sqlite::complaints(temporary.path()).map_err(|error| broken(&error))?;
    if let Some(complaint) = complaints.first() {
        return Err(failed(format!("{} is damaged: {complaint}", data.shown())));
    }
    // Never over a file that appeared meanwhile.
    temporary.persist_noclobber(path).map_err(|error| broken(&error.error))?;
    sync_folder(folder).map_err(|error| broken(&error))?;
    Ok(Restored { into: shown, rows })
}
