//! Lines of `aws s3` on object stores.
//!
//! `capture` freezes what the line means in a manifest in the unit's workspace, before the intent; `apply` works from it
//! alone and may be killed anywhere; `undo` takes back exactly its objects, where they are still what was written. See
//! `windlass-s3` and `docs/design/objects.md`.

mod job;
mod words;

pub use job::settings;
pub(crate) use words::fault;
pub use words::previewed;

use crate::disk;
use async_trait::async_trait;
use job::Job;
use windlass_driver::{Capsule, Context, Done, Driver, Failure, Found, Survey};
use windlass_plan::{UndoBy, Unit, Way};
use windlass_s3::{Conflicts, Manifest, Settings, State};

/// Copies, moves and deletes objects, a thousand at a time.
///
/// No request is tried again after 300 s; the whole has no bound but that of the unit, and stops between objects when asked.
#[derive(Clone, Debug)]
pub struct S3Driver {
    settings: Settings,
}

impl S3Driver {
    /// `settings` have what the environment says of AWS; targets and lines go before it.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

#[async_trait]
impl Driver for S3Driver {
    async fn survey(&self, cx: &Context, unit: &Unit) -> Result<Survey, Failure> {
        Job::new(&self.settings, cx, unit)?.survey().await
    }

    async fn capture(&self, cx: &Context, unit: &Unit) -> Result<Capsule, Failure> {
        let job = Job::new(&self.settings, cx, unit)?;
        if job.is_dry() {
            return Ok(Capsule::default());
        }
        let manifest = job.freeze().await?;
        Capsule::of(unit, &manifest.head().totals)
    }

    async fn apply(&self, cx: &Context, unit: &Unit, _capsule: &Capsule) -> Result<Done, Failure> {
        let job = Job::new(&self.settings, cx, unit)?;
        if job.is_dry() {
            return job.show().await;
        }
        job.apply(&job.manifest()?).await
    }

    async fn gone(&self, cx: &Context, unit: &Unit, _capsule: &Capsule) -> Vec<String> {
        let job = Job::new(&self.settings, cx, unit).ok().filter(|job| !job.is_dry());
        job.and_then(|job| disk::gone(&job.path())).into_iter().collect()
    }

    async fn undo(
        &self,
        cx: &Context,
        unit: &Unit,
        _capsule: &Capsule,
        _done: Option<&Done>,
    ) -> Result<Done, Failure> {
        let job = Job::new(&self.settings, cx, unit)?;
        if unit.undo.by != UndoBy::Driver || job.is_dry() {
            return Ok(Done::default());
        }
        job.undo(&job.manifest()?).await
    }

    async fn inspect(&self, cx: &Context, unit: &Unit, _capsule: &Capsule, way: Way) -> Found {
        let look = || -> Result<Found, Failure> {
            let job = Job::new(&self.settings, cx, unit)?;
            if job.is_dry() {
                return Ok(Found::NotApplied);
            }
            job.inspect(&job.manifest()?, way)
        };
        look().unwrap_or_else(|failure| Found::Unknown(failure.whole("\n")))
    }
}

fn conflicts(said: windlass_driver::OnConflict) -> Conflicts {
    match said {
        windlass_driver::OnConflict::Keep => Conflicts::Keep,
        windlass_driver::OnConflict::Force => Conflicts::Force,
        windlass_driver::OnConflict::Ask => Conflicts::Refuse,
    }
}

/// Up to `most` objects in this state, one line each.
fn listed(manifest: &Manifest, state: State, most: usize) -> Vec<String> {
    // The list is an aid: that it cannot be read must not hide what is told with it.
    let items = manifest.some(state, most).unwrap_or_default();
    let line = |item: windlass_s3::Item| format!("{}: {}", item.entry.to, item.note.unwrap_or_default());
    items.into_iter().map(line).collect()
}
