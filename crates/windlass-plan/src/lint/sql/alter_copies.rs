//! `alter-copies`

use super::script::{At, Found, found, handed_over};
use super::{SqlRule, at_least};
use windlass_document::Severity;
use windlass_sql::{Algorithm, AlterTable, Change, Generated};

pub(super) const RULE: SqlRule = SqlRule {
    name: "alter-copies",
    severity: Severity::Warning,
    summary: "the table is copied while nobody can write",
    why: "the server picks this way silently; with `ALGORITHM` and `LOCK` it refuses instead",
    dialects: super::MYSQL,
    bad: "ALTER TABLE orders DROP PRIMARY KEY;",
    good: "ALTER TABLE orders ADD UNIQUE INDEX orders_key (id, shop);",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(alter) = at.alter().filter(|alter| at.matters(&alter.table)) else { return Vec::new() };
    let said = alter.algorithm.as_deref() == Some("COPY");
    let locked = matches!(alter.lock.as_deref(), Some("SHARED" | "EXCLUSIVE"));
    let copies = at_least(at).is_some_and(|found| found.algorithm == Algorithm::Copy && !has_own_rule(alter));
    if !(said || locked || copies) {
        return Vec::new();
    }
    let message = format!("writes to {} wait until it is copied", at.words(&alter.table));
    let help = "do it with the service stopped, or hand the table to gh-ost or pt-online-schema-change";
    vec![found(message, format!("{help}{}", handed_over(at)))]
}

/// What another rule says in better words.
fn has_own_rule(alter: &AlterTable) -> bool {
    alter.changes.iter().any(|change| match change {
        Change::AddColumn(column) => {
            column.generated == Some(Generated::Stored)
                || column.default.as_ref().is_some_and(|default| default.expression)
        }
        Change::PartitionBy | Change::RemovePartitioning => true,
        Change::Option((name, _)) => name == "ENGINE",
        _ => false,
    })
}
