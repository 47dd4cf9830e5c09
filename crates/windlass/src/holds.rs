//! Requests that wait now: asked of the proxies of a run's services.

use crate::{project::Place, wiring};
use std::time::Duration;
use windlass_journal::RunState;
use windlass_proxy::{Client, control::Request};
use windlass_report::Hold;

/// A proxy that does not answer in this time is left out: `windlass proxy status` says what is wrong with it.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// What the proxies of the run's services hold now. Asks nobody when there are none.
pub fn now(place: &Place, run: &RunState) -> Vec<Hold> {
    let fronts: Vec<_> = run
        .plan
        .services
        .iter()
        .filter(|(_, service)| service.is_held())
        .filter_map(|(name, service)| Some((name, service.proxy.as_ref()?)))
        .collect();
    if fronts.is_empty() {
        return Vec::new();
    }
    let Ok(runtime) = wiring::runtime() else { return Vec::new() };
    runtime.block_on(async {
        let mut holds = Vec::new();
        for (name, front) in fronts {
            let client = Client::new(place.state().join("proxy").join(name)).answer_within(ANSWER_WITHIN);
            let Ok(status) = client.send(Request::Status).await else { continue };
            if let Some(since_ms) = status.holding_ms {
                let (service, waiting) = (name.clone(), status.waiting);
                holds.push(Hold { service, since_ms, waiting, hold_ms: front.hold_ms });
            }
        }
        holds
    })
}
