//! The journal: both stores by one suite, the chain against tampering, full disks, killed writers, rival processes, and
//! the format against its golden file.

#![expect(clippy::unwrap_used, reason = "tests")]

mod chain;
mod crash;
mod disk;
mod format;
mod states;
mod suite;
mod support;
