//! What differs between the version that serves and the one that is released, as git knows it.

use crate::{args::NewArgs, exit::Failure, git::Repository, journal, project::Place};
use std::path::Path;
use windlass_adopt::{Change, Compared, How, Why, is_read};
use windlass_journal::{Ending, SqliteStore};

/// Files that are told of.
const FILES_MAX: usize = 20_000;
/// Files that are read, before and afterwards.
const READ_MAX: usize = 500;
/// Runs that are looked through for the newest release.
const RUNS_MAX: usize = 50;
/// Digits of a commit for people.
const DIGITS: &str = "--short=12";

/// What is compared, and what came of it.
#[derive(Default)]
pub struct Revisions {
    pub compared: Option<Revision>,
    /// Why nothing is compared.
    pub why_not: String,
    /// The version that is released, where a tag says it.
    pub release: Option<String>,
    pub changes: Vec<Change>,
    /// Files that ought to have been read, and were not.
    pub unread: usize,
    /// Files in the working tree that are in no commit.
    pub uncommitted: usize,
}

/// Two revisions.
pub struct Revision {
    pub from: String,
    pub why: Why,
    pub to: String,
    pub commits: usize,
    /// The version before.
    pub version: String,
}

impl Revision {
    pub fn compared(&self) -> Compared<'_> {
        Compared { from: &self.from, why: self.why, to: &self.to, commits: self.commits }
    }
}

/// Compares what was asked for; without a repository nothing is, unless revisions were named.
pub fn read(base: &Path, place: Option<&Place>, args: &NewArgs) -> Result<Revisions, Failure> {
    let git = Repository::at(base);
    let prefix = match git.ask(["rev-parse", "--show-prefix"]) {
        Ok(prefix) => prefix.trim_end_matches('\n').to_owned(),
        Err(why) if args.from.is_some() || args.to.is_some() => {
            return Err(Failure::wrong(format!(
                "{} cannot be compared: {why}; nothing was written",
                base.display()
            ))
            .hint("leave `--from` and `--to` out to get the template"));
        }
        Err(why) => return Ok(Revisions { why_not: why, ..Revisions::default() }),
    };
    let named = args.to.as_deref().unwrap_or("HEAD");
    let to = match git.commit(named) {
        Some(to) => to,
        None if args.to.is_none() && args.from.is_none() => {
            return Ok(Revisions { why_not: "there is no commit yet".to_owned(), ..Revisions::default() });
        }
        None => return Err(unknown(named)),
    };
    let tag = tag_of(&git, &to);
    let (from, why) = before(&git, place, args, &to)?;
    let commit = git.commit(&from).ok_or_else(|| unknown(&from))?;
    let commits = git.ask(["rev-list", "--count", &format!("{commit}..{to}")]).map_err(trouble)?;
    let (changes, unread) = changes(&git, &prefix, (&commit, &to))?;
    // Another revision than HEAD has nothing to do with the working tree.
    let status =
        if args.to.is_none() { git.ask(["status", "--porcelain"]).map_err(trouble)? } else { String::new() };
    let version = tag_of(&git, &commit).map_or_else(|| short(&git, &commit), |tag| version_of(&tag));
    Ok(Revisions {
        compared: Some(Revision {
            from,
            why,
            to: tag.clone().unwrap_or_else(|| short(&git, &to)),
            commits: commits.trim().parse().unwrap_or(0),
            version,
        }),
        why_not: String::new(),
        release: tag.as_deref().map(version_of),
        changes,
        unread,
        uncommitted: status.lines().count(),
    })
}

fn unknown(revision: &str) -> Failure {
    Failure::wrong(format!("`{revision}` is no commit of this repository; nothing was written"))
        .hint("`git tag` and `git log --oneline` list what there is; what is only on the server: `git fetch --tags`")
}

fn trouble(why: String) -> Failure {
    Failure::wrong(format!("git does not answer: {why}; nothing was written"))
}

/// The revision before: as named, that of the newest release that is done, or the last tag.
fn before(
    git: &Repository,
    place: Option<&Place>,
    args: &NewArgs,
    to: &str,
) -> Result<(String, Why), Failure> {
    if let Some(from) = &args.from {
        return Ok((from.clone(), Why::Said));
    }
    if let Some(tag) = place.and_then(recorded).and_then(|version| tag_for(git, &version, to)) {
        return Ok((tag, Why::Recorded));
    }
    // The tag of what is released is not what was before it.
    let parent = format!("{to}^");
    let start = if tag_of(git, to).is_some() { parent.as_str() } else { to };
    match git.ask(["describe", "--tags", "--abbrev=0", start]) {
        Ok(tag) => Ok((tag.trim().to_owned(), Why::LastTag)),
        Err(_) => Err(Failure::wrong(
            "no tag and no release in the journal says what serves now; nothing was written",
        )
        .hint("`--from REV` names it: a commit or branch, as git knows it")),
    }
}

/// The version of the newest release that is done. Without a journal, or with one that cannot be read, the tags say.
fn recorded(place: &Place) -> Option<String> {
    let store: SqliteStore = journal::open_existing(place).ok()??;
    let runs = journal::block_on(journal::newest(&store, RUNS_MAX)).ok()?.ok()?;
    // Migrations and objects by hand are runs, too, of documents that nobody wrote.
    let done = runs.into_iter().find(|run| run.ending == Some(Ending::Done) && run.origin.is_some())?;
    Some(done.plan.release.version.clone())
}

/// The tag of a version, if it is another commit.
fn tag_for(git: &Repository, version: &str, to: &str) -> Option<String> {
    let is_it = |tag: &String| git.commit(&format!("refs/tags/{tag}")).is_some_and(|commit| commit != to);
    [version.to_owned(), format!("v{version}")].into_iter().find(is_it)
}

fn tag_of(git: &Repository, commit: &str) -> Option<String> {
    let tag = git.ask(["describe", "--tags", "--exact-match", commit]).ok()?;
    Some(tag.trim().to_owned())
}

fn short(git: &Repository, commit: &str) -> String {
    git.ask(["rev-parse", DIGITS, commit]).map_or_else(|_| commit.to_owned(), |short| short.trim().to_owned())
}

/// `v2.1.0` is the version `2.1.0`.
fn version_of(tag: &str) -> String {
    let number = tag.strip_prefix('v').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    number.unwrap_or(tag).to_owned()
}

/// The files that differ, and how many of them could not be read.
fn changes(
    git: &Repository,
    prefix: &str,
    (from, to): (&str, &str),
) -> Result<(Vec<Change>, usize), Failure> {
    let args = ["diff", "--name-status", "-z", "--no-renames", "--no-ext-diff", from, to, "--"];
    let list = git.ask(args).map_err(trouble)?;
    let words: Vec<&str> = list.split('\0').collect();
    let mut texts = git.texts().map_err(trouble)?;
    let (mut changes, mut read, mut unread) = (Vec::new(), 0, 0);
    for pair in words.chunks_exact(2).take(FILES_MAX) {
        let (status, path) = (pair[0], pair[1]);
        let how = match status {
            "A" => How::Added,
            "D" => How::Removed,
            _ => How::Edited,
        };
        let mut change = Change { path: relative(path, prefix), how, before: None, after: None };
        if is_read(&change.path) {
            read += 1;
            if read <= READ_MAX {
                let mut text = |commit| texts.text(commit, path).map_err(|error| trouble(error.to_string()));
                change.before = text(from)?;
                change.after = text(to)?;
            }
            let wants = |is: bool, text: &Option<String>| is && text.is_none();
            let is_missing =
                wants(how != How::Added, &change.before) || wants(how != How::Removed, &change.after);
            unread += usize::from(is_missing);
        }
        changes.push(change);
    }
    Ok((changes, unread))
}

/// A path from the root of the repository, seen from a folder of it (`prefix` ends with `/`).
fn relative(path: &str, prefix: &str) -> String {
    match path.strip_prefix(prefix) {
        Some(below) => below.to_owned(),
        None => "../".repeat(prefix.matches('/').count()) + path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_seen_from_the_folder_of_the_configuration() {
        for (path, prefix, expected) in [
            ("app/main.py", "", "app/main.py"),
            ("deploy/x.env", "deploy/", "x.env"),
            ("app/main.py", "deploy/prod/", "../../app/main.py"),
        ] {
            assert_eq!(relative(path, prefix), expected, "{path}");
        }
    }

    #[test]
    fn a_tag_says_its_version() {
        for (tag, version) in [("v2.1.0", "2.1.0"), ("2.1.0", "2.1.0"), ("very-old", "very-old")] {
            assert_eq!(version_of(tag), version);
        }
    }
}
