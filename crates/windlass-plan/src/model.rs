//! The compiled plan. These types are the plan's JSON: a change of their shape is a change of `PLAN_FORMAT`.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};
use windlass_document::{Kind, Serial, Urgency, http::HttpCheck};

/// Version of the plan's JSON. A newer one is refused, never guessed at.
pub const PLAN_FORMAT: u32 = 1;

/// A compiled plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// `PLAN_FORMAT`.
    pub format: u32,
    /// Version of the tool that compiled it.
    pub tool: String,
    /// Header of the document.
    pub release: Release,
    /// The document it was compiled from.
    pub document: DocumentRef,
    /// Targets that steps use, by name. Secrets are references, never values.
    pub targets: BTreeMap<String, Target>,
    /// Services that steps use, by name.
    pub services: BTreeMap<String, Service>,
    /// Steps in order of execution.
    pub steps: Vec<Step>,
    /// Class of the release: the worst of its steps.
    pub class: Class,
}

/// Header of the release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Version to release.
    pub version: String,
    /// Title of the document.
    pub title: Option<String>,
    /// Version before.
    pub from: Option<String>,
    /// Environment.
    pub env: Option<String>,
    /// Kind of change.
    pub kind: Option<Kind>,
    /// Urgency.
    pub severity: Option<Urgency>,
    /// Downtime budget, milliseconds.
    pub downtime_ms: Option<u64>,
    /// Ticket.
    pub ticket: Option<String>,
}

/// The document a plan was compiled from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentRef {
    /// File name without folders (folders differ between machines).
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

/// Where a value comes from when it must not be written down.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Secret {
    /// An environment variable of the controller.
    Env(String),
    /// A file; one line end at its end is taken off.
    File(String),
    /// Standard output of a command; one line end is taken off.
    Command(String),
}

/// A value that is either written in the configuration or a secret reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Value {
    /// Written in the configuration; not secret.
    Plain(String),
    /// To be resolved at use.
    Secret(Secret),
}

/// What steps run on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Hosts, or this machine.
    Hosts {
        /// `user@host`; empty: this machine.
        hosts: Vec<String>,
        /// Working folder; relative to the folder of `windlass.toml`.
        dir: Option<String>,
    },
    /// A database or store by URL.
    Url {
        /// The URL, or where it is.
        url: Value,
        /// What kind, from the URL's scheme or, for a secret, from `kind=`.
        kind: UrlKind,
    },
}

/// Kind of a URL target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UrlKind {
    /// `sqlite:`
    Sqlite,
    /// `postgres://`
    Postgresql,
    /// `mysql://`
    Mysql,
    /// `s3://`
    S3,
}

/// A service as configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Target it runs on.
    pub on: String,
    /// What runs it.
    pub runner: Runner,
    /// Health URL; `{port}` stands for the port of the instance.
    pub health: Option<String>,
    /// How it is replaced.
    pub strategy: Strategy,
    /// Proxy in front.
    pub proxy: Option<ProxyFront>,
    /// Health must stay green this long, milliseconds.
    pub stable_ms: u64,
    /// Health must be green within this time, milliseconds.
    pub start_within_ms: u64,
    /// Time between SIGTERM and SIGKILL, milliseconds.
    pub stop_within_ms: u64,
}

/// What runs a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Runner {
    /// A plain process: program and arguments; `{port}` stands for the port of the instance.
    Run(Vec<String>),
    /// A compose file.
    Compose(String),
    /// A systemd unit.
    Systemd(String),
}

/// How a service is replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Stop, then start.
    #[default]
    Recreate,
    /// Host by host.
    Rolling,
    /// Start beside, switch, drain, stop.
    Bluegreen,
    /// A part of the traffic first.
    Canary,
}

/// The proxy in front of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyFront {
    /// Address and port that clients use.
    pub listen: String,
    /// How long a request may be held, milliseconds.
    pub hold_ms: u64,
    /// How long old connections may finish, milliseconds.
    pub drain_ms: u64,
}

/// The way back from a step or unit, best first; the worst of several is the maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Changes nothing, so there is nothing to undo.
    #[default]
    Readonly,
    /// Everything comes back.
    Exact,
    /// The change is taken back, but something written since is lost or stays.
    Lossy,
    /// Only from a backup: what was written since the backup is lost, so it is refused when there is any.
    Restore,
    /// No way back.
    None,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Readonly => "readonly",
            Self::Exact => "exact",
            Self::Lossy => "lossy",
            Self::Restore => "restore",
            Self::None => "none",
        })
    }
}

/// Identifier of a step, unique in its plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepId(pub String);

/// Identifier of a unit: `step/N` or `step/N@host`, unique in its plan; N counts from 1 within the step and host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UnitId(pub String);

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for UnitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A step: one executable fence, or one gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its id.
    pub id: StepId,
    /// Text of the heading it stands under.
    pub stage: Option<String>,
    /// Text of the gate that it ticks, when it is nested in one.
    pub gate: Option<String>,
    /// Line of the document, from 1.
    pub line: usize,
    /// Target name; empty for a gate, and for an HTTP check that names none (it runs on this machine).
    pub on: String,
    /// Class: the worst of its units, or that of its hand-written undo.
    pub class: Class,
    /// Units in order. Units of different hosts run side by side, those of one host one after another.
    pub units: Vec<Unit>,
    /// Hand-written undo (`undoes=`).
    pub undo: Option<UndoScript>,
    /// Hosts at a time; `None`: all (bounded by the engine).
    pub serial: Option<Serial>,
    /// Runs no sooner than this after the run began, milliseconds (`after=`).
    pub after_ms: Option<u64>,
    /// The document promises that version `from` keeps working while and after it runs (`online`).
    pub online: bool,
    /// The idempotent step whose units this one repeats under its own id (`again=`).
    pub again: Option<StepId>,
}

/// The hand-written undo of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndoScript {
    /// Id of the fence.
    pub id: StepId,
    /// Its units, run in order.
    pub units: Vec<Unit>,
    /// Whether it may be used when only some units of the step were applied. If not, the units are undone one by
    /// one where their driver can, and the run needs a person where it cannot.
    pub partial: bool,
}

/// The smallest journaled piece of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// Its id.
    pub id: UnitId,
    /// Host it runs on: `local` or as configured.
    pub host: String,
    /// Driver that runs it. The lines of one shell fence may be of several drivers.
    pub driver: DriverKind,
    /// Line of the document, from 1.
    pub line: usize,
    /// Column of the document, from 1.
    pub column: usize,
    /// What to do.
    pub action: Action,
    /// What will change, in words, from the text alone.
    pub effect: String,
    /// How it is undone.
    pub undo: Undo,
    /// A single try may take this long, milliseconds.
    pub timeout_ms: Option<u64>,
    /// Failed tries that are safe to repeat are repeated until this much time has passed, milliseconds.
    pub within_ms: Option<u64>,
}

/// How a unit is undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    /// Its class.
    pub class: Class,
    /// In words, shown before anything runs.
    pub how: String,
    /// Who does it.
    pub by: UndoBy,
}

/// Who undoes a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UndoBy {
    /// Nothing to undo.
    Nothing,
    /// Its driver, from the capsule.
    Driver,
    /// Its driver, from the backup that this unit of the same run made.
    Backup(UnitId),
    /// The step's hand-written undo only.
    Script,
    /// Nobody can; said before it runs.
    Nobody,
}

/// Which way a unit is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// Doing it.
    Forward,
    /// Taking it back.
    Undo,
}

/// Drivers by name; one unit is of one driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DriverKind {
    /// Opaque and read-only shell lines.
    Shell,
    /// File edits and lifted file commands.
    Files,
    /// SQLite statements and backups.
    Sqlite,
    /// PostgreSQL statements and backups.
    Postgres,
    /// Statements and backups of MySQL and MariaDB.
    Mysql,
    /// Services.
    Service,
    /// HTTP checks.
    Http,
    /// Gates: confirmed by a person.
    Gate,
}

/// What a unit does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Action {
    /// Run shell text with `/bin/sh`.
    Shell {
        /// The text as written.
        script: String,
        /// Working folder, relative to the folder of `windlass.toml`.
        dir: Option<String>,
        /// It changes nothing: it may be repeated, and needs no undo.
        readonly: bool,
    },
    /// Edit a file.
    Patch {
        /// Path, relative to the target's folder.
        file: String,
        /// Working folder of the target.
        dir: Option<String>,
        /// Edits in order.
        edits: Vec<LineEdit>,
    },
    /// `cp FROM TO`.
    Copy {
        /// Source.
        from: String,
        /// Destination; a folder that exists receives the file inside, and `/` at its end says that it has to be one.
        to: String,
        /// Working folder.
        dir: Option<String>,
        /// `-r`, `-R`, `-a`.
        recursive: bool,
        /// `-p`, `-a`: keep mode, owner and times.
        preserve: bool,
    },
    /// `mv FROM TO`.
    Move {
        /// Source.
        from: String,
        /// Destination; a folder that exists receives the file inside, and `/` at its end says that it has to be one.
        to: String,
        /// Working folder.
        dir: Option<String>,
    },
    /// `rm PATH…`: set aside, so that it can come back.
    Remove {
        /// Path.
        path: String,
        /// Working folder.
        dir: Option<String>,
        /// `-r`: folders too.
        recursive: bool,
        /// `-f`: nothing there is fine.
        force: bool,
    },
    /// `mkdir PATH`.
    MakeDir {
        /// Path.
        path: String,
        /// Working folder.
        dir: Option<String>,
        /// `-p`.
        parents: bool,
    },
    /// One SQL statement.
    Sql {
        /// Target name.
        target: String,
        /// The statement without its terminator.
        statement: String,
        /// Expected number of changed rows; of a query, of returned rows.
        rows: Option<u64>,
        /// It sets something of the session: it is repeated before each later statement of its step, and of no other.
        #[serde(default, skip_serializing_if = "is_false")]
        session: bool,
        /// Lines behind `COPY … FROM stdin`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<String>,
        /// Rows at a time (`batch=`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        batch: Option<u64>,
        /// Where it stands, when it comes from a file of `files=`; the unit's own place is that of `files=` then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<FilePlace>,
    },
    /// `sqlite3 DB ".backup FILE"`.
    Backup {
        /// Target name.
        target: String,
        /// File to write.
        file: String,
        /// Working folder that `file` is relative to.
        dir: Option<String>,
    },
    /// Stop, start or restart a service.
    Service {
        /// Its name.
        service: String,
        /// What to do.
        operation: ServiceOperation,
    },
    /// Check by HTTP.
    Http {
        /// The check.
        check: HttpCheck,
    },
    /// Ask a person.
    Gate {
        /// What to confirm.
        text: String,
    },
}

/// A place in a file that statements come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilePlace {
    /// Its path, relative to the folder of `windlass.toml`.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// What to do with a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceOperation {
    /// Hold requests, then stop.
    Stop,
    /// Start, wait for health, let requests through.
    Start,
    /// Replace by the service's strategy.
    Restart,
}

/// One edit of a file; see `windlass_document::diff::Edit`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineEdit {
    /// Context before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// Lines out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// Lines in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<String>,
    /// Context after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
}

impl Plan {
    /// All units that run forward, in plan order, each with its step.
    pub fn units(&self) -> impl Iterator<Item = (&Step, &Unit)> {
        self.steps.iter().flat_map(|step| step.units.iter().map(move |unit| (step, unit)))
    }

    /// A unit by id, hand-written undo units included.
    #[must_use]
    pub fn unit(&self, id: &UnitId) -> Option<(&Step, &Unit)> {
        self.steps.iter().find_map(|step| {
            let undo = step.undo.iter().flat_map(|script| &script.units);
            step.units.iter().chain(undo).find(|unit| unit.id == *id).map(|unit| (step, unit))
        })
    }
}
