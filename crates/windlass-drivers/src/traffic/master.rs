//! The master process of a server of this machine, and whether it has read its configuration again.
//!
//! nginx's master blocks its signals and waits for one in `sigsuspend`, which unblocks them (`ngx_master_process_cycle` in
//! `src/os/unix/ngx_process_cycle.c`). HAProxy's blocks them from the moment in which it begins a reload, through the execution of itself,
//! until it serves its workers again (`mworker_reload` and `mworker_loop` in `src/mworker.c`), and takes a signal out of its sleep. So while the
//! signal that asks for a reload is blocked either is at work, and when it is neither blocked nor pending and the master sleeps, every reload
//! that was asked for has ended (`/proc/PID/status` in proc(5)). Behind a reload there are new workers and the old ones were told to
//! finish; where the configuration was refused there is neither.

use super::file::refused;
use crate::{
    process::{ProcessId, Stat},
    service::FrontError,
};
use rustix::process::Signal;
use std::{fs, io, time::Duration};
use tokio::time::Instant;

/// How often is looked.
const EVERY: Duration = Duration::from_millis(10);
/// Longest reload. Reading a configuration with thousands of certificates takes seconds.
const RELOAD_MAX: Duration = Duration::from_secs(60);
/// A reload that was asked for and of which nothing is seen for so long was refused.
const NOTHING_SEEN: Duration = Duration::from_secs(1);

/// A running master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Master {
    id: ProcessId,
    /// Asks it to read its configuration again.
    signal: Signal,
}

/// Processes that it started: id and start time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Children(Vec<(u32, u64)>);

impl Children {
    /// Their process ids.
    pub fn pids(&self) -> impl Iterator<Item = u32> {
        self.0.iter().map(|(pid, _)| *pid)
    }

    /// Those that are not among others.
    pub fn without(&self, others: &Self) -> Self {
        Self(self.0.iter().filter(|one| !others.0.contains(one)).copied().collect())
    }
}

fn lost(error: &io::Error) -> FrontError {
    FrontError::Lost(error.to_string())
}

impl Master {
    /// The process `pid`, which `is_one` of its title says.
    ///
    /// # Errors
    /// It is none: why, for a person.
    pub fn of(pid: u32, signal: Signal, is_one: impl FnOnce(&str) -> bool) -> Result<Self, String> {
        let id = ProcessId::of(pid).map_err(|_| format!("there is no process {pid}"))?;
        let title = title(pid);
        if !is_one(&title) {
            return Err(format!("process {pid} is no such master: {title:?}"));
        }
        Ok(Self { id, signal })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.id.pid
    }

    /// Asks it to read its configuration again.
    ///
    /// # Errors
    /// It may not be asked.
    pub fn ask(&self) -> io::Result<()> {
        match self.id.open()? {
            Some(process) => process.signal(self.signal),
            None => Err(io::Error::new(io::ErrorKind::NotFound, "it has ended")),
        }
    }

    fn children(&self) -> io::Result<Children> {
        if !self.id.alive() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "it has ended"));
        }
        let all = Stat::all()?.into_iter().filter(|stat| stat.parent == self.id.pid && stat.runs());
        Ok(Children(all.map(|stat| (stat.pid, stat.started_ticks)).collect()))
    }

    /// Whether it waits for a signal: it works on no reload and was asked for none.
    fn is_calm(&self) -> io::Result<bool> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id.pid))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":"));
            line.map(str::trim).ok_or_else(|| {
                io::Error::other(format!("/proc does not say {name} of process {}", self.id.pid))
            })
        };
        let mut masks = 0;
        for name in ["SigBlk", "SigPnd", "ShdPnd"] {
            masks |= u64::from_str_radix(field(name)?, 16).map_err(io::Error::other)?;
        }
        let bit = 1_u64 << (self.signal.as_raw() - 1);
        Ok(field("State")?.starts_with('S') && masks & bit == 0)
    }

    /// Waits until every reload that somebody asked for has ended; its workers then. A reload asked for later reads what stands
    /// in the files now.
    pub async fn calm(&self) -> Result<Children, FrontError> {
        let begun = Instant::now();
        while !self.is_calm().map_err(|error| lost(&error))? {
            if begun.elapsed() > RELOAD_MAX {
                return Err(FrontError::Lost("is busy with a reload".to_owned()));
            }
            tokio::time::sleep(EVERY).await;
        }
        self.children().map_err(|error| lost(&error))
    }

    /// Watches the reload that is asked for behind `before`.
    pub fn watch<'a>(&'a self, before: &'a Children) -> Watch<'a> {
        Watch { master: self, before, begun: Instant::now(), nothing_since: None }
    }

    /// Waits until none of these is left, `within` at most; how many are then.
    pub async fn drained(&self, old: &Children, within: Duration) -> Result<usize, FrontError> {
        let begun = Instant::now();
        loop {
            let now = self.children().map_err(|error| lost(&error))?;
            let left = now.0.iter().filter(|one| old.0.contains(one)).count();
            if left == 0 || begun.elapsed() >= within {
                return Ok(left);
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// A reload that was asked for.
pub struct Watch<'a> {
    master: &'a Master,
    before: &'a Children,
    begun: Instant,
    /// The master waits for a signal, and no process is new.
    nothing_since: Option<Instant>,
}

impl Watch<'_> {
    /// Waits until its children may be those that serve from now on; all of them, old ones too. If they do not yet, ask again.
    ///
    /// # Errors
    /// The configuration was refused, or the reload does not end.
    pub async fn next(&mut self) -> Result<Children, FrontError> {
        loop {
            tokio::time::sleep(EVERY).await;
            let calm = self.master.is_calm().map_err(|error| lost(&error))?;
            let now = self.master.children().map_err(|error| lost(&error))?;
            let nothing = now.without(self.before).0.is_empty();
            if !calm || !nothing {
                self.nothing_since = None;
            } else if self.nothing_since.get_or_insert_with(Instant::now).elapsed() > NOTHING_SEEN {
                return Err(refused("it did not take its configuration; its error log says why"));
            }
            if self.begun.elapsed() > RELOAD_MAX {
                return Err(FrontError::Lost("did not end its reload".to_owned()));
            }
            if calm && !nothing {
                return Ok(now);
            }
        }
    }
}

/// What a process calls itself.
pub fn title(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim_end().to_owned()
}
