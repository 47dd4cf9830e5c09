//! A scratch copy on which plans run forwards and back, by an engine with a journal of its own.

use crate::{
    commands::{
        copies::{self, Broken, broken, failed, secret},
        rehearse::{Derived, derive},
    },
    exit::Failure,
};
use std::{cell::Cell, collections::BTreeMap, path::PathBuf, sync::Arc};
use windlass_driver::{Secrets, Stopping};
use windlass_drivers::scratch::{Picture, Scratch};
use windlass_engine::Stop;
use windlass_journal::{Ending, OnFailure, RunId, SqliteStore};
use windlass_plan::{Action, Plan, UnitId};
use windlass_report::LeftOut;

/// How a run on the copy ended.
pub enum Came {
    /// At its end; `None`: nothing of it may run on a copy.
    There(Option<RunId>),
    /// Back where it began.
    Back(Why),
    /// Neither: the copy is of no use any more.
    Stuck(Why),
}

/// Why a run did not come to its end.
pub struct Why {
    pub words: String,
    /// File and line of the statement, where it is known.
    pub at: Option<(String, usize)>,
}

/// The copy.
pub struct Bench {
    scratches: BTreeMap<String, Scratch>,
    /// Name of the live database by target.
    live: BTreeMap<String, String>,
    store: Arc<SqliteStore>,
    secrets: Arc<dyn Secrets>,
    stopping: Stopping,
    base: PathBuf,
    with_rows: Cell<bool>,
    runs: Cell<usize>,
}

impl Bench {
    /// For the copy `scratch` of the target `on`, whose database is called `live`.
    pub fn new(
        (on, live): (&str, &str),
        scratch: Scratch,
        secrets: Arc<dyn Secrets>,
        stopping: &Stopping,
        base: PathBuf,
    ) -> Result<Self, Broken> {
        let urls = [(secret(on), scratch.url().to_owned())].into();
        Ok(Self {
            store: copies::journal(scratch.folder())?,
            scratches: [(on.to_owned(), scratch)].into(),
            live: [(on.to_owned(), live.to_owned())].into(),
            secrets: Arc::new(copies::WithCopies { inner: secrets, urls }),
            stopping: stopping.clone(),
            base,
            with_rows: Cell::new(true),
            runs: Cell::new(0),
        })
    }

    pub fn secrets(&self) -> Arc<dyn Secrets> {
        self.secrets.clone()
    }

    fn scratch(&self) -> &Scratch {
        self.scratches.values().next().expect("`new` puts one in")
    }

    /// Rows are not read any more: that takes too long.
    pub fn without_rows(&self) {
        self.with_rows.set(false);
    }

    /// What it holds.
    pub async fn picture(&self) -> Result<Picture, Broken> {
        if self.stopping.asked() {
            return Err(Broken::Interrupted);
        }
        let scratch = self.scratch();
        let found = if self.with_rows.get() { scratch.picture().await } else { scratch.definitions().await };
        found.map_err(broken)
    }

    /// Runs a plan, and what was left out of it because it would reach out of the copy.
    pub async fn run(&self, plan: &Plan) -> Result<(Came, Vec<LeftOut>), Broken> {
        let Derived { plan, left_out, .. } = derive(plan, &self.scratches, &self.live, false);
        if plan.steps.is_empty() {
            return Ok((Came::There(None), left_out));
        }
        let nth = self.runs.replace(self.runs.get() + 1);
        let run = RunId(format!("tried-{nth:06}"));
        let stop = self.engine()?.start(run.clone(), plan, OnFailure::Unwind).await?;
        Ok((self.came(&run, stop, Ending::Done).await?, left_out))
    }

    /// Takes a run back by what it recorded.
    pub async fn back(&self, run: &RunId) -> Result<Came, Broken> {
        let stop = self.engine()?.rollback(run, "it is tried").await?;
        self.came(run, stop, Ending::Undone).await
    }

    fn engine(&self) -> Result<windlass_engine::Engine, Broken> {
        let places = (self.scratch().folder(), self.base.as_path());
        copies::engine(&self.store, &self.secrets, &self.stopping, places)
    }

    async fn came(&self, run: &RunId, stop: Stop, wanted: Ending) -> Result<Came, Broken> {
        let state = crate::journal::load(self.store.as_ref(), run).await.map_err(Broken::Failed)?.run;
        let because = |words: String, unit: Option<UnitId>| Why {
            words,
            at: unit.and_then(|unit| place(&state.plan, &unit)),
        };
        // What the drivers advise is about a database that is gone when it is read.
        let found = || match failed(&state) {
            Some((unit, words, _)) => because(words, Some(unit)),
            None => because(String::new(), None),
        };
        Ok(match stop {
            Stop::Interrupted => return Err(Broken::Interrupted),
            Stop::Ended(ending) if ending == wanted => Came::There(Some(run.clone())),
            Stop::Ended(Ending::Undone) => Came::Back(found()),
            Stop::Person { why, unit } => Came::Stuck(because(why, unit)),
            _ => Came::Stuck(found()),
        })
    }

    /// Removes the copy.
    pub fn remove(self) -> Result<(), Failure> {
        for scratch in self.scratches.into_values() {
            scratch.remove()?;
        }
        Ok(())
    }
}

/// Where a statement stands.
fn place(plan: &Plan, unit: &UnitId) -> Option<(String, usize)> {
    let unit = plan.units().find(|(_, one)| one.id == *unit)?.1;
    match &unit.action {
        Action::Sql { from: Some(from), .. } => Some((from.file.clone(), from.line)),
        _ => None,
    }
}
