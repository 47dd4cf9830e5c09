//! What survives the process: upstreams, weights and hold in `state.json`, the lock, the pid file.

use crate::{
    config::check_upstreams,
    control::{Mode, Upstream},
    error::ProxyError,
};
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

const STATE: &str = "state.json";
const LOCK: &str = "lock";
const PID: &str = "proxy.pid";

/// Written as `format`, the oldest that has all that is in force; a file with a higher one than this is of a newer version and is neither
/// read nor replaced.
const FORMAT: u32 = 2;
/// That of a state without modes.
const FORMAT_WITHOUT_MODES: u32 = 1;

/// What is in force. Health is not part of it: it is never assumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    pub format: u32,
    pub upstreams: Vec<Upstream>,
    pub hold: Option<Hold>,
    /// Since format 2.
    #[serde(default, skip_serializing_if = "Closed::is_open")]
    pub closed: Closed,
}

/// Which requests are answered 503, because somebody said so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Closed {
    #[serde(default)]
    pub maintenance: bool,
    #[serde(default)]
    pub readonly: bool,
}

impl Closed {
    pub(crate) fn is_open(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn with(self, mode: Mode, on: bool) -> Self {
        match mode {
            Mode::Maintenance => Self { maintenance: on, ..self },
            Mode::Readonly => Self { readonly: on, ..self },
        }
    }
}

/// A hold in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hold {
    /// Longest wait of one request.
    pub hold_ms: u64,
    /// When it began, milliseconds of Unix time; only to be shown.
    pub since_unix_ms: u64,
}

impl Hold {
    pub(crate) fn now(hold_ms: u64) -> Self {
        Self { hold_ms, since_unix_ms: unix_ms() }
    }

    /// How long ago it began; 0 when the clock was set back since.
    pub(crate) fn age_ms(&self) -> u64 {
        unix_ms().saturating_sub(self.since_unix_ms)
    }
}

fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

impl State {
    pub(crate) fn new(upstreams: Vec<Upstream>, hold: Option<Hold>, closed: Closed) -> Self {
        let format = if closed.is_open() { FORMAT_WITHOUT_MODES } else { FORMAT };
        Self { format, upstreams, hold, closed }
    }
}

/// The state folder of one proxy.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
    /// Makes a rename survive a power failure; another one only in tests.
    sync: fn(&File) -> io::Result<()>,
}

/// Why a state was not saved.
#[derive(Debug)]
pub(crate) enum SaveError {
    /// The file is as before.
    Unchanged(io::Error),
    /// The file is the new one, and a start would use it; after a power failure it may be the one before again.
    MayRevert(io::Error),
}

impl From<io::Error> for SaveError {
    fn from(error: io::Error) -> Self {
        Self::Unchanged(error)
    }
}

impl std::fmt::Display for SaveError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unchanged(error) => write!(f, "{error}"),
            Self::MayRevert(error) => {
                write!(f, "the new file is in place, but the disk did not confirm the folder: {error}")
            }
        }
    }
}

impl Folder {
    /// Opens the folder, making it (mode 0700) when it is missing.
    pub(crate) fn open(dir: &Path) -> Result<Self, ProxyError> {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|error| state_error(dir, format!("cannot make the folder: {error}")))?;
        Ok(Self { dir: dir.to_path_buf(), sync: File::sync_all })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// Takes the lock that keeps a second proxy away; it ends with the last descriptor of the returned file, which a
    /// successor gets too.
    pub(crate) fn lock(&self) -> Result<File, ProxyError> {
        let path = self.dir.join(LOCK);
        let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(|error| state_error(&path, format!("cannot open the lock: {error}")))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let pid = self.pid().map_or(String::new(), |pid| format!(" (process {pid})"));
                Err(ProxyError::AlreadyRunning { state_dir: self.dir.clone(), pid })
            }
            Err(error) => Err(state_error(&path, format!("cannot lock: {error}"))),
        }
    }

    /// The saved state; `None` when there is none yet.
    pub(crate) fn read(&self) -> Result<Option<State>, ProxyError> {
        let path = self.dir.join(STATE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(state_error(&path, format!("cannot read: {error}"))),
        };
        parse(&text).map(Some).map_err(|message| {
            let fix = "nothing was started and the file was left as it is; repair it, or move it away to start \
                       without upstreams";
            state_error(&path, format!("{message}; {fix}"))
        })
    }

    /// Replaces the saved state so that a crash at any instant leaves the old or the new one.
    pub(crate) fn write(&self, state: &State) -> Result<(), SaveError> {
        let text = serde_json::to_vec_pretty(state).map_err(io::Error::from)?;
        let folder = File::open(&self.dir)?;
        self.replace(STATE, &text, File::sync_all)?;
        // From the rename on, a start uses the new one.
        (self.sync)(&folder).map_err(SaveError::MayRevert)
    }

    /// Says who runs here: process id and start time (clock ticks since boot, field 22 of `/proc/PID/stat`), which
    /// together name a process for good.
    pub(crate) fn write_pid(&self) -> io::Result<()> {
        let pid = std::process::id();
        let start = start_time(pid).unwrap_or_default();
        // Worth nothing after a power failure, and a busy disk must not delay a process that serves.
        self.replace(PID, format!("{pid} {start}\n").as_bytes(), |_| Ok(()))
    }

    /// Removes the pid file if it is still ours.
    pub(crate) fn remove_pid(&self) {
        if self.pid_text().and_then(|(pid, _)| pid.parse().ok()) == Some(std::process::id()) {
            // Only for people; the lock says who runs.
            let _ = std::fs::remove_file(self.dir.join(PID));
        }
    }

    /// The process in the pid file, if it is still the same process.
    fn pid(&self) -> Option<u32> {
        let (pid, start) = self.pid_text()?;
        let pid = pid.parse().ok()?;
        (start_time(pid)? == start).then_some(pid)
    }

    fn pid_text(&self) -> Option<(String, String)> {
        let text = std::fs::read_to_string(self.dir.join(PID)).ok()?;
        let (pid, start) = text.trim().split_once(' ')?;
        Some((pid.to_owned(), start.to_owned()))
    }

    fn replace(&self, name: &str, text: &[u8], sync: fn(&File) -> io::Result<()>) -> io::Result<()> {
        let temp = self.dir.join(format!("{name}.new"));
        let mut file = File::options().create(true).truncate(true).write(true).mode(0o600).open(&temp)?;
        file.write_all(text)?;
        sync(&file)?;
        std::fs::rename(&temp, self.dir.join(name))
    }

    /// As on a disk that fails when the folder is to be synced.
    #[cfg(test)]
    pub(crate) fn with_failing_sync(self) -> Self {
        Self { sync: |_| Err(io::Error::other("injected")), ..self }
    }
}

fn parse(text: &[u8]) -> Result<State, String> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let version: Version = serde_json::from_slice(text).map_err(|error| format!("damaged ({error})"))?;
    if version.format > FORMAT {
        return Err(format!(
            "written by a newer version (format {}, this one reads {FORMAT})",
            version.format
        ));
    }
    let state: State = serde_json::from_slice(text).map_err(|error| format!("damaged ({error})"))?;
    if !state.upstreams.is_empty() {
        check_upstreams(&state.upstreams).map_err(|error| format!("damaged ({error})"))?;
    }
    Ok(state)
}

fn state_error(path: &Path, message: String) -> ProxyError {
    ProxyError::State { path: path.to_path_buf(), message }
}

/// Start time of a process as the kernel tells it; `None` when there is no such process.
fn start_time(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the command in parentheses and may hold anything, so count from the last parenthesis.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let upstream =
            Upstream { version: "2".into(), address: "h:1".into(), weight: 100, health: Some("/up".into()) };
        State::new(vec![upstream], Some(Hold::now(500)), Closed::default())
    }

    #[test]
    fn what_is_written_is_read_back_and_no_temp_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(&dir.path().join("deep/er")).unwrap();
        assert_eq!(folder.read().unwrap(), None);
        folder.write(&state()).unwrap();
        assert_eq!(folder.read().unwrap(), Some(state_like(&folder)));
        let names: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, [STATE]);
    }

    /// The state with the time that was written.
    fn state_like(folder: &Folder) -> State {
        let mut expected = state();
        expected.hold = folder.read().unwrap().unwrap().hold;
        expected
    }

    #[test]
    fn a_folder_that_cannot_be_synced_is_told_from_a_file_that_was_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap().with_failing_sync();
        let error = folder.write(&state()).unwrap_err();
        assert!(matches!(error, SaveError::MayRevert(_)), "{error}");
        assert_eq!(folder.read().unwrap(), Some(state_like(&folder)));
        std::fs::create_dir(dir.path().join("state.json.new")).unwrap();
        let other = State::new(Vec::new(), None, Closed::default());
        let error = folder.write(&other).unwrap_err();
        assert!(matches!(error, SaveError::Unchanged(_)), "{error}");
        assert_eq!(folder.read().unwrap(), Some(state_like(&folder)));
    }

    #[test]
    fn a_damaged_or_newer_file_is_an_error_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        folder.write(&state()).unwrap();
        let good = std::fs::read(dir.path().join(STATE)).unwrap();
        let newer = String::from_utf8(good.clone()).unwrap().replace("\"format\": 1", "\"format\": 9");
        let wrong = String::from_utf8(good.clone()).unwrap().replace("100", "50");
        // Cut at every byte: never read as an empty or other state.
        let cuts = (0..good.len()).map(|at| good[..at].to_vec());
        for bad in cuts.chain([b"null".to_vec(), b"{}".to_vec(), newer.into_bytes(), wrong.into_bytes()]) {
            std::fs::write(dir.path().join(STATE), &bad).unwrap();
            let error = folder.read().unwrap_err().to_string();
            assert!(error.contains("state.json") && error.contains("move it away"), "{error}");
            assert_eq!(std::fs::read(dir.path().join(STATE)).unwrap(), bad);
        }
    }

    #[test]
    fn the_lock_keeps_a_second_one_away_and_names_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let lock = folder.lock().unwrap();
        folder.write_pid().unwrap();
        let error = folder.lock().unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        // A pid that was used again by another process is not named.
        std::fs::write(dir.path().join(PID), format!("{} 1\n", std::process::id())).unwrap();
        assert!(!folder.lock().unwrap_err().to_string().contains("process"));
        drop(lock);
        folder.lock().unwrap();
    }
}
