//! `domain-constraint`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::{Ddl, ObjectChange};

pub(super) const RULE: SqlRule = SqlRule {
    name: "domain-constraint",
    severity: Severity::Warning,
    summary: "a constraint of a domain reads every table that uses it",
    why: "all columns of the domain are checked while their tables are locked",
    dialects: super::POSTGRESQL,
    bad: "ALTER DOMAIN email ADD CONSTRAINT has_at CHECK (VALUE LIKE '%@%');",
    good: "ALTER DOMAIN email ADD CONSTRAINT has_at CHECK (VALUE LIKE '%@%') NOT VALID;\nALTER DOMAIN email VALIDATE CONSTRAINT has_at;",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(Ddl::AlterOther { what, name, change }) = at.ddl() else { return Vec::new() };
    let checks = match change {
        ObjectChange::AddConstraint(constraint) => !constraint.not_valid,
        ObjectChange::SetNotNull => true,
        _ => false,
    };
    if what != "DOMAIN" || !checks {
        return Vec::new();
    }
    let name = name.as_ref().map_or("", |name| name.base());
    let message = format!("every table with a column of `{name}` is read under a lock");
    vec![found(message, "add it `NOT VALID`, then `ALTER DOMAIN … VALIDATE CONSTRAINT`")]
}
