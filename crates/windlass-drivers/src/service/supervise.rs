//! The supervisor: one small process per instance, in a session of its own, that outlives the controller.
//!
//! It starts the process in a process group of its own, starts it again when it ends by itself (with a growing,
//! bounded wait; after too many crashes within a window it gives up and says so in the state), rotates its log, and on
//! SIGTERM ends it: SIGTERM to the group, `stop_within_ms`, SIGKILL.
//!
//! **When the supervisor itself is killed** (`kill -9`, out of memory) the process goes on serving: there is no
//! death signal from parent to child, because losing the supervisor must not lose requests. It writes its log itself,
//! so nothing of it depends on the supervisor. Everyone who looks at the instance afterwards sees the process by its
//! id, start time and boot, calls it unsupervised, and can stop it; starting the instance again gives it a new
//! supervisor that adopts it. The instant between fork and the first state is covered by the variable
//! `WINDLASS_INSTANCE` in the environment of the process.
//!
//! The environment of the process is that of the command that started the instance, with `PORT` added.

use super::{
    logs,
    spec::{Folder, Phase, Spec, State, read_json, unix_ms, write_json},
};
use crate::process::{Handle, KILL_MS_MAX, ProcessId, leader_with};
use rustix::process::Signal;
use std::{
    collections::VecDeque,
    fs, io,
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};

/// Names the instance in the environment of its process.
pub const MARK: &str = "WINDLASS_INSTANCE";

/// Longest wait for the lock of an instance, milliseconds.
pub const LOCK_MS_MAX: u64 = 5_000;

/// How often the end of an adopted process is looked for, milliseconds.
const ADOPTED_EVERY_MS: u64 = 100;

/// Why a supervisor could not do its work; its process ends with it.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// The specification is not there or not readable.
    #[error("cannot read the specification {path}: {cause}")]
    Spec {
        /// The file.
        path: String,
        /// Why.
        cause: io::Error,
    },
    /// Something of the machine: a file, a signal handler.
    #[error("supervisor of {path}: {cause}")]
    Io {
        /// The specification.
        path: String,
        /// Why.
        cause: io::Error,
    },
}

/// Runs a supervisor until its process is told to end or crashes too often. Needs a tokio runtime with I/O and time;
/// moves the calling process into a new session.
///
/// # Errors
/// It could not start or could not keep its state. A crash of the supervised process is not an error.
pub async fn supervise(spec_path: &Path) -> Result<(), SuperviseError> {
    let path = spec_path.display().to_string();
    let spec = read_json::<Spec>(spec_path)
        .and_then(|spec| spec.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound)))
        .map_err(|cause| SuperviseError::Spec { path: path.clone(), cause })?;
    run(spec_path, spec).await.map_err(|cause| SuperviseError::Io { path, cause })
}

async fn run(spec_path: &Path, spec: Spec) -> io::Result<()> {
    // First of all, so that no signal can end the supervisor once its process may run.
    let mut term = signal(SignalKind::terminate())?;
    let _not_ended_by = (signal(SignalKind::hangup())?, signal(SignalKind::interrupt())?);
    // Fails only for a leader of a process group: then the session is already our own or the caller's choice.
    let _ = rustix::process::setsid();
    let folder = Folder(fs::canonicalize(spec_path.parent().unwrap_or(Path::new(".")))?);
    let _lock = folder.lock(LOCK_MS_MAX).await?;
    let before = read_json::<State>(&folder.state())?;
    if before.as_ref().is_some_and(|state| state.phase == Phase::Stopped) {
        return Ok(()); // cancelled before it began
    }
    let mut keeper = Keeper::new(folder, spec, before.as_ref())?;
    let mut running = keeper.adopt(before.as_ref())?;
    loop {
        let ended = match running.take() {
            Some(process) => keeper.watch(process, &mut term).await?,
            None => match keeper.start() {
                Ok(process) => keeper.watch(process, &mut term).await?,
                Err(error) => Ended::ByItself(format!("could not be started: {error}")),
            },
        };
        let Ended::ByItself(how) = ended else { return keeper.enter(Phase::Stopped) };
        let Some(wait) = keeper.crashed(how) else { return Ok(()) };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = term.recv() => return keeper.enter(Phase::Stopped),
        }
    }
}

/// A supervised process; `child` is missing when it was adopted.
struct Running {
    handle: Handle,
    child: Option<Child>,
}

enum Ended {
    ByItself(String),
    AsTold,
}

struct Keeper {
    folder: Folder,
    spec: Spec,
    state: State,
    crashes: VecDeque<Instant>,
}

impl Keeper {
    fn new(folder: Folder, spec: Spec, before: Option<&State>) -> io::Result<Self> {
        let state = State {
            supervisor: Some(ProcessId::of(std::process::id())?),
            child: None,
            phase: Phase::Starting,
            port: spec.port,
            restarts: before.map_or(0, |state| state.restarts),
            since_unix_ms: unix_ms(),
            last_exit: before.and_then(|state| state.last_exit.clone()),
            last_lines: vec![],
        };
        Ok(Self { folder, spec, state, crashes: VecDeque::new() })
    }

    fn enter(&mut self, phase: Phase) -> io::Result<()> {
        self.state.phase = phase;
        self.state.since_unix_ms = unix_ms();
        if !matches!(phase, Phase::Running | Phase::Stopping) {
            self.state.child = None;
        }
        write_json(&self.folder.state(), &self.state)
    }

    /// The process that a supervisor before this one left behind.
    fn adopt(&mut self, before: Option<&State>) -> io::Result<Option<Running>> {
        let Some(before) = before else { return Ok(None) };
        let Some(id) = left_behind(&self.folder, before) else { return Ok(None) };
        let Some(handle) = id.open()? else { return Ok(None) };
        self.state.child = Some(id);
        self.enter(Phase::Running)?;
        Ok(Some(Running { handle, child: None }))
    }

    fn start(&mut self) -> io::Result<Running> {
        self.enter(Phase::Starting)?;
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.log())?;
        let words = self.spec.command();
        let (program, arguments) =
            words.split_first().ok_or_else(|| io::Error::other("`run` names no program"))?;
        let child = Command::new(program)
            .args(arguments)
            .current_dir(&self.spec.cwd)
            .env("PORT", self.spec.port.to_string())
            .env(MARK, &self.folder.0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("{program} (working folder {}): {error}", self.spec.cwd.display()),
                )
            })?;
        self.take(child)
    }

    /// Notes a process that was just started; ends it when it cannot be noted, so that none runs unknown.
    fn take(&mut self, mut child: Child) -> io::Result<Running> {
        // Not waited for yet, so its id is its own, also when it has ended by now.
        let id = ProcessId::of(child.id()).unwrap_or(ProcessId {
            pid: child.id(),
            started_ticks: 0,
            boot: String::new(),
        });
        let noted = Handle::of_child(id.clone()).and_then(|handle| {
            self.state.child = Some(id);
            self.enter(Phase::Running)?;
            Ok(handle)
        });
        match noted {
            Ok(handle) => Ok(Running { handle, child: Some(child) }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error)
            }
        }
    }

    async fn watch(&mut self, process: Running, term: &mut tokio::signal::unix::Signal) -> io::Result<Ended> {
        // Made before the first look, so that no end is missed. An adopted process is not our child: no signal.
        let mut child_signal = signal(SignalKind::child())?;
        let adopted = process.child.is_none();
        let mut look = tokio::time::interval(Duration::from_millis(self.spec.limits.log_check_ms.max(1)));
        loop {
            if process.handle.has_ended() {
                return Ok(Ended::ByItself(reap(process)?));
            }
            tokio::select! {
                _ = child_signal.recv() => {}
                () = process.handle.ended(ADOPTED_EVERY_MS), if adopted => {}
                _ = term.recv() => break,
                // A full disk must not end the supervisor; the next look tries again.
                _ = look.tick() => drop(logs::rotate(
                    &self.folder.log(),
                    self.spec.limits.log_bytes_max,
                    self.spec.limits.log_keep,
                )),
            }
        }
        self.enter(Phase::Stopping)?;
        if !process.handle.terminate(self.spec.stop_within_ms).await? {
            return Err(io::Error::other(format!(
                "process {} did not end within {KILL_MS_MAX} ms after SIGKILL",
                process.handle.id().pid
            )));
        }
        reap(process)?;
        Ok(Ended::AsTold)
    }

    /// Notes a crash; how long to wait before the next start, or `None` to give up.
    fn crashed(&mut self, how: String) -> Option<Duration> {
        let limits = self.spec.limits;
        let now = Instant::now();
        let window = Duration::from_millis(limits.crash_window_ms);
        self.crashes.push_back(now);
        self.crashes.retain(|crash| now.duration_since(*crash) <= window);
        self.state.restarts = self.state.restarts.saturating_add(1);
        self.state.last_exit = Some(how);
        if self.crashes.len() >= limits.crashes_max {
            self.state.last_lines = logs::tail(&self.folder.log(), logs::TAIL_LINES);
            self.note(Phase::GaveUp);
            return None;
        }
        self.note(Phase::Backoff);
        let doublings = u32::try_from(self.crashes.len() - 1).unwrap_or(u32::MAX);
        let wait = limits.backoff_ms.saturating_mul(2_u64.saturating_pow(doublings));
        Some(Duration::from_millis(wait.min(limits.backoff_ms_max)))
    }

    /// Like `enter` where a full disk must not end the supervisor: that the process is gone is seen without the
    /// state too, and it is not started again before the state can be written.
    fn note(&mut self, phase: Phase) {
        drop(self.enter(phase));
    }
}

/// The living process of an instance whose supervisor is gone.
pub fn left_behind(folder: &Folder, state: &State) -> Option<ProcessId> {
    match (&state.child, state.phase) {
        (Some(child), _) => child.alive().then(|| child.clone()),
        (None, Phase::Starting) => leader_with(MARK, &folder.0),
        (None, _) => None,
    }
}

/// Ends what is left of the group of an ended process and says how it ended.
fn reap(process: Running) -> io::Result<String> {
    let Some(mut child) = process.child else {
        return Ok("it ended; a supervisor before this one was its parent, so the status is not known".into());
    };
    // Not waited for yet: the group id is still its own.
    process.handle.signal_group(Signal::KILL)?;
    Ok(describe(child.wait()?))
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => status.to_string(),
    }
}
