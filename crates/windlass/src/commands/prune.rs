//! `windlass prune`: drops for good what releases have set aside in databases.

use crate::{
    args::PruneArgs,
    exit::{Exit, Failure},
    journal,
    project::{self, Place},
    secrets::SecretStore,
    terminal,
};
use std::{collections::BTreeSet, path::Path};
use windlass_driver::Secrets as _;
use windlass_drivers::aside::{self, Aside, Asides};
use windlass_plan::{Target, Value};

/// How long things are kept where `policy.keep.backup` says nothing.
const KEEP_MS: u64 = 7 * 24 * 60 * 60 * 1000;

/// Runs the command.
pub fn run(args: &PruneArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let place = Place::here(config)?;
    let settings = project::read_settings(Some(&place), args.env.as_deref(), None)?;
    let keep_s = settings.config.policy.keep.backup_ms.unwrap_or(KEEP_MS) / 1000;
    let open = open_runs(&place)?;
    let secrets = SecretStore::new(&place.base);
    let (mut due, mut failed) = (vec![], false);
    for (name, target) in &settings.config.targets {
        let Target::Url { url, kind } = target else { continue };
        let url = match url {
            Value::Plain(url) => Ok(url.clone()),
            Value::Secret(secret) => secrets.resolve(secret),
        };
        let list = url.and_then(|url| aside::open(*kind, &url, &place.base));
        let list = list.and_then(|list| list.map(|list| Ok((list.list()?, list))).transpose());
        match list {
            Ok(None) => {}
            Ok(Some((found, list))) => due.extend(choose(name, found, list, keep_s, &open)?),
            Err(why) => {
                terminal::warn(&format!("target `{name}`: {}", secrets.mask(&why)));
                failed = true;
            }
        }
    }
    let count: usize = due.iter().map(|(.., asides)| asides.len()).sum();
    if count == 0 {
        terminal::line("Nothing is old enough to be dropped for good.");
    } else if args.yes || (terminal::can_ask() && terminal::yes_or_no(&format!("Drop {count} for good?"))) {
        failed |= drop_all(&due);
    } else {
        terminal::line("Nothing was dropped; `windlass prune --yes` drops them.");
    }
    Ok(if failed { Exit::Refused } else { Exit::Done })
}

/// Runs that have not ended: what they have set aside may be needed.
fn open_runs(place: &Place) -> Result<BTreeSet<String>, Failure> {
    let Some(store) = journal::open_existing(place)? else { return Ok(BTreeSet::new()) };
    let runs = journal::block_on(journal::all(&store))??;
    Ok(runs.into_iter().filter(|run| run.ending.is_none()).map(|run| run.id.0).collect())
}

type Due = (String, Box<dyn Asides>, Vec<Aside>);

/// Shows what there is, and takes what is due.
fn choose(
    target: &str,
    found: Vec<Aside>,
    list: Box<dyn Asides>,
    keep_s: u64,
    open: &BTreeSet<String>,
) -> Result<Option<Due>, Failure> {
    let mut due = vec![];
    for aside in found {
        let fate = if open.contains(&aside.run) {
            "kept: its run has not ended".to_owned()
        } else if aside.age_s < keep_s {
            format!("kept for another {}", windlass_report::duration((keep_s - aside.age_s) * 1000))
        } else {
            due.push(aside.clone());
            "will be dropped for good".to_owned()
        };
        let Aside { kind, name, why, at, run, unit, rows, stored, .. } = &aside;
        terminal::print(&format!(
            "{target}: {kind} {name}, {rows} rows, {why} at {at} by {unit} of {run}, in {stored}: {fate}\n"
        ))?;
    }
    Ok((!due.is_empty()).then(|| (target.to_owned(), list, due)))
}

/// Whether any could not be dropped.
fn drop_all(due: &[Due]) -> bool {
    let mut failed = false;
    for (target, list, asides) in due {
        for aside in asides {
            match list.drop_for_good(aside) {
                Ok(()) => terminal::line(&format!("{target}: {} {} is gone", aside.kind, aside.name)),
                Err(why) => {
                    terminal::warn(&format!(
                        "{target}: {} {} was not dropped: {why}",
                        aside.kind, aside.name
                    ));
                    failed = true;
                }
            }
        }
    }
    failed
}
