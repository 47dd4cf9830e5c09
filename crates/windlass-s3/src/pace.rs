//! How many requests are under way at a time: more while the store keeps up, fewer when it asks for that.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// At the start.
const FIRST: f64 = 48.0;
/// Never more.
const MOST: f64 = 256.0;
/// Answers of requests that were under way at the first "slow down" say it too: one step back in this time.
const STEP: Duration = Duration::from_millis(500);

/// Shared by all requests to one store.
pub(crate) struct Pace {
    state: Mutex<State>,
    free: Notify,
}

struct State {
    limit: f64,
    active: usize,
    /// Below the limit at which the store last asked for less it goes up fast.
    threshold: f64,
    back: Option<Instant>,
}

/// A request that is under way.
pub(crate) struct Turn<'a>(&'a Pace);

impl Default for Pace {
    fn default() -> Self {
        let state = State { limit: FIRST, active: 0, threshold: MOST, back: None };
        Self { state: Mutex::new(state), free: Notify::new() }
    }
}

impl Pace {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        loop {
            let free = self.free.notified();
            {
                let mut state = self.state();
                if (state.active as f64) < state.limit.max(1.0) {
                    state.active += 1;
                    return Turn(self);
                }
            }
            free.await;
        }
    }

    /// The store answered.
    pub(crate) fn well(&self) {
        let mut state = self.state();
        let step = if state.limit < state.threshold { 1.0 } else { 1.0 / state.limit };
        state.limit = (state.limit + step).min(MOST);
        drop(state);
        self.free.notify_one();
    }

    /// The store asked for less, or a connection broke.
    pub(crate) fn slower(&self) {
        let mut state = self.state();
        if state.back.is_none_or(|back| back.elapsed() >= STEP) {
            state.back = Some(Instant::now());
            state.limit = (state.limit / 2.0).max(1.0);
            state.threshold = state.limit;
        }
    }

    /// Requests that may be under way at a time.
    #[cfg(test)]
    pub(crate) fn limit(&self) -> usize {
        self.state().limit as usize
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.state().active -= 1;
        self.0.free.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_goes_down_once_for_a_storm_and_up_again() {
        let pace = Pace::default();
        let first = pace.limit();
        for _ in 0..50 {
            pace.slower();
        }
        assert_eq!(pace.limit(), first / 2);
        let _turns = {
            let mut turns = Vec::new();
            for _ in 0..first / 2 {
                turns.push(pace.turn().await);
            }
            turns
        };
        assert!(futures_util::FutureExt::now_or_never(pace.turn()).is_none());
        for _ in 0..10_000 {
            pace.well();
        }
        assert!(pace.limit() > first, "{}", pace.limit());
    }
}
