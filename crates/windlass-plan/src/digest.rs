//! The plan's digest: SHA-256 of its canonical JSON.

use crate::{Action, Plan};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// A SHA-256 in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest(pub String);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let hash = Sha256::digest(bytes);
        Self(hash.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The first twelve digits: enough for people, never for a decision.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The canonical JSON of a plan: keys in byte order at every level, no white space, no floating point.
#[must_use]
pub fn canonical_json(plan: &Plan) -> String {
    let value = serde_json::to_value(plan).expect("a plan has only string keys and finite numbers");
    sorted(value).to_string()
}

/// Rebuilds objects with sorted keys, so that the order does not depend on a feature of serde_json.
fn sorted(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(map) => {
            let mut pairs: Vec<_> = map.into_iter().collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            serde_json::Value::Object(pairs.into_iter().map(|(k, v)| (k, sorted(v))).collect())
        }
        serde_json::Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

impl Plan {
    /// What a release says wherever it is done: its document, and the statements that come from files. The plans of one
    /// document for two environments differ in targets, hosts and services; this they have in common.
    #[must_use]
    pub fn content(&self) -> Digest {
        let statements = self.units().filter_map(|(step, unit)| match &unit.action {
            Action::Sql { statement, data, from: Some(_), .. } => Some((&step.id, statement, data)),
            _ => None,
        });
        let content = (&self.document.sha256, statements.collect::<Vec<_>>());
        let json = serde_json::to_vec(&content).expect("texts are always JSON");
        Digest::of(&json)
    }

    /// The plan's digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(canonical_json(self).as_bytes())
    }
}
