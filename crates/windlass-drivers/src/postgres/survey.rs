//! A look before anything runs.

use super::job::Job;
use windlass_driver::{Failure, Survey};

pub(super) async fn survey(_job: &Job) -> Result<Survey, Failure> {
    Ok(Survey::default())
}
