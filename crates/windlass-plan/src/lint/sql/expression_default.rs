//! `expression-default-copies`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;

pub(super) const RULE: SqlRule = SqlRule {
    name: "expression-default-copies",
    severity: Severity::Warning,
    summary: "a default that is computed copies the table",
    why: "each row gets a value of its own, so the table is copied while nobody can write",
    dialects: super::MYSQL,
    bad: "ALTER TABLE orders ADD COLUMN token CHAR(36) DEFAULT (UUID());",
    good: "ALTER TABLE orders ADD COLUMN token CHAR(36);",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(alter) = at.alter() else { return Vec::new() };
    at.added_columns()
        .filter(|column| column.default.as_ref().is_some_and(|default| default.expression))
        .map(|column| {
            let message = format!("{} is copied to fill `{}`", at.words(&alter.table), column.name);
            found(message, "add the column without it, set the default for new rows, and fill the old ones with `batch=`")
        })
        .collect()
}
