//! `sqlite3 DB ".backup FILE"`. No way back deletes a backup: it may be the only copy of what was there.

use super::{
    connect::Job,
    copy::{self, Copy, with_suffix},
};
use crate::disk;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::json;
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use windlass_driver::{Done, Failure, Fault, Found, Survey};
use windlass_plan::Action;

/// The file to write.
fn file(job: &Job) -> PathBuf {
    let Action::Backup { file, dir, .. } = &job.unit.action else {
        unreachable!("the driver chose by the action")
    };
    disk::resolve(&job.cx.base, dir.as_deref(), file)
}

/// Description of the copy that is about to get its name; written before it gets it.
fn note(job: &Job) -> PathBuf {
    job.cx.workspace.join("backup.json")
}

fn temporary(job: &Job, file: &Path) -> PathBuf {
    with_suffix(file, &format!(".{}.tmp", job.cx.run))
}

fn described(job: &Job) -> Option<Copy> {
    serde_json::from_str(&fs::read_to_string(note(job)).ok()?).ok()
}

/// What the backup will take.
pub(super) fn survey(job: &Job) -> Survey {
    let mut survey = Survey::default();
    let file = file(job);
    if file.symlink_metadata().is_ok() {
        survey.problems.push(format!("{} exists and will not be overwritten", file.display()));
    }
    match job
        .read()
        .and_then(|source| copy::size(&source).map_err(|error| job.failure(&error, "reading its size")))
    {
        Ok(bytes) => {
            survey.effects.push(format!("writes {} ({})", file.display(), disk::human_bytes(bytes)));
            if let Err(error) = disk::room_for(bytes, file.parent().unwrap_or(Path::new("/"))) {
                survey.problems.push(format!("{}: {error}", file.display()));
            }
        }
        Err(failure) => survey.problems.push(failure.message),
    }
    survey
}

/// Writes the backup. An existing file is never overwritten, except that of this very unit, which is kept.
pub(super) fn apply(job: &Job) -> Result<Done, Failure> {
    let file = file(job);
    if let Some(copy) = described(job).filter(|copy| copy::complaint(&file, &copy.sha256).is_none()) {
        return Ok(Done { changed: false, ..done(&file, &copy) });
    }
    let taken = || {
        Failure::clean(Fault::Document, format!("{} exists; it was not overwritten", file.display()))
            .hint("move it away, or write the backup to another name")
    };
    if file.symlink_metadata().is_ok() {
        return Err(taken());
    }
    let source = job.read()?;
    let temporary = temporary(job, &file);
    let finish = || {
        let copy = copy::write(job, &source, &temporary)?;
        fs::create_dir_all(&job.cx.workspace)?;
        let text = serde_json::to_string(&copy).expect("a copy has names and numbers only");
        disk::write_durable(&note(job), text.as_bytes())?;
        match renameat_with(CWD, &temporary, CWD, &file, RenameFlags::NOREPLACE) {
            Err(rustix::io::Errno::EXIST) => return Ok(None),
            other => other.map_err(io::Error::from)?,
        }
        disk::sync_folder(file.parent().unwrap_or(Path::new("/")))?;
        Ok(Some(copy))
    };
    let result = finish();
    if !matches!(result, Ok(Some(_))) {
        let _ = fs::remove_file(&temporary);
        let _ = fs::remove_file(note(job));
    }
    match result {
        Ok(Some(copy)) => Ok(done(&file, &copy)),
        Ok(None) => Err(taken()),
        Err(error) => Err(copy::CopyError::failure(&error, job, &file)),
    }
}

fn done(file: &Path, copy: &Copy) -> Done {
    let rows = copy.fingerprint.rows();
    Done {
        changed: true,
        effects: vec![format!(
            "{}: {}, {} tables, {rows} rows, integrity ok",
            file.display(),
            disk::human_bytes(copy.bytes),
            copy.fingerprint.tables.len()
        )],
        output: String::new(),
        facts: json!({
            "file": file.display().to_string(), "sha256": copy.sha256, "bytes": copy.bytes, "pages": copy.pages,
            "rows": rows, "fingerprint": copy.fingerprint.sha256(),
        }),
    }
}

/// What became of the backup.
pub(super) fn inspect(job: &Job) -> Found {
    let file = file(job);
    let there = match file.symlink_metadata() {
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Found::Unknown(format!("cannot look at {}: {error}", file.display())),
    };
    let copy = described(job);
    let ours = copy.as_ref().is_some_and(|copy| there && copy::complaint(&file, &copy.sha256).is_none());
    match copy {
        Some(copy) if ours => Found::Applied(done(&file, &copy)),
        Some(_) if there && !temporary(job, &file).exists() => Found::Unknown(format!(
            "{} is there, but is not what was written; compare it by hand, then say mark done or skip",
            file.display()
        )),
        _ => {
            let _ = fs::remove_file(temporary(job, &file));
            Found::NotApplied
        }
    }
}
