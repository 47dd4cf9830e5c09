//! Files that differ between two revisions to what a release document says of them.

use super::{keys, packages};
use crate::repository::{composed, is_settings, migration};
use std::collections::BTreeMap;
use windlass_document::Severity;
use windlass_plan::{
    SourceFile,
    migrations::{Down, FolderFinding, Migration, Tool, detect, read_folder},
};
use windlass_sql::Dialect;

/// How a file differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// It is new.
    Added,
    /// It was there and is.
    Edited,
    /// It is gone.
    Removed,
}

/// A file that differs between the two revisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its path from the folder of `windlass.toml`, with `/`; what is above begins with `../`.
    pub path: String,
    /// How it differs.
    pub how: How,
    /// Its text before; `None`: there was none, it is not asked for, or it is no text.
    pub before: Option<String>,
    /// Its text afterwards.
    pub after: Option<String>,
}

/// What a file is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Migration,
    Packages,
    /// Packages, in a form that is not read.
    Lock,
    Settings,
    Compose,
    Unit,
    Proxy,
    Else,
}

fn about(path: &str) -> About {
    let name = path.rsplit('/').next().unwrap_or(path);
    let ends = |all: &[&str]| all.iter().any(|ending| name.ends_with(ending));
    let yaml = ends(&[".yml", ".yaml"]);
    let stem = name.split('.').next().unwrap_or_default();
    let in_nginx = path.split('/').rev().skip(1).any(|folder| folder.contains("nginx"));
    match () {
        () if migration(path).is_some() => About::Migration,
        () if packages::is_list(name) => About::Packages,
        () if packages::is_unread(name) => About::Lock,
        () if is_settings(name) => About::Settings,
        () if yaml && matches!(stem, "compose" | "docker-compose") => About::Compose,
        () if ends(&[".service", ".timer", ".socket"]) => About::Unit,
        () if ends(&[".conf", ".cfg"]) && (in_nginx || name.contains("nginx") || stem == "haproxy") => {
            About::Proxy
        }
        () if name == "Caddyfile" || yaml && stem == "traefik" => About::Proxy,
        () => About::Else,
    }
}

/// Whether a document wants the texts of a changed file, before and afterwards.
#[must_use]
pub fn is_read(path: &str) -> bool {
    matches!(about(path), About::Migration | About::Packages | About::Settings | About::Compose)
}

/// Something with a name that is otherwise than before. Equal values are no difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) name: String,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

fn differences(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<Difference> {
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let of = |name: &&String| {
        let (before, after) = (before.get(*name).cloned(), after.get(*name).cloned());
        (before != after).then(|| Difference { name: (*name).clone(), before, after })
    };
    names.iter().filter_map(of).collect()
}

/// A folder of migrations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Migrations {
    pub(crate) folder: String,
    /// Whose it may be, the most likely first.
    pub(crate) tools: Vec<Tool>,
    /// Those that are new, in the tool's order.
    pub(crate) added: Vec<Migration>,
    /// Files that were there before and are otherwise now, or gone.
    pub(crate) edited: Vec<String>,
    /// New files of a tool that is not known, such as Alembic or Django.
    pub(crate) foreign: Vec<String>,
    /// What is wrong with the new files.
    pub(crate) problems: Vec<FolderFinding>,
}

impl Migrations {
    /// Nobody's: files in the order of their names, with no table that says what has run.
    pub(crate) fn is_plain(&self) -> bool {
        self.tools.first() == Some(&Tool::Plain)
    }

    /// A path of a file in the folder.
    pub(crate) fn path(&self, file: &str) -> String {
        format!("{}/{file}", self.folder)
    }

    /// The file that takes a migration back, if there is one of its own and it has statements.
    pub(crate) fn back(&self, migration: &Migration) -> Option<String> {
        match &migration.down {
            Down::Script(script) => Some(self.path(&script.file)),
            Down::Missing | Down::Empty(_) => None,
        }
    }
}

/// A compose file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Composed {
    pub(crate) path: String,
    pub(crate) how: How,
    /// Images by service.
    pub(crate) images: Vec<Difference>,
    /// The lines of an edit that replaces the images and nothing else, where each is found by its text alone.
    pub(crate) edit: Option<String>,
}

/// What the changes say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// New, edited and removed files by first folder; files at the root: by `.`.
    pub(crate) folders: BTreeMap<String, [usize; 3]>,
    pub(crate) migrations: Vec<Migrations>,
    /// By list.
    pub(crate) packages: Vec<(String, Vec<Difference>)>,
    /// Lists that changed, and are not read.
    pub(crate) locks: Vec<String>,
    /// Names of settings by file.
    pub(crate) keys: Vec<(String, Vec<Difference>)>,
    pub(crate) composed: Vec<Composed>,
    pub(crate) units: Vec<(String, How)>,
    pub(crate) proxies: Vec<(String, How)>,
}

impl Facts {
    pub(crate) fn of(changes: &[Change], dialect: Dialect) -> Self {
        let mut facts = Self::default();
        let mut folders: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
        for change in changes {
            facts.folders.entry(first_folder(&change.path)).or_default()[change.how as usize] += 1;
            match about(&change.path) {
                About::Migration => {
                    let folder = migration(&change.path).map_or("", |(folder, _)| folder);
                    folders.entry(folder).or_default().push(change);
                }
                About::Packages => facts.packages(change),
                About::Lock => facts.locks.push(change.path.clone()),
                About::Settings => facts.keys(change, keys::settings),
                About::Compose => {
                    facts.keys(change, keys::composed);
                    facts.composed.push(compose(change));
                }
                About::Unit => facts.units.push((change.path.clone(), change.how)),
                About::Proxy => facts.proxies.push((change.path.clone(), change.how)),
                About::Else => {}
            }
        }
        facts.migrations =
            folders.into_iter().map(|(folder, changes)| migrations(folder, &changes, dialect)).collect();
        facts
    }

    fn packages(&mut self, change: &Change) {
        let name = change.path.rsplit('/').next().unwrap_or_default();
        let read = |text: &Option<String>| packages::read(name, text.as_deref().unwrap_or_default());
        self.packages.push((change.path.clone(), differences(&read(&change.before), &read(&change.after))));
    }

    fn keys(&mut self, change: &Change, read: fn(&str) -> keys::Keys) {
        let read = |text: &Option<String>| read(text.as_deref().unwrap_or_default());
        let found = differences(&read(&change.before), &read(&change.after));
        if !found.is_empty() {
            self.keys.push((change.path.clone(), found));
        }
    }
}

fn first_folder(path: &str) -> String {
    match path.split_once('/') {
        Some(("..", _)) => path.rsplit_once('/').map_or("..", |(folder, _)| folder).to_owned(),
        Some((folder, _)) => format!("{folder}/"),
        None => ".".to_owned(),
    }
}

fn migrations(folder: &str, changes: &[&Change], dialect: Dialect) -> Migrations {
    let name = |change: &Change| change.path[folder.len() + 1..].to_owned();
    let source = |change: &&&Change| SourceFile {
        name: name(change),
        line: 1,
        text: change.after.clone().unwrap_or_default(),
    };
    let files: Vec<SourceFile> =
        changes.iter().filter(|change| change.how == How::Added).map(|change| source(&change)).collect();
    let edited =
        changes.iter().filter(|change| change.how != How::Added).map(|change| name(change)).collect();
    let tools = detect(&files);
    let Some(tool) = tools.first() else {
        let foreign = files.into_iter().map(|file| file.name).collect();
        let folder = folder.to_owned();
        return Migrations { folder, tools, added: Vec::new(), edited, foreign, problems: Vec::new() };
    };
    let read = read_folder(&files, *tool, dialect);
    let wrong = |finding: &FolderFinding| finding.severity == Severity::Error;
    Migrations {
        folder: folder.to_owned(),
        tools,
        added: read.migrations,
        foreign: Vec::new(),
        edited,
        problems: read.findings.into_iter().filter(wrong).collect(),
    }
}

fn compose(change: &Change) -> Composed {
    let images = |text: &Option<String>| -> BTreeMap<String, String> {
        let services = composed(text.as_deref().unwrap_or_default());
        services.into_iter().map(|(name, service)| (name, service.image)).collect()
    };
    let images = differences(&images(&change.before), &images(&change.after));
    let edit = match (&change.before, &change.after) {
        (Some(before), Some(after)) => edit(before, after, &images),
        _ => None,
    };
    Composed { path: change.path.clone(), how: change.how, images, edit }
}

/// `-` and `+` lines for each image that is another. `None`: a service came or went, a line stands twice, or something else changed.
fn edit(before: &str, after: &str, images: &[Difference]) -> Option<String> {
    let only = |text: &str, image: &str| -> Option<String> {
        let is_it = |line: &&str| {
            line.trim()
                .strip_prefix("image:")
                .is_some_and(|value| value.trim().trim_matches(['"', '\'']) == image)
        };
        let mut found = text.lines().filter(is_it);
        let first = found.next()?.to_owned();
        found.next().is_none().then_some(first)
    };
    let mut lines = String::new();
    let mut edited: Vec<String> = before.lines().map(str::to_owned).collect();
    for image in images {
        let (old, new) = (image.before.as_deref()?, image.after.as_deref()?);
        let (old, new) = (only(before, old)?, only(after, new)?);
        lines.push_str(&format!("-{old}\n+{new}\n"));
        edited.iter_mut().filter(|line| **line == old).for_each(|line| line.clone_from(&new));
    }
    (!lines.is_empty() && after.lines().eq(edited.iter().map(String::as_str))).then_some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &str, before: Option<&str>, after: Option<&str>) -> Change {
        let how = match (before, after) {
            (None, _) => How::Added,
            (_, None) => How::Removed,
            _ => How::Edited,
        };
        let text = |text: Option<&str>| text.map(str::to_owned);
        Change { path: path.to_owned(), how, before: text(before), after: text(after) }
    }

    #[test]
    fn files_are_told_by_name_and_folder() {
        for (path, expected) in [
            ("db/migrations/1_a.up.sql", About::Migration),
            ("requirements-dev.txt", About::Packages),
            ("web/package-lock.json", About::Lock),
            (".env.example", About::Settings),
            ("deploy/local.svc.env", About::Settings),
            ("docker-compose.prod.yml", About::Compose),
            ("deploy/api.service", About::Unit),
            ("deploy/nginx/site.conf", About::Proxy),
            ("haproxy.cfg", About::Proxy),
            ("logging.conf", About::Else),
            ("app/main.py", About::Else),
        ] {
            assert_eq!(about(path), expected, "{path}");
        }
    }

    #[test]
    fn only_what_differs_is_told_and_a_line_that_stands_twice_makes_no_edit() {
        let old = "services:\n  web:\n    image: shop:1\n  job:\n    image: jobs:1\n";
        let new = "services:\n  web:\n    image: shop:2\n  job:\n    image: jobs:1\n";
        let found = compose(&change("compose.yml", Some(old), Some(new)));
        assert_eq!(found.images.iter().map(|image| image.name.as_str()).collect::<Vec<_>>(), ["web"]);
        assert_eq!(found.edit.as_deref(), Some("-    image: shop:1\n+    image: shop:2\n"));
        let twice = compose(&change("compose.yml", Some(&old.replace("jobs", "shop")), Some(new)));
        assert_eq!(twice.edit, None);
        let more = compose(&change("compose.yml", Some(old), Some(&format!("{new}    restart: always\n"))));
        assert_eq!(more.edit, None, "an edit of the images alone would not be the file");
    }

    #[test]
    fn a_folder_is_read_as_migrate_reads_it() {
        let facts = Facts::of(
            &[
                change("db/migrations/000002_b.up.sql", None, Some("ALTER TABLE a ADD b int;")),
                change("db/migrations/000002_b.down.sql", None, Some("ALTER TABLE a DROP b;")),
                change("db/migrations/000001_a.up.sql", Some("x"), Some("y")),
            ],
            Dialect::Postgresql,
        );
        let [folder] = &facts.migrations[..] else { panic!("{facts:?}") };
        assert_eq!(
            (folder.folder.as_str(), &folder.tools[..]),
            ("db/migrations", &[Tool::GolangMigrate][..])
        );
        assert_eq!(folder.added.len(), 1);
        assert_eq!(folder.back(&folder.added[0]).as_deref(), Some("db/migrations/000002_b.down.sql"));
        assert_eq!(folder.edited, ["000001_a.up.sql"]);
        assert_eq!(facts.folders["db/"], [2, 1, 0]);
    }
}
