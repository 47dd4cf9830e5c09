//! Lines of git, as far as they are understood.

use serde::{Deserialize, Serialize};

/// A line of git that changes a checkout, or the look at what it will mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GitLine {
    /// What it does.
    pub verb: GitVerb,
    /// Working folder, with that of `-C`.
    pub dir: Option<String>,
    /// The commit that it goes to; none: it goes nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rev: Option<GitRev>,
    /// Words behind the verb, as written, where they are handed on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
}

/// What git is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GitVerb {
    /// Nothing: finds out, once for all hosts of a target, which commit is meant.
    Pin,
    /// Get commits and tags.
    Fetch,
    /// Get commits and bring the branch forward.
    Pull,
    /// Go to a branch, tag or commit.
    Checkout,
    /// Set the branch and all files to a commit: `reset --hard`.
    Reset,
    /// `submodule update`.
    Submodules,
}

impl GitVerb {
    /// The words of the command; of [`GitVerb::Pin`], which git has not, a word for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Pin => "pin",
            Self::Fetch => "fetch",
            Self::Pull => "pull",
            Self::Checkout => "checkout",
            Self::Reset => "reset --hard",
            Self::Submodules => "submodule update",
        }
    }
}

/// How a line names a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GitRev {
    /// The tip of a branch of a remote.
    Remote {
        /// Name of the remote; none: that of the current branch.
        remote: Option<String>,
        /// Name of the branch there; none: the one that the current branch follows.
        branch: Option<String>,
        /// The current branch, where an earlier line of the plan goes to it.
        current: Option<String>,
    },
    /// A branch, tag or commit by its name.
    Named {
        /// As written.
        name: String,
        /// An earlier line of the plan gets commits and tags first.
        fetched: bool,
    },
}

impl GitRev {
    /// As people write it.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Named { name, .. } => name.clone(),
            Self::Remote { remote, branch, current } => match (remote, branch, current) {
                (Some(remote), Some(branch), _) => format!("{branch} of {remote}"),
                (_, _, Some(current)) => format!("the branch that {current} follows"),
                _ => "the branch that the current one follows".to_owned(),
            },
        }
    }
}
