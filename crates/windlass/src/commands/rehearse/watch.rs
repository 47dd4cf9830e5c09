//! Drivers that are watched while they work on copies: time, rows, locks, and what the copy held before and after.

use async_trait::async_trait;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Instant,
};
use windlass_driver::{Capsule, Context, Done, Driver, Failure, Found, Rows, Survey};
use windlass_drivers::scratch::{Compared, Lock, Picture, Scratch, Verdict};
use windlass_plan::{Action, Class, Plan, StepId, Unit, UnitId, Way};

/// What is done with the copies at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Round {
    /// Forwards and back for the first time: everything is measured.
    #[default]
    First,
    /// Once more, undisturbed.
    Again,
    /// Each unit crashes before and behind it, and is repeated.
    Disturbed,
}

/// What was seen of a unit.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub took_ms: Option<u64>,
    pub undo_ms: Option<u64>,
    pub rows: Option<u64>,
    pub effects: Vec<String>,
    pub lock: Option<Lock>,
    /// After its undo.
    pub back: Option<Compared>,
    /// Something was different already, from a later unit: which was left out of the comparison.
    pub is_apart: bool,
    /// What it changed, as far as that stays when it is not undone.
    pub forth: Option<Compared>,
    /// In the last round: how it differs from the undisturbed end.
    pub disturbed: Vec<String>,
}

/// All that was seen.
#[derive(Default)]
pub struct State {
    pub round: Round,
    pub seen: BTreeMap<UnitId, Seen>,
    before: BTreeMap<UnitId, Picture>,
    after: BTreeMap<UnitId, Picture>,
    /// How often, in the last round.
    applied: BTreeMap<UnitId, u32>,
    /// As the copies are now, where that is known.
    now: BTreeMap<String, Picture>,
    /// What stays behind because it was not undone.
    left: Residue,
    /// What an undo has left different.
    wrong: Residue,
    /// Tables whose rows are others each time.
    pub volatile: BTreeSet<String>,
}

/// Differences that are known.
#[derive(Clone, Default)]
struct Residue {
    lines: BTreeSet<String>,
    tables: BTreeSet<String>,
    moved: BTreeSet<String>,
}

impl Residue {
    fn add(&mut self, found: &Compared) {
        self.lines.extend(found.lines.iter().cloned());
        self.tables.extend(found.tables.iter().cloned());
        self.moved.extend(found.moved.iter().cloned());
    }

    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.tables.is_empty()
    }

    /// `found` without them.
    fn apart(&self, mut found: Compared) -> Compared {
        if found.verdict == Verdict::Different && !self.lines.is_empty() {
            found.lines.retain(|line| !self.lines.contains(line));
            if found.lines.is_empty() {
                found.verdict = if found.moved.is_empty() { Verdict::Exact } else { Verdict::ColumnOrder };
            }
        }
        if found.verdict == Verdict::ColumnOrder && found.moved.is_subset(&self.moved) {
            found.verdict = Verdict::Exact;
        }
        found
    }
}

/// Watches.
pub struct Recorder {
    /// By target.
    pub scratches: BTreeMap<String, Scratch>,
    /// Rows are read behind each unit; else only at the ends.
    pub with_rows: bool,
    /// Steps with a hand-written undo: its units, and the first of the step's own.
    scripts: BTreeMap<UnitId, (StepId, UnitId, bool)>,
    steps: BTreeMap<StepId, Vec<UnitId>>,
    state: Mutex<State>,
}

impl Recorder {
    pub fn new(plan: &Plan, scratches: BTreeMap<String, Scratch>, with_rows: bool) -> Self {
        let mut scripts = BTreeMap::new();
        for step in &plan.steps {
            let (Some(script), Some(first)) = (&step.undo, step.units.first()) else { continue };
            for (at, unit) in script.units.iter().enumerate() {
                let is_last = at + 1 == script.units.len();
                scripts.insert(unit.id.clone(), (step.id.clone(), first.id.clone(), is_last));
            }
        }
        let ids = |step: &windlass_plan::Step| step.units.iter().map(|unit| unit.id.clone()).collect();
        let steps = plan.steps.iter().map(|step| (step.id.clone(), ids(step))).collect();
        Self { scratches, with_rows, scripts, steps, state: Mutex::default() }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds what was seen")
    }

    /// A new round begins: what the copies hold has to be read again.
    pub fn begin(&self, round: Round) {
        let mut state = self.state();
        state.round = round;
        state.now.clear();
    }

    /// The copies of the next round are others.
    pub fn replace(&mut self, scratches: BTreeMap<String, Scratch>) -> BTreeMap<String, Scratch> {
        let mut state = self.state();
        state.now.clear();
        (state.left, state.wrong) = Default::default();
        drop(state);
        std::mem::replace(&mut self.scratches, scratches)
    }

    /// What all copies hold.
    pub async fn pictures(&self) -> Result<BTreeMap<String, Picture>, Failure> {
        let mut pictures = BTreeMap::new();
        for (target, scratch) in &self.scratches {
            pictures.insert(target.clone(), scratch.picture().await?);
        }
        Ok(pictures)
    }

    /// A unit stays as it is: what it changed is no difference of those before it.
    pub fn leave(&self, unit: &UnitId) {
        let mut state = self.state();
        let forth = state.seen.get(unit).and_then(|seen| seen.forth.clone());
        if let Some(forth) = forth {
            state.left.add(&forth);
        }
    }

    /// `found` without what stays behind because it was not undone.
    pub fn apart(&self, found: Compared) -> Compared {
        self.state().left.apart(found)
    }

    /// Tables that a unit which stays as it is has written.
    pub fn left_tables(&self) -> BTreeSet<String> {
        self.state().left.tables.clone()
    }

    /// Tables whose rows are not compared in the last round.
    fn but(&self) -> BTreeSet<String> {
        let state = self.state();
        state.left.tables.union(&state.volatile).cloned().collect()
    }

    async fn look(&self, target: &str) -> Result<Picture, Failure> {
        let scratch = self.scratches.get(target).expect("every rehearsed target has a copy");
        if self.with_rows { scratch.picture().await } else { scratch.definitions().await }
    }

    async fn before(&self, target: &str, unit: &UnitId) -> Result<(), Failure> {
        let known = self.state().now.get(target).cloned();
        let picture = match known {
            Some(picture) => picture,
            None => self.look(target).await?,
        };
        self.state().before.insert(unit.clone(), picture);
        Ok(())
    }

    async fn after(&self, target: &str, unit: &UnitId) -> Result<(), Failure> {
        let round = self.state().round;
        match round {
            Round::First => {
                let picture = self.look(target).await?;
                let mut state = self.state();
                let before = state.before.get(unit).cloned();
                let forth = before.map(|before| before.compare(&picture, &BTreeSet::new()));
                state.seen.entry(unit.clone()).or_default().forth = forth;
                state.now.insert(target.to_owned(), picture.clone());
                state.after.insert(unit.clone(), picture);
            }
            Round::Again => {
                let picture = self.look(target).await?;
                let mut state = self.state();
                let Some(expected) = state.after.get(unit) else { return Ok(()) };
                let found = expected.compare(&picture, &BTreeSet::new());
                state.volatile.extend(found.tables);
            }
            Round::Disturbed => {
                // It is repeated: what the second time leads to is what counts.
                let times = {
                    let mut state = self.state();
                    let times = state.applied.entry(unit.clone()).or_default();
                    *times += 1;
                    *times
                };
                if times % 2 == 1 {
                    return Ok(());
                }
                let picture = self.look(target).await?;
                let but = self.but();
                let mut state = self.state();
                let Some(expected) = state.after.get(unit) else { return Ok(()) };
                let mut found = expected.compare(&picture, &but);
                // Values may be others each time; how many rows there are may not.
                for table in but.iter().filter(|table| expected.rows_of(table) != picture.rows_of(table)) {
                    found.verdict = Verdict::Different;
                    found.lines.push(format!("table {table} has another number of rows"));
                }
                let lines = if found.verdict == Verdict::Different { found.lines } else { vec![] };
                state.seen.entry(unit.clone()).or_default().disturbed = lines;
            }
        }
        Ok(())
    }

    /// Behind an undo in the first round: what is different from before the unit.
    async fn back(&self, target: &str, unit: &UnitId, of: &[UnitId]) -> Result<(), Failure> {
        let picture = self.look(target).await?;
        let mut state = self.state();
        let but: BTreeSet<String> = state.left.tables.union(&state.wrong.tables).cloned().collect();
        let found = state.before.get(unit).map(|before| before.compare(&picture, &but));
        let found = found.map(|found| state.wrong.apart(state.left.apart(found)));
        let is_apart = !state.left.is_empty() || !state.wrong.is_empty();
        // What is wrong once is not held against what comes before it.
        if let Some(found) = found.as_ref().filter(|found| found.verdict != Verdict::Exact) {
            state.wrong.add(found);
        }
        for unit in of {
            let seen = state.seen.entry(unit.clone()).or_default();
            seen.back.clone_from(&found);
            seen.is_apart = is_apart;
        }
        state.now.insert(target.to_owned(), picture);
        Ok(())
    }
}

/// A driver under the eyes of a recorder.
pub struct Watched {
    pub inner: Arc<dyn Driver>,
    pub recorder: Arc<Recorder>,
}

fn target(unit: &Unit) -> &str {
    match &unit.action {
        Action::Sql { target, .. } => target,
        _ => unreachable!("only statements are rehearsed"),
    }
}

fn ms(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
}

/// The copy could not be looked at: the unit is undone like one that failed half-way.
fn unseen(failure: Failure) -> Failure {
    Failure { effect: windlass_driver::Effect::Partial, ..failure }
}

#[async_trait]
impl Driver for Watched {
    async fn survey(&self, cx: &Context, unit: &Unit) -> Result<Survey, Failure> {
        self.inner.survey(cx, unit).await
    }

    async fn capture(&self, cx: &Context, unit: &Unit) -> Result<Capsule, Failure> {
        self.inner.capture(cx, unit).await
    }

    async fn apply(&self, cx: &Context, unit: &Unit, capsule: &Capsule) -> Result<Done, Failure> {
        let (recorder, target) = (&self.recorder, target(unit));
        let is_first = recorder.state().round == Round::First;
        let script = recorder.scripts.get(&unit.id).cloned();
        let changes = unit.undo.class != Class::Readonly && script.is_none();
        if is_first && changes {
            recorder.before(target, &unit.id).await?;
        }
        let watch = match recorder.scratches.get(target) {
            Some(scratch) if is_first => Some(scratch.watch_locks().await),
            _ => None,
        };
        let began = Instant::now();
        let result = self.inner.apply(cx, unit, capsule).await;
        let took = ms(began);
        let lock = match watch {
            Some(watch) => watch.end().await,
            None => None,
        };
        let done = result?;
        if is_first {
            let mut state = recorder.state();
            let seen = state.seen.entry(unit.id.clone()).or_default();
            (seen.took_ms, seen.lock, seen.effects) = (Some(took), lock, done.effects.clone());
            seen.rows = done.facts.get("rows").and_then(serde_json::Value::as_u64);
        }
        if changes {
            recorder.after(target, &unit.id).await.map_err(unseen)?;
        }
        if let Some((step, first, true)) = script.filter(|_| is_first) {
            let units = recorder.steps.get(&step).cloned().unwrap_or_default();
            recorder.back(target, &first, &units).await.map_err(unseen)?;
        }
        Ok(done)
    }

    async fn undo(
        &self,
        cx: &Context,
        unit: &Unit,
        capsule: &Capsule,
        done: Option<&Done>,
    ) -> Result<Done, Failure> {
        let began = Instant::now();
        let undone = self.inner.undo(cx, unit, capsule, done).await?;
        let took = ms(began);
        let recorder = &self.recorder;
        let is_first = recorder.state().round == Round::First;
        if is_first && unit.undo.class != Class::Readonly {
            recorder.back(target(unit), &unit.id, std::slice::from_ref(&unit.id)).await.map_err(unseen)?;
            recorder.state().seen.entry(unit.id.clone()).or_default().undo_ms = Some(took);
        }
        Ok(undone)
    }

    async fn query(&self, cx: &Context, unit: &Unit) -> Result<Rows, Failure> {
        self.inner.query(cx, unit).await
    }

    async fn inspect(&self, cx: &Context, unit: &Unit, capsule: &Capsule, way: Way) -> Found {
        self.inner.inspect(cx, unit, capsule, way).await
    }
}
