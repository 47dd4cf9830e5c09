//! `not-null-fills-zero`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::Change;

pub(super) const RULE: SqlRule = SqlRule {
    name: "not-null-fills-zero",
    severity: Severity::Warning,
    summary: "rows there are get a zero that nobody chose",
    why: "MySQL fills a NOT NULL column without a default with 0, '' or '0000-00-00' instead of refusing",
    dialects: super::MYSQL,
    bad: "ALTER TABLE orders ADD COLUMN pieces INT NOT NULL;",
    good: "ALTER TABLE orders ADD COLUMN pieces INT NOT NULL DEFAULT 1;",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(alter) = at.alter().filter(|alter| !at.is_new(&alter.table)) else { return Vec::new() };
    if at.live(&alter.table).is_some_and(|table| table.rows == Some(0)) {
        return Vec::new();
    }
    let columns = alter.changes.iter().filter_map(|change| match change {
        Change::AddColumn(column) => Some(column),
        _ => None,
    });
    columns
        .filter(|column| {
            let computed = column.is_numbered() || column.generated.is_some();
            column.not_null && column.default.is_none() && !computed
        })
        .map(|column| {
            let help = "name the DEFAULT that is meant, or add the column without NOT NULL and fill it";
            found(format!("`{}` is NOT NULL and has no default", column.name), help)
        })
        .collect()
}
