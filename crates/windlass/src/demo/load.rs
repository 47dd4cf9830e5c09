//! An open-loop load: requests leave at their appointed times whether or not earlier ones were answered, so that a
//! pause of the service shows as latency and never as fewer requests.

use super::problem;
use reqwest::{Client, StatusCode};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{sync::Semaphore, task::JoinSet};

/// Requests a second.
const RATE: u32 = 200;

/// One in this many is a write.
const WRITE_EVERY: u64 = 4;

/// Requests under way at a time; more would mean that a hold lasted beyond every budget.
const IN_FLIGHT_MAX: usize = 20_000;

/// No answer by then is a failed request.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the load saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// Requests answered or failed.
    pub requests: u64,
    /// Requests that failed: no answer, a wrong status, a wrong body.
    pub failed: u64,
    /// The first failures, in words.
    pub failures: Vec<String>,
    /// Ids of acknowledged writes, with the guest written.
    pub written: HashMap<i64, String>,
    /// Latency of each request from its appointed time, microseconds.
    pub latencies_us: Vec<u64>,
    /// When requests failed: appointed time since the start, milliseconds.
    pub failed_at_ms: Vec<u64>,
}

/// A load under way.
pub struct Load {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Load {
    /// Starts the load against `base` (`http://host:port`).
    pub fn start(base: &str) -> Result<Self, String> {
        let client =
            Client::builder().timeout(PATIENCE).no_proxy().build().map_err(problem("no HTTP client"))?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let shared = Shared {
            client,
            base: base.to_owned(),
            seen: seen.clone(),
            acknowledged: Arc::new(AtomicI64::new(0)),
            began: Instant::now(),
        };
        let task = tokio::spawn(send_all(shared, stop.clone()));
        Ok(Self { seen, stop, task })
    }

    /// Requests and failures so far.
    pub fn so_far(&self) -> (u64, u64) {
        let seen = self.seen.lock().expect("no request panics while it notes what it saw");
        (seen.requests, seen.failed)
    }

    /// Ends the load, waits for the answers still to come.
    pub async fn finish(self) -> Result<Seen, String> {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.map_err(problem("the load broke"))?;
        Ok(std::mem::take(&mut *self.seen.lock().expect("no request panics while it notes what it saw")))
    }
}

#[derive(Clone)]
struct Shared {
    client: Client,
    base: String,
    seen: Arc<Mutex<Seen>>,
    /// Highest id that was acknowledged with all below it tried: reads ask for ids up to it.
    acknowledged: Arc<AtomicI64>,
    began: Instant,
}

async fn send_all(shared: Shared, stop: Arc<AtomicBool>) {
    let mut requests = JoinSet::new();
    let room = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
    let gap = Duration::from_secs(1) / RATE;
    for number in 0_u64.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let due = gap * u32::try_from(number).unwrap_or(u32::MAX);
        tokio::time::sleep_until((shared.began + due).into()).await;
        let Ok(permit) = room.clone().acquire_owned().await else { break };
        let shared = shared.clone();
        requests.spawn(async move {
            shared.one(number, due).await;
            drop(permit);
        });
        while requests.try_join_next().is_some() {}
    }
    while requests.join_next().await.is_some() {}
}

impl Shared {
    async fn one(&self, number: u64, due: Duration) {
        let write = number.is_multiple_of(WRITE_EVERY);
        let id = i64::try_from(number / WRITE_EVERY + 1).unwrap_or(i64::MAX);
        let result = if write { self.write(id).await } else { self.read(number).await };
        let latency = self.began.elapsed().saturating_sub(due);
        let mut seen = self.seen.lock().expect("no request panics while it notes what it saw");
        seen.requests += 1;
        seen.latencies_us.push(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        match result {
            Ok(Some(guest)) => {
                seen.written.insert(id, guest);
            }
            Ok(None) => {}
            Err(why) => {
                seen.failed += 1;
                seen.failed_at_ms.push(u64::try_from(due.as_millis()).unwrap_or(u64::MAX));
                if seen.failures.len() < 10 {
                    seen.failures.push(format!("{:.1} s: {why}", due.as_secs_f64()));
                }
            }
        }
    }

    async fn write(&self, id: i64) -> Result<Option<String>, String> {
        let guest = format!("guest {id} 样");
        let url = format!("{}/bookings/{id}", self.base);
        let answer = self.client.post(url).body(guest.clone()).send().await.map_err(|e| chain(&e))?;
        if answer.status() != StatusCode::CREATED {
            return Err(format!("write {id}: {}", refused(answer).await));
        }
        self.acknowledged.fetch_max(id, Ordering::SeqCst);
        Ok(Some(guest))
    }

    /// Reads a booking. One whose write is still under way may be missing; any other must be there.
    async fn read(&self, number: u64) -> Result<Option<String>, String> {
        let newest = self.acknowledged.load(Ordering::SeqCst).max(1);
        let id = i64::try_from(number % 997).unwrap_or(0) % newest + 1;
        // Asked before the request leaves: a write acknowledged meanwhile proves nothing about this answer.
        let must_exist = self.is_acknowledged(id);
        let url = format!("{}/bookings/{id}", self.base);
        let answer = self.client.get(url).send().await.map_err(|e| chain(&e))?;
        match answer.status() {
            StatusCode::OK => {
                let guest = answer.text().await.map_err(|e| chain(&e))?;
                let right = guest == format!("guest {id} 样");
                if right { Ok(None) } else { Err(format!("read {id}: wrong answer {guest:?}")) }
            }
            StatusCode::NOT_FOUND if !must_exist => Ok(None),
            _ => Err(format!("read {id}: {}", refused(answer).await)),
        }
    }

    fn is_acknowledged(&self, id: i64) -> bool {
        let seen = self.seen.lock().expect("no request panics while it notes what it saw");
        seen.written.contains_key(&id)
    }
}

async fn refused(answer: reqwest::Response) -> String {
    let status = answer.status();
    let body = answer.text().await.unwrap_or_default();
    format!("{status} {}", body.chars().take(200).collect::<String>())
}

/// An error with its causes: the top one alone says only "error sending request".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

impl Seen {
    /// The `share` (0 to 1) of requests was at most this slow, milliseconds.
    pub fn latency_ms(&mut self, share: f64) -> f64 {
        if self.latencies_us.is_empty() {
            return 0.0;
        }
        self.latencies_us.sort_unstable();
        let last = self.latencies_us.len() - 1;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index into a list of some thousands"
        )]
        let at = (last as f64 * share).round() as usize;
        #[expect(clippy::cast_precision_loss, reason = "microseconds of a minute fit")]
        let ms = self.latencies_us[at.min(last)] as f64 / 1000.0;
        ms
    }

    /// Time in which requests failed, milliseconds: each failure stands for the gap to the next request.
    pub fn downtime_ms(&self) -> u64 {
        u64::try_from(self.failed_at_ms.len()).unwrap_or(u64::MAX) * 1000 / u64::from(RATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_list() {
        let mut seen = Seen { latencies_us: (1..=1000).rev().map(|n| n * 1000).collect(), ..Seen::default() };
        assert!((seen.latency_ms(0.99) - 990.0).abs() < 1.5);
        assert!((seen.latency_ms(1.0) - 1000.0).abs() < f64::EPSILON);
        assert_eq!(Seen::default().latency_ms(0.99), 0.0);
    }

    #[test]
    fn each_failed_request_is_downtime() {
        let seen = Seen { failed_at_ms: vec![10, 15, 400], ..Seen::default() };
        assert_eq!(seen.downtime_ms(), 15);
    }
}
