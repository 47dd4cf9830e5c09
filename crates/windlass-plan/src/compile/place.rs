//! Where a step runs: its target, the hosts and the folder.

use super::Compiler;
use crate::{Target, UrlKind, suggest};
use windlass_document::{self as doc, Finding, Language};

/// Where a step runs.
pub(super) struct Place {
    /// Name of the target; empty for a check that names none.
    pub(super) on: String,
    /// Hosts; this machine is `local`.
    pub(super) hosts: Vec<String>,
    /// Working folder of the target.
    pub(super) dir: Option<String>,
}

impl Compiler<'_> {
    /// The place of a step; `default_on` is what an undo fence inherits from the step that it undoes.
    pub(super) fn place(&mut self, step: &doc::Step, default_on: Option<&str>) -> Option<Place> {
        let language = step.language;
        let on = match (&step.attributes.on, default_on) {
            (Some(on), _) => on.value.clone(),
            (None, Some(on)) => on.to_owned(),
            (None, None) => match self.only_target(step) {
                Some(on) => on,
                None if language == Language::Http => {
                    let hosts = vec!["local".to_owned()];
                    return Some(Place { on: String::new(), hosts, dir: None });
                }
                None => return None,
            },
        };
        let Some(target) = self.config.targets.get(&on) else {
            let known = self.config.targets.keys().map(String::as_str);
            let help = suggest::help(&on, "targets of the configuration", known);
            self.at_target(step, "unknown-target", format!("there is no target `{on}`"), help);
            return None;
        };
        let place = match target {
            Target::Hosts { hosts, dir } if language != Language::Sql => {
                self.hosts(step, &on, hosts)?;
                Place { on: on.clone(), hosts: vec!["local".to_owned()], dir: dir.clone() }
            }
            Target::Url { kind: UrlKind::Sqlite, .. }
                if matches!(language, Language::Sql | Language::Shell) =>
            {
                Place { on: on.clone(), hosts: vec!["local".to_owned()], dir: None }
            }
            Target::Url { kind, .. } if *kind != UrlKind::Sqlite && fits_later(language, *kind) => {
                let message = format!("{} `{on}` cannot be driven by this version", kind_words(*kind));
                self.at_target(step, "driver-missing", message, DRIVEN);
                return None;
            }
            target => {
                let message =
                    format!("{} cannot run on `{on}`, {}", fence_words(language), target_words(target));
                let help = format!("targets that fit: {}", suggest::listed(self.fitting(language)));
                self.at_target(step, "target-misfit", message, help);
                return None;
            }
        };
        self.used_targets.insert(on);
        Some(place)
    }

    /// The one target that fits the step; several or none are an error, except for checks.
    fn only_target(&mut self, step: &doc::Step) -> Option<String> {
        let language = step.language;
        let fitting: Vec<_> = self.fitting(language).collect();
        if let [only] = fitting[..] {
            return Some(only.to_owned());
        }
        if language == Language::Http {
            return None;
        }
        let (message, help) = if fitting.is_empty() {
            let add = match language {
                Language::Sql => "`[target.db]` with `url = \"sqlite:app.db\"`",
                _ => "`[target.app]` with `dir = \".\"` for this machine",
            };
            let message = format!("the configuration has no target for {}", fence_words(language));
            (message, format!("add {add} to windlass.toml"))
        } else {
            let choices: Vec<_> = fitting.iter().map(|name| format!("on={name}")).collect();
            let help = format!("add one of {}", suggest::listed(choices.iter().map(String::as_str)));
            (format!("{} has to say on which target it runs", fence_words(language)), help)
        };
        self.at_target(step, "target-missing", message, help);
        None
    }

    /// Targets that a fence without `on=` could mean.
    fn fitting(&self, language: Language) -> impl Iterator<Item = &str> {
        let fits = move |target: &Target| match (language, target) {
            (Language::Sql, Target::Url { kind, .. }) => *kind != UrlKind::S3,
            (Language::Sql, Target::Hosts { .. }) => false,
            (_, Target::Hosts { .. }) => true,
            (_, Target::Url { .. }) => false,
        };
        self.config.targets.iter().filter(move |(_, target)| fits(target)).map(|(name, _)| name.as_str())
    }

    fn hosts(&mut self, step: &doc::Step, on: &str, hosts: &[String]) -> Option<()> {
        let remote: Vec<_> = hosts.iter().filter(|host| *host != "localhost").map(String::as_str).collect();
        if remote.is_empty() {
            return Some(());
        }
        let message =
            format!("target `{on}` is on other hosts ({}), which needs ssh", suggest::listed(remote));
        self.at_target(step, "driver-missing", message, DRIVEN);
        None
    }

    /// An error at `on=`, or at the fence's first line when it has none.
    pub(super) fn at_target(
        &mut self,
        step: &doc::Step,
        rule: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let span = step.attributes.on.as_ref().map_or_else(|| self.head(step), |on| on.span);
        self.findings.push(Finding::error(rule, span, message).help(help));
    }
}

/// What this version can do, for whom it cannot help.
pub(super) const DRIVEN: &str = "this version drives this machine, SQLite databases (`sqlite:`) and services that it \
                                 runs itself (`run = [...]`, strategies recreate and bluegreen); the document can be \
                                 checked, but not planned or applied yet";

/// Whether such a fence will make sense on such a target once there is a driver.
fn fits_later(language: Language, kind: UrlKind) -> bool {
    match language {
        Language::Sql => kind != UrlKind::S3,
        Language::Shell => true,
        Language::Diff | Language::Http => false,
    }
}

fn kind_words(kind: UrlKind) -> &'static str {
    match kind {
        UrlKind::Sqlite => "the SQLite database",
        UrlKind::Postgresql => "the PostgreSQL database",
        UrlKind::Mysql => "the MySQL database",
        UrlKind::S3 => "the object store",
    }
}

fn fence_words(language: Language) -> &'static str {
    match language {
        Language::Shell => "a shell fence",
        Language::Sql => "an SQL fence",
        Language::Diff => "a diff fence",
        Language::Http => "an HTTP check",
    }
}

fn target_words(target: &Target) -> &'static str {
    match target {
        Target::Hosts { .. } => "which is a host",
        Target::Url { kind: UrlKind::S3, .. } => "which is an object store",
        Target::Url { .. } => "which is a database",
    }
}
