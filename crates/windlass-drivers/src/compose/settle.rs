//! Whether containers stay up after they were started.

use super::{
    docker::Docker,
    world::{Container, World},
};
use std::time::Duration;
use tokio::time::Instant;
use windlass_driver::{Failure, Fault};

/// Containers must run this long without ending or being started again.
const STABLE: Duration = Duration::from_secs(1);
/// A container with a check of its own must be healthy within this.
const HEALTHY_WITHIN: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_millis(100);
/// On a host each look is two programs over its connection.
const EVERY_THERE: Duration = Duration::from_millis(400);
/// Lines of the log of a container that did not stay up.
const LOG_LINES: &str = "20";

/// Waits until all containers of the line stay up; what is there then. `before`: what was there before the line.
pub async fn stay_up(docker: &Docker, before: &World, limit: Option<Duration>) -> Result<World, Failure> {
    let named = &docker.line.services;
    let meant = |one: &&Container| named.is_empty() || named.contains(&one.service);
    // One that was stopped before, and was not touched, is not of this line.
    let touched = |one: &&Container| {
        one.running || !before.containers.iter().any(|was| was.id == one.id && !was.running)
    };
    let every = if docker.place.is_here() { EVERY } else { EVERY_THERE };
    let begin = Instant::now();
    let (mut quiet, mut first) = (begin, None::<World>);
    loop {
        let (now, _) = World::look(docker, &before.project).await?;
        for one in now.containers.iter().filter(meant).filter(touched) {
            if let Some(why) = trouble(one, first.as_ref()) {
                return Err(fallen(docker, one, &why).await);
            }
        }
        let waiting =
            now.containers.iter().filter(meant).find(|one| one.health.as_deref() == Some("starting"));
        let limit = limit.unwrap_or(HEALTHY_WITHIN).min(HEALTHY_WITHIN);
        match waiting {
            Some(one) if begin.elapsed() > limit => {
                let why = format!("is not healthy {} s after it was started", limit.as_secs());
                return Err(fallen(docker, one, &why).await);
            }
            Some(_) => quiet = Instant::now(),
            None if quiet.elapsed() >= STABLE => return Ok(now),
            None => {}
        }
        first.get_or_insert(now);
        tokio::time::sleep(every).await;
    }
}

fn trouble(one: &Container, first: Option<&World>) -> Option<String> {
    let before = first.and_then(|first| first.containers.iter().find(|other| other.id == one.id));
    match one.state.as_str() {
        "restarting" => {
            Some(format!("ends by itself, with exit status {}, and is started again and again", one.exit))
        }
        "dead" => Some("is dead".to_owned()),
        "exited" if one.exit != 0 => Some(format!("ended with exit status {}", one.exit)),
        _ if one.health.as_deref() == Some("unhealthy") => {
            Some("is unhealthy, its own check says".to_owned())
        }
        _ if before.is_some_and(|before| before.restarts < one.restarts) => {
            Some(format!("ended by itself and was started again ({} times)", one.restarts))
        }
        _ => None,
    }
}

async fn fallen(docker: &Docker, one: &Container, why: &str) -> Failure {
    let log = docker.ask(&["logs", "--tail", LOG_LINES, &one.id]).await.unwrap_or_default();
    Failure::partial(Fault::Target, format!("{} {why}", one.words()))
        .output(windlass_driver::excerpt(&log))
        .hint(docker.typed(&format!("logs {}", one.name)))
}
