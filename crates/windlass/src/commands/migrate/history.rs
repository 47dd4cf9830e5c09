//! What the journal knows of migrations: which statements of a file ran, by which run, and whether all of them did.

use crate::{exit::Failure, journal, project::Place};
use std::collections::BTreeMap;
use windlass_journal::{Ending, Forward, RunId, RunState, UndoPhase};
use windlass_plan::{Action, Step, Unit, migrations::step_id};

/// The last that Windlass did with a migration.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Which run.
    pub run: RunId,
    /// How it ended.
    pub ending: Option<Ending>,
    /// Statements of the file that are in place, in order; without settings of the session.
    pub statements: Vec<String>,
    /// The whole step is in place, the row of the tool's table included.
    pub whole: bool,
}

/// By step of a migration.
#[derive(Debug, Default)]
pub struct History {
    steps: BTreeMap<String, Ran>,
    /// The newest run that is in place, and the steps that it brought.
    pub newest: Option<(RunId, Vec<String>)>,
}

impl History {
    /// Reads the journal for runs of `migrate` on the target `on` from the folder `dir`.
    pub fn read(place: &Place, on: &str, dir: &str) -> Result<Self, Failure> {
        let mut history = Self::default();
        let Some(store) = journal::open_existing(place)? else { return Ok(history) };
        for run in journal::block_on(journal::all(&store))?? {
            let in_place = run.ending == Some(Ending::Done);
            let before = history.newest.is_none();
            let mut brought = Vec::new();
            let ours = run.plan.document.name.starts_with("migrate-");
            for step in run.plan.steps.iter().filter(|step| ours && step.on == on) {
                if !of_folder(step, dir) {
                    continue;
                }
                if in_place && run.plan.document.name == "migrate-up" {
                    brought.push(step.id.0.clone());
                }
                history.step(&run, step);
            }
            if before && in_place {
                history.newest = Some((run.id.clone(), brought));
            }
        }
        Ok(history)
    }

    /// The newest run that did anything with a step counts.
    fn step(&mut self, run: &RunState, step: &Step) {
        let touched = |unit: &Unit| run.units.get(&unit.id).is_some_and(|state| state.attempt > 0);
        if self.steps.contains_key(&step.id.0) || !step.units.iter().any(touched) {
            return;
        }
        let stands = |unit: &Unit| {
            run.units.get(&unit.id).is_some_and(|state| {
                let there = matches!(state.forward, Forward::Applied | Forward::Unchanged);
                (there || state.has_effect()) && state.undo != UndoPhase::Undone
            })
        };
        let by_script = run.ending == Some(Ending::Undone);
        let statements: Vec<String> = step
            .units
            .iter()
            .filter(|unit| !by_script && stands(unit))
            .filter_map(|unit| match &unit.action {
                Action::Sql { statement, session: false, from: Some(from), .. }
                    if from.file.ends_with(".sql") =>
                {
                    Some(statement.clone())
                }
                _ => None,
            })
            .collect();
        let whole = !by_script && step.units.iter().all(stands);
        let ran = Ran { run: run.id.clone(), ending: run.ending, statements, whole };
        self.steps.insert(step.id.0.clone(), ran);
    }

    /// What ran of the way forward of a version, if Windlass brought it last and it is in place, wholly or in part.
    pub fn up(&self, version: &str) -> Option<&Ran> {
        let up = self.steps.get(&step_id(version))?;
        let back = self.steps.get(&step_id(&format!("{version}-down")));
        let gone = back.is_some_and(|back| back.run.0 > up.run.0 && !back.statements.is_empty());
        (!gone && !up.statements.is_empty()).then_some(up)
    }
}

/// Whether a step takes statements from a file of the folder.
fn of_folder(step: &Step, dir: &str) -> bool {
    step.units.iter().any(|unit| match &unit.action {
        Action::Sql { from: Some(from), .. } => {
            dir.is_empty() || from.file.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'))
        }
        _ => false,
    })
}
