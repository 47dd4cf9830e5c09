//! `windlass new`: a release document from the team's template, filled from git and `windlass.toml`.

mod revisions;

use super::papers::language;
use crate::{
    args::NewArgs,
    exit::{self, Exit, Failure},
    policy,
    project::{self, CONFIG_NAME, Place, Settings, SqlFiles},
    terminal, wiring,
};
use jiff::{Timestamp, civil::Date};
use revisions::Revisions;
use serde::Serialize;
use std::path::{Path, PathBuf};
use windlass_adopt::{NewDocument, Wanted, Why, new_document};
use windlass_document::is_name;
use windlass_plan::Lang;
use windlass_report::{Mark, Text, count};

/// A name becomes a part of file names.
const NAME_CHARS_MAX: usize = 64;

/// `windlass new --json`.
#[derive(Debug, Serialize)]
struct NewJson {
    format: u32,
    /// Where it would be written.
    file: String,
    document: String,
    /// The revisions that were compared.
    from: Option<String>,
    to: Option<String>,
    /// Files that differ.
    files: usize,
    /// Steps that run.
    steps: usize,
    /// Items that a person has to complete.
    open: usize,
}

/// Where the document goes, and in which project it is.
struct Goal {
    path: PathBuf,
    /// The folder of `windlass.toml`; where there is none, that of the document.
    base: PathBuf,
    place: Option<Place>,
    settings: Settings,
    date: Date,
}

/// Runs the command.
pub fn run(args: &NewArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    if !is_name(&args.name) || args.name.chars().count() > NAME_CHARS_MAX {
        return Err(Failure::wrong(format!("`{}` cannot be the name of a release", args.name))
            .hint("use letters, digits, `_`, `.` and `-`: it becomes a part of the file's name"));
    }
    let goal = goal(args, config)?;
    let writes = !args.stdout && !args.output.json;
    if writes && goal.path.exists() {
        return Err(exists(&goal.path));
    }
    let revisions = revisions::read(&goal.base, goal.place.as_ref(), args)?;
    let (lang, said_by) = language(args.lang, goal.settings.config.documents.lang);
    let new = draft(args, &goal, &revisions, lang);
    if args.output.json {
        terminal::json(&json(&goal, &revisions, new))?;
        return Ok(Exit::Done);
    }
    if writes {
        if let Some(folder) = goal.path.parent() {
            let cannot = |error| exit::file("cannot make the folder", folder, &error);
            std::fs::create_dir_all(folder).map_err(cannot)?;
        }
        project::write_new(&goal.path, &new.text)?.ok_or_else(|| exists(&goal.path))?;
    } else {
        terminal::print(&new.text)?;
    }
    terminal::say(&outcome(&goal, &revisions, &new, (lang, said_by), writes));
    Ok(Exit::Done)
}

fn goal(args: &NewArgs, config: Option<&Path>) -> Result<Goal, Failure> {
    let near = args.out.clone().unwrap_or_else(|| PathBuf::from(CONFIG_NAME));
    let place = Place::of_document(&near, config)?;
    let settings = project::read_settings(place.as_ref(), None, None)?;
    if !settings.findings.is_empty() {
        terminal::config_findings(&settings);
        return Err(Failure::shown(Exit::Wrong));
    }
    let zone = policy::zone(&settings.config.policy);
    let now = Timestamp::from_millisecond(wiring::now_ms()).unwrap_or_default();
    let date = args.date.unwrap_or_else(|| now.to_zoned(zone).date());
    let base = place.as_ref().map_or_else(|| project::folder_of(&near), |place| place.base.clone());
    let path = args.out.clone().unwrap_or_else(|| {
        let documents = &settings.config.documents;
        let folder = base.join(documents.folder.as_deref().unwrap_or_default());
        folder.join(documents.file_name(&args.name, &date.strftime("%Y%m%d").to_string()))
    });
    Ok(Goal { path, base, place, settings, date })
}

fn draft(args: &NewArgs, goal: &Goal, revisions: &Revisions, lang: Lang) -> NewDocument {
    let file = goal.path.file_name().unwrap_or_default().to_string_lossy();
    new_document(&Wanted {
        name: &args.name,
        file: &file,
        date: &goal.date.to_string(),
        language: lang.into(),
        severity: args.severity,
        release: revisions.release.as_deref(),
        from: revisions.compared.as_ref().map(|compared| compared.version.as_str()),
        compared: revisions.compared.as_ref().map(revisions::Revision::compared),
        changes: &revisions.changes,
        config: &goal.settings.config,
        files: &SqlFiles::new(goal.base.clone()),
    })
}

fn exists(path: &Path) -> Failure {
    Failure::wrong(format!("{} exists; nothing was written", shown(path)))
        .hint("`--out FILE` names another file; `--stdout` prints the document and writes nothing")
}

/// As a person here would type it.
fn shown(path: &Path) -> String {
    path.strip_prefix(project::folder_of(Path::new(CONFIG_NAME))).unwrap_or(path).display().to_string()
}

fn json(goal: &Goal, revisions: &Revisions, new: NewDocument) -> NewJson {
    let compared = revisions.compared.as_ref();
    NewJson {
        format: windlass_report::FORMAT,
        file: shown(&goal.path),
        document: new.text,
        from: compared.map(|compared| compared.from.clone()),
        to: compared.map(|compared| compared.to.clone()),
        files: revisions.changes.len(),
        steps: new.steps,
        open: new.open,
    }
}

/// What was made of what, what was guessed, and what comes next.
fn outcome(
    goal: &Goal,
    revisions: &Revisions,
    new: &NewDocument,
    (lang, said_by): (Lang, &str),
    written: bool,
) -> Text {
    let mut out = Text::new();
    let file = shown(&goal.path);
    if written {
        out.line().add(Mark::Good, "written").plain(format!(": {file}"));
    }
    match &revisions.compared {
        Some(compared) => {
            let why = match compared.why {
                Why::Said => "--from",
                Why::Recorded => "the newest release that is done",
                Why::LastTag => "the last tag",
            };
            let files = revisions.changes.len();
            let words = format!(
                "{} ({why}) with {}: {}, {}",
                compared.from,
                compared.to,
                count(compared.commits, "commit"),
                count(files, "file")
            );
            out.wrapped("compared: ", Mark::Plain, &words);
        }
        None => {
            let words = format!("nothing is filled in from git: {}", revisions.why_not);
            out.wrapped("note: ", Mark::Dim, &words);
        }
    }
    if revisions.uncommitted > 0 {
        let files = count(revisions.uncommitted, "file");
        out.wrapped(
            "note: ",
            Mark::Warn,
            &format!("{files} not committed: what is in them is not in the document"),
        );
    }
    if revisions.unread > 0 {
        let files = count(revisions.unread, "file");
        out.wrapped("note: ", Mark::Warn, &format!("{files} were not read: too many, too long, or no text"));
    }
    if goal.place.is_none() {
        let words =
            format!("no {CONFIG_NAME}, so no steps for services and databases; `windlass init` drafts one");
        out.wrapped("note: ", Mark::Dim, &words);
    }
    out.line().plain(format!("language: {lang} ({said_by})"));
    let steps = count(new.steps, "step");
    out.wrapped(
        "",
        Mark::Plain,
        &format!("{steps}, {} for you to complete: search for TODO", count(new.open, "item")),
    );
    if written {
        out.line().plain(format!("next: windlass check {file}"));
    }
    out
}
