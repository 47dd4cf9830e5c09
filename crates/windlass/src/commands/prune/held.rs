//! Objects that runs have set aside in buckets, below the `hold` of a target: `HOLD/RUN/UNIT/KEY`.

use super::{Fate, OPEN, Rule, is_open};
use crate::{commands::objects, exit::Failure, project::Place, terminal, wiring};
use serde::Serialize;
use tokio::runtime::Runtime;
use windlass_drivers::backup::human_bytes;
use windlass_objects::Options;
use windlass_plan::{Config, Store, Target};
use windlass_report::count;
use windlass_s3::{Client, Error, Kind, Listing, list};

/// Most keys that a store deletes at once.
const BATCH: usize = 1000;

/// What one run has set aside in one bucket.
#[derive(Serialize)]
pub(super) struct Held {
    target: String,
    run: String,
    objects: u64,
    bytes: u64,
    /// `s3://BUCKET/HOLD/RUN/`
    place: String,
    pub(super) fate: Fate,
    reason: Option<String>,
    #[serde(skip)]
    client: Client,
    #[serde(skip)]
    bucket: String,
    #[serde(skip)]
    prefix: String,
}

/// Those of all targets with a `hold`, and whether any could not be looked at.
pub(super) fn list_all(config: &Config, rule: &Rule) -> Result<(Vec<Held>, bool), Failure> {
    let (mut found, mut failed) = (Vec::new(), false);
    let runtime = wiring::runtime()?;
    for (name, target) in &config.targets {
        let Target::Store(store) = target else { continue };
        let Some(hold) = store.hold.as_deref().filter(|hold| !hold.is_empty()) else { continue };
        let client = objects::client(store, &Options::default())?;
        match runtime.block_on(of_store(name, store, hold, &client, rule)) {
            Ok(of_store) => found.extend(of_store),
            Err(error) => {
                terminal::warn(&format!("target `{name}`: what lies under `hold` is not known: {error}"));
                failed = true;
            }
        }
    }
    Ok((found, failed))
}

/// Only sums are kept: there may be millions of objects.
async fn of_store(
    target: &str,
    store: &Store,
    hold: &str,
    client: &Client,
    rule: &Rule,
) -> Result<Vec<Held>, Error> {
    let mut sums: Vec<(String, u64, u64, i64)> = Vec::new();
    let mut listing = list(client, &store.bucket, hold).await?;
    while let Some(object) = listing.next().await? {
        let name = object.key.strip_prefix(hold).and_then(|rest| rest.split_once('/'));
        // What is no run's is somebody's.
        let Some((run, _)) = name.filter(|(run, _)| rule.is_run(run)) else { continue };
        if sums.last().is_none_or(|(last, ..)| last != run) {
            sums.push((run.to_owned(), 0, 0, 0));
        }
        if let Some((_, objects, bytes, newest_us)) = sums.last_mut() {
            *objects += 1;
            *bytes += object.size;
            *newest_us = object.modified_us.max(*newest_us);
        }
    }
    let judged = sums.into_iter().map(|(run, objects, bytes, newest_us)| {
        let age_ms = (rule.now_ms - newest_us / 1000).max(0).unsigned_abs();
        let reason = rule.keeps_shared(&run, age_ms / 1000);
        let prefix = format!("{hold}{run}/");
        Held {
            target: target.to_owned(),
            objects,
            bytes,
            place: format!("s3://{}/{prefix}", store.bucket),
            fate: if reason.is_some() { Fate::Kept } else { Fate::Due },
            reason,
            client: client.clone(),
            bucket: store.bucket.clone(),
            prefix,
            run,
        }
    });
    Ok(judged.collect())
}

pub(super) fn show(found: &[Held]) -> Result<(), Failure> {
    for one in found {
        let objects = count(usize::try_from(one.objects).unwrap_or(usize::MAX), "object");
        let fate = one.reason.as_deref().unwrap_or("will be deleted for good");
        let (target, run, bytes, place) = (&one.target, &one.run, human_bytes(one.bytes), &one.place);
        terminal::print(&format!("{target}: {objects} of run {run}, {bytes}, in {place}: {fate}\n"))?;
    }
    Ok(())
}

/// Whether any could not be deleted.
pub(super) fn delete_all(found: &mut [Held], place: &Place) -> Result<bool, Failure> {
    let mut failed = false;
    let runtime = wiring::runtime()?;
    for one in found.iter_mut().filter(|one| one.fate == Fate::Due) {
        match one.delete(&runtime, place)? {
            Ok(false) => (one.fate, one.reason) = (Fate::Kept, Some(OPEN.to_owned())),
            Ok(true) => {
                terminal::line(&format!("{}: what run {} has set aside is gone", one.target, one.run));
                one.fate = Fate::Dropped;
            }
            Err(error) => {
                terminal::warn(&format!(
                    "{} was not deleted whole: {error}; `windlass prune --yes` goes on",
                    one.place
                ));
                (one.fate, one.reason) = (Fate::Failed, Some(error.message));
                failed = true;
            }
        }
    }
    Ok(failed)
}

impl Held {
    /// Deletes it; not all of it, and gives `false`, where somebody begins to take its run back meanwhile.
    fn delete(&self, runtime: &Runtime, place: &Place) -> Result<Result<bool, Error>, Failure> {
        let mut listing = match runtime.block_on(list(&self.client, &self.bucket, &self.prefix)) {
            Ok(listing) => listing,
            Err(error) => return Ok(Err(error)),
        };
        let (mut is_more, mut first_error) = (true, None);
        while is_more {
            if is_open(place, &self.run)? {
                return Ok(Ok(false));
            }
            match runtime.block_on(self.delete_some(&mut listing)) {
                Ok((more, refused)) => (is_more, first_error) = (more, first_error.or(refused)),
                Err(error) => return Ok(Err(error)),
            }
        }
        let dropped = runtime.block_on(self.drop_parts());
        Ok(first_error.map_or(dropped.map(|()| true), Err))
    }

    /// The next of them; whether there may be more, and why the first was not deleted that the store kept.
    async fn delete_some(&self, listing: &mut Listing) -> Result<(bool, Option<Error>), Error> {
        let mut keys = Vec::with_capacity(BATCH);
        while keys.len() < BATCH
            && let Some(object) = listing.next().await?
        {
            keys.push(object.key);
        }
        if keys.is_empty() {
            return Ok((false, None));
        }
        let batch: Vec<_> = keys.iter().map(String::as_str).collect();
        let answers = self.client.delete_many(&self.bucket, &batch).await?;
        Ok((keys.len() == BATCH, answers.into_iter().find_map(|answer| answer.error)))
    }

    /// Large objects that were half set aside when their run was killed: no listing of objects has them.
    async fn drop_parts(&self) -> Result<(), Error> {
        match self.drop_all_parts().await {
            // A store without parts, or an account that needs another right for them: the objects are gone all the same.
            Err(error) if error.kind == Kind::Unsupported => Ok(()),
            Err(error) if error.kind == Kind::Denied => {
                let place = &self.place;
                terminal::warn(&format!(
                    "whether parts of objects are left in {place} is not known: {error}"
                ));
                Ok(())
            }
            dropped => dropped,
        }
    }

    async fn drop_all_parts(&self) -> Result<(), Error> {
        for begun in self.client.uploads(&self.bucket, &self.prefix).await? {
            self.client.drop_parts(&self.bucket, &begun.key, &begun.upload).await?;
        }
        Ok(())
    }
}
