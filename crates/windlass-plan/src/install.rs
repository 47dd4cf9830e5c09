//! Lines that install what a lock file or a list of requirements says.

use serde::{Deserialize, Serialize};

/// `pip install -r FILE`, `npm ci`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstallLine {
    /// Who installs.
    pub tool: Installer,
    /// The folder that it installs into: of a virtual environment, or `node_modules`. Relative to `dir`.
    pub into: String,
    /// Files that say what is installed. Relative to `dir`.
    pub files: Vec<String>,
    /// Words behind the program, as written.
    pub words: Vec<String>,
    /// Working folder.
    pub dir: Option<String>,
}

/// Who installs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Installer {
    /// pip of a virtual environment.
    Pip,
    /// npm.
    Npm,
}

impl Installer {
    /// Name of the program.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pip => "pip",
            Self::Npm => "npm",
        }
    }
}
