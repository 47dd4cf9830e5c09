//! A backup that a unit writes to a file that the document names: under a name that is not taken, described beside the
//! journal before it gets that name, so that a crash leaves no doubt about whose file it is.

use crate::disk;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use windlass_driver::{Context, Done, Failure, Fault, Found, Survey};
use windlass_plan::{Action, Unit};

/// What is known of a finished backup.
pub(crate) trait Described: Serialize + DeserializeOwned {
    /// SHA-256 of the file.
    fn sha256(&self) -> &str;
    /// What the unit reports.
    fn done(&self, file: &Path) -> Done;
}

/// The file of a unit.
pub(crate) struct Named {
    pub(crate) file: PathBuf,
    /// Its name while it is written.
    pub(crate) temporary: PathBuf,
    note: PathBuf,
    workspace: PathBuf,
}

impl Named {
    pub(crate) fn of(cx: &Context, unit: &Unit) -> Self {
        let Action::Backup { file, dir, .. } = &unit.action else {
            unreachable!("the driver chose by the action")
        };
        let file = disk::resolve(&cx.base, dir.as_deref(), file);
        let mut temporary = file.clone().into_os_string();
        temporary.push(format!(".{}.tmp", cx.run));
        let note = cx.workspace.join("backup.json");
        Self { file, temporary: temporary.into(), note, workspace: cx.workspace.clone() }
    }

    fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("/"))
    }

    /// What it will take: about `bytes`.
    pub(crate) fn survey(&self, bytes: u64, survey: &mut Survey) {
        survey.effects.push(format!("writes {} ({})", self.file.display(), disk::human_bytes(bytes)));
        if let Err(error) = self.room(bytes) {
            survey.problems.push(format!("{}: {error}", self.file.display()));
        }
    }

    pub(crate) fn room(&self, bytes: u64) -> io::Result<()> {
        disk::room_for(bytes, self.folder())
    }

    /// What stands under its name.
    pub(crate) fn problem(&self) -> Option<String> {
        let file = self.file.display();
        self.file.symlink_metadata().ok()?;
        Some(match self.file.is_dir() {
            true => format!("{file} is a folder: write `{file}/`, or the name of a file in it"),
            // As of a try that went back: whoever tries again finds the backup of the first one.
            false => {
                let name = crate::host::word(&self.file.to_string_lossy());
                format!("{file} exists and will not be overwritten; type: mv {name} {name}.old")
            }
        })
    }

    pub(crate) fn taken(&self) -> Failure {
        let file = self.file.display();
        if self.file.is_dir() {
            let text = format!("{file} is a folder, no name for a backup; nothing was written");
            return Failure::clean(Fault::Document, text)
                .hint("write it with `/` at its end, or name a file in it");
        }
        Failure::clean(Fault::Document, format!("{file} exists; it was not overwritten"))
            .hint("move it away, or write the backup to another name")
    }

    fn described<T: Described>(&self) -> Option<T> {
        serde_json::from_str(&fs::read_to_string(&self.note).ok()?).ok()
    }

    /// The backup that an earlier try of this very unit has made.
    pub(crate) fn made<T: Described>(&self) -> Option<T> {
        self.described::<T>().filter(|made| disk::complaint(&self.file, made.sha256()).is_none())
    }

    /// Gives the temporary file its name, once it is described; false, if the name was taken meanwhile.
    pub(crate) fn publish<T: Described>(&self, made: &T) -> io::Result<bool> {
        fs::create_dir_all(&self.workspace)?;
        let text = serde_json::to_string(made).expect("a description has names and numbers only");
        disk::write_durable(&self.note, text.as_bytes())?;
        match renameat_with(CWD, &self.temporary, CWD, &self.file, RenameFlags::NOREPLACE) {
            Err(rustix::io::Errno::EXIST) => return Ok(false),
            other => other.map_err(io::Error::from)?,
        }
        disk::sync_folder(self.folder())?;
        Ok(true)
    }

    /// Nothing was made.
    pub(crate) fn forget(&self) {
        let _ = fs::remove_file(&self.temporary);
        let _ = fs::remove_file(&self.note);
    }

    /// What became of the backup.
    pub(crate) fn inspect<T: Described>(&self) -> Found {
        let there = match self.file.symlink_metadata() {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Found::Unknown(format!("cannot look at {}: {error}", self.file.display())),
        };
        match (self.made::<T>(), self.described::<T>()) {
            (Some(made), _) => Found::Applied(made.done(&self.file)),
            (None, Some(_)) if there && !self.temporary.exists() => Found::Unknown(format!(
                "{} is there, but is not what was written; compare it by hand, then say mark done or skip",
                self.file.display()
            )),
            _ => {
                let _ = fs::remove_file(&self.temporary);
                Found::NotApplied
            }
        }
    }
}
