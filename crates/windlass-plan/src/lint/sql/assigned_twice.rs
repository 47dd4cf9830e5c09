//! `assigned-twice`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::Dialect;

pub(super) const RULE: SqlRule = SqlRule {
    name: "assigned-twice",
    severity: Severity::Warning,
    summary: "a column is assigned twice in one statement",
    why: "the last one counts, without a word",
    dialects: &[Dialect::Mysql, Dialect::Sqlite],
    bad: "UPDATE orders SET state = 'new', total = 0, state = 'paid' WHERE id = 7;",
    good: "UPDATE orders SET state = 'paid', total = 0 WHERE id = 7;",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(dml) = at.dml().filter(|dml| !dml.multi_table) else { return Vec::new() };
    dml.assigned_twice
        .iter()
        .map(|column| found(format!("`{column}` is assigned twice"), "leave one of the assignments out"))
        .collect()
}
