//! `next` on runs by seed, compared with its model. `WINDLASS_NEXT="7"` tells one again, `"FIRST COUNT"` others.

use crate::{
    story::{BEGAN_MS, LIMITS, entry},
    support::{by, by_hand, gate, plan, readonly, spread, step, unit},
    walked::walked,
};
use std::collections::BTreeSet;
use windlass_document::{Serial, Share};
use windlass_engine::{Next, next};
use windlass_journal::{Direction, Event, OnFailure, Outcome, Report, RunState, Trouble, Verb};
use windlass_plan::{Class, Plan, Step, UndoBy, Unit, UnitId, Way};

const COUNT: u64 = 300;
const EVENTS: usize = 120;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

fn some_step(random: &mut Random, name: &str) -> Step {
    let hosts = &["x", "y", "z"][..1 + random.below(3)];
    let lines = 1 + random.below(3);
    let is_alone = random.below(2) == 0;
    let mut units = if is_alone {
        (1..=lines).map(|n| unit(&format!("{name}/{n}"))).collect()
    } else {
        spread(name, hosts, lines)
    };
    for (n, unit) in units.iter_mut().enumerate() {
        match random.below(8) {
            0 => *unit = Unit { host: unit.host.clone(), ..readonly(&unit.id.0) },
            1 => *unit = by(unit.clone(), Class::None, UndoBy::Nobody),
            2 if n == 0 => *unit = Unit { host: unit.host.clone(), ..gate(&unit.id.0) },
            _ => {}
        }
    }
    let mut step = match random.below(4) {
        0 => {
            let lines = ["u1", "u2"].map(|u| format!("{name}-undo/{u}"));
            // On the hosts of the step, some of them and another one, or on none.
            let hosts = *random.one(&[&["x", "y", "z"][..], &["y", "other"], &[]]);
            let of = |line: &String| hosts.iter().map(|host| format!("{line}@{host}")).collect::<Vec<_>>();
            let spread: Vec<String> = lines.iter().flat_map(of).collect();
            let undo = if is_alone || spread.is_empty() { lines.to_vec() } else { spread };
            let undo: Vec<&str> = undo.iter().map(String::as_str).collect();
            by_hand(name, units, &undo, random.below(2) == 0)
        }
        _ => step(name, units),
    };
    step.serial = match random.below(6) {
        0 => Some(Serial::Hosts(1)),
        1 => Some(Serial::Percent(50)),
        2 => Some(Serial::Growing(vec![Share::Hosts(1), Share::Percent(50)])),
        _ => None,
    };
    step.after_ms = *random.one(&[None, None, None, Some(10)]);
    step
}

/// A check of the batches of `step`, for most of its hosts all of them.
fn some_check(random: &mut Random, step: &Step, name: &str) -> Step {
    let mut hosts: Vec<&str> = step.units.iter().map(|unit| unit.host.as_str()).collect();
    hosts.dedup();
    hosts.truncate(if random.below(4) == 0 { 1 } else { 3 });
    let lines = spread(name, &hosts, 1 + random.below(2));
    let units = lines.iter().map(|unit| readonly(&unit.id.0)).collect();
    Step { serial: step.serial.clone(), class: Class::Readonly, ..self::step(name, units) }
}

fn some_plan(random: &mut Random) -> Plan {
    let names = ["a", "b", "c", "d"];
    let mut steps: Vec<Step> = Vec::new();
    for name in &names[..1 + random.below(4)] {
        let step = match steps.last() {
            Some(before) if random.below(3) == 0 => some_check(random, &before.clone(), name),
            _ => some_step(random, name),
        };
        steps.push(step);
    }
    plan(steps)
}

fn outcome(random: &mut Random) -> Outcome {
    let trouble = Trouble {
        message: "no".into(),
        retry: random.below(2) == 0,
        interrupted: random.below(5) == 0,
        person: random.below(5) == 0,
        ..Trouble::default()
    };
    match random.below(8) {
        0..=3 => Outcome::Applied(Report::default()),
        4 => Outcome::NoEffect(Report::default()),
        5 => Outcome::Failed(trouble),
        6 => Outcome::FailedPartly(trouble),
        _ => Outcome::Unknown(trouble),
    }
}

/// Mostly what `next` says, now and then anything: the fold refuses what cannot be.
fn event(random: &mut Random, state: &RunState, ids: &[UnitId], said: &Next) -> Event {
    let unit = match said {
        Next::Begin(list) | Next::Inspect(list) if random.below(4) > 0 => random.one(list).0.clone(),
        Next::Confirm(unit) | Next::Person(unit, _) | Next::Failed(unit, _) if random.below(4) > 0 => {
            unit.clone()
        }
        _ => random.one(ids).clone(),
    };
    let known = state.unit(&unit);
    let way =
        if state.direction == Direction::Unwind && known.has_effect() { Way::Undo } else { Way::Forward };
    let attempt = if way == Way::Forward { known.attempt } else { known.undo_attempt };
    match random.below(16) {
        0..=5 => {
            let capsule = serde_json::json!({ "of": unit.0 });
            Event::Intended { unit, way, attempt: attempt + 1, capsule }
        }
        6..=11 => Event::Settled { unit, way, attempt, outcome: outcome(random), took_ms: None },
        12 => Event::Confirmed { unit, note: String::new() },
        13 | 14 => {
            let verb = *random.one(&[Verb::Retry, Verb::Skip, Verb::MarkDone]);
            Event::Decided { verb, unit: Some(unit), reason: "so".into() }
        }
        _ => {
            let to =
                *random.one(&[Direction::Unwind, Direction::Unwind, Direction::Person, Direction::Forward]);
            Event::Turned { to, why: "so".into(), unit: None }
        }
    }
}

/// Tells one run; how often each answer was given.
fn tell(seed: u64, seen: &mut BTreeSet<String>) {
    let mut random = Random(seed);
    let plan = some_plan(&mut random);
    let scripts = plan.steps.iter().flat_map(|step| step.undo.iter().flat_map(|script| &script.units));
    let ids: Vec<UnitId> =
        plan.units().map(|(_, unit)| unit).chain(scripts).map(|unit| unit.id.clone()).collect();
    let started = Event::started(plan, OnFailure::Unwind);
    let mut state = RunState::begin(&entry(1, started)).expect("a run starts");
    for _ in 0..EVENTS {
        let mut busy = BTreeSet::new();
        for id in state.units.keys().filter(|_| random.below(3) == 0) {
            busy.insert(id.clone());
        }
        let now = BEGAN_MS + if random.below(3) == 0 { 0 } else { 20 };
        let said = next(&state, &busy, LIMITS, now);
        let again =
            || format!("WINDLASS_NEXT={seed} cargo test -p windlass-engine --test engine next_generated");
        assert_eq!(said, walked(&state, &busy, LIMITS, now), "{}\n{state:#?}", again());
        seen.insert(format!("{said:?}").chars().take_while(|c| c.is_alphabetic()).collect());
        let event = event(&mut random, &state, &ids, &said);
        // What cannot be is refused and changes nothing.
        let _ = state.apply(&entry(state.seq + 1, event));
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a failing seed is replayed by a variable")]
fn what_the_board_finds_is_what_walking_finds() {
    let chosen = std::env::var("WINDLASS_NEXT").unwrap_or_default();
    let mut numbers = chosen.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
    let (first, count) = (numbers.next(), numbers.next());
    let count = count.unwrap_or(if first.is_some() { 1 } else { COUNT });
    let first = first.unwrap_or(1);
    let mut seen = BTreeSet::new();
    for seed in first..first + count {
        tell(seed, &mut seen);
    }
    let all = ["Begin", "Confirm", "End", "Failed", "Inspect", "NotBefore", "Person", "Wait"];
    assert!(count < COUNT || all.iter().all(|answer| seen.contains(*answer)), "{seen:?}");
}
