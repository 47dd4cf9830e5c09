//! Images that a release may go back to, kept from `docker image prune` by a tag.

use super::{
    docker::Docker,
    world::{World, short},
};
use std::time::{SystemTime, UNIX_EPOCH};

const REPOSITORY: &str = "windlass/kept";
/// Images that are kept of a project.
const KEPT_MAX: usize = 12;

/// Tags these images and those of all containers that run, and lets go what is beyond [`KEPT_MAX`]. That it fails is no reason not to go
/// on: without the tag an image stays too, until somebody removes it.
pub async fn keep(docker: &Docker, world: &World, more: &[&str]) {
    let mut images: Vec<&str> =
        world.containers.iter().map(|one| one.image.as_str()).chain(more.iter().copied()).collect();
    images.sort_unstable();
    images.dedup();
    let list = docker.ask(&["image", "ls", "--format", "{{.Tag}}", REPOSITORY]).await.unwrap_or_default();
    let mut tags: Vec<&str> =
        list.lines().filter(|tag| tag.split('.').next() == Some(world.project.as_str())).collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    for image in images {
        let id = short(image).trim_start_matches("sha256:").to_owned();
        let tag = format!("{REPOSITORY}:{}.{now:011}.{id}", world.project);
        if docker.act(&["tag", image, &tag]).await.is_ok() {
            for older in tags.extract_if(.., |tag| tag.ends_with(&id)) {
                let older = format!("{REPOSITORY}:{older}");
                if older != tag {
                    drop(docker.act(&["rmi", &older]).await);
                }
            }
        }
    }
    // The time stands in the name: the oldest come first.
    tags.sort_unstable();
    let old = tags.len().saturating_sub(KEPT_MAX);
    for tag in &tags[..old] {
        drop(docker.act(&["rmi", &format!("{REPOSITORY}:{tag}")]).await);
    }
}
