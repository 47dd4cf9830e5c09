//! `volatile-default`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::DefaultKind;

pub(super) const RULE: SqlRule = SqlRule {
    name: "volatile-default",
    severity: Severity::Warning,
    summary: "a default that differs by row rewrites the table",
    why: "a constant default is free since PostgreSQL 11; one that is computed for each row writes the table anew under ACCESS EXCLUSIVE",
    dialects: super::POSTGRESQL,
    bad: "ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid();",
    good: "ALTER TABLE orders ADD COLUMN token uuid;\nALTER TABLE orders ALTER COLUMN token SET DEFAULT gen_random_uuid();",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(alter) = at.alter() else { return Vec::new() };
    at.added_columns()
        .filter_map(|column| Some((column, column.default.as_ref()?)))
        .filter(|(_, default)| default.kind >= DefaultKind::Unknown)
        .map(|(column, default)| {
            let certain = if default.kind == DefaultKind::Volatile { "is" } else { "may be" };
            let message = format!("{} {certain} rewritten to fill `{}`", at.words(&alter.table), column.name);
            let help = "add the column plain, then `SET DEFAULT`, then fill the rows there are with `batch=`";
            found(message, help)
        })
        .collect()
}
