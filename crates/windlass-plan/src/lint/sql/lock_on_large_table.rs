//! `lock-on-large-table`

use super::script::{At, Found, found};
use super::{SqlRule, servers, table_name};
use windlass_document::Severity;
use windlass_sql::{Dialect, Live, LiveTable, ObjectName, Work, postgres_locks, predict};

pub(super) const RULE: SqlRule = SqlRule {
    name: "lock-on-large-table",
    severity: Severity::Note,
    summary: "a large table is locked, if only for a moment",
    why: "the statement itself is quick, but it waits for every transaction that uses the table, and all who come after wait behind it",
    dialects: &[Dialect::Postgresql, Dialect::Mysql],
    bad: "ALTER TABLE orders ADD COLUMN note text;",
    good: "ALTER TABLE users ADD COLUMN note text;",
    live: Some(live),
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(ddl) = at.ddl() else { return Vec::new() };
    let help = "run it when no long transaction is open; it gives up after some seconds and tries again";
    if at.dialect() == Dialect::Postgresql {
        return postgres_locks(ddl, at.now)
            .into_iter()
            .filter(|lock| lock.mode.blocks_writes() && lock.work == Work::Catalog && !lock.of_index)
            .filter(|lock| is_large(at, &lock.object))
            .map(|lock| {
                let message = format!(
                    "{} on {}: only the catalog is changed meanwhile",
                    lock.mode.name(),
                    at.words(&lock.object)
                );
                found(message, help)
            })
            .collect();
    }
    let Some(table) = at.alter().map(|alter| &alter.table).filter(|table| is_large(at, table)) else {
        return Vec::new();
    };
    let servers = servers(at);
    let [server] = servers.as_slice() else { return Vec::new() };
    match predict(ddl, *server, at.live(table)) {
        Some(way) if !way.rebuilds => {
            let message = format!(
                "an exclusive metadata lock on {}, for a moment: predicted {}",
                at.words(table),
                way.clauses(server.product)
            );
            vec![found(message, help)]
        }
        // What rebuilds or copies has rules of its own.
        _ => Vec::new(),
    }
}

fn is_large(at: At<'_>, name: &ObjectName) -> bool {
    !at.is_new(name)
        && at.live(name).is_some_and(|table| table.rows > Some(LARGE_ROWS) || table.bytes > Some(LARGE_BYTES))
}

/// A table that many use at any time.
const LARGE_ROWS: u64 = 10_000_000;
const LARGE_BYTES: u64 = 1 << 30;

fn live() -> Live {
    let table = |name, rows, bytes| LiveTable {
        name: table_name(name),
        rows: Some(rows),
        bytes: Some(bytes),
        ..LiveTable::default()
    };
    Live {
        tables: vec![table("orders", 50_000_000, 6 << 30), table("users", 10, 16 << 10)],
        ..Live::default()
    }
}
