//! The hash chain: each entry's hash covers the one before, so that a changed, missing or reordered entry shows.

use crate::{Entry, Event, RunId, StoreError};
use sha2::{Digest, Sha256};

/// An entry that has no place in the chain yet.
#[derive(Clone, Debug)]
pub struct Unlinked {
    /// Writer's clock, milliseconds since 1970.
    pub time_ms: i64,
    /// Run.
    pub run: RunId,
    /// Who.
    pub actor: String,
    /// What.
    pub event: Event,
}

/// Puts `entry` at `seq` behind the entry whose hash is `previous`. Returns it with the JSON that was hashed.
#[must_use]
pub fn link(seq: u64, token: u64, previous: &str, entry: Unlinked) -> (Entry, String) {
    let json = serde_json::to_string(&entry.event).expect("events have only string keys and finite numbers");
    let hash = hash(previous, seq, entry.time_ms, &entry.run, &entry.actor, token, &json);
    let Unlinked { time_ms, run, actor, event } = entry;
    (Entry { seq, time_ms, run, actor, token, event, previous: previous.to_owned(), hash }, json)
}

/// SHA-256 over the fields, each preceded by its length so that no two entries share an encoding.
pub(crate) fn hash(
    previous: &str,
    seq: u64,
    time_ms: i64,
    run: &RunId,
    actor: &str,
    token: u64,
    event_json: &str,
) -> String {
    let mut sha = Sha256::new();
    for field in
        [previous, &seq.to_string(), &time_ms.to_string(), &run.0, actor, &token.to_string(), event_json]
    {
        sha.update((field.len() as u64).to_le_bytes());
        sha.update(field.as_bytes());
    }
    let digit = |value: u8| char::from_digit(value.into(), 16).expect("half a byte is a hexadecimal digit");
    sha.finalize().iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Checks that `entries` are an unbroken piece of the chain that begins behind (`seq`, `previous`).
///
/// # Errors
/// [`StoreError::Broken`] with the first entry that does not fit.
pub fn verify(mut seq: u64, mut previous: String, entries: &[Entry]) -> Result<(), StoreError> {
    for entry in entries {
        let json =
            serde_json::to_string(&entry.event).expect("events have only string keys and finite numbers");
        let expected =
            hash(&previous, entry.seq, entry.time_ms, &entry.run, &entry.actor, entry.token, &json);
        if entry.seq != seq + 1 || entry.previous != previous || entry.hash != expected {
            return Err(StoreError::Broken {
                seq: entry.seq,
                why: "its hash does not follow from the entry before".into(),
            });
        }
        seq = entry.seq;
        previous.clone_from(&entry.hash);
    }
    Ok(())
}
