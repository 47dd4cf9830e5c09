//! The ledger: one row for each unit that took effect, written in the transaction of its statement. It makes a statement
//! happen exactly once, says how it is taken back, and is removed in the transaction that takes it back.

use super::{
    back::WayBack,
    session::{Session, Trouble},
};
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
        Entry {
            seq: next().parse().unwrap_or_default(),
            begun: next() == "begun",
            digest: next(),
            rows: next().parse().unwrap_or_default(),
            way_back: serde_json::from_str(&next()).unwrap_or_default(),
        }
    }))
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
