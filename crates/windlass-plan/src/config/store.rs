//! `[target.NAME]` with `url = "s3://BUCKET"`: an object store.

use super::read::Section;
use crate::{Store, Target};

/// Keys that only a store has.
pub(super) const KEYS: &[&str] = &["region", "endpoint", "profile", "path_style", "hold"];

/// Keys that a store does not have.
const OTHERS: &[&str] = &["kind", "batch", "backup"];

/// Whether the `url` of a target leads to a store.
pub(super) fn is_store(url: &str) -> bool {
    url.starts_with("s3:")
}

/// Reads a target whose `url` is `text`.
pub(super) fn read(section: &Section<'_, '_, '_>, text: &str) -> Option<Target> {
    for key in OTHERS.iter().filter(|key| section.item(key).is_some()) {
        let message = format!("{} is an object store and has `{key}`", section.name());
        let help = match *key {
            "kind" => "the `url` is not of another kind than it says: take `kind` out",
            _ => "it is for databases: take it out",
        };
        section.error("config-conflict", key, message, help);
    }
    let Some(bucket) = bucket(text) else {
        let message = format!("the `url` of {} is not just a bucket", section.name());
        section.error(
            "config-value",
            "url",
            message,
            "write `s3://BUCKET`; the lines say what in it is meant",
        );
        return None;
    };
    let endpoint = section.text("endpoint");
    if endpoint.as_deref().is_some_and(|url| !is_endpoint(url)) {
        let message = format!("`endpoint` of {} is not the URL of a server", section.name());
        section.error(
            "config-value",
            "endpoint",
            message,
            "write `https://HOST` or `http://HOST:PORT`, without a path",
        );
    }
    let hold = section.text("hold");
    if hold.as_deref().is_some_and(|hold| !hold.ends_with('/') || hold.starts_with('/')) {
        let message = format!("`hold` of {} is not a prefix of its own", section.name());
        let help = "write `windlass-hold/`: with `/` at its end, and not in front";
        section.error("config-value", "hold", message, help);
    }
    Some(Target::Store(Store {
        bucket: bucket.to_owned(),
        region: section.text("region"),
        endpoint,
        profile: section.text("profile"),
        path_style: section.flag("path_style"),
        hold,
    }))
}

/// The store's keys at a target that is none.
pub(super) fn misplaced(section: &Section<'_, '_, '_>) {
    for key in KEYS.iter().filter(|key| section.item(key).is_some()) {
        let message = format!("{} has `{key}` and is no object store", section.name());
        let help = "it belongs to a target with `url = \"s3://BUCKET\"`; that URL is no secret";
        section.error("config-conflict", key, message, help);
    }
}

fn bucket(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("s3://")?;
    let name = rest.strip_suffix('/').unwrap_or(rest);
    is_bucket(name).then_some(name)
}

/// Whether a text can be the name of a bucket.
pub(super) fn is_bucket(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=255).contains(&name.len()) && name.chars().all(plain)
}

fn is_endpoint(url: &str) -> bool {
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    host.is_some_and(|host| {
        let host = host.strip_suffix('/').unwrap_or(host);
        !host.is_empty() && !host.contains(['/', '?', '#', '@']) && host.chars().all(|c| c.is_ascii_graphic())
    })
}
