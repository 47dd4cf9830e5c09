//! Whether the programs and files are there that the lines name.

use super::{
    checked,
    question::{Answer, Answers, Question},
};
use windlass_plan::{Checked, Needed, Needs, State, Thing};

pub(super) fn judge(needs: &Needs, questions: &[Question], answers: &Answers) -> Vec<Checked> {
    let (mut all, mut there, mut unasked) = (Vec::new(), 0, 0);
    for (at, question) in questions.iter().enumerate() {
        let Question::Thing(thing) = question else { continue };
        let Some(needed) = needs.things.get(*thing) else { continue };
        match answers.of(at) {
            Some(Answer::There) => there += 1,
            Some(Answer::Missing) => all.push(missing(needs, needed)),
            Some(Answer::Unseen) => all.push(unseen(needs, needed)),
            _ => unasked += 1,
        }
    }
    let words = |count: usize| {
        if count == 1 { "1 program or file".to_owned() } else { format!("{count} programs and files") }
    };
    if there > 0 {
        all.push(checked(needs, "programs", State::Ok, format!("{} of the lines there", words(there))));
    }
    if unasked > 0 {
        let said = format!("not known of {}: {}", words(unasked), answers.why());
        all.push(checked(needs, "programs", State::Unknown, said));
    }
    all
}

fn name(needed: &Needed) -> &str {
    match &needed.thing {
        Thing::Program { name, .. } => name,
        Thing::Path { path, .. } => path,
    }
}

/// The line that needs it.
fn user(needed: &Needed) -> String {
    let way = if needed.back { ", on the way back," } else { "" };
    format!("line {}{way} needs {}", needed.line, name(needed))
}

fn missing(needs: &Needs, needed: &Needed) -> Checked {
    let lacks = match &needed.thing {
        Thing::Program { .. } => "which is not in the PATH there",
        Thing::Path { runs: true, .. } => "which is not there, or cannot be run",
        Thing::Path { runs: false, .. } => "which is not there",
    };
    let mut said = format!("{}, {lacks}", user(needed));
    if let Some(maker) = &needed.maker {
        said.push_str(&format!("; {maker} may make it"));
    }
    checked(needs, "programs", needed.missing, said)
}

fn unseen(needs: &Needs, needed: &Needed) -> Checked {
    let why = match &needed.thing {
        Thing::Program { .. } => "it is not in the PATH there, but sudo has one of its own",
        Thing::Path { .. } => "the folder that it is in cannot be read",
    };
    checked(needs, "programs", State::Unknown, format!("{}: {why}", user(needed)))
}
