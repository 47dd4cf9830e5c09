//! What was seen of a run's services from outside, folded.

use std::collections::{BTreeMap, BTreeSet};
use windlass_plan::{Downtime, Plan, UnitId};

/// What was seen of a run's services from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probed {
    /// By service; empty: nobody has looked.
    pub seen: BTreeMap<String, Downtime>,
    /// Those that did not answer when they were first asked.
    pub down_before: BTreeSet<String>,
    /// Time between controllers, in which nobody looked, milliseconds by their clocks: for people.
    pub unseen_ms: u64,
    /// The downtime of a service went beyond its budget while the run went forward.
    pub exceeded: Option<Exceeded>,
}

/// A budget that was exceeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The service.
    pub service: String,
    /// How long its requests had failed when it was noticed, milliseconds.
    pub down_ms: u64,
    /// How long they might have, milliseconds.
    pub budget_ms: u64,
    /// When the piece began in which it happened, milliseconds since 1970 by the clock of who saw it.
    pub since_ms: Option<i64>,
    /// The unit that was at work, or was last.
    pub unit: UnitId,
    /// The run has turned back since, or a person has decided to go on all the same.
    pub answered: bool,
}

impl Probed {
    /// Takes in what was seen. `forward`: the budget counts.
    pub(crate) fn saw(
        &mut self,
        plan: &Plan,
        seen: &BTreeMap<String, Downtime>,
        unit: &UnitId,
        forward: bool,
    ) -> Result<(), String> {
        for (service, now) in seen {
            if !plan.services.contains_key(service) {
                return Err(format!("the plan has no service {service}"));
            }
            if self.seen.get(service).is_some_and(|before| before.down_ms > now.down_ms) {
                return Err(format!("the downtime of {service} became less"));
            }
        }
        let first = seen.iter().filter(|(service, now)| now.before && !self.seen.contains_key(*service));
        self.down_before.extend(first.map(|(service, _)| service.clone()));
        self.seen.extend(seen.iter().map(|(service, now)| (service.clone(), now.clone())));
        let Some(budget_ms) = plan.downtime_budget_ms().filter(|_| forward && self.exceeded.is_none()) else {
            return Ok(());
        };
        let worst = self.seen.iter().max_by_key(|(_, now)| now.down_ms);
        self.exceeded = worst.filter(|(_, now)| now.down_ms > budget_ms).map(|(service, now)| Exceeded {
            service: service.clone(),
            down_ms: now.down_ms,
            budget_ms,
            since_ms: now.since_ms,
            unit: unit.clone(),
            answered: false,
        });
        Ok(())
    }

    /// A new controller has come; nobody has looked for `ms`.
    pub(crate) fn unseen(&mut self, ms: u64) {
        if !self.seen.is_empty() {
            self.unseen_ms += ms;
        }
    }

    /// A run that had ended goes on: how its services were meanwhile says nothing of it.
    pub(crate) fn anew(&mut self) {
        for downtime in self.seen.values_mut() {
            *downtime = Downtime { before: true, now_ms: 0, why: String::new(), ..downtime.clone() };
        }
    }

    /// The run has turned back, or a person has decided.
    pub(crate) fn answered(&mut self) {
        if let Some(exceeded) = &mut self.exceeded {
            exceeded.answered = true;
        }
    }
}
