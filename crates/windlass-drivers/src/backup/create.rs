//! Making a backup.

use super::{BACKUP_FORMAT, Manifest, Progress, Source, count::Counter, failed, sqlite, store, tool::Tool};
use crate::disk::{hex, human_bytes, room_for, sync_folder};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};
use windlass_driver::Failure;
use windlass_plan::UrlKind;

/// Bytes read at a time.
const CHUNK: usize = 256 * 1024;
/// Level of zstd: its own default, faster than the dump programs write.
const LEVEL: i32 = 3;
/// Time between two lines of progress.
const TELL: Duration = Duration::from_secs(1);

/// Backs `source` up into `folder` as `name`; `at_ms` is now, milliseconds since 1970. `tools` is a folder with the
/// server's programs, if not those of the search path are meant.
///
/// # Errors
/// Nothing was left behind: the database cannot be reached or read, a program is missing, there is no room.
pub fn create(
    source: &Source,
    (target, name): (&str, &str),
    folder: &Path,
    tools: Option<&Path>,
    at_ms: i64,
    progress: Progress<'_>,
) -> Result<Manifest, Failure> {
    let began = Instant::now();
    private(folder).map_err(|error| failed(format!("{}: {error}", folder.display())))?;
    let suffix = if source.kind == UrlKind::Sqlite { "db" } else { "sql" };
    let file = format!("{name}.{suffix}.zst");
    let path = folder.join(&file);
    if path.exists() || store::manifest_path(folder, name).exists() {
        return Err(failed(format!("{} exists; nothing was done", path.display())));
    }
    let temporary = folder.join(format!("{file}.tmp"));
    let result = write(source, folder, &temporary, tools, progress).and_then(|written| {
        let manifest = Manifest {
            format: BACKUP_FORMAT,
            name: name.to_owned(),
            target: target.to_owned(),
            kind: source.kind,
            database: source.database.clone(),
            file: file.clone(),
            at_ms,
            took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            bytes: written.bytes,
            stored_bytes: written.stored,
            sha256: written.sha256,
            tool: written.tool,
            server: written.server,
            position: written.position,
            rows: written.rows,
        };
        let finish = || {
            fs::rename(&temporary, &path)?;
            sync_folder(folder)?;
            store::save(folder, &manifest)
        };
        finish().map_err(|error: io::Error| failed(format!("{}: {error}", path.display())))?;
        Ok(manifest)
    });
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// Makes the folder for its owner only: a backup holds everything that the database does.
fn private(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// What was written.
#[derive(Default)]
pub(super) struct Written {
    pub(super) bytes: u64,
    pub(super) stored: u64,
    pub(super) sha256: String,
    pub(super) tool: String,
    pub(super) server: String,
    pub(super) position: Option<String>,
    pub(super) rows: std::collections::BTreeMap<String, u64>,
}

fn write(
    source: &Source,
    folder: &Path,
    temporary: &Path,
    tools: Option<&Path>,
    progress: Progress<'_>,
) -> Result<Written, Failure> {
    let no_room =
        |error: io::Error| failed(format!("no room for the backup in {}: {error}", folder.display()));
    let mut packer =
        Packer::open(temporary).map_err(|error| failed(format!("{}: {error}", temporary.display())))?;
    if source.kind == UrlKind::Sqlite {
        room_for(sqlite::size(source)?, folder).map_err(no_room)?;
        return sqlite::write(source, folder, packer, progress);
    }
    let tool = Tool::new(source, tools)?;
    let (size, server, position) = about(source, &tool)?;
    room_for(size / COMPRESSED, folder).map_err(no_room)?;
    let mut told = Instant::now();
    let mut counter = Counter::new(source.kind);
    let mut command = tool.dump();
    let errors = tempfile::tempfile().map_err(|error| failed(error.to_string()))?;
    let said = errors.try_clone().map_err(|error| failed(error.to_string()))?;
    let child = command.stdout(Stdio::piped()).stderr(said).spawn();
    let mut child = child.map_err(|error| failed(format!("the dump cannot be started: {error}")))?;
    let mut output = child.stdout.take().expect("the pipe was asked for");
    let mut chunk = vec![0; CHUNK];
    let copied = loop {
        match output.read(&mut chunk) {
            Ok(0) => break Ok(()),
            Ok(read) => {
                counter.feed(&chunk[..read]);
                if let Err(error) = packer.write_all(&chunk[..read]) {
                    break Err(error);
                }
                if told.elapsed() > TELL {
                    told = Instant::now();
                    progress(&format!("{} of about {}", human_bytes(packer.bytes), human_bytes(size)));
                }
            }
            Err(error) => break Err(error),
        }
    };
    if copied.is_err() {
        // It would wait for a reader for ever.
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| failed(format!("the dump was lost: {error}")))?;
    copied.map_err(|error| failed(format!("{}: {error}; nothing was kept", temporary.display())))?;
    if !status.success() {
        return Err(tool.said(&text(errors)));
    }
    let mut written = packer.finish().map_err(|error| failed(format!("{}: {error}", temporary.display())))?;
    (written.tool, written.server, written.position) = (tool.version.clone(), server, position);
    written.rows = counter.rows();
    Ok(written)
}

/// How much smaller than the database, at the least, a compressed dump is taken to be: indexes and free pages are not in
/// it. Only to refuse early; a disk that fills up all the same ends the backup cleanly.
const COMPRESSED: u64 = 4;

/// Bytes of the database, version of the server, position in its log.
fn about(source: &Source, tool: &Tool) -> Result<(u64, String, Option<String>), Failure> {
    let database = Some(source.database.as_str());
    let (size, version, positions) = match source.kind {
        UrlKind::Postgresql => (
            "SELECT pg_database_size(current_database())",
            "SHOW server_version",
            [
                "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END",
                "",
            ],
        ),
        _ => (
            "SELECT COALESCE(SUM(data_length), 0) FROM information_schema.tables WHERE table_schema = DATABASE()",
            "SELECT VERSION()",
            ["SHOW BINARY LOG STATUS", "SHOW MASTER STATUS"],
        ),
    };
    let size = tool.ask(database, size)?.parse().unwrap_or(0);
    let version = tool.ask(database, version)?;
    // Not every account may ask; then it is not known.
    let position =
        positions.iter().filter(|sql| !sql.is_empty()).find_map(|sql| tool.ask(database, sql).ok());
    let position = position.map(|text| text.split('\t').take(2).collect::<Vec<_>>().join(":"));
    Ok((size, version, position.filter(|text| !text.is_empty())))
}

/// The end of what a program said on standard error.
pub(super) fn text(mut file: File) -> String {
    use std::io::{Seek as _, SeekFrom};
    const TAIL: i64 = 4096;
    let mut bytes = vec![];
    let seek = file.seek(SeekFrom::End(-TAIL)).or_else(|_| file.seek(SeekFrom::Start(0)));
    if seek.is_ok() {
        let _ = file.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Compresses, hashes and counts on the way to a file.
pub(super) struct Packer {
    encoder: zstd::stream::write::Encoder<'static, Hashed>,
    /// Bytes taken in.
    pub(super) bytes: u64,
}

struct Hashed {
    file: File,
    hasher: Sha256,
    bytes: u64,
}

impl Write for Hashed {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.file.write(data)?;
        self.hasher.update(&data[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Packer {
    fn open(path: &Path) -> io::Result<Self> {
        // A leftover of a killed backup of the same name is replaced.
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        let hashed = Hashed { file, hasher: Sha256::new(), bytes: 0 };
        let mut encoder = zstd::stream::write::Encoder::new(hashed, LEVEL)?;
        encoder.include_checksum(true)?;
        Ok(Self { encoder, bytes: 0 })
    }

    pub(super) fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        self.bytes += data.len() as u64;
        self.encoder.write_all(data)
    }

    pub(super) fn finish(self) -> io::Result<Written> {
        let hashed = self.encoder.finish()?;
        hashed.file.sync_all()?;
        let sha256 = hex(&hashed.hasher.finalize());
        Ok(Written { bytes: self.bytes, stored: hashed.bytes, sha256, ..Written::default() })
    }
}
