//! What git says of a repository. Nothing is changed, no program of the repository's configuration is run, and no answer is longer
//! than it may be.

use std::{
    ffi::{OsStr, OsString},
    io::{self, BufRead as _, BufReader, Read, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// Longest answer.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// So much of what git says of its failures is kept.
const WORDS_BYTES_MAX: u64 = 4_096;
/// Longest file of which the text is wanted.
const TEXT_BYTES_MAX: u64 = 1024 * 1024;

/// A folder of a repository.
pub struct Repository {
    folder: PathBuf,
}

impl Repository {
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The answer of git, or why there is none.
    pub fn ask<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Result<String, String> {
        let mut command = self.command();
        let mut child =
            command.args(args).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(cannot)?;
        // Read beside the answer, so that neither pipe keeps git waiting.
        let words =
            child.stderr.take().map(|stderr| std::thread::spawn(move || read(stderr, WORDS_BYTES_MAX)));
        let answer = child.stdout.take().map(|stdout| read(stdout, ANSWER_BYTES_MAX + 1)).unwrap_or_default();
        if answer.len() as u64 > ANSWER_BYTES_MAX {
            end(&mut child);
            return Err(format!("git says more than {} MiB", ANSWER_BYTES_MAX / (1024 * 1024)));
        }
        let status = child.wait().map_err(cannot)?;
        let words = words.and_then(|words| words.join().ok()).unwrap_or_default();
        if !status.success() {
            let words = String::from_utf8_lossy(&words);
            return Err(words
                .lines()
                .next()
                .unwrap_or("git says no")
                .trim_start_matches("fatal: ")
                .to_owned());
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// The commit that a revision means.
    pub fn commit(&self, revision: &str) -> Option<String> {
        // What begins with a dash would be an option.
        let is_name = !revision.is_empty() && !revision.starts_with('-');
        let wanted = format!("{revision}^{{commit}}");
        let found = is_name.then(|| self.ask(["rev-parse", "--verify", "--quiet", &wanted]))?.ok()?;
        Some(found.trim().to_owned())
    }

    /// What `git log` with `options` says of all commits of a file of this folder, also under a name that it had before; the newest first.
    pub fn history(&self, file: &OsStr, options: &[&str]) -> Result<String, String> {
        if self.ask(["rev-parse", "--is-shallow-repository"])?.trim() == "true" {
            return Err("this clone has not all commits (`git fetch --unshallow`)".to_owned());
        }
        let args = ["log", "--follow"].iter().chain(options).map(OsStr::new);
        self.ask(args.chain([OsStr::new("--"), &literally(file)]))
    }

    /// Whether a file of this folder is as the last commit has it.
    pub fn is_as_committed(&self, file: &OsStr) -> Result<bool, String> {
        let args = ["status", "--porcelain", "--"].map(OsStr::new);
        Ok(self.ask(args.into_iter().chain([&*literally(file)]))?.is_empty())
    }

    /// Reads files as they are in commits.
    pub fn texts(&self) -> Result<Texts, String> {
        let mut command = self.command();
        let command = command.args(["cat-file", "--batch"]).stdin(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(cannot)?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(asked), Some(answers)) => Ok(Texts { child, asked, answers: BufReader::new(answers) }),
            _ => Err("cannot talk to git".to_owned()),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.folder).stdout(Stdio::piped());
        // A look takes no lock that somebody at work in the repository would meet.
        command.env("GIT_OPTIONAL_LOCKS", "0").env("LC_ALL", "C");
        command
    }
}

/// A name that is no pattern: `[` and `*` stand for themselves.
fn literally(file: &OsStr) -> OsString {
    let mut name = OsString::from(":(literal)");
    name.push(file);
    name
}

/// A program of git that reads files, one after another.
pub struct Texts {
    child: Child,
    asked: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Texts {
    /// The text of a file; none where there is none, it is too long, or no text.
    pub fn text(&mut self, commit: &str, path: &str) -> io::Result<Option<String>> {
        if path.chars().any(char::is_control) {
            return Ok(None);
        }
        writeln!(self.asked, "{commit}:{path}")?;
        self.asked.flush()?;
        let mut header = String::new();
        self.answers.read_line(&mut header)?;
        // `ID blob SIZE`, or `… missing`.
        let words: Vec<&str> = header.split_whitespace().rev().take(2).collect();
        let [size, kind] = words[..] else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        let Some(size) = size.parse::<u64>().ok().filter(|_| kind != "missing") else { return Ok(None) };
        let mut text = Vec::new();
        // Behind the content stands a line end.
        let mut content = (&mut self.answers).take(size + 1);
        if kind == "blob" && size <= TEXT_BYTES_MAX {
            content.read_to_end(&mut text)?;
            text.pop();
            return Ok(String::from_utf8(text).ok());
        }
        io::copy(&mut content, &mut io::sink())?;
        Ok(None)
    }
}

impl Drop for Texts {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn read(from: impl Read, bytes_max: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What was read until an error is what there is; git's end says whether it is all.
    let _ = from.take(bytes_max).read_to_end(&mut bytes);
    bytes
}

/// It only reads: nothing is lost when it ends.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn cannot(error: io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no program `git`".to_owned(),
        _ => format!("cannot run git: {error}"),
    }
}
