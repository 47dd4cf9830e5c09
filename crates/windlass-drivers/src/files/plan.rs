//! What a unit will change, path by path, from a look at the world. Nothing is changed here.

use super::{
    hand::parent,
    patch,
    state::{State, name},
    volume::{Kind, Volume},
};
use crate::disk::resolve;
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::{Component, Path, PathBuf},
};
use windlass_plan::{Action, LineEdit};

/// One path that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The path; never one that leads through a link at its end.
    pub(super) path: PathBuf,
    /// What stands there before.
    pub(super) before: State,
    /// What stands there after.
    pub(super) after: State,
    /// How it gets there.
    pub(super) how: How,
}

/// How a path changes, and where what stood there before is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "kebab-case")]
pub(super) enum How {
    /// A `diff` step.
    Edit { saved: PathBuf },
    /// A new folder; with owner and times of another at the end.
    MakeFolder { like: Option<PathBuf> },
    /// Mode of a folder.
    SetMode,
    /// Content of another file; with `preserve` its owner, mode and times too.
    CopyFile { from: PathBuf, preserve: bool, saved: Option<PathBuf> },
    /// A link as another.
    CopyLink { from: PathBuf, preserve: bool, saved: Option<PathBuf> },
    /// What is moved here from there.
    Arrive { from: PathBuf, saved: Option<PathBuf> },
    /// What is moved away to there; always right after its `Arrive`.
    Leave { to: PathBuf },
    /// Moved into the workspace, or (`copied`: on another disk) copied there beforehand and deleted.
    SetAside { saved: PathBuf, copied: bool },
}

impl How {
    /// Where what stood there before is kept.
    pub(super) fn saved(&self) -> Option<&Path> {
        match self {
            Self::Edit { saved } | Self::SetAside { saved, .. } => Some(saved),
            Self::CopyFile { saved, .. } | Self::CopyLink { saved, .. } | Self::Arrive { saved, .. } => {
                saved.as_deref()
            }
            Self::MakeFolder { .. } | Self::SetMode | Self::Leave { .. } => None,
        }
    }
}

impl Entry {
    /// Whether the state of a folder includes all it holds.
    pub(super) fn whole(&self) -> bool {
        matches!(self.how, How::Arrive { .. } | How::Leave { .. } | How::SetAside { .. })
    }

    /// What stands there now.
    pub(super) fn look(&self, volume: &dyn Volume) -> io::Result<State> {
        volume.state(&self.path, self.whole())
    }
}

/// Looks at the world for one unit.
pub(super) struct Planner<'a> {
    volume: &'a dyn Volume,
    dir: Option<&'a str>,
    saved: usize,
    entries: Vec<Entry>,
}

/// Why a unit would fail: for people, one line each.
pub(super) type Problems = Vec<String>;

fn problem<T>(text: impl Into<String>) -> Result<T, Problems> {
    Err(vec![text.into()])
}

/// What the action changes, in order; empty if all is as wanted.
pub(super) fn plan(volume: &dyn Volume, action: &Action) -> Result<Vec<Entry>, Problems> {
    let mut planner = Planner { volume, dir: None, saved: 0, entries: vec![] };
    match action {
        Action::Patch { file, dir, edits } => planner.at(dir).patch(file, edits),
        Action::Copy { from, to, dir, recursive, preserve } => {
            planner.at(dir).copy(from, to, Options { recursive: *recursive, preserve: *preserve })
        }
        Action::Move { from, to, dir } => planner.at(dir).relocate(from, to),
        Action::Remove { path, dir, recursive, force } => planner.at(dir).remove(path, *recursive, *force),
        Action::MakeDir { path, dir, parents } => planner.at(dir).make_folder(path, *parents),
        _ => problem("this is no action on files"),
    }?;
    Ok(planner.entries)
}

/// Options of `cp`.
#[derive(Clone, Copy)]
struct Options {
    recursive: bool,
    preserve: bool,
}

impl<'a> Planner<'a> {
    fn at(&mut self, dir: &'a Option<String>) -> &mut Self {
        self.dir = dir.as_deref();
        self
    }

    /// The absolute path of an operand.
    fn path(&self, operand: &str) -> Result<PathBuf, Problems> {
        if operand.is_empty() {
            return problem("a path is empty");
        }
        // A last `/` would make every look go through a link; who needs it looks at the operand.
        let bare = operand.trim_end_matches('/');
        let path = resolve(self.volume.base(), self.dir, if bare.is_empty() { "/" } else { bare });
        std::path::absolute(&path).or_else(|error| problem(format!("{}: {error}", path.display())))
    }

    fn add(&mut self, path: &Path, before: State, after: State, how: How) {
        if before != after {
            self.entries.push(Entry { path: path.to_owned(), before, after, how });
        }
    }

    /// Where what stands at a path is kept, if anything does.
    fn keep(&mut self, before: &State) -> Option<PathBuf> {
        (*before != State::Absent).then(|| {
            self.saved += 1;
            self.volume.workspace().join(format!("saved-{}", self.saved))
        })
    }

    fn patch(&mut self, file: &str, edits: &[LineEdit]) -> Result<(), Problems> {
        let path = self.path(file)?;
        let path = self.real(&path)?;
        let content =
            self.volume.read(&path).or_else(|error| problem(format!("{}: {error}", path.display())))?;
        self.refuse_second_name(&path)?;
        let patched = patch::patch(&content, edits).map_err(|problems| {
            problems.into_iter().map(|text| format!("{}: {text}", path.display())).collect::<Vec<_>>()
        })?;
        let before = self.look(&path, false)?;
        let State::File { mode, .. } = before else {
            return problem(format!("{} is no regular file", path.display()));
        };
        let (sha256, bytes) = (crate::disk::sha256(&patched.content), patched.content.len() as u64);
        let saved = self.keep(&before).expect("a file stands there");
        self.add(&path, before, State::File { sha256, bytes, mode }, How::Edit { saved });
        Ok(())
    }

    fn make_folder(&mut self, operand: &str, parents: bool) -> Result<(), Problems> {
        let path = self.path(operand)?;
        if parents && path.components().any(|part| part == Component::ParentDir) {
            return problem(format!("{}: write the path of `mkdir -p` without `..`", path.display()));
        }
        if parents && self.volume.is_folder(&path) {
            return Ok(());
        }
        if self.look(&path, false)? != State::Absent {
            return problem(format!("cannot make the folder {}: it exists", path.display()));
        }
        let above = path.ancestors().skip(1).take_while(|folder| !self.volume.is_folder(folder));
        let mut missing: Vec<_> = above.map(Path::to_owned).collect();
        missing.reverse();
        if let Some(folder) = missing.iter().find(|folder| self.volume.is_there(folder)) {
            return problem(format!("cannot make a folder in {}: it is no folder", folder.display()));
        }
        if let Some(folder) = missing.first().filter(|_| !parents) {
            return problem(format!(
                "cannot make the folder {}: {} is missing",
                path.display(),
                folder.display()
            ));
        }
        let mode = 0o777 & !self.volume.umask();
        for folder in missing {
            let after = State::Folder { mode: mode | 0o300 };
            self.add(&folder, State::Absent, after, How::MakeFolder { like: None });
        }
        self.add(&path, State::Absent, State::Folder { mode }, How::MakeFolder { like: None });
        Ok(())
    }

    fn remove(&mut self, operand: &str, recursive: bool, force: bool) -> Result<(), Problems> {
        let path = self.source(operand)?;
        let meta = match self.volume.meta(&path, false) {
            Ok(meta) => meta,
            Err(error) => {
                let gone = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
                let text = format!("cannot remove {}: {error}", path.display());
                return if force && gone { Ok(()) } else { problem(text) };
            }
        };
        if meta.kind == Kind::Folder && !recursive {
            return problem(format!(
                "cannot remove {}: it is a folder, and `-r` is not given",
                path.display()
            ));
        }
        self.refuse_around_workspace(&path)?;
        let device = |path: &Path| self.volume.meta(path, true).map(|meta| meta.dev);
        let here = device(parent(&path)).ok();
        if Some(meta.dev) != here {
            return problem(format!(
                "cannot remove {}: another file system is mounted there",
                path.display()
            ));
        }
        let work = self.volume.workspace().ancestors().find_map(|folder| device(folder).ok());
        let before = self.look(&path, true)?;
        let saved = self.keep(&before).expect("something stands there");
        self.add(&path, before, State::Absent, How::SetAside { saved, copied: here != work });
        Ok(())
    }

    fn relocate(&mut self, from: &str, to: &str) -> Result<(), Problems> {
        let source = self.source(from)?;
        let before = self.look(&source, true)?;
        if before == State::Absent {
            return problem(format!("cannot move {}: it does not exist", source.display()));
        }
        let folder = matches!(before, State::Tree { .. });
        let dest = self.destination(to, &source, folder)?;
        let (from, to) = (source.display(), dest.display());
        if self.same(&source, &dest) || self.leads_to(&source, &dest) {
            return problem(format!("cannot move {from}: {to} is the same file"));
        }
        if folder && self.inside(&dest, &source) {
            return problem(format!("cannot move {from} into itself"));
        }
        self.refuse_around_workspace(&source)?;
        let there = self.look(&dest, true)?;
        match (&there, folder) {
            (State::Absent, _) | (State::File { .. } | State::Link { .. }, false) => {}
            (State::Tree { .. }, _) => return problem(format!("cannot move {from} over the folder {to}")),
            (_, true) => {
                return problem(format!("cannot move the folder {from} over {to}, which is no folder"));
            }
            _ => return problem(format!("cannot move {from} over {to}, a pipe, socket or device")),
        }
        let saved = self.keep(&there);
        self.add(&dest, there, before.clone(), How::Arrive { from: source.clone(), saved });
        self.add(&source, before, State::Absent, How::Leave { to: dest });
        Ok(())
    }

    fn copy(&mut self, from: &str, to: &str, options: Options) -> Result<(), Problems> {
        let source = self.source(from)?;
        let meta = self.volume.meta(&source, !options.recursive);
        let meta = meta.or_else(|error| problem(format!("cannot copy {}: {error}", source.display())))?;
        let folder = meta.kind == Kind::Folder;
        if folder && !options.recursive {
            return problem(format!(
                "cannot copy {}: it is a folder, and `-r` is not given",
                source.display()
            ));
        }
        let dest = self.destination(to, &source, folder)?;
        if folder && self.inside(&dest, &source) {
            return problem(format!("cannot copy {} into itself", source.display()));
        }
        self.copy_one(&source, &dest, options)
    }

    fn copy_one(&mut self, source: &Path, dest: &Path, options: Options) -> Result<(), Problems> {
        let kind = if options.recursive {
            self.look(source, false)?
        } else {
            self.look(&self.real(source)?, false)?
        };
        let (from, to) = (source.display(), dest.display());
        match kind {
            State::File { .. } => self.copy_file(source, dest, &kind, options),
            State::Folder { mode } => self.copy_folder(source, dest, mode, options),
            State::Link { .. } => {
                let before = self.look(dest, false)?;
                // Over the very file it leads to, the link would lead nowhere.
                let leads_there = self.leads_to(source, dest);
                if matches!(before, State::Folder { .. } | State::Other)
                    || self.same(source, dest)
                    || leads_there
                {
                    return problem(format!("cannot copy the link {from} over {to}"));
                }
                let (saved, from) = (self.keep(&before), source.to_owned());
                let how = How::CopyLink { from, preserve: options.preserve, saved };
                self.add(dest, before, kind, how);
                Ok(())
            }
            _ => problem(format!("{from} is a pipe, socket or device; that is not copied")),
        }
    }

    fn copy_file(
        &mut self,
        source: &Path,
        dest: &Path,
        kind: &State,
        options: Options,
    ) -> Result<(), Problems> {
        let State::File { sha256, bytes, mode } = kind else { unreachable!("the caller chose by the kind") };
        let source = self.real(source)?;
        let dest = if self.volume.is_link(dest) {
            self.volume.real(dest).or_else(|_| {
                problem(format!("cannot copy to {}: it is a link that leads nowhere", dest.display()))
            })?
        } else {
            dest.to_owned()
        };
        if self.same(&source, &dest) {
            return problem(format!("cannot copy {}: {} is the same file", source.display(), dest.display()));
        }
        if options.preserve && options.recursive {
            self.refuse_second_name(&source)?;
        }
        let before = self.look(&dest, false)?;
        let mode = match before {
            State::Absent if options.preserve => *mode,
            State::Absent => mode & 0o777 & !self.volume.umask(),
            State::File { .. } if options.preserve => *mode,
            State::File { mode, .. } => mode,
            _ => return problem(format!("cannot copy a file over {}, which is none", dest.display())),
        };
        self.refuse_second_name(&dest)?;
        let after = State::File { sha256: sha256.clone(), bytes: *bytes, mode };
        let saved = self.keep(&before);
        self.add(&dest, before, after, How::CopyFile { from: source, preserve: options.preserve, saved });
        Ok(())
    }

    fn copy_folder(
        &mut self,
        source: &Path,
        dest: &Path,
        mode: u32,
        options: Options,
    ) -> Result<(), Problems> {
        let mode = if options.preserve { mode } else { mode & !self.volume.umask() };
        if mode & 0o700 != 0o700 {
            return problem(format!(
                "{} could not be written to as a copy (mode {mode:04o})",
                source.display()
            ));
        }
        let (before, after) = (self.look(dest, false)?, State::Folder { mode });
        let new = before == State::Absent;
        if !new && !matches!(before, State::Folder { .. }) {
            let (from, to) = (source.display(), dest.display());
            return problem(format!("cannot copy the folder {from} over {to}, which is no folder"));
        }
        if new {
            let like = options.preserve.then(|| source.to_owned());
            self.add(dest, State::Absent, after.clone(), How::MakeFolder { like });
        }
        let children = self.volume.children(source);
        let children = children.or_else(|error| problem(format!("{}: {error}", source.display())))?;
        let mut problems = vec![];
        for child in children {
            let to = dest.join(child.file_name().expect("an entry of a folder has a name"));
            problems.extend(self.copy_one(&child, &to, options).err().into_iter().flatten());
        }
        if !new && options.preserve {
            self.add(dest, before, after, How::SetMode);
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// The path of an operand that must name an entry by its own name.
    fn source(&self, operand: &str) -> Result<PathBuf, Problems> {
        let last = operand.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        if ["", ".", ".."].contains(&last) {
            return problem(format!("`{operand}` does not name a file or folder by its own name"));
        }
        let path = self.path(operand.trim_end_matches('/'))?;
        if operand.ends_with('/')
            && !self.volume.meta(&path, false).is_ok_and(|meta| meta.kind == Kind::Folder)
        {
            return problem(format!("`{operand}` is no folder; take the last `/` away"));
        }
        name(path.as_os_str()).map(|_| path).or_else(|error| problem(error.to_string()))
    }

    /// Where something called like `source` goes: into `to` if that is a folder, else to `to` itself.
    fn destination(&self, to: &str, source: &Path, folder: bool) -> Result<PathBuf, Problems> {
        let path = self.path(to)?;
        if self.volume.is_folder(&path) {
            return Ok(path.join(source.file_name().expect("a source has a name")));
        }
        if to.ends_with('/') && !folder {
            return problem(format!("{} is no folder", path.display()));
        }
        if !self.volume.is_folder(parent(&path)) {
            return problem(format!("the folder {} does not exist", parent(&path).display()));
        }
        Ok(path)
    }

    /// What this run needs to come back must stay where it is.
    fn refuse_around_workspace(&self, path: &Path) -> Result<(), Problems> {
        let keep = [self.volume.workspace(), self.volume.base()];
        match keep.into_iter().find(|folder| self.inside(folder, path)) {
            None => Ok(()),
            Some(folder) => {
                problem(format!("{} holds {}, which this run needs", path.display(), folder.display()))
            }
        }
    }
}

/// Questions to the file system.
impl Planner<'_> {
    fn look(&self, path: &Path, whole: bool) -> Result<State, Problems> {
        self.volume.state(path, whole).or_else(|error| problem(format!("{}: {error}", path.display())))
    }

    fn real(&self, path: &Path) -> Result<PathBuf, Problems> {
        self.volume.real(path).or_else(|error| problem(format!("{}: {error}", path.display())))
    }

    /// Whether both are one file.
    fn same(&self, a: &Path, b: &Path) -> bool {
        let id = |path| self.volume.meta(path, false).map(|meta| (meta.dev, meta.ino)).ok();
        id(a).is_some() && id(a) == id(b)
    }

    /// Whether `link` is a link that ends at `path`, which is none.
    fn leads_to(&self, link: &Path, path: &Path) -> bool {
        self.volume.is_link(link) && self.volume.real(link).is_ok_and(|end| self.same(&end, path))
    }

    /// Whether `path`, which may not exist yet, is `folder` or in it.
    fn inside(&self, path: &Path, folder: &Path) -> bool {
        let real = |path: &Path| path.ancestors().find_map(|folder| self.volume.real(folder).ok());
        match (real(path), self.volume.real(folder)) {
            (Some(path), Ok(folder)) => path.starts_with(folder),
            _ => false,
        }
    }

    /// A file is replaced by a new one of the same name; its other names would keep the old one.
    fn refuse_second_name(&self, path: &Path) -> Result<(), Problems> {
        match self.volume.meta(path, false) {
            Ok(meta) if meta.kind == Kind::File && meta.names > 1 => problem(format!(
                "{} has {} names (hard links); that is not supported",
                path.display(),
                meta.names
            )),
            _ => Ok(()),
        }
    }
}
