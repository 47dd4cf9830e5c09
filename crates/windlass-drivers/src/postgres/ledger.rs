//! The ledger: one row for each unit that took effect, written in the transaction of its statement. It makes a statement
//! happen exactly once, says how it is taken back, and is removed in the transaction that takes it back.

use super::{
    back::WayBack,
    session::{Session, Trouble},
};
use windlass_driver::Context;
use windlass_sql::postgres::text;

/// Schema of all that Windlass keeps in the database.
const CREATE: &str = "CREATE SCHEMA IF NOT EXISTS windlass;
CREATE SEQUENCE IF NOT EXISTS windlass.step;
COMMENT ON SEQUENCE windlass.step IS 'order of the changes in before-images';
CREATE TABLE IF NOT EXISTS windlass.aside (
    name text NOT NULL, what text NOT NULL, run text NOT NULL, unit text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (name, run, unit));
COMMENT ON TABLE windlass.aside IS 'what was set aside instead of dropped, until windlass prune';
CREATE TABLE IF NOT EXISTS windlass.ledger (
    seq bigint GENERATED ALWAYS AS IDENTITY, run text NOT NULL, unit text NOT NULL, attempt int NOT NULL,
    state text NOT NULL, digest text NOT NULL, rows bigint NOT NULL, way_back text NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(), at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (run, unit));
COMMENT ON TABLE windlass.ledger IS 'statements that took effect, and how they are taken back';";

/// A row.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Number that names what belongs to it.
    pub(super) seq: i64,
    /// Whether the statement runs outside of a transaction and is not known to have ended.
    pub(super) begun: bool,
    /// Whether it runs in batches and has not come to its end.
    pub(super) batches: bool,
    pub(super) digest: String,
    pub(super) rows: u64,
    pub(super) way_back: WayBack,
}

/// Whether there is a ledger.
pub(super) async fn exists(session: &Session) -> Result<bool, Trouble> {
    Ok(session.value("SELECT to_regclass('windlass.ledger')::text").await?.is_some())
}

/// Makes the ledger if it is missing, in a transaction of its own.
pub(super) async fn create(session: &Session) -> Result<(), Trouble> {
    if exists(session).await? {
        return Ok(());
    }
    // Two that begin at the same time would run into each other's half-made schema.
    session
        .act("BEGIN; SET LOCAL client_min_messages = warning; SELECT pg_advisory_xact_lock(7742031850)")
        .await?;
    session.act(CREATE).await?;
    session.commit().await
}

/// The row of a unit of a run.
pub(super) async fn find(session: &Session, run: &str, unit: &str) -> Result<Option<Entry>, Trouble> {
    let sql = format!(
        "SELECT seq, state, digest, rows, way_back FROM windlass.ledger WHERE run = {} AND unit = {}",
        text(run),
        text(unit)
    );
    let row = session.ask(&sql).await?.into_iter().next();
    Ok(row.map(|row| {
        let mut values = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || values.next().unwrap_or_default();
        let seq = next().parse().unwrap_or_default();
        let state = next();
        Entry {
            seq,
            begun: state == "begun",
            batches: state == "batches",
            digest: next(),
            rows: next().parse().unwrap_or_default(),
            way_back: serde_json::from_str(&next()).unwrap_or_default(),
        }
    }))
}

/// Whether any of these units of a run has a row.
pub(super) async fn has_any(session: &Session, run: &str, units: &[&str]) -> Result<bool, Trouble> {
    let units = units.iter().map(|unit| text(unit)).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT EXISTS (SELECT FROM windlass.ledger WHERE run = {} AND unit IN ({units}))",
        text(run)
    );
    Ok(session.value(&sql).await?.as_deref() == Some("t"))
}

/// Takes the place of a unit in the ledger and returns its number; whoever comes second waits, and then fails.
pub(super) async fn begin(
    session: &Session,
    run: &str,
    unit: &str,
    attempt: u32,
    digest: &str,
) -> Result<i64, Trouble> {
    let sql = format!(
        "INSERT INTO windlass.ledger (run, unit, attempt, state, digest, rows, way_back) VALUES ({}, {}, {attempt}, 'begun', \
         {}, 0, '') RETURNING seq",
        text(run),
        text(unit),
        text(digest)
    );
    Ok(session.value(&sql).await?.and_then(|seq| seq.parse().ok()).unwrap_or_default())
}

/// Numbers of rows to come.
pub(super) async fn numbers(session: &Session, count: usize) -> Result<Vec<i64>, Trouble> {
    let sql = format!(
        "SELECT nextval(pg_get_serial_sequence('windlass.ledger', 'seq')) FROM generate_series(1, {count})"
    );
    Ok(session.ask(&sql).await?.into_iter().filter_map(|mut row| row.pop()??.parse().ok()).collect())
}

/// The row of a unit in one piece, as SQL.
pub(super) fn whole(
    seq: i64,
    cx: &Context,
    unit: &str,
    digest: &str,
    rows: u64,
    way_back: &WayBack,
) -> String {
    let json = serde_json::to_string(way_back).expect("a way back has names, texts and numbers only");
    format!(
        "INSERT INTO windlass.ledger (seq, run, unit, attempt, state, digest, rows, way_back) OVERRIDING SYSTEM VALUE VALUES ({seq}, \
         {}, {}, {}, 'done', {}, {rows}, {})",
        text(&cx.run),
        text(unit),
        cx.attempt,
        text(digest),
        text(&json)
    )
}

/// Completes the row.
pub(super) async fn settle(
    session: &Session,
    seq: i64,
    rows: u64,
    way_back: &WayBack,
) -> Result<(), Trouble> {
    let json = serde_json::to_string(way_back).expect("a way back has names, texts and numbers only");
    let sql = format!(
        "UPDATE windlass.ledger SET state = 'done', rows = {rows}, way_back = {} WHERE seq = {seq}",
        text(&json)
    );
    session.act(&sql).await.map(|_| ())
}

/// Notes that the unit runs in batches, and what they go by.
pub(super) async fn batches(session: &Session, seq: i64, way_back: &WayBack) -> Result<(), Trouble> {
    let json = serde_json::to_string(way_back).expect("a way back has names, texts and numbers only");
    let sql =
        format!("UPDATE windlass.ledger SET state = 'batches', way_back = {} WHERE seq = {seq}", text(&json));
    session.act(&sql).await.map(|_| ())
}

/// Writes the way back of a statement that has yet to run outside of a transaction.
pub(super) async fn intend(session: &Session, seq: i64, way_back: &WayBack) -> Result<(), Trouble> {
    let json = serde_json::to_string(way_back).expect("a way back has names, texts and numbers only");
    let sql = format!("UPDATE windlass.ledger SET way_back = {} WHERE seq = {seq}", text(&json));
    session.act(&sql).await.map(|_| ())
}

/// Removes a row.
pub(super) async fn remove(session: &Session, seq: i64) -> Result<(), Trouble> {
    session.act(&format!("DELETE FROM windlass.ledger WHERE seq = {seq}")).await.map(|_| ())
}
