//! Statements on definitions.

use super::{
    apply::{Again, Effects, Prep},
    job::{Job, Scope},
    ledger::Entry,
};
use windlass_driver::{Failure, Fault};

/// What a statement takes away, and how that is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Keep {}

pub(super) async fn apply(_job: &Job, _scope: &Scope, _prep: &Prep, _seq: i64) -> Result<Effects, Again> {
    Err(Failure::clean(Fault::Windlass, "definitions are not taken back yet").into())
}

pub(super) async fn undo(_job: &Job, _entry: &Entry) -> Result<Vec<String>, Again> {
    Ok(vec![])
}
