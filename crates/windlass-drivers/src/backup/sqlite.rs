//! SQLite: a copy by its backup API, of one consistent moment, while others go on.

use super::{
    How, Progress, Source,
    create::Written,
    draft::not_written,
    failed,
    packing::Packing,
    pump::{CHUNK, Pace, TELL},
};
use crate::disk::human_bytes;
use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::FileExt as _,
    path::Path,
    time::{Duration, Instant},
};
use windlass_driver::Failure;

/// Pages copied between two looks at the clock.
const PAGES: i32 = 4096;
/// How the name begins that a copy has before there is anything in it.
pub(super) const COPY: &str = ".windlass-copy-";
/// Longest wait for another writer.
const BUSY_MAX: Duration = Duration::from_secs(5);

fn open(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_MAX)?;
    Ok(connection)
}

fn read(source: &Source) -> Result<Connection, Failure> {
    open(&source.path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|error| failed(format!("{}: {error}", source.path.display())))
}

/// Bytes of the database.
pub(crate) fn size(source: &Source) -> Result<u64, Failure> {
    let size = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
    read(source)?
        .query_row(size, [], |row| row.get::<_, i64>(0))
        .map(i64::unsigned_abs)
        .map_err(|error| failed(format!("{}: {error}", source.path.display())))
}

/// Copies the database into a file of `scratch` and packs that; `shown` is the backup, for people.
pub(super) fn write(
    source: &Source,
    (scratch, shown): (&Path, &str),
    mut packer: Packing,
    how: &How<'_>,
    progress: Progress<'_>,
) -> Result<Written, Failure> {
    let (from, to) = (source.path.display(), scratch.display());
    let failure = |error| failed(format!("{from}, copied into {to}: {error}; nothing was kept"));
    let disk = |error: io::Error| not_written(&to, &error);
    let written = |error: io::Error| not_written(&shown, &error);
    let paced = how.rate_bytes.filter(|_| is_wal(source).unwrap_or(false));
    if paced != how.rate_bytes {
        // The copy is one read: elsewhere nobody could commit for as long as it takes.
        progress("the rate is not kept: without WAL every writer would wait for the whole copy");
    }
    let mut copy = Nameless::new(scratch).map_err(disk)?;
    let copied = copied(source, &mut copy.writer, paced, &|| how.stopping.asked(), progress);
    how.go_on()?;
    copied.map_err(failure)?;
    copy.without_wal().map_err(disk)?;
    let rows = rows(&copy.reader).map_err(failure)?;
    copy.file.rewind().map_err(disk)?;
    let mut chunk = vec![0; CHUNK];
    loop {
        how.go_on()?;
        match copy.file.read(&mut chunk).map_err(disk)? {
            0 => break,
            read => packer.write_all(&chunk[..read]).map_err(written)?,
        }
    }
    let version = format!("SQLite {}", rusqlite::version());
    let packed = packer.finish().map_err(written)?;
    Ok(Written { packed, tool: version.clone(), server: version, position: None, rows })
}

/// A database file that lost its name before anything was written into it: it holds in clear what the backup may be encrypted
/// to hide, and goes with its process, however that ends.
struct Nameless {
    file: File,
    writer: Connection,
    /// Has read nothing before the copy is whole: what a connection remembers of the header would be wrong by then.
    reader: Connection,
}

impl Nameless {
    fn new(folder: &Path) -> io::Result<Self> {
        let named = tempfile::Builder::new().prefix(COPY).tempfile_in(folder)?;
        let opened = |flags| open(named.path(), flags).map_err(io::Error::other);
        let (writer, reader) =
            (opened(OpenFlags::SQLITE_OPEN_READ_WRITE)?, opened(OpenFlags::SQLITE_OPEN_READ_ONLY)?);
        // A journal would have a name, and pages in it.
        let settings = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF";
        writer.execute_batch(settings).map_err(io::Error::other)?;
        let (file, path) = named.into_parts();
        path.close()?;
        Ok(Self { file, writer, reader })
    }

    /// As `PRAGMA journal_mode = DELETE` would leave the header (bytes 18 and 19 of the file format), without the `-wal` file
    /// that the statement makes first.
    fn without_wal(&self) -> io::Result<()> {
        self.file.write_all_at(&[1, 1], 18)
    }
}

/// Whether writers go on beside a reader.
fn is_wal(source: &Source) -> rusqlite::Result<bool> {
    let live = open(&source.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mode: String = live.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    Ok(mode.eq_ignore_ascii_case("wal"))
}

/// Copies the source into a new file `to`, which is read without a `-wal` file beside it.
pub(crate) fn copied_to(source: &Source, to: &Path, progress: Progress<'_>) -> rusqlite::Result<()> {
    let mut copy = open(to, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    copied(source, &mut copy, None, &|| false, progress)?;
    copy.execute_batch("PRAGMA journal_mode = DELETE")
}

/// Copies all pages, or those until somebody asks to stop.
fn copied(
    source: &Source,
    copy: &mut Connection,
    rate_bytes: Option<u64>,
    is_stopped: &dyn Fn() -> bool,
    progress: Progress<'_>,
) -> rusqlite::Result<()> {
    let live = open(&source.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    // A writer makes the copy begin anew; a read transaction makes the source stand still.
    live.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema")?;
    let page = live.query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0))?.unsigned_abs();
    let backup = Backup::new(&live, copy)?;
    let (mut pace, mut told, mut before) = (rate_bytes.map(Pace::new), Instant::now(), 0);
    // A piece takes no longer than a tenth of a second at that rate.
    let pages = rate_bytes.and_then(|rate| i32::try_from(rate / 10 / page.max(1)).ok());
    let pages = pages.unwrap_or(PAGES).clamp(1, PAGES);
    while backup.step(pages)? == StepResult::More && !is_stopped() {
        let state = backup.progress();
        let bytes = |pages: i32| u64::from(pages.unsigned_abs()) * page;
        let (done, all) = (bytes(state.pagecount - state.remaining), bytes(state.pagecount));
        if told.elapsed() > TELL {
            told = Instant::now();
            progress(&format!("{} of {}", human_bytes(done), human_bytes(all)));
        }
        if let Some(pace) = &mut pace {
            pace.came(done.saturating_sub(before), Instant::now());
            while let Some(rest) = pace.rest(Instant::now()) {
                std::thread::sleep(rest);
            }
        }
        before = done;
    }
    Ok(())
}

/// Rows of each table.
pub(super) fn rows(connection: &Connection) -> rusqlite::Result<BTreeMap<String, u64>> {
    let sql =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut statement = connection.prepare(sql)?;
    let names = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    let count = |name: String| {
        let sql = format!("SELECT count(*) FROM \"{}\"", name.replace('"', "\"\""));
        Ok((name, connection.query_row(&sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs()))
    };
    names.into_iter().map(count).collect()
}

/// What is wrong with a database file, by SQLite's own check; empty: nothing.
pub(super) fn complaints(path: &Path) -> rusqlite::Result<(Vec<String>, BTreeMap<String, u64>)> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = connection.prepare("PRAGMA integrity_check(5)")?;
    let said = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    let complaints = said.into_iter().filter(|line| line != "ok").collect();
    Ok((complaints, rows(&connection)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backup::{Recipients, Shelf, create},
        testing::{argument, controller, wait_until},
    };
    use std::fs;

    const SECRET: &str = "the words that nobody may read";

    /// Names in a folder, and whether a file there can be read in clear.
    fn beside(folder: &Path) -> (Vec<String>, bool) {
        let files: Vec<_> = fs::read_dir(folder).unwrap().map(Result::unwrap).collect();
        let in_clear = |path: &Path| {
            let bytes = fs::read(path).unwrap_or_default();
            bytes.windows(SECRET.len()).any(|some| some == SECRET.as_bytes())
        };
        let is_clear = files.iter().any(|file| in_clear(&file.path()));
        (files.iter().map(|file| file.file_name().to_string_lossy().into_owned()).collect(), is_clear)
    }

    #[test]
    fn no_copy_in_clear_lies_beside_an_encrypted_backup_even_when_it_is_killed() {
        const NAME: &str =
            "backup::sqlite::tests::no_copy_in_clear_lies_beside_an_encrypted_backup_even_when_it_is_killed";
        if let Some(folder) = argument() {
            let folder = Path::new(&folder);
            let public = age::x25519::Identity::generate().to_public().to_string();
            let recipients = Recipients::new(&[public], None).unwrap();
            let how = How { recipients, rate_bytes: Some(1 << 20), ..How::default() };
            let source = Source::new("sqlite:app.db", folder).unwrap();
            create(&source, ("db", "x"), &Shelf::Folder(folder.join("backups")), &how, 1, &|_| ()).unwrap();
            return;
        }
        // A folder of the disk: a link that shows an open file is not the same everywhere.
        let folder = tempfile::tempdir().unwrap();
        let live = Connection::open(folder.path().join("app.db")).unwrap();
        let fill = format!(
            "PRAGMA journal_mode = WAL; CREATE TABLE t (a); INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
             WHERE i < 90000) SELECT '{SECRET} ' || i FROM n"
        );
        live.execute_batch(&fill).unwrap();
        let backups = folder.path().join("backups");
        let mut child = controller(NAME, folder.path().to_str().unwrap());
        let files = Path::new("/proc").join(child.id().to_string()).join("fd");
        let copied = || {
            let files = fs::read_dir(&files).into_iter().flatten().flatten();
            let mut copies = files.filter(|file| {
                fs::read_link(file.path()).is_ok_and(|path| path.to_string_lossy().contains(COPY))
            });
            copies.any(|file| fs::metadata(file.path()).is_ok_and(|meta| meta.len() > 1 << 20))
        };
        wait_until("much of it is copied", copied);
        assert_eq!(beside(&backups), (vec!["x.db.zst.age.tmp".to_owned()], false));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(beside(&backups), (vec!["x.db.zst.age.tmp".to_owned()], false));
    }

    #[test]
    fn a_copy_of_a_file_with_wal_is_whole_without_one() {
        let folder = crate::testing::folder();
        let live = Connection::open(folder.path().join("app.db")).unwrap();
        let fill = "PRAGMA page_size = 512; PRAGMA journal_mode = WAL; CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)";
        live.execute_batch(fill).unwrap();
        let source = Source::new("sqlite:app.db", folder.path()).unwrap();
        let mut copy = Nameless::new(folder.path()).unwrap();
        copied(&source, &mut copy.writer, None, &|| false, &|_| ()).unwrap();
        copy.without_wal().unwrap();
        assert_eq!(rows(&copy.reader).unwrap(), [("t".to_owned(), 2)].into());
        let named = folder.path().join("copy.db");
        copy.file.rewind().unwrap();
        io::copy(&mut copy.file, &mut File::create(&named).unwrap()).unwrap();
        assert_eq!(complaints(&named).unwrap(), (vec![], [("t".to_owned(), 2)].into()));
        let opened = open(&named, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let mode: String = opened.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
        assert_eq!(mode, "delete");
        assert!(beside(folder.path()).0.iter().all(|name| !name.starts_with(COPY)));
    }
}
