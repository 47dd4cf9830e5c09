//! `windlass notices …`

use super::OutputArgs;
use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub struct NoticesArgs {
    #[command(subcommand)]
    pub command: NoticesCommand,
}

#[derive(Debug, Subcommand)]
pub enum NoticesCommand {
    /// Send a test to every receiver, or to one, and say whether it arrived (exit 4: not all did).
    Test(NoticesTestArgs),
}

#[derive(Debug, Args)]
pub struct NoticesTestArgs {
    /// Name of a `[notice.NAME]` of windlass.toml; by default all.
    pub name: Option<String>,
    /// Use windlass.ENV.toml too.
    #[arg(long, value_name = "ENV")]
    pub env: Option<String>,
    #[command(flatten)]
    pub output: OutputArgs,
}
