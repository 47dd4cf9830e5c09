//! `policy.watch`: a step in front of the first change measures, and one behind the last change watches.

use super::{Compiled, Compiler, Draft, Mark, bare, unused, way_back};
use crate::{Action, Class, StepId, Target, Watch, WatchLimits, Watching};
use std::collections::{BTreeMap, BTreeSet};
use windlass_document::Span;

impl Compiler<'_> {
    /// The steps, with those that measure and watch, when the policy says so and there is something to watch.
    pub(super) fn watch(&self, mut steps: Vec<Compiled>) -> Vec<Compiled> {
        let Some(watch) = &self.config.policy.watch else { return steps };
        let changes = |compiled: &Compiled| compiled.step.class != Class::Readonly;
        let (Some(first), Some(last)) = (steps.iter().position(changes), steps.iter().rposition(changes))
        else {
            return steps;
        };
        // What runs days later is not waited for.
        let end = steps.iter().position(|compiled| compiled.step.after_ms.is_some()).unwrap_or(steps.len());
        if end <= first {
            return steps;
        }
        let what = Watching { for_ms: Some(watch.for_ms), ..self.watching(watch, &steps) };
        if what.places.is_empty() && what.services.is_empty() {
            return steps;
        }
        let measuring = Watching { for_ms: None, ..what.clone() };
        steps.insert(end, self.watcher(unused("watch".to_owned(), &steps), what, &steps[last.min(end - 1)]));
        steps.insert(first, self.watcher(unused("measure".to_owned(), &steps), measuring, &steps[first]));
        steps
    }

    fn watching(&self, watch: &Watch, steps: &[Compiled]) -> Watching {
        let limits = WatchLimits {
            cpu: watch.limit("cpu"),
            memory: watch.limit("memory"),
            disk: watch.limit("disk"),
            p95_ms: watch.limit("p95"),
            errors: watch.limit("errors"),
        };
        let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        if limits.of_machines() {
            for step in steps.iter().map(|compiled| &compiled.step) {
                if matches!(self.config.targets.get(&step.on), Some(Target::Hosts { .. })) {
                    let hosts = step.units.iter().map(|unit| unit.host.clone());
                    places.entry(step.on.clone()).or_default().extend(hosts);
                }
            }
        }
        let proxied =
            |name: &&String| self.config.services.get(*name).is_some_and(|service| service.is_held());
        let services = self.used_services.iter().filter(proxied).cloned();
        let services = if limits.of_requests() { services.collect() } else { BTreeSet::new() };
        Watching { for_ms: None, limits, requests: watch.requests, places, services }
    }

    /// The step beside the change that it is there for.
    fn watcher(&self, id: StepId, what: Watching, beside: &Compiled) -> Compiled {
        let span = beside.marks.first().map_or(Span::default(), |mark| mark.span);
        let draft = Draft::new(Action::Watch(Box::new(what)), span);
        let units = self.units(&id, &["local".to_owned()], std::slice::from_ref(&draft), None, way_back::own);
        let place = (beside.step.stage.clone(), beside.step.line);
        let step = bare(id, place, "", Class::Readonly, units);
        Compiled { step, source: None, marks: vec![Mark { span, sql: None }] }
    }
}
