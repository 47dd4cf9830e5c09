//! The file system of a host, by one script: every operation is one program there.

use super::{
    hand::{Hand, beside},
    state::{State, name},
    volume::{Dress, Kind, Meta, Volume},
};
use crate::{
    disk,
    host::place::{Answer, Expected, Input, Place, Program},
};
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::runtime::Handle;
use windlass_driver::{Context, Failure, Fault};
use windlass_plan::Unit;

const SCRIPT: &str = concat!(include_str!("../host/place/disk.sh"), include_str!("there.sh"));

/// One operation takes at most this long: it may copy many gigabytes.
const LIMIT: Duration = Duration::from_secs(30 * 60);
/// Largest file that a `diff` step edits on a host, bytes.
const READ_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A host, for one unit. Its methods wait for answers: they are for blocking threads.
pub(super) struct There {
    place: Place,
    runtime: Handle,
    hand: Hand,
    base: PathBuf,
    workspace: PathBuf,
    umask: u32,
}

impl There {
    /// Asks the host for what does not change.
    ///
    /// # Errors
    /// It cannot be asked, or its answer cannot be used. Nothing was changed.
    pub(super) async fn reach(place: Place, cx: &Context, unit: &Unit, hand: &Hand) -> Result<Self, Failure> {
        let answer = place.run(&program("facts", "", &[]).reads()).await?;
        let text = answer.text();
        let lines: Vec<&str> = text.lines().collect();
        let (umask, home) = match lines[..] {
            [umask, home, ..] if answer.is_ok() && home.starts_with('/') => {
                (u32::from_str_radix(umask, 8).ok(), home)
            }
            _ => (None, ""),
        };
        let Some(umask) = umask else {
            let message = format!("files on {}: {}", place.name(), answer.complaint());
            return Err(Failure::clean(Fault::Target, message));
        };
        let base = PathBuf::from(home);
        let state = lines.get(2).filter(|state| state.starts_with('/')).map(PathBuf::from);
        let state = state.unwrap_or_else(|| base.join(".local/state"));
        let folder = unit.id.0.replace('/', ",");
        let workspace = state.join("windlass").join(&cx.run).join(folder).join("files");
        Ok(Self { place, runtime: Handle::current(), hand: hand.clone(), base, workspace, umask })
    }

    fn ask(&self, operation: &str, arguments: &[&str]) -> io::Result<Answer> {
        // What still changes something there is waited for.
        let program = program(operation, text(&self.workspace)?, arguments).reads().limit(2 * LIMIT);
        self.runtime.block_on(self.place.run(&program)).map_err(lost)
    }

    /// A question that has an answer.
    fn answer(&self, operation: &str, arguments: &[&str]) -> io::Result<String> {
        let answer = self.ask(operation, arguments)?;
        if answer.is_ok() {
            String::from_utf8(answer.stdout)
                .map_err(|error| strange(&format!("no UTF-8: {}", String::from_utf8_lossy(error.as_bytes()))))
        } else {
            Err(said(&answer))
        }
    }

    /// Changes something.
    fn act(&self, operation: &str, arguments: &[&str]) -> io::Result<()> {
        self.hand.step()?;
        let program = program(operation, text(&self.workspace)?, arguments);
        let answer = self.runtime.block_on(self.place.run(&program)).map_err(lost)?;
        if answer.is_ok() { Ok(()) } else { Err(said(&answer)) }
    }
}

fn program(operation: &str, workspace: &str, arguments: &[&str]) -> Program {
    let mut words = vec!["/bin/sh", "-c", SCRIPT, "windlass", operation, workspace];
    words.extend(arguments);
    let title = [&[operation], arguments].concat().join(" ");
    Program::new(words).title(title).limit(LIMIT)
}

/// Nobody knows what became of it, or could look.
fn lost(failure: Failure) -> io::Error {
    let kind = match failure.fault {
        Fault::Transport => io::ErrorKind::ConnectionAborted,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, failure.message)
}

/// What a tool there said, with the kind that it means.
fn said(answer: &Answer) -> io::Error {
    let complaint = answer.complaint();
    let kinds = [
        ("No such file or directory", io::ErrorKind::NotFound),
        ("Not a directory", io::ErrorKind::NotADirectory),
        ("File exists", io::ErrorKind::AlreadyExists),
        ("Permission denied", io::ErrorKind::PermissionDenied),
        ("No space left on device", io::ErrorKind::StorageFull),
        ("Disk quota exceeded", io::ErrorKind::StorageFull),
        ("Invalid cross-device link", io::ErrorKind::CrossesDevices),
    ];
    let kind = kinds.iter().find(|(words, _)| complaint.contains(words));
    io::Error::new(kind.map_or(io::ErrorKind::Other, |(_, kind)| *kind), complaint)
}

/// A path as a word of the script.
fn text(path: &Path) -> io::Result<&str> {
    name(path.as_os_str())?;
    Ok(path.to_str().unwrap_or_default())
}

fn strange(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("its answer is not understood: {what}"))
}

impl Volume for There {
    fn label(&self) -> String {
        format!("{}:", self.place.name())
    }

    fn base(&self) -> &Path {
        &self.base
    }

    fn workspace(&self) -> &Path {
        &self.workspace
    }

    fn umask(&self) -> u32 {
        self.umask
    }

    fn state(&self, path: &Path, whole: bool) -> io::Result<State> {
        let line = self.answer("state", &[text(path)?, if whole { "whole" } else { "" }])?;
        parse(line.strip_suffix('\n').unwrap_or(&line)).ok_or_else(|| strange(&line))
    }

    fn meta(&self, path: &Path, through: bool) -> io::Result<Meta> {
        let line = self.answer("meta", &[text(path)?, if through { "-L" } else { "" }])?;
        let mut words = line.split_whitespace();
        let mut number = |radix| words.next().and_then(|word| u64::from_str_radix(word, radix).ok());
        let meta = (number(16), number(10), number(10), number(10));
        let (Some(raw), Some(dev), Some(ino), Some(names)) = meta else { return Err(strange(&line)) };
        let kind = match raw >> 12 {
            0o10 => Kind::File,
            0o4 => Kind::Folder,
            0o12 => Kind::Link,
            _ => Kind::Other,
        };
        Ok(Meta { kind, dev, ino, names })
    }

    fn real(&self, path: &Path) -> io::Result<PathBuf> {
        self.answer("real", &[text(path)?]).map(PathBuf::from)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let content = self.runtime.block_on(self.place.read(text(path)?, READ_BYTES_MAX)).map_err(lost)?;
        content.map(|content| content.bytes).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn children(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let names = self.runtime.block_on(self.place.list(text(folder)?)).map_err(lost)?;
        let names = names.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(names.into_iter().map(|name| folder.join(name)).collect())
    }

    fn may_write(&self, folder: &Path) -> bool {
        text(folder).is_ok_and(|folder| self.ask("may_write", &[folder]).is_ok_and(|answer| answer.is_ok()))
    }

    fn room_for(&self, bytes: u64, folder: &Path) -> io::Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        let kib = self.answer("free", &[text(folder)?])?;
        let kib: u64 = kib.trim().parse().map_err(|_| strange(&kib))?;
        disk::fits(bytes, kib.saturating_mul(1024))
    }

    fn make_workspace(&self) -> io::Result<()> {
        self.act("make_workspace", &[])
    }

    fn replace(&self, path: &Path, content: &[u8], before: &str) -> io::Result<()> {
        self.hand.step()?;
        let (input, expected) = (Input::Bytes(content.to_vec()), Expected::Sha256(before.to_owned()));
        self.runtime.block_on(self.place.write(text(path)?, input, 0o644, &expected)).map_err(lost)
    }

    fn copy(&self, from: &Path, path: &Path, dress: Dress<'_>, sha256: &str) -> io::Result<()> {
        let (mode, like, times) = match dress {
            Dress::Mode(mode) => (format!("{mode:o}"), "", ""),
            Dress::Like { file, times } => (String::new(), text(file)?, if times { "times" } else { "" }),
        };
        let new = beside(path, "new");
        self.act("copy", &[text(from)?, text(path)?, text(&new)?, sha256, &mode, like, times])
    }

    fn link(&self, to: &str, path: &Path) -> io::Result<()> {
        self.act("link", &[to, text(path)?, text(&beside(path, "new"))?])
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.act("hard_link", &[text(from)?, text(to)?])
    }

    fn rename(&self, from: &Path, to: &Path, over: bool) -> io::Result<()> {
        self.act("rename", &[text(from)?, text(to)?, if over { "over" } else { "" }])
    }

    fn make_folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.act("make_folder", &[text(path)?, &format!("{mode:o}"), text(&beside(path, "new"))?])
    }

    fn mode(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.act("mode", &[text(path)?, &format!("{mode:o}")])
    }

    fn clothe_folder(&self, path: &Path, like: &Path) -> io::Result<()> {
        self.act("clothe_folder", &[text(path)?, text(like)?])
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.act("remove", &[text(path)?])
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.act("remove_folder", &[text(path)?])
    }

    fn clear(&self, paths: &[&Path]) -> io::Result<()> {
        let paths = paths.iter().map(|path| text(path)).collect::<io::Result<Vec<_>>>()?;
        // A command line has a bound.
        paths.chunks(500).try_for_each(|paths| self.act("clear", paths))
    }

    fn copy_whole(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.act("copy_whole", &[text(from)?, text(to)?])
    }

    fn link_times(&self, path: &Path, like: &Path) -> io::Result<()> {
        self.act("link_times", &[text(path)?, text(like)?])
    }
}

/// A state as the script says it.
fn parse(line: &str) -> Option<State> {
    let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
    let words: Vec<&str> = rest.split(' ').collect();
    Some(match (kind, &words[..]) {
        ("absent", _) => State::Absent,
        ("other", _) => State::Other,
        ("link", _) => State::Link { to: rest.to_owned() },
        ("folder", [mode]) => State::Folder { mode: u32::from_str_radix(mode, 8).ok()? },
        ("file", [sha256, bytes, mode]) => State::File {
            sha256: (*sha256).to_owned(),
            bytes: bytes.parse().ok()?,
            mode: u32::from_str_radix(mode, 8).ok()?,
        },
        ("tree", [sha256, entries, bytes]) => State::Tree {
            sha256: (*sha256).to_owned(),
            entries: entries.parse().ok()?,
            bytes: bytes.parse().ok()?,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
