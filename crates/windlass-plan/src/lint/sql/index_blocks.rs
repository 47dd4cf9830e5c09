//! `index-blocks-writes`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::Ddl;

pub(super) const RULE: SqlRule = SqlRule {
    name: "index-blocks-writes",
    severity: Severity::Warning,
    summary: "an index is built while nobody can write",
    why: "`CREATE INDEX` holds a SHARE lock for as long as the build takes: every write to the table waits",
    dialects: super::POSTGRESQL,
    bad: "CREATE INDEX orders_state ON orders (state);",
    good: "CREATE INDEX CONCURRENTLY orders_state ON orders (state);",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(Ddl::CreateIndex(index)) = at.ddl() else { return Vec::new() };
    // A partitioned table cannot be indexed concurrently; `ON ONLY` builds nothing.
    if index.concurrently || index.only || !at.matters(&index.table) {
        return Vec::new();
    }
    let message = format!("writes to {} wait until the index is built", at.words(&index.table));
    vec![found(
        message,
        "`CREATE INDEX CONCURRENTLY`; of a partitioned table, the index of each partition first",
    )]
}
