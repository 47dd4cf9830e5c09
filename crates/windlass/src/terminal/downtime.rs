//! What is said of the look from outside while a run goes.

use std::collections::BTreeMap;
use windlass_plan::{Downtime, Plan};
use windlass_report::{Mark, Text, duration};

/// What was seen, and what was said of it.
#[derive(Default)]
pub struct Seen {
    now: BTreeMap<String, Downtime>,
    /// Downtime that a line was written about, milliseconds; also 0, of a service that was down before.
    said: BTreeMap<String, u64>,
    budget: String,
}

impl Seen {
    /// The budget that counts.
    pub fn expect(&mut self, plan: &Plan) {
        let budget = plan.downtime_budget_ms();
        self.budget = budget.map_or(String::new(), |ms| format!(", budget {}", duration(ms)));
    }

    /// What is seen now.
    pub fn is(&mut self, seen: &BTreeMap<String, Downtime>) {
        self.now.clone_from(seen);
    }

    /// A live line for each service that is down.
    pub fn live(&self) -> impl Iterator<Item = String> {
        let down = self.now.iter().filter(|(_, seen)| seen.now_ms > 0);
        down.map(|(name, seen)| {
            let (now, all) = (duration(seen.now_ms), duration(seen.down_ms));
            format!("  {name} is down for {now} ({all} in all{}): {}", self.budget, seen.why)
        })
    }

    /// Lines about what became durable, and was not said.
    pub fn lines(&mut self, text: &mut Text, seen: &BTreeMap<String, Downtime>) {
        for (name, seen) in seen {
            if self.said.get(name).copied() == Some(seen.down_ms) || !(seen.before || seen.down_ms > 0) {
                continue;
            }
            self.said.insert(name.clone(), seen.down_ms);
            let line = match seen.down_ms {
                0 => format!(
                    "{name} does not answer before the release ({}): not counted until it does",
                    seen.why
                ),
                ms => format!("{name} was down for {} so far{} ({})", duration(ms), self.budget, seen.why),
            };
            text.wrapped("  ", Mark::Warn, &line);
        }
    }
}
