//! Whether `sudo` runs without a password: nobody is asked during a release.

use super::{
    checked,
    question::{Answer, Answers, Question},
};
use windlass_plan::{Checked, Needs, State};

pub(super) fn judge(needs: &Needs, questions: &[Question], answers: &Answers) -> Option<Checked> {
    let line = needs.sudo?;
    let at = questions.iter().position(|question| *question == Question::Sudo)?;
    let (state, said) = match answers.of(at) {
        Some(Answer::There) => (State::Ok, "asks for no password".to_owned()),
        Some(Answer::Unseen) => {
            let hint = "`sudo -n true` has to work there: NOPASSWD in sudoers, for what the lines run";
            (State::Error, format!("line {line} needs it, and it asks for a password; {hint}"))
        }
        // The program is missing: that is said of line and program.
        Some(Answer::Missing) => return None,
        _ => (State::Unknown, answers.why().to_owned()),
    };
    Some(checked(needs, "sudo", state, said))
}
