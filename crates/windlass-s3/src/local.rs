//! Files of this machine: their listing, in the order in which aws-cli sees them.

use crate::error::{Error, Kind};
use std::{
    fs::{self, Metadata},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};
use windlass_objects::Object;

const TEMPORARY: &str = ".windlass-";

/// Files below a folder, sorted as their keys.
pub(crate) struct Walk {
    follow: bool,
    /// Folders that are open: what is left of each, last first.
    open: Vec<Vec<(String, PathBuf, bool)>>,
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::new(Kind::File, format!("{}: {error}", path.display()))
}

/// A source has to be there; a destination may have to be made first.
pub(crate) fn walk(folder: &Path, follow: bool, is_source: bool) -> Result<Walk, Error> {
    let mut walk = Walk { follow, open: Vec::new() };
    if !folder.exists() && !is_source {
        return Ok(walk);
    }
    walk.enter(folder, "")?;
    Ok(walk)
}

/// One file, if it is there.
pub(crate) fn one(path: &Path, is_source: bool) -> Result<Option<Object>, Error> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            Ok(Some(object(name.unwrap_or_default(), &found)))
        }
        Ok(_) if is_source => Err(failed(path, &"is no file; `--recursive` copies folders")),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !is_source => Ok(None),
        Err(error) => Err(failed(path, &error)),
    }
}

/// What a file is called before it is whole; a kill leaves it there, and no line means it.
pub(crate) fn temporary(name: &str) -> String {
    format!("{TEMPORARY}{}-{name}", std::process::id())
}

fn is_temporary(name: &str) -> bool {
    let number = name.strip_prefix(TEMPORARY).and_then(|rest| rest.split_once('-'));
    number.is_some_and(|(pid, _)| !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit()))
}

pub(crate) fn object(key: String, found: &Metadata) -> Object {
    let since = found.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let modified_us = since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
    Object { key, size: found.len(), modified_us, etag: None, version: None, class: None }
}

impl Walk {
    fn enter(&mut self, folder: &Path, prefix: &str) -> Result<(), Error> {
        let mut names = Vec::new();
        for found in fs::read_dir(folder).map_err(|error| failed(folder, &error))? {
            let found = found.map_err(|error| failed(folder, &error))?;
            let name = found.file_name();
            let Some(name) = name.to_str() else {
                return Err(failed(&found.path(), &"its name is not UTF-8, so it can be no key"));
            };
            if is_temporary(name) {
                continue;
            }
            let kind = found.file_type().map_err(|error| failed(folder, &error))?;
            if kind.is_symlink() && !self.follow {
                continue;
            }
            let is_folder = if kind.is_symlink() { found.path().is_dir() } else { kind.is_dir() };
            let end = if is_folder { "/" } else { "" };
            names.push((format!("{prefix}{name}{end}"), found.path(), is_folder));
        }
        names.sort_by(|one, two| two.0.cmp(&one.0));
        self.open.push(names);
        Ok(())
    }
}

impl Iterator for Walk {
    type Item = Result<Object, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((key, path, is_folder)) = self.open.last_mut()?.pop() else {
                self.open.pop();
                continue;
            };
            if is_folder {
                // A link may lead back to a folder above.
                if self.open.len() > 128 {
                    return Some(Err(failed(&path, &"folders are too deep, or a link leads back")));
                }
                if let Err(error) = self.enter(&path, &key) {
                    return Some(Err(error));
                }
                continue;
            }
            match fs::metadata(&path) {
                Ok(found) if found.is_file() => return Some(Ok(object(key, &found))),
                // Pipes and devices, and links to nothing, are passed over, as aws-cli does.
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Some(Err(failed(&path, &error))),
            }
        }
    }
}
