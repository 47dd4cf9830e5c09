//! `windlass resume`: goes on with a run.

use super::{
    drive::{Drive, check_names},
    edited::GoingOn,
};
use crate::{
    args::ResumeArgs,
    exit::{Exit, Failure, wanted_of},
    journal,
    project::Place,
    secrets::SecretStore,
};
use std::{path::Path, sync::Arc};
use windlass_journal::{SqliteStore, Store, StoreError};

/// Runs the command.
pub fn run(args: &ResumeArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let place = Place::here(config)?;
    let store = open_to_act(&place)?;
    let loaded = journal::block_on(async {
        let store = store.as_ref() as &dyn Store;
        let run = match &args.run {
            Some(named) => journal::chosen(store, Some(named)).await?,
            None => journal::open_run(store).await?,
        };
        match run {
            Some(run) => journal::load(store, &run).await,
            None => Err(Failure::refused("every run has ended: there is nothing to go on with")
                .hint("`windlass runs` lists them")),
        }
    })??;
    let secrets = Arc::new(SecretStore::new(&place.base));
    let (run, driving) = (&loaded.run, &args.driving);
    let going_on = GoingOn { place: &place, store: &store, secrets: &secrets, driving, run };
    let (work, plan) = going_on.work(args)?;
    check_names(&plan, driving)?;
    Drive {
        place: &place,
        store: store.clone(),
        secrets: secrets.clone(),
        run: run.id.clone(),
        work,
        wanted: wanted_of(run),
        driving,
        output: &args.output,
    }
    .go()
}

/// The journal, to be written; it must be there.
pub fn open_to_act(place: &Place) -> Result<Arc<SqliteStore>, Failure> {
    let path = place.journal();
    if !path.exists() {
        return Err(StoreError::Missing(path.display().to_string()).into());
    }
    Ok(Arc::new(SqliteStore::open(&path)?))
}
