//! Other hosts, by the system's own `ssh`: `~/.ssh/config`, agents, jump hosts and known_hosts count. Nothing is installed
//! there: sshd and a POSIX shell are enough.
//!
//! One multiplexed connection a host, shared by all units of a run. Host keys are checked strictly and nothing is asked:
//! a host that is not known, or that wants a password, is an error with words. Whatever is sent to a host goes over its
//! standard input, so that nothing of it is in a list of processes.

mod call;
pub mod place;
mod session;
mod tunnel;

pub(crate) use call::{Call, End, Event};
use session::Session;
pub(crate) use tunnel::Tunnel;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use windlass_document::shell::quote;
use windlass_driver::{Context, Failure, Fault};
use windlass_plan::{Target, Unit};

/// Connections that are being made at a time. A stock sshd drops some of ten that arrive together (`MaxStartups
/// 10:30:100`, sshd_config(5)), and a jump host sees them all.
const HANDSHAKES_MAX: usize = 8;
/// Tries of one connection, where the host let it drop for being one of many.
const TRIES_MAX: u32 = 4;

/// A host as a unit names it, and how `ssh` is told to find it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Host {
    /// `host` or `user@host`.
    pub(crate) name: String,
    /// `ssh -F`; none: the user's own configuration.
    config: Option<PathBuf>,
}

impl Host {
    /// The host of a unit; `None`: this machine.
    pub(crate) fn of(cx: &Context, unit: &Unit) -> Option<Self> {
        if unit.host == "local" {
            return None;
        }
        let on = cx.plan.unit(&unit.id).map(|(step, _)| {
            let own = step.units.iter().any(|other| other.id == unit.id);
            // A hand-written undo may be on another target than the step that it undoes.
            let script = step.undo.as_ref().filter(|script| !own && !script.on.is_empty());
            script.map_or(&step.on, |script| &script.on)
        });
        Self::at(cx, on.map_or("", String::as_str), &unit.host)
    }

    /// A host of a target; `None`: this machine.
    pub(crate) fn at(cx: &Context, target: &str, host: &str) -> Option<Self> {
        if host == "local" {
            return None;
        }
        let config = match cx.plan.targets.get(target) {
            Some(Target::Hosts { ssh_config: Some(file), .. }) => Some(cx.base.join(file)),
            _ => None,
        };
        Some(Self { name: host.to_owned(), config })
    }

    /// The command that a person types to run something there.
    pub(crate) fn ssh(&self) -> String {
        match &self.config {
            Some(file) => format!("ssh -F {} {}", word(&file.display().to_string()), word(&self.name)),
            None => format!("ssh {}", word(&self.name)),
        }
    }
}

/// `text` as a person types it: in quotes where it takes them.
pub(crate) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%_+=:,./-~".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { quote(text) }
}

/// Connections to hosts, made when they are first needed.
#[derive(Clone)]
pub struct Hosts(Arc<Inner>);

/// The connection to one host, if there is one; whoever makes it holds the lock, and the others wait for it.
type Slot = Arc<AsyncMutex<Option<Arc<Session>>>>;

struct Inner {
    open: Mutex<HashMap<Host, Slot>>,
    handshakes: Semaphore,
}

impl Default for Hosts {
    fn default() -> Self {
        Self(Arc::new(Inner { open: Mutex::default(), handshakes: Semaphore::new(HANDSHAKES_MAX) }))
    }
}

impl std::fmt::Debug for Hosts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hosts").finish_non_exhaustive()
    }
}

impl Hosts {
    /// The connection to a host. One that broke is made anew: whoever finds that it did hands it in as `broken`.
    async fn connect(&self, host: &Host, broken: Option<&Arc<Session>>) -> Result<Arc<Session>, Failure> {
        let slot = {
            let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(open.entry(host.clone()).or_default())
        };
        let mut slot = slot.lock().await;
        if let Some(session) = slot.as_ref()
            && broken.is_none_or(|broken| !Arc::ptr_eq(broken, session))
        {
            return Ok(Arc::clone(session));
        }
        *slot = None;
        let session = Arc::new(self.handshake(host).await?);
        *slot = Some(Arc::clone(&session));
        Ok(session)
    }

    async fn handshake(&self, host: &Host) -> Result<Session, Failure> {
        let mut tries = 1;
        loop {
            let error = {
                let _one = self.0.handshakes.acquire().await.expect("the semaphore is never closed");
                match Session::connect(&host.name, host.config.as_deref()).await {
                    Ok(session) => return Ok(session),
                    Err(error) => error,
                }
            };
            if tries == TRIES_MAX || !is_crowded(&error) {
                return Err(no_connection(host, &error));
            }
            tokio::time::sleep(Duration::from_millis(300) * 3_u32.pow(tries - 1)).await;
            tries += 1;
        }
    }
}

/// The host let the connection drop before it looked at it.
fn is_crowded(error: &str) -> bool {
    ["kex_exchange_identification", "Connection reset by peer", "Connection closed by"]
        .iter()
        .any(|words| error.contains(words))
}

/// Nothing was started.
fn no_connection(host: &Host, error: &str) -> Failure {
    let ssh = host.ssh();
    let failure = Failure::clean(Fault::Transport, format!("no connection to {}: {error}", host.name));
    if error.contains("Host key verification failed") {
        return failure.hint(format!(
            "its key is not known here, or has changed: compare it with one that you got from the host itself, then `{ssh} true`"
        ));
    }
    if error.contains("Permission denied") || error.contains("Too many authentication failures") {
        return failure.hint(format!(
            "Windlass never asks for a password: it takes a key or an agent; see `{ssh} -v true`"
        ));
    }
    failure.retryable().hint(format!("see `{ssh} -v true`"))
}

/// Whether the file of `ssh -F` is there: ssh itself says only that it cannot be read.
pub(crate) fn missing_config(host: &Host) -> Option<&Path> {
    host.config.as_deref().filter(|file| !file.is_file())
}
