//! `windlass rehearse`

use super::{OutputArgs, backup::backup_folder};
use clap::Args;
use std::path::PathBuf;
use windlass_plan::BackupFolder;

pub(super) const REHEARSE_EXAMPLES: &str = "Examples:
  windlass rehearse RELEASE.md                    on copies beside the databases
  windlass rehearse RELEASE.md --from latest      on the newest backup
  windlass rehearse RELEASE.md --private          on a server started for it
  windlass rehearse RELEASE.md --sample 10000     of each table 10,000 rows

Exit codes:
  0    every undo led back, and crashes and repeats led to the same
  1    a statement failed, or an undo would not lead back
  2    the document or the command line is wrong
  4    no copy could be made: room, rights, programs
  130  interrupted; the copies are gone";

#[derive(Debug, Args)]
pub struct RehearseArgs {
    /// Release document.
    pub file: PathBuf,
    /// Use windlass.ENV.toml too; by default the document's `env`.
    #[arg(long, value_name = "ENV")]
    pub env: Option<String>,
    /// Use a backup instead of a copy made now: its name, or `latest`.
    #[arg(long, value_name = "BACKUP")]
    pub from: Option<String>,
    /// File with the private key of an encrypted backup, as `age-keygen` writes it.
    #[arg(long, value_name = "FILE", requires = "from")]
    pub identity: Option<PathBuf>,
    /// Make the copies on another server: URL of a database there, or a target of windlass.toml.
    #[arg(long, value_name = "URL|TARGET", conflicts_with = "private")]
    pub on: Option<String>,
    /// Make the copies on a server of their own, started for this from the programs of this machine.
    #[arg(long)]
    pub private: bool,
    /// Copy at most so many rows of each table; foreign keys of the copy hold.
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "from")]
    pub sample: Option<u64>,
    /// Folder of the backups, or `s3://BUCKET/FOLDER`; by default what windlass.toml says, else `.windlass/backups`.
    #[arg(long, value_name = "FOLDER", value_parser = backup_folder)]
    pub folder: Option<BackupFolder>,
    /// Folder with the server's programs (pg_dump, psql, mysqldump, mysql); by default the search path.
    #[arg(long, value_name = "FOLDER")]
    pub tools: Option<PathBuf>,
    #[command(flatten)]
    pub output: OutputArgs,
}
