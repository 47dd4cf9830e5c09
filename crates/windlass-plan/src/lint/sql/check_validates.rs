//! `check-validates`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::{Change, ConstraintKind};

pub(super) const RULE: SqlRule = SqlRule {
    name: "check-validates",
    severity: Severity::Warning,
    summary: "a CHECK is proven while nobody can read or write",
    why: "adding it reads all rows under ACCESS EXCLUSIVE",
    dialects: super::POSTGRESQL,
    bad: "ALTER TABLE orders ADD CONSTRAINT positive CHECK (amount > 0);",
    good: "ALTER TABLE orders ADD CONSTRAINT positive CHECK (amount > 0) NOT VALID;\nALTER TABLE orders VALIDATE CONSTRAINT positive;",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(alter) = at.alter() else { return Vec::new() };
    let checked = at.changes().filter(|change| {
        matches!(change, Change::AddConstraint(check) if check.kind == ConstraintKind::Check && !check.not_valid)
    });
    checked
        .map(|_| {
            let message =
                format!("{} is locked, for readers as well, while all rows are read", at.words(&alter.table));
            found(message, "add it `NOT VALID`, then `VALIDATE CONSTRAINT` as a statement of its own")
        })
        .collect()
}
