//! `windlass demo`

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Print what was measured as JSON.
    #[arg(long)]
    pub json: bool,
    /// Keep the folder of the demo here instead of in a temporary one.
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct DemoServiceArgs {
    /// Its SQLite database.
    #[arg(long, value_name = "FILE")]
    pub database: PathBuf,
    /// The file that names its version.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Where it listens, on 127.0.0.1.
    #[arg(long)]
    pub port: u16,
}
