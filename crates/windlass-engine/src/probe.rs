//! The look from outside whether services answer: when it begins, what of it is journaled, and when.

use crate::{EngineError, Notice, dispatch::Work, session::Session};
use std::collections::BTreeMap;
use windlass_journal::Event;
use windlass_plan::{Action, Class, Downtime, UnitId, Way};

/// What was seen is taken in this often while units are at work, milliseconds.
pub(crate) const LOOK_MS: u64 = 100;

/// Less new downtime than this is written only when the controller leaves the run, milliseconds.
const NEW_MS_MIN: u64 = 200;

impl Session<'_> {
    /// Begins to look before the first unit that changes anything, at once where one has changed something or may have. False: it
    /// had begun, or is not to begin.
    pub(crate) async fn probe(&mut self, list: &[(UnitId, Way)]) -> Result<bool, EngineError> {
        if self.probe.is_some() || self.state().ending.is_some() || !self.may_change(list) {
            return Ok(false);
        }
        let state = self.state();
        let Some(probe) = self.engine.prober.begin(&state.plan, &state.probed.seen).await else {
            return Ok(false);
        };
        if state.probed.seen.is_empty() {
            self.write(probe.seen(), list.first().map(|(unit, _)| unit.clone())).await?;
        }
        self.probe = Some(probe);
        Ok(true)
    }

    fn may_change(&self, list: &[(UnitId, Way)]) -> bool {
        let changes = |(id, way): &(UnitId, Way)| {
            let unit = self.state().find(id);
            *way == Way::Undo
                || unit.is_some_and(|unit| {
                    unit.undo.class != Class::Readonly || matches!(unit.action, Action::Backup { .. })
                })
        };
        !self.state().applied.is_empty() || !self.board.running.is_empty() || list.iter().any(changes)
    }

    /// Takes in what was seen: tells what is new, writes what must not be lost.
    pub(crate) async fn probed(&mut self, work: &mut Work) -> Result<(), EngineError> {
        let Some(probe) = &self.probe else { return Ok(()) };
        let seen = probe.seen();
        if work.told != seen {
            self.engine.observer.notice(Notice::Probed(seen.clone()));
            work.told.clone_from(&seen);
        }
        if self.is_worth_it(&seen) {
            self.write(seen, work.busy.first().cloned()).await?;
        }
        Ok(())
    }

    /// Writes what was seen and is not written yet: the controller leaves the run, or asks a person.
    pub(crate) async fn probe_last(&mut self) -> Result<(), EngineError> {
        if let Some(probe) = &self.probe {
            probe.again().await;
        }
        match self.probe.as_ref().map(|probe| probe.seen()) {
            Some(seen) if seen != self.state().probed.seen => self.write(seen, None).await,
            _ => Ok(()),
        }
    }

    async fn write(
        &mut self,
        seen: BTreeMap<String, Downtime>,
        at_work: Option<UnitId>,
    ) -> Result<(), EngineError> {
        let state = self.state();
        let first = || state.plan.units().next().map(|(_, unit)| unit.id.clone());
        match at_work.or_else(|| state.applied.last().cloned()).or_else(first) {
            Some(unit) => self.append(vec![Event::Probed { seen, unit }]).await,
            None => Ok(()),
        }
    }

    /// Whether a crash now would lose more than a fifth of the downtime, or a budget is exceeded.
    fn is_worth_it(&self, seen: &BTreeMap<String, Downtime>) -> bool {
        let state = self.state();
        let forward = state.direction == windlass_journal::Direction::Forward;
        let budget_ms =
            state.plan.downtime_budget_ms().filter(|_| forward && state.probed.exceeded.is_none());
        seen.iter().any(|(service, now)| {
            let written_ms = state.probed.seen.get(service).map_or(0, |written| written.down_ms);
            let new_ms = now.down_ms.saturating_sub(written_ms);
            new_ms >= NEW_MS_MIN.max(written_ms / 4) || budget_ms.is_some_and(|budget| now.down_ms > budget)
        })
    }
}
