//! The instances of a service: made, looked at, stopped.

use super::{
    logs,
    spec::{Folder, Phase, Spec, State, read_json, unix_ms, write_json},
    supervise::{LOCK_MS_MAX, left_behind},
};
use crate::{
    process::{KILL_MS_MAX, ProcessId},
    shell,
};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::Stdio,
};

/// Ended instances of a service that are kept for their logs.
const KEEP_ENDED: usize = 5;

/// Looks at an instance while it is being stopped; each of them moves it on, so more mean that something starts it
/// again and again.
const STOP_ROUNDS_MAX: u32 = 5;

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its folder.
    pub folder: Folder,
    /// Its number; later instances have higher ones.
    pub number: u64,
    /// What it runs.
    pub spec: Spec,
}

/// Whether an instance lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// Its supervisor has not begun; it may be about to.
    Unborn,
    /// It has its supervisor.
    Supervised {
        /// The supervisor.
        supervisor: ProcessId,
        /// What it wrote last.
        state: State,
    },
    /// The supervisor was killed, the process goes on.
    Unsupervised {
        /// The process.
        child: ProcessId,
        /// What the supervisor wrote last.
        state: State,
    },
    /// Neither is there.
    Ended {
        /// What was written last.
        state: State,
    },
}

impl Life {
    /// Whether anything of it runs.
    #[must_use]
    pub fn lives(&self) -> bool {
        matches!(self, Self::Supervised { .. } | Self::Unsupervised { .. })
    }

    /// What was written last.
    #[must_use]
    pub fn state(&self) -> Option<&State> {
        match self {
            Self::Unborn => None,
            Self::Supervised { state, .. } | Self::Unsupervised { state, .. } | Self::Ended { state } => {
                Some(state)
            }
        }
    }

    /// How long its process has been running, milliseconds; 0 while there is none.
    #[must_use]
    pub fn age_ms(&self) -> u64 {
        match self {
            Self::Supervised { state, .. } => state.child.as_ref().map_or(0, ProcessId::age_ms),
            Self::Unsupervised { child, .. } => child.age_ms(),
            Self::Unborn | Self::Ended { .. } => 0,
        }
    }

    /// Process id of the service itself.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        match self {
            Self::Supervised { state, .. } => state.child.as_ref().map(|child| child.pid),
            Self::Unsupervised { child, .. } => Some(child.pid),
            Self::Unborn | Self::Ended { .. } => None,
        }
    }
}

/// Note that an instance was healthy and got the requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// How long requests were held for it, milliseconds.
    pub hold_ms: u64,
    /// How many.
    pub held: u64,
}

impl Instance {
    /// Its number as a name.
    #[must_use]
    pub fn name(&self) -> String {
        name(self.number)
    }

    /// Whether it lives.
    ///
    /// # Errors
    /// Its state cannot be read.
    pub fn life(&self) -> io::Result<Life> {
        let Some(state) = read_json::<State>(&self.folder.state())? else { return Ok(Life::Unborn) };
        if let Some(supervisor) = state.supervisor.clone().filter(ProcessId::alive) {
            return Ok(Life::Supervised { supervisor, state });
        }
        // Read again: it may have written its last state between the first reading and its end.
        let state = read_json::<State>(&self.folder.state())?.unwrap_or(state);
        Ok(match left_behind(&self.folder, &state) {
            Some(child) => Life::Unsupervised { child, state },
            None => Life::Ended { state },
        })
    }

    /// Whether someone has begun to end it.
    #[must_use]
    pub fn ending(&self) -> bool {
        self.folder.stop().exists()
    }

    /// Waits until its supervisor has begun.
    ///
    /// # Errors
    /// It did not within a bound; the text says why as far as it is known.
    pub async fn begun(&self) -> io::Result<()> {
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_millis(LOCK_MS_MAX);
        while self.life()? == Life::Unborn {
            if tokio::time::Instant::now() >= deadline {
                let why = logs::tail(&self.folder.0.join("supervisor.log"), 3).join("; ");
                return Err(io::Error::other(format!(
                    "the supervisor did not begin within {LOCK_MS_MAX} ms: {why}"
                )));
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Last lines of its log.
    #[must_use]
    pub fn tail(&self) -> Vec<String> {
        logs::tail(&self.folder.log(), logs::TAIL_LINES)
    }

    /// The note that it got the requests.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn ready(&self) -> io::Result<Option<Ready>> {
        read_json(&self.folder.ready())
    }

    /// Starts a supervisor for it; one that finds the instance stopped or already supervised ends at once.
    ///
    /// # Errors
    /// The supervisor cannot be started.
    pub fn supervise(&self, supervisor: &[OsString]) -> io::Result<()> {
        let (program, arguments) =
            supervisor.split_first().ok_or_else(|| io::Error::other("no command for the supervisor"))?;
        let log =
            fs::OpenOptions::new().create(true).append(true).open(self.folder.0.join("supervisor.log"))?;
        // Dropping the child leaves it running; tokio waits for it in the background when it ends before us.
        tokio::process::Command::new(program)
            .args(arguments)
            .arg(self.folder.spec())
            // A service that a line starts by `windlass service` is Windlass's to stop, not the line's end.
            .env_remove(shell::MARK)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map(drop)
    }

    /// Ends it: process, supervisor, and any chance that it still begins. Whether anything of it was running.
    ///
    /// # Errors
    /// It could not be ended, or its files cannot be read or written.
    pub async fn stop(&self) -> io::Result<bool> {
        // A signal may take effect after its sender died; whoever looks then must know that it is under way.
        fs::write(self.folder.stop(), b"")?;
        let mut lived = false;
        for _ in 0..STOP_ROUNDS_MAX {
            let life = self.life()?;
            lived |= life.lives();
            match life {
                Life::Supervised { supervisor, .. } => self.end_supervisor(&supervisor).await?,
                Life::Unsupervised { child, .. } => {
                    if let Some(handle) = child.open()?
                        && !handle.terminate(self.spec.stop_within_ms).await?
                    {
                        return Err(self.stuck(child.pid));
                    }
                }
                Life::Unborn | Life::Ended { .. } => {
                    if self.seal().await? {
                        return Ok(lived);
                    }
                }
            }
        }
        Err(io::Error::other(format!("instance {} comes back each time it is stopped", self.name())))
    }

    /// Asks the supervisor to end its process and itself; kills only the supervisor when it does not, the process is
    /// then the next round's.
    async fn end_supervisor(&self, supervisor: &ProcessId) -> io::Result<()> {
        let Some(handle) = supervisor.open()? else { return Ok(()) };
        handle.signal(Signal::TERM)?;
        handle.signal(Signal::CONT)?;
        if handle.ended_within(self.spec.stop_within_ms.saturating_add(2 * KILL_MS_MAX)).await {
            return Ok(());
        }
        handle.signal(Signal::KILL)?;
        if handle.ended_within(KILL_MS_MAX).await { Ok(()) } else { Err(self.stuck(supervisor.pid)) }
    }

    /// Marks an instance that does not live as stopped for good. False: a supervisor has just begun.
    async fn seal(&self) -> io::Result<bool> {
        let _lock = match self.folder.lock(LOCK_MS_MAX).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            lock => lock?,
        };
        let before = match self.life()? {
            Life::Unborn => None,
            Life::Ended { state } if matches!(state.phase, Phase::Stopped | Phase::GaveUp) => {
                return Ok(true);
            }
            Life::Ended { state } => Some(state),
            Life::Supervised { .. } | Life::Unsupervised { .. } => return Ok(false),
        };
        let state = State {
            supervisor: None,
            child: None,
            phase: Phase::Stopped,
            port: self.spec.port,
            restarts: before.as_ref().map_or(0, |state| state.restarts),
            since_unix_ms: unix_ms(),
            last_exit: before.and_then(|state| state.last_exit),
            last_lines: vec![],
        };
        write_json(&self.folder.state(), &state)?;
        Ok(true)
    }

    fn stuck(&self, pid: u32) -> io::Error {
        io::Error::other(format!(
            "process {pid} of instance {} did not end within {KILL_MS_MAX} ms after SIGKILL",
            self.name()
        ))
    }
}

/// All instances of one service.
#[derive(Clone, Debug)]
pub struct Instances {
    root: PathBuf,
}

impl Instances {
    /// Those of `service` under the folder of `windlass.toml`.
    #[must_use]
    pub fn of(base: &Path, service: &str) -> Self {
        Self { root: base.join(".windlass").join("services").join(service) }
    }

    /// Their folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// All that are on disk, oldest first.
    ///
    /// # Errors
    /// The folder or a file in it cannot be read.
    pub fn all(&self) -> io::Result<Vec<Instance>> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            entries => entries?,
        };
        let mut instances = vec![];
        for entry in entries {
            let entry = entry?;
            let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let folder = Folder(fs::canonicalize(entry.path())?);
            // A folder without a specification: its maker died before anything could be started.
            if let Some(spec) = read_json(&folder.spec())? {
                instances.push(Instance { folder, number, spec });
            }
        }
        instances.sort_by_key(|instance| instance.number);
        Ok(instances)
    }

    /// Makes a new one; nothing runs yet. Old ended ones are removed.
    ///
    /// # Errors
    /// The disk.
    pub fn create(&self, spec: Spec) -> io::Result<Instance> {
        fs::create_dir_all(&self.root)?;
        self.prune()?;
        let last = fs::read_dir(&self.root)?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u64>().ok())
            .max()
            .unwrap_or(0);
        let number = last + 1;
        let path = self.root.join(name(number));
        fs::create_dir(&path)?;
        let folder = Folder(fs::canonicalize(path)?);
        write_json(&folder.spec(), &spec)?;
        Ok(Instance { folder, number, spec })
    }

    /// The newest instance that ever got requests is kept: what runs by default when it is started by hand.
    fn prune(&self) -> io::Result<()> {
        let mut ended = vec![];
        let mut served = None;
        for instance in self.all()? {
            if instance.ready()?.is_some() {
                served = Some(instance.number);
            }
            if matches!(instance.life()?, Life::Ended { .. }) {
                ended.push(instance);
            }
        }
        let older = ended.iter().rev().skip(KEEP_ENDED);
        for instance in older.filter(|instance| Some(instance.number) != served) {
            fs::remove_dir_all(&instance.folder.0)?;
        }
        Ok(())
    }
}

/// Name of the folder of an instance.
pub fn name(number: u64) -> String {
    format!("{number:04}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::spec::{Limits, Origin};
    use windlass_plan::Way;

    fn spec(version: &str) -> Spec {
        Spec {
            service: "booking".into(),
            version: version.into(),
            argv: vec!["./server".into(), "--port={port}".into()],
            cwd: "/".into(),
            port: 4711,
            origin: Origin { run: "r".into(), unit: "u".into(), way: Way::Forward, attempt: 1 },
            stop_within_ms: 10,
            limits: Limits::default(),
        }
    }

    #[tokio::test]
    async fn ended_instances_are_kept_up_to_a_number_and_the_last_that_served_always() {
        let base = tempfile::tempdir().unwrap();
        let instances = Instances::of(base.path(), "booking");
        for version in 1..=12 {
            let instance = instances.create(spec(&version.to_string())).unwrap();
            assert!(!instance.stop().await.unwrap(), "never lived");
            if version <= 2 {
                write_json(&instance.folder.ready(), &Ready::default()).unwrap();
            }
        }
        let left: Vec<u64> = instances.all().unwrap().iter().map(|instance| instance.number).collect();
        assert_eq!(
            left,
            [2, 7, 8, 9, 10, 11, 12],
            "before the twelfth was made there were five and the second"
        );
    }

    #[tokio::test]
    async fn a_folder_without_specification_is_no_instance_and_its_number_is_not_used_again() {
        let base = tempfile::tempdir().unwrap();
        let instances = Instances::of(base.path(), "booking");
        fs::create_dir_all(instances.root().join("0001")).unwrap();
        assert_eq!(instances.all().unwrap(), []);
        assert_eq!(instances.create(spec("1")).unwrap().name(), "0002");
    }

    #[test]
    fn the_port_is_filled_in_everywhere() {
        assert_eq!(spec("1").command(), ["./server", "--port=4711"]);
    }
}
