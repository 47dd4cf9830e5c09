//! How long services without a proxy were stopped that nobody looked at from outside: the journal has the times.

use crate::{messages::Messages, moment, time::duration};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use windlass_journal::{Direction, Entry, Event, Outcome, RunState, Verb};
use windlass_plan::{Action, ServiceOperation, UnitId, Way};

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

/// One sentence for each such service that the run stopped or restarted, by the times of the entries.
pub(crate) fn outages(
    run: &RunState,
    entries: &[Entry],
    zone: &TimeZone,
    messages: &Messages,
) -> Vec<String> {
    let units = services(run);
    let mut outages: BTreeMap<(&str, &str), Outage> = BTreeMap::new();
    let mut direction = Way::Forward;
    for entry in entries {
        let (unit, way, took_ms, report) = match &entry.event {
            Event::Settled {
                unit,
                way,
                outcome: Outcome::Applied(report) | Outcome::NoEffect(report),
                took_ms,
                ..
            } => (unit, Some(*way), took_ms.unwrap_or(0), Some(report)),
            Event::Decided { verb: Verb::MarkDone, unit: Some(unit), .. } => (unit, None, 0, None),
            Event::Turned { to: Direction::Forward, .. } => {
                direction = Way::Forward;
                continue;
            }
            Event::Turned { to: Direction::Unwind, .. } => {
                direction = Way::Undo;
                continue;
            }
            _ => continue,
        };
        let Some(about) = units.get(unit) else { continue };
        // What a person did by hand goes where the run goes; hand-written undos always run forward.
        let way = way.unwrap_or(if about.script { Way::Forward } else { direction });
        let changed = !matches!(&entry.event, Event::Settled { outcome: Outcome::NoEffect(_), .. });
        let outage = outages.entry((about.service, about.host)).or_default();
        match report.and_then(|report| report.facts.get("away")?.as_bool()) {
            Some(away) => outage.left(away, entry.time_ms),
            None => outage.settled(about.operation, way, changed, entry.time_ms, took_ms),
        }
    }
    let hosts = |name: &str| outages.keys().filter(|(service, _)| *service == name).count();
    let label = |(service, host): &(&str, &str)| match hosts(service) {
        1 => (*service).to_owned(),
        _ => messages.with("seen-service-on", [("service", (*service).into()), ("host", (*host).into())]),
    };
    outages.iter().flat_map(|(key, outage)| outage.words(&label(key), zone, messages)).collect()
}

/// A unit about such a service.
struct About<'a> {
    service: &'a str,
    host: &'a str,
    operation: ServiceOperation,
    /// Part of a hand-written undo.
    script: bool,
}

fn services(run: &RunState) -> BTreeMap<&UnitId, About<'_>> {
    let steps = run.plan.steps.iter();
    let units = steps.flat_map(|step| {
        let undo = step.undo.iter().flat_map(|script| &script.units);
        step.units.iter().map(|unit| (unit, false)).chain(undo.map(|unit| (unit, true)))
    });
    let mut found = BTreeMap::new();
    for (unit, script) in units {
        let Action::Service { service, operation } = &unit.action else { continue };
        let looked_at = run.probed.seen.contains_key(service);
        if !looked_at && run.plan.services.get(service).is_some_and(|service| !service.is_held()) {
            found.insert(&unit.id, About { service, host: &unit.host, operation: *operation, script });
        }
    }
    found
}

impl Outage {
    /// The way back of a unit was left to the one that keeps the service; it may stand still until then.
    fn left(&mut self, away: bool, at_ms: i64) {
        if away {
            self.since_ms.get_or_insert(at_ms);
        }
    }

    /// A unit came to its end. `changed`: it was not so before.
    fn settled(&mut self, operation: ServiceOperation, way: Way, changed: bool, at_ms: i64, took_ms: u64) {
        use ServiceOperation::{Keep, Restart, Start, Stop};
        match (operation, way) {
            (Stop, Way::Forward) | (Start, Way::Undo) if changed => {
                self.since_ms.get_or_insert(at_ms);
            }
            (Keep, Way::Undo) if changed && self.since_ms.is_none() => {
                *self.restarts_ms.get_or_insert(0) += took_ms;
            }
            (Start, Way::Forward) | (Stop | Keep, Way::Undo) => {
                let stopped = self.since_ms.take().map_or(0, |since| at_ms.saturating_sub(since));
                self.stopped_ms += u64::try_from(stopped).unwrap_or(0);
            }
            (Restart, _) if changed => *self.restarts_ms.get_or_insert(0) += took_ms,
            _ => {}
        }
    }

    fn words(&self, name: &str, zone: &TimeZone, messages: &Messages) -> Vec<String> {
        let say = |key, time: String| messages.with(key, [("service", name.into()), ("time", time.into())]);
        let mut words = Vec::new();
        if self.stopped_ms > 0 {
            words.push(say("seen-stopped", duration(self.stopped_ms)));
        }
        if let Some(since) = self.since_ms {
            words.push(say("seen-not-started", moment(since, zone)));
        }
        if let Some(took) = self.restarts_ms {
            words.push(say("seen-restarted", duration(took)));
        }
        words
    }
}
