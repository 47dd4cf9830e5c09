//! What a plan does, without where its text stands and in which words it is said: what an edit of a document is judged by.

use crate::{Action, DocumentRef, Plan, Release, Step, Unit};

impl Plan {
    /// The plan without places (lines, columns), words for people (title, headings, effects), the digest of the document and the
    /// version of the tool. Two plans with the same bare plan do the same.
    #[must_use]
    pub fn bare(&self) -> Self {
        let mut plan = self.clone();
        plan.tool = String::new();
        plan.release = Release { title: None, ticket: None, ..plan.release };
        plan.document = DocumentRef { sha256: String::new(), ..plan.document };
        for step in &mut plan.steps {
            bare_step(step);
        }
        plan
    }
}

fn bare_step(step: &mut Step) {
    step.stage = None;
    step.gate = None;
    step.line = 0;
    let script = step.undo.iter_mut().flat_map(|script| &mut script.units);
    for unit in step.units.iter_mut().chain(script) {
        bare_unit(unit);
    }
}

fn bare_unit(unit: &mut Unit) {
    (unit.line, unit.column) = (0, 0);
    unit.effect = String::new();
    unit.undo.how = String::new();
    if let Action::Sql { from: Some(from), .. } = &mut unit.action {
        (from.line, from.column) = (0, 0);
    }
}

impl Step {
    /// Names of the targets that the step and its hand-written undo work with.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        let script = self.undo.iter().flat_map(|script| &script.units);
        let undo_on = self.undo.iter().map(|script| script.on.as_str());
        let units = self.units.iter().chain(script).flat_map(|unit| unit.action.targets());
        units.chain(undo_on).chain([self.on.as_str()]).filter(|name| !name.is_empty())
    }
}

impl Action {
    /// Names of the targets that it works with besides that of its step.
    fn targets(&self) -> impl Iterator<Item = &str> {
        let names = match self {
            Self::Sql { target, .. } | Self::Backup { target, .. } => [Some(target), None],
            Self::Shell { database, .. } => [database.as_ref(), None],
            Self::Objects { from, to, .. } => [from.as_ref(), to.as_ref()],
            _ => [None, None],
        };
        names.into_iter().flatten().map(String::as_str)
    }
}
