//! A proxy as a process of its own, for the crash tests and the benchmark; what people start is `windlass proxy run`.
//!
//! `serve LISTEN STATE_DIR [--take-over] [--drain-ms N] [--tls CERT KEY] [VERSION=ADDRESS=WEIGHT …]`

use std::path::PathBuf;
use windlass_proxy::{Config, Log, Tls, control::Upstream};

type Fault = Box<dyn std::error::Error>;

fn main() -> Result<(), Fault> {
    let config = config(std::env::args().skip(1))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut ask = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let shutdown = async {
            ask.recv().await;
        };
        Ok(windlass_proxy::run(config, shutdown).await?)
    })
}

fn config(mut args: impl Iterator<Item = String>) -> Result<Config, Fault> {
    let mut next = |what: &str| args.next().ok_or_else(|| format!("missing {what}"));
    let mut config = Config::new(next("LISTEN")?, next("STATE_DIR")?);
    config.log = Log::new(|line| {
        use std::io::Write;
        // A log that cannot be written is no reason to stop serving.
        let _ = writeln!(std::io::stderr(), "{line}");
    });
    while let Ok(argument) = next("argument") {
        match argument.as_str() {
            "--take-over" => config.take_over = true,
            "--drain-ms" => config.drain_ms = next("N")?.parse()?,
            "--tls" => {
                config.tls =
                    Some(Tls { cert: PathBuf::from(next("CERT")?), key: PathBuf::from(next("KEY")?) });
            }
            upstream => {
                let parts: Vec<&str> = upstream.split('=').collect();
                let [version, address, weight] = parts[..] else {
                    return Err(format!("bad {upstream}").into());
                };
                config.upstreams.push(Upstream {
                    version: version.into(),
                    address: address.into(),
                    weight: weight.parse()?,
                    health: None,
                });
            }
        }
    }
    Ok(config)
}
