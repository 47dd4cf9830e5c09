//! The state of a run: one pure fold over its entries.

use crate::{
    Direction, Ending, Entry, Event, Forward, OnFailure, Outcome, RunId, UndoPhase, UnitState, Verb,
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};
use windlass_plan::{Action, Digest, Plan, Unit, UnitId, Way};

/// Why a run turned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Where to.
    pub to: Direction,
    /// Why.
    pub why: String,
    /// The unit that caused it.
    pub unit: Option<UnitId>,
    /// Time that controllers had worked on the run by then, milliseconds.
    pub worked_ms: u64,
}

/// A run.
#[derive(Clone, Debug)]
pub struct RunState {
    /// Its name.
    pub id: RunId,
    /// The plan it executes.
    pub plan: Arc<Plan>,
    /// The plan's digest.
    pub digest: Digest,
    /// What to do when a unit fails.
    pub on_failure: OnFailure,
    /// Who began it.
    pub actor: String,
    /// When it began.
    pub started_ms: i64,
    /// Last entry's time.
    pub last_ms: i64,
    /// Time in which a controller worked on it, from taking it up to its last entry, milliseconds: for people. Waiting for
    /// an answer on the terminal counts, the time between two controllers does not.
    pub worked_ms: u64,
    /// Last entry's position.
    pub seq: u64,
    /// Where it goes; never `Person`.
    pub direction: Direction,
    /// It waits for a person's decision: why.
    pub person: Option<Turn>,
    /// Every turn so far.
    pub turns: Vec<Turn>,
    /// Units that were acted on or decided about; all others wait.
    pub units: BTreeMap<UnitId, UnitState>,
    /// Units in the order in which they took effect; those of hand-written undos included.
    pub applied: Vec<UnitId>,
    /// How it ended, when it did.
    pub ending: Option<Ending>,
    /// Controllers that worked on it, in order, for people.
    pub owners: Vec<String>,
    /// The same units, to look up.
    placed: HashSet<UnitId>,
    /// Every unit of the plan: looked up with each entry.
    kinds: Arc<HashMap<UnitId, Kind>>,
}

/// What the fold has to know of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Gate,
    /// Part of a hand-written undo: it runs forward while the run goes back.
    Script,
}

fn kinds(plan: &Plan) -> HashMap<UnitId, Kind> {
    let kind = |unit: &Unit| match unit.action {
        Action::Gate { .. } => Kind::Gate,
        _ => Kind::Plain,
    };
    let scripts = plan.steps.iter().flat_map(|step| step.undo.iter().flat_map(|script| &script.units));
    let scripts = scripts.map(|unit| (unit.id.clone(), Kind::Script));
    plan.units().map(|(_, unit)| (unit.id.clone(), kind(unit))).chain(scripts).collect()
}

/// An entry that cannot follow the ones before. It means that the journal was not written by this fold's rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("journal entry {seq} does not follow from the entries before: {why}")]
pub struct FoldError {
    /// Position.
    pub seq: u64,
    /// Why.
    pub why: String,
}

/// Folds the entries of one run.
///
/// # Errors
/// The first entry that cannot follow.
pub fn fold<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Result<Option<RunState>, FoldError> {
    let mut state: Option<RunState> = None;
    for entry in entries {
        match &mut state {
            None => state = Some(RunState::begin(entry)?),
            Some(state) => state.apply(entry)?,
        }
    }
    Ok(state)
}

impl RunState {
    /// The state after a run's first entry.
    ///
    /// # Errors
    /// When the entry does not start a run.
    pub fn begin(entry: &Entry) -> Result<Self, FoldError> {
        let Event::Started { digest, plan, on_failure } = &entry.event else {
            return Err(FoldError { seq: entry.seq, why: "the run has not been started".into() });
        };
        Ok(Self {
            id: entry.run.clone(),
            plan: Arc::new(plan.as_ref().clone()),
            digest: digest.clone(),
            on_failure: *on_failure,
            actor: entry.actor.clone(),
            started_ms: entry.time_ms,
            last_ms: entry.time_ms,
            worked_ms: 0,
            seq: entry.seq,
            direction: Direction::Forward,
            person: None,
            turns: Vec::new(),
            units: BTreeMap::new(),
            applied: Vec::new(),
            ending: None,
            owners: Vec::new(),
            placed: HashSet::new(),
            kinds: Arc::new(kinds(plan)),
        })
    }

    /// A unit's state.
    #[must_use]
    pub fn unit(&self, id: &UnitId) -> UnitState {
        self.units.get(id).cloned().unwrap_or_default()
    }

    /// Facts that applied units reported, by unit.
    #[must_use]
    pub fn facts(&self) -> BTreeMap<UnitId, serde_json::Value> {
        let reported = self.units.iter().filter_map(|(id, unit)| Some((id, unit.report.as_ref()?)));
        reported.filter(|(_, r)| !r.facts.is_null()).map(|(id, r)| (id.clone(), r.facts.clone())).collect()
    }

    /// The one transition function. On an error the state is unchanged.
    ///
    /// # Errors
    /// When `entry` cannot follow.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), FoldError> {
        if entry.run != self.id {
            return Err(FoldError { seq: entry.seq, why: "it belongs to another run".into() });
        }
        let before = self.worked_ms;
        if !matches!(entry.event, Event::Taken { .. }) {
            // A clock that was set back in between adds nothing.
            self.worked_ms += u64::try_from(entry.time_ms.saturating_sub(self.last_ms)).unwrap_or(0);
        }
        let followed = self.follow(entry);
        if let Err(why) = followed {
            self.worked_ms = before;
            return Err(FoldError { seq: entry.seq, why });
        }
        self.seq = entry.seq;
        self.last_ms = entry.time_ms;
        Ok(())
    }

    fn follow(&mut self, entry: &Entry) -> Result<(), String> {
        match &entry.event {
            Event::Started { .. } => return Err("the run was started before".into()),
            Event::Taken { owner, .. } => self.owners.push(owner.clone()),
            Event::Intended { unit, way, attempt, capsule } => {
                self.intended(unit, *way, *attempt, capsule, entry)?;
            }
            Event::Settled { unit, way, attempt, outcome, took_ms } => {
                self.settled(unit, *way, *attempt, outcome, *took_ms, entry)?;
            }
            Event::Confirmed { unit, note } => self.confirmed(unit, note, entry)?,
            Event::Turned { to, why, unit } => self.turned(*to, why, unit.as_ref()),
            Event::Decided { verb, unit, reason } => {
                self.decided(*verb, unit.as_ref(), reason)?;
            }
            Event::Ended { ending } => self.ending = Some(*ending),
        }
        Ok(())
    }

    fn known(&self, id: &UnitId) -> Result<Kind, String> {
        self.kinds.get(id).copied().ok_or_else(|| format!("the plan has no unit {id}"))
    }

    fn intended(
        &mut self,
        id: &UnitId,
        way: Way,
        attempt: u32,
        capsule: &serde_json::Value,
        entry: &Entry,
    ) -> Result<(), String> {
        self.known(id)?;
        if self.ending.is_some() || self.person.is_some() {
            return Err("the run is not going anywhere".into());
        }
        let fresh = UnitState::default();
        let known = self.units.get(id).unwrap_or(&fresh);
        let (ready, last) = match way {
            Way::Forward => {
                let ready = matches!(known.forward, Forward::Waiting | Forward::Failed(_))
                    || matches!(&known.forward, Forward::FailedPartly(trouble) if trouble.retry);
                // What is being taken back is not begun anew beside it.
                let back = matches!(known.undo, UndoPhase::Running | UndoPhase::Unknown(_));
                (ready && !back, known.attempt)
            }
            Way::Undo => {
                let ready = matches!(known.undo, UndoPhase::None | UndoPhase::Failed(_))
                    || matches!(&known.undo, UndoPhase::FailedPartly(trouble) if trouble.retry);
                (known.has_effect() && ready, known.undo_attempt)
            }
        };
        if !ready || attempt != last + 1 {
            return Err(format!("{id} cannot be tried ({way:?}, attempt {attempt}) in its state"));
        }
        let unit = self.units.entry(id.clone()).or_default();
        unit.tries += 1;
        match way {
            Way::Forward => {
                unit.attempt = attempt;
                unit.forward = Forward::Running;
                unit.capsule = Some(capsule.clone());
                unit.began_ms.get_or_insert(entry.time_ms);
            }
            Way::Undo => {
                unit.undo_attempt = attempt;
                unit.undo = UndoPhase::Running;
            }
        }
        Ok(())
    }

    fn settled(
        &mut self,
        id: &UnitId,
        way: Way,
        attempt: u32,
        outcome: &Outcome,
        took_ms: Option<u64>,
        entry: &Entry,
    ) -> Result<(), String> {
        let unit = self.units.get_mut(id).ok_or_else(|| format!("{id} was never tried"))?;
        let (running, last) = match way {
            Way::Forward => (matches!(unit.forward, Forward::Running | Forward::Unknown(_)), unit.attempt),
            Way::Undo => (matches!(unit.undo, UndoPhase::Running | UndoPhase::Unknown(_)), unit.undo_attempt),
        };
        if !running || attempt != last {
            return Err(format!("{id} has no open attempt {attempt} ({way:?})"));
        }
        unit.ended_ms = Some(entry.time_ms);
        unit.took_ms += took_ms.unwrap_or(0);
        match way {
            Way::Forward => unit.settle_forward(outcome),
            Way::Undo => unit.settle_undo(outcome),
        }
        if way == Way::Forward && unit.has_effect() {
            self.took_effect(id);
        }
        Ok(())
    }

    /// A retried unit may take effect twice (partly, then wholly): its place is where it began to.
    fn took_effect(&mut self, id: &UnitId) {
        if self.placed.insert(id.clone()) {
            self.applied.push(id.clone());
        }
    }

    fn confirmed(&mut self, id: &UnitId, note: &str, entry: &Entry) -> Result<(), String> {
        let gate = self.known(id)? == Kind::Gate;
        let unit = self.units.entry(id.clone()).or_default();
        unit.confirmed =
            Some(if note.is_empty() { entry.actor.clone() } else { format!("{}: {note}", entry.actor) });
        if gate {
            unit.forward = Forward::Applied;
            unit.began_ms.get_or_insert(entry.time_ms);
            unit.ended_ms = Some(entry.time_ms);
        }
        Ok(())
    }

    fn turned(&mut self, to: Direction, why: &str, unit: Option<&UnitId>) {
        let turn = Turn { to, why: why.to_owned(), unit: unit.cloned(), worked_ms: self.worked_ms };
        self.turns.push(turn.clone());
        match to {
            Direction::Person => self.person = Some(turn),
            direction => {
                // Counting begins anew: what failed on the way there does not use up tries on the way back.
                self.units.values_mut().for_each(|unit| unit.tries = 0);
                self.direction = direction;
                self.person = None;
                self.ending = None;
            }
        }
    }

    fn decided(&mut self, verb: Verb, id: Option<&UnitId>, reason: &str) -> Result<(), String> {
        match (verb, id) {
            (Verb::Unwind, _) => self.turned(Direction::Unwind, reason, id),
            (Verb::Abandon, _) => self.person = None,
            (_, None) => return Err(format!("{verb:?} needs a unit")),
            (_, Some(id)) => {
                // A unit of a hand-written undo runs forward while the run unwinds.
                let script = self.known(id)? == Kind::Script;
                let forward = self.direction == Direction::Forward || script;
                let unit = self.units.entry(id.clone()).or_default();
                unit.decide(verb, forward);
                if unit.has_effect() {
                    self.took_effect(id);
                }
                self.person = None;
            }
        }
        Ok(())
    }
}
