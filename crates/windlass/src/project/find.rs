//! Where `windlass.toml` is: beside the document or above it, up to the root of the repository.

use crate::{
    env,
    exit::{self, Failure},
};
use std::path::{Path, PathBuf};
use windlass_document::{Document, Language};
use windlass_journal::Origin;

/// Name of the configuration file.
pub const CONFIG_NAME: &str = "windlass.toml";

/// Where a project is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The configuration file.
    pub config: PathBuf,
    /// Its folder: paths in plans are relative to it, and `.windlass` stands in it.
    pub base: PathBuf,
}

impl Place {
    /// The place of a document; `None` when there is no `windlass.toml`.
    pub fn of_document(document: &Path, config: Option<&Path>) -> Result<Option<Self>, Failure> {
        match config {
            Some(config) => Self::named(config).map(Some),
            None => Ok(Self::above(&folder_of(document))),
        }
    }

    /// The place of the current folder, for commands without a document.
    pub fn here(config: Option<&Path>) -> Result<Self, Failure> {
        match config {
            Some(config) => Self::named(config),
            None => Self::above(&env::here()).ok_or_else(|| no_config(&env::here(), None)),
        }
    }

    fn named(config: &Path) -> Result<Self, Failure> {
        let file = if config.is_dir() { config.join(CONFIG_NAME) } else { config.to_owned() };
        let file = file.canonicalize().map_err(|error| exit::file("cannot read", &file, &error))?;
        let base = file.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned);
        Ok(Self { config: file, base })
    }

    /// Where a configuration that was named but could not be found would be.
    pub fn unread(config: &Path) -> Self {
        Self { config: config.to_owned(), base: folder_of(config) }
    }

    fn above(start: &Path) -> Option<Self> {
        for folder in start.ancestors() {
            let config = folder.join(CONFIG_NAME);
            if config.is_file() {
                return Some(Self { config, base: folder.to_owned() });
            }
            // What stands outside of the repository belongs to something else.
            if folder.join(".git").exists() {
                return None;
            }
        }
        None
    }

    /// Where a document is, for a run of it to find it again; nothing of one that Windlass itself wrote.
    pub fn origin(&self, document: &Path, env: Option<&str>) -> Option<Origin> {
        let path = folder_of(document).join(document.file_name()?);
        if path.starts_with(self.state()) {
            return None;
        }
        let path = path.strip_prefix(&self.base).unwrap_or(&path).to_str()?.to_owned();
        Some(Origin { path, env: env.map(str::to_owned) })
    }

    /// Folder of journal, workspaces and service state.
    pub fn state(&self) -> PathBuf {
        self.base.join(".windlass")
    }

    /// The journal.
    pub fn journal(&self) -> PathBuf {
        self.state().join("journal.db")
    }

    /// Files of runs.
    pub fn workspaces(&self) -> PathBuf {
        self.state().join("runs")
    }
}

/// The folder of a file, absolute and without links, so that walking upwards means what it says.
pub fn folder_of(file: &Path) -> PathBuf {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => env::here(),
    };
    folder.canonicalize().unwrap_or(folder)
}

/// The path of a file as CI systems name it: from the root of its repository, with `/` between folders; outside of one from
/// the folder where the command was given.
pub fn in_repository(file: &Path) -> String {
    let folder = folder_of(file);
    let path = file.file_name().map_or_else(|| folder.clone(), |name| folder.join(name));
    let root =
        folder.ancestors().find(|above| above.join(".git").exists()).map_or_else(env::here, Path::to_owned);
    let below = path.strip_prefix(&root).unwrap_or(&path);
    below.to_string_lossy().into_owned()
}

/// The error of commands that need a configuration, with an example made for the document.
pub fn no_config(folder: &Path, document: Option<&Document>) -> Failure {
    let failure = Failure::wrong(format!(
        "there is no {CONFIG_NAME} in {} or above it (up to the root of the repository)",
        folder.display()
    ));
    match document {
        Some(document) => failure.hint(format!("write one, for example:\n\n{}", example(document))),
        None => failure.hint("go to the folder of the project, or name the file with `--config`"),
    }
}

/// The least that the document needs: each target is this machine, or SQLite where SQL runs on it.
fn example(document: &Document) -> String {
    let mut targets: Vec<(&str, bool)> = Vec::new();
    for step in &document.steps {
        let Some(on) = &step.attributes.on else { continue };
        let sql = step.language == Language::Sql;
        match targets.iter_mut().find(|(name, _)| *name == on.value) {
            Some((_, database)) => *database |= sql,
            None => targets.push((&on.value, sql)),
        }
    }
    if targets.is_empty() {
        targets.push(("app", false));
    }
    let table = |(name, database): &(&str, bool)| {
        let line = if *database { format!("url = \"sqlite:{name}.db\"") } else { "dir = \".\"".to_owned() };
        format!("[target.{name}]\n{line}")
    };
    targets.iter().map(table).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_file_above_counts_and_the_repository_is_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let deep = root.join("repo/docs/releases");
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(root.join(CONFIG_NAME), "").unwrap();
        let document = deep.join("2.md");
        assert_eq!(Place::of_document(&document, None).unwrap().unwrap().base, root);
        std::fs::create_dir(root.join("repo/.git")).unwrap();
        assert_eq!(Place::of_document(&document, None).unwrap(), None, "outside of the repository");
        std::fs::write(root.join("repo").join(CONFIG_NAME), "").unwrap();
        assert_eq!(Place::of_document(&document, None).unwrap().unwrap().base, root.join("repo"));
    }

    #[test]
    fn the_path_in_a_repository_begins_at_its_root_wherever_the_command_was_given() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let deep = root.join("repo/发布/2026");
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::create_dir(root.join("repo/.git")).unwrap();
        assert_eq!(in_repository(&deep.join("../2026/a b.md")), "发布/2026/a b.md");
        assert_eq!(in_repository(&root.join("repo/a.md")), "a.md");
        let outside = root.join("a.md");
        assert_eq!(in_repository(&outside), outside.to_string_lossy());
    }

    #[test]
    fn a_named_configuration_wins_and_must_exist() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::write(root.join(CONFIG_NAME), "").unwrap();
        let place = Place::of_document(Path::new("/elsewhere/x.md"), Some(dir.path())).unwrap().unwrap();
        assert_eq!(place.base, root);
        let error = Place::here(Some(&root.join("other.toml"))).unwrap_err();
        assert!(error.message.contains("other.toml: there is no such file"), "{error}");
    }
}
