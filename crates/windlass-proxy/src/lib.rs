//! The data plane: a process of its own that outlives controller and CLI.
//!
//! [`run`] serves clients until it is told to stop; [`Client`] tells it what to do over [`control`], a Unix socket in
//! the state folder.
//!
//! - **Claim under lock.** A request chooses its upstream and is counted as in flight under the same lock that a
//!   switch or a hold takes (`routing`, `table`): none reaches an upstream after it was switched out.
//! - **Hold, don't drop.** Requests wait in a bounded queue; beyond its length or the hold time: 503, `Retry-After`.
//! - **Saved before done.** `state.json` is replaced (temp file, fsync, rename, fsync of the folder) before a change
//!   takes effect; when that fails, the command is refused and nothing was switched. Only when the last of these
//!   steps fails, the new state is in force (a start would use it), and the answer says that it may be lost.
//! - **No lock is shared by workers** on the way of a request: each worker thread has its own runtime, its own copy
//!   of the routing table, connection pools and counters. A change takes the locks of all workers at once.
//!
//! What it leaves out, on purpose: 1xx answers other than 100 and 101 end here; WebSocket over HTTP/2 (RFC 8441) is
//! not offered (browsers then open an HTTP/1.1 connection for it); a tunnel that outlives its drain is cut without a
//! WebSocket close frame, because the proxy does not read what goes through it.

mod body;
mod client;
mod commands;
mod config;
pub mod control;
mod error;
mod forward;
mod handover;
mod headers;
mod health;
mod histogram;
mod lane;
mod listen;
mod routing;
mod server;
mod socket;
mod split;
mod state;
mod table;
mod tunnel;
mod upstream;
mod wire;
mod worker;

pub use client::Client;
pub use config::{Config, Forwarded, Health, Log, Tls};
pub use error::{ControlError, ProxyError};
pub use headers::PROBE_AGENT;
pub use server::run;
pub use split::COOKIE;
