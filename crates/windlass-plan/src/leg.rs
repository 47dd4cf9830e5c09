//! The order of a plan on several hosts: a step runs in legs, one after another. The units of a leg run side by side on its hosts.

use crate::{Action, Class, Plan, Step, Unit};
use std::collections::{BTreeSet, HashMap};

/// A part of a step: a leg begins when every unit of those before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Number of the step.
    pub step: usize,
    /// Number within the step.
    pub part: usize,
}

impl Plan {
    /// Its legs in the order in which they run.
    #[must_use]
    pub fn legs(&self) -> Vec<Leg> {
        let mut legs = Vec::new();
        let mut from = 0;
        while let Some(step) = self.steps.get(from) {
            let checks = self.steps[from + 1..].iter().take_while(|check| is_checked_by(step, check)).count();
            let steps = from..from + 1 + checks;
            let parts = step.parts(&step.units).into_iter().max().map_or(1, |last| last + 1);
            legs.extend((0..parts).flat_map(|part| steps.clone().map(move |step| Leg { step, part })));
            from = steps.end;
        }
        legs
    }
}

/// Whether `check` is asked behind each batch of `step`: it says the same `serial=`, on the same hosts.
fn is_checked_by(step: &Step, check: &Step) -> bool {
    let is_check = check.class == Class::Readonly && check.undo.is_none() && check.after_ms.is_none();
    is_check
        && step.serial.is_some()
        && (&step.serial, &step.on) == (&check.serial, &check.on)
        && hosts(&step.units).0 == hosts(&check.units).0
}

impl Step {
    /// Of each of `units`, which are those of the step or of its hand-written undo, the leg that it runs in: the one of its
    /// batch, or without batches first what only prepares, on all hosts, and then all else.
    #[must_use]
    pub fn parts(&self, units: &[Unit]) -> Vec<usize> {
        let (hosts, of) = hosts(units);
        let Some(serial) = &self.serial else { return prepared(units, hosts.len()) };
        let batches = serial.batches(hosts.len()).into_iter().enumerate();
        let batch: Vec<usize> = batches.flat_map(|(batch, size)| std::iter::repeat_n(batch, size)).collect();
        of.into_iter().map(|host| batch.get(host).copied().unwrap_or(0)).collect()
    }

    /// The units of its first host that every host has to be through with before any of them goes on.
    pub fn prepared(&self) -> impl Iterator<Item = &Unit> {
        let parts = if self.serial.is_none() { self.parts(&self.units) } else { Vec::new() };
        let is_split = parts.contains(&1);
        let first = self.units.first().map(|unit| &unit.host);
        let units = self.units.iter().zip(parts);
        units
            .filter(move |(unit, part)| is_split && *part == 0 && Some(&unit.host) == first)
            .map(|(unit, _)| unit)
    }

    /// The hosts of each batch, if `serial=` makes several.
    #[must_use]
    pub fn batches(&self) -> Vec<Vec<&str>> {
        let Some(serial) = &self.serial else { return Vec::new() };
        let mut hosts = hosts(&self.units).0.into_iter();
        let sizes = serial.batches(hosts.len());
        let batches: Vec<Vec<&str>> = sizes.iter().map(|size| hosts.by_ref().take(*size).collect()).collect();
        if batches.len() > 1 { batches } else { Vec::new() }
    }
}

/// Of each unit whether something in front of it, or it, has an effect on what is served: 0 or 1.
fn prepared(units: &[Unit], hosts: usize) -> Vec<usize> {
    let mut switched = BTreeSet::new();
    let mut part = |unit| {
        let unit: &Unit = unit;
        if !unit.prepares() {
            switched.insert(unit.host.as_str());
        }
        usize::from(switched.contains(unit.host.as_str()))
    };
    let parts: Vec<usize> = units.iter().map(&mut part).collect();
    if hosts > 1 && parts.contains(&0) { parts } else { vec![0; units.len()] }
}

impl Unit {
    /// Whether it is known to have no effect on what is served: it looks, or gets what later lines need.
    #[must_use]
    pub fn prepares(&self) -> bool {
        match &self.action {
            Action::Compose(line) => line.operation.only_brings(),
            Action::Backup { .. } | Action::Gate { .. } => false,
            _ => self.undo.class == Class::Readonly,
        }
    }

    /// Whether it may change what is served.
    #[must_use]
    pub fn switches(&self) -> bool {
        matches!(
            self.action,
            Action::Compose(_)
                | Action::Systemd { .. }
                | Action::Shell { .. }
                | Action::Service { .. }
                | Action::Mode { .. }
        ) && !self.prepares()
    }
}

/// The hosts of `units` as they come, and of each unit the number of its host.
fn hosts(units: &[Unit]) -> (Vec<&str>, Vec<usize>) {
    let (mut names, mut numbers) = (Vec::new(), HashMap::new());
    let number = |unit| {
        let unit: &Unit = unit;
        *numbers.entry(unit.host.as_str()).or_insert_with(|| {
            names.push(unit.host.as_str());
            names.len() - 1
        })
    };
    let of = units.iter().map(number).collect();
    (names, of)
}
