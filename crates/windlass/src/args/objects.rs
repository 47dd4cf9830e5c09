//! `windlass objects …`

use super::{DrivingArgs, OutputArgs, PolicyArgs};
use clap::{Args, Subcommand};

pub(super) const OBJECTS_EXAMPLES: &str = "Examples:
  windlass objects list s3://BUCKET/production/
  windlass objects sync s3://BUCKET/a/ s3://BUCKET/b/ --exclude '*' --include '*.txt'
  windlass objects move s3://BUCKET/a/ s3://BUCKET/b/ --recursive
  windlass objects remove --yes s3://BUCKET/old/ --recursive";

#[derive(Debug, Args)]
pub struct ObjectsArgs {
    #[command(subcommand)]
    pub command: ObjectsCommand,
}

#[derive(Debug, Subcommand)]
pub enum ObjectsCommand {
    /// List the objects below s3://BUCKET/PREFIX: size, time, key.
    List {
        /// s3://BUCKET/PREFIX; the bucket is a target of windlass.toml.
        place: String,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Copy what the destination lacks or has otherwise.
    Sync(LineArgs),
    /// Copy objects and delete them at the source.
    Move(LineArgs),
    /// Delete objects.
    Remove(LineArgs),
}

#[derive(Debug, Args)]
pub struct LineArgs {
    /// Start without asking.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub driving: DrivingArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Places and options, as behind `aws s3 sync|mv|rm`.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORD")]
    pub words: Vec<String>,
}
