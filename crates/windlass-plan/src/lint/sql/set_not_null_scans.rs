//! `set-not-null-scans`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::{Change, ObjectName};

pub(super) const RULE: SqlRule = SqlRule {
    name: "set-not-null-scans",
    severity: Severity::Warning,
    summary: "NOT NULL is proven while nobody can read or write",
    why: "`SET NOT NULL` reads all rows under ACCESS EXCLUSIVE, unless a valid CHECK has proven it before (PostgreSQL 12)",
    dialects: super::POSTGRESQL,
    bad: "ALTER TABLE orders ALTER COLUMN state SET NOT NULL;",
    good: "ALTER TABLE orders ADD CONSTRAINT state_set CHECK (state IS NOT NULL) NOT VALID;\nALTER TABLE orders VALIDATE CONSTRAINT state_set;\nALTER TABLE orders ALTER COLUMN state SET NOT NULL;\nALTER TABLE orders DROP CONSTRAINT state_set;",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(alter) = at.alter() else { return Vec::new() };
    let columns = at.changes().filter_map(|change| match change {
        Change::SetNotNull(column) if !is_proven(at, &alter.table, column) => Some(column),
        _ => None,
    });
    columns
        .map(|column| {
            let message = format!("all rows of {} are read for `{column}` under the lock", at.words(&alter.table));
            let help = format!(
                "`ADD CHECK ({column} IS NOT NULL) NOT VALID`, then `VALIDATE CONSTRAINT`, then this, then drop the CHECK"
            );
            found(message, help)
        })
        .collect()
}

/// Whether the catalog or a statement before has proven it: a CHECK that names the column and is validated.
fn is_proven(at: At<'_>, table: &ObjectName, column: &str) -> bool {
    let live = at.live(table).and_then(|table| table.column(column));
    if live.is_some_and(|column| column.not_null || column.proven_not_null) {
        return true;
    }
    let before = &at.script.statements[at.index.saturating_sub(LOOK_BACK)..at.index];
    let words = format!("{column} is not null");
    let mut checked = false;
    for read in before {
        let text = read.source.text.to_lowercase().replace('"', "");
        checked |= text.contains("check") && text.contains(&words);
        if checked && text.contains("validate constraint") {
            return true;
        }
    }
    false
}

/// Statements before that are looked at.
const LOOK_BACK: usize = 20;
