//! Rehearsals as they are kept: the newest of each document, in `.windlass/rehearsals`.

use crate::{disk, exit::Failure, journal, project::Place};
use std::path::{Path, PathBuf};
use windlass_plan::Digest;
use windlass_report::{REHEARSAL_FORMAT, Rehearsal};

/// One document, one file; two documents of the same name in different folders have two.
fn path(place: &Place, document: &Path) -> PathBuf {
    let full = document.canonicalize().unwrap_or_else(|_| document.to_owned());
    let relative = full.strip_prefix(&place.base).unwrap_or(&full);
    let digest = Digest::of(relative.to_string_lossy().as_bytes());
    place.state().join("rehearsals").join(format!("{}.json", digest.short()))
}

/// Keeps it in the place of the one before; a crash leaves either.
pub fn save(place: &Place, document: &Path, rehearsal: &Rehearsal) -> Result<(), Failure> {
    journal::make_state(place)?;
    let path = path(place, document);
    let text = serde_json::to_vec_pretty(rehearsal).expect("names and numbers only");
    let write = || {
        std::fs::create_dir_all(path.parent().unwrap_or(&place.base))?;
        disk::replace(&path, &text)
    };
    write().map_err(|error| {
        Failure::refused(format!("the rehearsal cannot be kept: {}: {error}", path.display()))
    })
}

/// The newest of a document; `None`: there is none, or none that this version can read.
pub fn load(place: &Place, document: &Path) -> Option<Rehearsal> {
    let text = std::fs::read(path(place, document)).ok()?;
    let rehearsal: Rehearsal = serde_json::from_slice(&text).ok()?;
    (rehearsal.format == REHEARSAL_FORMAT).then_some(rehearsal)
}
