//! Making a backup.

use super::{
    BACKUP_FORMAT, Manifest, Progress, Recipients, Source,
    count::Counter,
    failed,
    pack::{Packed, Packer},
    packing::Packing,
    pump::{Bounded, Ending, Watch, why},
    sqlite, store,
    tool::Tool,
};
use crate::disk::{human_bytes, room_for, sync_folder};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::DirBuilderExt as _,
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};
use windlass_driver::Failure;
use windlass_plan::UrlKind;

/// Longest time in which a dump program may write nothing: it waits for the lock of a table.
const SILENT_MAX: Duration = Duration::from_secs(10 * 60);

/// How a backup is made.
#[derive(Clone, Debug, Default)]
pub struct How<'a> {
    /// Folder with the server's programs, if not those of the search path.
    pub tools: Option<&'a Path>,
    /// For whom it is encrypted; for nobody: it is not.
    pub recipients: Recipients,
    /// Most bytes a second that are taken from the database.
    pub rate_bytes: Option<u64>,
}

/// Backs `source` up into `folder` as `name`; `at_ms` is now, milliseconds since 1970.
///
/// # Errors
/// Nothing was left behind: the database cannot be reached or read, a program is missing, there is no room.
pub fn create(
    source: &Source,
    (target, name): (&str, &str),
    folder: &Path,
    how: &How<'_>,
    at_ms: i64,
    progress: Progress<'_>,
) -> Result<Manifest, Failure> {
    let began = Instant::now();
    private(folder).map_err(|error| failed(format!("{}: {error}", folder.display())))?;
    let suffix = if source.kind == UrlKind::Sqlite { "db" } else { "sql" };
    let recipients = how.recipients.texts();
    let (sealed, format) = if recipients.is_empty() { ("", 1) } else { (".age", BACKUP_FORMAT) };
    let file = format!("{name}.{suffix}.zst{sealed}");
    let path = folder.join(&file);
    if path.exists() || store::manifest_path(folder, name).exists() {
        return Err(failed(format!("{} exists; nothing was done", path.display())));
    }
    let temporary = folder.join(format!("{file}.tmp"));
    let result = write(source, folder, &temporary, how, progress).and_then(|written| {
        let manifest = Manifest {
            format,
            name: name.to_owned(),
            target: target.to_owned(),
            kind: source.kind,
            database: source.database.clone(),
            file: file.clone(),
            at_ms,
            took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            bytes: written.packed.bytes,
            stored_bytes: written.packed.stored,
            sha256: written.packed.sha256,
            tool: written.tool,
            server: written.server,
            position: written.position,
            rows: written.rows,
            recipients,
        };
        let finish = || {
            fs::rename(&temporary, &path)?;
            sync_folder(folder)?;
            store::save(folder, &manifest)
        };
        finish().map_err(|error| not_written(&path, &error))?;
        Ok(manifest)
    });
    if result.is_err() {
        // Under its own name, too: without its manifest it is no backup.
        let _ = fs::remove_file(&temporary);
        let _ = fs::remove_file(&path);
    }
    result
}

/// Makes the folder for its owner only: a backup holds everything that the database does.
fn private(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// What was written.
pub(super) struct Written {
    pub(super) packed: Packed,
    pub(super) tool: String,
    pub(super) server: String,
    pub(super) position: Option<String>,
    pub(super) rows: BTreeMap<String, u64>,
}

/// A disk that did not take it.
pub(super) fn not_written(path: &Path, error: &io::Error) -> Failure {
    let failure = failed(format!("{}: {error}; nothing was kept", path.display()));
    match error.kind() {
        io::ErrorKind::StorageFull => failure.hint("the disk is full: see `df`, or name another `--folder`"),
        _ => failure,
    }
}

fn write(
    source: &Source,
    folder: &Path,
    temporary: &Path,
    how: &How<'_>,
    progress: Progress<'_>,
) -> Result<Written, Failure> {
    let no_room =
        |error: io::Error| failed(format!("no room for the backup in {}: {error}", folder.display()));
    let packer = Packer::open(temporary, &how.recipients).and_then(Packing::start);
    let mut packer = packer.map_err(|error| not_written(temporary, &error))?;
    if source.kind == UrlKind::Sqlite {
        room_for(sqlite::size(source)?, folder).map_err(no_room)?;
        return sqlite::write(source, folder, packer, how.rate_bytes, progress);
    }
    let tool = Tool::new(source, how.tools)?;
    let (size, server, position) = about(source, &tool)?;
    tool.no_endless_events()?;
    room_for(size / COMPRESSED, folder).map_err(no_room)?;
    let mut counter = Counter::new(source.kind);
    let ending = dump(&tool, size, &mut packer, &mut counter, how.rate_bytes, (temporary, progress))?;
    if !ending.is_complete(source.kind) || !counter.is_between() {
        return Err(failed(format!(
            "the dump of `{}` ended without its last line: it is cut off; nothing was kept",
            source.database
        )));
    }
    let packed = packer.finish().map_err(|error| not_written(temporary, &error))?;
    Ok(Written { packed, tool: tool.version.clone(), server, position, rows: counter.rows() })
}

/// Runs the dump program into `packer`.
fn dump(
    tool: &Tool,
    size: u64,
    packer: &mut Packing,
    counter: &mut Counter,
    rate_bytes: Option<u64>,
    (temporary, progress): (&Path, Progress<'_>),
) -> Result<Ending, Failure> {
    let lost = |error: io::Error| failed(format!("the dump was lost: {error}; nothing was kept"));
    let watch = Watch {
        go_on: &|silent| match silent > SILENT_MAX {
            true => Err(tool.silent(SILENT_MAX)),
            false => Ok(()),
        },
        moved: &|bytes| progress(&format!("{} of about {}", human_bytes(bytes), human_bytes(size))),
        rate_bytes,
    };
    let errors = tempfile::tempfile().map_err(lost)?;
    let said = errors.try_clone().map_err(lost)?;
    let child = tool.dump().stdout(Stdio::piped()).stderr(said).spawn();
    let mut child = Reaped(child.map_err(|error| failed(format!("the dump cannot be started: {error}")))?);
    let output = child.0.stdout.take().expect("the pipe was asked for");
    let mut output = Bounded::new(output, &watch).map_err(lost)?;
    let pumped = watch.pump(&mut output, packer, counter);
    let ending = pumped.map_err(|error| why(error, |error| not_written(temporary, &error)))?;
    let status = watch.ended(&mut child.0).map_err(|error| why(error, lost))?;
    if !status.success() {
        return Err(tool.said(&text(errors)));
    }
    Ok(ending)
}

/// A child that does not outlive its call.
pub(crate) struct Reaped(pub(crate) Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How much smaller than the database, at the least, a compressed dump is taken to be: indexes and free pages are not in
/// it. Only to refuse early; a disk that fills up all the same ends the backup cleanly.
const COMPRESSED: u64 = 4;

/// Bytes of the database, version of the server, position in its log.
pub(super) fn about(source: &Source, tool: &Tool) -> Result<(u64, String, Option<String>), Failure> {
    let ask = |sql: &str| tool.ask(Some(source.database.as_str()), sql);
    // Each question is a client of its own, so there is one where one does it.
    let (about, positions): (_, &[&str]) = match source.kind {
        UrlKind::Postgresql => (
            "SELECT pg_database_size(current_database()); SHOW server_version;\n\\set ON_ERROR_STOP off\n\
             SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END",
            &[],
        ),
        _ => (
            "SELECT COALESCE(SUM(data_length), 0) FROM information_schema.tables \
             WHERE table_schema = DATABASE(); SELECT VERSION()",
            &["SHOW BINARY LOG STATUS", "SHOW MASTER STATUS"],
        ),
    };
    let about = ask(about)?;
    let mut lines = about.lines();
    let size = lines.next().and_then(|line| line.parse().ok()).unwrap_or(0);
    let version = lines.next().unwrap_or_default().to_owned();
    // Not every account may ask for the position; then it is not known.
    let position = lines.next().map(str::to_owned).or_else(|| positions.iter().find_map(|sql| ask(sql).ok()));
    let position = position.map(|text| text.split('\t').take(2).collect::<Vec<_>>().join(":"));
    Ok((size, version, position.filter(|text| !text.is_empty())))
}

/// The end of what a program said on standard error.
pub(crate) fn text(mut file: File) -> String {
    use std::io::{Seek as _, SeekFrom};
    const TAIL: i64 = 4096;
    let mut bytes = vec![];
    let seek = file.seek(SeekFrom::End(-TAIL)).or_else(|_| file.seek(SeekFrom::Start(0)));
    if seek.is_ok() {
        let _ = file.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use windlass_lab::{Flavor, server};

    #[test]
    fn a_dump_that_fills_the_disk_leaves_nothing_of_itself() {
        let name = "a_dump_that_fills_the_disk_leaves_nothing_of_itself";
        let Some(disk) = crate::testing::SmallDisk::mount(name) else { return };
        let tools = crate::testing::folder();
        let program = tools.path().join("mysqldump");
        // The database has nothing in it, so nobody can know before.
        let script =
            "#!/bin/sh\ncase \"$*\" in *--version*) echo MariaDB; exit;; esac\nexec cat /dev/urandom\n";
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        symlink("/usr/bin/mysql", tools.path().join("mysql")).unwrap();
        let database = server(Flavor::Mariadb).database();
        let source = Source::new(&database.url(), Path::new("/")).unwrap();
        let folder = disk.0.path().join("backups");
        let how = How { tools: Some(tools.path()), ..How::default() };
        let failure = create(&source, ("db", "x"), &folder, &how, 1_790_000_000_000, &|_| {}).unwrap_err();
        assert!(failure.message.contains("No space left on device"), "{failure:?}");
        assert!(failure.message.contains("nothing was kept"), "{failure:?}");
        assert!(failure.hints.iter().any(|hint| hint.contains("`df`")), "{failure:?}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }
}
