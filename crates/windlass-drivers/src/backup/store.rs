//! What backups there are at a place, and which may go.

use super::{BACKUP_FORMAT, Manifest, Shelf, shelf::Entry};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};
use windlass_driver::Failure;

/// A backup, or what is in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// A complete backup.
    Whole(Manifest),
    /// Its data is missing or has another length.
    Damaged(Manifest, String),
    /// The name of data without a manifest: it is being made, or was killed while it was.
    Incomplete(String),
    /// The name of a manifest that this version cannot read; why.
    Unreadable(String, String),
}

impl Stored {
    /// Name of the backup if it cannot be put back, and why: it is there, and does not count.
    #[must_use]
    pub fn lost(&self) -> Option<(&str, &str)> {
        match self {
            Self::Damaged(manifest, why) => Some((&manifest.name, why)),
            Self::Unreadable(file, why) => Some((file.strip_suffix(".json")?, why)),
            Self::Whole(_) | Self::Incomplete(_) => None,
        }
    }
}

/// The backups of a target that cannot be put back and are newer than the one of this name; of all targets when that is not said.
/// Names have a moment, which is all that is known of a manifest that cannot be read.
#[must_use]
pub fn passed_over<'a>(stored: &'a [Stored], chosen: &str) -> Vec<(&'a str, &'a str)> {
    let Some((target, moment)) = parted(chosen) else { return vec![] };
    let is_newer = |name: &str| parted(name).is_some_and(|(other, at)| other == target && at > moment);
    stored.iter().filter_map(Stored::lost).filter(|(name, _)| is_newer(name)).collect()
}

/// Name of the manifest of a backup.
pub(super) fn manifest_file(name: &str) -> String {
    format!("{name}.json")
}

/// Writes the manifest: from then on the backup is complete.
pub(super) fn save(shelf: &Shelf, manifest: &Manifest) -> io::Result<()> {
    let text = serde_json::to_string_pretty(manifest).expect("a manifest has only string keys");
    shelf.describe(&manifest_file(&manifest.name), text)
}

/// Everything there, newest first; a folder that does not exist has nothing in it.
///
/// # Errors
/// The folder or the store cannot be read.
pub fn list(shelf: &Shelf) -> Result<Vec<Stored>, Failure> {
    let entries = shelf.entries()?;
    let sizes: BTreeMap<&str, u64> = entries.iter().map(|entry| (entry.name.as_str(), entry.bytes)).collect();
    let manifests: Vec<&Entry> = entries.iter().filter(|entry| entry.name.ends_with(".json")).collect();
    let texts = shelf.texts(&manifests)?;
    let described = described(&entries);
    let mut found: Vec<Stored> =
        manifests.iter().zip(texts).map(|(entry, text)| read(&entry.name, text, &sizes)).collect();
    let moment = |stored: &Stored| match stored {
        Stored::Whole(manifest) | Stored::Damaged(manifest, _) => manifest.at_ms,
        Stored::Incomplete(_) | Stored::Unreadable(..) => i64::MIN,
    };
    found.sort_by_key(|stored| std::cmp::Reverse(moment(stored)));
    let bare = |entry: &&Entry| {
        let data = entry.name.strip_suffix(".tmp").unwrap_or(&entry.name);
        data_of(data).is_some_and(|name| !described.contains(name))
    };
    found.extend(entries.iter().filter(bare).map(|entry| Stored::Incomplete(entry.name.clone())));
    Ok(found)
}

/// Names that have a manifest.
fn described(entries: &[Entry]) -> BTreeSet<&str> {
    entries.iter().filter_map(|entry| entry.name.strip_suffix(".json")).collect()
}

fn read(file: &str, text: Result<Vec<u8>, String>, sizes: &BTreeMap<&str, u64>) -> Stored {
    let manifest = match text.and_then(|text| parsed(&text)) {
        Ok(manifest) => manifest,
        Err(why) => return Stored::Unreadable(file.to_owned(), why),
    };
    // A name with a folder in it would lead out of this one.
    if manifest.file.contains('/') || manifest_file(&manifest.name) != file {
        return Stored::Unreadable(file.to_owned(), "it does not describe a file beside it".to_owned());
    }
    let why = match sizes.get(manifest.file.as_str()) {
        Some(bytes) if *bytes == manifest.stored_bytes => return Stored::Whole(manifest),
        Some(bytes) => format!("{} has {bytes} bytes instead of {}", manifest.file, manifest.stored_bytes),
        None => format!("{} is missing", manifest.file),
    };
    Stored::Damaged(manifest, why)
}

fn parsed(text: &[u8]) -> Result<Manifest, String> {
    let value: serde_json::Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let format = value.get("format").and_then(serde_json::Value::as_u64);
    if format.is_some_and(|format| format > u64::from(BACKUP_FORMAT)) {
        return Err("it was written by a newer version".to_owned());
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
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

/// Deletes backups, the manifest first: what is left after a crash is data without one, never half a backup. What killed backups
/// left goes too.
///
/// # Errors
/// A file could not be deleted; those before it are gone.
pub fn prune(shelf: &Shelf, doomed: &[Doomed]) -> Result<(), Failure> {
    for (gone, Doomed { manifest }) in doomed.iter().enumerate() {
        let removed =
            shelf.remove(&manifest_file(&manifest.name)).and_then(|()| shelf.remove(&manifest.file));
        removed.map_err(|failure| {
            let all = doomed.len();
            failure.hint(format!("{gone} of {all} backups in {} were deleted before that", shelf.shown()))
        })?;
    }
    let entries = shelf.entries()?;
    let described = described(&entries);
    // Whole data whose manifest is gone is somebody's data: it stays.
    shelf.sweep(|name| described.contains(name))
}

/// Name of the backup whose data a file is, by its name: others keep files in such a place too.
pub(super) fn data_of(file: &str) -> Option<&str> {
    let data = file.strip_suffix(".age").unwrap_or(file).strip_suffix(".zst")?;
    let name = data.strip_suffix(".sql").or_else(|| data.strip_suffix(".db"))?;
    is_our_name(name).then_some(name)
}

fn is_our_name(stem: &str) -> bool {
    parted(stem).is_some()
}

/// `TARGET-YYYYMMDD-HHMMSS-mmm`: target and moment. Others keep files in such a folder too.
fn parted(stem: &str) -> Option<(&str, &str)> {
    const SHAPE: &[u8] = b"-00000000-000000-000";
    let (target, moment) = stem.split_at_checked(stem.len().checked_sub(SHAPE.len())?)?;
    let fits = |(byte, shape): (u8, &u8)| if *shape == b'0' { byte.is_ascii_digit() } else { byte == *shape };
    (!target.is_empty() && moment.bytes().zip(SHAPE).all(fits)).then_some((target, moment))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs,
        path::Path,
        time::{Duration, SystemTime},
    };
    use windlass_plan::UrlKind;

    fn shelf(folder: &tempfile::TempDir) -> Shelf {
        Shelf::Folder(folder.path().to_owned())
    }

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
        save(&Shelf::Folder(folder.to_owned()), manifest).unwrap();
    }

    #[test]
    fn the_newest_and_what_a_run_may_need_stays() {
        let folder = crate::testing::folder();
        for (target, at) in [("db", 10), ("db", 20), ("db", 30), ("db", 40), ("log", 5)] {
            put(folder.path(), &manifest(target, at));
        }
        let stored = list(&shelf(&folder)).unwrap();
        let names = |needed: &[i64], keep: u64| {
            let doomed = stale(&stored, 1000, keep, needed);
            doomed.into_iter().map(|doomed| doomed.manifest.at_ms).collect::<Vec<_>>()
        };
        assert_eq!(names(&[], 0), [30, 20, 10], "the newest of each target stays");
        assert_eq!(names(&[25], 0), [30, 10], "the one that the run may go back to stays");
        assert_eq!(names(&[], 975), [20, 10], "what is young enough stays");
        assert_eq!(names(&[], 10_000), Vec::<i64>::new());
        prune(&shelf(&folder), &stale(&stored, 1000, 975, &[])).unwrap();
        assert_eq!(list(&shelf(&folder)).unwrap().len(), 3);
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
        let stored = list(&shelf(&folder)).unwrap();
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
            file.set_modified(SystemTime::now() - Duration::from_secs(2 * 24 * 60 * 60)).unwrap();
        }
        let young = "my-db-20260103-030405-678.sql.zst.tmp";
        fs::write(folder.path().join(young), "").unwrap();
        let seen = list(&shelf(&folder)).unwrap();
        let incomplete: BTreeSet<_> = seen
            .iter()
            .filter_map(|stored| match stored {
                Stored::Incomplete(file) => Some(file.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(incomplete, [left[0], left[1], theirs[3], young].into(), "they are no backups, and shown");
        prune(&shelf(&folder), &[]).unwrap();
        let mut stay: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        stay.sort();
        let mut wanted = [&["db-1.db.zst", "db-1.json", young], &theirs[..]].concat();
        wanted.sort_unstable();
        assert_eq!(stay, wanted, "others keep files there too");
    }
}
