//! `unique-builds-index`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::ConstraintKind;

pub(super) const RULE: SqlRule = SqlRule {
    name: "unique-builds-index",
    severity: Severity::Warning,
    summary: "a UNIQUE constraint builds its index while nobody can read or write",
    why: "the index is built under ACCESS EXCLUSIVE",
    dialects: super::POSTGRESQL,
    bad: "ALTER TABLE orders ADD CONSTRAINT orders_code UNIQUE (code);",
    good: "CREATE UNIQUE INDEX CONCURRENTLY orders_code ON orders (code);\nALTER TABLE orders ADD CONSTRAINT orders_code UNIQUE USING INDEX orders_code;",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(alter) = at.alter() else { return Vec::new() };
    at.added_constraints()
        .filter(|constraint| constraint.kind == ConstraintKind::Unique && constraint.using_index.is_none())
        .map(|_| {
            let message = format!(
                "{} is locked, for readers as well, while the index is built",
                at.words(&alter.table)
            );
            found(
                message,
                "`CREATE UNIQUE INDEX CONCURRENTLY` first, then `ADD CONSTRAINT … UNIQUE USING INDEX`",
            )
        })
        .collect()
}
