//! The drivers: how Windlass acts on shells, files, databases, services, HTTP checks and people.
//!
//! Each is constructed by the binary and known to the engine only as a [`windlass_driver::Driver`].

pub mod aside;
pub mod backup;
pub mod compose;
mod disk;
pub mod files;
pub mod gate;
pub mod git;
pub mod host;
pub mod http;
pub mod install;
pub mod mysql;
pub mod postgres;
pub mod preflight;
pub mod probe;
mod process;
pub mod s3;
pub mod scratch;
mod serial;
pub mod service;
pub mod shell;
mod sql;

/// Name of the file in the workspace of a unit that says in one line how far its batches are.
pub const PROGRESS_FILE: &str = sql::batch::PROGRESS;
pub mod sqlite;
pub mod systemd;
#[cfg(test)]
mod testing;
pub mod traffic;
pub mod watch;
