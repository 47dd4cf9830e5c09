//! Faults on demand: fail, fail-undo, repeat, crash-before, crash-after any unit by name. A feature of the product
//! (`--fault`, `windlass rehearse`) and the tool of its tests.

use async_trait::async_trait;
use std::{fmt, str::FromStr, sync::Mutex};
use windlass_plan::{UnitId, Way};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The unit fails cleanly instead of being applied.
    Fail,
    /// Its undo fails cleanly instead of being done.
    FailUndo,
    /// It is applied twice in a row: what must be repeatable is repeated.
    Repeat,
    /// The controller dies between intent and act.
    CrashBefore,
    /// The controller dies between act and settlement.
    CrashAfter,
}

const NAMES: [(FaultKind, &str); 5] = [
    (FaultKind::Fail, "fail"),
    (FaultKind::FailUndo, "fail-undo"),
    (FaultKind::Repeat, "repeat"),
    (FaultKind::CrashBefore, "crash-before"),
    (FaultKind::CrashAfter, "crash-after"),
];

/// A fault at a unit; happens once. Written `crash-after:migrate/2`, or `crash-after:undo:migrate/2` for the way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// Which way the unit goes when it happens.
    pub way: Way,
    /// Where.
    pub unit: UnitId,
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            let names: Vec<_> = NAMES.iter().map(|(_, name)| *name).collect();
            format!("`{text}` is not a fault: write KIND:UNIT with KIND one of {}", names.join(", "))
        };
        let (name, rest) = text.split_once(':').ok_or_else(wrong)?;
        let kind = NAMES.iter().find(|(_, n)| *n == name).map(|(kind, _)| *kind).ok_or_else(wrong)?;
        let (undo, unit) = rest.strip_prefix("undo:").map_or((false, rest), |unit| (true, unit));
        if unit.is_empty() {
            return Err(wrong());
        }
        let (kind, way) = match (kind, undo) {
            // Two ways to say the same; only one of them strikes.
            (FaultKind::Fail, true) | (FaultKind::FailUndo, _) => (FaultKind::FailUndo, Way::Undo),
            (kind, true) => (kind, Way::Undo),
            (kind, false) => (kind, Way::Forward),
        };
        Ok(Self { kind, way, unit: UnitId(unit.to_owned()) })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(kind, _)| *kind == self.kind).map_or("", |(_, name)| name);
        let undo = if self.way == Way::Undo && self.kind != FaultKind::FailUndo { "undo:" } else { "" };
        write!(f, "{name}:{undo}{}", self.unit)
    }
}

/// Faults that have not happened yet.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    /// These faults.
    #[must_use]
    pub fn new(faults: Vec<Fault>) -> Self {
        Self(Mutex::new(faults))
    }

    /// Whether any is about the unit.
    pub(crate) fn concern(&self, unit: &UnitId) -> bool {
        self.0.lock().expect("no code panics while it holds the faults").iter().any(|f| f.unit == *unit)
    }

    /// Whether the fault happens now; then it will not happen again.
    pub(crate) fn strike(&self, kind: FaultKind, way: Way, unit: &UnitId) -> bool {
        let mut faults = self.0.lock().expect("no code panics while it holds the faults");
        let at = faults.iter().position(|f| f.kind == kind && f.way == way && f.unit == *unit);
        at.is_some_and(|at| {
            faults.remove(at);
            true
        })
    }
}

/// Kills the controller: the process itself in the binary, the simulated one in the simulator.
#[async_trait]
pub trait Crash: Send + Sync {
    /// Does not return.
    async fn crash(&self);
}

/// For controllers without crash faults.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCrash;

#[async_trait]
impl Crash for NoCrash {
    async fn crash(&self) {}
}
