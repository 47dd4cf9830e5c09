//! `drop-index-locks`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::Ddl;

pub(super) const RULE: SqlRule = SqlRule {
    name: "drop-index-locks",
    severity: Severity::Warning,
    summary: "an index is dropped under a lock that blocks all",
    why: "`DROP INDEX` takes ACCESS EXCLUSIVE on the table: behind one long query, everything else queues up",
    dialects: super::POSTGRESQL,
    bad: "DROP INDEX orders_state;",
    good: "DROP INDEX CONCURRENTLY orders_state;",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    match at.ddl() {
        Some(Ddl::Drop(drop)) if drop.what == "INDEX" && !drop.concurrently => {
            let known = at.now.and_then(|now| drop.names.iter().find_map(|name| now.table_of_index(name)));
            if known.is_some_and(|table| !at.matters(&table.name)) {
                return Vec::new();
            }
            let table =
                known.map_or_else(|| "the table of this index".to_owned(), |table| at.words(&table.name));
            vec![found(format!("{table} is locked, for readers as well"), "`DROP INDEX CONCURRENTLY`")]
        }
        _ => Vec::new(),
    }
}
