//! The journal: both stores by one suite, the chain against tampering, full disks, killed writers, rival processes, and
//! the format against its golden file.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "golden/events.rs"]
mod golden;
#[path = "../../lab/scene.rs"]
mod scene;

mod chain;
mod crash;
mod disk;
mod edit;
mod format;
mod generated;
mod model;
mod rivals;
mod states;
mod suite;
mod support;
mod tamper;
mod trouble;
mod units;
