//! A controller that dies at a given moment of its work.

use crate::scene::{Job, Ticks};
use windlass_driver::Driver as _;
use windlass_plan::Way;

/// Does the job that stands in a file.
pub async fn act(path: &str) -> Result<(), String> {
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    let job: Job = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    let ticks = Ticks::dying_at(job.die_at);
    let (driver, cx, unit) = (job.scene.driver(&ticks), job.scene.context(&ticks), job.scene.plan_unit());
    let result = match job.way {
        Way::Forward => driver.apply(&cx, &unit, &job.capsule).await,
        Way::Undo => driver.undo(&cx, &unit, &job.capsule, None).await,
    };
    result.map(drop).map_err(|failure| failure.message)
}
