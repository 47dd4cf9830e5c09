//! What a line will do, from the files and the containers as they are now.

use super::{
    config::{Configuration, Wanted},
    docker::Docker,
    world::{Container, World, image_words, short},
};
use std::collections::BTreeMap;
use windlass_driver::Context;
use windlass_plan::{Action, COMPOSE_FILES, ComposeOperation, Unit};

/// One line for each service, one for orphans.
pub fn lines(
    docker: &Docker,
    wanted: &Configuration,
    now: &World,
    images: &BTreeMap<String, Option<String>>,
) -> Vec<String> {
    let line = &docker.line;
    let local = |wanted: &Wanted| images.get(&wanted.image).cloned().flatten();
    let mut lines = Vec::new();
    for (name, service) in wanted.meant(docker) {
        let here: Vec<&Container> = now.containers.iter().filter(|one| one.service == *name).collect();
        if line.operation.only_brings() {
            lines.push(match line.operation {
                ComposeOperation::Build => build(name, service, local(service)),
                _ => pull(name, service, local(service)),
            });
        } else if here.is_empty() {
            lines.push(absent(line.operation, name, service, local(service)));
        }
        for one in here {
            lines.extend(present(docker, one, service, local(service)));
        }
    }
    let orphans = now.containers.iter().filter(|one| !wanted.services.contains_key(&one.service));
    for orphan in orphans.filter(|_| matches!(line.operation, ComposeOperation::Up | ComposeOperation::Down))
    {
        let what = if line.has(&["--remove-orphans"]) { "is removed" } else { "stays" };
        lines.push(format!("{} {what}: no service of the files (an orphan)", orphan.words()));
    }
    if line.operation == ComposeOperation::Down {
        lines.push(if line.deletes_volumes() {
            "volumes are deleted".to_owned()
        } else {
            "volumes stay".to_owned()
        });
    }
    lines
}

/// Whether `up` would find every container as it should be.
pub fn is_settled(
    docker: &Docker,
    wanted: &Configuration,
    now: &World,
    images: &BTreeMap<String, Option<String>>,
) -> bool {
    let line = &docker.line;
    let extra = now.containers.iter().any(|one| !wanted.services.contains_key(&one.service));
    let settled = |(name, service): (&String, &Wanted)| {
        let mut here = now.containers.iter().filter(|one| one.service == *name).peekable();
        let image = images.get(&service.image).and_then(Option::as_ref);
        here.peek().is_some()
            && here.all(|one| one.running && one.hash == service.hash && image == Some(&one.image))
    };
    let asked = line.has(&["--force-recreate"]) || (extra && line.has(&["--remove-orphans"]));
    !asked && wanted.meant(docker).all(settled)
}

fn build(name: &str, service: &Wanted, local: Option<String>) -> String {
    match (service.builds, local) {
        (false, _) => format!("{name}: {} is not built here", service.image),
        (true, Some(id)) => {
            format!(
                "{name}: built; what {} names now is kept for the way back",
                image_words(&service.image, &id)
            )
        }
        (true, None) => format!("{name}: {} is built for the first time", service.image),
    }
}

fn pull(name: &str, service: &Wanted, local: Option<String>) -> String {
    match (service.named, local) {
        (false, _) => format!("{name}: built here, nothing is pulled"),
        (true, Some(id)) => {
            format!("{name}: {}; pulled anew if the registry has another", image_words(&service.image, &id))
        }
        (true, None) => format!("{name}: {} is not here yet", service.image),
    }
}

fn absent(operation: ComposeOperation, name: &str, service: &Wanted, local: Option<String>) -> String {
    let image = match local {
        Some(id) => image_words(&service.image, &id),
        None if service.builds => format!("{}, which is built first", service.image),
        None => format!("{}, not here yet", service.image),
    };
    match operation {
        ComposeOperation::Up => format!("{name}: created from {image}"),
        _ => format!("{name}: has no container"),
    }
}

fn present(docker: &Docker, one: &Container, service: &Wanted, local: Option<String>) -> Option<String> {
    let line = &docker.line;
    let words = one.words();
    Some(match line.operation {
        ComposeOperation::Pull | ComposeOperation::Build => return None,
        ComposeOperation::Down => format!("removed: {words}"),
        ComposeOperation::Stop if one.running => format!("stopped: {words}"),
        ComposeOperation::Start if !one.running => format!("started: {words}"),
        ComposeOperation::Restart => format!("stopped and started again: {words}"),
        ComposeOperation::Up if line.has(&["--force-recreate"]) => format!("replaced, asked for: {words}"),
        ComposeOperation::Up if line.builds() && service.builds => {
            format!("built, and replaced if its image is another one then: {words}")
        }
        ComposeOperation::Up if line.has(&["--no-recreate"]) => format!("stays: {words}"),
        ComposeOperation::Up
            if local.as_ref().is_some_and(|local| *local != one.image) || service.image != one.reference =>
        {
            let to = local.map_or_else(
                || format!("{}, not here yet", service.image),
                |id| image_words(&service.image, &id),
            );
            format!("replaced: {} {} → {to}", one.name, short(&one.image))
        }
        ComposeOperation::Up if service.hash != one.hash => {
            format!("replaced, its configuration differs: {words}")
        }
        ComposeOperation::Up if !one.running => format!("started: {words}"),
        _ => format!("stays: {words}"),
    })
}

/// Steps before it that edit its files: what is shown is how they are now.
pub fn edited(cx: &Context, unit: &Unit, docker: &Docker) -> Vec<String> {
    let named = docker.line.files();
    let is_file = |file: &str| {
        named.contains(&file) || (named.is_empty() && COMPOSE_FILES.contains(&file)) || file.ends_with(".env")
    };
    let before = cx.plan.before(&unit.id).filter(|(_, other)| other.host == unit.host);
    let edits = before.filter_map(|(step, other)| match &other.action {
        Action::Patch { file, dir, .. } if *dir == docker.line.dir && is_file(file) => {
            Some(format!("shown with {file} as it is now; step {} edits it first", step.id))
        }
        _ => None,
    });
    let mut lines: Vec<String> = edits.collect();
    lines.dedup();
    lines
}
