//! The compiled plan. These types are the plan's JSON: a change of their shape is a change of `PLAN_FORMAT`.

mod action;
mod service;
mod step;
mod target;

pub use action::*;
pub use service::*;
pub use step::*;
pub use target::*;

use crate::{Budget, Endpoint};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use windlass_document::{Kind, Urgency};

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
