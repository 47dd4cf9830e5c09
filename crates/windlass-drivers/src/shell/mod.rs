//! Shell lines, opaque or read-only.
//!
//! A line never runs as a child that dies with the controller. A small POSIX wrapper (`wrapper.sh`) runs it in a
//! session of its own and leaves all there is to know in the folder of the try: who runs it, its output, its exit
//! status. A controller, this one or the next, only looks at that folder. The wrapper needs nothing but a POSIX shell,
//! `setsid` and `/proc`, so that the same text serves a remote host.
//!
//! Whoever creates the link `claim` decides whether the line ever runs: the line itself as its last act before the
//! script, or `inspect`, after which a late wrapper finds it taken and ends.

mod family;
mod folder;
#[cfg(test)]
mod tests;
mod watch;

use crate::disk::{one_line, resolve};
use async_trait::async_trait;
pub(crate) use family::MARK;
use folder::Folder;
use std::{path::PathBuf, process::Stdio, time::Duration};
use tokio::{io::AsyncWriteExt as _, process::Command};
use watch::{Ended, Watch};
use windlass_driver::{Capsule, Context, Done, Driver, Failure, Fault, Found, Survey};
use windlass_plan::{Action, UndoBy, Unit, Way};

/// Runs shell lines on this machine.
///
/// A try without a timeout of its own may take [`ShellDriver::TIMEOUT_MS_DEFAULT`]. After a timeout all processes that
/// the line has started get SIGTERM, and SIGKILL after [`ShellDriver::GRACE_MS`]; `family` says how they are found and
/// which are not. Output passes to the watching person as it comes; the output file is cut when it passes 64 MiB.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShellDriver;

impl ShellDriver {
    /// Longest time of a try without a timeout of its own, milliseconds: a day.
    pub const TIMEOUT_MS_DEFAULT: u64 = 24 * 60 * 60 * 1000;
    /// Time between SIGTERM and SIGKILL, milliseconds.
    pub const GRACE_MS: u64 = 5_000;
}

/// What a shell unit asks for.
struct Line<'a> {
    script: &'a str,
    work: PathBuf,
    readonly: bool,
}

impl<'a> Line<'a> {
    fn of(cx: &Context, unit: &'a Unit) -> Result<Self, Failure> {
        let Action::Shell { script, dir, readonly } = &unit.action else {
            return Err(Failure::clean(
                Fault::Windlass,
                format!("unit {} was given to the shell driver, but is no shell line", unit.id),
            ));
        };
        if unit.host != "local" {
            return Err(Failure::clean(
                Fault::Document,
                format!("unit {}: shell lines run only on this machine, not on `{}`", unit.id, unit.host),
            ));
        }
        let work = std::path::absolute(resolve(&cx.base, dir.as_deref(), ""))
            .map_err(|error| Failure::clean(Fault::Transport, format!("no current folder: {error}")))?;
        Ok(Self { script, work, readonly: *readonly })
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
        survey.problems.extend(line.obstacle());
        if let Some(complaint) = syntax_error(line.script).await {
            survey.problems.push(format!("/bin/sh cannot read it: {}", cx.secrets.mask(&complaint)));
        }
        Ok(survey)
    }

    async fn capture(&self, cx: &Context, unit: &Unit) -> Result<Capsule, Failure> {
        Line::of(cx, unit)?;
        Ok(Capsule::default())
    }

    async fn apply(&self, cx: &Context, unit: &Unit, _capsule: &Capsule) -> Result<Done, Failure> {
        let line = Line::of(cx, unit)?;
        if let Some(obstacle) = line.obstacle() {
            return Err(Failure::clean(Fault::Target, format!("{obstacle}; the line was not started")));
        }
        let absolute = absolute(cx)?;
        let folder = if line.readonly { Folder::next(&absolute) } else { Folder::of(&absolute) };
        if !prepare(cx, unit, &line, &folder).await? {
            // Asked again for a try that was started: it is never started twice, its result is its result.
            let ended = Watch::new(cx, &folder, &line).follow(None).await;
            return report(cx, &folder, &line, ended);
        }
        let child = Command::new("setsid")
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
        report(cx, &folder, &line, ended)
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

    async fn inspect(&self, cx: &Context, unit: &Unit, _capsule: &Capsule, way: Way) -> Found {
        let line = match Line::of(cx, unit) {
            Ok(line) => line,
            Err(failure) => return Found::Unknown(failure.message),
        };
        if way == Way::Undo && line.readonly {
            return Found::Applied(Done::default());
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
        match report(cx, &folder, &line, ended) {
            Ok(done) => Found::Applied(done),
            Err(failure) if failure.effect == windlass_driver::Effect::Unknown => {
                Found::Unknown([vec![failure.message], failure.hints].concat().join("\n"))
            }
            Err(failure) => Found::Failed(failure),
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

/// The end of a line as an outcome.
fn report(cx: &Context, folder: &Folder, line: &Line<'_>, ended: Ended) -> Result<Done, Failure> {
    let mask = |text: &str| cx.secrets.mask(text);
    if !matches!(ended, Ended::Unreadable(_)) {
        folder.mask_files(&mask);
    }
    let output = folder.excerpt(&mask);
    let short = cx.secrets.mask(&line.short());
    let look = format!("its whole output: {}", folder.file("output").display());
    let changed = |message: String| {
        let last = output.lines().rfind(|text| !text.trim().is_empty());
        let last = last.map(|text| format!("; last output: {}", one_line(text, 200))).unwrap_or_default();
        let failure = if line.readonly {
            Failure::clean(Fault::Target, message + &last).retryable()
        } else {
            Failure::partial(Fault::Target, message + &last)
        };
        failure.hint(&look).output(&output)
    };
    match ended {
        Ended::Status(0) => {
            Ok(Done { changed: !line.readonly, effects: vec![], output, facts: serde_json::Value::Null })
        }
        Ended::Status(code) => Err(changed(format!("`{short}` ended with {}", exit_text(code)))),
        Ended::TimedOut(limit_ms) => Err(changed(format!(
            "`{short}` did not end within {:.1} s and was stopped with all processes that it had started",
            limit_ms as f64 / 1000.0
        ))),
        Ended::Stopped => Err(changed(format!("`{short}` only reads and was stopped as asked")).hint("run it again")),
        Ended::Survived(left) => Err(survived(&short, &left).hint(&look).output(&output)),
        Ended::NeverRan => Err(Failure::clean(
            Fault::Transport,
            format!("`{short}` was not started: its wrapper ended or did not begin in time; it cannot start any more"),
        )
        .retryable()
        .hint(format!("see {} and whether the machine is out of processes or disk", folder.path().display()))),
        Ended::Lost(pid) if line.readonly => {
            Err(changed(format!("`{short}` (process {pid}) ended without an exit status; it only reads")))
        }
        Ended::Lost(pid) => Err(Failure::unknown(
            Fault::Target,
            format!(
                "`{short}` was started as process {pid}, which runs no more, but left no exit status (its wrapper was \
                 killed, or the machine went down): how far it came is not known"
            ),
        )
        .hint(format!("see what it wrote: cat {}", folder.file("output").display()))
        .hint(format!("see what it should do: cat {}", folder.file("script").display()))
        .hint("then say how it went on: retry (it had no effect, or may be repeated), mark done, skip, or unwind")
        .output(&output)),
        Ended::Unreadable(why) => Err(Failure::unknown(
            Fault::Transport,
            format!("cannot tell whether `{short}` ran: {why}"),
        )
        .hint(format!("make {} readable and writable again, then resume", folder.path().display()))),
    }
}

/// A line that was to be stopped and of which processes are left.
fn survived(short: &str, left: &[u32]) -> Failure {
    let pids: Vec<_> = left.iter().take(20).map(u32::to_string).collect();
    Failure::unknown(
        Fault::Target,
        format!(
            "`{short}` was to be stopped, but of the processes that it started these still run and may still change \
             things: {}",
            pids.join(", ")
        ),
    )
    .hint(format!("see what they do: ps -o pid,stat,user,args -p {}", pids.join(",")))
    .hint(format!("end them: kill -KILL {} (as root if they are another user's)", pids.join(" ")))
    .hint("once none is left, say how it went on: retry (it may be repeated), mark done, skip, or unwind")
}

/// An exit status in words.
fn exit_text(code: i32) -> String {
    let signal = match code {
        126 => return "exit status 126 (found, but cannot be run)".to_owned(),
        127 => return "exit status 127 (a command was not found)".to_owned(),
        129 => "SIGHUP",
        130 => "SIGINT",
        131 => "SIGQUIT",
        132 => "SIGILL",
        134 => "SIGABRT",
        136 => "SIGFPE",
        137 => "SIGKILL",
        139 => "SIGSEGV",
        141 => "SIGPIPE",
        143 => "SIGTERM",
        153 => "SIGXFSZ",
        _ => return format!("exit status {code}"),
    };
    format!("exit status {code} ({signal})")
}
