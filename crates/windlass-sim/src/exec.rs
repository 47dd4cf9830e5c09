//! A deterministic executor in virtual time. It runs the tasks of several simulated processes on one thread, picks
//! among the ready ones by seed, pauses a process for a while, or drops it where it stands: a crash at an await.

use crate::hub::{Hub, Proc};
use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// What a task is made of.
pub type TaskFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Task {
    future: Option<TaskFuture>,
    flag: Arc<Flag>,
    proc: Arc<Proc>,
}

/// Runs tasks until all ended.
pub struct Executor {
    hub: Arc<Hub>,
    tasks: Vec<Task>,
}

/// A run takes at most this many polls; more is a livelock.
const POLLS_MAX: u64 = 400_000;

impl Executor {
    /// Without tasks yet.
    #[must_use]
    pub fn new(hub: Arc<Hub>) -> Self {
        Self { hub, tasks: Vec::new() }
    }

    /// Adds the one task of a process.
    pub fn spawn(&mut self, proc: Arc<Proc>, future: TaskFuture) {
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        self.tasks.push(Task { future: Some(future), flag, proc });
    }

    /// Runs until every task ended or was dropped, or a property broke.
    pub fn run(&mut self) {
        while self.hub.with(|s| s.violation.is_none()) && self.tasks.iter().any(|t| t.future.is_some()) {
            match self.pick() {
                Some(at) => self.poll(at),
                None => self.advance(),
            }
        }
        self.tasks.clear();
    }

    fn pick(&self) -> Option<usize> {
        self.hub.with(|s| {
            let ready: Vec<usize> = (0..self.tasks.len())
                .filter(|at| {
                    let task = &self.tasks[*at];
                    let awake = task.proc.with(|p| p.paused_until <= s.now);
                    task.future.is_some() && awake && task.flag.0.load(Ordering::SeqCst)
                })
                .collect();
            (!ready.is_empty()).then(|| *s.rng.pick(&ready))
        })
    }

    fn poll(&mut self, at: usize) {
        let task = &mut self.tasks[at];
        let polls = self.hub.with(|s| {
            s.polls += 1;
            s.polls
        });
        if polls > POLLS_MAX {
            self.hub.fail("bounded", || format!("more than {POLLS_MAX} polls: a livelock"));
            return;
        }
        let count = task.proc.with(|p| {
            p.polls += 1;
            p.polls
        });
        if task.proc.with(|p| p.crash_poll == Some(count)) {
            self.hub.count("crash at an await");
            self.end(at, "crashed at an await");
            return;
        }
        if self.pause(at, count) {
            return;
        }
        let task = &mut self.tasks[at];
        task.flag.0.store(false, Ordering::SeqCst);
        let waker = Waker::from(task.flag.clone());
        let future = task.future.as_mut().expect("`pick` takes tasks that have not ended");
        let ended = future.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Ready(());
        if ended {
            self.end(at, "ended");
        } else if self.tasks[at].proc.with(|p| p.dying) {
            self.end(at, "crashed");
        }
    }

    /// Stops the process for a while before its n-th poll (SIGSTOP, a suspended virtual machine).
    fn pause(&mut self, at: usize, count: u64) -> bool {
        let proc = self.tasks[at].proc.clone();
        let Some((poll, ms)) = proc.with(|p| p.pause) else { return false };
        if poll != count {
            return false;
        }
        self.hub.count("controller paused beyond the lease");
        let now = self.hub.now();
        proc.with(|p| {
            p.pause = None;
            p.paused_until = now + ms;
            p.paused_ever = true;
        });
        self.hub.trace(|| format!("{} pauses for {ms} ms", proc.name));
        true
    }

    fn end(&mut self, at: usize, how: &str) {
        let task = &mut self.tasks[at];
        let proc = task.proc.clone();
        self.hub.trace(|| format!("{} {how}", proc.name));
        proc.with(|p| p.alive = false);
        // Dropping it kills what the driver did not detach.
        task.future = None;
    }

    /// Nobody is ready: time passes until the next timer, or until a paused process goes on.
    fn advance(&mut self) {
        let paused = self.tasks.iter().filter(|t| t.future.is_some());
        let until = paused.map(|t| t.proc.with(|p| p.paused_until)).collect::<Vec<_>>();
        let moved = self.hub.with(|s| {
            let timer = s.timers.first_key_value().map(|((at, _), _)| *at);
            let next = until.into_iter().chain(timer).filter(|at| *at > s.now).min();
            let due = timer.is_some_and(|at| at <= s.now);
            if !due && let Some(next) = next {
                s.now = next;
            }
            s.wake_due();
            due || next.is_some()
        });
        if !moved {
            self.hub.fail("bounded", || "every task waits and no timer is set: a deadlock".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Setup;

    fn hub() -> Arc<Hub> {
        Hub::new(1, Setup::default())
    }

    #[test]
    fn time_jumps_to_the_next_timer_and_tasks_end_in_its_order() {
        let (hub, order) = (hub(), Arc::new(std::sync::Mutex::new(vec![])));
        let mut executor = Executor::new(hub.clone());
        for ms in [30_u64, 10, 20] {
            let (hub, order) = (hub.clone(), order.clone());
            let proc = Proc::new("p", 0);
            executor.spawn(
                proc,
                Box::pin(async move {
                    hub.sleep(ms).await;
                    order.lock().unwrap().push((hub.now(), ms));
                }),
            );
        }
        executor.run();
        assert_eq!(*order.lock().unwrap(), [(10, 10), (20, 20), (30, 30)]);
    }

    #[test]
    fn a_crash_drops_the_task_and_a_task_that_waits_for_nothing_is_a_deadlock() {
        let hub = hub();
        let mut executor = Executor::new(hub.clone());
        let proc = Proc::new("p", 0);
        proc.with(|p| p.crash_poll = Some(2));
        let reached = Arc::new(AtomicBool::new(false));
        let (inner, seen) = (hub.clone(), reached.clone());
        let work = async move {
            inner.sleep(5).await;
            seen.store(true, Ordering::SeqCst);
        };
        executor.spawn(proc.clone(), Box::pin(work));
        executor.run();
        assert!(!reached.load(Ordering::SeqCst) && !proc.with(|p| p.alive));
        executor.spawn(Proc::new("q", 0), Box::pin(std::future::pending()));
        executor.run();
        assert!(hub.with(|s| s.violation.clone()).is_some_and(|v| v.what.contains("deadlock")));
    }
}
