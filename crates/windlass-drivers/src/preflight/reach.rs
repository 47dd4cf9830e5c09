//! Whether a host answers.

use super::{checked, question::Answers};
use windlass_driver::Failure;
use windlass_plan::{Checked, Needs, State};

const WHAT: &str = "connection";

pub(super) fn unreached(needs: &Needs, failure: &Failure) -> Checked {
    let said = failure.clone().whole("; ");
    // Steps before its first one may bring it up.
    if needs.certain {
        checked(needs, WHAT, State::Error, said)
    } else {
        checked(needs, WHAT, State::Warning, format!("{said}; a line before its first one may mend that"))
    }
}

pub(super) fn reached(needs: &Needs, answers: &Answers) -> Checked {
    match &answers.cut {
        None => checked(needs, WHAT, State::Ok, "it answers"),
        Some(why) => checked(needs, WHAT, State::Warning, format!("it can be reached, and then: {why}")),
    }
}
