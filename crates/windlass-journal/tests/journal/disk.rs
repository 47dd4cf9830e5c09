//! Disks that are full or must not be written.

use crate::support::{applied, intended, now, owner, settled, started, unlinked};
use std::{path::Path, process::Command};
use windlass_journal::{SqliteStore, Store, StoreError};
use windlass_plan::Way;

/// A small file system of its own; taken away at the end.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    /// `None` without the right to mount.
    fn mount(at: &'a Path, options: &str) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at);
        mount.output().is_ok_and(|out| out.status.success()).then_some(Self(at))
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).output();
    }
}

#[test]
fn a_full_disk_writes_nothing_by_halves_and_goes_on_when_there_is_space() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_small) = Small::mount(folder.path(), "size=1m") else { return };
    let file = folder.path().join("journal.db");
    let ballast = folder.path().join("ballast");
    std::fs::write(&ballast, vec![0_u8; 512 * 1024]).unwrap();
    let store = SqliteStore::open(&file).unwrap();
    let token = now(store.take(0, &owner(1), 1000, 0)).unwrap().token;
    now(store.append(0, token, vec![unlinked("r", started())])).unwrap();
    let mut head = 1;
    let full = loop {
        let attempt = u32::try_from(head).unwrap();
        let pair = vec![
            unlinked("r", intended("a/1", Way::Forward, attempt)),
            unlinked("r", settled("a/1", Way::Forward, attempt, applied())),
        ];
        match now(store.append(head, token, pair)) {
            Ok(written) => head = written[1].seq,
            Err(error) => break error,
        }
        assert!(head < 100_000, "the disk never gets full");
    };
    assert!(matches!(full, StoreError::Full(_)), "{full:?}");
    assert!(full.to_string().contains("Free some space, then `windlass resume`"), "{full}");
    assert_eq!(now(store.head()).unwrap().seq, head, "not one of the two entries was kept");
    std::fs::remove_file(&ballast).unwrap();
    now(store.append(head, token, vec![unlinked("r", intended("b/1", Way::Forward, 1))])).unwrap();
    drop(store);
    let again = SqliteStore::open(&file).unwrap();
    assert_eq!(now(again.head()).unwrap().seq, head + 1);
}

#[test]
fn a_read_only_place_is_named_and_can_still_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let Some(small) = Small::mount(folder.path(), "size=2m") else { return };
    let file = folder.path().join("journal.db");
    {
        let store = SqliteStore::open(&file).unwrap();
        let token = now(store.take(0, &owner(1), 1000, 0)).unwrap().token;
        now(store.append(0, token, vec![unlinked("r", started())])).unwrap();
    }
    let readonly = Command::new("mount").args(["-o", "remount,ro"]).arg(small.0).output().unwrap();
    assert!(readonly.status.success());
    let refused = SqliteStore::open(&file).err().unwrap();
    assert!(matches!(refused, StoreError::ReadOnly(_)), "{refused:?}");
    assert!(refused.to_string().contains("journal.db"), "{refused}");
    let missing = SqliteStore::open(&folder.path().join("other.db")).err().unwrap();
    assert!(matches!(missing, StoreError::ReadOnly(_)), "{missing:?}");
    let reader = SqliteStore::open_existing(&file).unwrap();
    assert_eq!(now(reader.head()).unwrap().seq, 1);
    assert_eq!(now(reader.read(0, 9)).unwrap().len(), 1);
    let refused = now(reader.take(1, &owner(2), 1000, 0)).unwrap_err();
    assert!(matches!(refused, StoreError::ReadOnly(_)), "{refused:?}");
}

/// The disk gets full at another moment each time: in the middle of the log, of a page, of the file's own growth.
/// Writes a file as soon as there is room: a child that another test starts holds the deleted files of this one until its
/// `exec`.
fn fill(file: &Path, bytes: usize) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while let Err(error) = std::fs::write(file, vec![0_u8; bytes]) {
        assert!(std::time::Instant::now() < end, "{}: {error}", file.display());
        std::thread::yield_now();
    }
}

#[test]
fn a_disk_that_gets_full_at_any_moment_keeps_whole_appends() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_small) = Small::mount(folder.path(), "size=1m") else { return };
    for ballast_kib in (64..=640).step_by(48) {
        let place = folder.path().join(format!("with-{ballast_kib}"));
        std::fs::create_dir(&place).unwrap();
        let (file, ballast) = (place.join("journal.db"), place.join("ballast"));
        fill(&ballast, ballast_kib * 1024);
        let store = SqliteStore::open(&file).unwrap();
        let token = now(store.take(0, &owner(1), 1000, 0)).unwrap().token;
        let mut head = 0;
        let full = loop {
            // Entries of different sizes, three at a time.
            let three = (0..3).map(|n| {
                let mut new = unlinked("r", started());
                new.actor = "x".repeat(usize::try_from(head * 37 + n * 511).unwrap() % 3_000);
                new
            });
            match now(store.append(head, token, three.collect())) {
                Ok(written) => head = written[2].seq,
                Err(error) => break error,
            }
        };
        assert!(matches!(full, StoreError::Full(_)), "{ballast_kib} KiB: {full:?}");
        assert_eq!(now(store.head()).unwrap().seq, head, "{ballast_kib} KiB");
        drop(store);
        std::fs::remove_file(&ballast).unwrap();
        let again = SqliteStore::open(&file).unwrap();
        assert_eq!(now(again.read(0, usize::MAX)).unwrap().len() as u64, head, "{ballast_kib} KiB");
        now(again.append(head, token, vec![unlinked("r", started())])).unwrap();
        drop(again);
        std::fs::remove_dir_all(&place).unwrap();
    }
}

#[test]
fn a_read_only_journal_is_read_under_any_name() {
    let folder = tempfile::tempdir().unwrap();
    let Some(small) = Small::mount(folder.path(), "size=2m") else { return };
    let names = ["plain.db", "100%25.db", "what?.db", "#1.db", "版本.db"];
    for name in names {
        let store = SqliteStore::open(&folder.path().join(name)).unwrap();
        let token = now(store.take(0, &owner(1), 1000, 0)).unwrap().token;
        now(store.append(0, token, vec![unlinked(name, started())])).unwrap();
    }
    assert!(Command::new("mount").args(["-o", "remount,ro"]).arg(small.0).status().unwrap().success());
    for name in names {
        let reader = SqliteStore::open_existing(&folder.path().join(name)).unwrap();
        assert_eq!(now(reader.runs()).unwrap()[0].0, name, "the file of this name and no other");
    }
}
