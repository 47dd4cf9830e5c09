//! Gates: a person confirms them; there is nothing to drive.

use async_trait::async_trait;
use windlass_driver::{Capsule, Context, Done, Driver, Failure, Fault, Found, Survey};
use windlass_plan::{Action, Unit, Way};

/// Driver of gates. The engine settles a gate by a person's confirmation and never applies it.
#[derive(Clone, Copy, Debug, Default)]
pub struct GateDriver;

#[async_trait]
impl Driver for GateDriver {
    async fn survey(&self, _: &Context, unit: &Unit) -> Result<Survey, Failure> {
        let effects = match &unit.action {
            Action::Gate { text } => vec![format!("waits until a person confirms: {text}")],
            _ => vec![],
        };
        Ok(Survey { effects, problems: vec![] })
    }

    async fn capture(&self, _: &Context, _: &Unit) -> Result<Capsule, Failure> {
        Ok(Capsule::default())
    }

    async fn apply(&self, _: &Context, unit: &Unit, _: &Capsule) -> Result<Done, Failure> {
        Err(Failure::clean(
            Fault::Windlass,
            format!("gate {} is confirmed by a person; no driver can open it", unit.id),
        )
        .hint(format!("windlass confirm {}", unit.id)))
    }

    async fn undo(&self, _: &Context, _: &Unit, _: &Capsule, _: Option<&Done>) -> Result<Done, Failure> {
        Ok(Done::default())
    }

    async fn inspect(&self, _: &Context, _: &Unit, _: &Capsule, _: Way) -> Found {
        Found::NotApplied
    }
}
