//! What became of each notice: `notices.jsonl` beside the journal.

use serde::{Deserialize, Serialize};
use std::{
    fmt,
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// Version of [`Sent`].
const FORMAT: u32 = 1;
/// A file that is longer becomes the old one, in the place of the old one before.
const BYTES_MAX: u64 = 1024 * 1024;
/// Who is told of what is the business of those who work on the project: its owner and its group, as far as `umask` lets them.
const MODE: u32 = 0o660;
/// Everybody else.
const OTHERS: u32 = 0o007;
/// A file is not read further: one that was not rotated, because of its rights, still ends.
const READ_MAX: u64 = 4 * BYTES_MAX;

/// What became of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The receiver has it.
    Delivered,
    /// The receiver does not want it.
    Refused,
    /// The receiver was not reached, or could not take it.
    Failed,
    /// The command ended before.
    Unsent,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unsent => "unsent",
        })
    }
}

/// A notice, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// `1`.
    pub format: u32,
    /// When that was known, milliseconds since 1970.
    pub at_ms: i64,
    /// The run that it is about; none: a test.
    pub run: Option<String>,
    /// Name of the receiver.
    pub name: String,
    /// `dingtalk`, `feishu`, `wecom`, `slack`, `webhook`, `mail`.
    pub kind: String,
    /// `before`, `done`, `failed`, `waiting`, `test`.
    pub on: String,
    /// What became of it.
    pub outcome: Outcome,
    /// How often it was tried.
    pub tries: u32,
    /// Why it was not delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Sent {
    pub(crate) const FORMAT: u32 = FORMAT;
}

/// The file.
#[derive(Clone, Debug)]
pub struct Record {
    path: PathBuf,
    bytes_max: u64,
}

impl Record {
    /// That of a folder (`.windlass`).
    #[must_use]
    pub fn beside(folder: &Path) -> Self {
        Self { path: folder.join("notices.jsonl"), bytes_max: BYTES_MAX }
    }

    fn old(&self) -> PathBuf {
        self.path.with_extension("old.jsonl")
    }

    /// Adds an entry. Several processes may do so at a time: each writes whole lines.
    ///
    /// # Errors
    /// Those of the file.
    pub fn add(&self, sent: &Sent) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = self.open()?;
        if file.metadata()?.len() > self.bytes_max && self.rotate(&file)? {
            file = self.open()?;
        }
        let mut line = serde_json::to_string(sent)?;
        line.push('\n');
        file.write_all(line.as_bytes())
    }

    fn open(&self) -> io::Result<File> {
        let file = OpenOptions::new().append(true).create(true).mode(MODE).open(&self.path)?;
        let mode = file.metadata()?.mode() & 0o7777;
        if mode & OTHERS != 0 {
            // One of an older version; where it is somebody else's, it stays as they want it.
            let _ = file.set_permissions(Permissions::from_mode(mode & !OTHERS));
        }
        Ok(file)
    }

    /// Sets the file aside, unless somebody else does so now or did just now.
    fn rotate(&self, file: &File) -> io::Result<bool> {
        use rustix::fs::{FlockOperation, flock};
        if flock(file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Ok(false);
        }
        if fs::metadata(&self.path)?.ino() == file.metadata()?.ino() {
            fs::rename(&self.path, self.old())?;
        }
        Ok(true)
    }

    /// The entries of a run, in order. A line that cannot be read is passed over: a half one after a loss of power must not hide the others.
    ///
    /// # Errors
    /// Those of the files, except that they are not there.
    pub fn of(&self, run: &str) -> io::Result<Vec<Sent>> {
        let mut found = Vec::new();
        for path in [self.old(), self.path.clone()] {
            let file = match File::open(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened?,
            };
            let mut bytes = Vec::new();
            file.take(READ_MAX).read_to_end(&mut bytes)?;
            let entries =
                bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
            found.extend(entries.filter(|sent: &Sent| sent.run.as_deref() == Some(run)));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(run: &str, tries: u32) -> Sent {
        Sent {
            format: FORMAT,
            at_ms: 7,
            run: Some(run.into()),
            name: "ops".into(),
            kind: "mail".into(),
            on: "done".into(),
            outcome: Outcome::Delivered,
            tries,
            why: None,
        }
    }

    #[test]
    fn entries_of_a_run_come_back_in_order_past_a_broken_line() {
        let dir = tempfile::tempdir().unwrap();
        let record = Record::beside(&dir.path().join("new"));
        assert_eq!(record.of("a").unwrap(), [], "nothing is there yet");
        record.add(&sent("a", 1)).unwrap();
        let mut file = record.open().unwrap();
        file.write_all(b"{\"format\":1,\"at_\n").unwrap();
        record.add(&sent("b", 1)).unwrap();
        record.add(&sent("a", 2)).unwrap();
        assert_eq!(record.of("a").unwrap(), [sent("a", 1), sent("a", 2)]);
    }

    #[test]
    fn its_owner_and_its_group_may_read_it_and_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let record = Record::beside(dir.path());
        let mode = || fs::metadata(&record.path).unwrap().mode() & 0o777;
        record.add(&sent("a", 1)).unwrap();
        assert_eq!((mode() & 0o600, mode() & 0o117), (0o600, 0), "{:o}", mode());
        for (old, new) in [(0o664, 0o660), (0o644, 0o640), (0o600, 0o600), (0o660, 0o660)] {
            fs::set_permissions(&record.path, Permissions::from_mode(old)).unwrap();
            record.add(&sent("a", 2)).unwrap();
            assert_eq!(mode(), new, "{old:o}, one of an older version or of another operator");
        }
        assert_eq!(record.of("a").unwrap().len(), 5);
    }

    #[test]
    fn the_file_has_a_bound_and_the_newest_stay() {
        let dir = tempfile::tempdir().unwrap();
        let record = Record { bytes_max: 1000, ..Record::beside(dir.path()) };
        for at in 0..100 {
            record.add(&sent("a", at)).unwrap();
        }
        let sizes: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).collect();
        assert!(sizes.len() == 2 && sizes.iter().all(|size| *size < 1300), "{sizes:?}");
        let kept = record.of("a").unwrap();
        assert!(kept.len() >= 7 && kept.last() == Some(&sent("a", 99)), "{}", kept.len());
        assert!(kept.windows(2).all(|pair| pair[0].tries + 1 == pair[1].tries));
    }
}
