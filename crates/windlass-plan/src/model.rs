//! The compiled plan. These types are the plan's JSON: a change of their shape is a change of `PLAN_FORMAT`.

use crate::{Batch, Budget, Canary, ComposeLine, Endpoint, GitLine, InstallLine, Watching};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};
use windlass_document::{Kind, Serial, Urgency, http::HttpCheck};
use windlass_objects::ObjectLine;

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
    /// What lifted lines say of where a database is that only a secret URL tells, by target: compared when it is known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, BTreeSet<Endpoint>>,
    /// Services that steps use, by name.
    pub services: BTreeMap<String, Service>,
    /// Where the secrets are that statements refer to, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, Secret>,
    /// What the policy lets a release cost; the document's own bound is in `release`.
    #[serde(default, skip_serializing_if = "Budget::is_empty")]
    pub budget: Budget,
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
        /// Working folder; relative to the folder of `windlass.toml`, on other hosts to the home folder of the user there.
        dir: Option<String>,
        /// `ssh -F`, relative to the folder of `windlass.toml`; none: the configuration of the user who runs Windlass.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ssh_config: Option<String>,
    },
    /// A database by URL.
    Url {
        /// The URL, or where it is.
        url: Value,
        /// What kind, from the URL's scheme or, for a secret, from `kind=`.
        kind: UrlKind,
    },
    /// A bucket of an object store.
    Store(Store),
}

/// A bucket, and how it is reached. Credentials are found as AWS's SDKs find them, and are nowhere in a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// Its name.
    pub bucket: String,
    /// Region; none: as the SDKs find it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// URL of a server that speaks S3; none: AWS, or what the SDKs find.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Profile of the AWS configuration; none: as the SDKs find it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Whether the bucket stands in the path of a URL and not in its host name; none: it does with an `endpoint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_style: Option<bool>,
    /// Prefix, with `/` at its end, under which objects are set aside that a step overwrites or deletes; none: only
    /// versions of the bucket keep them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
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
    /// The steps of the strategy `canary`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Box<Canary>>,
    /// Proxy in front.
    pub proxy: Option<ProxyFront>,
    /// Health must stay green this long, milliseconds.
    pub stable_ms: u64,
    /// Health must be green within this time, milliseconds.
    pub start_within_ms: u64,
    /// Time between SIGTERM and SIGKILL, milliseconds.
    pub stop_within_ms: u64,
    /// Databases that it works with; `None`: it is not said, so it may be any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<Vec<String>>,
    /// URL that is asked during a run to see whether users reach it; `None`: as the rest of it says (`Plan::probed`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
}

impl Service {
    /// Whether something in front of it holds requests while it is away, and counts them.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.proxy.as_ref().is_some_and(|proxy| proxy.server.is_none())
    }

    /// Whether it may work with the database `target`.
    #[must_use]
    pub fn may_use(&self, target: &str) -> bool {
        self.uses.as_ref().is_none_or(|uses| uses.iter().any(|used| used == target))
    }
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
    /// Address and port that clients use; empty where a server of the team's own stands in front.
    pub listen: String,
    /// How long a request may be held, milliseconds.
    pub hold_ms: u64,
    /// How long old connections may finish, milliseconds.
    pub drain_ms: u64,
    /// The server that the team runs already, instead of the built-in proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Box<FrontServer>>,
}

impl ProxyFront {
    /// What people know it by: its address, or the server's name and file.
    #[must_use]
    pub fn title(&self) -> String {
        self.server
            .as_ref()
            .map_or_else(|| self.listen.clone(), |server| format!("{} ({})", server.kind.name(), server.file))
    }

    /// What requests meet while the service is away.
    #[must_use]
    pub fn meanwhile(&self) -> String {
        match &self.server {
            None => format!("are held up to {} ms", self.hold_ms),
            Some(server) => format!("are answered 503 by {}, which cannot hold them", server.kind.name()),
        }
    }
}

/// A web server or load balancer that the team runs, of whose configuration a marked part is Windlass's to write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontServer {
    /// Which.
    pub kind: FrontKind,
    /// The configuration file with the marks.
    pub file: String,
    /// The program with the options that it was started with; it is run with `-t` and `-s reload` (nginx) or `-c` (HAProxy) behind them.
    pub command: Vec<String>,
    /// What has it read its configuration again, if not `command`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reload: Vec<String>,
    /// A file that is shown while the service is in maintenance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
}

/// A kind of server that Windlass can have switch requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FrontKind {
    /// nginx, 1.9 or later.
    Nginx,
    /// HAProxy, 2.2 or later.
    Haproxy,
}

impl FrontKind {
    /// As it calls itself.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
        }
    }
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
    /// Target it runs on; empty in plans of older versions: that of the step that it undoes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub on: String,
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
    /// Units of systemd.
    Systemd,
    /// Lines of docker compose.
    Compose,
    /// Object stores.
    S3,
    /// Lines of git.
    Git,
    /// Dependencies by pip and npm.
    Install,
    /// HTTP checks.
    Http,
    /// What is watched behind a release.
    Watch,
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
        /// The database target whose URL it is handed as `DATABASE_URL`; what it changes there is recorded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        database: Option<String>,
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
        /// Its rows are changed in batches (`batch=`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        batch: Option<Box<Batch>>,
        /// Where it stands, when it comes from a file; the unit's own place is then where the document names the file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<FilePlace>,
        /// Which client program of its step would have sent it, from 1, when its line was lifted: what one of them sets of
        /// the session is not so for the next.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<usize>,
    },
    /// `sqlite3 DB ".backup FILE"`, `mysqldump DB > FILE` and their like.
    Backup {
        /// Target name.
        target: String,
        /// File to write.
        file: String,
        /// Working folder that `file` is relative to.
        dir: Option<String>,
        /// The program that writes it; SQLite needs none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dump: Option<Dump>,
    },
    /// Stop, start or restart a service.
    Service {
        /// Its name.
        service: String,
        /// What to do.
        operation: ServiceOperation,
    },
    /// `systemctl VERB UNIT`.
    Systemd {
        /// What to do.
        verb: SystemdVerb,
        /// Name of the unit with its suffix; empty for what concerns all of them.
        name: String,
        /// With `sudo`.
        #[serde(default, skip_serializing_if = "is_false")]
        sudo: bool,
        /// `--user`: the units of the user's own manager.
        #[serde(default, skip_serializing_if = "is_false")]
        user: bool,
    },
    /// `docker compose pull|up|down|stop|start|restart`.
    Compose(ComposeLine),
    /// `aws s3 sync|cp|mv|rm`, on stores that are targets. What the line leaves out of region, endpoint and profile, its
    /// stores say. Unless nobody is to undo it, nothing is overwritten or deleted that neither `hold` nor a version keeps.
    Objects {
        /// The line.
        line: Box<ObjectLine>,
        /// Working folder that local paths are relative to.
        dir: Option<String>,
        /// The target that its source is in; none: this machine.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        /// The target that its destination is in; none: this machine, or `rm`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// `git fetch|pull|checkout|reset --hard`, `git submodule update`.
    Git(GitLine),
    /// `pip install -r`, `npm ci`.
    Install(InstallLine),
    /// Check by HTTP.
    Http {
        /// The check.
        check: HttpCheck,
    },
    /// Measure before a release, or watch behind it.
    Watch(Box<Watching>),
    /// Ask a person.
    Gate {
        /// What to confirm.
        text: String,
    },
}

/// A program that writes a dump to its standard output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dump {
    /// `pg_dump`, `mysqldump`, `mariadb-dump`.
    pub program: String,
    /// Its arguments, but those that say which server and how to get in: the target says that.
    pub arguments: Vec<String>,
    /// A program with its arguments that the dump goes through on its way to the file, such as `gzip`; empty: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub through: Vec<String>,
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

/// `file:line:column`
impl std::fmt::Display for FilePlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// What to do with a unit of systemd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SystemdVerb {
    /// Start it, and see that it stays.
    Start,
    /// Stop it.
    Stop,
    /// Stop and start it.
    Restart,
    /// Have it read its configuration again.
    Reload,
    /// Start it with the machine.
    Enable,
    /// Do not start it with the machine.
    Disable,
    /// Read the files of all units again.
    DaemonReload,
    /// Nothing on the way there. At the end of the way back it runs on what is then there: it is restarted, reloaded, or the
    /// files of all units are read again, if the release did so.
    Keep,
}

impl SystemdVerb {
    /// The word of `systemctl`; of [`SystemdVerb::Keep`], which it has not, a word for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Reload => "reload",
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::DaemonReload => "daemon-reload",
            Self::Keep => "keep",
        }
    }
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
    /// Nothing on the way there. At the end of the way back what runs is started again on what is then there, if the release
    /// has started it.
    Keep,
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

    /// Those in front of a unit.
    pub fn before<'a>(&'a self, id: &'a UnitId) -> impl Iterator<Item = (&'a Step, &'a Unit)> {
        self.units().take_while(move |(_, unit)| unit.id != *id)
    }

    /// Those behind a unit.
    pub fn behind<'a>(&'a self, id: &'a UnitId) -> impl Iterator<Item = (&'a Step, &'a Unit)> {
        self.units().skip_while(move |(_, unit)| unit.id != *id).skip(1)
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
