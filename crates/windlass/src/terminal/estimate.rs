//! How long the rest of a run will take, from what its units took in earlier runs. Nothing is made up: a unit that was
//! never seen makes the answer "at least".

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};
use windlass_journal::{Direction, Event, Forward, RunState};
use windlass_plan::{Action, Unit, UnitId};
use windlass_report::duration;

/// What units took, milliseconds, by id, of several runs the newest counts; and how much of it lies ahead of a run.
#[derive(Debug, Default)]
pub struct Estimate {
    took: BTreeMap<UnitId, u64>,
    forward: bool,
    /// Units that are still to come or at work.
    open: HashSet<UnitId>,
    left_ms: u64,
    known: usize,
}

impl Estimate {
    /// From runs, newest first.
    pub fn from_runs(runs: &[RunState]) -> Self {
        let mut took = BTreeMap::new();
        for run in runs {
            let applied = run.units.iter().filter(|(_, unit)| unit.forward == Forward::Applied);
            for (id, unit) in applied {
                took.entry(id.clone()).or_insert(unit.took_ms);
            }
        }
        Self { took, ..Self::default() }
    }

    /// The run after `event`, which is folded in.
    pub fn entry(&mut self, state: &RunState, event: &Event) {
        match event {
            Event::Intended { unit, .. } | Event::Settled { unit, .. } | Event::Confirmed { unit, .. } => {
                if let Some(unit) =
                    state.find(unit).filter(|_| !state.place(unit).is_some_and(|at| at.script))
                {
                    self.unit(state, unit);
                }
            }
            _ => self.all(state),
        }
    }

    fn all(&mut self, state: &RunState) {
        self.forward = state.direction == Direction::Forward;
        (self.left_ms, self.known) = (0, 0);
        self.open.clear();
        state.plan.units().for_each(|(_, unit)| self.unit(state, unit));
    }

    fn unit(&mut self, state: &RunState, unit: &Unit) {
        let known = state.units.get(&unit.id);
        let open = known.is_none_or(|known| matches!(known.forward, Forward::Waiting | Forward::Running))
            && !matches!(unit.action, Action::Gate { .. });
        let changed = if open { self.open.insert(unit.id.clone()) } else { self.open.remove(&unit.id) };
        if let Some(took) = self.took.get(&unit.id).filter(|_| changed) {
            if open {
                (self.left_ms, self.known) = (self.left_ms + took, self.known + 1);
            } else {
                (self.left_ms, self.known) = (self.left_ms - took, self.known - 1);
            }
        }
    }

    /// The rest of the way forward in words; `None` when no unit of it was seen before, or on the way back. `working`
    /// is how long the units at work have been.
    pub fn left<'a>(&self, working: impl Iterator<Item = (&'a UnitId, Duration)>) -> Option<String> {
        if !self.forward {
            return None;
        }
        let spent = working.filter(|(id, _)| self.open.contains(*id)).filter_map(|(id, spent)| {
            Some(self.took.get(id).copied()?.min(u64::try_from(spent.as_millis()).unwrap_or(u64::MAX)))
        });
        let left = self.left_ms.saturating_sub(spent.sum());
        let seconds = left.div_ceil(1000) * 1000;
        let word = if self.open.len() > self.known { "at least" } else { "about" };
        (self.known > 0 && seconds > 0).then(|| format!("{word} {} left", duration(seconds)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use windlass_journal::{Entry, OnFailure, Outcome, Report, RunId};
    use windlass_plan::{Plan, Way};

    /// A run of two units, `a/1` and `b/1`.
    fn run() -> RunState {
        let unit = |id: &str| {
            serde_json::json!({
                "id": id, "host": "local", "driver": "shell", "line": 1, "column": 1,
                "action": {"do": "shell", "script": "true", "dir": null, "readonly": false},
                "effect": "", "undo": {"class": "none", "how": "", "by": "nobody"},
                "timeout_ms": null, "within_ms": null,
            })
        };
        let step = |id: &str, unit: serde_json::Value| {
            serde_json::json!({
                "id": id, "stage": null, "gate": null, "line": 1, "on": "app", "class": "none", "units": [unit],
                "undo": null, "serial": null, "after_ms": null, "online": false, "again": null,
            })
        };
        let plan: Plan = serde_json::from_value(serde_json::json!({
            "format": 1, "tool": "0", "targets": {}, "services": {}, "class": "none",
            "release": {"version": "1", "title": null, "from": null, "env": null, "kind": null, "severity": null,
                        "downtime_ms": null, "ticket": null},
            "document": {"name": "a.md", "sha256": ""},
            "steps": [step("a", unit("a/1")), step("b", unit("b/1"))],
        }))
        .unwrap();
        RunState::begin(&Entry {
            seq: 1,
            time_ms: 0,
            run: RunId("r".into()),
            actor: "a@b".into(),
            token: 1,
            event: Event::started(plan, OnFailure::Unwind),
            previous: String::new(),
            hash: String::new(),
        })
        .unwrap()
    }

    fn took(run: &mut RunState, id: &str, ms: u64) {
        let unit = run.units.entry(UnitId(id.into())).or_default();
        unit.forward = Forward::Applied;
        unit.took_ms = ms;
    }

    /// What `estimate` says of the run while `a/1` has been at work for `spent_s`.
    fn left(mut estimate: Estimate, run: &RunState, spent_s: u64) -> Option<String> {
        estimate.all(run);
        estimate.left([(&UnitId("a/1".into()), Duration::from_secs(spent_s))].into_iter())
    }

    #[test]
    fn what_was_never_seen_is_not_made_up() {
        let mut earlier = run();
        assert_eq!(left(Estimate::from_runs(&[]), &run(), 0), None);
        took(&mut earlier, "a/1", 12_000);
        let estimate = || Estimate::from_runs(std::slice::from_ref(&earlier));
        assert_eq!(left(estimate(), &run(), 0).as_deref(), Some("at least 12.0s left"));
        took(&mut earlier, "b/1", 3_500);
        let estimate = || Estimate::from_runs(std::slice::from_ref(&earlier));
        assert_eq!(left(estimate(), &run(), 0).as_deref(), Some("about 16.0s left"));
        assert_eq!(left(estimate(), &run(), 10).as_deref(), Some("about 6.0s left"));
        let mut now = run();
        took(&mut now, "a/1", 1);
        assert_eq!(left(estimate(), &now, 0).as_deref(), Some("about 4.0s left"));
        now.direction = Direction::Unwind;
        assert_eq!(left(estimate(), &now, 0), None);
    }

    #[test]
    fn what_lies_ahead_shrinks_with_each_entry() {
        let (mut earlier, mut now) = (run(), run());
        took(&mut earlier, "a/1", 12_000);
        took(&mut earlier, "b/1", 4_000);
        let mut estimate = Estimate::from_runs(&[earlier]);
        estimate.all(&now);
        let unit = || UnitId("a/1".into());
        let (way, attempt, capsule) = (Way::Forward, 1, serde_json::Value::Null);
        for event in [
            Event::Intended { unit: unit(), way, attempt, capsule },
            Event::Settled {
                unit: unit(),
                way,
                attempt,
                outcome: Outcome::Applied(Report::default()),
                took_ms: None,
            },
        ] {
            let (previous, hash) = (String::new(), String::new());
            let (run, actor, seq) = (now.id.clone(), String::new(), now.seq + 1);
            now.apply(&Entry { seq, time_ms: 0, run, actor, token: 1, event: event.clone(), previous, hash })
                .unwrap();
            estimate.entry(&now, &event);
        }
        assert_eq!(estimate.left([].into_iter()).as_deref(), Some("about 4.0s left"));
    }
}
