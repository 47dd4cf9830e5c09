//! Which units a page may show: pages go to people and systems that need not know a password.

use crate::{project::Compiled, terminal};
use std::collections::BTreeSet;
use windlass_document::LineIndex;
use windlass_plan::{Plan, Unit};

/// The units of a plan that have no password.
pub struct Open {
    closed: BTreeSet<String>,
}

impl Open {
    /// By what was found in the document. Findings have a place in it, and a statement may have many lines: what stands in a fence
    /// with a password is closed as a whole.
    pub fn of(compiled: &Compiled, plan: &Plan) -> Self {
        let lines = LineIndex::new(&compiled.source.text);
        let found = compiled.findings.iter().filter(|finding| terminal::tells_of_a_password(finding));
        let scripts = || plan.steps.iter().filter_map(|step| step.undo.as_ref());
        let fences = compiled.source.parsed.document.steps.iter().map(|step| lines.line(step.span.start));
        let begins: BTreeSet<usize> = fences.chain(plan.steps.iter().map(|step| step.line)).collect();
        let fence = |line: usize| begins.range(..=line).next_back().copied();
        let secret: BTreeSet<_> = found.map(|finding| fence(lines.line(finding.span.start))).collect();
        let units =
            plan.steps.iter().flat_map(|step| &step.units).chain(scripts().flat_map(|script| &script.units));
        let closed = units.filter(|unit| secret.contains(&fence(unit.line))).map(|unit| unit.id.0.clone());
        Self { closed: closed.collect() }
    }

    pub fn unit(&self, unit: &Unit) -> bool {
        self.id(&unit.id.0)
    }

    pub fn id(&self, unit: &str) -> bool {
        !self.closed.contains(unit)
    }
}
