//! Which units a page may show: pages go to people and systems that need not know a password.

use crate::{project::Compiled, terminal};
use std::collections::BTreeSet;
use windlass_document::LineIndex;
use windlass_plan::{Plan, Unit};
use windlass_report::Rehearsal;

/// The units of a plan that have no password.
pub struct Open {
    open: BTreeSet<String>,
    /// Some have one.
    closes: bool,
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
        let is_open = |unit: &&Unit| !secret.contains(&fence(unit.line));
        let open = units.filter(is_open).map(|unit| unit.id.0.clone());
        Self { open: open.collect(), closes: !secret.is_empty() }
    }

    pub fn unit(&self, unit: &Unit) -> bool {
        self.id(&unit.id.0)
    }

    /// Also not of a unit that the plan does not have.
    fn id(&self, unit: &str) -> bool {
        self.open.contains(unit)
    }

    /// Whether there is anything that is not shown.
    pub fn closes(&self) -> bool {
        self.closes
    }

    /// What a rehearsal says of what may be shown. Of a step that has changed since, it quotes statements that nobody has judged.
    pub fn of_rehearsal(&self, found: Rehearsal, plan: &Plan) -> Rehearsal {
        let changed = found.changed_steps(plan);
        let is_changed = |unit: &str| changed.iter().any(|step| unit.split('/').next() == Some(step));
        found.closed(|unit| self.id(unit) && !is_changed(unit))
    }
}
