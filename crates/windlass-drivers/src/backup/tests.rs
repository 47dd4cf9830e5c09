//! Restores whose clients hang, and proofs that are killed: what is known then, what is left, and who removes it.

use super::{
    pack::Data,
    restore::{put, verify},
    tool::Tool,
    *,
};
use crate::{
    scratch,
    testing::{argument, controller_command, folder, wait_until},
};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Child,
    sync::Mutex,
    time::Duration,
};
use windlass_lab::{Database, Flavor, server};

const SERVERS: [Flavor; 2] = [Flavor::Postgres15, Flavor::Mariadb];

/// The server's own programs, but for the client: while it restores it says its arguments in the file `said`, and hangs.
fn hanging(flavor: Flavor, folder: &Path) -> PathBuf {
    let real = server(flavor).bin().unwrap_or_else(|| PathBuf::from("/usr/bin"));
    let (dump, client) = if flavor.is_postgres() { ("pg_dump", "psql") } else { ("mysqldump", "mysql") };
    let tools = folder.join("tools");
    fs::create_dir(&tools).unwrap();
    // The server's own look for what they need where they lie.
    let program = |name: &str, script: String| {
        fs::write(tools.join(name), script).unwrap();
        fs::set_permissions(tools.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    };
    program(dump, format!("#!/bin/sh\nexec {} \"$@\"\n", real.join(dump).display()));
    // Questions come from a file, statements of a backup through a pipe; so do the words of a janitor, to another database.
    let (real, said) = (real.join(client), folder.join("said"));
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *windlass_copy_* | *_silent*) [ -p /dev/stdin ] && echo \"$*\" >{} && exec sleep 300;; esac\n\
         exec {} \"$@\"\n",
        said.display(),
        real.display()
    );
    program(client, script);
    tools
}

fn source(database: &Database) -> Source {
    Source::new(&database.url(), Path::new("/")).unwrap()
}

fn shelf(folder: &Path) -> Shelf {
    Shelf::Folder(folder.to_owned())
}

fn backup_of(flavor: Flavor, database: &Database, folder: &Path) -> Manifest {
    let tools = server(flavor).bin();
    let how = How { tools: tools.as_deref(), ..How::default() };
    create(&source(database), ("db", "x"), &shelf(folder), &how, 1_790_000_000_000, &|_| ()).unwrap()
}

fn there(flavor: Flavor, name: &str) -> bool {
    let sql = match flavor.is_postgres() {
        true => format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'"),
        false => format!("SELECT count(*) FROM information_schema.schemata WHERE schema_name = '{name}'"),
    };
    server(flavor).run(&sql) != "0"
}

#[test]
fn a_client_that_takes_nothing_is_ended_and_what_is_left_is_said() {
    for flavor in SERVERS {
        let (database, folder) = (server(flavor).database(), folder());
        database.run("CREATE TABLE t (a VARCHAR(2000))");
        let tools = hanging(flavor, folder.path());
        let into = format!("{}_silent", database.name());
        let (live, place) = (source(&database), source(&database).with_database(&into));
        let (at, new) = (Tool::new(&live, None).unwrap(), Tool::new(&place, Some(&tools)).unwrap());
        // What the pipe holds, and more than that.
        for rows in [1, 3000] {
            let rows = vec![format!("('{}')", "x".repeat(1000)); rows];
            database.run(&format!("INSERT INTO t VALUES {}", rows.join(", ")));
            let backups = folder.path().join(rows.len().to_string());
            let manifest = backup_of(flavor, &database, &backups);
            let backups = shelf(&backups);
            let data = Data::new(&backups, &manifest, None);
            let failure = put(&at, &new, &data, Duration::from_millis(300), &|_| ()).unwrap_err();
            let said = format!("the client that restores {into} took nothing for");
            assert!(failure.message.contains(&said), "{failure:?}");
            assert!(failure.message.contains("its server does nothing for it"), "{failure:?}");
            let known = format!("the new database {into} is gone again; {} was not", database.name());
            assert!(failure.hints.iter().any(|hint| hint.contains(&known)), "{failure:?}");
            assert!(!there(flavor, &into), "{flavor:?}");
        }
    }
}

#[test]
fn neither_a_dump_that_says_nothing_nor_a_client_that_takes_nothing_holds_up_a_copy() {
    let flavor = Flavor::Mariadb;
    let (database, folder) = (server(flavor).database(), folder());
    let tools = hanging(flavor, folder.path());
    let place = source(&database).with_database(&format!("{}_silent", database.name()));
    let (live, real) = (Tool::new(&source(&database), None).unwrap(), Tool::new(&place, None).unwrap());
    let hangs = Tool::new(&place, Some(&tools)).unwrap();
    let says = |script: &str| {
        let mut dump = std::process::Command::new("sh");
        dump.args(["-c", script]);
        dump
    };
    let copy = |new: &Tool, script: &str| {
        let told = |_: u64| ();
        scratch::pipe((&live, new), says(script), Duration::from_millis(300), &mut { told }, &|_| ())
            .unwrap_err()
    };
    let failure = copy(&real, "exec sleep 300");
    assert!(failure.message.contains("wrote nothing for"), "{failure:?}");
    let failure = copy(&hangs, "yes | head -c 3000000; exec sleep 300");
    assert!(failure.message.contains("took nothing for"), "{failure:?}");
}

#[test]
fn a_server_at_work_is_waited_for() {
    std::thread::scope(|scope| {
        for (flavor, slow, last) in [
            (Flavor::Postgres15, "SELECT pg_sleep(5);", "-- PostgreSQL database dump complete"),
            (Flavor::Mariadb, "DO SLEEP(5);", "-- Dump completed"),
        ] {
            scope.spawn(move || waited_for(flavor, &format!("{slow}\n{last}\n")));
        }
    });
}

/// A dump with a slow statement is put back, although its client takes nothing meanwhile.
fn waited_for(flavor: Flavor, dump: &str) {
    let (database, folder) = (server(flavor).database(), folder());
    let made = backup_of(flavor, &database, folder.path());
    let packed = zstd::encode_all(dump.as_bytes(), 1).unwrap();
    let sha256 = crate::disk::sha256(&packed);
    let manifest = Manifest { bytes: dump.len() as u64, sha256, ..made };
    fs::write(folder.path().join(&manifest.file), packed).unwrap();
    let backups = shelf(folder.path());
    let into = format!("{}_slow", database.name());
    let (live, place) = (source(&database), source(&database).with_database(&into));
    let (at, new) = (Tool::new(&live, None).unwrap(), Tool::new(&place, None).unwrap());
    let told = Mutex::new(vec![]);
    let tell = |line: &str| told.lock().unwrap().push(line.to_owned());
    let data = Data::new(&backups, &manifest, None);
    put(&at, &new, &data, Duration::from_secs(2), &tell).unwrap();
    server(flavor).run(&format!("DROP DATABASE {into}"));
    let told = told.into_inner().unwrap().join("\n");
    assert!(told.contains("the server is still at one statement of"), "{flavor:?}: {told}");
}

/// A proof that hangs in a process of its own, once it has made its scratch database; the name of that.
fn proving(name: &str, flavor: Flavor, url: &str, folder: &Path) -> (Child, String) {
    let tools = hanging(flavor, folder);
    let words = format!("{url}\n{}\n{}", tools.display(), folder.display());
    let temporary = folder.join("tmp");
    fs::create_dir(&temporary).unwrap();
    let child = controller_command(name, &words).env("TMPDIR", temporary).spawn().unwrap();
    let said = || fs::read_to_string(folder.join("said")).unwrap_or_default();
    wait_until("it restores", || said().ends_with('\n'));
    let word = |word: &&str| word.starts_with(scratch::PREFIX);
    (child, said().split_whitespace().find(word).unwrap().to_owned())
}

/// What the process of [`proving`] does.
fn prove(words: &str) {
    let words: Vec<&str> = words.lines().collect();
    let (live, backups) = (Source::new(words[0], Path::new("/")).unwrap(), Path::new(words[2]));
    let Stored::Whole(manifest) = list(&shelf(backups)).unwrap().remove(0) else { panic!("no backup") };
    let means = Means { tools: Some(Path::new(words[1])), identities: None };
    verify(&live, &shelf(backups), &manifest, means, &|_| ()).unwrap();
}

/// Kills a process with all that it has started, groups of their own too: so a machine ends.
fn kill_all(mut child: Child) {
    use rustix::process::{Pid, Signal, getpgid, kill_process, kill_process_group};
    let parent = format!("PPid:\t{}\n", child.id());
    let mine = fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
        fs::read_to_string(entry.path().join("status")).is_ok_and(|status| status.contains(&parent))
    });
    let numbers = mine.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    let started: Vec<Pid> = numbers.collect();
    child.kill().unwrap();
    for pid in started {
        let _ = match getpgid(Some(pid)) == Ok(pid) {
            true => kill_process_group(pid, Signal::KILL),
            false => kill_process(pid, Signal::KILL),
        };
    }
    child.wait().unwrap();
}

#[test]
fn a_proof_that_is_killed_leaves_nothing_and_with_its_janitor_only_until_the_next() {
    const NAME: &str =
        "backup::tests::a_proof_that_is_killed_leaves_nothing_and_with_its_janitor_only_until_the_next";
    if let Some(words) = argument() {
        return prove(&words);
    }
    for flavor in SERVERS {
        let database = server(flavor).database();
        database.run("CREATE TABLE t (a INT)");
        let [first, second, third] = [folder(), folder(), folder()];
        let manifest = backup_of(flavor, &database, first.path());
        for other in [&second, &third] {
            backup_of(flavor, &database, other.path());
        }
        let (mut child, name) = proving(NAME, flavor, &database.url(), first.path());
        assert!(there(flavor, &name), "{flavor:?}");
        child.kill().unwrap();
        child.wait().unwrap();
        wait_until("the scratch database is dropped", || !there(flavor, &name));

        let (child, left) = proving(NAME, flavor, &database.url(), second.path());
        let (living, held) = proving(NAME, flavor, &database.url(), third.path());
        kill_all(child);
        let tools = server(flavor).bin();
        let means = Means { tools: tools.as_deref(), identities: None };
        // The server takes a moment to know that a client is gone.
        wait_until("what the dead have left is removed", || {
            let found = verify(&source(&database), &shelf(first.path()), &manifest, means, &|_| ()).unwrap();
            assert!(found.restored && found.differences.is_empty(), "{found:?}");
            !there(flavor, &left)
        });
        assert!(there(flavor, &held), "{flavor:?}: it is a living process's");
        kill_all(living);
        scratch::leftovers(&source(&database), tools.as_deref(), &|_| ()).unwrap();
    }
}

#[test]
fn a_controller_that_is_killed_leaves_no_password() {
    if let Some(words) = argument() {
        return prove(&words);
    }
    for flavor in Flavor::ALL {
        let (database, folder) = (server(flavor).database(), folder());
        database.run("CREATE TABLE t (a INT)");
        backup_of(flavor, &database, folder.path());
        let name = "backup::tests::a_controller_that_is_killed_leaves_no_password";
        let (mut child, copy) = proving(name, flavor, &database.url_with_password(), folder.path());
        child.kill().unwrap();
        child.wait().unwrap();
        let left: Vec<_> = fs::read_dir(folder.path().join("tmp")).unwrap().flatten().collect();
        assert!(left.is_empty(), "{flavor:?}: {left:?}");
        wait_until("the scratch database is dropped", || !there(flavor, &copy));
    }
}

#[test]
fn a_proof_of_sqlite_has_a_folder_that_the_next_one_clears_up() {
    let folder = folder();
    let live = rusqlite::Connection::open(folder.path().join("app.db")).unwrap();
    live.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1)").unwrap();
    let source = Source::new("sqlite:app.db", folder.path()).unwrap();
    let backups = folder.path().join("backups");
    let manifest = create(&source, ("db", "x"), &shelf(&backups), &How::default(), 1, &|_| ()).unwrap();
    let left = folder.path().join("windlass_copy_1_1_1");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("lock"), "").unwrap();
    fs::write(left.join("app.db"), "in clear").unwrap();
    let told = Mutex::new(vec![]);
    let tell = |line: &str| told.lock().unwrap().push(line.to_owned());
    let found = verify(&source, &shelf(&backups), &manifest, Means::default(), &tell).unwrap();
    assert_eq!((found.restored, found.rows), (true, 1));
    let told = told.into_inner().unwrap().join("\n");
    assert!(told.contains("windlass_copy_1_1_1, left behind by an earlier run, was removed"), "{told}");
    let mut names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["app.db", "backups"]);
}

#[test]
fn a_proof_makes_no_events_and_a_restore_does() {
    for flavor in [Flavor::Mariadb, Flavor::Mysql] {
        let (database, folder) = (server(flavor).database(), folder());
        database.run(
            "CREATE TABLE t (a VARCHAR(200)); INSERT INTO t VALUES ('x\n/*!50106 CREATE*/ y'); CREATE TRIGGER g BEFORE INSERT ON t FOR EACH \
             ROW SET NEW.a = 'g'; CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM t WHERE a = ';'; CREATE PROCEDURE p() SELECT 1",
        );
        let manifest = backup_of(flavor, &database, folder.path());
        let tools = server(flavor).bin();
        let means = restore::Means { tools: tools.as_deref(), identities: None };
        let live = source(&database);
        let found = verify(&live, &shelf(folder.path()), &manifest, means, &|_| ()).unwrap();
        assert!(found.restored && found.differences.is_empty(), "{found:?}");
        let into = format!("{}_new", database.name());
        let [at, new] =
            [live.clone(), live.with_database(&into)].map(|to| Tool::new(&to, means.tools).unwrap());
        let there = || {
            let of = |what: &str, schema: &str| {
                format!("(SELECT COUNT(*) FROM information_schema.{what} WHERE {schema}_schema = '{into}')")
            };
            server(flavor).run(&format!(
                "SELECT CONCAT_WS(' ', {}, {}, {}, (SELECT a FROM `{into}`.t))",
                of("events", "event"),
                of("triggers", "trigger"),
                of("routines", "routine")
            ))
        };
        let backups = shelf(folder.path());
        let data = Data::new(&backups, &manifest, None);
        let (row, minute) = ("x\\n/*!50106 CREATE*/ y", Duration::from_secs(60));
        put(&at, &new, &data, minute, &|_| ()).unwrap();
        assert_eq!(there(), format!("1 1 1 {row}"), "{flavor:?}");
        server(flavor).run(&format!("DROP DATABASE {into}; CREATE DATABASE {into}"));
        restore::feed(&new, &data, restore::Events::LeftOut, minute, &|_| ()).unwrap();
        assert_eq!(there(), format!("0 1 1 {row}"), "{flavor:?}");
        server(flavor).run(&format!("DROP DATABASE {into}"));
    }
}

/// The dump programs look for a delimiter that the event does not hold, and never find one where `;;` is in it.
#[test]
fn an_event_that_no_dump_comes_to_the_end_of_is_named_before() {
    for flavor in [Flavor::Mariadb, Flavor::Mysql] {
        let (database, folder) = (server(flavor).database(), folder());
        let every = "ON SCHEDULE EVERY 1 DAY DISABLE";
        database.run(&format!(
            "CREATE EVENT `od``d` {every} DO SET @a = ';;'; CREATE EVENT noted {every} COMMENT 'a;;' DO SET @a = 1; CREATE EVENT fine {every} DO SET \
             @a = '; ;'"
        ));
        let tools = server(flavor).bin();
        let how = How { tools: tools.as_deref(), ..How::default() };
        let backup = || {
            create(&source(&database), ("db", "x"), &shelf(folder.path()), &how, 1_790_000_000_000, &|_| ())
        };
        let failure = backup().unwrap_err();
        assert!(failure.message.contains("`noted`, `od``d`; nothing was done"), "{failure:?}");
        assert!(failure.hints[0].contains("ALTER EVENT `noted` DO"), "{failure:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        database.run("ALTER EVENT `od``d` DO SET @a = ';'; ALTER EVENT noted COMMENT 'a'");
        backup().unwrap();
    }
}
