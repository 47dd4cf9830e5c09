//! `concurrently-if-not-exists`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::Ddl;

pub(super) const RULE: SqlRule = SqlRule {
    name: "concurrently-if-not-exists",
    severity: Severity::Warning,
    summary: "an index that failed before is taken for one that is there",
    why: "a build that failed leaves an INVALID index behind; `IF NOT EXISTS` finds it, says nothing, and the index never works",
    dialects: super::POSTGRESQL,
    bad: "CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_state ON orders (state);",
    good: "CREATE INDEX CONCURRENTLY orders_state ON orders (state);",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(Ddl::CreateIndex(index)) = at.ddl() else { return Vec::new() };
    if !(index.concurrently && index.if_not_exists) {
        return Vec::new();
    }
    let name = index.name.as_ref().map_or("", |name| name.base());
    let known = at.live(&index.table).and_then(|table| table.indexes.iter().find(|found| found.name == name));
    let message = match known {
        Some(index) if !index.usable => {
            format!("index `{name}` is there and INVALID: nothing would be built")
        }
        _ => "an INVALID index of this name would be taken for a good one".to_owned(),
    };
    vec![found(message, "leave `IF NOT EXISTS` out: each statement of a release runs once")]
}
