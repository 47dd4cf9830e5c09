//! `windlass prune`: drops for good what releases have set aside in databases, in buckets and on this machine, and the rows as they were before them.

mod files;
mod held;

use crate::{
    args::PruneArgs,
    exit::{Exit, Failure},
    journal,
    project::{self, Place},
    secrets::SecretStore,
    terminal, wiring,
};
use files::RunFiles;
use held::Held;
use serde::Serialize;
use std::{collections::BTreeMap, path::Path};
use windlass_driver::Secrets as _;
use windlass_drivers::aside::{self, Aside, Asides};
use windlass_journal::Store as _;
use windlass_plan::{Target, Value};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// How long things are kept where `policy.keep.backup` and `policy.keep.record` say nothing.
const KEEP_MS: u64 = 7 * DAY_MS;
const RECORD_MS: u64 = 90 * DAY_MS;
/// Why things of a run are kept that may still need them.
const OPEN: &str = "kept: its run has not ended";

/// Runs the command.
pub fn run(args: &PruneArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let place = Place::here(config)?;
    let settings = project::read_settings(Some(&place), args.env.as_deref(), None)?;
    let keep = &settings.config.policy.keep;
    let keep_s = keep.backup_ms.unwrap_or(KEEP_MS) / 1000;
    let rule = Rule {
        keep_s,
        unknown_s: keep_s.max(keep.record_ms.unwrap_or(RECORD_MS) / 1000),
        runs: runs(&place)?,
        unknown_runs: args.unknown_runs,
        now_ms: wiring::now_ms(),
    };
    let secrets = SecretStore::new(&place.base);
    let (mut found, mut failed) = (vec![], false);
    for (name, target) in &settings.config.targets {
        let Target::Url { url, kind } = target else { continue };
        let url = match url {
            Value::Plain(url) => Ok(url.clone()),
            Value::Secret(secret) => secrets.resolve(secret),
        };
        let list = url.and_then(|url| aside::open(*kind, &url, &place.base));
        match list.and_then(|list| list.map(|list| Ok((list.list()?, list))).transpose()) {
            Ok(None) => {}
            Ok(Some((asides, list))) => {
                let judged = asides.into_iter().map(|aside| Judged::new(name, aside, &rule)).collect();
                found.push((list, judged));
            }
            Err(why) => {
                terminal::warn(&format!("target `{name}`: {}", secrets.mask(&why)));
                failed = true;
            }
        }
    }
    let (mut held, unseen) = held::list_all(&settings.config, &rule)?;
    failed |= unseen;
    let mut files = files::list(&place, &rule)?;
    if !args.output.json {
        show(&found)?;
        held::show(&held)?;
        files::show(&files)?;
    }
    let asides = found.iter().flat_map(|(_, asides)| asides).map(|aside| aside.fate);
    let fates = asides.chain(held.iter().map(|held| held.fate)).chain(files.iter().map(|files| files.fate));
    let count = fates.filter(|fate| *fate == Fate::Due).count();
    let ask = || terminal::can_ask() && terminal::yes_or_no(&format!("Drop {count} for good?"));
    if count == 0 {
        terminal::line("Nothing is old enough to be dropped for good.");
    } else if args.yes || (!args.output.json && ask()) {
        failed |= drop_all(&mut found, &secrets);
        failed |= held::delete_all(&mut held, &place)?;
        // At the end: the manifests of what is gone by now are among them.
        failed |= files::remove_all(&mut files, &place)?;
    } else {
        terminal::line("Nothing was dropped; `windlass prune --yes` drops them.");
    }
    if args.output.json {
        let asides = found.iter().flat_map(|(_, asides)| asides).collect();
        terminal::json(&PrunedJson { asides, objects: &held, files: &files })?;
    }
    Ok(if failed { Exit::Refused } else { Exit::Done })
}

/// `windlass prune --json`.
#[derive(Serialize)]
struct PrunedJson<'a> {
    asides: Vec<&'a Judged>,
    /// What runs have set aside in buckets.
    objects: &'a [Held],
    /// What runs have set aside on this machine.
    files: &'a [RunFiles],
}

/// What becomes of something that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Fate {
    Kept,
    Due,
    Dropped,
    Failed,
}

/// Something that is kept, and what becomes of it.
#[derive(Debug, Serialize)]
struct Judged {
    target: String,
    kind: String,
    name: String,
    rows: u64,
    /// `dropped`, `changed`, `undone`.
    why: String,
    at: String,
    run: String,
    unit: String,
    /// Where it is.
    stored: String,
    fate: Fate,
    /// Why it is kept, or was not dropped.
    reason: Option<String>,
    #[serde(skip)]
    aside: Aside,
}

impl Judged {
    fn new(target: &str, aside: Aside, rule: &Rule) -> Self {
        let reason = rule.keeps(&aside.run, aside.age_s);
        Self {
            target: target.to_owned(),
            kind: aside.kind.clone(),
            name: aside.name.clone(),
            rows: aside.rows,
            why: aside.why.clone(),
            at: aside.at.clone(),
            run: aside.run.clone(),
            unit: aside.unit.clone(),
            stored: aside.stored.clone(),
            fate: if reason.is_some() { Fate::Kept } else { Fate::Due },
            reason,
            aside,
        }
    }
}

/// Who may be dropped.
struct Rule {
    /// Age from which on things are dropped, and the same where their run is not known here.
    keep_s: u64,
    unknown_s: u64,
    /// Of what others may reach too, what is of such a run goes.
    unknown_runs: bool,
    /// Runs of the journal.
    runs: BTreeMap<String, Known>,
    now_ms: i64,
}

/// A run of the journal.
struct Known {
    release: String,
    /// When it ended, in milliseconds; `None`: it has not.
    ended_ms: Option<i64>,
}

impl Rule {
    /// Whether this is the name of a run: of one of the journal, or made as `new_run` makes them.
    fn is_run(&self, name: &str) -> bool {
        let is = |part: &str, length: usize, is_of: fn(&u8) -> bool| {
            part.len() == length && part.bytes().all(|byte| is_of(&byte))
        };
        let parts: Vec<_> = name.split('-').collect();
        let is_made = matches!(parts[..], [day, time, random]
            if is(day, 8, u8::is_ascii_digit) && is(time, 6, u8::is_ascii_digit) && is(random, 4, u8::is_ascii_hexdigit));
        is_made || self.runs.contains_key(name)
    }

    /// Why it is kept; `None`: nobody needs it any more.
    fn keeps(&self, run: &str, age_s: u64) -> Option<String> {
        let more = |age_s: u64, keep_s: u64, why: &str| {
            (age_s < keep_s).then(|| {
                format!("kept for another {}{why}", windlass_report::duration((keep_s - age_s) * 1000))
            })
        };
        match self.runs.get(run).map(|known| known.ended_ms) {
            Some(None) => Some(OPEN.to_owned()),
            // A run that waited for long may be taken back as long as one that did not.
            Some(Some(ended_ms)) => {
                let since_s = u64::try_from(self.now_ms - ended_ms).unwrap_or(0) / 1000;
                more(age_s.min(since_s), self.keep_s, "")
            }
            None => more(age_s, self.unknown_s, ": its run is not in this journal"),
        }
    }

    /// As [`Rule::keeps`], of what is where another project may keep what its own runs need.
    fn keeps_shared(&self, run: &str, age_s: u64) -> Option<String> {
        let is_strange = !self.unknown_runs && !self.runs.contains_key(run);
        self.keeps(run, age_s).or_else(|| {
            is_strange.then(|| {
                "kept: its run is not in this journal, another project may need it; `--unknown-runs` deletes it".to_owned()
            })
        })
    }
}

/// Whether the run is at work now.
fn is_open(place: &Place, run: &str) -> Result<bool, Failure> {
    let Some(store) = journal::open_existing(place)? else { return Ok(false) };
    journal::block_on(async {
        let known = store.runs().await?.into_iter().find(|known| known.0 == run);
        match known {
            Some(id) => Ok(journal::load(&store, &id).await?.run.ending.is_none()),
            None => Ok(false),
        }
    })?
}

/// All runs.
fn runs(place: &Place) -> Result<BTreeMap<String, Known>, Failure> {
    let Some(store) = journal::open_existing(place)? else { return Ok(BTreeMap::new()) };
    let runs = journal::block_on(journal::all(&store))??;
    let known = runs.into_iter().map(|run| {
        let ended_ms = run.ending.is_some().then_some(run.last_ms);
        (run.id.0.clone(), Known { release: run.plan.release.version.clone(), ended_ms })
    });
    Ok(known.collect())
}

type Found = (Box<dyn Asides>, Vec<Judged>);

/// Shows what there is.
fn show(found: &[Found]) -> Result<(), Failure> {
    for aside in found.iter().flat_map(|(_, asides)| asides) {
        let Judged { target, kind, name, rows, why, at, run, unit, stored, reason, .. } = aside;
        let fate = reason.as_deref().unwrap_or("will be dropped for good");
        terminal::print(&format!(
            "{target}: {kind} {name}, {rows} rows, {why} at {at} by {unit} of {run}, in {stored}: {fate}\n"
        ))?;
    }
    Ok(())
}

/// Whether any could not be dropped.
fn drop_all(found: &mut [Found], secrets: &SecretStore) -> bool {
    let mut failed = false;
    for (list, asides) in found {
        for judged in asides.iter_mut().filter(|aside| aside.fate == Fate::Due) {
            let Judged { target, kind, name, .. } = &judged;
            match list.drop_for_good(&judged.aside) {
                Ok(()) => {
                    terminal::line(&format!("{target}: {kind} {name} is gone"));
                    judged.fate = Fate::Dropped;
                }
                Err(why) => {
                    let why = secrets.mask(&why);
                    terminal::warn(&format!("{target}: {kind} {name} was not dropped: {why}"));
                    (judged.fate, judged.reason) = (Fate::Failed, Some(why));
                    failed = true;
                }
            }
        }
    }
    failed
}
