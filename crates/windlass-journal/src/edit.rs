//! What another plan would change in a run that is under way: nothing, only what has not begun, or what has.

use crate::{Direction, Forward, RunState, UndoPhase, UnitState, state::places};
use std::{collections::BTreeSet, sync::Arc};
use windlass_plan::{Action, Class, Digest, Plan, Step, StepId, UndoBy, Unit, UnitId, Unkept};

/// What a plan that was compiled anew differs in from the plan of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// It does the same; only places and words for people may differ.
    Same,
    /// Only what has not begun differs: it can take the place of the run's plan.
    Tail,
    /// Something differs that has begun, or that what has begun depends on.
    Begun(Touched),
}

/// What has begun and is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched {
    /// The run is over or goes back: what ran is what is taken back.
    Way,
    /// A unit: as it was and as it is now. Nothing before: it was put in front of something that has begun. Nothing now: it is gone.
    Unit {
        /// In the plan of the run.
        old: Option<UnitId>,
        /// In the new plan.
        new: Option<UnitId>,
    },
    /// The hand-written undo of a step that has begun.
    Undo(StepId),
    /// How a step is run that has begun: the name of what says so.
    Step(StepId, &'static str),
    /// A target that something has begun on.
    Target(String),
    /// A service that something has begun on.
    Service(String),
    /// A unit that would be taken back by a backup from before statements that have run, which were not recorded for that: a restore
    /// could not tell them from what others wrote.
    Backup(UnitId),
    /// What would have to be kept from before what has begun.
    Kept(Unkept),
    /// The header of the document: the name of the field.
    Header(&'static str),
}

impl UnitState {
    /// Whether the unit is part of what a run has done, so that its text must stay what it is. One that failed with no effect is
    /// not, nor is one that was intended and then not begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        match self.forward {
            Forward::Waiting | Forward::Failed(_) => self.touched || self.undo != UndoPhase::None,
            _ => true,
        }
    }
}

impl RunState {
    /// Whether a unit has begun, see [`UnitState::has_begun`].
    #[must_use]
    pub fn has_begun(&self, id: &UnitId) -> bool {
        self.units.get(id).is_some_and(UnitState::has_begun)
    }

    /// What `new` would change in this run.
    ///
    /// What has begun is a beginning of the plan: all steps before the last one of which anything has begun, and of that one each
    /// host's units up to the last that has. All of it has to be in `new` under the same ids, in the same order and with the same
    /// content. Behind it `new` may say what it likes.
    #[must_use]
    pub fn edit(&self, new: &Plan) -> Edit {
        let (old, new) = (self.plan.bare(), new.bare());
        if old == new {
            return Edit::Same;
        }
        if self.ending.is_some() || self.direction != Direction::Forward {
            return Edit::Begun(Touched::Way);
        }
        let begun = |step: &Step| step.units.iter().any(|unit| self.has_begun(&unit.id));
        let Some(last) = old.steps.iter().rposition(begun) else { return Edit::Tail };
        let touched = header(&old, &new)
            .or_else(|| (0..=last).find_map(|at| self.step(&old, &new, at, at == last)))
            .or_else(|| surroundings(&old, &new, &old.steps[..=last]))
            .or_else(|| self.restored(&old, &new));
        touched.map_or(Edit::Tail, Edit::Begun)
    }

    /// The plan that takes the place of this run's when its document is compiled to `new`, and what it changes: services that are to be
    /// kept from now on are kept from behind what has begun, see [`Plan::kept_behind`].
    #[must_use]
    pub fn fit(&self, new: &Plan) -> (Plan, Edit) {
        let is_idle =
            |id: &UnitId| self.units.get(id).is_some_and(|unit| unit.has_begun() && !unit.may_have_changed());
        let (plan, unkept) = new.kept_behind(&self.plan, |id| self.has_begun(id), is_idle);
        let edit = match (self.edit(&plan), unkept) {
            (Edit::Same | Edit::Tail, Some(unkept)) => Edit::Begun(Touched::Kept(unkept)),
            (edit, _) => edit,
        };
        (plan, edit)
    }

    /// Goes on with `plan`, if it says of all that has begun what the plan before said. What has not begun is as if it had never
    /// been tried, but for the number of its tries: their files and entries keep their names.
    pub(crate) fn replanned(&mut self, from: &Digest, plan: &Plan) -> Result<(), String> {
        if *from != self.digest {
            return Err("it was made for another plan of the run".into());
        }
        if let Edit::Begun(touched) = self.edit(plan) {
            return Err(format!("what has begun is not what it was: {touched:?}"));
        }
        for (id, unit) in self.units.iter_mut().filter(|(_, unit)| !unit.has_begun()) {
            let (attempt, undo_attempt) = (unit.attempt, unit.undo_attempt);
            *unit = UnitState { attempt, undo_attempt, ..UnitState::default() };
            if self.facts.contains_key(id) {
                Arc::make_mut(&mut self.facts).remove(id);
            }
        }
        // A decision about what is not there any more is not waited for.
        if self
            .person
            .as_ref()
            .is_some_and(|turn| turn.unit.as_ref().is_some_and(|unit| !self.has_begun(unit)))
        {
            self.person = None;
        }
        self.plan = Arc::new(plan.clone());
        self.places = Arc::new(places(plan));
        Ok(())
    }

    fn step(&self, old: &Plan, new: &Plan, at: usize, last: bool) -> Option<Touched> {
        let was = &old.steps[at];
        let first = |step: &Step| step.units.first().map(|unit| unit.id.clone());
        let Some(is) = new.steps.get(at).filter(|is| is.id == was.id) else {
            let has = |plan: &Plan, id: &StepId| plan.steps.iter().any(|step| step.id == *id);
            let is = new.steps.get(at);
            let inserted = is.is_some_and(|is| !has(old, &is.id)) && has(new, &was.id);
            let gone = is.is_none_or(|is| has(old, &is.id));
            return Some(Touched::Unit {
                old: if inserted { None } else { first(was) },
                new: if gone { None } else { is.and_then(first) },
            });
        };
        let ways = [
            ("on", was.on != is.on),
            ("serial", was.serial != is.serial),
            ("after", was.after_ms != is.after_ms),
            ("again", was.again != is.again),
        ];
        if let Some((name, _)) = ways.iter().find(|(_, differs)| *differs) {
            return Some(Touched::Step(was.id.clone(), name));
        }
        self.units_of(was, is, last).or_else(|| (was.undo != is.undo).then(|| Touched::Undo(was.id.clone())))
    }

    /// A unit that is to be taken back by a backup that was made, while the plan so far had nothing of the kind on its database.
    fn restored(&self, old: &Plan, new: &Plan) -> Option<Touched> {
        let has_run = |target: &str| {
            let begun = |(_, unit): &(&Step, &Unit)| self.has_begun(&unit.id);
            old.units().filter(begun).any(|(_, unit)| statement_on(unit) == Some(target))
        };
        let is_recorded = |target: &str| {
            let restores = |unit: &Unit| match unit.undo.by {
                UndoBy::Backup(_) => true,
                UndoBy::Driver => unit.undo.class >= Class::Restore,
                _ => false,
            };
            old.units().any(|(_, unit)| statement_on(unit) == Some(target) && restores(unit))
        };
        new.units().find_map(|(_, unit)| match (&unit.undo.by, statement_on(unit)) {
            (UndoBy::Backup(made), Some(target))
                if self.has_begun(made) && has_run(target) && !is_recorded(target) =>
            {
                Some(Touched::Backup(unit.id.clone()))
            }
            _ => None,
        })
    }

    /// Units of one host follow one another; hosts do not wait for each other within a step.
    fn units_of(&self, was: &Step, is: &Step, last: bool) -> Option<Touched> {
        let hosts: BTreeSet<&str> =
            was.units.iter().chain(&is.units).map(|unit| unit.host.as_str()).collect();
        hosts.into_iter().find_map(|host| {
            let of = |step: &'_ Step| -> Vec<Unit> {
                step.units.iter().filter(|unit| unit.host == host).cloned().collect()
            };
            let (was, is) = (of(was), of(is));
            let fixed = match last {
                true => was.iter().rposition(|unit| self.has_begun(&unit.id)).map_or(0, |at| at + 1),
                false => was.len().max(is.len()),
            };
            (0..fixed).find_map(|at| unit(&was, &is, at))
        })
    }
}

/// The target of a statement.
fn statement_on(unit: &Unit) -> Option<&str> {
    match &unit.action {
        Action::Sql { target, .. } => Some(target),
        _ => None,
    }
}

/// How the unit at a position differs; ids count positions, so they say nothing of what moved.
fn unit(was: &[Unit], is: &[Unit], at: usize) -> Option<Touched> {
    let id = |unit: &Unit| Some(unit.id.clone());
    match (was.get(at), is.get(at)) {
        (Some(old), Some(new)) if alike(old, new) && old.id == new.id => None,
        (Some(old), Some(new)) => Some(match (was.get(at + 1), is.get(at + 1)) {
            (_, Some(next)) if alike(old, next) => Touched::Unit { old: None, new: id(new) },
            (Some(next), _) if alike(next, new) => Touched::Unit { old: id(old), new: None },
            _ => Touched::Unit { old: id(old), new: id(new) },
        }),
        (None, None) => None,
        (old, new) => Some(Touched::Unit { old: old.and_then(id), new: new.and_then(id) }),
    }
}

/// Whether two units do the same. How long a try may take changes nothing of one that was done.
fn alike(a: &Unit, b: &Unit) -> bool {
    a.host == b.host && a.driver == b.driver && a.action == b.action && a.undo == b.undo
}

fn header(old: &Plan, new: &Plan) -> Option<Touched> {
    let (was, is) = (&old.release, &new.release);
    let fields =
        [("release", was.version != is.version), ("from", was.from != is.from), ("env", was.env != is.env)];
    fields.iter().find(|(_, differs)| *differs).map(|(name, _)| Touched::Header(name))
}

/// What the configuration says of where the steps have begun.
fn surroundings(old: &Plan, new: &Plan, begun: &[Step]) -> Option<Touched> {
    let actions = begun.iter().flat_map(|step| &step.units).map(|unit| &unit.action);
    let named: BTreeSet<&String> = actions
        .filter_map(|action| match action {
            Action::Service { service, .. } | Action::Mode { service, .. } => Some(service),
            _ => None,
        })
        .collect();
    let mut targets: BTreeSet<&str> = begun.iter().flat_map(Step::targets).collect();
    targets.extend(named.iter().filter_map(|name| Some(old.services.get(*name)?.on.as_str())));
    // A line of compose drives the services of its target without naming them.
    let service = old.services.iter().find(|(name, service)| match new.services.get(*name) {
        None => named.contains(name),
        Some(now) => now != *service && (named.contains(name) || targets.contains(service.on.as_str())),
    });
    if let Some((name, _)) = service {
        return Some(Touched::Service(name.clone()));
    }
    targets
        .into_iter()
        .find(|name| old.targets.get(*name) != new.targets.get(*name))
        .map(|name| Touched::Target(name.to_owned()))
}
