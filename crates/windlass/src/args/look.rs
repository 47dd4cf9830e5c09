//! The commands that only look, and what several commands share.

use clap::Args;
use std::path::PathBuf;

#[derive(Clone, Debug, Args)]
pub struct OutputArgs {
    /// Print JSON on standard output.
    #[arg(long)]
    pub json: bool,
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
    pub output: OutputArgs,
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
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// Environment: lays windlass.ENV.toml over windlass.toml.
    #[arg(long, value_name = "ENV")]
    pub env: Option<String>,
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
