//! Where the units of a run stand, in the order in which `next` asks for them. It follows from the folded state alone and
//! is kept up with each entry, so that a run of many units need not be walked for each of them.

use std::collections::{BTreeSet, HashMap};
use windlass_journal::{Forward, Place, RunState, UndoPhase, UnitState};
use windlass_plan::{Action, Class, Leg, Step, UndoBy, Unit, UnitId};

/// A unit: its leg, its host among those of the step, its position in the step.
type Spot = (usize, usize, usize);

/// The board of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Board {
    /// Intended and not settled.
    pub(crate) running: BTreeSet<UnitId>,
    /// Nobody knows.
    pub(crate) unknown: BTreeSet<UnitId>,
    /// Units of the steps.
    pub(crate) units: Rows,
    /// Units of hand-written undos.
    pub(crate) scripts: Rows,
    /// Gates that are not open yet: step and position.
    gates: BTreeSet<(usize, usize)>,
    /// What a driver has to take back.
    back: BTreeSet<Spot>,
    /// Those of them that may need a person for it.
    stuck: BTreeSet<(usize, usize)>,
    /// Those that a person wanted tried again, with a hand-written undo or none.
    doubtful: BTreeSet<(usize, usize)>,
    tallies: Vec<Tally>,
    /// Of each step: what counts of each host of its hand-written undo.
    lots: Vec<Vec<Lot>>,
    /// Steps that have something to take back.
    lively: BTreeSet<usize>,
    /// Units that a person left in place, or left out of a hand-written undo.
    left: usize,
    stands: HashMap<UnitId, Stand>,
}

/// The units of all steps, or those of all hand-written undos.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    /// Not passed.
    open: BTreeSet<Spot>,
    /// Failed: step and position.
    failed: BTreeSet<(usize, usize)>,
    /// Of each step: the host of each unit, as a number; hosts are numbered as they come.
    hosts: Vec<Vec<usize>>,
    /// Of each step: its hosts as they come from the end.
    backward: Vec<Vec<usize>>,
    /// Of each step: the part that each unit runs in.
    parts: Vec<Vec<usize>>,
    /// The legs in the order in which they run.
    legs: Vec<Leg>,
    /// Of each step: its legs in that order.
    own: Vec<Vec<usize>>,
}

/// What counts of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    /// Units that change something; those of them that did; those that did or had nothing to do.
    changing: usize,
    effect: usize,
    settled: usize,
    /// Units of the hand-written undo that were tried.
    begun: usize,
    /// Units that a driver has to take back; that are doubtful.
    back: usize,
    doubtful: usize,
}

/// What counts of a host of a hand-written undo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lot {
    /// Units of the step on it that change something; those of them that did.
    changing: usize,
    effect: usize,
    /// Units of the undo on it that are not passed.
    open: usize,
}

impl Lot {
    /// Whether the undo has something to do there: the step took effect on the host, or is for other hosts, so that nobody can tell.
    fn is_due(self) -> bool {
        self.changing == 0 || self.effect > 0
    }
}

/// How a unit stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stand {
    running: bool,
    unknown: bool,
    open: bool,
    gate: bool,
    failed: bool,
    back: bool,
    stuck: bool,
    doubtful: bool,
    effect: bool,
    settled: bool,
    begun: bool,
    left: bool,
}

impl Stand {
    fn of(unit: &Unit, state: &UnitState, script: bool) -> Self {
        let forward = &state.forward;
        let back = !script && to_undo(unit, state);
        let by_hand = matches!(unit.undo.by, UndoBy::Script | UndoBy::Nobody);
        let changing = !script && unit.undo.class != Class::Readonly;
        let failed_back = matches!(state.undo, UndoPhase::Failed(_) | UndoPhase::FailedPartly(_));
        let again = *forward == Forward::Waiting && state.touched && state.undo == UndoPhase::None;
        Self {
            running: *forward == Forward::Running || state.undo == UndoPhase::Running,
            unknown: matches!(forward, Forward::Unknown(_)) || matches!(state.undo, UndoPhase::Unknown(_)),
            open: !state.passed(),
            gate: !script && !state.passed() && matches!(unit.action, Action::Gate { .. }),
            failed: matches!(forward, Forward::Failed(_) | Forward::FailedPartly(_)),
            back,
            stuck: back && (by_hand || failed_back || state.capsule.is_none()),
            doubtful: !script && by_hand && again,
            effect: changing && state.has_effect(),
            settled: changing && (state.has_effect() || *forward == Forward::Unchanged),
            begun: script && state.attempt > 0,
            left: state.undo == UndoPhase::Left || (script && *forward == Forward::Skipped),
        }
    }
}

/// Whether anything of a unit is there that has to be taken back.
pub(crate) fn to_undo(unit: &Unit, state: &UnitState) -> bool {
    !matches!(unit.undo.by, UndoBy::Nothing)
        && state.has_effect()
        && !matches!(state.undo, UndoPhase::Undone | UndoPhase::Left)
}

impl Rows {
    fn step(&mut self, units: &[Unit], parts: Vec<usize>) {
        let mut numbers = HashMap::new();
        let mut number = |unit: &Unit| {
            let next = numbers.len();
            *numbers.entry(unit.host.clone()).or_insert(next)
        };
        let hosts: Vec<usize> = units.iter().map(&mut number).collect();
        let mut seen = BTreeSet::new();
        self.backward.push(hosts.iter().rev().copied().filter(|host| seen.insert(*host)).collect());
        self.hosts.push(hosts);
        self.parts.push(parts);
    }

    /// After all steps.
    fn in_legs(&mut self, legs: Vec<Leg>) {
        self.own = vec![Vec::new(); self.hosts.len()];
        for (number, leg) in legs.iter().enumerate() {
            if let Some(own) = self.own.get_mut(leg.step) {
                own.push(number);
            }
        }
        self.legs = legs;
    }

    /// The legs of the parts of each step, step by step: nothing of another step is between them.
    fn step_by_step(&self) -> Vec<Leg> {
        let last = |parts: &Vec<usize>| parts.iter().max().map_or(0, |last| last + 1);
        let steps = self.parts.iter().map(last).enumerate();
        steps.flat_map(|(step, parts)| (0..parts).map(move |part| Leg { step, part })).collect()
    }

    fn spot(&self, place: Place) -> Spot {
        let of = |all: &[Vec<usize>], at| all.get(place.step).and_then(|of| of.get(at)).copied().unwrap_or(0);
        (of(&self.own, of(&self.parts, place.at)), of(&self.hosts, place.at), place.at)
    }

    /// How many hosts a step has.
    pub(crate) fn hosts(&self, step: usize) -> usize {
        self.backward.get(step).map_or(0, Vec::len)
    }

    /// The first leg that has an open unit, and its step.
    pub(crate) fn first_open(&self) -> Option<(usize, usize)> {
        let (leg, ..) = *self.open.first()?;
        Some((leg, self.legs.get(leg)?.step))
    }

    /// The first open unit of each host of the leg, as positions: units of one host run one after another. Hosts stay in
    /// the order of all units.
    pub(crate) fn lanes(&self, leg: usize) -> Vec<usize> {
        let hosts = self.legs.get(leg).map_or(0, |leg| self.hosts(leg.step));
        let first = |host| self.open.range((leg, host, 0)..(leg, host + 1, 0)).next();
        (0..hosts).filter_map(first).map(|(.., at)| *at).collect()
    }

    /// The legs of a step in order.
    fn legs_of(&self, step: usize) -> impl DoubleEndedIterator<Item = usize> + '_ {
        self.own.get(step).into_iter().flatten().copied()
    }

    /// Positions of units of the step that failed.
    pub(crate) fn failed(&self, step: usize) -> impl Iterator<Item = usize> + '_ {
        positions(&self.failed, step)
    }
}

fn positions(set: &BTreeSet<(usize, usize)>, step: usize) -> impl DoubleEndedIterator<Item = usize> + '_ {
    set.range((step, 0)..(step + 1, 0)).map(|(_, at)| *at)
}

fn put<T: Ord>(set: &mut BTreeSet<T>, item: T, there: bool) {
    if there {
        set.insert(item);
    } else {
        set.remove(&item);
    }
}

impl Board {
    /// Of a whole state.
    pub(crate) fn of(state: &RunState) -> Self {
        let mut board = Self::default();
        for (number, step) in state.plan.steps.iter().enumerate() {
            let script = step.undo.as_ref().map_or(&[][..], |script| &script.units);
            board.units.step(&step.units, step.parts(&step.units));
            board.scripts.step(script, step.parts(script));
            let changing: Vec<&Unit> =
                step.units.iter().filter(|unit| unit.undo.class != Class::Readonly).collect();
            board.tallies.push(Tally { changing: changing.len(), ..Tally::default() });
            board.lots.push(vec![Lot::default(); board.scripts.hosts(number)]);
            for unit in changing {
                if let Some(lot) = board.lot(number, step, unit) {
                    lot.changing += 1;
                }
            }
        }
        board.units.in_legs(state.plan.legs());
        board.scripts.in_legs(board.scripts.step_by_step());
        for (number, step) in state.plan.steps.iter().enumerate() {
            let script = step.undo.as_ref().map_or(&[][..], |script| &script.units);
            for (units, script) in [(&step.units[..], false), (script, true)] {
                for (at, unit) in units.iter().enumerate() {
                    board.set(state, &unit.id, Place { step: number, at, script });
                }
            }
        }
        board
    }

    /// What counts of the unit's host in the hand-written undo of its step, if that has units on it.
    fn lot(&mut self, number: usize, step: &Step, unit: &Unit) -> Option<&mut Lot> {
        let script = step.undo.as_ref()?;
        let at = script.units.iter().position(|of| of.host == unit.host)?;
        let host = *self.scripts.hosts.get(number)?.get(at)?;
        self.lots.get_mut(number)?.get_mut(host)
    }

    /// A unit may have changed.
    pub(crate) fn changed(&mut self, state: &RunState, id: &UnitId) {
        if let Some(place) = state.place(id) {
            self.set(state, id, place);
        }
    }

    fn set(&mut self, state: &RunState, id: &UnitId, place: Place) {
        let (Some(unit), Some(step)) = (state.at(place), state.plan.steps.get(place.step)) else { return };
        let fresh = UnitState::default();
        let new = Stand::of(unit, state.units.get(id).unwrap_or(&fresh), place.script);
        let old = self.stands.insert(id.clone(), new).unwrap_or_default();
        if old == new {
            return;
        }
        put(&mut self.running, id.clone(), new.running);
        put(&mut self.unknown, id.clone(), new.unknown);
        let here = (place.step, place.at);
        let rows = if place.script { &mut self.scripts } else { &mut self.units };
        let spot = rows.spot(place);
        put(&mut rows.open, spot, new.open);
        put(&mut rows.failed, here, new.failed);
        if !place.script {
            put(&mut self.gates, here, new.gate);
            put(&mut self.back, spot, new.back);
            put(&mut self.stuck, here, new.stuck);
            put(&mut self.doubtful, here, new.doubtful);
        }
        let tally = &mut self.tallies[place.step];
        let count =
            |count: &mut usize, old: bool, new: bool| *count = *count + usize::from(new) - usize::from(old);
        count(&mut tally.effect, old.effect, new.effect);
        count(&mut tally.settled, old.settled, new.settled);
        count(&mut tally.begun, old.begun, new.begun);
        count(&mut tally.back, old.back, new.back);
        count(&mut tally.doubtful, old.doubtful, new.doubtful);
        count(&mut self.left, old.left, new.left);
        if let Some(lot) = self.lot(place.step, step, unit) {
            count(&mut lot.effect, old.effect, new.effect);
            count(&mut lot.open, old.open && place.script, new.open && place.script);
        }
        let open = if self.by_script(place.step, step) {
            self.lots[place.step].iter().filter(|lot| lot.is_due()).map(|lot| lot.open).sum()
        } else {
            self.tallies[place.step].back
        };
        put(&mut self.lively, place.step, open + self.tallies[place.step].doubtful > 0);
    }

    /// A hand-written undo takes back the whole step; of a step that was applied in part only if it was written for that.
    pub(crate) fn by_script(&self, number: usize, step: &Step) -> bool {
        let (Some(script), Some(tally)) = (&step.undo, self.tallies.get(number)) else { return false };
        tally.begun > 0 || (tally.effect > 0 && (tally.settled == tally.changing || script.partial))
    }

    /// As [`Rows::lanes`], for the hand-written undo of the step: of the first leg that has something to do, on the hosts on
    /// which it has.
    pub(crate) fn lanes_of_script(&self, step: usize) -> Vec<usize> {
        let is_due = |at: &usize| {
            let host = self.scripts.hosts.get(step).and_then(|hosts| hosts.get(*at));
            host.and_then(|host| self.lots.get(step)?.get(*host)).is_some_and(|lot| lot.is_due())
        };
        let due = |leg| self.scripts.lanes(leg).into_iter().filter(is_due).collect();
        self.scripts.legs_of(step).map(due).find(|lanes: &Vec<usize>| !lanes.is_empty()).unwrap_or_default()
    }

    /// The last step that has something to take back.
    pub(crate) fn last_lively(&self) -> Option<usize> {
        self.lively.last().copied()
    }

    /// The first gate of the step that is not open yet, as a position.
    pub(crate) fn gate(&self, step: usize) -> Option<usize> {
        positions(&self.gates, step).next()
    }

    /// The first unit of the step whose state nobody but a person can tell, as a position.
    pub(crate) fn doubtful(&self, step: usize) -> Option<usize> {
        positions(&self.doubtful, step).next()
    }

    /// Units of the step that may need a person for their way back, the last first.
    pub(crate) fn stuck(&self, step: usize) -> impl Iterator<Item = usize> + '_ {
        positions(&self.stuck, step).rev()
    }

    /// As [`Rows::lanes`], for the way back: of the last leg of the step that has something to take back.
    pub(crate) fn lanes_back(&self, step: usize) -> Vec<usize> {
        let is_lively = |leg: &usize| self.back.range((*leg, 0, 0)..(leg + 1, 0, 0)).next().is_some();
        let Some(leg) = self.units.legs_of(step).rev().find(is_lively) else { return Vec::new() };
        let hosts = self.units.backward.get(step).into_iter().flatten();
        let last = |host: &usize| self.back.range((leg, *host, 0)..(leg, host + 1, 0)).next_back();
        hosts.filter_map(last).map(|(.., at)| *at).collect()
    }

    /// Whether anything was left in place.
    pub(crate) fn has_left(&self) -> bool {
        self.left > 0
    }
}
