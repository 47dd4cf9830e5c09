//! Virtual time and the executor of one task in it: time passes only when everything waits.

use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};
use windlass_engine::{Clock, Crash};

/// What people's clocks show at the beginning.
pub const WALL_MS: i64 = 1_750_000_000_000;

/// A test takes at most this many turns of the executor; more is a livelock.
const TURNS_MAX: u32 = 100_000;

/// The clock, and the process that can die.
#[derive(Clone, Default)]
pub struct Time(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    now: u64,
    timers_made: u64,
    timers: BTreeMap<(u64, u64), Waker>,
    crashed: bool,
}

impl Time {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no code panics while it holds the time")
    }

    pub fn now(&self) -> u64 {
        self.lock().now
    }

    pub fn wait(&self, ms: u64) -> Wait {
        Wait { time: self.clone(), until: self.now() + ms, key: None }
    }

    /// Runs `future` to its end. `None`: the process crashed, and the future was dropped where it stood.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        let waker = Waker::from(flag.clone());
        for _ in 0..TURNS_MAX {
            if flag.0.swap(false, Ordering::SeqCst) {
                if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return Some(value);
                }
                if std::mem::take(&mut self.lock().crashed) {
                    return None;
                }
            } else {
                self.advance();
            }
        }
        panic!("more than {TURNS_MAX} turns: a livelock");
    }

    fn advance(&self) {
        let mut inner = self.lock();
        let next = inner.timers.first_key_value().map(|(key, _)| key.0);
        let next = next.expect("every task waits and no timer is set: a deadlock");
        inner.now = inner.now.max(next);
        let later = (inner.now, u64::MAX);
        let rest = inner.timers.split_off(&later);
        let due = std::mem::replace(&mut inner.timers, rest);
        drop(inner);
        due.into_values().for_each(Waker::wake);
    }
}

#[async_trait]
impl Clock for Time {
    fn wall_ms(&self) -> i64 {
        WALL_MS + i64::try_from(self.now()).expect("tests are short")
    }

    fn monotonic_ms(&self) -> u64 {
        self.now()
    }

    async fn sleep(&self, ms: u64) {
        self.wait(ms).await;
    }
}

#[async_trait]
impl Crash for Time {
    async fn crash(&self) {
        self.lock().crashed = true;
        std::future::pending().await
    }
}

/// A sleep; dropped, it leaves no timer behind.
pub struct Wait {
    time: Time,
    until: u64,
    key: Option<(u64, u64)>,
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (time, until, key) = (self.time.clone(), self.until, self.key);
        let mut inner = time.lock();
        if inner.now >= until {
            return Poll::Ready(());
        }
        let key = key.unwrap_or_else(|| {
            inner.timers_made += 1;
            (until, inner.timers_made)
        });
        inner.timers.insert(key, cx.waker().clone());
        self.key = Some(key);
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.time.lock().timers.remove(&key);
        }
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}
