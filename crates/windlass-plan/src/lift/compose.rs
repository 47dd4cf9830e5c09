//! `docker compose`, `docker-compose`, and what of `docker` only looks; `sudo` before it.

use super::{
    Context, Read,
    options::{self, Known, Takes},
};
use crate::{Action, ComposeLine, ComposeOperation, Runner, Service, ServiceOperation, Target};
use windlass_document::{
    Span,
    shell::{SimpleCommand, Word},
};

/// In front of the operation.
const GLOBAL: &[Known] = &[
    ("file", "f", Takes::Value),
    ("project-name", "p", Takes::Value),
    ("project-directory", "", Takes::Value),
    ("profile", "", Takes::Value),
    ("env-file", "", Takes::Value),
    ("ansi", "", Takes::Value),
    ("progress", "", Takes::Value),
    ("no-ansi", "", Takes::Nothing),
];
const PULL: &[Known] = &[("quiet", "q", Takes::Nothing), ("include-deps", "", Takes::Nothing)];
const BUILD: &[Known] = &[
    ("pull", "", Takes::Nothing),
    ("no-cache", "", Takes::Nothing),
    ("quiet", "q", Takes::Nothing),
    ("parallel", "", Takes::Nothing),
    ("with-dependencies", "", Takes::Nothing),
    ("force-rm", "", Takes::Nothing),
    ("no-rm", "", Takes::Nothing),
    ("compress", "", Takes::Nothing),
    ("memory", "m", Takes::Value),
    ("progress", "", Takes::Value),
    ("build-arg", "", Takes::Value),
];
const UP: &[Known] = &[
    ("build", "", Takes::Nothing),
    ("detach", "d", Takes::Nothing),
    ("no-deps", "", Takes::Nothing),
    ("force-recreate", "", Takes::Nothing),
    ("no-recreate", "", Takes::Nothing),
    ("no-build", "", Takes::Nothing),
    ("quiet-pull", "", Takes::Nothing),
    ("remove-orphans", "", Takes::Nothing),
    ("timeout", "t", Takes::Value),
    ("wait", "", Takes::Nothing),
    ("wait-timeout", "", Takes::Value),
];
const DOWN: &[Known] = &[
    ("remove-orphans", "", Takes::Nothing),
    ("timeout", "t", Takes::Value),
    ("volumes", "v", Takes::Nothing),
];
const STOP: &[Known] = &[("timeout", "t", Takes::Value)];
const RESTART: &[Known] = &[("timeout", "t", Takes::Value), ("no-deps", "", Takes::Nothing)];
/// Of what only looks.
const LOOK: &[Known] = &[
    ("all", "a", Takes::Nothing),
    ("quiet", "q", Takes::Nothing),
    ("services", "", Takes::Nothing),
    ("no-trunc", "", Takes::Nothing),
    ("latest", "l", Takes::Nothing),
    ("size", "s", Takes::Nothing),
    ("no-color", "", Takes::Nothing),
    ("last", "n", Takes::Value),
    ("format", "", Takes::Value),
    ("filter", "", Takes::Value),
    ("tail", "", Takes::Value),
    ("since", "", Takes::Value),
];
const COMPOSE_LOOKS: &[&str] = &["ps", "images", "logs", "top", "port", "version"];
const DOCKER_LOOKS: &[&str] = &["ps", "images", "logs", "top", "port", "version", "info"];

type Refused = (Span, String);

/// `None`: it is not of docker.
pub(super) fn read(context: &Context<'_>, simple: &SimpleCommand) -> Option<Read> {
    let words = simple.words.as_slice();
    let text = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
    let front = match (text(0), text(1)) {
        ("sudo", "-n") => 2,
        ("sudo", _) => 1,
        _ => 0,
    };
    let compose = match (text(front), text(front + 1)) {
        ("docker-compose", _) => Some(front + 1),
        ("docker", "compose") => Some(front + 2),
        ("docker", _) => None,
        _ => return None,
    };
    let read = match compose {
        Some(at) => self::compose(context, simple, at),
        None => docker(context, simple, front + 1),
    };
    Some(read.unwrap_or_else(|(span, why)| Read::NotUnderstood(span, why)))
}

fn compose(context: &Context<'_>, simple: &SimpleCommand, at: usize) -> Result<Read, Refused> {
    let (_, rest) = options::leading("docker compose", &simple.words[at..], GLOBAL)?;
    let Some((operation, arguments)) = rest.split_first() else {
        let last = &simple.words[simple.words.len() - 1];
        return Err((last.span, "nothing that docker compose should do is named".to_owned()));
    };
    let program = &simple.words[..simple.words.len() - rest.len()];
    let (operation, known) = match operation.text.as_str() {
        "pull" => (ComposeOperation::Pull, PULL),
        "build" => (ComposeOperation::Build, BUILD),
        "up" => (ComposeOperation::Up, UP),
        "down" => (ComposeOperation::Down, DOWN),
        "stop" => (ComposeOperation::Stop, STOP),
        "start" => (ComposeOperation::Start, &[] as &[Known]),
        "restart" => (ComposeOperation::Restart, RESTART),
        "exec" | "run" => return Err(inside(operation)),
        look if COMPOSE_LOOKS.contains(&look) => return looks(context, simple, arguments),
        other => {
            return Err((
                operation.span,
                format!("`{other}` of docker compose is not understood, so the line is not lifted"),
            ));
        }
    };
    as_written(simple)?;
    let read = options::read("docker compose", arguments, known)?;
    if operation == ComposeOperation::Up
        && !read.given.iter().any(|given| ["detach", "wait"].contains(&given.name))
    {
        let why = "`up` without `-d` goes on until somebody stops it, so the line is not lifted";
        return Err((program[program.len() - 1].span, why.to_owned()));
    }
    let mut options: Vec<String> = Vec::new();
    let mut last = None;
    for given in &read.given {
        // Letters of one word (`-dt 5`) are several options of the same words.
        if last != Some(given.words[0].span) {
            options.extend(given.words.iter().map(|word| word.text.clone()));
        } else {
            options.extend(given.words.iter().skip(1).map(|word| word.text.clone()));
        }
        last = Some(given.words[0].span);
    }
    Ok(Read::Actions(vec![Action::Compose(ComposeLine {
        program: program.iter().map(|word| word.text.clone()).collect(),
        operation,
        options,
        services: read.operands.iter().map(|word| word.text.clone()).collect(),
        dir: context.dir.clone(),
    })]))
}

fn docker(context: &Context<'_>, simple: &SimpleCommand, at: usize) -> Result<Read, Refused> {
    let Some((operation, arguments)) = simple.words[at..].split_first() else { return Ok(Read::Unknown) };
    match operation.text.as_str() {
        "exec" | "run" => Err(inside(operation)),
        look if DOCKER_LOOKS.contains(&look) => looks(context, simple, arguments),
        "image" | "builder" if arguments.first().is_some_and(|word| word.text == "prune") => {
            prune(context, simple, &arguments[1..])
        }
        _ => Ok(Read::Unknown),
    }
}

/// `docker image prune -f`: images without a name that no container has. Those that a release may go back to have a name (of the
/// driver of compose), so there is nothing to take back. With `-a` those go too.
fn prune(context: &Context<'_>, simple: &SimpleCommand, arguments: &[Word]) -> Result<Read, Refused> {
    const PRUNE: &[Known] = &[("force", "f", Takes::Nothing), ("filter", "", Takes::Value)];
    let read = options::read("docker image prune", arguments, PRUNE)?;
    if !read.given.iter().any(|given| given.name == "force") {
        let last = &simple.words[simple.words.len() - 1];
        return Err((last.span, "without `-f` it asks, and nobody is there to answer".to_owned()));
    }
    looks_as_written(context, simple)
}

/// A program in a container may do anything.
fn inside(operation: &Word) -> Refused {
    (
        operation.span,
        "what the program in the container does cannot be read from the line, so it is not lifted".to_owned(),
    )
}

/// A line that changes nothing runs as it is written.
fn looks(context: &Context<'_>, simple: &SimpleCommand, arguments: &[Word]) -> Result<Read, Refused> {
    options::read("docker", arguments, LOOK)?;
    looks_as_written(context, simple)
}

fn looks_as_written(context: &Context<'_>, simple: &SimpleCommand) -> Result<Read, Refused> {
    as_written(simple)?;
    let (first, last) = (&simple.words[0], &simple.words[simple.words.len() - 1]);
    let script = context.text.get(first.span.start..last.span.end).unwrap_or_default().to_owned();
    Ok(Read::Actions(vec![Action::Shell {
        script,
        dir: context.dir.clone(),
        readonly: true,
        database: None,
    }]))
}

/// Neither redirections nor variables.
fn as_written(simple: &SimpleCommand) -> Result<(), Refused> {
    if let Some(redirect) = simple.redirects.first() {
        return Err((redirect.target.span, "a redirection is not understood here".to_owned()));
    }
    match simple.assignments.first() {
        Some(set) => Err((set.span, format!("the variable `{}` before it is not understood", set.name))),
        None => Ok(()),
    }
}

/// `windlass service …` of a service that compose runs.
pub(super) fn service(
    context: &Context<'_>,
    name: &str,
    service: &Service,
    operation: ServiceOperation,
) -> Option<Action> {
    let Runner::Compose(file) = &service.runner else { return None };
    let dir = match context.config.targets.get(&service.on) {
        Some(Target::Hosts { dir, .. }) => dir.clone(),
        _ => None,
    };
    let (operation, options): (_, &[&str]) = match operation {
        // What containers run from is their images, which go back with them.
        ServiceOperation::Keep => return None,
        ServiceOperation::Stop => (ComposeOperation::Stop, &[]),
        ServiceOperation::Start => (ComposeOperation::Up, &["-d"]),
        ServiceOperation::Restart => (ComposeOperation::Up, &["-d", "--force-recreate"]),
    };
    Some(Action::Compose(ComposeLine {
        program: ["docker", "compose", "-f", file].map(str::to_owned).to_vec(),
        operation,
        options: options.iter().map(|word| (*word).to_owned()).collect(),
        services: vec![name.to_owned()],
        dir,
    }))
}
