//! The same on this machine and on a real sshd, whose connections are cut.

use super::*;
use crate::{
    disk,
    testing::{self, until},
};
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Instant};
use windlass_driver::Effect;
use windlass_lab::Sshd;

/// Both kinds of place, and a folder of the test's own.
struct World {
    sshd: Sshd,
    folder: tempfile::TempDir,
    hosts: Hosts,
}

impl World {
    fn new() -> Self {
        Self { sshd: Sshd::start(1), folder: testing::folder(), hosts: Hosts::default() }
    }

    fn there(&self) -> Place {
        let host = Host { name: self.sshd.host(1), config: Some(self.sshd.config()) };
        Place(Where::There(self.hosts.clone(), host))
    }

    fn places(&self) -> [Place; 2] {
        [Place::here(), self.there()]
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Names in the folder.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn sum(text: &str) -> Expected {
    Expected::Sha256(disk::sha256(text.as_bytes()))
}

fn bytes(text: &str) -> Input {
    Input::Bytes(text.as_bytes().to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_has_its_words_its_input_and_its_two_streams() {
    let world = World::new();
    let odd = "it's $HOME `id` \\ \"q\"\n名字 *";
    let script = "printf '%s|' \"$@\" \"$SECRET\"; pwd; cat; echo no >&2; printf end; exit 7";
    for place in world.places() {
        let program = Program::new(["sh", "-c", script, "x", odd, "", "-n"])
            .dir(Some(world.path("")))
            .env("SECRET", "a'b\nc")
            .input(Input::Bytes(b"in\0put\n".to_vec()));
        let answer = place.run(&program).await.unwrap();
        let folder = world.path("");
        let wanted = format!("{odd}||-n|a'b\nc|{}\nin\0put\nend", folder.trim_end_matches('/'));
        assert_eq!(String::from_utf8_lossy(&answer.stdout), wanted, "{place:?}");
        assert_eq!((answer.status, &answer.stderr[..], answer.cut), (7, &b"no\n"[..], false), "{place:?}");
        assert_eq!(answer.complaint(), "no");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn held_input_is_open_until_the_program_ends() {
    let world = World::new();
    for place in world.places() {
        let reads = |script: &str| {
            let input = Input::Bytes(b"line\n".to_vec());
            Program::new(["sh", "-c", script]).input(input).limit(Duration::from_secs(1)).reads()
        };
        let ends = reads("read -r a; echo $a").limit(Duration::from_secs(60)).held();
        assert_eq!(place.run(&ends).await.unwrap().text(), "line", "{place:?}");
        assert_eq!(place.run(&reads("cat").limit(Duration::from_secs(60))).await.unwrap().text(), "line");
        let waits = place.run(&reads("exec cat").held()).await.unwrap_err();
        assert!(waits.message.contains("did not end within 1 s"), "{place:?}: {waits:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_is_not() {
    let world = World::new();
    for place in world.places() {
        let answer = place.run(&Program::new(["no-such-program", "x"])).await.unwrap();
        assert_eq!((answer.status, answer.complaint().as_str()), (127, "no-such-program: not found"));
        let nowhere = place.run(&Program::new(["true"]).dir(Some("/no/such"))).await.unwrap_err();
        assert_eq!(nowhere.effect, Effect::None);
        let said = format!("`true` was not started on {}: the working folder /no/such", place.name());
        assert!(nowhere.message.starts_with(&said), "{nowhere:?}");
        let answer = place.run(&Program::new(["sh", "-c", "kill -9 $$"])).await.unwrap();
        assert_eq!(answer.status, 137);
        let long = Program::new(["head", "-c", "5000000", "/dev/zero"]).bytes_max(1000);
        let answer = place.run(&long).await.unwrap();
        assert_eq!((answer.status, answer.stdout.len(), answer.cut), (0, 1000, true), "{place:?}");
        // What it leaves behind does not keep the answer.
        let begun = Instant::now();
        let answer = place.run(&Program::new(["sh", "-c", "sleep 20 & echo left"])).await.unwrap();
        assert_eq!(answer.text(), "left");
        assert!(begun.elapsed() < Duration::from_secs(15), "{place:?}: {:?}", begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_takes_too_long_is_stopped_with_its_children() {
    let world = World::new();
    for place in world.places() {
        let pids = world.path(&format!("pids.{}", place.is_here()));
        let script = format!("sleep 1000 & echo $! >>{pids}; echo $$ >>{pids}; wait");
        let program = Program::new(["sh", "-c", &script]).limit(Duration::from_secs(1));
        let failure = place.run(&program).await.unwrap_err();
        assert_eq!(failure.effect, Effect::Partial, "{failure:?}");
        let said = format!("on {} did not end within 1 s and was stopped", place.name());
        assert!(failure.message.ends_with(&said), "{failure:?}");
        for pid in fs::read_to_string(&pids).unwrap().lines() {
            let ended = || {
                let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                stat.is_empty() || stat.contains(") Z ")
            };
            until("its end", ended).await;
        }
    }
    let reading = Program::new(["sleep", "1000"]).limit(Duration::from_millis(50)).reads();
    let failure = Place::here().run(&reading).await.unwrap_err();
    assert_eq!((failure.effect, failure.retry), (Effect::None, true), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_says_what_is_certain() {
    let world = World::new();
    let place = world.there();
    assert!(place.run(&Program::new(["true"])).await.unwrap().is_ok());
    world.sshd.kill();
    let failure = place.run(&Program::new(["touch", &world.path("a")])).await.unwrap_err();
    assert_eq!((failure.effect, failure.retry), (Effect::None, true), "{failure:?}");
    assert!(failure.message.starts_with("no connection to 127.0.0.1"), "{failure:?}");
    world.sshd.restart();
    assert!(place.run(&Program::new(["true"])).await.unwrap().is_ok(), "connected anew");

    let script =
        format!("echo >>{}; until [ -e {} ]; do sleep 0.01; done", world.path("b"), world.path("go"));
    let program = Program::new(["sh", "-c", &script]);
    let cut = async {
        until("its start", || Path::new(&world.path("b")).exists()).await;
        world.sshd.kill();
    };
    let (result, ()) = tokio::join!(place.run(&program), cut);
    let failure = result.unwrap_err();
    assert_eq!(failure.effect, Effect::Unknown, "{failure:?}");
    assert!(failure.message.contains("the connection to 127.0.0.1 broke while `sh -c"), "{failure:?}");
    assert!(failure.hints[0].contains("60 s at most"), "{failure:?}");

    // What only reads is asked for again.
    world.sshd.restart();
    fs::remove_file(world.path("b")).unwrap();
    let cut = async {
        until("its start", || Path::new(&world.path("b")).exists()).await;
        world.sshd.kill();
        world.sshd.restart();
        fs::write(world.path("go"), "").unwrap();
    };
    let reading = program.reads();
    let (result, ()) = tokio::join!(place.run(&reading), cut);
    assert!(result.unwrap().is_ok());
    assert_eq!(fs::read_to_string(world.path("b")).unwrap(), "\n\n", "asked twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_read_written_and_removed() {
    let world = World::new();
    for place in world.places() {
        let path = world.path("it's a 名字");
        assert_eq!(place.look(&path).await.unwrap(), None);
        assert_eq!(place.read(&path, 10).await.unwrap(), None);
        place.write(&path, bytes("one\n"), 0o640, &Expected::Nothing).await.unwrap();
        let content = place.read(&path, 10).await.unwrap().unwrap();
        assert_eq!(
            (content.standing.mode, content.standing.bytes, &content.bytes[..]),
            (0o640, 4, &b"one\n"[..])
        );
        assert_eq!(content.standing.path, path);

        // Owner and mode stay, through a link; nothing else is touched.
        let link = world.path("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o4751)).unwrap();
        let root = rustix::process::geteuid().is_root();
        if root {
            std::os::unix::fs::chown(&path, Some(1234), Some(4321)).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o4751)).unwrap();
        }
        let before = place.look(&link).await.unwrap().unwrap();
        place.write(&link, bytes("two\0"), 0o600, &sum("one\n")).await.unwrap();
        let after = place.look(&path).await.unwrap().unwrap();
        assert_eq!(after.sha256, disk::sha256(b"two\0"));
        assert_eq!((after.mode, after.uid, after.gid), (before.mode, before.uid, before.gid));
        assert!(!root || (after.uid, after.gid) == (1234, 4321));
        assert!(Path::new(&link).is_symlink());

        assert_eq!(place.list(&world.path("")).await.unwrap().unwrap(), ["it's a 名字", "link"]);
        assert_eq!(place.list(&world.path("none")).await.unwrap(), None);
        place.remove(&path, &sum("two\0")).await.unwrap();
        fs::remove_file(&link).unwrap();
        assert_eq!(world.names(), [""; 0], "nothing is left over");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_wrote_stays() {
    let world = World::new();
    for place in world.places() {
        let path = world.path("file");
        fs::write(&path, "theirs").unwrap();
        for expected in [Expected::Nothing, sum("mine")] {
            let failure = place.write(&path, bytes("new"), 0o644, &expected).await.unwrap_err();
            assert_eq!((failure.effect, failure.retry), (Effect::None, false));
            assert!(failure.message.contains("was changed by others"), "{failure:?}");
            assert!(place.remove(&path, &expected).await.is_err());
        }
        let folder = world.path("");
        let failure = place.write(&folder, bytes("new"), 0o644, &Expected::Nothing).await.unwrap_err();
        assert!(failure.message.contains("is no regular file"), "{failure:?}");
        let failure = place.read(&path, 3).await.unwrap_err();
        assert!(failure.message.ends_with("has 6 bytes; more than 3 bytes are not read"), "{failure:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
        assert_eq!(world.names(), ["file"], "nothing is left over");
    }
}

/// Many MB there and back, and a connection that is cut in the middle of a write: the old file stays whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_in_the_middle_of_a_write_leaves_the_old_file() {
    let world = World::new();
    let place = world.there();
    let (big, back) = (world.folder.path().join("big"), world.folder.path().join("back"));
    let text: String = (0..3_000_000).map(|number| format!("{number:07}\n")).collect();
    fs::write(&big, &text).unwrap();
    let path = world.path("file");
    fs::write(&path, "old").unwrap();

    // It reads a pipe of which the rest never comes.
    let pipe = world.folder.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .unwrap();
    let half = text.as_bytes()[..text.len() / 2].to_vec();
    let put = file::put_of(&path, &sum("old"), 0o644, &disk::sha256(text.as_bytes()));
    let program = Program::new(put).input(Input::File(pipe.clone()));
    let arrived = || {
        let entries = fs::read_dir(world.folder.path()).unwrap().flatten();
        entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(".windlass-write-"))
            .any(|entry| entry.metadata().is_ok_and(|meta| meta.len() == half.len() as u64))
    };
    let cut = async {
        let mut writer = tokio::fs::OpenOptions::new().write(true).open(&pipe).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut writer, &half).await.unwrap();
        until("half of it", arrived).await;
        world.sshd.kill();
        writer
    };
    let (result, writer) = tokio::join!(place.run(&program), cut);
    assert_eq!(result.unwrap_err().effect, Effect::Unknown);
    drop(writer);
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    fs::remove_file(&pipe).unwrap();

    // As a caller of `write` sees it: it finds out.
    world.sshd.restart();
    until("the end of the one that was cut off", || world.names() == ["big", "file"]).await;
    place.write(&path, Input::File(big.clone()), 0o644, &sum("old")).await.unwrap();
    assert_eq!(fs::read(&path).unwrap(), text.as_bytes());
    let standing = place.fetch(&path, &back).await.unwrap().unwrap();
    assert_eq!((standing.bytes, fs::read(&back).unwrap()), (24_000_000, text.into_bytes()));
}

/// Cut at any moment, a write is told as what it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_cut_off_is_told_as_it_was() {
    let world = World::new();
    let path = world.path("file");
    let (mut done, mut not) = (0, 0);
    for moment in 0..5_u64 {
        fs::write(&path, "old").unwrap();
        let place = world.there();
        place.look(&path).await.unwrap();
        let cut = async {
            tokio::time::sleep(Duration::from_millis(moment * 10)).await;
            world.sshd.kill();
            world.sshd.restart();
        };
        let expected = sum("old");
        let (result, ()) = tokio::join!(place.write(&path, bytes("new"), 0o644, &expected), cut);
        let now = fs::read_to_string(&path).unwrap();
        match result {
            Ok(()) => {
                assert_eq!(now, "new", "moment {moment}");
                done += 1;
            }
            Err(failure) => {
                assert_eq!((failure.effect, now.as_str()), (Effect::None, "old"), "{moment}: {failure:?}");
                not += 1;
            }
        }
    }
    assert!(done + not == 5, "{done} done, {not} not");
    assert_eq!(world.names(), ["file"], "nothing is left over");
}

/// Only root can mount one.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_there_is_a_clean_failure() {
    let Some(disk) = testing::SmallDisk::mount("a_full_disk_there_is_a_clean_failure") else { return };
    let world = World::new();
    let path = disk.0.path().join("file").to_str().unwrap().to_owned();
    fs::write(&path, "old").unwrap();
    let big = bytes(&"x".repeat(2 << 20));
    let failure = world.there().write(&path, big, 0o644, &sum("old")).await.unwrap_err();
    assert_eq!(failure.effect, Effect::None, "{failure:?}");
    assert!(failure.message.contains("No space left on device"), "{failure:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(fs::read_dir(disk.0.path()).unwrap().count(), 1, "nothing is left over");
}

/// A disk that fails before the rename, and behind it.
#[tokio::test]
async fn a_disk_that_fails_is_no_success() {
    let folder = testing::folder();
    let path = folder.path().join("f");
    let path = path.to_str().unwrap();
    let stub = folder.path().join("bin");
    fs::create_dir(&stub).unwrap();
    let put = async |fails: &str| {
        let text = format!(
            "#!/bin/sh\n[ \"$1\" = / ] || ! [ {fails} \"$1\" ] || {{ echo Input/output error >&2; exit 1; }}\n"
        );
        fs::write(stub.join("sync"), text).unwrap();
        fs::set_permissions(stub.join("sync"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(path, "old").unwrap();
        let words = file::put_of(path, &sum("old"), 0o644, &disk::sha256(b"new"));
        let program =
            Program::new(words).input(bytes("new")).env("PATH", format!("{}:/usr/bin:/bin", stub.display()));
        Place::here().run(&program).await.unwrap()
    };
    let answer = put("-f").await;
    assert_eq!((answer.status, answer.complaint().as_str()), (1, "Input/output error"));
    assert_eq!(fs::read_to_string(path).unwrap(), "old");
    let answer = put("-d").await;
    assert_eq!((answer.status, answer.complaint().as_str()), (14, "Input/output error"));
    assert_eq!(fs::read_to_string(path).unwrap(), "new");
}
