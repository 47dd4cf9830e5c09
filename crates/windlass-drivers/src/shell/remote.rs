//! A line on another host: started, followed and stopped by `remote.sh` there, in a folder there. A cut connection neither
//! ends the line nor loses its result: it is made anew, and the output goes on where it stopped.

use super::{
    Line,
    folder::{Lines, OUTPUT_FILE_BYTES_MAX, WRAPPER},
    watch::Ended,
};
use crate::host::{Call, End, Event, Host, Hosts};
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use windlass_driver::{Capsule, Context, Failure};
use windlass_plan::Unit;

const SCRIPT: &str = include_str!("remote.sh");

/// A host that cannot be reached again for this long is given up; the line goes on, and `resume` asks again.
const RECONNECT_WITHIN: Duration = Duration::from_secs(120);
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Bytes at the beginning and at the end of the output that are kept for the excerpt.
const EDGE: usize = 64 * 1024;

/// Tries to remove output in which a secret was seen.
const FORGET_TRIES: u32 = 3;

/// What a line on a host came to.
pub(super) struct Outcome {
    pub(super) ended: Ended,
    /// Excerpt of its output, masked.
    pub(super) output: String,
    /// Its folder on the host, once that is known.
    pub(super) folder: Option<String>,
    /// A secret was seen in its output.
    pub(super) secret: Option<Kept>,
}

/// What became of output in which a secret was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// It was removed.
    Removed,
    /// It may still be there.
    MayBeThere,
}

/// One try of a line.
pub(super) struct Remote<'a> {
    cx: &'a Context,
    hosts: &'a Hosts,
    host: &'a Host,
    line: &'a Line<'a>,
    unit: &'a Unit,
    limit_ms: u64,
    /// Who was to start it, and where, as `identify` said it.
    expected: String,
}

/// What was heard of a line so far.
#[derive(Default)]
struct Heard {
    identity: Option<String>,
    folder: Option<String>,
    obstacle: Option<String>,
    ended: Option<Ended>,
    problems: Vec<String>,
    /// It was followed since this was asked last.
    followed: bool,
    seen: Seen,
    lines: Lines,
}

impl<'a> Remote<'a> {
    pub(super) fn new(
        cx: &'a Context,
        (hosts, host): (&'a Hosts, &'a Host),
        unit: &'a Unit,
        line: &'a Line<'a>,
        capsule: &Capsule,
    ) -> Self {
        let limit_ms = cx.timeout_ms.unwrap_or(super::ShellDriver::TIMEOUT_MS_DEFAULT);
        let expected = capsule.0["identity"].as_str().unwrap_or_default().to_owned();
        Self { cx, hosts, host, line, unit, limit_ms, expected }
    }

    /// Why it would fail if it ran now.
    pub(super) async fn survey(&self) -> Result<Vec<String>, Failure> {
        Ok(self.asked("survey").await?.problems)
    }

    /// Who starts it, and where: only they can tell later what became of it.
    pub(super) async fn capture(&self) -> Result<Capsule, Failure> {
        let identity = self.asked("identify").await?.identity.unwrap_or_default();
        Ok(Capsule(serde_json::json!({ "identity": identity })))
    }

    /// A short question, asked once more when the connection has ended since it was used last.
    async fn asked(&self, what: &str) -> Result<Heard, Failure> {
        let mut call = Call::to(self.hosts, self.host, None).await?;
        let mut last = String::new();
        for _ in 0..2 {
            let mut heard = Heard::default();
            match self.call(&call, what, &mut heard).await {
                End::Whole => return Ok(heard),
                End::Cut(why) => last = why,
            }
            call = Call::to(self.hosts, self.host, Some(&call)).await?;
        }
        let message = format!("the connection to {} broke: {last}", self.host.name);
        Err(Failure::clean(windlass_driver::Fault::Transport, self.cx.secrets.mask(&message)).retryable())
    }

    /// Starts it, or goes on with it if this try was started before. `Err`: it was certainly not started.
    pub(super) async fn start(&self) -> Result<Outcome, Failure> {
        self.follow("start").await
    }

    /// What became of it; what was not started never will be. `Err`: the host cannot be asked.
    pub(super) async fn inspect(&self) -> Result<Outcome, Failure> {
        self.follow("inspect").await
    }

    async fn follow(&self, what: &str) -> Result<Outcome, Failure> {
        let mut heard = Heard::default();
        let mut call = Call::to(self.hosts, self.host, None).await?;
        let mut broken: Option<Instant> = None;
        let (mut pause, mut what) = (PAUSE_FIRST, what);
        loop {
            let now = if heard.folder.is_some() { "follow" } else { what };
            let why = match self.watched(&call, now, &mut heard).await {
                End::Whole => "it ended without a word".to_owned(),
                End::Cut(why) => why,
            };
            if let Some(ended) = heard.ended.take() {
                return Ok(self.outcome(&call, heard, ended).await);
            }
            if let Some(obstacle) = heard.obstacle.take() {
                if broken.is_some() {
                    // An earlier try of this may have come through and be what is in the way.
                    what = "inspect";
                    continue;
                }
                let message = format!("{}: {obstacle}; the line was not started", self.host.name);
                return Err(Failure::clean(windlass_driver::Fault::Target, self.cx.secrets.mask(&message)));
            }
            if std::mem::take(&mut heard.followed) {
                (broken, pause) = (None, PAUSE_FIRST);
            }
            let since = *broken.get_or_insert_with(Instant::now);
            if since.elapsed() > RECONNECT_WITHIN || self.cx.stopping.asked() {
                let ended = Ended::OutOfReach(why);
                return Ok(self.outcome(&call, heard, ended).await);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
            // The next round finds out when this one cannot connect either.
            if let Ok(next) = Call::to(self.hosts, self.host, Some(&call)).await {
                call = next;
            }
        }
    }

    /// A call that is told when a person asked to stop what only reads.
    async fn watched(&self, call: &Call, what: &str, heard: &mut Heard) -> End {
        if !self.line.readonly {
            return self.call(call, what, heard).await;
        }
        let folder = Mutex::new(heard.folder.clone());
        let run = self.call_noting(call, what, heard, &folder);
        tokio::pin!(run);
        tokio::select! {
            end = &mut run => return end,
            () = self.cx.stopping.stopped() => {}
        }
        loop {
            let known = folder.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let stop = async {
                if let Some(known) = &known {
                    let variables = self.variables("stop", 0, Some(known));
                    call.run(&variables, SCRIPT, |_| {}).await;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            };
            // Once more each second: neither may the folder be known yet nor every word arrive.
            tokio::select! {
                end = &mut run => return end,
                () = stop => {}
            }
        }
    }

    async fn call(&self, call: &Call, what: &str, heard: &mut Heard) -> End {
        self.call_noting(call, what, heard, &Mutex::default()).await
    }

    async fn call_noting(
        &self,
        call: &Call,
        what: &str,
        heard: &mut Heard,
        folder: &Mutex<Option<String>>,
    ) -> End {
        let variables = self.variables(what, heard.seen.total, heard.folder.as_deref());
        call.run(&variables, SCRIPT, |event| match event {
            Event::Output(bytes) => {
                heard.followed = true;
                heard.lines.add(self.cx, &bytes);
                heard.seen.add(&bytes);
            }
            Event::Said(word, rest) => {
                if word == "folder" {
                    *folder.lock().unwrap_or_else(PoisonError::into_inner) = Some(rest.clone());
                }
                heard.say(&word, rest, self.limit_ms);
            }
        })
        .await
    }

    fn variables(&self, what: &str, offset: u64, folder: Option<&str>) -> Vec<(&'static str, String)> {
        let readonly = if self.line.readonly { "yes" } else { "" };
        let mut variables = vec![
            ("what", what.to_owned()),
            ("expected", self.expected.clone()),
            ("run", self.cx.run.clone()),
            ("unit", self.unit.id.0.replace('/', ",")),
            ("unit_name", self.unit.id.0.clone()),
            ("attempt", self.cx.attempt.to_string()),
            ("readonly", readonly.to_owned()),
            ("work", self.line.remote_work()),
            ("limit_ms", self.limit_ms.to_string()),
            ("offset", offset.to_string()),
            ("output_bytes_max", OUTPUT_FILE_BYTES_MAX.to_string()),
            ("follow_folder", folder.unwrap_or_default().to_owned()),
        ];
        if what == "survey" {
            let mut words = self.line.script.split(|c: char| c.is_whitespace() || ";&|(".contains(c));
            let sudo = words.any(|word| word == "sudo");
            variables.push(("uses_sudo", if sudo { "yes" } else { "" }.to_owned()));
        }
        if matches!(what, "start" | "survey") {
            variables.push(("line_script", self.line.script.to_owned()));
            variables.push(("wrapper_script", WRAPPER.to_owned()));
        }
        variables
    }

    /// The end; output that holds a secret does not stay on the host.
    async fn outcome(&self, call: &Call, mut heard: Heard, ended: Ended) -> Outcome {
        heard.lines.pass(self.cx, true);
        let raw = heard.seen.text();
        let masked = self.cx.secrets.mask(&raw);
        let mut secret = (heard.lines.masked() || masked != raw).then_some(Kept::MayBeThere);
        let over = !matches!(ended, Ended::Unreadable(_) | Ended::OutOfReach(_) | Ended::Survived(_));
        if over && secret.is_some() && self.forget(call, heard.folder.as_deref()).await {
            secret = Some(Kept::Removed);
        }
        Outcome { ended, output: windlass_driver::excerpt(&masked), folder: heard.folder, secret }
    }

    async fn forget(&self, call: &Call, folder: Option<&str>) -> bool {
        let variables = self.variables("forget", 0, folder);
        let mut now = None;
        for _ in 0..FORGET_TRIES {
            let call = now.as_ref().unwrap_or(call);
            if call.run(&variables, SCRIPT, |_| {}).await == End::Whole {
                return true;
            }
            match Call::to(self.hosts, self.host, Some(call)).await {
                Ok(next) => now = Some(next),
                Err(_) => return false,
            }
        }
        false
    }
}

impl Heard {
    fn say(&mut self, word: &str, rest: String, limit_ms: u64) {
        let number = || rest.trim().parse::<u32>().unwrap_or_default();
        let ended = match word {
            "identity" => return self.identity = Some(rest),
            "folder" => return self.folder = Some(rest),
            "beat" => return self.followed = true,
            "obstacle" => return self.obstacle = Some(rest),
            "problem" => return self.problems.push(rest),
            // The file begins again; what was seen of it stays seen.
            "cut" => return self.seen.total = 0,
            "status" => match rest.trim().parse() {
                Ok(code) => Ended::Status(code),
                Err(_) => Ended::Unreadable(format!("its exit status reads `{rest}`")),
            },
            "never" => Ended::NeverRan,
            "lost" => Ended::Lost(number()),
            "timedout" => Ended::TimedOut(limit_ms),
            "stopped" => Ended::Stopped,
            "survived" => Ended::Survived(rest.split(' ').filter_map(|pid| pid.parse().ok()).collect()),
            "unreadable" => Ended::Unreadable(rest),
            _ => return,
        };
        self.ended = Some(ended);
    }
}

/// Beginning and end of an output, in bounded memory.
#[derive(Default)]
struct Seen {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    /// Bytes of the file as it is now that were seen.
    total: u64,
    left_out: u64,
}

impl Seen {
    fn add(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = (EDGE - self.head.len().min(EDGE)).min(bytes.len());
        let (head, rest) = bytes.split_at(room);
        self.head.extend_from_slice(head);
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(EDGE);
        self.tail.drain(..over);
        self.left_out += over as u64;
    }

    fn text(&self) -> String {
        let (front, back) = self.tail.as_slices();
        if self.left_out == 0 {
            return String::from_utf8_lossy(&[&self.head, front, back].concat()).into_owned();
        }
        let (head, tail) = (String::from_utf8_lossy(&self.head), [front, back].concat());
        let tail = String::from_utf8_lossy(&tail);
        format!("{head}\n… {} bytes left out …\n{tail}", self.left_out)
    }
}

#[cfg(test)]
mod tests;
