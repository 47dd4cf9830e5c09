//! `windlass rollback`: takes a run back.

use super::{
    apply::agree,
    drive::{self, Drive, Work, check_names},
    resume::open_to_act,
};
use crate::{
    args::RollbackArgs,
    exit::{Exit, Failure, Wanted},
    journal,
    project::Place,
    secrets::SecretStore,
    terminal,
};
use std::{path::Path, sync::Arc};
use windlass_engine::EngineError;
use windlass_journal::{Direction, Ending, RunState, Store};
use windlass_plan::UnitId;
use windlass_report::rollback_text;

/// Lines shown of what one unit misses.
const GONE_MAX: usize = 5;

/// Runs the command.
pub fn run(args: &RollbackArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let place = Place::here(config)?;
    let store = open_to_act(&place)?;
    let loaded = journal::block_on(async {
        let store = store.as_ref() as &dyn Store;
        let run = match args.run.as_deref() {
            Some(named) => journal::chosen(store, Some(named)).await?,
            None => journal::to_take_back(store).await?,
        };
        match run {
            Some(run) => journal::load(store, &run).await,
            None => Err(Failure::refused("nothing was ever run here: there is nothing to take back")),
        }
    })??;
    if loaded.run.ending == Some(Ending::Undone) {
        return Err(EngineError::Over { run: loaded.run.id, ending: Ending::Undone }.into());
    }
    check_names(&loaded.run.plan, &args.driving)?;
    terminal::say(&rollback_text(&loaded.run));
    let secrets = Arc::new(SecretStore::new(&place.base));
    // What goes back already is gone on with.
    if loaded.run.direction == Direction::Forward {
        let gone = drive::gone(&place, store.clone(), secrets.clone(), &args.driving, &loaded.run.id)?;
        if !gone.is_empty() && !args.despite_missing {
            return Err(incomplete(&loaded.run, &gone));
        }
        if !gone.is_empty() {
            let lines = missing(&loaded.run, &gone);
            terminal::warn(&format!("it waits for you at units that miss something:{lines}"));
        }
    }
    agree(args.yes, "Take it back?", "take back what is shown above")?;
    Drive {
        place: &place,
        store,
        secrets,
        run: loaded.run.id,
        work: Work::Rollback(args.reason.clone()),
        wanted: Wanted::Undone,
        driving: &args.driving,
        output: &args.output,
    }
    .go()
}

/// The refusal of a way back that would end halfway, and what can be done.
fn incomplete(run: &RunState, gone: &[(UnitId, Vec<String>)]) -> Failure {
    let lines = missing(run, gone);
    let id = &run.id;
    Failure::refused(format!(
        "run {id} cannot be taken back wholly, so nothing was taken back; missing are:{lines}"
    ))
    .hint(format!("put it back there from a backup of this machine, then `windlass rollback {id}`"))
    .hint(format!("or take back by hand what is wanted: `windlass show {id}` has what each unit did"))
    .hint(format!(
        "or `windlass rollback {id} --despite-missing` takes back what can be, and waits for you at these units"
    ))
}

/// What is missing for which unit, each on lines of its own.
fn missing(run: &RunState, gone: &[(UnitId, Vec<String>)]) -> String {
    let mut text = String::new();
    for (unit, lines) in gone {
        let effect = run.find(unit).map_or("", |unit| unit.effect.as_str());
        text.push_str(&format!("\n  {unit} ({effect})"));
        text.extend(lines.iter().take(GONE_MAX).map(|line| format!("\n    {line}")));
        if lines.len() > GONE_MAX {
            text.push_str(&format!("\n    and {} more", lines.len() - GONE_MAX));
        }
    }
    text
}
