//! The simulated world: resources with values and layers, one layer for each unit that changed it. A wrong act is
//! noticed at the moment it lands.

use crate::rng::mix;
use std::collections::{BTreeMap, BTreeSet};
use windlass_plan::{UndoBy, UnitId, Way};

/// What a unit is to the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Changes its resource.
    Plain,
    /// Changes nothing.
    ReadOnly,
    /// Asks a person.
    Gate,
    /// Copies its resource.
    Backup,
    /// Takes these units back, in this order.
    Script {
        /// Units of the same host, newest first.
        reverts: Vec<UnitId>,
        /// Every unit of the step, when the script is for the whole step only.
        whole: Vec<UnitId>,
    },
}

/// What the world knows of a unit from the start.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Number of its plan.
    pub plan: usize,
    /// Its role.
    pub role: Role,
    /// What it changes or copies.
    pub resource: usize,
    /// Nothing in the world tells afterwards whether it ran.
    pub opaque: bool,
    /// It goes on when its controller dies.
    pub detached: bool,
    /// The world already is as it wants.
    pub already: bool,
    /// Index of its step.
    pub step: usize,
    /// The step whose batches its step goes with, and the number of its batch.
    pub leg: (usize, usize),
    /// Its host.
    pub host: String,
    /// Position within step and host.
    pub position: usize,
    /// Who undoes it.
    pub undo: UndoBy,
    /// Hosts of its step that may be worked on at a time.
    pub hosts_max: usize,
}

impl Spec {
    /// When it is its turn: what has an earlier one is done before it. Batches run in order, and what checks a batch is asked
    /// before the next begins.
    #[must_use]
    pub fn turn(&self) -> (usize, usize, usize) {
        (self.leg.0, self.leg.1, self.step)
    }
}

/// How much of a unit is in the world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    #[default]
    None,
    /// A part.
    Partial,
    /// All.
    Full,
}

/// What the world remembers of a unit.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnitWorld {
    /// What of it is there.
    pub effect: Effect,
    /// It was taken back by its own undo.
    pub undone: bool,
}

/// Something that units change.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Value before everything.
    pub initial: u64,
    /// Value now.
    pub value: u64,
    /// Units whose effect it holds, oldest first, each with the value before it.
    pub layers: Vec<(UnitId, u64)>,
}

/// A try: unit, way, number.
pub type ActKey = (UnitId, Way, u32);

/// Where an act is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Under way.
    Flying,
    /// Over.
    Landed,
    /// Its controller died, and it with it, without any effect.
    Killed,
}

/// What an act answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Done, with a change.
    Done,
    /// Done; it already was so.
    NoChange,
    /// Failed without effect; the flag: worth repeating.
    Clean(bool),
    /// Failed, a part is done; the flag: the driver can go on from there.
    Partial(bool),
    /// The line is lost.
    Unknown,
}

/// An act under way or over.
#[derive(Clone, Debug)]
pub struct Op {
    /// Which try.
    pub key: ActKey,
    /// Whose.
    pub proc: u32,
    /// When it takes effect.
    pub lands_at: u64,
    /// When the driver answers.
    pub replies_at: u64,
    /// How much of the unit's way it goes.
    pub effect: Effect,
    /// What the driver answers.
    pub reply: Reply,
    /// It goes on without its controller.
    pub detached: bool,
    /// Value of the resource before the unit, as the capsule has it.
    pub before: Option<u64>,
    /// There was nothing to do.
    pub idle: bool,
    /// Where it is.
    pub phase: Phase,
}

/// What a driver told a controller about a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It took effect.
    Applied,
    /// Nothing had to change.
    NoChange,
    /// It failed, or never happened, without effect.
    Clean,
    /// It failed half-way.
    Partial,
    /// The act could not tell.
    ActUnknown,
    /// The inspection could not tell either.
    Unknown,
}

/// The world.
#[derive(Debug, Default)]
pub struct World {
    /// Units by id, hand-written undos included.
    pub specs: BTreeMap<UnitId, Spec>,
    /// The unit that always fails.
    pub doomed: Option<UnitId>,
    /// What units change.
    pub resources: Vec<Resource>,
    /// State of units.
    pub units: BTreeMap<UnitId, UnitWorld>,
    /// Every act that ever began.
    pub ops: Vec<Op>,
    /// Tries of which an inspection said that they had no effect and cannot have one any more: they are barred.
    pub closed: BTreeSet<ActKey>,
    /// What drivers answered, by try and controller.
    pub told: BTreeMap<(ActKey, u32), Vec<Told>>,
    /// Copies by backup unit: resource, value, layers.
    pub backups: BTreeMap<UnitId, (usize, u64, usize)>,
    /// What a person does by hand together with the decision that says so.
    pub by_hand: BTreeMap<UnitId, Way>,
    /// What persons truly said: confirmed or decided units.
    pub words: BTreeSet<String>,
}

/// Value of a resource after a unit, or after a part of it.
#[must_use]
pub fn changed(before: u64, unit: &UnitId, effect: Effect) -> u64 {
    let hash = unit.0.bytes().fold(17, |hash: u64, byte| mix(hash ^ u64::from(byte)));
    mix(before ^ hash ^ u64::from(effect == Effect::Partial))
}

impl World {
    /// Whether no other unit has to do with what the unit changes: what its undo needs does not depend on others then.
    #[must_use]
    pub fn is_by_itself(&self, unit: &UnitId) -> bool {
        let Some(spec) = self.specs.get(unit).filter(|spec| spec.role == Role::Plain && !spec.opaque) else {
            return false;
        };
        self.specs.values().filter(|other| other.resource == spec.resource).count() == 1
    }

    /// What of a unit is there.
    #[must_use]
    pub fn effect(&self, unit: &UnitId) -> Effect {
        self.units.get(unit).map_or(Effect::None, |u| u.effect)
    }

    /// The act of a try, the newest if it began twice.
    #[must_use]
    pub fn op(&self, key: &ActKey) -> Option<usize> {
        self.ops.iter().rposition(|op| op.key == *key)
    }

    /// Lands what is due, in order.
    ///
    /// # Errors
    /// What went wrong at that moment.
    pub fn advance(&mut self, now: u64) -> Result<(), String> {
        loop {
            let due = self.ops.iter().enumerate();
            let due = due.filter(|(_, op)| op.phase == Phase::Flying && op.lands_at <= now);
            let Some(at) = due.min_by_key(|(at, op)| (op.lands_at, *at)).map(|(at, _)| at) else {
                return Ok(());
            };
            self.ops[at].phase = Phase::Landed;
            let op = self.ops[at].clone();
            self.land(&op)?;
        }
    }

    fn land(&mut self, op: &Op) -> Result<(), String> {
        let (unit, way, _) = &op.key;
        let spec = self.specs.get(unit).ok_or("an act on a unit that does not exist")?.clone();
        if self.closed.contains(&op.key) && op.effect != Effect::None {
            return Err(format!("{unit}: a try that was said to be without effect took effect"));
        }
        match (&spec.role, way, op.effect) {
            (Role::ReadOnly | Role::Gate, ..) | (_, _, Effect::None) => Ok(()),
            (Role::Plain, Way::Forward, effect) => self.apply(unit, &spec, effect),
            (Role::Plain, Way::Undo, effect) => self.undo(unit, &spec, effect, op.before),
            (Role::Backup, Way::Forward, Effect::Full) => {
                let resource = &self.resources[spec.resource];
                let copy = (spec.resource, resource.value, resource.layers.len());
                self.backups.insert(unit.clone(), copy);
                self.units.entry(unit.clone()).or_default().effect = Effect::Full;
                Ok(())
            }
            (Role::Backup, ..) => Ok(()),
            (Role::Script { reverts, .. }, _, effect) => {
                let part = if effect == Effect::Full { reverts.len() } else { reverts.len() / 2 };
                reverts.iter().take(part).try_for_each(|unit| self.pop(unit, None))
            }
        }
    }

    fn apply(&mut self, unit: &UnitId, spec: &Spec, effect: Effect) -> Result<(), String> {
        let state = self.units.entry(unit.clone()).or_default();
        let resource = &mut self.resources[spec.resource];
        match state.effect {
            Effect::Full => return Err(format!("{unit} was applied twice")),
            Effect::Partial => {}
            Effect::None => resource.layers.push((unit.clone(), resource.value)),
        }
        state.effect = effect;
        state.undone = false;
        match resource.layers.last() {
            Some((top, before)) if top == unit => {
                resource.value = changed(*before, unit, effect);
                Ok(())
            }
            _ => Err(format!("{unit} was completed under a newer change")),
        }
    }

    fn undo(
        &mut self,
        unit: &UnitId,
        spec: &Spec,
        effect: Effect,
        before: Option<u64>,
    ) -> Result<(), String> {
        if self.effect(unit) == Effect::None {
            return Ok(());
        }
        if effect == Effect::Partial {
            let resource = &mut self.resources[spec.resource];
            if let Some((top, before)) = resource.layers.last()
                && top == unit
            {
                resource.value = changed(*before, unit, effect);
                self.units.entry(unit.clone()).or_default().effect = effect;
            }
            return Ok(());
        }
        match &spec.undo {
            UndoBy::Backup(backup) => {
                let (at, value, layers) = *self.backups.get(backup).ok_or("restored without a backup")?;
                let resource = &mut self.resources[at];
                resource.value = value;
                for (gone, _) in resource.layers.split_off(layers.min(resource.layers.len())) {
                    self.units.entry(gone).or_default().effect = Effect::None;
                }
            }
            _ => self.pop(unit, before)?,
        }
        self.units.entry(unit.clone()).or_default().undone = true;
        Ok(())
    }

    /// Takes a unit's layer off. `before`: the value that the capsule puts back.
    fn pop(&mut self, unit: &UnitId, before: Option<u64>) -> Result<(), String> {
        if self.effect(unit) == Effect::None {
            return Ok(());
        }
        let spec = self.specs.get(unit).ok_or("an undo of a unit that does not exist")?;
        let resource = &mut self.resources[spec.resource];
        match resource.layers.pop() {
            Some((top, value)) if top == *unit => {
                if before.is_some_and(|before| before != value) {
                    return Err(format!(
                        "{unit} was undone from a capsule that was not taken before its first effect"
                    ));
                }
                resource.value = value;
                self.units.entry(unit.clone()).or_default().effect = Effect::None;
                Ok(())
            }
            _ => Err(format!("{unit} was undone out of order: its resource holds a newer change")),
        }
    }

    /// A person finishes a unit by hand.
    pub fn apply_by_hand(&mut self, unit: &UnitId) -> Result<(), String> {
        let Some(spec) = self.specs.get(unit).cloned() else { return Ok(()) };
        match spec.role {
            Role::Plain if self.effect(unit) != Effect::Full => self.apply(unit, &spec, Effect::Full),
            Role::Script { reverts, .. } => reverts.iter().try_for_each(|unit| self.pop(unit, None)),
            _ => Ok(()),
        }
    }

    /// Whether units, newest first, can be taken back by hand: nothing newer stands on them.
    #[must_use]
    pub fn on_top(&self, units: &[UnitId]) -> bool {
        units.iter().all(|unit| {
            let Some(spec) = self.specs.get(unit) else { return false };
            let layers = &self.resources[spec.resource].layers;
            let at = layers.iter().position(|(other, _)| other == unit);
            at.is_none_or(|at| layers[at..].iter().all(|(other, _)| units.contains(other)))
        })
    }

    /// A person takes a unit back by hand.
    pub fn undo_by_hand(&mut self, unit: &UnitId) -> Result<(), String> {
        self.pop(unit, None)
    }

    /// Whether something newer stands on the unit's change.
    #[must_use]
    pub fn above(&self, unit: &UnitId) -> Vec<UnitId> {
        let Some(spec) = self.specs.get(unit) else { return Vec::new() };
        let layers = &self.resources[spec.resource].layers;
        let from = match (&spec.undo, layers.iter().position(|(u, _)| u == unit)) {
            (_, None) => layers.len(),
            (UndoBy::Backup(_), Some(_)) => 0,
            (_, Some(at)) => at + 1,
        };
        layers[from..].iter().map(|(unit, _)| unit.clone()).filter(|u| u != unit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(name: &str) -> UnitId {
        UnitId(name.into())
    }

    /// Two units that change one resource.
    fn world() -> World {
        let spec = |position| Spec {
            plan: 0,
            role: Role::Plain,
            resource: 0,
            opaque: false,
            detached: true,
            already: false,
            step: 0,
            leg: (0, 0),
            host: "h1".into(),
            position,
            undo: UndoBy::Driver,
            hosts_max: 1,
        };
        let specs = BTreeMap::from([(unit("a"), spec(1)), (unit("b"), spec(2))]);
        let resources = vec![Resource { initial: 7, value: 7, layers: Vec::new() }];
        World { specs, resources, ..World::default() }
    }

    fn act(world: &mut World, name: &str, way: Way, attempt: u32, before: Option<u64>) -> Result<(), String> {
        world.ops.push(Op {
            key: (unit(name), way, attempt),
            proc: 1,
            lands_at: 5,
            replies_at: 5,
            effect: Effect::Full,
            reply: Reply::Done,
            detached: true,
            before,
            idle: false,
            phase: Phase::Flying,
        });
        world.advance(5)
    }

    #[test]
    fn applied_and_undone_in_order_nothing_is_left() {
        let mut world = world();
        act(&mut world, "a", Way::Forward, 1, None).unwrap();
        let between = world.resources[0].value;
        act(&mut world, "b", Way::Forward, 1, None).unwrap();
        act(&mut world, "b", Way::Undo, 1, Some(between)).unwrap();
        act(&mut world, "a", Way::Undo, 1, Some(7)).unwrap();
        assert_eq!((world.resources[0].value, world.resources[0].layers.len()), (7, 0));
    }

    #[test]
    fn what_must_not_happen_is_noticed_at_once() {
        let mut twice = world();
        act(&mut twice, "a", Way::Forward, 1, None).unwrap();
        assert!(act(&mut twice, "a", Way::Forward, 2, None).unwrap_err().contains("applied twice"));

        let mut order = world();
        act(&mut order, "a", Way::Forward, 1, None).unwrap();
        act(&mut order, "b", Way::Forward, 1, None).unwrap();
        assert!(act(&mut order, "a", Way::Undo, 1, Some(7)).unwrap_err().contains("out of order"));

        let mut capsule = world();
        act(&mut capsule, "a", Way::Forward, 1, None).unwrap();
        assert!(act(&mut capsule, "a", Way::Undo, 1, Some(8)).unwrap_err().contains("capsule"));

        let mut closed = world();
        closed.closed.insert((unit("a"), Way::Forward, 1));
        assert!(act(&mut closed, "a", Way::Forward, 1, None).unwrap_err().contains("without effect"));
    }
}
