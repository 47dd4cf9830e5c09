//! The containers of a project, as the engine has them.

use super::docker::Docker;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use windlass_driver::Failure;

const PROJECT: &str = "com.docker.compose.project";

/// A container of a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    pub id: String,
    pub name: String,
    pub service: String,
    /// Id of its image.
    pub image: String,
    /// What the image was called when it was created.
    pub reference: String,
    /// Hash of its configuration, as compose labels it.
    pub hash: String,
    pub running: bool,
    pub state: String,
    pub exit: i64,
    pub restarts: u64,
    /// `healthy`, `starting`, `unhealthy`; `None`: it has no check.
    pub health: Option<String>,
    /// When it was started the last time, as the engine writes it.
    pub started: String,
}

impl Container {
    /// Reads what `docker inspect` says.
    pub fn of(value: &Value) -> Self {
        let text =
            |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let label = |name: &str| {
            let labels = value.pointer("/Config/Labels");
            labels.and_then(|labels| labels.get(name)).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        Self {
            id: text("/Id"),
            name: text("/Name").trim_start_matches('/').to_owned(),
            service: label("com.docker.compose.service"),
            image: text("/Image"),
            reference: text("/Config/Image"),
            hash: label("com.docker.compose.config-hash"),
            running: value.pointer("/State/Running").and_then(Value::as_bool).unwrap_or(false),
            state: text("/State/Status"),
            exit: value.pointer("/State/ExitCode").and_then(Value::as_i64).unwrap_or(0),
            restarts: value.pointer("/RestartCount").and_then(Value::as_u64).unwrap_or(0),
            health: value.pointer("/State/Health/Status").and_then(Value::as_str).map(str::to_owned),
            started: text("/State/StartedAt"),
        }
    }

    /// Whether it is the same container for all that matters: also when it was removed and put back.
    pub fn is_like(&self, other: &Self) -> bool {
        (&self.name, &self.service, &self.image, &self.hash)
            == (&other.name, &other.service, &other.image, &other.hash)
    }

    /// For a person: `web (shop:2.0.9, sha256:1f2e3d4c5b6a)`.
    pub fn words(&self) -> String {
        format!("{} ({})", self.name, image_words(&self.reference, &self.image))
    }
}

/// An image for a person.
pub fn image_words(reference: &str, id: &str) -> String {
    let short = short(id);
    if reference.is_empty() || reference == id { short } else { format!("{reference}, {short}") }
}

pub fn short(id: &str) -> String {
    id.chars().take("sha256:".len() + 12).collect()
}

/// All containers of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct World {
    pub project: String,
    /// By name.
    pub containers: Vec<Container>,
}

impl World {
    /// Looks; changes nothing. Also what `docker inspect` says of each container.
    pub async fn look(docker: &Docker, project: &str) -> Result<(Self, Vec<Value>), Failure> {
        let filter = format!("label={PROJECT}={project}");
        let ids = docker.ask(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter]).await?;
        let ids: Vec<String> = ids.split_whitespace().map(str::to_owned).collect();
        let mut raw = docker.inspect("container", &ids).await?;
        // What `compose run` made is of a person, and no service.
        raw.retain(|value| {
            let oneoff = value.pointer("/Config/Labels/com.docker.compose.oneoff").and_then(Value::as_str);
            oneoff.is_none_or(|oneoff| !oneoff.eq_ignore_ascii_case("true"))
        });
        raw.sort_by_key(|value| Container::of(value).name);
        let containers = raw.iter().map(Container::of).collect();
        Ok((Self { project: project.to_owned(), containers }, raw))
    }

    /// The networks of a project, as `docker inspect` says them.
    pub async fn networks(docker: &Docker, project: &str) -> Result<Vec<Value>, Failure> {
        let filter = format!("label={PROJECT}={project}");
        let ids = docker.ask(&["network", "ls", "--quiet", "--no-trunc", "--filter", &filter]).await?;
        let ids: Vec<String> = ids.split_whitespace().map(str::to_owned).collect();
        docker.inspect("network", &ids).await
    }

    /// Whether the same containers are there in the same states, wherever they were put back.
    pub fn is_like(&self, other: &Self) -> bool {
        self.containers.len() == other.containers.len()
            && self.containers.iter().all(|one| {
                other.containers.iter().any(|other| one.is_like(other) && one.running == other.running)
            })
    }

    pub fn has(&self, container: &Container) -> bool {
        self.like(container).is_some()
    }

    pub fn like(&self, container: &Container) -> Option<&Container> {
        self.containers.iter().find(|other| other.is_like(container))
    }

    /// What became of `self` in `after`, one line each.
    pub fn changes(&self, after: &Self) -> Vec<String> {
        let named =
            |world: &Self, name: &str| world.containers.iter().find(|other| other.name == name).cloned();
        let mut lines = Vec::new();
        for one in &after.containers {
            let state = if one.running { "runs" } else { "does not run" };
            match named(self, &one.name) {
                None => lines.push(format!("created: {}, {state}", one.words())),
                Some(before) if !before.is_like(one) || before.id != one.id => lines.push(format!(
                    "replaced: {}, was {}; {state}",
                    one.words(),
                    image_words(&before.reference, &before.image)
                )),
                Some(before) if before.running != one.running => {
                    lines.push(format!(
                        "{}: {}",
                        if one.running { "started" } else { "stopped" },
                        one.words()
                    ));
                }
                Some(before) if before.started != one.started && one.running => {
                    lines.push(format!("restarted: {}", one.words()));
                }
                Some(_) => {}
            }
        }
        let gone = self.containers.iter().filter(|before| named(after, &before.name).is_none());
        lines.extend(gone.map(|before| format!("removed: {}", before.words())));
        lines
    }

    /// One line on what is there.
    pub fn describe(&self) -> String {
        if self.containers.is_empty() {
            return format!("project {} has no containers", self.project);
        }
        let all: Vec<_> =
            self.containers.iter().map(|one| format!("{} {}", one.words(), one.state)).collect();
        format!("project {} has {}", self.project, all.join("; "))
    }
}
