//! A line as it is understood. These types are a part of the plan's JSON.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// What a line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// `sync`: copy what the destination lacks or has otherwise; with `--delete` also delete what the source lacks.
    Sync,
    /// `cp`.
    Copy,
    /// `mv`: copy, then delete the source.
    Move,
    /// `rm`.
    Remove,
}

impl Verb {
    /// The word of aws-cli.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Copy => "cp",
            Self::Move => "mv",
            Self::Remove => "rm",
        }
    }
}

/// Where objects are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// `s3://BUCKET/KEY`.
    S3 {
        /// Name of the bucket, never empty.
        bucket: String,
        /// As written behind the bucket and one `/`; may be empty, and may end with `/`.
        key: String,
    },
    /// A file or folder.
    Local {
        /// As written.
        path: String,
    },
}

impl Place {
    /// Its bucket, if it is in one.
    #[must_use]
    pub fn bucket(&self) -> Option<&str> {
        match self {
            Self::S3 { bucket, .. } => Some(bucket),
            Self::Local { .. } => None,
        }
    }

    /// Whether it is in a bucket.
    #[must_use]
    pub fn is_s3(&self) -> bool {
        self.bucket().is_some()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { bucket, key } => write!(f, "s3://{bucket}/{key}"),
            Self::Local { path } => f.write_str(path),
        }
    }
}

/// `--include PATTERN` or `--exclude PATTERN`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Whether it includes what it matches; otherwise it excludes that.
    pub include: bool,
    /// As written: relative to the roots of source and destination.
    pub pattern: String,
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.include { "--include" } else { "--exclude" };
        write!(f, "{name} \"{}\"", self.pattern)
    }
}

/// Options of a line. Options that only change what is printed are not here; one that is not understood is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// `--recursive`; `sync` is recursive without it.
    #[serde(skip_serializing_if = "is_default")]
    pub recursive: bool,
    /// `--include`, `--exclude`, in their order: the last that matches decides.
    #[serde(skip_serializing_if = "is_default")]
    pub filters: Vec<Filter>,
    /// `--delete`: what the source lacks is deleted at the destination.
    #[serde(skip_serializing_if = "is_default")]
    pub delete: bool,
    /// `--size-only`: the time does not count.
    #[serde(skip_serializing_if = "is_default")]
    pub size_only: bool,
    /// `--exact-timestamps`: on the way to this machine any other time counts, not only a newer one.
    #[serde(skip_serializing_if = "is_default")]
    pub exact_timestamps: bool,
    /// `--dryrun`: nothing is changed.
    #[serde(skip_serializing_if = "is_default")]
    pub dryrun: bool,
    /// `--no-follow-symlinks`: symbolic links of this machine are passed over.
    #[serde(skip_serializing_if = "is_default")]
    pub no_follow_symlinks: bool,
    /// `--no-guess-mime-type`: the content type does not come from the name of the file.
    #[serde(skip_serializing_if = "is_default")]
    pub no_guess_mime_type: bool,
    /// `--force-glacier-transfer`: archived objects are asked for like any other.
    #[serde(skip_serializing_if = "is_default")]
    pub force_glacier_transfer: bool,
    /// `--ignore-glacier-warnings`: archived objects that are passed over are no failure.
    #[serde(skip_serializing_if = "is_default")]
    pub ignore_glacier_warnings: bool,
    /// `--storage-class`.
    #[serde(skip_serializing_if = "is_default")]
    pub storage_class: Option<String>,
    /// `--acl`.
    #[serde(skip_serializing_if = "is_default")]
    pub acl: Option<String>,
    /// `--sse`: `AES256` or `aws:kms`.
    #[serde(skip_serializing_if = "is_default")]
    pub sse: Option<String>,
    /// `--sse-kms-key-id`.
    #[serde(skip_serializing_if = "is_default")]
    pub sse_kms_key_id: Option<String>,
    /// `--metadata-directive`: `COPY` or `REPLACE`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata_directive: Option<String>,
    /// `--metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// `--content-type`.
    #[serde(skip_serializing_if = "is_default")]
    pub content_type: Option<String>,
    /// `--cache-control`.
    #[serde(skip_serializing_if = "is_default")]
    pub cache_control: Option<String>,
    /// `--content-disposition`.
    #[serde(skip_serializing_if = "is_default")]
    pub content_disposition: Option<String>,
    /// `--content-encoding`.
    #[serde(skip_serializing_if = "is_default")]
    pub content_encoding: Option<String>,
    /// `--content-language`.
    #[serde(skip_serializing_if = "is_default")]
    pub content_language: Option<String>,
    /// `--profile`.
    #[serde(skip_serializing_if = "is_default")]
    pub profile: Option<String>,
    /// `--region`.
    #[serde(skip_serializing_if = "is_default")]
    pub region: Option<String>,
    /// `--endpoint-url`.
    #[serde(skip_serializing_if = "is_default")]
    pub endpoint_url: Option<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A line of `aws s3`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectLine {
    /// What it does.
    pub verb: Verb,
    /// The source; of [`Verb::Remove`] what is removed.
    pub from: Place,
    /// The destination; none only for [`Verb::Remove`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Place>,
    /// Its options.
    #[serde(default, skip_serializing_if = "is_default")]
    pub options: Options,
}

impl ObjectLine {
    /// Whether it means everything below its places, and not one object.
    #[must_use]
    pub fn is_recursive(&self) -> bool {
        self.options.recursive || self.verb == Verb::Sync
    }

    /// What it does, in words, from its text alone.
    #[must_use]
    pub fn effect(&self) -> String {
        let Options { recursive, delete, dryrun, .. } = self.options;
        let all = if recursive { "all below " } else { "" };
        let to = self.to.as_ref().map(Place::to_string).unwrap_or_default();
        let from = &self.from;
        let what = match self.verb {
            Verb::Sync if delete => format!("make {to} the same as {from}, deleting what is not there"),
            Verb::Sync => format!("copy to {to} what it lacks or has otherwise of {from}"),
            Verb::Copy => format!("copy {all}{from} to {to}"),
            Verb::Move => format!("move {all}{from} to {to}"),
            Verb::Remove => format!("delete {all}{from}"),
        };
        let filters = self.options.filters.iter().map(|filter| format!(" {filter}")).collect::<String>();
        let filters = if filters.is_empty() { filters } else { format!(", of it{filters}") };
        format!("{}{what}{filters}", if dryrun { "show, without doing it: " } else { "" })
    }

    /// The buckets that it touches, the source first; a bucket stands only once.
    pub fn buckets(&self) -> impl Iterator<Item = &str> {
        let to = self.to.as_ref().and_then(Place::bucket);
        let from = self.from.bucket();
        from.into_iter().chain(to.filter(move |to| Some(*to) != from))
    }
}
