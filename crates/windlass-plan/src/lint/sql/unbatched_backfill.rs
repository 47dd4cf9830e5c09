//! `unbatched-backfill`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::{Dialect, DmlKind, LiveTable, Span};

pub(super) const RULE: SqlRule = SqlRule {
    name: "unbatched-backfill",
    severity: Severity::Warning,
    summary: "many rows are changed by one statement",
    why: "one transaction holds the locks of all rows until it ends, bloats the table and makes replicas lag",
    dialects: &[Dialect::Postgresql, Dialect::Mysql],
    bad: "ALTER TABLE orders ADD COLUMN total numeric;\nUPDATE orders SET total = price * pieces;",
    good: "ALTER TABLE orders ADD COLUMN total numeric;",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(dml) = at.dml().filter(|dml| matches!(dml.kind, DmlKind::Update | DmlKind::Delete)) else {
        return Vec::new();
    };
    if at.read().source.batch || dml.multi_table || !at.matters(&dml.table) {
        return Vec::new();
    }
    let help = "give the step `batch=5000`: key ranges with a pause between them, and a way back for each";
    match at.live(&dml.table) {
        Some(table) if table.rows.is_none_or(|rows| rows > MANY_ROWS) && !by_key(table, at, dml.filter) => {
            let message = format!("up to all of {} in one transaction", at.words(&dml.table));
            vec![found(message, help)]
        }
        Some(_) => Vec::new(),
        // Filling a column that the release has just added touches every row.
        None if dml.assigned.iter().any(|column| at.is_added(&dml.table, column)) => {
            vec![found(format!("all of `{}` is filled in one transaction", dml.table), help)]
        }
        None => Vec::new(),
    }
}

/// More rows than one transaction should change.
const MANY_ROWS: u64 = 100_000;

/// Whether the condition names a single column of a unique key by `=`.
fn by_key(table: &LiveTable, at: At<'_>, filter: Option<Span>) -> bool {
    let Some(filter) = filter.map(|filter| filter.of(at.text())) else { return false };
    let Some((column, _)) = filter.split_once('=') else { return false };
    let column = column.trim().trim_matches(['`', '"']);
    let keys = table.indexes.iter().filter(|index| index.unique || index.primary);
    keys.into_iter().any(|index| matches!(&index.columns[..], [only] if only.eq_ignore_ascii_case(column)))
}
