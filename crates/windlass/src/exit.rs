//! Whose fault it is, which exit code that gives and what to type next: decided here and nowhere else.

use crate::terminal;
use std::{fmt, io, path::Path, process::ExitCode};
use windlass_engine::{EngineError, Stop};
use windlass_journal::{Ending, Lease, RunState, StoreError};
use windlass_report::moment;

/// How the command ended, as a number for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// What was asked for is done.
    Done = 0,
    /// It failed, and everything was undone.
    Undone = 1,
    /// The document or the usage is wrong; nothing was done.
    Wrong = 2,
    /// Only a person can go on.
    Person = 3,
    /// Refused: policy, drift, lock, journal.
    Refused = 4,
    /// Interrupted; `resume` goes on.
    Interrupted = 130,
}

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    /// Exit code.
    pub exit: Exit,
    /// What failed, for a person at 2 a.m.; empty when it was shown before.
    pub message: String,
    /// What to type or look at next.
    pub hints: Vec<String>,
}

impl Failure {
    /// The document or the usage is wrong.
    pub fn wrong(message: impl Into<String>) -> Self {
        Self { exit: Exit::Wrong, message: message.into(), hints: Vec::new() }
    }

    /// Refused.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { exit: Exit::Refused, ..Self::wrong(message) }
    }

    /// Only a person can go on.
    pub fn person(message: impl Into<String>) -> Self {
        Self { exit: Exit::Person, ..Self::wrong(message) }
    }

    /// The problems were printed already.
    pub fn shown(exit: Exit) -> Self {
        Self { exit, ..Self::wrong("") }
    }

    /// With what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Prints what is left to say and gives the exit code.
pub fn finish(result: Result<Exit, Failure>) -> ExitCode {
    let exit = match result {
        Ok(exit) => exit,
        Err(failure) => {
            terminal::failure(&failure.message, &failure.hints);
            failure.exit
        }
    };
    ExitCode::from(exit as u8)
}

/// Arguments that clap refused, or help and version, which it hands over the same way.
pub fn usage(error: &clap::Error) -> ExitCode {
    // Nothing can be done about a closed terminal.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Wrong as u8))
}

/// Ends the process where it stands. The journal makes that safe: `resume` finds out what became of everything.
#[expect(clippy::exit, clippy::disallowed_methods, reason = "the person insisted, by a third Ctrl-C")]
pub fn at_once() -> ! {
    std::process::exit(Exit::Interrupted as i32)
}

/// What was wanted of a run, which decides whether an ending is a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The release, done.
    Done,
    /// The world as it was before.
    Undone,
}

/// The exit code of where a controller left a run. A run that ended with parts left as they were is in neither version,
/// whatever command or decision led there: what is left is a person's from then on.
pub fn of_stop(stop: &Stop, wanted: Wanted) -> Exit {
    match (stop, wanted) {
        (Stop::Interrupted, _) => Exit::Interrupted,
        (Stop::Ended(Ending::Done), Wanted::Done) | (Stop::Ended(Ending::Undone), Wanted::Undone) => {
            Exit::Done
        }
        (Stop::Ended(Ending::Undone), _) => Exit::Undone,
        _ => Exit::Person,
    }
}

/// What a run that is resumed was last asked to do.
pub fn wanted_of(run: &RunState) -> Wanted {
    let back = run.turns.iter().rev().find(|turn| turn.to == windlass_journal::Direction::Unwind);
    // A turn without a unit was asked for by a person, one with a unit was caused by its failure.
    if back.is_some_and(|turn| turn.unit.is_none()) { Wanted::Undone } else { Wanted::Done }
}

/// A run that is open or ended, with the commands that fit.
pub fn open_run(run: &str) -> Failure {
    Failure::refused(format!("run {run} is not finished; nothing was started"))
        .hint("`windlass status` says where it stands")
        .hint(format!("`windlass resume {run}` goes on with it"))
        .hint(format!("`windlass rollback {run}` takes it back"))
}

/// Another controller lives.
pub fn held(lease: &Lease) -> Failure {
    let since = moment(lease.since_ms, &jiff::tz::TimeZone::system());
    Failure::refused(format!("{} holds the lease since {since}; nothing was done", lease.owner))
        .hint("`windlass status` shows what it is doing; wait for it, or stop it with Ctrl-C there")
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let message = error.to_string();
        match error {
            EngineError::Store(error) => error.into(),
            EngineError::Fold(_) => Self::person(message)
                .hint("the journal was written by another version or by hand: ask before you go on")
                .hint("nothing was changed; copy the folder `.windlass` away before you do anything else"),
            EngineError::Held(lease) => held(&lease),
            EngineError::NoRun(_) => Self::wrong(message).hint("`windlass runs` lists the runs"),
            EngineError::OpenRun(run) => open_run(&run.0),
            EngineError::Replanned(run) => Self::refused(format!("{message}; nothing was done"))
                .hint(format!("`windlass resume {run}` looks again")),
            EngineError::Over { run, ending } => {
                let word = windlass_report::ending_word(ending);
                let failure = Self::refused(format!("run {run} has ended: {word}; nothing was changed"));
                match ending {
                    Ending::Done => failure.hint(format!("`windlass rollback {run}` takes it back")),
                    _ => failure.hint("`windlass runs` lists the runs"),
                }
            }
            EngineError::NotNewest { newer, .. } => {
                Self::refused(message).hint(format!("`windlass rollback {newer}` first"))
            }
            EngineError::Decision { .. } => {
                Self::wrong(message).hint("`windlass status` says what the run waits for")
            }
            EngineError::NoDriver(_) => Self::wrong(message).hint("nothing was started"),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::Held(lease) => held(&lease),
            StoreError::Stale { .. } | StoreError::Fenced { .. } => Self::refused(message)
                .hint("another controller took over; `windlass status` shows what it is doing"),
            StoreError::Broken { .. } => {
                Self::person(message).hint("copy the folder `.windlass` away before you do anything else")
            }
            // Without the store's advice to resume: whether there is a run to go on with, the caller knows.
            StoreError::Full(disk) => {
                Self::person(format!("no space left on the journal's disk ({disk})")).hint("free some space")
            }
            StoreError::ReadOnly(_) => Self::refused(message)
                .hint("nothing was started: without a journal there would be no way back")
                .hint("check the owner and mode of the folder `.windlass`, and that its disk is not mounted read-only"),
            StoreError::Newer { .. } | StoreError::NotAJournal(_) => {
                Self::refused(message).hint("nothing was changed")
            }
            StoreError::Missing(_) => Self::wrong(message)
                .hint("nothing has been run from this folder yet")
                .hint("runs of another folder: go there, or name its file with `--config`"),
            StoreError::Io(_) => Self::refused(message).hint("try again; `windlass status` shows where the run stands"),
        }
    }
}

impl From<windlass_driver::Failure> for Failure {
    fn from(failure: windlass_driver::Failure) -> Self {
        use windlass_driver::{Effect, Fault};
        let exit = match (failure.effect, failure.fault) {
            (Effect::None, Fault::Document) => Exit::Wrong,
            (Effect::None, _) => Exit::Refused,
            _ => Exit::Person,
        };
        let output = failure.output.trim_end();
        let message =
            if output.is_empty() { failure.message } else { format!("{}\n{output}", failure.message) };
        Self { exit, message, hints: failure.hints }
    }
}

/// An error of the file system about `path`.
pub fn file(what: &str, path: &Path, error: &io::Error) -> Failure {
    let reason = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => error.to_string(),
    };
    Failure::wrong(format!("{what} {}: {reason}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use windlass_plan::UnitId;

    #[test]
    fn an_ending_is_a_success_only_when_it_was_wanted() {
        let done = Stop::Ended(Ending::Done);
        let undone = Stop::Ended(Ending::Undone);
        assert_eq!(of_stop(&done, Wanted::Done), Exit::Done);
        assert_eq!(of_stop(&undone, Wanted::Done), Exit::Undone);
        assert_eq!(of_stop(&undone, Wanted::Undone), Exit::Done);
        for wanted in [Wanted::Done, Wanted::Undone] {
            assert_eq!(of_stop(&Stop::Ended(Ending::Abandoned), wanted), Exit::Person);
        }
        assert_eq!(of_stop(&Stop::Gate(UnitId("g/1".into())), Wanted::Done), Exit::Person);
        assert_eq!(of_stop(&Stop::Interrupted, Wanted::Undone), Exit::Interrupted);
    }

    #[test]
    fn journal_errors_have_a_code_and_a_next_thing_to_do() {
        for (error, exit) in [
            (StoreError::Broken { seq: 3, why: "x".into() }, Exit::Person),
            (StoreError::Full("d".into()), Exit::Person),
            (StoreError::ReadOnly("d".into()), Exit::Refused),
            (StoreError::Newer { found: 9, ours: 1 }, Exit::Refused),
            (StoreError::Fenced { token: 1, found: 2 }, Exit::Refused),
        ] {
            let failure = Failure::from(error);
            assert_eq!(failure.exit, exit, "{failure}");
            assert!(!failure.hints.is_empty() || failure.message.contains("windlass"), "{failure}");
        }
    }
}
