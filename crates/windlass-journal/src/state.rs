//! The state of a run: one pure fold over its entries.

use crate::{
    Approved, BreakGlass, Direction, Ending, Entry, Event, Exceeded, Forward, OnFailure, Origin, Outcome,
    Probed, RunId, UndoPhase, UnitState, Verb,
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

/// Another plan took the place of a run's plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replan {
    /// When, by the writer's clock.
    pub at_ms: i64,
    /// Who took it over.
    pub actor: String,
    /// The plan before.
    pub from: Digest,
    /// The plan since.
    pub to: Digest,
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
    /// Where the document is that a person wrote, as far as it is known.
    pub origin: Option<Origin>,
    /// The policy was against it, and a person started it all the same.
    pub break_glass: Option<BreakGlass>,
    /// Who approved its plan.
    pub approvals: Vec<Approved>,
    /// Each time that what had not begun was edited, in order.
    pub replans: Vec<Replan>,
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
    /// What was seen of its services from outside.
    pub probed: Probed,
    /// How it ended, when it did.
    pub ending: Option<Ending>,
    /// Controllers that worked on it, in order, for people.
    pub owners: Vec<String>,
    /// The same units, to look up.
    placed: HashSet<UnitId>,
    /// Every unit of the plan: looked up with each entry.
    pub(crate) places: Arc<HashMap<UnitId, Place>>,
    /// What applied units reported, by unit; shared with who works on a unit.
    pub(crate) facts: Arc<BTreeMap<UnitId, serde_json::Value>>,
}

/// Where a unit stands in its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of its step.
    pub step: usize,
    /// Position in the step, or in the step's hand-written undo.
    pub at: usize,
    /// Part of a hand-written undo: it runs forward while the run goes back.
    pub script: bool,
}

pub(crate) fn places(plan: &Plan) -> HashMap<UnitId, Place> {
    let mut places = HashMap::new();
    for (step, known) in plan.steps.iter().enumerate() {
        let script = known.undo.as_ref().map_or(&[][..], |script| &script.units);
        for (units, script) in [(&known.units[..], false), (script, true)] {
            let place = |(at, unit): (usize, &Unit)| (unit.id.clone(), Place { step, at, script });
            places.extend(units.iter().enumerate().map(place));
        }
    }
    places
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
        let Event::Started { digest, plan, on_failure, origin, break_glass, approvals } = &entry.event else {
            return Err(FoldError { seq: entry.seq, why: "the run has not been started".into() });
        };
        Ok(Self {
            id: entry.run.clone(),
            plan: Arc::new(plan.as_ref().clone()),
            digest: digest.clone(),
            on_failure: *on_failure,
            origin: origin.clone(),
            break_glass: break_glass.clone(),
            approvals: approvals.clone(),
            replans: Vec::new(),
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
            probed: Probed::default(),
            ending: None,
            owners: Vec::new(),
            placed: HashSet::new(),
            places: Arc::new(places(plan)),
            facts: Arc::default(),
        })
    }

    /// A unit's state.
    #[must_use]
    pub fn unit(&self, id: &UnitId) -> UnitState {
        self.units.get(id).cloned().unwrap_or_default()
    }

    /// Facts that applied units reported, by unit.
    #[must_use]
    pub fn facts(&self) -> Arc<BTreeMap<UnitId, serde_json::Value>> {
        self.facts.clone()
    }

    /// Where a unit stands in the plan, hand-written undos included.
    #[must_use]
    pub fn place(&self, id: &UnitId) -> Option<Place> {
        self.places.get(id).copied()
    }

    /// The unit at a place of the plan.
    #[must_use]
    pub fn at(&self, place: Place) -> Option<&Unit> {
        let step = self.plan.steps.get(place.step)?;
        let units = if place.script { &step.undo.as_ref()?.units } else { &step.units };
        units.get(place.at)
    }

    /// A unit of the plan, hand-written undos included.
    #[must_use]
    pub fn find(&self, id: &UnitId) -> Option<&Unit> {
        self.at(self.place(id)?)
    }

    /// The downtime budget is exceeded on the way forward, and neither has the run turned back since, nor has a person said
    /// that it goes on.
    #[must_use]
    pub fn over_budget(&self) -> Option<&Exceeded> {
        let open = |exceeded: &&Exceeded| !exceeded.answered && self.direction == Direction::Forward;
        self.probed.exceeded.as_ref().filter(open)
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
            Event::Replanned { from, digest, plan, break_glass, approvals } => {
                self.replanned(from, plan)?;
                let (from, to) = (from.clone(), digest.clone());
                self.replans.push(Replan { at_ms: entry.time_ms, actor: entry.actor.clone(), from, to });
                self.digest = digest.clone();
                self.approvals.clone_from(approvals);
                if break_glass.is_some() {
                    self.break_glass.clone_from(break_glass);
                }
            }
            Event::Taken { owner, .. } => {
                self.owners.push(owner.clone());
                if self.ending.is_none() {
                    self.probed
                        .unseen(u64::try_from(entry.time_ms.saturating_sub(self.last_ms)).unwrap_or(0));
                }
            }
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
            Event::Probed { seen, unit } => {
                self.known(unit)?;
                let forward = self.direction == Direction::Forward && self.ending.is_none();
                self.probed.saw(&self.plan, seen, unit, forward)?;
            }
            Event::Ended { ending } => self.ending = Some(*ending),
        }
        Ok(())
    }

    fn known(&self, id: &UnitId) -> Result<Place, String> {
        self.place(id).ok_or_else(|| format!("the plan has no unit {id}"))
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
        let facts = unit.report.as_ref().map_or(&serde_json::Value::Null, |report| &report.facts);
        // While nobody else looks at them, nothing is copied.
        match (way, facts) {
            (Way::Undo, _) => {}
            (_, serde_json::Value::Null) if !self.facts.contains_key(id) => {}
            (_, serde_json::Value::Null) => drop(Arc::make_mut(&mut self.facts).remove(id)),
            (_, facts) => drop(Arc::make_mut(&mut self.facts).insert(id.clone(), facts.clone())),
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
        let place = self.known(id)?;
        let gate =
            !place.script && matches!(self.at(place).map(|unit| &unit.action), Some(Action::Gate { .. }));
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
                if direction == Direction::Unwind {
                    self.probed.answered();
                }
                if self.ending.take().is_some() {
                    self.probed.anew();
                }
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
                let script = self.known(id)?.script;
                let forward = self.direction == Direction::Forward || script;
                let unit = self.units.entry(id.clone()).or_default();
                // Of a unit that is over, a person says only that the run goes on (after a budget was exceeded).
                if !(forward && unit.passed()) {
                    unit.decide(verb, forward);
                }
                if unit.has_effect() {
                    self.took_effect(id);
                }
                self.probed.answered();
                self.person = None;
            }
        }
        Ok(())
    }
}
