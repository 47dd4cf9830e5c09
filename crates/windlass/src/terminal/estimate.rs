//! How long the rest of a run will take, from what its units took in earlier runs. Nothing is made up: a unit that was
//! never seen makes the answer "at least".

use std::{collections::BTreeMap, time::Duration};
use windlass_journal::{Direction, Forward, RunState};
use windlass_plan::{Action, UnitId};
use windlass_report::duration;

/// What units took, milliseconds, by id; of several runs the newest counts.
#[derive(Debug, Default)]
pub struct Estimate(BTreeMap<UnitId, u64>);

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
        Self(took)
    }

    /// The rest of the way forward in words; `None` when no unit of it was seen before, or on the way back. `working`
    /// is how long the units at work have been.
    pub fn left(&self, state: &RunState, working: &BTreeMap<UnitId, Duration>) -> Option<String> {
        if state.direction != Direction::Forward {
            return None;
        }
        let (mut left, mut known, mut unknown) = (0, 0, 0);
        for (_, unit) in state.plan.units() {
            let open = matches!(state.unit(&unit.id).forward, Forward::Waiting | Forward::Running);
            match self.0.get(&unit.id) {
                _ if !open || matches!(unit.action, Action::Gate { .. }) => {}
                None => unknown += 1,
                Some(took) => {
                    let spent = working.get(&unit.id).map_or(0, |spent| spent.as_millis());
                    left += took.saturating_sub(u64::try_from(spent).unwrap_or(u64::MAX));
                    known += 1;
                }
            }
        }
        let seconds = left.div_ceil(1000) * 1000;
        let word = if unknown > 0 { "at least" } else { "about" };
        (known > 0 && seconds > 0).then(|| format!("{word} {} left", duration(seconds)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use windlass_journal::{Entry, Event, OnFailure, RunId};
    use windlass_plan::Plan;

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
        let (digest, plan) = (plan.digest(), Box::new(plan));
        RunState::begin(&Entry {
            seq: 1,
            time_ms: 0,
            run: RunId("r".into()),
            actor: "a@b".into(),
            token: 1,
            event: Event::Started { digest, plan, on_failure: OnFailure::Unwind },
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

    #[test]
    fn what_was_never_seen_is_not_made_up() {
        let mut earlier = run();
        assert_eq!(Estimate::from_runs(&[]).left(&run(), &BTreeMap::new()), None);
        took(&mut earlier, "a/1", 12_000);
        let estimate = Estimate::from_runs(std::slice::from_ref(&earlier));
        assert_eq!(estimate.left(&run(), &BTreeMap::new()).as_deref(), Some("at least 12.0s left"));
        took(&mut earlier, "b/1", 3_500);
        let estimate = Estimate::from_runs(&[earlier]);
        assert_eq!(estimate.left(&run(), &BTreeMap::new()).as_deref(), Some("about 16.0s left"));
        let spent = BTreeMap::from([(UnitId("a/1".into()), Duration::from_secs(10))]);
        assert_eq!(estimate.left(&run(), &spent).as_deref(), Some("about 6.0s left"));
        let mut now = run();
        took(&mut now, "a/1", 1);
        assert_eq!(estimate.left(&now, &BTreeMap::new()).as_deref(), Some("about 4.0s left"));
        now.direction = Direction::Unwind;
        assert_eq!(estimate.left(&now, &BTreeMap::new()), None);
    }
}
