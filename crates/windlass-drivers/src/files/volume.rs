//! The file system that a unit works on: of this machine, or of a host. What changes it is durable and, where it can be, atomic.

use super::state::State;
use std::{
    io,
    path::{Path, PathBuf},
};

/// What is asked of an entry besides its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) kind: Kind,
    /// File system.
    pub(super) dev: u64,
    /// Number in it: two paths with the same are one entry.
    pub(super) ino: u64,
    /// How many names it has.
    pub(super) names: u64,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Link,
    Other,
}

/// What a new file gets besides its content.
#[derive(Clone, Copy, Debug)]
pub(super) enum Dress<'a> {
    /// This mode, owned by whoever runs this.
    Mode(u32),
    /// Owner, mode, attributes and, with `times`, times of this file.
    Like { file: &'a Path, times: bool },
}

/// A file system and the folders that a unit has on it.
pub(super) trait Volume: Send + Sync {
    /// For people: in front of a path; empty on this machine.
    fn label(&self) -> String;
    /// Where relative paths start.
    fn base(&self) -> &Path;
    /// Folder of the unit: what is overwritten or removed is kept here. It may not exist yet.
    fn workspace(&self) -> &Path;
    /// Mode bits that new entries do not get.
    fn umask(&self) -> u32;

    /// What stands at a path itself. `whole`: a folder with all it holds.
    fn state(&self, path: &Path, whole: bool) -> io::Result<State>;
    /// What an entry is; `through` links.
    fn meta(&self, path: &Path, through: bool) -> io::Result<Meta>;
    /// The path of an entry that is there, without links.
    fn real(&self, path: &Path) -> io::Result<PathBuf>;
    /// All of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Paths in a folder, in order of names.
    fn children(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;
    /// Whether entries may be made in a folder.
    fn may_write(&self, folder: &Path) -> bool;
    /// Fails if so many bytes more would not fit on the disk of a folder.
    fn room_for(&self, bytes: u64, folder: &Path) -> io::Result<()>;

    /// Makes the workspace.
    fn make_workspace(&self) -> io::Result<()>;
    /// Replaces a file whose content has the hash `before` by one rename; it stays as it is but for its content.
    fn replace(&self, path: &Path, content: &[u8], before: &str) -> io::Result<()>;
    /// Copies a file to `path` by one rename, if its content has this hash.
    fn copy(&self, from: &Path, path: &Path, dress: Dress<'_>, sha256: &str) -> io::Result<()>;
    /// Creates a link, or replaces what is there, by one rename.
    fn link(&self, to: &str, path: &Path) -> io::Result<()>;
    /// A second name for a file that is to leave its first one.
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Renames; with `over`, what is at `to` is replaced, else it must be free. Another disk is
    /// [`io::ErrorKind::CrossesDevices`].
    fn rename(&self, from: &Path, to: &Path, over: bool) -> io::Result<()>;
    /// Creates one folder with exactly this mode, by one rename, so that it is never there with another one.
    fn make_folder(&self, path: &Path, mode: u32) -> io::Result<()>;
    /// Sets a mode.
    fn mode(&self, path: &Path, mode: u32) -> io::Result<()>;
    /// Owner, mode and times of a folder as of another one.
    fn clothe_folder(&self, path: &Path, like: &Path) -> io::Result<()>;
    /// Removes a file or link.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;
    /// Removes whatever is there, if anything, with all it holds.
    fn clear(&self, paths: &[&Path]) -> io::Result<()>;
    /// Copies a file, link or folder with owner, modes, attributes and times. `to` must be free.
    fn copy_whole(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Times of a link itself as of another.
    fn link_times(&self, path: &Path, like: &Path) -> io::Result<()>;
}

impl dyn Volume + '_ {
    /// Whether a folder stands at a path, through links.
    pub(super) fn is_folder(&self, path: &Path) -> bool {
        self.meta(path, true).is_ok_and(|meta| meta.kind == Kind::Folder)
    }

    /// Whether a path is a link itself.
    pub(super) fn is_link(&self, path: &Path) -> bool {
        self.meta(path, false).is_ok_and(|meta| meta.kind == Kind::Link)
    }

    /// Whether anything stands at a path itself.
    pub(super) fn is_there(&self, path: &Path) -> bool {
        self.meta(path, false).is_ok()
    }
}
