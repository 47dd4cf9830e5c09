//! On real repositories, here and over a real sshd.

use super::GitDriver;
use crate::testing::{self, Random};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};
use windlass_driver::{Capsule, Context, Done, Driver as _, Effect, Failure, Found, Survey};
use windlass_plan::{Action, GitLine, GitRev, GitVerb as Verb, Unit, Way};

/// A repository `origin`, and a checkout of it in `app`.
struct World {
    folder: tempfile::TempDir,
}

fn git(dir: &Path, words: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "protocol.file.allow=always", "-C"]);
    let output = command.arg(dir).args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

impl World {
    fn new() -> Self {
        let world = Self { folder: testing::folder() };
        let base = world.folder.path();
        git(base, &["init", "-q", "--bare", "-b", "main", "origin"]);
        git(base, &["clone", "-q", "origin", "work"]);
        git(&world.work(), &["checkout", "-q", "-b", "main"]);
        world.push(&[("a.txt", "one\n"), ("gone/b.txt", "b\n")], &[]);
        git(base, &["clone", "-q", "origin", "app"]);
        world
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    fn app(&self) -> PathBuf {
        self.folder.path().join("app")
    }

    /// Somebody pushes a commit with these files; its hash.
    fn push(&self, files: &[(&str, &str)], gone: &[&str]) -> String {
        for (name, text) in files {
            let path = self.work().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        for name in gone {
            fs::remove_file(self.work().join(name)).unwrap();
        }
        git(&self.work(), &["add", "-A"]);
        git(&self.work(), &["commit", "-q", "-m", &format!("修复 {}", files[0].1.trim_end())]);
        git(&self.work(), &["push", "-q", "origin", "HEAD"]);
        git(&self.work(), &["rev-parse", "HEAD"])
    }

    /// Everything that an undo has to bring back: HEAD, commits, branches, files.
    fn state(&self) -> String {
        let app = self.app();
        let head = fs::read_to_string(app.join(".git/HEAD")).unwrap();
        let refs = git(&app, &["for-each-ref", "refs/heads", "refs/windlass"]);
        let status = git(&app, &["status", "--porcelain"]);
        let files = git(&app, &["ls-files", "-s"]);
        format!("{head}{}\n{refs}\n{status}\n{files}", git(&app, &["rev-parse", "HEAD"]))
    }

    fn unit(&self, verb: Verb, rev: Option<GitRev>) -> Unit {
        let dir = Some(self.app().to_str().unwrap().to_owned());
        testing::unit(&format!("{}/1", verb.words()), Action::Git(GitLine { verb, dir, rev, words: vec![] }))
    }

    fn named(&self, verb: Verb, name: &str) -> Unit {
        self.unit(verb, Some(GitRev::Named { name: name.into(), fetched: false }))
    }

    fn pull(&self) -> Unit {
        self.unit(Verb::Pull, Some(GitRev::Remote { remote: None, branch: None, current: None }))
    }

    fn context(&self, unit: &Unit) -> Context {
        testing::context(self.folder.path(), unit).0
    }

    async fn survey(&self, unit: &Unit) -> Survey {
        GitDriver::default().survey(&self.context(unit), unit).await.unwrap()
    }

    async fn capture(&self, unit: &Unit) -> Result<Capsule, Failure> {
        GitDriver::default().capture(&self.context(unit), unit).await
    }

    async fn apply(&self, unit: &Unit, capsule: &Capsule) -> Result<Done, Failure> {
        GitDriver::default().apply(&self.context(unit), unit, capsule).await
    }

    /// Captured and applied.
    async fn done(&self, unit: &Unit) -> (Capsule, Done) {
        let capsule = self.capture(unit).await.unwrap();
        let done = self.apply(unit, &capsule).await.unwrap();
        (capsule, done)
    }

    async fn undo(&self, unit: &Unit, capsule: &Capsule, done: Option<&Done>) -> Result<Done, Failure> {
        GitDriver::default().undo(&self.context(unit), unit, capsule, done).await
    }

    async fn inspect(&self, unit: &Unit, capsule: &Capsule, way: Way) -> Found {
        GitDriver::default().inspect(&self.context(unit), unit, capsule, way).await
    }

    /// Why it is not begun: said by the preview and by the try, and nothing was changed.
    async fn refused(&self, unit: &Unit) -> Failure {
        let before = self.state();
        let survey = self.survey(unit).await;
        let failure = match self.capture(unit).await {
            Ok(capsule) => self.apply(unit, &capsule).await.unwrap_err(),
            Err(failure) => failure,
        };
        assert_eq!((failure.effect, self.state()), (Effect::None, before), "{failure:?}");
        assert!(survey.problems.contains(&failure.message), "{survey:?}\n{failure:?}");
        failure
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_is_shown_done_and_taken_back() {
    let world = World::new();
    let before = world.state();
    world.push(&[("a.txt", "two\n")], &[]);
    let tip = world.push(&[("dir/c.txt", "c\n")], &["gone/b.txt"]);
    let objects = git(&world.app(), &["count-objects", "-v"]);
    let unit = world.pull();
    let survey = world.survey(&unit).await;
    let wanted = format!("-> main at {}: 2 commits, 3 files", &tip[..12]);
    assert!(survey.effects[0].contains(&wanted) && survey.effects[1].contains("修复 c"), "{survey:?}");
    assert_eq!(survey.problems, [""; 0]);
    assert_eq!(git(&world.app(), &["count-objects", "-v"]), objects, "a preview leaves nothing behind");

    let (capsule, done) = world.done(&unit).await;
    assert_eq!((done.changed, &done.facts["commit"]), (true, &serde_json::json!(tip)), "{done:?}");
    assert_eq!(git(&world.app(), &["rev-parse", "main"]), tip);
    assert!(world.app().join("dir/c.txt").exists() && !world.app().join("gone").exists());
    assert!(matches!(world.inspect(&unit, &capsule, Way::Forward).await, Found::Applied(_)));
    assert_eq!(world.inspect(&unit, &capsule, Way::Undo).await, Found::NotApplied);
    let (_, again) = world.done(&unit).await;
    assert!(!again.changed, "{again:?}");
    world.undo(&unit, &capsule, Some(&done)).await.unwrap();
    assert_eq!(world.state(), before);
    assert!(!world.app().join("dir").exists() && world.app().join("gone/b.txt").exists());
    assert!(matches!(world.inspect(&unit, &capsule, Way::Undo).await, Found::Applied(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_changed_is_not_touched() {
    let world = World::new();
    world.push(&[("a.txt", "two\n"), ("new/x.txt", "x\n"), (".gitignore", "*.env\n")], &[]);
    let app = world.app();
    git(&app, &["pull", "-q"]);
    world.push(&[("new/y.txt", "y\n"), ("z", "z\n")], &[]);
    git(&world.work(), &["add", "-f", "."]);
    fs::write(world.work().join("prod.env"), "theirs\n").unwrap();
    git(&world.work(), &["add", "-f", "prod.env"]);
    world.push(&[("a.txt", "three\n")], &[]);
    let unit = world.pull();

    fs::write(app.join("a.txt"), "by hand\n").unwrap();
    let failure = world.refused(&unit).await;
    assert!(failure.message.contains("files were changed: a.txt"), "{failure:?}");
    assert!(failure.hints.iter().any(|hint| hint.contains("stash")), "{failure:?}");
    git(&app, &["checkout", "-q", "--", "a.txt"]);

    // Untracked: a file, one that is ignored, a folder in place of a file. In place of a folder, too.
    for (path, text) in [("new/y.txt", "mine"), ("prod.env", "SECRET=1"), ("z/mine", "")] {
        fs::create_dir_all(app.join(path).parent().unwrap()).unwrap();
        fs::write(app.join(path), text).unwrap();
        let failure = world.refused(&unit).await;
        assert!(failure.message.contains("would overwrite what git does not keep"), "{failure:?}");
        assert!(failure.message.contains(path), "{failure:?}");
        assert_eq!(fs::read_to_string(app.join(path)).unwrap(), text);
        fs::remove_file(app.join(path)).unwrap();
    }
    fs::remove_dir(app.join("z")).unwrap();

    // A file that git was told to take for unchanged.
    git(&app, &["update-index", "--assume-unchanged", "a.txt"]);
    fs::write(app.join("a.txt"), "hidden\n").unwrap();
    let capsule = world.capture(&unit).await.unwrap();
    let failure = world.apply(&unit, &capsule).await.unwrap_err();
    assert!(failure.message.contains("a.txt") && failure.effect == Effect::None, "{failure:?}");
    git(&app, &["update-index", "--no-assume-unchanged", "a.txt"]);
    git(&app, &["checkout", "-q", "--", "a.txt"]);

    fs::write(app.join(".git/index.lock"), "").unwrap();
    let failure = world.refused(&unit).await;
    assert!(failure.message.contains("index.lock") && failure.hints[0].contains("rm "), "{failure:?}");
    fs::remove_file(app.join(".git/index.lock")).unwrap();

    // A commit of their own: a pull would merge.
    fs::write(app.join("hot.txt"), "fix\n").unwrap();
    git(&app, &["add", "hot.txt"]);
    git(&app, &["commit", "-q", "-m", "hotfix"]);
    let failure = world.refused(&unit).await;
    assert!(failure.message.contains("has 1 commits that main of origin does not have"), "{failure:?}");
    git(&app, &["reset", "-q", "--hard", "HEAD~1"]);
    world.done(&unit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_goes_back_to_the_branch() {
    let world = World::new();
    let app = world.app();
    git(&world.work(), &["tag", "-a", "-m", "first", "v1"]);
    git(&world.work(), &["push", "-q", "origin", "v1"]);
    git(&world.work(), &["checkout", "-q", "-b", "next"]);
    let next = world.push(&[("a.txt", "next\n")], &[]);
    git(&app, &["fetch", "-q"]);
    for (name, head) in [("v1", ""), (&next[..10], ""), ("next", "next"), ("origin/next", "")] {
        let before = world.state();
        let unit = world.named(Verb::Checkout, name);
        let survey = world.survey(&unit).await;
        assert_eq!(survey.problems, [""; 0], "{name}");
        let (capsule, done) = world.done(&unit).await;
        assert_eq!(git(&app, &["branch", "--show-current"]), head, "{name}");
        let undone = world.undo(&unit, &capsule, Some(&done)).await.unwrap();
        assert_eq!(world.state(), before, "{name}: {undone:?}");
    }
    git(&app, &["checkout", "-q", "v1"]);
    let before = world.state();
    let unit = world.named(Verb::Checkout, "main");
    let (capsule, done) = world.done(&unit).await;
    world.undo(&unit, &capsule, Some(&done)).await.unwrap();
    assert_eq!(world.state(), before, "back to no branch");

    let failure = world.capture(&world.named(Verb::Checkout, "a.txt")).await.unwrap_err();
    assert!(failure.message.contains("there is no branch, tag or commit `a.txt`"), "{failure:?}");
    git(&app, &["checkout", "-q", "main"]);
    git(&app, &["commit", "-q", "--allow-empty", "-m", "mine"]);
    let mine = git(&app, &["rev-parse", "HEAD"]);
    git(&app, &["reset", "-q", "--hard", "HEAD~1"]);
    let failure = world.refused(&world.named(Verb::Checkout, &mine)).await;
    assert!(failure.message.contains("is on no remote"), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_does_not_overwrite_what_came_since() {
    let world = World::new();
    let app = world.app();
    world.push(&[("a.txt", "two\n")], &[]);
    let unit = world.pull();
    let (capsule, done) = world.done(&unit).await;
    fs::write(app.join("a.txt"), "since\n").unwrap();
    let failure = world.undo(&unit, &capsule, Some(&done)).await.unwrap_err();
    assert_eq!(failure.effect, Effect::None);
    assert!(failure.message.contains("files were changed: a.txt"), "{failure:?}");
    git(&app, &["commit", "-q", "-a", "-m", "since"]);
    let failure = world.undo(&unit, &capsule, Some(&done)).await.unwrap_err();
    assert!(failure.message.contains("is on main at"), "{failure:?}");
    assert_eq!(fs::read_to_string(app.join("a.txt")).unwrap(), "since\n");
    let Found::Unknown(why) = world.inspect(&unit, &capsule, Way::Forward).await else { panic!("a guess") };
    assert!(why.contains("any more"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_a_reset_leaves_come_back() {
    let world = World::new();
    let app = world.app();
    git(&app, &["commit", "-q", "--allow-empty", "-m", "hotfix"]);
    let before = world.state();
    let unit = world.named(Verb::Reset, "origin/main");
    let survey = world.survey(&unit).await;
    assert!(
        survey.effects.iter().any(|line| line.starts_with("1 commits that are on no remote")),
        "{survey:?}"
    );
    let (capsule, done) = world.done(&unit).await;
    assert!(done.effects[1].contains("refs/windlass/"), "{done:?}");
    git(&app, &["reflog", "expire", "--expire=now", "--all"]);
    git(&app, &["gc", "-q", "--prune=now"]);
    world.undo(&unit, &capsule, Some(&done)).await.unwrap();
    assert_eq!(world.state(), before);
}

/// git is killed anywhere on the way: what is left is told apart from what somebody wrote, and the next try or the way back ends
/// with exactly one of the two commits.
#[tokio::test(flavor = "multi_thread")]
async fn a_git_that_was_killed_is_gone_on_with() {
    let seed = testing::chosen("WINDLASS_GIT_SEED").map_or(1, |seed| seed.parse().unwrap());
    let mut random = Random::new(seed);
    let replay = format!("WINDLASS_GIT_SEED={seed} cargo test --workspace --lib a_git_that_was_killed");
    let (mut amid, mut rounds) = (0, 0);
    while rounds < 10 && (amid < 2 || rounds < 4) {
        rounds += 1;
        let world = World::new();
        let text = |n: usize| format!("{n}\n").repeat(4000);
        let names: Vec<String> = (0..40).map(|n| format!("d{}/f{n}", n % 7)).collect();
        let files = |version: usize, keep: usize| -> Vec<(String, String)> {
            let all = names.iter().enumerate().filter(|(n, _)| n % 3 != keep);
            all.map(|(n, name)| (name.clone(), text(n + version * 1000))).collect()
        };
        let first = files(1, 0);
        world.push(&first.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect::<Vec<_>>(), &[]);
        git(&world.app(), &["pull", "-q"]);
        let before = world.state();
        let second = files(2, 1);
        let gone: Vec<&str> =
            names.iter().enumerate().filter(|(n, _)| n % 3 == 1).map(|(_, name)| name.as_str()).collect();
        let tip =
            world.push(&second.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect::<Vec<_>>(), &gone);
        git(&world.app(), &["fetch", "-q"]);

        // Each file takes a moment.
        fs::write(world.app().join(".git/info/attributes"), "* filter=slow\n").unwrap();
        git(&world.app(), &["config", "filter.slow.smudge", "cat"]);
        let unit = world.pull();
        let capsule = world.capture(&unit).await.unwrap();
        let mut child = Command::new("git")
            .args(["-c", "gc.auto=0", "merge", "--quiet", "--ff-only", &tip])
            .current_dir(world.app())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lock = world.app().join(".git/index.lock");
        testing::until("git works", || lock.exists() || child.try_wait().unwrap().is_some()).await;
        tokio::time::sleep(Duration::from_micros(random.below(60_000) as u64)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let found = world.inspect(&unit, &capsule, Way::Forward).await;
        let is_half =
            matches!(&found, Found::Failed(failure) if failure.retry && failure.effect == Effect::Partial);
        amid += usize::from(is_half);
        assert!(!matches!(found, Found::Unknown(_)), "{replay}: {found:?}");
        if random.below(2) == 0 {
            let cx = Context { attempt: 2, ..world.context(&unit) };
            GitDriver::default().apply(&cx, &unit, &capsule).await.unwrap();
            assert_eq!(git(&world.app(), &["rev-parse", "HEAD"]), tip, "{replay}");
            assert_eq!(git(&world.app(), &["status", "--porcelain"]), "", "{replay}");
        }
        world.undo(&unit, &capsule, None).await.unwrap();
        assert_eq!(world.state(), before, "{replay}: round {rounds}");
        let half = fs::read_dir(world.app().join(".git")).unwrap().flatten();
        assert!(!half.into_iter().any(|entry| entry.file_name().to_string_lossy().ends_with(".lock")));
    }
    assert!(amid > 0, "{replay}: git was never killed on its way");
}

/// The link is cut while git works: it goes on there, and whoever asks afterwards waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_link_does_not_stop_git() {
    let world = World::new();
    let sshd = windlass_lab::Sshd::start(1);
    let tip = world.push(&[("a.txt", "two\n")], &[]);
    let hook = world.app().join(".git/hooks/post-merge");
    fs::write(&hook, "#!/bin/sh\necho >.git/begun\nuntil [ -e .git/go ]; do sleep 0.01; done\n").unwrap();
    fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let unit = Unit { host: sshd.host(1), ..world.pull() };
    let (cx, _) = testing::context_on(&sshd, world.folder.path(), &unit);
    let driver = GitDriver::default();
    let capsule = driver.capture(&cx, &unit).await.unwrap();
    let cut = async {
        testing::until("the hook", || world.app().join(".git/begun").exists()).await;
        sshd.kill();
        sshd.restart();
    };
    let (result, ()) = tokio::join!(driver.apply(&cx, &unit, &capsule), cut);
    assert_eq!(result.unwrap_err().effect, Effect::Unknown);
    let go = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        fs::write(world.app().join(".git/go"), "").unwrap();
    };
    let (found, ()) = tokio::join!(driver.inspect(&cx, &unit, &capsule, Way::Forward), go);
    assert!(matches!(found, Found::Applied(_)), "{found:?}");
    assert_eq!(git(&world.app(), &["rev-parse", "HEAD"]), tip);
}

/// What a killed git left and what somebody wrote since are told apart.
#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_wrote_beside_a_killed_git_stops_everything() {
    let world = World::new();
    let app = world.app();
    world.push(&[("a.txt", "two\n"), ("b.txt", "b\n")], &[]);
    git(&app, &["fetch", "-q"]);
    let unit = world.pull();
    let capsule = world.capture(&unit).await.unwrap();
    fs::write(app.join(".git/index.lock"), "").unwrap();
    fs::write(app.join("a.txt"), "tw").unwrap();
    let found = world.inspect(&unit, &capsule, Way::Forward).await;
    assert!(matches!(found, Found::Failed(_)), "half of it: {found:?}");
    fs::write(app.join("a.txt"), "mine\n").unwrap();
    let Found::Unknown(why) = world.inspect(&unit, &capsule, Way::Forward).await else { panic!("a guess") };
    assert!(why.contains("files were changed: a.txt"), "{why}");
    let cx = Context { attempt: 2, ..world.context(&unit) };
    let failure = GitDriver::default().apply(&cx, &unit, &capsule).await.unwrap_err();
    assert_eq!((failure.effect, app.join(".git/index.lock").exists()), (Effect::None, true));
    assert!(world.undo(&unit, &capsule, None).await.is_err());
    assert_eq!(fs::read_to_string(app.join("a.txt")).unwrap(), "mine\n");

    // Somebody's git works there: its lock is not ours to remove.
    fs::write(app.join("a.txt"), "two\n").unwrap();
    let mut child = Command::new("git")
        .args(["cat-file", "--batch"])
        .current_dir(&app)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let failure = GitDriver::default().apply(&cx, &unit, &capsule).await.unwrap_err();
    assert!(
        failure.message.contains("index.lock") && failure.message.contains(&child.id().to_string()),
        "{failure:?}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    GitDriver::default().apply(&cx, &unit, &capsule).await.unwrap();
    assert_eq!(git(&app, &["status", "--porcelain"]), "");
}

/// Of new files nothing shows in the index of a git that was killed.
#[tokio::test(flavor = "multi_thread")]
async fn new_files_of_a_killed_git_are_no_ones() {
    let world = World::new();
    let (app, before) = (world.app(), world.state());
    world.push(&[("new/x.txt", "x\n"), ("y.txt", "yes\n")], &[]);
    git(&app, &["fetch", "-q"]);
    let unit = world.pull();
    let capsule = world.capture(&unit).await.unwrap();
    let half = |text: &str| {
        fs::create_dir_all(app.join("new")).unwrap();
        fs::write(app.join("new/x.txt"), text).unwrap();
        fs::write(app.join("y.txt"), "ye").unwrap();
    };
    half("mine\n");
    assert_eq!(world.inspect(&unit, &capsule, Way::Forward).await, Found::NotApplied);
    let failure = world.apply(&unit, &capsule).await.unwrap_err();
    assert!(failure.message.contains("new/x.txt") && failure.effect == Effect::None, "{failure:?}");
    half("x\n");
    let found = world.inspect(&unit, &capsule, Way::Forward).await;
    assert!(matches!(&found, Found::Failed(failure) if failure.retry), "{found:?}");
    world.undo(&unit, &capsule, None).await.unwrap();
    assert_eq!((world.state(), app.join("new").exists()), (before, false));
    half("x\n");
    let cx = Context { attempt: 2, ..world.context(&unit) };
    GitDriver::default().apply(&cx, &unit, &capsule).await.unwrap();
    assert_eq!(git(&app, &["status", "--porcelain"]), "");
    assert_eq!(fs::read_to_string(app.join("y.txt")).unwrap(), "yes\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn submodules_come_and_go() {
    let world = World::new();
    let (base, app) = (world.folder.path(), world.app());
    git(base, &["init", "-q", "--bare", "-b", "main", "lib"]);
    git(base, &["clone", "-q", "lib", "libwork"]);
    let lib = base.join("libwork");
    git(&lib, &["checkout", "-q", "-b", "main"]);
    git(&lib, &["commit", "-q", "--allow-empty", "-m", "1"]);
    git(&lib, &["push", "-q", "origin", "main"]);
    git(&world.work(), &["submodule", "--quiet", "add", base.join("lib").to_str().unwrap(), "sub"]);
    world.push(&[("a.txt", "with\n")], &[]);
    git(&app, &["pull", "-q"]);
    git(&app, &["config", "protocol.file.allow", "always"]);
    let mut unit = world.unit(Verb::Submodules, None);
    let Action::Git(line) = &mut unit.action else { panic!() };
    line.words = vec!["--init".into()];
    let survey = world.survey(&unit).await;
    assert!(survey.effects[0].ends_with("submodule sub: not there"), "{survey:?}");
    let status = || git(&app, &["submodule", "status"]);
    let before = status();
    // git asks for it in the command's own environment: files of this machine are not fetched from otherwise.
    let capsule = world.capture(&unit).await.unwrap();
    git(&app, &["submodule", "--quiet", "update", "--init"]);
    let Found::Applied(done) = world.inspect(&unit, &capsule, Way::Forward).await else { panic!("not seen") };
    assert!(done.effects[0].contains("submodule sub: not there -> "), "{done:?}");
    fs::write(app.join("sub/own"), "").unwrap();
    git(&app.join("sub"), &["add", "own"]);
    let failure = world.undo(&unit, &capsule, None).await.unwrap_err();
    assert!(failure.message.contains("files were changed in submodules: sub"), "{failure:?}");
    git(&app.join("sub"), &["reset", "-q", "--hard"]);
    world.undo(&unit, &capsule, None).await.unwrap();
    assert_eq!(status(), before);
    assert!(matches!(world.inspect(&unit, &capsule, Way::Undo).await, Found::Applied(_)));
}

/// What is pushed between two hosts does not make two versions.
#[tokio::test(flavor = "multi_thread")]
async fn all_hosts_get_the_commit_of_the_first() {
    let world = World::new();
    let sshd = windlass_lab::Sshd::start(1);
    let tip = world.push(&[("a.txt", "two\n")], &[]);
    let on = |unit: Unit| Unit { host: sshd.host(1), ..unit };
    let (mut pin, pull) = (on(world.pull()), on(world.pull()));
    pin.id.0 = "pin-app/1".into();
    let Action::Git(line) = &mut pin.action else { panic!() };
    line.verb = Verb::Pin;
    let (cx, _) = testing::context_on(&sshd, world.folder.path(), &pull);
    let mut plan = testing::plan(&[pin.clone(), pull.clone()], &[("app", cx.plan.targets["app"].clone())]);
    plan.steps.iter_mut().for_each(|step| step.on = "app".into());
    let mut cx = Context { plan: Arc::new(plan), ..cx };
    let driver = GitDriver::default();
    let found = driver.apply(&cx, &pin, &Capsule::default()).await.unwrap();
    cx.facts = Arc::new([(pin.id.clone(), found.facts)].into_iter().collect());
    world.push(&[("a.txt", "three\n")], &[]);
    let capsule = driver.capture(&cx, &pull).await.unwrap();
    let done = driver.apply(&cx, &pull, &capsule).await.unwrap();
    assert!(done.effects[0].contains("app on 127.0.0.1: main at"), "{done:?}");
    assert_eq!(git(&world.app(), &["rev-parse", "HEAD"]), tip);
    // A history that was written anew does not hold it any more.
    git(&world.app(), &["reset", "-q", "--hard", "HEAD~1"]);
    git(&world.work(), &["commit", "-q", "--amend", "--allow-empty", "-m", "x"]);
    git(&world.work(), &["push", "-q", "--force", "origin", "HEAD~1:main"]);
    let survey = driver.survey(&cx, &pull).await.unwrap();
    assert!(survey.effects.is_empty() || survey.problems.is_empty(), "{survey:?}");
}
