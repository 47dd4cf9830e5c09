//! What the journal knows of migrations: which statements of a file ran, by which run, and whether all of them did.

use crate::{exit::Failure, journal, project::Place};
use std::collections::BTreeMap;
use windlass_journal::{Ending, Forward, RunId, RunState, UndoPhase};
use windlass_plan::{
    Action, Step, Unit,
    migrations::{ROW, Tool, step_id, table_of},
};

/// The last that Windlass did with a migration.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Which run.
    pub run: RunId,
    /// How many runs came after it. Names of runs do not tell: two of one second differ by chance, and a clock can be set back.
    after: usize,
    /// How it ended.
    pub ending: Option<Ending>,
    /// Statements of the file that are in place, in order; without settings of the session.
    pub statements: Vec<String>,
    /// The whole step is in place, the row of the tool's table included.
    pub whole: bool,
    /// It is a program that was begun and did not come to a known good end, and was not taken back.
    pub unknown: bool,
    /// A program: statements that take away the definitions that it made, if it made nothing but new ones.
    pub back: Option<Vec<String>>,
    /// A program: how the database differed behind it, for people.
    pub changed: Vec<String>,
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
        for (after, run) in journal::block_on(journal::all(&store))??.into_iter().enumerate() {
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
                history.step(&run, after, step);
            }
            if before && in_place {
                history.newest = Some((run.id.clone(), brought));
            }
        }
        Ok(history)
    }

    /// The newest run that did anything with a step counts.
    fn step(&mut self, run: &RunState, after: usize, step: &Step) {
        let touched = |unit: &Unit| run.units.get(&unit.id).is_some_and(|state| state.attempt > 0);
        if self.steps.contains_key(&step.id.0) || !step.units.iter().any(touched) {
            return;
        }
        let stands = |unit: &Unit| {
            run.units.get(&unit.id).is_some_and(|state| {
                let there = matches!(state.forward, Forward::Applied | Forward::Unchanged);
                // A program that failed is run again: how far it came, only it knows.
                let half = state.has_effect() && !matches!(unit.action, Action::Shell { .. });
                (there || half) && state.undo != UndoPhase::Undone
            })
        };
        let script = step.undo.as_ref().map_or(&[][..], |script| &script.units);
        let of_script = |unit: &Unit| run.units.get(&unit.id);
        let back_began = script.iter().any(|unit| of_script(unit).is_some_and(|state| state.attempt > 0));
        let ended = |unit: &Unit| {
            of_script(unit)
                .is_some_and(|state| matches!(state.forward, Forward::Applied | Forward::Unchanged))
        };
        let gone = back_began && script.iter().all(ended);
        // A way back by script moves the script's own units: these say nothing of it.
        let by_script = run.ending == Some(Ending::Undone) || back_began;
        let statements: Vec<String> = step
            .units
            .iter()
            .filter(|unit| !by_script && stands(unit))
            .filter_map(|unit| match &unit.action {
                Action::Sql { statement, session: false, from: Some(from), .. }
                    if Tool::ALL.iter().all(|tool| table_of(*tool) != from.file) =>
                {
                    Some(statement.clone())
                }
                Action::Shell { script, .. } => Some(script.clone()),
                _ => None,
            })
            .collect();
        // What a program ran is said by a step of its own.
        let row = format!("{}{ROW}", step.id.0);
        let row = run.plan.steps.iter().find(|step| step.id.0 == row);
        let all = step.units.iter().chain(row.into_iter().flat_map(|row| &row.units));
        let whole = !by_script && { all }.all(stands);
        let program = step.units.iter().find(|unit| matches!(unit.action, Action::Shell { .. }));
        let state = program.and_then(|unit| run.units.get(&unit.id));
        let unknown = !gone
            && state.is_some_and(|unit| {
                let half = matches!(unit.forward, Forward::Unknown(_) | Forward::FailedPartly(_));
                // Half a script back: nobody knows.
                (half || back_began) && unit.undo != UndoPhase::Undone
            });
        let done = state.and_then(|unit| unit.report.as_ref());
        let lines = |value: &serde_json::Value| serde_json::from_value::<Vec<String>>(value.clone()).ok();
        let back = done.and_then(|done| lines(&done.facts["back"]));
        let changed = done.map_or_else(Vec::new, |done| done.effects.clone());
        let (run, ending) = (run.id.clone(), run.ending);
        let ran = Ran { run, after, ending, statements, whole, unknown, back, changed };
        self.steps.insert(step.id.0.clone(), ran);
    }

    /// What ran of the way forward of a version, if Windlass brought it last and it is in place, wholly or in part.
    pub fn up(&self, version: &str) -> Option<&Ran> {
        let up = self.steps.get(&step_id(version))?;
        let back = self.steps.get(&step_id(&format!("{version}-down")));
        let gone = back.is_some_and(|back| back.after < up.after && !back.statements.is_empty());
        (!gone && (!up.statements.is_empty() || up.unknown)).then_some(up)
    }
}

impl History {
    /// The run that began the way back of a version after it came, if one did: the version is still there, so nobody knows
    /// what of it is done.
    pub fn begun_back(&self, version: &str) -> Option<&Ran> {
        let up = self.steps.get(&step_id(version))?;
        let back = self.steps.get(&step_id(&format!("{version}-down")))?;
        let begun = back.unknown || !back.statements.is_empty();
        (begun && back.after < up.after).then_some(back)
    }
}

/// Whether a step takes statements from a file of the folder.
fn of_folder(step: &Step, dir: &str) -> bool {
    step.units.iter().any(|unit| match &unit.action {
        Action::Sql { from: Some(from), .. } => {
            dir.is_empty() || from.file.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'))
        }
        Action::Shell { script, .. } => dir.is_empty() || script.contains(&format!("'{dir}/")),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(run: &str, after: usize) -> Ran {
        Ran {
            run: RunId(run.to_owned()),
            after,
            ending: Some(Ending::Done),
            statements: vec!["SELECT 1".to_owned()],
            whole: true,
            unknown: false,
            back: None,
            changed: Vec::new(),
        }
    }

    /// Brought, taken back and brought again within one second, where chance gave the last run the lesser name.
    #[test]
    fn the_order_of_the_journal_counts_and_not_that_of_names() {
        let steps = [
            (step_id("0002_more"), ran("20261126-120000-0001", 0)),
            (step_id("0002_more-down"), ran("20261126-120000-f000", 1)),
        ];
        let mut history = History { steps: steps.into(), newest: None };
        assert!(history.up("0002_more").is_some(), "it came after it was taken back");
        assert!(history.begun_back("0002_more").is_none());
        for (step, ran) in &mut history.steps {
            ran.after = usize::from(!step.ends_with("-down"));
        }
        assert!(history.up("0002_more").is_none(), "it was taken back after it came");
        assert!(history.begun_back("0002_more").is_some());
    }
}
