//! Ids of steps and what refers to them: `undo=`, `undoes=` and `again=`.

use crate::{
    Document, Finding, Span, Spanned, Step,
    rules::{Findings, Rule},
    rules_list as rules,
    suggest::{Suggester, quote},
};
use std::collections::HashMap;

/// Step names shown of one cycle.
const CYCLE_NAMES_MAX: usize = 6;

/// Checks all ids and references of `document`.
pub(crate) fn check(document: &Document, findings: &mut Findings) {
    let steps = &document.steps;
    let mut ids: HashMap<&str, usize> = HashMap::new();
    for (index, step) in steps.iter().enumerate().filter(|(_, step)| step.id_written) {
        check_reserved(step, findings);
        match ids.get(step.id.value.as_str()) {
            Some(first) => findings.push(
                rules::ID_DUPLICATE
                    .at(step.id.span, format!("two steps have the id {}", quote(&step.id.value)))
                    .label("the second one")
                    .also(steps[*first].id.span, "the first one"),
            ),
            None => {
                ids.insert(&step.id.value, index);
            }
        }
    }
    // The map has no order, and a suggestion must not change from run to run.
    let mut names: Vec<&str> = ids.keys().copied().collect();
    names.sort_unstable();
    let mut check = Check { steps, ids: &ids, names: &names, suggester: Suggester::default(), findings };
    let links: Vec<Links> = steps.iter().enumerate().map(|(index, step)| check.links(index, step)).collect();
    let on_cycle = check.cycles(&links);
    check.roles(&links, &on_cycle);
}

/// Automatic names must stay free.
fn check_reserved(step: &Step, findings: &mut Findings) {
    let id = &step.id.value;
    let number = id.strip_prefix("step-").or_else(|| id.strip_prefix("gate-"));
    if number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())) {
        findings.push(
            rules::ID_RESERVED
                .at(step.id.span, format!("{} is a name that Windlass gives", quote(id)))
                .label("steps and gates without an id are called step-1, gate-1 and so on")
                .help("choose an id that says what the step does"),
        );
    }
}

/// The steps that one step refers to.
#[derive(Clone, Copy, Default)]
struct Links {
    undo: Option<usize>,
    undoes: Option<usize>,
    again: Option<usize>,
}

struct Check<'a, 'f> {
    steps: &'a [Step],
    ids: &'a HashMap<&'a str, usize>,
    /// The written ids in order.
    names: &'a [&'a str],
    suggester: Suggester,
    findings: &'f mut Findings,
}

impl Check<'_, '_> {
    fn links(&mut self, index: usize, step: &Step) -> Links {
        let attributes = &step.attributes;
        Links {
            undo: self.link(index, "undo", attributes.undo.as_ref()),
            undoes: self.link(index, "undoes", attributes.undoes.as_ref()),
            again: self.link(index, "again", attributes.again.as_ref()),
        }
    }

    /// The step that a reference means; a step never means itself.
    fn link(&mut self, index: usize, key: &str, reference: Option<&Spanned<String>>) -> Option<usize> {
        let reference = reference?;
        let Some(target) = self.ids.get(reference.value.as_str()).copied() else {
            let finding = self.unknown(key, reference);
            self.findings.push(finding);
            return None;
        };
        if target == index {
            self.findings.push(
                rules::UNDO_CYCLE
                    .at(reference.span, format!("`{key}` names its own step"))
                    .label("another step is expected"),
            );
            return None;
        }
        Some(target)
    }

    fn unknown(&mut self, key: &str, reference: &Spanned<String>) -> Finding {
        let finding = rules::ID_UNKNOWN.at(
            reference.span,
            format!("no step has the id {}, which `{key}` names", quote(&reference.value)),
        );
        let number = reference.value.strip_prefix("step-").and_then(|number| number.parse::<usize>().ok());
        let automatic = number
            .and_then(|number| self.steps.get(number.wrapping_sub(1)))
            .is_some_and(|step| !step.id_written && step.id.value == reference.value);
        if automatic {
            return finding
                .label("that step has no id of its own")
                .help("give it one, such as `{#backup}`: numbers change when a step is inserted");
        }
        if self.names.is_empty() {
            return finding.label("no step has an id").help("give the step an id: `{#backup on=db}`");
        }
        match self.suggester.nearest(&reference.value, self.names) {
            Some(near) => finding.label(format!("did you mean `{near}`?")).fix(
                reference.span,
                near,
                format!("write `{near}`"),
                false,
            ),
            None => {
                const NAMES_MAX: usize = 10;
                let mut shown = self.names.iter().take(NAMES_MAX).copied().collect::<Vec<_>>().join(", ");
                if self.names.len() > NAMES_MAX {
                    shown.push_str(", …");
                }
                finding.label("unknown id").help(format!("the ids are {shown}"))
            }
        }
    }

    /// Finds circles of `undo=` and `undoes=`; true for each step on one.
    fn cycles(&mut self, links: &[Links]) -> Vec<bool> {
        let next = |index: usize| links[index].undo.or(links[index].undoes);
        let mut on_cycle = vec![false; links.len()];
        // Which walk came by first: 0 none, otherwise the walk's number. Every step is walked once.
        let mut walked = vec![0_usize; links.len()];
        for start in 0..links.len() {
            let mut at = start;
            while walked[at] == 0 {
                walked[at] = start + 1;
                let Some(target) = next(at) else { break };
                at = target;
            }
            // Back on a step of this same walk that leads on: `at` lies on a circle.
            if walked[at] != start + 1 || next(at).is_none() || on_cycle[at] {
                continue;
            }
            let mut members = Vec::new();
            while !on_cycle[at] {
                on_cycle[at] = true;
                members.push(at);
                let Some(target) = next(at) else { break };
                at = target;
            }
            self.report_cycle(members);
        }
        on_cycle
    }

    fn report_cycle(&mut self, mut members: Vec<usize>) {
        let first = members.iter().enumerate().min_by_key(|(_, step)| **step).map_or(0, |(at, _)| at);
        members.rotate_left(first);
        let name = |index: usize| self.steps[index].id.value.as_str();
        let reference = |index: usize| {
            let attributes = &self.steps[index].attributes;
            attributes.undo.as_ref().or(attributes.undoes.as_ref()).map_or(Span::default(), |r| r.span)
        };
        let mut path: Vec<&str> = members.iter().take(CYCLE_NAMES_MAX).map(|index| name(*index)).collect();
        if members.len() > CYCLE_NAMES_MAX {
            path.push("…");
        }
        path.push(name(members[0]));
        let mut finding = rules::UNDO_CYCLE
            .at(reference(members[0]), format!("steps undo each other in a circle: {}", path.join(" → ")))
            .label("the circle begins here");
        for index in members.iter().skip(1).take(CYCLE_NAMES_MAX) {
            finding = finding.also(reference(*index), "and goes on here");
        }
        self.findings.push(finding);
    }

    /// Whether each step can play the role that another gives it.
    fn roles(&mut self, links: &[Links], on_cycle: &[bool]) {
        let mut undone_by: HashMap<usize, usize> = HashMap::new();
        for (index, link) in links.iter().enumerate() {
            if on_cycle[index] {
                continue;
            }
            let attributes = &self.steps[index].attributes;
            if let (Some(target), Some(reference)) = (link.undo, &attributes.undo) {
                self.earlier(
                    index,
                    target,
                    reference.span,
                    &rules::ID_ORDER,
                    "undo",
                    "the backup must be taken before the step it protects",
                );
                self.not_an_undo(
                    target,
                    reference.span,
                    "undo",
                    "it runs only when the release goes back, so it holds no backup",
                );
            }
            if let (Some(target), Some(reference)) = (link.again, &attributes.again) {
                self.earlier(
                    index,
                    target,
                    reference.span,
                    &rules::ID_ORDER,
                    "again",
                    "a step is repeated after it ran",
                );
                self.not_an_undo(target, reference.span, "again", "it runs only when the release goes back");
            }
            if let (Some(target), Some(reference)) = (link.undoes, &attributes.undoes) {
                self.not_an_undo(target, reference.span, "undoes", "an undo is not undone itself");
                self.only_undo(&mut undone_by, index, target, reference.span);
            }
        }
    }

    fn earlier(&mut self, index: usize, target: usize, span: Span, rule: &Rule, key: &str, label: &str) {
        if target > index {
            let name = quote(&self.steps[target].id.value);
            self.findings.push(
                rule.at(span, format!("`{key}` names {name}, which comes later in the file"))
                    .label(label)
                    .also(self.steps[target].id.span, "it stands here"),
            );
        }
    }

    fn not_an_undo(&mut self, target: usize, span: Span, key: &str, label: &str) {
        if let Some(undoes) = &self.steps[target].attributes.undoes {
            let name = quote(&self.steps[target].id.value);
            self.findings.push(
                rules::UNDO_OF_UNDO
                    .at(span, format!("`{key}` names {name}, which is an undo itself"))
                    .label(label)
                    .also(undoes.span, "this makes it an undo"),
            );
        }
    }

    fn only_undo(&mut self, undone_by: &mut HashMap<usize, usize>, index: usize, target: usize, span: Span) {
        let name = quote(&self.steps[target].id.value);
        let attributes = &self.steps[target].attributes;
        if let Some(first) = undone_by.get(&target) {
            let other = self.steps[*first].attributes.undoes.as_ref().map_or(Span::default(), |r| r.span);
            self.findings.push(
                rules::UNDO_TWICE
                    .at(span, format!("step {name} is undone by two fences"))
                    .label("the second one")
                    .also(other, "the first one")
                    .help("put both into one fence, in the order in which they run"),
            );
            return;
        }
        undone_by.insert(target, index);
        let conflict = [
            (attributes.undo.as_ref().map(|undo| undo.span), "`undo=` says how it is undone already"),
            (attributes.readonly, "it changes nothing"),
            (attributes.irreversible, "it says that there is no way back"),
        ];
        for (other, text) in conflict {
            let Some(other) = other else { continue };
            self.findings.push(
                rules::UNDO_TWICE
                    .at(span, format!("step {name} needs no undo fence"))
                    .label(text)
                    .also(other, "written here")
                    .help("remove one of the two"),
            );
        }
    }
}

#[cfg(test)]
#[path = "references_tests.rs"]
mod tests;
