//! Which commit a line means.

use super::repo::{Look, Repo, branch_name, short};
use windlass_driver::{Context, Failure, Fault};
use windlass_plan::{Action, GitRev, GitVerb, Unit};

/// A commit, and what named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meant {
    pub(super) commit: String,
    pub(super) kind: Kind,
    /// Where it can be got: a remote, and a ref of it. Empty: nowhere else.
    pub(super) source: (String, String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A local branch.
    Branch,
    /// A tag, or a commit by its own name.
    Fixed,
    /// A branch of a remote.
    Remote { remote: String, branch: String },
}

impl Meant {
    fn new(commit: impl Into<String>, kind: Kind) -> Self {
        Self { commit: commit.into(), kind, source: Default::default() }
    }

    fn remote(commit: String, remote: &str, branch: &str) -> Self {
        let kind = Kind::Remote { remote: remote.to_owned(), branch: branch.to_owned() };
        Self { source: (remote.to_owned(), branch.to_owned()), ..Self::new(commit, kind) }
    }
}

/// The commit that was found out for all hosts, if there are several.
pub(super) fn pinned(cx: &Context, unit: &Unit) -> Option<String> {
    let Action::Git(line) = &unit.action else { return None };
    let on = cx.plan.unit(&unit.id).map(|(step, _)| step.on.as_str())?;
    let is_pin = |action: &Action| match action {
        Action::Git(pin) => pin.verb == GitVerb::Pin && (&pin.dir, &pin.rev) == (&line.dir, &line.rev),
        _ => false,
    };
    let (_, pin) = cx.plan.before(&unit.id).find(|(step, other)| step.on == on && is_pin(&other.action))?;
    cx.facts.get(&pin.id)?.get("commit")?.as_str().map(str::to_owned)
}

/// What a line means now, here.
pub(super) async fn meant(repo: &Repo<'_>, look: &Look, rev: &GitRev) -> Result<Meant, Failure> {
    match rev {
        GitRev::Remote { remote, branch, current } => {
            let (remote, branch) = followed(repo, look, remote, branch, current).await?;
            let commit = tip(repo, &remote, &branch).await?;
            let commit = commit.ok_or_else(|| nowhere(repo, &format!("{branch} of {remote}")))?;
            Ok(Meant::remote(commit, &remote, &branch))
        }
        GitRev::Named { name, fetched } => named(repo, look, name, *fetched).await,
    }
}

fn nowhere(repo: &Repo<'_>, name: &str) -> Failure {
    let message = format!("{}: there is no branch, tag or commit `{name}`", repo.title());
    Failure::clean(Fault::Document, message).hint(repo.typed("branch -a"))
}

/// The remote and its branch that a pull means.
async fn followed(
    repo: &Repo<'_>,
    look: &Look,
    remote: &Option<String>,
    branch: &Option<String>,
    current: &Option<String>,
) -> Result<(String, String), Failure> {
    if let (Some(remote), Some(branch)) = (remote, branch) {
        return Ok((remote.clone(), branch.clone()));
    }
    let head = current.as_deref().or_else(|| look.head.as_deref().map(branch_name));
    let Some(head) = head else {
        let message = format!("{} is on no branch, so a pull has to name one", repo.title());
        return Err(Failure::clean(Fault::Target, message).hint("write `git pull origin main`"));
    };
    let of = repo.ask(&["config", &format!("branch.{head}.remote")]).await?.text();
    let follows = repo.ask(&["config", &format!("branch.{head}.merge")]).await?.text();
    if of.is_empty() || follows.is_empty() {
        if current.is_some() && look.remotes.len() == 1 {
            // It is made by a checkout before this, from the branch of the same name.
            return Ok((look.remotes[0].clone(), head.to_owned()));
        }
        let message = format!("{}: {head} follows no branch of a remote", repo.title());
        return Err(Failure::clean(Fault::Target, message).hint(format!("write `git pull origin {head}`")));
    }
    if remote.as_ref().is_some_and(|remote| *remote != of) {
        let message =
            format!("{}: {head} follows {of}, so a pull of another has to name a branch", repo.title());
        return Err(Failure::clean(Fault::Target, message));
    }
    Ok((of, branch_name(&follows).to_owned()))
}

/// The commit of a branch or tag of a remote, as the remote says now.
async fn tip(repo: &Repo<'_>, remote: &str, name: &str) -> Result<Option<String>, Failure> {
    let (head, tag) = (format!("refs/heads/{name}"), format!("refs/tags/{name}"));
    let peeled = format!("{tag}^{{}}");
    let text = repo.text(&["ls-remote", remote, &head, &tag, &peeled]).await?;
    let of = |wanted: &str| {
        let lines = text.lines().filter_map(|line| line.split_once('\t'));
        lines.filter(|(_, name)| *name == wanted).map(|(commit, _)| commit.to_owned()).next()
    };
    Ok(of(&head).or_else(|| of(&peeled)).or_else(|| of(&tag)))
}

async fn named(repo: &Repo<'_>, look: &Look, name: &str, fetched: bool) -> Result<Meant, Failure> {
    let known = Known::of(repo, name).await?;
    if let Some(commit) = known.commit(&format!("refs/heads/{name}")) {
        return Ok(Meant::new(commit, Kind::Branch));
    }
    let tag = known.commit(&format!("refs/tags/{name}"));
    let remote = look.remotes.iter().find(|remote| *remote == "origin").or_else(|| look.remotes.first());
    if let Some((remote, branch)) = split_remote(look, name) {
        let tip = if fetched { tip(repo, remote, branch).await? } else { None };
        if let Some(commit) = tip.or_else(|| known.commit(&format!("refs/remotes/{name}"))) {
            return Ok(Meant::remote(commit, remote, branch));
        }
    }
    if let (true, Some(remote)) = (fetched, remote)
        && let Some(there) = tip_of_tag(repo, remote, name).await?
    {
        if let Some(here) = tag.filter(|here| *here != there) {
            let (here, there) = (short(&here), short(&there));
            let message = format!("{}: the tag {name} is {here} here and {there} on {remote}", repo.title());
            return Err(
                Failure::clean(Fault::Target, message).hint("a tag that was moved: say which one is meant")
            );
        }
        let source = (remote.clone(), format!("refs/tags/{name}"));
        return Ok(Meant { source, ..Meant::new(there, Kind::Fixed) });
    }
    if let Some(commit) = tag {
        return Ok(Meant::new(commit, Kind::Fixed));
    }
    if name.len() >= 4 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let commit = repo.ask(&["rev-parse", "-q", "--verify", &format!("{name}^{{commit}}")]).await?;
        if commit.is_ok() {
            return Ok(Meant::new(commit.text(), Kind::Fixed));
        }
    }
    of_any_remote(repo, look, name, fetched, &known).await
}

/// A branch that only a remote has: a checkout makes a branch of the same name that follows it.
async fn of_any_remote(
    repo: &Repo<'_>,
    look: &Look,
    name: &str,
    fetched: bool,
    known: &Known,
) -> Result<Meant, Failure> {
    let mut found = vec![];
    for remote in &look.remotes {
        let tip = if fetched { tip(repo, remote, name).await? } else { None };
        if let Some(commit) = tip.or_else(|| known.commit(&format!("refs/remotes/{remote}/{name}"))) {
            found.push(Meant::remote(commit, remote, name));
        }
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(nowhere(repo, name)),
        _ => {
            let message = format!("{}: several remotes have a branch {name}", repo.title());
            Err(Failure::clean(Fault::Target, message)
                .hint(format!("write `git checkout --detach origin/{name}`")))
        }
    }
}

async fn tip_of_tag(repo: &Repo<'_>, remote: &str, name: &str) -> Result<Option<String>, Failure> {
    let tag = format!("refs/tags/{name}");
    let text = repo.text(&["ls-remote", remote, &tag, &format!("{tag}^{{}}")]).await?;
    // The commit that a tag with a message points to is its last line.
    let commit = text.lines().last().and_then(|line| line.split_once('\t'));
    Ok(commit.map(|(commit, _)| commit.to_owned()))
}

/// `origin/main`, if there is such a remote.
fn split_remote<'n>(look: &Look, name: &'n str) -> Option<(&'n str, &'n str)> {
    let (remote, branch) = name.split_once('/')?;
    look.remotes.iter().any(|known| known == remote).then_some((remote, branch))
}

/// Refs that are there.
struct Known(Vec<(String, String)>);

impl Known {
    async fn of(repo: &Repo<'_>, name: &str) -> Result<Self, Failure> {
        let patterns =
            ["heads", "tags", "remotes", "remotes/*"].map(|folder| format!("refs/{folder}/{name}"));
        let mut words = vec!["for-each-ref", "--format=%(refname)%09%(objectname)%09%(*objectname)"];
        words.extend(patterns.iter().map(String::as_str));
        let text = repo.text(&words).await?;
        let read = |line: &str| {
            let mut parts = line.split('\t');
            let (name, own, peeled) = (parts.next()?, parts.next()?, parts.next().unwrap_or_default());
            Some((name.to_owned(), if peeled.is_empty() { own } else { peeled }.to_owned()))
        };
        Ok(Self(text.lines().filter_map(read).collect()))
    }

    fn commit(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, commit)| commit.clone())
    }
}
