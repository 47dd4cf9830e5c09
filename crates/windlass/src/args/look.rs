//! The commands that only look, and what several commands share.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Clone, Debug, Args)]
pub struct OutputArgs {
    /// Print JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// How `check` and `plan` print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For scripts.
    Json,
    /// GitHub: findings as annotations; of a plan also a comment in Markdown.
    Github,
    /// GitLab: findings as a Code Quality report; of a plan a comment in Markdown.
    Gitlab,
    /// SARIF 2.1.0: findings for code scanning.
    Sarif,
}

#[derive(Clone, Debug, Args)]
pub struct FormatArgs {
    /// Print for people, for scripts, or for a CI system (docs/ci.md).
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text", conflicts_with = "json")]
    format: Format,
    /// Print JSON on standard output: `--format json`.
    #[arg(long)]
    json: bool,
}

impl FormatArgs {
    pub fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Release documents.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Use windlass.ENV.toml too; by default the document's `env`.
    #[arg(long, value_name = "ENV")]
    pub env: Option<String>,
    #[command(flatten)]
    pub output: FormatArgs,
}

#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Release document.
    pub file: PathBuf,
    /// Use windlass.ENV.toml too; by default the document's `env`.
    #[arg(long, value_name = "ENV")]
    pub env: Option<String>,
    /// Do not look at the world: show what the text alone says.
    #[arg(long)]
    pub offline: bool,
    #[command(flatten)]
    pub output: FormatArgs,
}

#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// Also objects of runs that are not in this journal: they may be of a project that shares the bucket.
    #[arg(long)]
    pub unknown_runs: bool,
    /// Environment: lays windlass.ENV.toml over windlass.toml.
    #[arg(long, value_name = "ENV")]
    pub env: Option<String>,
    #[command(flatten)]
    pub output: OutputArgs,
}

pub(super) const VERIFY_JOURNAL_EXAMPLES: &str = "Examples:
  windlass verify-journal                   is it whole; prints the last hash
  windlass verify-journal 3fa1c09be2d4      is that hash still part of it
  windlass verify-journal --table           who did what when, over all runs
  windlass verify-journal --export > j.txt  every entry, for another checker";

#[derive(Debug, Args)]
pub struct VerifyJournalArgs {
    /// A hash that was noted before: say whether everything up to it is still as it was.
    pub hash: Option<String>,
    /// Also print who did what when, over all runs.
    #[arg(long)]
    pub table: bool,
    /// Print every entry with its hash, one JSON object a line, so that others can check the chain.
    #[arg(long, conflicts_with_all = ["table", "json"])]
    pub export: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// The run; by default the newest one that is not finished, else the newest.
    pub run: Option<String>,
    #[command(flatten)]
    pub output: OutputArgs,
}
