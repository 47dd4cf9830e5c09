//! Why a proxy could not run or did not do what it was told.

use std::{io, path::PathBuf};

/// Why a proxy did not start or stopped with a fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// A value of the configuration is wrong. Nothing was started.
    #[error("proxy configuration: {0}")]
    Config(String),
    /// The address clients use cannot be listened on. Nothing was started.
    #[error("cannot listen on {address}: {source}{holder}; free the port or choose another `listen`")]
    Listen {
        /// The address.
        address: String,
        /// Who has it, where `/proc` tells; starts with a space, or is empty.
        holder: String,
        /// What the system said.
        source: io::Error,
    },
    /// A TLS file cannot be used. Nothing was started.
    #[error("TLS {what} {path}: {message}")]
    Tls {
        /// `certificate` or `key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// The state folder or a file in it cannot be used. Nothing was started.
    #[error("proxy state {path}: {message}")]
    State {
        /// The file or folder.
        path: PathBuf,
        /// Why, and what to do.
        message: String,
    },
    /// Another proxy runs on this state folder.
    #[error(
        "a proxy already runs on {state_dir}{pid}; stop it first, or start with take-over to replace it without a gap"
    )]
    AlreadyRunning {
        /// The folder.
        state_dir: PathBuf,
        /// Its process; starts with a space, or is empty.
        pid: String,
    },
    /// The process that runs on the state folder did not hand its socket over; it goes on serving.
    #[error("could not take over from the proxy that runs on {state_dir}: {message}; it goes on serving")]
    TakeOver {
        /// The folder.
        state_dir: PathBuf,
        /// Why.
        message: String,
    },
    /// The process that ran on the state folder ended before it let go. Nothing was written and nobody was accepted.
    #[error(
        "the proxy that ran on {state_dir} ended in the middle of the take-over; this process did not start and \
         changed nothing: see why that one ended, then start again"
    )]
    TakeOverLost {
        /// The folder.
        state_dir: PathBuf,
    },
    /// A worker thread could not be started.
    #[error("cannot start the proxy's worker threads: {0}")]
    Worker(#[source] io::Error),
}

/// Why a command to a proxy has no good answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// No proxy runs on this state folder. The command had no effect.
    #[error("no proxy runs on {state_dir} ({source}); start it with `windlass proxy run`")]
    NotRunning {
        /// The folder.
        state_dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It accepted the command and did not answer in time, or went away: the effect is unknown, ask for its status.
    #[error(
        "the proxy on {state_dir} did not answer {after}; whether the command took effect is unknown: ask its status"
    )]
    NoAnswer {
        /// The folder.
        state_dir: PathBuf,
        /// `within N ms`, or that it closed the connection.
        after: String,
    },
    /// It refused; nothing was changed.
    #[error("the proxy refused: {0}")]
    Refused(String),
    /// It did the command, and something that belongs to it failed.
    #[error("the proxy did it, but: {0}")]
    Unconfirmed(String),
    /// The answer is not of this protocol: the process is of another version.
    #[error("the proxy on {state_dir} answered what this version does not understand: {message}")]
    Protocol {
        /// The folder.
        state_dir: PathBuf,
        /// What was wrong with it.
        message: String,
    },
}

impl ControlError {
    /// Whether the command certainly had no effect.
    #[must_use]
    pub fn certain(&self) -> bool {
        matches!(self, Self::NotRunning { .. } | Self::Refused(_))
    }
}
