//! `null-allowed`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::Change;

pub(super) const RULE: SqlRule = SqlRule {
    name: "null-allowed",
    severity: Severity::Note,
    summary: "a column may be NULL that could not be before",
    why: "the version before reads the column without expecting NULL",
    dialects: super::POSTGRESQL,
    bad: "ALTER TABLE orders ALTER COLUMN state DROP NOT NULL;",
    good: "ALTER TABLE orders ALTER COLUMN state SET DEFAULT 'new';",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(alter) = at.alter() else { return Vec::new() };
    alter
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::DropNotNull(column) => Some(column),
            _ => None,
        })
        .map(|column| {
            let message = format!("`{column}` of `{}` may be NULL from here on", alter.table);
            found(
                message,
                "be sure that every version that serves can read NULL; write it only once they can",
            )
        })
        .collect()
}
