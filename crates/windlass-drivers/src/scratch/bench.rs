//! An empty place for a moment, which its owner fills himself: gone when it is dropped, and when this process dies in any way.

use super::{Janitor, PREFIX, failed, file, new_name, server::Server};
use crate::backup::{Progress, Source};
use std::path::Path;
use windlass_driver::Failure;
use windlass_plan::UrlKind;

/// The place: a database that nobody has made yet, or a file in a folder for its owner only.
pub(crate) struct Bench {
    pub(crate) place: Source,
    janitor: Janitor,
}

impl Bench {
    /// Beside the live database. What earlier ones have left behind there is removed first, and told.
    pub(crate) fn new(
        source: &Source,
        tools: Option<&Path>,
        progress: Progress<'_>,
    ) -> Result<Self, Failure> {
        let name = new_name(PREFIX);
        if source.kind != UrlKind::Sqlite {
            let server = Server::new(source, tools)?;
            server.sweep(tools, progress)?;
            return Ok(Self { place: source.with_database(&name), janitor: server.janitor(&name)? });
        }
        let beside = source.path.parent().ok_or_else(|| failed("the database is no file in a folder"))?;
        file::sweep_folders(beside, progress);
        let (folder, janitor) = file::folder(beside, &name)?;
        let path = folder.join(&source.database);
        Ok(Self { place: Source { path, ..source.clone() }, janitor })
    }

    /// Removes it.
    ///
    /// # Errors
    /// What is left behind, and how to remove it by hand.
    pub(crate) fn remove(self) -> Result<(), Failure> {
        self.janitor.sweep()
    }
}
