//! Blocking work of a driver, one piece after another.
//!
//! A future of a driver may be dropped while its blocking work goes on in its thread. The lock is held by the work, not
//! by the future, so an `inspect` that follows waits until that work has ended, and then sees what it did.

use std::sync::Arc;
use tokio::sync::Mutex;

/// Runs blocking work, one piece at a time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Serial(Arc<Mutex<()>>);

impl Serial {
    /// Runs `work` on a blocking thread after all earlier work has ended.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let guard = Arc::clone(&self.0).lock_owned().await;
        let task = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(guard);
            result
        });
        match task.await {
            Ok(result) => result,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Mutex as Plain, mpsc};

    #[tokio::test]
    async fn dropped_work_ends_before_the_next_begins() {
        let serial = Serial::default();
        let log = Arc::new(Plain::new(vec![]));
        let (begun, has_begun) = mpsc::channel();
        let (go, may_go) = mpsc::channel::<()>();
        let first = {
            let (serial, log) = (serial.clone(), Arc::clone(&log));
            tokio::spawn(async move {
                serial
                    .run(move || {
                        begun.send(()).unwrap();
                        may_go.recv().unwrap();
                        log.lock().unwrap().push(1);
                    })
                    .await;
            })
        };
        tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        let second = {
            let log = Arc::clone(&log);
            serial.run(move || log.lock().unwrap().push(2))
        };
        tokio::pin!(second);
        assert!(futures_poll_once(second.as_mut()).await.is_none(), "waits for the first");
        go.send(()).unwrap();
        second.await;
        assert_eq!(*log.lock().unwrap(), [1, 2]);
    }

    /// Polls once.
    async fn futures_poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        std::future::poll_fn(|cx| {
            std::task::Poll::Ready(match future.as_mut().poll(cx) {
                std::task::Poll::Ready(value) => Some(value),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
