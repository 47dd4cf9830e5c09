//! `row-versions`

use super::script::{At, Found, found};
use super::{SqlRule, table_name};
use windlass_document::Severity;
use windlass_sql::{Change, Live, LiveTable};

pub(super) const RULE: SqlRule = SqlRule {
    name: "row-versions",
    severity: Severity::Warning,
    summary: "the table has no instant change left",
    why: "InnoDB takes 64 changes of columns by INSTANT; then it refuses until the table is rebuilt",
    dialects: super::MYSQL,
    bad: "ALTER TABLE orders ADD COLUMN note TEXT;",
    good: "ALTER TABLE orders COMMENT 'Orders';",
    live: Some(live),
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(alter) = at.alter() else { return Vec::new() };
    let Some(versions) = at.live(&alter.table).and_then(|table| table.row_versions) else {
        return Vec::new();
    };
    let counts =
        alter.changes.iter().any(|change| matches!(change, Change::AddColumn(_) | Change::DropColumn { .. }));
    if !counts || versions < NEAR {
        return Vec::new();
    }
    let message = format!("`{}` has used {versions} of 64 instant changes", alter.table);
    vec![found(
        message,
        "`ALTER TABLE … FORCE` in a quiet hour first: it rebuilds the table and starts again at 0",
    )]
}

/// From here on it is said.
const NEAR: u32 = 60;

fn live() -> Live {
    let table = LiveTable {
        name: table_name("orders"),
        rows: Some(500),
        row_versions: Some(63),
        ..LiveTable::default()
    };
    Live { tables: vec![table], ..Live::default() }
}
