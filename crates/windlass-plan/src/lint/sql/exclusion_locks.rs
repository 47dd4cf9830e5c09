//! `exclusion-locks`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::ConstraintKind;

pub(super) const RULE: SqlRule = SqlRule {
    name: "exclusion-locks",
    severity: Severity::Warning,
    summary: "an exclusion constraint is built while nobody can read or write",
    why: "its index is built under ACCESS EXCLUSIVE, and there is no way to build it beside the writers",
    dialects: super::POSTGRESQL,
    bad: "ALTER TABLE booking ADD CONSTRAINT no_overlap EXCLUDE USING gist (room WITH =, during WITH &&);",
    good: "CREATE TABLE booking_new (room int, during tstzrange, EXCLUDE USING gist (room WITH =, during WITH &&));",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(alter) = at.alter() else { return Vec::new() };
    at.added_constraints()
        .filter(|constraint| constraint.kind == ConstraintKind::Exclude)
        .map(|_| {
            let message = format!(
                "{} is locked, for readers as well, while the index is built",
                at.words(&alter.table)
            );
            found(
                message,
                "do it with the service stopped, or in a new table that is filled and then takes the place",
            )
        })
        .collect()
}
