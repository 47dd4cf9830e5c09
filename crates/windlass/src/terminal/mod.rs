//! What a person sees: text with marks as colour, findings, progress, questions. Talk goes to standard error, data to
//! standard output; a closed terminal is no error.

mod downtime;
mod estimate;
mod excerpt;
mod findings;
mod progress;
mod prompt;

pub use downtime::Seen;
pub use estimate::Estimate;
pub use findings::{FindingJson, config_findings, finding_json, findings, tells_of_a_password};
pub use progress::Progress;
pub use prompt::{Asker, TerminalPeople, yes_or_no};

use crate::{env, exit::Failure};
use std::io::{self, IsTerminal as _, Write as _};
use windlass_report::{Mark, Text};

/// Whether a person can be asked: they must see the question and be able to answer.
pub fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Whether standard error shows colour.
pub fn colour() -> bool {
    io::stderr().is_terminal() && !env::no_color()
}

/// Text for a terminal or a file.
pub fn paint(text: &Text, colour: bool) -> String {
    if !colour {
        return text.to_string();
    }
    let mut painted = String::new();
    for line in text.lines() {
        for (mark, piece) in line {
            match code(*mark) {
                Some(code) => painted.push_str(&format!("\u{1b}[{code}m{piece}\u{1b}[0m")),
                None => painted.push_str(piece),
            }
        }
        painted.push('\n');
    }
    painted
}

fn code(mark: Mark) -> Option<&'static str> {
    match mark {
        Mark::Plain => None,
        Mark::Strong => Some("1"),
        Mark::Dim => Some("2"),
        Mark::Good => Some("32"),
        Mark::Warn => Some("33"),
        Mark::Bad => Some("1;31"),
    }
}

/// Talk: text on standard error.
pub fn say(text: &Text) {
    raw(&paint(text, colour()));
}

/// Talk: one line.
pub fn line(text: &str) {
    raw(&format!("{}\n", windlass_report::tame(text)));
}

/// A warning.
pub fn warn(text: &str) {
    let mut line = Text::new();
    line.line().add(Mark::Warn, "warning").plain(format!(": {text}"));
    say(&line);
}

/// A failure with its hints.
pub fn failure(message: &str, hints: &[String]) {
    let mut text = Text::new();
    if !message.is_empty() {
        text.line().add(Mark::Bad, "error").plain(": ");
        let mut lines = message.lines();
        text.plain(lines.next().unwrap_or_default());
        for more in lines {
            text.line().plain(more);
        }
    }
    for hint in hints {
        let mut lines = hint.lines();
        text.line().plain("  ").add(Mark::Dim, "hint").plain(": ").plain(lines.next().unwrap_or_default());
        for more in lines {
            text.line().plain("    ").plain(more);
        }
    }
    say(&text);
}

/// Writes to standard error; a closed terminal must not end a release.
pub fn raw(text: &str) {
    let mut stderr = io::stderr().lock();
    // There is nobody left to tell.
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

/// Data: text on standard output.
pub fn show(text: &Text) -> Result<(), Failure> {
    print(&paint(text, io::stdout().is_terminal() && !env::no_color()))
}

/// Data: bytes on standard output, as they are.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        // The reader has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::refused(format!("cannot write to standard output: {error}"))),
    }
}

/// Data: JSON on standard output.
pub fn json(value: &impl serde::Serialize) -> Result<(), Failure> {
    print(&json_text(value))
}

/// JSON for people and scripts.
pub fn json_text(value: &impl serde::Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("the types of `--json` have only string keys");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_colour_only_where_it_is_wanted() {
        let mut text = Text::new();
        text.line().add(Mark::Bad, "failed").plain(" 停机");
        assert_eq!(paint(&text, false), "failed 停机\n");
        assert_eq!(paint(&text, true), "\u{1b}[1;31mfailed\u{1b}[0m 停机\n");
    }
}
