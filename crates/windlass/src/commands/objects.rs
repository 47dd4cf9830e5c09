//! `windlass objects`: objects by hand, as a release of one step: shown, journaled, resumed and rolled back like any other.

use crate::{
    args::{ApplyArgs, LineArgs, ObjectsArgs, ObjectsCommand, Policy},
    exit::{Exit, Failure},
    journal, project, terminal, wiring,
};
use serde::Serialize;
use std::{fmt::Write as _, path::Path};
use windlass_drivers::s3::{previewed, settings};
use windlass_objects::{ObjectLine, Options, Place, Scene};
use windlass_plan::{Config, Store, Target};
use windlass_s3::{Client, list};

/// Runs the command.
pub fn run(args: &ObjectsArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    match &args.command {
        ObjectsCommand::List { place, output } => show(place, output.json, config),
        ObjectsCommand::Sync(line) => act("sync", line, config),
        ObjectsCommand::Move(line) => act("mv", line, config),
        ObjectsCommand::Remove(line) => act("rm", line, config),
    }
}

/// The target that is this bucket.
pub fn target<'a>(config: &'a Config, bucket: &str) -> Result<(&'a str, &'a Store), Failure> {
    let found = config.targets.iter().find_map(|(name, target)| match target {
        Target::Store(store) if store.bucket == bucket => Some((name.as_str(), store)),
        _ => None,
    });
    found.ok_or_else(|| {
        Failure::wrong(format!("no target of windlass.toml is the bucket `{bucket}`"))
            .hint(format!("add one:  [target.{bucket}]  url = \"s3://{bucket}\""))
    })
}

#[derive(Debug, Serialize)]
struct ListedJson<'a> {
    key: &'a str,
    size: u64,
    modified_us: i64,
    etag: Option<&'a str>,
}

/// For a bucket, as its target says.
pub fn client(store: &Store, options: &Options) -> Result<Client, Failure> {
    Client::new(&settings(&wiring::aws(), options, store)).map_err(failed)
}

fn failed(error: windlass_s3::Error) -> Failure {
    error.hints.iter().fold(Failure::refused(error.message.clone()), |failure, hint| failure.hint(hint))
}

fn show(place: &str, is_json: bool, config: Option<&Path>) -> Result<Exit, Failure> {
    let (_, found) = project::here(config, None)?;
    let rest = place
        .strip_prefix("s3://")
        .ok_or_else(|| Failure::wrong(format!("{place} is no s3://BUCKET/PREFIX")))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let (_, store) = target(&found, bucket)?;
    let client = client(store, &Options::default())?;
    wiring::runtime()?.block_on(async {
        let mut listing = list(&client, bucket, prefix).await.map_err(failed)?;
        while let Some(object) = listing.next().await.map_err(failed)? {
            if is_json {
                let (key, etag) = (object.key.as_str(), object.etag.as_deref());
                terminal::json(&ListedJson {
                    key,
                    size: object.size,
                    modified_us: object.modified_us,
                    etag,
                })?;
            } else {
                let time = jiff::Timestamp::from_microsecond(object.modified_us).unwrap_or_default();
                let time = time.strftime("%Y-%m-%d %H:%M:%S");
                terminal::print(&format!("{:>14}  {time}  {}\n", object.size, object.key))?;
            }
        }
        Ok(Exit::Done)
    })
}

fn act(verb: &str, args: &LineArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let (place, found) = project::here(config, None)?;
    let words: Vec<_> = ["s3", verb].into_iter().chain(args.words.iter().map(String::as_str)).collect();
    let line = windlass_objects::read(&words).map_err(|refused| Failure::wrong(refused.why))?;
    let bucket = bucket(&line).ok_or_else(|| Failure::wrong("neither place is an s3://BUCKET"))?;
    let (name, store) = target(&found, bucket)?;
    preview(&line, &client(store, &line.options)?, &place, &found)?;
    journal::make_state(&place)?;
    let file = place.state().join("objects.md");
    std::fs::write(&file, document(name, &words))
        .map_err(|error| Failure::refused(format!("{}: {error}", file.display())))?;
    let apply = ApplyArgs {
        file,
        env: None,
        yes: args.yes,
        despite_problems: false,
        on_failure: Policy::Stop,
        policy: args.policy.clone(),
        driving: args.driving.clone(),
        output: args.output.clone(),
    };
    super::apply::run(&apply, Some(&place.config))
}

/// Says what the line means now; refuses what must not run.
fn preview(
    line: &ObjectLine,
    client: &Client,
    place: &project::Place,
    config: &Config,
) -> Result<(), Failure> {
    let hold = |place: Option<&Place>| {
        let store = place.and_then(Place::bucket).and_then(|bucket| target(config, bucket).ok());
        store.and_then(|(_, store)| store.hold.clone()).unwrap_or_default()
    };
    let holds = [hold(Some(&line.from)), hold(line.to.as_ref())];
    let to_is_folder = matches!(&line.to, Some(Place::Local { path }) if place.base.join(path).is_dir());
    let scene = Scene { cwd: place.base.display().to_string(), to_is_folder };
    let looked = wiring::runtime()?.block_on(windlass_s3::preview(client, line, &scene, &holds));
    let (seen, surprises) = looked.map_err(failed)?;
    for line in previewed(&seen, &surprises) {
        terminal::line(&line);
    }
    match surprises.into_iter().find(|surprise| surprise.refuses()) {
        None => Ok(()),
        Some(surprise) => {
            let failure = Failure::refused(format!("nothing was changed: {}", surprise.message()));
            Err(surprise.hint().into_iter().fold(failure, Failure::hint))
        }
    }
}

fn bucket(line: &ObjectLine) -> Option<&str> {
    line.to.as_ref().and_then(Place::bucket).or_else(|| line.from.bucket())
}

/// The release of one step that the command is.
fn document(target: &str, words: &[&str]) -> String {
    let mut line = String::from("aws");
    for word in words {
        // What a shell would read otherwise is quoted.
        let is_plain =
            !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "/:._-=,+".contains(c));
        let quoted = if is_plain { (*word).to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) };
        let _ = write!(line, " {quoted}");
    }
    format!("---\nrelease: objects\n---\n# windlass objects\n\n```sh {{#objects on={target}}}\n{line}\n```\n")
}
