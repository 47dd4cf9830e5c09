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

/// The list of what is kept, for `windlass prune`.
pub(super) const ASIDE: &str = "windlass_aside";

const CREATE_ASIDE: &str = "CREATE TABLE IF NOT EXISTS windlass_aside (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    run VARCHAR(64) NOT NULL COMMENT 'name of the run',
    unit VARCHAR(255) NOT NULL COMMENT 'unit of its plan',
    at DATETIME NOT NULL COMMENT 'UTC',
    kind VARCHAR(16) NOT NULL COMMENT 'table, column, rows, before-image',
    name VARCHAR(200) NOT NULL COMMENT 'what it was',
    holder VARCHAR(64) NOT NULL COMMENT 'table or column that holds it',
    why VARCHAR(16) NOT NULL COMMENT 'dropped, changed or undone',
    KEY run_unit (run, unit)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin COMMENT = 'what is kept until windlass prune'";

/// A line of that list.
pub(super) struct Kept<'a> {
    /// `table`, `column`, `rows`, `before-image`.
    pub(super) kind: &'a str,
    /// What it was.
    pub(super) name: &'a str,
    /// The table or column that holds it.
    pub(super) stored: &'a str,
    /// `dropped`, `changed`, `undone`.
    pub(super) why: &'a str,
}

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

/// Creates the tables if they are missing; commits an open transaction.
pub(super) async fn create(session: &mut Session) -> Result<(), Trouble> {
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name IN ({}, {})",
        text(TABLE),
        text(ASIDE)
    );
    if session.value(&sql).await?.as_deref() != Some("2") {
        session.run(CREATE).await?;
        session.run(CREATE_ASIDE).await?;
    }
    Ok(())
}

/// Writes a line of the list.
pub(super) async fn note(session: &mut Session, key: Key<'_>, kept: &Kept<'_>) -> Result<(), Trouble> {
    let name: String = kept.name.chars().take(200).collect();
    let values = [key.run, key.unit, kept.kind, &name, kept.stored, kept.why].map(text);
    let sql = format!(
        "INSERT INTO {ASIDE} (at, run, unit, kind, name, holder, why) VALUES (UTC_TIMESTAMP(), {})",
        values.join(", ")
    );
    session.run(&sql).await.map(drop)
}

/// Takes the lines of a unit away that say `why`.
pub(super) async fn forget(session: &mut Session, key: Key<'_>, why: &str) -> Result<(), Trouble> {
    let sql = format!("DELETE FROM {ASIDE} WHERE {} AND why = {}", key.condition(), text(why));
    match session.run(&sql).await {
        Err(trouble) if trouble.code() == 1146 => Ok(()),
        other => other.map(drop),
    }
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

/// Takes the row away, and with it the lines on its before-images: undone.
pub(super) async fn delete(session: &mut Session, key: Key<'_>) -> Result<(), Trouble> {
    session.run(&format!("DELETE FROM {TABLE} WHERE {}", key.condition())).await?;
    forget(session, key, "changed").await
}
