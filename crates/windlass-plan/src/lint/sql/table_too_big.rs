//! `table-too-big`

use super::script::{At, Found, found, handed_over};
use super::{SqlRule, servers, table_name};
use windlass_document::Severity;
use windlass_sql::{ColumnType, Dialect, Live, LiveColumn, LiveTable, Work, postgres_locks, predict};

pub(super) const RULE: SqlRule = SqlRule {
    name: "table-too-big",
    severity: Severity::Warning,
    summary: "the table is too large to be written anew",
    why: "it takes hours, in which writes wait or replicas lag; tools that copy beside the writers do it in steps",
    dialects: &[Dialect::Postgresql, Dialect::Mysql],
    bad: "ALTER TABLE orders ALTER COLUMN note TYPE varchar(50);",
    good: "CREATE TABLE order_note (order_id bigint PRIMARY KEY, note varchar(50));",
    live: Some(live),
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(alter) = at.alter() else { return Vec::new() };
    let Some(table) =
        at.live(&alter.table).filter(|table| table.rows > Some(HUGE_ROWS) || table.bytes > Some(HUGE_BYTES))
    else {
        return Vec::new();
    };
    let Some(ddl) = at.ddl() else { return Vec::new() };
    let (rewrites, tool) = match at.dialect() {
        Dialect::Postgresql => {
            let locks = postgres_locks(ddl, at.now);
            (locks.iter().any(|lock| lock.work == Work::Rewrite), "a new column that is filled with `batch=`")
        }
        _ => {
            let servers = servers(at);
            let worst = servers.iter().filter_map(|server| predict(ddl, *server, Some(table)));
            (worst.into_iter().any(|found| found.rebuilds), "gh-ost or pt-online-schema-change")
        }
    };
    if !rewrites {
        return Vec::new();
    }
    let keys = !table.foreign_keys.is_empty() || !table.referenced_by.is_empty();
    let refused = match (at.dialect(), keys, table.triggers.is_empty()) {
        (Dialect::Mysql, true, _) => " (gh-ost refuses tables with foreign keys)",
        (Dialect::Mysql, _, false) => " (pt-online-schema-change refuses tables with triggers)",
        _ => "",
    };
    vec![found(
        format!("{} would be written anew", at.words(&alter.table)),
        format!("{tool}{refused}{}", handed_over(at)),
    )]
}

/// What a server writes anew in some minutes.
const HUGE_ROWS: u64 = 20_000_000;
const HUGE_BYTES: u64 = 10 << 30;

fn live() -> Live {
    let kind = ColumnType { name: "text".to_owned(), ..ColumnType::default() };
    let note = LiveColumn { name: "note".to_owned(), kind, ..LiveColumn::default() };
    let table = LiveTable {
        name: table_name("orders"),
        rows: Some(40_000_000),
        bytes: Some(12 << 30),
        columns: vec![note],
        ..LiveTable::default()
    };
    Live { tables: vec![table], ..Live::default() }
}
