//! The files of a folder.

use crate::exit::{self, Failure};
use std::{fs, path::Path};
use windlass_plan::SourceFile;

/// Files of one folder.
const FILES_MAX: usize = 20_000;
/// Bytes of all of them.
const BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Folders inside of each other: Diesel has one, Flyway may have more.
const DEPTH_MAX: usize = 6;

/// Reads what may be a migration: SQL, programs, and Go files by name, which goose would run.
pub fn read(dir: &Path) -> Result<Vec<SourceFile>, Failure> {
    let mut files = Vec::new();
    let mut left = BYTES_MAX;
    walk(dir, "", 0, &mut left, &mut files)?;
    Ok(files)
}

fn walk(
    dir: &Path,
    before: &str,
    depth: usize,
    left: &mut u64,
    files: &mut Vec<SourceFile>,
) -> Result<(), Failure> {
    let list = fs::read_dir(dir).map_err(|error| exit::file("cannot read", dir, &error))?;
    for entry in list {
        let entry = entry.map_err(|error| exit::file("cannot read", dir, &error))?;
        let path = entry.path();
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return Err(Failure::wrong(format!("{} is not UTF-8", path.display())));
        };
        if name.starts_with('.') {
            continue;
        }
        let shown = if before.is_empty() { name.to_owned() } else { format!("{before}/{name}") };
        let meta = fs::metadata(&path).map_err(|error| exit::file("cannot read", &path, &error))?;
        if meta.is_dir() && depth < DEPTH_MAX {
            walk(&path, &shown, depth + 1, left, files)?;
        } else if meta.is_file() && name.ends_with(".go") {
            files.push(SourceFile { name: shown, line: 1, text: String::new() });
        } else if meta.is_file() && [".sql", ".py", ".sh"].iter().any(|end| name.ends_with(end)) {
            *left = left.checked_sub(meta.len()).ok_or_else(|| {
                Failure::wrong(format!(
                    "the files of the folder have more than {} MiB",
                    BYTES_MAX / (1024 * 1024)
                ))
            })?;
            let bytes = fs::read(&path).map_err(|error| exit::file("cannot read", &path, &error))?;
            // Of a program the text is only hashed.
            let text = if name.ends_with(".sql") {
                utf8(&path, bytes)?
            } else {
                String::from_utf8_lossy(&bytes).into_owned()
            };
            files.push(SourceFile { name: shown, line: 1, text });
        }
        if files.len() > FILES_MAX {
            return Err(Failure::wrong(format!("the folder has more than {FILES_MAX} files")));
        }
    }
    Ok(())
}

fn utf8(path: &Path, bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::wrong(format!("{} is not UTF-8: see byte {at}", path.display()))
            .hint("save it as UTF-8 in your editor, or convert it with iconv")
    })
}
