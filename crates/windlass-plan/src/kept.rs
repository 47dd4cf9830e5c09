//! What keeps services, in a plan that takes the place of another one while a run is under way: what has run cannot have another step
//! put in front of it, so that what is to be kept from now on is noted behind it.

use crate::{
    Action, GitVerb, Plan, ServiceOperation, Step, StepId, SystemdVerb, UndoBy, Unit, UnitId,
    compile::free_id,
};
use windlass_objects::Verb;

/// Why something cannot be kept any more: its way back would start it before the files that it runs from are back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unkept {
    /// What stops it, starts it again, or has it read its files.
    pub restarts: UnitId,
    /// What changes files before that, in a step that has begun; none: `restarts` stands in such a step itself.
    pub edits: Option<UnitId>,
}

impl Plan {
    /// This plan in the place of `old`, of which `has_begun` has begun and `is_idle` has begun and changed nothing: what `old` keeps
    /// already stays where it is, everything else is kept where it was compiled to, but from behind the last step that has begun.
    /// Where that comes too late, the plan goes without, and says why.
    #[must_use]
    pub fn kept_behind(
        &self,
        old: &Self,
        has_begun: impl Fn(&UnitId) -> bool,
        is_idle: impl Fn(&UnitId) -> bool,
    ) -> (Self, Option<Unkept>) {
        let begun = |step: &Step| step.units.iter().any(|unit| has_begun(&unit.id));
        let Some(last) = old.steps.iter().rposition(begun) else { return (self.clone(), None) };
        let ran = last + 1;
        let mut plan = self.clone();
        let own = plan.take_keeping();
        let kept: Vec<_> = old.steps[..ran].iter().enumerate().filter(|(_, step)| keeps(step)).collect();
        for (at, step) in &kept {
            let at = (*at).min(plan.steps.len());
            plan.steps.insert(at, (*step).clone());
            plan.know(old, step);
        }
        let is_kept = |unit: &Unit| {
            let mut units = kept.iter().flat_map(|(_, step)| &step.units);
            units.any(|other| other.host == unit.host && other.action.keeps_as(&unit.action))
        };
        let is_of_use = |unit: &Unit| plan.open(unit, &has_begun).is_some() && !is_kept(unit);
        let new: Vec<_> =
            own.into_iter().filter_map(|(next, step)| Some((next, only(step, is_of_use)?))).collect();
        let ran = ran.min(plan.steps.len());
        let unkept = new
            .iter()
            .flat_map(|(_, step)| &step.units)
            .find_map(|unit| plan.unkept(unit, ran, &has_begun, &is_idle));
        if unkept.is_none() {
            // Only what changes nothing stands between what ran and a later place of its own: what nobody edited is as it was.
            let place = |next: &StepId| plan.steps.iter().position(|step| step.id == *next).unwrap_or(ran);
            let places: Vec<_> = new.iter().map(|(next, _)| place(next).max(ran)).collect();
            for (at, (_, step)) in places.into_iter().zip(new).rev() {
                let step = plan.renamed(step);
                plan.steps.insert(at, step);
            }
        }
        (plan, unkept)
    }

    /// Takes out the steps that keep, each with the one that it stands in front of.
    fn take_keeping(&mut self) -> Vec<(StepId, Step)> {
        let (keeping, steps): (Vec<_>, Vec<_>) =
            self.steps.drain(..).enumerate().partition(|(_, step)| keeps(step));
        let next = |at: usize| steps.iter().find(|(other, _)| *other > at).map(|(_, step)| step.id.clone());
        let taken = keeping.into_iter().filter_map(|(at, step)| Some((next(at)?, step))).collect();
        self.steps = steps.into_iter().map(|(_, step)| step).collect();
        taken
    }

    /// Knows what a step of `old` works with, also when nothing else names it any more.
    fn know(&mut self, old: &Self, step: &Step) {
        if let Some(target) = old.targets.get(&step.on) {
            self.targets.entry(step.on.clone()).or_insert_with(|| target.clone());
        }
        for unit in &step.units {
            let Action::Service { service: name, .. } = &unit.action else { continue };
            if let Some(service) = old.services.get(name) {
                self.services.entry(name.clone()).or_insert_with(|| service.clone());
            }
        }
    }

    /// The first that is still to stop or restart what `keep` has to be in front of for it, and the number of its step.
    fn open(&self, keep: &Unit, has_begun: impl Fn(&UnitId) -> bool) -> Option<(usize, &Unit)> {
        let mut is_edited = false;
        let numbered = |(number, step)| std::iter::repeat(number).zip(units_of(std::slice::from_ref(step)));
        self.steps.iter().enumerate().flat_map(numbered).find(|(_, unit)| {
            let kept = unit.action.kept(is_edited).filter(|(_, is_needed)| *is_needed);
            is_edited |= unit.may_edit();
            kept.is_some_and(|(kept, _)| keep.action.keeps_as(&kept))
                && unit.host == keep.host
                && unit.undo.by == UndoBy::Driver
                && !has_begun(&unit.id)
        })
    }

    /// Why it is too late behind the first `ran` steps to note how that runs which `keep` keeps.
    fn unkept(
        &self,
        keep: &Unit,
        ran: usize,
        has_begun: impl Fn(&UnitId) -> bool,
        is_idle: impl Fn(&UnitId) -> bool,
    ) -> Option<Unkept> {
        let (number, restarts) = self.open(keep, has_begun)?;
        let mut before = units_of(&self.steps[..ran]).take_while(|unit| unit.id != restarts.id);
        // What nobody takes back is there on the way back too, and what was left out or so already does not go back.
        let edits =
            before.find(|unit| unit.may_edit() && unit.undo.by != UndoBy::Nobody && !is_idle(&unit.id));
        (number < ran || edits.is_some())
            .then(|| Unkept { restarts: restarts.id.clone(), edits: edits.map(|unit| unit.id.clone()) })
    }

    /// The step under an id that no other has, and its units after it.
    fn renamed(&self, mut step: Step) -> Step {
        let was = step.id.0.clone();
        step.id = free_id(was.clone(), |name| self.steps.iter().any(|other| other.id.0 == name));
        for unit in &mut step.units {
            if let Some(rest) = unit.id.0.strip_prefix(&was) {
                unit.id.0 = format!("{}{rest}", step.id);
            }
        }
        step
    }
}

fn units_of(steps: &[Step]) -> impl Iterator<Item = &Unit> {
    steps.iter().flat_map(|step| &step.units)
}

/// Whether it is a step that only notes how something runs.
fn keeps(step: &Step) -> bool {
    !step.units.is_empty() && step.units.iter().all(|unit| unit.action.is_keep())
}

/// The step with only those units; none: nothing is left of it. Gaps in the numbers of their ids say nothing.
fn only(mut step: Step, wanted: impl Fn(&Unit) -> bool) -> Option<Step> {
    step.units.retain(|unit| wanted(unit));
    (!step.units.is_empty()).then_some(step)
}

impl Action {
    /// Whether it only notes how something runs, for the way back.
    #[must_use]
    pub fn is_keep(&self) -> bool {
        matches!(
            self,
            Self::Service { operation: ServiceOperation::Keep, .. }
                | Self::Systemd { verb: SystemdVerb::Keep, .. }
        )
    }

    /// The action that keeps what this one changes, and whether that is of use wherever files go back: a stop and a start of systemd alone
    /// go back by themselves, and so do all operations on a service that no file was changed before.
    pub(crate) fn kept(&self, is_edited: bool) -> Option<(Self, bool)> {
        match self {
            Self::Systemd { verb: SystemdVerb::Enable | SystemdVerb::Disable, .. } => None,
            Self::Systemd { verb, name, sudo, user } => {
                let again =
                    matches!(verb, SystemdVerb::Restart | SystemdVerb::Reload | SystemdVerb::DaemonReload);
                let (verb, name) = (SystemdVerb::Keep, name.clone());
                Some((Self::Systemd { verb, name, sudo: *sudo, user: *user }, again || is_edited))
            }
            Self::Service { operation: ServiceOperation::Start, .. } => None,
            Self::Service { service, .. } => {
                let operation = ServiceOperation::Keep;
                Some((Self::Service { service: service.clone(), operation }, is_edited))
            }
            _ => None,
        }
    }

    /// Whether two that keep do so for the same unit of systemd, whoever asks, or the same service.
    pub(crate) fn keeps_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Systemd { name, user, .. }, Self::Systemd { name: of, user: whose, .. }) => {
                name == of && user == whose
            }
            (own, other) => own == other,
        }
    }
}

impl Unit {
    /// Whether it may change what a service runs from.
    pub(crate) fn may_edit(&self) -> bool {
        match &self.action {
            Action::Shell { readonly, .. } => !readonly,
            Action::Patch { .. }
            | Action::Copy { .. }
            | Action::Move { .. }
            | Action::Remove { .. }
            | Action::MakeDir { .. }
            | Action::Install(_) => true,
            // To this machine, or from it.
            Action::Objects { line, from, to, .. } => match line.verb {
                Verb::Remove => false,
                Verb::Move => from.is_none() || to.is_none(),
                Verb::Sync | Verb::Copy => to.is_none(),
            },
            Action::Git(line) => !matches!(line.verb, GitVerb::Pin | GitVerb::Fetch),
            _ => false,
        }
    }
}
