//! What the engine asks of a driver. The engine knows only these traits; drivers know no engine.
//!
//! Contract of every driver:
//! - `survey` changes nothing. `capture` writes nowhere but into [`Context::workspace`].
//! - `apply` and `undo` are called only after their intent, with the capsule in it, is on disk.
//! - A [`Failure`] says whether the effect is certain. When it is not, the engine asks `inspect`, which looks at the
//!   world and answers; it never guesses: [`Found::Unknown`] is an answer.
//! - `apply` and `undo` may be dropped at any await point or killed at any instruction (the controller dies);
//!   `inspect` must be able to tell afterwards.
//! - Waits are bounded by [`Context::timeout_ms`] or by the driver's own documented bound, and cut short by
//!   [`Context::stopping`] only where cutting is known to leave no effect.

use async_trait::async_trait;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
mod probe;
mod stopping;

pub use probe::{NoProber, Probe, Prober};
pub use stopping::{Stopped, Stopping};
use windlass_plan::{DriverKind, Live, Plan, Secret, Unit, UnitId};

pub use windlass_plan::Way;

/// All that is needed to undo one unit, in the driver's own form; written to the journal before the unit runs.
/// Large things stand in files of the workspace, named here with their hash.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capsule(pub serde_json::Value);

impl Capsule {
    /// With what a driver keeps of `unit`.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn of(unit: &Unit, kept: &impl Serialize) -> Result<Self, Failure> {
        serde_json::to_value(kept)
            .map(Self)
            .map_err(|error| Failure::clean(Fault::Windlass, format!("capsule of {}: {error}", unit.id)))
    }

    /// What [`Capsule::of`] was given.
    ///
    /// # Errors
    /// It is of another driver or version.
    pub fn read<T: DeserializeOwned>(&self, unit: &Unit) -> Result<T, Failure> {
        T::deserialize(&self.0).map_err(|error| {
            Failure::clean(Fault::Windlass, format!("the capsule of {} cannot be read: {error}", unit.id))
        })
    }
}

/// What a driver may use while it works on one unit.
#[derive(Clone)]
pub struct Context {
    /// The plan: targets, services.
    pub plan: Arc<Plan>,
    /// Name of the run; part of ledger rows and of folders.
    pub run: String,
    /// Folder of `windlass.toml`: relative paths start here.
    pub base: PathBuf,
    /// Folder of this unit of this run, for capsule files, output and exit status. It outlives the run until `prune`.
    /// It may not exist yet.
    pub workspace: PathBuf,
    /// Number of this try, from 1; counted over restarts of the controller.
    pub attempt: u32,
    /// A single try may take this long; `None`: the driver's own bound.
    pub timeout_ms: Option<u64>,
    /// Turns true when a person asked to stop.
    pub stopping: Stopping,
    /// What an undo does with rows that somebody has written to since.
    pub on_conflict: OnConflict,
    /// Resolves secret references and remembers the values, so that they are masked wherever text leaves.
    pub secrets: Arc<dyn Secrets>,
    /// Live output for the person watching; the driver calls it for each piece as it comes.
    pub output: Arc<dyn Fn(&str) + Send + Sync>,
    /// What the units done so far in this run reported, for example where a backup lies.
    pub facts: Arc<BTreeMap<UnitId, serde_json::Value>>,
}

/// What an undo does with rows that no longer hold what the release wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// They stay as they are, and are listed.
    #[default]
    Keep,
    /// They are put back too; what was written to them since is lost, and listed.
    Force,
    /// Nothing of the unit is undone while there are any: a person decides.
    Ask,
}

/// Resolves secret references.
pub trait Secrets: Send + Sync {
    /// The value, or why there is none (without any part of a value).
    fn resolve(&self, secret: &Secret) -> Result<String, String>;

    /// `text` with every value resolved so far replaced by `****`.
    fn mask(&self, text: &str) -> String;
}

/// What a look at the world says about a unit before it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survey {
    /// What will change, with numbers of the real world; one line each.
    pub effects: Vec<String>,
    /// Why it would fail if it ran now; one line each.
    pub problems: Vec<String>,
}

/// A unit that was applied or undone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// False when the world already was as wanted and nothing was changed.
    pub changed: bool,
    /// What changed, with numbers; one line each.
    pub effects: Vec<String>,
    /// Output excerpt, at most [`OUTPUT_BYTES_MAX`]; `Excerpt` makes it.
    pub output: String,
    /// Facts for later units and for the record: small, no secrets. Well-known keys: `hold_ms` (how long requests
    /// were held), `held` (how many), `file` and `sha256` (of a backup), `rows`.
    pub facts: serde_json::Value,
}

/// What is known of the effect of a failed try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Certain: nothing was changed.
    None,
    /// Certain: it ended, and something may have been changed; the unit's undo covers a part of it too.
    Partial,
    /// Not certain: it may have been applied, may not, may still be running.
    Unknown,
}

/// Whose fault it is; decides what the person reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// The document or configuration.
    Document,
    /// The thing acted on: database, service, file.
    Target,
    /// The way there: network, permissions of the controller, its disk.
    Transport,
    /// Windlass itself.
    Windlass,
}

/// A failed try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Whose fault.
    pub fault: Fault,
    /// What failed: one sentence for a person at 2 a.m., with place, value and cause. No secrets.
    pub message: String,
    /// What is known of the effect.
    pub effect: Effect,
    /// Whether the same try may be repeated without harm and has a chance.
    pub retry: bool,
    /// What to type or look at next; one line each.
    pub hints: Vec<String>,
    /// Output excerpt.
    pub output: String,
    /// Whether to go on or back is for a person to say, whatever the run does about failures.
    #[serde(default)]
    pub person: bool,
}

impl Failure {
    /// A failure that certainly changed nothing.
    pub fn clean(fault: Fault, message: impl Into<String>) -> Self {
        Self {
            fault,
            message: message.into(),
            effect: Effect::None,
            retry: false,
            hints: vec![],
            output: String::new(),
            person: false,
        }
    }

    /// A failure that ended and may have changed something.
    pub fn partial(fault: Fault, message: impl Into<String>) -> Self {
        Self { effect: Effect::Partial, ..Self::clean(fault, message) }
    }

    /// A failure of which nothing is certain.
    pub fn unknown(fault: Fault, message: impl Into<String>) -> Self {
        Self { effect: Effect::Unknown, ..Self::clean(fault, message) }
    }

    /// The same, safe and worth repeating.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.retry = true;
        self
    }

    /// The same, for a person to decide about.
    #[must_use]
    pub fn for_a_person(mut self) -> Self {
        self.person = true;
        self
    }

    /// With a next thing to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// What failed, and what to do next, with `between` between them.
    #[must_use]
    pub fn whole(self, between: &str) -> String {
        [vec![self.message], self.hints].concat().join(between)
    }

    /// With output.
    #[must_use]
    pub fn output(mut self, output: impl Into<String>) -> Self {
        self.output = output.into();
        self
    }
}

/// What a look at the world found about a unit whose outcome was not recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It took effect (forward: it was applied; undo: it was undone).
    Applied(Done),
    /// It had no effect, and cannot have one any more.
    NotApplied,
    /// It ended and failed.
    Failed(Failure),
    /// The world cannot tell; a person decides. The text says what was seen and which commands to choose from.
    Unknown(String),
}

/// The answer to a question: a table of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Values as the database writes them as text; `None`: null.
    pub rows: Vec<Vec<Option<String>>>,
}

/// One of several units that are applied together.
#[derive(Clone)]
pub struct Work {
    /// What the driver may use.
    pub cx: Context,
    /// The unit.
    pub unit: Unit,
    /// What its undo needs.
    pub capsule: Capsule,
}

/// A driver: a way to act on one part of the world.
#[async_trait]
pub trait Driver: Send + Sync {
    /// A look at the world for `plan`; changes nothing.
    async fn survey(&self, cx: &Context, unit: &Unit) -> Result<Survey, Failure>;

    /// What the database says of the tables that `units` name: statements of one target in order of execution. Changes
    /// nothing, and asks a bounded number of questions; what it may not see is in [`Live::unknown`]. `None`: what this
    /// driver works on has no catalog.
    async fn catalog(&self, _cx: &Context, _units: &[&Unit]) -> Result<Option<Live>, Failure> {
        Ok(None)
    }

    /// Collects what an undo needs. The effect of a failure here is always [`Effect::None`].
    async fn capture(&self, cx: &Context, unit: &Unit) -> Result<Capsule, Failure>;

    /// Does it.
    async fn apply(&self, cx: &Context, unit: &Unit, capsule: &Capsule) -> Result<Done, Failure>;

    /// Whether `next` can be applied together with `unit`, behind which it stands in the plan. Capsules of all that go together are taken
    /// before the first of them runs, and kept for a later try: they must not depend on what those before do.
    fn goes_with(&self, _unit: &Unit, _next: &Unit) -> bool {
        false
    }

    /// Applies units that go together, in their order, so that all that took effect became durable at once; the intents of all of
    /// them are on disk. One answer for each: what [`Driver::apply`] would give, or `None` for one that was not begun or of
    /// which nothing is left; it is begun anew. At least one is `Some`, and none behind a failure is.
    async fn apply_together(&self, works: &[Work]) -> Vec<Option<Result<Done, Failure>>> {
        let mut answers = Vec::new();
        if let Some(work) = works.first() {
            answers.push(Some(self.apply(&work.cx, &work.unit, &work.capsule).await));
        }
        answers
    }

    /// What its undo needs and is no longer there, one line each: what was set aside is not kept for ever. Changes nothing. What cannot be
    /// looked at is left out: only the undo can tell.
    async fn gone(&self, _cx: &Context, _unit: &Unit, _capsule: &Capsule) -> Vec<String> {
        Vec::new()
    }

    /// Takes it back. Never overwrites anything written since: that is a clean failure that lists the conflict.
    /// `done` is what `apply` reported, if it did.
    async fn undo(
        &self,
        cx: &Context,
        unit: &Unit,
        capsule: &Capsule,
        done: Option<&Done>,
    ) -> Result<Done, Failure>;

    /// All rows of the statement of `unit`, which only reads: for commands that work with what a database says of itself.
    async fn query(&self, _cx: &Context, unit: &Unit) -> Result<Rows, Failure> {
        Err(Failure::clean(Fault::Windlass, format!("the driver of unit {} answers no questions", unit.id)))
    }

    /// Finds out what became of a try that was intended but not settled; waits (within bounds) while it still runs.
    async fn inspect(&self, cx: &Context, unit: &Unit, capsule: &Capsule, way: Way) -> Found;
}

/// Drivers by kind.
#[derive(Clone, Default)]
pub struct Drivers(BTreeMap<DriverKind, Arc<dyn Driver>>);

impl Drivers {
    /// Adds or replaces the driver of a kind.
    #[must_use]
    pub fn with(mut self, kind: DriverKind, driver: Arc<dyn Driver>) -> Self {
        self.0.insert(kind, driver);
        self
    }

    /// The driver of a kind.
    #[must_use]
    pub fn get(&self, kind: DriverKind) -> Option<&Arc<dyn Driver>> {
        self.0.get(&kind)
    }

    /// Each driver inside of another, which sees what it is asked.
    #[must_use]
    pub fn map(self, wrap: impl Fn(Arc<dyn Driver>) -> Arc<dyn Driver>) -> Self {
        Self(self.0.into_iter().map(|(kind, driver)| (kind, wrap(driver))).collect())
    }
}

/// An error with its causes. What one of them says already is not said again.
#[must_use]
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}

/// Longest output kept of a unit, in bytes.
pub const OUTPUT_BYTES_MAX: usize = 8 * 1024;

/// `text` cut to [`OUTPUT_BYTES_MAX`]: its beginning and its end, with the number of bytes left out between them.
#[must_use]
pub fn excerpt(text: &str) -> String {
    if text.len() <= OUTPUT_BYTES_MAX {
        return text.to_owned();
    }
    let half = OUTPUT_BYTES_MAX / 2 - 32;
    let head = text.floor_char_boundary(half);
    let tail = text.ceil_char_boundary(text.len() - half);
    format!("{}\n… {} bytes left out …\n{}", &text[..head], tail - head, &text[tail..])
}
