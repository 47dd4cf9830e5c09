//! The words behind `aws`, as the argparse of aws-cli reads them.
//!
//! Options are known by their whole names: argparse would take beginnings of them too, which mean something else as soon as a
//! version brings a new option. Words that aws-cli refuses are refused, and so is what is not understood here.

use crate::{Filter, ObjectLine, Options, Place, Verb};
use std::collections::BTreeMap;

/// Why a line is not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotUnderstood {
    /// The word, from 0.
    pub word: usize,
    /// Why, for a person; it repeats no value.
    pub why: String,
}

/// What an option takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Value,
    /// `--sse`: a value, or the first of its choices without one.
    Perhaps(&'static [&'static str]),
    Choice(&'static [&'static str]),
}

/// The commands that know an option.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// Of `aws` itself: it may stand anywhere.
    Aws,
    All,
    /// All but `rm`.
    Transfer,
    Sync,
    /// All but `sync`.
    NotSync,
}

impl Of {
    fn knows(self, verb: Verb) -> bool {
        match self {
            Self::Aws | Self::All => true,
            Self::Transfer => verb != Verb::Remove,
            Self::Sync => verb == Verb::Sync,
            Self::NotSync => verb != Verb::Sync,
        }
    }
}

const ACLS: &[&str] = &[
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
    "log-delivery-write",
];
const CLASSES: &[&str] = &[
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "GLACIER_IR",
];

/// The options that are understood.
const KNOWN: &[(&str, Takes, Of)] = &[
    ("profile", Takes::Value, Of::Aws),
    ("region", Takes::Value, Of::Aws),
    ("endpoint-url", Takes::Value, Of::Aws),
    // What only changes what is printed, or how many keys a page of a listing has.
    ("debug", Takes::Nothing, Of::Aws),
    ("no-paginate", Takes::Nothing, Of::Aws),
    ("output", Takes::Choice(&["json", "text", "table"]), Of::Aws),
    ("color", Takes::Choice(&["on", "off", "auto"]), Of::Aws),
    ("quiet", Takes::Nothing, Of::All),
    ("only-show-errors", Takes::Nothing, Of::All),
    ("no-progress", Takes::Nothing, Of::Transfer),
    ("page-size", Takes::Value, Of::All),
    ("dryrun", Takes::Nothing, Of::All),
    ("recursive", Takes::Nothing, Of::NotSync),
    ("include", Takes::Value, Of::All),
    ("exclude", Takes::Value, Of::All),
    ("delete", Takes::Nothing, Of::Sync),
    ("size-only", Takes::Nothing, Of::Sync),
    ("exact-timestamps", Takes::Nothing, Of::Sync),
    ("follow-symlinks", Takes::Nothing, Of::Transfer),
    ("no-follow-symlinks", Takes::Nothing, Of::Transfer),
    ("no-guess-mime-type", Takes::Nothing, Of::Transfer),
    ("ignore-glacier-warnings", Takes::Nothing, Of::Transfer),
    ("force-glacier-transfer", Takes::Nothing, Of::Transfer),
    ("storage-class", Takes::Choice(CLASSES), Of::Transfer),
    ("acl", Takes::Choice(ACLS), Of::Transfer),
    ("sse", Takes::Perhaps(&["AES256", "aws:kms"]), Of::Transfer),
    ("sse-kms-key-id", Takes::Value, Of::Transfer),
    ("metadata-directive", Takes::Choice(&["COPY", "REPLACE"]), Of::Transfer),
    ("metadata", Takes::Value, Of::Transfer),
    ("content-type", Takes::Value, Of::Transfer),
    ("cache-control", Takes::Value, Of::Transfer),
    ("content-disposition", Takes::Value, Of::Transfer),
    ("content-encoding", Takes::Value, Of::Transfer),
    ("content-language", Takes::Value, Of::Transfer),
];

/// An option as it is written.
struct Given<'a> {
    name: &'static str,
    value: &'a str,
    /// The word that its value stands in.
    at: usize,
}

/// The words of a line, taken apart.
#[derive(Default)]
struct Taken<'a> {
    /// Operands with their words.
    operands: Vec<(usize, &'a str)>,
    given: Vec<Given<'a>>,
    /// Words that are options of `aws` itself: the command behind it never sees them.
    aws: Vec<usize>,
}

/// Whether `words`, those behind `aws`, are a line that [`read`] may understand; what else `aws` can do is not known here.
#[must_use]
pub fn is_object_line(words: &[&str]) -> bool {
    let mut words = words.iter().copied().filter(|word| !word.starts_with('-'));
    let s3 = words.by_ref().any(|word| word == "s3");
    s3 && words.next().is_some_and(|word| verb(word).is_some())
}

fn verb(word: &str) -> Option<Verb> {
    [Verb::Sync, Verb::Copy, Verb::Move, Verb::Remove].into_iter().find(|verb| verb.word() == word)
}

/// Reads the words behind `aws`.
///
/// # Errors
/// The first word that is not understood.
pub fn read(words: &[&str]) -> Result<ObjectLine, NotUnderstood> {
    let mut taken = take(words)?;
    let operands = std::mem::take(&mut taken.operands);
    let [(first, s3), rest @ ..] = operands.as_slice() else {
        return not(0, "there is no command".to_owned());
    };
    if *s3 != "s3" {
        return not(*first, format!("`aws {}` is not understood", shown(s3)));
    }
    let [(at, word), places @ ..] = rest else { return not(*first, "`aws s3` needs a command".to_owned()) };
    let Some(verb) = verb(word) else {
        return not(*at, format!("`aws s3 {}` is not understood", shown(word)));
    };
    in_one_place(words.len(), &taken, *first, *at, places)?;
    let options = options(verb, &taken)?;
    let (from, to) = places_of(verb, *at, places, &options)?;
    let line = ObjectLine { verb, from, to, options };
    sensible(&line, *at, places)?;
    Ok(line)
}

fn not<T>(word: usize, why: String) -> Result<T, NotUnderstood> {
    Err(NotUnderstood { word, why })
}

/// A word for a message: names are short, and anything longer may be a value.
fn shown(word: &str) -> String {
    word.chars().take(40).collect()
}

/// Options and operands, in their order.
fn take<'a>(words: &[&'a str]) -> Result<Taken<'a>, NotUnderstood> {
    let mut taken = Taken::default();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let Some(long) = word.strip_prefix("--").filter(|long| !long.is_empty()) else {
            if word.starts_with('-') {
                let why = format!("`{}` of `aws s3` is not understood", shown(word));
                return not(at, why);
            }
            taken.operands.push((at, word));
            at += 1;
            continue;
        };
        let (name, attached) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
        let Some((name, takes, of)) = KNOWN.iter().find(|(known, ..)| *known == name) else {
            return not(at, format!("the option `--{}` of `aws s3` is not understood", shown(name)));
        };
        let next = words.get(at + 1).copied().filter(|next| !next.starts_with('-'));
        let (value, took) = value(name, *takes, attached, next).or_else(|why| not(at, why))?;
        if *of == Of::Aws {
            taken.aws.extend(at..at + took);
        }
        at += took;
        taken.given.push(Given { name, value, at: at - 1 });
    }
    Ok(taken)
}

/// The value of an option, and the number of words that both take.
fn value<'a>(
    name: &str,
    takes: Takes,
    attached: Option<&'a str>,
    next: Option<&'a str>,
) -> Result<(&'a str, usize), String> {
    let (value, took) = match (takes, attached, next) {
        (Takes::Nothing, Some(_), _) => return Err(format!("the option `--{name}` takes no value")),
        (Takes::Nothing, None, _) => return Ok(("", 1)),
        (_, Some(value), _) => (value, 1),
        (_, None, Some(next)) => (next, 2),
        (Takes::Perhaps(choices), None, None) => (choices[0], 1),
        (_, None, None) => return Err(format!("the option `--{name}` has no value")),
    };
    if let Takes::Choice(choices) | Takes::Perhaps(choices) = takes
        && !choices.contains(&value)
    {
        return Err(format!("the option `--{name}` takes one of {}", choices.join(", ")));
    }
    if ["file://", "fileb://", "http://", "https://"].iter().any(|scheme| value.starts_with(scheme))
        && name != "endpoint-url"
    {
        return Err(format!("the value of `--{name}` is somewhere else, which is not understood"));
    }
    Ok((value, took))
}

/// argparse takes the words without dashes of a command from one place: behind an option it no longer looks for the second.
fn in_one_place(
    words: usize,
    taken: &Taken<'_>,
    s3: usize,
    command: usize,
    places: &[(usize, &str)],
) -> Result<(), NotUnderstood> {
    let between = |from: usize, to: usize| (from + 1..to).any(|at| !taken.aws.contains(&at));
    let apart = |pair: &[(usize, &str)]| between(pair[0].0, pair[1].0);
    if let Some(early) = taken.given.iter().find(|given| given.at < s3 && !taken.aws.contains(&given.at)) {
        return not(early.at, format!("aws-cli does not know `--{}` in front of `s3`", early.name));
    }
    if between(s3, command) {
        return not(
            command,
            "an option stands between `s3` and its command, which aws-cli does not understand".to_owned(),
        );
    }
    if let Some(pair) = places.windows(2).find(|pair| apart(pair)) {
        let why = "an option stands between source and destination, which aws-cli does not understand";
        return not(pair[1].0.min(words), why.to_owned());
    }
    Ok(())
}

fn options(verb: Verb, taken: &Taken<'_>) -> Result<Options, NotUnderstood> {
    let mut options = Options::default();
    for Given { name, value, at } in &taken.given {
        let known = KNOWN.iter().any(|(known, _, of)| known == name && of.knows(verb));
        if !known {
            return not(*at, format!("`aws s3 {}` does not know the option `--{name}`", verb.word()));
        }
        set(&mut options, name, value).or_else(|why| not(*at, why))?;
    }
    Ok(options)
}

/// Puts one option in its place; of those that stand there twice the last counts.
fn set(options: &mut Options, name: &str, value: &str) -> Result<(), String> {
    let text = |to: &mut Option<String>| *to = Some(value.to_owned());
    match name {
        "recursive" => options.recursive = true,
        "include" | "exclude" => {
            options.filters.push(Filter { include: name == "include", pattern: value.to_owned() });
        }
        "delete" => options.delete = true,
        "size-only" => options.size_only = true,
        "exact-timestamps" => options.exact_timestamps = true,
        "dryrun" => options.dryrun = true,
        "follow-symlinks" => options.no_follow_symlinks = false,
        "no-follow-symlinks" => options.no_follow_symlinks = true,
        "no-guess-mime-type" => options.no_guess_mime_type = true,
        "ignore-glacier-warnings" => options.ignore_glacier_warnings = true,
        "force-glacier-transfer" => options.force_glacier_transfer = true,
        "metadata" => options.metadata = metadata(value)?,
        "page-size" if value.parse::<u32>().is_err() => return Err("`--page-size` takes a number".to_owned()),
        "storage-class" => text(&mut options.storage_class),
        "acl" => text(&mut options.acl),
        "sse" => text(&mut options.sse),
        "sse-kms-key-id" => text(&mut options.sse_kms_key_id),
        "metadata-directive" => text(&mut options.metadata_directive),
        "content-type" => text(&mut options.content_type),
        "cache-control" => text(&mut options.cache_control),
        "content-disposition" => text(&mut options.content_disposition),
        "content-encoding" => text(&mut options.content_encoding),
        "content-language" => text(&mut options.content_language),
        "profile" => text(&mut options.profile),
        "region" => text(&mut options.region),
        "endpoint-url" => text(&mut options.endpoint_url),
        // Understood, and without effect on objects.
        _ => {}
    }
    Ok(())
}

/// `KEY=VALUE,…`, the short way to write it; JSON and quotes are not understood.
fn metadata(value: &str) -> Result<BTreeMap<String, String>, String> {
    let plain = |text: &str, more: &str| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c)) && !text.is_empty()
    };
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        (plain(key, "-_") && plain(value, "-_.:/@+ ")).then(|| (key.to_owned(), value.to_owned()))
    };
    let pairs: Option<BTreeMap<_, _>> = value.split(',').map(pair).collect();
    pairs.ok_or_else(|| "`--metadata` is understood as KEY=VALUE,KEY=VALUE with plain words only".to_owned())
}

/// Source and destination, with the rules of aws-cli for which of them may be local.
fn places_of(
    verb: Verb,
    command: usize,
    places: &[(usize, &str)],
    options: &Options,
) -> Result<(Place, Option<Place>), NotUnderstood> {
    let wanted = if verb == Verb::Remove { 1 } else { 2 };
    if let Some((at, _)) = places.get(wanted) {
        return not(*at, format!("`aws s3 {}` has one word too many", verb.word()));
    }
    let read = places.iter().map(|(at, word)| place(word).or_else(|why| not(*at, why)));
    let mut read = read.collect::<Result<Vec<_>, _>>()?.into_iter();
    let missing =
        |what: &str| NotUnderstood { word: command, why: format!("`aws s3 {}` needs {what}", verb.word()) };
    let from = read.next().ok_or_else(|| missing("a source"))?;
    if verb == Verb::Remove {
        let all = matches!(&from, Place::S3 { key, .. } if key.is_empty()) && !options.recursive;
        return match from {
            Place::Local { .. } => not(places[0].0, "`aws s3 rm` removes objects, not files".to_owned()),
            Place::S3 { .. } if all => {
                not(places[0].0, "a bucket without `--recursive` is no object to remove".to_owned())
            }
            Place::S3 { .. } => Ok((from, None)),
        };
    }
    let to = read.next().ok_or_else(|| missing("a destination"))?;
    if !from.is_s3() && !to.is_s3() {
        return not(places[0].0, "neither source nor destination is `s3://…`".to_owned());
    }
    Ok((from, Some(to)))
}

fn place(word: &str) -> Result<Place, String> {
    let Some(rest) = word.strip_prefix("s3://") else {
        if word.is_empty() || word == "-" || word.contains("://") {
            return Err("this is neither a path nor `s3://…`".to_owned());
        }
        return Ok(Place::Local { path: word.to_owned() });
    };
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if bucket.is_empty() || bucket.len() > 255 || !bucket.chars().all(plain) {
        return Err("only names of buckets are understood behind `s3://`, no ARN".to_owned());
    }
    if bucket.ends_with("--x-s3") {
        return Err("directory buckets are not understood: their listings are not sorted".to_owned());
    }
    Ok(Place::S3 { bucket: bucket.to_owned(), key: key.to_owned() })
}

/// What aws-cli refuses although each word is right, and what it would fail at.
fn sensible(line: &ObjectLine, command: usize, places: &[(usize, &str)]) -> Result<(), NotUnderstood> {
    let bucket_alone = |place: &Place| matches!(place, Place::S3 { key, .. } if key.is_empty());
    if !line.is_recursive() && bucket_alone(&line.from) {
        return not(places[0].0, "a bucket without `--recursive` is no object".to_owned());
    }
    if line.verb == Verb::Move && onto_itself(&line.from, line.to.as_ref()) {
        return not(command, "aws-cli refuses to move a file onto itself".to_owned());
    }
    Ok(())
}

/// aws-cli compares the texts, and that of a destination with `/` behind it with the name of the source.
fn onto_itself(from: &Place, to: Option<&Place>) -> bool {
    let (Place::S3 { .. }, Some(to @ Place::S3 { .. })) = (from, to) else { return false };
    let (from, to) = (from.to_string(), to.to_string());
    let name = from.rsplit('/').next().unwrap_or_default();
    from == to || (to.ends_with('/') && from == format!("{to}{name}"))
}
