//! Whether the server is too busy for the next batch.

use super::Link;
use crate::sql::{batch::says_wait, place};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};
use windlass_driver::{Failure, Fault};
use windlass_plan::Throttle;

/// Longest answer of the user's query.
const QUERY_MS: u32 = 5_000;
/// Positions of the log that are remembered, at least this long apart.
const EVERY: Duration = Duration::from_millis(200);

/// How far replicas are behind. The server's own `replay_lag` says nothing of a replica that stands still, so it is seen when this
/// connection saw the position that a replica has reached.
#[derive(Debug, Default)]
pub(super) struct Lag {
    seen: VecDeque<(Instant, u64)>,
}

impl Lag {
    /// The log is at `now`, the slowest replica at `replayed`: how long ago the log was there.
    fn of(&mut self, now: u64, replayed: u64) -> Duration {
        if self.seen.back().is_none_or(|(at, lsn)| at.elapsed() >= EVERY && *lsn < now) {
            self.seen.push_back((Instant::now(), now));
        }
        while self.seen.front().is_some_and(|(_, lsn)| *lsn <= replayed) {
            self.seen.pop_front();
        }
        // A day of samples is no memory, and who is further behind is far enough behind.
        if self.seen.len() > 500_000 {
            self.seen.remove(1);
        }
        self.seen.front().map_or(Duration::ZERO, |(at, _)| at.elapsed())
    }
}

impl Link {
    pub(super) async fn busy(&mut self, throttle: &Throttle) -> Result<Option<String>, Failure> {
        self.job.session.renew(self.job.limit);
        for tries in 0..2 {
            match self.look(throttle).await {
                Ok(answer) => return answer.map_err(|why| self.unanswered(&why)),
                Err(super::Trouble::Lost(why)) if tries == 0 => self.anew(&why, 0).await?,
                Err(trouble) => {
                    self.job.session.rollback().await;
                    let failure = self.job.failure(trouble, "asking whether it should wait");
                    return Err(failure.for_a_person());
                }
            }
        }
        Ok(None)
    }

    fn unanswered(&self, why: &str) -> Failure {
        let message = format!("{}: {why}", place(&self.cx, &self.job.unit, None));
        Failure::clean(Fault::Document, message)
            .for_a_person()
            .hint("correct `wait_while` in windlass.toml for later runs")
    }

    async fn look(&mut self, throttle: &Throttle) -> Result<Result<Option<String>, String>, super::Trouble> {
        let session = &self.job.session;
        let number =
            |value: Option<&Option<String>>| value.and_then(|value| value.as_deref()?.parse::<u64>().ok());
        let sql = "SELECT (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE state = 'active' AND backend_type = 'client backend' AND \
                   pid <> pg_catalog.pg_backend_pid()), (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE wait_event_type = 'Lock'), \
                   CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL ELSE pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), \
                   '0/0')::bigint END, (SELECT pg_catalog.min(pg_catalog.pg_wal_lsn_diff(replay_lsn, '0/0'))::bigint FROM \
                   pg_catalog.pg_stat_replication WHERE state <> 'backup')";
        let row = session.ask(sql).await?.into_iter().next().unwrap_or_default();
        let (active, waiting) = (number(row.first()), number(row.get(1)));
        if let (Some(limit), Some(active)) = (throttle.sessions, active)
            && active > u64::from(limit)
        {
            return Ok(Ok(Some(format!("{active} sessions are at work, and `sessions` says {limit}"))));
        }
        if let (Some(limit), Some(waiting)) = (throttle.lock_waits, waiting)
            && waiting > u64::from(limit)
        {
            return Ok(Ok(Some(format!("{waiting} sessions wait for locks, and `lock_waits` says {limit}"))));
        }
        if let (Some(now), Some(replayed)) = (number(row.get(2)), number(row.get(3))) {
            let behind = self.lag.of(now, replayed);
            if behind > Duration::from_millis(throttle.lag_ms) {
                return Ok(Ok(Some(format!("a replica is {} s behind", behind.as_secs()))));
            }
        }
        let Some(query) = &throttle.wait_while else { return Ok(Ok(None)) };
        session.act(&format!("BEGIN READ ONLY; SET LOCAL statement_timeout = {QUERY_MS}")).await?;
        let answer = session.value(query).await;
        session.rollback().await;
        Ok(says_wait(answer?.as_deref()).map(|wait| wait.then(|| "`wait_while` says so".to_owned())))
    }
}
