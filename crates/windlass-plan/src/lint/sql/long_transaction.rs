//! `long-transaction`

use super::script::{At, Found, found};
use super::{SqlRule, table_name};
use windlass_document::Severity;
use windlass_sql::{Ddl, Dialect, Live, LiveTable, LiveTransaction};

pub(super) const RULE: SqlRule = SqlRule {
    name: "long-transaction",
    severity: Severity::Warning,
    summary: "a transaction is open that this statement would wait for",
    why: "while the statement waits for its lock, everything that comes after it waits as well",
    dialects: &[Dialect::Postgresql, Dialect::Mysql],
    bad: "ALTER TABLE orders ADD COLUMN note text;",
    good: "INSERT INTO orders (state) VALUES ('new');",
    live: Some(live),
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(live) = at.now.filter(|_| at.ddl().is_some()) else { return Vec::new() };
    if matches!(at.ddl(), Some(Ddl::CreateTable(_) | Ddl::CreateOther { .. })) {
        return Vec::new();
    }
    let Some(oldest) = live
        .transactions
        .iter()
        .filter(|open| open.age_s >= LONG_S || is_dump(open))
        .max_by_key(|open| open.age_s)
    else {
        return Vec::new();
    };
    let who = match (oldest.program.as_str(), oldest.user.as_str()) {
        ("", user) => format!("`{user}`"),
        (program, "") => format!("`{program}`"),
        (program, user) => format!("`{program}` of `{user}`"),
    };
    let idle = if oldest.idle { ", idle" } else { "" };
    let message =
        format!("{who} (process {}) has a transaction open for {} s{idle}", oldest.pid, oldest.age_s);
    vec![found(message, "wait until it ends, or end it; never run a dump beside a change of definitions")]
}

/// As long as a query of a service should never take, seconds.
const LONG_S: u64 = 60;

fn is_dump(open: &LiveTransaction) -> bool {
    ["pg_dump", "mysqldump", "mariadb-dump", "mydumper"].iter().any(|name| open.program.contains(name))
        || open.query.contains("SQL_NO_CACHE * FROM")
        || open.query.starts_with("COPY ") && open.query.contains(" TO stdout")
}

fn live() -> Live {
    let dump = LiveTransaction {
        pid: 4711,
        program: "pg_dump".to_owned(),
        age_s: 480,
        ..LiveTransaction::default()
    };
    let table = LiveTable { name: table_name("orders"), rows: Some(500), ..LiveTable::default() };
    Live { tables: vec![table], transactions: vec![dump], ..Live::default() }
}
