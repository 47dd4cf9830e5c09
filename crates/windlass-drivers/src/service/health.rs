//! Waiting for an instance to be healthy.

use super::instance::{Instance, Life};
use crate::http::client;
use std::time::Duration;
use tokio::{net::TcpStream, time::Instant};
use windlass_driver::Failure;

/// Longest wait for the answer to one probe, milliseconds.
const PROBE_MS_MAX: u64 = 2_000;

/// Wait between probes, milliseconds.
const PROBE_EVERY_MS: u64 = 20;

/// How an instance is probed.
#[derive(Clone, Debug)]
pub enum Probe {
    /// GET answers 2xx; redirects are not followed.
    Get(String, reqwest::Client),
    /// It accepts a connection.
    Connect(String),
}

/// Why an instance did not become healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unhealthy {
    /// It ended by itself: how.
    Crashed(String),
    /// The time is over: what the last probe said.
    Late(String),
    /// Its state cannot be read.
    Io(String),
}

impl Probe {
    /// GET of `url`.
    ///
    /// # Errors
    /// No HTTP client can be made.
    pub fn get(url: String) -> Result<Self, Failure> {
        Ok(Self::Get(url, client(Duration::from_millis(PROBE_MS_MAX))?))
    }

    /// One probe.
    ///
    /// # Errors
    /// What was wrong, for a person.
    pub async fn once(&self) -> Result<(), String> {
        match self {
            Self::Connect(address) => {
                let within = Duration::from_millis(PROBE_MS_MAX);
                match tokio::time::timeout(within, TcpStream::connect(address)).await {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err(error)) => Err(format!("connection to {address}: {error}")),
                    Err(_) => Err(format!("connection to {address}: none within {PROBE_MS_MAX} ms")),
                }
            }
            Self::Get(url, client) => match client.get(url).send().await {
                Ok(answer) if answer.status().is_success() => Ok(()),
                Ok(answer) => Err(format!("GET {url} answered {}", answer.status())),
                Err(error) => Err(format!("GET {url}: {}", crate::http::cause(&error))),
            },
        }
    }

    /// Waits until the instance was green without a break for `stable_ms`. It must turn green (for good) within
    /// `start_within_ms`. An end of the process after the `crashes`-th is reported at once.
    pub async fn stable(
        &self,
        instance: &Instance,
        crashes: u32,
        start_within_ms: u64,
        stable_ms: u64,
    ) -> Result<(), Unhealthy> {
        let start = Instant::now();
        let mut green: Option<Instant> = None;
        let mut problem = "it was not asked yet".to_owned();
        loop {
            let life = instance.life().map_err(|error| Unhealthy::Io(error.to_string()))?;
            if let Some(how) = crash(&life, crashes) {
                return Err(Unhealthy::Crashed(how));
            }
            match self.once().await {
                Ok(()) if life.pid().is_some() => {
                    let since = *green.get_or_insert_with(Instant::now);
                    if elapsed_ms(since) >= stable_ms {
                        return Ok(());
                    }
                }
                Ok(()) => {
                    (green, problem) = (None, "its process does not run yet, another one answers".into())
                }
                Err(why) => (green, problem) = (None, why),
            }
            if green.is_none() && elapsed_ms(start) >= start_within_ms {
                return Err(Unhealthy::Late(problem));
            }
            tokio::time::sleep(Duration::from_millis(PROBE_EVERY_MS)).await;
        }
    }
}

fn crash(life: &Life, crashes: u32) -> Option<String> {
    let state = life.state()?;
    let how = || state.last_exit.clone().unwrap_or_else(|| "it ended, how is not known".into());
    let ended = matches!(life, Life::Ended { .. });
    (state.restarts > crashes || ended).then(how)
}

fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
