//! `windlass confirm` and `windlass decide`: what a person says, and then the run goes on.

use super::{
    drive::{Drive, Work, check_names, is_gate},
    edited::GoingOn,
    resume::open_to_act,
};
use crate::{
    args::{ConfirmArgs, DecideArgs, Decision},
    exit::{Exit, Failure, Wanted, wanted_of},
    journal::{self, Loaded},
    project::Place,
    secrets::SecretStore,
};
use std::{path::Path, sync::Arc};
use windlass_journal::{RunState, SqliteStore, Store};
use windlass_plan::UnitId;

/// `windlass confirm`.
pub fn confirm(args: &ConfirmArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let (place, store, loaded) = open(args.run.as_deref(), config)?;
    let unit = gate(&loaded.run, &args.gate)?;
    check_names(&loaded.run.plan, &args.driving)?;
    let secrets = Arc::new(SecretStore::new(&place.base));
    let (run, driving) = (&loaded.run, &args.driving);
    if !args.edited.as_planned {
        GoingOn { place: &place, store: &store, secrets: &secrets, driving, run }.refuse_edited()?;
    }
    Drive {
        place: &place,
        store,
        secrets,
        run: loaded.run.id.clone(),
        work: Work::Confirm(unit, args.note.clone()),
        wanted: wanted_of(&loaded.run),
        driving: &args.driving,
        output: &args.output,
    }
    .go()
}

/// `windlass decide`.
pub fn decide(args: &DecideArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    if args.reason.trim().is_empty() {
        return Err(Failure::wrong("--reason is empty: say why, it stands in the record"));
    }
    let (place, store, loaded) = open(args.run.as_deref(), config)?;
    check_names(&loaded.run.plan, &args.driving)?;
    let whole = matches!(args.verb, Decision::Unwind | Decision::Abandon);
    let unit = match (&args.unit, whole) {
        (Some(unit), true) => {
            return Err(Failure::wrong(format!("this decision is about the whole run, not about {unit}")));
        }
        (None, true) => None,
        (Some(unit), false) => Some(UnitId(unit.clone())),
        (None, false) => Some(waiting(&loaded.run)?),
    };
    let wanted = match args.verb {
        Decision::Unwind => Wanted::Undone,
        _ => wanted_of(&loaded.run),
    };
    let secrets = Arc::new(SecretStore::new(&place.base));
    let (run, driving) = (&loaded.run, &args.driving);
    // Neither way out needs the document.
    if !whole && !args.edited.as_planned {
        GoingOn { place: &place, store: &store, secrets: &secrets, driving, run }.refuse_edited()?;
    }
    Drive {
        place: &place,
        store,
        secrets,
        run: loaded.run.id,
        work: Work::Decide(args.verb.into(), unit, args.reason.clone()),
        wanted,
        driving: &args.driving,
        output: &args.output,
    }
    .go()
}

fn open(run: Option<&str>, config: Option<&Path>) -> Result<(Place, Arc<SqliteStore>, Loaded), Failure> {
    let place = Place::here(config)?;
    let store = open_to_act(&place)?;
    let loaded = journal::block_on(async {
        let store = store.as_ref() as &dyn Store;
        match journal::chosen(store, run).await? {
            Some(run) => journal::load(store, &run).await,
            None => Err(Failure::refused("nothing was ever run here")),
        }
    })??;
    Ok((place, store, loaded))
}

/// The unit of a gate, by the id of its step or its own.
fn gate(run: &RunState, name: &str) -> Result<UnitId, Failure> {
    let named =
        |step: &windlass_plan::Step, unit: &windlass_plan::Unit| step.id.0 == name || unit.id.0 == name;
    let found = run.plan.units().find(|(step, unit)| named(step, unit));
    found.map(|(_, unit)| unit.id.clone()).ok_or_else(|| {
        let gates: Vec<_> =
            run.plan.units().filter(|(_, unit)| is_gate(unit)).map(|(step, _)| step.id.0.as_str()).collect();
        Failure::wrong(format!("run {} has no gate {name}", run.id))
            .hint(format!("gates: {}", gates.join(", ")))
    })
}

/// The unit that the run waits for.
fn waiting(run: &RunState) -> Result<UnitId, Failure> {
    let unit = run.person.as_ref().and_then(|turn| turn.unit.clone());
    unit.ok_or_else(|| {
        Failure::wrong(format!("run {} does not wait for a decision about a unit", run.id))
            .hint("`windlass status` says where it stands")
    })
}
