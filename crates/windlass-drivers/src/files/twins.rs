//! The real `cp`, `mv`, `rm` and `mkdir` beside the driver, on twin trees made by seed: same result, or a refusal; then every
//! change is taken back. The same with a controller that dies at the Nth file system call.

use super::*;
use crate::testing::{Random, context, unit};
use std::{
    collections::BTreeMap,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::PathBuf,
    process::Command,
    sync::{Arc, atomic::AtomicI64},
};
use windlass_driver::Effect;

const CASES: u64 = 1000;

/// What the driver may refuse although the command would do it.
pub(super) const REFUSALS: [&str; 6] = [
    "(hard links)",
    "a link that leads nowhere",
    "does not name a file or folder by its own name",
    "take the last `/` away",
    "over the folder",
    "could not be written to as a copy",
];

pub(super) type Snapshot = BTreeMap<PathBuf, (String, u32, Vec<u8>)>;

/// Kind, mode and content or link target of everything below `root`.
pub(super) fn snapshot(root: &Path) -> Snapshot {
    let mut all = Snapshot::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let mode = meta.permissions().mode() & 0o7777;
        let name = path.strip_prefix(root).unwrap().to_owned();
        if meta.is_symlink() {
            let target = fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes();
            all.insert(name, ("link".into(), 0, target));
        } else if meta.is_dir() {
            all.insert(name, ("folder".into(), mode, vec![]));
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            all.insert(name, ("file".into(), mode, fs::read(&path).unwrap()));
        }
    }
    all
}

fn grow(random: &mut Random, folder: &Path, depth: usize) {
    for name in ["a", "b", "c", "d"] {
        let path = folder.join(name);
        let mode = [0o644, 0o600, 0o755, 0o664][random.below(4)];
        match random.below(9) {
            0..=2 => {
                fs::write(&path, format!("{} {name}\n", random.below(3))).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
            3..=6 if depth > 0 => {
                fs::create_dir(&path).unwrap();
                grow(random, &path, depth - 1);
                fs::set_permissions(&path, fs::Permissions::from_mode(mode | 0o700)).unwrap();
            }
            7 => symlink(["a", "b/c", "../a", "nowhere"][random.below(4)], &path).unwrap(),
            _ => {}
        }
    }
}

/// A path: mostly one of those that are there.
fn operand(random: &mut Random, there: &[String]) -> String {
    if random.below(3) > 0 {
        return there[random.below(there.len())].clone();
    }
    let names = ["a", "b", "c", "d"];
    let mut path = names[random.below(4)].to_owned();
    while random.below(2) == 0 && path.len() < 6 {
        path = format!("{path}/{}", names[random.below(4)]);
    }
    match random.below(12) {
        0 => path + "/",
        1 => path + "/new",
        2 => "new".to_owned(),
        _ => path,
    }
}

/// A command as words, and as an action.
fn command(random: &mut Random, there: &[String]) -> (Vec<String>, Action) {
    let (from, to) = (operand(random, there), operand(random, there));
    let choice = random.below(5);
    let mut flag = |out: &mut Vec<String>, text: &str| {
        let set = random.below(2) == 0;
        if set {
            out.push(text.to_owned());
        }
        set
    };
    let mut words = vec![];
    let dir = None;
    let (action, operands) = match choice {
        0 | 1 => {
            words.push("cp".to_owned());
            let (recursive, preserve) = (flag(&mut words, "-r"), flag(&mut words, "-p"));
            let action = Action::Copy { from: from.clone(), to: to.clone(), dir, recursive, preserve };
            (action, vec![from, to])
        }
        2 => {
            words.push("mv".to_owned());
            (Action::Move { from: from.clone(), to: to.clone(), dir }, vec![from, to])
        }
        3 => {
            words.push("rm".to_owned());
            let (recursive, force) = (flag(&mut words, "-r"), flag(&mut words, "-f"));
            (Action::Remove { path: from.clone(), dir, recursive, force }, vec![from])
        }
        _ => {
            words.push("mkdir".to_owned());
            let parents = flag(&mut words, "-p");
            (Action::MakeDir { path: to.clone(), dir, parents }, vec![to])
        }
    };
    words.extend(operands);
    (words, action)
}

/// Twin trees of a seed; the second is for the real command.
pub(super) struct Twins {
    _keep: Vec<tempfile::TempDir>,
    pub(super) ours: PathBuf,
    pub(super) theirs: PathBuf,
    work: PathBuf,
    pub(super) words: Vec<String>,
    pub(super) unit: Unit,
}

impl Twins {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let keep = vec![crate::testing::folder(), tempfile::tempdir().unwrap()];
        let (ours, theirs) = (keep[0].path().join("ours"), keep[0].path().join("theirs"));
        for twin in [&ours, &theirs] {
            fs::create_dir(twin).unwrap();
            grow(&mut Random::new(seed + 1_000_000), twin, 2);
        }
        // The workspace on another disk, now and then.
        let work = keep[usize::from(seed.is_multiple_of(5))].path().join("work");
        let there: Vec<String> = snapshot(&ours)
            .keys()
            .map(|path| path.to_str().unwrap().to_owned())
            .filter(|path| !path.is_empty())
            .collect();
        let there = if there.is_empty() { vec!["a".to_owned()] } else { there };
        let (words, action) = command(&mut random, &there);
        Self { _keep: keep, ours, theirs, work, words, unit: unit("f/1", action) }
    }

    fn cx(&self) -> Context {
        let cx = context(&self.ours, &self.unit).0;
        Context { base: self.ours.clone(), workspace: self.work.join("f").join("1"), ..cx }
    }

    /// Whether the real command succeeds.
    pub(super) fn really(&self) -> bool {
        let status = Command::new(&self.words[0])
            .args(&self.words[1..])
            .current_dir(&self.theirs)
            .stdin(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status();
        status.unwrap().success()
    }
}

#[tokio::test]
async fn same_as_the_real_commands_and_back() {
    let (mut done, mut failed, mut refused) = (0, 0, 0);
    for seed in 0..CASES {
        let twins = Twins::new(seed);
        let (cx, driver, start) = (twins.cx(), FilesDriver::default(), snapshot(&twins.ours));
        let place = format!("seed {seed}: {:?}", twins.words);
        assert_eq!(start, snapshot(&twins.theirs), "{place}");
        let really = twins.really();
        let capsule = match driver.capture(&cx, &twins.unit).await {
            Ok(capsule) => capsule,
            Err(failure) => {
                assert_eq!(failure.effect, Effect::None, "{place}");
                assert_eq!(snapshot(&twins.ours), start, "{place}");
                let allowed = REFUSALS.iter().any(|text| failure.message.contains(text));
                assert!(!really || allowed, "{place}: the command does it: {}", failure.message);
                *(if really { &mut refused } else { &mut failed }) += 1;
                continue;
            }
        };
        assert!(really, "{place}: the command refuses it: {start:?}");
        let before = driver.inspect(&cx, &twins.unit, &capsule, Way::Forward).await;
        let report =
            driver.apply(&cx, &twins.unit, &capsule).await.unwrap_or_else(|why| panic!("{place}: {why:?}"));
        let after = snapshot(&twins.ours);
        assert_eq!(after, snapshot(&twins.theirs), "{place}");
        assert_eq!(report.changed, after != start, "{place}");
        assert_eq!(matches!(before, Found::NotApplied), report.changed, "{place}: {before:?}");
        assert!(
            matches!(driver.inspect(&cx, &twins.unit, &capsule, Way::Forward).await, Found::Applied(_)),
            "{place}"
        );
        let again = driver.apply(&cx, &twins.unit, &capsule).await.unwrap();
        assert!(!again.changed, "{place}: done twice");
        let undone = driver
            .undo(&cx, &twins.unit, &capsule, None)
            .await
            .unwrap_or_else(|why| panic!("{place}: {why:?}"));
        assert_eq!(undone.changed, report.changed, "{place}");
        assert_eq!(snapshot(&twins.ours), start, "{place}: taken back");
        assert!(
            matches!(driver.inspect(&cx, &twins.unit, &capsule, Way::Undo).await, Found::Applied(_)),
            "{place}"
        );
        assert!(!driver.undo(&cx, &twins.unit, &capsule, None).await.unwrap().changed, "{place}");
        done += 1;
    }
    assert!(
        done > 250 && failed > 50 && refused < CASES / 10,
        "{done} done, {failed} failed, {refused} refused"
    );
}

/// Dies at the Nth call that changes something, on the way there or back, for every N.
#[tokio::test]
async fn a_controller_that_dies_at_any_call_leaves_the_truth() {
    let mut deaths = 0;
    for seed in 0..CASES / 10 {
        let whole = Twins::new(seed);
        let driver = FilesDriver::default();
        let Ok(capsule) = driver.capture(&whole.cx(), &whole.unit).await else { continue };
        driver.apply(&whole.cx(), &whole.unit, &capsule).await.unwrap();
        let wanted = snapshot(&whole.ours);
        for calls in 0.. {
            let twins = Twins::new(seed);
            let (cx, start) = (twins.cx(), snapshot(&twins.ours));
            let place = format!("seed {seed}, dies at call {calls}: {:?}", twins.words);
            let capsule = driver.capture(&cx, &twins.unit).await.unwrap();
            let dying = |calls| {
                let hand = Hand { fuse: Some(Arc::new(AtomicI64::new(calls))) };
                FilesDriver { hand, ..FilesDriver::default() }
            };
            let alive = dying(calls).apply(&cx, &twins.unit, &capsule).await.is_ok();
            let now = tidy(snapshot(&twins.ours));
            match driver.inspect(&cx, &twins.unit, &capsule, Way::Forward).await {
                Found::Applied(_) => assert_eq!(now, wanted, "{place}"),
                Found::NotApplied => assert_eq!(now, start, "{place}"),
                Found::Failed(failure) => assert_eq!(failure.effect, Effect::Partial, "{place}"),
                Found::Unknown(words) => panic!("{place}: {words}"),
            }
            if alive {
                // Now the way back dies.
                let back = dying(calls).undo(&cx, &twins.unit, &capsule, None).await.is_ok();
                let found = driver.inspect(&cx, &twins.unit, &capsule, Way::Undo).await;
                assert!(!matches!(found, Found::Unknown(_)), "{place}, back: {found:?}");
                assert!(!back || matches!(found, Found::Applied(_)), "{place}, back: {found:?}");
            }
            deaths += 1;
            driver
                .undo(&cx, &twins.unit, &capsule, None)
                .await
                .unwrap_or_else(|why| panic!("{place}: {why:?}"));
            assert_eq!(snapshot(&twins.ours), start, "{place}: taken back, nothing left over");
            if alive && calls > 12 {
                break;
            }
        }
    }
    assert!(deaths > 500, "{deaths}");
}

/// Without the hidden names that a dead controller leaves until somebody looks.
fn tidy(mut all: Snapshot) -> Snapshot {
    all.retain(|path, _| {
        !path.components().any(|part| part.as_os_str().to_string_lossy().starts_with(".windlass-"))
    });
    all
}
