//! Objects as listings have them, and what is to be done with them.

use serde::{Deserialize, Serialize};

/// One line of a listing: an object of a bucket, or a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// In a bucket the whole key. Of a file the path relative to the root of its listing, with `/`. Listings are in the
    /// order of the bytes of this text; that of a folder is so when it sorts the name of a folder with `/` behind it.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// When it was changed: microseconds since 1970, the resolution in which aws-cli compares.
    pub modified_us: i64,
    /// As the server gave it, with its quotes taken off; none of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Its version, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Storage class as the server calls it; none: `STANDARD`, a file, or an archived object of which a HEAD says that it
    /// is restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
}

/// What a line does with one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// Copy [`Entry::from`] to [`Entry::to`]; a move deletes `from` afterwards.
    Copy,
    /// Delete what stands at [`Entry::to`].
    Delete,
    /// Nothing: the destination has it already (`sync` only).
    Stay,
    /// Nothing, although the line means it. aws-cli warns and ends with status 2.
    Skip(Skip),
}

/// Why an object that is meant is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Skip {
    /// It is in an archive (`GLACIER`, `DEEP_ARCHIVE`) and has to be restored first; no failure with
    /// `--ignore-glacier-warnings`.
    Archived,
    /// Its key would lead out of the folder (`../`).
    Parent,
}

/// One object of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What is done with it.
    pub work: Work,
    /// The object at the source; none for [`Work::Delete`].
    pub from: Option<Object>,
    /// The whole key at the destination, or the absolute path of the file there; for [`Work::Delete`] what is deleted.
    pub to: String,
    /// What stands at [`Entry::to`] now, also where a filter hides it from aws-cli, which then overwrites it.
    pub there: Option<Object>,
}
