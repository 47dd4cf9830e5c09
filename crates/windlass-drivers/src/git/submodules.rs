//! `git submodule update`.

use super::{
    repo::{Repo, named, short},
    switch::clean,
};
use serde::{Deserialize, Serialize};
use windlass_driver::{Done, Failure, Fault, Found, Survey};
use windlass_plan::Way;

/// A submodule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Module {
    path: String,
    commit: String,
    /// Its files are there.
    is_there: bool,
    /// Its files are those of the commit that is written down.
    #[serde(skip)]
    is_wanted: bool,
}

fn read(text: &str) -> Vec<Module> {
    let module = |line: &str| {
        let mark = line.chars().next()?;
        let (commit, rest) = line.get(1..)?.split_once(' ')?;
        // Behind its path a name of the commit stands in brackets, if it has one.
        let path = rest.rfind(" (").map_or(rest, |at| &rest[..at]).to_owned();
        Some(Module { path, commit: commit.to_owned(), is_there: mark != '-', is_wanted: mark == ' ' })
    };
    text.lines().filter_map(module).collect()
}

async fn list(repo: &Repo<'_>) -> Result<Vec<Module>, Failure> {
    let answer = repo.ask(&["submodule", "status", "--recursive"]).await?;
    if !answer.is_ok() {
        return Err(repo.refused("git submodule status", &answer));
    }
    Ok(read(&String::from_utf8_lossy(&answer.stdout)))
}

/// Submodules with changed files.
async fn dirty(repo: &Repo<'_>) -> Result<Vec<String>, Failure> {
    let each = r#"[ -z "$(git status --porcelain --untracked-files=no --ignore-submodules=all)" ] || printf '%s\n' "$displaypath""#;
    let text = repo.text(&["submodule", "foreach", "--quiet", "--recursive", each]).await?;
    Ok(text.lines().map(str::to_owned).collect())
}

async fn refuse_dirty(repo: &Repo<'_>) -> Result<(), Failure> {
    let dirty = dirty(repo).await.map_err(clean)?;
    if dirty.is_empty() {
        return Ok(());
    }
    let message = format!("{}: files were changed in submodules: {}", repo.title(), named(&dirty));
    Err(Failure::clean(Fault::Target, message).hint(repo.typed("submodule foreach git status")))
}

pub(super) async fn survey(repo: &Repo<'_>) -> Result<Survey, Failure> {
    let mut survey = Survey::default();
    for module in list(repo).await?.iter().filter(|module| !module.is_wanted) {
        let how = if module.is_there { short(&module.commit) } else { "not there" };
        survey.effects.push(format!("{}: submodule {}: {how}", repo.title(), module.path));
    }
    let dirty = dirty(repo).await?;
    if !dirty.is_empty() {
        survey.problems.push(format!(
            "{}: files were changed in submodules: {}",
            repo.title(),
            named(&dirty)
        ));
    }
    Ok(survey)
}

pub(super) async fn capture(repo: &Repo<'_>) -> Result<Vec<Module>, Failure> {
    refuse_dirty(repo).await?;
    list(repo).await
}

pub(super) async fn apply(repo: &Repo<'_>, words: &[String], before: &[Module]) -> Result<Done, Failure> {
    let mut command = vec!["submodule", "update"];
    command.extend(words.iter().map(String::as_str));
    repo.done(&command).await?;
    Ok(done(repo, before, &list(repo).await?))
}

fn done(repo: &Repo<'_>, before: &[Module], now: &[Module]) -> Done {
    let old = |module: &Module| before.iter().find(|old| old.path == module.path && old.is_there);
    let effects: Vec<_> = now
        .iter()
        .filter(|module| module.is_there && old(module).is_none_or(|old| old.commit != module.commit))
        .map(|module| {
            let was = old(module).map_or("not there", |old| short(&old.commit));
            format!("{}: submodule {}: {was} -> {}", repo.title(), module.path, short(&module.commit))
        })
        .collect();
    Done { changed: !effects.is_empty(), effects, ..Done::default() }
}

/// Each goes back to its commit; what was not there goes again.
pub(super) async fn undo(repo: &Repo<'_>, before: &[Module]) -> Result<Done, Failure> {
    refuse_dirty(repo).await?;
    let now = list(repo).await.map_err(clean)?;
    // Those inside of others first.
    for module in now.iter().rev().filter(|module| module.is_there) {
        let old = before.iter().find(|old| old.path == module.path && old.is_there);
        match old {
            Some(old) if old.commit == module.commit => {}
            Some(old) => {
                repo.done(&["-C", &module.path, "checkout", "--quiet", "--detach", &old.commit]).await?;
            }
            None => {
                let around = now.iter().filter(|other| module.path.starts_with(&format!("{}/", other.path)));
                let outer = around.map(|other| other.path.as_str()).max_by_key(|path| path.len());
                let path = outer.map_or(module.path.as_str(), |outer| &module.path[outer.len() + 1..]);
                repo.done(&["-C", outer.unwrap_or("."), "submodule", "deinit", "--quiet", "--", path])
                    .await?;
            }
        }
    }
    Ok(done(repo, &now, &list(repo).await?))
}

pub(super) async fn inspect(repo: &Repo<'_>, before: &[Module], way: Way) -> Result<Found, Failure> {
    let now = list(repo).await?;
    let is_back = now.iter().all(|module| {
        let old = before.iter().find(|old| old.path == module.path);
        old.is_some_and(|old| (old.is_there, &old.commit) == (module.is_there, &module.commit))
            || old.is_none() && !module.is_there
    });
    let is_done = match way {
        Way::Forward => now.iter().all(|module| module.is_wanted),
        Way::Undo => is_back,
    };
    if is_done {
        return Ok(Found::Applied(done(repo, before, &now)));
    }
    if way == Way::Forward && is_back {
        return Ok(Found::NotApplied);
    }
    // The command goes on where it stopped.
    let message = format!("{}: submodules are partly brought to their commits", repo.title());
    Ok(Found::Failed(Failure::partial(Fault::Target, message).retryable()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read() {
        let hash = "a".repeat(40);
        let text = format!("-{hash} lib/a b\n {hash} lib/c (v1.0-2-gabc)\n+{hash} d (heads/main)\n");
        let modules = read(&text);
        let seen: Vec<_> = modules.iter().map(|m| (m.path.as_str(), m.is_there, m.is_wanted)).collect();
        assert_eq!(seen, [("lib/a b", false, false), ("lib/c", true, true), ("d", true, false)]);
    }
}
