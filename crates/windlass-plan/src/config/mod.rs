//! `windlass.toml`: the team's inventory and policy, with one file per environment laid over it (DESIGN section 4).

mod backup;
mod batch;
mod canary;
mod documents;
mod notice;
mod policy;
mod read;
#[expect(dead_code, reason = "types that only the schema generator reads")]
mod schema;
mod service;
mod store;
mod target;
mod time;
mod tree;

#[cfg(test)]
mod tests;

pub use backup::{BackupFolder, BackupPolicy, backup_folder, rate_bytes};
pub use documents::{Documents, Lang};
pub use notice::{MailTls, MailWay, Moment, NoticeKind, NoticeWay, Receiver};
pub use policy::{Approval, Due, Freeze, Guard, Keep, Limit, Policy, Watch, Weekday, Window};
pub use schema::config_schema;
pub(crate) use target::is_here;
pub use target::{sqlite_path, url_kind};

use crate::{Secret, Service, Target, Throttle};
use read::{Reader, Section};
use std::collections::{BTreeMap, BTreeSet};
use toml::de::DeTable;
use tree::{Item, Place, Table, Value};
use windlass_document::{Finding, Position, Span};

/// One file of the configuration.
#[derive(Clone, Debug)]
pub struct ConfigSource {
    /// Its name, for findings.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A problem of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ConfigFinding {
    /// Name of the file, from [`ConfigSource`].
    pub file: String,
    /// Where in it.
    pub position: Position,
    /// What is wrong; its span is in bytes of that file.
    pub finding: Finding,
}

/// What the configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// What steps run on, by name.
    pub targets: BTreeMap<String, Target>,
    /// How gently batches run on targets that say so, by name; on others as [`Policy::batch`] says.
    pub batches: BTreeMap<String, Throttle>,
    /// How backups are made of the databases that say so, by name.
    pub backups: BTreeMap<String, BackupPolicy>,
    /// Services, by name.
    pub services: BTreeMap<String, Service>,
    /// When and by whom a release may run.
    pub policy: Policy,
    /// How pages for people are made.
    pub documents: Documents,
    /// Who is told about releases, by name.
    pub notices: BTreeMap<String, Receiver>,
    /// Where the secrets are that statements refer to, by name.
    pub secrets: BTreeMap<String, Secret>,
    /// What could not be read, so that what a document says of it is not called wrong as well.
    pub unread: Unread,
}

/// Parts of a configuration that have errors of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// Anything may be missing: a file could not be read, is not TOML, or has a table that is not known.
    pub anything: bool,
    /// Targets with errors.
    pub targets: BTreeSet<String>,
    /// Services with errors.
    pub services: BTreeSet<String>,
    /// Secrets with errors.
    pub secrets: BTreeSet<String>,
}

impl Unread {
    /// Whether this target may well be there, written otherwise than it was read.
    #[must_use]
    pub fn target(&self, name: &str) -> bool {
        self.anything || self.targets.contains(name)
    }

    /// The same for a service.
    #[must_use]
    pub fn service(&self, name: &str) -> bool {
        self.anything || self.services.contains(name)
    }

    /// The same for a secret.
    #[must_use]
    pub fn secret(&self, name: &str) -> bool {
        self.anything || self.secrets.contains(name)
    }

    /// Whether there may be a target that was not read.
    #[must_use]
    pub fn any_target(&self) -> bool {
        self.anything || !self.targets.is_empty()
    }
}

/// Reads a configuration: the first layer, then each later one laid over it. Tables are merged key by key; other
/// values, lists and secret references are replaced; `run`, `compose` and `systemd` (and `url` and `hosts`) replace
/// one another.
///
/// What could be read is returned even when there are problems; it may be used only if there are none.
#[must_use]
pub fn parse_config(layers: &[ConfigSource]) -> (Config, Vec<ConfigFinding>) {
    let reader = Reader::new(layers);
    let mut root = Table::new();
    for (file, layer) in layers.iter().enumerate() {
        let (table, errors) = DeTable::parse_recoverable(&layer.text);
        for error in errors {
            let span = error.span().map_or(Span::default(), |range| Span::new(range.start, range.end));
            reader.error("config-syntax", Place { file, span }, format!("not TOML: {}", error.message()), "");
        }
        tree::merge(&mut root, tree::owned(table.get_ref(), file), 0);
    }
    let config = read(&reader, root);
    (config, reader.into_findings())
}

fn read(reader: &Reader<'_>, root: Table) -> Config {
    let at = Place { file: 0, span: Span::default() };
    let root = Item { key: at, at, value: Value::Table(root) };
    let keys = ["target", "service", "policy", "documents", "notice", "secret"];
    let Some(root) = Section::open(reader, "the configuration", &root, &keys) else {
        return Config { unread: Unread { anything: true, ..Unread::default() }, ..Config::default() };
    };
    let mut unread = Unread { anything: reader.noted() > 0, ..Unread::default() };
    let policy = policy::read(&root);
    let documents = documents::read(&root);
    // No document names a receiver: which of them have errors is of no use to anyone.
    let notices = named(&root, "notice", &mut BTreeSet::new(), notice::read);
    let notices = notices.into_iter().filter_map(|(name, receiver)| Some((name, receiver?))).collect();
    let secrets = named(&root, "secret", &mut unread.secrets, target::named_secret);
    let secrets = secrets.into_iter().filter_map(|(name, secret)| Some((name, secret?))).collect();
    let read_target = |item: &Item, here: &NamedIn<'_, '_>| {
        target::read(item, here, policy.batch.clone().unwrap_or_default())
    };
    let targets = named(&root, "target", &mut unread.targets, read_target);
    let (mut batches, mut backups) = (BTreeMap::new(), BTreeMap::new());
    let apart = |(name, read): (String, Option<target::Read>)| {
        let target = read.map(|read| {
            batches.extend(read.throttle.map(|throttle| (name.clone(), throttle)));
            backups.extend(read.backup.map(|backup| (name.clone(), backup)));
            read.target
        });
        (name, target)
    };
    let targets: BTreeMap<_, _> = targets.into_iter().map(apart).collect();
    let services = named(&root, "service", &mut unread.services, |section, name| {
        service::read(section, name, &targets, &policy)
    });
    // A `target` that is no table at all has no names.
    let is_table = |kind: &str| root.item(kind).is_none_or(|item| matches!(item.value, Value::Table(_)));
    unread.anything |= !is_table("target") || !is_table("service");
    let targets = targets.into_iter().filter_map(|(name, target)| Some((name, target?))).collect();
    let services = services.into_iter().filter_map(|(name, service)| Some((name, service?))).collect();
    Config { targets, batches, backups, services, policy, documents, notices, secrets, unread }
}

/// Reads each `[kind.NAME]`; the names of those with errors go to `unread`. A name that was written with errors is kept as `None`, so that a reference to it is not
/// called unknown as well.
fn named<T>(
    root: &Section<'_, '_, '_>,
    kind: &str,
    unread: &mut BTreeSet<String>,
    read: impl Fn(&Item, &NamedIn<'_, '_>) -> Option<T>,
) -> BTreeMap<String, Option<T>> {
    let reader = root.reader();
    let Some(table) = root.item(kind).and_then(|item| reader.table(&format!("`{kind}`"), item)) else {
        return BTreeMap::new();
    };
    table
        .iter()
        .map(|(name, item)| {
            let before = reader.noted();
            let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
            if name.is_empty() || !name.chars().all(fits) {
                let message = format!("`{name}` cannot be the name of a {kind}");
                reader.error("config-value", item.key, message, "use letters, digits, `-`, `_` and `.`");
            }
            let here = NamedIn { reader, title: format!("[{kind}.{name}]") };
            let value = read(item, &here);
            if reader.noted() > before {
                unread.insert(name.clone());
            }
            (name.clone(), value)
        })
        .collect()
}

/// Where a named table is read.
struct NamedIn<'r, 'a> {
    reader: &'r Reader<'a>,
    /// `[target.app]`
    title: String,
}

impl<'r, 'a> NamedIn<'r, 'a> {
    fn open<'t>(&self, item: &'t Item, keys: &[&str]) -> Option<Section<'r, 'a, 't>> {
        Section::open(self.reader, self.title.clone(), item, keys)
    }
}
