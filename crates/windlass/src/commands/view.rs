//! `windlass status`, `runs`, `show`: what the journal says. They read and change nothing.

use super::drive::zone;
use crate::{
    args::{OutputArgs, RunArgs},
    batches,
    exit::{Exit, Failure},
    holds,
    journal::{self, Loaded},
    notices,
    project::Place,
    terminal, wiring,
};
use std::path::Path;
use windlass_journal::{RunState, Store};
use windlass_report::{
    RunJson, Stand, StatusJson, Text, holds_text, notices_text, progress_text, run_json, run_text, runs_text,
    status_json, status_text, summary_json,
};

/// `windlass status`.
pub fn status(args: &RunArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let place = Place::here(config)?;
    let Some((loaded, stand)) = read(&place, args.run.as_deref())? else {
        if args.output.json {
            terminal::print("null\n")?;
        } else {
            let mut text = Text::new();
            text.line().plain("Nothing has been run here yet. `windlass apply RELEASE.md` begins.");
            terminal::show(&text)?;
        }
        return Ok(Exit::Done);
    };
    if args.output.json {
        let (holding, progress) = (holds::now(&place, &loaded.run), batches::now(&place, &loaded.run));
        terminal::json(&StatusJson { holding, progress, ..status_json(&loaded.run, &stand) })?;
    } else {
        let mut text = status_text(&loaded.run, &stand, &zone(&place));
        text.append(holds_text(&holds::now(&place, &loaded.run)));
        text.append(progress_text(&batches::now(&place, &loaded.run)));
        terminal::show(&text)?;
    }
    Ok(Exit::Done)
}

/// `windlass runs`.
pub fn runs(args: &OutputArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let place = Place::here(config)?;
    let runs: Vec<RunState> = match journal::open_existing(&place)? {
        Some(store) => journal::block_on(journal::all(&store))??,
        None => Vec::new(),
    };
    if args.json {
        terminal::json(&runs.iter().map(summary_json).collect::<Vec<_>>())?;
    } else {
        terminal::show(&runs_text(&runs, &zone(&place)))?;
    }
    Ok(Exit::Done)
}

/// `windlass show`.
pub fn show(args: &RunArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let place = Place::here(config)?;
    let (loaded, stand) = read_needed(&place, args.run.as_deref())?;
    if args.output.json {
        let notices = notices::sent(&place, &loaded.run.id);
        terminal::json(&RunJson { notices, ..run_json(&loaded.run) })?;
    } else {
        let mut text = run_text(&loaded.run, &stand, &zone(&place));
        text.append(notices_text(&notices::sent(&place, &loaded.run.id), &zone(&place)));
        terminal::show(&text)?;
    }
    Ok(Exit::Done)
}

fn read(place: &Place, run: Option<&str>) -> Result<Option<(Loaded, Stand)>, Failure> {
    let Some(store) = journal::open_existing(place)? else { return Ok(None) };
    journal::block_on(async {
        let store: &dyn Store = &store;
        let Some(run) = journal::chosen(store, run).await? else { return Ok(None) };
        let loaded = journal::load(store, &run).await?;
        let stand = journal::stand(store, &loaded.run, wiring::now_ms()).await?;
        Ok(Some((loaded, stand)))
    })?
}

/// A run that a command needs, and where it stands.
pub fn read_needed(place: &Place, run: Option<&str>) -> Result<(Loaded, Stand), Failure> {
    read(place, run)?.ok_or_else(|| nothing(place))
}

/// There is no journal yet.
pub fn nothing(place: &Place) -> Failure {
    Failure::wrong(format!("nothing has been run in {} yet", place.base.display()))
        .hint("runs of another folder: go there, or name its file with `--config`")
}
