//! `cascade`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::{Change, Ddl};

pub(super) const RULE: SqlRule = SqlRule {
    name: "cascade",
    severity: Severity::Warning,
    summary: "CASCADE takes along what nobody has named",
    why: "views, foreign keys, columns and rows of other tables go without being listed anywhere",
    dialects: super::POSTGRESQL,
    bad: "DROP VIEW order_totals CASCADE;",
    good: "DROP VIEW order_report;\nDROP VIEW order_totals;",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let what = match at.ddl() {
        Some(Ddl::Drop(drop)) if drop.cascade => "everything that depends on it is dropped",
        Some(Ddl::Truncate { cascade: true, .. }) => "every table that refers to it is emptied",
        Some(Ddl::AlterTable(alter)) => {
            let cascades = alter.changes.iter().any(|change| {
                matches!(
                    change,
                    Change::DropColumn { cascade: true, .. } | Change::DropConstraint { cascade: true, .. }
                )
            });
            if !cascades {
                return Vec::new();
            }
            "everything that depends on it is dropped"
        }
        _ => return Vec::new(),
    };
    vec![found(format!("{what} as well"), "drop what depends on it by name first, and leave CASCADE out")]
}
