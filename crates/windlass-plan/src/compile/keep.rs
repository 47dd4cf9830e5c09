//! What runs is in memory, and what it runs from is on disk: a service that was restarted goes back only by being
//! started again *after* the files before it are back. So a step in front of all changes notes how each of them runs, and its
//! undo, the last of a way back, starts it on what is there then.

use super::{Compiled, Compiler, Draft, Mark, bare, unused, way_back};
use crate::{Action, Class, Step, StepId, UndoBy, Unit};
use std::collections::BTreeMap;
use windlass_document::{Serial, Span};

/// What is kept of one unit of systemd, or of one service.
struct Kept {
    draft: Draft,
    hosts: Vec<String>,
    line: usize,
    /// Of the steps that it is noted from.
    serial: Option<Serial>,
    timeout_ms: Option<u64>,
    /// Only then it is of use.
    is_needed: bool,
}

impl Compiler<'_> {
    /// The steps, with those that keep in front of the first that changes something.
    pub(super) fn keep(&self, mut steps: Vec<Compiled>) -> Vec<Compiled> {
        let Some(first) = steps.iter().position(|compiled| compiled.step.class != Class::Readonly) else {
            return steps;
        };
        let mut by_target: BTreeMap<String, Vec<Kept>> = BTreeMap::new();
        let mut is_edited = false;
        for compiled in &steps {
            for (unit, mark) in compiled.step.units.iter().zip(&compiled.marks) {
                let kept = by_target.entry(compiled.step.on.clone()).or_default();
                note(kept, (&compiled.step, unit), mark.span, is_edited);
                is_edited |= unit.may_edit();
            }
        }
        // Undone last first: units are read again everywhere before anything is started by them; targets may share a machine.
        for (is_all, name) in [(true, "keep-units"), (false, "keep")] {
            for (on, kept) in by_target.iter().rev() {
                let kept: Vec<_> =
                    kept.iter().filter(|kept| kept.is_needed && kept.is_all() == is_all).collect();
                let id = unused(format!("{name}-{on}"), &steps);
                if let Some(keeping) = self.keeping(on, id, steps[first].step.stage.clone(), &kept) {
                    steps.insert(first, keeping);
                }
            }
        }
        steps
    }

    fn keeping(&self, on: &str, id: StepId, stage: Option<String>, kept: &[&Kept]) -> Option<Compiled> {
        let first = kept.first()?;
        let drafts: Vec<_> = kept.iter().map(|kept| kept.draft.clone()).collect();
        let mut units = self.units(&id, &first.hosts, &drafts, None, way_back::own);
        let timeout_ms = kept.iter().filter_map(|kept| kept.timeout_ms).max();
        units.iter_mut().for_each(|unit| unit.timeout_ms = timeout_ms);
        let mark = |draft: &Draft| Mark { span: draft.span, sql: None };
        let marks = first.hosts.iter().flat_map(|_| drafts.iter().map(mark)).collect();
        let step = Step {
            // Back as it went there: not all at once where that was not so.
            serial: kept.iter().find_map(|kept| kept.serial.clone()),
            ..bare(id, (stage, first.line), on, Class::Exact, units)
        };
        Some(Compiled { step, source: None, marks })
    }
}

impl Kept {
    /// Of all units.
    fn is_all(&self) -> bool {
        matches!(&self.draft.action, Action::Systemd { name, .. } if name.is_empty())
    }
}

fn note(kept: &mut Vec<Kept>, (step, unit): (&Step, &Unit), span: Span, is_edited: bool) {
    // A hand-written undo, or none on purpose, is not helped.
    if unit.undo.by != UndoBy::Driver {
        return;
    }
    let Some((action, is_needed)) = unit.action.kept(is_edited) else { return };
    let at = kept.iter().position(|kept| kept.draft.action.keeps_as(&action)).unwrap_or_else(|| {
        kept.push(Kept {
            draft: Draft::new(action, span),
            hosts: vec![],
            line: unit.line,
            serial: None,
            timeout_ms: None,
            is_needed: false,
        });
        kept.len() - 1
    });
    let kept = &mut kept[at];
    kept.is_needed |= is_needed;
    kept.serial = kept.serial.take().or_else(|| step.serial.clone());
    kept.timeout_ms = kept.timeout_ms.max(unit.timeout_ms);
    if !kept.hosts.contains(&unit.host) {
        kept.hosts.push(unit.host.clone());
    }
}
