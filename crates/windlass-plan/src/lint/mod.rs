//! Lint: what a compiled release would do that its author may not want. Only what can be decided with certainty.

use crate::{Config, compile::Compiled};
use windlass_document::{Document, Finding};

/// What rules look at.
pub(crate) struct Facts<'a> {
    pub(crate) document: &'a Document,
    /// Its text.
    pub(crate) text: &'a str,
    pub(crate) config: &'a Config,
    /// Steps in order of execution.
    pub(crate) steps: &'a [Compiled],
    /// All steps could be compiled: what is not there is really not there.
    pub(crate) complete: bool,
}

/// All findings of all rules.
pub(crate) fn lint(_facts: &Facts<'_>) -> Vec<Finding> {
    Vec::new()
}
