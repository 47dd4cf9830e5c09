//! What the undo of a statement on accounts needs, in a file of the unit's workspace that only its owner can read.
//!
//! It holds hashes of passwords. They can be tried out at home, so they stand neither in the journal nor in a table of the
//! database, which others may read. What the journal has of them is sealed with a key that is in the file alone: a plain digest of
//! MariaDB's hash, which has no salt, would do for trying out as well.

use super::super::catalog::State;
use super::super::statement::Job;
use crate::disk::{hex, sha256, write_private};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use windlass_driver::{Failure, Fault};
use windlass_sql::mysql::Accounts;

/// Largest file that is read: a thousand accounts with many privileges each.
const BYTES_MAX: u64 = 64 << 20;

/// The content of the file.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    key: String,
    /// Accounts that the statement names, as the server writes them.
    pub(super) targets: Vec<String>,
    pub(super) others: Vec<String>,
    /// The account that Windlass uses.
    pub(super) me: String,
    /// The accounts concerned as they were.
    pub(super) before: Accounts,
    /// As the statement left them.
    pub(super) after: Option<Accounts>,
}

impl Kept {
    pub(super) fn new(
        before: Accounts,
        (targets, others, me): (Vec<String>, Vec<String>, String),
    ) -> io::Result<Self> {
        let mut key = [0_u8; 32];
        File::open("/dev/urandom")?.read_exact(&mut key)?;
        Ok(Self { key: hex(&key), targets, others, me, before, after: None })
    }

    /// Accounts as the journal may have them.
    pub(super) fn prints(&self, accounts: &Accounts) -> State {
        let seal = |secret: &str| format!("#{}", &sha256(format!("{}{secret}", self.key).as_bytes())[..16]);
        let print = |(key, account): (&String, &Option<_>)| {
            let account: Option<&windlass_sql::mysql::Account> = Option::as_ref(account);
            (format!("account {key}"), account.map(|account| account.print(&seal)))
        };
        accounts.iter().map(print).collect()
    }

    /// Writes it so that it outlives a crash.
    pub(super) fn write(&self, job: &Job<'_>) -> Result<(), Failure> {
        let path = path(&job.cx.workspace);
        let text = serde_json::to_vec(self).map_err(io::Error::other);
        let written = text.and_then(|text| {
            fs::create_dir_all(&job.cx.workspace)?;
            write_private(&path, &text)
        });
        written.map_err(|error| failed(job, &path, &error.to_string()))
    }

    /// Reads the one that belongs to `before`, the part of it in the journal.
    pub(super) fn read(job: &Job<'_>, before: &State) -> Result<Self, Failure> {
        let path = path(&job.cx.workspace);
        let gone = |why: &str| {
            failed(job, &path, why).hint(
                "it holds how the accounts were, with the hashes of their passwords, which the journal has not: set them right by hand; \
                 `windlass show` has the rest",
            )
        };
        let mut text = String::new();
        let read = File::open(&path).and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text));
        read.map_err(|error| gone(&error.to_string()))?;
        // What serde says of a wrong value may show it.
        let kept: Self = serde_json::from_str(&text).map_err(|_| gone("it cannot be read"))?;
        if kept.prints(&kept.before) != *before {
            return Err(gone("it is not that of this step"));
        }
        Ok(kept)
    }
}

fn path(workspace: &Path) -> PathBuf {
    workspace.join("accounts.json")
}

fn failed(job: &Job<'_>, path: &Path, why: &str) -> Failure {
    Failure::clean(
        Fault::Target,
        format!("{}: `{}`: {}: {why}; nothing was changed", job.place(), job.short(), path.display()),
    )
}
