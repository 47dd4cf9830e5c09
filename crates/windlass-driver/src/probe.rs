//! What the engine asks of whoever looks from outside whether services answer.

use async_trait::async_trait;
use std::collections::BTreeMap;
use windlass_plan::{Downtime, Plan};

/// Looks from outside whether users reach the services of a plan. It changes nothing, and nothing that goes wrong with it is a
/// reason for a run to fail.
#[async_trait]
pub trait Prober: Send + Sync {
    /// Begins to look, where there is anything to look at, and adds to what was `seen` in the run before. Returns when each
    /// service has been asked once, after a second at the latest: what happens next is then seen against how it was.
    async fn begin(&self, plan: &Plan, seen: &BTreeMap<String, Downtime>) -> Option<Box<dyn Probe>>;
}

/// A look that goes on until it is dropped.
#[async_trait]
pub trait Probe: Send + Sync {
    /// What was seen in the run so far, by service.
    fn seen(&self) -> BTreeMap<String, Downtime>;

    /// Waits until what is down was looked at once more, a moment at most: what has just come back must not be told as down for good.
    async fn again(&self) {}
}

/// Nobody looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProber;

#[async_trait]
impl Prober for NoProber {
    async fn begin(&self, _: &Plan, _: &BTreeMap<String, Downtime>) -> Option<Box<dyn Probe>> {
        None
    }
}
