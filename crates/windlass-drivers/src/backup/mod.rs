//! Backups of databases: made by the server's own tool, streamed through zstd into a file, described by a manifest beside
//! it, proven by restoring into a scratch database.
//!
//! A backup is complete exactly if its manifest exists: the data is on disk (fsync) under its final name before the
//! manifest is written. Nothing here overwrites a file or a database that is not its own.

mod count;
mod create;
mod manifest;
mod restore;
mod source;
mod sqlite;
mod store;
mod tool;

pub use create::create;
pub use manifest::{BACKUP_FORMAT, Manifest};
pub use restore::{Restored, Verified, restore, verify};
pub use source::Source;
pub use store::{Doomed, Stored, list, prune, stale};

use windlass_driver::{Failure, Fault};

/// What is said while a backup is made or read, for people.
pub type Progress<'a> = &'a (dyn Fn(&str) + Sync);

fn failed(what: impl Into<String>) -> Failure {
    Failure::clean(Fault::Target, what)
}
