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
            && state_and_start(self.pid)
                .is_some_and(|(state, start)| start == self.start && !matches!(state, 'Z' | 'X'))
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

/// Fields 3 and 22 of `/proc/PID/stat`. Field 2 is a name in parentheses that may hold anything.
fn state_and_start(pid: i32) -> Option<(char, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> Identity {
        let pid = std::process::id() as i32;
        Identity { pid, start: state_and_start(pid).unwrap().1, boot: boot_id().unwrap() }
    }

    #[test]
    fn only_the_same_process_of_the_same_boot_is_alive() {
        assert!(me().alive());
        assert!(!Identity { start: me().start + 1, ..me() }.alive(), "a reused number");
        assert!(!Identity { boot: "before".into(), ..me() }.alive(), "before the reboot");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id() as i32;
        let start = state_and_start(pid).unwrap().1;
        let ended = Identity { pid, start, boot: boot_id().unwrap() };
        while ended.alive() {
            std::thread::yield_now();
        }
        assert!(state_and_start(pid).is_some(), "a zombie, not yet collected");
        child.wait().unwrap();
        assert!(!ended.alive());
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
