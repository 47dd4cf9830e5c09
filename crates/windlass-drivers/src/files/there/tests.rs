//! On a real sshd: the same trees and commands as on this machine, and connections and controllers that die.

use super::super::{
    FilesDriver,
    hand::Hand,
    twins::{REFUSALS, Twins, snapshot},
};
use crate::{disk, host::Hosts, testing};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    sync::{Arc, atomic::AtomicI64},
    time::{Duration, Instant},
};
use windlass_driver::{Capsule, Context, Driver as _, Effect, Found};
use windlass_lab::Sshd;
use windlass_plan::{Action, LineEdit, Unit, Way};

/// Trees that are made and changed in an ordinary run.
const SEEDS: u64 = 5;

/// A host, and a folder there.
struct World {
    sshd: Sshd,
    folder: tempfile::TempDir,
    driver: FilesDriver,
}

impl World {
    fn new() -> Self {
        let driver = FilesDriver::new(Hosts::default());
        Self { sshd: Sshd::start(1), folder: testing::folder(), driver }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The unit, on the host, and with paths that start in `dir`.
    fn on_host(&self, mut unit: Unit, folder: &std::path::Path) -> Unit {
        unit.host = self.sshd.host(1);
        if let Action::Patch { dir, .. }
        | Action::Copy { dir, .. }
        | Action::Move { dir, .. }
        | Action::Remove { dir, .. }
        | Action::MakeDir { dir, .. } = &mut unit.action
        {
            *dir = Some(folder.to_str().unwrap().to_owned());
        }
        unit
    }

    fn bump(&self) -> Unit {
        let edit = LineEdit { remove: vec!["v: 1".into()], add: vec!["v: 2".into()], ..LineEdit::default() };
        let action = Action::Patch { file: "c.yml".into(), dir: None, edits: vec![edit] };
        self.on_host(testing::unit("f/1", action), self.folder.path())
    }

    fn cx(&self, unit: &Unit) -> Context {
        testing::context_on(&self.sshd, self.folder.path(), unit).0
    }

    /// One that dies at its Nth call that changes something.
    fn dying(&self, calls: i64) -> FilesDriver {
        let hand = Hand { fuse: Some(Arc::new(AtomicI64::new(calls))) };
        FilesDriver { hand, ..self.driver.clone() }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn same_as_the_real_commands_on_a_host_and_back() {
    let world = World::new();
    let seeds = testing::chosen("WINDLASS_SEEDS").map_or(SEEDS, |seeds| seeds.parse().unwrap());
    let mut done = 0;
    for seed in 0..seeds {
        let twins = Twins::new(seed);
        let (unit, start) = (world.on_host(twins.unit.clone(), &twins.ours), snapshot(&twins.ours));
        // A run of its own: its workspace is.
        let cx = Context { run: format!("20260102-030405-{seed:04}"), ..world.cx(&unit) };
        let place = format!("seed {seed} of WINDLASS_SEEDS: {:?}", twins.words);
        let really = twins.really();
        let capsule = match world.driver.capture(&cx, &unit).await {
            Ok(capsule) => capsule,
            Err(failure) => {
                assert_eq!(snapshot(&twins.ours), start, "{place}");
                let allowed = REFUSALS.iter().any(|text| failure.message.contains(text));
                assert!(!really || allowed, "{place}: the command does it: {}", failure.message);
                continue;
            }
        };
        assert!(really, "{place}: the command refuses it");
        let report =
            world.driver.apply(&cx, &unit, &capsule).await.unwrap_or_else(|why| panic!("{place}: {why:?}"));
        let after = snapshot(&twins.ours);
        assert_eq!(after, snapshot(&twins.theirs), "{place}");
        assert_eq!(report.changed, after != start, "{place}");
        let found = world.driver.inspect(&cx, &unit, &capsule, Way::Forward).await;
        assert!(matches!(found, Found::Applied(_)), "{place}: {found:?}");
        let undone = world.driver.undo(&cx, &unit, &capsule, None).await;
        undone.unwrap_or_else(|why| panic!("{place}: {why:?}"));
        assert_eq!(snapshot(&twins.ours), start, "{place}: taken back");
        done += 1;
    }
    assert!(done > 0, "{done} done");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_keeps_owner_and_mode_and_never_what_others_wrote() {
    let world = World::new();
    let (unit, file) = (world.bump(), world.path("c.yml"));
    let cx = world.cx(&unit);
    fs::write(&file, "v: 1\nkeep").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let survey = world.driver.survey(&cx, &unit).await.unwrap();
    assert_eq!(survey.problems, [""; 0]);
    assert!(survey.effects[0].starts_with("edits /"), "{survey:?}");
    assert!(!world.sshd.state().exists(), "a survey leaves nothing behind");
    let capsule = world.driver.capture(&cx, &unit).await.unwrap();
    fs::write(&file, "v: 1\nby hand").unwrap();
    let failure = world.driver.apply(&cx, &unit, &capsule).await.unwrap_err();
    assert_eq!((failure.effect, failure.retry), (Effect::None, true));

    let capsule = world.driver.capture(&cx, &unit).await.unwrap();
    world.driver.apply(&cx, &unit, &capsule).await.unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "v: 2\nby hand");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o640);
    fs::write(&file, "v: 2\ntheirs").unwrap();
    let failure = world.driver.undo(&cx, &unit, &capsule, None).await.unwrap_err();
    assert!(failure.message.contains(&disk::sha256(b"v: 2\ntheirs")), "{failure:?}");
    assert!(failure.hints.iter().any(|hint| hint.contains("127.0.0.1:/")), "{failure:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "v: 2\ntheirs");
    fs::write(&file, "v: 2\nby hand").unwrap();
    world.driver.undo(&cx, &unit, &capsule, None).await.unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "v: 1\nby hand");
}

/// At every call that changes something, on the way there and back.
#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_dies_at_any_call_leaves_the_truth_on_a_host() {
    let world = World::new();
    let unit = world.bump();
    let cx = world.cx(&unit);
    let read = || fs::read_to_string(world.path("c.yml")).unwrap();
    let mut alive = false;
    for calls in 0..20 {
        fs::write(world.path("c.yml"), "v: 1\n").unwrap();
        let capsule = world.driver.capture(&cx, &unit).await.unwrap();
        alive = world.dying(calls).apply(&cx, &unit, &capsule).await.is_ok();
        match world.driver.inspect(&cx, &unit, &capsule, Way::Forward).await {
            Found::Applied(_) => assert_eq!(read(), "v: 2\n", "call {calls}"),
            Found::NotApplied => assert_eq!(read(), "v: 1\n", "call {calls}"),
            other => panic!("call {calls}: {other:?}"),
        }
        if calls == 3 {
            drop(world.dying(2).undo(&cx, &unit, &capsule, None).await);
        }
        world.driver.undo(&cx, &unit, &capsule, None).await.unwrap();
        assert_eq!(read(), "v: 1\n", "call {calls}");
        if alive {
            break;
        }
    }
    assert!(alive, "it needs fewer calls");
    let names = fs::read_dir(world.folder.path()).unwrap().count();
    assert_eq!(names, 1, "nothing is left over");
}

/// The copy of a large file is cut off; it goes on there, and whoever looks next waits for its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_leaves_what_it_was_told_or_nothing() {
    let world = World::new();
    let action =
        Action::Copy { from: "big".into(), to: "copy".into(), dir: None, recursive: false, preserve: false };
    let unit = world.on_host(testing::unit("f/1", action), world.folder.path());
    fs::write(world.path("big"), vec![7; 16 << 20]).unwrap();
    let cx = world.cx(&unit);
    let capsule = world.driver.capture(&cx, &unit).await.unwrap();
    let new = super::beside(&world.path("copy"), "new");
    let cut = async {
        let begun = Instant::now();
        while !new.exists() && !world.path("copy").exists() {
            assert!(begun.elapsed() < Duration::from_secs(60), "it never began");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        world.sshd.kill();
        world.sshd.restart();
    };
    let (result, ()) = tokio::join!(world.driver.apply(&cx, &unit, &capsule), cut);
    let inspected = world.driver.inspect(&cx, &unit, &Capsule(capsule.0.clone()), Way::Forward).await;
    let whole = fs::read(world.path("copy")).is_ok_and(|copy| copy == vec![7; 16 << 20]);
    match inspected {
        Found::Applied(_) => assert!(whole, "{result:?}"),
        Found::NotApplied => assert!(!world.path("copy").exists(), "{result:?}"),
        other => panic!("{other:?} after {result:?}"),
    }
    world.driver.undo(&cx, &unit, &capsule, None).await.unwrap();
    assert!(!world.path("copy").exists() && !new.exists());
}

/// The script, on this machine, with a tool that is another.
#[tokio::test]
async fn a_full_disk_or_an_owner_that_is_lost_is_an_error() {
    let folder = testing::folder();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::create_dir_all(path("tree/in")).unwrap();
    fs::create_dir(path("bin")).unwrap();
    let run = async |tool: &str, text: &str, operation: &str, arguments: &[&str]| {
        let file = path(&format!("bin/{tool}"));
        fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let program = super::program(operation, &path("work"), arguments)
            .env("PATH", format!("{}:/usr/bin:/bin", path("bin")));
        let answer = super::Place::here().run(&program).await.unwrap();
        fs::remove_file(file).unwrap();
        answer
    };
    let full = format!("ln -s /dev/full {0} && echo {0}", path("full"));
    let answer = run("mktemp", &full, "state", &[&path("tree"), "whole"]).await;
    assert_eq!(answer.status, 1, "{answer:?}");
    assert!(answer.complaint().contains("No space left on device"), "{answer:?}");
    let answer = run("true", "", "copy_whole", &[&path("tree"), &path("copy")]).await;
    assert!(answer.is_ok(), "{answer:?}");
    if rustix::process::geteuid().is_root() {
        let other = format!("/bin/cp \"$@\" && chown 1234 {}", path("other/in"));
        let answer = run("cp", &other, "copy_whole", &[&path("tree"), &path("other")]).await;
        assert!(answer.complaint().starts_with("cannot keep the owners of"), "{answer:?}");
        assert!(!std::path::Path::new(&path("other")).exists());
    }
}
