//! Locks on the tables of a copy, seen from a connection of our own while something works on it.

use super::Scratch;
use std::time::{Duration, Instant};
use tokio::{sync::oneshot, task::JoinHandle};
use windlass_plan::UrlKind;

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(2);

/// The strongest lock that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// In the words of the server.
    pub mode: String,
    /// On which table.
    pub table: String,
    /// Between the first and the last look that saw it, milliseconds, rounded up.
    pub ms: u64,
}

/// Looks, until it is told to end.
pub struct LockWatch(Option<(oneshot::Sender<()>, JoinHandle<Option<Lock>>)>);

/// Modes of PostgreSQL and MySQL, weakest first. What only reads is no news.
const MODES: [&str; 12] = [
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARED_WRITE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARED_UPGRADABLE",
    "SHARE",
    "SHARED_NO_WRITE",
    "SHARE ROW EXCLUSIVE",
    "SHARED_NO_READ_WRITE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
    "EXCLUSIVE (metadata)",
];

fn rank(mode: &str) -> Option<usize> {
    MODES.iter().position(|known| *known == mode)
}

impl LockWatch {
    pub(super) async fn begin(scratch: &Scratch) -> Self {
        let (cx, name) = (scratch.context(), scratch.name().to_owned());
        let (end, mut ended) = oneshot::channel();
        let task = match scratch.kind() {
            UrlKind::Postgresql => {
                let Ok(looker) = crate::postgres::Looker::open(&cx).await else { return Self(None) };
                tokio::spawn(async move {
                    let mut seen = Seen::default();
                    while ended.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
                        seen.note(looker.locks().await?);
                        tokio::time::sleep(LOOK).await;
                    }
                    seen.strongest()
                })
            }
            UrlKind::Mysql => {
                let Ok(mut looker) = crate::mysql::Looker::open(&cx).await else { return Self(None) };
                tokio::spawn(async move {
                    let mut seen = Seen::default();
                    while ended.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
                        seen.note(looker.locks(&name).await?);
                        tokio::time::sleep(LOOK).await;
                    }
                    seen.strongest()
                })
            }
            _ => return Self(None),
        };
        Self(Some((end, task)))
    }

    /// The strongest lock; `None`: none was seen, because it was too short or the server shows none.
    pub async fn end(mut self) -> Option<Lock> {
        let (end, task) = self.0.take()?;
        let _ = end.send(());
        task.await.ok().flatten()
    }
}

/// All that was seen.
#[derive(Default)]
struct Seen(Vec<(String, String, Instant, Instant)>);

impl Seen {
    fn note(&mut self, locks: Vec<(String, String)>) {
        let now = Instant::now();
        for (mode, table) in locks {
            match self.0.iter_mut().find(|(of, on, ..)| *of == mode && *on == table) {
                Some((.., last)) => *last = now,
                None => self.0.push((mode, table, now, now)),
            }
        }
    }

    fn strongest(self) -> Option<Lock> {
        let strength =
            |(mode, _, first, last): &(String, String, Instant, Instant)| (rank(mode), *last - *first);
        let found = self.0.into_iter().filter(|(mode, ..)| rank(mode).is_some()).max_by_key(strength)?;
        let (mode, table, first, last) = found;
        let ms = u64::try_from((last - first + LOOK).as_micros().div_ceil(1000)).unwrap_or(u64::MAX);
        Some(Lock { mode, table, ms })
    }
}
