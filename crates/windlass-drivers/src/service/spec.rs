//! What stands on disk of an instance, in `<base>/.windlass/services/<service>/<instance>/`:
//! `spec.json` (written once, before anything runs), `state.json` (written by the supervisor, or by whoever holds
//! `lock` when there is none), `ready.json` (it was healthy and got the requests), `stop` (someone
//! is about to end it), `out.log`, `out.log.1` …,
//! `supervisor.log`.

use crate::process::ProcessId;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};
use windlass_plan::Way;

/// What is to run, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// Service.
    pub service: String,
    /// Version that it serves.
    pub version: String,
    /// Program and arguments as configured; `{port}` is still in them.
    pub argv: Vec<String>,
    /// Working folder.
    pub cwd: PathBuf,
    /// Port of this instance; also in the environment as `PORT`.
    pub port: u16,
    /// Who started it.
    pub origin: Origin,
    /// Time between SIGTERM and SIGKILL, milliseconds.
    pub stop_within_ms: u64,
    /// Bounds of the supervisor.
    pub limits: Limits,
}

impl Spec {
    /// Program and arguments with the port filled in.
    #[must_use]
    pub fn command(&self) -> Vec<String> {
        self.argv.iter().map(|word| word.replace("{port}", &self.port.to_string())).collect()
    }

    /// Whether it runs the same program of the same version as `other`, wherever it listens.
    #[must_use]
    pub fn same_program(&self, other: &Self) -> bool {
        (&self.version, &self.argv, &self.cwd) == (&other.version, &other.argv, &other.cwd)
    }
}

/// Who started an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Run; empty when it was started by hand.
    pub run: String,
    /// Unit; empty when it was started by hand.
    pub unit: String,
    /// Doing the unit, or taking it back.
    pub way: Way,
    /// Number of the try.
    pub attempt: u32,
}

impl Origin {
    /// Whether it is the same unit going the same way, in whichever try.
    #[must_use]
    pub fn same_work(&self, other: &Self) -> bool {
        (&self.run, &self.unit, self.way) == (&other.run, &other.unit, other.way)
    }
}

/// Bounds of a supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Wait before the first restart; doubles with each crash within the window.
    pub backoff_ms: u64,
    /// Longest wait before a restart.
    pub backoff_ms_max: u64,
    /// With so many crashes within the window it gives up.
    pub crashes_max: usize,
    /// Crashes older than this are forgotten.
    pub crash_window_ms: u64,
    /// `out.log` is rotated when it is longer than this.
    pub log_bytes_max: u64,
    /// Rotated logs that are kept.
    pub log_keep: u32,
    /// How often the size of the log is looked at; what comes within it may exceed the size.
    pub log_check_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            backoff_ms: 200,
            backoff_ms_max: 10_000,
            crashes_max: 6,
            crash_window_ms: 60_000,
            log_bytes_max: 10 * 1024 * 1024,
            log_keep: 5,
            log_check_ms: 1_000,
        }
    }
}

/// Where an instance is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The process is about to be started: it may run already without standing in the state.
    Starting,
    /// The process runs.
    Running,
    /// It crashed; the supervisor waits before it starts it again.
    Backoff,
    /// It was told to end.
    Stopping,
    /// It ended as told, or never started: this instance runs no more.
    Stopped,
    /// It crashed too often; the supervisor ended.
    GaveUp,
}

/// What a supervisor knows of its process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The supervisor; `None`: written by someone who cancelled an instance that has none.
    pub supervisor: Option<ProcessId>,
    /// The process, leader of its own process group.
    pub child: Option<ProcessId>,
    /// Where it is.
    pub phase: Phase,
    /// Port of the instance.
    pub port: u16,
    /// How often it ended by itself.
    pub restarts: u32,
    /// Since when it is in this phase, milliseconds since 1970 (for people only).
    pub since_unix_ms: u64,
    /// How it ended the last time by itself.
    pub last_exit: Option<String>,
    /// Last lines of the log, when it gave up.
    pub last_lines: Vec<String>,
}

/// Names of the files of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder(pub PathBuf);

impl Folder {
    /// `spec.json`
    #[must_use]
    pub fn spec(&self) -> PathBuf {
        self.0.join("spec.json")
    }

    /// `state.json`
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.0.join("state.json")
    }

    /// `ready.json`
    #[must_use]
    pub fn ready(&self) -> PathBuf {
        self.0.join("ready.json")
    }

    /// `stop`: someone is about to end it; written before the first signal.
    #[must_use]
    pub fn stop(&self) -> PathBuf {
        self.0.join("stop")
    }

    /// `bad`: why it was judged worse than what served before; written before it loses its clients.
    #[must_use]
    pub fn bad(&self) -> PathBuf {
        self.0.join("bad")
    }

    /// `out.log`
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.0.join("out.log")
    }

    /// Taken by the supervisor for its whole life, and by whoever writes the state of an instance without one.
    ///
    /// # Errors
    /// The file cannot be made, or the lock is still held after `within_ms`.
    pub async fn lock(&self, within_ms: u64) -> io::Result<fs::File> {
        lock(&self.0.join("lock"), within_ms).await
    }
}

/// Takes an exclusive lock that ends with the process that holds it.
pub async fn lock(path: &Path, within_ms: u64) -> io::Result<fs::File> {
    let file = fs::OpenOptions::new().create(true).append(true).open(path)?;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_millis(within_ms);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::Error(error)) => return Err(error),
            Err(fs::TryLockError::WouldBlock) if tokio::time::Instant::now() >= deadline => {
                return Err(io::Error::new(
                    io::ErrorKind::WouldBlock,
                    format!("{} is locked by another process", path.display()),
                ));
            }
            Err(fs::TryLockError::WouldBlock) => {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await
            }
        }
    }
}

/// Writes a file so that a reader sees the old or the new content, also after a power loss.
pub fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    crate::disk::write_durable(path, &serde_json::to_vec_pretty(value)?)
}

/// Reads such a file; `None`: there is none.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display()))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    }
}

/// Milliseconds since 1970.
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
