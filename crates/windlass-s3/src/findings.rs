//! What only the bucket tells of a line: whether what it loses there can come back.

use crate::{
    client::{Client, Versioning},
    error::{Error, Kind},
};
use std::time::{SystemTime, UNIX_EPOCH};
use windlass_objects::{ObjectLine, Preview, Roots, Scene, Surprise};

/// Of a line that would do what was `seen`.
pub(crate) async fn findings(
    client: &Client,
    line: &ObjectLine,
    scene: &Scene,
    holds: &[String; 2],
    seen: &Preview,
) -> Result<Vec<Surprise>, Error> {
    let roots = Roots::new(line, scene);
    let (place, root, hold) = match &line.to {
        Some(to) => (to, roots.to, &holds[1]),
        None => (&line.from, roots.from, &holds[0]),
    };
    let lost = seen.overwritten.objects + seen.deleted.objects;
    let Some(bucket) = place.bucket().filter(|_| lost > 0) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let versioning = match client.versioning(bucket).await {
        // Who may not ask (`s3:GetBucketVersioning`) does not know: nothing is said of it.
        Err(error) if error.kind == Kind::Denied => None,
        versioning => Some(versioning?),
    };
    if versioning == Some(Versioning::Off) {
        found.push(Surprise::NoVersions { objects: lost, is_held: !hold.is_empty() });
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_us = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
        if !hold.is_empty()
            && let Some(days) = client.expires(bucket, hold, now_us).await?
        {
            found.push(Surprise::HoldExpires(days));
        }
    }
    let others = client.of_others(bucket, root.start()).await?;
    if others > 0 {
        found.push(Surprise::OthersOwn(others));
    }
    Ok(found)
}
