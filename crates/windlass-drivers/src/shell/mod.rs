//! Shell lines, opaque or read-only.
//!
//! A line never runs as a child that dies with the controller. A small POSIX wrapper (`wrapper.sh`) runs it in a
//! session of its own and leaves all there is to know in the folder of the try: who runs it, its output, its exit
//! status. A controller, this one or the next, only looks at that folder. The wrapper needs nothing but a POSIX shell,
//! `setsid` and `/proc`, so that the same text serves a remote host.
//!
//! Whoever creates the link `claim` decides whether the line ever runs: the line itself as its last act before the
//! script, or `inspect`, after which a late wrapper finds it taken and ends.

mod database;
mod family;
mod folder;
mod remote;
mod report;
#[cfg(test)]
mod tests;
mod watch;

use crate::{
    disk::{one_line, resolve},
    host::{self, Host, Hosts},
};
use async_trait::async_trait;
pub(crate) use family::MARK;
use folder::Folder;
use remote::{Outcome, Remote};
use report::{Trace, report, report_here};
use std::{path::PathBuf, process::Stdio, time::Duration};
use tokio::{io::AsyncWriteExt as _, process::Command};
use watch::{Ended, Watch};
use windlass_driver::{Capsule, Context, Done, Driver, Failure, Fault, Found, Survey};
use windlass_plan::{Action, UndoBy, Unit, Way};

/// Runs shell lines on this machine, and on other hosts by `ssh`.
///
/// A try without a timeout of its own may take [`ShellDriver::TIMEOUT_MS_DEFAULT`]. After a timeout all processes that
/// the line has started get SIGTERM, and SIGKILL after [`ShellDriver::GRACE_MS`]; `family` says how they are found and
/// which are not. Output passes to the watching person as it comes; the output file is cut when it passes 64 MiB.
#[derive(Clone, Debug, Default)]
pub struct ShellDriver {
    hosts: Hosts,
}

impl ShellDriver {
    /// Over these connections.
    #[must_use]
    pub fn new(hosts: Hosts) -> Self {
        Self { hosts }
    }

    /// Longest time of a try without a timeout of its own, milliseconds: a day.
    pub const TIMEOUT_MS_DEFAULT: u64 = 24 * 60 * 60 * 1000;
    /// Time between SIGTERM and SIGKILL, milliseconds.
    pub const GRACE_MS: u64 = 5_000;
}

/// What a shell unit asks for.
struct Line<'a> {
    script: &'a str,
    /// Folder of the target as it is written.
    dir: Option<&'a str>,
    /// Absolute; on this machine.
    work: PathBuf,
    readonly: bool,
    database: Option<&'a str>,
    /// None: this machine.
    host: Option<Host>,
}

impl<'a> Line<'a> {
    fn of(cx: &Context, unit: &'a Unit) -> Result<Self, Failure> {
        let Action::Shell { script, dir, readonly, database } = &unit.action else {
            return Err(Failure::clean(
                Fault::Windlass,
                format!("unit {} was given to the shell driver, but is no shell line", unit.id),
            ));
        };
        let work = std::path::absolute(resolve(&cx.base, dir.as_deref(), ""))
            .map_err(|error| Failure::clean(Fault::Transport, format!("no current folder: {error}")))?;
        let (dir, database) = (dir.as_deref(), database.as_deref());
        Ok(Self { script, dir, work, readonly: *readonly, database, host: Host::of(cx, unit) })
    }

    /// The database in which what it changes is recorded.
    fn recorded(&self) -> Option<&'a str> {
        self.database.filter(|_| !self.readonly)
    }

    /// The working folder on a host: absolute, or below the home folder there.
    fn remote_work(&self) -> String {
        self.dir.unwrap_or(".").to_owned()
    }

    /// Why it cannot start.
    fn obstacle(&self) -> Option<String> {
        match std::fs::metadata(&self.work) {
            Ok(meta) if meta.is_dir() => None,
            Ok(_) => Some(format!("the working folder {} is not a folder", self.work.display())),
            Err(error) => Some(format!("the working folder {}: {error}", self.work.display())),
        }
    }

    /// The line for a message.
    fn short(&self) -> String {
        one_line(self.script, 120)
    }
}

#[async_trait]
impl Driver for ShellDriver {
    async fn survey(&self, cx: &Context, unit: &Unit) -> Result<Survey, Failure> {
        let line = Line::of(cx, unit)?;
        let mut survey = Survey::default();
        if let Some(host) = &line.host {
            survey.problems = match self.remote(cx, host, unit, &line, &Capsule::default())?.survey().await {
                Ok(problems) => problems,
                // A host that may answer a minute later is no reason not to begin; one that never will is.
                Err(failure) if failure.retry => return Err(failure),
                Err(failure) => vec![failure.whole("; ")],
            };
            survey.problems.iter_mut().for_each(|problem| *problem = cx.secrets.mask(problem));
            return Ok(survey);
        }
        survey.problems.extend(line.obstacle());
        if let Some(Err(failure)) = line.database.map(|target| database::url(cx, target)) {
            survey.problems.push(cx.secrets.mask(&failure.message));
        }
        for tool in missing_tools(line.script).await {
            survey.problems.push(format!("it needs {tool}, which is not on this machine"));
        }
        if let Some(complaint) = syntax_error(line.script).await {
            survey.problems.push(format!("/bin/sh cannot read it: {}", cx.secrets.mask(&complaint)));
        }
        Ok(survey)
    }

    async fn capture(&self, cx: &Context, unit: &Unit) -> Result<Capsule, Failure> {
        let line = Line::of(cx, unit)?;
        if let Some(host) = line.host.as_ref().filter(|_| !line.readonly) {
            return self.remote(cx, host, unit, &line, &Capsule::default())?.capture().await;
        }
        match line.recorded() {
            Some(target) => database::before(cx, target).await,
            None => Ok(Capsule::default()),
        }
    }

    async fn apply(&self, cx: &Context, unit: &Unit, capsule: &Capsule) -> Result<Done, Failure> {
        let line = Line::of(cx, unit)?;
        if let Some(host) = &line.host {
            let outcome = self.remote(cx, host, unit, &line, capsule)?.start().await?;
            return report(cx, &Trace::remote(host, &outcome), &line, outcome.ended);
        }
        if let Some(obstacle) = line.obstacle() {
            return Err(Failure::clean(Fault::Target, format!("{obstacle}; the line was not started")));
        }
        let handed = line.database.map(|target| database::url(cx, target)).transpose()?;
        let absolute = absolute(cx)?;
        let folder = if line.readonly { Folder::next(&absolute) } else { Folder::of(&absolute) };
        if !prepare(cx, unit, &line, &folder).await? {
            // Asked again for a try that was started: it is never started twice, its result is its result.
            let ended = Watch::new(cx, &folder, &line).follow(None).await;
            return with_database(cx, &line, capsule, &folder, report_here(cx, &folder, &line, ended)).await;
        }
        let mut command = Command::new("setsid");
        if let Some((url, _)) = handed {
            command.env(database::VARIABLE, url);
        }
        let child = command
            .args(["/bin/sh".as_ref(), folder.file("run").as_os_str(), "wrapper".as_ref()])
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| {
                Failure::clean(
                    Fault::Transport,
                    format!("cannot start `setsid`: {error}; the line was not started"),
                )
                .hint("setsid is part of util-linux; install it or put it into PATH")
            })?;
        let ended = Watch::new(cx, &folder, &line).follow(Some(child)).await;
        with_database(cx, &line, capsule, &folder, report_here(cx, &folder, &line, ended)).await
    }

    async fn undo(
        &self,
        _cx: &Context,
        unit: &Unit,
        _capsule: &Capsule,
        _done: Option<&Done>,
    ) -> Result<Done, Failure> {
        match unit.undo.by {
            UndoBy::Nothing => Ok(Done::default()),
            _ => Err(Failure::clean(
                Fault::Windlass,
                format!(
                    "unit {}: a shell line is undone by its hand-written undo, not by the driver",
                    unit.id
                ),
            )),
        }
    }

    async fn inspect(&self, cx: &Context, unit: &Unit, capsule: &Capsule, way: Way) -> Found {
        let line = match Line::of(cx, unit) {
            Ok(line) => line,
            Err(failure) => return Found::Unknown(failure.message),
        };
        if way == Way::Undo && line.readonly {
            return Found::Applied(Done::default());
        }
        if let Some(host) = &line.host {
            let asked = match self.remote(cx, host, unit, &line, capsule) {
                Ok(remote) => remote.inspect().await,
                Err(failure) => Err(failure),
            };
            return match asked {
                Ok(Outcome { ended: Ended::NeverRan, .. }) => Found::NotApplied,
                Ok(outcome) => {
                    let trace = Trace::remote(host, &outcome);
                    found(report(cx, &trace, &line, outcome.ended))
                }
                Err(failure) => Found::Unknown(failure.whole("\n")),
            };
        }
        let folder = match absolute(cx) {
            Ok(cx) => Folder::of(&cx),
            Err(failure) => return Found::Unknown(failure.message),
        };
        match std::fs::symlink_metadata(folder.path()) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Found::NotApplied,
            Err(error) => {
                return Found::Unknown(format!("cannot look into {}: {error}", folder.path().display()));
            }
        }
        let ended = Watch::new(cx, &folder, &line).follow(None).await;
        if matches!(ended, Ended::NeverRan) {
            return Found::NotApplied;
        }
        found(with_database(cx, &line, capsule, &folder, report_here(cx, &folder, &line, ended)).await)
    }
}

impl ShellDriver {
    fn remote<'a>(
        &'a self,
        cx: &'a Context,
        host: &'a Host,
        unit: &'a Unit,
        line: &'a Line<'a>,
        capsule: &Capsule,
    ) -> Result<Remote<'a>, Failure> {
        if let Some(file) = host::missing_config(host) {
            let message = format!("there is no file {}, which `ssh_config` names", file.display());
            return Err(Failure::clean(Fault::Document, message));
        }
        Ok(Remote::new(cx, (&self.hosts, host), unit, line, capsule))
    }
}

/// A report as an answer to `inspect`.
fn found(report: Result<Done, Failure>) -> Found {
    match report {
        Ok(done) => Found::Applied(done),
        Err(failure) if failure.effect == windlass_driver::Effect::Unknown => {
            Found::Unknown(failure.whole("\n"))
        }
        Err(failure) => Found::Failed(failure),
    }
}

/// The outcome, with what it changed in its database, whether it succeeded or not.
async fn with_database(
    cx: &Context,
    line: &Line<'_>,
    capsule: &Capsule,
    folder: &Folder,
    outcome: Result<Done, Failure>,
) -> Result<Done, Failure> {
    let Some(target) = line.recorded() else { return outcome };
    let late_ms = folder.ended_ms_ago();
    match outcome {
        Ok(done) => {
            let Done { effects, facts, .. } = database::since(cx, target, capsule, late_ms).await;
            Ok(Done { effects: [done.effects, effects].concat(), facts, ..done })
        }
        Err(failure) if failure.effect == windlass_driver::Effect::None => Err(failure),
        Err(failure) => {
            let seen = database::since(cx, target, capsule, late_ms).await.effects;
            Err(seen.into_iter().fold(failure, Failure::hint))
        }
    }
}

/// `cx` with an absolute workspace: the wrapper does not run in the controller's folder.
fn absolute(cx: &Context) -> Result<Context, Failure> {
    let workspace = std::path::absolute(&cx.workspace)
        .map_err(|error| Failure::clean(Fault::Transport, format!("no current folder: {error}")))?;
    Ok(Context { workspace, ..cx.clone() })
}

/// False if this try was prepared before.
async fn prepare(cx: &Context, unit: &Unit, line: &Line<'_>, folder: &Folder) -> Result<bool, Failure> {
    let (cx, unit, script, work) = (absolute(cx)?, unit.clone(), line.script.to_owned(), line.work.clone());
    let path = folder.path().to_owned();
    let owned = folder.clone();
    let result = tokio::task::spawn_blocking(move || owned.prepare(&cx, &unit, &script, &work)).await;
    match result.expect("preparing a folder does not panic") {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(Failure::clean(
            Fault::Transport,
            format!("cannot write {}: {error}; the line was not started", path.display()),
        )
        .retryable()),
    }
}

/// Tools that findings hand tables over to. They are started by many a line that nobody wants to see fail in the middle.
const TOOLS: [&str; 3] = ["pt-online-schema-change", "gh-ost", "pg_repack"];

/// Those that begin a line of the script and are not there. Bounded: a shell that does not answer says nothing.
async fn missing_tools(script: &str) -> Vec<&'static str> {
    let begins = |tool: &&str| {
        script.lines().any(|line| line.split_whitespace().find(|word| *word != "sudo") == Some(*tool))
    };
    let mut missing = vec![];
    for tool in TOOLS.into_iter().filter(begins) {
        let mut look = Command::new("/bin/sh");
        look.args(["-c", "command -v \"$0\" >/dev/null", tool]).stdin(Stdio::null()).kill_on_drop(true);
        let status = tokio::time::timeout(Duration::from_secs(5), look.status()).await;
        if matches!(status, Ok(Ok(status)) if !status.success()) {
            missing.push(tool);
        }
    }
    missing
}

/// What `/bin/sh -n` says against the script, if anything. Bounded: a shell that does not answer is no complaint.
async fn syntax_error(script: &str) -> Option<String> {
    let mut child = Command::new("/bin/sh")
        .arg("-n")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let mut input = child.stdin.take()?;
    let check = async move {
        input.write_all(script.as_bytes()).await.ok();
        drop(input);
        child.wait_with_output().await.ok()
    };
    let output = tokio::time::timeout(Duration::from_secs(5), check).await.ok()??;
    (!output.status.success()).then(|| one_line(&String::from_utf8_lossy(&output.stderr), 300))
}
