//! Servers that a team runs already, in front of its services: only a marked part of their configuration is written.
//!
//! | what | by nginx and HAProxy |
//! |---|---|
//! | switch, weights | the servers of an upstream or backend, between the marks |
//! | hold | cannot: requests are answered 503 with `Retry-After` |
//! | read-only | writes are answered 503, reads pass |
//! | drain | workers that read the earlier configuration finish what they have |

mod file;
mod haproxy;
mod include;
mod marked;
mod marks;
mod master;
mod nginx;
mod runtime;

pub use marked::Marked;
