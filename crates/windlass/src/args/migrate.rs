//! `windlass migrate …`

use super::{DrivingArgs, OutputArgs, Policy, PolicyArgs};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct MigrateArgs {
    #[command(subcommand)]
    pub command: MigrateCommand,
}

#[derive(Debug, Subcommand)]
pub enum MigrateCommand {
    /// Run what is pending, in order.
    Up(MigrateUpArgs),
    /// Take the newest migration back, by its own script; without one, by taking back the run that brought it.
    Down(MigrateDownArgs),
    /// List the migrations: version, name, when, state.
    Status(MigrateShowArgs),
    /// Compare the files with what ran, and try each migration on a scratch copy: up, down, up again.
    #[command(after_help = VERIFY_HELP)]
    Verify(MigrateVerifyArgs),
}

/// Which folder, which database.
#[derive(Debug, Args)]
pub struct MigrateWhere {
    /// The folder of the migrations.
    pub dir: PathBuf,
    /// The database: a `[target.NAME]` of windlass.toml; by default the only one.
    #[arg(long, value_name = "TARGET")]
    pub on: Option<String>,
    /// Whose folder it is, where its files do not tell.
    #[arg(long, value_enum)]
    pub tool: Option<MigrateTool>,
    /// Use windlass.ENV.toml too.
    #[arg(long, value_name = "ENV")]
    pub env: Option<String>,
}

/// `--tool`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MigrateTool {
    GolangMigrate,
    Dbmate,
    Flyway,
    Sqlx,
    Goose,
    Diesel,
    Liquibase,
    /// Nobody's: files in the order of their names, with a table of our own.
    Plain,
}

impl From<MigrateTool> for windlass_plan::migrations::Tool {
    fn from(tool: MigrateTool) -> Self {
        match tool {
            MigrateTool::GolangMigrate => Self::GolangMigrate,
            MigrateTool::Dbmate => Self::Dbmate,
            MigrateTool::Flyway => Self::Flyway,
            MigrateTool::Sqlx => Self::Sqlx,
            MigrateTool::Goose => Self::Goose,
            MigrateTool::Diesel => Self::Diesel,
            MigrateTool::Liquibase => Self::Liquibase,
            MigrateTool::Plain => Self::Plain,
        }
    }
}

#[derive(Debug, Args)]
pub struct MigrateUpArgs {
    #[command(flatten)]
    pub place: MigrateWhere,
    /// The last version to run; by default all.
    #[arg(long, value_name = "VERSION")]
    pub to: Option<String>,
    /// Run at most so many.
    #[arg(long, value_name = "N")]
    pub steps: Option<usize>,
    /// Run also what comes before a version that has run.
    #[arg(long)]
    pub out_of_order: bool,
    /// Run this version although nobody knows a way back; may be given more than once.
    #[arg(long, value_name = "VERSION")]
    pub irreversible: Vec<String>,
    /// Run this version again although nobody knows how far an earlier try of it came: a program that was killed.
    #[arg(long, value_name = "VERSION")]
    pub rerun: Vec<String>,
    /// Start without asking.
    #[arg(long)]
    pub yes: bool,
    /// What to do when a statement fails.
    #[arg(long, value_enum, default_value_t = Policy::Unwind, value_name = "WHAT")]
    pub on_failure: Policy,
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub driving: DrivingArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct MigrateDownArgs {
    #[command(flatten)]
    pub place: MigrateWhere,
    /// The last version that stays; `0`: none does.
    #[arg(long, value_name = "VERSION", conflicts_with = "steps")]
    pub to: Option<String>,
    /// Take so many back; by default one.
    #[arg(long, value_name = "N")]
    pub steps: Option<usize>,
    /// Run the program of this version's way back again although an earlier try of it was begun; may be given more than once.
    #[arg(long, value_name = "VERSION")]
    pub rerun: Vec<String>,
    /// Take this version back although its script cannot be taken back itself; may be given more than once.
    #[arg(long, value_name = "VERSION")]
    pub irreversible: Vec<String>,
    /// Start without asking.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub driving: DrivingArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

const VERIFY_HELP: &str = "\
What ran is tried on an empty database, in order; what is pending on a copy of
the database. Both are beside it, and gone at the end, whatever ends it. The
database itself is only read.

Exit codes:
  0    the files are what ran, each way back leads back, each runs again
  2    the command line or windlass.toml is wrong
  4    a difference, or no copy could be made: room, rights, programs
  130  interrupted; the copies are gone";

#[derive(Debug, Args)]
pub struct MigrateVerifyArgs {
    #[command(flatten)]
    pub place: MigrateWhere,
    /// What to try: all migrations, those that are pending, or none (then only the files are compared).
    #[arg(long = "try", value_enum, default_value_t = Tries::All, value_name = "WHICH")]
    pub tries: Tries,
    /// Make the copies on a server of their own, started for this from the programs of this machine.
    #[arg(long)]
    pub private: bool,
    /// Copy at most so many rows of each table; foreign keys of the copy hold.
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u64).range(1..))]
    pub sample: Option<u64>,
    /// Folder with the server's programs (pg_dump, psql, mysqldump, mysql); by default the search path.
    #[arg(long, value_name = "FOLDER")]
    pub tools: Option<PathBuf>,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `--try`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tries {
    All,
    Pending,
    None,
}

#[derive(Debug, Args)]
pub struct MigrateShowArgs {
    #[command(flatten)]
    pub place: MigrateWhere,
    #[command(flatten)]
    pub output: OutputArgs,
}
