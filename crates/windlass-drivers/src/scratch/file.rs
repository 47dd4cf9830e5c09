//! Folders of scratch copies on this machine, and copies of SQLite files in them.

use super::{Isolation, Janitor, Order, PREFIX, Scratch, failed, left_behind, private};
use crate::{
    backup::{Progress, restore, sqlite},
    disk::room_for,
};
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::Duration,
};
use windlass_driver::Failure;

/// A folder without a lock may be one that is just being made.
const YOUNG: Duration = Duration::from_secs(60);
/// A server that ends at the same moment may still write.
const REMOVE: &str = r#"for try in 1 2 3 4 5 6 7 8 9; do rm -rf -- "$1" 2>/dev/null && exit; sleep 0.2; done; exec rm -rf -- "$1""#;
/// The lock of a folder in use.
const LOCK: &str = "lock";

/// A new folder that goes when its janitor does. Only its owner may look in: it holds what the database does.
pub(super) fn folder(parent: &Path, name: &str) -> Result<(PathBuf, Janitor), Failure> {
    let path = parent.join(name);
    let broken = |error: std::io::Error| failed(format!("{}: {error}", path.display()));
    fs::DirBuilder::new().mode(0o700).create(&path).map_err(broken)?;
    let path = path.canonicalize().map_err(broken)?;
    let text = path.display().to_string();
    let by_hand = format!("remove the folder {text}");
    let mut janitor = Janitor::with_script(REMOVE, &[&text], by_hand)?;
    let lock = File::create(path.join(LOCK)).map_err(broken)?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| broken(error.into()))?;
    janitor.keep(lock);
    Ok((path, janitor))
}

/// Removes folders whose owner is gone, and tells of each.
pub(super) fn sweep_folders(parent: &Path, progress: Progress<'_>) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with(PREFIX) || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let is_left = match OpenOptions::new().read(true).open(entry.path().join(LOCK)) {
            Ok(lock) => flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok(),
            Err(_) => {
                let age = entry.metadata().and_then(|meta| meta.modified());
                age.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > YOUNG))
            }
        };
        if !is_left {
            continue;
        }
        private::stop(&entry.path());
        let shown = entry.path().display().to_string();
        match fs::remove_dir_all(entry.path()) {
            Ok(()) => progress(&left_behind(&shown)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => progress(&format!("{shown}, left behind, cannot be removed: {error}")),
        }
    }
}

/// A copy of a SQLite file.
pub(super) fn make(order: &Order<'_>, folder: PathBuf, janitor: Janitor) -> Result<Scratch, Failure> {
    if order.server.is_some() || order.is_private || order.sample.is_some() {
        return Err(failed("a SQLite database is one file without a server: it is copied as a whole, here")
            .hint("leave `--on`, `--private` and `--sample` out"));
    }
    let path = folder.join(&order.source.database);
    let no_room =
        |error: std::io::Error| failed(format!("no room for a copy in {}: {error}", folder.display()));
    let bytes = match order.backup {
        _ if order.is_empty => {
            File::create_new(&path).map_err(no_room)?;
            0
        }
        Some(data) => {
            room_for(data.manifest.bytes * 2, &folder).map_err(no_room)?;
            restore::sqlite_file(data, &path, order.progress)?;
            data.manifest.bytes
        }
        None => {
            if !order.source.path.exists() {
                return Err(failed(format!("the database {} does not exist", order.source.path.display())));
            }
            let bytes = sqlite::size(order.source)?;
            // Once more for the rows that are compared and the tables that are built anew.
            room_for(bytes * 2, &folder).map_err(no_room)?;
            let copied = sqlite::copied_to(order.source, &path, order.progress);
            copied.map_err(|error| failed(format!("{}: {error}", order.source.path.display())))?;
            bytes
        }
    };
    let name = path.display().to_string();
    Ok(Scratch {
        url: format!("sqlite:{name}"),
        kind: order.source.kind,
        name,
        isolation: Isolation::Beside,
        notes: vec![],
        bytes,
        janitors: vec![janitor],
        folder,
    })
}
