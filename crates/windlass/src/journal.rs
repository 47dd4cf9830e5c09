//! Opens the journal, and finds the run that a command is about.

use crate::{
    exit::{self, Failure},
    project::Place,
};
use std::{
    collections::BTreeSet,
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::Path,
    sync::Arc,
};
use windlass_engine::{Limits, Next, Settings, next};
use windlass_journal::{
    Ending, Entry, Life, Liveness as _, ProcLiveness, RunId, RunState, SqliteStore, Store, StoreError, fold,
};
use windlass_report::{Holder, Stand};

/// Opens the journal for a run; makes it when there is none.
pub fn open(place: &Place) -> Result<Arc<SqliteStore>, Failure> {
    make_state(place)?;
    Ok(Arc::new(SqliteStore::open(&place.journal())?))
}

/// Makes the folder `.windlass`, or closes the one that is there to everyone but its owner.
pub fn make_state(place: &Place) -> Result<(), Failure> {
    let state = place.state();
    private(&state).map_err(|error| StoreError::ReadOnly(format!("{}: {error}", state.display())).into())
}

/// The journal holds file contents and output of steps: neither other users nor the repository get to see them.
fn private(state: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(state)?;
    let meta = std::fs::metadata(state)?;
    let open = meta.mode() & 0o777 != 0o700;
    // The folder of somebody else is left as it is: its mode is theirs to choose.
    if open && meta.uid() == rustix::process::geteuid().as_raw() {
        std::fs::set_permissions(state, std::fs::Permissions::from_mode(0o700))?;
    }
    let ignore = state.join(".gitignore");
    if !ignore.exists() {
        std::fs::write(&ignore, "*\n")?;
    }
    Ok(())
}

/// Opens the journal for reading. `None`: nothing was ever run here.
pub fn open_existing(place: &Place) -> Result<Option<SqliteStore>, Failure> {
    match SqliteStore::open_existing(&place.journal()) {
        Ok(store) => Ok(Some(store)),
        Err(StoreError::Missing(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Runs the store's futures where no runtime is needed: the SQLite store never waits inside them.
pub fn block_on<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| Failure::refused(format!("cannot start: {error}")))?;
    Ok(runtime.block_on(future))
}

/// A run with its entries.
pub struct Loaded {
    pub run: RunState,
    pub entries: Vec<Entry>,
}

/// Reads one run.
pub async fn load(store: &dyn Store, run: &RunId) -> Result<Loaded, Failure> {
    let entries = store.read_run(run).await?;
    let state = fold(&entries).map_err(windlass_engine::EngineError::Fold)?;
    let run = state.ok_or_else(|| Failure::from(windlass_engine::EngineError::NoRun(run.clone())))?;
    Ok(Loaded { run, entries })
}

/// All runs, newest first.
pub async fn all(store: &dyn Store) -> Result<Vec<RunState>, Failure> {
    newest(store, usize::MAX).await
}

/// At most so many of the newest runs, newest first.
pub async fn newest(store: &dyn Store, count: usize) -> Result<Vec<RunState>, Failure> {
    let mut runs = Vec::new();
    for id in store.runs().await?.into_iter().rev().take(count) {
        runs.push(load(store, &id).await?.run);
    }
    Ok(runs)
}

/// The newest run that has not ended.
pub async fn open_run(store: &dyn Store) -> Result<Option<RunId>, Failure> {
    for id in store.runs().await?.into_iter().rev() {
        if load(store, &id).await?.run.ending.is_none() {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// The run that a person means: the one named, else the newest that is not finished, else the newest.
pub async fn chosen(store: &dyn Store, named: Option<&str>) -> Result<Option<RunId>, Failure> {
    if let Some(named) = named {
        let known = store.runs().await?;
        let fits: Vec<_> =
            known.iter().filter(|run| run.0 == named || run.0.ends_with(&format!("-{named}"))).collect();
        return match fits[..] {
            [run] => Ok(Some(run.clone())),
            _ => Err(windlass_engine::EngineError::NoRun(RunId(named.to_owned())).into()),
        };
    }
    match open_run(store).await? {
        Some(run) => Ok(Some(run)),
        None => Ok(store.runs().await?.pop()),
    }
}

/// The run to take back when none is named: the newest that is open or done. When there is none, the newest, so that
/// the refusal can say what became of it.
pub async fn to_take_back(store: &dyn Store) -> Result<Option<RunId>, Failure> {
    let runs = store.runs().await?;
    for id in runs.iter().rev() {
        if matches!(load(store, id).await?.run.ending, None | Some(Ending::Done)) {
            return Ok(Some(id.clone()));
        }
    }
    Ok(runs.last().cloned())
}

/// Where a run stands, seen from outside.
pub async fn stand(store: &dyn Store, run: &RunState, now_ms: i64) -> Result<Stand, Failure> {
    if let Some(ending) = run.ending {
        return Ok(Stand::Ended(ending));
    }
    if let Some(lease) = store.lease().await?.filter(|lease| lease.held)
        && ProcLiveness.look(&lease.owner) != Life::Dead
    {
        return Ok(Stand::Working(Holder { owner: lease.owner.to_string(), since_ms: lease.since_ms }));
    }
    if let Some(turn) = &run.person {
        return Ok(Stand::Person { unit: turn.unit.clone(), why: turn.why.clone() });
    }
    let settings = Settings::default();
    let limits = Limits { hosts_max: settings.hosts_max, tries_max: settings.tries_max };
    Ok(match next(run, &BTreeSet::new(), limits, now_ms) {
        Next::Confirm(unit) => Stand::Gate(unit),
        Next::NotBefore { unit, at_ms } => Stand::NotBefore { unit, at_ms },
        _ => Stand::Stopped,
    })
}

/// Whether a controller is at work now, on this machine.
pub async fn is_taken(store: &dyn Store) -> bool {
    let lease = store.lease().await.ok().flatten().filter(|lease| lease.held);
    lease.is_some_and(|lease| ProcLiveness.look(&lease.owner) == Life::Alive)
}

/// Refuses early, before a person is asked anything, what the engine would refuse: a living controller, an open run.
pub async fn refuse_busy(store: &dyn Store) -> Result<(), Failure> {
    let Some(open) = open_run(store).await? else { return Ok(()) };
    match store.lease().await?.filter(|lease| lease.held) {
        Some(lease) if ProcLiveness.look(&lease.owner) == Life::Alive => Err(exit::held(&lease)),
        _ => Err(exit::open_run(&open.0)),
    }
}
