//! Where backups lie: in a folder of this machine, or below a prefix of a bucket. All else is the same for both.

use super::{
    bucket::Bucket,
    draft::{Draft, Incoming, not_written},
    failed, sqlite,
    store::data_of,
};
use crate::disk::{room_for, sync_folder, write_private};
use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use windlass_driver::Failure;

/// What is unfinished and older than this is a leftover of a backup that was killed.
const LEFTOVER: Duration = Duration::from_secs(24 * 60 * 60);

/// The same of parts in a store, of which only the beginning is known: no backup takes as long as this.
const LEFTOVER_PARTS: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Where backups lie.
#[derive(Clone)]
pub enum Shelf {
    /// A folder of this machine; it need not be there yet.
    Folder(PathBuf),
    /// A prefix of a bucket.
    Bucket(Bucket),
}

/// A file there.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) bytes: u64,
}

impl Shelf {
    /// It, for people.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::Bucket(bucket) => bucket.shown(""),
        }
    }

    /// A file there, for people.
    #[must_use]
    pub fn shown_file(&self, file: &str) -> String {
        match self {
            Self::Folder(folder) => folder.join(file).display().to_string(),
            Self::Bucket(bucket) => bucket.shown(file),
        }
    }

    /// The folder of this machine for copies of SQLite files.
    pub(super) fn scratch(&self) -> &Path {
        match self {
            Self::Folder(folder) => folder,
            Self::Bucket(bucket) => bucket.scratch(),
        }
    }

    /// Makes ready for these files; fails if one of them is there.
    pub(super) fn ready(&self, files: [&str; 2]) -> Result<(), Failure> {
        let scratch = self.scratch();
        private(scratch).map_err(|error| failed(format!("{}: {error}", scratch.display())))?;
        let folder = match self {
            Self::Folder(folder) => folder,
            Self::Bucket(bucket) => return bucket.ready(files),
        };
        match files.map(|file| folder.join(file)).into_iter().find(|path| path.exists()) {
            None => Ok(()),
            Some(path) => Err(failed(format!("{} exists; nothing was done", path.display()))),
        }
    }

    /// Fails if so many bytes have no room; a store has no end that could be asked for.
    pub(super) fn room(&self, bytes: u64) -> io::Result<()> {
        match self {
            Self::Folder(folder) => room_for(bytes, folder),
            Self::Bucket(_) => Ok(()),
        }
    }

    /// A new file, of about so many bytes.
    pub(super) fn draft(&self, file: &str, about: u64) -> Result<(Draft, Incoming), Failure> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(file);
                Draft::file(path.clone()).map_err(|error| not_written(&path.display(), &error))
            }
            Self::Bucket(bucket) => Draft::object(bucket, file, about),
        }
    }

    /// Writes a small file whole.
    pub(super) fn describe(&self, file: &str, text: String) -> io::Result<()> {
        match self {
            Self::Folder(folder) => write_private(&folder.join(file), text.as_bytes()),
            Self::Bucket(bucket) => bucket.describe(file, text),
        }
    }

    /// What is there; where there is no folder there is nothing.
    pub(super) fn entries(&self) -> Result<Vec<Entry>, Failure> {
        let folder = match self {
            Self::Folder(folder) => folder,
            Self::Bucket(bucket) => return bucket.entries(),
        };
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            Err(error) => return Err(failed(format!("{}: {error}", folder.display()))),
        };
        let entry = |entry: fs::DirEntry| {
            // A link counts as what it leads to.
            let bytes = fs::metadata(entry.path()).ok()?.len();
            Some(Entry { name: entry.file_name().to_string_lossy().into_owned(), bytes })
        };
        Ok(entries.flatten().filter_map(entry).collect())
    }

    /// What stands in these small files; of each what is wrong with it.
    pub(super) fn texts(&self, entries: &[&Entry]) -> Result<Vec<Result<Vec<u8>, String>>, Failure> {
        match self {
            Self::Folder(folder) => {
                let text =
                    |entry: &&Entry| fs::read(folder.join(&entry.name)).map_err(|error| error.to_string());
                Ok(entries.iter().map(text).collect())
            }
            Self::Bucket(bucket) => bucket.texts(entries),
        }
    }

    /// Reads a file from its beginning.
    pub(super) fn open(&self, file: &str) -> io::Result<Box<dyn Read>> {
        match self {
            Self::Folder(folder) => Ok(Box::new(File::open(folder.join(file))?)),
            Self::Bucket(bucket) => Ok(Box::new(bucket.open(file)?)),
        }
    }

    /// Deletes a file; that there is none is no error.
    pub(super) fn remove(&self, file: &str) -> Result<(), Failure> {
        match self {
            Self::Folder(folder) => remove(&folder.join(file)),
            Self::Bucket(bucket) => bucket.remove(file),
        }
    }

    /// Takes away what killed backups left a day ago, none of which `is_described`, and makes deletions durable.
    pub(super) fn sweep(&self, is_described: impl Fn(&str) -> bool) -> Result<(), Failure> {
        let folder = match self {
            Self::Folder(folder) => folder,
            Self::Bucket(bucket) => {
                return bucket
                    .sweep(LEFTOVER_PARTS, |file| !file.contains('/') && is_ours(file, &is_described));
            }
        };
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let data = name.strip_suffix(".tmp").filter(|data| is_ours(data, &is_described));
            if (name.starts_with(sqlite::COPY) || data.is_some()) && is_old(&entry) {
                remove(&entry.path())?;
            }
        }
        let _ = sync_folder(folder);
        Ok(())
    }
}

/// Whether a file is the data of a backup by its name, without a manifest.
fn is_ours(file: &str, is_described: impl Fn(&str) -> bool) -> bool {
    data_of(file).is_some_and(|name| !is_described(name))
}

fn is_old(entry: &fs::DirEntry) -> bool {
    let modified = entry.metadata().and_then(|meta| meta.modified());
    modified.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > LEFTOVER))
}

fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed(format!("{} cannot be deleted: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

/// Makes a folder for its owner only: a backup holds everything that the database does.
fn private(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
