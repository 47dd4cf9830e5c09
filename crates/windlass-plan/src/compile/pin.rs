//! One commit on all hosts: what a line of git names by a branch or tag is found out once, on the first host, in front of the
//! first change; all hosts go to that commit, whatever is pushed meanwhile.

use super::{Compiled, Compiler, Draft, Mark, bare, unused, way_back};
use crate::{Action, Class, GitLine, GitRev, GitVerb, StepId, Unit, lift::normal};
use std::collections::BTreeMap;
use windlass_document::Span;

/// What the lines before say of a working folder on a host.
#[derive(Clone, Debug, Default)]
struct Before {
    /// What was checked out last.
    current: Option<String>,
    /// Commits and tags of the remote are there.
    fetched: bool,
}

/// What is found out for a target.
struct Pins {
    host: String,
    line: usize,
    drafts: Vec<Draft>,
}

impl Compiler<'_> {
    /// The steps, with those that pin in front of the first that changes something.
    pub(super) fn pin(&self, mut steps: Vec<Compiled>) -> Vec<Compiled> {
        let mut folders: BTreeMap<(String, String, String), Before> = BTreeMap::new();
        let mut by_target: BTreeMap<String, Pins> = BTreeMap::new();
        for compiled in &mut steps {
            let on = compiled.step.on.clone();
            let is_many = compiled.step.units.iter().any(|unit| unit.host != compiled.step.units[0].host);
            let first = compiled.step.units.first().map(|unit| unit.host.clone());
            for (unit, mark) in compiled.step.units.iter_mut().zip(&compiled.marks) {
                let Action::Git(line) = &mut unit.action else { continue };
                let folder = normal(line.dir.as_deref().unwrap_or_default());
                let before = folders.entry((on.clone(), unit.host.clone(), folder)).or_default();
                follow(line, before);
                if is_many && is_moving(line) && first.as_deref() == Some(&unit.host) {
                    note(by_target.entry(on.clone()), unit, mark.span);
                }
            }
        }
        let first = steps.iter().position(|compiled| compiled.step.class != Class::Readonly);
        for (on, pins) in by_target.iter().rev() {
            let at = first.unwrap_or_default();
            let id = unused(format!("pin-{on}"), &steps);
            let pinning = self.pinning(on, id, steps[at].step.stage.clone(), pins);
            steps.insert(at, pinning);
        }
        steps
    }

    fn pinning(&self, on: &str, id: StepId, stage: Option<String>, pins: &Pins) -> Compiled {
        let units = self.units(&id, std::slice::from_ref(&pins.host), &pins.drafts, None, way_back::own);
        let marks = pins.drafts.iter().map(|draft| Mark { span: draft.span, sql: None }).collect();
        let step = bare(id, (stage, pins.line), on, Class::Readonly, units);
        Compiled { step, source: None, marks }
    }
}

/// Completes a line by what stands before it, and says what it is for the lines behind it.
fn follow(line: &mut GitLine, before: &mut Before) {
    match &mut line.rev {
        Some(GitRev::Remote { current, .. }) => current.clone_from(&before.current),
        Some(GitRev::Named { name, fetched }) => {
            *fetched = before.fetched;
            if line.verb == GitVerb::Checkout {
                before.current = Some(name.clone());
            }
        }
        None => {}
    }
    before.fetched |= matches!(line.verb, GitVerb::Fetch | GitVerb::Pull);
}

/// Whether what it names may be another commit tomorrow, or elsewhere.
fn is_moving(line: &GitLine) -> bool {
    match &line.rev {
        Some(GitRev::Named { name, .. }) => !is_commit(name),
        Some(GitRev::Remote { .. }) => true,
        None => false,
    }
}

/// Whether it can only be the beginning of the name of a commit, or all of it.
fn is_commit(name: &str) -> bool {
    (7..=64).contains(&name.len()) && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn note(pins: std::collections::btree_map::Entry<'_, String, Pins>, unit: &Unit, span: Span) {
    let Action::Git(line) = &unit.action else { return };
    let pin = GitLine { verb: GitVerb::Pin, words: vec![], ..line.clone() };
    let pins = pins.or_insert_with(|| Pins { host: unit.host.clone(), line: unit.line, drafts: vec![] });
    let action = Action::Git(pin);
    if !pins.drafts.iter().any(|draft| draft.action == action) {
        pins.drafts.push(Draft::new(action, span));
    }
}
