//! The rules of the fold, written a second time: phases as single letters, one rule a line. Random walks over every event
//! there is compare both at each step, the refused events too.

use crate::support::*;
use std::collections::BTreeMap;
use windlass_journal::{
    Direction, Ending, Entry, Event, Forward, Outcome, Report, RunState, Trouble, UndoPhase, UnitState, Verb,
    link,
};
use windlass_plan::Way;

const F: Way = Way::Forward;
const U: Way = Way::Undo;
const UNITS: [&str; 6] = ["a/1", "b/1", "g/1", "s/1", "s-undo/1", "x/9"];

/// One unit: forward `w`aiting `r`unning `a`pplied `u`nchanged `f`ailed `p`artly `?` `s`kipped; back `-` `r` `u`ndone `f` `p`
/// `?` `l`eft.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unit {
    forward: char,
    back: char,
    attempts: [u32; 2],
    /// Something of an earlier try may be there.
    touched: bool,
    /// The last partial failure may be tried again.
    again: [bool; 2],
}

impl Default for Unit {
    fn default() -> Self {
        Self { forward: 'w', back: '-', attempts: [0; 2], touched: false, again: [false; 2] }
    }
}

impl Unit {
    fn has_effect(&self) -> bool {
        "ap".contains(self.forward) || ("sw".contains(self.forward) && self.touched)
    }

    fn may_begin(&self, way: Way) -> bool {
        match way {
            F if "r?".contains(self.back) => false,
            F => "wf".contains(self.forward) || (self.forward == 'p' && self.again[0]),
            U => self.has_effect() && ("-f".contains(self.back) || (self.back == 'p' && self.again[1])),
        }
    }

    fn settle(&mut self, way: Way, outcome: &Outcome) {
        let retry = matches!(outcome, Outcome::FailedPartly(t) | Outcome::Failed(t) if t.retry);
        let interrupted = matches!(outcome, Outcome::Failed(t) if t.interrupted);
        let unknown = self.forward == '?';
        if way == U {
            self.again[1] = retry;
            self.back = match outcome {
                Outcome::Applied(_) | Outcome::NoEffect(_) => 'u',
                Outcome::Failed(_) if interrupted => '-',
                Outcome::Failed(_) => 'f',
                Outcome::FailedPartly(_) => 'p',
                Outcome::Unknown(_) => '?',
            };
            return;
        }
        self.again[0] = retry;
        self.forward = match outcome {
            Outcome::NoEffect(_) if !self.touched && !unknown => 'u',
            Outcome::Applied(_) | Outcome::NoEffect(_) => 'a',
            Outcome::Failed(_) if interrupted => 'w',
            Outcome::Failed(_) if self.touched => 'p',
            Outcome::Failed(_) => 'f',
            Outcome::FailedPartly(_) => 'p',
            Outcome::Unknown(_) => '?',
        };
        self.touched |= matches!(outcome, Outcome::FailedPartly(_));
    }

    fn decide(&mut self, verb: Verb, forward: bool) {
        self.touched |= self.forward == '?';
        let open = "?r".contains(self.forward) || (self.forward == 'w' && self.touched && self.back == '-');
        match (verb, forward || open) {
            (Verb::Retry, false) => self.back = '-',
            (Verb::Skip, false) => self.back = 'l',
            (_, false) => self.back = 'u',
            (Verb::Retry, true) => self.forward = 'w',
            (Verb::Skip, true) => self.forward = 's',
            (_, true) => self.forward = 'a',
        }
        if !forward && open && verb == Verb::Retry {
            self.touched = false;
        }
        if !forward && open && verb == Verb::Skip {
            self.back = 'l';
        }
    }
}

/// A run by the second set of rules.
#[derive(Clone, Debug, Default)]
pub struct Model {
    units: BTreeMap<String, Unit>,
    applied: Vec<String>,
    back: bool,
    person: bool,
    ended: Option<Ending>,
    /// The plan has the other text of `b/1`.
    edited: bool,
}

impl Model {
    fn unit(&self, id: &str) -> Unit {
        self.units.get(id).cloned().unwrap_or_default()
    }

    fn has_begun(&self, id: &str) -> bool {
        let it = self.unit(id);
        !"wf".contains(it.forward) || it.touched || it.back != '-'
    }

    /// Whether `event` may follow.
    fn allows(&self, event: &Event) -> bool {
        let known = |id: &str| id != "x/9";
        match event {
            Event::Started { .. } => false,
            Event::Replanned { from, .. } => {
                let goes = self.ended.is_none() && !self.back;
                // What is edited, and what comes behind it.
                let begun = ["b/1", "g/1", "s/1"].iter().any(|id| self.has_begun(id));
                let Event::Replanned { from: ours, .. } = replanned(!self.edited) else { unreachable!() };
                goes && !begun && *from == ours
            }
            Event::Taken { .. } | Event::Turned { .. } | Event::Ended { .. } => true,
            Event::Confirmed { unit, .. } | Event::Probed { unit, .. } => known(&unit.0),
            Event::Decided { verb: Verb::Unwind | Verb::Abandon, .. } => true,
            Event::Decided { unit, .. } => unit.as_ref().is_some_and(|unit| known(&unit.0)),
            Event::Intended { unit, way, attempt, .. } => {
                let going = self.ended.is_none() && !self.person;
                let it = self.unit(&unit.0);
                known(&unit.0) && going && it.may_begin(*way) && *attempt == it.attempts[*way as usize] + 1
            }
            Event::Settled { unit, way, attempt, .. } => {
                let it = self.unit(&unit.0);
                let phase = if *way == F { it.forward } else { it.back };
                "r?".contains(phase) && *attempt == it.attempts[*way as usize]
            }
        }
    }

    fn follow(&mut self, event: &Event) {
        match event {
            Event::Started { .. } | Event::Taken { .. } | Event::Probed { .. } => {}
            Event::Replanned { .. } => {
                self.edited = !self.edited;
                let fresh: Vec<String> =
                    self.units.keys().filter(|id| !self.has_begun(id)).cloned().collect();
                for id in fresh {
                    let it = self.units.get_mut(&id).unwrap();
                    *it = Unit { attempts: it.attempts, ..Unit::default() };
                }
            }
            Event::Ended { ending } => self.ended = Some(*ending),
            Event::Turned { to: Direction::Person, .. } => self.person = true,
            Event::Turned { to, .. } => self.turn(*to == Direction::Unwind),
            Event::Decided { verb: Verb::Unwind, .. } => self.turn(true),
            Event::Decided { verb: Verb::Abandon, .. } => self.person = false,
            Event::Decided { verb, unit: Some(unit), .. } => {
                let forward = !self.back || unit.0 == "s-undo/1";
                self.change(&unit.0, |it| {
                    // Of what is over, a person says only that the run goes on.
                    if !(forward && "aus".contains(it.forward)) {
                        it.decide(*verb, forward);
                    }
                });
                self.person = false;
            }
            Event::Decided { .. } => unreachable!("not allowed"),
            Event::Confirmed { unit, .. } => {
                let gate = unit.0.starts_with("g/");
                let it = self.units.entry(unit.0.clone()).or_default();
                it.forward = if gate { 'a' } else { it.forward };
            }
            Event::Intended { unit, way, attempt, .. } => {
                let it = self.units.entry(unit.0.clone()).or_default();
                it.attempts[*way as usize] = *attempt;
                *(if *way == F { &mut it.forward } else { &mut it.back }) = 'r';
            }
            Event::Settled { unit, way: U, outcome, .. } => {
                self.units.get_mut(&unit.0).unwrap().settle(U, outcome);
            }
            Event::Settled { unit, outcome, .. } => self.change(&unit.0, |it| it.settle(F, outcome)),
        }
    }

    fn turn(&mut self, back: bool) {
        (self.back, self.person, self.ended) = (back, false, None);
    }

    /// A change after which the unit may have its first effect.
    fn change(&mut self, id: &str, change: impl FnOnce(&mut Unit)) {
        let it = self.units.entry(id.to_owned()).or_default();
        change(it);
        if it.has_effect() && !self.applied.iter().any(|other| other == id) {
            self.applied.push(id.to_owned());
        }
    }

    /// Whether the fold says the same.
    fn assert_is(&self, state: &RunState, about: &str) {
        assert_eq!(
            state.applied.iter().map(|unit| &unit.0).collect::<Vec<_>>(),
            self.applied.iter().collect::<Vec<_>>(),
            "{about}"
        );
        assert_eq!((state.ending, state.person.is_some()), (self.ended, self.person), "{about}");
        assert_eq!(state.direction == Direction::Unwind, self.back, "{about}");
        for (id, unit) in &state.units {
            assert_eq!(letters(unit), self.unit(&id.0), "{id}: {about}");
            assert_eq!(unit.has_effect(), self.unit(&id.0).has_effect(), "{id}: {about}");
        }
        assert_eq!(
            state.units.keys().map(|id| &id.0).collect::<Vec<_>>(),
            self.units.keys().collect::<Vec<_>>(),
            "{about}"
        );
    }
}

fn letters(unit: &UnitState) -> Unit {
    let partly =
        |forward: &Forward| matches!(forward, Forward::FailedPartly(t) | Forward::Failed(t) if t.retry);
    let forward = match unit.forward {
        Forward::Waiting => 'w',
        Forward::Running => 'r',
        Forward::Applied => 'a',
        Forward::Unchanged => 'u',
        Forward::Failed(_) => 'f',
        Forward::FailedPartly(_) => 'p',
        Forward::Unknown(_) => '?',
        Forward::Skipped => 's',
    };
    let (back, again) = match &unit.undo {
        UndoPhase::None => ('-', false),
        UndoPhase::Running => ('r', false),
        UndoPhase::Undone => ('u', false),
        UndoPhase::Failed(t) => ('f', t.retry),
        UndoPhase::FailedPartly(t) => ('p', t.retry),
        UndoPhase::Unknown(_) => ('?', false),
        UndoPhase::Left => ('l', false),
    };
    let attempts = [unit.attempt, unit.undo_attempt];
    Unit { forward, back, attempts, touched: unit.touched, again: [partly(&unit.forward), again] }
}

impl Unit {
    /// `again` means something only in the phases that failed.
    fn trimmed(mut self) -> Self {
        self.again[0] &= "fp".contains(self.forward);
        self.again[1] &= "fp".contains(self.back);
        self
    }
}

fn outcomes() -> Vec<Outcome> {
    let retry = |text: &str| Trouble { retry: true, ..trouble(text) };
    vec![
        applied(),
        Outcome::NoEffect(Report::default()),
        Outcome::Failed(trouble("no")),
        Outcome::Failed(retry("busy")),
        Outcome::Failed(Trouble { interrupted: true, ..retry("died") }),
        Outcome::FailedPartly(trouble("half")),
        Outcome::FailedPartly(retry("half, go on")),
        Outcome::Unknown(trouble("nobody knows")),
    ]
}

/// Every event that there is, for the units of the plan and a stranger, with tries up to `tries`.
fn alphabet(tries: u32) -> Vec<Event> {
    let mut all = vec![started(), Event::Taken { owner: "op".into(), from: None }];
    all.extend([true, false].map(replanned));
    for to in [Direction::Forward, Direction::Unwind, Direction::Person] {
        all.push(Event::Turned { to, why: "because".into(), unit: None });
    }
    for ending in [Ending::Done, Ending::Undone, Ending::Abandoned] {
        all.push(Event::Ended { ending });
    }
    for verb in [Verb::Retry, Verb::Skip, Verb::MarkDone, Verb::Unwind, Verb::Abandon] {
        let units = UNITS.iter().map(|unit| Some(id(unit))).chain([None]);
        all.extend(units.map(|unit| Event::Decided { verb, unit, reason: "because".into() }));
    }
    for unit in UNITS {
        all.push(Event::Confirmed { unit: id(unit), note: String::new() });
        for (way, attempt) in [F, U].into_iter().flat_map(|way| (0..=tries).map(move |n| (way, n))) {
            all.push(intended(unit, way, attempt));
            all.extend(outcomes().into_iter().map(|outcome| settled(unit, way, attempt, outcome)));
        }
    }
    all
}

fn entry(seq: u64, event: Event) -> Entry {
    let mut new = unlinked("r", event);
    new.time_ms += i64::try_from(seq).unwrap() * 10;
    link(seq, 1, "", new).0
}

/// Tries up to these are in an alphabet that offers each unit a next one.
fn tries(model: &Model) -> u32 {
    model.units.values().flat_map(|unit| unit.attempts).max().unwrap_or(0) + 1
}

/// A random event that may follow; those that bring a run further come more often than those that end or turn it.
pub fn any(model: &Model, rng: &mut Rng) -> Event {
    let all = alphabet(tries(model));
    loop {
        let event = rng.one(&all);
        let rare = !matches!(event, Event::Intended { .. } | Event::Settled { .. });
        if model.allows(event) && (!rare || rng.below(20) == 0) {
            return event.clone();
        }
    }
}

/// A random run: its events after the first.
pub fn walk(seed: u64, steps: usize) -> Vec<Event> {
    let (mut model, mut rng) = (Model::default(), Rng(seed));
    let step = |_| {
        let event = any(&model, &mut rng);
        model.follow(&event);
        event
    };
    (0..steps).map(step).collect()
}

pub fn same(left: &RunState, right: &RunState) -> bool {
    let of = |s: &RunState| (s.seq, s.last_ms, s.worked_ms, s.direction, s.ending, s.person.clone());
    let (parts, more) = (of(left) == of(right), left.turns == right.turns && left.owners == right.owners);
    let plans = (&left.digest, &left.plan, &left.replans) == (&right.digest, &right.plan, &right.replans);
    parts && more && plans && left.units == right.units && left.applied == right.applied
}

/// The first walk of these seeds on which both disagree is printed; `walk(SEED, STEPS)` gives it again.
#[test]
fn the_fold_follows_its_rules_and_refuses_every_event_that_they_refuse() {
    let mut refused = 0_u32;
    for seed in 0..8 {
        let (mut model, mut rng) = (Model::default(), Rng(seed));
        let mut state = RunState::begin(&entry(1, started())).unwrap();
        for step in 0..40 {
            let about = format!("seed {seed}, step {step}");
            for event in alphabet(tries(&model).min(4)) {
                let mut next = state.clone();
                let answer = next.apply(&entry(state.seq + 1, event.clone()));
                assert_eq!(answer.is_ok(), model.allows(&event), "{about}: {event:?}: {answer:?}");
                if let Err(error) = answer {
                    refused += 1;
                    assert_eq!(error.seq, state.seq + 1, "{about}: it names the entry");
                    assert!(same(&next, &state), "{about}: {event:?} was refused and changed the state");
                }
            }
            let event = any(&model, &mut rng);
            state.apply(&entry(state.seq + 1, event.clone())).unwrap();
            model.follow(&event);
            model.units.values_mut().for_each(|unit| *unit = unit.clone().trimmed());
            model.assert_is(&state, &format!("{about}: {event:?}"));
        }
    }
    assert!(refused > 50_000, "{refused} events were refused");
}

#[test]
fn no_walk_undoes_what_was_never_there_or_tries_two_things_of_a_unit_at_once() {
    for seed in 0..100 {
        let mut state = RunState::begin(&entry(1, started())).unwrap();
        for event in walk(seed, 80) {
            state.apply(&entry(state.seq + 1, event.clone())).unwrap();
            if let Event::Intended { unit, way: U, .. } = &event {
                // A gate that a person confirmed changed nothing; no plan undoes it.
                let placed = state.applied.contains(unit) || unit.0.starts_with('g');
                assert!(placed, "seed {seed}: {unit} is undone and was never applied");
            }
            for (id, unit) in &state.units {
                assert!(
                    !(unit.forward == Forward::Running && unit.undo == UndoPhase::Running),
                    "seed {seed}: {id} goes both ways at once"
                );
                let placed = state.applied.iter().filter(|other| *other == id).count();
                assert!(placed <= 1, "seed {seed}: {id} stands twice in the order of the undo");
                assert!(
                    !unit.has_effect() || placed == 1 || id.0.starts_with('g'),
                    "seed {seed}: {id} would be forgotten"
                );
            }
        }
    }
}

#[test]
fn a_fold_may_be_interrupted_anywhere() {
    for seed in 0..60 {
        let events = std::iter::once(started()).chain(walk(seed, 60));
        let entries: Vec<Entry> = events.zip(1..).map(|(event, seq)| entry(seq, event)).collect();
        let whole = folded(&entries);
        for cut in 1..entries.len() {
            let mut state = folded(&entries[..cut]);
            assert_eq!(state.seq, cut as u64, "seed {seed}");
            entries[cut..].iter().for_each(|entry| state.apply(entry).unwrap());
            assert!(same(&state, &whole), "seed {seed}, cut after {cut}");
        }
    }
}

#[test]
fn facts_are_those_of_the_last_report_of_each_unit() {
    for seed in 0..60 {
        let mut last = BTreeMap::new();
        let mut entries = vec![entry(1, started())];
        for (n, mut event) in (0_u64..).zip(walk(seed, 80)) {
            if let Event::Settled {
                unit,
                way: F,
                outcome: Outcome::Applied(report) | Outcome::NoEffect(report),
                ..
            } = &mut event
            {
                report.facts = serde_json::json!({ "n": n });
                last.insert(unit.clone(), report.facts.clone());
            }
            entries.push(entry(entries.len() as u64 + 1, event));
        }
        assert_eq!(*folded(&entries).facts(), last, "seed {seed}");
    }
}
