//! The questions of a look, and what a host answers: one script, one round.

use super::disk::Folder;
use crate::host::{Call, End, Event, Host, Hosts};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    collections::BTreeMap,
    process::Stdio,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::Command,
};
use windlass_document::shell::quote;
use windlass_driver::Failure;
use windlass_plan::{Needs, Place, Thing};

const SCRIPT: &str = include_str!("look.sh");
/// Answers taken from this machine, bytes.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Whether the thing with this number in the needs is there.
    Thing(usize),
    /// Whether sudo asks for a password.
    Sudo,
    /// What is left of the disk of a folder.
    Disk(Folder),
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    There,
    Missing,
    /// It cannot be seen; of sudo: it asks for a password.
    Unseen,
    /// KiB and inodes that are left, if that is known, and the folder that was looked at.
    Disk(Option<u64>, Option<u64>, String),
}

/// What a host said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Answers {
    /// By number of the question; one without an answer is not known.
    pub(super) by: BTreeMap<usize, Answer>,
    /// Its clock, and ours before and behind the question, seconds since 1970.
    pub(super) clock: Option<(i64, f64, f64)>,
    /// Why there are no more answers than there are.
    pub(super) cut: Option<String>,
}

impl Answers {
    pub(super) fn of(&self, question: usize) -> Option<&Answer> {
        self.by.get(&question)
    }

    /// Why there is no answer.
    pub(super) fn why(&self) -> &str {
        self.cut.as_deref().unwrap_or("it did not say")
    }

    /// One word of the script, and what follows it.
    pub(super) fn hear(&mut self, word: &str, rest: &str, asked_at: f64) {
        let mut fields = rest.splitn(4, ' ');
        let mut number = || fields.next().and_then(|field| field.parse::<u64>().ok());
        let first = number();
        let answer = match word {
            "clock" => {
                let theirs = first.and_then(|seconds| i64::try_from(seconds).ok());
                self.clock = theirs.map(|seconds| (seconds, asked_at, now()));
                return;
            }
            "there" => Answer::There,
            "missing" => Answer::Missing,
            "unseen" => Answer::Unseen,
            "disk" => {
                let (kib, inodes) = (number(), number());
                Answer::Disk(kib, inodes, fields.next().unwrap_or_default().to_owned())
            }
            _ => return,
        };
        if let Some(question) = first.and_then(|number| usize::try_from(number).ok()) {
            self.by.insert(question, answer);
        }
    }

    #[cfg(test)]
    pub(super) fn heard(lines: &[(&str, &str)]) -> Self {
        let mut answers = Self::default();
        lines.iter().for_each(|(word, rest)| answers.hear(word, rest, 0.0));
        answers
    }
}

/// Asks a host over its connection.
pub(super) async fn there(
    hosts: &Hosts,
    host: &Host,
    (needs, questions): (&Needs, &[Question]),
    within: Duration,
) -> Result<Answers, Failure> {
    let call = Call::to(hosts, host, None).await?;
    let (mut answers, asked_at) = (Answers::default(), now());
    let text = script(needs, questions);
    let variables = [("base", String::new())];
    let run = call.run(&variables, &text, |event| {
        if let Event::Said(word, rest) = event {
            answers.hear(&word, &rest, asked_at);
        }
    });
    let end = tokio::time::timeout(within, run).await;
    answers.cut = match end {
        Ok(End::Whole) => None,
        Ok(End::Cut(why)) => Some(why),
        Err(_) => Some(late(within)),
    };
    Ok(answers)
}

/// Asks this machine.
pub(super) async fn here(base: &str, (needs, questions): (&Needs, &[Question]), within: Duration) -> Answers {
    let (mut answers, asked_at) = (Answers::default(), now());
    let say = r#"say() { printf '%s\n' "$*"; }"#;
    let text = format!("base={}\n{say}\n{}", quote(base), script(needs, questions));
    let run = shell(&text, |word, rest| answers.hear(word, rest, asked_at));
    answers.cut = match tokio::time::timeout(within, run).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("/bin/sh: {error}")),
        Err(_) => Some(late(within)),
    };
    answers
}

fn late(within: Duration) -> String {
    format!("no answer within {} s", within.as_secs())
}

/// Runs the script and says each line of it at once, by its first word and the rest: what a program that hangs keeps back is not more
/// than its own answer. What is not waited for any longer is killed with all that it started.
pub(super) async fn shell(text: &str, mut said: impl FnMut(&str, &str)) -> std::io::Result<()> {
    let mut child = Command::new("/bin/sh")
        .arg("-s")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let _group = child.id().map(Group);
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let write = async {
        match input {
            Some(mut input) => input.write_all(text.as_bytes()).await,
            None => Ok(()),
        }
    };
    let read = async {
        let Some(output) = output else { return Ok(()) };
        let mut lines = BufReader::new(output.take(ANSWER_BYTES_MAX)).lines();
        while let Some(line) = lines.next_line().await? {
            let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
            said(word, rest);
        }
        Ok(())
    };
    tokio::try_join!(write, read).map(|_| ())
}

/// A process group that ends with its scope. Its leader is still a child that nobody waited for: the number is its own.
struct Group(u32);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = i32::try_from(self.0).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

/// The script with a line for each question: those that are quickest first.
fn script(needs: &Needs, questions: &[Question]) -> String {
    let mut text = SCRIPT.to_owned();
    for (number, question) in questions.iter().enumerate() {
        let line = match question {
            Question::Thing(at) => match needs.things.get(*at).map(|needed| &needed.thing) {
                Some(Thing::Program { name, by_sudo: false }) => {
                    format!("look_program {number} {}", quote(name))
                }
                Some(Thing::Program { name, by_sudo: true }) => {
                    format!("look_by_sudo {number} {}", quote(name))
                }
                Some(Thing::Path { path, by_sudo: true, .. }) => {
                    format!("look_path_by_sudo {number} {}", quote(path))
                }
                Some(Thing::Path { path, runs, .. }) => {
                    format!("look_path {number} {} {}", if *runs { "-x" } else { "-e" }, quote(path))
                }
                None => continue,
            },
            Question::Sudo => format!("look_password {number}"),
            Question::Disk(Folder::State) => format!("look_state {number}"),
            Question::Disk(Folder::Kept(path)) => look_disk(number, path),
            Question::Disk(Folder::Written(written)) => match &written.place {
                Place::Images => format!("look_images {number}"),
                Place::Work(path) | Place::Backups(path) => look_disk(number, path),
            },
        };
        text.push_str(&line);
        text.push('\n');
    }
    text.push_str("exit 0\n");
    text
}

fn look_disk(number: usize, path: &str) -> String {
    format!("look_disk {number} {}", quote(path))
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
