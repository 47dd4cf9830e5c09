//! What stands at a path, so that it can be compared later.

use crate::disk;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{
    fmt, fs, io,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::Path,
};

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub(super) enum State {
    /// Nothing.
    Absent,
    /// A regular file.
    File { sha256: String, bytes: u64, mode: u32 },
    /// A symbolic link.
    Link { to: String },
    /// A folder, whatever it holds.
    Folder { mode: u32 },
    /// A folder with all it holds.
    Tree { sha256: String, entries: u64, bytes: u64 },
    /// A pipe, socket or device.
    Other,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("nothing"),
            Self::File { sha256, bytes, mode } => {
                write!(f, "a file of {bytes} bytes, mode {mode:04o}, SHA-256 {sha256}")
            }
            Self::Link { to } => write!(f, "a link to {to}"),
            Self::Folder { mode } => write!(f, "a folder, mode {mode:04o}"),
            Self::Tree { sha256, entries, bytes } => {
                write!(f, "a folder of {entries} entries, {bytes} bytes, SHA-256 {sha256}")
            }
            Self::Other => f.write_str("a pipe, socket or device"),
        }
    }
}

impl State {
    /// Looks at `path` itself, never through a link. `whole`: a folder with all it holds.
    pub(super) fn of(path: &Path, whole: bool) -> io::Result<Self> {
        let meta = match fs::symlink_metadata(path) {
            Ok(meta) => meta,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Self::Absent);
            }
            Err(error) => return Err(error),
        };
        let kind = meta.file_type();
        let mode = meta.permissions().mode();
        Ok(if kind.is_symlink() {
            Self::Link { to: name(fs::read_link(path)?.as_os_str())? }
        } else if kind.is_file() {
            let (sha256, bytes) = disk::sha256_file(path)?;
            Self::File { sha256, bytes, mode: mode & 0o7777 }
        } else if !kind.is_dir() {
            Self::Other
        } else if whole {
            Self::tree(path)?
        } else {
            Self::Folder { mode: mode & 0o777 }
        })
    }

    fn tree(path: &Path) -> io::Result<Self> {
        let mut sum = Sum { hasher: Sha256::new(), entries: 0, bytes: 0 };
        sum.add(path)?;
        Ok(Self::Tree { sha256: disk::hex(&sum.hasher.finalize()), entries: sum.entries, bytes: sum.bytes })
    }

    /// Bytes of content.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::File { bytes, .. } | Self::Tree { bytes, .. } => *bytes,
            _ => 0,
        }
    }
}

/// Sum of a tree: kind, mode, name and content of every entry, in order of names.
struct Sum {
    hasher: Sha256,
    entries: u64,
    bytes: u64,
}

impl Sum {
    fn add(&mut self, folder: &Path) -> io::Result<()> {
        let mode = fs::symlink_metadata(folder)?.permissions().mode() & 0o777;
        self.hasher.update(mode.to_le_bytes());
        for path in children(folder)? {
            self.entries += 1;
            let file_name = path.file_name().unwrap_or_default().as_bytes();
            self.hasher.update((file_name.len() as u64).to_le_bytes());
            self.hasher.update(file_name);
            let state = State::of(&path, false)?;
            self.bytes += state.bytes();
            self.hasher.update(state.to_string());
            if matches!(state, State::Folder { .. }) {
                self.add(&path)?;
            }
            self.hasher.update([0xff]);
        }
        Ok(())
    }
}

/// Paths in a folder, in order of names.
pub(super) fn children(folder: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    let mut paths: Vec<_> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
    paths.sort();
    Ok(paths)
}

/// A name as text; the journal is JSON.
pub(super) fn name(name: &std::ffi::OsStr) -> io::Result<String> {
    let text = name.to_str().map(str::to_owned);
    text.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("the name {} is not UTF-8", name.to_string_lossy()),
        )
    })
}
