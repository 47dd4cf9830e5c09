//! `several-alters`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::{AlterTable, Change, Dialect};

pub(super) const RULE: SqlRule = SqlRule {
    name: "several-alters",
    severity: Severity::Note,
    summary: "the same table is altered several times in a row",
    why: "each statement waits for the lock again, and each that rewrites the table does so again",
    dialects: &[Dialect::Postgresql, Dialect::Mysql],
    bad: "ALTER TABLE orders ADD COLUMN a int;\nALTER TABLE orders ADD COLUMN b int;",
    good: "ALTER TABLE orders ADD COLUMN a int, ADD COLUMN b int;",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(alter) = at.alter().filter(|alter| at.matters(&alter.table)) else { return Vec::new() };
    let Some(before) = at.index.checked_sub(1).map(|index| At { index, ..at }) else { return Vec::new() };
    let same = before.alter().is_some_and(|other| other.table == alter.table && joins(other) && joins(alter));
    if !same {
        return Vec::new();
    }
    let message = format!("`{}` was altered by the statement before as well", alter.table);
    vec![found(message, "write both as one ALTER TABLE, separated by a comma")]
}

/// Whether it may be joined with another one: renames and steps of a safe sequence stand alone.
fn joins(alter: &AlterTable) -> bool {
    alter.changes.iter().all(|change| {
        matches!(
            change,
            Change::AddColumn(_)
                | Change::DropColumn { .. }
                | Change::Modify(_)
                | Change::AddIndex(_)
                | Change::DropIndex(_)
                | Change::SetType { .. }
        )
    })
}
