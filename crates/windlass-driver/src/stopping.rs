//! Whether a person asked to stop, to be looked at or waited for.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

/// Whether a person asked to stop. Copies share one answer, which never goes back to no.
#[derive(Clone, Debug, Default)]
pub struct Stopping(Arc<Mutex<Asked>>);

#[derive(Debug, Default)]
struct Asked {
    asked: bool,
    waits_made: u64,
    waiting: BTreeMap<u64, Waker>,
}

impl Stopping {
    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().expect("no code panics while it holds the answer")
    }

    /// Asks to stop. Not for use in a signal handler: it takes a lock.
    pub fn stop(&self) {
        let waiting = {
            let mut inner = self.lock();
            inner.asked = true;
            std::mem::take(&mut inner.waiting)
        };
        waiting.into_values().for_each(Waker::wake);
    }

    /// Whether it was asked.
    #[must_use]
    pub fn asked(&self) -> bool {
        self.lock().asked
    }

    /// Ends when it is asked; at once when it was.
    #[must_use]
    pub fn stopped(&self) -> Stopped {
        Stopped { stopping: self.clone(), key: None }
    }
}

/// Waits for [`Stopping::stop`]; dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct Stopped {
    stopping: Stopping,
    key: Option<u64>,
}

impl Future for Stopped {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let stopping = self.stopping.clone();
        let mut inner = stopping.lock();
        if inner.asked {
            return Poll::Ready(());
        }
        let key = self.key.unwrap_or(inner.waits_made);
        if self.key.is_none() {
            inner.waits_made += 1;
            self.key = Some(key);
        }
        inner.waiting.insert(key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.stopping.lock().waiting.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        task::Wake,
    };

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn poll(wait: &mut Stopped, count: &Arc<Count>) -> bool {
        let waker = Waker::from(count.clone());
        Pin::new(wait).poll(&mut Context::from_waker(&waker)).is_ready()
    }

    #[test]
    fn every_wait_ends_when_it_is_asked_and_later_ones_at_once() {
        let stopping = Stopping::default();
        let counts = [Arc::new(Count::default()), Arc::new(Count::default())];
        let mut waits = [stopping.stopped(), stopping.clone().stopped()];
        for (wait, count) in waits.iter_mut().zip(&counts) {
            assert!(!poll(wait, count) && !poll(wait, count));
        }
        assert!(!stopping.asked());
        stopping.stop();
        assert_eq!(counts.each_ref().map(|count| count.0.load(Ordering::SeqCst)), [1, 1]);
        assert!(waits.iter_mut().zip(&counts).all(|(wait, count)| poll(wait, count)));
        assert!(stopping.asked() && poll(&mut stopping.stopped(), &counts[0]));
        stopping.stop();
        assert!(stopping.asked(), "asked twice is asked");
    }

    #[test]
    fn a_wait_that_is_given_up_leaves_nothing_and_is_not_woken() {
        let stopping = Stopping::default();
        let count = Arc::new(Count::default());
        for _ in 0..3 {
            assert!(!poll(&mut stopping.stopped(), &count));
        }
        assert!(stopping.lock().waiting.is_empty());
        stopping.stop();
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
    }
}
