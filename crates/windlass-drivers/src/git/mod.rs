//! Checkouts of git, here and on hosts.
//!
//! | verb | done when | undo |
//! |---|---|---|
//! | pin | the commit that all hosts get is known | nothing |
//! | fetch | commits and tags are there | nothing |
//! | pull, checkout, reset | HEAD and all files are at the commit | branch and commit as they were |
//! | submodule update | each is at the commit that is written down | the commits from before |
//!
//! Nothing is begun over files that were changed or that git does not keep, and a pull only goes forward. A git that was killed
//! leaves files of two commits, and locks: every file that holds what one of the two says, or the beginning of it, is explained by
//! that, and the next try goes on; anything else was written by somebody, and a person is asked.

mod diff;
mod repo;
mod rev;
mod submodules;
mod switch;
#[cfg(test)]
mod tests;

use crate::host::{Hosts, place::Place};
use async_trait::async_trait;
use diff::Diff;
use repo::{Look, Point, Repo, branch_name, named, short};
use rev::{Kind, Meant};
use serde::{Deserialize, Serialize};
use switch::{Stage, Switch, clean};
use windlass_driver::{Capsule, Context, Done, Driver, Effect, Failure, Fault, Found, Survey};
use windlass_plan::{Action, GitLine, GitRev, GitVerb as Verb, Unit, Way};

/// Subjects of commits that a preview shows.
const SUBJECTS_MAX: usize = 5;

/// Driver of checkouts of git.
#[derive(Clone, Debug, Default)]
pub struct GitDriver {
    hosts: Hosts,
}

impl GitDriver {
    /// Over these connections.
    #[must_use]
    pub fn new(hosts: Hosts) -> Self {
        Self { hosts }
    }

    fn open<'a>(&self, cx: &'a Context, unit: &'a Unit) -> Result<(Repo<'a>, &'a GitLine), Failure> {
        let Action::Git(line) = &unit.action else {
            let message =
                format!("unit {} was given to the driver of git but is none of its actions", unit.id);
            return Err(Failure::clean(Fault::Windlass, message));
        };
        Ok((Repo::new(cx, Place::of(&self.hosts, cx, unit), unit, line.dir.as_deref()), line))
    }
}

/// What an undo needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    from: Point,
    to: Point,
    /// The command of git that goes there.
    words: Vec<String>,
    /// The remote and its branch that is got first.
    get: Option<(String, String)>,
    /// The branch is made on the way.
    is_new: bool,
}

#[async_trait]
impl Driver for GitDriver {
    async fn survey(&self, cx: &Context, unit: &Unit) -> Result<Survey, Failure> {
        let (repo, line) = self.open(cx, unit)?;
        let look = repo.look().await?;
        match line.verb {
            Verb::Pin => {
                let meant = self::meant(&repo, &look, line).await?;
                let words = line.rev.as_ref().map(GitRev::words).unwrap_or_default();
                let effect = format!("{words} is {}: what all hosts get", short(&meant.commit));
                Ok(Survey { effects: vec![effect], problems: vec![] })
            }
            Verb::Fetch => {
                let remote = line.words.iter().find(|word| !word.starts_with('-'));
                let mut words = vec!["ls-remote", "--quiet", "--heads"];
                words.extend(remote.map(String::as_str));
                repo.text(&words).await?;
                Ok(Survey::default())
            }
            Verb::Submodules => submodules::survey(&repo.at_top(&look)).await,
            Verb::Pull | Verb::Checkout | Verb::Reset => survey(&repo, &look, unit, line).await,
        }
    }

    async fn capture(&self, cx: &Context, unit: &Unit) -> Result<Capsule, Failure> {
        let (repo, line) = self.open(cx, unit)?;
        match line.verb {
            Verb::Pin | Verb::Fetch => Ok(Capsule::default()),
            Verb::Submodules => {
                let look = repo.look().await.map_err(clean)?;
                Capsule::of(unit, &submodules::capture(&repo.at_top(&look)).await?)
            }
            Verb::Pull | Verb::Checkout | Verb::Reset => {
                let look = repo.look().await.map_err(clean)?;
                if let Some(why) = obstacles(&repo, &look, line).into_iter().next() {
                    return Err(why);
                }
                let (kept, _) = prepare(&repo, &look, unit, line).await.map_err(clean)?;
                Capsule::of(unit, &kept)
            }
        }
    }

    async fn apply(&self, cx: &Context, unit: &Unit, capsule: &Capsule) -> Result<Done, Failure> {
        let (repo, line) = self.open(cx, unit)?;
        match line.verb {
            Verb::Pin => {
                let look = repo.look().await?;
                let meant = self::meant(&repo, &look, line).await?;
                let words = line.rev.as_ref().map(GitRev::words).unwrap_or_default();
                let effects = vec![format!("{words}: {}", meant.commit)];
                let facts = serde_json::json!({ "commit": meant.commit });
                Ok(Done { changed: false, effects, facts, ..Done::default() })
            }
            Verb::Fetch => {
                let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
                fetch(&repo, &words).await?;
                let effects = vec![format!("{}: commits and tags are there", repo.title())];
                Ok(Done { changed: true, effects, ..Done::default() })
            }
            Verb::Submodules => {
                let look = repo.look().await.map_err(clean)?;
                let before: Vec<_> = capsule.read(unit)?;
                submodules::apply(&repo.at_top(&look), &line.words, &before).await
            }
            Verb::Pull | Verb::Checkout | Verb::Reset => go(&repo, line, &capsule.read(unit)?).await,
        }
    }

    async fn undo(
        &self,
        cx: &Context,
        unit: &Unit,
        capsule: &Capsule,
        done: Option<&Done>,
    ) -> Result<Done, Failure> {
        let (repo, line) = self.open(cx, unit)?;
        match line.verb {
            Verb::Pin | Verb::Fetch => Ok(Done::default()),
            Verb::Submodules => {
                let look = repo.look().await.map_err(clean)?;
                let before: Vec<_> = capsule.read(unit)?;
                submodules::undo(&repo.at_top(&look), &before).await
            }
            Verb::Pull | Verb::Checkout | Verb::Reset => back(&repo, &capsule.read(unit)?, done).await,
        }
    }

    async fn inspect(&self, cx: &Context, unit: &Unit, capsule: &Capsule, way: Way) -> Found {
        let found = async {
            let (repo, line) = self.open(cx, unit)?;
            let look = repo.settled().await?;
            match line.verb {
                // They are done anew.
                Verb::Pin | Verb::Fetch => Ok(Found::NotApplied),
                Verb::Submodules => {
                    let before: Vec<_> = capsule.read(unit)?;
                    submodules::inspect(&repo.at_top(&look), &before, way).await
                }
                Verb::Pull | Verb::Checkout | Verb::Reset => inspect(&repo, &capsule.read(unit)?, way).await,
            }
        };
        found.await.unwrap_or_else(|failure: Failure| Found::Unknown(failure.message))
    }
}

async fn meant(repo: &Repo<'_>, look: &Look, line: &GitLine) -> Result<Meant, Failure> {
    let Some(rev) = &line.rev else {
        let message = format!("`git {}` without a commit", line.verb.words());
        return Err(Failure::clean(Fault::Document, message));
    };
    rev::meant(repo, look, rev).await
}

/// Gets commits; what it gets may be got again.
async fn fetch(repo: &Repo<'_>, words: &[&str]) -> Result<(), Failure> {
    if repo.cx.attempt > 1 {
        let look = repo.settled().await.map_err(clean)?;
        // The files are not its concern.
        repo.unlock(&look, |lock| !lock.ends_with("/index.lock")).await?;
    }
    match repo.done(&[&["fetch"], words].concat()).await {
        Err(failure) if failure.effect == Effect::Partial => Err(clean(failure)),
        result => result.map(drop),
    }
}

/// Why nothing can be begun.
fn obstacles(repo: &Repo<'_>, look: &Look, line: &GitLine) -> Vec<Failure> {
    let title = repo.title();
    let refuse = |message: String| Failure::clean(Fault::Target, message).hint(repo.typed("status"));
    let mut found = vec![];
    if look.commit.is_empty() {
        found.push(refuse(format!("{title}: there is no commit yet")));
    }
    if !look.busy.is_empty() {
        found.push(refuse(format!("{title}: something is under way: {}", named(&look.busy))));
    }
    if !look.dirty.is_empty() {
        let message = format!("{title}: files were changed: {}", named(&look.dirty));
        found.push(refuse(message).hint(format!("set them aside with {}", repo.typed("stash"))));
    }
    if !look.locks.is_empty() {
        found.push(repo.locked(look, "somebody works there, or was killed"));
    }
    let never = |name: &str| ["false", "no", "off", "0"].iter().any(|value| look.is_set(name, value));
    if line.verb == Verb::Pull && (never("merge.ff") || never("pull.ff")) {
        found.push(refuse(format!(
            "{title}: `merge.ff` is off there, so a pull would make a commit of its own"
        )));
    }
    if ["true", "yes", "on", "1"].iter().any(|value| look.is_set("submodule.recurse", value)) {
        let message = format!("{title}: `submodule.recurse` is on there, and what it does is not taken back");
        found.push(refuse(message).hint("turn it off and write `git submodule update --init`"));
    }
    found
}

/// What a line does here, now.
async fn prepare(
    repo: &Repo<'_>,
    look: &Look,
    unit: &Unit,
    line: &GitLine,
) -> Result<(Kept, (String, String)), Failure> {
    let meant = self::meant(repo, look, line).await?;
    let name = match &line.rev {
        Some(GitRev::Named { name, .. }) => name.as_str(),
        _ => "",
    };
    let pin = rev::pinned(repo.cx, unit);
    let commit = agreed(repo, unit, line, &meant, pin)?;
    let detached = line.words.iter().any(|word| word == "--detach");
    let from = look.point();
    let here = |commit: &str| Point { head: from.head.clone(), commit: commit.to_owned() };
    let on = |branch: &str| Point { head: Some(format!("refs/heads/{branch}")), commit: commit.clone() };
    let (to, words, get, is_new): (_, &[&str], _, _) = match (line.verb, &meant.kind) {
        (Verb::Pull, Kind::Remote { remote, branch }) => {
            let get = Some((remote.clone(), branch.clone()));
            (here(&commit), &["merge", "--quiet", "--ff-only", "--no-stat", &commit], get, false)
        }
        (Verb::Reset | Verb::Checkout, Kind::Remote { branch, .. })
            if branch == name && (detached || line.verb == Verb::Reset) =>
        {
            let message = format!("{}: there is no branch {name} here, only on a remote", repo.title());
            return Err(Failure::clean(Fault::Document, message).hint(format!("write `origin/{name}`")));
        }
        (Verb::Reset, _) => (here(&commit), &["reset", "--quiet", "--keep", &commit], None, false),
        (_, Kind::Branch) if !detached => (on(name), &["checkout", "--quiet", name], None, false),
        (_, Kind::Remote { remote, branch }) if branch == name => {
            let start = format!("{remote}/{branch}");
            (on(name), &["checkout", "--quiet", "--track", "-b", name, &start.clone()], None, true)
        }
        _ => {
            let to = Point { head: None, commit: commit.clone() };
            (to, &["checkout", "--quiet", "--detach", &commit], None, false)
        }
    };
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    Ok((Kept { from, to, words, get, is_new }, meant.source))
}

/// The commit that all hosts get.
fn agreed(
    repo: &Repo<'_>,
    unit: &Unit,
    line: &GitLine,
    meant: &Meant,
    pin: Option<String>,
) -> Result<String, Failure> {
    let Some(pin) = pin.filter(|pin| *pin != meant.commit) else { return Ok(meant.commit.clone()) };
    match meant.kind {
        // The remote went on since; whether it still holds the commit is asked for when it is there.
        Kind::Remote { .. } if line.verb != Verb::Checkout => return Ok(pin),
        Kind::Branch if comes_later(repo.cx, unit, line) => return Ok(meant.commit.clone()),
        _ => {}
    }
    let what = line.rev.as_ref().map(GitRev::words).unwrap_or_default();
    let (here, there) = (short(&meant.commit), short(&pin));
    let message = format!("{}: {what} is {here} here, and {there} on the first host", repo.title());
    Err(Failure::clean(Fault::Target, message)
        .hint("all hosts get one commit: write `git fetch` before it, or `git pull` behind it"))
}

/// Whether a later line brings the branch to one commit.
fn comes_later(cx: &Context, unit: &Unit, line: &GitLine) -> bool {
    let mut behind = cx.plan.behind(&unit.id).filter(|(_, other)| other.host == unit.host);
    behind.any(|(_, other)| match &other.action {
        Action::Git(other) => other.dir == line.dir && matches!(other.verb, Verb::Pull | Verb::Reset),
        _ => false,
    })
}

async fn survey(repo: &Repo<'_>, look: &Look, unit: &Unit, line: &GitLine) -> Result<Survey, Failure> {
    let mut survey = Survey::default();
    survey.problems.extend(obstacles(repo, look, line).into_iter().map(|failure| failure.message));
    if look.commit.is_empty() {
        return Ok(survey);
    }
    let (kept, (remote, name)) = prepare(repo, look, unit, line).await?;
    let title = repo.title();
    if kept.from == kept.to {
        survey.effects.push(format!("{title} is on {}", kept.to.words()));
        return Ok(survey);
    }
    let (from, to) = (kept.from.commit.as_str(), kept.to.commit.as_str());
    let diff = match Diff::between(repo, (from, to), (&remote, &name)).await {
        Ok(diff) => diff,
        // Nothing speaks against it; what does is found out when it is there.
        Err(failure) if failure.message.contains("git is older") => {
            survey.effects.push(format!("{title}: {} -> {}", kept.from.words(), kept.to.words()));
            survey.effects.push(failure.message);
            return Ok(survey);
        }
        Err(failure) => return Err(failure),
    };
    survey.effects.push(format!("{title}: {} -> {}: {}", kept.from.words(), kept.to.words(), diff.words()));
    survey.effects.extend(diff.subjects.iter().take(SUBJECTS_MAX).map(|subject| format!("  {subject}")));
    if diff.subjects.len() > SUBJECTS_MAX {
        survey.effects.push("  …".to_owned());
    }
    survey.problems.extend(refusal(repo, line, &kept, &diff).map(|failure| failure.message));
    survey.effects.extend(leaves(&kept, &diff));
    let way = diff.in_the_way(repo, look).await?;
    if !way.is_empty() {
        survey.problems.push(format!(
            "{title}: {} would overwrite what git does not keep: {}",
            short(to),
            named(&way)
        ));
    }
    Ok(survey)
}

/// What speaks against going to a commit, once it is known what lies between.
fn refusal(repo: &Repo<'_>, line: &GitLine, kept: &Kept, diff: &Diff) -> Option<Failure> {
    let (title, to) = (repo.title(), short(&kept.to.commit));
    if line.verb == Verb::Pull && diff.goes > 0 {
        let (remote, branch) = kept.get.clone().unwrap_or_default();
        let goes = diff.goes;
        let message =
            format!("{title} has {goes} commits that {branch} of {remote} does not have: a pull would merge");
        return Some(
            Failure::clean(Fault::Target, message)
                .hint(format!("see {}", repo.typed(&format!("log {to}..HEAD"))))
                .hint(format!("push them, or go to what all have: `git reset --hard {remote}/{branch}`")),
        );
    }
    let is_local = line.verb == Verb::Checkout && kept.to.head.is_some();
    if !diff.is_published && !is_local {
        let message = format!("{title}: {to} is on no remote, so nobody else has it");
        return Some(Failure::clean(Fault::Target, message).hint("push it first"));
    }
    None
}

/// Commits that nothing else holds any more.
fn leaves(kept: &Kept, diff: &Diff) -> Option<String> {
    let is_left = diff.alone > 0 && (kept.from.head == kept.to.head || kept.from.head.is_none());
    is_left.then(|| format!("{} commits that are on no remote are left; the way back keeps them", diff.alone))
}

async fn go(repo: &Repo<'_>, line: &GitLine, kept: &Kept) -> Result<Done, Failure> {
    if let Some((remote, branch)) = &kept.get {
        fetch(repo, &["--quiet", remote, branch]).await?;
    }
    let (from, to) = (kept.from.commit.as_str(), kept.to.commit.as_str());
    let diff = Diff::between(repo, (from, to), ("", "")).await.map_err(clean)?;
    if kept.from != kept.to
        && let Some(failure) = refusal(repo, line, kept, &diff)
    {
        return Err(failure);
    }
    if diff.goes > 0 {
        // Nothing else may hold it once nobody is there any more.
        repo.done(&["update-ref", &repo.kept_ref(), from]).await.map_err(clean)?;
    }
    let (from, to) = (&kept.from, &kept.to);
    let is_again = repo.cx.attempt > 1;
    let mut done = Switch { repo, from, to, words: kept.words.clone(), is_again }.go().await?;
    if let Some(left) = leaves(kept, &diff) {
        done.effects.push(format!("{left}: {}", repo.kept_ref()));
    }
    Ok(done)
}

async fn back(repo: &Repo<'_>, kept: &Kept, done: Option<&Done>) -> Result<Done, Failure> {
    let (from, to) = (&kept.to, &kept.from);
    let words: Vec<&str> = match &to.head {
        _ if from.head == to.head => vec!["reset", "--quiet", "--keep", &to.commit],
        None => vec!["checkout", "--quiet", "--detach", &to.commit],
        Some(head) => {
            let tip = repo.ask(&["rev-parse", "-q", "--verify", head]).await.map_err(clean)?.text();
            if tip != to.commit {
                let (title, branch) = (repo.title(), branch_name(head));
                let message =
                    format!("{title}: {branch} was at {} and is at {} now", short(&to.commit), short(&tip));
                return Err(Failure::clean(Fault::Target, message).hint(repo.typed(&format!("log {branch}"))));
            }
            vec!["checkout", "--quiet", branch_name(head)]
        }
    };
    let words = words.into_iter().map(str::to_owned).collect();
    let is_again = done.is_none() || repo.cx.attempt > 1;
    let mut undone = Switch { repo, from, to, words, is_again }.go().await?;
    if let Some(head) = kept.to.head.as_deref().filter(|_| kept.is_new) {
        let tip = repo.ask(&["rev-parse", "-q", "--verify", head]).await?.text();
        if tip == kept.to.commit {
            repo.done(&["branch", "--quiet", "-D", branch_name(head)]).await?;
            undone.effects.push(format!("the branch {} is gone again", branch_name(head)));
        }
    }
    if from.commit != to.commit {
        // There only where commits would have been left.
        repo.done(&["update-ref", "-d", &repo.kept_ref()]).await?;
    }
    Ok(undone)
}

async fn inspect(repo: &Repo<'_>, kept: &Kept, way: Way) -> Result<Found, Failure> {
    let (from, to) = match way {
        Way::Forward => (&kept.from, &kept.to),
        Way::Undo => (&kept.to, &kept.from),
    };
    let (stage, _) = Switch { repo, from, to, words: vec![], is_again: true }.stage().await?;
    Ok(match stage {
        Stage::Before => Found::NotApplied,
        Stage::After if way == Way::Undo && kept.is_new => {
            // The branch that it made may still be there.
            let message = format!("{} is back on {}", repo.title(), to.words());
            Found::Failed(Failure::partial(Fault::Target, message).retryable())
        }
        Stage::After => {
            let effects = vec![format!("{} is on {}", repo.title(), to.words())];
            Found::Applied(Done { changed: from != to, effects, ..Done::default() })
        }
        Stage::Amid(_) => {
            let message = format!("{}: git was killed on the way to {}", repo.title(), to.words());
            Found::Failed(Failure::partial(Fault::Target, message).retryable().hint(repo.typed("status")))
        }
        Stage::Elsewhere(why) => Found::Unknown(format!("{why}; see {}", repo.typed("status"))),
    })
}
