//! Files that runs have set aside on this machine, in `.windlass/runs`: what was overwritten or removed, copies of databases, long output.

use super::{Fate, OPEN, Rule, is_open};
use crate::{
    exit::{self, Failure},
    project::Place,
    terminal,
};
use serde::Serialize;
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};
use windlass_drivers::backup::human_bytes;
use windlass_report::count;

/// Folder of looks at the world, which needs nothing when it is over.
const OF_PLANS: &str = "plan";
/// Begins the name of a folder that is being removed.
const GOING: &str = ".going-";

/// The files of one run.
#[derive(Debug, Serialize)]
pub(super) struct RunFiles {
    run: String,
    /// Version that it released, where the journal knows it.
    release: Option<String>,
    files: u64,
    bytes: u64,
    folder: PathBuf,
    pub(super) fate: Fate,
    reason: Option<String>,
}

/// Those of all runs, in the order of their names, which is that of time.
pub(super) fn list(place: &Place, rule: &Rule) -> Result<Vec<RunFiles>, Failure> {
    let folder = place.workspaces();
    let cannot = |error: io::Error| exit::file("cannot read", &folder, &error);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(cannot)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(cannot)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().map_err(cannot)?.is_dir() && name != OF_PLANS {
            found.push(judged(&entry.path(), name, rule).map_err(cannot)?);
        }
    }
    found.sort_by(|one, other| one.run.cmp(&other.run));
    Ok(found)
}

fn judged(folder: &Path, name: String, rule: &Rule) -> io::Result<RunFiles> {
    let mut size = Size::default();
    size.add(folder)?;
    // A removal that was cut short goes on.
    let begun = name.starts_with(GOING);
    let run = name.trim_start_matches(GOING).to_owned();
    let newest_s = size.newest.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let age_s = u64::try_from(rule.now_ms / 1000).unwrap_or(0).saturating_sub(newest_s);
    let reason = if begun { None } else { rule.keeps(&run, age_s) };
    let fate = if reason.is_some() { Fate::Kept } else { Fate::Due };
    let release = rule.runs.get(&run).map(|known| known.release.clone());
    let Size { files, bytes, .. } = size;
    Ok(RunFiles { run, release, files, bytes, folder: folder.to_owned(), fate, reason })
}

/// What a folder has, links not followed.
struct Size {
    files: u64,
    bytes: u64,
    newest: SystemTime,
}

impl Default for Size {
    fn default() -> Self {
        Self { files: 0, bytes: 0, newest: UNIX_EPOCH }
    }
}

impl Size {
    fn add(&mut self, path: &Path) -> io::Result<()> {
        let mut folders = vec![path.to_owned()];
        while let Some(folder) = folders.pop() {
            // Files keep their old times when they are set aside; their folder tells when that was.
            self.newest = self.newest.max(fs::symlink_metadata(&folder)?.modified()?);
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                let meta = match entry.metadata() {
                    // A run that is at work tidies up behind itself.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    meta => meta?,
                };
                if meta.is_dir() {
                    folders.push(entry.path());
                } else {
                    self.files += 1;
                    self.bytes += meta.len();
                }
            }
        }
        Ok(())
    }
}

pub(super) fn show(found: &[RunFiles]) -> Result<(), Failure> {
    for one in found {
        let release = one.release.as_ref().map_or(String::new(), |release| format!(" of {release}"));
        terminal::print(&format!(
            "run {}{release}: {}, {}, in {}: {}\n",
            one.run,
            count(usize::try_from(one.files).unwrap_or(usize::MAX), "file"),
            human_bytes(one.bytes),
            one.folder.display(),
            one.reason.as_deref().unwrap_or("will be removed for good")
        ))?;
    }
    Ok(())
}

/// Whether any could not be removed.
pub(super) fn remove_all(found: &mut [RunFiles], place: &Place) -> Result<bool, Failure> {
    let mut failed = false;
    for one in found.iter_mut().filter(|one| one.fate == Fate::Due) {
        if is_open(place, &one.run)? {
            // Somebody began to take it back while this command asked.
            (one.fate, one.reason) = (Fate::Kept, Some(OPEN.to_owned()));
            continue;
        }
        match remove(&one.folder, &one.run) {
            Ok(()) => {
                terminal::line(&format!("files of run {} are gone", one.run));
                one.fate = Fate::Dropped;
            }
            Err(error) => {
                let why = error.to_string();
                terminal::warn(&format!("{} was not removed whole: {why}", one.folder.display()));
                (one.fate, one.reason) = (Fate::Failed, Some(why));
                failed = true;
            }
        }
    }
    Ok(failed)
}

/// Under another name first: whatever happens meanwhile, a run finds all of its files or none.
fn remove(folder: &Path, run: &str) -> io::Result<()> {
    let going = folder.with_file_name(format!("{GOING}{run}"));
    if going.exists() && going != folder {
        fs::remove_dir_all(&going)?;
    }
    fs::rename(folder, &going)?;
    fs::remove_dir_all(going)
}
