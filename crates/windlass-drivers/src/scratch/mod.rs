//! Scratch copies of databases: made beside the live one, on another or on a private server, changed at will, and removed
//! whatever happens to the process that made them.
//!
//! [`make`] gives a [`Scratch`] with a URL for the drivers; [`Scratch::picture`] says what it holds, [`Picture::compare`] what
//! has become different. What a statement could do outside of the copy is for [`reaches_out`] to say *before* it runs.
//! See `docs/design/rehearse.md`.

mod bench;
mod file;
mod janitor;
mod locks;
mod picture;
mod private;
mod reach;
mod sample;
mod server;
mod spool;
#[cfg(test)]
mod tests;
mod url;

pub use locks::{Lock, LockWatch};
pub use picture::{Compared, Picture, Verdict};
pub use reach::{Isolation, reaches_out};
pub use server::leftovers;
#[cfg(test)]
pub(crate) use server::pipe;
pub(crate) use server::{drop_database, quoted};

pub(crate) use bench::Bench;
pub(crate) use picture::{Definitions, texts, unreadable};
pub(crate) use reach::unsubscribe;
pub(crate) use spool::Sink;

use crate::backup::{Data, Progress, Source};
use janitor::Janitor;
use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, RandomState},
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use windlass_driver::{Context, Failure, Fault, OnConflict, Secrets, Stopping};
use windlass_plan::{DocumentRef, PLAN_FORMAT, Plan, Release, Secret, Target, UrlKind};

/// How names of scratch databases and of their folders begin.
pub const PREFIX: &str = "windlass_copy_";

/// What is wanted.
pub struct Order<'a> {
    /// The live database; it is only read.
    pub source: &'a Source,
    /// A backup, instead of a copy made now.
    pub backup: Option<&'a Data<'a>>,
    /// Another server, by the URL of a database there that can be connected to.
    pub server: Option<&'a Source>,
    /// A server of its own, started for this from the programs of this machine.
    pub is_private: bool,
    /// At most so many rows of each table, and what foreign keys of these rows need.
    pub sample: Option<u64>,
    /// An empty database that was made like the live one, instead of a copy of it.
    pub is_empty: bool,
    /// Folder with the server's programs, if not those of the search path.
    pub tools: Option<&'a Path>,
    /// Folder on this machine for copies of SQLite files, private servers and pictures.
    pub folder: &'a Path,
    /// Progress, for people.
    pub progress: Progress<'a>,
}

/// A scratch copy. It is removed by [`Scratch::remove`], when it is dropped, and when this process dies in any way.
pub struct Scratch {
    url: String,
    kind: UrlKind,
    name: String,
    isolation: Isolation,
    notes: Vec<String>,
    bytes: u64,
    /// Newest first: a database goes before its server.
    janitors: Vec<Janitor>,
    folder: PathBuf,
}

impl Scratch {
    /// Its URL, for a target of a plan. It holds the password of the live one: not for a journal.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Name of the database, or path of the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of the live database when the copy was made.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How far it is apart from the live one.
    #[must_use]
    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// How it differs from the live one, one line each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// A folder of this machine that goes with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Everything in it as it is now: definitions and all rows.
    ///
    /// # Errors
    /// It cannot be read, or there is no room for the rows.
    pub async fn picture(&self) -> Result<Picture, Failure> {
        picture::take(self, true).await
    }

    /// The definitions alone, for copies whose rows take long to read.
    ///
    /// # Errors
    /// As for [`Scratch::picture`].
    pub async fn definitions(&self) -> Result<Picture, Failure> {
        picture::take(self, false).await
    }

    /// Watches the locks of everything that works on it, until [`LockWatch::end`].
    pub async fn watch_locks(&self) -> LockWatch {
        LockWatch::begin(self).await
    }

    pub(crate) fn kind(&self) -> UrlKind {
        self.kind
    }

    /// What the drivers' own connections need.
    pub(crate) fn context(&self) -> Context {
        context(&self.url, self.kind)
    }

    /// Removes it.
    ///
    /// # Errors
    /// What is left behind, and how to remove it by hand.
    pub fn remove(mut self) -> Result<(), Failure> {
        let mut result = Ok(());
        for janitor in std::mem::take(&mut self.janitors) {
            result = result.and(janitor.sweep());
        }
        result
    }
}

/// Makes a scratch copy. What earlier ones have left behind is removed first, and named by `progress`.
///
/// # Errors
/// There is no room, a program or a right is missing, the copy would reach out of itself. Nothing is left behind.
pub fn make(order: &Order<'_>) -> Result<Scratch, Failure> {
    std::fs::create_dir_all(order.folder)
        .map_err(|error| failed(format!("{}: {error}", order.folder.display())))?;
    file::sweep_folders(order.folder, order.progress);
    if let Some(data) = order.backup {
        data.is_of(order.source)?;
        data.undamaged()?;
    }
    let (folder, janitor) = file::folder(order.folder, &new_name(PREFIX))?;
    if order.source.kind == UrlKind::Sqlite {
        return file::make(order, folder, janitor);
    }
    if order.is_private {
        return private::make(order, folder, janitor);
    }
    server::make(order, folder, vec![janitor])
}

/// A name that nobody has, with the second of now behind `prefix`: containers have the same numbers of processes, and whoever has a
/// name drops what has it.
pub(crate) fn new_name(prefix: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    // Its keys are random bits of the system, and others each time.
    let random = RandomState::new().hash_one(std::process::id());
    format!("{prefix}{now}_{random:016x}")
}

/// What is told of something of a dead process.
fn left_behind(name: &str) -> String {
    format!("{name}, left behind by an earlier run, was removed")
}

fn failed(what: impl Into<String>) -> Failure {
    Failure::clean(Fault::Target, what)
}

/// There are none: the URL of a copy stands in no plan that is written down.
struct NoSecrets;

impl Secrets for NoSecrets {
    fn resolve(&self, _: &Secret) -> Result<String, String> {
        Err("a scratch copy has no secrets".to_owned())
    }

    fn mask(&self, text: &str) -> String {
        text.to_owned()
    }
}

/// The target's name in [`context`].
pub(crate) const TARGET: &str = "scratch copy";

pub(crate) fn context(url: &str, kind: UrlKind) -> Context {
    let target = Target::Url { url: windlass_plan::Value::Plain(url.to_owned()), kind };
    let plan = Plan {
        format: PLAN_FORMAT,
        tool: String::new(),
        release: Release::default(),
        document: DocumentRef::default(),
        targets: [(TARGET.to_owned(), target)].into(),
        claims: BTreeMap::new(),
        secrets: BTreeMap::new(),
        services: BTreeMap::new(),
        budget: Default::default(),
        steps: vec![],
        class: windlass_plan::Class::Readonly,
    };
    Context {
        plan: Arc::new(plan),
        run: "scratch".to_owned(),
        base: PathBuf::from("/"),
        workspace: PathBuf::from("/"),
        attempt: 1,
        timeout_ms: None,
        stopping: Stopping::default(),
        on_conflict: OnConflict::Keep,
        secrets: Arc::new(NoSecrets),
        output: Arc::new(|_| ()),
        facts: Arc::new(BTreeMap::new()),
    }
}
