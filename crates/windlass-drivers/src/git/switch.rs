//! Going from one commit to another, there and back: only files that hold what a commit says are changed.

use super::{
    diff::Diff,
    repo::{Look, Point, Repo, named, short},
};
use windlass_driver::{Done, Effect, Failure, Fault};

/// A way between two commits.
pub(super) struct Switch<'a> {
    pub(super) repo: &'a Repo<'a>,
    pub(super) from: &'a Point,
    pub(super) to: &'a Point,
    /// The command, where nothing stands in its way.
    pub(super) words: Vec<String>,
    /// An earlier try may have been killed: what it left is explained and cleared.
    pub(super) is_again: bool,
}

/// How far it is.
pub(super) enum Stage {
    /// At its beginning.
    Before,
    /// In the middle, all of it explained; without a difference: only locks are left.
    Amid(Option<Diff>),
    /// At its end.
    After,
    /// Somewhere else; why.
    Elsewhere(String),
}

impl Switch<'_> {
    /// Where it is, once no git of this unit runs any more.
    pub(super) async fn stage(&self) -> Result<(Stage, Look), Failure> {
        let look = self.repo.settled().await?;
        let (now, title) = (look.point(), self.repo.title());
        if now != *self.from && now != *self.to {
            let why = format!("{title} is on {}, not on {} any more", now.words(), self.from.words());
            return Ok((Stage::Elsewhere(why), look));
        }
        let is_clean = look.dirty.is_empty() && look.locks.is_empty();
        let stage = if !self.is_again {
            match now == *self.to {
                _ if !is_clean => Stage::Elsewhere(self.dirty(&look).message),
                true => Stage::After,
                false => Stage::Before,
            }
        } else if look.dirty.is_empty() {
            // Where a commit is not there yet, nothing of it was written.
            let diff = self.diff().await.ok();
            let left = match &diff {
                Some(diff) => diff.left(self.repo, &look, now == *self.to).await?,
                None => false,
            };
            match now == *self.to {
                _ if left => Stage::Amid(diff),
                _ if !is_clean => Stage::Amid(None),
                true => Stage::After,
                false => Stage::Before,
            }
        } else {
            let diff = self.diff().await?;
            let strange = diff.unexplained(self.repo, &look).await?;
            if strange.is_empty() {
                Stage::Amid(Some(diff))
            } else {
                Stage::Elsewhere(format!("{title}: files were changed: {}", named(&strange)))
            }
        };
        Ok((stage, look))
    }

    async fn diff(&self) -> Result<Diff, Failure> {
        Diff::between(self.repo, (&self.from.commit, &self.to.commit), ("", "")).await
    }

    /// Why it is not begun: what was changed or is held by others.
    fn dirty(&self, look: &Look) -> Failure {
        if look.dirty.is_empty() {
            return self.repo.locked(look, "somebody works there, or was killed");
        }
        let message = format!("{}: files were changed: {}", self.repo.title(), named(&look.dirty));
        Failure::clean(Fault::Target, message)
            .hint(format!("see {}", self.repo.typed("diff")))
            .hint(format!("set them aside with {}", self.repo.typed("stash")))
    }

    /// Goes there.
    ///
    /// # Errors
    /// Nothing was changed where others have changed something or untracked files stand in the way; or git failed in the middle.
    pub(super) async fn go(&self) -> Result<Done, Failure> {
        let (stage, look) = self.stage().await.map_err(clean)?;
        match stage {
            Stage::After => return Ok(self.done(false, None)),
            Stage::Elsewhere(why) if look.dirty.is_empty() && look.locks.is_empty() => {
                return Err(Failure::clean(Fault::Target, why).hint(self.repo.typed("log -3")));
            }
            Stage::Elsewhere(why) => {
                return Err(Failure { message: why, ..self.dirty(&look) });
            }
            Stage::Amid(Some(diff)) => {
                self.repo.unlock(&look, |_| true).await.map_err(partial)?;
                return self.finish(&look, diff).await;
            }
            Stage::Amid(None) => {
                self.repo.unlock(&look, |_| true).await?;
                if look.point() == *self.to {
                    return Ok(self.done(true, None));
                }
            }
            Stage::Before => {}
        }
        let diff = self.diff().await.map_err(clean)?;
        self.free(&look, &diff).await?;
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let answer = self.repo.act(&words).await?;
        let (stage, _) = Switch { is_again: true, words: vec![], ..*self }.stage().await.map_err(unknown)?;
        match stage {
            Stage::After if answer.is_ok() => Ok(self.done(true, Some(&diff))),
            // A hook of the team failed behind it.
            Stage::After => Err(partial(self.repo.refused(&self.words.join(" "), &answer))),
            Stage::Before => Err(self.repo.refused(&self.words.join(" "), &answer)),
            Stage::Amid(_) | Stage::Elsewhere(_) => {
                Err(partial(self.repo.refused(&self.words.join(" "), &answer)))
            }
        }
    }

    /// Nothing is overwritten that git knows nothing of, and nothing that it was told not to look at.
    async fn free(&self, look: &Look, diff: &Diff) -> Result<(), Failure> {
        let mut way = diff.in_the_way(self.repo, look).await.map_err(clean)?;
        way.extend(look.hidden.iter().filter(|path| diff.has(path)).cloned());
        if way.is_empty() {
            return Ok(());
        }
        let (title, to) = (self.repo.title(), short(&self.to.commit));
        let message = format!("{title}: {to} would overwrite what git does not keep: {}", named(&way));
        Err(Failure::clean(Fault::Target, message).hint("move them away, or add them to the repository"))
    }

    /// Goes on where a git was killed: every file holds what one of the two commits says, or the beginning of it.
    async fn finish(&self, look: &Look, diff: Diff) -> Result<Done, Failure> {
        let repo = self.repo.at_top(look);
        // What only the other commit has and this one does not know is not in its index.
        let zero = |hash: &str| hash.bytes().all(|byte| byte == b'0');
        let gone: Vec<&str> =
            diff.entries.iter().filter(|entry| zero(&entry.to)).map(|entry| entry.path.as_str()).collect();
        for paths in gone.chunks(500) {
            repo.remove(paths).await?;
        }
        let branch = self.to.head.as_deref().map(super::repo::branch_name);
        let words: Vec<&str> = match branch {
            _ if look.head == self.to.head => vec!["reset", "--quiet", "--hard", &self.to.commit],
            Some(branch) => vec!["checkout", "--quiet", "-f", branch],
            None => vec!["checkout", "--quiet", "-f", "--detach", &self.to.commit],
        };
        // What is new there and was written already is not known to the index: it is written again.
        repo.done(&words).await?;
        let now = repo.look().await.map_err(unknown)?;
        if now.point() != *self.to || !now.dirty.is_empty() {
            let message = format!("{}: it did not come to {}", repo.title(), self.to.words());
            return Err(Failure::partial(Fault::Target, message).hint(repo.typed("status")));
        }
        Ok(self.done(true, Some(&diff)))
    }

    fn done(&self, changed: bool, diff: Option<&Diff>) -> Done {
        let (from, to) = (&self.from, &self.to);
        let title = self.repo.title();
        let words = diff.map(|diff| format!(": {}", diff.words())).unwrap_or_default();
        let effect = if changed {
            format!("{title}: {} -> {}{words}", from.words(), to.words())
        } else {
            format!("{title} is on {}", to.words())
        };
        let facts = serde_json::json!({
            "branch": to.head.as_deref().map(super::repo::branch_name), "commit": to.commit, "from": from.commit,
        });
        Done { changed, effects: vec![effect], facts, ..Done::default() }
    }
}

pub(super) fn clean(failure: Failure) -> Failure {
    Failure { effect: Effect::None, ..failure }
}

fn partial(failure: Failure) -> Failure {
    Failure { effect: Effect::Partial, ..failure }
}

/// Something was done, and it cannot be seen what.
fn unknown(failure: Failure) -> Failure {
    Failure { effect: Effect::Unknown, retry: false, ..failure }
}
