//! What lies between two commits.

use super::repo::{Look, Repo};
use windlass_driver::{Failure, Fault};

const DIFF: &str = include_str!("diff.sh");
/// Mode of a submodule in a tree (git-fast-import(1)).
const SUBMODULE: &str = "160000";

/// A file that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: String,
    /// Hashes of its content; of zeros where it is not there.
    pub(super) from: String,
    pub(super) to: String,
    is_submodule: bool,
}

/// What lies between two commits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Diff {
    /// Commits that come.
    pub(super) comes: u64,
    /// Commits that go.
    pub(super) goes: u64,
    /// Of those that go, the ones that are on no remote and no tag.
    pub(super) alone: u64,
    /// Whether the second commit is on a remote, if there is any.
    pub(super) is_published: bool,
    /// Of what comes, the first.
    pub(super) subjects: Vec<String>,
    pub(super) entries: Vec<Entry>,
}

impl Diff {
    /// Between commits; one that is not there is got from `ref` of `remote`, and not kept.
    pub(super) async fn between(
        repo: &Repo<'_>,
        (from, to): (&str, &str),
        (remote, name): (&str, &str),
    ) -> Result<Self, Failure> {
        let answer = repo.script(("compare commits", DIFF), &[from, to, remote, name], None).await?;
        Self::read(&String::from_utf8_lossy(&answer.stdout)).ok_or_else(|| {
            let message = format!("{}: what git says of {from}..{to} is not understood", repo.title());
            Failure::clean(Fault::Windlass, message)
        })
    }

    fn read(text: &str) -> Option<Self> {
        let mut records = text.split('\0');
        let mut number = || records.next()?.parse().ok();
        let (comes, goes, alone) = (number()?, number()?, number()?);
        let is_published = records.next()? == "yes";
        let subjects =
            records.by_ref().take_while(|subject| !subject.is_empty()).map(str::to_owned).collect();
        let mut records = records.filter(|record| !record.is_empty());
        let mut entries = vec![];
        // `:mode mode hash hash letter`, then the path.
        while let Some(head) = records.next() {
            let words: Vec<&str> = head.strip_prefix(':')?.split(' ').collect();
            let [from_mode, to_mode, from, to, _] = words[..] else { return None };
            let path = records.next()?.to_owned();
            let is_submodule = [from_mode, to_mode].contains(&SUBMODULE);
            entries.push(Entry { path, from: from.to_owned(), to: to.to_owned(), is_submodule });
        }
        Some(Self { comes, goes, alone, is_published, subjects, entries })
    }

    /// Whether a path differs.
    pub(super) fn has(&self, path: &str) -> bool {
        self.entries.iter().any(|entry| entry.path == path)
    }

    fn files(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| !entry.is_submodule)
    }

    /// Untracked files that would be overwritten on the way.
    pub(super) async fn in_the_way(&self, repo: &Repo<'_>, look: &Look) -> Result<Vec<String>, Failure> {
        let added: Vec<_> =
            self.files().filter(|entry| is_none(&entry.from)).map(|entry| entry.path.as_str()).collect();
        let gone: Vec<_> =
            self.files().filter(|entry| is_none(&entry.to)).map(|entry| entry.path.as_str()).collect();
        repo.at_top(look).in_the_way(&added, &gone).await
    }

    /// Whether untracked files are there that only the other commit has, each as it says or the beginning of it: a git that was
    /// killed has written them. `is_end`: the files are those of the second commit.
    pub(super) async fn left(&self, repo: &Repo<'_>, look: &Look, is_end: bool) -> Result<bool, Failure> {
        let other = |entry: &Entry| is_none(if is_end { &entry.to } else { &entry.from });
        let paths: Vec<_> =
            self.files().filter(|entry| other(entry)).map(|entry| entry.path.as_str()).collect();
        let found = repo.at_top(look).in_the_way(&paths, &[]).await?;
        if found.is_empty() || found.iter().any(|path| !self.has(path)) {
            return Ok(false);
        }
        let strange = self.unexplained(repo, look).await?;
        Ok(!found.iter().any(|path| strange.contains(path)))
    }

    /// Whether a git that was killed between the two commits explains all that is changed; if not, what it does not explain.
    pub(super) async fn unexplained(&self, repo: &Repo<'_>, look: &Look) -> Result<Vec<String>, Failure> {
        let mut strange: Vec<String> = look.dirty.iter().filter(|path| !self.has(path)).cloned().collect();
        let files: Vec<_> =
            self.files().map(|entry| (entry.from.as_str(), entry.to.as_str(), entry.path.as_str())).collect();
        strange.extend(repo.at_top(look).unexplained(&files).await?);
        strange.dedup();
        Ok(strange)
    }

    /// For people: `3 commits, 12 files`.
    pub(super) fn words(&self) -> String {
        let count = |number: u64, what: &str| match number {
            1 => format!("1 {what}"),
            number => format!("{number} {what}s"),
        };
        let files = count(self.entries.len() as u64, "file");
        match (self.comes, self.goes) {
            (comes, 0) => format!("{}, {files}", count(comes, "commit")),
            (0, goes) => format!("{} back, {files}", count(goes, "commit")),
            (comes, goes) => format!("{} back, {} forward, {files}", count(goes, "commit"), comes),
        }
    }
}

fn is_none(hash: &str) -> bool {
    hash.bytes().all(|byte| byte == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_says_is_read() {
        let zero = "0".repeat(40);
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        let text = format!(
            "2\x000\x000\x00yes\x00abc one\x00def 修复\x00\x00:000000 100644 {zero} {one} A\x00a b\x00:160000 160000 {one} {two} M\x00sub\x00"
        );
        let diff = Diff::read(&text).unwrap();
        assert_eq!((diff.comes, diff.goes, diff.is_published), (2, 0, true));
        assert_eq!(diff.subjects, ["abc one", "def 修复"]);
        assert_eq!(diff.entries[0].path, "a b");
        assert!(is_none(&diff.entries[0].from) && diff.entries[1].is_submodule);
        assert_eq!(diff.words(), "2 commits, 2 files");
        assert_eq!(Diff::read("0\x000\x000\x00\x00\x00").unwrap().entries, []);
        assert_eq!(Diff::read("x"), None);
    }
}
