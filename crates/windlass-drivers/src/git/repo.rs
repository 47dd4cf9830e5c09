//! A repository at a place: git is asked, and told.

use crate::{
    disk::{self, one_line},
    host::place::{Answer, Input, Place, Program},
};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use windlass_driver::{Context, Failure, Fault};
use windlass_plan::Unit;

const LOOK: &str = include_str!("look.sh");
const EXPLAIN: &str = include_str!("explain.sh");
const UNLOCK: &str = include_str!("unlock.sh");
/// Files go, and the folders above them that are empty then.
const REMOVE: &str = r#"for path; do
    [ -d "$path" ] && [ ! -L "$path" ] && continue
    rm -f -- "$path" || exit 1
    while case $path in */*) ;; *) false ;; esac && path=${path%/*} && rmdir -- "$path" 2>/dev/null; do :; done
done"#;

/// What goes over a network, or through all files, gets this long where a unit has no limit of its own.
const LIMIT: Duration = Duration::from_secs(10 * 60);
/// A git of ours that still runs is waited for so long, and looked at so often.
const ENDS_WITHIN: Duration = LIMIT;
const PAUSE: Duration = Duration::from_millis(200);
/// Of what git answers so much is read, bytes.
pub(super) const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Changed files that are named.
const NAMED_MAX: usize = 10;

/// Where HEAD is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Point {
    /// The branch, as a whole ref; none: detached.
    pub(super) head: Option<String>,
    /// The commit.
    pub(super) commit: String,
}

impl Point {
    /// For people: `main at 3f2a9c01b4de`.
    pub(super) fn words(&self) -> String {
        let head = self.head.as_deref().map_or("no branch", branch_name);
        format!("{head} at {}", short(&self.commit))
    }
}

/// As people name a branch.
pub(super) fn branch_name(head: &str) -> &str {
    head.strip_prefix("refs/heads/").unwrap_or(head)
}

/// As people name a commit.
pub(super) fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// How a repository is.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    /// Folder of its files.
    pub(super) top: String,
    pub(super) head: Option<String>,
    pub(super) commit: String,
    /// What is under way: a merge, a rebase.
    pub(super) busy: Vec<String>,
    /// Names of remotes.
    pub(super) remotes: Vec<String>,
    /// Settings that change what a command does.
    settings: Vec<(String, String)>,
    /// Files that git takes for unchanged without looking.
    pub(super) hidden: Vec<String>,
    /// Processes of git there: of this unit, and of others.
    pub(super) ours: Vec<String>,
    pub(super) others: Vec<String>,
    /// Files that lock it.
    pub(super) locks: Vec<String>,
    /// Files that are tracked and changed.
    pub(super) dirty: Vec<String>,
}

impl Look {
    fn read(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let mut look = Self::default();
        let mut records = text.split('\0');
        loop {
            let (key, value) = records.next()?.split_once('\t')?;
            let value = value.to_owned();
            match key {
                "top" => look.top = value,
                "head" => look.head = Some(value).filter(|head| !head.is_empty()),
                "commit" => look.commit = value,
                "busy" => look.busy.push(value),
                "remote" => look.remotes.push(value),
                "hidden" => look.hidden.push(value),
                "ours" => look.ours.push(value),
                "others" => look.others.push(value),
                "lock" => look.locks.push(value),
                "end" => break,
                _ => look.settings.push((key.to_owned(), value)),
            }
        }
        // `XY path`.
        look.dirty = records.filter_map(|record| record.get(3..)).map(str::to_owned).collect();
        Some(look)
    }

    pub(super) fn point(&self) -> Point {
        Point { head: self.head.clone(), commit: self.commit.clone() }
    }

    /// Whether a setting has this value; names of settings are written small.
    pub(super) fn is_set(&self, name: &str, value: &str) -> bool {
        self.settings.iter().any(|(known, is)| known == name && is == value)
    }
}

/// Names of files, so many that a person reads them.
pub(super) fn named(paths: &[String]) -> String {
    let mut text =
        paths.iter().take(NAMED_MAX).map(|path| one_line(path, 120)).collect::<Vec<_>>().join(", ");
    if paths.len() > NAMED_MAX {
        text += &format!(" and {} more", paths.len() - NAMED_MAX);
    }
    text
}

/// The repository that a unit works on.
#[derive(Clone)]
pub(super) struct Repo<'a> {
    pub(super) cx: &'a Context,
    pub(super) place: Place,
    dir: Option<String>,
    mark: String,
}

impl<'a> Repo<'a> {
    pub(super) fn new(cx: &'a Context, place: Place, unit: &Unit, dir: Option<&str>) -> Self {
        let dir = if place.is_here() {
            Some(disk::resolve(&cx.base, dir, "").to_string_lossy().into_owned())
        } else {
            dir.map(str::to_owned)
        };
        Self { cx, place, dir, mark: format!("{}/{}", cx.run, unit.id) }
    }

    /// The same, in the folder that its files stand in.
    pub(super) fn at_top(&self, look: &Look) -> Self {
        Self { dir: Some(look.top.clone()), ..self.clone() }
    }

    /// For messages: `/srv/app on web1`.
    pub(super) fn title(&self) -> String {
        let dir = self.dir.as_deref().unwrap_or("~");
        if self.place.is_here() { dir.to_owned() } else { format!("{dir} on {}", self.place.name()) }
    }

    /// A name of ours for this unit, as a part of a ref.
    pub(super) fn kept_ref(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '/' { c } else { '-' };
        let (run, unit) = self.mark.split_once('/').unwrap_or_default();
        let unit: String = unit.chars().map(plain).collect();
        format!("refs/windlass/{run}/{}", unit.replace('/', "-"))
    }

    /// What a person types to look at it.
    pub(super) fn typed(&self, words: &str) -> String {
        let dir = self.dir.as_deref().unwrap_or(".");
        self.place.typed(&format!("git -C {} {words}", crate::host::word(dir)))
    }

    fn limit(&self) -> Duration {
        self.cx.timeout_ms.map_or(LIMIT, Duration::from_millis)
    }

    fn program(&self, argv: &[&str]) -> Program {
        let title = argv.iter().find(|word| word.contains('\n')).map_or(0, |_| 3);
        Program::new(argv.iter().copied())
            .title(argv[title..].join(" "))
            .dir(self.dir.clone())
            // Nobody is there to be asked.
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("SSH_ASKPASS", "/bin/false")
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env("GIT_LITERAL_PATHSPECS", "1")
            .env("LC_ALL", "C")
            .bytes_max(ANSWER_BYTES_MAX)
            .limit(self.limit())
    }

    fn git<'w>(words: &[&'w str]) -> Vec<&'w str> {
        // Housekeeping would go on behind this unit.
        let front = ["git", "-c", "core.quotePath=false", "-c", "gc.auto=0", "-c", "maintenance.auto=false"];
        [&front, words].concat()
    }

    /// A question; an exit status that is not 0 is an answer.
    pub(super) async fn ask(&self, words: &[&str]) -> Result<Answer, Failure> {
        let program = self.program(&Self::git(words)).title(titled(words)).env("GIT_OPTIONAL_LOCKS", "0");
        self.place.run(&program.reads()).await
    }

    /// A question that has an answer.
    pub(super) async fn text(&self, words: &[&str]) -> Result<String, Failure> {
        let answer = self.ask(words).await?;
        if answer.is_ok() { Ok(answer.text()) } else { Err(self.refused(&titled(words), &answer)) }
    }

    /// A script that only asks.
    pub(super) async fn script(
        &self,
        (name, script): (&str, &str),
        words: &[&str],
        input: Option<Vec<u8>>,
    ) -> Result<Answer, Failure> {
        let argv = [&["/bin/sh", "-c", script, "git"], words].concat();
        let program = self.program(&argv).title(name).reads().env("GIT_OPTIONAL_LOCKS", "0");
        let input = input.map_or(Input::Nothing, Input::Bytes);
        let answer = self.place.run(&program.input(input)).await?;
        if !answer.is_ok() {
            return Err(self.refused(name, &answer));
        }
        if answer.cut {
            let most = disk::human_bytes(ANSWER_BYTES_MAX as u64);
            let message = format!("{}: {name} says more than {most}", self.title());
            return Err(Failure::clean(Fault::Target, message));
        }
        Ok(answer)
    }

    /// An order.
    pub(super) async fn act(&self, words: &[&str]) -> Result<Answer, Failure> {
        let program =
            self.program(&Self::git(words)).title(titled(words)).env("WINDLASS_GIT", self.mark.clone());
        self.place.run(&program).await
    }

    /// An order that is carried out, or is a failure that changed nothing or something.
    pub(super) async fn done(&self, words: &[&str]) -> Result<Answer, Failure> {
        let answer = self.act(words).await?;
        if answer.is_ok() {
            return Ok(answer);
        }
        let failure = self.refused(&titled(words), &answer);
        Err(Failure { effect: windlass_driver::Effect::Partial, ..failure })
    }

    /// git did not do what it was asked, and changed nothing.
    pub(super) fn refused(&self, what: &str, answer: &Answer) -> Failure {
        // Its reason stands first, hints behind it.
        let whole = self.cx.secrets.mask(&String::from_utf8_lossy(&answer.stderr));
        let said = whole
            .lines()
            .find(|line| ["fatal:", "error:"].iter().any(|word| line.starts_with(word)))
            .map_or_else(|| self.cx.secrets.mask(&answer.complaint()), |line| one_line(line, 300));
        let failure = Failure::clean(Fault::Target, format!("{}: `{what}`: {said}", self.title()))
            .output(whole.clone());
        let network = ["Could not resolve", "Connection", "timed out", "early EOF", "unexpected disconnect"];
        let failure =
            if network.iter().any(|words| whole.contains(words)) { failure.retryable() } else { failure };
        if answer.status == 127 {
            return failure.hint("install git there");
        }
        if whole.contains("terminal prompts disabled") || whole.contains("Permission denied (publickey") {
            return failure
                .hint("nobody is there to be asked: give that account a key or a stored credential");
        }
        failure.hint(self.typed("status"))
    }

    /// How it is.
    pub(super) async fn look(&self) -> Result<Look, Failure> {
        let answer = self.script(("look", LOOK), &[&self.mark], None).await?;
        let look = Look::read(&answer.stdout).filter(|look| !look.top.is_empty());
        look.ok_or_else(|| {
            let message = format!("{}: what git says is not understood", self.title());
            Failure::clean(Fault::Windlass, message).output(answer.text())
        })
    }

    /// How it is, once no git of this unit runs any more.
    pub(super) async fn settled(&self) -> Result<Look, Failure> {
        let begun = Instant::now();
        loop {
            let look = self.look().await?;
            if look.ours.is_empty() {
                return Ok(look);
            }
            if begun.elapsed() > ENDS_WITHIN {
                let processes = named(&look.ours);
                let message =
                    format!("{}: the git of this unit still runs: process {processes}", self.title());
                return Err(Failure::unknown(Fault::Target, message));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Of files between two commits, those that hold something else.
    pub(super) async fn unexplained(&self, files: &[(&str, &str, &str)]) -> Result<Vec<String>, Failure> {
        if files.is_empty() {
            return Ok(vec![]);
        }
        let mut input = Vec::new();
        for word in files.iter().flat_map(|(from, to, path)| [from, to, path]) {
            input.extend(word.as_bytes());
            input.push(0);
        }
        let shell = r#"exec xargs -0 -n 300 /bin/sh -c "$1" git"#;
        let answer = self.script(("compare files", shell), &[EXPLAIN], Some(input)).await?;
        Ok(paths(&answer))
    }

    /// Untracked files that stand where others are to be written: at one of `paths`, below it, or in place of a folder above it.
    pub(super) async fn in_the_way(&self, added: &[&str], goes: &[&str]) -> Result<Vec<String>, Failure> {
        if added.is_empty() {
            return Ok(vec![]);
        }
        let list = |paths: &[&str]| paths.iter().flat_map(|path| [path.as_bytes(), b"\0"].concat()).collect();
        let shell = "exec xargs -0 git ls-files --others -z --";
        let answer = self.script(("find untracked files", shell), &[], Some(list(added))).await?;
        let mut found = paths(&answer);
        let mut above: Vec<&str> = added.iter().flat_map(|path| parents(path)).collect();
        above.sort_unstable();
        above.dedup();
        if !above.is_empty() {
            let each = r#"for path; do { [ ! -d "$path" ] || [ -L "$path" ]; } && { [ -e "$path" ] || [ -L "$path" ]; } && printf '%s\0' "$path"; done; :"#;
            let shell = r#"exec xargs -0 /bin/sh -c "$1" git"#;
            let answer =
                self.script(("find files in place of folders", shell), &[each], Some(list(&above))).await?;
            found.extend(paths(&answer).into_iter().filter(|path| !goes.contains(&path.as_str())));
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Takes locks away that a git of ours left when it was killed: those that this is true of.
    pub(super) async fn unlock(&self, look: &Look, which: impl Fn(&str) -> bool) -> Result<(), Failure> {
        let locks: Vec<&str> = look.locks.iter().map(String::as_str).filter(|lock| which(lock)).collect();
        if locks.is_empty() {
            return Ok(());
        }
        let argv = [&["/bin/sh", "-c", UNLOCK, "git", &look.top], &locks[..]].concat();
        let answer = self.place.run(&self.program(&argv).title("remove locks of git")).await?;
        if answer.is_ok() { Ok(()) } else { Err(self.locked(look, &answer.complaint())) }
    }

    /// Removes files that another commit explains.
    pub(super) async fn remove(&self, paths: &[&str]) -> Result<(), Failure> {
        let argv = [&["/bin/sh", "-c", REMOVE, "git"], paths].concat();
        let answer = self.place.run(&self.program(&argv).title("remove files")).await?;
        if answer.is_ok() {
            return Ok(());
        }
        Err(Failure { effect: windlass_driver::Effect::Partial, ..self.refused("remove files", &answer) })
    }

    /// Somebody holds it, or did.
    pub(super) fn locked(&self, look: &Look, why: &str) -> Failure {
        let message = format!("{} is locked by {}: {why}", self.title(), named(&look.locks));
        Failure::clean(Fault::Target, message).hint(format!(
            "once no git works there any more: {}",
            self.place.typed(&format!("rm {}", look.locks.join(" ")))
        ))
    }
}

fn titled(words: &[&str]) -> String {
    format!("git {}", words.join(" "))
}

fn paths(answer: &Answer) -> Vec<String> {
    let text = String::from_utf8_lossy(&answer.stdout);
    text.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect()
}

/// The folders that a path stands in.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}
