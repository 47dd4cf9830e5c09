//! A child process that removes something when its parent says so, or dies: its standard input ends either way.

use super::failed;
use crate::disk::one_line;
use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use windlass_driver::Failure;

/// Longest wait for the end of a janitor.
const SWEEP_MAX: Duration = Duration::from_secs(60);

/// What it runs: everything that comes is passed on, and when nothing comes any more, the last word is.
const PASS_ON: &str = r#"trap '' HUP INT TERM; { cat; printf '%s\n' "$WINDLASS_LAST_WORD"; } | "$@""#;

pub(super) struct Janitor {
    child: Child,
    said: Option<File>,
    /// How to do by hand what it could not.
    by_hand: String,
    /// Locked as long as it is in use.
    kept: Option<File>,
}

impl Janitor {
    /// Keeps `file` open until it is done.
    pub(super) fn keep(&mut self, file: File) {
        self.kept = Some(file);
    }

    /// Keeps `client`, a program that reads commands, connected: it gets `first` now and `last` at the end.
    pub(super) fn with_client(
        client: &Command,
        first: &str,
        last: &str,
        by_hand: String,
    ) -> Result<Self, Failure> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", PASS_ON, "janitor"]).arg(client.get_program()).args(client.get_args());
        for (name, value) in client.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell.env("WINDLASS_LAST_WORD", last);
        let mut janitor = Self::start(shell, by_hand)?;
        let pipe = janitor.child.stdin.as_mut().expect("the pipe was asked for");
        pipe.write_all(format!("{first}\n").as_bytes())
            .map_err(|error| failed(format!("the client ended at once: {error}; {}", janitor.words())))?;
        Ok(janitor)
    }

    /// Runs a shell script at the end, with its words.
    pub(super) fn with_script(script: &str, words: &[&str], by_hand: String) -> Result<Self, Failure> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &format!("trap '' HUP INT TERM; cat >/dev/null; {script}"), "janitor"]).args(words);
        Self::start(shell, by_hand)
    }

    fn start(mut shell: Command, by_hand: String) -> Result<Self, Failure> {
        let cannot = |error: std::io::Error| failed(format!("the janitor cannot be started: {error}"));
        let said = tempfile::tempfile().map_err(cannot)?;
        let errors = said.try_clone().map_err(cannot)?;
        // In a group of its own Ctrl-C does not reach it.
        let child = shell
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(cannot)?;
        Ok(Self { child, said: Some(said), by_hand, kept: None })
    }

    /// Whether it has ended by itself.
    pub(super) fn is_gone(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// What it said.
    pub(super) fn words(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut said) = self.said.take() {
            let _ =
                said.seek(SeekFrom::Start(0)).and_then(|_| (&mut said).take(4096).read_to_string(&mut text));
        }
        one_line(&text, 400)
    }

    /// Lets it do its work, and waits for the end.
    pub(super) fn sweep(mut self) -> Result<(), Failure> {
        self.finish()
    }

    fn finish(&mut self) -> Result<(), Failure> {
        drop(self.child.stdin.take());
        let end = Instant::now() + SWEEP_MAX;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(5)),
                Ok(ended) => {
                    let words = self.words();
                    let how = ended.map_or("it does not end".to_owned(), |status| status.to_string());
                    return Err(failed(format!("the scratch copy was not removed: {how}: {words}"))
                        .hint(self.by_hand.clone()));
                }
                Err(error) => return Err(failed(format!("the janitor was lost: {error}"))),
            }
        }
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        if self.child.stdin.is_some() {
            // Whoever drops it has an error of its own to tell.
            let _ = self.finish();
        }
    }
}
