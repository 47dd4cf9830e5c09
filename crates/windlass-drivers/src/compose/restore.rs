//! Putting containers and networks back as they were, from what the engine said of them before. Not from the compose files:
//! those are the new ones by then, and nothing says what they and their env files were when a container was made.

use super::{
    docker::Docker,
    world::{Container, World, short},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use windlass_driver::{Failure, Fault};

/// What was there before, in all detail.
pub struct Before<'a> {
    pub world: &'a World,
    /// `docker inspect` of each container.
    pub containers: &'a [Value],
    /// `docker inspect` of each network of the project.
    pub networks: &'a [Value],
    /// Where an image can be got again, by its id: `NAME@sha256:…`.
    pub digests: &'a BTreeMap<String, String>,
}

impl Before<'_> {
    /// Refuses before anything is changed when an image is gone; gets it again if that is possible.
    pub async fn ready(&self, docker: &Docker, now: &World) -> Result<(), Failure> {
        for missing in self.world.containers.iter().filter(|one| !now.has(one)) {
            if docker.ask(&["image", "inspect", "--format", "{{.Id}}", &missing.image]).await.is_ok() {
                continue;
            }
            let gone =
                format!("the image {} of {} is not there any more", short(&missing.image), missing.name);
            let Some(digest) = self.digests.get(&missing.image) else {
                return Err(Failure::clean(Fault::Target, format!("{gone}, and it came from no registry")));
            };
            docker.act(&["pull", "--quiet", digest]).await.map_err(|failure| Failure {
                message: format!("{gone}, and cannot be pulled: {}", failure.message),
                ..failure
            })?;
        }
        Ok(())
    }

    /// Makes the world as it was. Every step may have been done already.
    pub async fn restore(&self, docker: &Docker, say: &(dyn Fn(&str) + Send + Sync)) -> Result<(), Failure> {
        let (now, _) = World::look(docker, &self.world.project).await?;
        let strange: Vec<&Container> = now.containers.iter().filter(|one| !self.world.has(one)).collect();
        for one in &strange {
            say(&format!("removing {}\n", one.words()));
        }
        many(docker, &["stop"], strange.iter().filter(|one| one.running).map(|one| one.id.as_str())).await?;
        many(docker, &["rm"], strange.iter().map(|one| one.id.as_str())).await?;
        self.put_networks_back(docker).await?;
        let mut ids: BTreeMap<String, String> = BTreeMap::new();
        let mut order: Vec<(Container, &Value)> =
            self.containers.iter().map(|raw| (Container::of(raw), raw)).collect();
        order.sort_by(|a, b| a.0.started.cmp(&b.0.started));
        for (one, raw) in &order {
            if let Some(here) = now.like(one) {
                ids.insert(one.id.clone(), here.id.clone());
                continue;
            }
            say(&format!("putting {} back\n", one.words()));
            let id = create(docker, one, raw, &ids).await?;
            ids.insert(one.id.clone(), id);
        }
        let id = |one: &Container| ids.get(&one.id).map(String::as_str);
        let (run, rest): (Vec<_>, Vec<_>) = order.iter().map(|(one, _)| one).partition(|one| one.running);
        many(
            docker,
            &["stop"],
            rest.iter().filter(|one| now.like(one).is_some_and(|now| now.running)).filter_map(|one| id(one)),
        )
        .await?;
        // In the order in which they were started: one may need another.
        for one in run.iter().filter(|one| !now.like(one).is_some_and(|now| now.running)) {
            many(docker, &["start"], id(one).into_iter()).await?;
        }
        self.drop_networks(docker).await
    }

    async fn put_networks_back(&self, docker: &Docker) -> Result<(), Failure> {
        let here = World::networks(docker, &self.world.project).await?;
        let named = |network: &Value| here.iter().any(|other| other.get("Name") == network.get("Name"));
        for network in self.networks.iter().filter(|network| !named(network)) {
            let mut body = Map::new();
            for key in ["Name", "Driver", "Internal", "Attachable", "EnableIPv6", "IPAM", "Options", "Labels"]
            {
                body.insert(key.to_owned(), network.get(key).cloned().unwrap_or(Value::Null));
            }
            body.insert("CheckDuplicate".to_owned(), json!(true));
            let body = Value::Object(body);
            if let Err(failure) = docker.post("/networks/create", &body).await {
                // Its range of addresses may be another's by now; then it gets a new one, as compose would give it.
                let Value::Object(mut body) = body else { return Err(failure) };
                body.insert("IPAM".to_owned(), json!({ "Driver": "default" }));
                docker.post("/networks/create", &Value::Object(body)).await?;
            }
        }
        Ok(())
    }

    /// Networks that the unit made. One that somebody uses stays.
    async fn drop_networks(&self, docker: &Docker) -> Result<(), Failure> {
        for network in World::networks(docker, &self.world.project).await? {
            let was = self.networks.iter().any(|before| before.get("Name") == network.get("Name"));
            let name = network.get("Name").and_then(Value::as_str).unwrap_or_default();
            let unused = network.get("Containers").and_then(Value::as_object).is_none_or(Map::is_empty);
            if !was && unused {
                docker.act(&["network", "rm", name]).await?;
            }
        }
        Ok(())
    }
}

/// One command for several containers; none for none.
async fn many<'a>(
    docker: &Docker,
    command: &[&str],
    ids: impl Iterator<Item = &'a str>,
) -> Result<(), Failure> {
    let ids: Vec<&str> = ids.collect();
    if ids.is_empty() {
        return Ok(());
    }
    docker.act(&[command, ids.as_slice()].concat()).await.map(drop)
}

/// Creates a container as `raw` says it was; its id. `ids`: of those that were put back before it.
async fn create(
    docker: &Docker,
    one: &Container,
    raw: &Value,
    ids: &BTreeMap<String, String>,
) -> Result<String, Failure> {
    // Another's space of networks or processes is named by its id.
    let text = ids.iter().fold(raw.to_string(), |text, (old, new)| text.replace(old.as_str(), new));
    let raw: Value =
        serde_json::from_str(&text).map_err(|error| super::docker::unreadable("docker inspect", &error))?;
    let mut body = raw.get("Config").and_then(Value::as_object).cloned().unwrap_or_default();
    let named = docker.ask(&["image", "inspect", "--format", "{{.Id}}", &one.reference]).await;
    // A tag that was moved names another image now.
    let image = if named.is_ok_and(|id| id.trim() == one.image) { &one.reference } else { &one.image };
    body.insert("Image".to_owned(), json!(image));
    let own: String = one.id.chars().take(12).collect();
    if body.get("Hostname").and_then(Value::as_str) == Some(own.as_str()) {
        body.remove("Hostname");
    }
    let mut host = raw.get("HostConfig").cloned().unwrap_or_default();
    keep_anonymous_volumes(&raw, &mut host);
    body.insert("HostConfig".to_owned(), host);
    let mut endpoints = endpoints(&raw, &own);
    // An engine of the old interface takes one network when a container is created; the others are connected.
    let first = endpoints.pop_first();
    if let Some((name, endpoint)) = &first {
        body.insert("NetworkingConfig".to_owned(), json!({ "EndpointsConfig": { name: endpoint } }));
    }
    let made = docker.post(&format!("/containers/create?name={}", one.name), &Value::Object(body)).await?;
    let id = made.get("Id").and_then(Value::as_str).unwrap_or_default().to_owned();
    for (name, endpoint) in endpoints {
        let body = json!({ "Container": id, "EndpointConfig": endpoint });
        docker.post(&format!("/networks/{name}/connect"), &body).await?;
    }
    Ok(id)
}

/// The networks of a container with what it is called there.
fn endpoints(raw: &Value, own: &str) -> BTreeMap<String, Value> {
    let networks = raw.pointer("/NetworkSettings/Networks").and_then(Value::as_object);
    let mode = raw.pointer("/HostConfig/NetworkMode").and_then(Value::as_str).unwrap_or_default();
    if mode == "host" || mode == "none" || mode.starts_with("container:") {
        return BTreeMap::new();
    }
    let endpoint = |network: &Value| {
        let mut endpoint = Map::new();
        for key in ["IPAMConfig", "Links", "DriverOpts"] {
            endpoint.insert(key.to_owned(), network.get(key).cloned().unwrap_or(Value::Null));
        }
        let aliases = network.get("Aliases").and_then(Value::as_array).cloned().unwrap_or_default();
        let aliases: Vec<Value> = aliases.into_iter().filter(|alias| alias.as_str() != Some(own)).collect();
        endpoint.insert("Aliases".to_owned(), Value::Array(aliases));
        Value::Object(endpoint)
    };
    networks.into_iter().flatten().map(|(name, network)| (name.clone(), endpoint(network))).collect()
}

/// A volume without a name of its own gets mounted again, not a new empty one in its place.
fn keep_anonymous_volumes(raw: &Value, host: &mut Value) {
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mounts = raw.get("Mounts").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut binds: Vec<Value> = host.get("Binds").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_bound = |target: &str, binds: &[Value]| {
        let by_bind =
            binds.iter().filter_map(Value::as_str).any(|bind| bind.split(':').nth(1) == Some(target));
        let by_mount = host.get("Mounts").and_then(Value::as_array).is_some_and(|mounts| {
            mounts.iter().any(|mount| text(mount, "Target") == target && !text(mount, "Source").is_empty())
        });
        by_bind || by_mount
    };
    let mut added = Vec::new();
    for mount in mounts.iter().filter(|mount| text(mount, "Type") == "volume") {
        let target = text(mount, "Destination");
        if !is_bound(&target, &binds) {
            let mode = if mount.get("RW").and_then(Value::as_bool) == Some(false) { ":ro" } else { "" };
            binds.push(json!(format!("{}:{target}{mode}", text(mount, "Name"))));
            added.push(target);
        }
    }
    let Some(host) = host.as_object_mut() else { return };
    if let Some(Value::Array(mounts)) = host.get_mut("Mounts") {
        mounts.retain(|mount| !added.contains(&text(mount, "Target")));
    }
    host.insert("Binds".to_owned(), Value::Array(binds));
}
