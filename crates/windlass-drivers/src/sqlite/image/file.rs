//! Where saved rows are kept: few in the ledger's row itself, many in a file of the unit's workspace. Either is durable
//! before the statement is: the ledger's row is in its transaction, and the file is on disk before the commit.

use crate::disk::{self, hex};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Up to here rows stay in the ledger: a small change then costs no sync of a file.
const INLINE_BYTES_MAX: usize = 64 * 1024;
/// Bytes written or read at a time.
const CHUNK: usize = 1024 * 1024;

/// Where rows were put; part of the ledger's row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Whether they are in a file.
    pub(crate) file: bool,
    /// Length and hash of all of it.
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// Takes entries, oldest first.
pub(crate) struct Writer {
    path: PathBuf,
    file: Option<File>,
    pending: Vec<u8>,
    hasher: Sha256,
    bytes: u64,
}

/// The file of saved rows of a unit.
pub(crate) fn path(workspace: &Path) -> PathBuf {
    workspace.join("rows.images")
}

impl Writer {
    /// Puts them in the ledger, or in the file of `workspace`.
    pub(crate) fn new(workspace: &Path) -> Self {
        let hasher = Sha256::new();
        Self { path: path(workspace), file: None, pending: vec![], hasher, bytes: 0 }
    }

    /// Adds an entry.
    pub(crate) fn entry(&mut self, entry: &[u8]) -> io::Result<()> {
        let length = u32::try_from(entry.len()).map_err(|_| {
            io::Error::new(io::ErrorKind::FileTooLarge, "a row of over 4 GiB cannot be saved")
        })?;
        self.pending.extend_from_slice(entry);
        self.pending.extend_from_slice(&length.to_le_bytes());
        let full = if self.file.is_some() { CHUNK } else { INLINE_BYTES_MAX };
        if self.pending.len() > full { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            let folder = self.path.parent().unwrap_or(Path::new("/"));
            fs::create_dir_all(folder)?;
            let temporary = self.temporary();
            match fs::remove_file(&temporary) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            // Rows are as secret as the database they are from.
            let mut options = fs::OpenOptions::new();
            self.file = Some(options.write(true).create_new(true).mode(0o600).open(temporary)?);
        }
        self.hasher.update(&self.pending);
        self.bytes += self.pending.len() as u64;
        if let Some(file) = &mut self.file {
            file.write_all(&self.pending)?;
        }
        self.pending.clear();
        Ok(())
    }

    fn temporary(&self) -> PathBuf {
        self.path.with_extension("images.tmp")
    }

    /// Makes a file durable; else the bytes are what goes into the ledger.
    pub(crate) fn finish(mut self) -> io::Result<(Place, Vec<u8>)> {
        if self.file.is_none() {
            let (bytes, sha256) = (self.pending.len() as u64, disk::sha256(&self.pending));
            return Ok((Place { file: false, bytes, sha256 }, self.pending));
        }
        self.flush()?;
        if let Some(file) = &self.file {
            file.sync_all()?;
        }
        fs::rename(self.temporary(), &self.path)?;
        disk::sync_folder(self.path.parent().unwrap_or(Path::new("/")))?;
        Ok((Place { file: true, bytes: self.bytes, sha256: hex(&self.hasher.finalize()) }, vec![]))
    }

    /// Takes away what an unfinished statement has left.
    pub(crate) fn abandon(self) {
        if self.file.is_some() {
            let _ = fs::remove_file(self.temporary());
        }
    }
}

/// Gives entries, newest first.
pub(crate) struct Backward {
    file: Option<File>,
    /// What stands from `start` to just behind the entries that are still to come.
    buffer: Vec<u8>,
    start: u64,
}

impl Backward {
    /// Opens what was put to `place`; it is proved to be unchanged.
    pub(crate) fn open(place: &Place, inline: Vec<u8>, workspace: &Path) -> io::Result<Self> {
        if place.bytes == 0 {
            return Ok(Self { file: None, buffer: vec![], start: 0 });
        }
        let changed = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        if !place.file {
            if disk::sha256(&inline) != place.sha256 {
                return Err(changed("the rows saved in the ledger were changed".to_owned()));
            }
            return Ok(Self { file: None, buffer: inline, start: 0 });
        }
        let path = path(workspace);
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let (sha256, bytes) = disk::sha256_file(&path).map_err(named)?;
        if sha256 != place.sha256 {
            return Err(changed(format!("{} was changed: SHA-256 {sha256}", path.display())));
        }
        Ok(Self { file: Some(File::open(&path).map_err(named)?), buffer: vec![], start: bytes })
    }

    /// The entry before those given so far; empty when there is none.
    pub(crate) fn entry(&mut self) -> io::Result<Vec<u8>> {
        if !self.holds(4)? {
            return Ok(vec![]);
        }
        let at = self.buffer.len() - 4;
        let length = u32::from_le_bytes(self.buffer[at..].try_into().map_err(io::Error::other)?) as usize;
        self.buffer.truncate(at);
        if !self.holds(length)? {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the saved rows are cut"));
        }
        Ok(self.buffer.split_off(self.buffer.len() - length))
    }

    /// Sees to it that the buffer has `count` bytes, if there are as many.
    fn holds(&mut self, count: usize) -> io::Result<bool> {
        if self.buffer.len() >= count {
            return Ok(true);
        }
        let Some(file) = &mut self.file else { return Ok(false) };
        let more = (count - self.buffer.len()).max(CHUNK) as u64;
        let start = self.start.saturating_sub(more);
        let mut read = vec![0; usize::try_from(self.start - start).map_err(io::Error::other)?];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut read)?;
        read.extend_from_slice(&self.buffer);
        (self.buffer, self.start) = (read, start);
        Ok(self.buffer.len() >= count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(entries: &[Vec<u8>]) -> bool {
        let folder = crate::testing::folder();
        let mut writer = Writer::new(folder.path());
        entries.iter().for_each(|entry| writer.entry(entry).unwrap());
        let (place, inline) = writer.finish().unwrap();
        let mut backward = Backward::open(&place, inline, folder.path()).unwrap();
        for entry in entries.iter().rev() {
            assert_eq!(&backward.entry().unwrap(), entry);
        }
        assert!(backward.entry().unwrap().is_empty());
        place.file
    }

    #[test]
    fn entries_come_back_newest_first_from_ledger_and_file() {
        let small: Vec<_> = (0..100_u8).map(|n| vec![n; usize::from(n) + 1]).collect();
        assert!(!round(&small));
        let mut large: Vec<_> = (0..3000_u32).map(|n| vec![n.to_le_bytes()[0]; 1000 + n as usize]).collect();
        large.push(vec![7; 3 * CHUNK]);
        large.push(vec![8]);
        assert!(round(&large));
    }

    #[test]
    fn a_changed_file_is_refused_and_an_unfinished_one_is_not_taken_for_one() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = crate::testing::folder();
        let mut writer = Writer::new(folder.path());
        writer.entry(&[1; INLINE_BYTES_MAX]).unwrap();
        assert!(!path(folder.path()).exists(), "it gets its name when it is whole");
        let (place, _) = writer.finish().unwrap();
        let file = path(folder.path());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let mut bytes = fs::read(&file).unwrap();
        bytes[9] ^= 1;
        fs::write(&file, bytes).unwrap();
        let error = Backward::open(&place, vec![], folder.path()).map(drop).unwrap_err();
        assert!(error.to_string().contains("was changed"), "{error}");
        let mut writer = Writer::new(folder.path());
        writer.entry(&[1; 2 * INLINE_BYTES_MAX]).unwrap();
        writer.abandon();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
