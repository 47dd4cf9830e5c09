//! Every call that changes a file system goes through here: durable, atomic where it can be, and countable by tests.

use super::{
    state::{State, children},
    volume::Dress,
};
use crate::disk;
use rustix::fs::{AtFlags, CWD, RenameFlags, Timespec, Timestamps, renameat_with, utimensat};
use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// Copies larger than this say how far they are.
const PROGRESS_BYTES: u64 = 64 * 1024 * 1024;

/// Does the calls.
#[derive(Clone, Default)]
pub(super) struct Hand {
    /// Tests: how many more calls succeed; all after them fail, as if the process had died.
    #[cfg(test)]
    pub(super) fuse: Option<std::sync::Arc<std::sync::atomic::AtomicI64>>,
}

impl Hand {
    /// Called before every change.
    #[cfg_attr(
        not(test),
        expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "tests count the calls")
    )]
    pub(super) fn step(&self) -> io::Result<()> {
        #[cfg(test)]
        if let Some(fuse) = &self.fuse
            && fuse.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) <= 0
        {
            return Err(io::Error::other("the fuse of the test"));
        }
        Ok(())
    }

    fn sync_parent(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        disk::sync_folder(parent(path))
    }

    /// Writes `content` to a temporary file beside `path`, complete and durable.
    pub(super) fn prepare(
        &self,
        path: &Path,
        content: &mut dyn io::Read,
        dress: Dress<'_>,
    ) -> io::Result<PathBuf> {
        let temporary = beside(path, "new");
        self.clear(&temporary)?;
        self.step()?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        let mut fill = || {
            let mut buffer = vec![0; 256 * 1024];
            loop {
                let count = content.read(&mut buffer)?;
                if count == 0 {
                    break;
                }
                self.step()?;
                file.write_all(&buffer[..count])?;
            }
            self.step()?;
            clothe(&file, dress)?;
            self.step()?;
            file.sync_all()
        };
        let result = fill();
        result.inspect_err(|_| drop(self.clear(&temporary))).map(|()| temporary)
    }

    /// Replaces `path`, or creates it, by one rename.
    pub(super) fn replace(
        &self,
        path: &Path,
        content: &mut dyn io::Read,
        dress: Dress<'_>,
    ) -> io::Result<()> {
        let temporary = self.prepare(path, content, dress)?;
        self.rename_over(&temporary, path)
    }

    /// Copies a file to `path` by one rename, if its content has this hash.
    pub(super) fn copy(
        &self,
        from: &Path,
        path: &Path,
        dress: Dress<'_>,
        sha256: &str,
        say: &dyn Fn(&str),
    ) -> io::Result<()> {
        let mut content = Progress::new(from, say)?;
        let temporary = self.prepare(path, &mut content, dress)?;
        if disk::sha256_file(&temporary)?.0 != sha256 {
            self.clear(&temporary)?;
            return Err(io::Error::other(format!("{} changed while it was copied", from.display())));
        }
        self.rename_over(&temporary, path)
    }

    fn rename_over(&self, temporary: &Path, path: &Path) -> io::Result<()> {
        let rename = || {
            self.step()?;
            fs::rename(temporary, path)
        };
        rename().inspect_err(|_| drop(self.clear(temporary)))?;
        self.sync_parent(path)
    }

    /// Creates a link, or replaces what is there, by one rename.
    pub(super) fn link(&self, to: &str, path: &Path) -> io::Result<()> {
        let temporary = beside(path, "new");
        self.clear(&temporary)?;
        self.step()?;
        std::os::unix::fs::symlink(to, &temporary)?;
        self.rename_over(&temporary, path)
    }

    /// A second name for a file that is to leave its first one.
    pub(super) fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        fs::hard_link(from, to)?;
        self.sync_parent(to)
    }

    /// Renames; with `over`, what is at `to` is replaced, else it must be free.
    pub(super) fn rename(&self, from: &Path, to: &Path, over: bool) -> io::Result<()> {
        self.step()?;
        let flags = if over { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        match renameat_with(CWD, from, CWD, to, flags) {
            // Not every file system knows the flag.
            Err(rustix::io::Errno::INVAL) if !over && fs::symlink_metadata(to).is_err() => {
                fs::rename(from, to)?
            }
            result => result?,
        }
        self.sync_parent(to)?;
        self.sync_parent(from)
    }

    /// Creates one folder with exactly this mode, whatever the umask; by one rename, so that it is never there with
    /// another one.
    pub(super) fn make_folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        let temporary = beside(path, "new");
        self.clear(&temporary)?;
        self.step()?;
        fs::DirBuilder::new().mode(0o700).create(&temporary)?;
        self.mode(&temporary, mode)?;
        let rename = || {
            self.step()?;
            rename_to_free(&temporary, path)
        };
        rename().inspect_err(|_| drop(self.clear(&temporary)))?;
        self.sync_parent(path)
    }

    /// Sets a mode.
    pub(super) fn mode(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.step()?;
        fs::set_permissions(path, Permissions::from_mode(mode))
    }

    /// Owner and times of a folder as of another one.
    pub(super) fn clothe_folder(&self, path: &Path, like: &Path) -> io::Result<()> {
        self.step()?;
        clothe(&File::open(path)?, Dress::Like { file: like, times: true })
    }

    /// Removes a file or link.
    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        fs::remove_file(path)?;
        self.sync_parent(path)
    }

    /// Removes an empty folder.
    pub(super) fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        fs::remove_dir(path)?;
        self.sync_parent(path)
    }

    /// Removes whatever is there, if anything, with all it holds.
    pub(super) fn clear(&self, path: &Path) -> io::Result<()> {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(meta) => {
                self.step()?;
                if meta.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
            }
        }
    }

    /// Copies a file, link or folder with owner, modes, attributes and times. `to` must be free.
    pub(super) fn copy_whole(&self, from: &Path, to: &Path, say: &dyn Fn(&str)) -> io::Result<()> {
        match State::of(from, false)? {
            State::File { sha256, .. } => {
                self.copy(from, to, Dress::Like { file: from, times: true }, &sha256, say)
            }
            State::Link { to: target } => self.link(&target, to),
            State::Folder { mode } => {
                self.make_folder(to, 0o700)?;
                for child in children(from)? {
                    self.copy_whole(&child, &to.join(child.file_name().unwrap_or_default()), say)?;
                }
                self.clothe_folder(to, from)?;
                self.mode(to, mode)
            }
            _ => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("{} is a pipe, socket or device and cannot be copied", from.display()),
            )),
        }
    }
}

/// Renames to a name that is free.
fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system knows the flag.
        Err(rustix::io::Errno::INVAL) if fs::symlink_metadata(to).is_err() => fs::rename(from, to),
        result => Ok(result?),
    }
}

/// Gives `file` owner, attributes, mode and times. That the owner cannot be kept is an error: it must survive.
fn clothe(file: &File, dress: Dress<'_>) -> io::Result<()> {
    let (like, times) = match dress {
        Dress::Mode(mode) => return file.set_permissions(Permissions::from_mode(mode)),
        Dress::Like { file, times } => (file, times),
    };
    let meta = fs::metadata(like)?;
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (meta.uid(), meta.gid()) {
        std::os::unix::fs::fchown(file, Some(meta.uid()), Some(meta.gid())).map_err(|error| {
            let (user, group) = (meta.uid(), meta.gid());
            io::Error::new(error.kind(), format!("cannot keep its owner {user}:{group}: {error}"))
        })?;
    }
    copy_attributes(&File::open(like)?, file);
    file.set_permissions(Permissions::from_mode(meta.mode() & 0o7777))?;
    if times {
        let spec = |seconds, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
        let times = Timestamps {
            last_access: spec(meta.atime(), meta.atime_nsec()),
            last_modification: spec(meta.mtime(), meta.mtime_nsec()),
        };
        rustix::fs::futimens(file, &times)?;
    }
    Ok(())
}

/// Extended attributes, access lists among them. Where one cannot be kept (other file system, no right), the file is
/// written without it, as `cp` does.
fn copy_attributes(from: &File, to: &File) {
    let mut names = vec![0_u8; 64 * 1024];
    let Ok(length) = rustix::fs::flistxattr(from, &mut names[..]) else { return };
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0_u8; 64 * 1024];
        if let Ok(length) = rustix::fs::fgetxattr(from, name, &mut value[..]) {
            let _ = rustix::fs::fsetxattr(to, name, &value[..length], rustix::fs::XattrFlags::empty());
        }
    }
}

/// Times of a link itself as of another.
pub(super) fn link_times(path: &Path, like: &Path) -> io::Result<()> {
    let meta = fs::symlink_metadata(like)?;
    let spec = |seconds, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = Timestamps {
        last_access: spec(meta.atime(), meta.atime_nsec()),
        last_modification: spec(meta.mtime(), meta.mtime_nsec()),
    };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// The folder a path is in.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A hidden name beside `path` that only Windlass uses, always the same, so that a leftover is found.
pub(super) fn beside(path: &Path, purpose: &str) -> PathBuf {
    let hash = disk::sha256(path.as_os_str().as_encoded_bytes());
    parent(path).join(format!(".windlass-{purpose}-{}", &hash[..16]))
}

/// A file that says how far it was read, when it is large.
struct Progress<'a> {
    file: File,
    say: &'a dyn Fn(&str),
    name: String,
    all: u64,
    read: u64,
    said: u64,
}

impl<'a> Progress<'a> {
    fn new(path: &Path, say: &'a dyn Fn(&str)) -> io::Result<Self> {
        let file = File::open(path)?;
        let all = file.metadata()?.len();
        Ok(Self { file, say, name: path.display().to_string(), all, read: 0, said: 0 })
    }
}

impl io::Read for Progress<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read += count as u64;
        if self.all > PROGRESS_BYTES {
            let percent = self.read * 100 / self.all;
            if percent >= self.said + 5 {
                self.said = percent;
                (self.say)(&format!("{}: {percent} % of {}\n", self.name, disk::human_bytes(self.all)));
            }
        }
        Ok(count)
    }
}
