//! What is known of a backup.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use windlass_plan::UrlKind;

/// Version of the manifest's JSON, 2 since backups may be encrypted. A newer one is read as unknown, never guessed at.
pub const BACKUP_FORMAT: u32 = 2;

/// Description of one backup: `NAME.json` beside its data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// 1 if an older version can restore it, else [`BACKUP_FORMAT`].
    pub format: u32,
    /// Its name: target and moment.
    pub name: String,
    /// Target of windlass.toml.
    pub target: String,
    /// Kind of database.
    pub kind: UrlKind,
    /// Name of the database, or of its file.
    pub database: String,
    /// File with the data, in the same folder.
    pub file: String,
    /// When it began, milliseconds since 1970 (UTC), by the clock of this machine.
    pub at_ms: i64,
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// Bytes before compression.
    pub bytes: u64,
    /// Bytes of the file.
    pub stored_bytes: u64,
    /// SHA-256 of the file.
    pub sha256: String,
    /// What made it, with its version.
    pub tool: String,
    /// Version of the server.
    pub server: String,
    /// Position in the server's log just before it began, where the account may read it: WAL position or binary log file
    /// and offset.
    pub position: Option<String>,
    /// Rows of each table, as they are in the backup.
    pub rows: BTreeMap<String, u64>,
    /// Public keys of age for which the file is encrypted; none: it is not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<String>,
}

impl Manifest {
    /// Whether only the holder of a private key can read it.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        !self.recipients.is_empty()
    }

    /// Rows of all tables.
    #[must_use]
    pub fn rows_all(&self) -> u64 {
        self.rows.values().sum()
    }
}
