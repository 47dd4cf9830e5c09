//! `windlass service …`

use super::OutputArgs;
use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub struct ServiceArgs {
    #[command(subcommand)]
    pub command: ServiceCommand,
}

#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// Start it, wait for health, let requests through.
    Start(ServiceVersion),
    /// Hold requests, then stop it.
    Stop(ServiceName),
    /// Replace it by its strategy.
    Restart(ServiceVersion),
    /// Say which instances run and how they are.
    Status(ServiceName),
    /// Have the nginx or HAProxy in front answer all requests 503, or no more.
    Maintenance(ServiceMode),
    /// Have the nginx or HAProxy in front answer requests that may write 503, or no more; reads pass.
    Readonly(ServiceMode),
}

#[derive(Debug, Args)]
pub struct ServiceMode {
    #[command(flatten)]
    pub service: ServiceName,
    /// From now on, or no more.
    pub state: OnOff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum OnOff {
    On,
    Off,
}

#[derive(Debug, Args)]
pub struct ServiceName {
    /// Name of a `[service.NAME]` of windlass.toml.
    pub name: String,
    /// Use windlass.ENV.toml too.
    #[arg(long, value_name = "ENV")]
    pub env: Option<String>,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct ServiceVersion {
    #[command(flatten)]
    pub service: ServiceName,
    /// Version that it serves from now on; by default the one that served last.
    #[arg(long = "version", value_name = "VERSION")]
    pub release: Option<String>,
}
