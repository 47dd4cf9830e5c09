use super::{twins::snapshot, *};
use crate::testing::{SmallDisk, argument, context, controller, unit, wait_until};
use std::{
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::PathBuf,
};
use windlass_driver::Effect;

/// A folder, a unit on it, and the driver.
struct World {
    _keep: tempfile::TempDir,
    folder: PathBuf,
    cx: Context,
    unit: Unit,
    driver: FilesDriver,
}

impl World {
    fn new(action: Action, files: &[(&str, &str)]) -> Self {
        let keep = crate::testing::folder();
        let folder = keep.path().to_owned();
        for (name, content) in files {
            let path = folder.join("srv").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let unit = unit("f/1", action);
        let cx = context(&folder, &unit).0;
        Self { _keep: keep, folder, cx, unit, driver: FilesDriver::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join("srv").join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    async fn capture(&self) -> Result<Capsule, Failure> {
        self.driver.capture(&self.cx, &self.unit).await
    }

    async fn apply(&self, capsule: &Capsule) -> Result<Done, Failure> {
        self.driver.apply(&self.cx, &self.unit, capsule).await
    }

    async fn undo(&self, capsule: &Capsule) -> Result<Done, Failure> {
        self.driver.undo(&self.cx, &self.unit, capsule, None).await
    }

    async fn inspect(&self, capsule: &Capsule, way: Way) -> Found {
        self.driver.inspect(&self.cx, &self.unit, capsule, way).await
    }
}

fn dir() -> Option<String> {
    Some("srv".into())
}

fn bump() -> Action {
    let edit = LineEdit { remove: vec!["v: 1".into()], add: vec!["v: 2".into()], ..LineEdit::default() };
    Action::Patch { file: "c.yml".into(), dir: dir(), edits: vec![edit] }
}

#[tokio::test]
async fn patch_keeps_link_mode_owner_and_attributes() {
    let world = World::new(bump(), &[("real.yml", "# 注释\r\nv: 1\r\nz")]);
    let (link, real) = (world.path("c.yml"), world.path("real.yml"));
    symlink("real.yml", &link).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    let root = rustix::process::geteuid().is_root();
    if root {
        std::os::unix::fs::chown(&real, Some(1234), Some(4321)).unwrap();
    }
    let attribute =
        rustix::fs::setxattr(&real, "user.windlass", b"kept", rustix::fs::XattrFlags::empty()).is_ok();
    let start = snapshot(&world.folder.join("srv"));
    let capsule = world.capture().await.unwrap();
    assert!(world.apply(&capsule).await.unwrap().changed);
    assert_eq!(world.read("real.yml"), "# 注释\r\nv: 2\r\nz");
    assert!(link.is_symlink());
    let meta = real.metadata().unwrap();
    assert_eq!(meta.mode() & 0o7777, 0o640);
    let kept = || {
        let mut value = [0; 16];
        let length = rustix::fs::getxattr(&real, "user.windlass", &mut value[..]).unwrap();
        value[..length].to_vec()
    };
    if root {
        assert_eq!((meta.uid(), meta.gid()), (1234, 4321));
    }
    if attribute {
        assert_eq!(kept(), b"kept");
    }
    assert!(world.undo(&capsule).await.unwrap().changed);
    assert_eq!(snapshot(&world.folder.join("srv")), start);
    if attribute {
        assert_eq!(kept(), b"kept");
    }
    if root {
        assert_eq!((real.metadata().unwrap().uid(), real.metadata().unwrap().gid()), (1234, 4321));
    }
}

#[tokio::test]
async fn patch_that_does_not_fit_changes_nothing_and_says_why() {
    let world = World::new(bump(), &[("c.yml", "v: 1\nv: 1\n")]);
    let failure = world.capture().await.unwrap_err();
    assert_eq!(failure.effect, Effect::None);
    assert!(failure.message.contains("stands 2 times, at lines 1, 2"), "{}", failure.message);
    let survey = world.driver.survey(&world.cx, &world.unit).await.unwrap();
    assert_eq!(survey.problems.len(), 1);
    fs::remove_file(world.path("c.yml")).unwrap();
    assert!(world.capture().await.unwrap_err().message.contains("c.yml"));
}

#[tokio::test]
async fn a_file_changed_after_the_capture_is_not_touched() {
    let world = World::new(bump(), &[("c.yml", "v: 1\n")]);
    let capsule = world.capture().await.unwrap();
    fs::write(world.path("c.yml"), "v: 1\nby hand\n").unwrap();
    let failure = world.apply(&capsule).await.unwrap_err();
    assert_eq!((failure.effect, failure.retry), (Effect::None, true), "a new try captures again");
    let Found::Unknown(words) = world.inspect(&capsule, Way::Forward).await else { panic!() };
    assert!(words.contains("SHA-256") && words.contains("mark done"), "{words}");
    let capsule = world.capture().await.unwrap();
    world.apply(&capsule).await.unwrap();
    assert_eq!(world.read("c.yml"), "v: 2\nby hand\n");
}

#[tokio::test]
async fn undo_never_overwrites_a_newer_edit() {
    let world = World::new(bump(), &[("c.yml", "v: 1\n")]);
    let capsule = world.capture().await.unwrap();
    world.apply(&capsule).await.unwrap();
    fs::write(world.path("c.yml"), "v: 2\nby hand\n").unwrap();
    let failure = world.undo(&capsule).await.unwrap_err();
    assert_eq!((failure.effect, failure.retry), (Effect::None, false));
    for content in ["v: 2\nby hand\n", "v: 2\n"] {
        assert!(failure.message.contains(&disk::sha256(content.as_bytes())), "{}", failure.message);
    }
    assert_eq!(world.read("c.yml"), "v: 2\nby hand\n");
    fs::set_permissions(world.path("c.yml"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(world.path("c.yml"), "v: 2\n").unwrap();
    assert!(world.undo(&capsule).await.is_err(), "a mode is an edit too");
}

#[tokio::test]
async fn what_was_copied_moved_or_removed_and_changed_since_stays() {
    let copy =
        Action::Copy { from: "a".into(), to: "b".into(), dir: dir(), recursive: true, preserve: false };
    let relocate = Action::Move { from: "a".into(), to: "b".into(), dir: dir() };
    let remove = Action::Remove { path: "a".into(), dir: dir(), recursive: true, force: false };
    let make = Action::MakeDir { path: "b/c".into(), dir: dir(), parents: true };
    for (action, stranger) in [(copy, "b/x"), (relocate, "b/x"), (remove, "a/x"), (make, "b/c/x")] {
        let world = World::new(action.clone(), &[("a/f", "1"), ("a/g/h", "2")]);
        let capsule = world.capture().await.unwrap();
        world.apply(&capsule).await.unwrap();
        let new = world.path(stranger);
        fs::create_dir_all(new.parent().unwrap()).unwrap();
        fs::write(&new, "new").unwrap();
        let before = snapshot(&world.folder.join("srv"));
        let failure = world.undo(&capsule).await.unwrap_err();
        assert_eq!(failure.effect, Effect::None, "{action:?}");
        assert_eq!(snapshot(&world.folder.join("srv")), before, "{action:?}: {}", failure.message);
    }
}

#[tokio::test]
async fn moves_and_removes_across_disks() {
    let other = tempfile::tempdir().unwrap();
    let to = other.path().join("moved");
    let action = Action::Move { from: "a".into(), to: to.to_str().unwrap().into(), dir: dir() };
    for over in [false, true] {
        let world = World::new(action.clone(), &[("a", "content")]);
        if over {
            fs::write(&to, "old").unwrap();
        }
        let capsule = world.capture().await.unwrap();
        assert!(world.apply(&capsule).await.unwrap().changed);
        assert_eq!(fs::read_to_string(&to).unwrap(), "content");
        assert!(!world.path("a").exists());
        assert!(matches!(world.inspect(&capsule, Way::Forward).await, Found::Applied(_)));
        world.undo(&capsule).await.unwrap();
        assert_eq!(world.read("a"), "content");
        assert_eq!(fs::read_to_string(&to).ok(), over.then(|| "old".to_owned()));
        assert_eq!(fs::read_dir(other.path()).unwrap().count(), usize::from(over), "nothing left over");
    }
}

#[tokio::test]
async fn refuses_to_remove_what_the_run_needs() {
    for path in ["..", "/", ".", "../.work", "../../x/.."] {
        let remove = Action::Remove { path: path.into(), dir: dir(), recursive: true, force: true };
        let world = World::new(remove, &[("a", "")]);
        fs::create_dir_all(&world.cx.workspace).unwrap();
        assert_eq!(world.capture().await.unwrap_err().effect, Effect::None, "{path}");
    }
}

#[tokio::test]
async fn survey_shows_what_would_happen() {
    let copy =
        Action::Copy { from: "a".into(), to: "b".into(), dir: dir(), recursive: true, preserve: false };
    let world = World::new(copy, &[("a/f", "12"), ("b/a/f", "1")]);
    let survey = world.driver.survey(&world.cx, &world.unit).await.unwrap();
    assert_eq!(survey.problems, [""; 0]);
    assert!(survey.effects[0].ends_with("b/a/f (1 bytes → 2 bytes)"), "{survey:?}");
    let missing = World::new(Action::Move { from: "no".into(), to: "b".into(), dir: dir() }, &[]);
    let survey = missing.driver.survey(&missing.cx, &missing.unit).await.unwrap();
    assert!(survey.problems[0].contains("does not exist"), "{survey:?}");
}

#[tokio::test]
async fn many_entries_stand_in_a_file_that_is_checked() {
    let copy = Action::Copy { from: "a".into(), to: "b".into(), dir: dir(), recursive: true, preserve: true };
    let world = World::new(copy, &[]);
    fs::create_dir_all(world.path("a")).unwrap();
    for number in 0..400 {
        fs::write(world.path(&format!("a/{number}")), "x").unwrap();
    }
    let capsule = world.capture().await.unwrap();
    assert!(capsule.0.to_string().len() < 1000);
    let done = world.apply(&capsule).await.unwrap();
    assert!(done.effects.last().unwrap().contains("more"), "{:?}", done.effects);
    let file = capsule.0["file"].as_str().unwrap();
    let text = fs::read(file).unwrap();
    fs::write(file, "[]").unwrap();
    assert!(world.undo(&capsule).await.unwrap_err().message.contains("was changed"));
    fs::write(file, text).unwrap();
    world.undo(&capsule).await.unwrap();
    assert!(!world.path("b").exists());
}

/// A disk of 1 MiB that is full; only root can mount one.
#[tokio::test]
async fn a_full_disk_is_a_clean_failure() {
    let Some(disk) = SmallDisk::mount("a_full_disk_is_a_clean_failure") else { return };
    let mount = disk.0.path();
    let big = "x".repeat(2 << 20);
    let to = mount.join("b");
    let action = Action::Copy {
        from: "a".into(),
        to: to.to_str().unwrap().into(),
        dir: dir(),
        recursive: false,
        preserve: false,
    };
    let world = World::new(action, &[("a", &big)]);
    fs::write(&to, "old").unwrap();
    let survey = world.driver.survey(&world.cx, &world.unit).await.unwrap();
    let capsule = world.capture().await.unwrap();
    let failure = world.apply(&capsule).await.unwrap_err();
    let (content, count) = (fs::read_to_string(&to).unwrap(), fs::read_dir(mount).unwrap().count());
    assert!(survey.problems.iter().any(|line| line.contains("are needed")), "{survey:?}");
    assert_eq!((failure.effect, failure.retry), (Effect::None, true), "{}", failure.message);
    assert!(failure.hints.iter().any(|hint| hint.contains("full")), "{failure:?}");
    assert_eq!((content.as_str(), count), ("old", 1), "nothing was changed or left over");
}

/// Run by the test below as a process of its own.
#[tokio::test]
async fn controller_process() {
    let Some(folder) = argument() else { return };
    let folder = PathBuf::from(folder);
    let unit = tree_copy();
    let cx = context(&folder, &unit).0;
    let driver = FilesDriver::default();
    let capsule = driver.capture(&cx, &unit).await.unwrap();
    fs::write(folder.join("capsule.tmp"), capsule.0.to_string()).unwrap();
    fs::rename(folder.join("capsule.tmp"), folder.join("capsule")).unwrap();
    driver.apply(&cx, &unit, &capsule).await.unwrap();
    driver.undo(&cx, &unit, &capsule, None).await.unwrap();
    fs::write(folder.join("ended"), "").unwrap();
}

fn tree_copy() -> Unit {
    let action =
        Action::Copy { from: "a".into(), to: "b".into(), dir: dir(), recursive: true, preserve: true };
    unit("f/1", action)
}

#[tokio::test]
async fn a_controller_killed_at_any_moment_leaves_the_truth() {
    for moment in 0..16_u64 {
        let world = World::new(tree_copy().action, &[]);
        fs::create_dir_all(world.path("a")).unwrap();
        fs::create_dir_all(world.path("b/a")).unwrap();
        for number in 0..150 {
            fs::write(world.path(&format!("a/{number}")), number.to_string().repeat(500)).unwrap();
            if number % 3 == 0 {
                fs::write(world.path(&format!("b/a/{number}")), "old").unwrap();
            }
        }
        let start = snapshot(&world.folder.join("srv"));
        let mut child = controller("files::tests::controller_process", world.folder.to_str().unwrap());
        wait_until("the capsule", || world.folder.join("capsule").exists());
        // From the first file on, ever later; the last one may be over before the kill.
        let copied = || {
            let whole = |n: &u64| world.path(&format!("b/a/{n}")).metadata().is_ok_and(|m| m.len() >= 500);
            (0..150).filter(whole).count() as u64
        };
        wait_until("so many files", || copied() >= moment * 10);
        child.kill().unwrap();
        child.wait().unwrap();
        let capsule = fs::read_to_string(world.folder.join("capsule")).unwrap();
        let capsule = Capsule(serde_json::from_str(&capsule).unwrap());
        let there = world.inspect(&capsule, Way::Forward).await;
        let written =
            (0..150).filter(|n| world.path(&format!("b/a/{n}")).metadata().is_ok_and(|m| m.len() >= 500));
        match (there, written.count()) {
            (Found::Applied(_), 150) | (Found::NotApplied, 0) => {}
            (Found::Failed(failure), 1..150) => assert_eq!(failure.effect, Effect::Partial),
            other => panic!("moment {moment}: {other:?}"),
        }
        world.undo(&capsule).await.unwrap();
        assert_eq!(snapshot(&world.folder.join("srv")), start, "moment {moment}");
    }
}

/// A capsule with two changes of one path: the second finds what it neither expected nor wrote.
#[tokio::test]
async fn what_others_wrote_meanwhile_is_neither_skipped_nor_overwritten() {
    let action =
        Action::Copy { from: "a".into(), to: "b".into(), dir: dir(), recursive: false, preserve: false };
    let world = World::new(action, &[("a", "new"), ("b", "old")]);
    let mut capsule = world.capture().await.unwrap();
    let mut second = capsule.0["entries"][0].clone();
    second["after"]["sha256"] = "0".repeat(64).into();
    capsule.0["entries"].as_array_mut().unwrap().push(second);
    let failure = world.apply(&capsule).await.unwrap_err();
    assert_eq!(failure.effect, Effect::Unknown);
    assert!(failure.message.contains("b: changed by others just now"), "{failure:?}");
    assert_eq!(world.read("b"), "new");

    let entries = capsule.0["entries"].as_array_mut().unwrap();
    let (other, after) = (State::Absent, entries[0]["after"].clone());
    entries[1]["after"] = after;
    entries[1]["before"] = serde_json::to_value(other).unwrap();
    entries[1]["how"] =
        json!({ "how": "copy-file", "from": world.path("a"), "preserve": false, "saved": null });
    let failure = world.undo(&capsule).await.unwrap_err();
    assert!(failure.message.contains("b: changed by others just now: nothing"), "{failure:?}");
    assert!(failure.hints.iter().any(|hint| hint.contains("before the unit")), "{failure:?}");
    assert!(!world.path("b").exists());
}
