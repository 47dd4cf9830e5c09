//! Connections that are kept from one statement to the next of the same target. A kept one is as a new one is: it was reset by
//! the server itself (no transaction, lock, temporary table, variable or setting is left), and it is to the same server, for a
//! connection does not move. On one where a statement was stopped or the link was lost nothing follows.
//!
//! They are kept only on the way forwards, and only while the unit that comes next in the plan is a statement on the same
//! target: whatever else comes next finds nobody connected.

use super::session::Session;
use std::sync::{Arc, Mutex, PoisonError};
use windlass_driver::Context;
use windlass_plan::{Action, Unit};

/// Connections of one target that a statement has at most: its own, one in the shadow, and that of the trial there.
const KEPT_MAX: usize = 3;

/// Shared by all calls of a driver.
#[derive(Clone, Default)]
pub(super) struct Keeper(Arc<Mutex<Vec<(Home, Session)>>>);

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keeper")
    }
}

/// Where a connection belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Home {
    run: String,
    target: String,
}

impl Home {
    fn of(cx: &Context, unit: &Unit) -> Option<Self> {
        target(unit).map(|target| Self { run: cx.run.clone(), target: target.to_owned() })
    }
}

fn target(unit: &Unit) -> Option<&str> {
    match &unit.action {
        Action::Sql { target, .. } => Some(target),
        _ => None,
    }
}

impl Keeper {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Home, Session)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that is kept for the target of the unit, ready for its statements.
    pub(super) async fn take(&self, cx: &Context, unit: &Unit) -> Option<Session> {
        let home = Home::of(cx, unit)?;
        loop {
            let kept = {
                let mut all = self.lock();
                let at = all.iter().position(|(of, _)| *of == home)?;
                all.swap_remove(at).1
            };
            // The server may have closed it meanwhile.
            if let Some(session) = kept.again(cx).await {
                return Some(session);
            }
        }
    }

    /// Keeps one whose statements have ended.
    pub(super) async fn put(&self, cx: &Context, unit: &Unit, session: Session) {
        let (Some(home), Some(session)) = (Home::of(cx, unit), session.reset().await) else { return };
        let mut all = self.lock();
        if all.len() < KEPT_MAX {
            all.push((home, session));
        }
    }

    /// The unit is done: closes all unless the next one has a use for them.
    pub(super) async fn done(&self, cx: &Context, unit: &Unit) {
        let next = cx.plan.behind(&unit.id).next();
        if !next.is_some_and(|(_, next)| target(next).is_some() && target(next) == target(unit)) {
            self.close().await;
        }
    }

    /// Closes all.
    pub(super) async fn close(&self) {
        let all = std::mem::take(&mut *self.lock());
        for (_, session) in all {
            session.close().await;
        }
    }
}
