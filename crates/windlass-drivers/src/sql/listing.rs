//! Conflicts as they are found: any number of them in little memory.

use super::conflicts::{self, Conflict};
use crate::disk;
use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Takes conflicts one by one, writes all of them to `conflicts.csv` in a folder, and remembers the first for a message.
pub(crate) struct Listing {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    first: Vec<Conflict>,
    count: u64,
}

impl Listing {
    /// A listing without conflicts; the file is made with the first.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { path: folder.join("conflicts.csv"), file: None, first: vec![], count: 0 }
    }

    /// Adds one.
    pub(crate) fn add(&mut self, conflict: Conflict) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                fs::create_dir_all(self.path.parent().unwrap_or(Path::new("/")))?;
                // Values may be personal data.
                let mut options = fs::OpenOptions::new();
                let temporary = self.temporary();
                let file = options.write(true).create(true).truncate(true).mode(0o600).open(temporary)?;
                let file = self.file.insert(BufWriter::new(file));
                file.write_all(conflicts::head().as_bytes())?;
                file
            }
        };
        file.write_all(conflict.line().as_bytes())?;
        self.count += 1;
        if self.first.len() < conflicts::SHOWN {
            self.first.push(conflict);
        }
        Ok(())
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The first of them as a table.
    pub(crate) fn table(&self) -> String {
        conflicts::table(&self.first, self.count)
    }

    /// Makes the file durable; `None` without conflicts, and then a file of an earlier try is gone.
    pub(crate) fn finish(&mut self) -> io::Result<Option<PathBuf>> {
        let Some(mut file) = self.file.take() else {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(None),
            };
        };
        file.flush()?;
        file.get_ref().sync_all()?;
        fs::rename(self.temporary(), &self.path)?;
        disk::sync_folder(self.path.parent().unwrap_or(Path::new("/")))?;
        Ok(Some(self.path.clone()))
    }

    fn temporary(&self) -> PathBuf {
        self.path.with_extension("csv.tmp")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_writes_what_the_whole_list_writes_and_keeps_little() {
        let folder = crate::testing::folder();
        let one = |number: u32| Conflict {
            table: "t".into(),
            key: format!("id={number}"),
            column: "a, b".into(),
            before: None,
            wrote: Some(String::new()),
            now: Some("\"".into()),
        };
        let all: Vec<_> = (0..100).map(one).collect();
        let mut listing = Listing::new(folder.path());
        all.iter().for_each(|conflict| listing.add(conflict.clone()).unwrap());
        let text = fs::read_to_string(listing.finish().unwrap().unwrap()).unwrap();
        let whole = crate::testing::folder();
        let expected = fs::read_to_string(conflicts::write(&all, whole.path()).unwrap()).unwrap();
        assert_eq!(text, expected);
        assert_eq!((listing.count(), listing.table()), (100, conflicts::table(&all, 100)));
        assert_eq!(Listing::new(folder.path()).finish().unwrap(), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "an old list would mislead");
    }
}
