//! What steps run on, and where secrets are.

use serde::{Deserialize, Serialize};

/// Where a value comes from when it must not be written down.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Secret {
    /// An environment variable of the controller.
    Env(String),
    /// A file; one line end at its end is taken off.
    File(String),
    /// Standard output of a command; one line end is taken off.
    Command(String),
}

/// A value that is either written in the configuration or a secret reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Value {
    /// Written in the configuration; not secret.
    Plain(String),
    /// To be resolved at use.
    Secret(Secret),
}

/// What steps run on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Hosts, or this machine.
    Hosts {
        /// `user@host`; empty: this machine.
        hosts: Vec<String>,
        /// Working folder; relative to the folder of `windlass.toml`, on other hosts to the home folder of the user there.
        dir: Option<String>,
        /// `ssh -F`, relative to the folder of `windlass.toml`; none: the configuration of the user who runs Windlass.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ssh_config: Option<String>,
    },
    /// A database by URL.
    Url {
        /// The URL, or where it is.
        url: Value,
        /// What kind, from the URL's scheme or, for a secret, from `kind=`.
        kind: UrlKind,
    },
    /// A bucket of an object store.
    Store(Store),
}

/// A bucket, and how it is reached. Credentials are found as AWS's SDKs find them, and are nowhere in a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// Its name.
    pub bucket: String,
    /// Region; none: as the SDKs find it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// URL of a server that speaks S3; none: AWS, or what the SDKs find.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Profile of the AWS configuration; none: as the SDKs find it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Whether the bucket stands in the path of a URL and not in its host name; none: it does with an `endpoint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_style: Option<bool>,
    /// Prefix, with `/` at its end, under which objects are set aside that a step overwrites or deletes; none: only
    /// versions of the bucket keep them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
}

/// Kind of a URL target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UrlKind {
    /// `sqlite:`
    Sqlite,
    /// `postgres://`
    Postgresql,
    /// `mysql://`
    Mysql,
}
