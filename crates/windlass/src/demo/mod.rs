//! The demo: a real service, released, failed, killed and rolled back.

use crate::{
    args::DemoArgs,
    exit::{Exit, Failure},
};
use std::ffi::OsString;

/// `windlass demo`.
pub fn run(_: DemoArgs) -> Result<Exit, Failure> {
    Err(Failure::wrong("this build has no demo"))
}

/// `windlass demo-service`.
pub fn service(_: Vec<OsString>) -> Result<Exit, Failure> {
    Err(Failure::wrong("this build has no demo"))
}

/// `windlass demo-load`.
pub fn load(_: Vec<OsString>) -> Result<Exit, Failure> {
    Err(Failure::wrong("this build has no demo"))
}
