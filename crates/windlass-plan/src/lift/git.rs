//! `git fetch`, `pull`, `checkout`, `reset --hard`, `submodule update`, and what only looks.

use super::{
    Context, Read, join,
    options::{self, Known, Takes},
};
use crate::{Action, GitLine, GitRev, GitVerb};
use windlass_document::{Span, shell::Word};

/// In front of the verb. The long name is none that can be written.
const GLOBAL: &[Known] = &[("working folder", "C", Takes::Value), ("no-pager", "", Takes::Nothing)];
const QUIET: Known = ("quiet", "q", Takes::Nothing);
const VERBOSE: Known = ("verbose", "v", Takes::Nothing);
const FETCH: &[Known] = &[
    QUIET,
    VERBOSE,
    ("all", "", Takes::Nothing),
    ("tags", "t", Takes::Nothing),
    ("no-tags", "n", Takes::Nothing),
    ("prune", "p", Takes::Nothing),
    ("prune-tags", "P", Takes::Nothing),
];
const PULL: &[Known] = &[QUIET, VERBOSE, ("ff-only", "", Takes::Nothing), ("no-rebase", "", Takes::Nothing)];
const CHECKOUT: &[Known] = &[QUIET, ("detach", "d", Takes::Nothing)];
const RESET: &[Known] = &[QUIET, ("hard", "", Takes::Nothing)];
const SUBMODULES: &[Known] = &[QUIET, ("init", "", Takes::Nothing), ("recursive", "", Takes::Nothing)];
/// They change nothing, whatever stands behind them.
const LOOKS: &[&str] = &[
    "status",
    "log",
    "show",
    "diff",
    "rev-parse",
    "rev-list",
    "describe",
    "ls-files",
    "ls-remote",
    "shortlog",
    "blame",
];

type Refused = (Span, String);

pub(super) fn git(context: &Context<'_>, name: &Word, arguments: &[Word]) -> Read {
    read(context, name, arguments).unwrap_or_else(|(span, why)| Read::NotUnderstood(span, why))
}

fn read(context: &Context<'_>, name: &Word, arguments: &[Word]) -> Result<Read, Refused> {
    let (global, rest) = options::leading("git", arguments, GLOBAL)?;
    let Some((verb, behind)) = rest.split_first() else {
        return Err((name.span, "nothing that git should do is named".to_owned()));
    };
    let mut dir = context.dir.clone();
    for given in global.given.iter().filter(|given| given.name == GLOBAL[0].0) {
        dir = Some(join(dir.as_deref(), given.value));
    }
    let (verb, rev, words) = match verb.text.as_str() {
        "fetch" => (GitVerb::Fetch, None, fetch(behind)?),
        "pull" => (GitVerb::Pull, Some(pull(behind)?), vec![]),
        "checkout" => {
            let (rev, words) = checkout(verb, behind)?;
            (GitVerb::Checkout, Some(rev), words)
        }
        "reset" => (GitVerb::Reset, Some(reset(verb, behind)?), vec![]),
        "submodule" => (GitVerb::Submodules, None, submodules(verb, behind)?),
        looks if is_look(looks, behind) => return Ok(look(context, name, arguments)),
        other => {
            let why = format!("`{other}` of git is not understood, so the line is not lifted");
            return Err((verb.span, why));
        }
    };
    Ok(Read::Actions(vec![Action::Git(GitLine { verb, dir, rev, words })]))
}

fn is_look(verb: &str, behind: &[Word]) -> bool {
    let mut words = behind.iter().map(|word| word.text.as_str());
    match verb {
        "branch" => words.all(|word| {
            ["-a", "-r", "-v", "-vv", "--all", "--remotes", "--verbose", "--show-current", "--list"]
                .contains(&word)
        }),
        "remote" => words.all(|word| word == "-v"),
        "tag" => words.all(|word| ["-l", "--list"].contains(&word)),
        _ => LOOKS.contains(&verb) && !words.any(|word| word.starts_with("--output")),
    }
}

/// The line as it stands: it changes nothing.
fn look(context: &Context<'_>, name: &Word, arguments: &[Word]) -> Read {
    let end = arguments.last().map_or(name.span.end, |last| last.span.end);
    let script = context.text.get(name.span.start..end).unwrap_or_default().to_owned();
    Read::Actions(vec![Action::Shell { script, dir: context.dir.clone(), readonly: true, database: None }])
}

fn fetch(arguments: &[Word]) -> Result<Vec<String>, Refused> {
    let line = options::read("git fetch", arguments, FETCH)?;
    line.operands.iter().try_for_each(|word| plain(word))?;
    Ok(arguments.iter().map(|word| word.text.clone()).collect())
}

/// What a pull brings: only that which lies straight ahead, so that all hosts get the same commit.
fn pull(arguments: &[Word]) -> Result<GitRev, Refused> {
    if let Some(rebase) = arguments.iter().find(|word| word.text.starts_with("--rebase") || word.text == "-r")
    {
        let why = "`pull --rebase` writes local commits anew, so the line is not lifted";
        return Err((rebase.span, why.to_owned()));
    }
    let line = options::read("git pull", arguments, PULL)?;
    line.operands.iter().try_for_each(|word| plain(word))?;
    let name = |at: usize| line.operands.get(at).map(|word| word.text.clone());
    if let Some(more) = line.operands.get(2) {
        return Err((more.span, "a pull of several branches is not understood".to_owned()));
    }
    Ok(GitRev::Remote { remote: name(0), branch: name(1), current: None })
}

fn checkout(verb: &Word, arguments: &[Word]) -> Result<(GitRev, Vec<String>), Refused> {
    if let Some(dashes) = arguments.iter().find(|word| word.text == "--") {
        return Err((dashes.span, "`git checkout` of files is not understood".to_owned()));
    }
    let line = options::read("git checkout", arguments, CHECKOUT)?;
    let [name] = line.operands[..] else {
        let span = line.operands.get(1).map_or(verb.span, |word| word.span);
        return Err((
            span,
            "`git checkout` of anything but one branch, tag or commit is not understood".into(),
        ));
    };
    let detach = line.given.iter().any(|given| given.name == "detach");
    Ok((named(name)?, detach.then(|| "--detach".to_owned()).into_iter().collect()))
}

fn reset(verb: &Word, arguments: &[Word]) -> Result<GitRev, Refused> {
    let line = options::read("git reset", arguments, RESET)?;
    if !line.given.iter().any(|given| given.name == "hard") {
        return Err((verb.span, "`git reset` without `--hard` is not understood".to_owned()));
    }
    match line.operands[..] {
        [name] => named(name),
        [] => {
            let why =
                "`git reset --hard` without a commit throws away what was changed here, and nothing else";
            Err((verb.span, why.to_owned()))
        }
        [_, more, ..] => Err((more.span, "`git reset` of files is not understood".to_owned())),
    }
}

fn submodules(verb: &Word, arguments: &[Word]) -> Result<Vec<String>, Refused> {
    let Some((_, rest)) = arguments.split_first().filter(|(first, _)| first.text == "update") else {
        return Err((verb.span, "of `git submodule` only `update` is understood".to_owned()));
    };
    let line = options::read("git submodule update", rest, SUBMODULES)?;
    if let Some(path) = line.operands.first() {
        return Err((path.span, "`git submodule update` of single ones is not understood".to_owned()));
    }
    Ok(rest.iter().map(|word| word.text.clone()).collect())
}

/// A branch, tag or commit that is the same whenever and wherever it is asked for.
fn named(word: &Word) -> Result<GitRev, Refused> {
    plain(word)?;
    let name = word.text.clone();
    let is_head = ["HEAD", "ORIG_HEAD", "FETCH_HEAD"].contains(&name.as_str());
    if is_head || name == "." || name == "-" || name.contains(['~', '^', '@', '*', '?', '[']) {
        let why = format!(
            "`{name}` is another commit on each host and at each time: name a branch, a tag or a commit"
        );
        return Err((word.span, why));
    }
    Ok(GitRev::Named { name, fetched: false })
}

fn plain(word: &Word) -> Result<(), Refused> {
    if word.text.contains([':', '+', '*']) || word.text.contains("..") || word.text.is_empty() {
        return Err((word.span, format!("`{}` is no name of one branch, tag or commit", word.text)));
    }
    Ok(())
}
