//! What decides, beside `sql_mode`, what a value becomes in another type: the zone, between TIMESTAMP and all others, and the
//! day that a TIME gets. The way back converts in those of the statement, not in those of the server.
//!
//! Not among it is the character set of the session: it is that of literals, while values convert in those of their columns.

use super::cover::Refusal;
use super::ledger::text;
use super::session::{Session, Trouble};
use serde::{Deserialize, Serialize};

/// As a session has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Scene {
    /// `@@time_zone`
    zone: String,
    /// Some moments in it: a zone may get another meaning, above all `SYSTEM`.
    moments: String,
    /// `@@timestamp`
    now: String,
}

impl Scene {
    /// That of the session.
    pub(super) async fn read(session: &mut Session) -> Result<Self, Trouble> {
        const SQL: &str = "SELECT @@time_zone, CONCAT_WS(' ', UNIX_TIMESTAMP('1990-01-15 12:00:00'), \
             UNIX_TIMESTAMP('1990-07-15 12:00:00'), UNIX_TIMESTAMP('2024-01-15 12:00:00'), UNIX_TIMESTAMP('2024-07-15 12:00:00')), \
             @@timestamp";
        let found = session.run(SQL).await?;
        let word =
            |at: usize| found.rows.first().and_then(|row| row.get(at).cloned().flatten()).unwrap_or_default();
        Ok(Self { zone: word(0), moments: word(1), now: word(2) })
    }

    /// Whether the session still converts in this zone.
    pub(super) async fn is_of(&self, session: &mut Session) -> Result<(), Refusal> {
        let found = Self::read(session).await?;
        if found.moments == self.moments {
            return Ok(());
        }
        Err(Refusal::Why(format!(
            "the time zone of the server (`{}`) is another one than when the statement was prepared (`{}`), so values would convert \
             to others: set it as it was",
            found.zone, self.zone
        )))
    }

    /// Puts the session into it.
    pub(super) async fn enter(&self, session: &mut Session) -> Result<(), Refusal> {
        session.run(&format!("SET time_zone = {}", text(&self.zone))).await?;
        self.is_of(session).await?;
        self.hold(session).await.map(drop).map_err(Refusal::Trouble)
    }

    /// Sets its day; gives back what [`Scene::release`] needs.
    pub(super) async fn hold(&self, session: &mut Session) -> Result<bool, Trouble> {
        // The time of a session that stands still is the same each time.
        let stands = session.value("SELECT @@timestamp").await?.as_deref() == Some(&self.now);
        session.run(&format!("SET timestamp = {}", self.number())).await?;
        Ok(stands)
    }

    /// The time goes on, unless it stood still before.
    pub(super) async fn release(&self, session: &mut Session, stands: bool) -> Result<(), Trouble> {
        let to = if stands { self.number() } else { "DEFAULT" };
        session.run(&format!("SET timestamp = {to}")).await.map(drop)
    }

    fn number(&self) -> &str {
        let is_number = self.now.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if is_number && !self.now.is_empty() { &self.now } else { "DEFAULT" }
    }
}
