//! The file system of this machine.

use super::{
    hand::{Hand, link_times},
    state::{State, children},
    volume::{Dress, Kind, Meta, Volume},
};
use crate::disk;
use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};
use windlass_driver::Context;

/// This machine, for one unit.
pub(super) struct Here {
    cx: Context,
    hand: Hand,
    umask: u32,
}

impl Here {
    pub(super) fn new(cx: Context, hand: Hand) -> Self {
        Self { cx, hand, umask: umask() }
    }
}

impl Volume for Here {
    fn label(&self) -> String {
        String::new()
    }

    fn base(&self) -> &Path {
        &self.cx.base
    }

    fn workspace(&self) -> &Path {
        &self.cx.workspace
    }

    fn umask(&self) -> u32 {
        self.umask
    }

    fn state(&self, path: &Path, whole: bool) -> io::Result<State> {
        State::of(path, whole)
    }

    fn meta(&self, path: &Path, through: bool) -> io::Result<Meta> {
        let meta = if through { fs::metadata(path) } else { fs::symlink_metadata(path) }?;
        let kind = match meta.file_type() {
            kind if kind.is_file() => Kind::File,
            kind if kind.is_dir() => Kind::Folder,
            kind if kind.is_symlink() => Kind::Link,
            _ => Kind::Other,
        };
        Ok(Meta { kind, dev: meta.dev(), ino: meta.ino(), names: meta.nlink() })
    }

    fn real(&self, path: &Path) -> io::Result<PathBuf> {
        path.canonicalize()
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn children(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        children(folder)
    }

    fn may_write(&self, folder: &Path) -> bool {
        let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        rustix::fs::access(folder, access).is_ok()
    }

    fn room_for(&self, bytes: u64, folder: &Path) -> io::Result<()> {
        disk::room_for(bytes, folder)
    }

    fn make_workspace(&self) -> io::Result<()> {
        fs::create_dir_all(&self.cx.workspace)
    }

    fn replace(&self, path: &Path, content: &[u8], before: &str) -> io::Result<()> {
        if disk::sha256_file(path)?.0 != before {
            return Err(io::Error::other("it was changed just now"));
        }
        self.hand.replace(path, &mut &content[..], Dress::Like { file: path, times: false })
    }

    fn copy(&self, from: &Path, path: &Path, dress: Dress<'_>, sha256: &str) -> io::Result<()> {
        self.hand.copy(from, path, dress, sha256, &*self.cx.output)
    }

    fn link(&self, to: &str, path: &Path) -> io::Result<()> {
        self.hand.link(to, path)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.hand.hard_link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path, over: bool) -> io::Result<()> {
        self.hand.rename(from, to, over)
    }

    fn make_folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.hand.make_folder(path, mode)
    }

    fn mode(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.hand.mode(path, mode)
    }

    fn clothe_folder(&self, path: &Path, like: &Path) -> io::Result<()> {
        self.hand.clothe_folder(path, like)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.hand.remove(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.hand.remove_folder(path)
    }

    fn clear(&self, paths: &[&Path]) -> io::Result<()> {
        paths.iter().try_for_each(|path| self.hand.clear(path))
    }

    fn copy_whole(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.hand.copy_whole(from, to, &*self.cx.output)
    }

    fn link_times(&self, path: &Path, like: &Path) -> io::Result<()> {
        link_times(path, like)
    }
}

/// The umask of this process, which can otherwise only be read by changing it.
fn umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    field.and_then(|text| u32::from_str_radix(text.trim(), 8).ok()).unwrap_or(0o022)
}
