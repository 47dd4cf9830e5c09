//! `windlass rehearse`: the SQL of a release on copies of its databases, through the same engine and drivers.

mod derive;
mod keep;
mod predict;
mod report;
mod rounds;
mod watch;

pub use keep::load;

use crate::{
    args::RehearseArgs,
    commands::{
        backup::warn_of_newer,
        copies::{Broken, WithCopies, broken, secret, source},
        drive::Signals,
        shelves::Shelves,
    },
    exit::{Exit, Failure},
    journal,
    project::{self, Place},
    secrets::SecretStore,
    terminal, wiring,
};
use derive::databases;
pub use derive::{Derived, derive};
use rounds::{Ended, Meter, Run, Stage};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::IsTerminal as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use watch::{Recorder, Round};
use windlass_driver::{Secrets as _, Stopping};
use windlass_drivers::{
    backup::{self, Data, Identities, Manifest, Shelf, Source, Stored},
    scratch::{self, Isolation, Order, Picture, Scratch, Verdict},
};
use windlass_plan::{Config, Plan, Target};
use windlass_report::{CopyJson, REHEARSAL_FORMAT, Rehearsal, RoundJson, rehearsal_text, step_digests};

/// Reading all rows behind every statement may take this long in all; else they are compared at the ends only.
const LOOKS_MAX: Duration = Duration::from_secs(180);

/// Runs the command.
pub fn run(args: &RehearseArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let (compiled, plan, place) = project::compile_to_run(&args.file, config, args.env.as_deref())?;
    if databases(&plan).is_empty() {
        return Err(Failure::wrong("the document has no SQL step: there is nothing to rehearse")
            .hint("`windlass plan` shows what the other steps would do"));
    }
    journal::make_state(&place)?;
    // A dump waits for definitions that change, and what changes them waits for the dump.
    if let Some(store) = journal::open_existing(&place)?.filter(|_| args.from.is_none()) {
        journal::block_on(journal::refuse_busy(&store))??;
    }
    wiring::tls();
    let rehearsing = Rehearsing::new(args, place, plan, &compiled.settings.config)?;
    let runtime = wiring::runtime()?;
    let found = runtime.block_on(rehearsing.go());
    runtime.shutdown_background();
    rehearsing.meter.finish();
    let rehearsal = match found {
        Ok(rehearsal) => rehearsal,
        Err(Broken::Interrupted) => {
            terminal::line("Stopped; the copies are gone, the live databases are as they were.");
            return Ok(Exit::Interrupted);
        }
        Err(Broken::Failed(failure)) => {
            return Err(failure.hint("the live databases are as they were; the copies are gone"));
        }
    };
    keep::save(&rehearsing.place, &args.file, &rehearsal)?;
    if args.output.json {
        terminal::json(&rehearsal)?;
    } else {
        terminal::show(&rehearsal_text(&rehearsal))?;
    }
    Ok(if rehearsal.is_good() { Exit::Done } else { Exit::Undone })
}

/// A rehearsal under way.
struct Rehearsing<'a> {
    args: &'a RehearseArgs,
    place: Place,
    plan: Plan,
    secrets: Arc<SecretStore>,
    sources: BTreeMap<String, Source>,
    backups: BTreeMap<String, (Shelf, Manifest)>,
    identities: Option<Identities>,
    server: Option<Source>,
    meter: Arc<Meter>,
    stopping: Stopping,
}

impl<'a> Rehearsing<'a> {
    fn new(args: &'a RehearseArgs, place: Place, plan: Plan, config: &Config) -> Result<Self, Failure> {
        let secrets = Arc::new(SecretStore::new(&place.base));
        let mut sources = BTreeMap::new();
        for name in databases(&plan).into_keys() {
            let source = source(&plan.targets, &name, &secrets, &place)?;
            sources.insert(name, source);
        }
        let mut backups = BTreeMap::new();
        if let Some(from) = &args.from {
            let shelves = Shelves::new(&place, config, args.folder.as_ref());
            for name in sources.keys() {
                let shelf = shelves.of(name)?;
                let manifest = chosen(&shelf, from, name, sources.len() > 1)?;
                backups.insert(name.clone(), (shelf, manifest));
            }
        }
        let identities = args.identity.as_deref().map(Identities::read).transpose()?;
        let server = args.on.as_ref().map(|on| other_server(on, args, &place, &secrets)).transpose()?;
        let live = std::io::stderr().is_terminal() && terminal::colour();
        let meter = Arc::new(Meter::new(live));
        let stopping = Stopping::default();
        Ok(Self { args, place, plan, secrets, sources, backups, identities, server, meter, stopping })
    }

    async fn go(&self) -> Result<Rehearsal, Broken> {
        let stopping = self.stopping.clone();
        let mut signals = Signals::listen().map_err(Broken::Failed)?;
        let watching = tokio::spawn(async move {
            loop {
                signals.any().await;
                stopping.stop();
            }
        });
        let result = self.rehearsed().await;
        watching.abort();
        result
    }

    async fn rehearsed(&self) -> Result<Rehearsal, Broken> {
        let (at_ms, began) = (wiring::now_ms(), Instant::now());
        let (scratches, mut copies) = self.copies()?;
        let live =
            self.sources.iter().map(|(name, source)| (name.clone(), source.database().to_owned())).collect();
        let Derived { plan, left_out, no_undo } =
            derive(&self.plan, &scratches, &live, self.args.sample.is_some());
        let looked = Instant::now();
        let mut base = BTreeMap::new();
        for (target, scratch) in &scratches {
            let picture = scratch.picture().await.map_err(broken)?;
            if let Some(copy) = copies.iter_mut().find(|copy| copy.target == *target) {
                copy.rows = picture.rows_all();
            }
            base.insert(target.clone(), picture);
        }
        let units = plan.units().count();
        let looks = looked.elapsed().saturating_mul(u32::try_from(units * 5).unwrap_or(u32::MAX));
        let with_rows = looks < LOOKS_MAX;
        let mut notes = notes(&scratches, self.args.sample.is_some());
        if !with_rows {
            notes.push(
                "reading all rows takes long here: they were compared at the beginning and the end, the definitions behind each \
                 statement"
                    .to_owned(),
            );
        }
        // There and back three times; in the third each unit is looked at once more behind a crash.
        self.meter.expect(units * 8);
        let mut all = All { with_rows, base, after: BTreeMap::new(), rounds: vec![], plan, recorder: None };
        let first = self.first(&mut all, scratches).await?;
        if first.failed.is_none() && !all.plan.steps.is_empty() {
            self.others(&mut all, &first).await?;
        }
        let recorder = all.recorder.take().expect("the first round has made it");
        let rows_differ = !with_rows && all.rounds.first().is_some_and(|round| !round.is_same);
        let statements = report::statements(&self.plan, &all.plan, &recorder, &first, &no_undo, rows_differ);
        let (downtime_ms, blocked_ms, more) =
            predict::downtime(&self.plan, &statements, self.args.sample.is_some());
        notes.extend(more);
        notes.extend(self.remove(recorder));
        Ok(Rehearsal {
            format: REHEARSAL_FORMAT,
            document: self.plan.document.name.clone(),
            digest: self.plan.digest(),
            steps: step_digests(&self.plan),
            at_ms,
            took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            copies,
            statements,
            left_out,
            rounds: all.rounds,
            downtime_ms,
            blocked_ms,
            notes,
        })
    }

    fn stage(&self, plan: &Plan, recorder: &Arc<Recorder>) -> Stage {
        let urls =
            recorder.scratches.iter().map(|(name, copy)| (secret(name), copy.url().to_owned())).collect();
        let folder = recorder
            .scratches
            .values()
            .next()
            .map_or_else(|| self.place.state(), |copy| copy.folder().to_owned());
        Stage {
            plan: plan.clone(),
            recorder: recorder.clone(),
            secrets: Arc::new(WithCopies { inner: self.secrets.clone(), urls }),
            stopping: self.stopping.clone(),
            progress: self.meter.clone(),
            folder,
            base: self.place.base.clone(),
        }
    }

    /// Forwards and back, measured.
    async fn first(&self, all: &mut All, scratches: BTreeMap<String, Scratch>) -> Result<Ended, Broken> {
        let recorder = Arc::new(Recorder::new(&all.plan, scratches, all.with_rows));
        all.recorder = Some(recorder.clone());
        let stage = self.stage(&all.plan, &recorder);
        self.meter.now("forwards");
        let mut run = Run::new(&stage, Round::First)?;
        run.forth().await?;
        if run.ended.is_done {
            all.after = recorder.pictures().await.map_err(broken)?;
            self.meter.now("back");
            run.back().await?;
        }
        let what = if run.ended.is_done { "forwards and back" } else { "the failed release taken back" };
        all.compare(what, &recorder, &all.base.clone(), &BTreeSet::new()).await?;
        Ok(run.ended)
    }

    /// Once more undisturbed, and once with crashes and repeats.
    async fn others(&self, all: &mut All, first: &Ended) -> Result<(), Broken> {
        for round in [Round::Again, Round::Disturbed] {
            let is_clean = first.left.is_empty() && all.rounds.iter().all(|round| round.is_same);
            if !is_clean {
                self.anew(all).await?;
            }
            let recorder = all.recorder.clone().expect("the first round has made it");
            let stage = self.stage(&all.plan, &recorder);
            let mut run = Run::new(&stage, round)?;
            let disturbed = round == Round::Disturbed;
            self.meter.now(if disturbed { "with crashes and repeats" } else { "once more" });
            run.forth().await?;
            let what =
                if disturbed { "with crashes and repeats: the same end" } else { "again: the same end" };
            if run.ended.is_done {
                all.forth(what, &recorder, disturbed).await?;
                self.meter.now("back");
                run.back().await?;
                let what = if disturbed { "with crashes: back" } else { "again: back" };
                all.compare(what, &recorder, &all.base.clone(), &BTreeSet::new()).await?;
            } else {
                let why = run
                    .ended
                    .failed
                    .as_ref()
                    .map_or_else(String::new, |(unit, why)| format!("{unit}: {why}"));
                all.rounds.push(RoundJson { what: what.to_owned(), is_same: false, lines: vec![why] });
            }
            let mut state = recorder.state();
            let failed = run.ended.failed.iter().map(|(unit, why)| (unit, why));
            for (unit, why) in failed.chain(&run.ended.asked) {
                let why = if disturbed { why.clone() } else { format!("the second time: {why}") };
                state.seen.entry(unit.clone()).or_default().disturbed.push(why);
            }
        }
        Ok(())
    }

    /// Copies that nothing of the rounds before is left in.
    async fn anew(&self, all: &mut All) -> Result<(), Broken> {
        self.meter.now("copying once more");
        let recorder = all.recorder.take().expect("the first round has made it");
        let mut recorder = Arc::into_inner(recorder).expect("a round that is over holds nothing");
        for scratch in recorder.replace(BTreeMap::new()).into_values() {
            // What cannot be removed now is no reason to lose what was found; the next rehearsal removes it.
            if let Err(failure) = scratch.remove() {
                terminal::line(&self.secrets.mask(&failure.message));
            }
        }
        recorder.replace(self.copies()?.0);
        all.base = recorder.pictures().await.map_err(broken)?;
        all.recorder = Some(Arc::new(recorder));
        Ok(())
    }

    fn copies(&self) -> Result<(BTreeMap<String, Scratch>, Vec<CopyJson>), Broken> {
        let folder = self.place.state().join("scratch");
        let mut scratches = BTreeMap::new();
        let mut copies = vec![];
        for (name, source) in &self.sources {
            let began = Instant::now();
            let backup = self.backups.get(name);
            let progress = |line: &str| terminal::line(&format!("{name}: {line}"));
            let data = backup.map(|(shelf, manifest)| Data::new(shelf, manifest, self.identities.as_ref()));
            let scratch = scratch::make(&Order {
                source,
                backup: data.as_ref(),
                server: self.server.as_ref(),
                is_private: self.args.private,
                sample: self.args.sample,
                is_empty: false,
                tools: self.args.tools.as_deref(),
                folder: &folder,
                progress: &progress,
            })
            .map_err(|failure| Broken::Failed(self.masked(failure)))?;
            if self.stopping.asked() {
                return Err(Broken::Interrupted);
            }
            let place = match scratch.isolation() {
                _ if self.plan.targets.get(name).is_some_and(is_file) => "this machine",
                Isolation::Beside => "the same server",
                Isolation::Elsewhere => "another server",
                Isolation::Private => "a private server",
            };
            copies.push(CopyJson {
                target: name.clone(),
                from: backup.map_or_else(|| "now".to_owned(), |(_, manifest)| manifest.name.clone()),
                place: place.to_owned(),
                bytes: scratch.bytes(),
                rows: 0,
                took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            });
            scratches.insert(name.clone(), scratch);
        }
        Ok((scratches, copies))
    }

    fn masked(&self, mut failure: windlass_driver::Failure) -> Failure {
        failure.message = self.secrets.mask(&failure.message);
        Failure { exit: Exit::Refused, ..Failure::from(failure) }
    }

    /// Removes the copies; what stays, and how to remove it. What was found out is told all the same.
    fn remove(&self, recorder: Arc<Recorder>) -> Vec<String> {
        let recorder = Arc::into_inner(recorder).expect("the rounds are over");
        let left = recorder.scratches.into_values().filter_map(|scratch| scratch.remove().err());
        left.map(|failure| {
            let words = failure.whole("; ");
            self.secrets.mask(&words)
        })
        .collect()
    }
}

/// What the rounds have in common.
struct All {
    with_rows: bool,
    plan: Plan,
    base: BTreeMap<String, Picture>,
    after: BTreeMap<String, Picture>,
    rounds: Vec<RoundJson>,
    recorder: Option<Arc<Recorder>>,
}

impl All {
    /// Whether the copies hold what `expected` says.
    async fn compare(
        &mut self,
        what: &str,
        recorder: &Recorder,
        expected: &BTreeMap<String, Picture>,
        but: &BTreeSet<String>,
    ) -> Result<(), Broken> {
        let now = recorder.pictures().await.map_err(broken)?;
        let (mut lines, mut is_same) = (vec![], true);
        for (target, picture) in expected {
            let Some(now) = now.get(target) else { continue };
            let but: BTreeSet<String> = but.union(&recorder.left_tables()).cloned().collect();
            let found = recorder.apart(picture.compare(now, &but));
            is_same &= found.verdict != Verdict::Different;
            match found.verdict {
                Verdict::Exact => {}
                Verdict::ColumnOrder => lines.push(format!("{target}: equal but column order")),
                Verdict::Different => {
                    lines.extend(found.lines.iter().map(|line| format!("{target}: {line}")))
                }
            }
        }
        self.rounds.push(RoundJson { what: what.to_owned(), is_same, lines });
        Ok(())
    }

    /// Whether the copies are where the first round had them. What differs in the second round although nothing disturbed it
    /// (moments, random values, numbers that go on counting) is known from then on, and not held against the third.
    async fn forth(&mut self, what: &str, recorder: &Recorder, disturbed: bool) -> Result<(), Broken> {
        if disturbed {
            let volatile = recorder.state().volatile.clone();
            return self.compare(what, recorder, &self.after.clone(), &volatile).await;
        }
        let now = recorder.pictures().await.map_err(broken)?;
        let (mut lines, mut is_same) = (vec![], true);
        for (target, expected) in &self.after {
            let Some(now) = now.get(target) else { continue };
            let found = expected.compare(now, &BTreeSet::new());
            if found.verdict != Verdict::Different {
                continue;
            }
            let apart = expected.compare(now, &found.tables);
            let same_counts = found.tables.iter().all(|table| expected.rows_of(table) == now.rows_of(table));
            is_same &= apart.verdict != Verdict::Different && same_counts;
            if is_same {
                lines.push("values that are others each time:".to_owned());
            }
            lines.extend(found.lines.iter().map(|line| format!("{target}: {line}")));
            recorder.state().volatile.extend(found.tables);
        }
        self.rounds.push(RoundJson { what: what.to_owned(), is_same, lines });
        Ok(())
    }
}

fn is_file(target: &Target) -> bool {
    matches!(target, Target::Url { kind: windlass_plan::UrlKind::Sqlite, .. })
}

/// What has to be said about the copies.
fn notes(scratches: &BTreeMap<String, Scratch>, is_sample: bool) -> Vec<String> {
    let of = |(name, scratch): (&String, &Scratch)| {
        scratch.notes().iter().map(|note| format!("{name}: {note}")).collect::<Vec<_>>()
    };
    let mut notes: Vec<String> = scratches.iter().flat_map(of).collect();
    if is_sample {
        notes.push("times are those of the sample, and `rows=` was not checked".to_owned());
    }
    notes
}

/// `--on`: a target of windlass.toml, or a URL.
fn other_server(
    on: &str,
    args: &RehearseArgs,
    place: &Place,
    secrets: &SecretStore,
) -> Result<Source, Failure> {
    if on.contains("://") {
        return Ok(Source::new(on, &place.base)?);
    }
    let settings = project::read_settings(Some(place), args.env.as_deref(), None)?;
    source(&settings.config.targets, on, secrets, place)
        .map_err(|failure| failure.hint("`--on` takes a URL or the name of a database in windlass.toml"))
}

/// The backup of that name of a target, else the newest.
fn chosen(shelf: &Shelf, from: &str, target: &str, many: bool) -> Result<Manifest, Failure> {
    let stored = backup::list(shelf)?;
    let is_meant =
        |manifest: &&Manifest| manifest.target == target && (from == "latest" || manifest.name == from);
    let mut whole = stored.iter().filter_map(|stored| match stored {
        Stored::Whole(manifest) => Some(manifest),
        _ => None,
    });
    let found = whole.find(is_meant);
    if let Some(manifest) = found.filter(|_| from == "latest") {
        warn_of_newer(&stored, manifest);
    }
    found.cloned().ok_or_else(|| {
        let failure = Failure::wrong(format!(
            "there is no whole backup `{from}` of `{target}` in {}; nothing was done",
            shelf.shown()
        ));
        let failure = failure.hint("`windlass backup list` shows what there is");
        if many {
            failure.hint("several databases are rehearsed: `--from latest` takes the newest of each")
        } else {
            failure
        }
    })
}
