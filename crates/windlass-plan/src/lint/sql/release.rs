//! The rules for SQL on a whole release: the statements of each database in order of execution.

use super::{SqlText, lint_by, lint_sql, password_in_sql};
use crate::lint::{Entry, Facts};
use crate::{Action, Target, Unit, UrlKind};
use std::collections::BTreeMap;
use windlass_document::Finding;
use windlass_sql::Dialect;

/// What the rules find in the statements of a release, from their text and from the catalogs that were read.
pub(in crate::lint) fn findings(facts: &Facts<'_>) -> Vec<Finding> {
    let mut databases: BTreeMap<&str, Vec<(Entry<'_>, SqlText<'_>)>> = BTreeMap::new();
    let entries: Vec<_> = facts.entries().map(|entry| (entry, chosen(facts, entry.unit))).collect();
    for (entry, chosen) in &entries {
        if let Action::Sql { target, statement, batch, .. } = &entry.unit.action
            && let Some(dialect) = dialect(facts, target)
        {
            let text = chosen.as_ref().unwrap_or(statement);
            let text = SqlText { text, dialect, batch: batch.is_some() };
            let entry = *entry;
            databases.entry(target).or_default().push((entry, text));
        }
    }
    let mut findings = Vec::new();
    for (target, statements) in &databases {
        let texts: Vec<_> = statements.iter().map(|(_, text)| *text).collect();
        for found in lint_sql(&texts, facts.catalogs.get(*target)) {
            let Some((entry, _)) = statements.get(found.statement) else { continue };
            let message = match &entry.unit.action {
                Action::Sql { from: Some(place), .. } => {
                    format!("{place}: {}", found.message)
                }
                _ => found.message,
            };
            let finding = Finding::new(found.rule, found.severity, entry.mark.span, message);
            findings.push(finding.why(found.why).help(found.help));
        }
    }
    findings.extend(passwords_on_the_way_back(facts));
    findings
}

/// What a statement of MySQL or MariaDB runs whose text the session computes, where that is known beforehand.
fn chosen(facts: &Facts<'_>, unit: &Unit) -> Option<String> {
    let Action::Sql { target, statement, .. } = &unit.action else { return None };
    let is_mysql = dialect(facts, target) == Some(Dialect::Mysql);
    is_mysql.then(|| windlass_sql::mysql::prepared(statement)?.candidate()).flatten()
}

/// Hand-written undos stand in no order with the other statements; what they give away they give away all the same.
fn passwords_on_the_way_back(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for script in facts.steps.iter().filter_map(|compiled| compiled.step.undo.as_ref()) {
        let Some(step) = facts.document.steps.iter().find(|step| step.id.value == script.id.0) else {
            continue;
        };
        let statements = script.units.iter().filter_map(|unit| match &unit.action {
            Action::Sql { target, statement, .. } => {
                Some(SqlText { text: statement, dialect: dialect(facts, target)?, batch: false })
            }
            _ => None,
        });
        let found = lint_by(&[password_in_sql::RULE], &statements.collect::<Vec<_>>(), None);
        findings.extend(found.into_iter().map(|found| {
            Finding::new(found.rule, found.severity, step.span, found.message).why(found.why).help(found.help)
        }));
    }
    findings
}

/// Whose SQL a target speaks.
pub(in crate::lint) fn dialect(facts: &Facts<'_>, target: &str) -> Option<Dialect> {
    match facts.config.targets.get(target)? {
        Target::Url { kind: UrlKind::Sqlite, .. } => Some(Dialect::Sqlite),
        Target::Url { kind: UrlKind::Postgresql, .. } => Some(Dialect::Postgresql),
        Target::Url { kind: UrlKind::Mysql, .. } => Some(Dialect::Mysql),
        _ => None,
    }
}
