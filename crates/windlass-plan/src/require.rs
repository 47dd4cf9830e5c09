//! Parts that every release of a team must have: `require` of `[policy]`.

use crate::{Action, Class, Dump, Plan, Service, ServiceOperation, Step, UndoBy, Unit, UnitId};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// What a release must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// `backup-first`: a backup of each database before its first write.
    BackupFirst,
    /// `verify-last`: a check behind the last change.
    VerifyLast,
    /// `rollback:CLASS`: an undo class no worse than this, unless its plan is approved.
    Rollback(Class),
}

impl Requirement {
    /// All that can be written.
    pub(crate) const ALL: [Self; 5] = [
        Self::BackupFirst,
        Self::VerifyLast,
        Self::Rollback(Class::Exact),
        Self::Rollback(Class::Lossy),
        Self::Rollback(Class::Restore),
    ];
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BackupFirst => f.write_str("backup-first"),
            Self::VerifyLast => f.write_str("verify-last"),
            Self::Rollback(class) => write!(f, "rollback:{class}"),
        }
    }
}

/// A requirement that a release does not meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// Which.
    pub requirement: Requirement,
    /// The unit that shows it.
    pub unit: Option<UnitId>,
    /// Line of the document, from 1.
    pub line: usize,
    /// Why, in words.
    pub why: String,
}

impl Plan {
    /// What of `required` the release does not have.
    #[must_use]
    pub fn unmet(&self, required: &[Requirement]) -> Vec<Unmet> {
        unmet(required, self.steps.iter(), &self.services)
    }
}

/// The same of steps in order of execution.
pub(crate) fn unmet<'a>(
    required: &[Requirement],
    steps: impl DoubleEndedIterator<Item = &'a Step> + Clone,
    services: &BTreeMap<String, Service>,
) -> Vec<Unmet> {
    let units = || steps.clone().flat_map(|step| &step.units);
    let mut found = Vec::new();
    for requirement in required.iter().copied() {
        let mut note = |unit: Option<&Unit>, line: usize, why: String| {
            found.push(Unmet { requirement, unit: unit.map(|unit| unit.id.clone()), line, why });
        };
        match requirement {
            Requirement::BackupFirst => {
                let mut told = BTreeSet::new();
                for (unit, target) in
                    writes_without_backup(units()).filter(|(_, target)| told.insert(*target))
                {
                    note(
                        Some(unit),
                        unit.line,
                        format!("`{target}` is changed before a backup of it was made"),
                    );
                }
            }
            Requirement::VerifyLast => {
                if let Some(unit) = unverified(units(), services) {
                    note(Some(unit), unit.line, "nothing is checked behind the last change".to_owned());
                }
            }
            Requirement::Rollback(most) => {
                // Of those that are equal the last one counts: backwards, that is the first.
                let worst =
                    steps.clone().rev().max_by_key(|step| step.class).filter(|step| step.class > most);
                if let Some(step) = worst {
                    let unit = step.units.iter().find(|unit| unit.undo.class == step.class);
                    let why = format!("the undo class is {} because of step {}", step.class, step.id);
                    note(unit.or(step.units.first()), step.line, why);
                }
            }
        }
    }
    found
}

/// Whether a unit changes anything. A backup has nothing to take back, but is no check either.
pub(crate) fn changes(unit: &Unit) -> bool {
    unit.undo.by != UndoBy::Nothing || matches!(unit.action, Action::Backup { .. })
}

/// Units that write to a database of which no unit before made a backup, with its target.
pub(crate) fn writes_without_backup<'a>(
    units: impl Iterator<Item = &'a Unit>,
) -> impl Iterator<Item = (&'a Unit, &'a str)> {
    let mut backed_up = BTreeSet::new();
    units.filter_map(move |unit| match &unit.action {
        Action::Backup { target, dump, .. } => {
            if dump.as_ref().is_none_or(Dump::is_whole) {
                backed_up.insert(target.as_str());
            }
            None
        }
        Action::Sql { target, .. } | Action::Shell { database: Some(target), .. } => {
            (changes(unit) && !backed_up.contains(target.as_str())).then_some((unit, target.as_str()))
        }
        _ => None,
    })
}

/// The last change, if nothing is checked behind it.
pub(crate) fn unverified<'a>(
    units: impl DoubleEndedIterator<Item = &'a Unit>,
    services: &BTreeMap<String, Service>,
) -> Option<&'a Unit> {
    let mut checked = false;
    let last = units.rev().find(|unit| {
        checked |= checks(unit);
        // Who is let through again finds what was checked before.
        changes(unit) && !matches!(unit.action, Action::Mode { on: false, .. })
    })?;
    (!checked && !is_watched_start(&last.action, services)).then_some(last)
}

/// Whether a unit fails when something is not as it should be: reading alone does not.
fn checks(unit: &Unit) -> bool {
    match &unit.action {
        Action::Sql { rows, session, .. } => !changes(unit) && !session && rows.is_some(),
        Action::Shell { .. } | Action::Service { .. } => !changes(unit),
        Action::Watch(watching) => watching.for_ms.is_some(),
        Action::Http { .. } | Action::Gate { .. } => true,
        _ => false,
    }
}

/// A start waits until the service is healthy, which is a check.
fn is_watched_start(action: &Action, services: &BTreeMap<String, Service>) -> bool {
    let Action::Service { service, operation } = action else { return false };
    let health = services.get(service).is_some_and(|service| service.health.is_some());
    health && matches!(operation, ServiceOperation::Start | ServiceOperation::Restart)
}
