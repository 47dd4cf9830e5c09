//! Where a step runs: its target, the hosts and the folder.

use super::Compiler;
use crate::{Target, UrlKind, config::is_here, suggest};
use windlass_document::{self as doc, Finding, Language};
use windlass_sql::Dialect;

/// Where a step runs.
pub(super) struct Place {
    /// Name of the target; empty for a check that names none.
    pub(super) on: String,
    /// Hosts; this machine is `local`.
    pub(super) hosts: Vec<String>,
    /// Working folder of the target.
    pub(super) dir: Option<String>,
    /// The hosts are other machines.
    pub(super) remote: bool,
    /// Whose SQL it is, when the target is a database.
    pub(super) dialect: Option<Dialect>,
    /// False where it is only assumed, because the target has errors or is not there: then the rest of the step is
    /// still read, so that all its problems are told at once, but there will be no plan.
    pub(super) known: bool,
}

impl Place {
    fn local(on: String, dir: Option<String>) -> Self {
        Self { on, hosts: vec!["local".to_owned()], dir, remote: false, dialect: None, known: true }
    }

    pub(super) fn assumed(on: String) -> Self {
        Self { known: false, ..Self::local(on, None) }
    }
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
                None if language == Language::Http => return Some(Place::local(String::new(), None)),
                None => return Some(Place::assumed(String::new())),
            },
        };
        if self.config.unread.targets.contains(&on) {
            return Some(Place::assumed(on));
        }
        let Some(target) = self.config.targets.get(&on) else {
            if !self.config.unread.anything {
                let known = self.config.targets.keys().map(String::as_str);
                let help = suggest::help(&on, "targets of the configuration", known);
                self.at_target(step, "unknown-target", format!("there is no target `{on}`"), help);
            }
            return Some(Place::assumed(on));
        };
        let place = match target {
            Target::Hosts { hosts, dir, .. } if language != Language::Sql => {
                let place = Place::local(on.clone(), dir.clone());
                if hosts.iter().all(|host| is_here(host)) {
                    place
                } else {
                    Place { hosts: hosts.clone(), remote: true, ..place }
                }
            }
            Target::Url { kind, .. } if matches!(language, Language::Sql | Language::Shell) => {
                Place { dialect: Some(kind.dialect()), ..Place::local(on.clone(), None) }
            }
            Target::Store(_) if language == Language::Shell => Place::local(on.clone(), None),
            target => {
                let message =
                    format!("{} cannot run on `{on}`, {}", fence_words(language), target_words(target));
                let help = format!("targets that fit: {}", suggest::listed(self.fitting(language)));
                self.at_target(step, "target-misfit", message, help);
                return Some(Place::assumed(on));
            }
        };
        self.used_targets.insert(on);
        Some(place)
    }

    /// The one target that fits the step; several or none are an error, except for checks.
    fn only_target(&mut self, step: &doc::Step) -> Option<String> {
        let language = step.language;
        let fitting: Vec<_> = self.fitting(language).collect();
        if let [only] = fitting[..]
            // A check that names no target runs from this machine.
            && (language != Language::Http || !self.is_elsewhere(only))
        {
            return Some(only.to_owned());
        }
        if language == Language::Http || self.config.unread.any_target() {
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
            (Language::Sql, target) => matches!(target, Target::Url { .. }),
            (_, target) => matches!(target, Target::Hosts { .. }),
        };
        self.config.targets.iter().filter(move |(_, target)| fits(target)).map(|(name, _)| name.as_str())
    }

    /// Whether a target is on other hosts.
    fn is_elsewhere(&self, on: &str) -> bool {
        let target = self.config.targets.get(on);
        matches!(target, Some(Target::Hosts { hosts, .. }) if !hosts.iter().all(|host| is_here(host)))
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
pub(super) const DRIVEN: &str = "this version drives this machine, shell lines, files, checks, units of systemd, git, pip and npm, and lines of docker compose on other hosts, databases (PostgreSQL, MySQL, MariaDB, SQLite) and services that it \
                                 runs itself (`run = [...]`, strategies recreate, bluegreen and canary) or by docker compose (recreate); the document can be \
                                 checked, but not planned or applied yet";

impl UrlKind {
    /// Whose SQL its databases speak.
    #[must_use]
    pub fn dialect(self) -> Dialect {
        match self {
            Self::Sqlite => Dialect::Sqlite,
            Self::Postgresql => Dialect::Postgresql,
            Self::Mysql => Dialect::Mysql,
        }
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
        Target::Store(_) => "which is an object store",
        Target::Url { .. } => "which is a database",
    }
}
