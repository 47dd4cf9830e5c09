//! All that a line has started and that still runs, also outside of its session.
//!
//! Three signs, none of which needs root: the session of the line; the variable [`MARK`] with the folder of the try in
//! the environment with which a process was started (a line that calls `setsid` passes it on); and a parent that
//! belongs to the line. What was seen once stays known by id and start time, when its parent is gone too.
//!
//! What escapes all three: a process that was started with another environment by one that has ended before anyone
//! looked (`env -i setsid x &` at the end of a line), one that another program starts on the line's behalf
//! (`systemd-run`, `at`, a container engine), and on another host whatever the line does there.

use crate::process::{ProcessId, Stat, marked};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// Names the folder of the try in the environment of the line; `wrapper.sh` exports it.
pub(crate) const MARK: &str = "WINDLASS_TRY";

/// What a line has started.
pub(super) struct Family {
    line: ProcessId,
    folder: PathBuf,
    /// Id and start time of all that were ever seen.
    known: BTreeSet<(u32, u64)>,
}

/// A process of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Process id.
    pub(super) pid: u32,
    /// Its process group.
    pub(super) group: u32,
}

impl Family {
    /// Of the line that runs or ran as `line` in the folder of its try.
    pub(super) fn new(line: &ProcessId, folder: &Path) -> Self {
        Self { line: line.clone(), folder: folder.to_owned(), known: BTreeSet::new() }
    }

    /// Those that run now, oldest first; zombies do not.
    pub(super) fn look(&mut self) -> Vec<Member> {
        let Ok(all) = Stat::all() else {
            // Who cannot look must not say that all have ended.
            return vec![Member { pid: self.line.pid, group: self.line.pid }];
        };
        // An id is not given away again while a process has it as its session: with any of them left, these are its own.
        let own_session = !self.line.replaced();
        let us = std::process::id();
        let mut members: BTreeSet<u32> = BTreeSet::new();
        for stat in all.iter().filter(|stat| stat.pid != us) {
            let in_session = own_session && stat.session == self.line.pid;
            let known = self.known.contains(&(stat.pid, stat.started_ticks));
            if in_session || known || marked(stat.pid, MARK, &self.folder) {
                members.insert(stat.pid);
            }
        }
        // A child may be listed before its parent, so until nothing is added any more.
        let mut before = 0;
        while before < members.len() {
            before = members.len();
            let children = all.iter().filter(|stat| members.contains(&stat.parent) && stat.pid != us);
            members.extend(children.map(|stat| stat.pid).collect::<Vec<_>>());
        }
        let mut running: Vec<&Stat> =
            all.iter().filter(|stat| members.contains(&stat.pid) && stat.runs()).collect();
        running.sort_by_key(|stat| (stat.started_ticks, stat.pid));
        self.known.extend(running.iter().map(|stat| (stat.pid, stat.started_ticks)));
        running.into_iter().map(|stat| Member { pid: stat.pid, group: stat.group }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::wait_until;
    use std::process::{Child, Command};

    fn leader() -> (Child, ProcessId) {
        let child = Command::new("setsid").args(["sleep", "1000"]).spawn().unwrap();
        let of = |stat: &Stat| stat.pid == child.id() && stat.session == child.id();
        wait_until("its session", || Stat::all().unwrap().iter().any(of));
        let id = ProcessId::of(child.id()).unwrap();
        (child, id)
    }

    #[test]
    fn the_session_of_a_reused_number_or_of_another_boot_is_not_its_own() {
        let (mut child, line) = leader();
        let reused = ProcessId { started_ticks: line.started_ticks + 1, ..line.clone() };
        let before = ProcessId { boot: "before".into(), ..line.clone() };
        let seen = [&line, &reused, &before].map(|line| Family::new(line, Path::new("/none")).look());
        child.kill().unwrap();
        child.wait().unwrap();
        let pid = line.pid;
        assert_eq!(seen, [vec![Member { pid, group: pid }], vec![], vec![]]);
        assert_eq!(Family::new(&line, Path::new("/none")).look(), []);
    }

    #[test]
    fn what_was_seen_once_is_known_when_its_parent_is_gone() {
        let script = "env -i setsid sleep 1000 & echo $!; read _";
        let mut shell = Command::new("setsid")
            .args(["sh", "-c", script])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut escaped = String::new();
        let mut output = std::io::BufReader::new(shell.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut output, &mut escaped).unwrap();
        let escaped: u32 = escaped.trim().parse().unwrap();
        let alone = || Stat::all().unwrap().iter().any(|stat| stat.pid == escaped && stat.session == escaped);
        wait_until("a session of its own", alone);
        let line = ProcessId::of(shell.id()).unwrap();
        let mut family = Family::new(&line, Path::new("/none"));
        let with_parent: Vec<u32> = family.look().iter().map(|member| member.pid).collect();
        drop(shell.stdin.take());
        shell.wait().unwrap();
        let without: Vec<u32> = family.look().iter().map(|member| member.pid).collect();
        let stranger = Family::new(&line, Path::new("/none")).look();
        let id = ProcessId::of(escaped).unwrap();
        id.open().unwrap().unwrap().signal(rustix::process::Signal::KILL).unwrap();
        assert_eq!((with_parent, without), (vec![line.pid, escaped], vec![escaped]));
        assert_eq!(stranger, [], "the limit that the text above tells");
        wait_until("its end", || !id.alive());
        assert_eq!(family.look(), []);
    }
}
