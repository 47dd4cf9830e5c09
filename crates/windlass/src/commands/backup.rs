//! `windlass backup`: databases of windlass.toml, backed up, proven, put back.

use super::{
    drive::{Signals, zone},
    shelves::Shelves,
};
use crate::{
    args::{
        BackupArgs, BackupChooseArgs, BackupCommand, BackupCreateArgs, BackupPruneArgs, BackupRestoreArgs,
        BackupWhere,
    },
    exit::{Exit, Failure, at_once},
    journal,
    project::{self, Place},
    secrets::SecretStore,
    terminal, wiring,
};
use serde::Serialize;
use std::path::Path;
use windlass_driver::{Secrets as _, Stopping};
use windlass_drivers::backup::{
    self, Doomed, How, Identities, Manifest, Means, Recipients, Shelf, Source, Stored, human_bytes,
};
use windlass_plan::{Config, Target, Value};
use windlass_report::{Text, moment};

/// How long backups are kept without `keep.backup`, milliseconds: seven days.
const KEEP_MS: u64 = 7 * 24 * 60 * 60 * 1000;

/// Says which backups of the same database are newer than the one that is taken as the newest, and damaged.
pub(super) fn warn_of_newer(stored: &[Stored], chosen: &Manifest) {
    for (name, why) in backup::passed_over(stored, &chosen.name) {
        terminal::warn(&format!("{name} is newer and damaged: {why}; {} is taken", chosen.name));
    }
}

/// Runs the command.
pub fn run(args: &BackupArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    match &args.command {
        BackupCommand::Create(create) => make(create, config),
        BackupCommand::List(list) => Here::new(&list.place, config)?.list(),
        BackupCommand::Verify(verify) => prove(verify, config),
        BackupCommand::Restore(restore) => put_back(restore, config),
        BackupCommand::Prune(prune) => tidy(prune, config),
    }
}

/// Where it is about.
struct Here<'a> {
    args: &'a BackupWhere,
    place: Place,
    config: Config,
}

impl<'a> Here<'a> {
    fn new(args: &'a BackupWhere, config: Option<&Path>) -> Result<Self, Failure> {
        let (place, config) = project::here(config, args.env.as_deref())?;
        Ok(Self { args, place, config })
    }

    fn shelves(&self) -> Shelves<'_> {
        Shelves::new(&self.place, &self.config, self.args.folder.as_ref())
    }

    /// What there is, place by place.
    fn stored(&self) -> Result<Vec<(Shelf, Vec<Stored>)>, Failure> {
        let stored = |shelf: Shelf| {
            let stored = backup::list(&shelf)?;
            Ok((shelf, stored))
        };
        self.shelves().all()?.into_iter().map(stored).collect()
    }

    /// The database of that name; without a name the only one.
    fn source(&self, named: Option<&str>) -> Result<(String, Source), Failure> {
        let databases = self.config.targets.iter().filter_map(|(name, target)| match target {
            Target::Url { url, .. } => Some((name.as_str(), url)),
            _ => None,
        });
        let databases: Vec<_> = databases.collect();
        let names = || databases.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let (name, url) = match (named, &databases[..]) {
            (Some(named), _) => {
                databases.iter().find(|(name, _)| *name == named).copied().ok_or_else(|| {
                    Failure::wrong(format!("windlass.toml has no database `{named}`"))
                        .hint(format!("databases: {}", names()))
                })?
            }
            (None, [only]) => *only,
            (None, []) => return Err(Failure::wrong("windlass.toml has no database to back up")),
            (None, _) => {
                return Err(
                    Failure::wrong("which database is meant?").hint(format!("name one of: {}", names()))
                );
            }
        };
        let url = match url {
            Value::Plain(url) => url.clone(),
            Value::Secret(secret) => SecretStore::new(&self.place.base)
                .resolve(secret)
                .map_err(|why| Failure::wrong(format!("target `{name}`: {why}")))?,
        };
        Ok((name.to_owned(), Source::new(&url, &self.place.base)?))
    }

    /// How backups of a database are made.
    fn how(&self, target: &str, rate_bytes: Option<u64>) -> Result<How<'a>, Failure> {
        let said = self.config.backups.get(target).cloned().unwrap_or_default();
        let file = said.recipients_file.map(|file| self.place.base.join(file));
        let recipients = Recipients::new(&said.recipients, file.as_deref())?;
        let rate_bytes = rate_bytes.or(said.rate_bytes);
        Ok(How { tools: self.args.tools.as_deref(), recipients, rate_bytes, stopping: Stopping::default() })
    }

    /// The backup of that name and where it lies, else the newest that is whole.
    fn chosen(&self, named: Option<&str>) -> Result<(Shelf, Manifest), Failure> {
        let all = self.stored()?;
        let mut newest: Option<(&Shelf, &Manifest)> = None;
        for (shelf, stored) in
            all.iter().flat_map(|(shelf, stored)| stored.iter().map(move |one| (shelf, one)))
        {
            if let Some((_, why)) = stored.lost().filter(|(name, _)| named == Some(*name)) {
                return Err(Failure::refused(format!("this backup is damaged: {why}"))
                    .hint("`windlass backup list` shows the others"));
            }
            if let Stored::Whole(manifest) = stored
                && named.is_none_or(|named| named == manifest.name)
                && newest.is_none_or(|(_, other)| other.at_ms < manifest.at_ms)
            {
                newest = Some((shelf, manifest));
            }
        }
        let Some((shelf, manifest)) = newest else {
            let places = all.iter().map(|(shelf, _)| shelf.shown()).collect::<Vec<_>>().join(" and ");
            return Err(Failure::wrong(format!("there is no such backup in {places}"))
                .hint("`windlass backup list` shows what there is, `windlass backup create` makes one"));
        };
        if named.is_none() {
            all.iter().for_each(|(_, stored)| warn_of_newer(stored, manifest));
        }
        Ok((shelf.clone(), manifest.clone()))
    }

    fn list(&self) -> Result<Exit, Failure> {
        let all = self.stored()?;
        if self.args.output.json {
            let folders: Vec<String> = all.iter().map(|(shelf, _)| shelf.shown()).collect();
            let each = all
                .iter()
                .zip(&folders)
                .flat_map(|((_, stored), folder)| stored.iter().map(|stored| StoredJson::of(folder, stored)));
            terminal::json(&each.collect::<Vec<_>>())?;
            return Ok(Exit::Done);
        }
        let mut text = Text::new();
        if all.iter().all(|(_, stored)| stored.is_empty()) {
            text.line().plain("There is no backup here yet. `windlass backup create` makes one.");
        }
        for (shelf, stored) in all.iter().filter(|(_, stored)| !stored.is_empty()) {
            if all.len() > 1 {
                text.line().plain(format!("{}:", shelf.shown()));
            }
            for stored in stored {
                text.line().plain(self.listed(shelf, stored));
            }
        }
        terminal::show(&text)?;
        Ok(Exit::Done)
    }

    fn listed(&self, shelf: &Shelf, stored: &Stored) -> String {
        match stored {
            Stored::Whole(manifest) => self.line(manifest),
            Stored::Damaged(manifest, why) => format!("{}: damaged: {why}", manifest.name),
            Stored::Incomplete(file) => {
                format!("{}: incomplete: it is being made, or that was cut off", shelf.shown_file(file))
            }
            Stored::Unreadable(file, why) => format!("{}: cannot be read: {why}", shelf.shown_file(file)),
        }
    }

    fn line(&self, manifest: &Manifest) -> String {
        format!(
            "{}  {}  {}  {} rows{}",
            manifest.name,
            moment(manifest.at_ms, &zone(&self.place)),
            human_bytes(manifest.stored_bytes),
            manifest.rows_all(),
            if manifest.is_encrypted() { "  encrypted" } else { "" }
        )
    }

    fn say(&self, lines: &[String]) -> Result<(), Failure> {
        let mut text = Text::new();
        for line in lines {
            text.line().plain(line);
        }
        terminal::show(&text)
    }
}

/// `windlass backup list --json`.
#[derive(Debug, Serialize)]
struct StoredJson<'a> {
    /// Where it lies.
    folder: &'a str,
    /// `whole`, `damaged`, `incomplete`, `unreadable`.
    state: &'static str,
    /// The file that is not whole, where nothing is known of a backup.
    file: Option<&'a str>,
    /// Why it is not whole.
    why: Option<&'a str>,
    /// What is known of it.
    backup: Option<&'a Manifest>,
}

impl<'a> StoredJson<'a> {
    fn of(folder: &'a str, stored: &'a Stored) -> Self {
        let (state, file, why, backup) = match stored {
            Stored::Whole(manifest) => ("whole", None, None, Some(manifest)),
            Stored::Damaged(manifest, why) => ("damaged", None, Some(why.as_str()), Some(manifest)),
            Stored::Incomplete(file) => ("incomplete", Some(file.as_str()), None, None),
            Stored::Unreadable(file, why) => ("unreadable", Some(file.as_str()), Some(why.as_str()), None),
        };
        Self { folder, state, file, why, backup }
    }
}

fn make(args: &BackupCreateArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let here = Here::new(&args.place, config)?;
    let (target, source) = here.source(args.target.as_deref())?;
    journal::make_state(&here.place)?;
    // A dump waits for definitions that change, and what changes them waits for the dump.
    if let Some(store) = journal::open_existing(&here.place)? {
        journal::block_on(journal::refuse_busy(&store))??;
    }
    let now = wiring::now_ms();
    let stamp = jiff::Timestamp::from_millisecond(now)
        .map_or_else(|_| now.to_string(), |time| time.strftime("%Y%m%d-%H%M%S-%3f").to_string());
    let name = format!("{target}-{stamp}");
    let how = here.how(&target, args.rate)?;
    let told = |line: &str| terminal::line(&format!("{name}: {line}"));
    let shelf = here.shelves().of(&target)?;
    stop_on_signals(&how.stopping)?;
    let made = backup::create(&source, (&target, &name), &shelf, &how, now, &told);
    let manifest = made.map_err(|failure| match how.stopping.asked() {
        true => Failure { exit: Exit::Interrupted, ..Failure::from(failure) },
        false => failure.into(),
    })?;
    if args.place.output.json {
        terminal::json(&manifest)?;
        return Ok(Exit::Done);
    }
    let prove = if manifest.is_encrypted() { " --identity FILE" } else { "" };
    let position = manifest.position.as_ref().map_or("not known".to_owned(), Clone::clone);
    here.say(&[
        format!("{} of {}", manifest.name, manifest.database),
        format!("  {}", shelf.shown_file(&manifest.file)),
        format!(
            "  {} of {}, {} tables, {} rows, {} ms",
            human_bytes(manifest.stored_bytes),
            human_bytes(manifest.bytes),
            manifest.rows.len(),
            manifest.rows_all(),
            manifest.took_ms
        ),
        format!("  SHA-256 {}", manifest.sha256),
        format!("  server {}, position {position}", manifest.server),
        match manifest.is_encrypted() {
            true => format!("  encrypted for {}", manifest.recipients.join(", ")),
            false => "  not encrypted".to_owned(),
        },
        format!("prove it: windlass backup verify {}{prove}", manifest.name),
    ])?;
    Ok(Exit::Done)
}

/// The first signal ends the backup, which takes away what there is of it; the second ends the process.
fn stop_on_signals(stopping: &Stopping) -> Result<(), Failure> {
    let cannot = |error| Failure::refused(format!("cannot listen to signals: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot)?;
    let mut signals = runtime.block_on(async { Signals::listen() })?;
    let stopping = stopping.clone();
    let wait = move || {
        runtime.block_on(signals.any());
        terminal::line("stopping; once more ends at once");
        stopping.stop();
        runtime.block_on(signals.any());
        at_once()
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait).map(drop).map_err(cannot)
}

fn prove(args: &BackupChooseArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let here = Here::new(&args.place, config)?;
    let (shelf, manifest) = here.chosen(args.backup.as_deref())?;
    let (_, source) = here.source(Some(&manifest.target))?;
    let told = |line: &str| terminal::line(&format!("{}: {line}", manifest.name));
    let identities = args.identity.as_deref().map(Identities::read).transpose()?;
    let means = Means { tools: args.place.tools.as_deref(), identities: identities.as_ref() };
    let found = backup::verify(&source, &shelf, &manifest, means, &told)?;
    let exit = match (found.restored, found.differences.is_empty()) {
        (false, _) => Exit::Person,
        (true, true) => Exit::Done,
        (true, false) => Exit::Undone,
    };
    if args.place.output.json {
        terminal::json(&VerifiedJson {
            backup: &manifest.name,
            restored: found.restored,
            rows: found.rows,
            took_ms: found.took_ms,
            differences: &found.differences,
        })?;
        return Ok(exit);
    }
    if !found.restored {
        here.say(&[
            format!("{}: the file is what was written, by its SHA-256 and size", manifest.name),
            format!(
                "  not proven: that it can be opened and restored. It is encrypted for {}",
                manifest.recipients.join(", ")
            ),
            format!("prove it: windlass backup verify {} --identity FILE", manifest.name),
        ])?;
        return Ok(exit);
    }
    let mut lines = vec![format!("{}: restored, {} rows, {} ms", manifest.name, found.rows, found.took_ms)];
    lines.extend(found.differences.iter().map(|line| format!("  different: {line}")));
    if found.differences.is_empty() {
        lines.push(
            "  every table has the rows that were written; the scratch database is gone again".to_owned(),
        );
    }
    here.say(&lines)?;
    Ok(exit)
}

/// `windlass backup verify --json`.
#[derive(Debug, Serialize)]
struct VerifiedJson<'a> {
    backup: &'a str,
    /// Whether it was restored; else only its file was found to be what was written.
    restored: bool,
    rows: u64,
    took_ms: u64,
    /// Empty: it is what was written.
    differences: &'a [String],
}

fn put_back(args: &BackupRestoreArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let here = Here::new(&args.place, config)?;
    let (shelf, manifest) = here.chosen(args.backup.as_deref())?;
    let (_, source) = here.source(Some(&manifest.target))?;
    let told = |line: &str| terminal::line(&format!("{}: {line}", manifest.name));
    let identities = args.identity.as_deref().map(Identities::read).transpose()?;
    let means = Means { tools: args.place.tools.as_deref(), identities: identities.as_ref() };
    let restored = backup::restore(&source, &shelf, &manifest, &args.into, means, &told)?;
    if args.place.output.json {
        terminal::json(
            &serde_json::json!({ "backup": manifest.name, "into": restored.into, "rows": restored.rows }),
        )?;
        return Ok(Exit::Done);
    }
    let rows: u64 = restored.rows.values().sum();
    here.say(&[
        format!("{} is restored into {} ({rows} rows)", manifest.name, restored.into),
        format!(
            "{} is as it was; let the service use the new one when you have looked at it",
            source.database()
        ),
    ])?;
    Ok(Exit::Done)
}

fn tidy(args: &BackupPruneArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let here = Here::new(&args.place, config)?;
    let keep = here.config.policy.keep;
    let keep_ms = keep.backup_ms.unwrap_or(KEEP_MS);
    let needed = needed(&here, keep.record_ms.unwrap_or(u64::MAX))?;
    let mut doomed: Vec<Doomed> = vec![];
    // Of each place the newest stays: one place does not answer for another.
    for (shelf, stored) in here.stored()? {
        let of_shelf = backup::stale(&stored, wiring::now_ms(), keep_ms, &needed);
        if args.yes {
            backup::prune(&shelf, &of_shelf)?;
        }
        doomed.extend(of_shelf);
    }
    if args.place.output.json {
        let names: Vec<_> = doomed.iter().map(|doomed| &doomed.manifest.name).collect();
        terminal::json(&serde_json::json!({ "deleted": args.yes, "backups": names }))?;
        return Ok(Exit::Done);
    }
    let mut lines: Vec<_> = doomed.iter().map(|doomed| here.line(&doomed.manifest)).collect();
    let bytes: u64 = doomed.iter().map(|doomed| doomed.manifest.stored_bytes).sum();
    lines.push(match (doomed.len(), args.yes) {
        (0, _) => "nothing is old enough to be deleted".to_owned(),
        (count, true) => format!("{count} deleted, {} free", human_bytes(bytes)),
        (count, false) => {
            format!("{count} would be deleted, {}: `windlass backup prune --yes`", human_bytes(bytes))
        }
    });
    here.say(&lines)?;
    Ok(Exit::Done)
}

/// When runs began that may still be taken back.
fn needed(here: &Here<'_>, record_ms: u64) -> Result<Vec<i64>, Failure> {
    let Some(store) = journal::open_existing(&here.place)? else { return Ok(vec![]) };
    let runs = journal::block_on(journal::all(&store))??;
    let oldest = wiring::now_ms().saturating_sub(i64::try_from(record_ms).unwrap_or(i64::MAX));
    let may = |run: &&windlass_journal::RunState| run.ending.is_none() || run.started_ms >= oldest;
    Ok(runs.iter().filter(may).map(|run| run.started_ms).collect())
}
