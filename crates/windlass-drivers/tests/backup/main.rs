//! Backups of real servers: made, proven, put back; with damage, wrong passwords and kills.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world has to fail")]

mod damage;
mod encrypted;

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};
use windlass_drivers::backup::{self, How, Manifest, Means, Shelf, Source, Stored};
use windlass_lab::{Database, Flavor, Server, server};

const NOW_MS: i64 = 1_790_000_000_000;
const SERVERS: [Flavor; 4] = Flavor::ALL;

fn fill(database: &Database) {
    database.run("CREATE TABLE record (id INT PRIMARY KEY, note VARCHAR(200))");
    database.run("CREATE TABLE empty_one (id INT PRIMARY KEY)");
    let notes = ["plain", "it''s; (a), (b)", "数据\\\\备份", "line\nCOPY x FROM stdin;\n\\\\.\nend", "\t"];
    for (id, note) in notes.iter().enumerate() {
        database.run(&format!("INSERT INTO record VALUES ({id}, '{note}')"));
    }
}

fn source(database: &Database) -> Source {
    Source::new(&database.url(), Path::new("/")).unwrap()
}

fn shelf(folder: &Path) -> Shelf {
    Shelf::Folder(folder.to_owned())
}

fn quiet(_: &str) {}

fn how(tools: Option<&Path>) -> How<'_> {
    How { tools, ..How::default() }
}

fn means(tools: Option<&Path>) -> Means<'_> {
    Means { tools, identities: None }
}

fn create(database: &Database, server: &Server, folder: &Path, name: &str) -> Manifest {
    let tools = server.bin();
    backup::create(&source(database), ("db", name), &shelf(folder), &how(tools.as_deref()), NOW_MS, &quiet)
        .unwrap()
}

fn rows_in_order(database: &Database) -> String {
    database.run("SELECT id, note FROM record ORDER BY id")
}

#[test]
fn what_was_backed_up_comes_back_row_by_row() {
    for flavor in SERVERS {
        let server = server(flavor);
        let (database, folder) = (server.database(), tempfile::tempdir().unwrap());
        fill(&database);
        let manifest = create(&database, server, folder.path(), "first");
        let rows: Vec<_> =
            manifest.rows.iter().map(|(table, rows)| (table.trim_start_matches("public."), *rows)).collect();
        if flavor.is_postgres() {
            assert_eq!(rows, [("empty_one", 0), ("record", 5)], "{flavor:?}");
            assert!(manifest.position.is_some(), "the WAL position is known");
        } else {
            // An empty table has no INSERT.
            assert_eq!(rows, [("record", 5)], "{flavor:?}");
        }
        assert!(
            matches!(&backup::list(&shelf(folder.path())).unwrap()[..], [Stored::Whole(found)] if *found == manifest)
        );

        let tools = server.bin();
        let found = backup::verify(
            &source(&database),
            &shelf(folder.path()),
            &manifest,
            means(tools.as_deref()),
            &quiet,
        )
        .unwrap();
        assert_eq!((found.rows, found.differences.len()), (5, 0), "{flavor:?}: {:?}", found.differences);

        let before = rows_in_order(&database);
        database.run("DELETE FROM record WHERE id > 1");
        let into = format!("{}_old", database.name());
        let restored = backup::restore(
            &source(&database),
            &shelf(folder.path()),
            &manifest,
            &into,
            means(tools.as_deref()),
            &quiet,
        )
        .unwrap();
        assert_eq!(restored.rows.values().sum::<u64>(), 5);
        let copied = server.run(&match flavor.is_postgres() {
            true => format!("SELECT count(*) FROM pg_database WHERE datname = '{into}'"),
            false => format!("SELECT count(*) FROM {into}.record"),
        });
        assert_eq!(copied, if flavor.is_postgres() { "1" } else { "5" });
        assert_ne!(rows_in_order(&database), before, "the database itself was left alone");
        let again = backup::restore(
            &source(&database),
            &shelf(folder.path()),
            &manifest,
            &into,
            means(tools.as_deref()),
            &quiet,
        );
        assert!(again.is_err(), "never over a database that exists");
    }
}

#[test]
fn a_manifest_that_promises_more_rows_is_not_proven() {
    let server = server(Flavor::Mariadb);
    let (database, folder) = (server.database(), tempfile::tempdir().unwrap());
    fill(&database);
    let mut manifest = create(&database, server, folder.path(), "first");
    manifest.rows.insert("record".into(), 6);
    manifest.rows.insert("gone".into(), 1);
    let tools = server.bin();
    let found =
        backup::verify(&source(&database), &shelf(folder.path()), &manifest, means(tools.as_deref()), &quiet)
            .unwrap();
    assert_eq!(found.differences, ["table gone is missing (1 rows)", "table record has 5 rows instead of 6"]);
    // Other tests have scratch databases of their own meanwhile.
    let end = Instant::now() + Duration::from_secs(60);
    while !server.run("SHOW DATABASES LIKE 'windlass_copy%'").is_empty() {
        assert!(Instant::now() < end, "the scratch database is gone");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_cannot_be_reached_leaves_nothing_behind_and_no_password() {
    for flavor in SERVERS {
        let server = server(flavor);
        let (database, folder) = (server.database(), tempfile::tempdir().unwrap());
        let scheme = if flavor.is_postgres() { "postgres" } else { "mysql" };
        let url = format!("{scheme}://nobody:hunter2@127.0.0.1:{}/{}", server.port(), database.name());
        let source = Source::new(&url, Path::new("/")).unwrap();
        let tools = server.bin();
        let failure = backup::create(
            &source,
            ("db", "x"),
            &shelf(folder.path()),
            &how(tools.as_deref()),
            NOW_MS,
            &quiet,
        )
        .unwrap_err();
        assert!(failure.message.contains("nobody"), "{flavor:?}: {}", failure.message);
        assert!(!failure.message.contains("hunter2"), "{}", failure.message);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{flavor:?}: nothing was left behind");
    }
}

#[test]
fn a_file_of_sqlite_is_backed_up_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    let live = rusqlite::Connection::open(&path).unwrap();
    live.execute_batch(
        "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a); INSERT INTO t (a) VALUES (1), (2), (3);",
    )
    .unwrap();
    let source = Source::new("sqlite:app.db", folder.path()).unwrap();
    let backups = folder.path().join("backups");
    let manifest =
        backup::create(&source, ("db", "first"), &shelf(&backups), &how(None), NOW_MS, &quiet).unwrap();
    assert_eq!(manifest.rows["t"], 3);
    live.execute("DELETE FROM t", []).unwrap();
    let found = backup::verify(&source, &shelf(&backups), &manifest, means(None), &quiet).unwrap();
    assert_eq!((found.rows, found.differences.len()), (3, 0));
    backup::restore(&source, &shelf(&backups), &manifest, "old.db", means(None), &quiet).unwrap();
    let old = rusqlite::Connection::open(folder.path().join("old.db")).unwrap();
    assert_eq!(old.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0)).unwrap(), 3);
    assert!(
        backup::restore(&source, &shelf(&backups), &manifest, "old.db", means(None), &quiet).is_err(),
        "never over a file"
    );
    assert!(
        backup::create(&source, ("db", "first"), &shelf(&backups), &how(None), NOW_MS, &quiet).is_err(),
        "never over a backup"
    );
}
