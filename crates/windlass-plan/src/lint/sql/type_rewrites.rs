//! `type-change-rewrites`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::{Change, is_free_change};

pub(super) const RULE: SqlRule = SqlRule {
    name: "type-change-rewrites",
    severity: Severity::Warning,
    summary: "a column changes its type and the table is rewritten",
    why: "except for a few changes, all rows and indexes are written anew under ACCESS EXCLUSIVE",
    dialects: super::POSTGRESQL,
    bad: "ALTER TABLE orders ALTER COLUMN id TYPE bigint;",
    good: "ALTER TABLE orders ADD COLUMN id_new bigint;",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(alter) = at.alter() else { return Vec::new() };
    let mut findings = Vec::new();
    for change in at.changes() {
        let Change::SetType { column, kind, using } = change else { continue };
        let old = at.live(&alter.table).and_then(|table| table.column(column));
        // Without the old type, only `text` is surely free for what is text already; anything else is said.
        let free = old.is_some_and(|old| !*using && is_free_change(&old.kind, kind));
        if free {
            continue;
        }
        let certain = if old.is_some() || *using { "is" } else { "is, for most types before," };
        let message =
            format!("{} {certain} rewritten to make `{column}` {}", at.words(&alter.table), kind.name);
        findings.push(found(
            message,
            "add a column of the new type, write to both, fill it with `batch=`, then change over",
        ));
    }
    findings
}
