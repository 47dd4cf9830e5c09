//! One call on one unit.

use super::{
    conflicts, listed,
    words::{Progress, clean, dry, effects, partly, previewed, refusals, unconditional},
};
use serde_json::json;
use std::path::PathBuf;
use windlass_driver::{Context, Done, Failure, Fault, Found, Survey};
use windlass_objects::{ObjectLine, Options, Place, Preview, Scene, Surprise, Verb};
use windlass_plan::{Action, Store, Target, UndoBy, Unit, Way};
use windlass_s3::{
    Client, Count, Freeze, Manifest, Settings, State, Totals, Versioning, back, freeze, is_stopped, preview,
    run,
};

/// Name of the manifest in the workspace.
const FILE: &str = "objects.db";
/// Objects that are named.
const SHOWN: usize = 20;

/// How many objects are written, are lost by that, or go.
struct Going {
    copies: u64,
    overwrites: u64,
    deletes: u64,
}

/// A call.
pub(super) struct Job<'a> {
    cx: &'a Context,
    unit: &'a Unit,
    line: &'a ObjectLine,
    client: Client,
    scene: Scene,
    /// Where the destination (of `rm` the source) sets aside; none: only versions keep.
    hold: Option<String>,
    /// What no line means, at the source and at the destination.
    holds: [String; 2],
}

impl<'a> Job<'a> {
    pub(super) fn new(base: &Settings, cx: &'a Context, unit: &'a Unit) -> Result<Self, Failure> {
        let Action::Objects { line, dir, from, to } = &unit.action else {
            return Err(Failure::clean(Fault::Windlass, format!("{} is no line of aws s3", unit.id)));
        };
        let store = |name: &Option<String>| match cx.plan.targets.get(name.as_deref()?) {
            Some(Target::Store(store)) => Some(store.clone()),
            _ => None,
        };
        let (from, to) = (store(from), store(to));
        let hold = |store: &Option<Store>| store.as_ref().and_then(|store| store.hold.clone());
        let (hold, holds) = (
            hold(if line.to.is_some() { &to } else { &from }),
            [&from, &to].map(|store| hold(store).unwrap_or_default()),
        );
        let settings = settings(base, &line.options, &from.or(to).unwrap_or_default());
        let client = Client::new(&settings).map_err(|error| clean(unit, error))?;
        let folder = dir.as_ref().map_or_else(|| cx.base.clone(), |dir| cx.base.join(dir));
        let cwd = folder.canonicalize().unwrap_or(folder);
        let to_is_folder = match &line.to {
            Some(Place::Local { path }) => cwd.join(path).is_dir(),
            _ => false,
        };
        let scene = Scene { cwd: cwd.display().to_string(), to_is_folder };
        Ok(Self { cx, unit, line, client, scene, hold, holds })
    }

    pub(super) fn is_dry(&self) -> bool {
        self.line.options.dryrun
    }

    pub(super) fn path(&self) -> PathBuf {
        self.cx.workspace.join(FILE)
    }

    pub(super) fn manifest(&self) -> Result<Manifest, Failure> {
        // There is one only behind the capture: what it holds may be begun.
        Manifest::open(&self.path()).map_err(|error| partly(self.unit, error))
    }

    fn verb(&self) -> &'static str {
        if self.line.verb == Verb::Move { "move" } else { "copy" }
    }

    /// What the line would do now.
    async fn previewed(&self) -> Result<(Preview, Vec<Surprise>), Failure> {
        let seen = preview(&self.client, self.line, &self.scene, &self.holds).await;
        seen.map_err(|error| clean(self.unit, error))
    }

    pub(super) async fn survey(&self) -> Result<Survey, Failure> {
        let (seen, surprises) = self.previewed().await?;
        if self.is_dry() {
            return Ok(Survey { effects: dry(&seen, &surprises), ..Survey::default() });
        }
        let going = Going {
            copies: seen.copied.objects,
            overwrites: seen.overwritten.objects,
            deletes: seen.deleted.objects,
        };
        let problems = refusals(&surprises).chain(self.not_kept(&going).await?).collect();
        Ok(Survey { effects: previewed(&seen, &surprises), problems })
    }

    /// Why what is overwritten or deleted could not be put back.
    async fn not_kept(&self, going: &Going) -> Result<Option<String>, Failure> {
        let (bucket, goes) = match &self.line.to {
            // A file would go back without its metadata.
            Some(Place::Local { .. }) if self.line.verb == Verb::Move => {
                (self.line.from.bucket(), going.copies)
            }
            Some(Place::Local { .. }) => return Ok(None),
            Some(to) => (to.bucket(), going.overwrites + going.deletes),
            None => (self.line.from.bucket(), going.deletes),
        };
        let (Some(bucket), true) = (bucket, goes > 0 && self.hold.is_none()) else { return Ok(None) };
        if self.unit.undo.by != UndoBy::Driver {
            return Ok(None);
        }
        let versioning = self.client.versioning(bucket).await.map_err(|error| clean(self.unit, error))?;
        Ok((versioning == Versioning::Off).then(|| {
            format!(
                "{goes} objects of s3://{bucket} would be overwritten or deleted, and nothing keeps them: the bucket has no \
                 versions, and its target no `hold`"
            )
        }))
    }

    pub(super) async fn freeze(&self) -> Result<Manifest, Failure> {
        std::fs::create_dir_all(&self.cx.workspace).map_err(|error| {
            Failure::clean(Fault::Transport, format!("{}: {error}", self.cx.workspace.display()))
        })?;
        let own = format!("{}/{}/", self.cx.run, self.unit.id);
        let mut how = Freeze::at(&self.path(), self.holds.each_ref().map(String::as_str), &own);
        how.keeps = self.unit.undo.by == UndoBy::Driver;
        let manifest = freeze(&self.client, self.line, &self.scene, &how).await;
        let manifest = manifest.map_err(|error| clean(self.unit, error))?;
        let Totals { copies, overwrites, deletes, .. } = manifest.head().totals;
        if let Some(why) = self.not_kept(&Going { copies, overwrites, deletes }).await? {
            return Err(Failure::clean(Fault::Document, format!("{}: {why}", self.unit.id))
                .hint("set `hold = \"windlass-hold/\"` for the target, or enable versions of the bucket")
                .hint("or say `irreversible` in the braces"));
        }
        Ok(manifest)
    }

    /// A line with `--dryrun`.
    pub(super) async fn show(&self) -> Result<Done, Failure> {
        let (seen, surprises) = self.previewed().await?;
        Ok(Done { effects: dry(&seen, &surprises), ..Done::default() })
    }

    pub(super) async fn apply(&self, manifest: &Manifest) -> Result<Done, Failure> {
        let before = manifest.count().map_err(|error| partly(self.unit, error))?;
        let total = before.by_state.iter().sum();
        let progress = Progress::new(self.cx, total, before.of(State::Done));
        let count = match run(&self.client, manifest, &progress).await {
            Ok(count) => count,
            Err(error) => return Err(self.stopped(manifest, error)),
        };
        self.done(manifest, count)
    }

    fn stopped(&self, manifest: &Manifest, error: windlass_s3::Error) -> Failure {
        let count = manifest.count().unwrap_or_default();
        let total: u64 = count.by_state.iter().sum();
        let done = format!("{} of {total} objects are done, nothing was lost", count.of(State::Done));
        if is_stopped(&error) {
            return self.paused(&done);
        }
        let failure = partly(self.unit, error);
        Failure { message: format!("{}; {done}", failure.message), ..failure }
            .hint("windlass resume goes on with the others; windlass rollback takes all back")
    }

    fn paused(&self, done: &str) -> Failure {
        Failure::partial(Fault::Target, format!("{}: paused: {done}", self.unit.id))
            .retryable()
            .hint("windlass resume goes on with the others; windlass rollback takes all back")
    }

    fn done(&self, manifest: &Manifest, count: Count) -> Result<Done, Failure> {
        let totals = manifest.head().totals;
        let left = count.of(State::Left);
        let undone = count.of(State::Back) + count.of(State::Conflict);
        if undone > 0 {
            let total: u64 = count.by_state.iter().sum();
            let message = format!(
                "{} (line {}): {} of {total} objects were taken back, {} could not be",
                self.unit.id,
                self.unit.line,
                count.of(State::Back),
                count.of(State::Conflict)
            );
            return Err(
                Failure::partial(Fault::Target, message).hint("windlass rollback takes back the others")
            );
        }
        if left > 0 {
            let message = format!(
                "{} (line {}): {left} objects were changed by somebody else after the preview and left alone; {} are done",
                self.unit.id,
                self.unit.line,
                count.of(State::Done)
            );
            let failure = Failure::partial(Fault::Target, message)
                .output(listed(manifest, State::Left, SHOWN).join("\n"))
                .hint("windlass rollback takes back what is done; then plan again");
            return Err(failure);
        }
        Ok(Done {
            changed: totals.copies + totals.deletes > 0,
            effects: self.told(effects(&totals, self.verb())),
            output: String::new(),
            facts: json!({
                "objects": totals.copies + totals.deletes,
                "bytes": totals.copy_bytes,
                "manifest": self.path().display().to_string(),
            }),
        })
    }

    pub(super) async fn undo(&self, manifest: &Manifest) -> Result<Done, Failure> {
        let before = manifest.count().map_err(|error| partly(self.unit, error))?;
        let total = before.by_state.iter().sum::<u64>() - before.of(State::Planned);
        let progress = Progress::new(self.cx, total, before.of(State::Back));
        let count = match back(&self.client, manifest, &progress, conflicts(self.cx.on_conflict)).await {
            Ok(count) => count,
            Err(error) if is_stopped(&error) => return Err(self.paused("not all objects are back")),
            Err(error) => return Err(partly(self.unit, error)),
        };
        let done = back_again(manifest, count);
        Ok(Done { effects: self.told(done.effects), ..done })
    }

    /// With what the store has refused on the way.
    fn told(&self, effects: Vec<String>) -> Vec<String> {
        effects.into_iter().chain(unconditional(&self.client.unconditional())).collect()
    }

    pub(super) fn inspect(&self, manifest: &Manifest, way: Way) -> Result<Found, Failure> {
        let look = || -> Result<_, windlass_s3::Error> {
            Ok((manifest.count()?, manifest.is_begun()?, manifest.is_back()?))
        };
        let (count, is_begun, is_back) = look().map_err(|error| clean(self.unit, error))?;
        let open = count.of(State::Planned) + count.of(State::Written);
        Ok(match way {
            Way::Undo if is_back => Found::Applied(back_again(manifest, count)),
            Way::Undo if count.of(State::Back) + count.of(State::Conflict) > 0 => {
                let done = format!(
                    "{} objects are back, {} could not be, {} are done and not taken back yet",
                    count.of(State::Back),
                    count.of(State::Conflict),
                    count.of(State::Done)
                );
                Found::Failed(self.paused(&done))
            }
            Way::Undo => Found::NotApplied,
            Way::Forward if !is_begun && open > 0 => Found::NotApplied,
            Way::Forward if open == 0 => match self.done(manifest, count) {
                Ok(done) => Found::Applied(done),
                Err(failure) => Found::Failed(failure),
            },
            Way::Forward => Found::Failed(self.paused(&format!("{open} objects are still to be done"))),
        })
    }
}

fn back_again(manifest: &Manifest, count: Count) -> Done {
    let conflicts = count.of(State::Conflict);
    let mut effects = vec![format!("{} objects are as they were", count.of(State::Back))];
    if conflicts > 0 {
        effects.push(format!("{conflicts} were written to since and stay:"));
        effects.extend(listed(manifest, State::Conflict, SHOWN));
    }
    Done { changed: count.of(State::Back) > 0, effects, ..Done::default() }
}

/// How a store is reached: the options of a line go before the target, the target before the environment (`base`).
#[must_use]
pub fn settings(base: &Settings, options: &Options, store: &Store) -> Settings {
    Settings {
        region: options.region.clone().or_else(|| store.region.clone()),
        endpoint: options.endpoint_url.clone().or_else(|| store.endpoint.clone()),
        path_style: store.path_style,
        profile: options.profile.clone().or_else(|| store.profile.clone()),
        ..base.clone()
    }
}
