//! Files: `diff` steps and lifted `cp`, `mv`, `rm`, `mkdir`.
//!
//! A unit is turned into entries: for each path that changes, what stands there before and after (kind, mode, hash). The
//! entries are the capsule. Everything else follows from them: `apply` makes the changes that are still to be made,
//! `inspect` compares, `undo` takes back only what is still exactly what the unit wrote. A file is replaced by a complete and
//! durable new one under the same name, never written in place; what is overwritten or removed is kept in the workspace.
//! All of that is one code for this machine and for hosts, over the operations of a [`Volume`].

mod act;
mod hand;
mod here;
mod patch;
mod plan;
mod state;
#[cfg(test)]
mod tests;
mod there;
#[cfg(test)]
mod twins;
mod volume;

use crate::{
    disk,
    host::{Hosts, place::Place},
    serial::Serial,
};
use act::{Astray, Worker};
use async_trait::async_trait;
use hand::Hand;
use here::Here;
use plan::{Entry, How, plan};
use serde_json::json;
use state::State;
use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use there::There;
use volume::Volume;
use windlass_driver::{Capsule, Context, Done, Driver, Failure, Fault, Found, Survey};
use windlass_plan::{Action, LineEdit, UndoBy, Unit, Way};

/// Entries longer than this as JSON stand in a file of the workspace.
const INLINE_BYTES_MAX: usize = 64 * 1024;

/// Lines of conflicts and effects that are shown.
const SHOWN: usize = 20;

/// Changes files on this machine and on hosts, on each one unit at a time.
#[derive(Clone, Default)]
pub struct FilesDriver {
    serials: Arc<Mutex<HashMap<String, Serial>>>,
    hosts: Hosts,
    hand: Hand,
}

impl FilesDriver {
    /// A driver. All units of one process must use the same.
    #[must_use]
    pub fn new(hosts: Hosts) -> Self {
        Self { hosts, ..Self::default() }
    }

    async fn run<T: Send + 'static>(
        &self,
        cx: &Context,
        unit: &Unit,
        work: impl FnOnce(&Job) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let place = Place::of(&self.hosts, cx, unit);
        let volume: Box<dyn Volume> = if place.is_here() {
            Box::new(Here::new(cx.clone(), self.hand.clone()))
        } else {
            Box::new(There::reach(place, cx, unit, &self.hand).await?)
        };
        let serial = {
            let mut serials = self.serials.lock().unwrap_or_else(PoisonError::into_inner);
            serials.entry(unit.host.clone()).or_default().clone()
        };
        let job = Job { cx: cx.clone(), unit: unit.clone(), volume };
        serial.run(move || work(&job)).await
    }
}

/// One call, on a blocking thread.
struct Job {
    cx: Context,
    unit: Unit,
    volume: Box<dyn Volume>,
}

#[async_trait]
impl Driver for FilesDriver {
    async fn survey(&self, cx: &Context, unit: &Unit) -> Result<Survey, Failure> {
        self.run(cx, unit, |job| Ok(job.survey())).await
    }

    async fn capture(&self, cx: &Context, unit: &Unit) -> Result<Capsule, Failure> {
        self.run(cx, unit, Job::capture).await
    }

    async fn apply(&self, cx: &Context, unit: &Unit, capsule: &Capsule) -> Result<Done, Failure> {
        let capsule = capsule.clone();
        self.run(cx, unit, move |job| job.apply(&job.entries(&capsule)?)).await
    }

    async fn gone(&self, cx: &Context, unit: &Unit, capsule: &Capsule) -> Vec<String> {
        let capsule = capsule.clone();
        let gone = self.run(cx, unit, move |job| Ok(job.gone(&capsule)));
        gone.await.unwrap_or_default()
    }

    async fn undo(
        &self,
        cx: &Context,
        unit: &Unit,
        capsule: &Capsule,
        _done: Option<&Done>,
    ) -> Result<Done, Failure> {
        if unit.undo.by == UndoBy::Nothing {
            return Ok(Done::default());
        }
        let capsule = capsule.clone();
        self.run(cx, unit, move |job| job.undo(&job.entries(&capsule)?)).await
    }

    async fn inspect(&self, cx: &Context, unit: &Unit, capsule: &Capsule, way: Way) -> Found {
        let capsule = capsule.clone();
        let found = self.run(cx, unit, move |job| Ok(job.inspect(&job.entries(&capsule)?, way)));
        found.await.unwrap_or_else(|failure| Found::Unknown(failure.message))
    }
}

impl Job {
    fn worker(&self) -> Worker<'_> {
        let edits: &[LineEdit] = match &self.unit.action {
            Action::Patch { edits, .. } => edits,
            _ => &[],
        };
        Worker { volume: &*self.volume, edits }
    }

    /// What was overwritten or removed, for people.
    fn kept_in(&self) -> String {
        format!("{}{}", self.volume.label(), self.volume.workspace().display())
    }

    fn position(&self, entries: &[Entry]) -> Result<act::Position, Astray> {
        act::position(&*self.volume, entries)
    }

    fn survey(&self) -> Survey {
        let mut survey = Survey::default();
        match plan(&*self.volume, &self.unit.action) {
            Ok(entries) => {
                survey.effects = effects(&entries);
                survey.problems = obstacles(&*self.volume, &entries);
            }
            Err(problems) => survey.problems = problems,
        }
        survey
    }

    fn capture(&self) -> Result<Capsule, Failure> {
        let entries = plan(&*self.volume, &self.unit.action).map_err(|problems| {
            let mut failure = Failure::clean(Fault::Target, format!("{}; nothing was changed", problems[0]));
            failure.hints.extend(problems.into_iter().skip(1).take(SHOWN));
            failure
        })?;
        let keep = || {
            self.volume.make_workspace()?;
            let bytes = entries.iter().map(|entry| entry.before.bytes()).sum();
            self.volume.room_for(bytes, self.volume.workspace())?;
            self.worker().save(&entries)?;
            self.pack(&entries)
        };
        keep().map_err(|error| {
            let folder = self.kept_in();
            Failure::clean(
                Fault::Transport,
                format!("cannot save what is there into {folder}: {error}; nothing was changed"),
            )
            .retryable()
        })
    }

    fn pack(&self, entries: &[Entry]) -> io::Result<Capsule> {
        let value = serde_json::to_value(entries)?;
        let text = value.to_string();
        if text.len() <= INLINE_BYTES_MAX {
            return Ok(Capsule(json!({ "entries": value })));
        }
        fs::create_dir_all(&self.cx.workspace)?;
        let file = self.cx.workspace.join("entries.json");
        disk::write_durable(&file, text.as_bytes())?;
        Ok(Capsule(json!({ "file": file, "sha256": disk::sha256(text.as_bytes()) })))
    }

    fn entries(&self, capsule: &Capsule) -> Result<Vec<Entry>, Failure> {
        let read = || -> Result<Vec<Entry>, String> {
            if let Some(entries) = capsule.0.get("entries") {
                return serde_json::from_value(entries.clone()).map_err(|error| error.to_string());
            }
            let text =
                |key: &str| capsule.0.get(key).and_then(|value| value.as_str()).ok_or("it is incomplete");
            let (file, sha256) = (text("file")?, text("sha256")?);
            let content = fs::read(file).map_err(|error| format!("{file}: {error}"))?;
            if disk::sha256(&content) != sha256 {
                return Err(format!("{file} was changed"));
            }
            serde_json::from_slice(&content).map_err(|error| format!("{file}: {error}"))
        };
        read().map_err(|why| {
            Failure::clean(Fault::Windlass, format!("the capsule of {} cannot be read: {why}", self.unit.id))
        })
    }

    fn gone(&self, capsule: &Capsule) -> Vec<String> {
        let list = capsule.0.get("file").and_then(|file| file.as_str());
        match (list.and_then(|list| disk::gone(Path::new(list))), self.entries(capsule)) {
            (Some(gone), _) => vec![gone],
            (None, Ok(entries)) => self.worker().gone(&entries, SHOWN),
            (None, Err(_)) => Vec::new(),
        }
    }

    fn apply(&self, entries: &[Entry]) -> Result<Done, Failure> {
        let position = self.position(entries).map_err(|astray| {
            let text = match astray {
                Astray::Changed(lines) => format!("changed since it was looked at: {}", lines[0]),
                Astray::OutOfReach(why) => why,
            };
            Failure::clean(Fault::Target, format!("{text}; nothing was changed")).retryable()
        })?;
        if position.before == 0 {
            self.tidy(entries);
            return Ok(Done { effects: vec!["all is as wanted already".to_owned()], ..Done::default() });
        }
        let worker = self.worker();
        let mut changed = position.after > 0;
        let mut make = || {
            worker.tidy(entries)?;
            for entry in entries {
                let state = entry.look(&*self.volume).map_err(|error| at(entry, &error))?;
                if state == entry.before {
                    worker.make(entry).map_err(|error| at(entry, &error))?;
                    changed = true;
                } else if state != entry.after {
                    return Err(by_others(entry, &state));
                }
            }
            worker.finish(entries)
        };
        match make() {
            Ok(()) => Ok(Done { changed: true, effects: effects(entries), ..Done::default() }),
            Err(error) => {
                Err(self.broken(&error, changed || self.position(entries) != Ok(position), entries))
            }
        }
    }

    /// Removes what a dead controller left beside the files; if it stays, it does no harm.
    fn tidy(&self, entries: &[Entry]) {
        let _ = self.worker().tidy(entries);
    }

    /// A try that failed on its way.
    fn broken(&self, error: &io::Error, changed: bool, entries: &[Entry]) -> Failure {
        let fault = if error.kind() == io::ErrorKind::StorageFull { Fault::Transport } else { Fault::Target };
        let failure = if !changed {
            Failure::clean(fault, format!("{error}; nothing was changed")).retryable()
        } else {
            let unknown = || Failure::unknown(fault, format!("{error}; not certain how far it came"));
            match self.position(entries) {
                Ok(_) => {
                    let text = format!("{error}; a part of the {} changes was made", entries.len());
                    Failure::partial(fault, text)
                }
                Err(Astray::Changed(lines)) => lines.into_iter().take(SHOWN).fold(unknown(), Failure::hint),
                Err(Astray::OutOfReach(why)) => unknown().hint(why),
            }
        };
        match error.kind() {
            io::ErrorKind::StorageFull => failure.hint("the disk is full: see `df`"),
            io::ErrorKind::PermissionDenied => {
                failure.hint("who runs this may not write there: see `ls -ld`")
            }
            _ => failure,
        }
    }

    fn undo(&self, entries: &[Entry]) -> Result<Done, Failure> {
        let conflict = |lines: Vec<String>| {
            let text = format!("changed since this run wrote it, so nothing was taken back: {}", lines[0]);
            let mut failure = Failure::clean(Fault::Target, text);
            failure.hints.extend(lines.into_iter().skip(1).take(SHOWN).map(|line| format!("also: {line}")));
            failure
                .hint(format!("what stood there before is in {}", self.kept_in()))
                .hint("put it right by hand, then mark the unit done; or undo the newer change and try again")
        };
        let position = self.position(entries).map_err(|astray| match astray {
            Astray::Changed(lines) => conflict(lines),
            Astray::OutOfReach(why) => {
                Failure::clean(Fault::Transport, format!("{why}; nothing was taken back")).retryable()
            }
        })?;
        if position.after == 0 {
            self.tidy(entries);
            return Ok(Done { effects: vec!["all is as before already".to_owned()], ..Done::default() });
        }
        let strangers = act::strangers(&*self.volume, entries);
        let strangers = strangers.map_err(|error| Failure::clean(Fault::Target, error.to_string()))?;
        if !strangers.is_empty() {
            return Err(conflict(strangers));
        }
        let worker = self.worker();
        let take_back = || {
            worker.tidy(entries)?;
            for entry in entries.iter().rev() {
                let state = entry.look(&*self.volume).map_err(|error| at(entry, &error))?;
                // What arrived may have gone back by its `Leave` already.
                let returned = state == State::Absent && matches!(entry.how, How::Arrive { .. });
                if state == entry.before {
                    continue;
                } else if state != entry.after && !returned {
                    return Err(by_others(entry, &state));
                }
                worker.take_back(entry).map_err(|error| at(entry, &error))?;
            }
            Ok(())
        };
        match take_back() {
            Ok(()) => {
                let effects = vec![format!("{} paths as before", entries.len())];
                Ok(Done { changed: true, effects, ..Done::default() })
            }
            Err(error) => Err(self.broken(&error, self.position(entries) != Ok(position), entries)),
        }
    }

    fn inspect(&self, entries: &[Entry], way: Way) -> Found {
        let strange = match self.position(entries) {
            Err(Astray::OutOfReach(why)) => return Found::Unknown(why),
            Err(Astray::Changed(strange)) => strange,
            Ok(position) => {
                self.tidy(entries);
                let (done, open) = match way {
                    Way::Forward => (position.after, position.before),
                    Way::Undo => (position.before, position.after),
                };
                return match (done, open) {
                    (_, 0) => Found::Applied(Done {
                        changed: !entries.is_empty(),
                        effects: if way == Way::Forward { effects(entries) } else { vec![] },
                        ..Done::default()
                    }),
                    (0, _) => Found::NotApplied,
                    _ => {
                        let text =
                            format!("{done} of {} paths were changed when the controller died", done + open);
                        let failure = Failure::partial(Fault::Transport, text);
                        Found::Failed(if way == Way::Undo { failure.retryable() } else { failure })
                    }
                };
            }
        };
        let mut lines = vec!["files are neither as before nor as after this unit:".to_owned()];
        lines.extend(strange.into_iter().take(SHOWN));
        lines.push(format!("what stood there before is in {}; compare with: diff -r", self.kept_in()));
        lines.push("then say: mark done (it is as wanted), retry, skip, or unwind".to_owned());
        Found::Unknown(lines.join("\n"))
    }
}

/// Something stands there that the unit neither found nor wrote: it is left alone.
fn by_others(entry: &Entry, state: &State) -> io::Error {
    at(entry, &io::Error::other(format!("changed by others just now: {state} stands there")))
}

/// An error with its path.
fn at(entry: &Entry, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", entry.path.display()))
}

/// What changes, for people.
fn effects(entries: &[Entry]) -> Vec<String> {
    let line = |entry: &Entry| {
        let path = entry.path.display();
        let size = |state: &State| disk::human_bytes(state.bytes());
        Some(match (&entry.how, &entry.before) {
            (How::Edit { .. }, before) => format!("edits {path} ({} → {})", size(before), size(&entry.after)),
            (How::MakeFolder { .. }, _) => format!("makes the folder {path}"),
            (How::SetMode, _) => format!("sets the mode of {path}"),
            (How::CopyFile { .. }, State::Absent) => format!("writes {path} ({})", size(&entry.after)),
            (How::CopyFile { .. }, before) => {
                format!("overwrites {path} ({} → {})", size(before), size(&entry.after))
            }
            (How::CopyLink { .. }, _) => format!("writes the link {path}"),
            (How::Arrive { from, .. }, State::Absent) => format!("moves {} to {path}", from.display()),
            (How::Arrive { from, .. }, _) => format!("moves {} over {path}", from.display()),
            (How::Leave { .. }, _) => return None,
            (How::SetAside { .. }, State::Tree { entries, .. }) => {
                format!("sets aside {path} ({entries} entries, {})", size(&entry.before))
            }
            (How::SetAside { .. }, _) => format!("sets aside {path} ({})", size(&entry.before)),
        })
    };
    let mut lines: Vec<String> = entries.iter().filter_map(line).collect();
    if lines.len() > SHOWN {
        let more = lines.len() - SHOWN;
        lines.truncate(SHOWN);
        lines.push(format!(
            "… and {more} more, {} in all",
            disk::human_bytes(entries.iter().map(|e| e.after.bytes()).sum())
        ));
    }
    lines
}

/// Why the changes would fail: rights and room.
fn obstacles(volume: &dyn Volume, entries: &[Entry]) -> Vec<String> {
    let folder_of = |entry: &Entry| {
        let mut above = entry.path.ancestors().skip(1);
        above.find(|folder| volume.is_folder(folder)).map(Path::to_owned)
    };
    // Most entries are in the folder of the one before them.
    let mut folders: Vec<PathBuf> = vec![];
    for entry in entries {
        if folders.last().is_none_or(|last| entry.path.parent() != Some(last)) {
            folders.extend(folder_of(entry));
        }
    }
    folders.sort();
    folders.dedup();
    let mut lines = vec![];
    for folder in folders {
        if !volume.may_write(&folder) {
            lines.push(format!("{} cannot be written to", folder.display()));
        }
        let copied = entries.iter().filter(|entry| {
            entry.path.starts_with(&folder) && matches!(entry.how, How::CopyFile { .. } | How::Edit { .. })
        });
        if let Err(error) = volume.room_for(copied.map(|entry| entry.after.bytes()).sum(), &folder) {
            lines.push(format!("{}: {error}", folder.display()));
        }
    }
    lines
}
