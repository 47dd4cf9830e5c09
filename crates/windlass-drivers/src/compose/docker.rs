//! Running docker, here or on a host: one function starts every command that only asks, or that puts things back.

use crate::{
    disk::{one_line, resolve},
    host::{
        Hosts,
        place::{Answer, Input, Place, Program},
    },
};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use windlass_driver::{Context, Failure, Fault};
use windlass_plan::{ComposeLine, Unit};

/// Longest time of a question.
const ASK_MAX: Duration = Duration::from_secs(60);
/// Longest time of a command that stops or starts containers: their own grace comes on top of what they do.
const ACT_MAX: Duration = Duration::from_secs(10 * 60);
/// Longest message of docker that is repeated, in characters.
const MESSAGE_CHARS_MAX: usize = 600;
/// Longest answer: `docker inspect` of some thousand containers.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// docker as a line calls it: at its place, from its folder, with its `sudo`.
#[derive(Clone, Debug)]
pub struct Docker {
    pub place: Place,
    /// On a host relative to the home of its user.
    work: PathBuf,
    sudo: Vec<String>,
    /// compose with all that stands in front of the operation.
    compose: Vec<String>,
    pub line: ComposeLine,
}

impl Docker {
    pub fn new(hosts: &Hosts, cx: &Context, unit: &Unit, line: &ComposeLine) -> Self {
        let is_sudo = |word: &&String| ["sudo", "-n"].contains(&word.as_str());
        let (sudo, compose): (Vec<_>, Vec<_>) = {
            let front = line.program.iter().take_while(is_sudo).count();
            (line.program[..front].to_vec(), line.program[front..].to_vec())
        };
        // Nobody is there to type a password.
        let sudo = if sudo.is_empty() { sudo } else { vec!["sudo".to_owned(), "-n".to_owned()] };
        let place = Place::of(hosts, cx, unit);
        let dir = line.dir.as_deref();
        let work = if place.is_here() { resolve(&cx.base, dir, "") } else { dir.unwrap_or(".").into() };
        Self { place, work, sudo, compose, line: line.clone() }
    }

    /// The words of the line, with a `sudo` that asks for no password.
    pub fn words(&self) -> Vec<&str> {
        let front = self.line.program.len() - self.compose.len();
        let rest = self.line.words();
        self.sudo.iter().map(String::as_str).chain(rest[front..].iter().copied()).collect()
    }

    /// The one way in which a program is started.
    async fn run(&self, program: Program) -> Result<Answer, Failure> {
        let program = program.dir(Some(self.work.to_string_lossy())).bytes_max(ANSWER_BYTES_MAX);
        self.place.run(&program).await
    }

    async fn said(&self, words: &[&str], program: Program) -> Result<String, Failure> {
        let answer = self.run(program).await?;
        let line = format!("`{}`{}", one_line(&words.join(" "), 120), self.there());
        if answer.cut {
            return Err(Failure::clean(Fault::Target, format!("{line}: its answer is too long")));
        }
        if answer.is_ok() {
            return Ok(String::from_utf8_lossy(&answer.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&answer.stderr);
        // Warnings about the file stand in front of what went wrong.
        let text = one_line(said.trim(), MESSAGE_CHARS_MAX);
        let failure = Failure::clean(Fault::Target, format!("{line}: exit status {}: {text}", answer.status));
        Err(match () {
            () if answer.status == 127 => {
                failure.hint(format!("is {} installed{}, and in PATH?", words[0], self.there()))
            }
            () if text.contains("Cannot connect to the Docker daemon") => {
                failure.hint("the container engine does not run, or DOCKER_HOST names another one").retryable()
            }
            () if text.contains("permission denied") => {
                failure.hint("who runs this may not talk to the container engine: write `sudo` in front, or join the group docker")
            }
            () if text.contains("a password is required") => {
                failure.hint("sudo asks for a password, which nobody can type here: allow it with NOPASSWD for docker")
            }
            () => failure,
        })
    }

    /// Where it is, behind what is there; nothing on this machine.
    fn there(&self) -> String {
        if self.place.is_here() { String::new() } else { format!(" on {}", self.place.name()) }
    }

    /// What a person types on this machine to run `docker …` there.
    pub fn typed(&self, command: &str) -> String {
        let sudo = if self.sudo.is_empty() { "" } else { "sudo " };
        self.place.typed(&format!("{sudo}docker {command}"))
    }

    fn docker<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        self.sudo.iter().map(String::as_str).chain(["docker"]).chain(args.iter().copied()).collect()
    }

    /// `docker …` that only looks.
    pub async fn ask(&self, args: &[&str]) -> Result<String, Failure> {
        let words = self.docker(args);
        self.said(&words, asking(&words)).await
    }

    /// `docker …` that changes something.
    pub async fn act(&self, args: &[&str]) -> Result<String, Failure> {
        let words = self.docker(args);
        self.said(&words, acting(&words)).await
    }

    /// A question to compose, about the project of the line.
    pub async fn compose(&self, args: &[&str]) -> Result<String, Failure> {
        let words: Vec<&str> =
            self.sudo.iter().chain(&self.compose).map(String::as_str).chain(args.iter().copied()).collect();
        self.said(&words, asking(&words)).await
    }

    /// `docker compose`, not `docker-compose`.
    pub fn is_plugin(&self) -> bool {
        self.compose.first().is_some_and(|program| program == "docker")
    }

    /// Whether version 2 gives names as version 1 does.
    pub async fn is_compatible(&self) -> Result<bool, Failure> {
        if self.compose.iter().any(|word| word == "--compatibility") {
            return Ok(true);
        }
        let value = self.variable("COMPOSE_COMPATIBILITY").await?;
        Ok(value.is_some_and(|value| matches!(value.as_str(), "1" | "true")))
    }

    /// What the environment of the line says. A `sudo` that does not allow to look hands on no variables, as a rule.
    pub async fn variable(&self, name: &str) -> Result<Option<String>, Failure> {
        let words: Vec<&str> = self.sudo.iter().map(String::as_str).chain(["printenv", name]).collect();
        let answer = self.run(asking(&words)).await?;
        let value = answer.text();
        Ok((answer.is_ok() && !value.is_empty()).then_some(value))
    }

    /// The folder in which compose looks for files.
    pub fn work(&self) -> &Path {
        &self.work
    }

    /// The name of a folder, behind all links.
    pub async fn name_of(&self, folder: &Path) -> Result<String, Failure> {
        let enter = "CDPATH= cd -- \"$1\" && pwd -P";
        let words = ["/bin/sh", "-c", enter, "sh", &folder.to_string_lossy()];
        let answer = self.place.run(&asking(&words).title(format!("cd {}", folder.display()))).await?;
        if !answer.is_ok() {
            let text = format!("{}{}: {}", folder.display(), self.there(), answer.complaint());
            return Err(Failure::clean(Fault::Target, text));
        }
        Ok(answer.text().rsplit('/').next().unwrap_or_default().to_owned())
    }

    /// `docker inspect` of many things of one kind, as JSON. What went away meanwhile is left out.
    pub async fn inspect(&self, kind: &str, names: &[String]) -> Result<Vec<Value>, Failure> {
        let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
        while !names.is_empty() {
            let args = [&[kind, "inspect"], names.as_slice()].concat();
            match self.ask(&args).await {
                Ok(text) => {
                    return serde_json::from_str(&text).map_err(|error| unreadable("docker inspect", &error));
                }
                Err(failure) => {
                    let before = names.len();
                    names.retain(|name| !failure.message.contains(&format!(": {name}")));
                    if names.len() == before {
                        return Err(failure);
                    }
                }
            }
        }
        Ok(Vec::new())
    }

    /// A request to the engine that no command of docker offers: `POST` with JSON, over `docker system dial-stdio`.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let body = body.to_string();
        // HTTP/1.0: the answer comes in one piece, and its end is the end of the connection.
        let request = format!(
            "POST {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        // Held: to the engine a closed input is a caller that went away.
        let program = acting(&self.docker(&["system", "dial-stdio"]));
        let answer = self.run(program.input(Input::Bytes(request.into_bytes())).held()).await?;
        let text = String::from_utf8_lossy(&answer.stdout);
        let refused = |why: &str| {
            Failure::clean(
                Fault::Target,
                format!(
                    "the container engine{}, asked for {path}: {}",
                    self.there(),
                    one_line(why, MESSAGE_CHARS_MAX)
                ),
            )
        };
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            return Err(refused(&format!("no answer: {}", String::from_utf8_lossy(&answer.stderr))));
        };
        let status = head.split_whitespace().nth(1).unwrap_or_default();
        if !status.starts_with('2') {
            return Err(refused(&format!("{status} {}", body.trim())));
        }
        Ok(serde_json::from_str(body).unwrap_or(Value::Null))
    }
}

/// Changes nothing, so that it is asked again where a connection broke.
fn asking(words: &[&str]) -> Program {
    Program::new(words.iter().copied()).reads().limit(ASK_MAX)
}

/// Changes something: whoever asks for it compares with the world before it is asked for again.
fn acting(words: &[&str]) -> Program {
    Program::new(words.iter().copied()).limit(ACT_MAX)
}

pub fn unreadable(what: &str, error: &serde_json::Error) -> Failure {
    Failure::clean(Fault::Target, format!("what `{what}` says cannot be read: {error}"))
}
