//! `windlass rollback`: takes a run back.

use super::{
    apply::agree,
    drive::{Drive, Work, check_names},
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
use windlass_journal::{Ending, Store};
use windlass_report::rollback_text;

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
    agree(args.yes, "Take it back?", "take back what is shown above")?;
    Drive {
        place: &place,
        store,
        secrets: Arc::new(SecretStore::new(&place.base)),
        run: loaded.run.id,
        work: Work::Rollback(args.reason.clone()),
        wanted: Wanted::Undone,
        driving: &args.driving,
        output: &args.output,
    }
    .go()
}
