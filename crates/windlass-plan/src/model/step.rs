//! Steps, their units, and the way back from them.

use super::Action;
use serde::{Deserialize, Serialize};
use std::fmt;
use windlass_document::Serial;

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
