//! One place, this machine or a host: a program is run there, a file is read, written, removed.
//!
//! Whatever is asked is answered, or it is a [`Failure`] that names the place and says whether the effect is certain. A program
//! on a host goes over one session of the multiplexed connection; neither its words nor its environment nor its input are in
//! the list of processes of this machine. It has a session of its own there, and ends at its limit also when nobody listens
//! any more. What changes something and takes long is better a line (`shell/remote.rs`), whose end can be asked for later.

mod file;
mod here;
mod stream;
mod there;

pub use file::{Content, Expected, Standing};

use super::{Host, Hosts, Tunnel};
use std::{path::PathBuf, time::Duration};
use windlass_driver::{Context, Failure, Fault};
use windlass_plan::Unit;

/// A program that changes nothing is asked for again where the connection broke, in all this often.
const ASKED_MAX: u32 = 3;
/// What a process that is told to end gets until it is killed, and its output until nobody waits for it, seconds.
const GRACE_S: u64 = 5;

/// This machine, or a host.
#[derive(Clone, Debug)]
pub struct Place(Where);

#[derive(Clone, Debug)]
enum Where {
    Here,
    There(Hosts, Host),
}

/// What a program reads.
#[derive(Clone, Debug, Default)]
pub enum Input {
    /// Nothing: an empty file.
    #[default]
    Nothing,
    /// These bytes.
    Bytes(Vec<u8>),
    /// The content of a file of this machine.
    File(PathBuf),
}

/// A program, and what it may do.
#[derive(Clone, Debug)]
pub struct Program {
    argv: Vec<String>,
    dir: Option<String>,
    env: Vec<(String, String)>,
    input: Input,
    held: bool,
    limit: Duration,
    bytes_max: usize,
    changes: bool,
    save: Option<PathBuf>,
    title: Option<String>,
}

impl Program {
    /// A program and its arguments, as they are: no shell reads them.
    pub fn new<T: Into<String>>(argv: impl IntoIterator<Item = T>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            dir: None,
            env: vec![],
            input: Input::Nothing,
            held: false,
            limit: Duration::from_secs(60),
            bytes_max: 1024 * 1024,
            changes: true,
            save: None,
            title: None,
        }
    }

    /// Its working folder; on a host relative to the home of its user.
    #[must_use]
    pub fn dir(mut self, dir: Option<impl Into<String>>) -> Self {
        self.dir = dir.map(Into::into);
        self
    }

    /// With a variable; the value may be a secret.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// With something to read.
    #[must_use]
    pub fn input(mut self, input: Input) -> Self {
        self.input = input;
        self
    }

    /// Its input has no end: it stays open until the program ends by itself, for one that takes a closed input for a caller that
    /// went away.
    #[must_use]
    pub fn held(mut self) -> Self {
        self.held = true;
        self
    }

    /// It may take this long; then it is stopped with what it started in its session. One minute where nothing is said.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// So many bytes are kept of what it writes, of each stream, from the beginning. One MiB where nothing is said.
    #[must_use]
    pub fn bytes_max(mut self, bytes_max: usize) -> Self {
        self.bytes_max = bytes_max;
        self
    }

    /// It changes nothing, so that it may be asked for again.
    #[must_use]
    pub fn reads(mut self) -> Self {
        self.changes = false;
        self
    }

    /// All of its standard output goes into a new file of this machine instead.
    fn save(mut self, file: PathBuf) -> Self {
        self.save = Some(file);
        self
    }

    /// What people read instead of its words.
    pub(crate) fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// For people.
    fn name(&self) -> String {
        crate::disk::one_line(&self.title.clone().unwrap_or_else(|| self.argv.join(" ")), 80)
    }
}

/// What a program answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Its exit status, 128 and the signal if one ended it; 127: there is no such program, 126: it cannot be run.
    pub status: i32,
    /// What it wrote to standard output, up to the bound.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error, up to the bound.
    pub stderr: Vec<u8>,
    /// More came than was kept.
    pub cut: bool,
}

impl Answer {
    /// Whether it ended with status 0.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.status == 0
    }

    /// Standard output as text, without white space around it.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }

    /// Why it failed, on one line: the last line of standard error, else of standard output, else its status.
    #[must_use]
    pub fn complaint(&self) -> String {
        let last = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            text.lines().rfind(|line| !line.trim().is_empty()).map(|line| crate::disk::one_line(line, 300))
        };
        last(&self.stderr)
            .or_else(|| last(&self.stdout))
            .unwrap_or_else(|| format!("exit status {}", self.status))
    }
}

impl Place {
    /// Where a unit works.
    #[must_use]
    pub fn of(hosts: &Hosts, cx: &Context, unit: &Unit) -> Self {
        Self(match Host::of(cx, unit) {
            None => Where::Here,
            Some(host) => Where::There(hosts.clone(), host),
        })
    }

    /// A host of a target, or this machine.
    #[must_use]
    pub fn at(hosts: &Hosts, cx: &Context, target: &str, host: &str) -> Self {
        Self(match Host::at(cx, target, host) {
            None => Where::Here,
            Some(host) => Where::There(hosts.clone(), host),
        })
    }

    /// This machine.
    #[must_use]
    pub fn here() -> Self {
        Self(Where::Here)
    }

    /// Whether it is this machine.
    #[must_use]
    pub fn is_here(&self) -> bool {
        matches!(self.0, Where::Here)
    }

    /// For messages: `this machine`, or the host as the configuration names it.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.0 {
            Where::Here => "this machine",
            Where::There(_, host) => &host.name,
        }
    }

    /// A command that a person types on this machine to run `command` there.
    #[must_use]
    pub fn typed(&self, command: &str) -> String {
        match &self.0 {
            Where::Here => command.to_owned(),
            Where::There(_, host) => format!("{} {}", host.ssh(), super::word(command)),
        }
    }

    /// Runs a program to its end. An exit status that is not 0 is an answer.
    ///
    /// # Errors
    /// It was not started (the effect is none), did not end in time and was stopped (partial), or the connection broke before
    /// its end was known (unknown; it may run on until its limit). Of a program that [reads](Program::reads) the effect is none.
    pub async fn run(&self, program: &Program) -> Result<Answer, Failure> {
        match &self.0 {
            Where::Here => here::run(program).await,
            Where::There(hosts, host) => {
                let mut asked = 1;
                loop {
                    match there::run(hosts, host, program).await {
                        Err(failure) if failure.retry && !program.changes && asked < ASKED_MAX => asked += 1,
                        result => return result,
                    }
                }
            }
        }
    }

    /// A way to an address (`name:port`) as a host sees it; `None` on this machine, which needs none.
    pub(crate) async fn tunnel(&self, address: String) -> Result<Option<Tunnel>, Failure> {
        let Where::There(hosts, host) = &self.0 else { return Ok(None) };
        // Makes the connection anew, if it has ended since it was used last.
        self.run(&Program::new(["true"]).reads()).await?;
        Tunnel::to(hosts, host, address).await.map(Some)
    }

    /// A program was stopped at its limit.
    fn late(&self, program: &Program) -> Failure {
        let (name, limit) = (program.name(), program.limit.as_secs_f64());
        let message = format!("`{name}` on {} did not end within {limit} s and was stopped", self.name());
        program.failure(Fault::Target, message)
    }
}

impl Program {
    /// It ended, but not as it should.
    fn failure(&self, fault: Fault, message: String) -> Failure {
        if self.changes {
            Failure::partial(fault, message)
        } else {
            Failure::clean(fault, message).retryable()
        }
    }
}

#[cfg(test)]
mod tests;
