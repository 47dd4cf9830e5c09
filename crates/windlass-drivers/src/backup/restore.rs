//! Putting a backup back, and proving that it can be put back.

use super::{Manifest, Progress, Source, failed, sqlite, tool::Tool};
use crate::disk::{human_bytes, room_for, sha256_file, sync_folder};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};
use windlass_driver::Failure;
use windlass_plan::UrlKind;

/// Bytes written at a time.
const CHUNK: usize = 256 * 1024;
/// Time between two lines of progress.
const TELL: Duration = Duration::from_secs(1);

/// A backup that was put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Name of the new database, or path of the new file.
    pub into: String,
    /// Rows of each table in it.
    pub rows: BTreeMap<String, u64>,
}

/// What a proof found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Rows that were found.
    pub rows: u64,
    /// How the restored database differs from what the manifest says, one line each; empty: it does not.
    pub differences: Vec<String>,
    /// How long it took, milliseconds: what a real restore would take at least.
    pub took_ms: u64,
}

/// Restores into a new database `into` on the server of `source` (SQLite: a new file beside it). Never into one that
/// exists.
///
/// # Errors
/// The backup is damaged, `into` exists, the account may not create it, a statement failed: then `into` is dropped again.
pub fn restore(
    source: &Source,
    folder: &Path,
    manifest: &Manifest,
    into: &str,
    tools: Option<&Path>,
    progress: Progress<'_>,
) -> Result<Restored, Failure> {
    if manifest.kind != source.kind {
        return Err(failed("the backup is of another kind of database; nothing was done"));
    }
    let data = folder.join(&manifest.file);
    undamaged(&data, manifest)?;
    let place = source.with_database(into);
    if source.kind == UrlKind::Sqlite {
        return sqlite_file(&data, manifest, &place.path, progress);
    }
    if into.is_empty() || !into.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(failed(format!("`{into}` is no name for a new database: use letters, digits and `_`")));
    }
    let tool = Tool::new(source, tools)?;
    let quoted = if source.kind == UrlKind::Postgresql { format!("\"{into}\"") } else { format!("`{into}`") };
    let database = Some(source.database.as_str());
    let extra = if source.kind == UrlKind::Postgresql { " TEMPLATE template0" } else { "" };
    tool.ask(database, &format!("CREATE DATABASE {quoted}{extra}"))?;
    let new = Tool::new(&place, tools)?;
    let result = feed(&new, &place, &data, manifest, progress).and_then(|()| rows(&new, &place, manifest));
    match result {
        Ok(rows) => Ok(Restored { into: into.to_owned(), rows }),
        Err(failure) => {
            let dropped = tool.ask(database, &format!("DROP DATABASE {quoted}"));
            let left = format!("the database {into} was left behind: drop it by hand");
            Err(if dropped.is_err() { failure.hint(left) } else { failure })
        }
    }
}

/// Restores into a scratch database, compares with the manifest, and drops it.
///
/// # Errors
/// As for [`restore`]; and the scratch database could not be dropped.
pub fn verify(
    source: &Source,
    folder: &Path,
    manifest: &Manifest,
    tools: Option<&Path>,
    progress: Progress<'_>,
) -> Result<Verified, Failure> {
    let began = Instant::now();
    let scratch = format!("windlass_verify_{}", std::process::id());
    let restored = restore(source, folder, manifest, &scratch, tools, progress)?;
    let place = source.with_database(&scratch);
    if source.kind == UrlKind::Sqlite {
        fs::remove_file(&place.path).map_err(|error| failed(format!("{}: {error}", place.path.display())))?;
    } else {
        let quote = if source.kind == UrlKind::Postgresql { '"' } else { '`' };
        let drop = format!("DROP DATABASE {quote}{scratch}{quote}");
        Tool::new(source, tools)?.ask(Some(source.database.as_str()), &drop)?;
    }
    let mut differences = vec![];
    for (table, expected) in &manifest.rows {
        match restored.rows.get(table) {
            None => differences.push(format!("table {table} is missing ({expected} rows)")),
            Some(found) if found != expected => {
                differences.push(format!("table {table} has {found} rows instead of {expected}"));
            }
            Some(_) => {}
        }
    }
    let rows = restored.rows.values().sum();
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Verified { rows, differences, took_ms })
}

/// The file is what was written.
fn undamaged(data: &Path, manifest: &Manifest) -> Result<(), Failure> {
    let (sha256, _) = sha256_file(data).map_err(|error| failed(format!("{}: {error}", data.display())))?;
    if sha256 == manifest.sha256 {
        return Ok(());
    }
    Err(failed(format!(
        "{} is damaged: its SHA-256 is {sha256}, the manifest says {}; nothing was done",
        data.display(),
        manifest.sha256
    ))
    .hint("`windlass backup list` shows the others"))
}

fn unpacked(data: &Path) -> io::Result<zstd::stream::read::Decoder<'static, BufReader<File>>> {
    zstd::stream::read::Decoder::new(File::open(data)?)
}

/// Feeds the statements to the client.
fn feed(
    tool: &Tool,
    place: &Source,
    data: &Path,
    manifest: &Manifest,
    progress: Progress<'_>,
) -> Result<(), Failure> {
    let broken = |error: io::Error| failed(format!("{}: {error}", data.display()));
    let mut input = unpacked(data).map_err(broken)?;
    let errors = tempfile::tempfile().map_err(broken)?;
    let said = errors.try_clone().map_err(broken)?;
    let child =
        tool.client(Some(&place.database)).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(said).spawn();
    let mut child = child.map_err(|error| failed(format!("the client cannot be started: {error}")))?;
    let mut pipe = child.stdin.take().expect("the pipe was asked for");
    let mut chunk = vec![0; CHUNK];
    let (mut done, mut told) = (0_u64, Instant::now());
    let fed = loop {
        match input.read(&mut chunk) {
            Ok(0) => break Ok(()),
            Ok(read) => {
                if let Err(error) = pipe.write_all(&chunk[..read]) {
                    break Err(error);
                }
                done += read as u64;
                if told.elapsed() > TELL {
                    told = Instant::now();
                    progress(&format!("{} of {}", human_bytes(done), human_bytes(manifest.bytes)));
                }
            }
            Err(error) => {
                let _ = child.kill();
                break Err(error);
            }
        }
    };
    drop(pipe);
    let status = child.wait().map_err(broken)?;
    if !status.success() {
        return Err(tool.said(&super::create::text(errors)));
    }
    fed.map_err(broken)
}

/// Rows of the tables that the manifest names, counted.
fn rows(tool: &Tool, place: &Source, manifest: &Manifest) -> Result<BTreeMap<String, u64>, Failure> {
    let mut found = BTreeMap::new();
    for table in manifest.rows.keys() {
        let quoted = match place.kind {
            UrlKind::Postgresql => {
                table.splitn(2, '.').map(|part| format!("\"{part}\"")).collect::<Vec<_>>().join(".")
            }
            _ => format!("`{table}`"),
        };
        // A table that is missing is a difference, not a failure of the proof.
        if let Ok(count) = tool.ask(Some(&place.database), &format!("SELECT count(*) FROM {quoted}")) {
            found.insert(table.clone(), count.parse().unwrap_or(0));
        }
    }
    Ok(found)
}

fn sqlite_file(
    data: &Path,
    manifest: &Manifest,
    path: &PathBuf,
    progress: Progress<'_>,
) -> Result<Restored, Failure> {
    let shown = path.display().to_string();
    let broken = |error: &dyn std::fmt::Display| failed(format!("{shown}: {error}"));
    if path.symlink_metadata().is_ok() {
        return Err(
            failed(format!("{shown} exists; nothing was done")).hint("name a file that does not exist")
        );
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    room_for(manifest.bytes, folder).map_err(|error| broken(&error))?;
    let mut temporary = tempfile::NamedTempFile::new_in(folder).map_err(|error| broken(&error))?;
    progress(&format!("unpacking {}", human_bytes(manifest.bytes)));
    let mut input = unpacked(data).map_err(|error| broken(&error))?;
    io::copy(&mut input, &mut temporary).map_err(|error| broken(&error))?;
    temporary.as_file().sync_all().map_err(|error| broken(&error))?;
    let (complaints, rows) = sqlite::complaints(temporary.path()).map_err(|error| broken(&error))?;
    if let Some(complaint) = complaints.first() {
        return Err(failed(format!("{} is damaged: {complaint}", data.display())));
    }
    // Never over a file that appeared meanwhile.
    temporary.persist_noclobber(path).map_err(|error| broken(&error.error))?;
    sync_folder(folder).map_err(|error| broken(&error))?;
    Ok(Restored { into: shown, rows })
}
