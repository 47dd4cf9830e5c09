//! `windlass adopt` and `windlass init`.

use super::OutputArgs;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct AdoptArgs {
    /// The runbook, in Markdown or what wikis give, or a shell script (`.sh`).
    #[arg(value_name = "RUNBOOK")]
    pub runbook: PathBuf,
    /// Write the draft to this file; `-`: print it, and write nothing.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Where a runbook has several ways to do the same, take the parts whose heading has these words.
    #[arg(long, value_name = "WORDS")]
    pub way: Vec<String>,
    #[command(flatten)]
    pub print: OutputArgs,
}

pub const ADOPT_EXAMPLES: &str = "Examples:
  windlass adopt docs/release.md -o RELEASE.md   the draft, and windlass.toml
  windlass check RELEASE.md                      what is still to be decided
  windlass adopt docs/update.md --way 'Option B' take that way, not the first
  windlass adopt deploy/update.sh                a script";

#[derive(Debug, Args)]
pub struct InitArgs {
    /// The repository.
    #[arg(value_name = "FOLDER", default_value = ".")]
    pub folder: PathBuf,
    #[command(flatten)]
    pub output: OutputArgs,
}
