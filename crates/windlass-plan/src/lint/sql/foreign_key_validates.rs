//! `foreign-key-validates`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::{Change, ConstraintKind};

pub(super) const RULE: SqlRule = SqlRule {
    name: "foreign-key-validates",
    severity: Severity::Warning,
    summary: "a foreign key is checked while nobody can write to either table",
    why: "adding it reads all rows under a lock that blocks writes to both tables",
    dialects: super::POSTGRESQL,
    bad: "ALTER TABLE orders ADD CONSTRAINT orders_user FOREIGN KEY (user_id) REFERENCES users;\nCREATE INDEX CONCURRENTLY orders_user ON orders (user_id);",
    good: "CREATE INDEX CONCURRENTLY orders_user ON orders (user_id);\nALTER TABLE orders ADD CONSTRAINT orders_user FOREIGN KEY (user_id) REFERENCES users NOT VALID;\nALTER TABLE orders VALIDATE CONSTRAINT orders_user;",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(alter) = at.alter() else { return Vec::new() };
    let checked = at.changes().filter_map(|change| match change {
        Change::AddConstraint(key) if key.kind == ConstraintKind::ForeignKey && !key.not_valid => Some(key),
        _ => None,
    });
    checked
        .map(|key| {
            let other =
                key.references.as_ref().map_or_else(|| "the other table".to_owned(), |name| at.words(name));
            let message =
                format!("writes to {} and {other} wait while all rows are read", at.words(&alter.table));
            found(message, "add it `NOT VALID`, then `VALIDATE CONSTRAINT` as a statement of its own")
        })
        .collect()
}
