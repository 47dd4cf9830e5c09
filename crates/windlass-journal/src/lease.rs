//! The lease: who may write. Owner, heartbeat, fencing token.
//!
//! No decision compares clocks of two machines or of two moments: a living owner on this machine is recognised by
//! its process, one elsewhere by a heartbeat count that goes on rising while the challenger waits.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A controller process, wherever it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// `user@host`, for people.
    pub actor: String,
    /// Identifies the machine since its last start, and the space in which `pid` means something (Linux:
    /// `/proc/sys/kernel/random/boot_id` and `/proc/self/ns/pid`: containers of one machine share only the first).
    pub boot: String,
    /// Process id.
    pub pid: u32,
    /// When the process started, in clock ticks since boot (`/proc/PID/stat`, field 22): tells a reused pid.
    pub started: u64,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.actor, self.pid)
    }
}

/// The lease as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Fencing token: rises with every take.
    pub token: u64,
    /// Who holds or held it.
    pub owner: Owner,
    /// Whether it is held.
    pub held: bool,
    /// Heartbeats since it was taken.
    pub beat: u64,
    /// The owner beats several times within this time, milliseconds.
    pub ttl_ms: u64,
    /// When it was taken, by the owner's clock: for people.
    pub since_ms: i64,
}

/// Whether an owner lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Its process runs on this machine.
    Alive,
    /// It certainly ended.
    Dead,
    /// It is elsewhere; only its heartbeat can tell.
    Elsewhere,
}

/// Tells whether an owner lives.
pub trait Liveness: Send + Sync {
    /// Looks at the world; does not wait.
    fn look(&self, owner: &Owner) -> Life;
}

/// Looks at `/proc` (Linux).
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcLiveness;

impl ProcLiveness {
    /// The owner record of the calling process.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn current(actor: &str) -> std::io::Result<Owner> {
        let pid = std::process::id();
        let started = started(pid)?.ok_or_else(|| std::io::Error::other("/proc/self/stat cannot be read"))?;
        Ok(Owner { actor: actor.to_owned(), boot: boot()?, pid, started })
    }
}

impl Liveness for ProcLiveness {
    fn look(&self, owner: &Owner) -> Life {
        match boot() {
            Ok(boot) if boot == owner.boot => match started(owner.pid) {
                Ok(Some(started)) if started == owner.started => Life::Alive,
                Ok(Some(_)) => Life::Dead,
                Ok(None) if sees_all() => Life::Dead,
                _ => Life::Elsewhere,
            },
            _ => Life::Elsewhere,
        }
    }
}

fn boot() -> std::io::Result<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let space = std::fs::read_link("/proc/self/ns/pid")?;
    Ok(format!("{} {}", boot.trim(), space.display()))
}

/// Whether processes of other users are visible: not under proc(5)'s `hidepid`, where a living owner looks dead.
/// Process 1 always lives, and belongs to root.
fn sees_all() -> bool {
    std::fs::read_to_string("/proc/1/stat").is_ok()
}

/// Start time of a process, `None` when there is none or only a zombie is left of it.
fn started(pid: u32) -> std::io::Result<Option<u64>> {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => Ok(parse_stat(&stat)),
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound) => Ok(None),
        // The process may end between open and read (ESRCH).
        Err(error) if error.raw_os_error() == Some(3) => Ok(None),
        Err(error) => Err(error),
    }
}

/// proc(5): the command name stands in parentheses and may hold anything, so fields count from the last one.
fn parse_stat(stat: &str) -> Option<u64> {
    let rest = &stat[stat.rfind(')')? + 1..];
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X" | "x") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_a_changed_start_time_means_another_process() {
        let owner = ProcLiveness::current("a@b").unwrap();
        assert_eq!(ProcLiveness.look(&owner), Life::Alive);
        let reused = Owner { started: owner.started + 1, ..owner.clone() };
        assert_eq!(ProcLiveness.look(&reused), Life::Dead);
        let gone = Owner { pid: u32::MAX, ..owner.clone() };
        assert_eq!(
            ProcLiveness.look(&gone),
            Life::Dead,
            "this test sees process 1, so it would see that one too"
        );
        let (machine, space) = owner.boot.split_once(' ').unwrap();
        assert!(space.starts_with("pid:["), "{space}");
        for elsewhere in [format!("another {space}"), format!("{machine} pid:[1]")] {
            let owner = Owner { boot: elsewhere, pid: u32::MAX, ..owner.clone() };
            assert_eq!(
                ProcLiveness.look(&owner),
                Life::Elsewhere,
                "another machine, or another container of it"
            );
        }
    }

    #[test]
    fn a_command_name_with_parentheses_and_spaces_is_skipped() {
        let stat = "7 (a) b) (c) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 424242 1 1";
        assert_eq!(parse_stat(stat), Some(424_242));
        assert_eq!(parse_stat(&stat.replace(") S ", ") Z ")), None, "a zombie does not act any more");
        assert_eq!(parse_stat("garbage"), None);
    }
}
