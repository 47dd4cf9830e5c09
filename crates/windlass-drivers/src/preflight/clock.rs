//! Whether the clock of a host says what that of this machine says.

use super::{checked, question::Answers};
use windlass_plan::{Checked, Needs, State};

/// Certificates, tokens and logs are of no use when clocks differ by more, seconds.
const SKEW_S_MAX: f64 = 30.0;

pub(super) fn judge(needs: &Needs, answers: &Answers) -> Option<Checked> {
    let Some((theirs, before, behind)) = answers.clock else {
        return Some(checked(needs, "clock", State::Unknown, answers.why()));
    };
    // It was asked at some time between the two, and says whole seconds.
    let theirs = theirs as f64;
    let ahead = theirs - behind;
    let late = before - (theirs + 1.0);
    let (state, said) = match (ahead > SKEW_S_MAX, late > SKEW_S_MAX) {
        (true, _) => (State::Warning, format!("{ahead:.0} s ahead of this machine")),
        (_, true) => (State::Warning, format!("{late:.0} s behind this machine")),
        _ => (State::Ok, format!("within {SKEW_S_MAX:.0} s of this machine")),
    };
    Some(checked(needs, "clock", state, said))
}
