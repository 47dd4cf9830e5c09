//! `windlass backup …`

use super::OutputArgs;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use windlass_plan::BackupFolder;

pub(super) const BACKUP_EXAMPLES: &str = "Examples:
  windlass backup create db              by the server's own tool, through zstd, with SHA-256
  windlass backup create --folder s3://team-backups/app   to a bucket that is a target
  windlass backup verify                 restore the newest into a scratch database, compare
  windlass backup restore --into db_old  into a new database, never over one that is there
  windlass backup prune                  what `keep.backup` of the policy would delete";

#[derive(Debug, Args)]
pub struct BackupArgs {
    #[command(subcommand)]
    pub command: BackupCommand,
}

#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Back a database of windlass.toml up, of one consistent moment, while others go on.
    Create(BackupCreateArgs),
    /// List the backups, newest first.
    List(BackupListArgs),
    /// Restore a backup into a scratch database on the same server, compare it with what was written, and drop it again.
    Verify(BackupChooseArgs),
    /// Restore a backup into a new database on the same server (SQLite: a new file).
    Restore(BackupRestoreArgs),
    /// Delete backups that are older than `keep.backup` of the policy.
    ///
    /// Without --yes it only says which. The newest backup of a database stays, and so does the one that a run which is
    /// not finished, or is younger than `keep.record`, may go back to.
    Prune(BackupPruneArgs),
}

#[derive(Debug, Args)]
pub struct BackupWhere {
    /// Use windlass.ENV.toml too.
    #[arg(long, value_name = "ENV")]
    pub env: Option<String>,
    /// Folder of the backups, or `s3://BUCKET/FOLDER`; by default what windlass.toml says, else `.windlass/backups`.
    #[arg(long, value_name = "FOLDER", value_parser = backup_folder)]
    pub folder: Option<BackupFolder>,
    /// Folder with the server's programs (pg_dump, psql, mysqldump, mysql); by default the search path.
    #[arg(long, value_name = "FOLDER")]
    pub tools: Option<PathBuf>,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct BackupCreateArgs {
    /// A database of windlass.toml; may be left out where there is only one.
    pub target: Option<String>,
    /// Most that is taken from the database in a second, as 20MiB/s; by default what windlass.toml says.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub rate: Option<u64>,
    #[command(flatten)]
    pub place: BackupWhere,
}

#[derive(Debug, Args)]
pub struct BackupListArgs {
    #[command(flatten)]
    pub place: BackupWhere,
}

#[derive(Debug, Args)]
pub struct BackupChooseArgs {
    /// Its name; by default the newest.
    pub backup: Option<String>,
    /// File with the private key of an encrypted backup, as `age-keygen` writes it.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    #[command(flatten)]
    pub place: BackupWhere,
}

#[derive(Debug, Args)]
pub struct BackupRestoreArgs {
    /// Its name; by default the newest.
    pub backup: Option<String>,
    /// File with the private key of an encrypted backup, as `age-keygen` writes it.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// Name of the new database, or of the new file beside the old one.
    #[arg(long, value_name = "NAME")]
    pub into: String,
    #[command(flatten)]
    pub place: BackupWhere,
}

#[derive(Debug, Args)]
pub struct BackupPruneArgs {
    /// Delete them.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub place: BackupWhere,
}

fn rate(text: &str) -> Result<u64, String> {
    windlass_plan::rate_bytes(text).ok_or_else(|| "write how much a second, as 20MiB/s".to_owned())
}

pub(super) fn backup_folder(text: &str) -> Result<BackupFolder, String> {
    windlass_plan::backup_folder(text).map_err(str::to_owned)
}
