//! Object stores that speak S3.
//!
//! What a line of `aws s3` means is frozen in a [`Manifest`], one SQLite file, before the first write; after that no listing
//! decides anything. [`run`] does it, [`back`] takes it back; each may be killed at any instruction and be called again.
//! A listing is looked at while writing only to see that an object is still the one that was frozen.
//!
//! The environment of the process is never read here: [`Settings`] has what AWS's tools would find in it.

#![deny(missing_docs)]

mod attributes;
mod back;
mod behind;
mod client;
mod credentials;
mod delete;
mod encode;
mod error;
mod findings;
mod freeze;
mod http;
mod late;
mod listing;
mod local;
mod manifest;
mod pace;
mod parts;
mod run;
mod settings;
mod sign;
mod stream;
mod sums;
mod transfer;
mod xml;

pub use back::{Conflicts, back};
pub use client::{Begun, Client, Copy, Deleted, Head, Layer, Over, Page, Part, Versioning, Written};
pub use error::{Error, Kind};
pub use freeze::{Freeze, freeze, preview};
pub use listing::{Listing, list};
pub use manifest::{Count, Head as ManifestHead, Item, Manifest, State, Totals, Writer};
pub use run::{Watch, is_stopped, run};
pub use settings::Settings;
pub use stream::{Download, Upload};

/// Whoever runs these on several threads needs them to be so.
#[cfg(test)]
fn _all_are_send<'a>(client: &'a Client, manifest: &'a Manifest, how: &'a Freeze) {
    fn is_send<T: Send>(_: T) {}
    let (line, scene) = (&manifest.head().line, &windlass_objects::Scene::default());
    is_send(run(client, manifest, &()));
    is_send(back(client, manifest, &(), Conflicts::Keep));
    is_send(freeze(client, line, scene, how));
}
