//! Waits for a line, whoever started it.

use super::{
    Line, ShellDriver,
    folder::{Claim, Folder, Tail},
    process::Identity,
};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::time::{Duration, Instant};
use tokio::process::Child;
use windlass_driver::Context;

/// A wrapper that does not reach its claim in this time is prevented from doing so.
const START_WITHIN: Duration = Duration::from_secs(30);
/// A wrapper writes the status right after the line has ended; on a full disk it tries for longer.
const STATUS_WITHIN: Duration = Duration::from_secs(60);
/// Waits between two looks.
const LOOK_FIRST: Duration = Duration::from_millis(2);
const LOOK_MAX: Duration = Duration::from_millis(50);

/// How a line ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// With this status.
    Status(i32),
    /// It was stopped after this many milliseconds.
    TimedOut(u64),
    /// A person asked to stop, and it only reads.
    Stopped,
    /// It did not run and never will.
    NeverRan,
    /// It ran as this process, and left no status.
    Lost(i32),
    /// The folder cannot be used to find out.
    Unreadable(String),
}

/// Waits for one line.
pub(super) struct Watch<'a> {
    cx: &'a Context,
    folder: &'a Folder,
    readonly: bool,
    tail: Tail,
    limit_ms: u64,
}

impl<'a> Watch<'a> {
    pub(super) fn new(cx: &'a Context, folder: &'a Folder, line: &Line<'_>) -> Self {
        let limit_ms = cx.timeout_ms.unwrap_or(ShellDriver::TIMEOUT_MS_DEFAULT);
        Self { cx, folder, readonly: line.readonly, tail: Tail::new(folder), limit_ms }
    }

    /// Follows the line to its end. `child` is the wrapper, when this controller started it.
    pub(super) async fn follow(mut self, mut child: Option<Child>) -> Ended {
        let ended = self.wait(&mut child).await;
        self.tail.pump(self.cx, true);
        if let Some(mut child) = child {
            // It ends by itself; it is only collected here. When it does not, the runtime collects it later.
            let _ = tokio::time::timeout(LOOK_MAX, child.wait()).await;
        }
        ended
    }

    async fn wait(&mut self, child: &mut Option<Child>) -> Ended {
        let begun = Instant::now();
        let mut pause = LOOK_FIRST;
        loop {
            self.tail.pump(self.cx, false);
            if let Some(code) = self.folder.status() {
                return Ended::Status(code);
            }
            match self.folder.claim() {
                Claim::Prevented => return Ended::NeverRan,
                Claim::Free => {
                    let gone = match child.as_mut().map(Child::try_wait) {
                        Some(Ok(None)) => begun.elapsed() > START_WITHIN,
                        // Not ours, or it has ended: a line of its that still is to start will find the claim taken.
                        _ => true,
                    };
                    if gone {
                        match self.folder.prevent() {
                            Ok(true) => return Ended::NeverRan,
                            Ok(false) => {}
                            Err(error) => return Ended::Unreadable(error.to_string()),
                        }
                    }
                }
                Claim::Line(line) if line.alive() => {
                    if line.age_ms() > self.limit_ms {
                        self.terminate(&line).await;
                        return Ended::TimedOut(self.limit_ms);
                    }
                    if self.readonly && self.cx.stopping.asked() {
                        self.terminate(&line).await;
                        return Ended::Stopped;
                    }
                }
                Claim::Line(line) => return self.last_word(&line).await,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_MAX);
        }
    }

    /// The line has ended: its wrapper, while it lives, is about to write the status.
    async fn last_word(&mut self, line: &Identity) -> Ended {
        let begun = Instant::now();
        loop {
            // Asked before the status is read: a wrapper that was dead then cannot write it afterwards.
            let wrapper = self.folder.wrapper().is_some_and(|wrapper| wrapper.alive());
            if let Some(code) = self.folder.status() {
                return Ended::Status(code);
            }
            if !wrapper || begun.elapsed() > STATUS_WITHIN {
                return Ended::Lost(line.pid);
            }
            tokio::time::sleep(LOOK_FIRST).await;
        }
    }

    /// SIGTERM to the line's process group, SIGKILL to what is left of it after the grace.
    async fn terminate(&mut self, line: &Identity) {
        let Some(group) = Pid::from_raw(line.pid) else { return };
        let _ = kill_process_group(group, Signal::TERM);
        let begun = Instant::now();
        while test_kill_process_group(group).is_ok() && group_runs(line.pid) {
            if begun.elapsed() > Duration::from_millis(ShellDriver::GRACE_MS) {
                let _ = kill_process_group(group, Signal::KILL);
                break;
            }
            self.tail.pump(self.cx, false);
            tokio::time::sleep(LOOK_FIRST).await;
        }
        // The wrapper now writes the status; a later look at this try must find it.
        self.last_word(line).await;
    }
}

/// Whether a process of the group still runs (zombies that nobody has collected yet do not).
fn group_runs(group: i32) -> bool {
    let Ok(entries) = std::fs::read_dir("/proc") else { return true };
    entries.flatten().any(|entry| {
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { return false };
        let Some((_, rest)) = stat.rsplit_once(") ") else { return false };
        let mut fields = rest.split(' ');
        let state = fields.next();
        let of = fields.nth(1).and_then(|text| text.parse::<i32>().ok());
        of == Some(group) && !matches!(state, Some("Z" | "X"))
    })
}
