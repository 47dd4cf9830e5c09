//! `foreign-key-dropped`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::{Change, ConstraintKind, Dialect};

pub(super) const RULE: SqlRule = SqlRule {
    name: "foreign-key-dropped",
    severity: Severity::Note,
    summary: "a foreign key is dropped",
    why: "rows that point to nothing can be written from then on, and putting the key back fails at the first of them",
    dialects: &[Dialect::Postgresql, Dialect::Mysql],
    bad: "ALTER TABLE orders DROP CONSTRAINT orders_user_fkey;",
    good: "ALTER TABLE orders ADD CONSTRAINT orders_buyer_fkey FOREIGN KEY (buyer_id) REFERENCES users NOT VALID;",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(alter) = at.alter() else { return Vec::new() };
    let live = at.live(&alter.table);
    let mut findings = Vec::new();
    for change in &alter.changes {
        let Change::DropConstraint { name: Some(name), kind, .. } = change else { continue };
        let known = live.map(|table| table.foreign_keys.iter().any(|key| key.name == *name));
        // PostgreSQL names them so unless it is told otherwise.
        let likely = name.ends_with("_fkey") || name.starts_with("fk_") || name.ends_with("_fk");
        if *kind == Some(ConstraintKind::ForeignKey) || known.unwrap_or(kind.is_none() && likely) {
            let message = format!("`{}` no longer refers to rows that surely exist", alter.table);
            findings.push(found(
                message,
                "add the key that takes its place in the same release, or say why none is needed",
            ));
        }
    }
    findings
}
