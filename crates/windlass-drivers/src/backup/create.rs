//! Making a backup.

use super::{
    BACKUP_FORMAT, Manifest, Progress, Recipients, Shelf, Source,
    count::Counter,
    draft::{Incoming, not_written},
    failed,
    pack::{Packed, Packer},
    packing::Packing,
    pump::{Bounded, Ending, Watch, why},
    sqlite, store,
    tool::Tool,
};
use crate::disk::{human_bytes, room_for};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};
use windlass_driver::{Failure, Stopping};
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
    /// Whoever asks to stop ends it; nothing is kept then.
    pub stopping: Stopping,
}

impl How<'_> {
    /// Fails if somebody asked to stop.
    pub(super) fn go_on(&self) -> Result<(), Failure> {
        match self.stopping.asked() {
            true => Err(failed("the backup was stopped, as asked; nothing was kept")),
            false => Ok(()),
        }
    }
}

/// Backs `source` up at `shelf` as `name`; `at_ms` is now, milliseconds since 1970.
///
/// # Errors
/// The database cannot be reached or read, a program is missing, there is no room. Nothing was left behind, or the failure says what.
pub fn create(
    source: &Source,
    (target, name): (&str, &str),
    shelf: &Shelf,
    how: &How<'_>,
    at_ms: i64,
    progress: Progress<'_>,
) -> Result<Manifest, Failure> {
    let began = Instant::now();
    let suffix = if source.kind == UrlKind::Sqlite { "db" } else { "sql" };
    let recipients = how.recipients.texts();
    let (sealed, format) = if recipients.is_empty() { ("", 1) } else { (".age", BACKUP_FORMAT) };
    let file = format!("{name}.{suffix}.zst{sealed}");
    shelf.ready([&file, &store::manifest_file(name)])?;
    let from = Origin::new(source, how)?;
    from.room(shelf)?;
    let (draft, incoming) = shelf.draft(&file, from.size)?;
    let shown = shelf.shown_file(&file);
    let made = from.write(incoming, (shelf, &shown), how, progress).and_then(|written| {
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
        store::save(shelf, &manifest).map_err(|error| not_written(&shown, &error))?;
        Ok(manifest)
    });
    made.map_err(|failure| draft.forget(name, failure))
}

/// What was written.
pub(super) struct Written {
    pub(super) packed: Packed,
    pub(super) tool: String,
    pub(super) server: String,
    pub(super) position: Option<String>,
    pub(super) rows: BTreeMap<String, u64>,
}

/// What is backed up, and what is known of it before.
struct Origin<'a> {
    source: &'a Source,
    /// None of SQLite.
    tool: Option<Tool>,
    /// Bytes of the database.
    size: u64,
    server: String,
    position: Option<String>,
}

impl<'a> Origin<'a> {
    fn new(source: &'a Source, how: &How<'_>) -> Result<Self, Failure> {
        if source.kind == UrlKind::Sqlite {
            let size = sqlite::size(source)?;
            return Ok(Self { source, tool: None, size, server: String::new(), position: None });
        }
        let tool = Tool::new(source, how.tools)?;
        let (size, server, position) = about(source, &tool)?;
        tool.no_endless_events()?;
        Ok(Self { source, tool: Some(tool), size, server, position })
    }

    /// Fails if the backup has no room; of SQLite its copy on this machine, too.
    fn room(&self, shelf: &Shelf) -> Result<(), Failure> {
        let scratch = shelf.scratch();
        let (place, room) = match self.tool {
            None => (scratch.display().to_string(), room_for(self.size, scratch)),
            Some(_) => (shelf.shown(), shelf.room(self.size / COMPRESSED)),
        };
        room.map_err(|error| failed(format!("no room for the backup in {place}: {error}; nothing was done")))
    }

    fn write(
        self,
        incoming: Incoming,
        (shelf, shown): (&Shelf, &str),
        how: &How<'_>,
        progress: Progress<'_>,
    ) -> Result<Written, Failure> {
        let packer = Packer::new(incoming, &how.recipients).and_then(Packing::start);
        let mut packer = packer.map_err(|error| not_written(&shown, &error))?;
        let Some(tool) = self.tool else {
            return sqlite::write(self.source, (shelf.scratch(), shown), packer, how, progress);
        };
        let mut counter = Counter::new(self.source.kind);
        let ending = dump(&tool, self.size, &mut packer, &mut counter, how, (shown, progress))?;
        if !ending.is_complete(self.source.kind) || !counter.is_between() {
            return Err(failed(format!(
                "the dump of `{}` ended without its last line: it is cut off; nothing was kept",
                self.source.database
            )));
        }
        let packed = packer.finish().map_err(|error| not_written(&shown, &error))?;
        let rows = counter.rows();
        Ok(Written { packed, tool: tool.version.clone(), server: self.server, position: self.position, rows })
    }
}

/// Runs the dump program into `packer`.
fn dump(
    tool: &Tool,
    size: u64,
    packer: &mut Packing,
    counter: &mut Counter,
    how: &How<'_>,
    (shown, progress): (&str, Progress<'_>),
) -> Result<Ending, Failure> {
    let lost = |error: io::Error| failed(format!("the dump was lost: {error}; nothing was kept"));
    let watch = Watch {
        go_on: &|silent| match silent > SILENT_MAX {
            true => Err(tool.silent(SILENT_MAX)),
            false => how.go_on(),
        },
        moved: &|bytes| progress(&format!("{} of about {}", human_bytes(bytes), human_bytes(size))),
        rate_bytes: how.rate_bytes,
    };
    let errors = tempfile::tempfile().map_err(lost)?;
    let said = errors.try_clone().map_err(lost)?;
    let child = tool.dump().stdout(Stdio::piped()).stderr(said).spawn();
    let mut child = Reaped(child.map_err(|error| failed(format!("the dump cannot be started: {error}")))?);
    let output = child.0.stdout.take().expect("the pipe was asked for");
    let mut output = Bounded::new(output, &watch).map_err(lost)?;
    let pumped = watch.pump(&mut output, packer, counter);
    let ending = pumped.map_err(|error| why(error, |error| not_written(&shown, &error)))?;
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
    use std::{
        fs,
        os::unix::fs::{PermissionsExt as _, symlink},
    };
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
        let shelf = Shelf::Folder(folder.clone());
        let failure = create(&source, ("db", "x"), &shelf, &how, 1_790_000_000_000, &|_| {}).unwrap_err();
        assert!(failure.message.contains("No space left on device"), "{failure:?}");
        assert!(failure.message.contains("nothing was kept"), "{failure:?}");
        assert!(failure.hints.iter().any(|hint| hint.contains("`df`")), "{failure:?}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }
}
