//! Processes named so that a reused process id is never mistaken for the one that had it before.

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal},
};
use serde::{Deserialize, Serialize};
use std::{fs, io, os::fd::OwnedFd, os::unix::ffi::OsStrExt, path::Path, time::Duration};

/// A process: its id, when it started and in which boot of the machine. Ids are reused, the triple is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot (field 22 of `/proc/PID/stat`, proc(5)).
    pub started_ticks: u64,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot: String,
}

impl ProcessId {
    /// The process that has this id now.
    ///
    /// # Errors
    /// There is none, or it is a zombie.
    pub fn of(pid: u32) -> io::Result<Self> {
        let started_ticks = started_ticks(pid)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(Self { pid, started_ticks, boot: boot()? })
    }

    /// Whether it still runs (a zombie does not).
    #[must_use]
    pub fn alive(&self) -> bool {
        boot().is_ok_and(|now| now == self.boot)
            && started_ticks(self.pid).is_ok_and(|ticks| ticks == Some(self.started_ticks))
    }

    /// A handle that stays on this process; `None`: it has ended.
    ///
    /// # Errors
    /// The kernel refused to give one.
    pub fn open(&self) -> io::Result<Option<Handle>> {
        let Some(pid) = self.raw() else { return Ok(None) };
        match pidfd_open(pid, PidfdFlags::NONBLOCK) {
            // Looked at after opening: if it is alive now, the handle cannot be of a later process.
            Ok(fd) if self.alive() => Ok(Some(Handle { fd, id: self.clone() })),
            Ok(_) | Err(Errno::SRCH) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn raw(&self) -> Option<Pid> {
        i32::try_from(self.pid).ok().and_then(Pid::from_raw)
    }
}

/// An open process file descriptor.
///
/// Its end is looked for, not waited for: tokio has no safe way to register a descriptor of another kind than its own.
#[derive(Debug)]
pub struct Handle {
    fd: OwnedFd,
    id: ProcessId,
}

impl Handle {
    /// A handle on a child that was not waited for yet, so that its id is still its own.
    pub fn of_child(id: ProcessId) -> io::Result<Self> {
        let pid = id.raw().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(Self { fd: pidfd_open(pid, PidfdFlags::NONBLOCK)?, id })
    }

    /// The process.
    #[must_use]
    pub fn id(&self) -> &ProcessId {
        &self.id
    }

    /// Whether it has ended; it may still be a zombie.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        // The descriptor is readable from the end of the process on. When that cannot be asked, `/proc` is.
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).map_or_else(|_| !self.id.alive(), |ready| ready > 0)
    }

    /// Returns when it has ended; looks every `every_ms`.
    pub async fn ended(&self, every_ms: u64) {
        while !self.has_ended() {
            tokio::time::sleep(Duration::from_millis(every_ms)).await;
        }
    }

    /// Waits at most this long; whether it has ended.
    pub async fn ended_within(&self, ms: u64) -> bool {
        tokio::time::timeout(Duration::from_millis(ms), self.ended(LOOK_EVERY_MS)).await.is_ok()
    }

    /// Sends a signal to the process alone; it may have ended.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        gone_is_fine(pidfd_send_signal(&self.fd, signal))
    }

    /// Sends a signal to the process group that it leads. Call it while the process is alive or a zombie that the
    /// caller did not wait for: only then the group id is certainly still its own.
    pub fn signal_group(&self, signal: Signal) -> io::Result<()> {
        self.id.raw().map_or(Ok(()), |pid| gone_is_fine(kill_process_group(pid, signal)))
    }

    /// SIGTERM to the group, at most `within_ms` for the process to end, then SIGKILL to what is left of the group.
    /// Whether the process has ended at all (a process in an uninterruptible wait does not).
    pub async fn terminate(&self, within_ms: u64) -> io::Result<bool> {
        self.signal_group(Signal::TERM)?;
        // A stopped process takes SIGTERM only after it was continued.
        self.signal_group(Signal::CONT)?;
        if !self.ended_within(within_ms).await {
            self.signal_group(Signal::KILL)?;
        }
        Ok(self.ended_within(KILL_MS_MAX).await)
    }
}

/// Longest wait for a process to go after SIGKILL, milliseconds.
pub const KILL_MS_MAX: u64 = 5_000;

/// How often the end of a process that was told to end is looked for, milliseconds.
const LOOK_EVERY_MS: u64 = 5;

fn gone_is_fine(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// Start time of a process; `None`: a zombie.
fn started_ticks(pid: u32) -> io::Result<Option<u64>> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat"))?).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/stat is not as documented"))
    })
}

/// Start time out of a line of `/proc/PID/stat`; inner `None`: the process has ended.
fn parse_stat(line: &str) -> Option<Option<u64>> {
    // The second field is the program name in brackets; it may hold brackets and blanks itself.
    let mut fields = line.get(line.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?;
    let started = fields.nth(18)?.parse().ok()?;
    Some((!matches!(state, "Z" | "X" | "x")).then_some(started))
}

/// The leading process of a process group in whose environment `NAME=value` stands. Only processes of the same user
/// are seen.
pub fn leader_with(name: &str, value: &Path) -> Option<ProcessId> {
    let wanted = [name.as_bytes(), b"=", value.as_os_str().as_bytes()].concat();
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let environment = fs::read(entry.path().join("environ")).ok()?;
        let found = environment.split(|byte| *byte == 0).any(|variable| variable == wanted);
        let raw = i32::try_from(pid).ok().and_then(Pid::from_raw)?;
        let leads = found && rustix::process::getpgid(Some(raw)).ok()? == raw;
        leads.then(|| ProcessId::of(pid).ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{os::unix::process::CommandExt as _, process::Command};

    #[test]
    fn a_program_name_may_hold_brackets_and_blanks() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21";
        assert_eq!(parse_stat(&format!("12 (a) b) {rest}")), Some(Some(4711)));
        assert_eq!(parse_stat(&format!("12 (a) {}", rest.replacen('S', "Z", 1))), Some(None));
        assert_eq!(parse_stat("12 (a"), None);
    }

    #[test]
    fn another_start_time_or_boot_is_another_process() {
        let me = ProcessId::of(std::process::id()).unwrap();
        assert!(me.alive());
        assert!(!ProcessId { started_ticks: me.started_ticks + 1, ..me.clone() }.alive());
        assert!(!ProcessId { boot: "another".into(), ..me }.alive());
    }

    #[tokio::test]
    async fn a_reused_id_is_never_opened() {
        let me = ProcessId::of(std::process::id()).unwrap();
        assert!(me.open().unwrap().is_some());
        assert!(ProcessId { started_ticks: me.started_ticks + 1, ..me }.open().unwrap().is_none());
    }

    #[tokio::test]
    async fn a_group_that_ignores_term_is_killed() {
        let mut child = Command::new("/bin/sh")
            .args(["-c", "trap '' TERM; echo ready; while :; do sleep 1; done"])
            .stdout(std::process::Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut ready = [0; 6];
        io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
        let id = ProcessId::of(child.id()).unwrap();
        let handle = Handle::of_child(id.clone()).unwrap();
        assert!(handle.terminate(100).await.unwrap());
        assert!(!id.alive(), "a zombie is not alive");
        child.wait().unwrap();
    }

    #[test]
    fn a_process_is_found_by_its_environment() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(leader_with("WINDLASS_TEST", folder.path()), None);
        let mut child = Command::new("/bin/sleep")
            .arg("30")
            .env("WINDLASS_TEST", folder.path())
            .process_group(0)
            .spawn()
            .unwrap();
        let found = leader_with("WINDLASS_TEST", folder.path());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found.map(|id| id.pid), Some(child.id()));
    }
}
