//! One script on a host: its text goes over standard input, what it says of itself comes as lines of standard error that
//! begin with [`MARK`], everything on standard output is output of what it watches.

use super::{Host, Hosts, Session};
use std::{sync::Arc, time::Duration};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use windlass_document::shell::quote;
use windlass_driver::Failure;

/// How a line begins that the script says about itself, by its function `say`.
const MARK: &str = "windlass:";
/// First line on standard output: what stands before it was printed by the login shell.
const BEGIN: &[u8] = b"windlass:begin\n";
/// A script that watches something says so at least every ten seconds.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// Bytes taken from standard output at a time.
const PIECE_BYTES: usize = 64 * 1024;
/// Longest line of standard error that is kept.
const LINE_BYTES_MAX: usize = 8 * 1024;

/// What comes from a script.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A word of the script about itself, and what follows it.
    Said(String, String),
    /// Bytes of standard output.
    Output(Vec<u8>),
}

/// How a call ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The script ran to its end.
    Whole,
    /// The connection broke, or the script was ended from outside; with what was said last.
    Cut(String),
}

/// A running script.
pub(crate) struct Call {
    pub(super) session: Arc<Session>,
}

impl Call {
    /// On the connection to a host, made anew when it is the `broken` one.
    pub(crate) async fn to(hosts: &Hosts, host: &Host, broken: Option<&Self>) -> Result<Self, Failure> {
        let session = hosts.connect(host, broken.map(|call| &call.session)).await?;
        Ok(Self { session })
    }

    /// Runs a script of variables and text; hands on what comes as it comes.
    pub(crate) async fn run(
        &self,
        variables: &[(&str, String)],
        text: &str,
        mut seen: impl FnMut(Event) + Send,
    ) -> End {
        let mut script: String =
            variables.iter().map(|(name, value)| format!("{name}={}\n", quote(value))).collect();
        script += "echo windlass:begin\n";
        script += &format!("say() {{ printf '{MARK} %s\\n' \"$*\" >&2; }}\n{text}\n");
        let mut child = match self.session.shell() {
            Ok(child) => child,
            Err(error) => return End::Cut(format!("cannot start `ssh` by `setsid`: {error}")),
        };
        let (Some(mut stdin), Some(mut stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return End::Cut("no pipes to ssh".to_owned());
        };
        let mut lines = BufReader::new(stderr);
        let (mut piece, mut line) = (vec![0; PIECE_BYTES], Vec::new());
        let (mut out_open, mut err_open, mut last) = (true, true, String::new());
        let write = async move {
            // A script that ends before it was read to its end is heard below.
            let _ = stdin.write_all(script.as_bytes()).await;
            drop(stdin);
        };
        tokio::pin!(write);
        let (mut written, mut before) = (false, Some(Vec::new()));
        while out_open || err_open {
            let next = async {
                tokio::select! {
                    () = &mut write, if !written => written = true,
                    read = stdout.read(&mut piece), if out_open => match read {
                        Ok(count) if count > 0 => {
                            let output = after_begin(&mut before, &piece[..count]);
                            if !output.is_empty() {
                                seen(Event::Output(output));
                            }
                        }
                        _ => out_open = false,
                    },
                    // `line` keeps what it has of a line when another branch was first.
                    read = lines.read_until(b'\n', &mut line), if err_open => {
                        err_open = matches!(read, Ok(count) if count > 0);
                        if let Some(said) = hear(&mut line, &mut last) {
                            seen(said);
                        }
                    }
                }
            };
            if tokio::time::timeout(SILENCE_MAX, next).await.is_err() {
                // The remote side is not told: it only watches. The local one ends with its handle.
                return End::Cut(format!("nothing came for {} s", SILENCE_MAX.as_secs()));
            }
        }
        match child.wait().await {
            Ok(status) if status.success() => End::Whole,
            Ok(_) if !last.is_empty() => End::Cut(last),
            Ok(status) => End::Cut(format!("the connection or the shell there ended with {status}")),
            Err(error) => End::Cut(error.to_string()),
        }
    }
}

/// What of a piece of standard output comes after [`BEGIN`]; `before` is what came until then, `None` afterwards.
fn after_begin(before: &mut Option<Vec<u8>>, piece: &[u8]) -> Vec<u8> {
    let Some(so_far) = before else { return piece.to_vec() };
    so_far.extend_from_slice(piece);
    match so_far.windows(BEGIN.len()).position(|window| window == BEGIN) {
        Some(at) => {
            let rest = so_far.split_off(at + BEGIN.len());
            *before = None;
            rest
        }
        None => {
            // Bounded, whatever a login shell prints.
            let over = so_far.len().saturating_sub(BEGIN.len());
            so_far.drain(..over);
            Vec::new()
        }
    }
}

/// A whole line of standard error: a word of the script, or something that ssh or the login shell says.
fn hear(line: &mut Vec<u8>, last: &mut String) -> Option<Event> {
    // A line that was cut off says something else than was meant.
    let is_whole = line.ends_with(b"\n");
    let text = String::from_utf8_lossy(&std::mem::take(line)).trim_end().to_owned();
    let Some(said) = text.strip_prefix(MARK).filter(|_| is_whole) else {
        if !text.is_empty() {
            *last = crate::disk::one_line(&text, 300);
        }
        return None;
    };
    let (word, rest) = said.trim_start().split_once(' ').unwrap_or((said.trim_start(), ""));
    let rest = &rest[..rest.floor_char_boundary(LINE_BYTES_MAX)];
    Some(Event::Said(word.to_owned(), rest.to_owned()))
}
