//! Makes planned changes and takes them back, entry by entry, looking before each.

use super::{
    hand::beside,
    patch,
    plan::{Entry, How},
    state::State,
    volume::{Dress, Volume},
};
use crate::disk::GONE;
use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};
use windlass_plan::LineEdit;

/// Works on the entries of one unit.
pub(super) struct Worker<'a> {
    pub(super) volume: &'a dyn Volume,
    /// Edits of a `diff` step; empty for others.
    pub(super) edits: &'a [LineEdit],
}

/// Where the entries of a unit stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// How many are as before.
    pub(super) before: usize,
    /// How many are as after.
    pub(super) after: usize,
}

/// Why nobody can say where the entries stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Astray {
    /// Paths that are neither as before nor as after.
    Changed(Vec<String>),
    /// One of them could not be looked at.
    OutOfReach(String),
}

/// Compares the world with the entries.
pub(super) fn position(volume: &dyn Volume, entries: &[Entry]) -> Result<Position, Astray> {
    let mut position = Position { before: 0, after: 0 };
    let mut strange = vec![];
    for entry in entries {
        match entry.look(volume) {
            Ok(state) if state == entry.before => position.before += 1,
            Ok(state) if state == entry.after => position.after += 1,
            Ok(state) => strange.push(format!(
                "{}: {state} stands there; before the unit: {}; after it: {}",
                entry.path.display(),
                entry.before,
                entry.after
            )),
            Err(error) => {
                let why = format!("cannot look at {}: {error}", entry.path.display());
                return Err(Astray::OutOfReach(why));
            }
        }
    }
    if strange.is_empty() { Ok(position) } else { Err(Astray::Changed(strange)) }
}

/// Entries that others have put into folders which an undo would remove.
pub(super) fn strangers(volume: &dyn Volume, entries: &[Entry]) -> io::Result<Vec<String>> {
    let ours: BTreeSet<&Path> = entries
        .iter()
        .filter(|entry| entry.before == State::Absent)
        .map(|entry| entry.path.as_path())
        .collect();
    let mut found = vec![];
    for entry in entries.iter().filter(|entry| matches!(entry.how, How::MakeFolder { .. })) {
        if entry.look(volume)? == entry.after {
            let all = volume.children(&entry.path)?;
            let new = all.iter().filter(|path| !ours.contains(path.as_path()) && !is_leftover(path));
            found.extend(new.map(|path| format!("{} was put there by others", path.display())));
        }
    }
    Ok(found)
}

fn is_leftover(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".windlass-"))
}

impl Worker<'_> {
    /// Keeps what will be overwritten. Writes into the workspace only.
    pub(super) fn save(&self, entries: &[Entry]) -> io::Result<()> {
        for entry in entries {
            let is_moved = matches!(entry.how, How::SetAside { copied: false, .. });
            if let Some(saved) = entry.how.saved().filter(|_| !is_moved) {
                self.volume.clear(&[saved])?;
                self.volume.copy_whole(&entry.path, saved)?;
                if self.volume.state(saved, entry.whole())? != entry.before {
                    let text = format!("{} changed while it was saved", entry.path.display());
                    return Err(io::Error::other(text));
                }
            }
        }
        Ok(())
    }

    /// What is needed to take changes back and is no longer there, at most `max` of it.
    pub(super) fn gone(&self, entries: &[Entry], max: usize) -> Vec<String> {
        let gone = entries.iter().filter_map(|entry| {
            let saved = entry.how.saved()?;
            let is_gone = matches!(self.volume.state(saved, false), Ok(State::Absent));
            // An earlier try may have brought it back, which takes what was set aside with it.
            let is_back = || entry.look(self.volume).is_ok_and(|state| state == entry.before);
            (is_gone && !is_back()).then(|| format!("{}{} {GONE}", self.volume.label(), saved.display()))
        });
        gone.take(max).collect()
    }

    /// Removes what a dead controller left beside the entries: unfinished new files, and what was renamed out of
    /// sight to be deleted, which happens only when a verified copy stands elsewhere.
    pub(super) fn tidy(&self, entries: &[Entry]) -> io::Result<()> {
        let left: Vec<PathBuf> =
            entries.iter().flat_map(|entry| ["new", "old"].map(|kind| beside(&entry.path, kind))).collect();
        let left: Vec<&Path> = left.iter().map(PathBuf::as_path).collect();
        self.volume.clear(&left)
    }

    /// Makes one change. What stands there is as before.
    pub(super) fn make(&self, entry: &Entry) -> io::Result<()> {
        let path = &entry.path;
        match &entry.how {
            How::Edit { .. } => {
                let State::File { sha256, .. } = &entry.before else { unreachable!("a file is edited") };
                let patched = patch::patch(&self.volume.read(path)?, self.edits)
                    .map_err(|problems| io::Error::other(problems.join("; ")))?;
                self.volume.replace(path, &patched.content, sha256)
            }
            How::MakeFolder { .. } => {
                let State::Folder { mode } = entry.after else { unreachable!("a folder is made") };
                self.volume.make_folder(path, mode)
            }
            How::SetMode => self.set_mode(path, &entry.after),
            How::CopyFile { from, preserve, .. } => {
                let State::File { sha256, mode, .. } = &entry.after else { unreachable!("a file is copied") };
                let dress = match (preserve, &entry.before) {
                    (true, _) => Dress::Like { file: from, times: true },
                    (false, State::Absent) => Dress::Mode(*mode),
                    (false, _) => Dress::Like { file: path, times: false },
                };
                self.volume.copy(from, path, dress, sha256)
            }
            How::CopyLink { from, preserve, .. } => {
                let State::Link { to } = &entry.after else { unreachable!("a link is copied") };
                self.volume.link(to, path)?;
                if *preserve { self.volume.link_times(path, from) } else { Ok(()) }
            }
            How::Arrive { from, .. } => self.bring(from, path, entry.before != State::Absent),
            How::Leave { .. } => self.discard(path),
            How::SetAside { copied: true, .. } => self.discard(path),
            How::SetAside { saved, copied: false } => match self.volume.rename(path, saved, false) {
                // The same disk, but mounted twice.
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                    self.bring(path, saved, false)?;
                    self.discard(path)
                }
                result => result,
            },
        }
    }

    /// Owner and times of folders that were made like others, when all that is in them is there.
    pub(super) fn finish(&self, entries: &[Entry]) -> io::Result<()> {
        for entry in entries.iter().rev() {
            if let How::MakeFolder { like: Some(like) } = &entry.how {
                self.volume.clothe_folder(&entry.path, like)?;
            }
        }
        Ok(())
    }

    /// Takes one change back. What stands there is as after, or was half taken back by an earlier try.
    pub(super) fn take_back(&self, entry: &Entry) -> io::Result<()> {
        let path = &entry.path;
        match &entry.how {
            How::Edit { saved } => self.restore(saved, path, &entry.before),
            How::MakeFolder { .. } => self.volume.remove_folder(path),
            How::SetMode => self.set_mode(path, &entry.before),
            How::CopyFile { saved, .. } | How::CopyLink { saved, .. } => match saved {
                None => self.volume.remove(path),
                Some(saved) => self.restore(saved, path, &entry.before),
            },
            // `Leave` has brought it back to where it came from; a second name or copy may be left here.
            How::Arrive { saved: None, .. } => self.discard(path),
            How::Arrive { saved: Some(saved), .. } => self.restore(saved, path, &entry.before),
            How::Leave { to } => self.return_to(path, to, entry),
            How::SetAside { saved, copied } => {
                let found = self.volume.state(saved, true)?;
                if found != entry.before {
                    return Err(not_saved(saved, &found));
                }
                if *copied { self.bring(saved, path, false) } else { self.volume.rename(saved, path, false) }
            }
        }
    }

    /// Moves back what went to `to`. If it replaced something there, it keeps its name there until that is restored.
    fn return_to(&self, path: &Path, to: &Path, entry: &Entry) -> io::Result<()> {
        if self.volume.state(to, true)? != entry.before {
            return Err(io::Error::other(format!("{} is not what was moved there", to.display())));
        }
        if matches!(entry.before, State::Tree { .. }) {
            return self.bring(to, path, false);
        }
        // Without a second name (another disk, no right to one) there is a moment without either.
        self.volume.hard_link(to, path).or_else(|_| self.bring(to, path, false))
    }

    /// Moves by rename, or on another disk by a verified copy beside the destination.
    fn bring(&self, from: &Path, to: &Path, over: bool) -> io::Result<()> {
        match self.volume.rename(from, to, over) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
            result => return result,
        }
        let temporary: PathBuf = beside(to, "new");
        self.volume.clear(&[&temporary])?;
        self.volume.copy_whole(from, &temporary)?;
        if self.volume.state(&temporary, true)? != self.volume.state(from, true)? {
            return Err(io::Error::other(format!("{} changed while it was copied", from.display())));
        }
        self.volume.rename(&temporary, to, over)
    }

    /// Deletes what is kept elsewhere: out of sight at once, then for good.
    fn discard(&self, path: &Path) -> io::Result<()> {
        let hidden = beside(path, "old");
        self.volume.clear(&[&hidden])?;
        self.volume.rename(path, &hidden, false)?;
        self.volume.clear(&[&hidden])
    }

    fn restore(&self, saved: &Path, path: &Path, before: &State) -> io::Result<()> {
        let found = self.volume.state(saved, false)?;
        if found != *before {
            return Err(not_saved(saved, &found));
        }
        match before {
            State::File { sha256, .. } => {
                self.volume.copy(saved, path, Dress::Like { file: saved, times: true }, sha256)
            }
            State::Link { to } => self.volume.link(to, path),
            other => Err(io::Error::other(format!("{other} cannot be restored at {}", path.display()))),
        }
    }

    fn set_mode(&self, path: &Path, state: &State) -> io::Result<()> {
        let State::Folder { mode } = state else { unreachable!("only folders get a mode of their own") };
        self.volume.mode(path, *mode)
    }
}

/// Why what was saved cannot come back.
fn not_saved(saved: &Path, found: &State) -> io::Error {
    let why = match found {
        State::Absent => GONE.to_owned(),
        found => format!("is not what was saved: {found}"),
    };
    io::Error::other(format!("{} {why}", saved.display()))
}
