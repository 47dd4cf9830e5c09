//! The rules for SQL on a whole release: the statements of each database in order of execution.

use super::{SqlText, lint_sql};
use crate::lint::{Entry, Facts};
use crate::{Action, Target, UrlKind};
use std::collections::BTreeMap;
use windlass_document::{Finding, Severity};
use windlass_sql::Dialect;

/// What the rules find in the statements of a release, from their text alone.
pub(in crate::lint) fn findings(facts: &Facts<'_>) -> Vec<Finding> {
    let mut databases: BTreeMap<&str, Vec<(Entry<'_>, SqlText<'_>)>> = BTreeMap::new();
    for entry in facts.entries() {
        if let Action::Sql { target, statement, batch, .. } = &entry.unit.action
            && let Some(dialect) = dialect(facts, target)
        {
            let text = SqlText { text: statement, dialect, batch: batch.is_some() };
            databases.entry(target).or_default().push((entry, text));
        }
    }
    let mut findings = Vec::new();
    for statements in databases.values() {
        let texts: Vec<_> = statements.iter().map(|(_, text)| *text).collect();
        for found in lint_sql(&texts, None) {
            let Some((entry, _)) = statements.get(found.statement) else { continue };
            let message = match &entry.unit.action {
                Action::Sql { from: Some(place), .. } => {
                    format!("{}:{}: {}", place.file, place.line, found.message)
                }
                _ => found.message,
            };
            let finding = match found.severity {
                Severity::Error => Finding::error(found.rule, entry.mark.span, message),
                Severity::Warning => Finding::warning(found.rule, entry.mark.span, message),
                Severity::Note => Finding::note(found.rule, entry.mark.span, message),
            };
            findings.push(finding.why(found.why).help(found.help));
        }
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
