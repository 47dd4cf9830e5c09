//! The ledger: one row for each statement on rows that took effect, written in the statement's own transaction. An undo
//! takes the row away in its own transaction. So a look at the row tells what became of either.
//!
//! The row is written first, before the statement: whoever looks for it with a lock waits until the transaction has
//! ended, and then knows.

use super::session::{Answer, Session, Trouble};
use windlass_sql::{Dialect, literal};

/// Name of the table in the database that is released to. It may be dropped when no run is open.
pub(super) const TABLE: &str = "windlass_ledger";

const CREATE: &str = "CREATE TABLE IF NOT EXISTS windlass_ledger (
    seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    run VARCHAR(64) NOT NULL COMMENT 'name of the run',
    unit VARCHAR(255) NOT NULL COMMENT 'unit of its plan',
    attempt INT UNSIGNED NOT NULL COMMENT 'which try',
    digest CHAR(64) NOT NULL COMMENT 'SHA-256 of the statement',
    changed BIGINT UNSIGNED NOT NULL COMMENT 'rows changed',
    at DATETIME NOT NULL COMMENT 'UTC, for people',
    UNIQUE KEY run_unit (run, unit)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin COMMENT = 'statements that Windlass ran'";

/// A row.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) digest: String,
    pub(super) changed: u64,
}

/// A string literal.
pub(super) fn text(value: &str) -> String {
    literal(value, Dialect::Mysql).expect("MySQL has a literal for every text")
}

/// Whose row it is.
#[derive(Clone, Copy)]
pub(super) struct Key<'a> {
    pub(super) run: &'a str,
    pub(super) unit: &'a str,
}

impl Key<'_> {
    fn condition(&self) -> String {
        format!("run = {} AND unit = {}", text(self.run), text(self.unit))
    }
}

/// Creates the table if it is missing; commits an open transaction.
pub(super) async fn create(session: &mut Session) -> Result<(), Trouble> {
    if exists(session, TABLE).await? { Ok(()) } else { session.run(CREATE).await.map(drop) }
}

/// Whether there is a table of this name.
pub(super) async fn exists(session: &mut Session, table: &str) -> Result<bool, Trouble> {
    let sql = format!(
        "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = {}",
        text(table)
    );
    Ok(session.run(&sql).await?.count > 0)
}

/// The row; with `lock` inside a transaction, or as a wait for one that is open.
pub(super) async fn find(session: &mut Session, key: Key<'_>, lock: bool) -> Result<Option<Entry>, Trouble> {
    let lock = if lock { " FOR UPDATE" } else { "" };
    let sql = format!("SELECT digest, changed FROM {TABLE} WHERE {}{lock}", key.condition());
    let answer: Answer = match session.run(&sql).await {
        // There is no ledger yet.
        Err(Trouble::Server { code: 1146, .. }) => return Ok(None),
        other => other?,
    };
    let entry = |row: &Vec<Option<String>>| {
        let word = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        Entry { digest: word(0), changed: word(1).parse().unwrap_or(0) }
    };
    Ok(answer.rows.first().map(entry))
}

/// Writes the row, first thing in a transaction.
pub(super) async fn insert(
    session: &mut Session,
    key: Key<'_>,
    attempt: u32,
    digest: &str,
) -> Result<(), Trouble> {
    let sql = format!(
        "INSERT INTO {TABLE} (run, unit, attempt, digest, changed, at) VALUES ({}, {}, {attempt}, {}, 0, UTC_TIMESTAMP())",
        text(key.run),
        text(key.unit),
        text(digest)
    );
    session.run(&sql).await.map(drop)
}

/// Completes the row, last thing in the transaction.
pub(super) async fn complete(session: &mut Session, key: Key<'_>, changed: u64) -> Result<(), Trouble> {
    session.run(&format!("UPDATE {TABLE} SET changed = {changed} WHERE {}", key.condition())).await.map(drop)
}

/// Takes the row away: undone.
pub(super) async fn delete(session: &mut Session, key: Key<'_>) -> Result<(), Trouble> {
    session.run(&format!("DELETE FROM {TABLE} WHERE {}", key.condition())).await.map(drop)
}
