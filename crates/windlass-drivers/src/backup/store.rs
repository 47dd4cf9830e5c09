//! The folder of backups: what is in it, what may go.

use super::{BACKUP_FORMAT, Manifest, failed, sqlite};
use crate::disk::{sync_folder, write_durable};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use windlass_driver::Failure;

/// An unfinished file, older than this, is a leftover of a backup that was killed.
const LEFTOVER: Duration = Duration::from_secs(24 * 60 * 60);

/// A backup in the folder, or what is in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// A complete backup.
    Whole(Manifest),
    /// Its data is missing or has another length.
    Damaged(Manifest, String),
    /// A manifest that this version cannot read; why.
    Unreadable(PathBuf, String),
}

pub(super) fn manifest_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.json"))
}

pub(super) fn save(folder: &Path, manifest: &Manifest) -> io::Result<()> {
    let text = serde_json::to_string_pretty(manifest).expect("a manifest has only string keys");
    let path = manifest_path(folder, &manifest.name);
    write_durable(&path, text.as_bytes())?;
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
}

/// Everything in the folder, newest first; a folder that does not exist has nothing in it.
///
/// # Errors
/// The folder cannot be read.
pub fn list(folder: &Path) -> Result<Vec<Stored>, Failure> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(failed(format!("{}: {error}", folder.display()))),
    };
    let mut found: Vec<Stored> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "json"))
        .map(|path| read(folder, &path))
        .collect();
    let moment = |stored: &Stored| match stored {
        Stored::Whole(manifest) | Stored::Damaged(manifest, _) => manifest.at_ms,
        Stored::Unreadable(..) => i64::MIN,
    };
    found.sort_by_key(|stored| std::cmp::Reverse(moment(stored)));
    Ok(found)
}

fn read(folder: &Path, path: &Path) -> Stored {
    let unreadable = |why: String| Stored::Unreadable(path.to_owned(), why);
    let value: serde_json::Value = match fs::read(path).map(|bytes| serde_json::from_slice(&bytes)) {
        Ok(Ok(value)) => value,
        Ok(Err(error)) => return unreadable(error.to_string()),
        Err(error) => return unreadable(error.to_string()),
    };
    let format = value.get("format").and_then(serde_json::Value::as_u64);
    if format.is_some_and(|format| format > u64::from(BACKUP_FORMAT)) {
        return unreadable("it was written by a newer version".to_owned());
    }
    let manifest: Manifest = match serde_json::from_value(value) {
        Ok(manifest) => manifest,
        Err(error) => return unreadable(error.to_string()),
    };
    // A name with a folder in it would lead out of this one.
    if manifest.file.contains('/') || manifest_path(folder, &manifest.name) != path {
        return unreadable("it does not describe a file beside it".to_owned());
    }
    match fs::metadata(folder.join(&manifest.file)) {
        Ok(meta) if meta.len() == manifest.stored_bytes => Stored::Whole(manifest),
        Ok(meta) => {
            let why = format!("the file has {} bytes instead of {}", meta.len(), manifest.stored_bytes);
            Stored::Damaged(manifest, why)
        }
        Err(error) => Stored::Damaged(manifest, error.to_string()),
    }
}

/// A backup that may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doomed {
    /// It.
    pub manifest: Manifest,
}

/// Which whole backups may go: older than `keep_ms` before `now_ms`, not the newest whole one of its target, and not the
/// newest one before any of `needed_ms` (when runs began that may still be taken back).
#[must_use]
pub fn stale(stored: &[Stored], now_ms: i64, keep_ms: u64, needed_ms: &[i64]) -> Vec<Doomed> {
    let mut by_target: BTreeMap<&str, Vec<&Manifest>> = BTreeMap::new();
    for stored in stored {
        if let Stored::Whole(manifest) = stored {
            by_target.entry(&manifest.target).or_default().push(manifest);
        }
    }
    let oldest = now_ms.saturating_sub(i64::try_from(keep_ms).unwrap_or(i64::MAX));
    let mut doomed = vec![];
    for manifests in by_target.values_mut() {
        manifests.sort_by_key(|manifest| std::cmp::Reverse(manifest.at_ms));
        let needed: Vec<i64> = needed_ms
            .iter()
            .filter_map(|began| manifests.iter().map(|manifest| manifest.at_ms).find(|at| at <= began))
            .collect();
        let old = manifests.iter().skip(1).filter(|manifest| manifest.at_ms < oldest);
        let free = old.filter(|manifest| !needed.contains(&manifest.at_ms));
        doomed.extend(free.map(|manifest| Doomed { manifest: (*manifest).clone() }));
    }
    doomed
}

/// Deletes backups, the manifest first: what is left after a crash is data without one, never half a backup. Unfinished
/// files of killed backups go too.
///
/// # Errors
/// A file could not be deleted; those before it are gone.
pub fn prune(folder: &Path, doomed: &[Doomed]) -> Result<(), Failure> {
    let remove = |path: &Path| match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed(format!("{} cannot be deleted: {error}", path.display())))
        }
        _ => Ok(()),
    };
    for Doomed { manifest } in doomed {
        remove(&manifest_path(folder, &manifest.name))?;
        remove(&folder.join(&manifest.file))?;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_leftover(folder, &entry) {
            remove(&entry.path())?;
        }
    }
    let _ = sync_folder(folder);
    Ok(())
}

fn is_leftover(folder: &Path, entry: &fs::DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy().into_owned();
    let modified = entry.metadata().and_then(|meta| meta.modified());
    let old = modified.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > LEFTOVER));
    if name.starts_with(sqlite::COPY) {
        return old;
    }
    let stem = name.trim_end_matches(".tmp").trim_end_matches(".age").trim_end_matches(".zst");
    let stem = stem.strip_suffix(".sql").or_else(|| stem.strip_suffix(".db"));
    let Some(stem) = stem.filter(|stem| stem.len() < name.len()) else { return false };
    // Whole data whose manifest is gone is shown to nobody, but it is somebody's data: it stays.
    let is_unfinished = [".zst.tmp", ".zst.age.tmp"].iter().any(|end| name.ends_with(end));
    old && is_unfinished && is_our_name(stem) && !manifest_path(folder, stem).exists()
}

/// `TARGET-YYYYMMDD-HHMMSS-mmm`: others keep files in such a folder too.
fn is_our_name(stem: &str) -> bool {
    let mut parts = stem.rsplitn(4, '-');
    let digits = |part: Option<&str>, count: usize| {
        part.is_some_and(|part| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let is_time = digits(parts.next(), 3) && digits(parts.next(), 6) && digits(parts.next(), 8);
    is_time && parts.next().is_some_and(|target| !target.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use windlass_plan::UrlKind;

    fn manifest(target: &str, at_ms: i64) -> Manifest {
        Manifest {
            format: BACKUP_FORMAT,
            name: format!("{target}-{at_ms}"),
            target: target.into(),
            kind: UrlKind::Sqlite,
            database: "d".into(),
            file: format!("{target}-{at_ms}.db.zst"),
            at_ms,
            took_ms: 1,
            bytes: 3,
            stored_bytes: 3,
            sha256: String::new(),
            tool: String::new(),
            server: String::new(),
            position: None,
            rows: BTreeMap::new(),
            recipients: vec![],
        }
    }

    fn put(folder: &Path, manifest: &Manifest) {
        fs::write(folder.join(&manifest.file), "abc").unwrap();
        save(folder, manifest).unwrap();
    }

    #[test]
    fn the_newest_and_what_a_run_may_need_stays() {
        let folder = crate::testing::folder();
        for (target, at) in [("db", 10), ("db", 20), ("db", 30), ("db", 40), ("log", 5)] {
            put(folder.path(), &manifest(target, at));
        }
        let stored = list(folder.path()).unwrap();
        let names = |needed: &[i64], keep: u64| {
            let doomed = stale(&stored, 1000, keep, needed);
            doomed.into_iter().map(|doomed| doomed.manifest.at_ms).collect::<Vec<_>>()
        };
        assert_eq!(names(&[], 0), [30, 20, 10], "the newest of each target stays");
        assert_eq!(names(&[25], 0), [30, 10], "the one that the run may go back to stays");
        assert_eq!(names(&[], 975), [20, 10], "what is young enough stays");
        assert_eq!(names(&[], 10_000), Vec::<i64>::new());
        prune(folder.path(), &stale(&stored, 1000, 975, &[])).unwrap();
        assert_eq!(list(folder.path()).unwrap().len(), 3);
        assert!(!folder.path().join("db-10.db.zst").exists());
    }

    #[test]
    fn what_is_damaged_or_strange_is_said_and_never_deleted() {
        let folder = crate::testing::folder();
        put(folder.path(), &manifest("db", 1));
        put(folder.path(), &manifest("db", 2));
        put(folder.path(), &manifest("db", 3));
        fs::write(folder.path().join("db-1.db.zst"), "cut").unwrap();
        fs::write(folder.path().join("db-1.db.zst"), "").unwrap();
        fs::write(folder.path().join("new.json"), r#"{"format": 99}"#).unwrap();
        fs::write(
            folder.path().join("out.json"),
            serde_json::to_string(&Manifest { file: "../x".into(), ..manifest("out", 1) }).unwrap(),
        )
        .unwrap();
        let stored = list(folder.path()).unwrap();
        let damaged = stored.iter().filter(|stored| matches!(stored, Stored::Damaged(..))).count();
        let unreadable = stored.iter().filter(|stored| matches!(stored, Stored::Unreadable(..))).count();
        assert_eq!((damaged, unreadable), (1, 2));
        let doomed = stale(&stored, 1000, 0, &[]);
        assert_eq!(doomed.iter().map(|doomed| doomed.manifest.at_ms).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn what_killed_backups_left_goes_after_a_day() {
        let folder = crate::testing::folder();
        put(folder.path(), &manifest("db", 1));
        let left = [
            "my-db-20260102-030405-678.sql.zst.tmp",
            "b-20260102-030405-678.db.zst.age.tmp",
            ".windlass-copy-AbC",
        ];
        let theirs =
            ["notes.txt", "nightly.sql.zst", "nightly.sql.zst.tmp", "my-db-20260102-030405-679.sql.zst"];
        for name in left.iter().chain(&theirs).chain(&["db-1.db.zst"]) {
            let file = fs::File::create(folder.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - 2 * LEFTOVER).unwrap();
        }
        let young = "my-db-20260103-030405-678.sql.zst.tmp";
        fs::write(folder.path().join(young), "").unwrap();
        prune(folder.path(), &[]).unwrap();
        let mut stay: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        stay.sort();
        let mut wanted = [&["db-1.db.zst", "db-1.json", young], &theirs[..]].concat();
        wanted.sort_unstable();
        assert_eq!(stay, wanted, "others keep files there too");
    }
}
