//! `numbers-run-out`

use super::script::{At, Found, found};
use super::{SqlRule, table_name};
use windlass_document::Severity;
use windlass_sql::{ColumnType, Ddl, Dialect, Live, LiveColumn, LiveTable};

pub(super) const RULE: SqlRule = SqlRule {
    name: "numbers-run-out",
    severity: Severity::Warning,
    summary: "the numbers of a key are almost used up",
    why: "when the type of the key has no next number, every insert fails",
    dialects: &[Dialect::Postgresql, Dialect::Mysql],
    bad: "ALTER TABLE orders ADD COLUMN note text;",
    good: "ALTER TABLE users ADD COLUMN note text;",
    live: Some(live),
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let table = match (at.ddl(), at.dml()) {
        (Some(Ddl::AlterTable(alter)), _) => &alter.table,
        (_, Some(dml)) => &dml.table,
        _ => return Vec::new(),
    };
    let Some(live) = at.live(table) else { return Vec::new() };
    let Some((next, column)) = live.next_number.zip(live.columns.iter().find(|column| column.numbered))
    else {
        return Vec::new();
    };
    let Some(limit) = limit(&column.kind) else { return Vec::new() };
    if next < limit / 5 * 4 {
        return Vec::new();
    }
    let message = format!("`{}` of `{table}` is at {next} of {limit}", column.name);
    vec![found(message, "plan the change to bigint now, as long as there is time to do it step by step")]
}

/// The last number of a type.
fn limit(kind: &ColumnType) -> Option<u64> {
    let signed: u64 = match kind.name.as_str() {
        "tinyint" => 127,
        "smallint" | "int2" | "smallserial" => 32_767,
        "mediumint" => 8_388_607,
        "int" | "integer" | "int4" | "serial" => 2_147_483_647,
        "bigint" | "int8" | "bigserial" => 9_223_372_036_854_775_807,
        _ => return None,
    };
    Some(if kind.unsigned { signed.saturating_mul(2).saturating_add(1) } else { signed })
}

fn live() -> Live {
    let kind = ColumnType { name: "integer".to_owned(), ..ColumnType::default() };
    let id =
        LiveColumn { name: "id".to_owned(), kind, not_null: true, numbered: true, ..LiveColumn::default() };
    let table = |name, next| LiveTable {
        name: table_name(name),
        rows: Some(500),
        columns: vec![id.clone()],
        next_number: Some(next),
        ..LiveTable::default()
    };
    Live { tables: vec![table("orders", 2_000_000_000), table("users", 70_000)], ..Live::default() }
}
