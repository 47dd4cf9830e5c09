//! Lint: what a release would do that its author may not want. Only what can be decided with certainty from the
//! document and the configuration; one rule, one file.

mod backup;
mod backup_while_serving;
mod breaking;
mod curl;
mod destructive;
mod downtime;
mod dump_bytes;
mod dump_locks;
mod errors_go_on;
mod hidden_failure;
mod irreversible;
mod latest_image;
mod left_stopped;
mod migration_after_start;
mod mode_left_on;
mod no_step;
mod no_where;
mod objects;
mod online_breaks;
mod password;
mod placeholder;
mod plain_process;
mod pull_while_away;
mod remove_far;
mod required;
mod secret;
mod serving;
mod sql;
mod unmeasured;
mod verification;
mod words;

#[cfg(test)]
mod tests;

pub use placeholder::find as placeholder;
pub use sql::{SQL_RULES, SqlFinding, SqlRule, SqlText, lint_sql};

use crate::{Action, Config, Unit, compile::Compiled, compile::Mark};
use std::collections::{BTreeMap, HashSet};
use windlass_document::{Document, Example, Finding, Severity, Span};

/// A rule about releases as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Name, kebab-case, stable.
    pub name: &'static str,
    /// Severity of its findings.
    pub severity: Severity,
    /// What is found, one line.
    pub summary: &'static str,
    /// Why it matters; goes into every finding of the rule.
    pub why: &'static str,
    /// A document that triggers it, against [`EXAMPLE_CONFIG`].
    pub bad: &'static str,
    /// The same, written well.
    pub good: &'static str,
    check: fn(&Rule, &Facts<'_>) -> Vec<Finding>,
}

impl Rule {
    /// The rule as the documentation shows it.
    fn shown(&self) -> windlass_document::Rule {
        let Self { name, severity, summary, why, bad, good, .. } = *self;
        windlass_document::Rule { name, severity, summary, why, bad: Example::Document(bad), good }
    }
}

/// docs/rules.md: the rules of the text, then those of the release as a whole.
#[must_use]
pub fn rules_markdown() -> String {
    let text = windlass_document::RULES.iter().copied();
    let rules: Vec<_> = text.chain(RULES.iter().map(Rule::shown)).collect();
    windlass_document::rules_markdown(&rules) + &sql::markdown(severity_word)
}

/// What docs/rules.md says of a rule, for reports that bring the rules of their findings along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AboutRule {
    /// Name, also of its section in docs/rules.md.
    pub name: &'static str,
    /// Severity of its findings.
    pub severity: Severity,
    /// What is found, one line.
    pub summary: &'static str,
    /// Why it matters, without a full stop.
    pub why: &'static str,
}

/// All rules that docs/rules.md has: those of the text, of the release as a whole, of SQL.
pub fn about_rules() -> impl Iterator<Item = AboutRule> {
    let text = windlass_document::RULES.iter().copied();
    let shown = text.chain(RULES.iter().map(Rule::shown));
    let shown = shown.map(|windlass_document::Rule { name, severity, summary, why, .. }| AboutRule {
        name,
        severity,
        summary,
        why,
    });
    shown.chain(SQL_RULES.iter().map(|rule| {
        let SqlRule { name, severity, summary, why, .. } = *rule;
        AboutRule { name, severity, summary, why }
    }))
}

fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// All rules, by name.
pub const RULES: &[Rule] = &[
    backup_while_serving::RULE,
    breaking::RULE,
    curl::RULE,
    destructive::RULE,
    unmeasured::RULE,
    downtime::RULE,
    dump_bytes::RULE,
    dump_locks::RULE,
    errors_go_on::RULE,
    objects::EXCLUDES_NAME,
    objects::EXCLUDES_ALL,
    objects::FILTER_EFFECT,
    hidden_failure::RULE,
    irreversible::RULE,
    latest_image::RULE,
    left_stopped::RULE,
    mode_left_on::RULE,
    migration_after_start::RULE,
    objects::MOVED_THEN_DELETED,
    backup::RULE,
    no_step::RULE,
    verification::RULE,
    no_where::RULE,
    objects::COPIED_AGAIN,
    objects::DELETE_SOURCE,
    objects::INTO_THEMSELVES,
    objects::POINTED_AT,
    objects::TAKEN_AGAIN,
    online_breaks::RULE,
    password::RULE,
    placeholder::RULE,
    plain_process::RULE,
    objects::NO_SLASH,
    pull_while_away::RULE,
    remove_far::RULE,
    secret::RULE,
];

/// The configuration of the examples of all rules.
pub const EXAMPLE_CONFIG: &str = r#"[target.app]
dir = "."

[target.db]
url = "sqlite:app.db"

[target.files]
url = "s3://files"
hold = "held/"

[service.desk]
on = "app"
run = ["./desk", "--port", "{port}"]
proxy = { listen = "127.0.0.1:8080" }

[service.booking]
on = "app"
run = ["./booking", "--port", "{port}"]
health = "http://127.0.0.1:{port}/health"
"#;

impl Rule {
    /// A finding of this rule.
    fn at(&self, span: Span, message: impl Into<String>) -> Finding {
        Finding::new(self.name, self.severity, span, message).why(self.why)
    }
}

/// The catalogs of databases as a survey found them, by the name of their target.
pub type Catalogs = BTreeMap<String, windlass_sql::Live>;

/// What rules look at.
pub(crate) struct Facts<'a> {
    pub(crate) document: &'a Document,
    pub(crate) config: &'a Config,
    /// The catalogs of databases, by target, where a survey has read them.
    pub(crate) catalogs: &'a Catalogs,
    /// Steps in order of execution.
    pub(crate) steps: &'a [Compiled],
    /// All steps could be compiled: what is not there is really not there.
    pub(crate) complete: bool,
}

/// A unit with the step it belongs to and what it was compiled from.
#[derive(Clone, Copy)]
struct Entry<'a> {
    compiled: &'a Compiled,
    unit: &'a Unit,
    mark: &'a Mark,
}

impl Entry<'_> {
    /// Whether it changes anything.
    fn changes(&self) -> bool {
        crate::require::changes(self.unit)
    }

    /// Whether it changes a definition of a database.
    fn changes_schema(&self) -> bool {
        self.mark.sql.as_ref().is_some_and(|sql| sql.changes_schema)
    }

    fn is_gate(&self) -> bool {
        matches!(self.unit.action, Action::Gate { .. })
    }
}

impl<'a> Facts<'a> {
    /// All units in order of execution.
    fn entries(&self) -> impl DoubleEndedIterator<Item = Entry<'a>> + use<'a> {
        self.steps.iter().flat_map(|compiled| {
            compiled.step.units.iter().zip(&compiled.marks).map(move |(unit, mark)| Entry {
                compiled,
                unit,
                mark,
            })
        })
    }

    /// Whether a service may work with the database of a statement or backup, as far as the configuration says it.
    fn may_use(&self, service: &str, entry: Entry<'_>) -> bool {
        let (Action::Sql { target, .. } | Action::Backup { target, .. }) = &entry.unit.action else {
            return true;
        };
        self.config.services.get(service).is_none_or(|service| service.may_use(target))
    }

    /// The document's step of a compiled one.
    fn source(&self, compiled: &Compiled) -> Option<&'a windlass_document::Step> {
        self.document.steps.get(compiled.source?)
    }
}

/// All findings of all rules.
pub(crate) fn lint(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings: Vec<_> = RULES.iter().flat_map(|rule| (rule.check)(rule, facts)).collect();
    findings.extend(sql::findings(facts));
    findings.extend(required::findings(facts));
    // A line that runs on several hosts is one line to who reads about it.
    let mut told = HashSet::new();
    findings.retain(|finding| told.insert((finding.rule.clone(), finding.span, finding.message.clone())));
    findings
}
