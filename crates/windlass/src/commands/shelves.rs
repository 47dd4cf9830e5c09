//! Where backups lie: what the command line says, else windlass.toml, else a folder beside the journal.

use super::objects;
use crate::{exit::Failure, project::Place, wiring};
use std::path::PathBuf;
use windlass_drivers::{
    backup::{Bucket, Shelf},
    s3::settings,
};
use windlass_objects::Options;
use windlass_plan::{BackupFolder, Config};

/// The places of a project.
pub struct Shelves<'a> {
    place: &'a Place,
    config: &'a Config,
    /// `--folder`
    asked: Option<&'a BackupFolder>,
}

impl<'a> Shelves<'a> {
    pub fn new(place: &'a Place, config: &'a Config, asked: Option<&'a BackupFolder>) -> Self {
        Self { place, config, asked }
    }

    /// Where backups of a database go, and come from.
    pub fn of(&self, target: &str) -> Result<Shelf, Failure> {
        match (self.asked, self.said(target)) {
            // As on every command line: from where it is typed.
            (Some(BackupFolder::Here(folder)), _) => Ok(Shelf::Folder(folder.into())),
            (Some(folder), _) | (None, Some(folder)) => self.shelf(folder),
            (None, None) => Ok(Shelf::Folder(self.here())),
        }
    }

    /// Wherever backups of the project are: one that moved its backups still has those from before.
    pub fn all(&self) -> Result<Vec<Shelf>, Failure> {
        if self.asked.is_some() {
            return Ok(vec![self.of("")?]);
        }
        let mut shelves = vec![Shelf::Folder(self.here())];
        for target in self.config.backups.keys() {
            let shelf = self.of(target).map_err(|failure| {
                failure.hint(format!("those on this machine: `--folder {}`", self.here().display()))
            })?;
            if shelves.iter().all(|other| other.shown() != shelf.shown()) {
                shelves.push(shelf);
            }
        }
        Ok(shelves)
    }

    fn here(&self) -> PathBuf {
        self.place.state().join("backups")
    }

    fn said(&self, target: &str) -> Option<&'a BackupFolder> {
        self.config.backups.get(target)?.folder.as_ref()
    }

    fn shelf(&self, folder: &BackupFolder) -> Result<Shelf, Failure> {
        match folder {
            BackupFolder::Here(folder) => Ok(Shelf::Folder(self.place.base.join(folder))),
            BackupFolder::Bucket { bucket, prefix } => {
                let (_, store) = objects::target(self.config, bucket)?;
                let settings = settings(&wiring::aws(), &Options::default(), store);
                Ok(Shelf::Bucket(Bucket::new(&settings, bucket, prefix, &self.here())?))
            }
        }
    }
}
