//! `windlass proxy …`

use super::ServiceName;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct ProxyArgs {
    #[command(subcommand)]
    pub command: ProxyCommand,
}

#[derive(Debug, Subcommand)]
pub enum ProxyCommand {
    /// Serve until told to stop. Run it as a unit of its own: it outlives windlass.
    Run(ProxyRunArgs),
    /// Show upstreams, health and counters.
    Status(ServiceName),
    /// Keep requests waiting until `resume`.
    Hold(ProxyHoldArgs),
    /// Let held requests go on.
    Resume(ServiceName),
    /// Send requests to these addresses from now on.
    Switch(ProxySwitchArgs),
    /// Finish what is in flight, then end the proxy.
    Stop(ProxyStopArgs),
}

#[derive(Debug, Args)]
pub struct ProxyRunArgs {
    #[command(flatten)]
    pub service: ServiceName,
    /// Take the socket over from the proxy that runs: an upgrade without a dropped connection.
    #[arg(long)]
    pub take_over: bool,
    /// Serve TLS with this certificate chain (PEM).
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// Private key of the certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Worker threads; by default one per core.
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
}

#[derive(Debug, Args)]
pub struct ProxyHoldArgs {
    #[command(flatten)]
    pub service: ServiceName,
    /// Longest wait of one request, in milliseconds; by default the service's `hold`.
    #[arg(long, value_name = "MS")]
    pub hold_ms: Option<u64>,
}

#[derive(Debug, Args)]
pub struct ProxySwitchArgs {
    #[command(flatten)]
    pub service: ServiceName,
    /// An upstream: `VERSION=HOST:PORT`, or `VERSION=HOST:PORT@WEIGHT` with weights that add up to 100.
    #[arg(required = true, value_name = "VERSION=HOST:PORT[@WEIGHT]")]
    pub upstreams: Vec<String>,
    /// Also let held requests go on, in the same instant.
    #[arg(long)]
    pub resume: bool,
}

#[derive(Debug, Args)]
pub struct ProxyStopArgs {
    #[command(flatten)]
    pub service: ServiceName,
    /// Longest wait for requests in flight, in milliseconds; by default the service's `drain`.
    #[arg(long, value_name = "MS")]
    pub drain_ms: Option<u64>,
}
