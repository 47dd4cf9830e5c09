//! Lines of docker compose, here and on hosts.
//!
//! The line itself runs as it is written, detached, by the shell driver: neither a controller that dies nor a connection that is
//! cut kills it or loses its result. Around it this driver asks the engine of that place what is there: before (the capsule),
//! after, and when nobody knows how a try ended.
//!
//! | operation | done when | undo |
//! |---|---|---|
//! | pull, build | the line ended well | the tags name what they named |
//! | up, start, restart | the line ended well and every container stays up | containers and networks as before; of `up --build` the tags too |
//! | down, stop | the line ended well | containers and networks as before |
//!
//! A container is put back from what `docker inspect` said of it, by the engine's own interface: same image by id, same
//! environment, mounts, networks, labels. So compose finds what it made itself. What `inspect` says may hold passwords: it
//! stands in the unit's workspace on this machine, readable for its owner only, never in the journal. Images that were in use
//! get a tag of ours, so that `docker image prune` leaves them.
//!
//! What puts things back are short commands, each of which may have been given before: one whose connection broke is
//! given again after a look at the world.
//!
//! An undo touches only containers that are as they were before or as the unit left them; any other one is a conflict.

mod config;
mod docker;
mod kept;
mod preview;
mod restore;
mod settle;
mod traffic;
mod world;

use crate::{disk, host::Hosts, service::Fronts, shell::ShellDriver};
use async_trait::async_trait;
use config::Configuration;
use docker::Docker;
use restore::Before;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, io, os::unix::fs::PermissionsExt as _, time::Duration};
use traffic::{Flow, Traffic};
use windlass_driver::{Capsule, Context, Done, Driver, Effect, Failure, Fault, Found, Survey};
use windlass_plan::{Action, ComposeOperation, Unit, Way};
use world::{World, image_words};

/// Files of the workspace.
const CONTAINERS: &str = "containers.json";
const NETWORKS: &str = "networks.json";

/// Driver of lines of docker compose.
#[derive(Clone)]
pub struct ComposeDriver {
    hosts: Hosts,
    shell: ShellDriver,
    fronts: Fronts,
}

impl ComposeDriver {
    /// Over these connections.
    #[must_use]
    pub fn new(hosts: Hosts) -> Self {
        Self { shell: ShellDriver::new(hosts.clone()), hosts, fronts: crate::service::fronts() }
    }
}

/// What was there before a unit: its capsule.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Captured {
    world: World,
    /// What the tags of the files named here: id of the image, `None`: nothing.
    tags: BTreeMap<String, Option<String>>,
    /// Where the images of the containers can be got again.
    digests: BTreeMap<String, String>,
    /// What the shell driver has to know of the line later.
    #[serde(default)]
    line: Capsule,
    /// What the proxies in front did.
    #[serde(default)]
    flow: Flow,
    /// Hashes of the files of the workspace.
    containers_sha256: String,
    networks_sha256: String,
}

/// One unit being worked on.
struct Work<'a> {
    cx: &'a Context,
    unit: &'a Unit,
    docker: Docker,
    shell: &'a ShellDriver,
    traffic: Traffic<'a>,
}

impl<'a> Work<'a> {
    fn of(driver: &'a ComposeDriver, cx: &'a Context, unit: &'a Unit) -> Result<Self, Failure> {
        let Action::Compose(line) = &unit.action else {
            let text = format!("unit {} was given to the compose driver, but is no line of compose", unit.id);
            return Err(Failure::clean(Fault::Windlass, text));
        };
        let traffic = Traffic::of(&driver.fronts, cx, unit, line);
        Ok(Self {
            cx,
            unit,
            docker: Docker::new(&driver.hosts, cx, unit, line),
            shell: &driver.shell,
            traffic,
        })
    }

    fn operation(&self) -> ComposeOperation {
        self.docker.line.operation
    }

    /// The line as a unit of the shell driver.
    fn line(&self) -> Unit {
        let words: Vec<String> = self.docker.words().into_iter().map(crate::host::word).collect();
        let action = Action::Shell {
            script: words.join(" "),
            dir: self.docker.line.dir.clone(),
            readonly: false,
            database: None,
        };
        Unit { action, ..self.unit.clone() }
    }

    async fn look(&self, captured: &Captured) -> Result<World, Failure> {
        Ok(World::look(&self.docker, &captured.world.project).await?.0)
    }

    /// What tags name here now.
    async fn tags(
        &self,
        references: impl Iterator<Item = &String>,
    ) -> Result<BTreeMap<String, Option<String>>, Failure> {
        let mut tags = BTreeMap::new();
        for reference in references.filter(|reference| !reference.is_empty()) {
            let found = self.docker.inspect("image", std::slice::from_ref(reference)).await?;
            let id = found.first().and_then(|image| image.get("Id")?.as_str()).map(str::to_owned);
            tags.insert(reference.clone(), id);
        }
        Ok(tags)
    }

    async fn capture(&self) -> Result<Captured, Failure> {
        let wanted = Configuration::ask(&self.docker).await?;
        let (world, containers) = World::look(&self.docker, &wanted.project).await?;
        let networks = World::networks(&self.docker, &wanted.project).await?;
        let mut captured = Captured {
            tags: self.tags(wanted.meant(&self.docker).map(|(_, wanted)| &wanted.image)).await?,
            world,
            line: self.shell.capture(self.cx, &self.line()).await?,
            flow: self.traffic.capture().await?,
            ..Captured::default()
        };
        let mut images: Vec<String> = captured.world.containers.iter().map(|one| one.image.clone()).collect();
        images.sort_unstable();
        images.dedup();
        for image in self.docker.inspect("image", &images).await? {
            if let (Some(id), Some(digest)) = (
                image.get("Id").and_then(Value::as_str),
                image.pointer("/RepoDigests/0").and_then(Value::as_str),
            ) {
                captured.digests.insert(id.to_owned(), digest.to_owned());
            }
        }
        captured.containers_sha256 = self.keep(CONTAINERS, &containers)?;
        captured.networks_sha256 = self.keep(NETWORKS, &networks)?;
        Ok(captured)
    }

    /// Writes what may hold passwords, for its owner only; its hash.
    fn keep(&self, name: &str, values: &[Value]) -> Result<String, Failure> {
        let path = self.cx.workspace.join(name);
        let write = || -> io::Result<String> {
            let bytes = serde_json::to_vec(values)?;
            fs::create_dir_all(&self.cx.workspace)?;
            fs::set_permissions(&self.cx.workspace, fs::Permissions::from_mode(0o700))?;
            disk::write_private(&path, &bytes)?;
            Ok(disk::sha256(&bytes))
        };
        write().map_err(|error| {
            let text =
                format!("what runs cannot be saved into {}: {error}; nothing was changed", path.display());
            Failure::clean(Fault::Transport, text).retryable()
        })
    }

    fn kept(&self, name: &str, sha256: &str) -> Result<Vec<Value>, Failure> {
        let path = self.cx.workspace.join(name);
        let broken = |why: String| {
            Failure::clean(Fault::Windlass, format!("{}: {why}; nothing was changed", path.display()))
        };
        if let Some(complaint) = disk::complaint(&path, sha256) {
            return Err(Failure::clean(Fault::Windlass, format!("{complaint}; nothing was changed")));
        }
        let bytes = fs::read(&path).map_err(|error| broken(error.to_string()))?;
        serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))
    }

    async fn apply(&self, captured: &Captured) -> Result<Done, Failure> {
        // What a name meant until it is built anew is in use by nobody, perhaps, and has no other name.
        let built: Vec<&str> = if self.docker.line.builds() {
            captured.tags.values().flatten().map(String::as_str).collect()
        } else {
            Vec::new()
        };
        kept::keep(&self.docker, &captured.world, &built).await;
        if !self.traffic.is_empty() && self.moves(captured).await? {
            self.traffic.hold(self.cx, &captured.flow).await?;
        }
        let line = self.line();
        let result = match self.shell.apply(self.cx, &line, &captured.line).await {
            Ok(done) => self.finish(captured, done.output).await,
            Err(failure) => Err(self.judge(captured, failure).await),
        };
        match result {
            Ok(done) => self.open(captured, done).await,
            // Nothing happened, so nobody has to wait for it.
            Err(failure) if failure.effect == Effect::None => {
                match self.traffic.back(self.cx, &captured.flow, true).await {
                    Ok(()) => Err(failure),
                    Err(_) => Err(self.traffic.tell(Failure { effect: Effect::Partial, ..failure }).await),
                }
            }
            Err(failure) => Err(self.traffic.tell(failure).await),
        }
    }

    /// Whether containers go away or are replaced. A line that finds all as it should be holds nobody up.
    async fn moves(&self, captured: &Captured) -> Result<bool, Failure> {
        if self.operation() != ComposeOperation::Up {
            return Ok(!self.operation().only_brings() && self.operation() != ComposeOperation::Start);
        }
        // Whether the image will be another one is known when it is there.
        if self.docker.line.builds() {
            return Ok(true);
        }
        let wanted = Configuration::ask(&self.docker).await?;
        Ok(!preview::is_settled(&self.docker, &wanted, &captured.world, &captured.tags))
    }

    /// The line ended well: what came of it. Where nobody answers that, it is not known.
    async fn finish(&self, captured: &Captured, output: String) -> Result<Done, Failure> {
        self.came_of(captured, output).await.map_err(|failure| match failure.effect {
            Effect::None => Failure { effect: Effect::Unknown, retry: false, ..failure },
            _ => failure,
        })
    }

    async fn came_of(&self, captured: &Captured, output: String) -> Result<Done, Failure> {
        if self.operation().only_brings() {
            return self.brought(captured, output).await;
        }
        let now = if self.operation().ends_up() {
            let limit = self.cx.timeout_ms.map(Duration::from_millis);
            settle::stay_up(&self.docker, &captured.world, limit).await?
        } else {
            self.look(captured).await?
        };
        let mut effects = captured.world.changes(&now);
        let mut facts = json!({ "after": now });
        if self.docker.line.builds() {
            let brought = self.brought(captured, String::new()).await?;
            effects.splice(..0, brought.effects);
            facts["tags"] = brought.facts["tags"].clone();
        }
        Ok(Done { changed: !effects.is_empty(), effects, output, facts })
    }

    /// Lets requests through where containers run now.
    async fn open(&self, captured: &Captured, mut done: Done) -> Result<Done, Failure> {
        let facts = if self.operation().ends_up() {
            match self.traffic.open(self.cx, &captured.flow).await {
                Ok(facts) => facts,
                Err(failure) => {
                    let failure = Failure { effect: failure.effect.max(Effect::Partial), ..failure };
                    return Err(self.traffic.tell(failure).await);
                }
            }
        } else {
            self.traffic.facts(&captured.flow)
        };
        if let (Some(all), Some(more)) = (done.facts.as_object_mut(), facts.as_object()) {
            all.extend(more.clone());
        }
        if let (Some(ms), Some(held)) =
            (facts["hold_ms"].as_u64().filter(|ms| *ms > 0), facts["held"].as_u64())
        {
            done.effects.push(format!("{held} requests were held, for {ms} ms"));
            done.changed = true;
        }
        Ok(done)
    }

    async fn brought(&self, captured: &Captured, output: String) -> Result<Done, Failure> {
        let now = self.tags(captured.tags.keys()).await?;
        let line = |(reference, before): (&String, &Option<String>)| {
            let after = now.get(reference).and_then(Option::as_ref)?;
            match before {
                Some(before) if before == after => None,
                Some(before) => {
                    Some(format!("{}, was {}", image_words(reference, after), world::short(before)))
                }
                None => Some(format!("{}, was not here", image_words(reference, after))),
            }
        };
        let effects: Vec<String> = captured.tags.iter().filter_map(line).collect();
        Ok(Done { changed: !effects.is_empty(), effects, output, facts: json!({ "tags": now }) })
    }

    /// A failure of the line, judged by the world.
    async fn judge(&self, captured: &Captured, failure: Failure) -> Failure {
        if failure.effect != Effect::Partial {
            return failure;
        }
        if self.operation().only_brings() {
            // What arrived changes nothing that runs, and a tag goes back by the undo.
            return failure;
        }
        match self.look(captured).await {
            Ok(now) if now.containers == captured.world.containers => {
                Failure { effect: Effect::None, ..failure }
            }
            Ok(now) => {
                let changes = captured.world.changes(&now);
                changes.into_iter().fold(failure, |failure, change| failure.hint(format!("so far {change}")))
            }
            Err(_) => failure,
        }
    }

    async fn undo(&self, captured: &Captured, done: Option<&Done>) -> Result<Done, Failure> {
        match self.operation() {
            ComposeOperation::Pull | ComposeOperation::Build => self.tag_back(captured, done).await,
            // The same containers run.
            ComposeOperation::Restart => Ok(Done::default()),
            // Names first: where somebody has moved one, nothing was changed.
            _ if self.docker.line.builds() => {
                let mut named = self.tag_back(captured, done).await?;
                let back = self.put_back(captured, done).await.map_err(|failure| match named.changed {
                    true => begun(failure),
                    false => failure,
                })?;
                named.effects.extend(back.effects);
                Ok(Done { changed: named.changed || back.changed, effects: named.effects, ..back })
            }
            _ => self.put_back(captured, done).await,
        }
    }

    /// Whether containers and networks are certainly as they were before.
    async fn is_as_before(&self, captured: &Captured) -> bool {
        self.look(captured).await.is_ok_and(|now| now.is_like(&captured.world))
    }

    async fn put_back(&self, captured: &Captured, done: Option<&Done>) -> Result<Done, Failure> {
        let now = self.look(captured).await?;
        let up = captured.world.containers.iter().any(|one| one.running);
        if now.is_like(&captured.world) {
            self.traffic.back(self.cx, &captured.flow, up).await?;
            return Ok(Done { effects: vec!["all is as before already".to_owned()], ..Done::default() });
        }
        let after: Option<World> =
            done.and_then(|done| serde_json::from_value(done.facts.get("after")?.clone()).ok());
        let stranger = now
            .containers
            .iter()
            .find(|one| !captured.world.has(one) && after.as_ref().is_some_and(|after| !after.has(one)));
        if let Some(stranger) = stranger {
            let text =
                format!("{} was put there since by somebody else; nothing was changed", stranger.words());
            let failure = Failure::clean(Fault::Target, text);
            return Err(captured
                .world
                .containers
                .iter()
                .fold(failure, |failure, one| failure.hint(format!("before: {}", one.words()))));
        }
        let (containers, networks) = (
            self.kept(CONTAINERS, &captured.containers_sha256)?,
            self.kept(NETWORKS, &captured.networks_sha256)?,
        );
        let before = Before {
            world: &captured.world,
            containers: &containers,
            networks: &networks,
            digests: &captured.digests,
        };
        before.ready(&self.docker, &now).await?;
        self.traffic.hold(self.cx, &captured.flow).await?;
        before.restore(&self.docker, &*self.cx.output).await.map_err(begun)?;
        let end = self.look(captured).await.map_err(begun)?;
        if !end.is_like(&captured.world) {
            let text = format!("not as before: {}; before: {}", end.describe(), captured.world.describe());
            return Err(Failure::partial(Fault::Target, text).retryable());
        }
        let back = self.traffic.back(self.cx, &captured.flow, up).await;
        back.map_err(|failure| Failure { effect: failure.effect.max(Effect::Partial), ..failure })?;
        Ok(Done { changed: true, effects: now.changes(&end), ..Done::default() })
    }

    async fn tag_back(&self, captured: &Captured, done: Option<&Done>) -> Result<Done, Failure> {
        let now = self.tags(captured.tags.keys()).await?;
        let after = done.and_then(|done| done.facts.get("tags"));
        let mut effects = Vec::new();
        for (reference, before) in &captured.tags {
            let (Some(before), Some(Some(now))) = (before, now.get(reference)) else { continue };
            // A digest names what it names.
            if before == now || reference.contains('@') {
                continue;
            }
            if after.and_then(|after| after.get(reference)?.as_str()).is_some_and(|after| after != now) {
                let text =
                    format!("{reference} was moved since, to {}; nothing was changed", world::short(now));
                return Err(Failure::clean(Fault::Target, text));
            }
            self.docker.act(&["tag", before, reference]).await.map_err(begun)?;
            effects.push(format!("{} again, was {}", image_words(reference, before), world::short(now)));
        }
        Ok(Done { changed: !effects.is_empty(), effects, ..Done::default() })
    }

    async fn inspect(&self, captured: &Captured, way: Way) -> Result<Found, Failure> {
        if way == Way::Undo {
            return self.inspect_undo(captured).await;
        }
        let line = self.line();
        match self.shell.inspect(self.cx, &line, &captured.line, Way::Forward).await {
            Found::Applied(done) => Ok(match self.finish(captured, done.output).await {
                Ok(done) if self.is_open(captured).await? => Found::Applied(done),
                Ok(_) => Found::Failed(self.in_between("the line ended well")),
                Err(failure) if failure.effect == Effect::Unknown => Found::Unknown(failure.whole("\n")),
                Err(failure) => Found::Failed(failure),
            }),
            Found::Failed(failure) => Ok(Found::Failed(self.judge(captured, failure).await)),
            Found::NotApplied if self.traffic.is(None, &captured.flow).await? => Ok(Found::NotApplied),
            Found::NotApplied => Ok(Found::Failed(self.in_between("the line was not begun"))),
            Found::Unknown(why) => {
                let now = self.look(captured).await?;
                Ok(Found::Unknown(format!(
                    "{why}\nnow: {}\nbefore: {}",
                    now.describe(),
                    captured.world.describe()
                )))
            }
        }
    }

    /// Whether requests wait, or go through, as they should when the line is done.
    async fn is_open(&self, captured: &Captured) -> Result<bool, Failure> {
        let operation = self.operation();
        if operation.ends_up() {
            return self.traffic.is(Some(false), &captured.flow).await;
        }
        let held = operation.ends_away().then_some(true);
        self.traffic.is(held, &captured.flow).await
    }

    fn in_between(&self, what: &str) -> Failure {
        let text = format!("{what}, but its controller ended before requests went where they should");
        Failure::partial(Fault::Transport, text).retryable()
    }

    async fn inspect_undo(&self, captured: &Captured) -> Result<Found, Failure> {
        let is_back = match self.operation() {
            ComposeOperation::Restart => true,
            ComposeOperation::Pull | ComposeOperation::Build => self.is_named_back(captured).await?,
            _ => {
                self.look(captured).await?.is_like(&captured.world)
                    && self.traffic.is(None, &captured.flow).await?
                    && (!self.docker.line.builds() || self.is_named_back(captured).await?)
            }
        };
        Ok(if is_back {
            Found::Applied(Done { changed: true, ..Done::default() })
        } else {
            // Whatever point it reached: it goes on from there.
            Found::Failed(
                Failure::partial(Fault::Transport, "the containers are not yet as before").retryable(),
            )
        })
    }

    async fn is_named_back(&self, captured: &Captured) -> Result<bool, Failure> {
        let now = self.tags(captured.tags.keys()).await?;
        let mut tags = captured.tags.iter();
        Ok(tags.all(|(reference, before)| before.is_none() || now.get(reference) == Some(before)))
    }

    async fn survey(&self) -> Result<Survey, Failure> {
        let mut survey = Survey::default();
        let wanted = match Configuration::ask(&self.docker).await {
            Ok(wanted) => wanted,
            // A host that may answer a minute later is no reason not to begin; one that never will is.
            Err(failure) if failure.retry && failure.fault == Fault::Transport => return Err(failure),
            Err(failure) => {
                survey.problems.push(failure.whole("; "));
                return Ok(survey);
            }
        };
        for name in self.docker.line.services.iter().filter(|name| !wanted.services.contains_key(*name)) {
            survey.problems.push(format!("there is no service {name} in the compose files"));
        }
        let (now, _) = World::look(&self.docker, &wanted.project).await?;
        let images = self.tags(wanted.meant(&self.docker).map(|(_, wanted)| &wanted.image)).await?;
        survey.effects = preview::lines(&self.docker, &wanted, &now, &images);
        if self.operation() == ComposeOperation::Up && self.docker.line.builds() && !self.traffic.is_empty() {
            let words = "requests are held while images are built: write `docker compose build` as a line of its own in front, and \
                         take `--build` out";
            survey.effects.push(words.to_owned());
        }
        let (effects, problems) = self.traffic.survey().await;
        survey.effects.extend(effects);
        survey.problems.extend(problems);
        survey.effects.extend(preview::edited(self.cx, self.unit, &self.docker));
        Ok(survey)
    }
}

/// An undo that failed on its way, and goes on from wherever it is.
fn begun(failure: Failure) -> Failure {
    Failure { effect: Effect::Partial, ..failure }.retryable()
}

#[async_trait]
impl Driver for ComposeDriver {
    async fn survey(&self, cx: &Context, unit: &Unit) -> Result<Survey, Failure> {
        Work::of(self, cx, unit)?.survey().await
    }

    async fn capture(&self, cx: &Context, unit: &Unit) -> Result<Capsule, Failure> {
        let captured = Work::of(self, cx, unit)?.capture().await?;
        Capsule::of(unit, &captured)
    }

    async fn apply(&self, cx: &Context, unit: &Unit, capsule: &Capsule) -> Result<Done, Failure> {
        Work::of(self, cx, unit)?.apply(&capsule.read(unit)?).await
    }

    async fn gone(&self, cx: &Context, unit: &Unit, capsule: &Capsule) -> Vec<String> {
        let Ok(work) = Work::of(self, cx, unit) else { return Vec::new() };
        // Tags go back, or nothing does.
        if work.operation().only_brings() || work.operation() == ComposeOperation::Restart {
            return Vec::new();
        }
        let gone: Vec<_> =
            [CONTAINERS, NETWORKS].iter().filter_map(|name| disk::gone(&cx.workspace.join(name))).collect();
        let is_as_before = match capsule.read(unit) {
            Ok(captured) if !gone.is_empty() => work.is_as_before(&captured).await,
            _ => false,
        };
        // What is as it was needs nothing.
        if is_as_before { Vec::new() } else { gone }
    }

    async fn undo(
        &self,
        cx: &Context,
        unit: &Unit,
        capsule: &Capsule,
        done: Option<&Done>,
    ) -> Result<Done, Failure> {
        Work::of(self, cx, unit)?.undo(&capsule.read(unit)?, done).await
    }

    async fn inspect(&self, cx: &Context, unit: &Unit, capsule: &Capsule, way: Way) -> Found {
        let found = async { Work::of(self, cx, unit)?.inspect(&capsule.read(unit)?, way).await };
        found.await.unwrap_or_else(|failure| Found::Unknown(failure.whole("\n")))
    }
}
