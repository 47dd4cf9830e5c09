//! Waits for a line, whoever started it.

use super::{
    Line, ShellDriver,
    family::Family,
    folder::{Claim, Folder, Tail},
};
use crate::process::ProcessId;
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use tokio::process::Child;
use windlass_driver::Context;

/// A wrapper that does not reach its claim in this time is prevented from doing so.
const START_WITHIN: Duration = Duration::from_secs(30);
/// A wrapper writes the status right after the line has ended; on a full disk it tries for longer.
const STATUS_WITHIN: Duration = Duration::from_secs(60);
/// A process that has not ended this long after SIGKILL hangs in the kernel, or is not ours to kill.
const KILLED_WITHIN: Duration = Duration::from_secs(3);
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
    /// It was to be stopped, but of what it started these processes still run.
    Survived(Vec<u32>),
    /// It did not run and never will.
    NeverRan,
    /// It ran as this process, and left no status.
    Lost(u32),
    /// The folder cannot be used to find out.
    Unreadable(String),
    /// It runs or ran on a host that does not answer any more.
    OutOfReach(String),
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
                return self.ended_with(code);
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
                    let late = line.age_ms() > self.limit_ms;
                    if late || (self.readonly && self.cx.stopping.asked()) {
                        let left = self.terminate(&line).await;
                        return match (left.is_empty(), late) {
                            (false, _) => Ended::Survived(left),
                            (true, true) => Ended::TimedOut(self.limit_ms),
                            (true, false) => Ended::Stopped,
                        };
                    }
                }
                Claim::Line(line) => return self.last_word(&line).await,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_MAX);
        }
    }

    /// A line may leave a service behind when it ends by itself; what is left of one that was to be stopped still works
    /// on what it was stopped from. It is not killed here: who led the session has ended and vouches for it no more.
    fn ended_with(&self, code: i32) -> Ended {
        if let Claim::Line(line) = self.folder.claim()
            && self.folder.stop_begun()
        {
            let left = self.family(&line).look();
            if !left.is_empty() {
                return Ended::Survived(left.iter().map(|member| member.pid).collect());
            }
        }
        Ended::Status(code)
    }

    /// The line has ended: its wrapper, while it lives, is about to write the status.
    async fn last_word(&mut self, line: &ProcessId) -> Ended {
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

    fn family(&self, line: &ProcessId) -> Family {
        Family::new(line, self.folder.path())
    }

    /// SIGTERM to all process groups of what the line has started (job control, `timeout` and `setsid` make groups of
    /// their own), SIGKILL to what is left of them after the grace. The processes that are left even then.
    async fn terminate(&mut self, line: &ProcessId) -> Vec<u32> {
        self.folder.begin_stop();
        let mut family = self.family(line);
        let begun = Instant::now();
        let grace = Duration::from_millis(ShellDriver::GRACE_MS);
        let mut asked = BTreeSet::new();
        let mut pause = LOOK_FIRST;
        let mut empty = 0;
        loop {
            let left = family.look();
            // One look can miss a process that is started during it by one that ends during it.
            empty = if left.is_empty() { empty + 1 } else { 0 };
            if empty == 2 {
                break;
            }
            if begun.elapsed() > grace + KILLED_WITHIN {
                return left.iter().map(|member| member.pid).collect();
            }
            let kill = begun.elapsed() > grace;
            // The line's own group first: it must not go on with its next command when one is stopped.
            let groups: BTreeSet<_> =
                left.iter().map(|member| (member.group != line.pid, member.group)).collect();
            for (_, group) in groups {
                let Some(id) = i32::try_from(group).ok().and_then(Pid::from_raw) else { continue };
                // It may have ended just now; whether it has is what the next look tells.
                if kill {
                    let _ = kill_process_group(id, Signal::KILL);
                } else if asked.insert(group) {
                    let _ = kill_process_group(id, Signal::TERM);
                }
            }
            self.tail.pump(self.cx, false);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_MAX);
        }
        // The wrapper now writes the status; a later look at this try must find it.
        self.last_word(line).await;
        vec![]
    }
}
