//! Backups of databases: made by the server's own tool, streamed through zstd into a file or an object, described by a manifest
//! beside it, proven by restoring into a scratch database. Where they lie is a [`Shelf`]; all else does not know.
//!
//! A backup is complete exactly if its manifest exists: the data is durable under its final name before the manifest is written.
//! Nothing here overwrites a file, an object or a database that is not its own.

mod bucket;
mod count;
pub(crate) mod create;
mod draft;
mod events;
mod hidden;
mod lifted;
mod manifest;
mod named;
mod pack;
mod packing;
pub(crate) mod pump;
pub(crate) mod restore;
mod seal;
mod shelf;
mod source;
pub(crate) mod sqlite;
mod store;
#[cfg(test)]
mod tests;
pub(crate) mod tool;

pub use crate::disk::human_bytes;
pub use bucket::Bucket;
pub use create::{How, create};
pub(crate) use lifted::{Lifted, lifted};
pub use manifest::{BACKUP_FORMAT, Manifest};
pub(crate) use named::{Described, Named};
pub use pack::Data;
pub use restore::{Means, Restored, Verified, restore, verify};
pub use seal::{Identities, Recipients};
pub use shelf::Shelf;
pub use source::Source;
pub use store::{Doomed, Stored, list, passed_over, prune, stale};

use windlass_driver::{Failure, Fault};

/// What is said while a backup is made or read, for people.
pub type Progress<'a> = &'a (dyn Fn(&str) + Sync);

fn failed(what: impl Into<String>) -> Failure {
    Failure::clean(Fault::Target, what)
}
