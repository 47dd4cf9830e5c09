//! States of a run, told as its events: only what can happen can be told.

use crate::support::id;
use std::collections::BTreeSet;
use windlass_engine::{Limits, Next, next};
use windlass_journal::{Direction, Entry, Event, OnFailure, Outcome, Report, RunId, RunState, Trouble, Verb};
use windlass_plan::{Plan, UnitId, Way};

/// When every story begins, milliseconds since 1970.
pub const BEGAN_MS: i64 = 1_000_000;

pub const LIMITS: Limits = Limits { hosts_max: 8, tries_max: 3 };

pub struct Story(pub RunState);

pub fn trouble(message: &str) -> Trouble {
    Trouble { message: message.into(), ..Trouble::default() }
}

/// Trouble that may be tried again.
pub fn passing(message: &str) -> Trouble {
    Trouble { retry: true, ..trouble(message) }
}

pub fn entry(seq: u64, event: Event) -> Entry {
    let (previous, hash) = (String::new(), String::new());
    let (run, actor) = (RunId("run".into()), "ann@one".to_owned());
    Entry { seq, time_ms: BEGAN_MS, run, actor, token: 1, event, previous, hash }
}

impl Story {
    pub fn of(plan: Plan) -> Self {
        let event = Event::started(plan, OnFailure::Unwind);
        Self(RunState::begin(&entry(1, event)).expect("a run starts"))
    }

    pub fn then(mut self, event: Event) -> Self {
        self.0.apply(&entry(self.0.seq + 1, event)).expect("a story that can happen");
        self
    }

    fn begin(self, unit: &str, way: Way) -> Self {
        let known = self.0.unit(&id(unit));
        let (attempt, capsule) = match way {
            Way::Forward => (known.attempt + 1, serde_json::json!({ "of": unit })),
            Way::Undo => (known.undo_attempt + 1, serde_json::Value::Null),
        };
        self.then(Event::Intended { unit: id(unit), way, attempt, capsule })
    }

    fn settle(self, unit: &str, way: Way, outcome: Outcome) -> Self {
        let known = self.0.unit(&id(unit));
        let attempt = if way == Way::Forward { known.attempt } else { known.undo_attempt };
        self.then(Event::Settled { unit: id(unit), way, attempt, outcome, took_ms: Some(1) })
    }

    pub fn running(self, unit: &str) -> Self {
        self.begin(unit, Way::Forward)
    }

    pub fn ended(self, unit: &str, outcome: Outcome) -> Self {
        self.running(unit).settle(unit, Way::Forward, outcome)
    }

    pub fn applied(self, units: &[&str]) -> Self {
        units.iter().fold(self, |story, unit| story.ended(unit, Outcome::Applied(Report::default())))
    }

    pub fn unchanged(self, unit: &str) -> Self {
        self.ended(unit, Outcome::NoEffect(Report::default()))
    }

    pub fn failed(self, unit: &str, trouble: Trouble) -> Self {
        self.ended(unit, Outcome::Failed(trouble))
    }

    pub fn partly(self, unit: &str, trouble: Trouble) -> Self {
        self.ended(unit, Outcome::FailedPartly(trouble))
    }

    pub fn undoing(self, unit: &str) -> Self {
        self.begin(unit, Way::Undo)
    }

    pub fn undo_ended(self, unit: &str, outcome: Outcome) -> Self {
        self.undoing(unit).settle(unit, Way::Undo, outcome)
    }

    pub fn undone(self, unit: &str) -> Self {
        self.undo_ended(unit, Outcome::Applied(Report::default()))
    }

    pub fn confirmed(self, unit: &str) -> Self {
        self.then(Event::Confirmed { unit: id(unit), note: String::new() })
    }

    pub fn turned(self, to: Direction) -> Self {
        self.then(Event::Turned { to, why: "so".into(), unit: None })
    }

    pub fn back(self) -> Self {
        self.turned(Direction::Unwind)
    }

    pub fn decided(self, verb: Verb, unit: &str) -> Self {
        self.then(Event::Decided { verb, unit: Some(id(unit)), reason: "looked".into() })
    }

    /// What comes next when nothing is at work.
    pub fn next(&self) -> Next {
        self.beside(&[])
    }

    /// What comes next beside these units at work.
    pub fn beside(&self, busy: &[&str]) -> Next {
        self.at(busy, LIMITS, BEGAN_MS)
    }

    pub fn at(&self, busy: &[&str], limits: Limits, now_ms: i64) -> Next {
        let busy: BTreeSet<UnitId> = busy.iter().map(|unit| id(unit)).collect();
        next(&self.0, &busy, limits, now_ms)
    }
}

pub fn forward(units: &[&str]) -> Next {
    Next::Begin(units.iter().map(|unit| (id(unit), Way::Forward)).collect())
}

pub fn undo(units: &[&str]) -> Next {
    Next::Begin(units.iter().map(|unit| (id(unit), Way::Undo)).collect())
}

pub fn needs_person(unit: &str, why: &str) -> Next {
    Next::Person(id(unit), why.into())
}

pub fn fails(unit: &str, why: &str) -> Next {
    Next::Failed(id(unit), why.into())
}
