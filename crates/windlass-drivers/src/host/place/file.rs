//! Files of a place. One script does the same here and on a host.

use super::{Answer, Input, Place, Program};
use crate::disk;
use std::{path::Path, time::Duration};
use windlass_driver::{Effect, Failure, Fault};

const SCRIPT: &str = concat!(include_str!("disk.sh"), include_str!("file.sh"));

/// A file takes at most this long. The script relies on less than an hour.
const LIMIT: Duration = Duration::from_secs(30 * 60);
/// Tries to find out what became of a write whose connection broke.
const SETTLED_TRIES: u32 = 3;

/// What stands at a path: a regular file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Permissions, with set-user-id, set-group-id and sticky bit.
    pub mode: u32,
    /// Id of its user.
    pub uid: u32,
    /// Id of its group.
    pub gid: u32,
    /// Length.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub sha256: String,
    /// Where it stands, behind all links.
    pub path: String,
}

/// A file and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The file.
    pub standing: Standing,
    /// All of it.
    pub bytes: Vec<u8>,
}

/// What must stand at a path for it to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    Nothing,
    /// A regular file whose content has this SHA-256.
    Sha256(String),
}

impl Expected {
    fn word(&self) -> &str {
        match self {
            Self::Nothing => "-",
            Self::Sha256(sum) => sum,
        }
    }
}

/// Exit statuses of the script.
const NOTHING: i32 = 10;
const TORN: i32 = 12;
const NOT_DURABLE: i32 = 14;

impl Place {
    /// What stands at a path, through links; `None`: nothing.
    ///
    /// # Errors
    /// It is no regular file, cannot be read, or the host cannot be asked. Nothing was changed.
    pub async fn look(&self, path: &str) -> Result<Option<Standing>, Failure> {
        let answer = self.run(&script(words(&["look", path])).reads()).await?;
        if answer.status == NOTHING {
            return Ok(None);
        }
        let standing = answer.is_ok().then(|| standing(&answer.stdout)).flatten();
        standing.map(Some).ok_or_else(|| self.unread(path, &answer))
    }

    /// A file with its content; `None`: nothing stands there.
    ///
    /// # Errors
    /// As of [`Place::look`], and of one that is longer than `bytes_max`.
    pub async fn read(&self, path: &str, bytes_max: usize) -> Result<Option<Content>, Failure> {
        let program = script(words(&["content", path])).reads().bytes_max(bytes_max + path.len() + 4096);
        let answer = self.run(&program).await?;
        if answer.status == NOTHING {
            return Ok(None);
        }
        let end = answer.stdout.iter().position(|byte| *byte == b'\n');
        let parts = end.map(|end| answer.stdout.split_at(end + 1));
        let Some((standing, bytes)) =
            parts.filter(|_| answer.is_ok()).and_then(|(line, rest)| Some((standing(line)?, rest)))
        else {
            return Err(self.unread(path, &answer));
        };
        if standing.bytes > bytes_max as u64 {
            let (is, most) = (disk::human_bytes(standing.bytes), disk::human_bytes(bytes_max as u64));
            let message = format!("{path} on {} has {is}; more than {most} are not read", self.name());
            return Err(Failure::clean(Fault::Target, message));
        }
        if disk::sha256(bytes) != standing.sha256 {
            let message = format!("{path} on {} changed while it was read", self.name());
            return Err(Failure::clean(Fault::Target, message).retryable());
        }
        Ok(Some(Content { standing, bytes: bytes.to_vec() }))
    }

    /// Copies a file into a new one of this machine, of whatever length, and says what it is; `None`: nothing stands there.
    ///
    /// # Errors
    /// As of [`Place::look`], and of this machine's disk.
    pub async fn fetch(&self, path: &str, to: &Path) -> Result<Option<Standing>, Failure> {
        let Some(standing) = self.look(path).await? else { return Ok(None) };
        let cat = Program::new(["cat", "--", standing.path.as_str()]).reads().limit(LIMIT);
        let answer = self.run(&cat.save(to.to_owned())).await?;
        if !answer.is_ok() {
            return Err(self.unread(path, &answer));
        }
        let local = |error| Failure::clean(Fault::Transport, format!("{}: {error}", to.display()));
        if disk::sha256_file(to).map_err(local)?.0 != standing.sha256 {
            let message = format!("{path} on {} changed while it was read", self.name());
            return Err(Failure::clean(Fault::Target, message).retryable());
        }
        Ok(Some(standing))
    }

    /// Replaces a file, or makes one with this mode: whole and durable, or not at all. Owner and mode stay as they were, and a
    /// link goes on leading to it. What others wrote is not overwritten: other content than is expected is a failure.
    ///
    /// # Errors
    /// Nothing was changed; or (the effect is unknown) the connection broke and it could not be found out, or the disk failed
    /// behind the change.
    pub async fn write(
        &self,
        path: &str,
        content: Input,
        mode: u32,
        expected: &Expected,
    ) -> Result<(), Failure> {
        let sum = match &content {
            Input::Nothing => Ok(disk::sha256(b"")),
            Input::Bytes(bytes) => Ok(disk::sha256(bytes)),
            Input::File(file) => disk::sha256_file(file)
                .map(|(sum, _)| sum)
                .map_err(|error| Failure::clean(Fault::Transport, format!("{}: {error}", file.display()))),
        }?;
        let put = put_of(path, expected, mode, &sum);
        match self.run(&script(put).input(content).limit(LIMIT)).await {
            Ok(answer) if answer.is_ok() => Ok(()),
            Ok(answer) if answer.status == NOT_DURABLE => Err(self.not_durable(path, "written", &answer)),
            Ok(answer) => {
                let message = format!("{path} on {} was not written: {}", self.name(), answer.complaint());
                let failure = Failure::clean(Fault::Target, message);
                Err(if answer.status == TORN { failure.retryable() } else { failure })
            }
            Err(failure) if failure.effect == Effect::Unknown => self.settle(path, &sum, failure).await,
            Err(failure) => Err(failure),
        }
    }

    /// What became of a write whose connection broke.
    async fn settle(&self, path: &str, wanted: &str, mut failure: Failure) -> Result<(), Failure> {
        for _ in 0..SETTLED_TRIES {
            let Ok(answer) = self.run(&script(words(&["settle", path, &key(path)])).reads()).await else {
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            };
            let now = standing(&answer.stdout).filter(|_| answer.is_ok());
            if now.is_none() && answer.status != NOTHING {
                continue;
            }
            if now.is_some_and(|now| now.sha256 == wanted) {
                return Ok(());
            }
            failure.effect = Effect::None;
            failure.hints.clear();
            failure.message += &format!("; {path} is as it was");
            return Err(failure.retryable());
        }
        Err(failure)
    }

    /// Removes a file, if it still is what is expected.
    ///
    /// # Errors
    /// Nothing was changed; or (the effect is unknown) the connection broke, or the disk failed behind the change.
    pub async fn remove(&self, path: &str, expected: &Expected) -> Result<(), Failure> {
        let answer = self.run(&script(words(&["drop", path, expected.word()]))).await?;
        if answer.is_ok() {
            return Ok(());
        }
        if answer.status == NOT_DURABLE {
            return Err(self.not_durable(path, "removed", &answer));
        }
        let message = format!("{path} on {} was not removed: {}", self.name(), answer.complaint());
        Err(Failure::clean(Fault::Target, message))
    }

    /// Names in a folder, sorted; `None`: there is no such folder.
    ///
    /// # Errors
    /// It cannot be read, holds more than a million bytes of names, or one that is no UTF-8.
    pub async fn list(&self, folder: &str) -> Result<Option<Vec<String>>, Failure> {
        let answer = self.run(&script(words(&["names", folder])).reads()).await?;
        if answer.status == NOTHING {
            return Ok(None);
        }
        if !answer.is_ok() {
            return Err(self.unread(folder, &answer));
        }
        let whole = String::from_utf8(answer.stdout).ok().filter(|_| !answer.cut).ok_or_else(|| {
            let message = format!("{folder} on {}: too many names, or one that is not UTF-8", self.name());
            Failure::clean(Fault::Target, message)
        })?;
        let mut names: Vec<String> = whole
            .split_terminator('\0')
            .map(|path| path.rsplit('/').next().unwrap_or_default().to_owned())
            .collect();
        names.sort();
        Ok(Some(names))
    }

    /// It was done, and may be lost.
    fn not_durable(&self, path: &str, done: &str, answer: &Answer) -> Failure {
        let (place, why) = (self.name(), answer.complaint());
        let message = format!("{path} on {place} was {done}, but its disk may lose that: {why}");
        Failure::unknown(Fault::Target, message)
    }

    fn unread(&self, path: &str, answer: &Answer) -> Failure {
        let message = format!("{path} on {}: {}", self.name(), answer.complaint());
        Failure::clean(Fault::Target, message)
    }
}

/// The command line of the script.
fn words(arguments: &[&str]) -> Vec<String> {
    let script = ["/bin/sh", "-c", SCRIPT, "windlass"];
    script.iter().chain(arguments).map(|word| (*word).to_owned()).collect()
}

/// A program that is the script.
fn script(words: Vec<String>) -> Program {
    let title = words[4..6].join(" ");
    Program::new(words).title(title)
}

/// The command line of a write.
pub(super) fn put_of(path: &str, expected: &Expected, mode: u32, sum: &str) -> Vec<String> {
    words(&["put", path, &key(path), expected.word(), &format!("{mode:o}"), sum])
}

/// A path as a part of a file name.
fn key(path: &str) -> String {
    disk::sha256(path.as_bytes())[..16].to_owned()
}

/// Reads `mode uid gid bytes sha256 path`.
fn standing(line: &[u8]) -> Option<Standing> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let mut words = line.splitn(6, ' ');
    let mut next = || words.next();
    let mode = u32::from_str_radix(next()?, 16).ok()? & 0o7777;
    let (uid, gid, bytes) = (next()?.parse().ok()?, next()?.parse().ok()?, next()?.parse().ok()?);
    Some(Standing { mode, uid, gid, bytes, sha256: next()?.to_owned(), path: next()?.to_owned() })
}
