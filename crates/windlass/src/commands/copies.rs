//! The engine on scratch copies: what rehearsals and tried migrations have in common.

use crate::{
    env,
    exit::{Exit, Failure},
    project::Place,
    secrets::SecretStore,
    wiring,
};
use std::{collections::BTreeMap, path::Path, sync::Arc};
use windlass_driver::{Drivers, NoProber, Secrets, Stopping};
use windlass_drivers::backup::Source;
use windlass_engine::{Engine, EngineError, Faults, NoCrash, NoPeople, Settings, Silent};
use windlass_journal::{Forward, Life, Liveness, Owner, ProcLiveness, RunState, SqliteStore};
use windlass_plan::{DriverKind, Secret, Target, UnitId, Value};

/// Why there is no end.
pub enum Broken {
    /// A person stopped it.
    Interrupted,
    /// It could not go on.
    Failed(Failure),
}

impl From<EngineError> for Broken {
    fn from(error: EngineError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<windlass_journal::StoreError> for Broken {
    fn from(error: windlass_journal::StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// A copy cannot be looked at.
pub fn broken(failure: windlass_driver::Failure) -> Broken {
    Broken::Failed(Failure { exit: Exit::Refused, ..Failure::from(failure) })
}

/// The journal of a copy, in its folder.
pub fn journal(folder: &Path) -> Result<Arc<SqliteStore>, Broken> {
    let folder = folder.join("journal");
    std::fs::create_dir_all(&folder)
        .map_err(|error| Broken::Failed(Failure::refused(format!("{}: {error}", folder.display()))))?;
    Ok(Arc::new(SqliteStore::open(&folder.join("journal.db"))?))
}

/// An engine for statements on copies, whose journal and workspaces go with them. Nobody is asked, nothing is disturbed.
pub fn engine(
    store: &Arc<SqliteStore>,
    secrets: &Arc<dyn Secrets>,
    stopping: &Stopping,
    (folder, base): (&Path, &Path),
) -> Result<Engine, Broken> {
    let owner = ProcLiveness::current(&env::actor())
        .map_err(|error| Broken::Failed(Failure::refused(format!("/proc cannot be read: {error}"))))?;
    let all = wiring::drivers().map_err(Broken::Failed)?;
    let kinds = [DriverKind::Sqlite, DriverKind::Postgres, DriverKind::Mysql];
    let drivers = kinds.into_iter().filter_map(|kind| Some((kind, all.get(kind)?.clone())));
    let drivers = drivers.fold(Drivers::default(), |drivers, (kind, driver)| drivers.with(kind, driver));
    Ok(Engine {
        store: store.clone(),
        drivers,
        clock: Arc::new(wiring::SystemClock::new()),
        owner,
        liveness: Arc::new(Gone),
        secrets: secrets.clone(),
        people: Arc::new(NoPeople),
        observer: Arc::new(Silent),
        faults: Arc::new(Faults::default()),
        prober: Arc::new(NoProber),
        crash: Arc::new(NoCrash),
        stopping: stopping.clone(),
        base: base.to_owned(),
        workspaces: folder.join("journal").join("runs"),
        settings: Settings { retry_ms: 50, ..Settings::default() },
    })
}

/// In a journal of one process, every earlier controller is gone.
struct Gone;

impl Liveness for Gone {
    fn look(&self, _: &Owner) -> Life {
        Life::Dead
    }
}

/// The first unit that failed on the way forwards, with its message and what to do.
pub fn failed(state: &RunState) -> Option<(UnitId, String, Vec<String>)> {
    let turned = state.turns.iter().find_map(|turn| Some((turn.unit.clone()?, turn.why.clone(), vec![])));
    let of = state.units.iter().find_map(|(id, unit)| match &unit.forward {
        Forward::Failed(trouble) | Forward::FailedPartly(trouble) => {
            Some((id.clone(), trouble.message.clone(), trouble.hints.clone()))
        }
        _ => None,
    });
    of.or(turned)
}

/// How the URL of a copy is named in the plan that is run, so that its password stands in no journal.
pub fn secret(target: &str) -> Secret {
    Secret::Env(format!("copy of {target}"))
}

/// Secrets with the URLs of the copies.
pub struct WithCopies {
    pub inner: Arc<dyn Secrets>,
    pub urls: BTreeMap<Secret, String>,
}

impl Secrets for WithCopies {
    fn resolve(&self, secret: &Secret) -> Result<String, String> {
        match self.urls.get(secret) {
            Some(url) => Ok(url.clone()),
            None => self.inner.resolve(secret),
        }
    }

    fn mask(&self, text: &str) -> String {
        self.inner.mask(text)
    }
}

/// The live database of a target.
pub fn source(
    targets: &BTreeMap<String, Target>,
    name: &str,
    secrets: &SecretStore,
    place: &Place,
) -> Result<Source, Failure> {
    let Some(Target::Url { url, .. }) = targets.get(name) else {
        return Err(Failure::wrong(format!("target `{name}` is no database")));
    };
    let url = match url {
        Value::Plain(url) => url.clone(),
        Value::Secret(secret) => {
            secrets.resolve(secret).map_err(|why| Failure::wrong(format!("target `{name}`: {why}")))?
        }
    };
    Ok(Source::new(&url, &place.base)?)
}
