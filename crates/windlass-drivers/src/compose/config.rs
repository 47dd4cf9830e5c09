//! What the compose files ask for: name of the project, services, images, hashes.

use super::docker::{Docker, unreadable};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};
use windlass_driver::Failure;
use windlass_plan::ComposeOperation;

/// Longest env file that is read.
const ENV_BYTES_MAX: usize = 1024 * 1024;

/// A service as the files have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What is built without a name of its own has the one that compose gives it.
    pub image: String,
    /// It is built here.
    pub builds: bool,
    /// The files name its image, so it can be pulled too.
    pub named: bool,
    /// As compose labels its containers.
    pub hash: String,
}

/// What the files ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    pub project: String,
    pub services: BTreeMap<String, Wanted>,
}

impl Configuration {
    /// Asks compose, which reads its files and fills in variables. Version 1, always called `docker-compose`, knows no JSON and
    /// not its own project.
    pub async fn ask(docker: &Docker) -> Result<Self, Failure> {
        let mut found = if docker.is_plugin() {
            let text = docker.compose(&["config", "--format", "json"]).await?;
            let value: Value =
                serde_json::from_str(&text).map_err(|error| unreadable("docker compose config", &error))?;
            Self::of_json(&value)
        } else {
            let text = docker.compose(&["config"]).await?;
            let project = match text.lines().find_map(|line| line.strip_prefix("name:")) {
                Some(name) => name.trim().to_owned(),
                None => old_project(docker).await?,
            };
            Self { project, services: images_of_yaml(&text) }
        };
        found.name_built(docker.is_plugin() && !docker.is_compatible().await?);
        // Only `up` compares configurations; each question takes version 1 a second.
        if docker.line.operation == ComposeOperation::Up {
            for line in docker.compose(&["config", "--hash", "*"]).await?.lines() {
                if let Some((service, hash)) = line.split_once(' ')
                    && let Some(wanted) = found.services.get_mut(service)
                {
                    hash.trim().clone_into(&mut wanted.hash);
                }
            }
        }
        Ok(found)
    }

    fn of_json(value: &Value) -> Self {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let services = value.get("services").and_then(Value::as_object);
        let services = services.into_iter().flatten();
        Self {
            project: text(value.get("name")),
            services: services
                .map(|(name, service)| {
                    let image = text(service.get("image"));
                    let (builds, named) = (service.get("build").is_some(), !image.is_empty());
                    (name.clone(), Wanted { image, builds, named, hash: String::new() })
                })
                .collect(),
        }
    }

    /// The names of images that are built and have none in the files: `project-service`, of version 1 `project_service`
    /// (<https://docs.docker.com/reference/compose-file/services/#image>, and `--compatibility`).
    fn name_built(&mut self, new: bool) {
        let joint = if new { '-' } else { '_' };
        for (name, service) in self.services.iter_mut().filter(|(_, service)| service.builds) {
            if service.image.is_empty() {
                service.image = format!("{}{joint}{name}", self.project);
            }
        }
    }

    /// The services that a line means: those it names, else all.
    pub fn meant<'a>(&'a self, docker: &'a Docker) -> impl Iterator<Item = (&'a String, &'a Wanted)> {
        let named = &docker.line.services;
        self.services.iter().filter(move |(name, _)| named.is_empty() || named.contains(name))
    }
}

/// Services and images of what `docker-compose config` of version 1 prints: plain block style, keys sorted.
fn images_of_yaml(text: &str) -> BTreeMap<String, Wanted> {
    let mut services = BTreeMap::new();
    let (mut inside, mut service) = (false, None);
    for line in text.lines() {
        let depth = line.len() - line.trim_start().len();
        let Some((key, value)) = line.trim().split_once(':') else { continue };
        let plain = |text: &str| text.trim().trim_matches(['\'', '"']).to_owned();
        match depth {
            0 => inside = key == "services",
            2 if inside => {
                services.insert(plain(key), Wanted::default());
                service = Some(plain(key));
            }
            4 if inside && key == "build" => {
                if let Some(wanted) = service.as_ref().and_then(|name| services.get_mut(name)) {
                    wanted.builds = true;
                }
            }
            4 if inside && key == "image" => {
                if let Some(wanted) = service.as_ref().and_then(|name| services.get_mut(name)) {
                    wanted.image = plain(value);
                    wanted.named = true;
                }
            }
            _ => {}
        }
    }
    services
}

/// The name that version 1 gives a project: `-p`, the variable, that of `.env`, the folder's. One that cannot be found out is
/// an error: under another name are other containers.
async fn old_project(docker: &Docker) -> Result<String, Failure> {
    const VARIABLE: &str = "COMPOSE_PROJECT_NAME";
    let line = &docker.line;
    let folder = match (line.values(&["--project-directory"]).last(), line.files().first()) {
        (Some(folder), _) => docker.work().join(folder),
        (None, Some(file)) => docker.work().join(Path::new(file).parent().unwrap_or_else(|| Path::new(""))),
        (None, None) => docker.work().to_owned(),
    };
    let mut name = line.values(&["-p", "--project-name"]).last().map(|name| (*name).to_owned());
    if name.is_none() {
        name = docker.variable(VARIABLE).await?;
    }
    if name.is_none() {
        let env = line
            .values(&["--env-file"])
            .last()
            .map_or_else(|| folder.join(".env"), |file| docker.work().join(file));
        let content = docker.place.read(&env.to_string_lossy(), ENV_BYTES_MAX).await?;
        let text = content.map_or_else(String::new, |file| String::from_utf8_lossy(&file.bytes).into_owned());
        let value = text.lines().find_map(|line| line.trim().strip_prefix(VARIABLE)?.strip_prefix('='));
        name = value.map(|value| value.trim_matches(['\'', '"']).to_owned());
    }
    let name = match name {
        Some(name) => name,
        None => docker.name_of(&folder).await?,
    };
    Ok(name
        .to_lowercase()
        .chars()
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(*c))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_version_1() {
        let text = "networks:\n  default: {}\nservices:\n  db:\n    environment:\n      image: not-this\n    image: postgres:15\n  \
                    side:\n    build:\n      context: /srv\n  web:\n    image: 'shop:2'\n    labels:\n      a: b\nversion: '3.7'\n";
        let mut found = Configuration { project: "shop".into(), services: images_of_yaml(text) };
        found.name_built(false);
        let images: Vec<_> = found
            .services
            .iter()
            .map(|(name, wanted)| (name.as_str(), wanted.image.as_str(), wanted.builds))
            .collect();
        assert_eq!(
            images,
            [("db", "postgres:15", false), ("side", "shop_side", true), ("web", "shop:2", false)]
        );
    }
}
