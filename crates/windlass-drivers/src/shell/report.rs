//! How a line ended, as an outcome with words for a person.

use super::{
    Line,
    folder::Folder,
    remote::{Kept, Outcome},
    watch::Ended,
};
use crate::{
    disk::one_line,
    host::{self, Host},
};
use windlass_driver::{Context, Done, Failure, Fault};

/// What a line left behind, and where.
pub(super) struct Trace {
    /// Excerpt of its output, masked.
    output: String,
    /// Its folder.
    folder: String,
    /// What a person types before a command to run it there: nothing, or `ssh HOST `.
    shell: String,
    /// What became of its output, if that holds a secret.
    secret: Option<Kept>,
    /// The host, for messages: ` on HOST`.
    place: String,
}

impl Trace {
    pub(super) fn remote(host: &Host, outcome: &Outcome) -> Self {
        Self {
            output: outcome.output.clone(),
            folder: outcome.folder.clone().unwrap_or_else(|| "its folder there".to_owned()),
            shell: format!("{} ", host.ssh()),
            secret: outcome.secret,
            place: format!(" on {}", host.name),
        }
    }

    fn cat(&self, file: &str) -> String {
        format!("{}cat {}", self.shell, host::word(&format!("{}/{file}", self.folder)))
    }
}

/// The end of a line of this machine as an outcome.
pub(super) fn report_here(
    cx: &Context,
    folder: &Folder,
    line: &Line<'_>,
    ended: Ended,
) -> Result<Done, Failure> {
    let mask = |text: &str| cx.secrets.mask(text);
    if !matches!(ended, Ended::Unreadable(_)) {
        folder.mask_files(&mask);
    }
    let trace = Trace {
        output: folder.excerpt(&mask),
        folder: folder.path().display().to_string(),
        shell: String::new(),
        secret: None,
        place: String::new(),
    };
    report(cx, &trace, line, ended)
}

/// The end of a line as an outcome.
pub(super) fn report(cx: &Context, trace: &Trace, line: &Line<'_>, ended: Ended) -> Result<Done, Failure> {
    let Trace { output, place, .. } = trace;
    let short = format!("`{}`{place}", cx.secrets.mask(&line.short()));
    let look = match trace.secret {
        None => format!("its whole output: {}", trace.cat("output")),
        Some(Kept::Removed) => "its output held a secret and was removed there".to_owned(),
        Some(Kept::MayBeThere) => format!(
            "its output holds a secret and could not be removed there: {}rm {}",
            trace.shell,
            host::word(&format!("{}/output", trace.folder))
        ),
    };
    let changed = |message: String| {
        let last = output.lines().rfind(|text| !text.trim().is_empty());
        let last = last.map(|text| format!("; last output: {}", one_line(text, 200))).unwrap_or_default();
        let failure = if line.readonly {
            Failure::clean(Fault::Target, message + &last).retryable()
        } else {
            Failure::partial(Fault::Target, message + &last)
        };
        failure.hint(&look).output(output)
    };
    match ended {
        Ended::Status(0) => {
            let output = output.clone();
            let kept = trace.secret == Some(Kept::MayBeThere);
            let effects = if kept { vec![look] } else { vec![] };
            Ok(Done { changed: !line.readonly, effects, output, facts: serde_json::Value::Null })
        }
        Ended::Status(code) => Err(changed(format!("{short} ended with {}", exit_text(code)))),
        Ended::TimedOut(limit_ms) => Err(changed(format!(
            "{short} did not end within {:.1} s and was stopped with all processes that it had started",
            limit_ms as f64 / 1000.0
        ))),
        Ended::Stopped => Err(changed(format!("{short} only reads and was stopped as asked")).hint("run it again")),
        Ended::Survived(left) => Err(survived(&short, &left, &trace.shell).hint(&look).output(output)),
        Ended::NeverRan => Err(Failure::clean(
            Fault::Transport,
            format!("{short} was not started: its wrapper ended or did not begin in time; it cannot start any more"),
        )
        .retryable()
        .hint(format!("see {} and whether the machine is out of processes or disk", trace.folder))),
        Ended::Lost(pid) if line.readonly => {
            Err(changed(format!("{short} (process {pid}) ended without an exit status; it only reads")))
        }
        Ended::Lost(pid) => Err(Failure::unknown(
            Fault::Target,
            format!(
                "{short} was started as process {pid}, which runs no more, but left no exit status (its wrapper was \
                 killed, or the machine went down): how far it came is not known"
            ),
        )
        .hint(format!("see what it wrote: {}", trace.cat("output")))
        .hint(format!("see what it should do: {}", trace.cat("script")))
        .hint("then say how it went on: retry (it had no effect, or may be repeated), mark done, skip, or unwind")
        .output(output)),
        Ended::Unreadable(why) => Err(Failure::unknown(
            Fault::Transport,
            format!("cannot tell whether {short} ran: {why}"),
        )
        .hint(format!("make {} readable and writable again, then resume", trace.folder))),
        Ended::OutOfReach(why) => Err(out_of_reach(&short, &why, trace, line.readonly)),
    }
}

/// A line on a host that cannot be reached any more.
fn out_of_reach(short: &str, why: &str, trace: &Trace, readonly: bool) -> Failure {
    let message = format!("{short}: the connection was lost and does not come back: {}", one_line(why, 200));
    if readonly {
        return Failure::clean(Fault::Transport, message).retryable().output(&trace.output);
    }
    Failure::unknown(Fault::Transport, message + "; the line goes on there without it")
        .hint("when the host answers again: windlass resume; it takes the result as the line left it there")
        .output(&trace.output)
}

/// A line that was to be stopped and of which processes are left.
fn survived(short: &str, left: &[u32], shell: &str) -> Failure {
    let pids: Vec<_> = left.iter().take(20).map(u32::to_string).collect();
    Failure::unknown(
        Fault::Target,
        format!(
            "{short} was to be stopped, but of the processes that it started these still run and may still change \
             things: {}",
            pids.join(", ")
        ),
    )
    .hint(format!("see what they do: {shell}ps -o pid,stat,user,args -p {}", pids.join(",")))
    .hint(format!("end them: {shell}kill -KILL {} (as root if they are another user's)", pids.join(" ")))
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
