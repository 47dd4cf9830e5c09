//! A look from outside at a simulated service that goes down and comes up as it likes.

use crate::hub::Hub;
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use windlass_driver::{Probe, Prober};
use windlass_plan::{Downtime, Plan};

/// Longest wait for the first answer, milliseconds.
const FIRST_MS_MAX: u64 = 1_000;

/// Looks at the services of a plan.
pub struct SimProber(pub Arc<Hub>);

struct Look {
    hub: Arc<Hub>,
    seen: Mutex<(u64, BTreeMap<String, Downtime>)>,
}

#[async_trait]
impl Prober for SimProber {
    async fn begin(&self, plan: &Plan, seen: &BTreeMap<String, Downtime>) -> Option<Box<dyn Probe>> {
        if plan.services.is_empty() {
            return None;
        }
        self.0.latency(FIRST_MS_MAX).await;
        let new = |before| Downtime { before, ..Downtime::default() };
        let services = plan.services.keys().map(|name| {
            let before = self.0.with(|s| s.rng.chance(100));
            (name.clone(), seen.get(name).cloned().unwrap_or_else(|| new(before)))
        });
        Some(Box::new(Look { hub: self.0.clone(), seen: Mutex::new((self.0.now(), services.collect())) }))
    }
}

impl Probe for Look {
    fn seen(&self) -> BTreeMap<String, Downtime> {
        let (now, mut seen) = (self.hub.now(), self.seen.lock().expect("nobody panics with it"));
        let passed_ms = now - std::mem::replace(&mut seen.0, now);
        for downtime in seen.1.values_mut() {
            let turns = passed_ms > 0 && self.hub.with(|s| s.rng.chance(100));
            match (downtime.now_ms > 0, turns) {
                (true, true) => downtime.now_ms = 0,
                (false, true) if downtime.before => downtime.before = false,
                (true, false) | (false, true) => {
                    downtime.down_ms += passed_ms;
                    downtime.now_ms += passed_ms;
                    downtime.longest_ms = downtime.longest_ms.max(downtime.now_ms);
                }
                (false, false) => {}
            }
        }
        seen.1.clone()
    }
}
