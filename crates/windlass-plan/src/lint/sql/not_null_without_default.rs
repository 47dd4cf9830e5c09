//! `not-null-without-default`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::{Change, DefaultKind, Dialect};

pub(super) const RULE: SqlRule = SqlRule {
    name: "not-null-without-default",
    severity: Severity::Warning,
    summary: "a column is added that rows there are cannot have",
    why: "the statement fails as soon as the table has a row, and inserts of the version before fail from then on",
    dialects: &[Dialect::Postgresql, Dialect::Sqlite],
    bad: "ALTER TABLE orders ADD COLUMN state text NOT NULL;",
    good: "ALTER TABLE orders ADD COLUMN state text NOT NULL DEFAULT 'new';",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let empty = at.alter().and_then(|alter| at.live(&alter.table)).is_some_and(|table| table.rows == Some(0));
    at.alter()
        .filter(|alter| !at.is_new(&alter.table) && !empty)
        .into_iter()
        .flat_map(|alter| &alter.changes)
        .filter_map(|change| match change {
            Change::AddColumn(column) => Some(column),
            _ => None,
        })
        .filter(|column| {
            let filled = column.default.as_ref().is_some_and(|default| default.kind != DefaultKind::Null);
            column.not_null && !filled && !column.is_numbered() && column.generated.is_none()
        })
        .map(|column| {
            let help = "give it a default; or add it without NOT NULL, fill it, and set NOT NULL in a later statement";
            found(format!("`{}` is NOT NULL and has no default", column.name), help)
        })
        .collect()
}
