//! What was seen of services from outside while a run worked, and whether it kept to its budgets.

use crate::{Mark, Stand, Text, messages::Messages, moment, time::duration};
use jiff::tz::TimeZone;
use serde::Serialize;
use std::collections::BTreeMap;
use windlass_journal::{Direction, Ending, Exceeded, RunState};
use windlass_plan::Downtime;

/// What was seen of services from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DowntimeJson {
    /// By service; empty when nobody looked.
    pub services: BTreeMap<String, ServiceDowntimeJson>,
    /// Time between controllers, in which nobody looked.
    pub not_measured_ms: u64,
    /// How long requests of a service may fail; null: nobody said.
    pub budget_ms: Option<u64>,
    /// The budget was exceeded while the run went forward.
    pub exceeded: Option<ExceededJson>,
    /// The way back, when the run went back.
    pub way_back: Option<WayBackJson>,
}

/// What was seen of one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceDowntimeJson {
    /// Time in which its requests failed.
    pub down_ms: u64,
    /// The longest of it in one piece.
    pub longest_ms: u64,
    /// Since when it has not answered; null: it did when it was asked last.
    pub down_since_at_ms: Option<i64>,
    /// It did not answer before the run changed anything; nothing is counted until it did.
    pub down_before: bool,
    /// Why the last request that failed did.
    pub why: Option<String>,
}

/// A budget that was exceeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExceededJson {
    /// The service.
    pub service: String,
    /// What was measured when it was noticed.
    pub down_ms: u64,
    /// When the piece began in which it happened.
    pub since_at_ms: Option<i64>,
    /// The unit that was at work, or was last.
    pub unit: String,
}

/// How long the way back took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WayBackJson {
    /// Time in which controllers worked on it.
    pub took_ms: u64,
    /// How long it may take; null: nobody said.
    pub budget_ms: Option<u64>,
    /// Whether it took longer.
    pub exceeded: bool,
}

/// As JSON.
pub(crate) fn downtime_json(run: &RunState) -> DowntimeJson {
    let services = run.probed.seen.iter().map(|(name, seen)| (name.clone(), service_json(run, name, seen)));
    let exceeded = run.probed.exceeded.as_ref().map(|exceeded| ExceededJson {
        service: exceeded.service.clone(),
        down_ms: exceeded.down_ms,
        since_at_ms: exceeded.since_ms,
        unit: exceeded.unit.0.clone(),
    });
    DowntimeJson {
        services: services.collect(),
        not_measured_ms: run.probed.unseen_ms,
        budget_ms: run.plan.downtime_budget_ms(),
        exceeded,
        way_back: way_back(run),
    }
}

fn service_json(run: &RunState, name: &str, seen: &Downtime) -> ServiceDowntimeJson {
    ServiceDowntimeJson {
        down_ms: seen.down_ms,
        longest_ms: seen.longest_ms,
        down_since_at_ms: seen.since_ms.filter(|_| seen.now_ms > 0),
        down_before: run.probed.down_before.contains(name),
        why: Some(seen.why.clone()).filter(|why| !why.is_empty()),
    }
}

/// How long the last way back took.
fn way_back(run: &RunState) -> Option<WayBackJson> {
    let turn = run.turns.iter().rev().find(|turn| turn.to == Direction::Unwind)?;
    let (took_ms, budget_ms) = (run.worked_ms.saturating_sub(turn.worked_ms), run.plan.budget.rollback_ms);
    Some(WayBackJson { took_ms, budget_ms, exceeded: budget_ms.is_some_and(|budget_ms| took_ms > budget_ms) })
}

/// One sentence for each service that was looked at, and what else is to be known of it. `working`: a controller looks now.
pub(crate) fn seen(run: &RunState, working: bool, zone: &TimeZone, messages: &Messages) -> Vec<String> {
    let services = run.probed.seen.iter();
    let mut said: Vec<_> = services.map(|(name, seen)| service(run, name, seen, zone, messages)).collect();
    if run.probed.unseen_ms > 0 {
        said.push(messages.with("seen-no-controller", [("time", duration(run.probed.unseen_ms).into())]));
    }
    if !said.is_empty() && run.ending.is_none() && !working {
        said.push(messages.with("seen-not-measured-since", [("when", moment(run.last_ms, zone).into())]));
    }
    said.extend(run.probed.exceeded.as_ref().map(|exceeded| exceeded_words(exceeded, zone, messages)));
    said
}

fn service(run: &RunState, name: &str, seen: &Downtime, zone: &TimeZone, messages: &Messages) -> String {
    let part = |key, value: (&'static str, String)| messages.with(key, [(value.0, value.1.into())]);
    let why = match seen.why.as_str() {
        "" => String::new(),
        why => part("seen-why", ("why", why.to_owned())),
    };
    if seen.before && seen.down_ms == 0 {
        return messages.with("seen-down-all-along", [("service", name.into()), ("why", why.into())]);
    }
    let before = match run.probed.down_before.contains(name) {
        true => messages.say("seen-down-before"),
        false => String::new(),
    };
    if seen.down_ms == 0 {
        return messages.with("seen-up", [("service", name.into()), ("before", before.into())]);
    }
    let pieces = match seen.longest_ms < seen.down_ms {
        true => part("seen-longest", ("time", duration(seen.longest_ms))),
        false => String::new(),
    };
    let now = match seen.since_ms.filter(|_| seen.now_ms > 0) {
        Some(since) => part("seen-down-since", ("when", moment(since, zone))),
        None => String::new(),
    };
    let more = [pieces, why, now, before].concat();
    let values = [("service", name.into()), ("time", duration(seen.down_ms).into()), ("more", more.into())];
    messages.with("seen-down", values)
}

fn exceeded_words(exceeded: &Exceeded, zone: &TimeZone, messages: &Messages) -> String {
    let Exceeded { service, down_ms, budget_ms, since_ms, unit, .. } = exceeded;
    let since = since_ms.map_or(String::new(), |since| {
        messages.with("seen-exceeded-since", [("when", moment(since, zone).into())])
    });
    let values = [
        ("budget", duration(*budget_ms).into()),
        ("unit", unit.0.as_str().into()),
        ("service", service.as_str().into()),
        ("time", duration(*down_ms).into()),
        ("since", since.into()),
    ];
    messages.with("seen-exceeded", values)
}

/// What the way back took, where there is a budget for it.
pub(crate) fn way_back_words(run: &RunState, messages: &Messages) -> Option<(Mark, String)> {
    let WayBackJson { took_ms, budget_ms, exceeded } = way_back(run)?;
    let (took, budget) = (duration(took_ms), duration(budget_ms?));
    let say = |key| messages.with(key, [("time", took.into()), ("budget", budget.into())]);
    match (exceeded, run.ending) {
        (true, _) => Some((Mark::Bad, say("seen-back-too-long"))),
        (false, Some(Ending::Undone)) => Some((Mark::Plain, say("seen-back-in-time"))),
        (false, _) => None,
    }
}

/// Lines of a page. `all`: also that nothing was down.
pub(crate) fn downtime_lines(text: &mut Text, run: &RunState, stand: &Stand, zone: &TimeZone, all: bool) {
    let messages = Messages::english();
    let lines = seen(run, matches!(stand, Stand::Working(_)), zone, &messages);
    let worth = all || run.probed.seen.values().any(|seen| seen.down_ms > 0 || seen.before);
    for (at, line) in lines.iter().enumerate().filter(|_| worth) {
        let mark = if run.probed.exceeded.is_some() { Mark::Bad } else { Mark::Plain };
        text.field(if at == 0 { "Downtime" } else { "" }, 12, mark, line);
    }
    if let Some((mark, words)) = way_back_words(run, &messages) {
        text.field("Way back", 12, mark, &words);
    }
}
