//! How long services without a proxy were stopped: nobody counts their requests, but the journal has the times.

use crate::{moment, time::duration};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use windlass_journal::{Entry, Event, Outcome, RunState};
use windlass_plan::{Action, ServiceOperation, Unit, UnitId, Way};

/// One service on one host.
#[derive(Default)]
struct Outage {
    /// Settlement of the stop that has not ended yet.
    since_ms: Option<i64>,
    /// Time of all stops that have ended, milliseconds.
    stopped_ms: u64,
    /// Time of restarts from intent to settlement, milliseconds; the service was away for a part of it.
    restarts_ms: Option<u64>,
}

/// One sentence for each service without a proxy that the run stopped or restarted, by the times of the entries.
pub(crate) fn outages(run: &RunState, entries: &[Entry], zone: &TimeZone) -> Vec<String> {
    let units = services(run);
    let mut outages: BTreeMap<(&str, &str), Outage> = BTreeMap::new();
    for entry in entries {
        let Event::Settled { unit, way, outcome, took_ms, .. } = &entry.event else { continue };
        let Some((unit, service, operation)) = units.get(unit) else { continue };
        let outage = outages.entry((service, &unit.host)).or_default();
        match (operation, way, outcome) {
            (ServiceOperation::Stop, Way::Forward, Outcome::Applied(_))
            | (ServiceOperation::Start, Way::Undo, Outcome::Applied(_)) => {
                outage.since_ms.get_or_insert(entry.time_ms);
            }
            (ServiceOperation::Start, Way::Forward, Outcome::Applied(_) | Outcome::NoEffect(_))
            | (ServiceOperation::Stop, Way::Undo, Outcome::Applied(_) | Outcome::NoEffect(_)) => {
                let stopped = outage.since_ms.take().map_or(0, |since| entry.time_ms.saturating_sub(since));
                outage.stopped_ms += u64::try_from(stopped).unwrap_or(0);
            }
            (ServiceOperation::Restart, _, Outcome::Applied(_)) => {
                *outage.restarts_ms.get_or_insert(0) += took_ms.unwrap_or(0);
            }
            _ => {}
        }
    }
    let hosts = |name: &str| outages.keys().filter(|(service, _)| *service == name).count();
    let label = |(service, host): &(&str, &str)| match hosts(service) {
        1 => (*service).to_owned(),
        _ => format!("{service} on {host}"),
    };
    outages.iter().flat_map(|(key, outage)| outage.words(&label(key), zone)).collect()
}

/// The units about services without a proxy, those of hand-written undos included.
fn services(run: &RunState) -> BTreeMap<&UnitId, (&Unit, &str, ServiceOperation)> {
    let mut found = BTreeMap::new();
    for step in &run.plan.steps {
        for unit in step.units.iter().chain(step.undo.iter().flat_map(|script| &script.units)) {
            let Action::Service { service, operation } = &unit.action else { continue };
            if run.plan.services.get(service).is_some_and(|service| service.proxy.is_none()) {
                found.insert(&unit.id, (unit, service.as_str(), *operation));
            }
        }
    }
    found
}

impl Outage {
    fn words(&self, name: &str, zone: &TimeZone) -> Vec<String> {
        let mut words = Vec::new();
        if self.stopped_ms > 0 {
            words.push(format!("{name} was stopped for {}", duration(self.stopped_ms)));
        }
        if let Some(since) = self.since_ms {
            words.push(format!("{name} was stopped {} and not started again", moment(since, zone)));
        }
        if let Some(took) = self.restarts_ms {
            words.push(format!("{name} was restarted, which took {}", duration(took)));
        }
        words
    }
}
