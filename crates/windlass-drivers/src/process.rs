//! Processes named so that a reused process id is never mistaken for the one that had it before, and what `/proc`
//! says of them (proc(5)). Only processes of this machine, and only while `/proc` shows them: under `hidepid` those of
//! other users are not seen.

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

    /// Reads `PID:START:BOOT`, with anything after a further colon left out. No process 0 or 1.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        Some(Self {
            pid: parts.next()?.parse().ok().filter(|pid| *pid > 1)?,
            started_ticks: parts.next()?.parse().ok()?,
            boot: parts.next()?.to_owned(),
        })
    }

    /// Milliseconds since it started, by the machine's clock of uptime; 0 when `/proc` does not tell.
    #[must_use]
    pub(crate) fn age_ms(&self) -> u64 {
        let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
        let seconds = uptime.split(' ').next().and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
        ((seconds * 1000.0) as u64).saturating_sub(self.started_ticks * 1000 / TICKS_PER_SECOND)
    }

    /// Whether its id belongs to another process now, or it ran before the last boot.
    #[must_use]
    pub(crate) fn replaced(&self) -> bool {
        boot().is_ok_and(|now| now != self.boot)
            || Stat::of(self.pid).is_ok_and(|now| now.started_ticks != self.started_ticks)
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

/// Ticks per second of field 22 of `/proc/PID/stat` and of `sysconf(_SC_CLK_TCK)`: the kernel's `USER_HZ`, 100 on all
/// Linux targets of Rust.
const TICKS_PER_SECOND: u64 = 100;

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
    Stat::of(pid).map(|stat| stat.runs().then_some(stat.started_ticks))
}

/// What is looked at of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Process id (field 1).
    pub(crate) pid: u32,
    /// Field 3.
    state: char,
    /// Process that waits for it (field 4).
    pub(crate) parent: u32,
    /// Its process group (field 5).
    pub(crate) group: u32,
    /// Its session (field 6).
    pub(crate) session: u32,
    /// Start time in clock ticks since boot (field 22).
    pub(crate) started_ticks: u64,
}

impl Stat {
    /// Of the process that has this id now.
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        Self::parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat"))?).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/stat is not as documented"))
        })
    }

    /// Of every process that is seen, ended ones that nobody waited for included.
    pub(crate) fn all() -> io::Result<Vec<Self>> {
        let pids =
            fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        // One that ends between the listing and the reading is none.
        Ok(pids.filter_map(|pid| Self::of(pid).ok()).collect())
    }

    /// A zombie does not run.
    pub(crate) fn runs(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }

    /// The second field is the program name in brackets; it may hold brackets and blanks itself.
    fn parse(pid: u32, line: &str) -> Option<Self> {
        let mut fields = line.get(line.rfind(')')? + 1..)?.split_ascii_whitespace();
        Some(Self {
            pid,
            state: fields.next()?.chars().next()?,
            parent: fields.next()?.parse().ok()?,
            group: fields.next()?.parse().ok()?,
            session: fields.next()?.parse().ok()?,
            started_ticks: fields.nth(15)?.parse().ok()?,
        })
    }
}

/// Whether `NAME=value` stands in the environment with which a process was started. False for processes of other users,
/// whose environment only root sees, and for one that was started without it.
pub(crate) fn marked(pid: u32, name: &str, value: &Path) -> bool {
    let wanted = [name.as_bytes(), b"=", value.as_os_str().as_bytes()].concat();
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == wanted)
}

/// The leading process of a process group in whose environment `NAME=value` stands. Only processes of the same user
/// are seen.
pub fn leader_with(name: &str, value: &Path) -> Option<ProcessId> {
    let leads = |stat: &Stat| stat.group == stat.pid && stat.runs() && marked(stat.pid, name, value);
    Stat::all().ok()?.iter().find(|stat| leads(stat)).and_then(|stat| ProcessId::of(stat.pid).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{os::unix::process::CommandExt as _, process::Command};

    fn me() -> ProcessId {
        ProcessId::of(std::process::id()).unwrap()
    }

    #[test]
    fn a_program_name_may_hold_brackets_and_blanks() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21";
        let stat = Stat::parse(12, &format!("12 (a) b) {rest}")).unwrap();
        assert_eq!((stat.parent, stat.group, stat.session, stat.started_ticks), (1, 2, 3, 4711));
        assert!(stat.runs());
        for ended in ["Z", "X", "x"] {
            assert!(!Stat::parse(12, &format!("12 (a) {}", rest.replacen('S', ended, 1))).unwrap().runs());
        }
        assert_eq!(Stat::parse(12, "12 (a"), None);
    }

    #[test]
    fn another_start_time_or_boot_is_another_process() {
        assert!(me().alive() && !me().replaced());
        let reused = ProcessId { started_ticks: me().started_ticks + 1, ..me() };
        let before = ProcessId { boot: "another".into(), ..me() };
        for other in [reused, before] {
            assert!(!other.alive() && other.replaced(), "{other:?}");
        }
        let none = ProcessId { pid: i32::MAX.unsigned_abs(), ..me() };
        assert!(!none.alive() && !none.replaced(), "its id is free");
    }

    #[test]
    fn a_zombie_is_not_alive() {
        let mut child = Command::new("true").spawn().unwrap();
        let stat = Stat::of(child.id()).unwrap();
        let ended = ProcessId { pid: child.id(), started_ticks: stat.started_ticks, ..me() };
        crate::testing::wait_until("its end", || !ended.alive());
        assert!(Stat::of(child.id()).is_ok_and(|stat| !stat.runs()), "not yet collected");
        child.wait().unwrap();
        assert!(!ended.alive());
    }

    #[test]
    fn reads_what_the_wrapper_of_a_shell_line_writes() {
        let text = format!("{}:{}:{}:77", me().pid, me().started_ticks, me().boot);
        assert_eq!(ProcessId::parse(&text), Some(me()));
        for bad in ["", "x:1:b", "1:1:b", "-5:1:b", "7:y:b", "7:1", "prevented"] {
            assert_eq!(ProcessId::parse(bad), None, "{bad}");
        }
        assert!(me().age_ms() < 3_600_000);
    }

    #[tokio::test]
    async fn a_reused_id_is_never_opened() {
        assert!(me().open().unwrap().is_some());
        assert!(ProcessId { started_ticks: me().started_ticks + 1, ..me() }.open().unwrap().is_none());
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
