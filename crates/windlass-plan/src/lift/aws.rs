//! `aws s3 sync|cp|mv|rm` on the buckets that targets name; `aws s3 ls`, which only looks.

use super::{Context, Read};
use crate::{Action, Store, Target};
use windlass_document::{Span, shell::Word};
use windlass_objects::{ObjectLine, is_object_line};

type Refused = (Span, String);

pub(super) fn aws(context: &Context<'_>, name: &Word, arguments: &[Word]) -> Read {
    let words: Vec<_> = arguments.iter().map(|word| word.text.as_str()).collect();
    if let ["s3", "ls", ..] = words[..] {
        return looks(context, name, arguments);
    }
    if !is_object_line(&words) {
        return Read::Unknown;
    }
    let line = match windlass_objects::read(&words) {
        Ok(line) => line,
        Err(refused) => {
            let at = arguments.get(refused.word).unwrap_or(name).span;
            return Read::NotUnderstood(at, format!("{}, so the line is not lifted", refused.why));
        }
    };
    match stores(context, &line, arguments) {
        Ok(Some((from, to))) => {
            let line = Box::new(line);
            Read::Actions(vec![Action::Objects { line, dir: context.dir.clone(), from, to }])
        }
        // A target that could not be read may be the one.
        Ok(None) => Read::Actions(Vec::new()),
        Err((at, why)) => Read::NotUnderstood(at, why),
    }
}

/// A listing for people.
fn looks(context: &Context<'_>, name: &Word, arguments: &[Word]) -> Read {
    let last = arguments.last().unwrap_or(name);
    let script = context.text.get(name.span.start..last.span.end).unwrap_or_default().to_owned();
    Read::Actions(vec![Action::Shell { script, dir: context.dir.clone(), readonly: true, database: None }])
}

type Ends = (Option<String>, Option<String>);

/// The targets of both ends. `None`: they may be ones that could not be read.
fn stores(context: &Context<'_>, line: &ObjectLine, arguments: &[Word]) -> Result<Option<Ends>, Refused> {
    let mut found: Vec<(&str, &Store)> = Vec::new();
    let mut ends = (None, None);
    let places = [Some(&line.from), line.to.as_ref()];
    for (at, place) in places.into_iter().enumerate() {
        let Some((place, bucket)) = place.and_then(|place| Some((place, place.bucket()?))) else { continue };
        let word = arguments.iter().find(|word| word.text.starts_with("s3://") && same(&word.text, place));
        let word = word.map_or_else(|| arguments[0].span, |word| word.span);
        let Some((name, store)) = target(context, bucket).map_err(|why| (word, why))? else {
            return Ok(None);
        };
        let end = if at == 0 { &mut ends.0 } else { &mut ends.1 };
        *end = Some(name.to_owned());
        agrees(context, line, (name, store)).map_err(|why| (word, why))?;
        found.push((name, store));
    }
    if let [(one, first), (other, second)] = found[..]
        && (&first.endpoint, &first.profile) != (&second.endpoint, &second.profile)
    {
        let why = format!(
            "`{one}` and `{other}` have another `endpoint` or `profile`, and aws-cli has one for both"
        );
        return Err((arguments[0].span, format!("{why}, so the line is not lifted")));
    }
    if !found.iter().any(|(name, _)| *name == context.on) && is_store(context) {
        let why = format!("the line does not work on `{}`, the target of the fence", context.on);
        return Err((arguments[0].span, format!("{why}, so it is not lifted")));
    }
    Ok(Some(ends))
}

fn same(word: &str, place: &windlass_objects::Place) -> bool {
    let written = place.to_string();
    written == word || written.strip_suffix('/') == Some(word)
}

fn is_store(context: &Context<'_>) -> bool {
    matches!(context.config.targets.get(context.on), Some(Target::Store(_)))
}

/// The target that is a bucket. `None`: it may be one that could not be read.
fn target<'a>(context: &Context<'a>, bucket: &str) -> Result<Option<(&'a str, &'a Store)>, String> {
    let stores = context.config.targets.iter().filter_map(|(name, target)| match target {
        Target::Store(store) if store.bucket == bucket => Some((name.as_str(), store)),
        _ => None,
    });
    let stores: Vec<_> = stores.collect();
    let named = stores.iter().find(|(name, _)| *name == context.on);
    match (named, &stores[..]) {
        (Some(store), _) | (None, [store]) => Ok(Some(*store)),
        (None, []) if context.config.unread.any_target() => Ok(None),
        (None, []) => Err(format!(
            "no target of windlass.toml is the bucket `{bucket}`, so the line is not lifted; add one with \
             `url = \"s3://{bucket}\"`"
        )),
        (None, [(name, _), ..]) => Err(format!(
            "several targets are the bucket `{bucket}`, so the line is not lifted; put it into a fence with `on={name}` if it \
             means that one"
        )),
    }
}

/// Whether what the line says of the server and of whose rights it has is so for the target. In a fence on a store the
/// target says what the line leaves out; in any other the line goes where aws-cli would go by itself, so it has to say it.
fn agrees(context: &Context<'_>, line: &ObjectLine, (name, store): (&str, &Store)) -> Result<(), String> {
    let options = &line.options;
    let pairs = [
        ("--endpoint-url", &options.endpoint_url, &store.endpoint, "endpoint"),
        ("--profile", &options.profile, &store.profile, "profile"),
        ("--region", &options.region, &store.region, "region"),
    ];
    for (option, said, of, key) in pairs {
        match (said, of) {
            (Some(said), Some(of)) if said.trim_end_matches('/') != of.trim_end_matches('/') => {
                return Err(format!(
                    "`{option}` is not the `{key}` of target `{name}`, so the line is not lifted"
                ));
            }
            (None, Some(_)) if !is_store(context) && key != "region" => {
                return Err(format!(
                    "target `{name}` has a `{key}` of its own, and the line does not say `{option}`, so it is not lifted; put \
                     it into a fence with `on={name}` if it means that target"
                ));
            }
            _ => {}
        }
    }
    Ok(())
}
