//! Whether a process that was seen before is still the same and alive.

use std::fs;

/// Ticks per second of field 22 of `/proc/PID/stat` and of `sysconf(_SC_CLK_TCK)`: the kernel's `USER_HZ`, 100 on all
/// Linux targets of Rust.
const TICKS_PER_SECOND: u64 = 100;

/// A process, safe against reuse of its number and against a reboot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// Process id.
    pub(super) pid: i32,
    /// Start time in clock ticks after boot.
    start: u64,
    /// Boot id of the kernel it ran on.
    boot: String,
}

/// A process of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Process id.
    pub(super) pid: i32,
    /// Its process group.
    pub(super) group: i32,
}

impl Identity {
    /// Reads `PID:START:BOOT`, with anything after a further colon left out.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        Some(Self {
            pid: parts.next()?.parse().ok().filter(|pid| *pid > 1)?,
            start: parts.next()?.parse().ok()?,
            boot: parts.next()?.to_owned(),
        })
    }

    /// Whether it still runs; a zombie does not.
    pub(super) fn alive(&self) -> bool {
        boot_id().is_some_and(|boot| boot == self.boot)
            && stat(self.pid).is_some_and(|stat| stat.start == self.start && stat.runs())
    }

    /// What still runs of the session that it leads or led; zombies do not. A number is not given away again while a
    /// process has it as its session, so with any of them left these are still its own.
    pub(super) fn session(&self) -> Vec<Member> {
        let reused = || stat(self.pid).is_some_and(|leader| leader.start != self.start);
        if boot_id().is_some_and(|boot| boot != self.boot) || reused() {
            return vec![];
        }
        // Who cannot look must not say that all have ended.
        let Ok(entries) = fs::read_dir("/proc") else {
            return vec![Member { pid: self.pid, group: self.pid }];
        };
        let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let member = |pid| {
            let stat = stat(pid).filter(|stat| stat.session == self.pid && stat.runs())?;
            Some(Member { pid, group: stat.group })
        };
        pids.filter_map(member).collect()
    }

    /// Milliseconds since it started.
    pub(super) fn age_ms(&self) -> u64 {
        let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
        let seconds = uptime.split(' ').next().and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
        ((seconds * 1000.0) as u64).saturating_sub(self.start * 1000 / TICKS_PER_SECOND)
    }
}

/// Boot id of the running kernel.
fn boot_id() -> Option<String> {
    Some(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
}

/// What is looked at of `/proc/PID/stat`.
struct Stat {
    /// Field 3.
    state: char,
    /// Field 5.
    group: i32,
    /// Field 6.
    session: i32,
    /// Field 22.
    start: u64,
}

impl Stat {
    fn runs(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }
}

/// Field 2 is a name in parentheses that may hold anything.
fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    Some(Stat {
        state: fields.next()?.chars().next()?,
        group: fields.nth(1)?.parse().ok()?,
        session: fields.next()?.parse().ok()?,
        start: fields.nth(15)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> Identity {
        let pid = std::process::id() as i32;
        Identity { pid, start: stat(pid).unwrap().start, boot: boot_id().unwrap() }
    }

    #[test]
    fn only_the_same_process_of_the_same_boot_is_alive() {
        assert!(me().alive());
        assert!(!Identity { start: me().start + 1, ..me() }.alive(), "a reused number");
        assert!(!Identity { boot: "before".into(), ..me() }.alive(), "before the reboot");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id() as i32;
        let start = stat(pid).unwrap().start;
        let ended = Identity { pid, start, boot: boot_id().unwrap() };
        while ended.alive() {
            std::thread::yield_now();
        }
        assert!(stat(pid).is_some(), "a zombie, not yet collected");
        child.wait().unwrap();
        assert!(!ended.alive());
    }

    #[test]
    fn the_session_of_a_reused_number_or_of_another_boot_is_not_its_own() {
        let mut child = std::process::Command::new("setsid").args(["sleep", "1000"]).spawn().unwrap();
        let pid = child.id() as i32;
        while stat(pid).unwrap().session != pid {
            std::thread::yield_now();
        }
        let leader = Identity { pid, start: stat(pid).unwrap().start, boot: boot_id().unwrap() };
        let reused = Identity { start: leader.start + 1, ..leader.clone() };
        let before = Identity { boot: "before".into(), ..leader.clone() };
        let seen = [&leader, &reused, &before].map(Identity::session);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(seen, [vec![Member { pid, group: pid }], vec![], vec![]]);
        assert_eq!(leader.session(), []);
    }

    #[test]
    fn reads_what_the_wrapper_writes() {
        let text = format!("{}:{}:{}:77", me().pid, me().start, me().boot);
        assert_eq!(Identity::parse(&text), Some(me()));
        for bad in ["", "x:1:b", "1:1:b", "-5:1:b", "7:y:b", "7:1", "prevented"] {
            assert_eq!(Identity::parse(bad), None, "{bad}");
        }
        assert!(me().age_ms() < 3_600_000);
    }
}
