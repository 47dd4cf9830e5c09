//! `windlass init`: looks at a repository and drafts `windlass.toml`.

use crate::{
    args::InitArgs,
    exit::{self, Exit, Failure},
    project::{self, CONFIG_NAME},
    terminal,
};
use serde::Serialize;
use std::{collections::VecDeque, fs::File, io::Read as _, path::Path};
use windlass_adopt::{RepositoryFile, repository};
use windlass_report::{Mark, Text};

/// Files that are looked at; a larger repository has its compose files and units near its root, which is read first.
const FILES_MAX: usize = 4000;
/// Longest file that is read, bytes.
const BYTES_MAX: u64 = 256 * 1024;
/// Deepest folder.
const DEPTH_MAX: usize = 6;
/// Folders of other people's code and of what was built.
const SKIPPED: &[&str] =
    &["node_modules", "target", "venv", "vendor", "dist", "build", "__pycache__", "testdata"];

/// `windlass init --json`.
#[derive(Debug, Serialize)]
struct InitJson {
    format: u32,
    /// The draft of windlass.toml.
    config: String,
    /// What was found where.
    found: Vec<String>,
}

/// Runs the command.
pub fn run(args: &InitArgs) -> Result<Exit, Failure> {
    let drafted = repository(&files(&args.folder)?);
    if args.output.json {
        terminal::json(&InitJson {
            format: windlass_report::FORMAT,
            config: drafted.config,
            found: drafted.found,
        })?;
        return Ok(Exit::Done);
    }
    let path = args.folder.join(CONFIG_NAME);
    project::write_new(&path, &drafted.config)?.ok_or_else(|| {
        Failure::wrong(format!("{} exists; nothing was written", path.display()))
            .hint("`windlass init --json` prints the draft and writes nothing")
    })?;
    let mut out = Text::new();
    if drafted.found.is_empty() {
        out.line().plain("found nothing that says where this repository runs");
    }
    for found in &drafted.found {
        out.wrapped("found ", Mark::Plain, found);
    }
    out.line().add(Mark::Good, "written").plain(format!(": {}; look through it once", path.display()));
    out.line().plain("next: windlass adopt RUNBOOK -o RELEASE.md");
    terminal::say(&out);
    Ok(Exit::Done)
}

/// The files of a folder, the nearest to its root first.
fn files(root: &Path) -> Result<Vec<RepositoryFile>, Failure> {
    let mut found = Vec::new();
    let mut folders = VecDeque::from([(root.to_owned(), 0)]);
    let mut looked = 0;
    while let Some((folder, depth)) = folders.pop_front() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if depth == 0 => return Err(exit::file("cannot read", &folder, &error)),
            // What may not be read has nothing to say.
            Err(_) => continue,
        };
        let mut entries: Vec<_> = entries.flatten().collect();
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            looked += 1;
            let Ok(kind) = entry.file_type() else { continue };
            let name = entry.file_name().to_string_lossy().into_owned();
            if looked > FILES_MAX {
                return Ok(found);
            }
            if kind.is_dir()
                && depth < DEPTH_MAX
                && !name.starts_with('.')
                && !SKIPPED.contains(&name.as_str())
            {
                folders.push_back((entry.path(), depth + 1));
            } else if kind.is_file()
                && let Some(text) = text(&entry.path())
            {
                let path = entry.path();
                let path = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
                found.push(RepositoryFile { path, text });
            }
        }
    }
    Ok(found)
}

/// The text of a file, if it is one and not long.
fn text(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(BYTES_MAX + 1).read_to_string(&mut text).ok()?;
    (text.len() as u64 <= BYTES_MAX).then_some(text)
}
